/* SPDX-License-Identifier: MIT
 *
 * A place in the stream: everything that is wanted comes once and in order, or is said to be lost.
 */
#include "stream_fixture.h"

static struct reader reader;
static const char *unwanted; /* a topic */

static bool
wants(void *arg, const char *name)
{
	(void)arg;
	return unwanted == NULL || strcmp(name, unwanted) != 0;
}

static void
begin(bool from_start)
{
	reader_init(&reader, &stream, wants, NULL);
	if (from_start)
		reader_from_start(&reader);
}

static void
evict(const struct topic *t, uint32_t n)
{
	while (n-- > 0)
		ring_evict(ring_of(t));
}

static void
expect_entry(const struct topic *t, uint64_t seq)
{
	struct reader_item item;

	cr_assert_eq(reader_peek(&reader, &item), READER_ENTRY, "%s %d", t->name, (int)seq);
	cr_assert_eq(item.entry->topic, t, "%s", item.entry->topic->name);
	cr_assert_eq(item.entry->seq, seq);
	reader_pass(&reader, READER_ENTRY, &item);
}

static void
expect_gap(const struct topic *t, uint64_t seq, uint64_t lost)
{
	struct reader_item item;

	cr_assert_eq(reader_peek(&reader, &item), READER_GAP, "%s %d", t->name, (int)seq);
	cr_assert_eq(item.topic, t, "%s", item.topic->name);
	cr_assert_eq(item.seq, seq);
	cr_assert_eq(item.lost, lost);
	reader_pass(&reader, READER_GAP, &item);
}

static void
expect_nothing(void)
{
	struct reader_item item;

	cr_assert_eq(reader_peek(&reader, &item), READER_NOTHING);
}

TestSuite(reader, .timeout = 120, .init = setup, .fini = teardown);

Test(reader, it_begins_with_the_next_message)
{
	struct topic *old = topic("old", 0), *new;

	put(old);
	begin(false);
	expect_nothing();
	put(old);
	new = topic("new", MK_TOPIC_RELIABLE);
	put(new);
	expect_entry(old, 2);
	expect_entry(new, 1);
	expect_nothing();
}

Test(reader, from_the_start_it_goes_back_as_far_as_the_rings)
{
	struct topic *t = topic("t", 0);

	put(t);
	put(t);
	put(t);
	evict(t, 1);
	begin(true);
	expect_gap(t, 1, 1);
	expect_entry(t, 2);
	expect_entry(t, 3);
	expect_nothing();
}

Test(reader, two_rings_come_in_the_one_order_of_the_hub)
{
	struct topic *a = topic("a", 0), *b = topic("b", MK_TOPIC_RELIABLE);

	begin(false);
	put(b);
	put(a);
	put(a);
	put(b);
	put(a);
	expect_entry(b, 1);
	expect_entry(a, 1);
	expect_entry(a, 2);
	expect_entry(b, 2);
	expect_entry(a, 3);
	expect_nothing();
}

Test(reader, only_what_is_wanted_comes)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);

	unwanted = "a";
	begin(false);
	put(a);
	put(b);
	put(a);
	expect_entry(b, 1);
	expect_nothing();
	evict(a, 3);
	expect_nothing();
}

Test(reader, looking_does_not_step)
{
	struct topic *t = topic("t", 0);
	struct reader_item item;

	begin(false);
	put(t);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(reader_peek(&reader, &item), READER_ENTRY);
	expect_entry(t, 1);
	put(t);
	put(t);
	evict(t, 2);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(reader_peek(&reader, &item), READER_GAP);
	expect_gap(t, 2, 1);
	expect_entry(t, 3);
}

Test(reader, who_falls_out_of_a_ring_hears_what_was_lost_before_the_next_of_that_topic)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);

	begin(false);
	for (int i = 0; i < 3; i++) {
		put(a);
		put(b);
	}
	expect_entry(a, 1);
	evict(a, 4); /* a 1, b 1, a 2, b 2 */
	expect_gap(a, 2, 1);
	expect_entry(a, 3);
	expect_gap(b, 1, 2);
	expect_entry(b, 3);
	expect_nothing();
}

Test(reader, losing_in_one_ring_does_not_touch_the_other)
{
	struct topic *a = topic("a", 0), *b = topic("b", MK_TOPIC_RELIABLE);

	begin(false);
	put(a);
	put(b);
	put(a);
	put(b);
	evict(a, 1);
	expect_entry(b, 1);
	expect_gap(a, 1, 1);
	expect_entry(a, 2);
	expect_entry(b, 2);
	expect_nothing();
}

Test(reader, what_is_lost_without_a_successor_is_told_at_the_end_and_once)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);

	begin(false);
	put(a);
	put(a);
	put(b);
	evict(a, 2);
	expect_entry(b, 1);
	expect_gap(a, 1, 2);
	expect_nothing();
	put(a);
	expect_entry(a, 3);
	expect_nothing();
}

Test(reader, a_new_interest_misses_nothing_of_before)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);

	unwanted = "a";
	begin(false);
	put(a);
	put(b);
	expect_entry(b, 1);
	expect_nothing();
	put(a);
	put(b);
	unwanted = NULL;
	reader_rematch(&reader);
	expect_entry(b, 2);
	expect_nothing();
	put(a);
	expect_entry(a, 3);
	expect_nothing();
}

Test(reader, an_interest_that_stays_goes_on_where_it_was)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);

	begin(false);
	put(a);
	expect_entry(a, 1);
	put(a);
	put(b);
	unwanted = "b";
	reader_rematch(&reader);
	expect_entry(a, 2);
	expect_nothing();
}

Test(reader, following_steps_past_what_is_wanted_up_to_an_order)
{
	struct topic *a = topic("a", 0), *b = topic("b", MK_TOPIC_RELIABLE);

	begin(false);
	for (int i = 0; i < 3; i++) { /* a 1, 3, 5; b 2, 4, 6 */
		put(a);
		put(b);
	}
	reader_follow(&reader, 3);
	expect_entry(b, 2);
	expect_entry(a, 3);
	reader_follow(&reader, 1);
	expect_entry(b, 3);
	reader_follow(&reader, UINT64_MAX);
	expect_nothing();
}

Test(reader, what_was_lost_before_the_place_that_is_followed_is_not_lost_again)
{
	struct topic *t = topic("t", 0);

	begin(false);
	for (int i = 0; i < 5; i++)
		put(t);
	evict(t, 2);
	reader_follow(&reader, 4);
	expect_entry(t, 5);
	expect_nothing();
}

Test(reader, the_lag_is_what_is_ahead_whether_it_is_still_there_or_not)
{
	struct topic *a = topic("a", 0), *b = topic("b", MK_TOPIC_RELIABLE);

	unwanted = "b";
	begin(false);
	cr_expect_eq(reader_lag(&reader), 0);
	for (int i = 0; i < 4; i++) {
		put(a);
		put(b);
	}
	cr_expect_eq(reader_lag(&reader), 4);
	evict(a, 2);
	cr_expect_eq(reader_lag(&reader), 4);
	expect_gap(a, 1, 2);
	cr_expect_eq(reader_lag(&reader), 2);
	expect_entry(a, 3);
	expect_entry(a, 4);
	cr_expect_eq(reader_lag(&reader), 0);
}

/* Random messages, evictions and reading: each topic comes dense, in entries and gaps. */
Test(reader, nothing_is_lost_silently_whatever_happens)
{
	struct topic *topics[6];
	uint64_t next[6], last = 0, gaps = 0;
	uint32_t random = 1;
	char name[8];

	for (uint32_t i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "t/%u", i);
		topics[i] = topic(name, i % 2 == 0 ? 0 : MK_TOPIC_RELIABLE);
		next[i] = 1;
	}
	begin(true);
	for (int step = 0; step < 40000; step++) {
		struct reader_item item;
		enum reader_found found;

		random = random * 1664525 + 1013904223;
		if (random >> 29 < 4) {
			put(topics[(random >> 16) % 6]);
		} else if (random >> 29 < 7) {
			if (stream.rings[random >> 16 & 1].count > 0)
				ring_evict(&stream.rings[random >> 16 & 1]);
		} else if ((found = reader_peek(&reader, &item)) == READER_ENTRY) {
			struct entry *e = item.entry;

			cr_assert_eq(e->seq, next[e->topic->id]);
			cr_assert_gt(e->order, last);
			last = e->order;
			next[e->topic->id]++;
			reader_pass(&reader, found, &item);
		} else if (found == READER_GAP) {
			cr_assert_eq(item.seq, next[item.topic->id]);
			cr_assert_leq(item.seq + item.lost, item.topic->first);
			next[item.topic->id] += item.lost;
			gaps++;
			reader_pass(&reader, found, &item);
		} else {
			for (uint32_t i = 0; i < 6; i++)
				cr_assert_eq(next[i], topics[i]->seq + 1);
		}
	}
	cr_expect_gt(gaps, 100);
	cr_expect_gt(last, 100);
}
