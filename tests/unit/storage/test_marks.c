/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(marks, .timeout = 120);

#define TAKE(w, topic, number, item) cr_assert_eq(world_take(w, topic, number, "%s", item), MK_OK)
#define CLIENT                                                                            \
	"{'at':1795244400000000,'companion':'aa','heard':'bbcc','bytes':2,'src':'rxlog'," \
	"'rx_at':1795244390,'lat':1,'lon':2}"
#define STATUS "{'at':1795244400000000,'observer':'O'}"
#define ANY PACKET("O", "0011223344556677", "")

Test(marks, a_mark_goes_on_where_no_number_is_missing_whatever_the_topic)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_STATUS, 3, STATUS);
	world_commit(w);
	cr_expect(strstr(world_said(w, "storage/committed"), "\"seq\":1}") != NULL);
	TAKE(w, BATCH_CLIENT, 2, CLIENT);
	world_commit(w);
	cr_expect(strstr(world_said(w, "storage/committed"), "\"seq\":3}") != NULL);
	EXPECT_ROWS(w, "SELECT * FROM mk_sources", "mqtt|7|3");
	world_free(w);
}

Test(marks, a_message_above_a_hole_is_acknowledged_when_the_hole_closes)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 3, ANY);
	world_commit(w);
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	TAKE(w, BATCH_STATUS, 2, STATUS);
	world_commit(w);
	cr_expect_eq(w->acked[BATCH_PACKETS], 2);
	cr_expect_eq(w->acked[BATCH_STATUS], 1);
	world_free(w);
}

Test(marks, nothing_is_acknowledged_before_the_commit)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	batch_settle(&w->batch);
	cr_expect_eq(w->acked[BATCH_PACKETS], 0);
	cr_expect_eq(w->said_count, 0);
	world_commit(w);
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	world_free(w);
}

Test(marks, a_restart_in_the_same_epoch_goes_on_at_the_mark)
{
	struct world *w = world_new();

	for (uint64_t n = 1; n <= 4; n++)
		TAKE(w, BATCH_PACKETS, n, ANY);
	world_commit(w);
	world_crash(w);
	w->acked[BATCH_PACKETS] = 0;
	TAKE(w, BATCH_PACKETS, 4, ANY);
	TAKE(w, BATCH_PACKETS, 5, ANY);
	world_commit(w);
	cr_expect(strstr(world_said(w, "storage/committed"), "\"seq\":5}") != NULL);
	cr_expect_eq(w->acked[BATCH_PACKETS], 6);
	world_free(w);
}

Test(marks, a_mark_of_another_epoch_means_nothing)
{
	struct world *w = world_new();

	world_exec(w, "INSERT INTO mk_sources VALUES ('mqtt', 6, 1000)");
	TAKE(w, BATCH_PACKETS, 1, ANY);
	world_commit(w);
	EXPECT_ROWS(w, "SELECT * FROM mk_sources", "mqtt|7|1");
	world_free(w);
}

Test(marks, a_hole_that_does_not_close_is_asked_for_ever_more_seldom)
{
	struct world *w = world_new();
	uint32_t asked = 0;

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 3, ANY);
	world_commit(w);
	w->said_count = 0;
	for (int second = 0; second < 60; second++) {
		w->now_us += 1000000;
		batch_ask(&w->batch);
	}
	batch_settle(&w->batch);
	for (uint32_t i = 0; i < w->said_count; i++)
		for (const char *p = w->said[i]; (p = strstr(p, "\"again\":true")) != NULL; p++)
			asked++;
	cr_expect_eq(asked, 3, "after 5, 15 and 35 seconds, not %u times", asked);
	cr_expect(strstr(world_said(w, "storage/committed"),
			 "{\"source\":\"mqtt\",\"seq\":1,\"again\":true}") != NULL);
	world_free(w);
}

Test(marks, after_a_gap_every_origin_is_asked_at_once)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	world_commit(w);
	w->said_count = 0;
	batch_gap(&w->batch);
	batch_ask(&w->batch);
	batch_settle(&w->batch);
	cr_expect(strstr(world_said(w, "storage/committed"),
			 "{\"source\":\"mqtt\",\"seq\":1,\"again\":true}") != NULL);
	cr_expect_eq(w->stats.gaps, 1);
	world_free(w);
}

Test(marks, a_message_of_nobody_is_stored_and_acknowledged)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 0, ANY);
	world_commit(w);
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	EXPECT_ROWS(w, "SELECT count(*) FROM observations", "1");
	world_free(w);
}

Test(marks, a_hundred_thousand_numbers_above_a_hole_are_remembered)
{
	struct marks *m = calloc(1, sizeof(*m));
	struct world *w = world_new();
	uint32_t i;

	marks_init(m, w->opened.db);
	cr_assert_eq(marks_get(m, 1, "mqtt", 4, 1, &i, NULL), MK_OK);
	for (uint64_t n = 2; n <= 100000; n++)
		cr_assert(marks_take(m, i, n, true));
	cr_expect_not(marks_take(m, i, 1000000, true), "that is too far");
	cr_expect_eq(m->list[i].mark, 0);
	cr_assert(marks_take(m, i, 1, true));
	cr_expect_eq(m->list[i].mark, 100000);
	for (uint64_t n = 300000; n > 100000; n--)
		(void)marks_take(m, i, n, true);
	cr_expect_eq(m->list[i].mark, 100000 + MARKS_WINDOW, "old bits do not count again");
	marks_fini(m);
	free(m);
	world_free(w);
}

Test(marks, names_of_origins_are_bounded)
{
	struct marks *m = calloc(1, sizeof(*m));
	struct world *w = world_new();
	mk_err err;
	uint32_t i;
	char name[16];

	marks_init(m, w->opened.db);
	for (uint32_t n = 0; n < MARKS_ORIGINS; n++) {
		snprintf(name, sizeof(name), "p%u", n);
		cr_assert_eq(marks_get(m, 1, name, strlen(name), 1, &i, &err), MK_OK);
	}
	cr_expect_eq(marks_get(m, 1, "more", 4, 1, &i, &err), MK_EFULL);
	cr_expect_eq(marks_get(m, 1, "", 0, 1, &i, &err), MK_EFORMAT);
	marks_fini(m);
	free(m);
	world_free(w);
}

/* Seconds pass, and in each everything above the hole comes again if it was asked for. */
static void
pass(struct world *w, int seconds, enum batch_topic topic, uint64_t from, uint64_t to)
{
	const char *item = topic == BATCH_PACKETS ? ANY : STATUS;

	for (; seconds > 0; seconds--) {
		uint64_t asked = w->stats.asked_again;

		w->now_us += 1000000;
		batch_ask(&w->batch);
		if (batch_close_holes(&w->batch))
			world_commit(w);
		for (uint64_t n = from; n <= to && w->stats.asked_again > asked; n++)
			TAKE(w, topic, n, item);
		world_commit(w);
	}
}

Test(marks, holes_that_do_not_close_although_all_else_came_again_are_given_up)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	for (uint64_t n = 4; n <= 9; n++)
		TAKE(w, BATCH_PACKETS, n, ANY);
	TAKE(w, BATCH_PACKETS, 11, ANY);
	world_commit(w);
	pass(w, 70, BATCH_PACKETS, 4, 9);
	cr_expect_eq(w->batch.marks.list[0].mark, 1, "11 did not come again: it is on its way");
	for (int i = 0; i < 240 && w->stats.numbers_lost == 0; i++) {
		pass(w, 1, BATCH_PACKETS, 4, 9);
		TAKE(w, BATCH_PACKETS, 11, ANY);
	}
	world_commit(w);
	cr_expect_eq(w->stats.numbers_lost, 3);
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "11");
	cr_expect(strstr(w->log, "count=3 mark=11") != NULL, "%s", w->log);
	cr_expect_eq(w->acked[BATCH_PACKETS], w->seq[BATCH_PACKETS]);
	world_free(w);
}

Test(marks, a_hole_is_kept_while_nothing_comes_by_way_of_decode)
{
	struct world *w = world_new();

	TAKE(w, BATCH_STATUS, 1, STATUS);
	TAKE(w, BATCH_STATUS, 3, STATUS);
	world_commit(w);
	pass(w, 400, BATCH_STATUS, 3, 3);
	cr_expect_eq(w->stats.numbers_lost, 0, "2 may be a packet that waits for decode");
	cr_expect_gt(w->stats.asked_again, 4u);
	world_free(w);
}

Test(marks, a_hole_is_kept_while_its_origin_says_nothing)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 3, ANY);
	world_commit(w);
	pass(w, 400, BATCH_PACKETS, 1, 0);
	cr_expect_eq(w->stats.numbers_lost, 0);
	TAKE(w, BATCH_PACKETS, 2, ANY);
	world_commit(w);
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "3");
	world_free(w);
}

Test(marks, a_hole_wider_than_the_window_is_given_up_too)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 500001, ANY);
	TAKE(w, BATCH_PACKETS, 500002, ANY);
	world_commit(w);
	pass(w, 90, BATCH_PACKETS, 500001, 500002);
	cr_expect_eq(w->stats.numbers_lost, 499999);
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "500002");
	world_free(w);
}

Test(marks, what_is_committed_is_told_when_it_is_on_the_disk)
{
	struct world *w = world_new();

	w->batch.lazy = true;
	TAKE(w, BATCH_PACKETS, 1, ANY);
	world_commit(w);
	cr_expect_str_neq(world_said(w, "packet/stored"), "", "that does not wait for the disk");
	cr_expect_str_eq(world_said(w, "storage/committed"), "");
	cr_expect_eq(w->acked[BATCH_PACKETS], 0);
	cr_assert(batch_sync_begins(&w->batch));
	TAKE(w, BATCH_PACKETS, 2, ANY);
	world_commit(w);
	TAKE(w, BATCH_PACKETS, 3, ANY);
	batch_synced(&w->batch);
	batch_settle(&w->batch);
	cr_expect(strstr(world_said(w, "storage/committed"), "\"seq\":1}") != NULL,
		  "the second commit was after the sync began");
	cr_expect_eq(w->acked[BATCH_PACKETS], 1);
	cr_expect_eq(world_said(w, "packet/stored"), w->said[0], "a transaction is open");
	cr_assert(batch_sync_begins(&w->batch));
	batch_synced(&w->batch);
	cr_expect_not(batch_sync_begins(&w->batch), "nothing new");
	world_free(w);
}

Test(marks, after_a_crash_what_was_committed_is_synced_before_it_is_told)
{
	struct world *w = world_new();

	w->batch.lazy = true;
	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 2, ANY);
	world_commit(w);
	world_crash(w);
	w->batch.lazy = true;
	TAKE(w, BATCH_PACKETS, 2, ANY);
	world_commit(w);
	cr_expect_eq(w->batch.marks.list[0].mark, 2);
	cr_expect_eq(w->acked[BATCH_PACKETS], 0);
	cr_assert(batch_sync_begins(&w->batch));
	batch_synced(&w->batch);
	batch_settle(&w->batch);
	cr_expect_eq(w->acked[BATCH_PACKETS], 3);
	world_free(w);
}

/* ----------------------------------------------------------------- poison -- */

static void
poison(struct world *w, const char *json)
{
	mk_msg msg = { .struct_size = sizeof(msg), .topic = "core/poison", .origin = "core" };
	mk_writer body;

	json_write(&body, json);
	msg.body = body.data;
	msg.body_len = (uint32_t)body.len;
	batch_poison(&w->batch, &msg);
	mk_writer_fini(&body);
	if (batch_close_holes(&w->batch))
		world_commit(w);
}

#define OF_RAW(plugin, epoch, number)                                          \
	"{'plugin':'" plugin "','topic':'rx/raw','epoch':" epoch ",'seq':500," \
	"'origin':'mqtt','origin_seq':" number ",'signal':11,'body':'hex:80'}"

Test(marks, a_message_that_crashes_decode_leaves_no_hole)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	TAKE(w, BATCH_PACKETS, 3, ANY);
	world_commit(w);
	poison(w, OF_RAW("decode", "7", "2"));
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "3");
	cr_expect_eq(w->acked[BATCH_PACKETS], 2);
	cr_expect_eq(w->stats.numbers_poisoned, 1);
	cr_expect(strstr(w->log, "it crashes decode  source=mqtt number=2") != NULL, "%s", w->log);
	poison(w, OF_RAW("decode", "7", "2"));
	cr_expect_eq(w->stats.numbers_poisoned, 1);
	world_free(w);
}

Test(marks, one_that_crashes_a_bystander_or_was_in_another_epoch_is_still_waited_for)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	world_commit(w);
	poison(w, OF_RAW("neighbors", "7", "2"));
	poison(w, OF_RAW("decode", "6", "2"));
	poison(w, "{'plugin':'decode','topic':'rx/raw','epoch':7,'seq':3,'signal':11}");
	poison(w, "{'plugin':'decode','topic':'rx/status','epoch':7,'origin':'mqtt',"
		  "'origin_seq':2,'signal':11,'body':'hex:80'}");
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "1");
	cr_expect_eq(w->batch.poison_count, 0);
	world_free(w);
}

Test(marks, a_poison_that_comes_before_its_origin_is_remembered)
{
	struct world *w = world_new();

	poison(w, OF_RAW("decode", "7", "1"));
	for (uint64_t n = 0; n < 2 * BATCH_POISONS; n++)
		poison(w, OF_RAW("decode", "7", "1"));
	cr_expect_eq(w->batch.poison_count, BATCH_POISONS);
	TAKE(w, BATCH_PACKETS, 2, ANY);
	world_commit(w);
	cr_expect(batch_close_holes(&w->batch));
	world_commit(w);
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "2");
	cr_expect_eq(w->stats.numbers_poisoned, 1);
	world_free(w);
}

/* {source: "mqtt", seq: 2} is in the body of what decode said of it. */
Test(marks, a_message_that_crashes_storage_itself_leaves_no_hole)
{
	struct world *w = world_new();

	TAKE(w, BATCH_PACKETS, 1, ANY);
	world_commit(w);
	poison(w, "{'plugin':'storage','topic':'packet/decoded','epoch':7,'signal':11,"
		  "'body':'hex:82a6736f75726365a46d717474a373657102'}");
	poison(w, "{'plugin':'storage','topic':'rx/status','epoch':7,'origin':'mqtt',"
		  "'origin_seq':3,'signal':11,'body':'hex:80'}");
	EXPECT_ROWS(w, "SELECT mark FROM mk_sources", "3");
	world_free(w);
}
