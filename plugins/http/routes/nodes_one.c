/* SPDX-License-Identifier: MIT
 *
 * One node: what is known of it, the paths it is on, its battery.
 */
#include "who.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hops/nodes.h>
#include <hops/time.h>

#include "../read/brief.h"
#include "../read/metrics.h"

#define DAY_S 86400
#define ADVERT 4
#define ADVERTS_MAX 20u
#define SAMPLES_MAX 20000u
#define PATHS_SHOWN 50u
#define PATH_HOPS 64u

/* ----------------------------------------------------------------- detail --
 */

/* The whole key, or the beginning of one. READ_NONE: the request has failed. */
static uint32_t
one_find(struct request *rq)
{
	struct read *r = who_read(rq);
	const char *key = request_arg(rq, 0);
	size_t len = strlen(key);
	uint32_t node = read_node_find(r, key, len), found = 0;

	if (node != READ_NONE && who_is_there(read_node(r, node)))
		return node;
	if (len <= 63 && who_is_hex(key, 8))
		found = read_node_prefix(r, key, len, &node, 1);
	if (found == 1)
		return node;
	if (!who_is_ready(rq))
		return READ_NONE;
	if (found == 0)
		request_fail(rq, 404, "Not found");
	else
		request_fail(rq, 409,
			     "Ambiguous prefix: multiple nodes match. Use a longer prefix.");
	return READ_NONE;
}

struct one_adverts {
	const struct read *r;
	struct json *out;
	uint32_t node, left;
};

static bool
one_advert(void *arg, const struct read_packet *p)
{
	struct one_adverts *a = arg;

	if (p->from != a->node)
		return true;
	js_object(a->out);
	packet_put_fields(a->out, a->r, p);
	js_karray(a->out, "observations");
	for (uint32_t i = p->obs_count; i-- > 0;) /* newest first */
		packet_put_obs(a->out, a->r, p, &p->obs[i], false);
	js_array_end(a->out);
	js_object_end(a->out);
	return --a->left > 0;
}

/* Those in memory by the node's own list; older ones, if there are too few, out
 * of the database. */
static void
one_put_adverts(struct request *rq, struct json *out, uint32_t node)
{
	struct read *r = who_read(rq);
	struct one_adverts a = { .r = r, .out = out, .node = node, .left = ADVERTS_MAX };
	struct read_scratch *s = read_scratch_new(r);
	struct read_filter older;
	struct read_state state;
	struct read_brief brief;
	mk_err err = { 0 };
	mk_result rc = MK_OK;
	uint32_t count;
	const uint32_t *at = read_node_packets(r, node, &count);

	js_karray(out, "recentAdverts");
	for (uint32_t i = count; s != NULL && a.left > 0 && i-- > 0;) {
		if (!read_brief(r, at[i], &brief) || brief.from != node)
			continue;
		(void)one_advert(&a, read_packet_at(r, s, at[i]));
	}
	read_get_state(r, &state);
	who_filter(&older);
	older.type = ADVERT;
	older.nodes = &node;
	older.node_count = 1;
	older.sent = true;
	if (state.warm && read_brief(r, read_packet_begin(r), &brief))
		older.before_id = brief.id;
	if (s != NULL && a.left > 0 && !(state.warm && state.complete))
		rc = read_packets(r, s, &older, false, 0, UINT64_MAX, one_advert, &a, NULL, &err);
	js_array_end(out);
	read_scratch_free(s);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
}

static void
one_show(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	uint32_t node = one_find(rq);
	const struct read_node *n;
	struct read_relay relay;

	if (node == READ_NONE)
		return;
	n = read_node(r, node);
	js_object(out);
	js_kobject(out, "node");
	put_node_more(out, r, node, who_now(rq));
	if (read_relay(r, node, &relay))
		js_kuint(out, "flood_advert_count_7d", relay.flood_adverts_7d);
	if (who_is_relay(n))
		js_kuint(out, "relay_window_hours", 24);
	js_object_end(out);
	one_put_adverts(rq, out, node);
	js_object_end(out);
}

/* ------------------------------------------------------------------ paths --
 */

struct paths_hop {
	uint32_t node; /* or READ_NONE */
	uint8_t size;
	uint8_t bytes[4];
};

struct paths_group {
	struct paths_hop *hops;
	uint32_t hop_count, count;
	int64_t last;
	char hash[17]; /* of the newest */
};

struct paths {
	mk_arena arena;
	struct paths_group *groups;
	uint32_t *slots; /* group + 1 */
	uint32_t count, cap;
	uint64_t packets;
};

static bool
paths_same_hop(const struct paths_hop *a, const struct paths_hop *b)
{
	return a->node == b->node &&
	       (a->node != READ_NONE ||
		(a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0));
}

static bool
paths_same(const struct paths_group *g, const struct paths_hop *hops, uint32_t count)
{
	if (g->hop_count != count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!paths_same_hop(&g->hops[i], &hops[i]))
			return false;
	return true;
}

static uint32_t
paths_slot(const struct paths *p, const struct paths_hop *hops, uint32_t count)
{
	uint32_t mask = 2 * p->cap - 1, i;
	uint64_t h = count;

	for (uint32_t k = 0; k < count; k++) {
		uint64_t part = hops[k].node;

		for (uint32_t b = 0; hops[k].node == READ_NONE && b < hops[k].size; b++)
			part = part << 8 | hops[k].bytes[b];
		h = hops_mix(h * 31 + part);
	}
	for (i = (uint32_t)h & mask; p->slots[i] != 0; i = (i + 1) & mask)
		if (paths_same(&p->groups[p->slots[i] - 1], hops, count))
			break;
	return i;
}

static bool
paths_grow(struct paths *p)
{
	uint32_t cap = p->cap == 0 ? 64 : 2 * p->cap;
	struct paths_group *groups;
	uint32_t *slots;

	if (p->count < p->cap)
		return true;
	groups = realloc(p->groups, cap * sizeof(*groups));
	if (groups == NULL)
		return false;
	p->groups = groups;
	slots = calloc(2 * (size_t)cap, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(p->slots);
	p->slots = slots;
	p->cap = cap;
	for (uint32_t i = 0; i < p->count; i++)
		slots[paths_slot(p, groups[i].hops, groups[i].hop_count)] = i + 1;
	return true;
}

/* A path of packet `packet`. False: out of memory. */
static bool
paths_add(struct paths *p, const struct read_packet *packet, const struct read_obs *o)
{
	struct paths_hop hops[PATH_HOPS] = { 0 };
	uint32_t count = o->count < PATH_HOPS ? o->count : PATH_HOPS, slot;
	struct paths_group *g;

	for (uint32_t i = 0; i < count; i++) {
		hops[i].node = o->resolved[i];
		hops[i].size = o->hop_size < 4 ? o->hop_size : 4;
		memcpy(hops[i].bytes, o->path + (size_t)i * o->hop_size, hops[i].size);
	}
	if (!paths_grow(p))
		return false;
	slot = paths_slot(p, hops, count);
	if (p->slots[slot] == 0) {
		g = &p->groups[p->count];
		*g = (struct paths_group){ .hop_count = count, .last = INT64_MIN };
		g->hops = mk_arena_array(&p->arena, count, sizeof(*hops));
		if (g->hops == NULL)
			return false;
		p->slots[slot] = ++p->count;
	}
	g = &p->groups[p->slots[slot] - 1];
	g->count++;
	p->packets++;
	if (packet->first_s >= g->last) {
		g->last = packet->first_s;
		memcpy(g->hops, hops, count * sizeof(*hops));
		memcpy(g->hash, packet->hash, sizeof(g->hash));
	}
	return true;
}

/* The longest path that the node is on; NULL: it is on none. */
static const struct read_obs *
paths_through(const struct read_packet *p, uint32_t node)
{
	const struct read_obs *best = NULL;

	for (uint32_t i = 0; i < p->obs_count; i++) {
		const struct read_obs *o = &p->obs[i];

		if (o->resolved == NULL || (best != NULL && o->count <= best->count))
			continue;
		for (uint32_t k = 0; k < o->count; k++)
			if (o->resolved[k] == node)
				best = o;
	}
	return best;
}

static mk_result
paths_collect(struct paths *p, struct read *r, uint32_t node)
{
	struct read_scratch *s = read_scratch_new(r);
	mk_result rc = s == NULL ? MK_ENOMEM : MK_OK;
	uint32_t count;
	const uint32_t *at = read_node_packets(r, node, &count);

	if (s != NULL)
		read_scratch_skip(s, READ_SKIP_JSON);
	for (uint32_t i = 0; rc == MK_OK && i < count; i++) {
		const struct read_packet *packet = read_packet_at(r, s, at[i]);
		const struct read_obs *o = packet == NULL ? NULL : paths_through(packet, node);

		if (o != NULL && !paths_add(p, packet, o))
			rc = MK_ENOMEM;
	}
	read_scratch_free(s);
	return rc;
}

static int
paths_compare(const void *a, const void *b)
{
	const struct paths_group *x = a, *y = b;

	if (x->last != y->last)
		return x->last < y->last ? 1 : -1;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->hash, y->hash);
}

static void
paths_put(struct json *out, const struct read *r, const struct paths_group *g)
{
	js_object(out);
	js_karray(out, "hops");
	for (uint32_t i = 0; i < g->hop_count; i++) {
		const struct paths_hop *hop = &g->hops[i];
		const struct read_node *n = hop->node == READ_NONE ? NULL : read_node(r, hop->node);
		bool named;

		n = n != NULL && n->hidden ? NULL : n;
		named = n != NULL && who_name(r, hop->node)[0] != '\0';
		js_object(out);
		js_key(out, "prefix");
		js_hex(out, hop->bytes, hop->size, true);
		js_key(out, "name");
		if (named)
			js_str(out, who_name(r, hop->node));
		else
			js_hex(out, hop->bytes, hop->size, true);
		js_kstr(out, "pubkey", n == NULL ? NULL : n->key);
		put_place(out, n != NULL && hops_has_gps(n->lat, n->lon) ? n : NULL);
		js_object_end(out);
	}
	js_array_end(out);
	js_kuint(out, "count", g->count);
	put_time(out, "lastSeen", g->last);
	js_kstr(out, "sampleHash", g->hash);
	js_object_end(out);
}

static void
paths_show(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	uint32_t node = who_asked(rq);
	struct paths p = { 0 };

	if (node == READ_NONE || !who_is_warm(rq))
		return;
	if (paths_collect(&p, r, node) != MK_OK) {
		request_fail(rq, 500, "out of memory");
		goto done;
	}
	if (p.count > 1)
		qsort(p.groups, p.count, sizeof(*p.groups), paths_compare);
	js_object(out);
	js_kobject(out, "node");
	js_kstr(out, "public_key", read_node(r, node)->key);
	js_kstr(out, "name", read_node(r, node)->name);
	put_place(out, read_node(r, node));
	js_object_end(out);
	js_karray(out, "paths");
	for (uint32_t i = 0; i < p.count && i < PATHS_SHOWN; i++)
		paths_put(out, r, &p.groups[i]);
	js_array_end(out);
	js_kuint(out, "totalPaths", p.count);
	js_kuint(out, "totalTransmissions", p.packets);
	js_object_end(out);
done:
	free(p.groups);
	free(p.slots);
	mk_arena_fini(&p.arena);
}

/* ---------------------------------------------------------------- battery --
 */

struct battery {
	struct json *out;
	int64_t now, latest;
	char at[40];
};

static bool
battery_sample(void *arg, const struct read_metric *m)
{
	struct battery *b = arg;

	if (m->battery_mv == READ_NULL)
		return true;
	who_past(b->now, m->at, b->at);
	js_object(b->out);
	js_kstr(b->out, "timestamp", b->at);
	js_kint(b->out, "battery_mv", m->battery_mv);
	js_object_end(b->out);
	b->latest = m->battery_mv;
	return true;
}

static void
battery_show(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const struct settings *set = request_settings(rq);
	const char *key = request_arg(rq, 0), *status = "ok";
	uint32_t node = read_node_find(r, key, strlen(key));
	int64_t days = request_int(rq, "days");
	struct battery b = { .out = out, .now = who_now(rq), .latest = READ_NULL };
	struct read_metrics_query q = { .max = SAMPLES_MAX };
	mk_err err = { 0 };
	mk_result rc;

	if (!who_is_ready(rq))
		return;
	if (node == READ_NONE || !who_is_there(read_node(r, node))) {
		request_fail(rq, 404, "node not found");
		return;
	}
	days = days < 1 || days > 365 ? 7 : days;
	hops_time_write(b.now - days * DAY_S, q.since);
	q.observer = who_observer_id(r, node);
	js_object(out);
	js_kstr(out, "public_key", read_node(r, node)->key);
	js_kint(out, "days", days);
	js_karray(out, "samples");
	rc = q.observer == NULL ? MK_OK : read_metrics(r, &q, battery_sample, &b, &err);
	if (rc != MK_OK) {
		packet_fail(rq, rc, &err);
		return;
	}
	js_array_end(out);
	put_int(out, "latest_mv", b.latest);
	js_kstr(out, "latest_ts", b.latest == READ_NULL ? NULL : b.at);
	if (b.latest == READ_NULL)
		status = "unknown";
	else if (b.latest < set->battery_critical_mv)
		status = "critical";
	else if (b.latest < set->battery_low_mv)
		status = "low";
	js_kstr(out, "status", status);
	js_kobject(out, "thresholds");
	js_kint(out, "low_mv", set->battery_low_mv);
	js_kint(out, "critical_mv", set->battery_critical_mv);
	js_object_end(out);
	js_object_end(out);
}

/* clang-format off */
static const struct route_param battery_params[] = {
	{ "days", PARAM_INT, .dflt = 7, .min = 0, .max = 366, .help = "1 to 365" },
	{ .name = NULL },
};

#define ONE_PARTS                                                                                 \
	(MODEL_NODES | MODEL_OBSERVERS | MODEL_PACKETS | MODEL_MBCAP | MODEL_RELAYS | MODEL_WARM)

const struct route node_one_routes[] = {
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}", .handle = one_show, .reads = ONE_PARTS,
	  .max_age_s = 1, .stale_s = 30, .summary = "a node, by its key or 8 digits of it or more",
	  .answer = "{node, recentAdverts: [packet]}" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/paths", .handle = paths_show,
	  .reads = ONE_PARTS, .max_age_s = 15, .cost = 2,
	  .summary = "paths of packets that went through a node",
	  .answer = "{node, paths: [{hops, count, lastSeen, sampleHash}], totalPaths, "
		    "totalTransmissions}" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/battery", .handle = battery_show,
	  .params = battery_params, .reads = MODEL_NODES | MODEL_OBSERVERS, .max_age_s = 30,
	  .stale_s = 60, .cost = 1, .summary = "what it said of its battery",
	  .answer = "{public_key, days, samples, latest_mv, latest_ts, status, thresholds}" },
	{ .method = NULL },
};
/* clang-format on */
