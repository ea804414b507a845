/* SPDX-License-Identifier: MIT
 *
 * Topics, the rings that keep the recent messages, and what is kept for who joins.
 */
#include "stream_fixture.h"

#define A_MIB (1u << 20)

TestSuite(topics, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(ring, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(retained, .timeout = 120, .init = setup, .fini = teardown);

/* ----------------------------------------------------------------- topics -- */

Test(topics, a_topic_is_found_by_its_name_alone)
{
	struct topic *t = topic("rx/raw", MK_TOPIC_RELIABLE);

	cr_expect_eq(topics_find(&stream.topics, "rx/raw"), t);
	cr_expect_null(topics_find(&stream.topics, "rx/ra"));
	cr_expect_null(topics_find(&stream.topics, "rx/raw/"));
	cr_expect_eq(t->first, 1, "nothing of it is in the ring, and the first will be 1");
}

Test(topics, a_full_table_takes_no_more_and_still_finds_all)
{
	struct topic *all[TOPICS_MAX];
	char name[MK_TOPIC_MAX + 1];

	for (uint32_t i = 0; i < TOPICS_MAX; i++) {
		snprintf(name, sizeof(name), "t/%u", i);
		all[i] = topic(name, 0);
		cr_assert_eq(all[i]->id, i);
	}
	cr_expect_null(topics_add(&stream.topics, "t/one-more", 0));
	cr_expect_null(topics_find(&stream.topics, "t/one-more"));
	for (uint32_t i = 0; i < TOPICS_MAX; i++) {
		snprintf(name, sizeof(name), "t/%u", i);
		cr_assert_eq(topics_find(&stream.topics, name), all[i]);
	}
}

Test(topics, a_name_may_be_as_long_as_the_interface_says_and_no_longer)
{
	char name[MK_TOPIC_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[MK_TOPIC_MAX + 1] = '\0';
	cr_expect_null(topics_add(&stream.topics, name, 0));
	name[MK_TOPIC_MAX] = '\0';
	cr_expect_str_eq(topic(name, 0)->name, name);
}

Test(topics, the_class_in_words_names_what_the_flags_say)
{
	static const struct {
		uint32_t flags;
		const char *text;
	} classes[] = {
		{ 0, "latest" },
		{ MK_TOPIC_RETAINED, "retained" },
		{ MK_TOPIC_RELIABLE, "reliable" },
		{ MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED, "reliable retained" },
		{ MK_TOPIC_RELIABLE | MK_TOPIC_DURABLE, "durable" },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		struct topic t = { .flags = classes[i].flags };

		cr_expect_str_eq(topic_class(&t), classes[i].text);
	}
}

/* ------------------------------------------------------------------- ring -- */

Test(ring, an_empty_ring_has_no_front_and_is_not_over)
{
	struct ring *r = &stream.rings[RING_LATEST];

	cr_expect_null(ring_front(r));
	cr_expect_not(ring_is_over(r));
	cr_expect_eq(ring_after(r, 0), r->base);
}

Test(ring, the_oldest_goes_first_and_its_topic_knows)
{
	struct topic *a = topic("a", 0), *b = topic("b", 0);
	struct ring *r = &stream.rings[RING_LATEST];

	put(a);
	put(b);
	put(a);
	ring_evict(r);
	cr_expect_eq(a->first, 2);
	cr_expect_eq(b->first, 1);
	cr_expect_eq(ring_front(r)->topic, b);
	ring_evict(r);
	ring_evict(r);
	cr_expect_eq(a->first, 3, "nothing of it is left: the next one is the oldest");
	cr_expect_eq(b->first, 2);
	cr_expect_eq(r->evicted, 3);
	cr_expect_eq(r->bytes, 0);
	cr_expect_null(ring_front(r));
}

Test(ring, it_is_over_when_either_limit_is_passed)
{
	struct topic *t = topic("t", 0);
	struct ring *r = &stream.rings[RING_LATEST];

	r->max_messages = 3;
	r->max_bytes = 100;
	put_flagged(t, 20, 0);
	put_flagged(t, 20, 0);
	put_flagged(t, 60, 0);
	cr_expect_not(ring_is_over(r), "exactly at both limits");
	put_flagged(t, 0, 0);
	cr_expect(ring_is_over(r), "one message too many");
	ring_evict(r);
	cr_expect_not(ring_is_over(r));
	r->max_bytes = 79;
	cr_expect(ring_is_over(r), "one byte too many");
}

Test(ring, one_message_always_fits)
{
	struct topic *t = topic("t", 0);
	struct ring *r = &stream.rings[RING_LATEST];

	r->max_bytes = 100;
	put_flagged(t, 16 * A_MIB, 0);
	cr_expect_not(ring_is_over(r));
	put_flagged(t, 1, 0);
	cr_expect(ring_is_over(r), "two are within the limits or not, like all others");
}

Test(ring, it_grows_in_need_and_keeps_the_order)
{
	struct topic *t = topic("t", 0);
	struct ring *r = &stream.rings[RING_LATEST];
	uint64_t capacity = r->capacity, n = 3 * r->capacity;

	for (uint64_t i = 0; i < capacity; i++)
		put(t);
	for (uint64_t i = 0; i < capacity / 2; i++)
		ring_evict(r);
	/* From here on it is wrapped around its end. */
	while (t->seq < n)
		put(t);
	cr_expect_gt(r->capacity, capacity);
	for (uint64_t p = r->base; p < r->base + r->count; p++)
		cr_assert_eq(ring_at(r, p)->seq, p + 1);
	cr_expect_eq(r->base + r->count, n, "positions go on, whatever was evicted");
}

Test(ring, a_place_is_found_by_order)
{
	struct topic *a = topic("a", 0), *b = topic("b", MK_TOPIC_RELIABLE);
	struct ring *r = &stream.rings[RING_LATEST];

	for (int i = 0; i < 100; i++) { /* a has the orders 1, 3, 5 ... */
		put(a);
		put(b);
	}
	for (int i = 0; i < 10; i++)
		ring_evict(r);
	cr_expect_eq(ring_after(r, 0), r->base, "what is gone is before the first");
	cr_expect_eq(ring_after(r, 20), r->base);
	cr_expect_eq(ring_after(r, 21), r->base + 1);
	for (uint64_t order = 21; order < 200; order++) {
		uint64_t p = ring_after(r, order);

		cr_assert(p == r->base + r->count || ring_at(r, p)->order > order);
		cr_assert_leq(ring_at(r, p - 1)->order, order);
	}
	cr_expect_eq(ring_after(r, 199), r->base + r->count);
	cr_expect_eq(ring_after(r, UINT64_MAX), r->base + r->count);
}

/* --------------------------------------------------------------- retained -- */

static void
keep(struct topic *t, uint32_t len, uint32_t flags)
{
	topic_keep(t, put_flagged(t, len, flags));
}

Test(retained, the_last_value_stays_beyond_the_ring)
{
	struct topic *t = topic("t", MK_TOPIC_RETAINED);
	struct ring *r = &stream.rings[RING_LATEST];

	keep(t, 1, 0);
	keep(t, 2, 0);
	while (r->count > 0)
		ring_evict(r);
	cr_assert_eq(t->kept_count, 1);
	cr_expect_eq(t->kept[0]->seq, 2);
	cr_expect_eq(t->kept[0]->len, 2);
}

Test(retained, deltas_are_kept_on_top_of_their_base_until_the_next)
{
	struct topic *t = topic("t", MK_TOPIC_RETAINED);

	keep(t, 10, 0);
	keep(t, 20, MK_MSG_DELTA);
	keep(t, 30, MK_MSG_DELTA);
	cr_expect_eq(t->kept_count, 3);
	cr_expect_eq(t->kept_bytes, 50, "the base does not count");
	keep(t, 40, 0);
	cr_expect_eq(t->kept_count, 1);
	cr_expect_eq(t->kept[0]->seq, 4);
	cr_expect_eq(t->kept_bytes, 0);
}

Test(retained, a_delta_without_a_base_is_lost)
{
	struct topic *t = topic("t", MK_TOPIC_RETAINED);

	keep(t, 1, MK_MSG_DELTA);
	keep(t, 1, MK_MSG_DELTA);
	cr_expect_eq(t->kept_count, 0);
	cr_expect_eq(t->kept_lost, 2);
	keep(t, 1, 0);
	cr_expect_eq(t->kept_count, 1);
	cr_expect_eq(t->kept_lost, 0, "a base heals it");
}

Test(retained, a_chain_ends_at_its_greatest_length)
{
	struct topic *t = topic("t", MK_TOPIC_RETAINED);

	keep(t, 1, 0);
	for (uint32_t i = 0; i < KEPT_MAX + 5; i++)
		keep(t, 1, MK_MSG_DELTA);
	cr_expect_eq(t->kept_count, 1 + KEPT_MAX);
	cr_expect_eq(t->kept[KEPT_MAX]->seq, 1 + KEPT_MAX);
	cr_expect_eq(t->kept_lost, 5);
}

Test(retained, a_chain_that_is_too_large_ends_and_has_no_hole)
{
	struct topic *t = topic("t", MK_TOPIC_RETAINED);

	keep(t, KEPT_BYTES_MAX + 1, 0);
	keep(t, KEPT_BYTES_MAX - 1, MK_MSG_DELTA);
	cr_expect_eq(t->kept_count, 2);
	keep(t, 2, MK_MSG_DELTA);
	cr_expect_eq(t->kept_lost, 1);
	keep(t, 1, MK_MSG_DELTA);
	cr_expect_eq(t->kept_count, 2, "it would fit, but not follow");
	cr_expect_eq(t->kept_lost, 2);
}
