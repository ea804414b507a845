/* SPDX-License-Identifier: MIT
 *
 * What @NAME@ promises, one promise a test. The test kit plays the daemon:
 * the clock is the test's, and nothing goes over a network.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <meshkern/testkit.h>

TestSuite(plugin, .timeout = 10);

/* A topic that the plugin subscribes to; one inside, if that is a subtree. */
static const char *
topic_in(void)
{
	static const char topic[] = "@IN@";

	return topic[sizeof(topic) - 2] == '/' ? "@IN@test" : topic;
}

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

/* One message {"items": [{}, {}, {}]}. */
static void
three_items(mk_tk *tk)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 3);
	for (int i = 0; i < 3; i++)
		mk_put_map(&w, 0);
	cr_assert_eq(mk_tk_send(tk, topic_in(), &w), MK_OK);
	mk_writer_fini(&w);
}

Test(plugin, publishes_sums_after_the_interval)
{
	mk_tk *tk = started("interval: 2s");

	three_items(tk);
	three_items(tk);
	cr_expect_eq(mk_tk_published(tk, "@OUT@"), 0);
	mk_tk_advance(tk, 2000000);
	cr_expect_str_eq(mk_tk_json(tk, "@OUT@", 0), "{\"messages\":2,\"items\":6,\"lost\":0}");
	finished(tk);
}

Test(plugin, publishes_nothing_when_nothing_came)
{
	mk_tk *tk = started(NULL);

	mk_tk_advance(tk, 60000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	finished(tk);
}

Test(plugin, counts_lost_messages)
{
	mk_tk *tk = started(NULL);

	cr_assert_eq(mk_tk_send_gap(tk, topic_in(), 7), MK_OK);
	mk_tk_advance(tk, 5000000);
	cr_expect_str_eq(mk_tk_json(tk, "@OUT@", 0), "{\"messages\":0,\"items\":0,\"lost\":7}");
	finished(tk);
}

Test(plugin, what_a_busy_bus_refused_comes_later)
{
	mk_tk *tk = started("interval: 1s");

	three_items(tk);
	mk_tk_publish_fails(tk, MK_EAGAIN, 3);
	mk_tk_advance(tk, 3000000);
	cr_expect_eq(mk_tk_published(tk, NULL), 0);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "@OUT@"), 1);
	finished(tk);
}

Test(plugin, a_new_interval_counts_from_its_change)
{
	mk_tk *tk = started("interval: 1h");

	three_items(tk);
	cr_expect_eq(mk_tk_reconfigure(tk, "interval: 1s"), MK_OK);
	mk_tk_advance(tk, 1000000);
	cr_expect_eq(mk_tk_published(tk, "@OUT@"), 1);
	finished(tk);
}

Test(plugin, publishes_its_last_words)
{
	mk_tk *tk = started("interval: 1h");

	three_items(tk);
	mk_tk_stop(tk);
	cr_expect_eq(mk_tk_published(tk, "@OUT@"), 1);
	finished(tk);
}
