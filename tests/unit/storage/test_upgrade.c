/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

#include <meshcore/hash.h>

TestSuite(upgrade, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

static const char schema_dump[] =
    "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name";

/* What CoreScope's reader asks for before it starts, and what it forgets to ask for. */
static const char *const reader_needs[] = {
	"SELECT node_a, node_b, count, last_seen FROM neighbor_edges",
	"SELECT resolved_path, raw_hex FROM observations",
	"SELECT inactive, last_packet_at, iata, clock_skew_seconds, clock_skew_count_24h, "
	"clock_last_naive_at, can_relay, can_relay_seen FROM observers",
	"SELECT foreign_advert, default_scope, multibyte_sup, multibyte_evidence FROM nodes",
	"SELECT foreign_advert, default_scope, multibyte_sup, multibyte_evidence "
	"FROM inactive_nodes",
	"SELECT from_pubkey, last_seen, scope_name, channel_hash FROM transmissions",
	"SELECT id, raw_hex, timestamp, observer_id, observer_name, hash, decoded_json "
	"FROM packets_v LIMIT 5",
	"SELECT packets_sent, packets_recv FROM observer_metrics",
	"SELECT dropped_at FROM dropped_packets",
	"SELECT rx_at FROM client_receptions",
	"SELECT name FROM client_observers",
};

static void
expect_reader_ready(void)
{
	for (size_t i = 0; i < sizeof(reader_needs) / sizeof(reader_needs[0]); i++)
		free(ask(reader_needs[i]));
	expect_answer("SELECT \"unique\" FROM pragma_index_list('observations') "
		      "WHERE name = 'idx_observations_dedup'",
		      "1");
	expect_answer("PRAGMA journal_mode", "wal");
	expect_answer("PRAGMA integrity_check", "ok");
	expect_answer("SELECT count(*) FROM pragma_foreign_key_check", "0");
}

static struct jobs *
start_jobs(struct opened *o)
{
	return jobs_make(o->db, NULL);
}

/* Opens, upgrades, and lets every backfill end. */
static void
upgrade_fully(struct upgrade_report *report)
{
	struct opened o;
	struct jobs *jobs;

	open_upgraded(&o, report);
	jobs = start_jobs(&o);
	jobs_finish(jobs);
	for (uint32_t i = 0; i < told_count; i++)
		cr_expect_null(strstr(told[i], "failed"), "%s", told[i]);
	cr_expect_not(jobs_open(jobs));
	jobs_free(jobs);
	open_close(&o);
}

Test(upgrade, a_real_old_database_loses_nothing)
{
	struct upgrade_report report;
	struct stat st;

	use_shared("corescope-old.db");
	upgrade_fully(&report);
	cr_expect_eq(report.merged, 1);
	expect_reader_ready();
	expect_answer("SELECT count(*), sum(advert_count), max(advert_count) FROM nodes",
		      "200|8396|228");
	expect_answer("SELECT count(*) FROM observers", "31");
	expect_answer("SELECT count(*) FROM neighbor_edges", "110");
	expect_answer("SELECT count(*) FROM transmissions", "499");
	expect_answer("SELECT count(*) FROM observations", "499");
	expect_answer(
	    "SELECT count(*), max(transmission_id) FROM observations WHERE id IN (85, 294)",
	    "1|85");
	expect_answer("SELECT count(*) FROM transmissions WHERE last_seen = 0", "0");
	expect_answer("SELECT count(*) FROM transmissions t WHERE last_seen <> "
		      "(SELECT max(timestamp) FROM observations WHERE transmission_id = t.id)",
		      "0");
	expect_answer("SELECT count(*) FROM observers WHERE last_packet_at IS NOT NULL", "22");
	expect_answer("SELECT count(*) FROM transmissions WHERE channel_hash = 'public'", "0");
	cr_expect_gt(ask_int("SELECT count(*) FROM transmissions WHERE channel_hash = 'Public'"),
		     12);
	/* The backup is the file as it was. */
	cr_expect_eq(stat(report.backup, &st), 0);
	cr_expect_not_null(strstr(report.backup, ".pre-meshkern-202611"), "%s", report.backup);
	(void)snprintf(path, sizeof(path), "%.63s", report.backup);
	expect_answer("SELECT count(*) FROM observations", "500");
	expect_answer("SELECT count(*) FROM sqlite_master WHERE name = '_migrations'", "0");
}

/* 145 of them were made by an older formula. */
Test(upgrade, hashes_follow_the_formula_of_today)
{
	static const char hashes[] = "SELECT hash FROM transmissions ORDER BY id";
	char *before, *after, *rows;
	int differ = 0;

	use_shared("corescope-old.db");
	before = ask(hashes);
	rows = ask("SELECT id, raw_hex FROM transmissions ORDER BY id");
	upgrade_fully(NULL);
	after = ask(hashes);
	cr_assert_eq(strlen(before), strlen(after));
	for (size_t i = 0; i + 16 <= strlen(before); i += 17)
		differ += memcmp(before + i, after + i, 16) != 0;
	cr_expect_eq(differ, 145, "%d", differ);
	free(before);
	before = ask("SELECT id, raw_hex FROM transmissions ORDER BY id");
	cr_expect_str_eq(before, rows);
	free(before);
	free(after);
	free(rows);
}

/* The same packet, once as it was sent and once as it was forwarded, under two hashes. */
Test(upgrade, a_packet_that_was_stored_twice_becomes_one)
{
	char hash[MC_HASH_TEXT], *sql;

	mc_hash_stored("09010102030405060708", hash);
	sql_on(path, old_schema);
	sql = sqlite3_mprintf(
	    "INSERT INTO observers (id) VALUES ('o1'), ('o2');"
	    "INSERT INTO transmissions (id, raw_hex, hash, first_seen, payload_type) VALUES "
	    "(1, '09010102030405060708', '%s', '2026-11-02T00:00:00Z', 2),"
	    "(2, '0902AABB02030405060708', 'made some other way', '2026-11-01T00:00:00Z', 2);"
	    "INSERT INTO observations (transmission_id, observer_idx, snr, rssi, path_json, "
	    "timestamp) "
	    "VALUES (1, 1, NULL, -70, '[]', 100), (2, 1, 3.5, -60, '[]', 200), "
	    "(2, 2, 1.5, -50, '[]', 300);"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1050) "
	    "INSERT INTO observations (transmission_id, observer_idx, path_json, timestamp) "
	    "SELECT 2, 2, '[\"' || i || '\"]', 300 + i FROM n",
	    hash);
	sql_on(path, sql);
	sqlite3_free(sql);
	upgrade_fully(NULL);
	expect_answer("SELECT id, first_seen, last_seen FROM transmissions",
		      "1|2026-11-01T00:00:00Z|1350");
	expect_answer("SELECT id, observer_idx, snr, rssi FROM observations WHERE path_json = '[]'",
		      "1|1|3.5|-70.0;3|2|1.5|-50.0");
	expect_answer("SELECT count(*) FROM observations", "1052");
	expect_answer("SELECT count(*) FROM pragma_foreign_key_check", "0");
}

Test(upgrade, what_corescope_upgraded_itself_is_taken_over)
{
	struct upgrade_report report;

	use_shared("corescope-current.db");
	upgrade_fully(&report);
	cr_expect_eq(report.merged, 0);
	expect_reader_ready();
	expect_answer("SELECT count(*), sum(advert_count) FROM nodes", "200|102");
	expect_answer("SELECT count(*) FROM transmissions", "499");
	expect_answer("SELECT count(*) FROM observations", "499");
}

static void
expect_second_start_changes_nothing(const char *shared)
{
	char *before, *after, *states;
	struct opened o;
	struct jobs *jobs;
	uint64_t sum;

	use_shared(shared);
	upgrade_fully(NULL);
	before = ask(schema_dump);
	states = ask("SELECT * FROM _async_migrations ORDER BY name");
	sum = file_sum(path);
	open_or_fail(&o);
	cr_expect_eq(o.state, SCHEMA_READY);
	jobs = start_jobs(&o);
	cr_expect_not(jobs_open(jobs));
	jobs_finish(jobs);
	cr_expect_eq(jobs_steps(jobs), 0, "a migration ran again");
	jobs_free(jobs);
	open_close(&o);
	after = ask(schema_dump);
	cr_expect_str_eq(before, after);
	free(after);
	after = ask("SELECT * FROM _async_migrations ORDER BY name");
	cr_expect_str_eq(states, after);
	cr_expect_eq(file_sum(path), sum, "the file was changed");
	free(after);
	free(before);
	free(states);
}

Test(upgrade, a_second_start_changes_nothing)
{
	expect_second_start_changes_nothing("corescope-old.db");
}

Test(upgrade, a_second_start_on_the_newest_corescope_changes_nothing)
{
	expect_second_start_changes_nothing("corescope-current.db");
}

/* ------------------------------------------------------------------- made up -- */

static const char old_rows[] =
    "INSERT INTO observers (id, name, last_seen, noise_floor) VALUES "
    "('o1', 'one', '2026-11-01T00:00:00Z', -110), ('o2', 'two', '2026-11-01T00:00:00Z', NULL);"
    "INSERT INTO nodes (public_key, name, last_seen, first_seen, advert_count) VALUES "
    "('AABB', 'old name', '2026-10-01T00:00:00Z', '2026-01-01T00:00:00Z', 40),"
    "('aabb', 'new name', '2026-11-01T00:00:00Z', '2026-03-01T00:00:00Z', 2),"
    "('CCDD', 'alone', '2026-11-01T00:00:00Z', '2026-03-01T00:00:00Z', 1);"
    "INSERT INTO transmissions (id, raw_hex, hash, first_seen, payload_type, decoded_json) VALUES "
    "(1, '', 'aaaaaaaaaaaaaaaa', '2026-11-01T00:00:00Z', 4, '{\"pubKey\":\"CCDD\"}'),"
    "(2, '', 'bbbbbbbbbbbbbbbb', '2026-11-02T00:00:00Z', 4, 'no json'),"
    "(3, '', 'cccccccccccccccc', '2026-11-03T00:00:00Z', 5, "
    "'{\"type\":\"CHAN\",\"channel\":\"PUBLIC\"}'),"
    "(4, '', 'dddddddddddddddd', '2026-11-04T00:00:00Z', 5, "
    "'{\"type\":\"GRP_TXT\",\"channelHashHex\":\"1F\"}'),"
    "(5, '', '', '2026-11-05T00:00:00Z', 2, NULL),"
    "(6, '', 'eeeeeeeeeeeeeeee', '2026-11-06T00:00:00Z', 4, '{\"pubKey\":\"ccdd\"}'),"
    "(7, '', 'ffffffffffffffff', '2026-11-07T00:00:00Z', 4, '{\"pubKey\":\"ccdd\"}');"
    "INSERT INTO observations (id, transmission_id, observer_idx, snr, rssi, path_json, timestamp) "
    "VALUES (1, 1, 1, NULL, -90, '[]', 100), (2, 1, 1, 5.5, -80, '[]', 101), "
    "(3, 1, 1, 7.5, NULL, NULL, 102), (4, 1, 1, NULL, NULL, '', 103), (5, 1, 2, 1, 1, '[]', 104), "
    "(6, 1, NULL, 1, 1, '[]', 105), (7, 1, NULL, 1, 1, '[]', 106), (8, 5, 1, 1, 1, '[]', 107);";

static void
make_old(void)
{
	sql_on(path, old_schema);
	sql_on(path, old_rows);
}

Test(upgrade, copies_of_an_observation_become_the_one_with_the_lowest_id)
{
	struct upgrade_report report;

	make_old();
	upgrade_fully(&report);
	cr_expect_eq(report.merged, 2);
	expect_answer(
	    "SELECT id, snr, rssi FROM observations WHERE transmission_id = 1 ORDER BY id",
	    "1|5.5|-90.0;3|7.5|NULL;5|1.0|1.0;6|1.0|1.0;7|1.0|1.0");
	expect_reader_ready();
}

/* Once each copy was compared with every other. */
Test(upgrade, ten_thousand_copies_are_merged_in_seconds)
{
	struct upgrade_report report;
	struct opened o;
	uint64_t start_us;

	sql_on(path, old_schema);
	sql_on(path,
	       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
	       "INSERT INTO transmissions (raw_hex, hash, first_seen) SELECT '', i, "
	       "'2026-11-01T00:00:00Z' FROM n;"
	       "INSERT INTO observations (transmission_id, observer_idx, timestamp) "
	       "SELECT id, 1, 1 FROM transmissions;"
	       "INSERT INTO observations (transmission_id, observer_idx, timestamp, snr) "
	       "SELECT id, 1, 2, 5.5 FROM transmissions;"
	       "DROP INDEX idx_observations_transmission_id");
	start_us = fixture_now_us(NULL);
	open_upgraded(&o, &report);
	cr_expect_lt(fixture_now_us(NULL) - start_us, 5000000);
	cr_expect_eq(report.merged, 10000);
	open_close(&o);
	expect_answer("SELECT count(*), min(snr), max(timestamp) FROM observations", "10000|5.5|1");
}

Test(upgrade, every_column_that_is_missing_is_filled)
{
	make_old();
	upgrade_fully(NULL);
	expect_answer(
	    "SELECT id, from_pubkey, channel_hash, last_seen FROM transmissions ORDER BY id",
	    "1|ccdd|NULL|106;2||NULL|1793577600;3|NULL|Public|1793664000;"
	    "4|NULL|enc_1F|1793750400;6|ccdd|NULL|1793923200;7|ccdd|NULL|1794009600");
	expect_answer("SELECT id, last_packet_at, typeof(can_relay) FROM observers ORDER BY id",
		      "o1|2026-11-01T00:00:00Z|integer;o2|2026-11-01T00:00:00Z|integer");
	expect_answer("SELECT count(*) FROM observations WHERE transmission_id = 5", "0");
}

/* T-MP7 */
Test(upgrade, the_columns_of_capability_come_back_once)
{
	struct opened o;
	mk_err err;

	open_or_fail(&o);
	cr_assert_eq(db_exec(o.db, "ALTER TABLE nodes DROP COLUMN multibyte_sup", &err), MK_OK);
	cr_assert_eq(db_exec(o.db, "ALTER TABLE inactive_nodes DROP COLUMN multibyte_evidence",
			     &err),
		     MK_OK);
	open_close(&o);
	upgrade_fully(NULL);
	for (int i = 0; i < 2; i++) {
		open_or_fail(&o);
		cr_expect_eq(o.state, SCHEMA_READY);
		open_close(&o);
		expect_answer(
		    "SELECT t, c.name, c.\"notnull\", c.dflt_value FROM (SELECT 'nodes' AS t"
		    " UNION ALL SELECT 'inactive_nodes') JOIN pragma_table_info(t) c"
		    " WHERE c.name LIKE 'multibyte%' ORDER BY 1, 2",
		    "inactive_nodes|multibyte_evidence|0|NULL;"
		    "inactive_nodes|multibyte_sup|1|0;"
		    "nodes|multibyte_evidence|0|NULL;nodes|multibyte_sup|1|0");
	}
}

Test(upgrade, keys_that_differ_in_case_are_one_node)
{
	make_old();
	upgrade_fully(NULL);
	expect_answer("SELECT public_key, name, first_seen, advert_count FROM nodes ORDER BY 1",
		      "aabb|new name|2026-01-01T00:00:00Z|42;ccdd|alone|2026-03-01T00:00:00Z|3");
}

Test(upgrade, markers_are_there_after_success_and_not_before)
{
	struct opened o;
	struct jobs *jobs;

	make_old();
	open_upgraded(&o, NULL);
	expect_answer("SELECT count(*) FROM _migrations WHERE name IN ('advert_count_unique_v1', "
		      "'channel_hash_v1', 'cleanup_legacy_null_hash_ts')",
		      "0");
	jobs = start_jobs(&o);
	jobs_finish(jobs);
	expect_answer("SELECT count(*) FROM _migrations", "22");
	expect_answer("SELECT count(*) FROM _async_migrations WHERE status <> 'done' "
		      "OR ended_at IS NULL",
		      "0");
	jobs_free(jobs);
	open_close(&o);
}

Test(upgrade, without_room_for_the_backup_nothing_is_changed)
{
	struct upgrade_options options = { .wall_us = WALL_US };
	struct opened o;
	mk_err err = { .text = "" };
	uint64_t before;
	char name[96];

	make_old();
	before = file_sum(path);
	/* What cannot be removed is in the way of the copy. */
	(void)snprintf(name, sizeof(name), "%s.backup-part", path);
	cr_assert_eq(mkdir(name, 0755), 0);
	open_or_fail(&o);
	cr_expect_neq(upgrade_run(o.db, &options, NULL, &err), MK_OK);
	expect_text(err, "backup");
	open_close(&o);
	cr_expect_eq(file_sum(path), before);
}

Test(upgrade, an_earlier_backup_of_the_day_is_not_replaced)
{
	struct upgrade_report report;
	char name[96];

	make_old();
	(void)snprintf(name, sizeof(name), "%s.pre-meshkern-20261118", path);
	write_file(name, "precious", 8);
	upgrade_fully(&report);
	cr_expect_not_null(strstr(report.backup, "20261118-2"), "%s", report.backup);
}

Test(upgrade, no_second_backup_when_only_an_index_was_lost)
{
	struct upgrade_report report;

	make_old();
	upgrade_fully(NULL);
	sql_on(path,
	       "DROP INDEX idx_observations_dedup; INSERT INTO observations (transmission_id, "
	       "observer_idx, path_json, timestamp) SELECT transmission_id, observer_idx, "
	       "path_json, 200 FROM observations WHERE observer_idx = 2");
	upgrade_fully(&report);
	cr_expect_str_eq(report.backup, "");
	cr_expect_eq(report.merged, 1);
	expect_reader_ready();
}

Test(upgrade, it_can_be_cancelled_and_goes_on_later)
{
	atomic_bool cancel = true;
	struct upgrade_options options = { .wall_us = WALL_US, .cancel = &cancel };
	struct opened o;
	mk_err err = { .text = "" };

	make_old();
	open_or_fail(&o);
	cr_expect_eq(upgrade_run(o.db, &options, NULL, &err), MK_ETIMEDOUT, "%s", err.text);
	cancel = false;
	cr_expect_eq(upgrade_run(o.db, &options, NULL, &err), MK_OK, "%s", err.text);
	open_close(&o);
	expect_reader_ready();
}

/* --------------------------------------------------------------------- crashes -- */

struct fault {
	int countdown;
};

static void
die_at_step(void *arg, const char *what, int64_t done, int64_t total)
{
	struct fault *fault = arg;

	(void)what;
	(void)done;
	(void)total;
	if (fault->countdown-- == 0)
		(void)raise(SIGKILL);
}

/* A child upgrades and dies at its nth step. False: it has fewer steps. */
static bool
crash_at(int step)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct fault fault = { step };
		struct upgrade_options options = { .wall_us = WALL_US,
						   .on_progress = die_at_step,
						   .arg = &fault };
		struct db_options db = { .path = path };
		struct opened o;

		if (open_database(&o, &db, NULL) != MK_OK)
			_exit(2);
		_exit(upgrade_run(o.db, &options, NULL, NULL) == MK_OK ? 0 : 3);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "status %d at step %d", status,
		  step);
	return WIFSIGNALED(status);
}

static void
crash_everywhere(void (*make)(void), const char *counts)
{
	char *wanted = NULL;
	int step = -1;
	bool crashed = true;

	while (crashed) {
		char *got;

		cr_assert_lt(step, 100);
		(void)unlink(path);
		make();
		crashed = step >= 0 && crash_at(step);
		upgrade_fully(NULL);
		expect_reader_ready();
		got = ask(counts);
		if (wanted == NULL)
			wanted = strdup(got);
		cr_expect_str_eq(got, wanted, "after a crash at step %d", step);
		free(got);
		crashed = crashed || step < 0;
		step++;
	}
	cr_expect_gt(step, 20);
	free(wanted);
}

Test(upgrade, killed_at_any_step_the_next_start_finishes_it)
{
	crash_everywhere(make_old, "SELECT (SELECT group_concat(id || '/' || COALESCE(snr, '')) "
				   "FROM observations), (SELECT sum(advert_count) FROM nodes), "
				   "(SELECT count(*) FROM transmissions), "
				   "(SELECT count(*) FROM _migrations)");
}

static void
make_shared(void)
{
	use_shared("corescope-old.db");
}

Test(upgrade, a_real_database_survives_a_kill_at_any_step)
{
	make_shared();
	crash_everywhere(make_shared,
			 "SELECT (SELECT count(*) FROM observations), (SELECT sum(advert_count) "
			 "FROM nodes), (SELECT sum(last_seen) FROM transmissions), "
			 "(SELECT group_concat(hash) FROM transmissions)");
}
