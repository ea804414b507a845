/* SPDX-License-Identifier: MIT
 *
 * Routes about the bus: plugins, topics, snapshots, routes themselves.
 */
#include <string.h>

#include "../http.h"
#include "../server/tap.h"
#include "bus_past.h"

static void
plugins_list(struct request *rq, struct json *out)
{
	mk_doc doc;
	const mk_val *root = http_last(request_context(rq), "core/plugins", &doc);

	if (root != NULL)
		js_val(out, root);
	else
		request_fail(rq, 503, "nothing is known yet");
	mk_doc_fini(&doc);
}

/* ------------------------------------------------------------------ bus -- */

/* `field` of the topic in the list of another message. */
static uint64_t
bus_before(const mk_val *topics, const mk_val *name, const char *field)
{
	uint64_t value = 0;
	const char *a, *b;
	size_t a_len, b_len;

	for (uint32_t i = 0; mk_get_str(name, &a, &a_len) && i < mk_count(topics); i++) {
		const mk_val *t = mk_at(topics, i);

		if (mk_get_str(mk_find(t, "name"), &b, &b_len) && a_len == b_len &&
		    memcmp(a, b, a_len) == 0 && mk_get_u64(mk_find(t, field), &value))
			return value;
	}
	return 0;
}

static double
bus_rate(uint64_t now, uint64_t before, double seconds)
{
	return seconds > 0 && now > before
		   ? (double)(uint64_t)((double)(now - before) / seconds * 10 + 0.5) / 10
		   : 0;
}

static void
bus_topics(struct json *out, const mk_val *topics, const mk_val *before, double seconds)
{
	js_array(out);
	for (uint32_t i = 0; i < mk_count(topics); i++) {
		const mk_val *t = mk_at(topics, i), *name = mk_find(t, "name");
		uint64_t seq = 0, bytes = 0;

		js_object(out);
		for (uint32_t k = 0; mk_is_map(t) && k < mk_count(t); k++) {
			char key[128] = "";

			mk_copy_str(mk_key_at(t, k), key, sizeof(key));
			js_key(out, key);
			js_val(out, mk_val_at(t, k));
		}
		mk_get_u64(mk_find(t, "seq"), &seq);
		mk_get_u64(mk_find(t, "bytes"), &bytes);
		js_knum(out, "per_second", bus_rate(seq, bus_before(before, name, "seq"), seconds));
		js_knum(out, "bytes_per_second",
			bus_rate(bytes, bus_before(before, name, "bytes"), seconds));
		js_object_end(out);
	}
	js_array_end(out);
}

static void
bus_gaps(const struct http *h, struct json *out)
{
	uint32_t n = h->gap_count < HTTP_GAPS ? h->gap_count : HTTP_GAPS;
	mk_doc doc;

	js_karray(out, "gaps");
	mk_doc_init(&doc);
	for (uint32_t i = 1; i <= n; i++) { /* newest first */
		const struct event *e = h->gaps[(h->gap_count - i) % HTTP_GAPS];
		const mk_val *root;

		if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) != MK_OK)
			continue;
		root = mk_doc_root(&doc);
		js_object(out);
		js_kuint(out, "time_us", e->time_us);
		js_kval(out, "subscriber", root, "subscriber");
		js_kval(out, "topic", root, "topic");
		js_kval(out, "from", root, "from");
		js_kval(out, "lost", root, "lost");
		js_object_end(out);
	}
	mk_doc_fini(&doc);
	js_array_end(out);
}

/* Clients of /api/events that look at topics which this plugin has no need of. */
static void
bus_inspector(const struct http *h, struct json *out)
{
	struct tap_stats s;

	tap_get_stats(h->tap, &s);
	js_kobject(out, "inspector");
	js_karray(out, "topics");
	for (uint32_t i = 0; i < s.count; i++)
		js_str(out, s.topics[i]);
	js_array_end(out);
	js_kuint(out, "clients", s.clients);
	js_kuint(out, "messages", s.messages);
	js_kuint(out, "lost", s.lost);
	js_kuint(out, "pauses", s.pauses);
	js_object_end(out);
}

static void
bus_show(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct retained_topic *t = retained_find(&h->retained, "core/stats");
	const mk_val *before = NULL, *root;
	double seconds = 0;
	mk_doc doc, old;

	mk_doc_init(&old);
	root = http_last(h, "core/stats", &doc);
	if (root != NULL && t->before != NULL && t->before->epoch == t->base->epoch &&
	    mk_doc_open(&old, t->before->body, t->before->len, NULL, NULL, 0) == MK_OK) {
		before = mk_find(mk_doc_root(&old), "topics");
		seconds = ((double)t->base->time_us - (double)t->before->time_us) / 1e6;
	}
	if (root == NULL)
		request_fail(rq, 503, "nothing is known yet");
	js_object(out);
	for (uint32_t i = 0; mk_is_map(root) && i < mk_count(root); i++) {
		char key[128] = "";

		mk_copy_str(mk_key_at(root, i), key, sizeof(key));
		js_key(out, key);
		if (strcmp(key, "topics") == 0)
			bus_topics(out, mk_val_at(root, i), before, seconds);
		else
			js_val(out, mk_val_at(root, i));
	}
	bus_gaps(h, out);
	bus_inspector(h, out);
	js_object_end(out);
	mk_doc_fini(&doc);
	mk_doc_fini(&old);
}

static void
bus_show_past(struct request *rq, struct json *out)
{
	bus_past_write(((const struct http *)request_context(rq))->past, out);
}

/* ------------------------------------------------------------ snapshots -- */

static void
snapshot_head(struct json *out, const struct retained_topic *t)
{
	js_kstr(out, "name", strchr(t->name, '/') + 1);
	js_kuint(out, "epoch", t->base->epoch);
	js_kuint(out, "seq", t->count > 0 ? t->deltas[t->count - 1]->seq : t->base->seq);
	js_kuint(out, "time_us",
		 t->count > 0 ? t->deltas[t->count - 1]->time_us : t->base->time_us);
	js_kstr(out, "origin", t->base->origin);
	js_kbool(out, "incomplete", t->incomplete);
}

static void
snapshots_list(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);

	js_object(out);
	js_karray(out, "items");
	for (uint32_t i = 0; i < h->retained.count; i++) {
		const struct retained_topic *t = &h->retained.topics[i];

		if (strncmp(t->name, "snapshot/", 9) != 0 || t->base == NULL)
			continue;
		js_object(out);
		snapshot_head(out, t);
		js_kuint(out, "bytes", t->base->len + t->bytes);
		js_kuint(out, "deltas", t->count);
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
}

static void
snapshot_body(struct json *out, const struct event *e)
{
	mk_doc doc;

	mk_doc_init(&doc);
	js_val(out, mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK ? mk_doc_root(&doc)
									       : NULL);
	mk_doc_fini(&doc);
}

static void
snapshot_show(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const char *name = request_arg(rq, 0);
	char topic[MK_TOPIC_MAX + 1] = "snapshot/";
	const struct retained_topic *t = NULL;

	if (strlen(name) < sizeof(topic) - strlen(topic)) {
		memcpy(topic + strlen("snapshot/"), name, strlen(name) + 1);
		t = retained_find(&h->retained, topic);
	}
	if (t == NULL || t->base == NULL) {
		request_fail(rq, 404, "no such snapshot");
		return;
	}
	js_object(out);
	snapshot_head(out, t);
	js_key(out, "base");
	snapshot_body(out, t->base);
	js_karray(out, "deltas");
	for (uint32_t i = 0; i < t->count; i++) {
		js_object(out);
		js_kuint(out, "seq", t->deltas[i]->seq);
		js_kuint(out, "time_us", t->deltas[i]->time_us);
		js_key(out, "body");
		snapshot_body(out, t->deltas[i]);
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
}

/* --------------------------------------------------------------- routes -- */

static void
route_params(struct json *out, const struct route_param *p)
{
	static const char *const types[] = { "text", "int", "limit", "bool", "enum", "float" };

	js_karray(out, "query");
	for (; p != NULL && p->name != NULL; p++) {
		js_object(out);
		js_kstr(out, "name", p->name);
		js_kstr(out, "type", types[p->type]);
		js_kstr(out, "help", p->help);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
routes_list(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct router *r = httpd_router(h->server);

	js_object(out);
	js_karray(out, "routes");
	for (uint32_t i = 0; i < router_count(r); i++) {
		const struct route *x = router_at(r, i);

		if (x->summary == NULL)
			continue;
		js_object(out);
		js_kstr(out, "method", x->method);
		js_kstr(out, "path", x->pattern);
		js_kstr(out, "summary", x->summary);
		js_kbool(out, "key", (x->flags & ROUTE_KEY) != 0);
		route_params(out, x->params);
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
}

/* clang-format off */
const struct route bus_routes[] = {
	{ .method = "GET", .pattern = "/api/plugins", .handle = plugins_list,
	  .reads = MODEL_PLUGINS, .summary = "all plugins, their states and numbers",
	  .answer = "the body of core/plugins, see docs/events.md" },
	{ .method = "GET", .pattern = "/api/bus", .handle = bus_show, .reads = MODEL_STATS,
	  .summary = "topics with rates, ring, lag of each plugin, the last gaps",
	  .answer = "the body of core/stats, with per_second and bytes_per_second, gaps, and inspector: what "
		    "clients of /api/events look at with the key" },
	{ .method = "GET", .pattern = "/api/bus/past", .handle = bus_show_past, .reads = MODEL_STATS,
	  .cost = 1, .summary = "the last hour of topics and plugins, and restarts in a day",
	  .answer = "{at_us, since_us, beat_seconds, day, topics: [{name, per_second: [of the last 60 minutes]}], "
		    "instances: [{name, lag, lag_ms: {p50, p95, max}, most, most_us, gap_us, restarts_24h, "
		    "crashes_24h, beats}]}: beats are digits, the oldest first: 0 unknown, 1 off, 2 idle, 3 busy, "
		    "4 behind, 5 lost messages, 6 down, 7 started" },
	{ .method = "GET", .pattern = "/api/snapshots", .handle = snapshots_list,
	  .reads = MODEL_SNAPSHOTS, .summary = "what analytics plugins have published" },
	{ .method = "GET", .pattern = "/api/snapshots/{name}", .handle = snapshot_show,
	  .reads = MODEL_SNAPSHOTS, .cost = 2,
	  .summary = "one of them: the last whole value, and the changes since" },
	{ .method = "GET", .pattern = "/api/routes", .handle = routes_list, .max_age_s = 60,
	  .summary = "this list" },
	{ .method = NULL },
};
/* clang-format on */
