/* SPDX-License-Identifier: MIT
 *
 * For the tests of the read model: a database, a host that has threads and nothing else, what the
 * bus tells, and a gate that stops the loader. One program has each of them once.
 */
#ifndef TEST_HTTP_READ_FIXTURE_H
#define TEST_HTTP_READ_FIXTURE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <http/read/impl.h>
#include <sqlite3.h>

#include "../../threads.h"

#define NOW 1795243380
#define OBSERVATIONS "o.id > ?1" /* as the loader reads them */
#define PACKETS "t.id > ?1"
#define KEY(x) x x x x "00000000000000000000000000000000"

static char folder[] = "/tmp/mk-read-XXXXXX";
static char path[64];
static sqlite3 *db;
static struct model model;
static struct read *r;
static struct read_scratch *s;
static pthread_t threads[64];
static _Atomic uint32_t thread_count;
static void (*thread_fn)(void *);

/* ------------------------------------------------------------------- host -- */

static inline mk_result
host_spawn(const mk_host *h, const char *name, void (*fn)(void *), void *arg)
{
	(void)h;
	(void)name;
	thread_fn = fn;
	cr_assert(test_thread_start(&threads[thread_count++], fn, arg));
	return MK_OK;
}

static inline void
host_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h;
	if (level <= MK_LOG_WARN)
		fprintf(stderr, "%s\n", line);
}

static uint64_t
host_now(const mk_host *h)
{
	struct timespec t;

	(void)h;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static const mk_host host = { .struct_size = sizeof(host),
			      .spawn = host_spawn,
			      .log = host_log,
			      .now_us = host_now,
			      .wall_us = host_now };

/* --------------------------------------------------------------- database -- */

static inline void
sql(const char *text)
{
	char *error = NULL;

	cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, &error), SQLITE_OK, "%s", error);
}

static inline void
sqlf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = sqlite3_vmprintf(format, args);
	va_end(args);
	sql(text);
	sqlite3_free(text);
}

/* A packet with that id, and an observation 10 * id by observer 1. */
static inline void
store(int64_t id)
{
	sqlf("INSERT INTO transmissions VALUES (%lld, '1500AABBCCDD', '%016llx', "
	     "'2026-11-21T06:43:00Z', 1, 5,"
	     " 0, NULL, NULL, %d, NULL, NULL, NULL)",
	     (long long)id, (unsigned long long)id, NOW);
	sqlf("INSERT INTO observations VALUES (%lld, %lld, 1, 'rx', 2.5, -90, NULL, '[\"AA\"]', "
	     "%lld, '[\"%s\"]',"
	     " NULL)",
	     (long long)(10 * id), (long long)id, (long long)(NOW + id), KEY("aa11bb22"));
}

static inline void
setup(void)
{
	struct read_config config = { .host = &host, .model = &model, .max_bytes = 1 << 20 };

	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/mesh.db", folder);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
	    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name, role, lat REAL, lon REAL, "
	    "last_seen,"
	    " first_seen, advert_count INTEGER);"
	    "CREATE TABLE inactive_nodes AS SELECT * FROM nodes;"
	    "CREATE TABLE observers (id TEXT PRIMARY KEY, name, iata, last_seen);"
	    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY, raw_hex, hash TEXT UNIQUE, "
	    "first_seen,"
	    " route_type, payload_type, payload_version, decoded_json, from_pubkey, last_seen, "
	    "created_at,"
	    " channel_hash, scope_name);"
	    "CREATE TABLE observations (id INTEGER PRIMARY KEY, transmission_id INTEGER, "
	    "observer_idx, "
	    "direction, snr"
	    " REAL, rssi REAL, score, path_json, timestamp INTEGER, resolved_path, raw_hex);"
	    "INSERT INTO observers VALUES ('One', 'first', ' bru ', NULL);");
	sqlf("INSERT INTO nodes VALUES ('%s', 'Alpha', 'repeater', 50, 4, '2026-11-21T06:43:00Z', "
	     "NULL, 3)",
	     KEY("aa11bb22"));
	cr_assert_eq(model_init(&model), MK_OK);
	cr_assert_eq(read_new(&r, &config), MK_OK);
	s = read_scratch_new(r);
}

static inline void
join(void)
{
	for (uint32_t i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	thread_count = 0;
}

static inline void
teardown(void)
{
	read_stop(r);
	join();
	read_scratch_free(s);
	read_free(r);
	model_fini(&model);
	sqlite3_close(db);
	(void)unlink(path);
	(void)rmdir(folder);
}

/* --------------------------------------------------------------- messages -- */

static inline void
tell(const char *topic, mk_writer *w)
{
	mk_msg msg = { .struct_size = sizeof(msg),
		       .topic = topic,
		       .body = w->data,
		       .body_len = (uint32_t)w->len };

	cr_assert_eq(mk_writer_end(w), MK_OK);
	read_on_msg(r, &msg);
	mk_writer_fini(w);
}

static inline void
tell_ready(uint64_t epoch)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 3);
	mk_kv_str(&w, "state", "ready");
	mk_kv_str(&w, "database", path);
	mk_kv_u64(&w, "epoch", epoch);
	tell("storage/state", &w);
}

/* Observation `obs` of packet `tx` by the observer in row `by`. */
static inline void
tell_stored(int64_t tx, int64_t obs, int64_t by, bool first, double snr)
{
	char hash[17];
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 14);
	(void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)tx);
	mk_kv_u64(&w, "at", (uint64_t)(NOW + tx) * 1000000);
	mk_kv_str(&w, "hash", hash);
	mk_kv_bin(&w, "raw", "\x15\x00\xaa", 3);
	mk_kv_u64(&w, "route", 1);
	mk_kv_u64(&w, "type", 5);
	mk_kv_str(&w, "observer", "Two");
	mk_kv_str(&w, "name", "second");
	mk_kv_f64(&w, "snr", snr);
	mk_kv_array(&w, "path", 1);
	mk_put_str(&w, "AA");
	mk_kv_array(&w, "resolved", 1);
	mk_put_str(&w, KEY("aa11bb22"));
	mk_kv_i64(&w, "tx", tx);
	mk_kv_i64(&w, "obs", obs);
	mk_kv_bool(&w, "first", first);
	mk_kv_i64(&w, "observer_idx", by);
	tell("packet/stored", &w);
}

static inline void
tell_job(const char *name, const char *state, int64_t done)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 3);
	mk_kv_str(&w, "name", name);
	mk_kv_str(&w, "state", state);
	mk_kv_i64(&w, "done", done);
	tell("backfill/progress", &w);
}

static inline struct read_state
state(void)
{
	struct read_state out;

	read_get_state(r, &out);
	return out;
}

static inline uint64_t
count(void)
{
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = -1,
				 .route = -1 };
	uint64_t total = 0;
	mk_err err;

	cr_assert_eq(read_packets(r, s, &f, false, 0, 0, NULL, NULL, &total, &err), MK_OK);
	return total;
}

/* ------------------------------------------------------------------- gate -- */

/* The loader stops before one of its statements, until it may go on. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t asks; /* this one is not stopped */
	const char *before;
	bool reached, open;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static inline int
gate_pass(unsigned what, void *arg, void *statement, void *text)
{
	(void)what;
	(void)arg;
	(void)text;
	if (pthread_equal(pthread_self(), gate.asks) ||
	    strstr(sqlite3_sql(statement), gate.before) == NULL)
		return 0;
	pthread_mutex_lock(&gate.lock);
	gate.reached = true;
	pthread_cond_broadcast(&gate.changed);
	while (!gate.open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	return 0;
}

static inline int
gate_install(sqlite3 *on, char **error, const void *api)
{
	(void)error;
	(void)api;
	return sqlite3_trace_v2(on, SQLITE_TRACE_STMT, gate_pass, NULL);
}

static inline void
gate_close(const char *before)
{
	gate.before = before;
	gate.asks = pthread_self();
	gate.reached = gate.open = false;
	cr_assert_eq(sqlite3_auto_extension((void (*)(void))gate_install), SQLITE_OK);
}

static inline void
gate_wait(void)
{
	pthread_mutex_lock(&gate.lock);
	while (!gate.reached)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* The loader goes on to its end. */
static inline void
gate_open(void)
{
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	join();
	(void)sqlite3_cancel_auto_extension((void (*)(void))gate_install);
}

#endif
