/* SPDX-License-Identifier: MIT */
#include "ingest_fixture.h"

TestSuite(marks, .timeout = 10);

#define TAKE(w, topic, number, item) cr_assert_eq(world_take(w, topic, number, item), MK_OK)
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
		cr_assert(marks_take(m, i, n));
	cr_expect_not(marks_take(m, i, 1000000), "that is too far");
	cr_expect_eq(m->list[i].mark, 0);
	cr_assert(marks_take(m, i, 1));
	cr_expect_eq(m->list[i].mark, 100000);
	for (uint64_t n = 300000; n > 100000; n--)
		(void)marks_take(m, i, n);
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
