/* SPDX-License-Identifier: MIT
 *
 * Databases for the tests of the storage plugin's lower half: a folder for each test, copies of real
 * databases if they are there, old databases made up, a clock, and questions in SQL.
 */
#ifndef TEST_DATABASE_FIXTURE_H
#define TEST_DATABASE_FIXTURE_H

#define _XOPEN_SOURCE 700

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <storage/jobs.h>
#include <storage/open.h>
#include <storage/upgrade.h>

#define WALL_US (UINT64_C(1795000000) * 1000000) /* 2026-11-18 */

static char folder[] = "/tmp/mk-storage-XXXXXX";
static char path[64];

static inline int
fixture_remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(name);
}

static inline void
fixture_setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/mesh.db", folder);
}

static inline void
fixture_teardown(void)
{
	(void)nftw(folder, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void
write_file(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "w");

	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

/* The bytes of a file, as a number to compare. */
static inline uint64_t
file_sum(const char *name)
{
	FILE *f = fopen(name, "r");
	uint64_t sum = UINT64_C(14695981039346656037);
	int c;

	cr_assert_not_null(f, "%s", name);
	while ((c = fgetc(f)) != EOF)
		sum = (sum ^ (uint64_t)c) * UINT64_C(1099511628211);
	fclose(f);
	return sum;
}

/* A copy of a real database at `path`; the test is skipped if there are none. */
static inline void
use_shared(const char *name)
{
	char from[512], buf[65536];
	FILE *in, *out;
	size_t n;

	(void)snprintf(from, sizeof(from), "%s/fixtures/%s", TEST_SHARED, name);
	in = fopen(from, "r");
	if (in == NULL)
		cr_skip_test("%s is not there", from);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		cr_assert_eq(fwrite(buf, 1, n, out), n);
	fclose(in);
	fclose(out);
}

/* SQL on a file through a connection of its own. */
static inline void
sql_on(const char *name, const char *sql)
{
	sqlite3 *h = NULL;
	char *text = NULL;

	cr_assert_eq(sqlite3_open(name, &h), SQLITE_OK);
	sqlite3_busy_timeout(h, 2000);
	cr_assert_eq(sqlite3_exec(h, sql, NULL, NULL, &text), SQLITE_OK, "%s: %s", sql,
		     text == NULL ? "" : text);
	sqlite3_close(h);
}

/* All rows of a query as text: columns by '|', rows by ';'. Free it. */
static inline char *
ask_handle(sqlite3 *h, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc;

	cr_assert_eq(sqlite3_prepare_v2(h, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql,
		     sqlite3_errmsg(h));
	for (uint32_t n = 0; (rc = sqlite3_step(stmt)) == SQLITE_ROW; n++) {
		if (n > 0)
			fputc(';', out);
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *value = (const char *)sqlite3_column_text(stmt, i);

			fprintf(out, "%s%s", i > 0 ? "|" : "", value == NULL ? "NULL" : value);
		}
	}
	cr_assert_eq(rc, SQLITE_DONE, "%s: %s", sql, sqlite3_errmsg(h));
	sqlite3_finalize(stmt);
	fclose(out);
	return text;
}

static inline char *
ask(const char *sql)
{
	sqlite3 *h = NULL;
	char *text;

	cr_assert_eq(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	text = ask_handle(h, sql);
	sqlite3_close(h);
	return text;
}

#define expect_answer(sql, wanted)                                         \
	do {                                                               \
		char *answer_ = ask(sql);                                  \
		cr_expect_str_eq(answer_, wanted, "%s: %s", sql, answer_); \
		free(answer_);                                             \
	} while (0)

static inline int64_t
ask_int(const char *sql)
{
	char *text = ask(sql);
	int64_t value = strtoll(text, NULL, 10);

	free(text);
	return value;
}

#define expect_text(err, part) \
	cr_expect_not_null(strstr((err).text, part), "\"%s\" does not say \"%s\"", (err).text, part)

static inline void
open_or_fail(struct opened *o)
{
	struct db_options options = { .path = path };
	mk_err err = { .text = "" };

	cr_assert_eq(open_database(o, &options, &err), MK_OK, "%s", err.text);
}

/* Opens and upgrades. */
static inline void
open_upgraded(struct opened *o, struct upgrade_report *report)
{
	struct upgrade_options options = { .wall_us = WALL_US };
	mk_err err = { .text = "" };

	open_or_fail(o);
	if (o->state == SCHEMA_UPGRADE)
		cr_assert_eq(upgrade_run(o->db, &options, report, &err), MK_OK, "%s", err.text);
}

/* ------------------------------------------------------------------------ jobs -- */

static uint64_t wall_us = WALL_US;
static uint64_t ahead_us;       /* of the real clock: for what is due later */
static int64_t tick_us, ticked; /* instead of it: so much later, or earlier, at each look */
static char told[64][200];
static uint32_t told_count;
static char changed[64][100];
static uint32_t changed_count;

/* Of this process, so that a busy machine does not make chunks look long. */
static inline uint64_t
fixture_now_us(void *arg)
{
	struct timespec t;

	(void)arg;
	if (tick_us != 0)
		return (uint64_t)(INT64_C(1000000000) + (ticked += tick_us));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 + ahead_us;
}

static inline uint64_t
fixture_wall_us(void *arg)
{
	(void)arg;
	return wall_us;
}

static inline void
fixture_on_progress(void *arg, const struct job_progress *p)
{
	(void)arg;
	if (told_count < 64)
		(void)snprintf(told[told_count++], sizeof(told[0]),
			       "%s %s %" PRId64 "/%" PRId64 " %s", p->name, p->state_text, p->done,
			       p->total, p->error);
}

static inline void
fixture_on_change(void *arg, const char *table, const char *key)
{
	(void)arg;
	if (changed_count < 64)
		(void)snprintf(changed[changed_count++], sizeof(changed[0]), "%s %s", table, key);
}

static inline struct jobs *
jobs_make(struct db *db, const struct jobs_options *days)
{
	struct jobs_options o;
	struct jobs *jobs = NULL;
	mk_err err = { .text = "" };

	jobs_defaults(&o);
	if (days != NULL)
		o = *days;
	o.now_us = fixture_now_us;
	o.wall_us = fixture_wall_us;
	o.on_progress = fixture_on_progress;
	o.on_change = fixture_on_change;
	cr_assert_eq(jobs_new(&jobs, db, &o, &err), MK_OK, "%s", err.text);
	return jobs;
}

/* `count` steps of whatever comes next. Those that fail for the moment come again. */
static inline void
run_steps(struct jobs *jobs, int count)
{
	const char *name;

	while (count-- > 0 && (name = jobs_next(jobs)) != NULL)
		(void)jobs_step(jobs, name, JOBS_HOLD_US, NULL, NULL);
}

/* All backfills, and what else is due within a second: pauses are left out, not waited for. */
static inline void
jobs_finish(struct jobs *jobs)
{
	run_steps(jobs, 1000000);
	cr_assert_null(jobs_next(jobs), "%s does not end", jobs_next(jobs));
	for (uint32_t i = 0; i < 100000; i++) {
		if (jobs_run(jobs) > 1000000)
			return;
	}
	cr_assert_fail("the jobs do not end");
}

/* Backfills, then what retention has to do. */
static inline void
jobs_finish_all(struct jobs *jobs)
{
	jobs_finish(jobs);
	ahead_us += 60 * UINT64_C(1000000);
	jobs_finish(jobs);
}

/* ----------------------------------------------------------------- old databases -- */

/* CoreScope v3 as it was at its beginning: no markers, no dedup index, rollback journal. */
static const char old_schema[] =
    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name TEXT, role TEXT, lat REAL, lon REAL, "
    "last_seen TEXT, first_seen TEXT, advert_count INTEGER DEFAULT 0);"
    "CREATE TABLE observers (id TEXT PRIMARY KEY, name TEXT, iata TEXT, last_seen TEXT, "
    "first_seen TEXT, packet_count INTEGER DEFAULT 0, model TEXT, firmware TEXT, "
    "client_version TEXT, radio TEXT, battery_mv INTEGER, uptime_secs INTEGER, "
    "noise_floor INTEGER);"
    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT NOT NULL, "
    "hash TEXT NOT NULL UNIQUE, first_seen TEXT NOT NULL, route_type INTEGER, "
    "payload_type INTEGER, payload_version INTEGER, decoded_json TEXT, "
    "created_at TEXT DEFAULT (datetime('now')));"
    "CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "transmission_id INTEGER NOT NULL REFERENCES transmissions(id), observer_idx INTEGER, "
    "direction TEXT, snr REAL, rssi REAL, score INTEGER, path_json TEXT, "
    "timestamp INTEGER NOT NULL);"
    "CREATE INDEX idx_observations_transmission_id ON observations(transmission_id);";

#endif
