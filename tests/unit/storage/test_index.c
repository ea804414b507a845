/* SPDX-License-Identifier: MIT
 *
 * An index that is built in steps is the one that SQLite would have made, whatever is written, killed
 * or removed meanwhile.
 */
#include "database_fixture.h"

TestSuite(index, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

#define JOB "obs_observer_ts_idx_v1"
#define INDEX "idx_observations_observer_idx_timestamp"
#define LEFT "SELECT count(*) FROM sqlite_master WHERE name LIKE 'mk_building_%'"
/* All of them in the order of the index, which must be the one that answers. */
#define IN_ORDER                                                                \
	"SELECT count(*), sum(id * (timestamp %% 7 + 1)) FROM observations %s " \
	"WHERE observer_idx IS NULL OR observer_idx >= 0"

/* More than a window of rows, in no order of the index; an observer may be NULL, and ids odd. */
static void
make_rows(int count)
{
	struct opened o;
	char sql[700];

	open_or_fail(&o);
	open_close(&o);
	(void)snprintf(sql, sizeof(sql),
		       "INSERT INTO transmissions (id, raw_hex, hash, first_seen) "
		       "VALUES (1, '', 'h', 'x');"
		       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
		       "WHERE i < %d) INSERT INTO observations (id, transmission_id, "
		       "observer_idx, path_json, timestamp) SELECT CASE WHEN i = 7 THEN -5 "
		       "ELSE i * 3 END, 1, CASE WHEN i %% 50 <> 0 THEN i * 7919 %% 151 END, "
		       "'p' || i, 1000000 + i * 104729 %% 99991 FROM n;"
		       "DROP INDEX " INDEX,
		       count);
	sql_on(path, sql);
}

static void
expect_whole(void)
{
	char *by_index, *by_scan, sql[300];

	expect_answer("PRAGMA integrity_check", "ok");
	expect_answer(LEFT, "0");
	expect_answer("SELECT type, tbl_name, sql FROM sqlite_master WHERE name = '" INDEX "'",
		      "index|observations|CREATE INDEX " INDEX
		      " ON observations (observer_idx, timestamp)");
	(void)snprintf(sql, sizeof(sql), IN_ORDER, "INDEXED BY " INDEX);
	by_index = ask(sql);
	(void)snprintf(sql, sizeof(sql), IN_ORDER, "NOT INDEXED");
	by_scan = ask(sql);
	cr_expect_str_eq(by_index, by_scan);
	free(by_index);
	free(by_scan);
	expect_answer("SELECT status FROM _async_migrations WHERE name = '" JOB "'", "done");
}

/* What ingest, merging and retention do. */
static void
write_meanwhile(struct db *db, int n)
{
	char sql[700];

	(void)snprintf(
	    sql, sizeof(sql),
	    "INSERT INTO observations (transmission_id, observer_idx, path_json, timestamp) "
	    "VALUES (1, %d, 'late%d', 5) ON CONFLICT DO NOTHING;"
	    "INSERT OR IGNORE INTO observations (transmission_id, observer_idx, path_json, "
	    "timestamp) VALUES (1, %d, 'late%d', 6);"
	    "DELETE FROM observations WHERE id IN (%d, %d);"
	    "UPDATE observations SET timestamp = timestamp + 1 WHERE id IN (%d, %d);"
	    "UPDATE observations SET observer_idx = NULL WHERE id = %d;"
	    "UPDATE observations SET id = -%d WHERE id = %d",
	    n % 151, n, n % 151, n, n * 3, 120000 - n * 3, n * 6 + 3, 120000 - n * 9, n * 12,
	    n + 100, 90000 - n * 3);
	cr_assert_eq(db_exec(db, sql, NULL), MK_OK, "%s", sqlite3_errmsg(db_handle(db)));
}

Test(index, it_is_built_in_steps_while_rows_come_change_and_go)
{
	struct opened o;
	struct jobs *jobs;
	struct job_progress p = { .state = JOB_PENDING };
	mk_err err = { .text = "" };
	int steps = 0;

	make_rows(40000);
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	tick_us = 1500; /* some hundred rows a step */
	while (p.state != JOB_DONE) {
		int64_t before = sqlite3_total_changes64(db_handle(o.db));

		cr_assert_eq(jobs_step(jobs, JOB, JOBS_HOLD_US, &p, &err), MK_OK, "%s", err.text);
		cr_assert_neq(p.state, JOB_FAILED, "%s", p.error);
		cr_assert_lt(sqlite3_total_changes64(db_handle(o.db)) - before, 2 * JOBS_STEP_ROWS);
		if (p.state != JOB_DONE)
			write_meanwhile(o.db, ++steps);
	}
	cr_expect_gt(steps, 50);
	cr_expect_eq(p.done, p.total);
	expect_whole();
	write_meanwhile(o.db, ++steps); /* the connection knows its new index */
	expect_whole();
	jobs_free(jobs);
	open_close(&o);
}

Test(index, killed_after_any_step_it_ends_whole)
{
	make_rows(3000);
	for (int k = 1; k < 40; k += k < 6 ? 1 : 11) {
		bool over = false;

		sql_on(path, "DROP INDEX IF EXISTS " INDEX);
		for (int runs = 0; !over; runs++) {
			int status = 0;
			pid_t pid = fork();

			cr_assert_lt(runs, 1000, "it does not go on");
			cr_assert_neq(pid, -1);
			if (pid == 0) {
				struct opened o = { .lock_fd = -1 };
				struct jobs *jobs;

				open_or_fail(&o);
				jobs = jobs_make(o.db, NULL);
				tick_us = 5000; /* AT_ONCE rows a step */
				run_steps(jobs, k);
				if (jobs_next(jobs) == NULL)
					_exit(0);
				(void)kill(getpid(), SIGKILL);
			}
			cr_assert_eq(waitpid(pid, &status, 0), pid);
			over = WIFEXITED(status) && WEXITSTATUS(status) == 0;
		}
		expect_whole();
	}
}

static void
begin(struct opened *o, struct jobs **jobs)
{
	make_rows(3000);
	open_or_fail(o);
	*jobs = jobs_make(o->db, NULL);
	tick_us = 5000; /* AT_ONCE rows a step */
	run_steps(*jobs, 8);
	cr_assert_str_eq(jobs_next(*jobs), JOB);
	expect_answer(LEFT, "5");
}

Test(index, whoever_makes_it_meanwhile_leaves_a_table_that_is_dropped)
{
	struct opened o;
	struct jobs *jobs;

	begin(&o, &jobs);
	sql_on(path, "CREATE INDEX " INDEX " ON observations (observer_idx, timestamp)");
	jobs_finish(jobs);
	expect_whole();
	jobs_free(jobs);
	/* The same while nobody was there. */
	sql_on(path, "DROP INDEX " INDEX);
	jobs = jobs_make(o.db, NULL);
	run_steps(jobs, 8);
	jobs_free(jobs);
	sql_on(path, "CREATE INDEX " INDEX " ON observations (observer_idx, timestamp)");
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	expect_whole();
	jobs_free(jobs);
	open_close(&o);
}

Test(index, without_one_of_its_parts_it_begins_anew)
{
	struct opened o;
	struct jobs *jobs;

	begin(&o, &jobs);
	sql_on(path, "DROP TRIGGER mk_building_" INDEX "_delete; DELETE FROM observations "
		     "WHERE id % 2 = 0");
	jobs_finish(jobs);
	expect_whole();
	jobs_free(jobs);
	open_close(&o);
}
