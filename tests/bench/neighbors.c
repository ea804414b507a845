/* SPDX-License-Identifier: MIT
 *
 * What an observation costs neighbors and mbcap, depending on how many there were before, and how
 * long it takes to begin with a database of 1.5 million. The mesh is made up: 3,000 nodes, 40
 * observers, packets that 21 copies are heard of over paths of up to eight hops.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include <feed/history.h>
#include <mbcap/capability.h>
#include <neighbors/solve.h>

#include "figures.h"

#define NODES 3000u
#define RELAYS 1000u /* of them */
#define OBSERVERS 40u
#define COPIES 21u
#define MOST 1500000u
#define PROBE 20000u /* observations that are timed */
#define RUNS 5

static char keys[NODES][65];

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
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

/* The i-th observation; its packet takes a way through neighbours on a ring of relays. */
static void
make(uint32_t i, struct hops_obs *o)
{
	uint64_t state = i / COPIES * 977 + 1;
	uint32_t start = draw(&state, RELAYS), hops = draw(&state, 9), size = 1 + draw(&state, 3);
	bool advert = draw(&state, 5) == 0;
	uint64_t copy = i;
	uint32_t at = start;

	o->id = i + 1;
	o->tx = 1 + i / COPIES;
	o->at = 1770000000 + i / 20;
	o->observer_len = 64;
	o->from = advert ? keys[RELAYS + start] : NULL;
	o->from_len = 64;
	o->route = HOPS_ROUTE_FLOOD;
	o->type = advert ? HOPS_TYPE_ADVERT : 5;
	o->size = (uint8_t)size;
	o->shared = o->sent = false;
	o->has_snr = true;
	o->snr = (float)(draw(&copy, 80)) / 4 - 10;
	for (o->count = 0; o->count < hops; o->count++) {
		at = (start + o->count * 7 + draw(&copy, 3)) % RELAYS;
		o->hops[o->count] = hops_token_read(keys[at], 2 * size);
	}
	o->observer = keys[NODES - 1 - (at / (RELAYS / OBSERVERS) + draw(&copy, 2)) % OBSERVERS];
}

static void
people(struct hops_nodes *nodes)
{
	for (uint32_t i = 0; i < NODES; i++) {
		struct hops_node node = { .there = true,
					  .relays = i < RELAYS,
					  .has_gps = true,
					  .lat = 50 + (i % RELAYS) * 0.002,
					  .lon = 4 };

		hops_nodes_set(nodes, keys[i], 64, &node);
	}
}

/* ------------------------------------------------------ cost of a packet -- */

static void
cost(uint32_t before, const char *name)
{
	struct figure links_ns = { 0 }, mbcap_ns = { 0 }, memory = { 0 }, solving = { 0 };
	struct hops_obs *probe = malloc(PROBE * sizeof(*probe)), o;

	for (int run = 0; probe != NULL && run < RUNS; run++) {
		struct hops_nodes nodes = { 0 };
		struct hops_graph graph = { 0 };
		struct solve_options options = { .least = 3, .now = 1770000000 };
		struct solve_report report;
		struct links links;
		struct mbcap mbcap;
		double began;

		if (links_init(&links, &nodes, 5 * 86400, 1 << 20) != MK_OK ||
		    mbcap_init(&mbcap, &nodes, 7 * 86400) != MK_OK)
			abort();
		people(&nodes);
		for (uint32_t i = 0; i < before; i++) {
			make(i, &o);
			links_take(&links, &o, false);
			mbcap_take(&mbcap, &o);
		}
		for (uint32_t i = 0; i < PROBE; i++)
			make(before + i, &probe[i]);
		began = seconds();
		for (uint32_t i = 0; i < PROBE; i++)
			links_take(&links, &probe[i], false);
		figure_add(&links_ns, "neighbors_per_packet", "ns",
			   (seconds() - began) / PROBE * 1e9);
		began = seconds();
		for (uint32_t i = 0; i < PROBE; i++)
			mbcap_take(&mbcap, &probe[i]);
		figure_add(&mbcap_ns, "mbcap_per_packet", "ns", (seconds() - began) / PROBE * 1e9);
		began = seconds();
		solve_graph(&graph, &links, &options, &report);
		figure_add(&solving, "cycle", "ms", (seconds() - began) * 1e3);
		figure_add(&memory, "state", "MB",
			   (double)(links_memory(&links) + mbcap_memory(&mbcap) +
				    hops_graph_memory(&graph)) /
			       1e6);
		links_fini(&links);
		mbcap_fini(&mbcap);
		hops_graph_fini(&graph);
		hops_nodes_fini(&nodes);
	}
	free(probe);
	figure_print(&links_ns, "neighbors", name);
	figure_print(&mbcap_ns, "neighbors", name);
	figure_print(&solving, "neighbors", name);
	figure_print(&memory, "neighbors", name);
}

/* --------------------------------------------------------------- rebuild -- */

static void
must(int rc, sqlite3 *db)
{
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return;
	fprintf(stderr, "%s\n", sqlite3_errmsg(db));
	abort();
}

static void
run_sql(sqlite3 *db, const char *sql)
{
	must(sqlite3_exec(db, sql, NULL, NULL, NULL), db);
}

/* As much of the schema as is read, with rows of the size that they have. */
static void
fill(const char *path)
{
	static const char sql[] =
	    "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
	    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, role TEXT, lat REAL, lon REAL,"
	    " advert_count INTEGER);"
	    "CREATE TABLE observers (id TEXT PRIMARY KEY, can_relay INTEGER, inactive INTEGER);"
	    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT, hash "
	    "TEXT,"
	    " first_seen TEXT, route_type INTEGER, payload_type INTEGER, payload_version INTEGER,"
	    " decoded_json TEXT, from_pubkey TEXT);"
	    "CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, transmission_id "
	    "INTEGER,"
	    " observer_idx INTEGER, direction TEXT, snr REAL, rssi REAL, score INTEGER, path_json "
	    "TEXT,"
	    " timestamp INTEGER, resolved_path TEXT, raw_hex TEXT); BEGIN;";
	char text[1024], raw[300];
	sqlite3_stmt *tx, *obs;
	struct hops_obs o;
	sqlite3 *db;

	must(sqlite3_open(path, &db), NULL);
	run_sql(db, sql);
	for (uint32_t i = 0; i < NODES; i++) {
		snprintf(text, sizeof(text), "INSERT INTO nodes VALUES ('%.64s','%s',%f,4,1)",
			 keys[i], i < RELAYS ? "repeater" : "companion", 50 + (i % RELAYS) * 0.002);
		run_sql(db, text);
	}
	for (uint32_t i = 0; i < OBSERVERS; i++) {
		snprintf(text, sizeof(text), "INSERT INTO observers VALUES ('%.64s',1,0)",
			 keys[NODES - 1 - i]);
		run_sql(db, text);
	}
	must(sqlite3_prepare_v2(db,
				"INSERT INTO transmissions VALUES (?1,?2,'0011223344556677',"
				"'2026-01-01T00:00:00Z',1,?3,0,?4,?5)",
				-1, &tx, NULL),
	     db);
	must(sqlite3_prepare_v2(
		 db, "INSERT INTO observations VALUES (?1,?2,?3,'rx',?4,-90,NULL,?5,?6,NULL,?7)",
		 -1, &obs, NULL),
	     db);
	for (uint32_t i = 0; i < MOST; i++) {
		size_t len = 0;

		make(i, &o);
		snprintf(raw, sizeof(raw), "%02X%02X", o.type << 2 | o.route,
			 (unsigned)((o.size - 1) << 6 | o.count));
		memset(raw + 4, 'A', 140);
		raw[144] = '\0';
		if (i % COPIES == 0) {
			memset(text, 'x', 200);
			text[200] = '\0';
			sqlite3_bind_int64(tx, 1, (sqlite3_int64)o.tx);
			sqlite3_bind_text(tx, 2, raw, -1, SQLITE_STATIC);
			sqlite3_bind_int(tx, 3, o.type);
			sqlite3_bind_text(tx, 4, text, -1, SQLITE_TRANSIENT);
			sqlite3_bind_text(tx, 5, o.from, -1, SQLITE_STATIC);
			must(sqlite3_step(tx), db);
			sqlite3_reset(tx);
		}
		text[len++] = '[';
		for (uint32_t k = 0; k < o.count; k++) {
			char token[HOPS_TOKEN_TEXT];

			hops_token_text(o.hops[k], token);
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"%s\"",
						k == 0 ? "" : ",", token);
		}
		snprintf(text + len, sizeof(text) - len, "]");
		sqlite3_bind_int64(obs, 1, (sqlite3_int64)o.id);
		sqlite3_bind_int64(obs, 2, (sqlite3_int64)o.tx);
		sqlite3_bind_int64(obs, 3,
				   1 + (&keys[NODES - 1] - (char(*)[65])(uintptr_t)o.observer));
		sqlite3_bind_double(obs, 4, (double)o.snr);
		sqlite3_bind_text(obs, 5, text, -1, SQLITE_STATIC);
		sqlite3_bind_int64(obs, 6, o.at);
		sqlite3_bind_text(obs, 7, raw, -1, SQLITE_STATIC);
		must(sqlite3_step(obs), db);
		sqlite3_reset(obs);
	}
	sqlite3_finalize(tx);
	sqlite3_finalize(obs);
	run_sql(db, "COMMIT");
	sqlite3_close(db);
}

/* A host that can start a thread and run what it posts. */
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
	struct links links;
	struct mbcap mbcap;
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

static void
loop_on_chunk(void *arg, struct history_chunk *c)
{
	struct loop *l = arg;

	for (uint32_t i = 0; i < c->count; i++) {
		links_take(&l->links, &c->obs[i], false);
		mbcap_take(&l->mbcap, &c->obs[i]);
	}
	if (c->kind != HISTORY_END)
		return;
	if (c->rc != MK_OK)
		fprintf(stderr, "%s\n", c->error);
	l->ended = true;
	history_drop(c->history);
}

static double
rebuild(const char *path)
{
	struct loop l = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
	mk_host host = { .impl = &l, .spawn = loop_spawn, .post = loop_post };
	struct hops_nodes nodes = { 0 };
	struct hops_graph graph = { 0 };
	struct solve_options options = { .least = 3, .now = 1770000000 };
	struct solve_report report;
	struct history *h;
	double began = seconds();

	if (links_init(&l.links, &nodes, 5 * 86400, 1 << 20) != MK_OK ||
	    mbcap_init(&l.mbcap, &nodes, 7 * 86400) != MK_OK)
		abort();
	people(&nodes);
	if (history_start(&h, &host, path, 0, false, loop_on_chunk, &l) != MK_OK)
		abort();
	while (!l.ended) {
		void (*fn)(void *);
		void *arg;

		pthread_mutex_lock(&l.lock);
		while (l.count == 0)
			pthread_cond_wait(&l.moved, &l.lock);
		fn = l.posts[l.first].fn;
		arg = l.posts[l.first].arg;
		l.first = (l.first + 1) % 16;
		l.count--;
		pthread_mutex_unlock(&l.lock);
		fn(arg);
	}
	solve_graph(&graph, &l.links, &options, &report);
	began = seconds() - began;
	pthread_join(l.thread, NULL);
	if (l.links.cursor != MOST)
		fprintf(stderr, "only %llu observations\n", (unsigned long long)l.links.cursor);
	links_fini(&l.links);
	mbcap_fini(&l.mbcap);
	hops_graph_fini(&graph);
	hops_nodes_fini(&nodes);
	return began;
}

int
main(void)
{
	char folder[] = "/tmp/mk-bench-XXXXXX", path[64];
	struct figure took = { 0 }, resident = { 0 };
	struct rusage usage;

	make_keys();
	cost(10000, "after-10k");
	cost(100000, "after-100k");
	cost(MOST, "after-1500k");
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/mesh.db", folder);
	fill(path);
	for (int run = 0; run < RUNS; run++)
		figure_add(&took, "rebuild_both", "s", rebuild(path));
	figure_print(&took, "neighbors", "rebuild-1500k");
	getrusage(RUSAGE_SELF, &usage);
	figure_add(&resident, "resident", "MB", (double)usage.ru_maxrss / 1024);
	figure_print(&resident, "neighbors", "rebuild-1500k");
	unlink(path);
	rmdir(folder);
	return 0;
}
