/* SPDX-License-Identifier: MIT
 *
 * Which backfill goes on when, and the plugin around it on the fake bus of the test kit.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <meshkern/testkit.h>

#include <backfill/plan.h>

TestSuite(plan, .timeout = 120);

#define SECOND UINT64_C(1000000)

struct row {
	const char *name, *state, *waits;
	int64_t done;
	bool paused;
};

static void
put_row(mk_writer *w, const struct row *r, uint32_t more)
{
	mk_put_map(w, 7 + more);
	mk_kv_str(w, "name", r->name);
	mk_kv_str(w, "kind", "backfill");
	mk_kv_str(w, "state", r->state);
	mk_kv_str(w, "waits", r->waits == NULL ? "" : r->waits);
	mk_kv_i64(w, "done", r->done);
	mk_kv_i64(w, "total", 100);
	mk_kv_bool(w, "paused", r->paused);
}

static void
put_rows(mk_writer *w, const struct row *rows, uint32_t count)
{
	mk_writer_init(w, 0);
	mk_put_map(w, 1);
	mk_kv_array(w, "items", count);
	for (uint32_t i = 0; i < count; i++)
		put_row(w, &rows[i], 0);
	cr_assert_eq(mk_writer_end(w), MK_OK);
}

static bool
read_rows(struct plan *p, const struct row *rows, uint32_t count)
{
	mk_writer w;
	mk_doc doc;
	bool good;

	put_rows(&w, rows, count);
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0), MK_OK);
	good = plan_read(p, mk_doc_root(&doc));
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
	return good;
}

static const char *
next(struct plan *p, uint64_t now, uint64_t *wait)
{
	const struct plan_item *item = plan_next(p, now, wait);

	return item == NULL ? "none" : item->name;
}

static struct plan plan;

Test(plan, what_is_over_paused_or_waits_for_another_is_left_out)
{
	static const struct row rows[] = {
		{ .name = "a", .state = "done" },
		{ .name = "b", .state = "failed" },
		{ .name = "c", .state = "pending", .paused = true },
		{ .name = "d", .state = "pending", .waits = "c" },
		{ .name = "e", .state = "interrupted" },
		{ .name = "f", .state = "pending" },
	};
	uint64_t wait;

	cr_assert(read_rows(&plan, rows, 6));
	cr_expect_str_eq(next(&plan, 1, &wait), "e");
	cr_assert(read_rows(&plan, rows, 4));
	cr_expect_str_eq(next(&plan, 1, &wait), "none");
	cr_expect_eq(wait, UINT64_MAX);
}

Test(plan, after_an_error_it_waits_longer_each_time_and_others_go_on)
{
	static const struct row rows[] = { { .name = "a", .state = "pending" },
					   { .name = "b", .state = "pending" } };
	uint64_t wait;

	cr_assert(read_rows(&plan, rows, 2));
	plan_failed(&plan.items[0], 0, "locked");
	cr_expect_str_eq(next(&plan, SECOND - 1, &wait), "b");
	cr_expect_str_eq(next(&plan, SECOND, &wait), "a");
	plan_failed(&plan.items[0], 0, "locked");
	plan_failed(&plan.items[1], 0, "locked");
	cr_expect_str_eq(next(&plan, 0, &wait), "none");
	cr_expect_eq(wait, SECOND);
	for (int i = 0; i < 20; i++)
		plan_failed(&plan.items[0], 0, "locked");
	cr_expect_eq(plan.items[0].due_us, 60 * SECOND);
	/* News do not shorten it. */
	cr_assert(read_rows(&plan, rows, 1));
	cr_expect_str_eq(next(&plan, 59 * SECOND, &wait), "none");
}

Test(plan, a_list_that_is_older_than_an_answer_changes_nothing)
{
	static const struct row late[] = { { .name = "a", .state = "running", .done = 10 } };
	static const struct row early[] = { { .name = "a", .state = "interrupted", .done = 5 } };
	static const struct row again[] = { { .name = "a", .state = "pending" } };

	cr_assert(read_rows(&plan, late, 1));
	cr_assert(read_rows(&plan, early, 1));
	cr_expect_eq(plan.items[0].done, 10);
	cr_expect_str_eq(plan.items[0].state, "running");
	cr_assert(read_rows(&plan, again, 1));
	cr_expect_eq(plan.items[0].done, 0, "somebody wants it again");
}

Test(plan, nonsense_leaves_the_plan_as_it_is)
{
	static const struct row good[] = { { .name = "a", .state = "pending" } };
	static struct row many[PLAN_MAX + 1];
	char name[100];

	for (uint32_t i = 0; i <= PLAN_MAX; i++)
		many[i] = good[0];
	cr_assert(read_rows(&plan, good, 1));
	cr_expect_not(read_rows(&plan, many, PLAN_MAX + 1));
	memset(name, 'x', 99);
	name[99] = '\0';
	many[0].name = name;
	cr_expect_not(read_rows(&plan, many, 1));
	cr_expect_not(plan_read(&plan, NULL));
	cr_expect_eq(plan.count, 1);
}

/* --------------------------------------------------------------------- the plugin -- */

static void
send_rows(mk_tk *tk, const struct row *rows, uint32_t count)
{
	mk_writer w;

	put_rows(&w, rows, count);
	cr_assert_eq(mk_tk_send(tk, "storage/backfills", &w), MK_OK);
	mk_writer_fini(&w);
}

static void
answer(mk_tk *tk, struct row row, uint64_t held_us, bool busy)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	put_row(&w, &row, 2);
	mk_kv_u64(&w, "held_us", held_us);
	mk_kv_bool(&w, "busy", busy);
	cr_assert_eq(mk_tk_answer(tk, MK_OK, "", &w), MK_OK);
	mk_writer_fini(&w);
}

static const char *
progress(mk_tk *tk)
{
	uint32_t n = mk_tk_published(tk, "backfill/progress");

	return n == 0 ? "" : mk_tk_json(tk, "backfill/progress", n - 1);
}

static const struct row one = { .name = "a", .state = "running" };

static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	mk_tk_advance(tk, 10 * SECOND);
	return tk;
}

static void
finished(mk_tk *tk)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

Test(plan, one_step_at_a_time_each_followed_by_its_pause)
{
	mk_tk *tk = started("{ hold: 8ms, share: 80, busy_share: 25 }");
	struct row row = one;

	cr_expect_null(mk_tk_asked(tk));
	send_rows(tk, &one, 1);
	cr_expect_str_eq(mk_tk_asked(tk), "storage/step");
	cr_expect_str_eq(mk_tk_asked_json(tk), "{\"name\":\"a\",\"hold_us\":8000}");
	send_rows(tk, &one, 1);
	row.done = 10;
	answer(tk, row, 8000, false);
	cr_expect_null(mk_tk_asked(tk), "two were asked for");
	mk_tk_advance(tk, 1999);
	cr_expect_null(mk_tk_asked(tk));
	mk_tk_advance(tk, 1);
	cr_expect_not_null(mk_tk_asked(tk));
	answer(tk, row, 8000, true);
	mk_tk_advance(tk, 23999);
	cr_expect_null(mk_tk_asked(tk));
	mk_tk_advance(tk, 1);
	cr_expect_not_null(mk_tk_asked(tk));
	answer(tk, (struct row){ .name = "a", .state = "done", .done = 10 }, 1, false);
	mk_tk_advance(tk, 100 * SECOND);
	cr_expect_null(mk_tk_asked(tk));
	finished(tk);
}

Test(plan, progress_is_told_once_a_second_and_an_end_at_once_and_once)
{
	mk_tk *tk = started("share: 100");
	struct row row = one;

	send_rows(tk, &one, 1);
	cr_assert_eq(mk_tk_published(tk, "backfill/progress"), 1);
	for (int i = 0; i < 10; i++) {
		row.done = i;
		answer(tk, row, 1000, false);
		mk_tk_advance(tk, 1000);
	}
	cr_expect_eq(mk_tk_published(tk, "backfill/progress"), 1);
	mk_tk_advance(tk, SECOND);
	cr_expect_eq(mk_tk_published(tk, "backfill/progress"), 2);
	row.state = "done";
	row.done = 10;
	answer(tk, row, 1000, false);
	cr_expect_eq(mk_tk_published(tk, "backfill/progress"), 3);
	cr_expect_not_null(strstr(progress(tk), "\"state\":\"done\""));
	send_rows(tk, &row, 1);
	mk_tk_advance(tk, 10 * SECOND);
	cr_expect_eq(mk_tk_published(tk, "backfill/progress"), 3);
	finished(tk);
}

Test(plan, what_storage_refuses_is_shown_and_tried_again)
{
	mk_tk *tk = started(NULL);

	send_rows(tk, &one, 1);
	cr_assert_eq(mk_tk_answer(tk, MK_EAGAIN, "the database is locked", NULL), MK_OK);
	mk_tk_advance(tk, SECOND - 1);
	cr_expect_null(mk_tk_asked(tk));
	cr_expect_not_null(strstr(progress(tk), "the database is locked"), "%s", progress(tk));
	mk_tk_advance(tk, 1);
	cr_expect_not_null(mk_tk_asked(tk));
	finished(tk);
}

Test(plan, the_operators_word_goes_to_storage_and_its_answer_back)
{
	mk_tk *tk = started(NULL);
	mk_writer w;

	send_rows(tk, &one, 1);
	answer(tk, (struct row){ .name = "a", .state = "failed" }, 1, false);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "name", "a");
	mk_kv_str(&w, "do", "retry");
	cr_expect_eq(mk_tk_call(tk, "backfill/control", &w), MK_EAGAIN);
	cr_expect_str_eq(mk_tk_asked(tk), "storage/backfill");
	cr_expect_str_eq(mk_tk_asked_json(tk), "{\"name\":\"a\",\"do\":\"retry\"}");
	cr_assert_eq(mk_tk_answer(tk, MK_ESTATE, "no", NULL), MK_OK);
	cr_assert_not_null(mk_tk_reply(tk));
	cr_expect_eq(mk_tk_reply(tk)->result, MK_ESTATE);
	cr_expect_str_eq(mk_tk_reply(tk)->error, "no");
	mk_writer_reset(&w);
	mk_put_map(&w, 0);
	cr_expect_eq(mk_tk_call(tk, "backfill/list", &w), MK_OK);
	mk_writer_fini(&w);
	finished(tk);
}

Test(plan, it_is_told_who_wanted_it_how_large_steps_are_and_how_often_ingest_went_first)
{
	mk_tk *tk = started("share: 100");
	struct row row = one, guest = { .name = "rain.heights", .state = "done" };

	send_rows(tk, &one, 1);
	cr_expect_not_null(strstr(progress(tk), "\"by\":\"upgrade\""), "%s", progress(tk));
	cr_expect_null(strstr(progress(tk), "steps"));
	for (int i = 1; i <= 90; i++) {
		/* 100 rows a second, and 10 after a minute. */
		row.done += i <= 60 ? 100 : 10;
		answer(tk, row, 1000, i % 3 == 0);
		mk_tk_advance(tk, SECOND);
	}
	cr_expect_not_null(strstr(progress(tk),
				  "\"steps\":90,\"yields\":30,\"batch\":10,\"began_us\":"),
			   "%s", progress(tk));
	cr_expect_not_null(strstr(progress(tk), "\"rate_now\":"), "%s", progress(tk));
	cr_expect_eq(mk_tk_number(tk, "yields"), 30);
	cr_expect(mk_tk_log_has(tk, "backfill a: begins  rows=100 of=100"));
	send_rows(tk, &guest, 1);
	mk_tk_advance(tk, SECOND);
	cr_expect_not_null(strstr(progress(tk), "\"by\":\"plugin rain\""), "%s", progress(tk));
	finished(tk);
}

Test(plan, the_rate_of_now_is_that_of_the_last_minute)
{
	struct plan_item item = { .done = 5000 };
	uint64_t now = 7 * SECOND;

	plan_stepped(&item, now, 1, false);
	cr_expect(item.pace.rate == 0 && item.pace.batch == 0 && item.pace.began_us == 1);
	for (int i = 1; i <= 120; i++) {
		item.done += i <= 60 ? 100 : 10;
		plan_stepped(&item, now + (uint64_t)i * SECOND, 2, false);
		if (i == 60)
			cr_expect_float_eq(item.pace.rate, 100, 0.01);
	}
	cr_expect_float_eq(item.pace.rate, 10, 0.01);
	item.done = 3; /* from the start again */
	plan_stepped(&item, now + 121 * SECOND, 9, true);
	cr_expect(item.pace.rate == 0 && item.pace.batch == 0 && item.pace.began_us == 9);
}

Test(plan, a_job_that_the_operator_wanted_again_is_his)
{
	mk_tk *tk = started(NULL);
	mk_writer w;

	send_rows(tk, &one, 1);
	answer(tk, (struct row){ .name = "a", .state = "failed" }, 1, false);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "name", "a");
	mk_kv_str(&w, "do", "retry");
	cr_expect_eq(mk_tk_call(tk, "backfill/control", &w), MK_EAGAIN);
	mk_writer_reset(&w);
	mk_put_map(&w, 0);
	cr_assert_eq(mk_tk_answer(tk, MK_OK, "", &w), MK_OK);
	mk_writer_fini(&w);
	send_rows(tk, &(struct row){ .name = "a", .state = "pending" }, 1);
	mk_tk_advance(tk, SECOND);
	cr_expect_not_null(strstr(progress(tk), "\"by\":\"operator\""), "%s", progress(tk));
	cr_expect(mk_tk_log_has(tk, "backfill a: retry, by the operator"));
	finished(tk);
}

Test(plan, while_all_is_paused_storage_hears_that_somebody_is_there)
{
	const struct row paused = { .name = "a", .state = "pending", .paused = true };
	mk_tk *tk = started(NULL);

	send_rows(tk, &paused, 1);
	mk_tk_advance(tk, 4 * SECOND);
	cr_expect_str_eq(mk_tk_asked(tk), "storage/step");
	cr_expect_str_eq(mk_tk_asked_json(tk), "{}");
	finished(tk);
}
