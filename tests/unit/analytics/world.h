/* SPDX-License-Identifier: MIT
 *
 * A frame with modules, fed by hand: who there is, what was heard, and questions whose answers come
 * back as JSON.
 */
#ifndef TEST_ANALYTICS_WORLD_H
#define TEST_ANALYTICS_WORLD_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include <analytics/frame.h>

#define WORLD_NOW 1779041700 /* 2026-05-17 18:15:00 */

struct world {
	mk_host host;
	struct frame frame;
	uint64_t obs;
	void (*posted)(void *); /* the last post, not run yet */
	void *posted_arg;
	uint32_t published; /* how often */
	uint8_t body[1 << 16];
	uint32_t body_len;
	int64_t now; /* Unix seconds */
	bool stored; /* what is heard comes out of the database */
};

/* A copy of a packet that somebody heard. */
struct heard {
	uint64_t tx;
	const char *observer;
	const char *path; /* "AA,01FA" */
	int64_t at;       /* 0: now */
	uint8_t type;
	uint8_t route; /* 0 is a transport flood, so floods must say 1 */
	const char *from;
	const char *json;
	const char *scope;
	double snr, rssi;    /* 0: none */
	const char *channel; /* column of the row */
	const uint8_t *payload;
	uint32_t payload_len;
};

static uint64_t
world_wall_us(const mk_host *host)
{
	const struct world *w = host->impl;

	return (uint64_t)w->now * 1000000;
}

static mk_result
world_post(const mk_host *host, void (*fn)(void *), void *arg)
{
	struct world *w = host->impl;

	w->posted = fn;
	w->posted_arg = arg;
	return MK_OK;
}

static mk_result
world_publish(const mk_host *host, const char *topic, const void *body, uint32_t len,
	      uint32_t flags)
{
	struct world *w = host->impl;

	(void)topic;
	(void)flags;
	cr_assert_leq(len, sizeof(w->body));
	memcpy(w->body, body, len);
	w->body_len = len;
	w->published++;
	return MK_OK;
}

static mk_result
world_count(const mk_host *host, const char *name, int64_t add)
{
	(void)host;
	(void)name;
	(void)add;
	return MK_OK;
}

static void
world_log(const mk_host *host, int32_t level, const char *line)
{
	(void)host;
	(void)level;
	(void)line;
}

static inline void
world_init(struct world *w, const struct an_module *const *modules)
{
	*w = (struct world){ .now = WORLD_NOW };
	w->host = (mk_host){ .struct_size = sizeof(w->host),
			     .impl = w,
			     .log = world_log,
			     .publish = world_publish,
			     .post = world_post,
			     .now_us = world_wall_us,
			     .wall_us = world_wall_us,
			     .gauge = world_count,
			     .count = world_count };
	cr_assert_eq(frame_init(&w->frame, &w->host, modules), MK_OK);
	w->frame.keep = 30 * 86400;
	w->frame.max_packets = 100000;
	w->frame.view_bytes = 1 << 20;
}

static inline void
world_run_posts(struct world *w)
{
	while (w->posted != NULL) {
		void (*fn)(void *) = w->posted;

		w->posted = NULL;
		fn(w->posted_arg);
	}
}

static inline void
world_fini(struct world *w)
{
	frame_fini(&w->frame);
	world_run_posts(w);
}

/* `lat` and `lon` 0: without a position. */
static inline void
world_node(struct world *w, const char *key, const char *role, double lat, double lon)
{
	struct history_person p = { .key = key, .name = key, .role = role };
	struct hops_node node = { .there = true,
				  .lat = lat,
				  .lon = lon,
				  .has_gps = hops_has_gps(lat, lon),
				  .relays = hops_role_relays(role, strlen(role)) };

	cr_assert_eq(hops_nodes_set(&w->frame.nodes, key, strlen(key), &node), MK_OK);
	p.node = node;
	frame_on_person(&w->frame, &p);
}

static inline void
world_observer(struct world *w, const char *id, const char *region)
{
	struct history_person p = { .key = id, .name = id, .observer = true, .region = region };

	frame_on_person(&w->frame, &p);
}

static inline uint32_t
world_path(uint32_t *hops, const char *path)
{
	uint32_t count = 0;

	for (; path != NULL && *path != '\0'; path += *path == ',') {
		size_t len = strcspn(path, ",");

		hops[count] = hops_token_read(path, len);
		cr_assert_neq(hops[count], 0, "no hop: %s", path);
		count++;
		path += len;
	}
	return count;
}

/* The packet as it would be on the air; what the path byte says of the size is that of the hops. */
static inline uint32_t
world_raw(uint8_t *raw, const struct heard *h, const struct hops_obs *o)
{
	uint32_t n = 0, size = o->count > 0 ? HOPS_TOKEN_SIZE(o->hops[0]) : 1;

	raw[n++] = (uint8_t)(h->route | h->type << 2);
	if (h->route == HOPS_ROUTE_TFLOOD || h->route == HOPS_ROUTE_TDIRECT)
		for (; n < 5; n++)
			raw[n] = 7;
	raw[n++] = (uint8_t)((size - 1) << 6 | o->count);
	for (uint32_t i = 0; i < o->count; i++)
		for (uint32_t k = size; k > 0; k--)
			raw[n++] = (uint8_t)(o->hops[i] >> 8 * (k - 1));
	if (h->payload != NULL)
		memcpy(raw + n, h->payload, h->payload_len);
	return n + h->payload_len;
}

static inline void
world_hear(struct world *w, struct heard h)
{
	bool fresh = frame_find(&w->frame, h.tx) == NULL;
	struct hops_packet packet = { .fresh = fresh };
	struct hops_obs o = { .id = ++w->obs, .tx = h.tx, .at = h.at != 0 ? h.at : w->now };
	uint8_t raw[512];
	char hash[17], hex[1025];

	(void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)h.tx);
	o.observer = h.observer;
	o.observer_len = h.observer != NULL ? (uint32_t)strlen(h.observer) : 0;
	o.from = h.from;
	o.from_len = h.from != NULL ? (uint32_t)strlen(h.from) : 0;
	o.type = h.type;
	o.route = h.route;
	o.count = (uint8_t)world_path(o.hops, h.path);
	o.size = o.count > 0 ? (uint8_t)HOPS_TOKEN_SIZE(o.hops[0]) : 1;
	o.has_snr = h.snr < 0 || h.snr > 0;
	o.snr = (float)h.snr;
	packet.hash = hash;
	packet.hash_len = 16;
	packet.first = o.at;
	packet.json = h.json;
	packet.json_len = h.json != NULL ? (uint32_t)strlen(h.json) : 0;
	packet.scoped = h.scope != NULL;
	packet.scope = h.scope;
	packet.scope_len = h.scope != NULL ? (uint32_t)strlen(h.scope) : 0;
	o.has_rssi = h.rssi < 0;
	o.rssi = (float)h.rssi;
	packet.channel = h.channel;
	packet.channel_len = h.channel != NULL ? (uint32_t)strlen(h.channel) : 0;
	packet.raw_len = world_raw(raw, &h, &o);
	packet.raw = raw;
	if (w->stored) {
		for (uint32_t i = 0; i < packet.raw_len; i++)
			(void)snprintf(hex + 2 * i, 3, "%02X", raw[i]);
		packet.hex = hex;
		packet.hex_len = 2 * packet.raw_len;
	}
	o.packet = fresh ? &packet : NULL;
	frame_on_obs(&w->frame, &o);
}

static inline void
world_put(mk_writer *body, const json_t *v)
{
	json_t *child;
	const char *name;
	size_t i;

	if (json_is_object(v)) {
		mk_put_map(body, (uint32_t)json_object_size(v));
		json_object_foreach((json_t *)(uintptr_t)v, name, child)
		{
			mk_put_str(body, name);
			world_put(body, child);
		}
	} else if (json_is_array(v)) {
		mk_put_array(body, (uint32_t)json_array_size(v));
		json_array_foreach(v, i, child) world_put(body, child);
	} else if (json_is_integer(v)) {
		mk_put_i64(body, json_integer_value(v));
	} else if (json_is_real(v)) {
		mk_put_f64(body, json_real_value(v));
	} else {
		mk_put_str(body, json_string_value(v));
	}
}

/* Ask with arguments as JSON, `{"key": "aa"}`. The answer is the caller's. */
static inline json_t *
world_ask(struct world *w, const char *method, const char *args, uint32_t status)
{
	json_t *in = json_loads(args, 0, NULL), *out;
	uint32_t got;
	struct json text;
	mk_writer body;
	mk_doc doc;

	cr_assert_not_null(in, "%s", args);
	mk_writer_init(&body, 0);
	mk_doc_init(&doc);
	js_init(&text, 1 << 24);
	world_put(&body, in);
	cr_assert_eq(mk_doc_open(&doc, body.data, body.len, NULL, NULL, 0), MK_OK);
	frame_flush(&w->frame);
	while ((got = frame_answer(&w->frame, method, mk_doc_root(&doc), &text)) == FRAME_LATER)
		while (frame_is_making(&w->frame) && !frame_step(&w->frame))
			;
	cr_assert_eq(got, status, "%s: %.*s", method, (int)text.len, text.data);
	cr_assert_not(text.failed);
	out = json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL);
	cr_assert_not_null(out, "no JSON: %.*s", (int)text.len, text.data);
	mk_doc_close(&doc);
	mk_doc_fini(&doc);
	mk_writer_fini(&body);
	js_fini(&text);
	json_decref(in);
	return out;
}

/* A value by a path like "links.0.pubkey"; NULL: it is not there. */
static inline json_t *
world_at(json_t *v, const char *path)
{
	while (v != NULL && *path != '\0') {
		char name[64];
		size_t len = strcspn(path, ".");

		cr_assert_lt(len, sizeof(name));
		memcpy(name, path, len);
		name[len] = '\0';
		v = json_is_array(v) ? json_array_get(v, strtoul(name, NULL, 10))
				     : json_object_get(v, name);
		path += len + (path[len] == '.');
	}
	return v;
}

static inline void
world_expect(json_t *v, const char *path, const char *want)
{
	json_t *got = world_at(v, path);
	char *text = got != NULL
			 ? json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(12))
			 : NULL;

	cr_expect(text != NULL && strcmp(text, want) == 0, "%s: %s, not %s", path,
		  text != NULL ? text : "nothing", want);
	free(text);
}

#endif
