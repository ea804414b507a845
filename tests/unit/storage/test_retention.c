/* SPDX-License-Identifier: MIT */
#include "database_fixture.h"

TestSuite(retention, .init = fixture_setup, .fini = fixture_teardown, .timeout = 120);

/* What is 100 days old when the clock of the tests says 2026-11-18. */
#define OLD "2026-08-10T00:00:00Z"
#define NEW "2026-11-17T00:00:00Z"

static struct opened o;

static const struct jobs_options nothing = { .node_days = 0 };

/* A database with these rows, kept by these rules. */
static void
retain(const char *rows, const struct jobs_options *days)
{
	struct jobs *jobs;
	mk_err err = { .text = "" };

	open_or_fail(&o);
	cr_assert_eq(db_exec(o.db, rows, &err), MK_OK, "%s", err.text);
	jobs = jobs_make(o.db, days);
	jobs_finish_all(jobs);
	for (uint32_t i = 0; i < told_count; i++)
		cr_expect_null(strstr(told[i], "failed"), "%s", told[i]);
	cr_expect_lt(jobs_longest_us(jobs), 50000, "%" PRIu64 " us", jobs_longest_us(jobs));
	jobs_free(jobs);
	open_close(&o);
}

Test(retention, nodes_that_are_silent_move_with_everything_they_had)
{
	retain("INSERT INTO nodes (public_key, name, last_seen, first_seen, advert_count, "
	       "default_scope, multibyte_sup) VALUES ('a', 'A', '" OLD "', '" OLD "', 7, '#x', 2), "
	       "('b', 'B', '" NEW "', '" OLD "', 8, NULL, 0), ('c', 'C', NULL, NULL, 9, NULL, 0)",
	       NULL);
	expect_answer("SELECT public_key FROM nodes ORDER BY 1", "b;c");
	expect_answer("SELECT public_key, name, advert_count, default_scope, multibyte_sup "
		      "FROM inactive_nodes",
		      "a|A|7|#x|2");
	cr_expect_eq(changed_count, 1);
	cr_expect_str_eq(changed[0], "inactive_nodes a");
}

Test(retention, columns_in_another_order_are_not_mixed_up)
{
	retain(
	    "DROP TABLE inactive_nodes; CREATE TABLE inactive_nodes (multibyte_evidence TEXT, "
	    "multibyte_sup INTEGER NOT NULL DEFAULT 0, default_scope TEXT, foreign_advert INTEGER, "
	    "temperature_c REAL, battery_mv INTEGER, advert_count INTEGER, first_seen TEXT, "
	    "last_seen TEXT, lon REAL, lat REAL, role TEXT, name TEXT, public_key TEXT PRIMARY "
	    "KEY);"
	    "INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen) VALUES "
	    "('a', 'A', 'r', 1.5, 2.5, '" OLD "', '2026-01-01T00:00:00Z')",
	    NULL);
	expect_answer("SELECT public_key, name, role, lat, lon, last_seen, first_seen "
		      "FROM inactive_nodes",
		      "a|A|r|1.5|2.5|" OLD "|2026-01-01T00:00:00Z");
}

Test(retention, a_node_that_is_in_both_tables_keeps_its_history)
{
	retain("INSERT INTO inactive_nodes (public_key, name, lat, last_seen, first_seen, "
	       "advert_count) VALUES ('a', 'before', 4.5, '2026-03-01T00:00:00Z', "
	       "'2026-01-01T00:00:00Z', 40);"
	       "INSERT INTO nodes (public_key, name, last_seen, first_seen, advert_count) VALUES "
	       "('a', 'after', '" OLD "', '" OLD "', 2)",
	       NULL);
	expect_answer("SELECT name, lat, last_seen, first_seen, advert_count FROM inactive_nodes",
		      "after|4.5|" OLD "|2026-01-01T00:00:00Z|42");
}

Test(retention, observers_become_inactive_and_stay)
{
	retain("INSERT INTO observers (id, last_seen) VALUES ('x', '" OLD "'), ('y', '" NEW "');"
	       "INSERT INTO observer_metrics (observer_id, timestamp) VALUES ('x', '" NEW "'), "
	       "('y', '" NEW "'), ('y', '" OLD "')",
	       NULL);
	expect_answer("SELECT rowid, id, inactive FROM observers ORDER BY id", "1|x|1;2|y|0");
	expect_answer("SELECT observer_id, timestamp FROM observer_metrics", "y|" NEW);
	cr_expect_str_eq(changed[0], "observers x");
}

Test(retention, dropped_packets_are_compared_in_both_forms_of_time)
{
	/* 30 days before the test's clock, 2026-11-18T11:06:40Z. */
	retain("INSERT INTO dropped_packets (id, reason, dropped_at) VALUES (1, '', '2026-10-19 "
	       "11:06:39'), "
	       "(2, '', '2026-10-19T11:06:39Z'), (3, '', '2026-10-19 11:06:41'), "
	       "(4, '', '2026-10-19T11:06:41Z')",
	       NULL);
	expect_answer("SELECT group_concat(id) FROM dropped_packets", "3,4");
}

static const char packet_rows[] =
    "INSERT INTO transmissions (id, raw_hex, hash, first_seen, last_seen) VALUES "
    "(1, '', 'a', '" OLD "', 1786000000), (2, '', 'b', '" OLD "', 1794990000), "
    "(3, '', 'c', '" NEW "', 1794990000), (4, '', 'd', '" OLD "', 0);"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
    "INSERT INTO observations (transmission_id, observer_idx, timestamp) SELECT 1, i, 1786000000 "
    "FROM n; INSERT INTO observations (transmission_id, timestamp) VALUES (2, 1), (3, 1)";

Test(retention, packets_leave_by_when_they_were_last_heard)
{
	struct jobs_options days = nothing;

	days.packet_days = 30;
	retain(packet_rows, &days);
	expect_answer("SELECT group_concat(id) FROM transmissions", "2,3");
	expect_answer("SELECT group_concat(transmission_id) FROM observations", "2,3");
}

Test(retention, without_days_everything_stays)
{
	retain(packet_rows, &nothing);
	expect_answer("SELECT count(*) FROM transmissions", "4");
	expect_answer("SELECT count(*) FROM observations", "5002");
}

Test(retention, packets_stay_by_default)
{
	retain(packet_rows, NULL);
	expect_answer("SELECT count(*) FROM transmissions", "4");
}

Test(retention, client_receptions_and_edges_have_days_of_their_own)
{
	struct jobs_options days = nothing;

	days.client_days = 30;
	days.edge_days = 5;
	retain(
	    "INSERT INTO client_receptions (rx_pubkey, heard_key, heard_keylen, lat, lon, rx_at, "
	    "ingested_at, src) VALUES ('a', 'b', 2, 0, 0, '" OLD "', '', ''), "
	    "('a', 'b', 2, 0, 0, '" NEW "', '', '');"
	    "INSERT INTO client_observers VALUES ('a', 'n', '" OLD "'), ('b', 'n', '" NEW "');"
	    "INSERT INTO neighbor_edges (node_a, node_b, last_seen) VALUES ('a', 'b', '" OLD "'), "
	    "('a', 'c', '" NEW "')",
	    &days);
	expect_answer("SELECT rx_at FROM client_receptions", NEW);
	expect_answer("SELECT pubkey FROM client_observers", "b");
	expect_answer("SELECT node_b FROM neighbor_edges", "c");
}

Test(retention, it_comes_again_after_its_period)
{
	struct jobs *jobs;

	open_or_fail(&o);
	jobs = jobs_make(o.db, NULL);
	jobs_finish_all(jobs);
	sql_on(path, "INSERT INTO nodes (public_key, last_seen) VALUES ('a', '" OLD "')");
	ahead_us += UINT64_C(3000) * 1000000;
	jobs_finish(jobs);
	expect_answer("SELECT count(*) FROM nodes", "1");
	ahead_us += UINT64_C(700) * 1000000;
	jobs_finish(jobs);
	expect_answer("SELECT count(*) FROM nodes", "0");
	jobs_free(jobs);
	open_close(&o);
}

Test(retention, new_days_count_after_a_reload)
{
	struct jobs_options days = nothing;
	struct jobs *jobs;

	open_or_fail(&o);
	jobs = jobs_make(o.db, &days);
	sql_on(path, "INSERT INTO nodes (public_key, last_seen) VALUES ('a', '" NEW "')");
	jobs_finish_all(jobs);
	expect_answer("SELECT count(*) FROM nodes", "1");
	days.node_days = 1;
	wall_us += UINT64_C(86400) * 1000000;
	jobs_configure(jobs, &days);
	jobs_finish_all(jobs);
	expect_answer("SELECT count(*) FROM nodes", "0");
	jobs_free(jobs);
	open_close(&o);
}

Test(retention, free_pages_go_back_to_the_file_system)
{
	struct jobs_options days = nothing;
	int64_t before;

	days.vacuum_pages = 600;
	open_or_fail(&o);
	open_close(&o);
	sql_on(path,
	       "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
	       "INSERT INTO mk_state SELECT i, zeroblob(4000) FROM n; DELETE FROM mk_state "
	       "WHERE name NOT IN ('schema', 'born')");
	before = ask_int("PRAGMA page_count");
	retain("SELECT 1", &days);
	cr_expect_leq(ask_int("PRAGMA page_count"), before - 600);
	cr_expect_geq(ask_int("PRAGMA page_count"), before - 620, "no more than was allowed");
	expect_answer("PRAGMA integrity_check", "ok");
}
