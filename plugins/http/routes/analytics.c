/* SPDX-License-Identifier: MIT
 *
 * Routes that the plugin analytics answers: the query goes there with what the configuration says
 * about areas and hidden nodes, and what comes back is passed on.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "who.h"

#define ASK_US 20000000u
#define RECENT 20u /* packets of an observer */
#define KEPT_S 5   /* an answer, at most */
#define DAY_S 86400

#define ASK_REGION (1u << 0)
#define ASK_AREA (1u << 1)
#define ASK_WINDOW (1u << 2)
#define ASK_HIDDEN (1u << 3) /* names of nodes come back */
#define ASK_KEY (1u << 4)    /* the path's argument */
#define ASK_PLACES (ASK_REGION | ASK_AREA | ASK_HIDDEN)

struct question {
	const char *method; /* behind "analytics/" */
	uint32_t what;
	const char *texts[6], *numbers[6]; /* parameters that are passed on */
	request_reply *reply;              /* NULL: analytics_reply */
};

/* ----------------------------------------------------------------- asking -- */

static const char *
analytics_text(struct request *rq, const char *name)
{
	const char *text = request_text(rq, name);

	return text != NULL && text[0] != '\0' && mk_utf8_valid(text, strlen(text)) ? text : NULL;
}

static void
analytics_put_area(mk_writer *w, const struct mc_area *area)
{
	bool polygon = area->count >= 3;

	mk_kv_map(w, "area", polygon ? 1 : area->has_box ? 4 : 0);
	if (polygon) {
		mk_kv_array(w, "polygon", area->count);
		for (uint32_t i = 0; i < area->count; i++) {
			mk_put_array(w, 2);
			mk_put_f64(w, area->points[i].lat);
			mk_put_f64(w, area->points[i].lon);
		}
	} else if (area->has_box) {
		mk_kv_f64(w, "latMin", area->lat_min);
		mk_kv_f64(w, "latMax", area->lat_max);
		mk_kv_f64(w, "lonMin", area->lon_min);
		mk_kv_f64(w, "lonMax", area->lon_max);
	}
}

static bool
analytics_hides(const struct read_node *n)
{
	return n->hidden && mk_utf8_valid(n->key, strlen(n->key));
}

static void
analytics_put_hidden(struct request *rq, mk_writer *w)
{
	struct http *h = request_context(rq);
	uint32_t count = 0;

	model_read(&h->model);
	for (uint32_t i = 0; i < read_node_count(h->read); i++)
		count += analytics_hides(read_node(h->read, i));
	mk_kv_array(w, "hidden", count);
	for (uint32_t i = 0; i < read_node_count(h->read); i++) {
		const struct read_node *n = read_node(h->read, i);

		if (analytics_hides(n))
			mk_put_str(w, n->key);
	}
	model_read_end(&h->model);
}

/* Texts among the parameters that were given, into `w` if that is not NULL; how many. */
static uint32_t
analytics_put_texts(struct request *rq, const struct question *q, mk_writer *w)
{
	static const char *const window[] = { "window", "from", "to", NULL };
	static const char *const region[] = { "region", NULL };
	const char *const *lists[3] = { q->texts, q->what & ASK_WINDOW ? window : NULL,
					q->what & ASK_REGION ? region : NULL };
	uint32_t count = 0;

	for (int k = 0; k < 3; k++) {
		for (uint32_t i = 0; lists[k] != NULL && lists[k][i] != NULL; i++) {
			const char *text = analytics_text(rq, lists[k][i]);

			count += text != NULL;
			if (text != NULL && w != NULL)
				mk_kv_str(w, lists[k][i], text);
		}
	}
	return count;
}

static void analytics_reply(struct request *rq, mk_result result, const char *error,
			    const mk_val *body, struct json *out);

static void
analytics_ask(struct request *rq, const struct question *q)
{
	const char *area = q->what & ASK_AREA ? analytics_text(rq, "area") : NULL;
	const struct settings_area *in =
	    area != NULL ? http_settings_area(request_settings(rq), area) : NULL;
	uint32_t fields = analytics_put_texts(rq, q, NULL);
	char method[64] = "analytics/";
	mk_writer w;

	if ((q->what & ASK_KEY) && !mk_utf8_valid(request_arg(rq, 0), strlen(request_arg(rq, 0)))) {
		request_fail(rq, 404, "Not found");
		return;
	}
	for (uint32_t i = 0; q->numbers[i] != NULL; i++)
		fields++;
	mk_writer_init(&w, 0);
	mk_put_map(&w, fields + (in != NULL) + ((q->what & ASK_HIDDEN) != 0) +
			   ((q->what & ASK_KEY) != 0));
	analytics_put_texts(rq, q, &w);
	for (uint32_t i = 0; q->numbers[i] != NULL; i++)
		mk_kv_i64(&w, q->numbers[i], request_int(rq, q->numbers[i]));
	if (q->what & ASK_KEY)
		mk_kv_str(&w, "key", request_arg(rq, 0));
	if (in != NULL)
		analytics_put_area(&w, &in->area);
	if (q->what & ASK_HIDDEN)
		analytics_put_hidden(rq, &w);
	memcpy(method + strlen(method), q->method, strlen(q->method) + 1);
	request_call(rq, method, &w, ASK_US, q->reply != NULL ? q->reply : analytics_reply);
	mk_writer_fini(&w);
}

/* ---------------------------------------------------------------- replies -- */

/* The JSON of a reply, an object or a list. False: the request has failed. */
static bool
analytics_take(struct request *rq, mk_result result, const char *error, const mk_val *body,
	       const char **json, size_t *len)
{
	uint64_t status = 200;

	if (result == MK_ENOENT || result == MK_EUNAVAIL) {
		request_set_header(rq, "Retry-After", "5");
		request_fail(rq, 503, "analytics is not running");
		return false;
	}
	if (result != MK_OK) {
		request_fail_call(rq, result, error);
		return false;
	}
	if (!mk_get_u64(mk_find(body, "status"), &status) ||
	    !mk_get_str(mk_find(body, "json"), json, len) || *len < 2 || status < 200 ||
	    status > 599) {
		request_fail(rq, 502, "analytics gave no answer");
		return false;
	}
	if (status == 503)
		request_set_header(rq, "Retry-After", "5");
	if (status != 200)
		request_set_status(rq, (unsigned)status);
	return true;
}

static void
analytics_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
		struct json *out)
{
	const char *json;
	size_t len;

	if (analytics_take(rq, result, error, body, &json, &len))
		js_embed(out, json, len);
}

/* An object of ours that the fields of theirs are to follow. */
static void
analytics_append(struct json *out, const char *json, size_t len)
{
	if (len > 2 && json[0] == '{') {
		js_text(out, ",", 1);
		js_text(out, json + 1, len - 2);
	}
	js_object_end(out);
}

static void
node_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	   struct json *out)
{
	struct http *h = request_context(rq);
	const char *json;
	size_t len;
	uint32_t node;

	if (!analytics_take(rq, result, error, body, &json, &len))
		return;
	model_read(&h->model);
	node = who_asked(rq);
	if (node != READ_NONE) {
		js_object(out);
		js_kobject(out, "node");
		put_node(out, read_node(h->read, node));
		js_key(out, "hash_size");
		js_null(out);
		js_kbool(out, "hash_size_inconsistent", false);
		js_object_end(out);
		analytics_append(out, json, len);
	}
	model_read_end(&h->model);
}

static void
node_show(struct request *rq, struct json *out)
{
	static const struct question q = {
		.method = "node", .what = ASK_KEY, .numbers = { "days" }, .reply = node_reply
	};
	struct http *h = request_context(rq);
	uint32_t node;

	(void)out;
	model_read(&h->model);
	node = who_asked(rq);
	model_read_end(&h->model);
	if (node != READ_NONE)
		analytics_ask(rq, &q);
}

struct recent {
	struct json *out;
	const struct read *read;
	int64_t since;
	uint32_t observer, count;
};

static void
recent_put(struct recent *recent, const struct read_packet *p, const struct read_obs *o)
{
	struct json *out = recent->out;
	const struct read_observer *by = read_observer(recent->read, o->observer);

	js_object(out);
	js_kint(out, "id", o->id);
	js_kstr(out, "hash", p->hash);
	packet_put_raw(out, p);
	put_int(out, "payload_type", p->type < 0 ? READ_NULL : p->type);
	put_int(out, "route_type", p->route < 0 ? READ_NULL : p->route);
	js_key(out, "decoded_json");
	if (p->json != NULL)
		js_strn(out, p->json, p->json_len);
	else
		js_null(out);
	js_kstr(out, "observer_id", by->id);
	js_kstr(out, "observer_name", by->name);
	js_kstr(out, "observer_iata", by->iata);
	js_kstr(out, "direction", o->direction == 1 ? "rx" : o->direction == 2 ? "tx" : NULL);
	put_real(out, "snr", o->has_snr, o->snr);
	put_real(out, "rssi", o->has_rssi, o->rssi);
	js_key(out, "score");
	js_null(out);
	js_key(out, "path_json");
	packet_put_path(out, o);
	js_key(out, "timestamp");
	js_time_ms(out, (uint64_t)(o->at > 0 ? o->at : 0) * 1000000);
	if (o->resolved != NULL) {
		js_key(out, "resolved_path");
		packet_put_resolved(out, recent->read, o);
	}
	js_object_end(out);
}

static bool
recent_on_packet(void *arg, const struct read_packet *p)
{
	struct recent *recent = arg;

	for (uint32_t i = p->obs_count; i > 0 && recent->count < RECENT; i--) {
		if (p->obs[i - 1].observer != recent->observer || p->obs[i - 1].at < recent->since)
			continue;
		recent_put(recent, p, &p->obs[i - 1]);
		recent->count++;
	}
	return recent->count < RECENT;
}

static void
observer_put_recent(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	const char *id = request_arg(rq, 0);
	uint32_t observer = read_observer_find(h->read, id, strlen(id));
	int64_t days = request_int(rq, "days");
	struct recent recent = { out, h->read, who_now(rq) - days * DAY_S, observer, 0 };
	struct read_scratch *scratch = NULL;
	struct read_filter filter;

	js_karray(out, "recentPackets");
	if (observer != READ_NONE)
		scratch = read_scratch_new(h->read);
	if (scratch != NULL) {
		who_filter(&filter);
		filter.observers = &observer;
		filter.observer_count = 1;
		filter.since = recent.since;
		/* What cannot be read is not shown; the numbers beside it are right. */
		(void)read_packets_latest(h->read, scratch, &filter, 0, RECENT, recent_on_packet,
					  &recent, NULL, NULL);
		read_scratch_free(scratch);
	}
	js_array_end(out);
}

static void
observer_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	       struct json *out)
{
	struct http *h = request_context(rq);
	const char *json;
	size_t len;

	if (!analytics_take(rq, result, error, body, &json, &len))
		return;
	js_object(out);
	model_read(&h->model);
	observer_put_recent(rq, out);
	model_read_end(&h->model);
	analytics_append(out, json, len);
}

static void
observer_show(struct request *rq, struct json *out)
{
	static const struct question q = { .method = "observer",
					   .what = ASK_KEY,
					   .numbers = { "days" },
					   .reply = observer_reply };
	struct http *h = request_context(rq);
	const char *id = request_arg(rq, 0);
	uint32_t observer;
	bool hidden;

	(void)out;
	model_read(&h->model);
	observer = read_observer_find(h->read, id, strlen(id));
	hidden = observer != READ_NONE && read_observer(h->read, observer)->hidden;
	model_read_end(&h->model);
	if (hidden)
		request_fail(rq, 404, "Observer not found");
	else
		analytics_ask(rq, &q);
}

static void
reach_show(struct request *rq, struct json *out)
{
	static const struct question q = { .method = "reach",
					   .what = ASK_KEY | ASK_HIDDEN,
					   .numbers = { "days" } };
	const char *key = request_arg(rq, 0);

	(void)out;
	if (strlen(key) != 64 || !who_is_hex(key, 64))
		request_fail(rq, 400, "invalid pubkey: expected 64 hex chars");
	else
		analytics_ask(rq, &q);
}

/* --------------------------------------------------------------- coverage -- */

/* Where nobody collects it, CoreScope has no such route. */
static bool
coverage_is_on(struct request *rq)
{
	if (!request_settings(rq)->client_coverage)
		request_fail(rq, 404, "404 page not found");
	return request_settings(rq)->client_coverage;
}

static bool
coverage_has_box(struct request *rq)
{
	const char *text = analytics_text(rq, "bbox");
	char *end = NULL;
	int n = 0;

	for (; text != NULL && n < 4; n++, text = end + 1) {
		double v = strtod(text, &end);

		if (end == text || !isfinite(v) || *end != (n < 3 ? ',' : '\0'))
			break;
	}
	if (n < 4)
		request_fail(rq, 400, "bbox required as minLat,minLon,maxLat,maxLon");
	return n == 4;
}

static void
coverage_show(struct request *rq, struct json *out)
{
	static const struct question q = { .method = "rx-coverage",
					   .what = ASK_HIDDEN,
					   .texts = { "bbox", "node", "rx" },
					   .numbers = { "z", "days" } };

	(void)out;
	if (coverage_is_on(rq) && coverage_has_box(rq))
		analytics_ask(rq, &q);
}

static void
coverage_node_show(struct request *rq, struct json *out)
{
	static const struct question q = { .method = "node-rx-coverage",
					   .what = ASK_KEY | ASK_HIDDEN,
					   .texts = { "bbox" },
					   .numbers = { "z" } };
	const char *key = request_arg(rq, 0);

	(void)out;
	if (!coverage_is_on(rq))
		return;
	if (strlen(key) != 64 || !who_is_hex(key, 64))
		request_fail(rq, 400, "invalid pubkey: expected 64 hex chars");
	else if (coverage_has_box(rq))
		analytics_ask(rq, &q);
}

static void
leaderboard_show(struct request *rq, struct json *out)
{
	static const struct question q = { .method = "rx-leaderboard",
					   .what = ASK_HIDDEN,
					   .numbers = { "days", "limit" } };

	(void)out;
	if (coverage_is_on(rq))
		analytics_ask(rq, &q);
}

/* ----------------------------------------------------------- passed on as is -- */

#define PASS(name, ...)                                           \
	static void name(struct request *rq, struct json *out)    \
	{                                                         \
		static const struct question q = { __VA_ARGS__ }; \
                                                                  \
		(void)out;                                        \
		analytics_ask(rq, &q);                            \
	}

PASS(rf_show, .method = "rf", .what = ASK_PLACES | ASK_WINDOW)
PASS(topology_show, .method = "topology", .what = ASK_PLACES | ASK_WINDOW)
PASS(channels_show, .method = "channels", .what = ASK_PLACES | ASK_WINDOW)
PASS(distance_show, .method = "distance", .what = ASK_PLACES | ASK_WINDOW)
PASS(hash_sizes_show, .method = "hash-sizes", .what = ASK_PLACES)
PASS(hash_collisions_show, .method = "hash-collisions", .what = ASK_PLACES)
PASS(subpaths_show, .method = "subpaths", .what = ASK_REGION | ASK_WINDOW | ASK_HIDDEN,
     .numbers = { "minLen", "maxLen", "limit" })
PASS(subpaths_bulk_show, .method = "subpaths-bulk", .what = ASK_REGION | ASK_WINDOW | ASK_HIDDEN,
     .texts = { "groups" })
PASS(subpath_show, .method = "subpath-detail", .what = ASK_HIDDEN, .texts = { "hops" })
PASS(airtime_show, .method = "relay-airtime-share", .what = ASK_WINDOW)
PASS(roles_show, .method = "roles", .what = 0)
PASS(copies_show, .method = "damaged-copies", .what = ASK_REGION | ASK_WINDOW | ASK_HIDDEN,
     .numbers = { "limit" })
PASS(node_clock_show, .method = "node-clock-skew", .what = ASK_KEY | ASK_HIDDEN)
PASS(node_clocks_show, .method = "nodes-clock-skew", .what = ASK_AREA | ASK_HIDDEN)
PASS(observer_clocks_show, .method = "observers-clock-skew", .what = 0)
PASS(scopes_show, .method = "scope-stats", .what = ASK_WINDOW)

/* ----------------------------------------------------------------- tables -- */

/* clang-format off */
static const char *const scope_windows[] = { "1h", "24h", "7d", NULL };

#define PARAMS_WINDOW                                                                            \
	{ "window", PARAM_TEXT, .help = "1h, 24h, 3d, 7d or 30d; else everything" },             \
	{ "from", PARAM_TEXT, .help = "RFC 3339; goes before window" },                          \
	{ "to", PARAM_TEXT, .help = "RFC 3339" }
#define PARAM_REGION { "region", PARAM_TEXT, .help = "codes of regions, with commas" }
#define PARAM_AREA { "area", PARAM_TEXT, .help = "key of a configured area" }
#define PARAM_DAYS(most) \
	{ "days", PARAM_INT, .dflt = 7, .min = 1, .max = (most), .help = "so many days back" }

static const struct route_param filter_params[] = {
	PARAM_REGION, PARAM_AREA, PARAMS_WINDOW, { .name = NULL },
};
static const struct route_param place_params[] = { PARAM_REGION, PARAM_AREA, { .name = NULL } };
static const struct route_param area_params[] = { PARAM_AREA, { .name = NULL } };
static const struct route_param window_params[] = { PARAMS_WINDOW, { .name = NULL } };
static const struct route_param day_params[] = { PARAM_DAYS(365), { .name = NULL } };
static const struct route_param reach_params[] = { PARAM_DAYS(30), { .name = NULL } };
static const struct route_param subpaths_params[] = {
	{ "minLen", PARAM_INT, .dflt = 2, .min = 2, .max = 64, .help = "hops at least" },
	{ "maxLen", PARAM_INT, .dflt = 8, .min = 2, .max = 64, .help = "hops at most" },
	{ "limit", PARAM_LIMIT, .dflt = 100, .max = 200, .list = LIST_ANALYTICS,
	  .help = "at most so many" },
	PARAM_REGION, PARAMS_WINDOW, { .name = NULL },
};
static const struct route_param bulk_params[] = {
	{ "groups", PARAM_TEXT, .help = "min-max:limit,..." },
	PARAM_REGION, PARAMS_WINDOW, { .name = NULL },
};
static const struct route_param subpath_params[] = {
	{ "hops", PARAM_TEXT, .help = "hops with commas, two at least" }, { .name = NULL },
};
static const struct route_param copies_params[] = {
	{ "limit", PARAM_LIMIT, .dflt = 50, .max = 500, .help = "at most so many of them" },
	PARAM_REGION, PARAMS_WINDOW, { .name = NULL },
};
static const struct route_param coverage_params[] = {
	{ "bbox", PARAM_TEXT, .help = "minLat,minLon,maxLat,maxLon; required" },
	{ "z", PARAM_INT, .dflt = 3, .min = 3, .max = 18, .help = "zoom level of the cells" },
	{ "node", PARAM_TEXT, .help = "key: only where it was heard" },
	{ "rx", PARAM_TEXT, .help = "key: only what this phone heard" },
	PARAM_DAYS(30), { .name = NULL },
};
static const struct route_param node_coverage_params[] = {
	{ "bbox", PARAM_TEXT, .help = "minLat,minLon,maxLat,maxLon; required" },
	{ "z", PARAM_INT, .dflt = 3, .min = 3, .max = 18, .help = "zoom level of the cells" },
	{ .name = NULL },
};
static const struct route_param leaderboard_params[] = {
	PARAM_DAYS(30),
	{ "limit", PARAM_INT, .dflt = 20, .min = 0, .max = 101, .help = "1 to 100; else 20" },
	{ .name = NULL },
};
static const struct route_param scope_params[] = {
	{ "window", PARAM_ENUM, .dflt = 1, .choices = scope_windows,
	  .error = "window must be 1h, 24h, or 7d", .help = "1h, 24h or 7d" },
	{ "from", PARAM_TEXT, .help = "not used" }, { "to", PARAM_TEXT, .help = "not used" },
	{ .name = NULL },
};

#define KEPT .max_age_s = KEPT_S

const struct route analytics_routes[] = {
	{ .method = "GET", .pattern = "/api/analytics/rf", .handle = rf_show,
	  .params = filter_params, KEPT, .cost = 3,
	  .summary = "signals, sizes, types and times of packets" },
	{ .method = "GET", .pattern = "/api/analytics/topology", .handle = topology_show,
	  .params = filter_params, KEPT, .cost = 5, .summary = "hops, pairs, and who is how far away" },
	{ .method = "GET", .pattern = "/api/analytics/channels", .handle = channels_show,
	  .params = filter_params, KEPT, .cost = 3, .summary = "messages by channel and sender" },
	{ .method = "GET", .pattern = "/api/analytics/distance", .handle = distance_show,
	  .params = filter_params, KEPT, .cost = 5, .summary = "the longest links and paths" },
	{ .method = "GET", .pattern = "/api/analytics/hash-sizes", .handle = hash_sizes_show,
	  .params = place_params, KEPT, .cost = 3, .summary = "bytes of hops, and who uses them" },
	{ .method = "GET", .pattern = "/api/analytics/hash-collisions",
	  .handle = hash_collisions_show, .params = place_params, KEPT, .cost = 5,
	  .summary = "nodes whose keys begin alike" },
	{ .method = "GET", .pattern = "/api/analytics/subpaths", .handle = subpaths_show,
	  .params = subpaths_params, KEPT, .cost = 3, .summary = "the most frequent parts of paths" },
	{ .method = "GET", .pattern = "/api/analytics/subpaths-bulk", .handle = subpaths_bulk_show,
	  .params = bulk_params, KEPT, .cost = 5, .summary = "the same for several lengths" },
	{ .method = "GET", .pattern = "/api/analytics/subpath-detail", .handle = subpath_show,
	  .params = subpath_params, KEPT, .cost = 3, .summary = "one part of a path" },
	{ .method = "GET", .pattern = "/api/analytics/relay-airtime-share", .handle = airtime_show,
	  .params = window_params, KEPT, .cost = 2, .summary = "time on air by type of packet" },
	{ .method = "GET", .pattern = "/api/analytics/roles", .handle = roles_show, KEPT, .cost = 2,
	  .summary = "nodes and their clocks by role" },
	{ .method = "GET", .pattern = "/api/analytics/damaged-copies", .handle = copies_show,
	  .params = copies_params, KEPT, .cost = 3,
	  .summary = "packets that are others with wrong bits, and the relays they came through" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/analytics", .handle = node_show,
	  .params = day_params, KEPT, .cost = 3, .summary = "what a node had to do with" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/reach", .handle = reach_show,
	  .params = reach_params, KEPT, .cost = 3, .summary = "who hears a relay, and whom it hears" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/clock-skew", .handle = node_clock_show,
	  KEPT, .cost = 2, .summary = "the clock of a node" },
	{ .method = "GET", .pattern = "/api/nodes/clock-skew", .handle = node_clocks_show,
	  .params = area_params, KEPT, .cost = 3, .summary = "the clocks of all nodes" },
	{ .method = "GET", .pattern = "/api/observers/{id}/analytics", .handle = observer_show,
	  .params = day_params, KEPT, .cost = 3, .summary = "what an observer received" },
	{ .method = "GET", .pattern = "/api/observers/clock-skew", .handle = observer_clocks_show,
	  KEPT, .cost = 2, .summary = "how far observers are behind others" },
	{ .method = "GET", .pattern = "/api/scope-stats", .handle = scopes_show,
	  .params = scope_params, KEPT, .cost = 2, .summary = "packets by region they are meant for" },
	{ .method = "GET", .pattern = "/api/rx-coverage", .handle = coverage_show,
	  .params = coverage_params, .flags = ROUTE_PLAIN_ERRORS, KEPT, .cost = 5,
	  .summary = "where phones heard whom, as GeoJSON" },
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/rx-coverage",
	  .handle = coverage_node_show, .params = node_coverage_params,
	  .flags = ROUTE_PLAIN_ERRORS, KEPT, .cost = 5, .summary = "where phones heard a node" },
	{ .method = "GET", .pattern = "/api/rx-leaderboard", .handle = leaderboard_show,
	  .params = leaderboard_params, .flags = ROUTE_PLAIN_ERRORS, KEPT, .cost = 5,
	  .summary = "the phones that have been to most places" },
	{ .method = NULL },
};
/* clang-format on */
