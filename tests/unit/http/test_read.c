/* SPDX-License-Identifier: MIT
 *
 * The read model with a database made here and a host that has threads and nothing else.
 */
#define _XOPEN_SOURCE 700
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

static mk_result
host_spawn(const mk_host *h, const char *name, void (*fn)(void *), void *arg)
{
	(void)h;
	(void)name;
	thread_fn = fn;
	cr_assert(test_thread_start(&threads[thread_count++], fn, arg));
	return MK_OK;
}

static void
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

static void
sql(const char *text)
{
	char *error = NULL;

	cr_assert_eq(sqlite3_exec(db, text, NULL, NULL, &error), SQLITE_OK, "%s", error);
}

static void
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
static void
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

static void
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
	    "CREATE TABLE observations (id INTEGER PRIMARY KEY, transmission_id, observer_idx, "
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

static void
join(void)
{
	for (uint32_t i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	thread_count = 0;
}

static void
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

TestSuite(read, .timeout = 30, .init = setup, .fini = teardown);

/* --------------------------------------------------------------- messages -- */

static void
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

static void
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
static void
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

static void
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

static struct read_state
state(void)
{
	struct read_state out;

	read_get_state(r, &out);
	return out;
}

static uint64_t
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

/* ------------------------------------------------------------------- tests -- */

Test(read, nothing_is_answered_before_there_is_a_database)
{
	struct read_filter f = { .type = -1 };
	mk_err err;

	cr_expect_eq(read_packets(r, s, &f, false, 0, 1, NULL, NULL, NULL, &err), MK_EUNAVAIL);
	cr_expect_null(read_packet_by_id(r, s, 1));
	cr_expect_not(state().ready);
}

Test(read, the_database_is_read_and_what_is_told_comes_behind_it)
{
	const struct read_packet *p;
	uint32_t n;

	for (int64_t id = -2; id <= 50; id++)
		store(id);
	tell_ready(1);
	join();
	cr_expect(state().warm && state().complete);
	cr_expect_eq(state().tx, 53);
	cr_expect_eq(count(), 53);
	tell_stored(50, 500, 1, true, 1); /* it was read */
	tell_stored(50, 501, 1, true, 1);
	tell_stored(51, 510, 1, true, 1);
	cr_expect_eq(count(), 54);
	p = read_packet_by_id(r, s, 50);
	cr_expect_eq(p->obs_count, 2);
	cr_expect_str_eq(read_packet_by_hash(r, s, "FFFFFFFFFFFFFFFE", 16)->hash,
			 "fffffffffffffffe");
	cr_expect_eq(read_packet_by_obs(r, s, 30)->id, 3);
	n = read_node_find(r, KEY("AA11BB22"), 64);
	cr_expect_str_eq(read_node(r, n)->name, "Alpha");
	(void)read_node_packets(r, n, &n);
	cr_expect_eq(n, 54);
	cr_expect_str_eq(read_observer(r, 0)->region, "BRU");
	cr_expect_eq(read_recent(r, 0, NOW + 60, 3600), 55);
}

/* ------------------------------------------------------------ while it warms -- */

/* The loader stops before it reads the first observation, until it may go on. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t asks; /* this one is not stopped */
	bool reached, open;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static int
gate_pass(unsigned what, void *arg, void *statement, void *text)
{
	(void)what;
	(void)arg;
	(void)text;
	if (pthread_equal(pthread_self(), gate.asks) ||
	    strstr(sqlite3_sql(statement), "o.id > ?1") == NULL)
		return 0;
	pthread_mutex_lock(&gate.lock);
	gate.reached = true;
	pthread_cond_broadcast(&gate.changed);
	while (!gate.open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	return 0;
}

static int
gate_install(sqlite3 *on, char **error, const void *api)
{
	(void)error;
	(void)api;
	return sqlite3_trace_v2(on, SQLITE_TRACE_STMT, gate_pass, NULL);
}

static struct json said;

static bool
say(void *arg, const struct read_packet *p)
{
	(void)arg;
	js_int(&said, p->id);
	js_str(&said, p->hash);
	js_uint(&said, p->obs_count);
	js_uint(&said, p->shown);
	js_int(&said, p->latest);
	for (uint32_t i = 0; i < p->obs_count; i++) {
		js_int(&said, p->obs[i].id);
		js_uint(&said, p->obs[i].observer);
		js_num(&said, p->obs[i].snr);
		js_hex(&said, p->obs[i].path, (size_t)p->obs[i].count * p->obs[i].hop_size, true);
		js_uint(&said, p->obs[i].resolved == NULL ? READ_NONE : p->obs[i].resolved[0]);
	}
	return true;
}

static void
say_lists(const struct read_filter *f, uint64_t offset)
{
	for (int i = 0; i < 3; i++) {
		uint64_t total = 0;
		mk_err err = { 0 };
		mk_result rc =
		    i < 2 ? read_packets(r, s, f, i == 1, offset, 7, say, NULL, &total, &err)
			  : read_packets_latest(r, s, f, offset, 7, say, NULL, &total, &err);

		cr_assert_eq(rc, MK_OK, "%s", err.text);
		js_uint(&said, total);
	}
}

/* What there is to ask, answered as text, which is to be freed. */
static char *
say_all(void)
{
	static const uint8_t members[1] = { 255 };
	static const uint32_t none[1] = { 0 };
	const struct read_filter all = { .since = READ_NULL,
					 .until = READ_NULL,
					 .after_id = READ_NULL,
					 .before_id = READ_NULL,
					 .type = -1,
					 .route = -1 };
	struct read_filter f[10];

	for (int i = 0; i < 10; i++)
		f[i] = all;
	f[1].since = NOW + 20;
	f[2].until = NOW + 20;
	f[3].type = 5;
	f[3].before_id = 30;
	f[4].route = 0;
	f[5].region = "ams, bru";
	f[6].observers = none;
	f[6].observer_count = 1;
	f[7].hash = "0000000000000007";
	f[8].members = members;
	f[9].nodes = none;
	f[9].node_count = 1;
	f[9].sent = true;
	js_init(&said, 1 << 20);
	js_array(&said);
	model_read(&model);
	for (int i = 0; i < 10; i++) {
		say_lists(&f[i], 0);
		say_lists(&f[i], 5);
	}
	(void)say(NULL, read_packet_by_hash(r, s, "0000000000000009", 16));
	(void)say(NULL, read_packet_by_id(r, s, 11));
	(void)say(NULL, read_packet_by_obs(r, s, 120));
	cr_expect_null(read_packet_by_id(r, s, 1000));
	js_uint(&said, read_recent(r, READ_NONE, NOW + 60, 3600));
	js_uint(&said, read_recent(r, 0, NOW + 30, 20));
	js_uint(&said, state().tx);
	js_uint(&said, state().obs);
	model_read_end(&model);
	js_array_end(&said);
	cr_assert_not(said.failed);
	js_text(&said, "", 1);
	return said.data;
}

Test(read, while_it_is_filled_the_answers_are_those_of_the_filled_one)
{
	const uint32_t node = 0;
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = -1,
				 .route = -1,
				 .nodes = &node,
				 .node_count = 1 };
	char *before, *after;
	mk_err err;

	for (int64_t id = 1; id <= 40; id++)
		store(id);
	sql("INSERT INTO observations SELECT id + 1000, transmission_id, 1, 'tx', NULL, -7, NULL,"
	    " '[\"BB\",\"AA\"]', timestamp + 60, NULL, NULL FROM observations WHERE id % 30 = 0");
	sql("UPDATE transmissions SET last_seen = (SELECT max(timestamp) FROM observations WHERE"
	    " transmission_id = transmissions.id)");
	gate.asks = pthread_self();
	cr_assert_eq(sqlite3_auto_extension((void (*)(void))gate_install), SQLITE_OK);
	tell_ready(1);
	pthread_mutex_lock(&gate.lock);
	while (!gate.reached)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	cr_expect(state().ready && !state().warm);
	cr_expect_eq(state().tx, 40);
	before = say_all();
	/* Who a hop was, only the model knows: it is said that it does not yet. */
	cr_expect_eq(read_packets(r, s, &f, false, 0, 1, say, NULL, NULL, &err), MK_EAGAIN);
	cr_expect_not(read_on_timer(r));
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	join();
	(void)sqlite3_cancel_auto_extension((void (*)(void))gate_install);
	cr_expect(state().warm && state().complete);
	cr_expect(read_on_timer(r));
	after = say_all();
	for (size_t i = 0; i <= strlen(before); i++) {
		size_t from = i < 200 ? 0 : i - 200;

		cr_assert_eq(before[i], after[i], "%.300s\ninstead of\n%.300s", before + from,
			     after + from);
	}
	cr_expect_gt(strlen(after), 10000);
	free(before);
	free(after);
}

/* A row that storage told of may be deleted before the loader comes to it. */
Test(read, what_was_told_and_deleted_is_not_waited_for)
{
	for (int64_t id = 1; id <= 5; id++)
		store(id);
	gate.open = false;
	gate.asks = pthread_self();
	cr_assert_eq(sqlite3_auto_extension((void (*)(void))gate_install), SQLITE_OK);
	tell_ready(1);
	pthread_mutex_lock(&gate.lock);
	while (!gate.reached)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	tell_stored(6, 60, 1, true, 1);
	pthread_mutex_lock(&gate.lock);
	gate.open = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	join();
	(void)sqlite3_cancel_auto_extension((void (*)(void))gate_install);
	cr_expect(state().warm);
	cr_expect_eq(count(), 5);
}

Test(read, what_was_missed_is_read_afterwards)
{
	mk_msg gap = {
		.struct_size = sizeof(gap), .topic = "packet/stored", .flags = MK_MSG_GAP, .lost = 3
	};

	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	for (int64_t id = 11; id <= 600; id++)
		store(id);
	read_on_msg(r, &gap);
	join();
	cr_expect_eq(count(), 600);
	cr_expect_eq(state().gaps, 1);
	tell_stored(601, 6010, 1, true, 1);
	cr_expect_eq(count(), 601);
}

Test(read, an_observer_has_its_name_before_its_row_comes)
{
	tell_ready(1);
	join();
	tell_stored(1, 10, 7, true, 1);
	cr_expect_eq(read_packet_by_id(r, s, 1)->obs[0].observer, 1);
	cr_expect_str_eq(read_observer(r, 1)->id, "Two");
	cr_expect_str_eq(read_observer(r, 1)->name, "second");
}

Test(read, a_copy_fills_in_what_the_first_did_not_know)
{
	const struct read_packet *p;

	store(1);
	sql("UPDATE observations SET snr = NULL");
	tell_ready(1);
	join();
	cr_expect_not(read_packet_by_id(r, s, 1)->obs[0].has_snr);
	tell_stored(1, 10, 1, false, -3.5);
	tell_stored(1, 10, 1, false, 9);
	p = read_packet_by_id(r, s, 1);
	cr_expect_eq(p->obs_count, 1);
	cr_expect_eq(p->obs[0].snr, -3.5);
}

Test(read, what_does_not_fit_stays_in_the_database)
{
	sql("BEGIN");
	for (int64_t id = 1; id <= 20000; id++)
		store(id);
	sql("COMMIT");
	tell_ready(1);
	join();
	cr_expect(state().warm);
	cr_expect_not(state().complete);
	cr_expect_lt(state().tx_memory, 15000);
	cr_expect_gt(state().tx_memory, 1000);
	cr_expect_leq(state().bytes, 1 << 20);
	cr_expect_eq(count(), 20000);
	cr_expect_eq(read_packet_by_id(r, s, 1)->obs_count, 1);
	cr_expect_eq(read_packet_by_hash(r, s, "0000000000000002", 16)->id, 2);
	for (int64_t id = 20001; id < 40000; id++)
		tell_stored(id, 10 * id, 1, true, 1);
	cr_expect_leq(state().bytes, 1 << 20);
	cr_expect_eq(state().tx, 39999);
	cr_expect_eq(read_packet_by_id(r, s, 39999)->id, 39999);
}

Test(read, rows_that_a_job_changed_are_read_again)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	tell_job("mk_rehash_v1", "done", 0);
	sql("UPDATE transmissions SET hash = 'aaaaaaaaaaaaaaaa' WHERE id = 3");
	tell_job("mk_rehash_v1", "running", 1);
	cr_expect_eq(read_packet_by_id(r, s, 3)->hash[0], '0');
	tell_job("mk_rehash_v1", "done", 1);
	join();
	cr_expect(state().warm);
	cr_expect_str_eq(read_packet_by_id(r, s, 3)->hash, "aaaaaaaaaaaaaaaa");
}

Test(read, packets_that_were_deleted_are_no_more)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	tell_job("retention_packets", "done", 0);
	sql("DELETE FROM observations WHERE id < 50; DELETE FROM transmissions WHERE id < 5");
	tell_job("retention_packets", "done", 4);
	join();
	cr_expect_eq(count(), 6);
	cr_expect_null(read_packet_by_id(r, s, 4));
}

Test(read, another_database_begins_anew)
{
	for (int64_t id = 1; id <= 10; id++)
		store(id);
	tell_ready(1);
	join();
	sql("DELETE FROM observations; DELETE FROM transmissions; DELETE FROM nodes");
	store(3);
	tell_ready(1);
	join();
	cr_expect_eq(count(), 10, "that is the same one");
	tell_ready(2);
	join();
	cr_expect_eq(count(), 1);
	cr_expect_eq(read_packet_by_id(r, s, 3)->obs_count, 1);
	cr_expect_not(read_node(r, read_node_find(r, KEY("aa11bb22"), 64))->known);
}

Test(read, messages_without_sense_change_nothing)
{
	mk_writer w;

	store(1);
	tell_ready(1);
	join();
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 3);
	mk_put_nil(&w);
	mk_put_str(&w, "x");
	mk_put_map(&w, 2);
	mk_kv_i64(&w, "tx", 9);
	mk_kv_i64(&w, "obs", 90);
	tell("packet/stored", &w);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "items", "none");
	tell("node/changed", &w);
	cr_expect_eq(count(), 1);
	cr_expect_eq(state().dropped, 3);
}
