/* SPDX-License-Identifier: MIT
 *
 * /api/packets and below it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "../read/when.h"
#include "packet.h"

#define NAMES_MAX 256u /* observers or nodes in one list */
#define HASHES_MAX 10000u
#define PACKETS_READ (MODEL_PACKETS | MODEL_OBSERVERS | MODEL_NODES | MODEL_WARM)

struct packets { /* while an answer is made */
	struct request *rq;
	struct json *out;
	struct read *r;
	struct read_scratch *s;
	struct read_filter f;
	uint32_t *observers, *nodes;
	const char **strangers;
	uint8_t *members;
	uint32_t flags;
	uint64_t total;
	char hash[32];
};

/* ---------------------------------------------------------------- the filter -- */

/* RFC 3339, with or without a time; READ_NULL: nothing that could be understood. */
static int64_t
packets_time(const char *text)
{
	char whole[WHEN_TEXT];
	int64_t at;

	if (text == NULL)
		return READ_NULL;
	if (strlen(text) == 10) {
		(void)snprintf(whole, sizeof(whole), "%sT00:00:00Z", text);
		text = whole;
	}
	return when_parse(text, &at, NULL) ? at : READ_NULL;
}

static int16_t
packets_small(struct request *rq, const char *name)
{
	const char *text = request_text(rq, name);
	char *end;
	long v;

	if (text == NULL || text[0] == '\0')
		return -1;
	v = strtol(text, &end, 10);
	return *end != '\0' || v < 0 || v > 127 ? -1 : (int16_t)v;
}

/* 64 hexadecimal digits: a key, also of nobody the model knows. */
static bool
packets_is_key(const char *text, size_t len)
{
	return len == 64 && strspn(text, "0123456789abcdefABCDEF") >= 64;
}

/* Each of "a, b" to `find`; what is not found is left out, but for keys, if there is a place for
 * `strangers`. False: out of memory. */
static bool
packets_names(const struct packets *q, const char *text,
	      uint32_t (*find)(const struct read *r, const char *text, size_t len), uint32_t **list,
	      uint32_t *count, const char ***strangers, uint32_t *stranger_count)
{
	*list = malloc(NAMES_MAX * sizeof(**list));
	*count = 0;
	if (strangers != NULL)
		*strangers = malloc(NAMES_MAX * sizeof(**strangers));
	if (*list == NULL || (strangers != NULL && *strangers == NULL))
		return false;
	while (*text != '\0' && *count < NAMES_MAX) {
		size_t n, len;
		uint32_t found;

		text += strspn(text, ", ");
		n = len = strcspn(text, ",");
		while (len > 0 && text[len - 1] == ' ')
			len--;
		found = len == 0 ? READ_NONE : find(q->r, text, len);
		if (found != READ_NONE)
			(*list)[(*count)++] = found;
		else if (strangers != NULL && packets_is_key(text, len) &&
			 read_node_find(q->r, text, len) == READ_NONE &&
			 *stranger_count < NAMES_MAX)
			(*strangers)[(*stranger_count)++] = text;
		text += n;
	}
	return true;
}

static bool
packets_any(const char *text)
{
	return text != NULL && text[strspn(text, ", ")] != '\0';
}

static bool
packets_filter_who(struct packets *q, const char *nodes, const char *observers)
{
	struct read_filter *f = &q->f;
	bool good = true;

	if (packets_any(nodes)) {
		good = packets_names(q, nodes, packet_node, &q->nodes, &f->node_count,
				     &q->strangers, &f->stranger_count);
		f->nodes = q->nodes;
		f->strangers = q->strangers;
		f->nothing |= f->node_count + f->stranger_count == 0;
	}
	if (good && packets_any(observers)) {
		good = packets_names(q, observers, read_observer_find, &q->observers,
				     &f->observer_count, NULL, NULL);
		f->observers = q->observers;
		f->nothing |= f->observer_count == 0;
	}
	if (!good)
		request_fail(q->rq, 500, "out of memory");
	return good;
}

/* False: the request has failed. */
static bool
packets_open(struct packets *q, struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);

	*q = (struct packets){ .rq = rq, .out = out, .r = h->read };
	q->f = (struct read_filter){ .since = READ_NULL,
				     .until = READ_NULL,
				     .after_id = READ_NULL,
				     .before_id = READ_NULL,
				     .type = -1,
				     .route = -1 };
	q->s = read_scratch_new(q->r);
	if (q->s == NULL)
		request_fail(rq, 500, "out of memory");
	return q->s != NULL;
}

static void
packets_close(struct packets *q)
{
	read_scratch_free(q->s);
	free(q->observers);
	free(q->nodes);
	free(q->strangers);
	free(q->members);
}

/* Digits in any case; what is too long is no hash. One of before is that of its packet now. */
static void
packets_filter_hash(struct packets *q, const char *text)
{
	size_t n = text == NULL ? 0 : strlen(text);
	const struct read_packet *p;

	if (n == 0)
		return;
	q->f.nothing |= n >= sizeof(q->hash);
	for (size_t i = 0; i < n && i + 1 < sizeof(q->hash); i++)
		q->hash[i] = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32 : text[i]);
	p = read_packet_by_hash(q->r, q->s, q->hash, strlen(q->hash));
	if (p != NULL)
		memcpy(q->hash, p->hash, sizeof(p->hash));
	q->f.hash = q->hash;
}

static bool
packets_filter(struct packets *q)
{
	struct request *rq = q->rq;
	struct read_filter *f = &q->f;
	const char *nodes = request_text(rq, "nodes");
	bool error = false;

	f->since = packets_time(request_text(rq, "since"));
	f->until = packets_time(request_text(rq, "until"));
	if (packets_any(nodes)) /* a mode of its own */
		return packets_filter_who(q, nodes, NULL);
	if (!packets_filter_who(q, request_text(rq, "node"), request_text(rq, "observer")))
		return false;
	f->type = packets_small(rq, "type");
	if (f->type < 0)
		f->type = packets_small(rq, "payloadType");
	f->route = packets_small(rq, "route");
	f->region = packet_region(request_text(rq, "region"));
	f->channel = request_text(rq, "channel");
	if (f->channel != NULL && f->channel[0] == '\0')
		f->channel = NULL;
	packets_filter_hash(q, request_text(rq, "hash"));
	q->members = packet_area(rq, request_text(rq, "area"), &error);
	f->members = q->members;
	if (error)
		request_fail(rq, 500, "out of memory");
	return !error;
}

/* ---------------------------------------------------------------------- lists -- */

static bool
packets_put(void *arg, const struct read_packet *p)
{
	struct packets *q = arg;

	packet_put(q->out, q->r, p, q->flags);
	return !q->out->failed;
}

static int
packets_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* observer_count and distinct_iatas. */
static void
packets_put_observers(struct packets *q, const struct read_packet *p)
{
	const char *iatas[256];
	uint32_t seen[256], count = 0, places = 0;

	for (uint32_t i = 0; i < p->obs_count; i++) {
		const struct read_observer *o = read_observer(q->r, p->obs[i].observer);
		uint32_t k = 0;

		if (o == NULL)
			continue;
		while (k < count && seen[k] != p->obs[i].observer)
			k++;
		if (k < count || count == 256)
			continue;
		seen[count++] = p->obs[i].observer;
		for (k = 0; k < places && strcmp(iatas[k], o->iata == NULL ? "" : o->iata) != 0;)
			k++;
		if (k == places && o->iata != NULL && o->iata[0] != '\0')
			iatas[places++] = o->iata;
	}
	if (places > 1)
		qsort(iatas, places, sizeof(iatas[0]), packets_compare);
	js_kuint(q->out, "observer_count", count);
	js_karray(q->out, "distinct_iatas");
	for (uint32_t i = 0; i < places; i++)
		js_str(q->out, iatas[i]);
	js_array_end(q->out);
}

static bool
packets_put_group(void *arg, const struct read_packet *p)
{
	struct packets *q = arg;
	char latest[WHEN_TEXT];

	when_text(p->latest, ".000Z", latest);
	js_object(q->out);
	packet_put_common(q->out, q->r, p);
	js_kuint(q->out, "count", p->obs_count);
	/* Some observers' clocks are behind. */
	js_kstr(q->out, "latest",
		p->latest == READ_NULL || p->latest <= p->first_s ? p->first_seen : latest);
	packets_put_observers(q, p);
	js_object_end(q->out);
	return !q->out->failed;
}

static void
packets_list(struct request *rq, struct json *out)
{
	uint64_t limit = (uint64_t)request_int(rq, "limit");
	uint64_t offset = (uint64_t)request_int(rq, "offset");
	const char *expand = request_text(rq, "expand"), *order = request_text(rq, "order");
	bool oldest = order != NULL && strcmp(order, "asc") == 0;
	struct packets q;
	mk_err err = { 0 };
	mk_result rc;

	if (!packets_open(&q, rq, out))
		return;
	if (!packets_filter(&q)) {
		packets_close(&q);
		return;
	}
	if (expand != NULL && strcmp(expand, "observations") == 0)
		q.flags = PACKET_OBSERVATIONS;
	js_object(out);
	js_karray(out, "packets");
	if (request_bool(rq, "groupByHash") && q.f.nodes == NULL)
		rc = read_packets_latest(q.r, q.s, &q.f, offset, limit, packets_put_group, &q,
					 &q.total, &err);
	else
		rc = read_packets(q.r, q.s, &q.f, oldest, offset, limit, packets_put, &q, &q.total,
				  &err);
	js_array_end(out);
	js_kuint(out, "total", q.total);
	js_kuint(out, "limit", limit);
	js_kuint(out, "offset", offset);
	js_object_end(out);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
	packets_close(&q);
}

struct timestamps {
	const char *since;
	char (*list)[WHEN_TEXT];
	size_t count, cap;
	bool failed;
};

/* What is longer than a time is none. */
static bool
packets_add_timestamp(void *arg, const struct read_packet *p)
{
	struct timestamps *t = arg;
	size_t len = strlen(p->first_seen);

	if (len >= sizeof(*t->list) || strcmp(p->first_seen, t->since) <= 0)
		return true;
	if (t->count == t->cap) {
		size_t cap = t->cap == 0 ? 1024 : 2 * t->cap;
		void *grown = realloc(t->list, cap * sizeof(*t->list));

		t->failed = grown == NULL;
		if (t->failed)
			return false;
		t->list = grown;
		t->cap = cap;
	}
	memcpy(t->list[t->count++], p->first_seen, len + 1);
	return true;
}

static int
packets_compare_timestamps(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* By time: ids are in the order of arrival, and what an observer sends late was seen earlier. */
static void
packets_timestamps(struct request *rq, struct json *out)
{
	struct timestamps t = { .since = request_text(rq, "since") };
	struct packets q;
	mk_err err = { 0 };
	mk_result rc;

	if (!packets_open(&q, rq, out))
		return;
	/* What was first seen later has no earlier observation, so this is never too narrow. */
	q.f.since = packets_time(t.since);
	read_scratch_skip(q.s, READ_SKIP_JSON | READ_SKIP_OBS);
	rc = read_packets(q.r, q.s, &q.f, true, 0, UINT64_MAX, packets_add_timestamp, &t, NULL,
			  &err);
	rc = t.failed ? MK_ENOMEM : rc;
	if (t.count > 1)
		qsort(t.list, t.count, sizeof(*t.list), packets_compare_timestamps);
	js_array(out);
	for (size_t i = 0; rc == MK_OK && i < t.count; i++)
		js_str(out, t.list[i]);
	js_array_end(out);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
	free(t.list);
	packets_close(&q);
}

/* --------------------------------------------------------------------- detail -- */

/* An observation by its id: what it is, and what its packet is. */
static void
packets_put_observation(struct packets *q, const struct read_packet *p, const struct read_obs *o)
{
	struct read_packet one = *p;

	/* The packet as this observer told of it. */
	one.id = o->id;
	one.obs = o;
	one.obs_count = 1;
	one.shown = 0;
	js_object(q->out);
	packet_put_fields(q->out, q->r, &one);
	js_kint(q->out, "transmission_id", p->id);
	js_object_end(q->out);
}

static void
packets_put_detail(struct packets *q, const struct read_packet *p, const struct read_obs *o)
{
	struct json *out = q->out;

	js_object(out);
	js_key(out, "packet");
	if (o != NULL)
		packets_put_observation(q, p, o);
	else
		packet_put(out, q->r, p, PACKET_OBSERVATIONS);
	js_key(out, "path");
	packet_put_hops(out, o != NULL ? o : packet_shown(p));
	js_kuint(out, "observation_count", p->obs_count > 0 ? p->obs_count : 1);
	js_karray(out, "observations");
	for (uint32_t i = 0; i < p->obs_count; i++)
		packet_put_obs(out, q->r, p, &p->obs[i], true);
	js_array_end(out);
	js_object_end(out);
}

static const struct read_packet *
packets_find(struct packets *q, const char *text, const struct read_obs **obs)
{
	const struct read_packet *p = read_packet_by_hash(q->r, q->s, text, strlen(text));
	char *end;
	int64_t id;

	if (p != NULL)
		return p;
	id = strtoll(text, &end, 10);
	if (*end != '\0' || end == text)
		return NULL;
	p = read_packet_by_id(q->r, q->s, id);
	if (p != NULL)
		return p;
	p = read_packet_by_obs(q->r, q->s, id);
	for (uint32_t i = 0; p != NULL && i < p->obs_count; i++)
		if (p->obs[i].id == id)
			*obs = &p->obs[i];
	return *obs == NULL ? NULL : p;
}

static void
packets_detail(struct request *rq, struct json *out)
{
	const struct read_obs *obs = NULL;
	const struct read_packet *p;
	struct read_state *state;
	struct packets q;
	bool ready;

	if (!packets_open(&q, rq, out))
		return;
	p = packets_find(&q, request_arg(rq, 0), &obs);
	if (p != NULL) {
		packets_put_detail(&q, p, obs);
		packets_close(&q);
		return;
	}
	packets_close(&q);
	state = malloc(sizeof(*state));
	if (state != NULL)
		read_get_state(q.r, state);
	ready = state != NULL && state->ready;
	free(state);
	if (ready)
		request_fail(rq, 404, "Not found");
	else
		packet_fail(rq, MK_EUNAVAIL, NULL);
}

static void
packets_put_batch(struct packets *q, const json_t *hashes)
{
	size_t i;
	json_t *v;

	js_object(q->out);
	js_kobject(q->out, "results");
	json_array_foreach(hashes, i, v)
	{
		const char *hash = json_string_value(v);
		const struct read_packet *p;

		if (hash == NULL)
			continue;
		p = read_packet_by_hash(q->r, q->s, hash, strlen(hash));
		js_karray(q->out, hash);
		for (uint32_t k = 0; p != NULL && k < p->obs_count; k++)
			packet_put_obs(q->out, q->r, p, &p->obs[k], true);
		js_array_end(q->out);
	}
	js_object_end(q->out);
	js_object_end(q->out);
}

static void
packets_observations(struct request *rq, struct json *out)
{
	size_t len;
	const char *text = request_body(rq, &len);
	json_t *body = json_loadb(text, len, 0, NULL);
	const json_t *hashes = json_object_get(body, "hashes");
	struct packets q;

	if (!json_is_object(body)) {
		request_fail(rq, 400, "invalid JSON body");
	} else if (json_array_size(hashes) > HASHES_MAX) {
		request_fail(rq, 400, "too many hashes (max %u)", HASHES_MAX);
	} else if (packets_open(&q, rq, out)) {
		read_scratch_skip(q.s, READ_SKIP_JSON);
		packets_put_batch(&q, hashes);
		packets_close(&q);
	}
	json_decref(body);
}

/* clang-format off */
static const struct route_param list_params[] = {
	{ .name = "limit", .type = PARAM_LIMIT, .dflt = 50, .max = 10000, .list = LIST_PACKETS,
	  .help = "at most so many" },
	{ .name = "offset", .type = PARAM_INT, .max = INT64_MAX, .help = "pass over so many" },
	{ .name = "order", .type = PARAM_TEXT, .help = "asc: oldest first" },
	{ .name = "since", .type = PARAM_TEXT, .help = "observed at that time or later, RFC 3339" },
	{ .name = "until", .type = PARAM_TEXT, .help = "observed at that time or earlier" },
	{ .name = "type", .type = PARAM_TEXT, .help = "payload type, 0 to 15" },
	{ .name = "payloadType", .type = PARAM_TEXT, .help = "the same" },
	{ .name = "route", .type = PARAM_TEXT, .help = "route type, 0 to 3" },
	{ .name = "hash", .type = PARAM_TEXT, .help = "content hash" },
	{ .name = "observer", .type = PARAM_TEXT, .max = 8192, .help = "ids, one of which observed it" },
	{ .name = "region", .type = PARAM_TEXT, .help = "airport codes of observers" },
	{ .name = "area", .type = PARAM_TEXT, .help = "adverts of nodes in that area" },
	{ .name = "node", .type = PARAM_TEXT, .help = "key or name of who sent or forwarded it" },
	{ .name = "nodes", .type = PARAM_TEXT, .max = 8192, .help = "keys or names, one of which did" },
	{ .name = "channel", .type = PARAM_TEXT, .help = "messages on it: #name, or enc_ and the hash" },
	{ .name = "expand", .type = PARAM_TEXT, .help = "observations: with each observation" },
	{ .name = "groupByHash", .type = PARAM_BOOL, .help = "in the order of the last observation" },
	{ .name = NULL },
};

static const struct route_param time_params[] = {
	{ .name = "since", .type = PARAM_TEXT, .min = 1, .error = "since required",
	  .help = "first seen later than that" },
	{ .name = NULL },
};

const struct route packet_routes[] = {
	{ .method = "GET", .pattern = "/api/packets", .handle = packets_list, .params = list_params,
	  .reads = PACKETS_READ, .max_age_s = 2, .cost = 2,
	  .summary = "packets, the newest first", .answer = "{packets, total, limit, offset}" },
	{ .method = "GET", .pattern = "/api/packets/timestamps", .handle = packets_timestamps,
	  .params = time_params, .reads = PACKETS_READ, .max_age_s = 2, .cost = 2,
	  .summary = "when packets were first seen, the earliest first", .answer = "[time]" },
	{ .method = "POST", .pattern = "/api/packets/observations", .handle = packets_observations,
	  .reads = PACKETS_READ, .body_max = 524288, .cost = 4,
	  .summary = "the observations of many packets", .answer = "{results: {hash: [observation]}}" },
	{ .method = "GET", .pattern = "/api/packets/{id}", .handle = packets_detail,
	  .reads = PACKETS_READ, .max_age_s = 1, .cost = 1,
	  .summary = "a packet by hash, by id, or by the id of an observation",
	  .answer = "{packet, path, observation_count, observations}" },
	{ .method = NULL },
};
/* clang-format on */
