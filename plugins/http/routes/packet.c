/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../read/when.h"

#define WARM_WAIT_US 30000000u

const struct read_obs *
packet_shown(const struct read_packet *p)
{
	return p->shown < p->obs_count && p->obs != NULL ? &p->obs[p->shown] : NULL;
}

static void
packet_put_real(struct json *out, const char *key, bool has, double v)
{
	js_key(out, key);
	if (has)
		js_num(out, v);
	else
		js_null(out);
}

static void
packet_put_small(struct json *out, const char *key, int16_t v)
{
	js_key(out, key);
	if (v >= 0)
		js_int(out, v);
	else
		js_null(out);
}

/* Nothing is null here: an empty text of the database is not known either. */
static void
packet_put_text(struct json *out, const char *key, const char *text)
{
	js_kstr(out, key, text == NULL || text[0] == '\0' ? NULL : text);
}

static void
packet_put_observer(struct json *out, const struct read *r, const struct read_obs *o)
{
	const struct read_observer *by = o == NULL ? NULL : read_observer(r, o->observer);

	packet_put_text(out, "observer_id", by == NULL ? NULL : by->id);
	packet_put_text(out, "observer_name", by == NULL ? NULL : by->name);
	packet_put_text(out, "observer_iata", by == NULL ? NULL : by->iata);
}

static void
packet_put_signal(struct json *out, const struct read_obs *o)
{
	packet_put_real(out, "snr", o != NULL && o->has_snr, o == NULL ? 0 : o->snr);
	packet_put_real(out, "rssi", o != NULL && o->has_rssi, o == NULL ? 0 : o->rssi);
}

static const char *
packet_direction(const struct read_obs *o)
{
	return o == NULL || o->direction == 0 ? NULL
	       : o->direction == 1            ? "rx"
	       : o->direction == 2            ? "tx"
					      : "other";
}

void
packet_put_hops(struct json *out, const struct read_obs *o)
{
	js_array(out);
	for (uint32_t i = 0; o != NULL && i < o->count; i++)
		js_hex(out, o->path + (size_t)i * o->hop_size, o->hop_size, true);
	js_array_end(out);
}

void
packet_put_path(struct json *out, const struct read_obs *o)
{
	char text[256 * 19 + 3], *to = text;

	if (o == NULL || !o->has_path) {
		js_null(out);
		return;
	}
	*to++ = '[';
	for (uint32_t i = 0; i < o->count && o->hop_size <= 8; i++) {
		const uint8_t *hop = o->path + (size_t)i * o->hop_size;

		if (i > 0)
			*to++ = ',';
		*to++ = '"';
		for (uint32_t k = 0; k < o->hop_size; k++) {
			*to++ = "0123456789ABCDEF"[hop[k] >> 4];
			*to++ = "0123456789ABCDEF"[hop[k] & 15];
		}
		*to++ = '"';
	}
	*to++ = ']';
	js_strn(out, text, (size_t)(to - text));
}

void
packet_put_resolved(struct json *out, const struct read *r, const struct read_obs *o)
{
	js_array(out);
	for (uint32_t i = 0; i < o->count; i++) {
		const struct read_node *n = read_node(r, o->resolved[i]);

		js_str(out, n == NULL ? NULL : n->key);
	}
	js_array_end(out);
}

void
packet_put_raw(struct json *out, const struct read_packet *p)
{
	js_key(out, "raw_hex");
	if (p->raw_len > 0)
		js_hex(out, p->raw, p->raw_len, !p->raw_lower);
	else
		js_null(out);
}

static void
packet_put_object(struct json *out, const struct read_packet *p)
{
	js_key(out, "decoded_json");
	if (p->json != NULL)
		js_strn(out, p->json, p->json_len);
	else
		js_null(out);
}

static void
packet_put_time(struct json *out, const char *key, int64_t at)
{
	char text[WHEN_TEXT];

	when_text(at, ".000Z", text);
	js_kstr(out, key, text);
}

void
packet_put_obs(struct json *out, const struct read *r, const struct read_packet *p,
	       const struct read_obs *o, bool full)
{
	js_object(out);
	js_kint(out, "id", o->id);
	if (full) {
		js_kstr(out, "hash", p->hash);
		packet_put_raw(out, p);
	}
	packet_put_observer(out, r, o);
	packet_put_signal(out, o);
	js_key(out, "path_json");
	packet_put_path(out, o);
	packet_put_time(out, "timestamp", o->at);
	if (!full || o->direction != 0)
		js_kstr(out, "direction", packet_direction(o));
	if (o->resolved != NULL) {
		js_key(out, "resolved_path");
		packet_put_resolved(out, r, o);
	}
	js_object_end(out);
}

void
packet_put_common(struct json *out, const struct read *r, const struct read_packet *p)
{
	const struct read_obs *o = packet_shown(p);

	js_kstr(out, "hash", p->hash);
	packet_put_raw(out, p);
	js_kstr(out, "first_seen", p->first_seen);
	packet_put_small(out, "route_type", p->route);
	packet_put_small(out, "payload_type", p->type);
	packet_put_object(out, p);
	js_kuint(out, "observation_count", p->obs_count);
	packet_put_observer(out, r, o);
	packet_put_signal(out, o);
	js_key(out, "path_json");
	packet_put_path(out, o);
}

void
packet_put_fields(struct json *out, const struct read *r, const struct read_packet *p)
{
	const struct read_obs *o = packet_shown(p);

	js_kint(out, "id", p->id);
	packet_put_common(out, r, p);
	js_kstr(out, "timestamp", p->first_seen);
	js_kstr(out, "direction", packet_direction(o));
	js_kstr(out, "scope_name", p->scope);
	js_key(out, "_parsedPath");
	if (o != NULL && o->count > 0)
		packet_put_hops(out, o);
	else
		js_null(out);
	if (o != NULL && o->resolved != NULL) {
		js_key(out, "resolved_path");
		packet_put_resolved(out, r, o);
	}
}

void
packet_put(struct json *out, const struct read *r, const struct read_packet *p, uint32_t flags)
{
	js_object(out);
	packet_put_fields(out, r, p);
	if ((flags & PACKET_OBSERVATIONS) != 0) {
		js_karray(out, "observations");
		for (uint32_t i = 0; i < p->obs_count; i++)
			packet_put_obs(out, r, p, &p->obs[i], false);
		js_array_end(out);
	}
	js_object_end(out);
}

/* -------------------------------------------------------------- parameters -- */

const char *
packet_region(const char *text)
{
	const char *s = text;

	while (s != NULL && *s != '\0') {
		size_t n;

		while (*s == ',' || isspace((unsigned char)*s))
			s++;
		n = strcspn(s, ", \t");
		if (n > 0 && !(n == 3 && strncasecmp(s, "ALL", 3) == 0))
			return text;
		s += n;
	}
	return NULL;
}

uint8_t *
packet_area(struct request *rq, const char *key, bool *error)
{
	const struct read *r = ((struct http *)request_context(rq))->read;
	const struct settings_area *area =
	    key == NULL || key[0] == '\0' ? NULL : http_settings_area(request_settings(rq), key);
	uint8_t *bits;

	*error = false;
	if (area == NULL)
		return NULL;
	bits = calloc(read_node_count(r) / 8 + 1, 1);
	*error = bits == NULL;
	for (uint32_t i = 0; bits != NULL && i < read_node_count(r); i++) {
		const struct read_node *n = read_node(r, i);

		if (n->active && n->has_lat && n->has_lon && (n->lat != 0 || n->lon != 0) &&
		    mc_area_contains(&area->area, n->lat, n->lon))
			bits[i / 8] |= (uint8_t)(1u << i % 8);
	}
	return bits;
}

uint32_t
packet_node(const struct read *r, const char *text, size_t len)
{
	uint32_t node = read_node_find(r, text, len);

	if (node != READ_NONE)
		return read_node(r, node)->hidden ? READ_NONE : node;
	for (uint32_t i = 0; i < read_node_count(r); i++) {
		const struct read_node *n = read_node(r, i);

		if (n->known && !n->hidden && n->name != NULL && strncmp(n->name, text, len) == 0 &&
		    n->name[len] == '\0')
			return i;
	}
	return READ_NONE;
}

void
packet_fail(struct request *rq, mk_result rc, const mk_err *err)
{
	if (rc == MK_EAGAIN) /* rather all of it a little later than something now */
		request_again(rq, READ_WARM, WARM_WAIT_US);
	else if (rc == MK_EUNAVAIL)
		request_fail(rq, 503, "the database is not ready");
	else if (rc == MK_ETIMEDOUT)
		request_fail(rq, 503, "that takes too long; ask for less");
	else
		request_fail(rq, 500, "the answer could not be made");
	(void)err;
}
