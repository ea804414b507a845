/* SPDX-License-Identifier: MIT
 *
 * Is it well? For the pages, for uptime monitors, and about the brokers.
 */
#include <stdio.h>
#include <string.h>

#include "../http.h"

/* Seconds of Unix time from a field in microseconds; 0: not there. */
static uint64_t
health_seconds(const mk_val *item, const char *field)
{
	uint64_t us = 0;

	mk_get_u64(mk_find(item, field), &us);
	return us / 1000000;
}

static void
health_liveness(const struct http *h, struct json *out)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "mqtt/sources", &doc), "items");

	js_kobject(out, "ingest_liveness");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i);
		char name[128];

		if (!mk_copy_str(mk_find(item, "name"), name, sizeof(name)))
			continue;
		js_kobject(out, name);
		js_kuint(out, "lastReceiptUnix", health_seconds(item, "last_message"));
		js_kuint(out, "lastMessageUnix", health_seconds(item, "last_message"));
		js_object_end(out);
	}
	js_object_end(out);
	mk_doc_fini(&doc);
}

static void
healthz(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	char state[16] = "", reason[200] = "";
	const mk_val *root;
	mk_doc doc;
	bool ready;

	root = http_last(h, "storage/state", &doc);
	mk_copy_str(mk_find(root, "state"), state, sizeof(state));
	mk_copy_str(mk_find(root, "reason"), reason, sizeof(reason));
	mk_doc_fini(&doc);
	ready = strcmp(state, "ready") == 0;
	js_object(out);
	js_kbool(out, "ready", ready);
	if (!ready) {
		js_kstr(out, "reason", reason[0] != '\0' ? reason : "loading");
		request_set_status(rq, 503);
		request_set_header(rq, "Retry-After", "5");
	} else {
		js_kuint(out, "loadedTx", 0);
		js_kuint(out, "loadedObs", 0);
		js_kobject(out, "from_pubkey_backfill");
		js_kuint(out, "total", 0);
		js_kuint(out, "processed", 0);
		js_kbool(out, "done", true);
		js_object_end(out);
		health_liveness(h, out);
	}
	js_object_end(out);
}

static void
health(struct request *rq, struct json *out)
{
	static const char *const lags[] = { "currentLagMs", "maxLagMs", "p50Ms", "p95Ms", "p99Ms" };
	const struct http *h = request_context(rq);
	uint64_t uptime = (h->host->now_us(h->host) - h->started_us) / 1000000;
	struct httpd_stats stats;
	uint64_t rss = atomic_load(&h->rss_bytes) >> 20;
	char human[48];

	httpd_get_stats(h->server, &stats);
	(void)snprintf(human, sizeof(human), "%lluh %llum", (unsigned long long)(uptime / 3600),
		       (unsigned long long)(uptime / 60 % 60));
	js_object(out);
	js_kstr(out, "status", "ok");
	js_kstr(out, "engine", "meshkern");
	js_kstr(out, "version", MK_VERSION);
	js_kstr(out, "commit", "unknown");
	js_kstr(out, "buildTime", "unknown");
	js_kuint(out, "uptime", uptime);
	js_kstr(out, "uptimeHuman", human);
	js_kobject(out, "memory");
	js_kuint(out, "rss", rss);
	js_kuint(out, "heapUsed", rss);
	js_kuint(out, "heapTotal", rss);
	js_kuint(out, "external", 0);
	js_object_end(out);
	js_kobject(out, "eventLoop");
	for (int i = 0; i < 5; i++)
		js_kuint(out, lags[i], 0);
	js_object_end(out);
	js_kobject(out, "websocket");
	js_kuint(out, "clients", stats.clients);
	js_object_end(out);
	js_kobject(out, "cache");
	js_kuint(out, "hits", stats.cache_hits);
	js_kuint(out, "bytes", stats.cache_bytes);
	js_object_end(out);
	js_kobject(out, "perf");
	js_kuint(out, "totalRequests", stats.requests);
	js_object_end(out);
	js_object_end(out);
}

/* ----------------------------------------------------------------- mqtt -- */

static void
mqtt_source(struct json *out, const mk_val *item)
{
	js_object(out);
	js_kval(out, "name", item, "name");
	js_kval(out, "broker", item, "broker"); /* the plugin has masked the password */
	js_kval(out, "connected", item, "connected");
	js_kuint(out, "lastConnectUnix", health_seconds(item, "last_connect"));
	js_kuint(out, "lastDisconnectUnix", health_seconds(item, "last_disconnect"));
	js_kuint(out, "lastPacketUnix", health_seconds(item, "last_message"));
	js_kval(out, "connectCount", item, "connects");
	js_kval(out, "disconnectCount", item, "disconnects");
	js_kval(out, "packetsTotal", item, "messages");
	js_kval(out, "packetsLast5m", item, "last_5m");
	if (mk_find(item, "last_error") != NULL)
		js_kval(out, "lastError", item, "last_error");
	js_kval(out, "verdict", item, "verdict");
	js_object_end(out);
}

static void
mqtt_status(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct retained_topic *t = retained_find(&h->retained, "mqtt/sources");
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "mqtt/sources", &doc), "items");

	js_object(out);
	js_karray(out, "sources");
	for (uint32_t i = 0; i < mk_count(items); i++)
		mqtt_source(out, mk_at(items, i));
	js_array_end(out);
	js_key(out, "sampleAt");
	if (t != NULL && t->base != NULL)
		js_time_ms(out, t->base->time_us);
	else
		js_str(out, "");
	js_object_end(out);
	mk_doc_fini(&doc);
}

/* clang-format off */
const struct route health_routes[] = {
	{ .method = "GET", .pattern = "/api/healthz", .handle = healthz,
	  .reads = MODEL_STORAGE | MODEL_MQTT,
	  .summary = "200 when the database is ready, else 503 and why" },
	{ .method = "GET", .pattern = "/api/health", .handle = health, .summary = "this process" },
	{ .method = "GET", .pattern = "/api/mqtt/status", .handle = mqtt_status,
	  .reads = MODEL_MQTT, .summary = "the brokers and whether they are connected" },
	{ .method = NULL },
};
/* clang-format on */
