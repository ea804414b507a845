/* SPDX-License-Identifier: MIT
 *
 * Who waits for whom: publishers for subscribers that are behind, for a while; a stop for what is
 * under way; a publisher for its own limit.
 */
#include "bus_fixture.h"

#define RING 64u

static const struct hub_config config = { .ring_messages = RING,
					  .ring_bytes = 4u << 20,
					  .push_back_us = 5 * SECOND,
					  .call_timeout_us = SECOND };

static void
setup(void)
{
	stop_clock();
	hub_with(&config);
}

TestSuite(push_back, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(drain, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(rate, .timeout = 120, .init = setup, .fini = teardown);

/* -------------------------------------------------------------- push-back -- */

/* Fill the ring until the laggard holds it, and use up the credit that was given before. */
static void
use_up_credit(struct peer *p)
{
	settle();
	while (p->used < p->credit)
		publish(p, "x");
	settle();
}

Test(push_back, who_is_behind_takes_credit_away_and_gives_it_back)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");
	uint64_t ring;

	s->silent = true;
	publish_many(p, "x", RING + 1);
	cr_expect_neq(hub->over_us, 0);
	use_up_credit(p);
	cr_expect_eq(p->credit, p->used, "no more is given");
	ring = hub->stream.rings[RING_RELIABLE].count;
	cr_expect_eq(ring, p->used, "nothing was let go");
	later(4 * SECOND);
	cr_expect_eq(p->credit, p->used);
	s->silent = false;
	peer_ack(s, s->bundles, s->order);
	settle();
	cr_expect_eq(hub->over_us, 0);
	cr_expect_gt(p->credit, p->used);
	cr_expect_geq(hub->pushed_back_us, 4 * SECOND);
	expect_msgs(s, "x", 1, p->used);
	expect_nothing(s);
	cr_expect_eq(s->seat->gaps, 0);
}

Test(push_back, after_its_time_the_others_go_on_and_the_laggard_hears_exactly_what_it_lost)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");
	struct peer *quick = peer_joined("quick", "", "x");
	uint64_t last, have;

	s->silent = true;
	publish_many(p, "x", 1);
	expect_msg(s, "x", 1, 0);
	leave(s);
	publish_many(p, "x", RING);
	use_up_credit(p);
	last = p->used;
	later(6 * SECOND);
	cr_expect(s->seat->laggard);
	cr_expect_not(quick->seat->laggard);
	cr_expect_eq(hub->over_us, 0);
	cr_expect_gt(p->credit, p->used);
	have = hub->stream.rings[RING_RELIABLE].count;
	cr_expect_eq(have, RING);
	s->silent = false;
	join(s);
	expect_gap(s, "x", 1, last - have);
	expect_msgs(s, "x", last - have + 1, last);
	expect_nothing(s);
	expect_msgs(quick, "x", 1, last);
	cr_expect_not(s->seat->laggard, "it has caught up");
}

Test(push_back, a_laggard_that_lost_its_last_messages_catches_up_all_the_same)
{
	struct peer *p = peer_joined("p", "x:r y:r", ""), *s = peer_joined("s", "", "x");

	leave(s);
	publish_many(p, "x", RING);
	publish_many(p, "y", 1);
	later(6 * SECOND);
	cr_expect(s->seat->laggard);
	publish_many(p, "y", RING); /* x is gone without a successor */
	join(s);
	expect_gap(s, "x", 1, RING);
	settle();
	cr_expect_not(s->seat->laggard);
}

/* As decode and storage: one passes on what it gets, and has it acknowledged when the other has
 * stored that. */
Test(push_back, who_waits_for_a_commit_gets_no_credit_and_who_commits_always_does)
{
	struct peer *p = peer_joined("p", "x:r", ""), *middle = peer_joined("middle", "y:r", "x");
	struct peer *storage = peer_joined("storage", "storage/committed:r", "y");
	uint64_t credit;

	middle->silent = true;
	publish_many(p, "x", RING + 1);
	use_up_credit(p);
	settle();
	peer_ack_by_hand(middle, middle->bundles, 0, middle->order);
	settle();
	cr_expect_neq(hub->over_us, 0);
	credit = middle->credit;
	while (middle->used < middle->credit)
		publish(middle, "y");
	settle();
	cr_expect_eq(middle->credit, credit, "it has handled all that is in the ring");
	for (int i = 0; i < 3000; i++)
		publish(storage, "storage/committed");
	settle();
	cr_expect_gt(storage->credit, 3000);
	peer_ack(middle, middle->bundles, middle->order);
	settle();
	cr_expect_eq(hub->over_us, 0);
	cr_expect_gt(middle->credit, credit);
}

Test(push_back, who_must_get_on_to_hear_of_the_commit_has_credit_for_that)
{
	struct peer *p = peer_joined("p", "x:r", "");
	struct peer *middle = peer_joined("middle", "y:r", "x storage/committed");
	struct peer *storage = peer_joined("storage", "storage/committed:r", "y");
	uint64_t credit;

	middle->silent = true;
	publish_many(p, "x", RING + 1);
	use_up_credit(p);
	settle();
	peer_ack_by_hand(middle, middle->bundles, 0, middle->order);
	settle();
	credit = middle->credit;
	while (middle->used < middle->credit)
		publish(middle, "y");
	settle();
	cr_expect_eq(middle->credit, credit);
	publish(storage, "storage/committed");
	settle();
	cr_expect_gt(middle->credit, credit, "it has not heard of that yet");
	cr_expect_neq(hub->over_us, 0);
}

Test(push_back, who_holds_the_ring_keeps_its_own_credit)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "y", "x");

	s->silent = true;
	publish_many(p, "x", RING + 1);
	use_up_credit(p);
	for (int i = 0; i < 3000; i++)
		publish(s, "y"); /* waits for credit, and gets it */
	settle();
	cr_expect_eq(p->credit, p->used);
}

Test(push_back, only_who_wants_a_message_holds_it)
{
	struct peer *p = peer_joined("p", "x:r", "");

	peer_joined("s", "", "y")->silent = true;
	publish_many(p, "x", RING + 10);
	cr_expect_eq(hub->over_us, 0);
	cr_expect_eq(hub->stream.rings[RING_RELIABLE].count, RING);
}

Test(push_back, nobody_holds_what_is_only_the_latest)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	publish_many(p, "x", RING + 10);
	cr_expect_eq(hub->over_us, 0);
	cr_expect_eq(hub->stream.rings[RING_LATEST].count, RING);
}

Test(push_back, a_parked_seat_holds_nothing)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	leave(s);
	seat_park(s->seat, true);
	publish_many(p, "x", RING + 10);
	cr_expect_eq(hub->over_us, 0);
	seat_park(s->seat, false);
	publish_many(p, "x", 1);
	cr_expect_neq(hub->over_us, 0, "now it is waited for");
	seat_park(s->seat, true);
	settle();
	cr_expect_eq(hub->over_us, 0);
}

Test(push_back, a_message_that_is_skipped_holds_nothing)
{
	struct peer *p = peer_joined("p", "x:r y:r", ""), *s = peer_joined("s", "", "x");

	leave(s);
	publish_many(p, "x", 1);
	seat_skip(s->seat, 1);
	publish_many(p, "y", RING);
	cr_expect_eq(hub->over_us, 0);
}

/* ------------------------------------------------------------------ drain -- */

Test(drain, it_stops_behind_what_was_sent_and_the_rest_is_for_the_next)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	publish_many(p, "x", 2);
	seat_drain(s->seat, false);
	publish_many(p, "x", 2);
	expect_msgs(s, "x", 1, 2);
	next_record(s, WIRE_STOP);
	expect_nothing(s);
	leave(s);
	join(s);
	expect_msgs(s, "x", 3, 4);
	expect_nothing(s);
}

Test(drain, it_stops_behind_everything_when_all_shall_come)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	for (int i = 0; i < 20; i++)
		publish_many(p, "x", 1); /* more than the window */
	seat_drain(s->seat, true);
	publish_many(p, "x", 1);
	expect_msgs(s, "x", 1, 16);
	expect_nothing(s);
	peer_ack(s, s->bundles, s->order);
	settle();
	expect_msgs(s, "x", 17, 20);
	next_record(s, WIRE_STOP);
	expect_nothing(s);
	settle();
	expect_nothing(s);
}

Test(drain, without_anything_on_the_way_it_stops_at_once)
{
	struct peer *s = peer_joined("s", "", "x");

	seat_drain(s->seat, true);
	settle();
	next_record(s, WIRE_STOP);
	expect_nothing(s);
}

/* ------------------------------------------------------------------- rate -- */

Test(rate, no_more_is_published_than_the_limit_allows)
{
	struct peer *p = peer_new("p", (struct spec){ .publishes = "x" });
	uint64_t given;

	seat_declare(p->seat, p->manifest, 100, false);
	join(p);
	later(10 * SECOND);
	cr_expect_eq(p->credit, 10, "a tenth of a second's, however long it was quiet");
	for (int i = 0; i < 10; i++)
		publish(p, "x");
	settle();
	cr_expect_eq(p->credit, p->used);
	cr_expect_gt(p->seat->throttled, 0);
	given = p->credit;
	for (int i = 0; i < 200; i++) { /* two seconds, and it uses all that it gets */
		later(10000);
		while (p->used < p->credit)
			publish(p, "x");
	}
	settle();
	cr_expect_geq(p->credit - given, 199);
	cr_expect_leq(p->credit - given, 201);
	cr_expect_eq(p->misbehaved, 0);
	cr_expect_eq(p->seat->in_messages, p->used);
}

Test(rate, what_goes_beyond_the_credit_is_refused)
{
	struct peer *p = peer_joined("p", "x", "");

	while (p->used < p->credit)
		send_record(p, 0, 0, "x", body_of(1), 8);
	for (int i = 0; i < 3; i++)
		send_record(p, 0, 0, "x", body_of(1), 8);
	settle();
	cr_expect_eq(p->misbehaved, 3);
	cr_expect_str_eq(p->text, "published beyond its credit");
	cr_expect_eq(p->seat->refused, 3);
	cr_expect_eq(p->seat->in_messages, p->used - 3);
	p->used -= 3;
	publish_many(p, "x", 1);
	cr_expect_eq(p->misbehaved, 3, "it goes on with what it is given next");
}
