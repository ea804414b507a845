/* SPDX-License-Identifier: MIT
 *
 * What the hub keeps for who joins, and when it is brought.
 */
#include "bus_fixture.h"

static const struct hub_config config = { .ring_messages = 64,
					  .ring_bytes = 1u << 20,
					  .push_back_us = 5 * SECOND,
					  .call_timeout_us = SECOND };

static void
setup(void)
{
	stop_clock();
	hub_with(&config);
}

TestSuite(retained, .timeout = 120, .init = setup, .fini = teardown);

/* Push everything else out of the ring of latest topics. */
static void
fill_the_ring(struct peer *p)
{
	publish_many(p, "fill", (uint32_t)config.ring_messages);
}

Test(retained, who_joins_gets_the_last_value_before_anything_new)
{
	struct peer *p = peer_joined("p", "state:t x other:t", "");
	struct peer *s = peer_new("s", (struct spec){ .subscribes = "state x" });

	publish_many(p, "state", 2);
	publish_many(p, "other", 1);
	leave(peer_joined("earlier", "", "state"));
	seat_free(s->seat);
	s->seat = seat_new(hub, "s", s, false); /* now, after the messages */
	seat_declare(s->seat, s->manifest, 0, false);
	publish_many(p, "x", 1);
	join(s);
	cr_expect_eq(expect_msg(s, "state", 2, MK_MSG_RETAINED).order, 0);
	expect_msg(s, "x", 1, 0);
	expect_nothing(s);
	publish_many(p, "state", 1);
	expect_msg(s, "state", 3, 0);
}

Test(retained, who_comes_back_gets_it_again_and_only_once_if_it_is_news)
{
	struct peer *p = peer_joined("p", "state:t", ""), *s = peer_joined("s", "", "state");

	publish_many(p, "state", 1);
	expect_msg(s, "state", 1, 0);
	leave(s);
	join(s);
	expect_msg(s, "state", 1, MK_MSG_RETAINED);
	leave(s);
	publish_many(p, "state", 1);
	join(s);
	expect_msg(s, "state", 2, 0);
	expect_nothing(s);
}

Test(retained, deltas_come_after_their_base)
{
	struct peer *p = peer_joined("p", "state:rt", ""), *s = peer_joined("s", "", "state");

	publish_many(p, "state", 1);
	publish_as(p, MK_PUB_DELTA, 0, "state");
	publish_as(p, MK_PUB_DELTA, 0, "state");
	settle();
	expect_msg(s, "state", 1, 0);
	expect_msg(s, "state", 2, MK_MSG_DELTA);
	expect_msg(s, "state", 3, MK_MSG_DELTA);
	leave(s);
	join(s);
	expect_msg(s, "state", 1, MK_MSG_RETAINED);
	expect_msg(s, "state", 2, MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_msg(s, "state", 3, MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_nothing(s);
}

Test(retained, deltas_beyond_the_chain_are_a_gap_behind_it)
{
	struct peer *p = peer_joined("p", "state:t", ""), *s;

	publish_many(p, "state", 1);
	for (unsigned i = 0; i < KEPT_MAX + 3; i++)
		publish_as(p, MK_PUB_DELTA, 0, "state");
	settle();
	s = peer_joined("s", "", "state");
	expect_msg(s, "state", 1, MK_MSG_RETAINED);
	for (unsigned i = 0; i < KEPT_MAX; i++)
		expect_msg(s, "state", 2 + i, MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_gap(s, "state", 2 + KEPT_MAX, 3);
	expect_nothing(s);
	publish_many(p, "state", 1);
	expect_msg(s, "state", 5 + KEPT_MAX, 0);
}

Test(retained, what_comes_through_the_ring_is_neither_sent_twice_nor_told_as_lost)
{
	struct peer *p = peer_joined("p", "state:t fill", ""), *s;

	publish_many(p, "state", 1);
	for (unsigned i = 0; i < KEPT_MAX + 3; i++)
		publish_as(p, MK_PUB_DELTA, 0, "state");
	settle();
	s = peer_joined("s", "", "state");
	forget_records(s);
	leave(s);
	for (unsigned i = 0; i < 4; i++)
		publish_as(p, MK_PUB_DELTA, 0, "state");
	settle();
	join(s); /* 257 are in the chain, 3 are lost for good, 4 are in the ring */
	for (unsigned i = 0; i < 1 + KEPT_MAX; i++)
		expect_msg(s, "state", 1 + i, MK_MSG_RETAINED | (i > 0 ? MK_MSG_DELTA : 0));
	expect_gap(s, "state", 2 + KEPT_MAX, 3);
	for (unsigned i = 0; i < 4; i++)
		expect_msg(s, "state", 5 + KEPT_MAX + i, MK_MSG_DELTA);
	expect_nothing(s);
}

Test(retained, a_value_that_has_left_the_ring_comes_to_who_was_away_meanwhile)
{
	struct peer *p = peer_joined("p", "state:t fill", ""), *s = peer_joined("s", "", "state");

	publish_many(p, "state", 1);
	forget_records(s);
	leave(s);
	publish_many(p, "state", 3);
	publish_as(p, MK_PUB_DELTA, 0, "state");
	fill_the_ring(p);
	join(s);
	expect_gap(s, "state", 2, 2);
	expect_msg(s, "state", 4, MK_MSG_RETAINED);
	expect_msg(s, "state", 5, MK_MSG_RETAINED | MK_MSG_DELTA);
	expect_nothing(s);
	publish_many(p, "state", 1);
	expect_msg(s, "state", 6, 0);
	expect_nothing(s);
}

Test(retained, a_base_that_has_left_the_ring_comes_before_the_deltas_that_have_not)
{
	struct peer *p = peer_joined("p", "state:t fill", ""), *s = peer_joined("s", "", "state");

	leave(s);
	publish_many(p, "state", 1);
	fill_the_ring(p);
	publish_as(p, MK_PUB_DELTA, 0, "state");
	settle();
	join(s);
	expect_msg(s, "state", 1, MK_MSG_RETAINED);
	expect_msg(s, "state", 2, MK_MSG_DELTA);
	expect_nothing(s);
}

Test(retained, a_new_interest_gets_the_value_even_if_nothing_was_ever_acknowledged)
{
	struct peer *p = peer_joined("p", "state:t x", ""), *s = peer_joined("s", "", "x");

	publish_many(p, "state", 2);
	leave(s);
	declare(s, (struct spec){ .subscribes = "x state" });
	join(s);
	expect_msg(s, "state", 2, MK_MSG_RETAINED);
	expect_nothing(s);
}

Test(retained, large_values_come_whole)
{
	struct peer *p = peer_joined("p", "state/:t", ""), *s;
	char name[32];

	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "state/%u", i);
		publish_large(p, name, (2u << 20) - 16);
	}
	s = peer_joined("s", "", "state/");
	for (unsigned i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "state/%u", i);
		expect_msg(s, name, 1, MK_MSG_RETAINED);
	}
	expect_nothing(s);
}

/* Megabytes that everybody has, and that nobody who joins will be told. */
Test(retained, a_large_value_leaves_the_ring_when_there_is_a_newer_one)
{
	static uint8_t body[80000] = { 0x81, 0xa1, 'b', 0xc6, 0, 1, 0x38, 0x78 };
	struct peer *p = peer_joined("p", "state:t", "");
	struct ring *r = &hub->stream.rings[RING_LATEST];
	uint64_t before = r->bytes;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(hub_admit(hub, p->seat, "state", 0, 0, 0, body, sizeof(body)), MK_OK);
	cr_expect_eq(r->bytes - before, sizeof(body), "only the last one");
	cr_expect_eq(r->hollow, 2);
	cr_expect_geq(r->count, 3);
}
