/* SPDX-License-Identifier: MIT
 *
 * The backfill of last_seen over a large old database, in steps and as the single statement that it
 * replaces: how long it takes, how long it holds the writer, and what readers and ingest notice.
 *
 *   steps           everything is in memory, the index is there
 *   steps-index     the index on (transmission_id, timestamp) is to be built first
 *   steps-cold      nothing of the file is in memory
 *   steps-slow      a disk like an SD card, for some seconds
 *   few             99 of 100 rows are done already: is a step at the end as fast as one at the start?
 *   statement...    the same files, one statement
 *
 * Ingest is a transaction of twenty observations every 10 ms (on the slow disk: of one a second) on
 * the thread of the steps, which go in between; a reader asks three questions in turn on another
 * thread. What `ingest` and `read` say ends in _idle before, and in _busy during the work. cpu is the
 * processor time of the steps, in which other programs of the machine are not.
 *
 * usage: backfill [FILE]     a database like that of big_database, of which a copy is used;
 *                            without FILE, big_database makes one
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <storage/jobs.h>
#include <storage/open.h>
#include <storage/schema.h>

#include "figures.h"
#include "slow_vfs.h"

#define JOB "tx_last_seen_backfill_v1"
#define INDEX_JOB "mk_obs_tx_ts_idx_v1"
#define INDEX "idx_observations_tx_ts"
#define IDLE_US UINT64_C(3000000)
#define SLOW_US UINT64_C(10000000)
#define INGEST_US UINT64_C(10000)
#define INGEST_ROWS 20
#define INGEST_SLOW_US UINT64_C(1000000) /* what such a disk can take */
#define INGEST_SLOW_ROWS 1
#define SHARE 80u /* percent, as the plugin's default */
#define SAMPLES 65536u

extern char **environ;

static char path[PATH_MAX];

static uint64_t
clock_us(void *arg)
{
	struct timespec t;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Of this thread: what other programs of the machine do is not in it. */
static double
cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "backfill: %s\n", what);
	exit(1);
}

static void
sleep_until(uint64_t at_us)
{
	uint64_t now = clock_us(NULL);
	struct timespec t = { .tv_sec = 0 };

	if (at_us <= now)
		return;
	t.tv_sec = (time_t)((at_us - now) / 1000000);
	t.tv_nsec = (long)((at_us - now) % 1000000) * 1000;
	nanosleep(&t, NULL);
}

/* -------------------------------------------------------------------------- times -- */

struct times {
	double ms[SAMPLES];
	uint32_t count;
};

static void
times_add(struct times *t, uint64_t us)
{
	if (t->count < SAMPLES)
		t->ms[t->count++] = (double)us / 1e3;
}

static void
put(const char *name, const char *metric, const char *unit, double value)
{
	struct figure f = { .count = 0 };

	figure_add(&f, metric, unit, value);
	figure_print(&f, "backfill", name);
}

static void
put_times(const char *name, const char *metric, const char *when, struct times *t)
{
	static const uint32_t percent[] = { 50, 95, 99, 100 };
	static const char *const names[] = { "p50", "p95", "p99", "max" };
	char full[80];

	if (t->count == 0)
		return;
	qsort(t->ms, t->count, sizeof(t->ms[0]), figure_compare);
	for (size_t i = 0; i < 4; i++) {
		(void)snprintf(full, sizeof(full), "%s_%s%s", metric, names[i], when);
		put(name, full, "ms", t->ms[(uint64_t)percent[i] * (t->count - 1) / 100]);
	}
}

/* ------------------------------------------------------------------------ readers -- */

static struct reader {
	pthread_t thread;
	atomic_bool stop, busy;
	struct times idle[3], during[3];
} reader;

static const char of_observer[] =
    "SELECT id, timestamp FROM observations WHERE observer_idx = 1 + ?1 % 100 "
    "ORDER BY id DESC LIMIT 100";

static const char *const questions[] = {
	"SELECT id, hash, last_seen FROM transmissions ORDER BY first_seen DESC LIMIT 50",
	"SELECT snr, rssi, path_json FROM observations WHERE transmission_id = ?1",
	of_observer,
};

static void *
reader_run(void *arg)
{
	sqlite3_stmt *sql[3];
	sqlite3 *db = NULL;
	uint64_t n = 0;

	(void)arg;
	must(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK, "reader");
	for (int i = 0; i < 3; i++)
		must(sqlite3_prepare_v2(db, questions[i], -1, &sql[i], NULL) == SQLITE_OK,
		     "a question");
	while (!atomic_load(&reader.stop)) {
		int which = (int)(n++ % 3);
		bool busy = atomic_load(&reader.busy);
		uint64_t at = clock_us(NULL);

		(void)sqlite3_bind_int64(sql[which], 1, (int64_t)(n * 7919 % 70000) + 1);
		while (sqlite3_step(sql[which]) == SQLITE_ROW)
			;
		sqlite3_reset(sql[which]);
		times_add(busy ? &reader.during[which] : &reader.idle[which], clock_us(NULL) - at);
		sleep_until(clock_us(NULL) + 2000);
	}
	for (int i = 0; i < 3; i++)
		sqlite3_finalize(sql[i]);
	sqlite3_close(db);
	return NULL;
}

static void
reader_start(void)
{
	memset(&reader, 0, sizeof(reader));
	must(pthread_create(&reader.thread, NULL, reader_run, NULL) == 0, "thread");
}

static void
reader_end(const char *name)
{
	static const char *const metrics[] = { "read_list", "read_tx", "read_observer" };

	atomic_store(&reader.stop, true);
	pthread_join(reader.thread, NULL);
	for (int i = 0; i < 3; i++) {
		put_times(name, metrics[i], "_idle", &reader.idle[i]);
		put_times(name, metrics[i], "_busy", &reader.during[i]);
	}
}

/* ------------------------------------------------------------------------- ingest -- */

static struct ingest {
	uint64_t next_us, every_us;
	int64_t rows, at_once;
	struct times idle, during;
} ingest;

/* It came when it was due, whatever was done then. */
static void
ingest_once(struct db *db, struct times *times)
{
	uint64_t due = ingest.next_us;

	must(db_begin(db, NULL) == MK_OK, "ingest");
	for (int i = 0; i < ingest.at_once; i++, ingest.rows++)
		must(db_run(db, NULL,
			    "INSERT INTO observations (transmission_id, observer_idx, path_json, "
			    "timestamp) VALUES (?1, 1, 'bench' || ?2, 2000000000) "
			    "ON CONFLICT DO NOTHING",
			    "ii", ingest.rows % 70000 + 1, ingest.rows) == MK_OK,
		     "ingest");
	must(db_commit(db, NULL) == MK_OK, "ingest");
	times_add(times, clock_us(NULL) - due);
	ingest.next_us += ingest.every_us;
}

/* ------------------------------------------------------------------- checkpoints -- */

static struct checkpointer {
	pthread_t thread;
	atomic_bool running, over;
	bool all;
	struct db_wal wal;
} checkpointer;

static void *
checkpointer_run(void *arg)
{
	(void)arg;
	(void)db_checkpoint_apart(path, checkpointer.all, &checkpointer.wal, NULL);
	atomic_store(&checkpointer.over, true);
	return NULL;
}

/* As the plugin does. */
static void
checkpointer_look(struct db *db)
{
	if (atomic_load(&checkpointer.over)) {
		pthread_join(checkpointer.thread, NULL);
		db_checkpointed(db, &checkpointer.wal);
		atomic_store(&checkpointer.over, false);
		atomic_store(&checkpointer.running, false);
	}
	if (atomic_load(&checkpointer.running) || !db_wants_checkpoint(db, false))
		return;
	checkpointer.all = db_wants_restart(db);
	must(pthread_create(&checkpointer.thread, NULL, checkpointer_run, NULL) == 0, "thread");
	atomic_store(&checkpointer.running, true);
}

static void
checkpointer_end(struct db *db)
{
	while (atomic_load(&checkpointer.running)) {
		sleep_until(clock_us(NULL) + 1000);
		checkpointer_look(db);
	}
}

/* -------------------------------------------------------------------------- cases -- */

static struct opened
open_it(void)
{
	struct db_options options = { .path = path, .cache_kib = 32768 };
	mk_err err = { .text = "?" };
	struct opened o;

	must(open_database(&o, &options, &err) == MK_OK, err.text);
	return o;
}

/* As it was before the column existed; `every`: but for one of so many rows. */
static void
reset(bool index, int every)
{
	struct opened o = open_it();
	const struct schema_index *missing = NULL;
	char sql[200];

	(void)snprintf(sql, sizeof(sql),
		       "UPDATE transmissions SET last_seen = CASE id %% %d WHEN 0 THEN 0 ELSE 1 "
		       "END; DELETE FROM observations WHERE timestamp = 2000000000",
		       every);
	must(db_exec(o.db, sql, NULL) == MK_OK, "reset");
	while (schema_next_index(o.db, &missing, NULL) == MK_OK && missing != NULL)
		must(schema_add_index(o.db, missing, NULL) == MK_OK, "index");
	if (!index)
		must(db_exec(o.db, "DROP INDEX " INDEX, NULL) == MK_OK, "index");
	must(db_exec(o.db,
		     "DELETE FROM _async_migrations; DELETE FROM mk_jobs; "
		     "DELETE FROM mk_state WHERE name = 'born'",
		     NULL) == MK_OK,
	     "reset");
	open_close(&o);
}

static void
forget_pages(void)
{
	int fd = open(path, O_RDONLY);

	must(fd != -1 && fsync(fd) == 0, "sync");
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

struct run {
	struct times held;
	uint64_t work_us; /* of steps alone */
	double cpu_s;
	int64_t rows;
	bool done;
};

/* Steps with their pauses, and ingest whenever it is due, which goes first. */
static void
run_steps(struct opened *o, struct jobs *jobs, const char *job, struct run *r, uint64_t hold_us,
	  uint64_t until_us)
{
	uint64_t step_us = 0;
	struct job_progress p = { .state = JOB_PENDING };
	mk_err err = { .text = "" };

	while (p.state != JOB_DONE && clock_us(NULL) < until_us) {
		uint64_t now = clock_us(NULL), held;
		double cpu;

		checkpointer_look(o->db);
		if (now >= ingest.next_us) {
			ingest_once(o->db, &ingest.during);
			continue;
		}
		if (now < step_us) {
			sleep_until(step_us < ingest.next_us ? step_us : ingest.next_us);
			continue;
		}
		if (atomic_load(&checkpointer.running) && db_wants_restart(o->db)) {
			step_us = now + 1000;
			continue;
		}
		cpu = cpu_s();
		must(jobs_step(jobs, job, hold_us, &p, &err) == MK_OK, err.text);
		r->cpu_s += cpu_s() - cpu;
		must(p.state != JOB_FAILED, p.error);
		held = clock_us(NULL) - now;
		times_add(&r->held, held);
		r->work_us += held;
		step_us = clock_us(NULL) + held * (100 - SHARE) / SHARE;
	}
	r->rows = p.done;
	r->done = p.state == JOB_DONE;
}

static void
be_idle(struct opened *o, uint64_t us)
{
	uint64_t until = clock_us(NULL) + us;

	ingest.next_us = clock_us(NULL);
	while (clock_us(NULL) < until) {
		checkpointer_look(o->db);
		sleep_until(ingest.next_us);
		ingest_once(o->db, &ingest.idle);
	}
	atomic_store(&reader.busy, true);
}

static struct jobs *
make_jobs(struct opened *o)
{
	struct jobs_options options = { .now_us = clock_us, .wall_us = clock_us };
	struct jobs *jobs = NULL;
	mk_err err = { .text = "" };

	db_checkpoints_elsewhere(o->db);
	must(jobs_new(&jobs, o->db, &options, &err) == MK_OK, err.text);
	return jobs;
}

static void
measure_steps(const char *name, bool index, uint64_t most_us)
{
	static struct run r;
	struct opened o = open_it();
	struct jobs *jobs = make_jobs(&o);
	uint64_t began, total;

	memset(&r, 0, sizeof(r));
	memset(&ingest, 0, sizeof(ingest));
	ingest.every_us = most_us == 0 ? INGEST_US : INGEST_SLOW_US;
	ingest.at_once = most_us == 0 ? INGEST_ROWS : INGEST_SLOW_ROWS;
	reader_start();
	be_idle(&o, IDLE_US);
	began = clock_us(NULL);
	if (!index) {
		run_steps(&o, jobs, INDEX_JOB, &r, JOBS_HOLD_US, UINT64_MAX);
		put(name, "index_total", "s", (double)(clock_us(NULL) - began) / 1e6);
		put(name, "index_cpu", "s", r.cpu_s);
		put(name, "index_steps", "1", (double)r.held.count);
		put_times(name, "index_step", "", &r.held);
		memset(&r, 0, sizeof(r));
	}
	run_steps(&o, jobs, JOB, &r, JOBS_HOLD_US, most_us == 0 ? UINT64_MAX : began + most_us);
	total = clock_us(NULL) - began;
	put(name, r.done ? "total" : "stopped_after", "s", (double)total / 1e6);
	put(name, "cpu", "s", r.cpu_s);
	put(name, "rows", "1/s", (double)r.rows * 1e6 / (double)total);
	put_times(name, "step", "", &r.held);
	reader_end(name);
	put_times(name, "ingest", "_idle", &ingest.idle);
	put_times(name, "ingest", "_busy", &ingest.during);
	checkpointer_end(o.db);
	jobs_free(jobs);
	open_close(&o);
}

static int
is_late(void *until_us)
{
	return clock_us(NULL) > *(uint64_t *)until_us;
}

static void
measure_statement(const char *name, bool index, uint64_t most_us)
{
	struct opened o = open_it();
	uint64_t began, until, total;
	mk_result rc;

	reader_start();
	sleep_until(clock_us(NULL) + 500000);
	atomic_store(&reader.busy, true);
	began = clock_us(NULL);
	until = most_us == 0 ? UINT64_MAX : began + most_us;
	sqlite3_progress_handler(db_handle(o.db), 1000, is_late, &until);
	rc = index ? MK_OK
		   : db_exec(o.db,
			     "CREATE INDEX " INDEX " ON observations (transmission_id, timestamp)",
			     NULL);
	if (rc == MK_OK)
		rc = db_exec(
		    o.db,
		    "UPDATE transmissions SET last_seen = COALESCE((SELECT max(timestamp) "
		    "FROM observations WHERE transmission_id = transmissions.id), last_seen) "
		    "WHERE last_seen = 0",
		    NULL);
	total = clock_us(NULL) - began;
	put(name, rc == MK_OK ? "held" : "held_at_least", "s", (double)total / 1e6);
	sqlite3_progress_handler(db_handle(o.db), 0, NULL, NULL);
	reader_end(name);
	open_close(&o);
}

/* On average. */
static double
mean_step(const struct run *r, uint32_t from, uint32_t to)
{
	double sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += r->held.ms[i];
	return sum / (double)(to - from);
}

/* Steps of equal size, in the order in which they came. */
static void
measure_few(void)
{
	static struct run r;
	struct opened o = open_it();
	struct jobs *jobs = make_jobs(&o);
	uint32_t n;

	memset(&r, 0, sizeof(r));
	memset(&ingest, 0, sizeof(ingest));
	ingest.next_us = UINT64_MAX;
	run_steps(&o, jobs, JOB, &r, JOBS_HOLD_MIN_US, UINT64_MAX);
	n = r.held.count;
	must(n >= 12, "too few steps");
	/* The first ones and the last one are not like the others. */
	put("few", "rows", "1", (double)r.rows);
	put("few", "step_first", "ms", mean_step(&r, 1, n / 3));
	put("few", "step_last", "ms", mean_step(&r, n - n / 3, n - 1));
	put("few", "total", "s", (double)r.work_us / 1e6);
	jobs_free(jobs);
	open_close(&o);
}

/* --------------------------------------------------------------------- the database -- */

static void
run_program(const char *program, const char *a, const char *b)
{
	char words[3][PATH_MAX], *argv[4] = { words[0], words[1], b == NULL ? NULL : words[2] };
	int status = 0;
	pid_t pid;

	(void)snprintf(words[0], PATH_MAX, "%s", program);
	(void)snprintf(words[1], PATH_MAX, "%s", a);
	(void)snprintf(words[2], PATH_MAX, "%s", b == NULL ? "" : b);
	must(posix_spawnp(&pid, program, NULL, NULL, argv, environ) == 0, program);
	must(waitpid(pid, &status, 0) == pid && status == 0, program);
}

static void
make_database(const char *self, const char *from)
{
	char program[PATH_MAX];
	const char *slash = strrchr(self, '/');

	if (from != NULL) {
		run_program("cp", from, path);
		return;
	}
	(void)snprintf(program, sizeof(program), "%.*sbig_database",
		       slash == NULL ? 0 : (int)(slash - self) + 1, self);
	run_program(program, path, NULL);
}

int
main(int argc, char **argv)
{
	char folder[] = "/tmp/mk-backfill-XXXXXX";

	must(mkdtemp(folder) != NULL, "mkdtemp");
	(void)snprintf(path, sizeof(path), "%s/mesh.db", folder);
	make_database(argv[0], argc > 1 ? argv[1] : NULL);
	reset(true, 1);
	measure_steps("steps", true, 0);
	reset(true, 1);
	measure_statement("statement", true, 0);
	reset(false, 1);
	measure_steps("steps-index", false, 0);
	reset(false, 1);
	measure_statement("statement-index", false, 0);
	reset(true, 100);
	measure_few();
	reset(true, 1);
	forget_pages();
	measure_steps("steps-cold", true, 0);
	reset(true, 1);
	forget_pages();
	measure_statement("statement-cold", true, 0);
	reset(true, 1);
	slow_vfs(1);
	measure_steps("steps-slow", true, SLOW_US);
	measure_statement("statement-slow", true, SLOW_US);
	slow_vfs(0);
	run_program("rm", "-rf", folder);
	return 0;
}
