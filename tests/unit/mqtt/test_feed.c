/* SPDX-License-Identifier: MIT
 *
 * When to connect again, what to think of a silent broker; and addresses of brokers.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "feed.h"

#define SECOND 1000000ull
#define MINUTE (60 * SECOND)

TestSuite(feed, .timeout = 120);

Test(feed, the_pause_doubles_up_to_a_minute_and_is_never_the_same)
{
	uint64_t wanted[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };

	for (uint32_t i = 0; i < 9; i++) {
		uint64_t least = feed_backoff_us(i, 0);
		uint64_t most = feed_backoff_us(i, wanted[i] * SECOND / 2 - 1);

		cr_expect_eq(least, wanted[i] * SECOND * 3 / 4);
		cr_expect_eq(most, wanted[i] * SECOND * 5 / 4 - 1);
	}
	cr_expect_leq(feed_backoff_us(UINT32_MAX, UINT64_MAX), 75 * SECOND);
}

Test(feed, silence_forces_a_reconnect_after_longer_and_longer_times)
{
	struct feed_watch w;
	uint64_t now = 1000 * SECOND, last = now, gaps[6];

	feed_watch_begin(&w, now);
	for (uint32_t i = 0; i < 6; i++) {
		while (!feed_watch_due(&w, 5 * MINUTE, now))
			now += SECOND;
		feed_watch_forced(&w, now);
		gaps[i] = (now - last) / MINUTE;
		last = now;
	}
	cr_expect_eq(gaps[0], 5);
	cr_expect_eq(gaps[1], 10);
	cr_expect_eq(gaps[2], 20);
	cr_expect_eq(gaps[3], 40);
	cr_expect_eq(gaps[4], 60);
	cr_expect_eq(gaps[5], 60);
	feed_watch_begin(&w, now);
	cr_expect_not(feed_watch_due(&w, 5 * MINUTE, now + 5 * MINUTE - 1));
	cr_expect(feed_watch_due(&w, 5 * MINUTE, now + 5 * MINUTE));
}

Test(feed, a_long_patience_is_not_cut_to_an_hour)
{
	struct feed_watch w;

	feed_watch_begin(&w, 1);
	feed_watch_forced(&w, 1);
	cr_expect_not(feed_watch_due(&w, 180 * MINUTE, 100 * MINUTE));
}

Test(feed, the_verdict_follows_the_connection_and_the_messages)
{
	static struct feed f;

	cr_expect_eq(feed_judge(&f, false, MINUTE, SECOND), FEED_IS_CONNECTING);
	f.attempt = 1;
	cr_expect_eq(feed_judge(&f, false, MINUTE, SECOND), FEED_DISCONNECTED);
	f.phase = FEED_UP;
	feed_watch_begin(&f.watch, SECOND);
	cr_expect_eq(feed_judge(&f, false, MINUTE, MINUTE), FEED_OK);
	cr_expect_eq(feed_judge(&f, false, MINUTE, MINUTE + SECOND), FEED_NEVER_RECEIVED);
	f.messages = 1;
	cr_expect_eq(feed_judge(&f, false, MINUTE, MINUTE + SECOND), FEED_STALLED);
	f.phase = FEED_CONNECTING; /* because of that */
	feed_watch_forced(&f.watch, MINUTE + SECOND);
	cr_expect_eq(feed_judge(&f, false, MINUTE, 2 * MINUTE), FEED_STALLED);
	cr_expect_eq(feed_judge(&f, true, MINUTE, 2 * MINUTE), FEED_PAUSED);
}

Test(feed, the_rate_is_of_the_last_five_minutes)
{
	static struct feed_rate r;
	uint64_t now = 10000 * SECOND;

	for (uint32_t i = 0; i < 600; i++, now += SECOND)
		feed_rate_add(&r, now);
	now -= SECOND;
	cr_expect_eq(feed_rate_sum(&r, now), 300);
	cr_expect_eq(feed_rate_sum(&r, now + 100 * SECOND), 200);
	cr_expect_eq(feed_rate_sum(&r, now + 300 * SECOND), 0);
	feed_rate_add(&r, now + 1000 * SECOND);
	cr_expect_eq(feed_rate_sum(&r, now + 1000 * SECOND), 1);
	feed_rate_add(&r, now); /* of a clock that is late */
	cr_expect_eq(feed_rate_sum(&r, now + 1000 * SECOND), 2);
}

TestSuite(url, .timeout = 120);

static struct url
good(const char *text)
{
	struct url u = { 0 };
	char why[128] = "";

	cr_assert(url_parse(text, &u, why, sizeof(why)), "%s: %s", text, why);
	return u;
}

Test(url, schemes_have_their_ports)
{
	cr_expect_str_eq(good("mqtt://h").paho, "tcp://h:1883");
	cr_expect_str_eq(good("MQTTS://h").paho, "ssl://h:8883");
	cr_expect_str_eq(good("ws://h/mqtt").paho, "ws://h:80/mqtt");
	cr_expect_str_eq(good("wss://h:9001/a/b").paho, "wss://h:9001/a/b");
	cr_expect_str_eq(good("tcp://[::1]:7/").paho, "tcp://[::1]:7");
	cr_expect_str_eq(good("mqtt://[fe80::1]").host, "fe80::1");
	cr_expect(good("wss://h").tls);
	cr_expect_not(good("ws://h").tls);
}

Test(url, a_password_is_used_and_not_shown)
{
	struct url u = good("mqtts://ann:p%40ss@word@h:1/");

	cr_expect_str_eq(u.user, "ann");
	cr_expect_str_eq(u.password, "p@ss@word");
	cr_expect_str_eq(u.shown, "mqtts://ann:****@h:1");
	cr_expect_str_eq(u.paho, "ssl://h:1");
	cr_expect_str_eq(good("mqtt://ann@h").shown, "mqtt://ann@h:1883");
}

Test(url, what_is_no_address_is_refused_without_its_password)
{
	static const char *const cases[] = { "",
					     "h",
					     "http://h",
					     "mqtt://",
					     "mqtt://:1883",
					     "mqtt://u:secret@h:0",
					     "mqtt://u:secret@h:65536",
					     "mqtt://u:secret@h:12x",
					     "mqtt://u:secret@[::1",
					     "mqtt://u:secret@[::1]x",
					     "mqtt://u:secret@a b",
					     "mqtt://h/path" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct url u;
		char why[128] = "";

		cr_expect_not(url_parse(cases[i], &u, why, sizeof(why)), "%s", cases[i]);
		cr_expect_neq(why[0], '\0');
		cr_expect_null(strstr(why, "secret"));
	}
}
