/* SPDX-License-Identifier: MIT
 *
 * /api/sets/NAME: whole tables as columns of numbers, which a page reads without parsing.
 *
 *   "MKC1", u32 length of the header, the header (JSON), zeros up to a multiple of 8, then columns,
 *   each beginning at a multiple of 8; everything little-endian
 *
 * Rows of the sets of nodes and observers stay where they are while the daemon runs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/columns.h"
#include "packet.h"

#define COLUMNS_MAX 40u
#define DICTS_MAX 8u
#define AT_S \
	10 /* the header's time is rounded to that, so that what is the same has the same ETag */

struct column {
	const char *name, *type, *dict;
	uint32_t size; /* bytes of a row */
	uint8_t *data;
};

struct dict {
	const char *name;
	const char **values;
	uint32_t count, max;
};

struct set {
	struct request *rq;
	const struct read *r;
	mk_arena arena;
	const char *name;
	uint32_t rows, row;
	uint64_t total;
	bool warm, complete, failed;
	struct column columns[COLUMNS_MAX];
	uint32_t column_count, at; /* at: the column that is written next */
	struct dict dicts[DICTS_MAX];
	uint32_t dict_count;
};

/* ---------------------------------------------------------------- columns -- */

static void
set_column(struct set *s, const char *name, const char *type, const char *dict)
{
	struct column *c = &s->columns[s->column_count++];

	*c = (struct column){ .name = name, .type = type, .dict = dict };
	c->size = strncmp(type, "bytes", 5) == 0 ? (uint32_t)strtoul(type + 5, NULL, 10)
						 : (uint32_t)strtoul(type + 1, NULL, 10) / 8;
	c->data = mk_arena_array(&s->arena, s->rows + 1u, c->size);
	s->failed |= c->data == NULL;
}

/* The place of the next column in the present row; its columns are written in their order. */
static void *
set_next(struct set *s)
{
	const struct column *c = &s->columns[s->at++];

	return c->data + (size_t)s->row * c->size;
}

static void
set_u(struct set *s, uint64_t v)
{
	uint32_t size = s->columns[s->at].size;
	uint8_t *to = set_next(s);
	uint64_t most = size == 8 ? UINT64_MAX : ((uint64_t)1 << 8 * size) - 1;

	v = v > most ? most : v;
	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

/* What is not known is all ones, and no number is. */
static void
set_place(struct set *s, uint32_t v)
{
	set_u(s, v == READ_NONE ? UINT64_MAX : v);
}

static void
set_i(struct set *s, int64_t v)
{
	uint32_t size = s->columns[s->at].size;
	uint8_t *to = set_next(s);

	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)((uint64_t)v >> 8 * i);
}

static void
set_f(struct set *s, double v)
{
	if (s->columns[s->at].size == 4) {
		float f = (float)v;

		memcpy(set_next(s), &f, sizeof(f));
	} else {
		memcpy(set_next(s), &v, sizeof(v));
	}
}

static void
set_bytes(struct set *s, const uint8_t *v)
{
	uint32_t size = s->columns[s->at].size;

	memcpy(set_next(s), v, size);
}

/* Unix seconds; 0: not known. */
static void
set_time(struct set *s, int64_t at)
{
	set_u(s, at == READ_NULL || at < 0 ? 0 : (uint64_t)at);
}

static void
set_time_text(struct set *s, const char *text)
{
	int64_t at;

	set_time(s, when_parse(text, &at, NULL) ? at : READ_NULL);
}

/* ------------------------------------------------------------------- dicts -- */

static struct dict *
set_dict(struct set *s, const char *name, uint32_t max)
{
	struct dict *d = &s->dicts[s->dict_count++];

	*d = (struct dict){ .name = name, .max = max };
	d->values = mk_arena_array(&s->arena, max + 1u, sizeof(*d->values));
	s->failed |= d->values == NULL;
	return d;
}

/* For dictionaries of few words; there is always the last one that was found. */
static uint32_t
dict_place(struct dict *d, const char *text)
{
	if (text == NULL || d->values == NULL)
		return READ_NONE;
	for (uint32_t i = 0; i < d->count; i++)
		if (strcmp(d->values[i], text) == 0)
			return i;
	if (d->count == d->max)
		return READ_NONE;
	d->values[d->count] = text;
	return d->count++;
}

/* One value for each row. */
static uint32_t
dict_add(struct dict *d, const char *text)
{
	if (text == NULL || d->values == NULL || d->count == d->max)
		return READ_NONE;
	d->values[d->count] = text;
	return d->count++;
}

/* ------------------------------------------------------------------- text -- */

static void
set_head(struct set *s, struct json *head, size_t from)
{
	const mk_host *host = request_host(s->rq);
	struct http *h = request_context(s->rq);
	char version[32];
	size_t offset = from;

	js_object(head);
	js_kstr(head, "name", s->name);
	js_kuint(head, "rows", s->rows);
	(void)snprintf(version, sizeof(version), "%llu",
		       (unsigned long long)model_version(&h->model, MODEL_NODES | MODEL_OBSERVERS |
									MODEL_PACKETS |
									MODEL_GRAPH));
	js_kstr(head, "version", version);
	js_karray(head, "columns");
	for (uint32_t i = 0; i < s->column_count; i++) {
		const struct column *c = &s->columns[i];
		size_t length = (size_t)s->rows * c->size;

		js_object(head);
		js_kstr(head, "name", c->name);
		js_kstr(head, "type", c->type);
		js_kuint(head, "offset", offset);
		js_kuint(head, "length", length);
		if (c->dict != NULL)
			js_kstr(head, "dict", c->dict);
		js_object_end(head);
		offset += (length + 7) & ~(size_t)7;
	}
	js_array_end(head);
	js_kobject(head, "dicts");
	for (uint32_t i = 0; i < s->dict_count; i++) {
		js_karray(head, s->dicts[i].name);
		for (uint32_t k = 0; k < s->dicts[i].count; k++)
			js_str(head, s->dicts[i].values[k]);
		js_array_end(head);
	}
	js_object_end(head);
	js_kuint(head, "total", s->total);
	js_kbool(head, "complete", s->complete);
	js_kuint(head, "at", host->wall_us(host) / 1000000 / AT_S * AT_S);
	js_object_end(head);
}

/* Offsets stand in the header, and depend on its length: it is written until they are right. */
static void
set_write(struct set *s, struct json *out)
{
	static const char zeros[8];
	uint8_t length[4];
	struct json head;
	size_t from = 0;

	js_init(&head, (size_t)64 << 20);
	for (int i = 0; i < 4 && (i == 0 || from != ((8 + head.len + 7) & ~(size_t)7)); i++) {
		from = i == 0 ? 0 : (8 + head.len + 7) & ~(size_t)7;
		head.len = 0;
		head.comma = 0;
		set_head(s, &head, from);
	}
	if (s->failed || head.failed || from != ((8 + head.len + 7) & ~(size_t)7)) {
		request_fail(s->rq, 500, "out of memory");
		js_fini(&head);
		return;
	}
	for (int i = 0; i < 4; i++)
		length[i] = (uint8_t)(head.len >> 8 * i);
	js_text(out, "MKC1", 4);
	js_text(out, (const char *)length, 4);
	js_text(out, head.data, head.len);
	js_text(out, zeros, from - 8 - head.len);
	js_fini(&head);
	for (uint32_t i = 0; i < s->column_count; i++) {
		size_t len = (size_t)s->rows * s->columns[i].size;

		js_text(out, (const char *)s->columns[i].data, len);
		js_text(out, zeros, (8 - len % 8) % 8);
	}
}

static bool
set_open(struct set *s, struct request *rq, const char *name)
{
	struct http *h = request_context(rq);
	struct read_state *state = malloc(sizeof(*state));

	*s = (struct set){ .rq = rq, .r = h->read, .name = name };
	if (state == NULL) {
		request_fail(rq, 500, "out of memory");
		return false;
	}
	read_get_state(h->read, state);
	s->total = state->tx;
	s->warm = state->warm;
	s->complete = state->complete;
	if (!state->ready)
		packet_fail(rq, MK_EUNAVAIL, NULL);
	s->failed = !state->ready;
	free(state);
	return !s->failed;
}

static void
set_columns(struct set *s, const char *const (*columns)[3])
{
	for (; (*columns)[0] != NULL; columns++)
		set_column(s, (*columns)[0], (*columns)[1], (*columns)[2]);
}

/* ---------------------------------------------------------------- packets -- */

struct set_keys {         /* nodes that are named in the set */
	uint32_t *places; /* by number: place + 1 */
	struct dict *dict;
};

static uint32_t
set_key(struct set *s, struct set_keys *keys, uint32_t node)
{
	const struct read_node *n = read_node(s->r, node);

	if (n == NULL)
		return READ_NONE;
	if (keys->places[node] == 0)
		keys->places[node] = dict_add(keys->dict, n->key) + 1;
	return keys->places[node] - 1;
}

static void
set_packet(struct set *s, const struct read_brief_packet *p, struct set_keys *keys,
	   struct dict *channels, struct dict *scopes)
{
	s->at = 0;
	set_f(s, (double)p->id);
	set_bytes(s, p->hash);
	set_f(s, (double)p->first_ms);
	set_time(s, p->latest == READ_NULL ? p->first_ms / 1000 : p->latest);
	set_u(s, p->type < 0 ? 255 : (uint64_t)p->type);
	set_u(s, p->route < 0 ? 255 : (uint64_t)p->route);
	set_u(s, p->hops);
	set_u(s, p->hop_size);
	set_u(s, p->observations);
	set_u(s, p->observers);
	set_u(s, p->size);
	set_i(s, p->snr);
	set_i(s, p->rssi);
	set_place(s, p->observer);
	set_place(s, set_key(s, keys, p->from));
	set_place(s, dict_place(channels, p->channel));
	set_place(s, dict_place(scopes, p->scope));
	set_u(s, p->last_hop);
}

static void
sets_packets(struct request *rq, struct json *out)
{
	static const char *const columns[][3] = {
		{ "id", "f64" },
		{ "hash", "bytes8" },
		{ "first", "f64" },
		{ "latest", "u32" },
		{ "type", "u8" },
		{ "route", "u8" },
		{ "hops", "u8" },
		{ "hop_size", "u8" },
		{ "observations", "u16" },
		{ "observers", "u16" },
		{ "size", "u16" },
		{ "snr", "i16" },
		{ "rssi", "i16" },
		{ "observer", "u16", "observers" },
		{ "from", "u32", "nodes" },
		{ "channel", "u16", "channels" },
		{ "scope", "u16", "scopes" },
		{ "last_hop", "u32" },
		{ NULL },
	};
	const char *text = request_text(rq, "since");
	uint32_t limit = (uint32_t)request_int(rq, "limit"), begin, end;
	struct read_brief_packet p;
	struct dict *channels, *scopes, *observers;
	struct set_keys keys;
	int64_t since = INT64_MIN;
	struct set s;

	if (!set_open(&s, rq, "packets"))
		return;
	if (!s.warm) {
		packet_fail(rq, MK_EAGAIN, NULL);
		return;
	}
	if (text != NULL && !when_parse(text, &since, NULL))
		since = strtoll(text, NULL, 10);
	begin = read_packet_begin(s.r);
	end = read_packet_end(s.r);
	s.rows = end - begin < limit ? end - begin : limit;
	set_columns(&s, columns);
	observers = set_dict(&s, "observers", read_observer_count(s.r));
	for (uint32_t i = 0; i < read_observer_count(s.r); i++)
		dict_add(observers, read_observer(s.r, i)->id);
	channels = set_dict(&s, "channels", 1024);
	scopes = set_dict(&s, "scopes", 1024);
	keys.dict = set_dict(&s, "nodes", read_node_count(s.r));
	keys.places = mk_arena_array(&s.arena, read_node_count(s.r) + 1u, sizeof(*keys.places));
	s.failed |= keys.places == NULL;
	for (uint32_t i = 0; !s.failed && s.row < s.rows && i < end - begin; i++) {
		if (!read_packet_numbers(s.r, end - 1 - i, &p))
			break;
		if ((p.latest == READ_NULL ? p.first_ms / 1000 : p.latest) < since)
			continue;
		set_packet(&s, &p, &keys, channels, scopes);
		s.row++;
	}
	s.rows = s.row;
	s.complete = s.complete && s.rows == end - begin;
	set_write(&s, out);
	mk_arena_fini(&s.arena);
}

/* ------------------------------------------------------------------- nodes -- */

static void
set_key_bytes(struct set *s, const char *key)
{
	uint8_t bytes[32] = { 0 };

	for (int i = 0; i < 64 && key[i] != '\0'; i++) {
		char c = (char)(key[i] | 0x20);
		int digit = c >= 'a' && c <= 'f'   ? c - 'a' + 10
			    : c >= '0' && c <= '9' ? c - '0'
						   : 0;

		bytes[i / 2] = (uint8_t)(bytes[i / 2] << 4 | digit);
	}
	set_bytes(s, bytes);
}

static void
set_node_relay(struct set *s, uint32_t node)
{
	struct read_relay relay = { .usefulness = NAN, .bridge = NAN, .traffic = NAN };

	(void)read_relay(s->r, node, &relay);
	set_u(s, relay.count_1h);
	set_u(s, relay.count_24h);
	set_time(s, relay.last_relayed);
	set_f(s, relay.usefulness);
	set_f(s, relay.bridge);
	set_f(s, relay.traffic);
}

struct set_node_dicts {
	struct dict *names, *roles, *evidence, *scopes;
};

static void
set_node(struct set *s, uint32_t node, const struct set_node_dicts *d)
{
	const struct read_node *n = read_node(s->r, node);
	const struct hops_graph *g = read_graph(s->r);
	uint32_t id = read_to_hops(s->r, node);
	struct read_mbcap m = { .sup = n->multibyte_sup, .evidence = "" };

	(void)read_mbcap(s->r, node, &m);
	s->at = 0;
	set_key_bytes(s, n->key);
	set_place(s, dict_add(d->names, n->hidden ? NULL : n->name));
	set_place(s, dict_place(d->roles, n->role));
	set_f(s, n->has_lat && n->has_lon && (n->lat != 0 || n->lon != 0) ? n->lat : NAN);
	set_f(s, n->has_lat && n->has_lon && (n->lat != 0 || n->lon != 0) ? n->lon : NAN);
	set_time_text(s, n->first_seen);
	set_time(s, n->last_seen_s);
	set_u(s, n->advert_count > 0 ? (uint64_t)n->advert_count : 0);
	set_u(s, m.hash_size);
	set_u(s, m.sizes);
	set_u(s, m.sup);
	set_u(s, m.max_size);
	set_place(s, dict_place(d->evidence, m.evidence[0] == '\0' ? NULL : m.evidence));
	set_u(s, n->battery_mv > 0 ? (uint64_t)n->battery_mv : 0);
	set_u(s, n->foreign);
	set_place(s, dict_place(d->scopes, n->default_scope));
	set_node_relay(s, node);
	set_u(s, id < g->head_count ? g->heads[id].degree : 0);
	set_u(s, n->active && !n->hidden);
}

static void
sets_nodes(struct request *rq, struct json *out)
{
	static const char *const columns[][3] = {
		{ "key", "bytes32" },
		{ "name", "u32", "names" },
		{ "role", "u8", "roles" },
		{ "lat", "f32" },
		{ "lon", "f32" },
		{ "first", "u32" },
		{ "last", "u32" },
		{ "adverts", "u32" },
		{ "hash_size", "u8" },
		{ "sizes", "u8" },
		{ "capability", "u8" },
		{ "max_size", "u8" },
		{ "evidence", "u8", "evidence" },
		{ "battery", "u16" },
		{ "foreign", "u8" },
		{ "scope", "u16", "scopes" },
		{ "relays_1h", "u16" },
		{ "relays_24h", "u32" },
		{ "last_relayed", "u32" },
		{ "usefulness", "f32" },
		{ "bridge", "f32" },
		{ "traffic", "f32" },
		{ "neighbors", "u16" },
		{ "active", "u8" },
		{ NULL },
	};
	struct set_node_dicts d;
	struct set s;

	if (!set_open(&s, rq, "nodes"))
		return;
	s.rows = read_row_count(s.r);
	s.total = s.rows;
	s.complete = true;
	set_columns(&s, columns);
	d.names = set_dict(&s, "names", s.rows);
	d.roles = set_dict(&s, "roles", 254);
	d.evidence = set_dict(&s, "evidence", 254);
	d.scopes = set_dict(&s, "scopes", 1024);
	for (; !s.failed && s.row < s.rows; s.row++)
		set_node(&s, read_row_node(s.r, s.row), &d);
	set_write(&s, out);
	mk_arena_fini(&s.arena);
}

/* --------------------------------------------------------------- observers -- */

static void
set_observer(struct set *s, uint32_t i, struct dict *const dicts[6], int64_t now_s)
{
	const struct read_observer *o = read_observer(s->r, i);
	const struct read_node *n = read_node(s->r, o->node);
	uint64_t day = read_recent(s->r, i, now_s, 86400);
	bool placed = n != NULL && n->has_lat && n->has_lon && (n->lat != 0 || n->lon != 0);

	s->at = 0;
	set_place(s, dict_add(dicts[0], o->id));
	set_place(s, dict_add(dicts[1], o->name));
	set_place(s, dict_place(dicts[2], o->region[0] == '\0' ? NULL : o->region));
	set_place(s, read_node_row(s->r, o->node));
	set_time_text(s, o->first_seen);
	set_time_text(s, o->last_seen);
	set_u(s, o->packet_count > 0 ? (uint64_t)o->packet_count : 0);
	set_u(s, read_recent(s->r, i, now_s, 3600));
	set_f(s, o->has_noise_floor ? o->noise_floor : NAN);
	set_u(s, o->battery_mv > 0 ? (uint64_t)o->battery_mv : 0);
	set_u(s, o->uptime_secs > 0 ? (uint64_t)o->uptime_secs : 0);
	set_i(s, o->clock_skew_seconds == READ_NULL ? 0 : o->clock_skew_seconds);
	set_u(s, o->can_relay_seen ? o->can_relay : 255);
	set_f(s, placed ? n->lat : NAN);
	set_f(s, placed ? n->lon : NAN);
	set_place(s, dict_place(dicts[3], o->model));
	set_place(s, dict_place(dicts[4], o->firmware));
	set_place(s, dict_place(dicts[5], o->radio));
	set_f(s, day < 2 ? NAN : 86400.0 / (double)day);
	set_u(s, !o->inactive && !o->hidden);
}

static void
sets_observers(struct request *rq, struct json *out)
{
	static const char *const columns[][3] = {
		{ "id", "u16", "ids" },
		{ "name", "u16", "names" },
		{ "region", "u16", "regions" },
		{ "node", "u32" },
		{ "first", "u32" },
		{ "last", "u32" },
		{ "packets", "u32" },
		{ "hour", "u32" },
		{ "noise", "f32" },
		{ "battery", "u16" },
		{ "uptime", "u32" },
		{ "skew", "i32" },
		{ "can_relay", "u8" },
		{ "lat", "f32" },
		{ "lon", "f32" },
		{ "model", "u16", "models" },
		{ "firmware", "u16", "firmwares" },
		{ "radio", "u16", "radios" },
		{ "interval", "f32" },
		{ "active", "u8" },
		{ NULL },
	};
	static const char *const names[] = { "ids",    "names",     "regions",
					     "models", "firmwares", "radios" };
	int64_t now_s = (int64_t)(request_host(rq)->wall_us(request_host(rq)) / 1000000);
	struct dict *dicts[6];
	struct set s;

	if (!set_open(&s, rq, "observers"))
		return;
	s.rows = read_observer_count(s.r);
	s.rows = s.rows > UINT16_MAX - 1 ? UINT16_MAX - 1 : s.rows;
	s.total = s.rows;
	s.complete = true;
	set_columns(&s, columns);
	for (int i = 0; i < 6; i++)
		dicts[i] = set_dict(&s, names[i], s.rows);
	for (; !s.failed && s.row < s.rows; s.row++)
		set_observer(&s, s.row, dicts, now_s);
	set_write(&s, out);
	mk_arena_fini(&s.arena);
}

/* ------------------------------------------------------------------- links -- */

static void
set_link(struct set *s, const struct hops_edge *e)
{
	const struct read_node *a = read_node(s->r, read_from_hops(s->r, e->a));
	const struct read_node *b = read_node(s->r, read_from_hops(s->r, e->b));
	double snr = 0, km = NAN;

	if (a != NULL && b != NULL && a->has_lat && a->has_lon && b->has_lat && b->has_lon &&
	    hops_has_gps(a->lat, a->lon) && hops_has_gps(b->lat, b->lon))
		km = mc_distance_km(a->lat, a->lon, b->lat, b->lon);
	s->at = 0;
	set_place(s, read_node_row(s->r, read_from_hops(s->r, e->a)));
	set_place(s, read_node_row(s->r, read_from_hops(s->r, e->b)));
	set_u(s, e->t.count);
	set_u(s, e->t.ab);
	set_time(s, e->t.first);
	set_time(s, e->t.last);
	set_i(s, hops_snr(&e->t, &snr) ? (int64_t)(snr * 100) : INT16_MIN);
	set_f(s, km);
	set_u(s, e->t.observers);
	set_u(s, e->resolved);
	for (int i = 1; i < 4; i++)
		set_u(s, e->t.modes[i]);
}

static void
sets_links(struct request *rq, struct json *out)
{
	static const char *const columns[][3] = {
		{ "a", "u32" },       { "b", "u32" },     { "count", "u32" },
		{ "ab", "u32" },      { "first", "u32" }, { "last", "u32" },
		{ "snr", "i16" },     { "km", "f32" },    { "observers", "u8" },
		{ "resolved", "u8" }, { "s1", "u32" },    { "s2", "u32" },
		{ "s3", "u32" },      { NULL },
	};
	const struct hops_graph *g;
	struct set s;

	if (!set_open(&s, rq, "links"))
		return;
	g = read_graph(s.r);
	s.rows = g->count - g->open;
	s.total = s.rows;
	s.complete = true;
	set_columns(&s, columns);
	for (uint32_t i = 0; !s.failed && i < g->count && s.row < s.rows; i++) {
		if (g->edges[i].b == HOPS_NONE)
			continue;
		set_link(&s, &g->edges[i]);
		s.row++;
	}
	set_write(&s, out);
	mk_arena_fini(&s.arena);
}

/* clang-format off */
static const struct route_param packet_params[] = {
	{ .name = "limit", .type = PARAM_LIMIT, .dflt = 100000, .max = 1000000, .help = "the newest ones" },
	{ .name = "since", .type = PARAM_TEXT, .help = "observed then or later: RFC 3339 or Unix seconds" },
	{ .name = NULL },
};

#define SET(what, fn, parts, age, ...)                                                          \
	{ .method = "GET", .pattern = "/api/sets/" what, .handle = fn, .reads = parts,          \
	  .max_age_s = age, .cost = 4, .type = "application/octet-stream",                      \
	  .summary = what " as columns of numbers", .answer = "columns: docs/events.md, Columnar sets", __VA_ARGS__ }

const struct route set_routes[] = {
	SET("packets", sets_packets, MODEL_PACKETS | MODEL_NODES | MODEL_OBSERVERS | MODEL_WARM, 10,
	    .params = packet_params),
	SET("nodes", sets_nodes, MODEL_NODES | MODEL_GRAPH | MODEL_MBCAP | MODEL_RELAYS | MODEL_WARM, 5, .params = NULL),
	SET("observers", sets_observers, MODEL_OBSERVERS | MODEL_NODES | MODEL_WARM, 5, .params = NULL),
	SET("links", sets_links, MODEL_GRAPH | MODEL_NODES | MODEL_WARM, 10, .params = NULL),
	{ .method = NULL },
};
/* clang-format on */
