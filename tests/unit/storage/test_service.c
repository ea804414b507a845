/* SPDX-License-Identifier: MIT
 *
 * The whole plugin on the fake bus of the test kit.
 */
#include "ingest_fixture.h"

#include <fcntl.h>
#include <meshkern/testkit.h>
#include <sys/stat.h>

TestSuite(service, .timeout = 120);

#define H(n) "00112233445566a" #n

static void
send(mk_tk *tk, const char *topic, const char *json, mk_result expected)
{
	mk_writer body;

	json_write(&body, json);
	cr_assert_eq(mk_tk_send(tk, topic, &body), expected, "%s", topic);
	mk_writer_fini(&body);
}

static void
send_packet(mk_tk *tk, const char *item, uint64_t seq)
{
	char json[2000];

	snprintf(json, sizeof(json), "{'items':[%s],'source':'mqtt','seq':%llu,'first':1}", item,
		 (unsigned long long)seq);
	send(tk, "packet/decoded", json, MK_OK);
}

static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	mk_tk_set_wall(tk, SECOND * 1000000);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

/* A slow disk is no fault of the plugin. */
static void
finished(mk_tk *tk)
{
	const char *text = mk_tk_misbehaved_text(tk);

	for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
		cr_expect(strncmp(text, "slow: ", 6) == 0, "%s", text);
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

static const char *
path_of(mk_tk *tk)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/meshkern.db", mk_tk_dir(tk, MK_DIR_DATA));
	return path;
}

static int
count(mk_tk *tk, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *s;
	int n;

	cr_assert_eq(sqlite3_open_v2(path_of(tk), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s",
		     sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(s), SQLITE_ROW, "%s", sqlite3_errmsg(db));
	n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return n;
}

static const char *
last(mk_tk *tk, const char *topic)
{
	uint32_t n = mk_tk_published(tk, topic);

	return n == 0 ? "" : mk_tk_json(tk, topic, n - 1);
}

/* Moves the clock until the state says so, since jobs and threads have their own pace. */
static void
wait_state(mk_tk *tk, const char *text)
{
	for (int i = 0; i < 400 && strstr(last(tk, "storage/state"), text) == NULL; i++) {
		mk_tk_poll(tk, 10);
		mk_tk_advance(tk, 60000);
	}
	cr_assert(strstr(last(tk, "storage/state"), text) != NULL, "%s", last(tk, "storage/state"));
}

/* The same until the disk has it, for which there is a thread. */
static void
expect_acked(mk_tk *tk, uint64_t seq)
{
	for (int i = 0; i < 400 && mk_tk_acked(tk, "packet/decoded") != seq; i++) {
		mk_tk_poll(tk, 10);
		mk_tk_advance(tk, 1000);
	}
	cr_expect_eq(mk_tk_acked(tk, "packet/decoded"), seq);
}

Test(service, a_transaction_ends_after_its_time_and_is_acknowledged)
{
	mk_tk *tk = started("commit_after: 10ms");

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	cr_expect_eq(mk_tk_acked(tk, "packet/decoded"), 0);
	mk_tk_advance(tk, 9000);
	cr_expect_eq(mk_tk_published(tk, "packet/stored"), 0);
	mk_tk_advance(tk, 1000);
	cr_expect_eq(mk_tk_published(tk, "packet/stored"), 1);
	expect_acked(tk, 1);
	cr_expect_str_eq(last(tk, "storage/committed"),
			 "{\"items\":[{\"source\":\"mqtt\",\"seq\":1}]}");
	cr_expect_eq(count(tk, "SELECT count(*) FROM observations"), 1);
	finished(tk);
}

Test(service, a_transaction_ends_when_it_is_full)
{
	mk_tk *tk = started("commit_rows: 2");

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	send_packet(tk, PACKET("A", H(2), ""), 2);
	expect_acked(tk, 2);
	finished(tk);
}

Test(service, what_is_under_way_is_committed_when_it_stops)
{
	mk_tk *tk = started(NULL);

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	send(tk, "snapshot/rain", "{'mm':1}", MK_OK);
	mk_tk_stop(tk);
	expect_acked(tk, 1);
	cr_expect_eq(count(tk, "SELECT count(*) FROM observations, mk_snapshots"), 1);
	finished(tk);
}

Test(service, statistics_are_told_when_something_changed)
{
	mk_tk *tk = started(NULL);

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	mk_tk_advance(tk, 1000000);
	cr_expect(strstr(last(tk, "storage/stats"), "\"obs_inserted\":1") != NULL);
	cr_expect(strstr(last(tk, "storage/stats"), "\"hold_ms_p99\"") != NULL);
	cr_expect_eq(mk_tk_number(tk, "tx_inserted"), 1);
	do { /* a checkpoint may have ended in between */
		mk_tk_forget(tk);
		mk_tk_advance(tk, 3000000);
	} while (mk_tk_published(tk, "storage/stats") > 0);
	mk_tk_advance(tk, 3000000);
	cr_expect_eq(mk_tk_published(tk, "storage/stats"), 0);
	finished(tk);
}

Test(service, how_much_memory_it_has_is_told_also_while_nothing_happens)
{
	mk_tk *tk = started(NULL);
	int64_t idle;

	wait_state(tk, "\"ready\"");
	mk_tk_advance(tk, 1000000);
	idle = mk_tk_number(tk, "memory_bytes");
	cr_expect_gt(idle, 100000);
	send(tk, "snapshot/rain", "{'mm':1}", MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect_gt(mk_tk_number(tk, "memory_bytes"), idle);
	cr_expect_lt(mk_tk_number(tk, "memory_bytes"), 64 << 20);
	finished(tk);
}

Test(service, snapshots_of_the_last_run_come_before_ready)
{
	mk_tk *tk = started(NULL);

	wait_state(tk, "\"ready\"");
	send(tk, "snapshot/rain", "{'mm':1}", MK_OK);
	send(tk, "snapshot/wind", "{'bft':1}", MK_OK);
	mk_tk_advance(tk, 5000000);
	mk_tk_stop(tk);
	mk_tk_forget(tk);
	cr_assert_eq(mk_tk_start(tk), MK_OK);
	send(tk, "snapshot/wind", "{'bft':2}", MK_OK);
	cr_expect_eq(mk_tk_published(tk, "snapshot/rain"), 0);
	wait_state(tk, "\"ready\"");
	cr_expect_eq(mk_tk_published(tk, "snapshot/rain"), 1);
	cr_expect_eq(mk_tk_published(tk, "snapshot/wind"), 0, "its plugin was faster");
	finished(tk);
}

Test(service, what_a_database_without_snapshots_knows_is_published_before_ready)
{
	mk_tk *tk = started(NULL);
	struct db *db;
	mk_err err;
	char path[256];

	wait_state(tk, "\"ready\"");
	cr_expect_eq(mk_tk_published(tk, "snapshot/neighbors"), 0, "it is empty");
	mk_tk_stop(tk);
	mk_tk_forget(tk);
	snprintf(path, sizeof(path), "%s/meshkern.db", mk_tk_dir(tk, MK_DIR_DATA));
	cr_assert_eq(db_open(&db, &(struct db_options){ .path = path }, &err), MK_OK);
	cr_assert_eq(db_exec(db,
			     "INSERT INTO neighbor_edges VALUES ('" KEY_A "', '" KEY_B
			     "', 7, '2026-11-21T07:00:00Z')",
			     &err),
		     MK_OK);
	db_close(db);
	cr_assert_eq(mk_tk_start(tk), MK_OK);
	wait_state(tk, "\"ready\"");
	cr_assert_eq(mk_tk_published(tk, "snapshot/neighbors"), 1);
	cr_expect(strstr(mk_tk_json(tk, "snapshot/neighbors", 0), KEY_A) != NULL);
	finished(tk);
}

Test(service, a_file_that_is_no_database_is_left_alone)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, "database: note.txt");
	char path[300];
	FILE *f;

	cr_assert_eq(mk_tk_create(tk), MK_OK);
	snprintf(path, sizeof(path), "%s/note.txt", mk_tk_dir(tk, MK_DIR_DATA));
	f = fopen(path, "w");
	fputs("this is a note, and somebody wants to keep it\n", f);
	fclose(f);
	cr_expect_neq(mk_tk_start(tk), MK_OK);
	cr_expect_eq(mk_tk_logged(tk, MK_LOG_ERROR), 1);
	finished(tk);
}

Test(service, while_it_is_locked_messages_wait_and_nothing_is_lost)
{
	mk_tk *tk = started(NULL);
	sqlite3 *other;

	wait_state(tk, "\"ready\"");
	cr_assert_eq(sqlite3_open(path_of(tk), &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	send_packet(tk, PACKET("A", H(1), ""), 1);
	cr_expect(strstr(last(tk, "storage/state"), "\"waiting\"") != NULL);
	send(tk, "packet/decoded", "{'items':[]}", MK_EAGAIN);
	mk_tk_advance(tk, 250000);
	cr_expect(strstr(last(tk, "storage/state"), "\"waiting\"") != NULL);
	cr_assert_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	wait_state(tk, "\"ready\"");
	expect_acked(tk, 1);
	send_packet(tk, PACKET("A", H(2), ""), 2);
	mk_tk_advance(tk, 20000);
	cr_expect_eq(count(tk, "SELECT count(*) FROM observations"), 2);
	finished(tk);
}

Test(service, locked_at_the_start_it_waits_and_then_begins)
{
	mk_tk *tk = started(NULL);
	int fd = -1;
	mk_err err;

	wait_state(tk, "\"ready\"");
	mk_tk_stop(tk);
	mk_tk_create(tk);
	mk_tk_free(tk);

	tk = mk_tk_new(&mk_plugin_v1, NULL);
	cr_assert_eq(mk_tk_create(tk), MK_OK);
	cr_assert_eq(db_lock(path_of(tk), &fd, &err), MK_OK, "%s", err.text);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	cr_expect(strstr(last(tk, "storage/state"), "\"waiting\"") != NULL);
	send(tk, "packet/decoded", "{'items':[]}", MK_EAGAIN);
	db_unlock(&fd);
	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	finished(tk);
}

Test(service, an_old_database_is_upgraded_on_a_thread_while_messages_wait)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, NULL);
	char command[700];
	FILE *p;

	cr_assert_eq(mk_tk_create(tk), MK_OK);
	snprintf(command, sizeof(command), "cp '%s/fixtures/corescope-old.db' '%s' 2>/dev/null",
		 TEST_SHARED, path_of(tk));
	p = popen(command, "r");
	cr_assert_not_null(p);
	if (pclose(p) != 0) {
		mk_tk_free(tk);
		cr_skip_test("the old database is not there");
	}
	chmod(path_of(tk), 0600);
	mk_tk_set_wall(tk, SECOND * 1000000);
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	cr_expect(strstr(last(tk, "storage/state"), "\"waiting\"") != NULL);
	send(tk, "packet/decoded", "{'items':[]}", MK_EAGAIN);
	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	mk_tk_advance(tk, 2000000);
	expect_acked(tk, 1);
	cr_expect_eq(count(tk, "SELECT count(*) > 400 FROM transmissions"), 1);
	cr_expect_not_null(strstr(last(tk, "storage/backfills"), "\"tx_last_seen_backfill_v1\""));
	/* SQLite keeps a few bytes for itself, once in a process. */
	cr_expect_leq(mk_tk_free(tk), 1, "%s", mk_tk_leaks());
}

Test(service, a_gap_asks_origins_to_send_again)
{
	mk_tk *tk = started(NULL);

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	mk_tk_advance(tk, 20000);
	expect_acked(tk, 1);
	cr_assert_eq(mk_tk_send_gap(tk, "packet/decoded", 3), MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect_str_eq(last(tk, "storage/committed"),
			 "{\"items\":[{\"source\":\"mqtt\",\"seq\":1,\"again\":true}]}");
	finished(tk);
}

Test(service, a_transaction_that_is_open_does_not_keep_it_from_asking)
{
	mk_tk *tk = started("commit_after: 10s");

	wait_state(tk, "\"ready\"");
	mk_tk_advance(tk, 1000000);
	send_packet(tk, PACKET("A", H(1), ""), 1);
	cr_assert_eq(mk_tk_send_gap(tk, "packet/decoded", 3), MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect(strstr(last(tk, "storage/committed"), "\"again\":true") != NULL);
	finished(tk);
}

Test(service, a_busy_bus_gets_it_later)
{
	mk_tk *tk = started(NULL);

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	mk_tk_publish_fails(tk, MK_EAGAIN, 2);
	mk_tk_advance(tk, 10000);
	cr_expect_eq(mk_tk_acked(tk, "packet/decoded"), 0);
	mk_tk_advance(tk, 20000);
	expect_acked(tk, 1);
	cr_expect_eq(mk_tk_published(tk, "packet/stored"), 1);
	finished(tk);
}

Test(service, allocations_may_fail_anywhere)
{
	mk_tk *tk;
	bool counted = true, failed = true;

	for (uint32_t n = 1; counted && failed && n < 400; n += n < 60 ? 3 : 17) {
		tk = mk_tk_new(&mk_plugin_v1, NULL);
		mk_tk_create(tk);
		counted = mk_tk_fail_alloc(tk, n);
		if (mk_tk_start(tk) == MK_OK) {
			mk_tk_advance(tk, 100000);
			mk_tk_send_raw(tk, "snapshot/rain", "\x81\xa2mm\x01", 5, 0);
			mk_tk_advance(tk, 2000000);
		}
		failed = mk_tk_alloc_failed(tk);
		mk_tk_fail_alloc(tk, 0);
		cr_expect_eq(mk_tk_free(tk), 0, "%u: %s", n, mk_tk_leaks());
	}
}

Test(service, new_options_are_taken_while_it_runs)
{
	mk_tk *tk = started("commit_rows: 100");

	wait_state(tk, "\"ready\"");
	cr_expect_eq(mk_tk_reconfigure(tk, "commit_rows: 1\nretention: { nodes: 3 }"), MK_OK);
	send_packet(tk, PACKET("A", H(1), ""), 1);
	expect_acked(tk, 1);
	cr_expect_eq(mk_tk_reconfigure(tk, "database: other.db"), MK_ERESTART);
	finished(tk);
}

Test(service, with_full_synchronous_a_commit_is_told_at_once)
{
	mk_tk *tk = started("{ synchronous: full, commit_rows: 1 }");

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	cr_expect_eq(mk_tk_acked(tk, "packet/decoded"), 1);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_number(tk, "syncs"), 0);
	finished(tk);
}

Test(service, commits_are_brought_to_the_disk_together)
{
	mk_tk *tk = started("{ commit_rows: 1, sync_after: 100ms }");

	wait_state(tk, "\"ready\"");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	expect_acked(tk, 1);
	mk_tk_forget(tk);
	for (uint64_t n = 2; n <= 50; n++)
		send_packet(tk, PACKET("A", H(1), ""), n);
	expect_acked(tk, 50);
	mk_tk_advance(tk, 1000000);
	cr_expect_leq(mk_tk_number(tk, "syncs"), 3);
	cr_expect_eq(mk_tk_published(tk, "storage/committed"), 1);
	finished(tk);
}

/* A folder in its place cannot be synced as a file would be; the checkpoint can. */
Test(service, what_cannot_be_synced_is_told_after_a_checkpoint)
{
	mk_tk *tk = started("commit_rows: 1");
	char wal[320], away[330];

	wait_state(tk, "\"ready\"");
	snprintf(wal, sizeof(wal), "%s-wal", path_of(tk));
	snprintf(away, sizeof(away), "%s-away", path_of(tk));
	cr_assert_eq(rename(wal, away), 0);
	cr_assert_eq(symlink(wal, wal), 0, "a link to itself cannot be opened");
	send_packet(tk, PACKET("A", H(1), ""), 1);
	for (int i = 0; i < 400 && strstr(last(tk, "storage/state"), "waiting") == NULL; i++)
		mk_tk_poll(tk, 10);
	cr_expect(strstr(last(tk, "storage/state"), "may not survive a power failure") != NULL,
		  "%s", last(tk, "storage/state"));
	cr_expect_eq(mk_tk_acked(tk, "packet/decoded"), 0);
	send(tk, "packet/decoded", "{'items':[]}", MK_EAGAIN);
	cr_assert_eq(unlink(wal), 0);
	cr_assert_eq(rename(away, wal), 0);
	wait_state(tk, "\"ready\"");
	expect_acked(tk, 1);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_number(tk, "sync_errors"), 1);
	cr_expect_eq(count(tk, "SELECT count(*) FROM observations"), 1);
	finished(tk);
}
