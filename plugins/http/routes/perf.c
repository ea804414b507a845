/* SPDX-License-Identifier: MIT
 *
 * How it performs: answers by route, what is in memory, the database's files, input and output of this
 * process, and what storage writes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../http.h"
#include "../read/read.h"

#define MIB 1048576.0
#define SLOW_SHOWN 20u

/* --------------------------------------------------------------- answers -- */

/* "/api/nodes/{pubkey}" as CoreScope writes it: "/api/nodes/:pubkey". */
static void
perf_template(char *to, size_t cap, const char *pattern)
{
	size_t n = 0;

	for (; *pattern != '\0' && n + 1 < cap; pattern++) {
		if (*pattern == '}')
			continue;
		to[n++] = *pattern;
		if (*pattern == '{')
			to[n - 1] = ':';
	}
	to[n] = '\0';
}

static void
perf_endpoints(const struct http *h, struct json *out)
{
	const struct router *router = httpd_router(h->server);
	const struct perf *perf = httpd_perf(h->server);
	struct perf_route r;
	char name[128];

	js_kobject(out, "endpoints");
	for (uint32_t i = 0; i < router_count(router); i++) {
		const struct route *route = router_at(router, i);

		perf_get(perf, i, &r);
		if (r.count == 0)
			continue;
		perf_template(name, sizeof(name), route->pattern);
		if (strcmp(route->method, "GET") != 0) {
			char full[160];

			(void)snprintf(full, sizeof(full), "%s %s", route->method, name);
			js_kobject(out, full);
		} else {
			js_kobject(out, name);
		}
		js_kuint(out, "count", r.count);
		js_knum(out, "avgMs", r.avg_ms);
		js_knum(out, "p50Ms", r.p50_ms);
		js_knum(out, "p95Ms", r.p95_ms);
		js_knum(out, "maxMs", r.max_ms);
		js_object_end(out);
	}
	js_object_end(out);
}

void
perf_put_slow(const struct http *h, struct json *out, const char *key, uint32_t max)
{
	struct perf_slow slow[SLOW_SHOWN];
	uint32_t n = perf_slow(httpd_perf(h->server), slow, max < SLOW_SHOWN ? max : SLOW_SHOWN);
	char name[128];

	js_karray(out, key);
	for (uint32_t i = 0; i < n; i++) {
		perf_template(name, sizeof(name), slow[i].path);
		js_object(out);
		js_kstr(out, "path", name);
		js_knum(out, "ms", slow[i].ms);
		js_key(out, "time");
		js_time_ms(out, slow[i].at_s * 1000000);
		js_kuint(out, "status", slow[i].status);
		js_object_end(out);
	}
	js_array_end(out);
}

void
perf_put_cache(const struct http *h, struct json *out)
{
	struct httpd_stats s;
	uint64_t asked;

	httpd_get_stats(h->server, &s);
	asked = s.cache_hits + s.cache_misses;
	js_kobject(out, "cache");
	js_kuint(out, "size", s.cache_entries);
	js_kuint(out, "entries", s.cache_entries);
	js_kuint(out, "bytes", s.cache_bytes);
	js_kuint(out, "hits", s.cache_hits);
	js_kuint(out, "misses", s.cache_misses);
	js_kuint(out, "staleHits", 0); /* there are none: what is old is made anew */
	js_kuint(out, "recomputes", s.cache_misses);
	js_knum(out, "hitRate", asked == 0 ? 0 : 100.0 * (double)s.cache_hits / (double)asked);
	js_object_end(out);
}

/* ------------------------------------------------------------ read model -- */

static uint64_t
perf_number(const struct http *h, const char *topic, const char *field)
{
	uint64_t n = 0;
	mk_doc doc;

	mk_get_u64(mk_find(http_last(h, topic, &doc), field), &n);
	mk_doc_fini(&doc);
	return n;
}

static void
perf_store(const struct http *h, struct json *out)
{
	struct read_state s;
	struct httpd_stats stats;
	double each;

	read_get_state(h->read, &s);
	httpd_get_stats(h->server, &stats);
	each = s.tx_memory == 0 ? 0 : (double)s.bytes / (double)s.tx_memory;
	js_kobject(out, "packetStore");
	js_kuint(out, "totalLoaded", s.tx_memory);
	js_kuint(out, "totalObservations", s.obs_memory);
	js_kuint(out, "evicted", s.evicted);
	js_kuint(out, "inserts", perf_number(h, "storage/stats", "tx_inserted"));
	js_kuint(out, "queries", stats.requests);
	js_kuint(out, "inMemory", s.tx_memory);
	js_kbool(out, "sqliteOnly", false);
	js_kuint(out, "maxPackets", each > 0 ? (uint64_t)((double)s.limit / each) : 0);
	js_knum(out, "estimatedMB", (double)s.bytes / MIB);
	js_knum(out, "trackedMB", (double)s.bytes / MIB);
	js_kuint(out, "avgBytesPerPacket", (uint64_t)each);
	js_kuint(out, "maxMB", s.limit >> 20);
	js_kobject(out, "indexes");
	js_kuint(out, "byHash", s.tx_memory);
	js_kuint(out, "byObserver", read_observer_count(h->read));
	js_kuint(out, "byNode", read_node_count(h->read));
	js_kuint(out, "advertByObserver", read_observer_count(h->read));
	js_object_end(out);
	js_kuint(out, "hotStartupHours", 0);
	js_kbool(out, "backgroundLoadComplete", s.warm);
	js_kbool(out, "backgroundLoadFailed", !s.warm && s.failures > 0);
	js_kuint(out, "backgroundLoadProgress", (uint64_t)(100 * s.progress));
	js_kuint(out, "retentionHours", 0);
	js_kstr(out, "oldestLoaded", s.oldest);
	js_knum(out, "loadCoverageRatio", s.tx == 0 ? 1 : (double)s.tx_memory / (double)s.tx);
	js_object_end(out);
}

/* Where the bytes of this plugin are; asked for by mem=1, because all packets are looked at. */
static void
perf_memory(const struct http *h, struct json *out)
{
	struct httpd_stats stats;
	struct read_memory m;

	read_get_memory(h->read, &m);
	httpd_get_stats(h->server, &stats);
	js_kobject(out, "memory");
	js_kuint(out, "packets", m.packets);
	js_kuint(out, "contents", m.contents);
	js_kuint(out, "observations", m.observations);
	js_kuint(out, "room", m.room);
	js_kuint(out, "lists", m.lists);
	js_kuint(out, "nodes", m.nodes);
	js_kuint(out, "observers", m.observers);
	js_kuint(out, "cache", stats.cache_bytes);
	js_kuint(out, "events", ring_bytes(h->ring));
	js_kuint(out, "resident", atomic_load(&h->rss_bytes));
	js_object_end(out);
}

/* -------------------------------------------------------------- database -- */

/* What its files say by themselves; no connection is needed for that. */
struct files {
	uint64_t bytes, wal_bytes, page_bytes, pages, free_pages, wal_frames, wal_done;
};

static uint32_t
files_big(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The first bytes of DATABASE + ending, and how long the file is. */
static bool
files_head(const char *database, const char *ending, uint8_t *head, size_t len, uint64_t *bytes)
{
	char path[4200];
	struct stat st;
	bool good;
	int fd;

	memset(head, 0, len);
	*bytes = 0;
	if (snprintf(path, sizeof(path), "%s%s", database, ending) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1)
		return false;
	good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, head, len) == (ssize_t)len;
	if (good)
		*bytes = (uint64_t)st.st_size;
	close(fd);
	return good;
}

static void
files_look(const char *database, struct files *f)
{
	uint8_t head[136];
	uint32_t native;
	uint64_t bytes;

	memset(f, 0, sizeof(*f));
	if (files_head(database, "", head, 100, &f->bytes)) {
		f->page_bytes = (uint64_t)head[16] << 8 | head[17];
		f->page_bytes = f->page_bytes == 1 ? 65536 : f->page_bytes;
		f->free_pages = files_big(head + 36);
		f->pages = f->page_bytes == 0 ? 0 : f->bytes / f->page_bytes;
	}
	(void)files_head(database, "-wal", head, 32, &f->wal_bytes);
	/* Of the index of the log: the frames in it, and how many are in the database already. */
	if (f->wal_bytes > 0 && files_head(database, "-shm", head, sizeof(head), &bytes)) {
		memcpy(&native, head + 16, sizeof(native));
		f->wal_frames = native;
		memcpy(&native, head + 96, sizeof(native));
		f->wal_done = native;
	}
}

static void
perf_files(const struct http *h, struct json *out)
{
	struct read_state s;
	struct files f;
	uint32_t nodes = 0;

	read_get_state(h->read, &s);
	files_look(s.database, &f);
	for (uint32_t i = 0; i < read_node_count(h->read); i++)
		nodes += read_node(h->read, i)->known && read_node(h->read, i)->active;
	js_kobject(out, "sqlite");
	js_knum(out, "dbSizeMB", (double)f.bytes / MIB);
	js_knum(out, "walSizeMB", (double)f.wal_bytes / MIB);
	js_knum(out, "freelistMB", (double)(f.free_pages * f.page_bytes) / MIB);
	js_kobject(out, "walPages");
	js_kuint(out, "total", f.wal_frames);
	js_kuint(out, "checkpointed", f.wal_done);
	js_kuint(out, "busy", 0); /* checkpoints of storage never wait for readers */
	js_object_end(out);
	js_kobject(out, "rows");
	js_kuint(out, "transmissions", s.tx);
	js_kuint(out, "observations", s.obs);
	js_kuint(out, "nodes", nodes);
	js_kuint(out, "observers", read_observer_count(h->read));
	js_object_end(out);
	js_object_end(out);
}

static void
perf_sqlite(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	struct httpd_stats stats;
	struct read_state s;
	uint64_t asked;
	struct files f;

	model_read(&h->model);
	read_get_state(h->read, &s);
	model_read_end(&h->model);
	files_look(s.database, &f);
	httpd_get_stats(h->server, &stats);
	asked = stats.cache_hits + stats.cache_misses;
	js_object(out);
	js_knum(out, "walSizeMB", (double)f.wal_bytes / MIB);
	js_kuint(out, "walSize", f.wal_bytes);
	js_kuint(out, "pageCount", f.pages);
	js_kuint(out, "pageSize", f.page_bytes);
	js_kuint(out, "cacheSize", s.limit / (f.page_bytes == 0 ? 4096 : f.page_bytes));
	js_knum(out, "cacheHitRate", asked == 0 ? 0 : (double)stats.cache_hits / (double)asked);
	js_object_end(out);
}

/* ------------------------------------------------------------------ routes -- */

static void
perf_all(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	struct perf_route total;

	perf_total(httpd_perf(h->server), &total);
	js_object(out);
	js_kuint(out, "uptime", (h->host->now_us(h->host) - h->started_us) / 1000000);
	js_kuint(out, "totalRequests", total.count);
	js_knum(out, "avgMs", total.avg_ms);
	perf_endpoints(h, out);
	perf_put_slow(h, out, "slowQueries", SLOW_SHOWN);
	perf_put_cache(h, out);
	model_read(&h->model);
	perf_store(h, out);
	perf_files(h, out);
	if (request_bool(rq, "mem"))
		perf_memory(h, out);
	model_read_end(&h->model);
	js_object_end(out);
}

static void
perf_forget(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);

	perf_reset(httpd_perf(h->server));
	js_object(out);
	js_kbool(out, "ok", true);
	js_object_end(out);
}

static void
perf_io(struct request *rq, struct json *out)
{
	static const char *const fields[] = { "read_bytes", "write_bytes", "cancelled_write_bytes",
					      "syscr", "syscw" };
	static const char *const names[] = { "readBytesPerSec", "writeBytesPerSec",
					     "cancelledWriteBytesPerSec", "syscallsRead",
					     "syscallsWrite" };
	struct http *h = request_context(rq);
	uint64_t now = h->host->now_us(h->host), values[5] = { 0 };
	FILE *f = fopen("/proc/self/io", "re");
	char name[64];
	unsigned long long v;

	while (f != NULL && fscanf(f, "%63[^:]: %llu\n", name, &v) == 2)
		for (int i = 0; i < 5; i++)
			if (strcmp(name, fields[i]) == 0)
				values[i] = v;
	if (f != NULL)
		fclose(f);
	js_object(out);
	pthread_mutex_lock(&h->io.lock);
	for (int i = 0; i < 5; i++) {
		double s = (double)(now - h->io.at_us) / 1e6;
		double d = (double)values[i] - (double)h->io.values[i];

		js_knum(out, names[i], h->io.at_us == 0 || s <= 0 || d < 0 ? 0 : d / s);
		h->io.values[i] = values[i];
	}
	h->io.at_us = now;
	pthread_mutex_unlock(&h->io.lock);
	js_object_end(out);
}

static void
perf_backfills(const struct http *h, struct json *out)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(h, "storage/backfills", &doc), "items");

	for (uint32_t i = 0; i < mk_count(items); i++) {
		char name[80] = "", key[96];
		uint64_t done = 0;

		mk_copy_str(mk_find(mk_at(items, i), "name"), name, sizeof(name));
		mk_get_u64(mk_find(mk_at(items, i), "done"), &done);
		(void)snprintf(key, sizeof(key), "backfill_%s", name);
		js_kuint(out, key, done);
	}
	mk_doc_fini(&doc);
}

static void
perf_sources(struct request *rq, struct json *out)
{
	static const char *const names[][2] = {
		{ "tx_inserted", "tx_inserted" },   { "tx_dupes", "tx_dupes" },
		{ "obs_inserted", "obs_inserted" }, { "obs_dupes", "obs_dupes" },
		{ "node_upserts", "node_upserts" }, { "observer_upserts", "observer_upserts" },
		{ "write_errors", "write_errors" }, { "sig_drops", "sig_drops" },
		{ "walCommits", "wal_commits" },    { "groupCommitFlushes", "wal_commits" },
	};
	const struct http *h = request_context(rq);
	const struct retained_topic *t = retained_find(&h->retained, "storage/stats");
	mk_doc doc;
	const mk_val *root = http_last(h, "storage/stats", &doc);

	js_object(out);
	js_kobject(out, "sources");
	for (size_t i = 0; root != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		js_kval(out, names[i][0], root, names[i][1]);
	if (root != NULL)
		perf_backfills(h, out);
	js_object_end(out);
	js_key(out, "sampleAt");
	if (root != NULL && t != NULL && t->base != NULL)
		js_time_ms(out, t->base->time_us);
	else
		js_str(out, "");
	if (mk_find(root, "writer_perf") != NULL)
		js_kval(out, "writer_perf", root, "writer_perf");
	js_object_end(out);
	mk_doc_fini(&doc);
}

/* clang-format off */
static const struct route_param perf_params[] = {
	{ .name = "mem", .type = PARAM_BOOL, .help = "with the bytes of each part in memory" },
	{ .name = NULL },
};

const struct route perf_routes[] = {
	{ .method = "GET", .pattern = "/api/perf", .handle = perf_all, .params = perf_params,
	  .summary = "answers by route, memory, the database" },
	{ .method = "POST", .pattern = "/api/perf/reset", .handle = perf_forget, .flags = ROUTE_KEY,
	  .body_max = 4096, .summary = "begins the numbers of answers anew", .answer = "{ok: true}" },
	{ .method = "GET", .pattern = "/api/perf/io", .handle = perf_io,
	  .summary = "what this process reads and writes, since this was last asked" },
	{ .method = "GET", .pattern = "/api/perf/sqlite", .handle = perf_sqlite,
	  .summary = "the files of the database" },
	{ .method = "GET", .pattern = "/api/perf/write-sources", .handle = perf_sources,
	  .reads = MODEL_STORAGE, .summary = "what storage has written",
	  .answer = "{sources: {name: rows}, sampleAt, writer_perf}" },
	{ .method = NULL },
};
/* clang-format on */
