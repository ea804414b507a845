/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(batch, .timeout = 120);

#define H(n) "00112233445566a" #n
#define NO_EE                                                                      \
	"CREATE TRIGGER no_ee BEFORE INSERT ON observations WHEN new.path_json = " \
	"'[\"EE\"]' BEGIN SELECT RAISE(ABORT, 'not this one'); END"
#define EE(observer, hash)                                                                       \
	"{'at':1795244400000000,'observer':'" observer "','name':'" observer "','raw':'hex:15'," \
	"'hash':'" hash "','path':['EE']}"

Test(batch, a_packet_that_the_database_refuses_costs_only_itself)
{
	struct world *w = world_new();

	world_exec(w, NO_EE);
	cr_assert_eq(world_take(w, BATCH_PACKETS, 1, PACKET("A", H(1), "")), MK_OK);
	cr_assert_eq(world_take(w, BATCH_PACKETS, 2,
				PACKET("A", H(2), "") "," EE("NEW", H(3)) "," EE(
				    "A", H(4)) "," PACKET("B", H(5), "")),
		     MK_OK);
	world_commit(w);
	EXPECT_ROWS(w, "SELECT hash FROM transmissions ORDER BY hash", H(1) "\n" H(2) "\n" H(5));
	EXPECT_ROWS(w, "SELECT id, name, packet_count FROM observers ORDER BY id",
		    "A|Observer A|2\nB|Observer B|1");
	cr_expect_eq(w->stats.write_errors, 2);
	cr_expect_eq(w->acked[BATCH_PACKETS], 2);
	cr_expect(strstr(world_said(w, "packet/stored"), H(3)) == NULL);
	cr_expect(strstr(w->log, "not this one") != NULL, "%s", w->log);
	world_free(w);
}

Test(batch, an_observer_that_was_undone_is_made_by_its_next_packet)
{
	struct world *w = world_new();

	world_exec(w, NO_EE);
	SEND(w, BATCH_PACKETS, EE("NEW", H(1)) "," PACKET("NEW", H(2), ""));
	EXPECT_ROWS(w, "SELECT id, name, packet_count FROM observers", "NEW|Observer NEW|1");
	EXPECT_ROWS(w, "SELECT observer_idx FROM observations", "1");
	world_free(w);
}

Test(batch, a_name_that_was_undone_is_learnt_again)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("A", H(1), ""));
	world_exec(w, NO_EE);
	SEND(w, BATCH_PACKETS,
	     EE("A", H(2)) ",{'at':1795244400000000,'observer':'A','name':'A','raw':'hex:15',"
			   "'hash':'" H(3) "','path':[]}");
	EXPECT_ROWS(w, "SELECT name, packet_count FROM observers", "A|2");
	world_free(w);
}

Test(batch, a_transmission_that_a_job_deleted_is_made_again)
{
	struct world *w = world_new();

	SEND(w, BATCH_PACKETS, PACKET("A", H(1), ""));
	world_exec(w, "DELETE FROM observations; DELETE FROM transmissions");
	SEND(w, BATCH_PACKETS, PACKET("B", H(1), "") "," PACKET("B", H(2), ""));
	EXPECT_ROWS(w,
		    "SELECT t.hash, o.observer_idx FROM observations o JOIN transmissions t ON"
		    " t.id = o.transmission_id ORDER BY 1",
		    H(1) "|2\n" H(2) "|2");
	cr_expect_eq(w->stats.write_errors, 0);
	world_free(w);
}

Test(batch, a_full_disk_loses_nothing)
{
	struct world *w = world_new();
	mk_err err = { 0 };
	uint32_t n = 0;
	mk_result rc;

	world_exec(w, "PRAGMA max_page_count = 100");
	do {
		n++;
		rc = world_take(w, BATCH_PACKETS, n,
				"{'at':1795244400000000,'observer':'A','raw':'hex:%0400d',"
				"'hash':'%016x','path':[]}",
				1, n);
		if (rc == MK_OK && n % 10 == 0)
			rc = batch_commit(&w->batch, false, &err);
		batch_settle(&w->batch);
	} while (rc == MK_OK);
	cr_assert_eq(rc, MK_EFULL);
	cr_expect_leq(w->acked[BATCH_PACKETS], n - 1);
	cr_expect_eq(batch_retry(&w->batch, &err), MK_EFULL, "it is full still");
	cr_expect(w->batch.failed);
	world_exec(w, "PRAGMA max_page_count = 100000");
	w->said_count = 0;
	cr_expect_eq(batch_retry(&w->batch, &err), MK_OK, "%s", err.text);
	batch_settle(&w->batch);
	cr_expect_eq(w->acked[BATCH_PACKETS], n);
	snprintf(w->log, sizeof(w->log), "%u|%u", n, n);
	EXPECT_ROWS(w, "SELECT count(*), (SELECT packet_count FROM observers) FROM observations",
		    w->log);
	world_free(w);
}

Test(batch, while_another_program_has_it_locked_messages_are_kept)
{
	struct world *w = world_new();
	mk_err err = { 0 };
	sqlite3 *other;

	cr_assert_eq(sqlite3_open(w->path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	cr_expect_eq(world_take(w, BATCH_PACKETS, 1, PACKET("A", H(1), "")), MK_EAGAIN);
	cr_expect_eq(batch_retry(&w->batch, &err), MK_EAGAIN);
	cr_assert_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(other);
	cr_expect_eq(batch_retry(&w->batch, &err), MK_OK);
	batch_settle(&w->batch);
	EXPECT_ROWS(w, "SELECT hash FROM transmissions", H(1));
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	world_free(w);
}

Test(batch, messages_are_kept_over_a_new_connection)
{
	struct world *w = world_new();
	mk_err err = { 0 };

	cr_assert_eq(world_take(w, BATCH_PACKETS, 1, PACKET("A", H(1), "")), MK_OK);
	batch_detach(&w->batch);
	open_close(&w->opened);
	world_attach(w);
	EXPECT_ROWS(w, "SELECT count(*) FROM transmissions", "0");
	cr_assert(w->batch.failed);
	cr_expect_eq(batch_retry(&w->batch, &err), MK_OK);
	batch_settle(&w->batch);
	EXPECT_ROWS(w, "SELECT hash FROM transmissions", H(1));
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	world_free(w);
}

Test(batch, a_transaction_is_full_by_rows)
{
	struct world *w = world_new();
	mk_msg msg = { .struct_size = sizeof(msg),
		       .topic = "packet/decoded",
		       .origin = "decode",
		       .epoch = 7 };
	mk_writer body;
	bool full;

	w->batch.max_rows = 3;
	json_write(&body, "{'items':[" PACKET("A", H(1), "") "," PACKET("A", H(2), "") "]}");
	msg.body = body.data;
	msg.body_len = (uint32_t)body.len;
	cr_assert_eq(batch_take(&w->batch, &msg, &full, NULL), MK_OK);
	cr_expect_not(full);
	cr_assert_eq(batch_take(&w->batch, &msg, &full, NULL), MK_OK);
	cr_expect(full);
	mk_writer_fini(&body);
	world_free(w);
}

Test(batch, what_the_bus_does_not_take_is_told_later_and_then_acknowledged)
{
	struct world *w = world_new();

	cr_assert_eq(world_take(w, BATCH_PACKETS, 1, PACKET("A", H(1), "")), MK_OK);
	w->refuse = 2;
	world_commit(w);
	cr_expect_eq(w->said_count, 0);
	cr_expect_eq(w->acked[BATCH_PACKETS], 0);
	cr_expect_not(batch_settle(&w->batch));
	cr_expect(batch_settle(&w->batch));
	cr_expect_eq(w->said_count, 3);
	cr_expect(strncmp(w->said[0], "packet/stored ", 14) == 0);
	cr_expect(strncmp(w->said[2], "storage/committed ", 18) == 0, "after what it is about");
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	world_free(w);
}

Test(batch, a_message_that_is_none_is_acknowledged_and_counted)
{
	struct world *w = world_new();
	mk_msg msg = { .struct_size = sizeof(msg),
		       .topic = "packet/decoded",
		       .origin = "decode",
		       .epoch = 7,
		       .seq = 1,
		       .body = "\x81\xa5items",
		       .body_len = 7 };
	bool full;

	cr_assert_eq(batch_take(&w->batch, &msg, &full, NULL), MK_OK);
	msg.body = "\x81\xa1x\x01";
	msg.body_len = 4;
	msg.seq = 2;
	cr_assert_eq(batch_take(&w->batch, &msg, &full, NULL), MK_OK);
	world_commit(w);
	cr_expect_eq(w->acked[BATCH_PACKETS], 2);
	cr_expect_eq(w->stats.bad_items, 1);
	world_free(w);
}

Test(batch, the_same_messages_after_a_crash_change_nothing)
{
	struct world *w = world_new();
	char before[4096];
	static const char all[] =
	    "SELECT (SELECT group_concat(id || hash || last_seen) FROM transmissions),"
	    " (SELECT group_concat(id || transmission_id || observer_idx) FROM observations),"
	    " (SELECT group_concat(id || packet_count || last_seen) FROM observers),"
	    " (SELECT group_concat(public_key || advert_count || last_seen) FROM nodes)";

	for (int round = 0; round < 3; round++) {
		SEND(w, BATCH_PACKETS,
		     PACKET("A", H(1), "") "," PACKET("B", H(1), "") "," ADVERT("A", H(2), KEY_A,
										"'name':'N'"));
		if (round == 0)
			snprintf(before, sizeof(before), "%s", world_rows(w, all));
		else
			EXPECT_ROWS(w, all, before);
		world_crash(w);
	}
	world_free(w);
}

Test(batch, what_was_committed_is_in_a_copy_of_the_files_at_that_moment)
{
	struct world *w = world_new();
	static const char *const suffixes[] = { "", "-wal" };
	char from[128], to[128], copy[96], command[400];
	sqlite3_stmt *s;
	sqlite3 *db;

	snprintf(copy, sizeof(copy), "%s/copy.db", w->dir);
	for (uint32_t round = 1; round <= 20; round++) {
		for (uint32_t i = 0; i < 20; i++)
			cr_assert_eq(
			    world_take(w, BATCH_PACKETS, (round - 1) * 20 + i + 1,
				       "{'at':1795244400000000,'observer':'A','raw':'hex:15'"
				       ",'hash':'%016x','path':[]}",
				       round * 100 + i),
			    MK_OK);
		world_commit(w);
		/* A transaction is under way while the power fails. */
		cr_assert_eq(world_take(w, BATCH_STATUS, 0,
					"{'at':1795244400000000,'observer':'%u'}", round),
			     MK_OK);
		for (size_t i = 0; i < 2; i++) {
			snprintf(from, sizeof(from), "%s%s", w->path, suffixes[i]);
			snprintf(to, sizeof(to), "%s%s", copy, suffixes[i]);
			snprintf(command, sizeof(command), "cp %s %s", from, to);
			FILE *p = popen(command, "r");
			cr_assert_not_null(p);
			cr_assert_eq(pclose(p), 0);
		}
		cr_assert_eq(sqlite3_open(copy, &db), SQLITE_OK);
		cr_assert_eq(
		    sqlite3_prepare_v2(db,
				       "SELECT (SELECT count(*) FROM observations),"
				       " (SELECT mark FROM mk_sources),"
				       " (SELECT packet_count FROM observers WHERE id = 'A'),"
				       " integrity_check FROM pragma_integrity_check",
				       -1, &s, NULL),
		    SQLITE_OK);
		cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
		cr_expect_eq(sqlite3_column_int(s, 0), (int)round * 20);
		cr_expect_eq(sqlite3_column_int(s, 1), (int)round * 20);
		cr_expect_eq(sqlite3_column_int(s, 2), (int)round * 20);
		cr_expect_str_eq((const char *)sqlite3_column_text(s, 3), "ok");
		sqlite3_finalize(s);
		sqlite3_close(db);
		unlink(to);
		snprintf(to, sizeof(to), "%s-shm", copy);
		unlink(to);
		unlink(copy);
		world_commit(w);
	}
	world_free(w);
}
