/* SPDX-License-Identifier: MIT
 *
 * What a backfill must survive: crashes after any step, cancelling, rows and bookkeeping that fail,
 * clocks, and operators.
 */
#include "database_fixture.h"

TestSuite(backfill, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

#define LAST_SEEN "tx_last_seen_backfill_v1"

/* Something to do for every backfill. What is changed is counted by triggers, so that a row that is
 * done twice shows. */
static const char mixed_rows[] =
    "ALTER TABLE observations ADD COLUMN raw_hex TEXT;"
    "ALTER TABLE transmissions ADD COLUMN scope_name TEXT DEFAULT NULL;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12) "
    "INSERT INTO nodes (public_key, role, name, last_seen, first_seen, advert_count) "
    "SELECT printf('%02X%062X', 160 + i, i), 'repeater', 'n' || i, '2026-11-01T00:00:00Z', "
    "'2026-01-01T00:00:00Z', 1 FROM n;"
    "INSERT INTO nodes (public_key, name, last_seen) SELECT lower(public_key), 'twin', "
    "'2026-11-02T00:00:00Z' FROM nodes WHERE rowid % 4 = 0;"
    "INSERT INTO observers (id, last_seen) VALUES ('a', '2026-11-01T00:00:00Z'), "
    "('b', '2026-11-01T00:00:00Z');"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
    "INSERT INTO transmissions (id, raw_hex, hash, first_seen, payload_type, decoded_json, "
    "scope_name) SELECT i, printf('09010102%08X', i - i % 10 / 9), "
    "CASE WHEN i % 20 = 0 THEN '' || i ELSE printf('%016x', i) END, "
    "CASE WHEN i % 17 = 0 THEN '' ELSE '2026-11-01T00:00:00Z' END, 2 + i % 4, "
    "printf('{\"type\":\"%s\",\"pubKey\":\"%02X%062X\",\"channel\":\"public\"}', "
    "CASE i % 4 WHEN 3 THEN 'CHAN' ELSE 'ADVERT' END, 161 + i % 12, 1 + i % 12), "
    "CASE WHEN i % 6 = 2 THEN '#scope' || i END FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120) "
    "INSERT INTO observations (transmission_id, observer_idx, path_json, raw_hex, timestamp) "
    "SELECT 1 + i / 2, 1 + i % 2, CASE WHEN i % 5 = 0 THEN NULL ELSE "
    "printf('[\"%02X\"]', 161 + i % 12) END, "
    "CASE WHEN i % 5 = 0 THEN printf('0902AABB%08X', i) END, 1000000 + i FROM n "
    "WHERE 1 + i / 2 <= 60 AND (1 + i / 2) % 7 <> 0;"
    "CREATE TABLE seen (what TEXT, id INTEGER, times INTEGER, PRIMARY KEY (what, id));";

/* Merging changes what it keeps, too: ids that end with 8 or 9. */
#define COUNTED(table, column)                                                          \
	"CREATE TRIGGER seen_" table "_" column " AFTER UPDATE OF " column " ON " table \
	" WHEN new.rowid % 10 < 8 BEGIN INSERT INTO seen VALUES ('" table "." column    \
	"', new.rowid, 1) ON CONFLICT (what, id) DO UPDATE SET times = times + 1; END;"

/* clang-format off */
static const char mixed_triggers[] =
    COUNTED("transmissions", "last_seen") COUNTED("transmissions", "from_pubkey")
    COUNTED("observations", "path_json") COUNTED("observations", "resolved_path")
    COUNTED("nodes", "default_scope");
/* clang-format on */

static void
make_mixed(void)
{
	struct opened o;

	sql_on(path, old_schema);
	sql_on(path, mixed_rows);
	open_upgraded(&o, NULL);
	open_close(&o);
	/* On columns that the upgrade adds. */
	sql_on(path, mixed_triggers);
}

/* The database without the times at which things were done, packed: equal content, equal bytes. */
static uint64_t
content_sum(const char *name)
{
	char sql[300], packed[80];
	uint64_t sum;

	sql_on(name, "UPDATE _async_migrations SET started_at = '', ended_at = '', "
		     "last_update_at = ''");
	(void)snprintf(packed, sizeof(packed), "%s.packed", name);
	(void)unlink(packed);
	(void)snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", packed);
	sql_on(name, sql);
	sum = file_sum(packed);
	(void)unlink(packed);
	return sum;
}

static void
copy_file(const char *from, const char *to)
{
	char command[600];
	FILE *p;

	(void)snprintf(command, sizeof(command), "rm -f %s-wal %s-shm; cp %s %s", to, to, from, to);
	p = popen(command, "r");
	cr_assert_not_null(p);
	cr_assert_eq(pclose(p), 0);
}

/* In a process of its own, which is killed after `steps` of them. True: there were no more. */
static bool
run_and_kill(int steps)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_neq(pid, -1);
	if (pid == 0) {
		struct opened o = { .lock_fd = -1 };
		struct jobs *jobs;

		open_or_fail(&o);
		jobs = jobs_make(o.db, NULL);
		run_steps(jobs, steps);
		if (jobs_next(jobs) == NULL)
			_exit(0);
		(void)kill(getpid(), SIGKILL);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Test(backfill, killed_after_any_step_it_ends_as_if_nothing_had_happened)
{
	char start[80];
	uint64_t wanted;

	make_mixed();
	(void)snprintf(start, sizeof(start), "%s.start", path);
	copy_file(path, start);
	tick_us = 200; /* a few rows a step */
	cr_assert(run_and_kill(1000000));
	wanted = content_sum(path);
	expect_answer("SELECT count(*) FROM seen WHERE times > 1", "0");
	expect_answer("SELECT count(DISTINCT what) FROM seen", "5");
	for (int k = 1; k <= 50; k++) {
		int runs = 1;

		copy_file(start, path);
		while (!run_and_kill(k))
			runs++;
		cr_expect(k > 10 || runs > 2, "%d runs are no test of k = %d", runs, k);
		cr_expect_eq(content_sum(path), wanted, "k = %d", k);
	}
}

static struct jobs *
start_mixed(struct opened *o)
{
	make_mixed();
	open_or_fail(o);
	return jobs_make(o->db, NULL);
}

/* Up to the first step of that one. */
static void
run_before(struct jobs *jobs, const char *name)
{
	while (strcmp(jobs_next(jobs), name) != 0)
		run_steps(jobs, 1);
}

static void
end(struct opened *o, struct jobs *jobs)
{
	jobs_free(jobs);
	open_close(o);
}

Test(backfill, all_that_is_needed_is_visible_before_the_first_begins)
{
	struct opened o;
	struct jobs *jobs;

	make_mixed();
	expect_answer("SELECT count(*), count(*) FILTER (WHERE status = 'pending_async') > 8, "
		      "max(rows_processed) FROM _async_migrations WHERE name NOT LIKE 'obs_%' AND "
		      "name NOT LIKE 'mk_obs_%'",
		      "11|1|0");
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	expect_answer("SELECT count(*) FROM _async_migrations WHERE status <> 'done'", "0");
	/* A backfill that a later version knows is announced at its first start. */
	jobs_free(jobs);
	cr_assert_eq(db_exec(o.db, "DELETE FROM _async_migrations WHERE name = 'mk_rehash_v1'",
			     NULL),
		     MK_OK);
	jobs = jobs_make(o.db, NULL);
	expect_answer("SELECT status FROM _async_migrations WHERE name = 'mk_rehash_v1'",
		      "pending_async");
	end(&o, jobs);
}

Test(backfill, a_hash_of_before_leads_to_its_packet_as_long_as_that_is_there)
{
	struct opened o;
	struct jobs *jobs;

	make_mixed();
	sql_on(path, "CREATE TABLE was AS SELECT hash, raw_hex FROM transmissions "
		     "WHERE hash <> '' AND first_seen <> ''");
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	expect_answer("SELECT count(*) > 40 FROM mk_hash_aliases", "1");
	expect_answer("SELECT count(*) FROM was w LEFT JOIN transmissions t ON t.hash = w.hash "
		      "LEFT JOIN mk_hash_aliases a ON a.hash = w.hash LEFT JOIN transmissions b "
		      "ON b.id = a.transmission_id "
		      "WHERE COALESCE(t.raw_hex, b.raw_hex, '') <> w.raw_hex",
		      "0");
	/* Two packets became one: both of their hashes lead there. */
	expect_answer("SELECT count(*) > 0 FROM (SELECT 1 FROM mk_hash_aliases "
		      "GROUP BY transmission_id HAVING count(*) > 1)",
		      "1");
	sql_on(path, "DELETE FROM observations; DELETE FROM transmissions WHERE id > 30");
	expect_answer("SELECT count(*) > 0, count(*) FILTER (WHERE transmission_id > 30) "
		      "FROM mk_hash_aliases",
		      "1|0");
	end(&o, jobs);
}

Test(backfill, orphans_alone_come_to_an_end)
{
	struct opened o;
	struct jobs *jobs;
	struct job_progress p;

	make_mixed();
	sql_on(path, "DELETE FROM observations");
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	run_before(jobs, LAST_SEEN);
	for (int i = 0; i < 100 && strcmp(jobs_next(jobs), LAST_SEEN) == 0; i++)
		run_steps(jobs, 1);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "done");
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen <> 1793491200", "0");
	expect_answer("SELECT max(times) FROM seen WHERE what = 'transmissions.last_seen'", "1");
	end(&o, jobs);
}

Test(backfill, rows_that_come_during_the_run_are_not_its_business)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	run_before(jobs, LAST_SEEN);
	tick_us = 200;
	run_steps(jobs, 1);
	cr_assert_eq(db_exec(o.db,
			     "INSERT INTO transmissions (id, raw_hex, hash, first_seen) "
			     "VALUES (500, '', 'late', '2026-11-01T00:00:00Z')",
			     NULL),
		     MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "done");
	expect_answer("SELECT group_concat(id) FROM transmissions WHERE last_seen = 0", "500");
	end(&o, jobs);
}

static int
on_first(void *arg)
{
	int *left = arg;

	return (*left)-- == 0;
}

Test(backfill, cancelled_anywhere_in_a_step_it_has_not_happened)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;
	mk_result rc = MK_ETIMEDOUT;
	int tries = 0;

	run_before(jobs, LAST_SEEN);
	for (; rc == MK_ETIMEDOUT; tries++) {
		int left = 4 * tries;

		sqlite3_progress_handler(db_handle(o.db), 4, on_first, &left);
		rc = jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL);
		sqlite3_progress_handler(db_handle(o.db), 0, NULL, NULL);
		cr_assert(rc == MK_OK || strcmp(p.state_text, "pending") == 0, "%s", p.state_text);
		cr_assert(rc == MK_OK || p.done == 0, "%" PRId64, p.done);
	}
	cr_expect_eq(rc, MK_OK);
	cr_expect_gt(tries, 20);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen = 0", "0");
	expect_answer("SELECT max(times) FROM seen WHERE what = 'transmissions.last_seen'", "1");
	end(&o, jobs);
}

Test(backfill, a_row_that_the_database_refuses_is_skipped_and_counted)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	cr_assert_eq(db_exec(o.db,
			     "CREATE TRIGGER no BEFORE UPDATE OF last_seen ON transmissions "
			     "WHEN new.id = 30 BEGIN SELECT RAISE(ABORT, 'not this one'); END",
			     NULL),
		     MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "done");
	cr_expect_eq(p.skipped, 1);
	expect_answer("SELECT group_concat(id) FROM transmissions WHERE last_seen = 0", "30");
	end(&o, jobs);
}

Test(backfill, rows_that_stay_as_they_were_are_a_failure)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	/* The statement succeeds, and nothing changes. */
	cr_assert_eq(db_exec(o.db,
			     "CREATE TRIGGER no BEFORE UPDATE OF last_seen ON transmissions "
			     "WHEN new.id = 30 BEGIN SELECT RAISE(IGNORE); END",
			     NULL),
		     MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "failed");
	cr_expect_not_null(strstr(p.error, "1 rows of transmissions"), "%s", p.error);
	end(&o, jobs);
}

Test(backfill, what_cannot_be_noted_has_not_been_done)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	run_before(jobs, LAST_SEEN);
	cr_assert_eq(
	    db_exec(o.db,
		    "CREATE TRIGGER no BEFORE UPDATE OF rows_processed ON _async_migrations "
		    "BEGIN SELECT RAISE(ABORT, 'no room for that'); END",
		    NULL),
	    MK_OK);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_str_eq(p.state_text, "failed");
	cr_expect_not_null(strstr(p.error, "no room for that"), "%s", p.error);
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen <> 0", "0");
	cr_assert_eq(db_exec(o.db, "DROP TRIGGER no", NULL), MK_OK);
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "retry", NULL), MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	end(&o, jobs);
}

static int
no_max(void *arg, int action, const char *a, const char *b, const char *c, const char *d)
{
	(void)arg;
	(void)a;
	(void)c;
	(void)d;
	return action == SQLITE_FUNCTION && sqlite3_stricmp(b, "max") == 0 ? SQLITE_DENY
									   : SQLITE_OK;
}

Test(backfill, without_knowing_what_there_is_to_do_it_has_failed_and_is_not_done)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	run_before(jobs, LAST_SEEN);
	sqlite3_set_authorizer(db_handle(o.db), no_max, NULL);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	sqlite3_set_authorizer(db_handle(o.db), NULL, NULL);
	cr_expect_str_eq(p.state_text, "failed");
	cr_expect_neq(p.error[0], '\0');
	expect_answer("SELECT status, error IS NOT NULL FROM _async_migrations "
		      "WHERE name = '" LAST_SEEN "'",
		      "failed|1");
	cr_expect_gt(jobs_open(jobs), 0);
	end(&o, jobs);
}

Test(backfill, an_index_that_is_missing_is_built_first)
{
	struct opened o;
	struct jobs *jobs;
	struct job_progress p;
	mk_err err = { .text = "" };

	make_mixed();
	sql_on(path, "DROP INDEX idx_observations_tx_ts");
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY, "nothing waits for it");
	jobs = jobs_make(o.db, NULL);
	cr_expect_str_eq(jobs_next(jobs), "mk_obs_tx_ts_idx_v1");
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, &err), MK_ESTATE);
	expect_text(err, "waits for mk_obs_tx_ts_idx_v1");
	cr_expect_str_eq(p.waits, "mk_obs_tx_ts_idx_v1");
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT count(*) FROM sqlite_master WHERE name = 'idx_observations_tx_ts'",
		      "1");
	end(&o, jobs);
}

Test(backfill, a_clock_that_stands_still_or_goes_back_ends_it_all_the_same)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;

	cr_assert_eq(
	    db_exec(o.db,
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
		    "WHERE i < 3000) INSERT INTO transmissions (raw_hex, hash, first_seen) "
		    "SELECT '', 'x' || i, '2026-11-01T00:00:00Z' FROM n",
		    NULL),
	    MK_OK);
	run_before(jobs, LAST_SEEN);
	tick_us = -1000;
	cr_assert_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_leq(p.done, JOBS_STEP_ROWS, "a step without an end");
	cr_expect_str_eq(p.state_text, "running");
	wall_us -= UINT64_C(86400000000);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen = 0", "0");
	end(&o, jobs);
}

static int
on_work(void *arg)
{
	++*(uint64_t *)arg;
	return 0;
}

/* What SQLite does in the step, in hundreds of its instructions. */
static uint64_t
work_of_step(struct opened *o, struct jobs *jobs)
{
	uint64_t work = 0;

	sqlite3_progress_handler(db_handle(o->db), 100, on_work, &work);
	cr_assert_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, NULL, NULL), MK_OK);
	sqlite3_progress_handler(db_handle(o->db), 0, NULL, NULL);
	return work;
}

Test(backfill, a_step_costs_the_same_at_the_beginning_and_at_the_end)
{
	struct opened o;
	struct jobs *jobs;
	struct job_progress p;
	uint64_t first, most = 0;

	make_mixed();
	/* 99 of 100 are done, and a third of the rest can never be. */
	sql_on(path,
	       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
	       "INSERT INTO transmissions (id, raw_hex, hash, first_seen, last_seen) SELECT "
	       "1000 + i, '', 'x' || i, CASE WHEN i % 3 = 0 THEN 'never' ELSE "
	       "'2026-11-01T00:00:00Z' END, i % 100 <> 0 FROM n");
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	run_before(jobs, LAST_SEEN);
	tick_us = 250; /* twenty rows a step */
	work_of_step(&o, jobs);
	first = work_of_step(&o, jobs);
	do {
		uint64_t work = work_of_step(&o, jobs);

		most = work > most ? work : most;
		cr_assert_eq(jobs_step(jobs, "mk_rehash_v1", 0, NULL, NULL), MK_OK);
	} while (strcmp(jobs_next(jobs), LAST_SEEN) == 0);
	cr_expect_leq(most, 2 * first + 10, "first %" PRIu64 ", most %" PRIu64, first, most);
	cr_assert_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_eq(p.done, 657);
	end(&o, jobs);
}

Test(backfill, the_scope_of_the_newest_advert_counts_unless_one_is_there)
{
	struct opened o;
	struct jobs *jobs;

	sql_on(path, old_schema);
	sql_on(path, "ALTER TABLE transmissions ADD COLUMN scope_name TEXT DEFAULT NULL;"
		     "ALTER TABLE nodes ADD COLUMN default_scope TEXT DEFAULT NULL;"
		     "INSERT INTO nodes (public_key, default_scope) VALUES ('aa', NULL), "
		     "('bb', '#lately'), ('cc', NULL);"
		     "INSERT INTO transmissions (raw_hex, hash, first_seen, payload_type, "
		     "decoded_json, scope_name) SELECT '', id, 'x', 4, '{\"pubKey\":\"' || key "
		     "|| '\"}', scope FROM (SELECT 1 AS id, 'aa' AS key, '#old' AS scope "
		     "UNION ALL SELECT 2, 'aa', '#new' UNION ALL SELECT 3, 'aa', NULL "
		     "UNION ALL SELECT 4, 'bb', '#late' UNION ALL SELECT 5, 'cc', NULL)");
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT public_key, default_scope FROM nodes ORDER BY 1",
		      "aa|#new;bb|#lately;cc|NULL");
	end(&o, jobs);
}

Test(backfill, paths_that_nobody_resolved_are_resolved)
{
	struct opened o;
	struct jobs *jobs;
	char key[65], wanted[200];

	(void)snprintf(key, sizeof(key), "c0ffee%058d", 1);
	(void)snprintf(wanted, sizeof(wanted),
		       "1|[\"%s\"];2|[null,\"%s\"];3|[\"kept\"];4|NULL;5|NULL", key, key);
	sql_on(path, old_schema);
	sql_on(path, "ALTER TABLE observations ADD COLUMN resolved_path TEXT;"
		     "INSERT INTO nodes (public_key, role) VALUES "
		     "('c0ffee0000000000000000000000000000000000000000000000000000000001', "
		     "'repeater');"
		     "INSERT INTO transmissions (id, raw_hex, hash, first_seen) VALUES "
		     "(1, '', 'a', '2026-11-01T00:00:00Z');"
		     "INSERT INTO observations (id, transmission_id, path_json, resolved_path, "
		     "timestamp) VALUES (1, 1, '[\"C0FFEE\"]', NULL, 1), "
		     "(2, 1, '[\"AA\",\"C0FF\"]', NULL, 1), (3, 1, '[\"C0\"]', '[\"kept\"]', 1), "
		     "(4, 1, '[\"nonsense', NULL, 1), (5, 1, '[]', NULL, 1)");
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT id, resolved_path FROM observations ORDER BY id", wanted);
	end(&o, jobs);
}

Test(backfill, an_operator_pauses_resumes_and_retries)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p;
	mk_err err = { .text = "" };

	tick_us = 200;
	run_before(jobs, LAST_SEEN);
	run_steps(jobs, 2);
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "retry", &err), MK_ESTATE);
	expect_text(err, "is running, so there is nothing to retry");
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "pause", NULL), MK_OK);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, &err), MK_ESTATE);
	expect_text(err, "is paused");
	cr_expect(p.paused);
	cr_expect_str_eq(p.state_text, "interrupted");
	jobs_free(jobs); /* it outlives a restart */
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 1);
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "resume", NULL), MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	expect_answer("SELECT max(times) FROM seen WHERE what = 'transmissions.last_seen'", "1");
	cr_assert_eq(db_exec(o.db, "UPDATE transmissions SET last_seen = 0 WHERE id = 5", NULL),
		     MK_OK);
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "retry", NULL), MK_OK);
	jobs_finish(jobs);
	cr_expect_eq(jobs_step(jobs, LAST_SEEN, JOBS_HOLD_US, &p, NULL), MK_OK);
	cr_expect_eq(p.attempts, 2);
	cr_expect_eq(p.done, 1, "the numbers are those of this attempt");
	cr_expect_eq(jobs_control(jobs, "nobody", "pause", &err), MK_ENOENT);
	cr_expect_eq(jobs_control(jobs, LAST_SEEN, "stop", &err), MK_EINVAL);
	end(&o, jobs);
}

Test(backfill, for_whose_steps_nobody_asks_is_interrupted)
{
	struct opened o;
	struct jobs *jobs = start_mixed(&o);
	struct job_progress p = { .name = "" };

	tick_us = 200;
	run_before(jobs, LAST_SEEN);
	run_steps(jobs, 1);
	jobs_stop(jobs, 1000000);
	expect_answer("SELECT count(*) FROM _async_migrations WHERE status = 'interrupted'", "0");
	ticked += 2000000;
	jobs_stop(jobs, 1000000);
	expect_answer("SELECT name FROM _async_migrations WHERE status = 'interrupted'", LAST_SEEN);
	for (uint32_t i = 0; strcmp(p.name, LAST_SEEN) != 0; i++)
		cr_assert(jobs_at(jobs, i, &p));
	cr_expect_str_eq(p.state_text, "interrupted");
	jobs_finish(jobs);
	cr_expect_eq(jobs_open(jobs), 0);
	end(&o, jobs);
}
