/* SPDX-License-Identifier: MIT
 *
 * The read model with everything at once, for ThreadSanitizer: a loader fills it from a database,
 * the plugin's thread applies what is told meanwhile and afterwards, and routes ask. Then it begins
 * anew, as after another database: every other time while the loader is at work still.
 *
 * usage: read [seconds]      at least; a round lasts until it has seen everything that it is for
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include <http/read/impl.h>

#include "../threads.h"

#define READERS 3
#define ROUNDS 6
#define ANSWERS 30 /* of each round */
#define OLD_PACKETS 1500
#define COPIES 4
#define OBSERVERS 20
#define NODES 50
#define THREADS_MAX 4096u
#define NOW 1795243380
#define MEMORY (1u << 20) /* so that old packets go */
#define RAW_BYTES 500

static pthread_t threads[THREADS_MAX];
static uint32_t thread_count;
static struct model model;
static struct read *model_read_of;
static sqlite3 *db;
static int64_t packets; /* that there are */
static _Atomic bool stopping;
static _Atomic uint64_t answers, wrong; /* wrong: and what it was is printed */

/* ------------------------------------------------------------------- host -- */

static uint64_t
host_now(const mk_host *h)
{
	struct timespec t;

	(void)h;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
host_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h;
	if (level <= MK_LOG_WARN)
		fprintf(stderr, "%s\n", line);
}

static mk_result
host_spawn(const mk_host *h, const char *name, void (*fn)(void *), void *arg)
{
	(void)h;
	(void)name;
	return thread_count < THREADS_MAX && test_thread_start(&threads[thread_count++], fn, arg)
		   ? MK_OK
		   : MK_ENOMEM;
}

static const mk_host host = {
	.struct_size = sizeof(mk_host),
	.log = host_log,
	.spawn = host_spawn,
	.now_us = host_now,
	.wall_us = host_now,
};

/* --------------------------------------------------------------- database -- */

static bool
sql(const char *format, ...)
{
	char *text, *error = NULL;
	va_list args;
	bool good;

	va_start(args, format);
	text = sqlite3_vmprintf(format, args);
	va_end(args);
	good = sqlite3_exec(db, text, NULL, NULL, &error) == SQLITE_OK;
	if (!good)
		fprintf(stderr, "%s\n", error);
	sqlite3_free(error);
	sqlite3_free(text);
	return good;
}

static void
node_key(int64_t i, char key[65])
{
	(void)snprintf(key, 65, "%064llx", (unsigned long long)(i % NODES + 1) << 8);
	memcpy(key, key + 60, 2); /* what hops begin with */
}

static bool
db_make(const char *path)
{
	bool good = sqlite3_open(path, &db) == SQLITE_OK;
	char key[65];

	good =
	    good &&
	    sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
		"CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name, role, lat REAL, lon REAL,"
		" last_seen, first_seen, advert_count INTEGER);"
		"CREATE TABLE inactive_nodes AS SELECT * FROM nodes;"
		"CREATE TABLE observers (id TEXT PRIMARY KEY, name, iata, last_seen);"
		"CREATE TABLE transmissions (id INTEGER PRIMARY KEY, raw_hex, hash TEXT UNIQUE,"
		" first_seen, route_type, payload_type, payload_version, decoded_json,"
		" from_pubkey, last_seen, created_at, channel_hash, scope_name);"
		"CREATE TABLE observations (id INTEGER PRIMARY KEY, transmission_id,"
		" observer_idx, direction, snr REAL, rssi REAL, score, path_json,"
		" timestamp INTEGER, resolved_path, raw_hex);"
		"CREATE INDEX of_packet ON observations (transmission_id)");
	for (int i = 1; good && i <= OBSERVERS; i++)
		good =
		    sql("INSERT INTO observers VALUES ('o%d', 'observer %d', 'BRU', NULL)", i, i);
	for (int i = 0; good && i < NODES; i++) {
		node_key(i, key);
		good =
		    sql("INSERT INTO nodes VALUES ('%s', 'n%d', 'repeater', 50, 4, NULL, NULL, 1)",
			key, i);
	}
	return good;
}

/* Packets are written as storage writes them: before anybody is told. */
static bool
db_add(int count)
{
	bool good = sql("BEGIN");

	for (int i = 0; good && i < count; i++) {
		int64_t id = ++packets;
		char key[65];

		node_key(id, key);
		good = sql(
		    "INSERT INTO transmissions VALUES (%lld, '15' || hex(zeroblob(%d)), '%016llx',"
		    " '2026-11-21T06:43:00Z', 1, 5, 0, NULL, NULL, %d, NULL, NULL, NULL)",
		    (long long)id, RAW_BYTES - 1, (unsigned long long)id, NOW);
		for (int k = 0; good && k < COPIES; k++)
			good =
			    sql("INSERT INTO observations VALUES (%lld, %lld, %d, 'rx', 2.5, -90,"
				" NULL, '[\"%.2s\"]', %lld, '[\"%s\"]', NULL)",
				(long long)(id * COPIES + k), (long long)id,
				(int)(id + k) % OBSERVERS + 1, key, (long long)(NOW + id), key);
	}
	return sql("COMMIT") && good;
}

/* ---------------------------------------------------------- plugin's thread -- */

static void
tell(mk_writer *w, const char *topic, uint64_t seq)
{
	mk_msg msg = { .struct_size = sizeof(msg), .topic = topic, .origin = "x", .epoch = 1 };

	msg.seq = seq;
	msg.body = w->data;
	msg.body_len = (uint32_t)w->len;
	read_on_msg(model_read_of, &msg);
}

static void
tell_state(mk_writer *w, const char *path, uint64_t epoch)
{
	mk_writer_reset(w);
	mk_put_map(w, 3);
	mk_kv_str(w, "state", "ready");
	mk_kv_str(w, "database", path);
	mk_kv_u64(w, "epoch", epoch);
	tell(w, "storage/state", epoch);
}

static void
tell_stored(mk_writer *w, int64_t from)
{
	static const uint8_t raw[RAW_BYTES] = { 0x15 };
	char text[65];

	mk_writer_reset(w);
	mk_put_map(w, 1);
	mk_kv_array(w, "items", (uint32_t)(packets - from) * COPIES);
	for (int64_t id = from + 1; id <= packets; id++) {
		for (int k = 0; k < COPIES; k++) {
			mk_put_map(w, 11);
			mk_kv_i64(w, "tx", id);
			mk_kv_i64(w, "obs", id * COPIES + k);
			mk_kv_u64(w, "at", (uint64_t)(NOW + id) * 1000000);
			mk_kv_u64(w, "route", 1);
			mk_kv_u64(w, "type", 5);
			(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)id);
			mk_kv_str(w, "hash", text);
			mk_kv_bin(w, "raw", raw, sizeof(raw));
			mk_kv_i64(w, "observer_idx", (id + k) % OBSERVERS + 1);
			mk_kv_f64(w, "snr", 2.5);
			node_key(id, text);
			mk_kv_array(w, "resolved", 1);
			mk_put_str(w, text);
			text[2] = '\0';
			mk_kv_array(w, "path", 1);
			mk_put_str(w, text);
		}
	}
	tell(w, "packet/stored", (uint64_t)from);
}

static void
tell_node(mk_writer *w, int64_t i)
{
	char key[65];

	node_key(i, key);
	mk_writer_reset(w);
	mk_put_map(w, 1);
	mk_kv_array(w, "items", 1);
	mk_put_map(w, 4);
	mk_kv_str(w, "public_key", key);
	mk_kv_str(w, "name", i % 2 == 0 ? "a name" : "another name that is longer");
	mk_kv_str(w, "role", "repeater");
	mk_kv_i64(w, "advert_count", i);
	tell(w, "node/changed", (uint64_t)i);
}

/* ---------------------------------------------------------------- readers -- */

static void
reader_wrong(const char *what, int64_t number)
{
	if (atomic_fetch_add(&wrong, 1) < 10)
		fprintf(stderr, "wrong: %s (%lld)\n", what, (long long)number);
}

static bool
reader_look(void *arg, const struct read_packet *p)
{
	int64_t *last = arg;
	uint64_t number = strtoull(p->hash, NULL, 16);

	if ((int64_t)number != p->id || p->obs_count > COPIES || p->obs_count == 0 ||
	    p->obs[0].count != 1 || p->id >= *last)
		reader_wrong("a packet", p->id);
	*last = p->id;
	return true;
}

static void
reader_ask(struct read_scratch *s, uint64_t i)
{
	struct read_filter f = { .since = READ_NULL,
				 .until = READ_NULL,
				 .after_id = READ_NULL,
				 .before_id = READ_NULL,
				 .type = -1,
				 .route = i % 3 == 0 ? 1 : -1 };
	int64_t last = INT64_MAX;
	const struct read_packet *p;
	struct read_state state;
	uint64_t total = 0;
	uint32_t count;
	char hash[24];
	mk_err err;
	mk_result rc;

	read_get_state(model_read_of, &state);
	if (i % 2 == 0)
		rc = read_packets(model_read_of, s, &f, false, 0, 20, reader_look, &last, &total,
				  &err);
	else
		rc = read_packets_latest(model_read_of, s, &f, 0, 20, reader_look, &last, &total,
					 &err);
	if (state.ready && rc != MK_OK && rc != MK_EAGAIN && rc != MK_ETIMEDOUT)
		reader_wrong(err.text, rc);
	if (state.ready && rc == MK_OK && total < OLD_PACKETS)
		reader_wrong("how many there are", (int64_t)total);
	(void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)(i % OLD_PACKETS + 1));
	p = read_packet_by_hash(model_read_of, s, hash, 16);
	if (state.ready && (p == NULL || p->id != (int64_t)(i % OLD_PACKETS + 1)))
		reader_wrong("nobody has hash", (int64_t)(i % OLD_PACKETS + 1));
	if (i % 16 == 0)
		(void)read_recent(model_read_of, READ_NONE, NOW + (int64_t)i, 3600);
	(void)read_node_packets(model_read_of, (uint32_t)i % NODES, &count);
	atomic_fetch_add(&answers, state.ready);
}

static void *
reader_run(void *arg)
{
	struct read_scratch *s = NULL;

	for (uint64_t i = (uintptr_t)arg; !atomic_load(&stopping); i++) {
		model_read(&model);
		if (s == NULL)
			s = read_scratch_new(model_read_of);
		reader_ask(s, i);
		if (i % 8 == 0) { /* as a request ends */
			read_scratch_free(s);
			s = NULL;
		}
		model_read_end(&model);
	}
	read_scratch_free(s);
	return NULL;
}

/* -------------------------------------------------------------------- main -- */

static bool
round_change(mk_writer *w, int64_t i)
{
	mk_msg gap = { .struct_size = sizeof(gap),
		       .topic = "packet/stored",
		       .origin = "x",
		       .flags = MK_MSG_GAP };
	int64_t from = packets;
	bool good = db_add(10);

	tell_stored(w, from);
	tell_node(w, i);
	if (i % 10 == 9) { /* something was missed */
		good = good && db_add(5);
		read_on_msg(model_read_of, &gap);
	}
	(void)read_on_timer(model_read_of);
	return good;
}

static void
round_pause(void)
{
	nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
}

/* Nothing comes any more: what the loaders leave in the end is what there is. */
static void
round_settle(void)
{
	struct read_state state;
	bool idle;

	do {
		round_pause();
		(void)read_on_timer(model_read_of);
		idle = atomic_load(&model_read_of->load) == NULL && !model_read_of->again;
		model_read(&model);
		read_get_state(model_read_of, &state);
		model_read_end(&model);
	} while (!idle || !state.warm);
	if (!state.ready || state.tx != (uint64_t)packets ||
	    state.obs != (uint64_t)packets * COPIES) {
		reader_wrong("the totals", (int64_t)state.tx);
		fprintf(stderr, "of %lld packets; %llu observations, %u packets in memory\n",
			(long long)packets, (unsigned long long)state.obs,
			model_read_of->store.count);
	}
}

static bool
round_run(const char *path, mk_writer *w, uint64_t epoch, uint64_t us)
{
	uint64_t until_us = host_now(&host) + us, enough = atomic_load(&answers) + ANSWERS;
	bool good = true;

	tell_state(w, path, epoch);
	if (epoch % 2 == 0) { /* it gets no further than this */
		good = round_change(w, (int64_t)epoch);
		round_pause();
		return good;
	}
	for (int64_t i = 0; good && (host_now(&host) < until_us || atomic_load(&answers) < enough);
	     i++) {
		good = round_change(w, i);
		round_pause();
	}
	round_settle();
	return good;
}

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 6;
	char dir[] = "/tmp/mk-stress-XXXXXX", path[64], more[80];
	struct read_config config = { .host = &host, .model = &model, .max_bytes = MEMORY };
	struct read_state state;
	pthread_t readers[READERS];
	mk_writer w;
	bool good = mkdtemp(dir) != NULL;

	(void)snprintf(path, sizeof(path), "%s/mesh.db", dir);
	mk_writer_init(&w, 0);
	good = good && db_make(path) && db_add(OLD_PACKETS) && model_init(&model) == MK_OK &&
	       read_new(&model_read_of, &config) == MK_OK;
	if (!good)
		return 1;
	for (uintptr_t i = 0; i < READERS; i++)
		pthread_create(&readers[i], NULL, reader_run, (void *)i);
	for (uint64_t i = 0; good && i < ROUNDS; i++)
		good = round_run(path, &w, i + 1, 2 * seconds * 1000000 / ROUNDS);
	atomic_store(&stopping, true);
	read_stop(model_read_of);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	for (uint32_t i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	read_get_state(model_read_of, &state);
	printf("answers=%llu wrong=%llu packets=%lld loads=%u in_memory=%llu\n",
	       (unsigned long long)atomic_load(&answers), (unsigned long long)atomic_load(&wrong),
	       (long long)packets, thread_count, (unsigned long long)state.tx_memory);
	read_free(model_read_of);
	model_fini(&model);
	mk_writer_fini(&w);
	sqlite3_close(db);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(more, sizeof(more), "%s%s", path,
			       i == 0   ? ""
			       : i == 1 ? "-wal"
					: "-shm");
		(void)unlink(more);
	}
	(void)rmdir(dir);
	return good && atomic_load(&wrong) == 0 ? 0 : 1;
}
