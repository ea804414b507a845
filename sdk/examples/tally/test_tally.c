/* SPDX-License-Identifier: MIT
 *
 * What tally promises, one promise a test.
 */
#include <stdio.h>

#include <criterion/criterion.h>
#include <meshkern/testkit.h>

TestSuite(tally, .timeout = 10);

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

/* One message with the body {"n": 1}, four bytes. */
static void
message(mk_tk *tk, const char *topic)
{
	static const uint8_t body[] = { 0x81, 0xa1, 'n', 1 };

	cr_assert_eq(mk_tk_send_raw(tk, topic, body, sizeof(body), 0), MK_OK);
}

Test(tally, counts_messages_and_bytes_by_topic)
{
	mk_tk *tk = started("interval: 2s");

	message(tk, "pulse/beat");
	message(tk, "pulse/beat");
	message(tk, "core/stats");
	mk_tk_advance(tk, 2000000);
	cr_expect_str_eq(mk_tk_json(tk, "snapshot/tally", 0),
			 "{\"topics\":{"
			 "\"pulse/beat\":{\"messages\":2,\"bytes\":8,\"gaps\":0,\"lost\":0},"
			 "\"core/stats\":{\"messages\":1,\"bytes\":4,\"gaps\":0,\"lost\":0}}}");
	finished(tk);
}

Test(tally, counts_what_was_lost)
{
	mk_tk *tk = started(NULL);

	cr_assert_eq(mk_tk_send_gap(tk, "pulse/beat", 7), MK_OK);
	cr_assert_eq(mk_tk_send_gap(tk, "pulse/beat", 5), MK_OK);
	mk_tk_advance(tk, 2000000);
	cr_expect_str_eq(mk_tk_json(tk, "snapshot/tally", 0),
			 "{\"topics\":{"
			 "\"pulse/beat\":{\"messages\":0,\"bytes\":0,\"gaps\":2,\"lost\":12}}}");
	cr_expect_eq(mk_tk_number(tk, "lost"), 12);
	finished(tk);
}

Test(tally, publishes_nothing_when_nothing_changed)
{
	mk_tk *tk = started(NULL);

	mk_tk_advance(tk, 60000000);
	message(tk, "pulse/beat");
	mk_tk_advance(tk, 60000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 1);
	finished(tk);
}

Test(tally, a_delta_has_only_the_topics_that_changed)
{
	mk_tk *tk = started(NULL);

	message(tk, "pulse/beat");
	message(tk, "core/stats");
	mk_tk_advance(tk, 2000000);
	message(tk, "core/stats");
	mk_tk_advance(tk, 2000000);
	cr_expect_str_eq(mk_tk_json(tk, "snapshot/tally", 1),
			 "{\"topics\":{"
			 "\"core/stats\":{\"messages\":2,\"bytes\":8,\"gaps\":0,\"lost\":0}}}");
	finished(tk);
}

Test(tally, every_tenth_publication_has_all_topics)
{
	mk_tk *tk = started(NULL);

	message(tk, "pulse/beat");
	mk_tk_advance(tk, 2000000);
	for (int i = 0; i < 10; i++) {
		message(tk, "core/stats");
		mk_tk_advance(tk, 2000000);
	}
	cr_expect(strstr(mk_tk_json(tk, "snapshot/tally", 9), "pulse/beat") == NULL);
	cr_expect(strstr(mk_tk_json(tk, "snapshot/tally", 10), "pulse/beat") != NULL);
	finished(tk);
}

Test(tally, what_a_busy_bus_refused_is_in_the_next_one)
{
	mk_tk *tk = started(NULL);

	message(tk, "pulse/beat");
	mk_tk_publish_fails(tk, MK_EAGAIN, 2);
	mk_tk_advance(tk, 4000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	mk_tk_advance(tk, 2000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 1);
	finished(tk);
}

Test(tally, the_two_hundredth_topic_and_later_ones_are_counted_together)
{
	mk_tk *tk = started(NULL);
	char topic[32];

	for (int i = 0; i < 300; i++) {
		snprintf(topic, sizeof(topic), "pulse/%d", i);
		message(tk, topic);
	}
	mk_tk_advance(tk, 2000000);
	cr_expect(strstr(mk_tk_json(tk, "snapshot/tally", 0), "\"...\":{\"messages\":101") != NULL);
	finished(tk);
}

Test(tally, publishes_what_is_due_when_it_stops)
{
	mk_tk *tk = started("interval: 1h");

	message(tk, "pulse/beat");
	mk_tk_stop(tk);
	cr_expect_eq(mk_tk_published(tk, "snapshot/tally"), 1);
	finished(tk);
}
