/* SPDX-License-Identifier: MIT
 *
 * Is it well? For the pages, for uptime monitors, and about the brokers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../http.h"
#include "../read/read.h"

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

/* Work on old rows: what is under way, and what has failed, which stays until somebody retries it. */
static void
health_backfill(const struct http *h, struct json *out)
{
	int64_t total = 0, done = 0, running = 0, n;
	char error[200] = "";
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "storage/backfills", &doc), "items");

	js_karray(out, "async_migrations");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i);
		char state[16] = "", kind[16] = "";

		mk_copy_str(mk_find(item, "state"), state, sizeof(state));
		mk_copy_str(mk_find(item, "kind"), kind, sizeof(kind));
		if (strcmp(kind, "retention") == 0 || strcmp(state, "done") == 0)
			continue;
		js_object(out);
		js_kval(out, "name", item, "name");
		js_kstr(out, "status", state);
		js_kval(out, "rowsProcessed", item, "done");
		js_kval(out, "rowsTotal", item, "total");
		js_kval(out, "errorMessage", item, "error");
		js_object_end(out);
		if (strcmp(state, "failed") == 0) {
			(void)mk_copy_str(mk_find(item, "error"), error, sizeof(error));
			continue;
		}
		running++;
		total += mk_get_i64(mk_find(item, "total"), &n) ? n : 0;
		done += mk_get_i64(mk_find(item, "done"), &n) ? n : 0;
	}
	js_array_end(out);
	mk_doc_fini(&doc);
	js_kint(out, "async_migrations_running", running);
	if (error[0] != '\0')
		js_kstr(out, "async_migrations_error", error);
	js_kobject(out, "from_pubkey_backfill");
	js_kint(out, "total", total);
	js_kint(out, "processed", done);
	js_kbool(out, "done", running == 0);
	js_object_end(out);
}

static void
healthz(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	char state[16] = "", reason[200] = "";
	struct read_state read;
	const mk_val *root;
	mk_doc doc;
	bool ready;

	root = http_last(h, "storage/state", &doc);
	mk_copy_str(mk_find(root, "state"), state, sizeof(state));
	mk_copy_str(mk_find(root, "reason"), reason, sizeof(reason));
	mk_doc_fini(&doc);
	read_get_state(h->read, &read);
	ready = strcmp(state, "ready") == 0 && read.ready;
	js_object(out);
	js_kbool(out, "ready", ready);
	if (!ready) {
		js_kstr(out, "reason", reason[0] != '\0' ? reason : "loading");
		request_set_status(rq, 503);
		request_set_header(rq, "Retry-After", "5");
	} else {
		js_kuint(out, "loadedTx", read.tx);
		js_kuint(out, "loadedObs", read.obs);
		js_kbool(out, "warm", read.warm);
		js_knum(out, "progress", read.progress);
		health_backfill(h, out);
		health_liveness(h, out);
	}
	js_object_end(out);
}

void
health_tick(struct http *h)
{
	uint64_t now = h->host->now_us(h->host), late = 0, n;

	if (h->lag.due_us != 0 && now > h->lag.due_us)
		late = now - h->lag.due_us;
	h->lag.due_us = now + 1000000;
	n = atomic_fetch_add(&h->lag.count, 1);
	atomic_store(&h->lag.last_us, (uint32_t)(late > UINT32_MAX ? UINT32_MAX : late));
	atomic_store(&h->lag.samples[n % HTTP_LAGS], atomic_load(&h->lag.last_us));
	if (late > atomic_load(&h->lag.max_us))
		atomic_store(&h->lag.max_us, late);
}

static int
health_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Of the plugin's thread, which brings what is new. */
static void
health_lag(const struct http *h, struct json *out)
{
	static const char *const names[] = { "p50Ms", "p95Ms", "p99Ms" };
	static const uint32_t percent[] = { 50, 95, 99 };
	uint64_t count = atomic_load(&h->lag.count);
	uint32_t n = count < HTTP_LAGS ? (uint32_t)count : HTTP_LAGS, sorted[HTTP_LAGS] = { 0 };

	for (uint32_t i = 0; i < n; i++)
		sorted[i] = atomic_load(&h->lag.samples[i]);
	qsort(sorted, n, sizeof(sorted[0]), health_compare);
	js_kobject(out, "eventLoop");
	js_knum(out, "currentLagMs", (double)atomic_load(&h->lag.last_us) / 1000);
	js_knum(out, "maxLagMs", (double)atomic_load(&h->lag.max_us) / 1000);
	for (int i = 0; i < 3; i++)
		js_knum(out, names[i], (double)sorted[n * percent[i] / 100] / 1000);
	js_object_end(out);
}

static void
health_model(struct http *h, struct json *out)
{
	struct read_state read;

	model_read(&h->model);
	read_get_state(h->read, &read);
	model_read_end(&h->model);
	js_kobject(out, "packetStore");
	js_kuint(out, "packets", read.tx);
	js_knum(out, "estimatedMB", (double)read.bytes / 1048576);
	js_knum(out, "trackedMB", (double)read.bytes / 1048576);
	js_object_end(out);
}

static void
health(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	uint64_t uptime = (h->host->now_us(h->host) - h->started_us) / 1000000;
	uint64_t rss = atomic_load(&h->rss_bytes) >> 20;
	struct httpd_stats stats;
	struct perf_route total;
	char human[48];

	httpd_get_stats(h->server, &stats);
	perf_total(httpd_perf(h->server), &total);
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
	health_lag(h, out);
	js_kobject(out, "websocket");
	js_kuint(out, "clients", stats.clients);
	js_object_end(out);
	perf_put_cache(h, out);
	health_model(h, out);
	js_kobject(out, "perf");
	js_kuint(out, "totalRequests", total.count);
	js_knum(out, "avgMs", total.avg_ms);
	js_kuint(out, "slowQueries", perf_slow_count(httpd_perf(h->server)));
	perf_put_slow(h, out, "recentSlow", 5);
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
	  .reads = MODEL_STORAGE | MODEL_MQTT | MODEL_SNAPSHOTS | MODEL_PACKETS | MODEL_WARM,
	  .summary = "200 when the database is ready, else 503 and why" },
	{ .method = "GET", .pattern = "/api/health", .handle = health, .summary = "this process" },
	{ .method = "GET", .pattern = "/api/mqtt/status", .handle = mqtt_status,
	  .reads = MODEL_MQTT, .summary = "the brokers and whether they are connected" },
	{ .method = NULL },
};
/* clang-format on */
