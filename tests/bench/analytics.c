/* SPDX-License-Identifier: MIT
 *
 * What analytics costs: the time to begin with a database of 1.5 million observations, a packet that
 * comes in, the memory of the state, and the answers, each without a filter and with every kind of
 * one: the first, for which the counts are made, and the longest step of that, and the others. Times
 * but the first are of the thread that works. The mesh is made up: 2,000 nodes, 150 observers in six regions, 71,000 packets in seven days.
 *
 *   build/bench/analytics [DATABASE]    in place of the one that is made up
 */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include <analytics/frame.h>
#include <analytics/modules.h>
#include <analytics/table.h>
#include <analytics/view.h>
#include <hops/time.h>

#include "figures.h"

#define NODES 2000u
#define RELAYS 700u /* of them */
#define OBSERVERS 150u
#define PACKETS 71000u
#define COPIES 21u
#define BEGAN 1790000000u
#define WEEK 604800u
#define LIVE 2000u /* packets that are timed */
#define RUNS 3
#define ASKED 50 /* times that each question is asked */

static const char *const regions[] = { "SJC", "OAK", "SFO", "MRY", "SMF", "STS" };
static char keys[NODES][65];

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this thread, so that other programs on the machine do not count. */
static double
worked(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t
draw(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % below;
}

static void
make_keys(void)
{
	uint64_t state = 42;

	for (uint32_t i = 0; i < NODES; i++) {
		for (uint32_t k = 0; k < 64; k++)
			keys[i][k] = "0123456789abcdef"[draw(&state, 16)];
	}
}

/* -------------------------------------------------------------- database -- */

static void
must(int rc, sqlite3 *db)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return;
	fprintf(stderr, "sqlite: %s\n", db == NULL ? "" : sqlite3_errmsg(db));
	exit(1);
}

struct copy { /* of packet i the k-th one */
	uint32_t at, observer, hops, way[8], size;
	uint8_t type, route;
	double snr, rssi;
};

static void
make(uint32_t i, uint32_t k, struct copy *c)
{
	static const uint8_t types[] = { 5, 5, 5, 4, 4, 8, 2, 0, 1, 9 };
	uint64_t packet = i * 977u + 1, copy = ((uint64_t)i << 8 | k) * 7919 + 1;
	uint32_t start = draw(&packet, RELAYS), longest = draw(&packet, 9);

	c->type = types[draw(&packet, 10)];
	c->size = 1 + draw(&packet, 3);
	c->route = draw(&packet, 8) == 0 ? 2 : 1;
	c->at = BEGAN + (uint32_t)((uint64_t)i * WEEK / PACKETS) + k / 4;
	c->hops = longest == 0 ? 0 : draw(&copy, longest + 1);
	for (uint32_t h = 0; h < c->hops; h++)
		c->way[h] = (start + h * 7 + draw(&copy, 3)) % RELAYS;
	c->observer = (start / 5 + k) % OBSERVERS;
	c->snr = draw(&copy, 80) / 4.0 - 10;
	c->rssi = -40.0 - draw(&copy, 80);
}

static const char schema[] =
    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name TEXT, role TEXT, lat REAL, lon REAL,"
    " last_seen TEXT, first_seen TEXT, advert_count INTEGER);"
    "CREATE TABLE observers (id TEXT PRIMARY KEY, name TEXT, iata TEXT, last_seen TEXT,"
    " first_seen TEXT, can_relay INTEGER, inactive INTEGER);"
    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT, hash TEXT,"
    " first_seen TEXT, route_type INTEGER, payload_type INTEGER, decoded_json TEXT,"
    " from_pubkey TEXT, channel_hash TEXT, scope_name TEXT);"
    "CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, transmission_id INTEGER,"
    " observer_idx INTEGER, direction TEXT, snr REAL, rssi REAL, path_json TEXT,"
    " timestamp INTEGER, raw_hex TEXT);"
    "CREATE TABLE client_receptions (id INTEGER PRIMARY KEY AUTOINCREMENT, rx_pubkey TEXT,"
    " heard_key TEXT, rssi INTEGER, snr REAL, lat REAL, lon REAL, rx_at TEXT);"
    "CREATE TABLE client_observers (pubkey TEXT PRIMARY KEY, name TEXT); BEGIN;";

static void
fill_people(sqlite3 *db)
{
	char text[512];

	for (uint32_t i = 0; i < NODES; i++) {
		snprintf(text, sizeof(text),
			 "INSERT INTO nodes VALUES ('%.64s','node %u','%s',%f,%f,"
			 "'2026-09-28T00:00:00Z','2026-01-01T00:00:00Z',%u)",
			 keys[i], i, i < RELAYS ? "repeater" : "companion", 37 + i % 50 * 0.02,
			 -122 + i / 50 * 0.02, i % 90);
		must(sqlite3_exec(db, text, NULL, NULL, NULL), db);
	}
	for (uint32_t i = 0; i < OBSERVERS; i++) {
		snprintf(text, sizeof(text),
			 "INSERT INTO observers VALUES ('%.64s','observer %u','%s',"
			 "'2026-09-28T00:00:00Z','2026-01-01T00:00:00Z',1,0)",
			 keys[NODES - 1 - i], i, regions[i % 6]);
		must(sqlite3_exec(db, text, NULL, NULL, NULL), db);
	}
}

static void
fill_packet(sqlite3_stmt *tx, sqlite3 *db, uint32_t i, const struct copy *c)
{
	char hash[17], first[HOPS_TIME_TEXT], json[256], raw[200];

	snprintf(hash, sizeof(hash), "%016x", i + 1);
	hops_time_write(c->at, first);
	snprintf(raw, sizeof(raw), "%02X%02X", c->type << 2 | c->route,
		 (unsigned)((c->size - 1) << 6 | c->hops));
	memset(raw + 4, 'A', 140);
	raw[144] = '\0';
	if (c->type == 5)
		snprintf(
		    json, sizeof(json),
		    "{\"type\":\"CHAN\",\"channel\":\"#c%u\",\"channelHash\":%u,"
		    "\"decryptionStatus\":\"decrypted\",\"sender\":\"s%u\",\"text\":\"s: hello\"}",
		    i % 40, i % 40, i % 300);
	else if (c->type == 4)
		snprintf(
		    json, sizeof(json),
		    "{\"type\":\"ADVERT\",\"pubKey\":\"%.64s\",\"timestamp\":%u,\"name\":\"x\"}",
		    keys[i % NODES], c->at);
	else
		snprintf(json, sizeof(json), "{\"type\":\"OTHER\",\"srcHash\":\"%02x\"}", i % 256);
	sqlite3_bind_int64(tx, 1, i + 1);
	sqlite3_bind_text(tx, 2, raw, -1, SQLITE_STATIC);
	sqlite3_bind_text(tx, 3, hash, -1, SQLITE_STATIC);
	sqlite3_bind_text(tx, 4, first, -1, SQLITE_STATIC);
	sqlite3_bind_int(tx, 5, c->route);
	sqlite3_bind_int(tx, 6, c->type);
	sqlite3_bind_text(tx, 7, json, -1, SQLITE_STATIC);
	sqlite3_bind_text(tx, 8, c->type == 4 ? keys[i % NODES] : NULL, -1, SQLITE_STATIC);
	must(sqlite3_step(tx), db);
	sqlite3_reset(tx);
}

static void
fill_copy(sqlite3_stmt *obs, sqlite3 *db, uint32_t i, const struct copy *c)
{
	char path[256], raw[160];
	size_t len = 0;

	path[len++] = '[';
	for (uint32_t h = 0; h < c->hops; h++)
		len += (size_t)snprintf(path + len, sizeof(path) - len, "%s\"%.*s\"",
					h == 0 ? "" : ",", (int)(2 * c->size), keys[c->way[h]]);
	snprintf(path + len, sizeof(path) - len, "]");
	snprintf(raw, sizeof(raw), "%02X%02X", c->type << 2 | c->route,
		 (unsigned)((c->size - 1) << 6 | c->hops));
	memset(raw + 4, 'A', 140);
	raw[144] = '\0';
	sqlite3_bind_int64(obs, 1, i + 1);
	sqlite3_bind_int64(obs, 2, c->observer + 1);
	sqlite3_bind_double(obs, 3, c->snr);
	sqlite3_bind_double(obs, 4, c->rssi);
	sqlite3_bind_text(obs, 5, path, -1, SQLITE_STATIC);
	sqlite3_bind_int64(obs, 6, c->at);
	sqlite3_bind_text(obs, 7, raw, -1, SQLITE_STATIC);
	must(sqlite3_step(obs), db);
	sqlite3_reset(obs);
}

static void
fill(const char *path)
{
	sqlite3_stmt *tx, *obs;
	struct copy c;
	sqlite3 *db;

	must(sqlite3_open(path, &db), NULL);
	must(sqlite3_exec(db, schema, NULL, NULL, NULL), db);
	fill_people(db);
	must(sqlite3_prepare_v2(
		 db, "INSERT INTO transmissions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,NULL,NULL)", -1,
		 &tx, NULL),
	     db);
	must(sqlite3_prepare_v2(db,
				"INSERT INTO observations VALUES (NULL,?1,?2,'rx',?3,?4,?5,?6,?7)",
				-1, &obs, NULL),
	     db);
	for (uint32_t i = 0; i < PACKETS; i++) {
		for (uint32_t k = 0; k < COPIES; k++) {
			make(i, k, &c);
			if (k == 0)
				fill_packet(tx, db, i, &c);
			fill_copy(obs, db, i, &c);
		}
	}
	sqlite3_finalize(tx);
	sqlite3_finalize(obs);
	must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), db);
	sqlite3_close(db);
}

/* ------------------------------------------------------------------ host -- */

/* It can start a thread and run what that posts. */
struct loop {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t thread;
	struct {
		void (*fn)(void *);
		void *arg;
	} posts[16];
	uint32_t first, count;
	void (*run)(void *);
	void *arg;
	struct frame frame;
	struct feed feed;
	int64_t wall;
	bool ended;
};

static void *
loop_thread(void *arg)
{
	struct loop *l = arg;

	l->run(l->arg);
	return NULL;
}

static mk_result
loop_spawn(const mk_host *host, const char *name, void (*fn)(void *), void *arg)
{
	struct loop *l = host->impl;

	(void)name;
	l->run = fn;
	l->arg = arg;
	return pthread_create(&l->thread, NULL, loop_thread, l) == 0 ? MK_OK : MK_ENOMEM;
}

static mk_result
loop_post(const mk_host *host, void (*fn)(void *), void *arg)
{
	struct loop *l = host->impl;

	pthread_mutex_lock(&l->lock);
	l->posts[(l->first + l->count) % 16].fn = fn;
	l->posts[(l->first + l->count++) % 16].arg = arg;
	pthread_cond_signal(&l->moved);
	pthread_mutex_unlock(&l->lock);
	return MK_OK;
}

static uint64_t
loop_wall(const mk_host *host)
{
	return (uint64_t)((struct loop *)host->impl)->wall * 1000000;
}

static uint64_t
loop_now(const mk_host *host)
{
	(void)host;
	return (uint64_t)(seconds() * 1e6);
}

static mk_result
loop_number(const mk_host *host, const char *name, int64_t v)
{
	(void)host;
	(void)name;
	(void)v;
	return MK_OK;
}

static void
loop_log(const mk_host *host, int32_t level, const char *line)
{
	(void)host;
	if (level <= MK_LOG_WARN)
		fprintf(stderr, "%s\n", line);
}

static mk_result
loop_publish(const mk_host *host, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	(void)host;
	(void)topic;
	(void)body;
	(void)len;
	(void)flags;
	return MK_OK;
}

static void
loop_on_chunk(void *arg, struct history_chunk *c)
{
	struct loop *l = arg;
	struct frame *f = &l->frame;

	for (uint32_t i = 0; c->kind == HISTORY_NODES && i < c->person_count; i++) {
		const struct history_person *p = &c->people[i];

		if (p->observer)
			hops_nodes_set_listener(&f->nodes, p->key, strlen(p->key), p->listener);
		else
			hops_nodes_set(&f->nodes, p->key, strlen(p->key), &p->node);
		frame_on_person(f, p);
	}
	for (uint32_t i = 0; i < c->count; i++)
		frame_on_obs(f, &c->obs[i]);
	if (c->kind != HISTORY_END)
		return;
	if (c->rc != MK_OK)
		fprintf(stderr, "%s\n", c->error);
	l->ended = true;
	l->wall = f->newest + 1;
	history_drop(c->history);
	frame_on_live(f);
}

static void
loop_rebuild(struct loop *l, mk_host *host, const char *path)
{
	struct history *h;

	if (frame_init(&l->frame, host, analytics_modules) != MK_OK ||
	    history_start(&h, host, path, 0, true, loop_on_chunk, l) != MK_OK)
		abort();
	l->ended = false;
	while (!l->ended) {
		void (*fn)(void *);
		void *arg;

		pthread_mutex_lock(&l->lock);
		while (l->count == 0)
			pthread_cond_wait(&l->moved, &l->lock);
		fn = l->posts[l->first].fn;
		arg = l->posts[l->first].arg;
		l->first = (l->first + 1) % 16;
		l->count--;
		pthread_mutex_unlock(&l->lock);
		fn(arg);
	}
	pthread_join(l->thread, NULL);
}

/* ------------------------------------------------------------- questions -- */

static const char *const filters[][6] = {
	/* name, then pairs */
	{ "all", NULL },
	{ "24h", "window", "24h", NULL },
	{ "7d", "window", "7d", NULL },
	{ "region", "region", "SJC", NULL },
	{ "region-24h", "region", "SJC,OAK", "window", "24h", NULL },
	{ "area", "area", "", NULL },
};

static void
put_arguments(mk_writer *w, const char *const *filter, const char *method)
{
	uint32_t pairs = 0;

	while (filter[1 + 2 * pairs] != NULL)
		pairs++;
	mk_writer_reset(w);
	mk_put_map(w, pairs + 4);
	mk_kv_str(w, "hops", "1a,2b");
	mk_kv_str(w, "groups", "2-2:50,3-3:30,4-4:20,5-8:15");
	mk_kv_str(w, "key", keys[7]);
	mk_kv_str(w, "observer", keys[NODES - 1]);
	for (uint32_t i = 0; i < pairs; i++) {
		if (strcmp(filter[1 + 2 * i], "area") != 0) {
			mk_kv_str(w, filter[1 + 2 * i], filter[2 + 2 * i]);
			continue;
		}
		mk_kv_map(w, "area", 4);
		mk_kv_f64(w, "latMin", 37);
		mk_kv_f64(w, "latMax", 37.4);
		mk_kv_f64(w, "lonMin", -122.3);
		mk_kv_f64(w, "lonMax", -121.6);
	}
	(void)method;
}

/* Also says how long others would have waited at most. */
static uint32_t
answer(struct loop *l, const char *method, const mk_val *arguments, struct json *j, double *longest)
{
	uint32_t status = FRAME_LATER;
	bool made = true;

	while (status == FRAME_LATER) {
		double began = worked(CLOCK_THREAD_CPUTIME_ID), took;

		if (made)
			status = frame_answer(&l->frame, method, arguments, j);
		made = !made && (frame_step(&l->frame) || !frame_is_making(&l->frame));
		took = worked(CLOCK_THREAD_CPUTIME_ID) - began;
		*longest = took > *longest ? took : *longest;
	}
	return status;
}

static void
ask(struct loop *l, const char *method, const char *const *filter)
{
	struct figure took = { 0 }, first = { 0 }, step = { 0 }, size = { 0 };
	double times[ASKED];
	struct json j;
	char name[96];
	mk_writer w;
	mk_doc doc;

	mk_writer_init(&w, 0);
	mk_doc_init(&doc);
	js_init(&j, 15u << 20);
	put_arguments(&w, filter, method);
	for (int i = -1; i < ASKED; i++) {
		double began = worked(CLOCK_THREAD_CPUTIME_ID), longest = 0;

		l->wall += i < 0 ? 0 : 1; /* a window moves on */
		js_reset(&j);
		if (mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0) != MK_OK ||
		    answer(l, method, mk_doc_root(&doc), &j, &longest) == 0 || j.failed)
			fprintf(stderr, "no answer: %s\n", method);
		if (i < 0)
			figure_add(&step, "longest_step", "ms", longest * 1e3);
		if (i < 0)
			figure_add(&first, "first", "ms",
				   (worked(CLOCK_THREAD_CPUTIME_ID) - began) * 1e3);
		else
			times[i] = (worked(CLOCK_THREAD_CPUTIME_ID) - began) * 1e3;
		mk_doc_close(&doc);
	}
	qsort(times, ASKED, sizeof(times[0]), figure_compare);
	figure_add(&took, "p99", "ms", times[ASKED - 1]);
	figure_add(&size, "answer", "kB", (double)j.len / 1e3);
	snprintf(name, sizeof(name), "%s-%s", method, filter[0]);
	figure_print(&took, "analytics", name);
	figure_print(&first, "analytics", name);
	figure_print(&step, "analytics", name);
	figure_print(&size, "analytics", name);
	js_fini(&j);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
}

/* Each question without a filter, so that its counts are kept up to date from then on. */
static void
ask_usual(struct loop *l)
{
	struct json j;
	mk_writer w;
	mk_doc doc;

	mk_writer_init(&w, 0);
	mk_doc_init(&doc);
	js_init(&j, 15u << 20);
	put_arguments(&w, filters[0], "");
	for (uint32_t i = 0; i < l->frame.module_count; i++) {
		const struct an_method *m = l->frame.modules[i].class->methods;

		for (; m != NULL && m->name != NULL; m++) {
			double longest = 0;

			js_reset(&j);
			if (mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0) == MK_OK)
				answer(l, m->name, mk_doc_root(&doc), &j, &longest);
			mk_doc_close(&doc);
		}
	}
	js_fini(&j);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
}

/* Packets that come in one after another, with what is done each second. */
static void
live(struct loop *l)
{
	struct figure took = { 0 }, each = { 0 };
	struct hops_packet packet = { .hash = "00112233445566", .hash_len = 14, .fresh = true };
	uint8_t raw[72] = { 0 };
	uint64_t id = 1u << 30, noise = 1; /* ciphers are not alike */

	for (int run = 0; run < RUNS; run++) {
		double began = worked(CLOCK_THREAD_CPUTIME_ID);

		for (uint32_t i = 0; i < LIVE; i++) {
			for (uint32_t k = 0; k < COPIES; k++) {
				struct hops_obs o = { .id = ++id,
						      .tx = (1u << 30) + (uint32_t)run * LIVE + i,
						      .observer_len = 64,
						      .has_snr = true,
						      .has_rssi = true };
				struct copy c;

				make(i, k, &c);
				o.at = l->wall;
				o.observer = keys[NODES - 1 - c.observer];
				o.type = c.type;
				o.route = c.route;
				o.size = (uint8_t)c.size;
				o.count = (uint8_t)c.hops;
				o.snr = (float)c.snr;
				o.rssi = (float)c.rssi;
				if (c.type == 4) {
					o.from = keys[i % NODES];
					o.from_len = 64;
				}
				for (uint32_t h = 0; h < c.hops; h++)
					o.hops[h] = hops_token_read(keys[c.way[h]], 2 * c.size);
				for (uint32_t n = 2; k == 0 && n < sizeof(raw); n++)
					raw[n] = (uint8_t)draw(&noise, 256);
				raw[0] = (uint8_t)(c.type << 2 | c.route);
				raw[1] = (uint8_t)((c.size - 1) << 6 | c.hops);
				packet.raw = raw;
				packet.raw_len = sizeof(raw);
				packet.first = l->wall;
				packet.fresh = k == 0;
				o.packet = &packet;
				frame_on_obs(&l->frame, &o);
			}
			if (i % 10 == 9) {
				l->wall++;
				frame_flush(&l->frame);
			}
			if (i % 100 == 99)
				frame_on_tick(&l->frame, l->wall);
		}
		figure_add(&each, "per_observation", "us",
			   (worked(CLOCK_THREAD_CPUTIME_ID) - began) / LIVE / COPIES * 1e6);
		figure_add(&took, "per_packet", "us",
			   (worked(CLOCK_THREAD_CPUTIME_ID) - began) / LIVE * 1e6);
	}
	figure_print(&took, "analytics", "live-21-copies");
	figure_print(&each, "analytics", "live-21-copies");
}

static void
print_memory(struct loop *l, size_t before)
{
	struct figure heap = { 0 }, counted = { 0 }, views = { 0 }, table = { 0 };
	struct mallinfo2 info;

	malloc_trim(0);
	info = mallinfo2();
	figure_add(&heap, "heap", "MB", (double)(info.uordblks + info.hblkhd - before) / 1e6);
	figure_add(&counted, "state", "MB", (double)frame_bytes(&l->frame) / 1e6);
	figure_add(&views, "views", "MB", (double)views_bytes(&l->frame) / 1e6);
	figure_add(&table, "packets", "MB", (double)table_bytes(&l->frame) / 1e6);
	figure_print(&heap, "analytics", "memory");
	figure_print(&counted, "analytics", "memory");
	figure_print(&views, "analytics", "memory");
	figure_print(&table, "analytics", "memory");
	for (uint32_t i = 0; i < l->frame.module_count; i++) {
		struct figure one = { 0 };

		if (l->frame.modules[i].class->bytes == NULL)
			continue;
		figure_add(&one, "state", "MB",
			   (double)l->frame.modules[i].class->bytes(l->frame.modules[i].self) /
			       1e6);
		figure_print(&one, "analytics", l->frame.modules[i].class->name);
	}
}

int
main(int argc, char **argv)
{
	static struct loop l = { .lock = PTHREAD_MUTEX_INITIALIZER,
				 .moved = PTHREAD_COND_INITIALIZER };
	static mk_host host = { .impl = &l,
				.spawn = loop_spawn,
				.post = loop_post,
				.wall_us = loop_wall,
				.now_us = loop_now,
				.gauge = loop_number,
				.count = loop_number,
				.log = loop_log,
				.publish = loop_publish };
	char folder[] = "/tmp/mk-bench-XXXXXX", path[4096];
	struct figure took = { 0 }, mine = { 0 };
	size_t before;

	make_keys();
	if (argc < 2 && mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), argc > 1 ? "%s" : "%s/mesh.db", argc > 1 ? argv[1] : folder);
	if (argc < 2)
		fill(path);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (int run = 0; run < RUNS; run++) {
		double began, cpu;

		if (run > 0)
			frame_fini(&l.frame);
		began = seconds();
		cpu = worked(CLOCK_THREAD_CPUTIME_ID);
		loop_rebuild(&l, &host, path);
		figure_add(&took, "rebuild", "s", seconds() - began);
		figure_add(&mine, "rebuild_cpu", "s", worked(CLOCK_THREAD_CPUTIME_ID) - cpu);
	}
	figure_print(&took, "analytics", "1500k-observations");
	figure_print(&mine, "analytics", "1500k-observations");
	print_memory(&l, before);
	for (uint32_t i = 0; i < l.frame.module_count; i++) {
		const struct an_method *m = l.frame.modules[i].class->methods;

		for (; m != NULL && m->name != NULL; m++) {
			for (size_t k = 0; k < sizeof(filters) / sizeof(filters[0]); k++)
				ask(&l, m->name, filters[k]);
		}
	}
	ask_usual(&l);
	live(&l);
	print_memory(&l, before);
	frame_fini(&l.frame);
	if (argc < 2) {
		unlink(path);
		rmdir(folder);
	}
	return 0;
}
