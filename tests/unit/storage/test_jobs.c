/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

TestSuite(jobs, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

/* Old rows: `tx` transmissions, `obs` observations of each, every hundredth without any. */
static void
make_large(int tx, int obs)
{
	char *sql = sqlite3_mprintf(
	    "PRAGMA synchronous = OFF; BEGIN;"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
	    "INSERT INTO observers (id, name, last_seen) SELECT 'o' || i, 'n' || i, "
	    "'2026-11-01T00:00:00Z' FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
	    "INSERT INTO nodes (public_key, name, last_seen, first_seen, advert_count) "
	    "SELECT printf('%%064X', i), 'n' || i, '2026-11-01T00:00:00Z', "
	    "'2026-01-01T00:00:00Z', 1 FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO transmissions (raw_hex, hash, first_seen, payload_type, decoded_json) "
	    "SELECT printf('09010102%%08X%%0100X', i, i), printf('%%016x', i), "
	    "'2026-11-01T00:00:00Z', 2 + i %% 4, "
	    "printf('{\"type\":\"ADVERT\",\"pubKey\":\"%%064X\",\"name\":\"node\"}', i %% 500) "
	    "FROM n;"
	    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d * %d) "
	    "INSERT INTO observations (transmission_id, observer_idx, snr, path_json, timestamp) "
	    "SELECT 1 + i / %d, 1 + i %% 97, 1.5, printf('[\"%%04X\"]', i %% 1000), 1000000 + i "
	    "FROM n WHERE (1 + i / %d) %% 100 <> 0;"
	    "COMMIT",
	    tx, tx, obs, obs, obs);

	sql_on(path, old_schema);
	sql_on(path, sql);
	sqlite3_free(sql);
}

static char *
job_row(const char *name)
{
	char sql[200];

	(void)snprintf(sql, sizeof(sql),
		       "SELECT status, rows_processed, rows_total FROM _async_migrations "
		       "WHERE name = '%s'",
		       name);
	return ask(sql);
}

Test(jobs, a_large_old_database_is_done_in_short_steps)
{
	struct job_progress p;
	struct upgrade_report report;
	struct opened o;
	struct jobs *jobs;

	make_large(20000, 10);
	open_upgraded(&o, &report);
	jobs = jobs_make(o.db, NULL);
	cr_expect(jobs_open(jobs));
	jobs_finish(jobs);
	cr_expect_not(jobs_open(jobs), "%s", told[told_count - 1]);
	cr_expect_gt(jobs_steps(jobs), 20);
	/* Far below the time that all of it takes; how short exactly, the benchmark says. */
	for (uint32_t i = 0; jobs_at(jobs, i, &p); i++)
		cr_expect(p.held_us < 300000, "%s: %" PRIu64 " us", p.name, p.held_us);
	jobs_free(jobs);
	open_close(&o);
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen = 0", "0");
	expect_answer("SELECT count(*) FROM transmissions", "20000");
	expect_answer("SELECT count(*) FROM observations", "198000");
	expect_answer("SELECT count(*) FROM transmissions WHERE from_pubkey <> lower(from_pubkey)",
		      "0");
	expect_answer(
	    "SELECT count(*), sum(advert_count), max(public_key) = lower(max(public_key)) "
	    "FROM nodes",
	    "500|5375|1");
}

Test(jobs, transmissions_without_observations_do_not_keep_a_backfill_going)
{
	struct opened o;
	struct jobs *jobs;
	char *row;

	sql_on(path, old_schema);
	sql_on(path, "INSERT INTO transmissions (id, raw_hex, hash, first_seen) VALUES "
		     "(1, '', 'a', '2026-11-01T00:00:00Z'), (2, '', 'b', 'no time'), "
		     "(3, '', 'c', '2026-11-01T00:00:00Z');"
		     "INSERT INTO observations (transmission_id, timestamp) VALUES (3, 5), (3, 9)");
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect_not(jobs_open(jobs));
	row = job_row("tx_last_seen_backfill_v1");
	cr_expect_str_eq(row, "done|3|3");
	free(row);
	expect_answer("SELECT id, last_seen FROM transmissions ORDER BY id",
		      "1|1793491200;2|0;3|9");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, what_was_cancelled_is_committed_and_goes_on_at_the_next_start)
{
	struct opened o;
	struct jobs *jobs;
	int64_t part, part_total;
	char *row;

	make_large(9000, 2);
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	for (int i = 0; i < 1000 && ask_int("SELECT COALESCE(max(rows_processed), 0) FROM "
					    "_async_migrations WHERE name = "
					    "'tx_last_seen_backfill_v1'") == 0;
	     i++)
		run_steps(jobs, 1);
	jobs_stop(jobs, 0);
	row = job_row("tx_last_seen_backfill_v1");
	cr_expect_eq(strncmp(row, "interrupted|", 12), 0, "%s", row);
	free(row);
	cr_expect_not_null(strstr(told[told_count - 1], "tx_last_seen_backfill_v1 interrupted"));
	part = ask_int("SELECT rows_processed FROM _async_migrations WHERE status = 'interrupted'");
	part_total = ask_int("SELECT count(*) FROM transmissions WHERE last_seen <> 0");
	cr_expect_eq(part, part_total);
	cr_expect_lt(part, 9000);
	jobs_free(jobs);
	open_close(&o);

	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY);
	/* What was done is not done again: a value that would be replaced shows it. */
	cr_assert_eq(db_exec(o.db, "UPDATE transmissions SET last_seen = 0 WHERE id = 1", NULL),
		     MK_OK);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	row = job_row("tx_last_seen_backfill_v1");
	cr_expect_str_eq(row, "done|9000|9000");
	free(row);
	expect_answer("SELECT group_concat(id) FROM transmissions WHERE last_seen = 0", "1");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, a_crash_between_chunks_loses_and_repeats_nothing)
{
	struct opened o;
	struct jobs *jobs;
	int64_t part;

	make_large(9000, 2);
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	run_steps(jobs, 12);
	part = ask_int("SELECT sum(rows_processed) FROM _async_migrations");
	cr_expect_gt(part, 0);
	jobs_free(jobs); /* without jobs_stop */
	open_close(&o);
	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	run_steps(jobs, 1);
	cr_expect_gt(ask_int("SELECT sum(rows_processed) FROM _async_migrations"), part);
	jobs_finish(jobs);
	expect_answer("SELECT group_concat(DISTINCT status) FROM _async_migrations", "done");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, rows_that_come_meanwhile_cannot_keep_a_backfill_going)
{
	struct opened o;
	struct jobs *jobs;
	char *row;

	sql_on(path, old_schema);
	sql_on(path, "INSERT INTO transmissions (id, raw_hex, hash, first_seen, payload_type) "
		     "VALUES (1, '', 'a', '2026-11-01T00:00:00Z', 4)");
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	for (int i = 0; i < 300 && jobs_open(jobs); i++) {
		mk_err err = { .text = "" };

		cr_assert_eq(db_run(o.db, &err,
				    "INSERT INTO transmissions (raw_hex, hash, first_seen, "
				    "payload_type) VALUES ('', hex(randomblob(8)), "
				    "'2026-11-01T00:00:00Z', 4)",
				    ""),
			     MK_OK, "%s", err.text);
		run_steps(jobs, 1);
	}
	cr_expect_not(jobs_open(jobs));
	row = job_row("tx_last_seen_backfill_v1");
	cr_expect_eq(strncmp(row, "done|", 5), 0, "%s", row);
	free(row);
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, what_fails_stays_visible_and_begins_again_at_the_next_start)
{
	struct opened o;
	struct jobs *jobs;
	char *row;

	make_large(300, 2);
	open_upgraded(&o, NULL);
	cr_assert_eq(db_exec(o.db, "DROP INDEX idx_tx_last_seen_zero", NULL), MK_OK);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect(jobs_open(jobs));
	row = ask("SELECT status, error, ended_at IS NOT NULL FROM _async_migrations "
		  "WHERE name = 'tx_last_seen_backfill_v1'");
	cr_expect_eq(strncmp(row, "failed|", 7), 0, "%s", row);
	cr_expect_not_null(strstr(row, "no such index"), "%s", row);
	free(row);
	/* One does not stop the others. */
	expect_answer("SELECT count(*) FROM _async_migrations WHERE status = 'done'", "12");
	jobs_stop(jobs, 0);
	jobs_free(jobs);
	open_close(&o);

	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	cr_expect_not(jobs_open(jobs));
	expect_answer("SELECT status, error, rows_processed FROM _async_migrations "
		      "WHERE name = 'tx_last_seen_backfill_v1'",
		      "done|NULL|300");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, while_another_program_writes_a_job_waits_and_does_not_fail)
{
	struct db_options options = { .path = path, .busy_ms = 20 };
	mk_err err = { .text = "" };
	struct job_progress p;
	sqlite3 *other = NULL;
	const char *name;
	struct opened o;
	struct jobs *jobs;

	make_large(300, 2);
	open_upgraded(&o, NULL);
	open_close(&o);
	cr_assert_eq(open_database(&o, &options, NULL), MK_OK);
	jobs = jobs_make(o.db, NULL);
	cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	name = jobs_next(jobs);
	cr_expect_eq(jobs_step(jobs, name, JOBS_HOLD_US, &p, &err), MK_EAGAIN);
	expect_text(err, "is locked by");
	cr_expect_str_eq(p.state_text, "pending");
	cr_expect_not_null(strstr(p.error, "is locked by"), "%s", p.error);
	cr_expect_str_eq(jobs_next(jobs), name, "it is to be asked for again");
	sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(other);
	jobs_finish(jobs);
	cr_expect_not(jobs_open(jobs));
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, progress_is_told_at_the_end_once_and_with_honest_numbers)
{
	struct opened o;
	struct jobs *jobs;
	struct job_progress p;
	uint32_t count = 0;

	make_large(300, 2);
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	for (uint32_t i = 0; i < told_count; i++) {
		if (strncmp(told[i], "tx_last_seen_backfill_v1 done", 29) != 0)
			continue;
		count++;
		cr_expect_str_eq(told[i], "tx_last_seen_backfill_v1 done 300/300 ");
	}
	cr_expect_eq(count, 1);
	told_count = 0;
	jobs_finish(jobs);
	cr_expect_eq(told_count, 0);
	cr_expect(jobs_at(jobs, 4, &p), "what was done stays listed");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, a_new_database_has_nothing_to_backfill)
{
	struct job_progress p;
	struct opened o;
	struct jobs *jobs;

	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	cr_expect_not(jobs_open(jobs));
	cr_expect_gt(jobs_run(jobs), 1000000);
	cr_expect_not(jobs_at(jobs, 0, &p), "%s", p.name);
	expect_answer("SELECT count(*) FROM _async_migrations", "2");
	jobs_free(jobs);
	open_close(&o);
}

Test(jobs, a_path_that_would_make_a_copy_is_left_out)
{
	struct opened o;
	struct jobs *jobs;

	sql_on(path, old_schema);
	sql_on(path,
	       "ALTER TABLE observations ADD COLUMN raw_hex TEXT;"
	       "INSERT INTO transmissions (id, raw_hex, hash, first_seen) VALUES "
	       "(1, '', 'a', '2026-11-01T00:00:00Z');"
	       "INSERT INTO observations (id, transmission_id, observer_idx, path_json, raw_hex, "
	       "timestamp) VALUES (1, 1, 1, '[\"AA\",\"BB\"]', NULL, 1), "
	       "(2, 1, 1, NULL, '0902AABB0102030405', 1), "
	       "(3, 1, 2, NULL, '0902AABB0102030405', 1), (4, 1, 3, '', 'zz', 1), "
	       "(5, 1, 4, NULL, '', 1)");
	open_upgraded(&o, NULL);
	jobs = jobs_make(o.db, NULL);
	jobs_finish(jobs);
	expect_answer("SELECT id, path_json FROM observations ORDER BY id",
		      "1|[\"AA\",\"BB\"];2|NULL;3|[\"AA\",\"BB\"];4|[];5|NULL");
	cr_expect_not(jobs_open(jobs));
	jobs_free(jobs);
	open_close(&o);
}
