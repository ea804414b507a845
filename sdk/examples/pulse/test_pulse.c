/* SPDX-License-Identifier: MIT
 *
 * What pulse promises, one promise a test.
 */
#include <criterion/criterion.h>
#include <meshkern/testkit.h>

TestSuite(pulse, .timeout = 10);

static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

/* Nothing is left behind and no rule was broken. */
static void
finished(mk_tk *tk)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

static mk_result
burst(mk_tk *tk, uint32_t count)
{
	mk_writer w;
	mk_result r;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_u64(&w, "count", count);
	r = mk_tk_call(tk, "pulse/burst", &w);
	mk_writer_fini(&w);
	return r;
}

Test(pulse, beats_once_per_interval)
{
	mk_tk *tk = started("interval: 5s");

	mk_tk_advance(tk, 4999999);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 0);
	mk_tk_advance(tk, 10000001);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 3);
	finished(tk);
}

Test(pulse, items_of_a_batch_are_numbered_without_a_hole)
{
	mk_tk *tk = started("{interval: 1s, batch: 2, body_size: 0B}");

	mk_tk_advance(tk, 2000000);
	cr_expect_str_eq(mk_tk_json(tk, "pulse/beat", 1),
			 "{\"items\":["
			 "{\"number\":3,\"time_us\":1767225602000000,\"fill\":{\"$bin\":\"\"}},"
			 "{\"number\":4,\"time_us\":1767225602000000,\"fill\":{\"$bin\":\"\"}}]}");
	finished(tk);
}

Test(pulse, a_refused_message_is_sent_again_and_no_number_is_lost)
{
	mk_tk *tk = started("interval: 1s");

	mk_tk_publish_fails(tk, MK_EAGAIN, 3);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 2);
	cr_expect_eq(mk_tk_number(tk, "items"), 2);
	finished(tk);
}

Test(pulse, a_new_batch_size_does_not_change_the_message_that_waits)
{
	mk_tk *tk = started("{interval: 1s, batch: 2}");

	mk_tk_publish_fails(tk, MK_EAGAIN, 1);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_reconfigure(tk, "{interval: 1s, batch: 9}"), MK_OK);
	mk_tk_advance(tk, 100000);
	cr_expect_eq(mk_tk_number(tk, "items"), 2);
	finished(tk);
}

Test(pulse, while_the_bus_is_busy_beats_are_skipped_not_queued)
{
	mk_tk *tk = started("interval: 1s");

	mk_tk_publish_fails(tk, MK_EAGAIN, UINT32_MAX);
	mk_tk_advance(tk, 10000000);
	mk_tk_publish_fails(tk, MK_EAGAIN, 0);
	mk_tk_advance(tk, 100000);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 1);
	cr_expect_eq(mk_tk_number(tk, "skipped"), 9);
	finished(tk);
}

Test(pulse, a_new_interval_counts_from_its_change)
{
	mk_tk *tk = started("interval: 1h");

	cr_expect_eq(mk_tk_reconfigure(tk, "interval: 1s"), MK_OK);
	mk_tk_advance(tk, 3000000);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 3);
	finished(tk);
}

Test(pulse, a_burst_publishes_as_many_messages_and_says_so)
{
	mk_tk *tk = started("interval: 1h");

	cr_expect_eq(burst(tk, 25), MK_OK);
	cr_expect_eq(mk_tk_published(tk, "pulse/beat"), 25);
	cr_expect_arr_eq(mk_tk_reply(tk)->body, "\x81\xa4sent\x19", 7);
	finished(tk);
}

Test(pulse, a_burst_ends_when_the_bus_is_busy)
{
	mk_tk *tk = started("interval: 1h");

	mk_tk_publish_fails(tk, MK_EAGAIN, 1);
	cr_expect_eq(burst(tk, 5), MK_OK);
	cr_expect_arr_eq(mk_tk_reply(tk)->body, "\x81\xa4sent\x00", 7);
	finished(tk);
}

Test(pulse, a_burst_of_none_or_too_many_is_refused)
{
	mk_tk *tk = started(NULL);

	cr_expect_eq(burst(tk, 0), MK_EINVAL);
	cr_expect_eq(burst(tk, 1001), MK_EINVAL);
	cr_expect_eq(mk_tk_call(tk, "pulse/burst", NULL), MK_EINVAL);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	finished(tk);
}

Test(pulse, its_state_is_its_last_word)
{
	mk_tk *tk = started("{interval: 1s, batch: 3}");

	mk_tk_advance(tk, 2000000);
	mk_tk_forget(tk);
	mk_tk_stop(tk);
	cr_expect_str_eq(mk_tk_json(tk, "pulse/state", 0), "{\"messages\":2,\"number\":6}");
	finished(tk);
}

Test(pulse, survives_every_failed_allocation)
{
	bool failed = true;

	for (uint32_t n = 1; failed; n++) {
		mk_tk *tk = mk_tk_new(&mk_plugin_v1, NULL);

		if (!mk_tk_fail_alloc(tk, n))
			cr_skip_test("allocations are not counted in this build");
		if (mk_tk_start(tk) == MK_OK)
			mk_tk_advance(tk, 30000000);
		failed = mk_tk_alloc_failed(tk);
		finished(tk);
	}
}
