/* SPDX-License-Identifier: MIT
 *
 * The plugin analytics on a fake host, with a real database: it answers when it has read the history,
 * goes on with what comes live, and says what it cannot answer.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include <meshkern/testkit.h>

#define NOW UINT64_C(1779041700)

static char folder[] = "/tmp/mk-analytics-XXXXXX";
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
begin(void)
{
	cr_assert_not_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/mesh.db", folder);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	run("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;"
	    "CREATE TABLE nodes (public_key TEXT PRIMARY KEY, name TEXT, role TEXT, lat REAL,"
	    " lon REAL, last_seen TEXT, first_seen TEXT, advert_count INTEGER);"
	    "CREATE TABLE observers (id TEXT PRIMARY KEY, name TEXT, iata TEXT, last_seen TEXT,"
	    " first_seen TEXT, can_relay INTEGER, inactive INTEGER);"
	    "CREATE TABLE transmissions (id INTEGER PRIMARY KEY AUTOINCREMENT, raw_hex TEXT,"
	    " hash TEXT, first_seen TEXT, route_type INTEGER, payload_type INTEGER,"
	    " decoded_json TEXT, from_pubkey TEXT, channel_hash TEXT, scope_name TEXT);"
	    "CREATE TABLE observations (id INTEGER PRIMARY KEY AUTOINCREMENT, transmission_id"
	    " INTEGER, observer_idx INTEGER, direction TEXT, snr REAL, rssi REAL, path_json TEXT,"
	    " timestamp INTEGER, raw_hex TEXT);"
	    "CREATE TABLE client_receptions (id INTEGER PRIMARY KEY AUTOINCREMENT, rx_pubkey TEXT,"
	    " heard_key TEXT, heard_keylen INTEGER, rssi INTEGER, snr REAL, lat REAL, lon REAL,"
	    " pos_acc_m REAL, rx_at TEXT, ingested_at TEXT, src TEXT);"
	    "CREATE TABLE client_observers (pubkey TEXT PRIMARY KEY, name TEXT, last_seen TEXT);"
	    "INSERT INTO nodes VALUES ('a1aa', 'Hill', 'repeater', 50, 4,"
	    " '2026-05-17T18:00:00Z', '2026-01-01T00:00:00Z', 1);"
	    "INSERT INTO observers VALUES ('OBS', 'Roof', 'sjc', NULL, NULL, 1, 0);"
	    "INSERT INTO transmissions VALUES (1, '1501A1', '00000000000000aa',"
	    " '2026-05-17T18:00:00Z', 1, 5, '{\"channelHash\":9}', NULL, NULL, NULL);"
	    "INSERT INTO observations VALUES (1, 1, 1, 'rx', 4, -90, '[\"A1\"]', 1779040800, "
	    "NULL)");
	mk_writer_init(&w, 0);
	tk = mk_tk_new(&mk_plugin_v1, NULL);
	mk_tk_set_wall(tk, NOW * 1000000);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
}

static void
finished(void)
{
	static const char *const tails[] = { "", "-wal", "-shm" };
	char name[80];

	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	sqlite3_close(db);
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
	mk_writer_fini(&w);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		unlink(name);
	}
	rmdir(folder);
}

TestSuite(analytics, .timeout = 120, .init = begin, .fini = finished);

static void
live(void)
{
	mk_writer_reset(&w);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "state", "ready");
	mk_kv_str(&w, "database", path);
	cr_assert_eq(mk_tk_send(tk, "storage/state", &w), MK_OK);
	for (int i = 0; i < 500 && !mk_tk_log_has(tk, "history is read"); i++) {
		mk_tk_advance(tk, 100000);
		mk_tk_poll(tk, 20);
	}
	cr_assert(mk_tk_log_has(tk, "history is read"));
}

/* A packet that comes in. */
static void
tell(uint64_t obs, uint64_t tx, bool fresh)
{
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 13);
	mk_kv_u64(&w, "at", (NOW + obs) * 1000000);
	mk_kv_u64(&w, "obs", obs);
	mk_kv_u64(&w, "tx", tx);
	mk_kv_bool(&w, "new", fresh);
	mk_kv_bool(&w, "first", true);
	mk_kv_str(&w, "observer", "OBS");
	mk_kv_u64(&w, "route", 1);
	mk_kv_u64(&w, "type", 2);
	mk_kv_u64(&w, "hash_size", 1);
	mk_kv_str(&w, "hash", "00000000000000bb");
	mk_kv_bin(&w, "raw", "\x09\x01\xa1", 3);
	mk_kv_f64(&w, "snr", -5.5);
	mk_kv_array(&w, "path", 1);
	mk_put_str(&w, "A1");
	cr_assert_eq(mk_tk_send(tk, "packet/stored", &w), MK_OK);
}

static const mk_reply *
ask(const char *method, const char *name, const char *value)
{
	mk_writer_reset(&w);
	mk_put_map(&w, name != NULL);
	if (name != NULL)
		mk_kv_str(&w, name, value);
	cr_assert_eq(mk_tk_call(tk, method, &w), MK_OK);
	mk_tk_poll(tk, 1);
	cr_assert_not_null(mk_tk_reply(tk));
	return mk_tk_reply(tk);
}

static void
expect_answer(const char *method, const char *name, const char *value, const char *text)
{
	const mk_reply *reply = ask(method, name, value);
	static char json[1 << 20];

	cr_assert_eq(reply->result, MK_OK, "%s", reply->error);
	cr_assert_geq(mk_to_json(reply->body, reply->body_len, json, sizeof(json)), 0);
	cr_expect_not_null(strstr(json, text), "%s is not in %s", text, json);
}

Test(analytics, before_the_history_is_read_the_answer_is_to_come_later)
{
	expect_answer("analytics/rf", NULL, NULL, "\"status\":503");
	expect_answer("analytics/rf", NULL, NULL, "analytics warming up");
}

Test(analytics, history_is_read_and_live_goes_on)
{
	live();
	expect_answer("analytics/rf", NULL, NULL, "\"status\":200");
	expect_answer("analytics/rf", NULL, NULL, "\\\"totalAllPackets\\\":1,");
	expect_answer("analytics/topology", NULL, NULL, "\\\"name\\\":\\\"Hill\\\"");
	tell(2, 2, true);
	tell(3, 2, false);
	tell(2, 2, false); /* again */
	expect_answer("analytics/rf", NULL, NULL, "\\\"totalAllPackets\\\":3,");
	expect_answer("analytics/rf", "region", "SJC", "\\\"totalTransmissions\\\":2,");
	expect_answer("analytics/rf", "window", "1h", "\\\"totalTransmissions\\\":2,");
	expect_answer("analytics/channels", NULL, NULL, "\\\"ch9\\\"");
}

Test(analytics, an_answer_waits_for_counts_that_are_being_made)
{
	run("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
	    " INSERT INTO transmissions SELECT i, '0901A1', printf('%016x', i),"
	    " '2026-05-17T18:00:00Z', 1, 2, '{}', NULL, NULL, NULL FROM n;"
	    "INSERT INTO observations SELECT id, id, 1, 'rx', 4, -90, '[\"A1\"]', 1779040800, NULL"
	    " FROM transmissions WHERE id > 1");
	live();
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_str(&w, "region", "SJC");
	cr_assert_eq(mk_tk_call(tk, "analytics/rf", &w), MK_EAGAIN);
	/* What comes in meanwhile is in it, too. */
	tell(6001, 6001, true);
	for (int i = 0; i < 1000 && mk_tk_reply(tk) == NULL; i++)
		mk_tk_poll(tk, 1);
	cr_assert_not_null(mk_tk_reply(tk));
	cr_expect_eq(mk_tk_reply(tk)->result, MK_OK);
	expect_answer("analytics/rf", "region", "SJC", "\\\"totalTransmissions\\\":6001,");
}

Test(analytics, what_was_lost_on_the_bus_is_read_again)
{
	live();
	run("INSERT INTO transmissions VALUES (2, '0901A1', '00000000000000bb',"
	    " '2026-05-17T18:10:00Z', 1, 2, '{}', NULL, NULL, NULL);"
	    "INSERT INTO observations VALUES (2, 2, 1, 'rx', 4, -90, '[]', 1779041400, NULL)");
	cr_assert_eq(mk_tk_send_gap(tk, "packet/stored", 1), MK_OK);
	for (int i = 0; i < 500 && mk_tk_number(tk, "packets") != 2; i++) {
		mk_tk_advance(tk, 1000000);
		mk_tk_poll(tk, 20);
	}
	expect_answer("analytics/rf", NULL, NULL, "\\\"totalAllPackets\\\":2,");
}

Test(analytics, other_people_are_told_of_live)
{
	live();
	mk_writer_reset(&w);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 5);
	mk_kv_str(&w, "public_key", "a1aa");
	mk_kv_str(&w, "name", "Tower");
	mk_kv_str(&w, "role", "repeater");
	mk_kv_bool(&w, "active", true);
	mk_kv_u64(&w, "advert_count", 2);
	cr_assert_eq(mk_tk_send(tk, "node/changed", &w), MK_OK);
	expect_answer("analytics/topology", NULL, NULL, "\\\"name\\\":\\\"Tower\\\"");
}

Test(analytics, settings_change_while_it_runs)
{
	live();
	expect_answer("analytics/relay-airtime-share", NULL, NULL, "\\\"sf\\\":8");
	cr_expect_eq(mk_tk_reconfigure(tk, "{lora: {sf: 11, bw_khz: 250}}"), MK_OK);
	expect_answer("analytics/relay-airtime-share", NULL, NULL, "\\\"sf\\\":11");
}
