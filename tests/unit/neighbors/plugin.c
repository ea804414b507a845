/* SPDX-License-Identifier: MIT
 *
 * The plugin neighbors on a fake host, with a real database: how history and live join, gaps, cycles
 * that coalesce, a database that is another one.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include <meshkern/testkit.h>

static char folder[] = "/tmp/mk-neighbors-XXXXXX";
static char path[64];
static sqlite3 *db;
static mk_tk *tk;
static mk_writer w;

static void
run(const char *sql)
{
	char *error = NULL;

	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK, "%s", error);
}

static void
make_database(void)
{
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	run("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;"
	    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, role TEXT, lat REAL, lon REAL,"
	    " advert_count INTEGER);"
	    "CREATE TABLE observers (id TEXT PRIMARY KEY, can_relay INTEGER, inactive INTEGER);"
	    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT,"
	    " route_type INTEGER, payload_type INTEGER, decoded_json TEXT, from_pubkey TEXT);"
	    "CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, transmission_id "
	    "INTEGER,"
	    " observer_idx INTEGER, direction TEXT, snr REAL, path_json TEXT, timestamp INTEGER,"
	    " raw_hex TEXT);"
	    "INSERT INTO nodes VALUES ('a1aa', 'repeater', NULL, NULL, 1), ('b2bb', 'room', 50, 4, "
	    "1);"
	    "INSERT INTO observers VALUES ('OBS', NULL, 0);"
	    "INSERT INTO transmissions VALUES (1, '1101A1', 1, 4, '{\"pubKey\":\"CAFE\"}', NULL)");
}

static void
remove_database(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char name[80];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
}

static void
begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/mesh.db", folder);
	make_database();
	mk_writer_init(&w, 0);
}

static void
finished(void)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	sqlite3_close(db);
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
	mk_writer_fini(&w);
	remove_database();
	rmdir(folder);
}

TestSuite(neighbors, .timeout = 120, .init = begin, .fini = finished);

/* One row: heard by OBS over `hop`, two seconds after the one before. */
static void
store(uint64_t id, uint64_t tx, const char *hop)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
		 "INSERT INTO observations VALUES (%u, %u, 1, 'rx', -5.5, '[\"%s\"]', %u, NULL)",
		 (unsigned)id, (unsigned)tx, hop, 1000000 + 2 * (unsigned)id);
	run(sql);
	if (tx > 1) {
		snprintf(
		    sql, sizeof(sql),
		    "INSERT OR IGNORE INTO transmissions VALUES (%u, '1501A1', 1, 5, '{}', NULL)",
		    (unsigned)tx);
		run(sql);
	}
}

/* The same as a message. */
static void
tell(uint64_t id, uint64_t tx, const char *hop)
{
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 9);
	mk_kv_u64(&w, "at", (1000000 + 2 * id) * 1000000);
	mk_kv_u64(&w, "obs", id);
	mk_kv_u64(&w, "tx", tx);
	mk_kv_str(&w, "observer", "OBS");
	mk_kv_u64(&w, "route", 1);
	mk_kv_u64(&w, "type", 5);
	mk_kv_u64(&w, "hash_size", 1);
	mk_kv_f64(&w, "snr", -5.5);
	mk_kv_array(&w, "path", 1);
	mk_put_str(&w, hop);
	cr_assert_eq(mk_tk_send(tk, "packet/stored", &w), MK_OK);
}

static void
ready(void)
{
	mk_writer_reset(&w);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "state", "ready");
	mk_kv_str(&w, "database", path);
	cr_assert_eq(mk_tk_send(tk, "storage/state", &w), MK_OK);
}

/* Until it is live and has published what it knows. */
static void
settle(void)
{
	uint32_t before = mk_tk_published(tk, "snapshot/neighbors");

	mk_tk_poll(tk, 20);
	for (int i = 0; i < 500 && mk_tk_published(tk, "snapshot/neighbors") == before; i++) {
		mk_tk_advance(tk, 1000000);
		mk_tk_poll(tk, 20);
	}
}

/* SQLite keeps a descriptor as long as the process has locks on the file by another connection:
 * without that of the test nothing must be left. */
static void
start(void)
{
	if (tk != NULL) {
		sqlite3_close(db);
		cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
		cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	}
	tk = mk_tk_new(&mk_plugin_v1, NULL);
	mk_tk_set_wall(tk, UINT64_C(1000100) * 1000000);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
}

static void
expect_said(const char *text)
{
	uint32_t n = mk_tk_published(tk, "snapshot/neighbors");
	const char *json;

	cr_assert_gt(n, 0);
	json = mk_tk_json(tk, "snapshot/neighbors", n - 1);
	cr_expect_not_null(strstr(json, text), "%s is not in %s", text, json);
}

Test(neighbors, history_is_read_and_live_goes_on)
{
	start();
	store(1, 1, "A1");
	store(2, 2, "A1");
	tell(2, 2, "A1"); /* before it knows where the database is */
	ready();
	settle();
	/* cafe-a1aa from the advert, a1aa-obs twice */
	expect_said("\"cursor\":2");
	expect_said("\"ids\":[\"a1aa\",\"cafe\",\"obs\"]");
	expect_said("[0,2,2,2,1000002,1000004,[0,2,0,0],-5.5,2,[2],false]");
	tell(2, 2, "A1"); /* again */
	tell(3, 3, "B2");
	mk_tk_advance(tk, 60000000);
	expect_said("\"cursor\":3");
	expect_said("\"ids\":[\"b2bb\",\"obs\"]");
	expect_said("\"n\":1");
}

Test(neighbors, what_is_published_while_history_is_read_is_read)
{
	start();
	for (uint64_t i = 1; i <= 3000; i++)
		store(i, 1 + i / 4, "A1");
	ready();
	mk_tk_advance(tk, 100000);
	store(3001, 2000, "B2");
	tell(3001, 2000, "B2");
	settle();
	expect_said("\"cursor\":3001");
	expect_said("b2bb");
}

Test(neighbors, a_gap_is_filled_from_the_database)
{
	start();
	store(1, 2, "A1");
	ready();
	settle();
	store(2, 3, "A1");
	store(3, 4, "A1");
	cr_assert_eq(mk_tk_send_gap(tk, "packet/stored", 1), MK_OK);
	tell(3, 4, "A1");
	settle();
	expect_said("\"cursor\":3");
	expect_said("[0,1,3,3,1000002,1000006");
	cr_expect_eq(mk_tk_number(tk, "gaps"), 1);
	cr_expect_eq(mk_tk_number(tk, "readings"), 2);
}

Test(neighbors, a_restart_goes_on_from_its_snapshot)
{
	mk_writer copy;
	size_t len;
	const void *body;

	start();
	store(1, 2, "A1");
	ready();
	settle();
	body = mk_tk_body(tk, "snapshot/neighbors", 0, &len);
	mk_writer_init(&copy, 0);
	mk_put_raw(&copy, body, len);
	run("DELETE FROM observations"); /* only the snapshot knows it now */
	start();
	cr_assert_eq(mk_tk_send(tk, "snapshot/neighbors", &copy), MK_OK);
	store(2, 3, "A1");
	ready();
	settle();
	expect_said("[0,1,2,2,1000002,1000004");
	mk_writer_fini(&copy);
}

/* After a kill it comes behind a backlog. It covers one copy of B2's packet, and not the other. */
Test(neighbors, a_snapshot_that_comes_while_history_is_read_counts_no_packet_twice)
{
	mk_writer copy;
	size_t len;
	const void *body;

	start();
	store(1, 2, "B2");
	run("INSERT INTO transmissions VALUES (3, '1501A1', 1, 5, '{}', NULL);"
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
	    "INSERT INTO observations SELECT i, 3, 1, 'rx', -5.5, '[\"A1\"]', 1000004, NULL FROM "
	    "n");
	ready();
	settle();
	body = mk_tk_body(tk, "snapshot/neighbors", 0, &len);
	mk_writer_init(&copy, 0);
	mk_put_raw(&copy, body, len);
	start();
	store(20001, 2, "B2");
	ready();
	mk_tk_advance(tk, 100000);
	for (uint32_t ran = 0; ran < 2;) /* who there is, and some observations */
		ran += mk_tk_poll(tk, 20);
	cr_assert_eq(mk_tk_send(tk, "snapshot/neighbors", &copy), MK_OK);
	settle();
	expect_said("\"cursor\":20001");
	expect_said("\"ids\":[\"a1aa\",\"b2bb\",\"obs\"]");
	expect_said("[1,2,1,");
	mk_writer_fini(&copy);
}

Test(neighbors, a_damaged_snapshot_is_refused_and_everything_read)
{
	start();
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_u64(&w, "v", 1);
	cr_assert_eq(mk_tk_send(tk, "snapshot/neighbors", &w), MK_OK);
	cr_expect_eq(mk_tk_number(tk, "refused_snapshots"), 1);
	store(1, 2, "A1");
	ready();
	settle();
	expect_said("\"cursor\":1");
}

Test(neighbors, another_database_begins_anew)
{
	start();
	for (uint64_t i = 1; i <= 5; i++)
		store(i, i + 1, "A1");
	ready();
	settle();
	expect_said("\"cursor\":5");
	sqlite3_close(db);
	remove_database();
	make_database();
	store(1, 2, "B2");
	cr_assert_eq(mk_tk_send_gap(tk, "packet/stored", 1), MK_OK);
	settle();
	expect_said("\"cursor\":1");
	expect_said("b2bb");
}

Test(neighbors, a_database_that_cannot_be_read_is_tried_again)
{
	start();
	run("ALTER TABLE nodes RENAME TO gone");
	ready();
	mk_tk_advance(tk, 100000);
	for (int i = 0; i < 500 && !mk_tk_log_has(tk, "cannot read the history"); i++)
		mk_tk_poll(tk, 20);
	cr_expect(mk_tk_log_has(tk, "cannot read the history"));
	run("ALTER TABLE gone RENAME TO nodes");
	store(1, 2, "A1");
	settle();
	expect_said("\"cursor\":1");
}

/* S5 */
Test(neighbors, ten_demands_are_one_cycle)
{
	start();
	store(1, 2, "A1");
	ready();
	settle();
	mk_tk_forget(tk);
	tell(2, 3, "A1");
	mk_writer_reset(&w);
	mk_put_map(&w, 0);
	for (int i = 0; i < 10; i++)
		cr_expect_eq(mk_tk_call(tk, "neighbors/refresh", &w), MK_OK);
	mk_tk_advance(tk, 1000);
	cr_expect_eq(mk_tk_published(tk, "snapshot/neighbors"), 1);
	mk_tk_advance(tk, 60000000);
	cr_expect_eq(mk_tk_published(tk, "snapshot/neighbors"), 1);
}

Test(neighbors, a_node_that_goes_changes_the_graph)
{
	start();
	store(1, 2, "A1");
	ready();
	settle();
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 3);
	mk_kv_str(&w, "public_key", "a1aa");
	mk_kv_str(&w, "role", "repeater");
	mk_kv_bool(&w, "active", false);
	cr_assert_eq(mk_tk_send(tk, "node/changed", &w), MK_OK);
	mk_tk_advance(tk, 60000000);
	expect_said("\"gone\":[[0,1]]");
	expect_said("\"a1\""); /* open now */
}

Test(neighbors, a_busy_bus_gets_it_later)
{
	start();
	store(1, 2, "A1");
	mk_tk_publish_fails(tk, MK_EAGAIN, 3);
	ready();
	settle();
	cr_expect_eq(mk_tk_published(tk, "snapshot/neighbors"), 1);
	expect_said("\"cursor\":1");
}
