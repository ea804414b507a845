/* SPDX-License-Identifier: MIT
 *
 * One item of a message that becomes rows: packet/decoded, rx/status or client/heard, field by field
 * as docs/events.md has them. Text and values point into the message.
 */
#ifndef STORAGE_ITEM_H
#define STORAGE_ITEM_H

#include <meshkern/codec.h>

#define ITEM_KEY 32u                       /* bytes of a node's public key */
#define KEY_CHARS ((size_t)(2 * ITEM_KEY)) /* of one in hex */
#define ITEM_HOPS 184u                     /* a trace may be told that many, one byte each */

struct text { /* not NUL-terminated; s is NULL where the field is absent */
	const char *s;
	size_t len;
};

struct real {
	bool is;
	double v; /* finite */
};

struct integer {
	bool is;
	int64_t v;
};

struct flag {
	bool is, v;
};

struct advert {
	struct text name, role;
	struct real lat, lon, temperature_c;
	struct integer battery_mv;
	struct flag foreign;
};

struct item {
	const mk_val *map; /* all of it */
	struct integer at; /* µs */
	struct text region, observer, name, direction;
	struct real snr, rssi, score;
	struct integer skew;
	const mk_val *bridge;
	struct text raw; /* bytes, not text */
	/* packet/decoded */
	struct text rejected, refused, hash, json, channel, scope, from;
	struct integer route, type, version;
	const mk_val *path, *advert;
	/* rx/status */
	struct text model, firmware, client_version, radio;
	struct integer battery_mv, uptime_secs, tx_air_secs, rx_air_secs, recv_errors, packets_sent,
	    packets_recv;
	struct real noise_floor;
	struct flag repeat, retained;
	/* client/heard */
	struct text companion, heard, src;
	struct real lat, lon, acc_m;
	struct integer rx_at, bytes;
};

/* What the map has of known fields with the right type; the rest is as if it was absent. False if
 * it is no map or has no usable time. */
bool item_read(const mk_val *map, struct item *out);
void item_read_advert(const mk_val *map, struct advert *out);

static inline int64_t
item_seconds(const struct item *it)
{
	return it->at.v / 1000000;
}

/* Bytes of an even number of hex digits, of either case; false if it is anything else. */
bool item_unhex(struct text hex, uint8_t *out, size_t bytes);
/* Upper- or lower-case; 2 * len + 1 bytes at `out`. */
void item_hex(const void *bytes, size_t len, bool upper, char *out);

#endif
