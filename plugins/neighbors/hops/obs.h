/* SPDX-License-Identifier: MIT
 *
 * One observation: that somebody heard a copy of a packet, with what analytics need of it. Made
 * from an item of packet/stored, or from the database, with the same result.
 */
#ifndef HOPS_OBS_H
#define HOPS_OBS_H

#include <meshkern/codec.h>

#include "nodes.h"

#define HOPS_PATH_MAX 63 /* hops */

enum { HOPS_ROUTE_TFLOOD, HOPS_ROUTE_FLOOD, HOPS_ROUTE_DIRECT, HOPS_ROUTE_TDIRECT };
enum { HOPS_TYPE_ADVERT = 4, HOPS_TYPE_TRACE = 9 };

/* What a packet is, for those who ask for it (feed.h). All texts are borrowed. */
struct hops_packet {
	const char *hash; /* 16 hex digits */
	int64_t first;    /* Unix seconds: when it was heard first */
	const char *hex;  /* the packet, out of the database; else it is in `raw` */
	const uint8_t *raw;
	const char *json; /* the decoded object */
	const char *channel, *scope;
	uint32_t hash_len, hex_len, raw_len, json_len, channel_len, scope_len;
	bool scoped; /* `scope` says by which region, "" is one that is not known */
	bool fresh;  /* live, and this is its first copy */
};

struct hops_obs {
	uint64_t id, tx;      /* rows: observation, transmission */
	int64_t at;           /* Unix seconds */
	const char *observer; /* id, any case; NULL: not known. Borrowed */
	const char *from;     /* key of an advert's originator, or NULL. Borrowed */
	uint32_t observer_len, from_len;
	uint8_t route, type;
	uint8_t size;  /* bytes of a hop by the packet itself, 1..4; 0: not known */
	uint8_t count; /* hops */
	bool shared;   /* an advert that somebody else sent on by hand */
	bool sent;     /* the observer sent this copy, it did not hear it */
	bool has_snr;
	float snr;                        /* dB */
	bool has_rssi;                    /* this and the next ones only for those who ask for it */
	float rssi;                       /* dBm */
	const struct hops_packet *packet; /* NULL if it was told before */
	uint32_t hops[HOPS_PATH_MAX];     /* tokens */
};

/* False: something that must be there is not, or is not what it should be. */
bool hops_obs_read(struct hops_obs *o, const mk_val *item);
/* The rest of it, for those who ask for it; `o` borrows `packet`. */
void hops_obs_read_packet(struct hops_obs *o, struct hops_packet *packet, const mk_val *item);

/* The hops of a path_json, `["7D1D","DA2A"]`. What is no such list, or has hops that no packet can
 * have, is a path of no hops: false. */
bool hops_obs_path(struct hops_obs *o, const char *json, size_t len);
/* Route, type, hash size and `shared` from the first bytes of the packet, in hex; needs o->count.
 * False: too short, or not hex; nothing is changed. */
bool hops_obs_head(struct hops_obs *o, const char *hex, size_t len);

/* "tx": it was sent. */
void hops_obs_direction(struct hops_obs *o, const char *text, size_t len);

bool hops_obs_is_flood(const struct hops_obs *o);

#endif
