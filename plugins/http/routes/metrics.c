/* SPDX-License-Identifier: MIT
 *
 * /metrics, in the text format of Prometheus.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "../http.h"

/* A label's value is between quotes: these three are escaped. */
static void
metric_label(struct json *out, const mk_val *v)
{
	const char *s = "";
	size_t len = 0, from = 0;

	mk_get_str(v, &s, &len);
	js_text(out, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		const char *escape = s[i] == '"' ? "\\\"" : s[i] == '\\' ? "\\\\" : "\\n";

		if (s[i] != '"' && s[i] != '\\' && s[i] != '\n')
			continue;
		js_text(out, s + from, i - from);
		js_text(out, escape, 2);
		from = i + 1;
	}
	js_text(out, s + from, len - from);
	js_text(out, "\"", 1);
}

static void
metric_head(struct json *out, const char *name, const char *type)
{
	js_printf(out, "# TYPE meshkern_%s %s\n", name, type);
}

static void
metric_value(struct json *out, const mk_val *v)
{
	bool truth = false;
	double d = 0;

	if (mk_get_bool(v, &truth))
		d = truth;
	else
		mk_get_f64(v, &d);
	js_printf(out,
		  isfinite(d) && fabs(d) < 1e15 && !(d < floor(d)) && !(d > floor(d)) ? " %.0f\n"
										      : " %.17g\n",
		  d);
}

static void
metric_one(struct json *out, const char *name, const char *type, uint64_t value)
{
	metric_head(out, name, type);
	js_printf(out, "meshkern_%s %" PRIu64 "\n", name, value);
}

/* One series for each item of a list, of one of its fields. */
static void
metric_list(struct json *out, const char *name, const char *type, const mk_val *items,
	    const char *label, const char *field)
{
	metric_head(out, name, type);
	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i), *v = mk_find(item, field);

		if (v == NULL)
			continue;
		js_printf(out, "meshkern_%s{%s=", name, label);
		metric_label(out, mk_find(item, "name"));
		js_text(out, "}", 1);
		metric_value(out, v);
	}
}

struct metric_field {
	const char *name, *type, *field;
};

static void
metric_fields(struct json *out, const mk_val *map, const struct metric_field *fields)
{
	for (; fields->name != NULL; fields++) {
		const mk_val *v = mk_find(map, fields->field);

		if (v == NULL)
			continue;
		metric_head(out, fields->name, fields->type);
		js_printf(out, "meshkern_%s", fields->name);
		metric_value(out, v);
	}
}

static void
metric_ring(struct json *out, const mk_val *ring, const char *name, const char *field,
	    const char *type)
{
	static const char *const rings[] = { "latest", "reliable" };

	metric_head(out, name, type);
	for (int i = 0; i < 2; i++) {
		js_printf(out, "meshkern_%s{ring=\"%s\"}", name, rings[i]);
		metric_value(out, mk_find(mk_find(ring, rings[i]), field));
	}
}

static void
metrics_core(const struct http *h, struct json *out)
{
	static const struct metric_field fields[] = {
		{ "uptime_microseconds", "counter", "uptime_us" },
		{ "resident_bytes", "gauge", "rss_bytes" },
		{ "cpu_microseconds_total", "counter", "cpu_us" },
		{ "bus_published_total", "counter", "published" },
		{ "bus_refused_total", "counter", "refused" },
		{ "log_dropped_total", "counter", "log_dropped" },
		{ NULL, NULL, NULL },
	};
	mk_doc doc;
	const mk_val *root = http_last(h, "core/stats", &doc);
	const mk_val *topics = mk_find(root, "topics"), *ring = mk_find(root, "ring");
	const mk_val *instances = mk_find(root, "instances");

	metric_fields(out, root, fields);
	metric_ring(out, ring, "ring_messages", "messages", "gauge");
	metric_ring(out, ring, "ring_bytes", "bytes", "gauge");
	metric_ring(out, ring, "ring_evicted_total", "evicted", "counter");
	metric_list(out, "topic_messages_total", "counter", topics, "topic", "seq");
	metric_list(out, "topic_bytes_total", "counter", topics, "topic", "bytes");
	metric_list(out, "plugin_in_total", "counter", instances, "plugin", "in");
	metric_list(out, "plugin_out_total", "counter", instances, "plugin", "out");
	metric_list(out, "plugin_refused_total", "counter", instances, "plugin", "refused");
	metric_list(out, "plugin_gaps_total", "counter", instances, "plugin", "gaps");
	metric_list(out, "plugin_lost_total", "counter", instances, "plugin", "lost");
	metric_list(out, "plugin_lag_messages", "gauge", instances, "plugin", "lag");
	mk_doc_fini(&doc);
}

/* What plugins say about themselves: meshkern_plugin_number{plugin="mqtt",name="connected"}. */
static void
metrics_plugins(const struct http *h, struct json *out)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "core/plugins", &doc), "items");

	metric_list(out, "plugin_restarts_total", "counter", items, "plugin", "restarts");
	metric_list(out, "plugin_crashes_total", "counter", items, "plugin", "crashes");
	metric_list(out, "plugin_resident_bytes", "gauge", items, "plugin", "rss_bytes");
	metric_head(out, "plugin_running", "gauge");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		char state[16] = "";

		mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state));
		js_printf(out, "meshkern_plugin_running{plugin=");
		metric_label(out, mk_find(mk_at(items, i), "name"));
		js_printf(out, "} %d\n", strcmp(state, "running") == 0);
	}
	metric_head(out, "plugin_number", "untyped");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *numbers = mk_find(mk_at(items, i), "numbers");

		for (uint32_t k = 0; mk_is_map(numbers) && k < mk_count(numbers); k++) {
			js_printf(out, "meshkern_plugin_number{plugin=");
			metric_label(out, mk_find(mk_at(items, i), "name"));
			js_printf(out, ",name=");
			metric_label(out, mk_key_at(numbers, k));
			js_text(out, "}", 1);
			metric_value(out, mk_val_at(numbers, k));
		}
	}
	mk_doc_fini(&doc);
}

static void
metrics_mqtt(const struct http *h, struct json *out)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "mqtt/sources", &doc), "items");

	if (mk_count(items) > 0) {
		metric_list(out, "mqtt_connected", "gauge", items, "source", "connected");
		metric_list(out, "mqtt_messages_total", "counter", items, "source", "messages");
		metric_list(out, "mqtt_accepted_total", "counter", items, "source", "accepted");
		metric_list(out, "mqtt_connects_total", "counter", items, "source", "connects");
		metric_list(out, "mqtt_disconnects_total", "counter", items, "source",
			    "disconnects");
	}
	mk_doc_fini(&doc);
}

/* Every number in storage/stats, whatever its name. */
static void
metrics_storage(const struct http *h, struct json *out)
{
	mk_doc doc;
	const mk_val *root = http_last(h, "storage/stats", &doc);
	double d;

	for (uint32_t i = 0; mk_is_map(root) && i < mk_count(root); i++) {
		char key[128] = "";

		if (!mk_get_f64(mk_val_at(root, i), &d) ||
		    !mk_copy_str(mk_key_at(root, i), key, sizeof(key)) ||
		    key[strspn(
			key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] !=
			'\0')
			continue;
		js_printf(out, "# TYPE meshkern_storage_%s untyped\nmeshkern_storage_%s", key, key);
		metric_value(out, mk_val_at(root, i));
	}
	mk_doc_fini(&doc);
}

static void
metrics_http(const struct http *h, struct json *out)
{
	struct httpd_stats s;

	httpd_get_stats(h->server, &s);
	metric_one(out, "http_requests_total", "counter", s.requests);
	metric_one(out, "http_errors_total", "counter", s.errors);
	metric_one(out, "http_sent_bytes_total", "counter", s.sent_bytes);
	metric_one(out, "http_connections", "gauge", s.connections);
	metric_one(out, "http_accepted_total", "counter", s.accepted);
	metric_one(out, "http_refused_total", "counter", s.refused);
	metric_one(out, "http_timeouts_total", "counter", s.timeouts);
	metric_one(out, "http_limited_total", "counter", s.limited);
	metric_one(out, "http_cache_hits_total", "counter", s.cache_hits);
	metric_one(out, "http_cache_bytes", "gauge", s.cache_bytes);
	metric_one(out, "http_not_modified_total", "counter", s.not_modified);
	metric_one(out, "events_clients", "gauge", s.clients);
	metric_one(out, "events_sent_total", "counter", s.events_sent);
	metric_one(out, "events_lost_total", "counter", s.events_lost);
	metric_one(out, "events_clients_refused_total", "counter", s.clients_refused);
	metric_one(out, "events_clients_dropped_total", "counter", s.clients_dropped);
	metric_one(out, "events_ring_bytes", "gauge", ring_bytes(h->ring));
}

static void
metrics(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	struct model *model = &((struct http *)request_context(rq))->model;

	/* Not by the route's own lock: its numbers change all the time, so it must not be kept. */
	model_read(model);
	metrics_core(h, out);
	metrics_plugins(h, out);
	metrics_mqtt(h, out);
	metrics_storage(h, out);
	model_read_end(model);
	metrics_http(h, out);
}

const struct route metrics_routes[] = {
	{ .method = "GET",
	  .pattern = "/metrics",
	  .handle = metrics,
	  .type = "text/plain; version=0.0.4; charset=utf-8",
	  .cost = 1,
	  .summary = "numbers for Prometheus" },
	{ .method = NULL },
};
