/* SPDX-License-Identifier: MIT
 *
 * A place at the bus: what is brought to whoever sits there, at its own pace. How far others wait for
 * it is in test_push_back.c.
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

TestSuite(seat, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(resume, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(window, .timeout = 120, .init = setup, .fini = teardown);

/* -------------------------------------------------------- coming, talking -- */

Test(seat, it_starts_when_both_sockets_are_through_and_not_before)
{
	struct peer *p = peer_new("p", (struct spec){ .subscribes = "x" });

	connect_only(p);
	settle();
	expect_nothing(p);
	peer_state(p, WIRE_STATE_HERE);
	peer_state(p, WIRE_STATE_HERE);
	settle();
	cr_expect_eq(wire_get_u64(next_record(p, WIRE_START)), hub->stream.epoch);
	expect_nothing(p);
}

Test(seat, nothing_comes_before_it_says_that_it_runs)
{
	struct peer *p = peer_joined("p", "x", "");
	struct peer *s = peer_new("s", (struct spec){ .subscribes = "x" });

	connect_only(s);
	peer_state(s, WIRE_STATE_HERE);
	peer_state(s, WIRE_STATE_CREATED);
	publish_many(p, "x", 2);
	next_record(s, WIRE_START);
	expect_nothing(s);
	cr_expect_eq(s->credit, 0, "and it may publish nothing");
	peer_state(s, WIRE_STATE_RUNNING);
	settle();
	expect_msgs(s, "x", 1, 2);
	cr_expect_gt(s->credit, 0);
}

Test(seat, its_states_come_to_its_owner_with_their_result_and_text)
{
	struct peer *p = peer_joined("p", "", "");

	wire_begin(&p->out, WIRE_STATE);
	wire_u8(&p->out, WIRE_STATE_FAILED);
	wire_u32(&p->out, (uint32_t)MK_EIO);
	wire_rest(&p->out, "no such port", 12);
	wire_end(&p->out);
	settle();
	cr_expect_eq(p->state, WIRE_STATE_FAILED);
	cr_expect_eq(p->result, MK_EIO);
	cr_expect_str_eq(p->text, "no such port");
	cr_expect_not(p->seat->running);
}

Test(seat, a_state_that_is_cut_off_is_none)
{
	struct peer *p = peer_new("p", (struct spec){ 0 });

	connect_only(p);
	wire_begin(&p->out, WIRE_STATE);
	wire_end(&p->out);
	wire_begin(&p->out, WIRE_STATE);
	wire_u8(&p->out, WIRE_STATE_RUNNING);
	wire_end(&p->out);
	UNTIL(p->out.len == 0); /* what follows damage in a bundle is not read */
	settle();
	cr_expect_not(p->seat->here);
	cr_expect_not(p->seat->running);
	cr_expect_eq(p->state, 0);
	cr_expect_eq(p->misbehaved, 1, "told once for the bundle");
}

Test(seat, its_numbers_and_figures_come_to_its_owner)
{
	struct peer *p = peer_joined("p", "", "");

	wire_begin(&p->out, WIRE_OUTBOX);
	for (uint64_t i = 1; i <= 6; i++)
		wire_u64(&p->out, i * 10);
	wire_end(&p->out);
	settle();
	for (unsigned i = 0; i < 6; i++)
		cr_expect_eq(p->outbox[i], (i + 1) * 10);
	wire_begin(&p->out, WIRE_MISBEHAVED);
	wire_rest(&p->out, "left a thread behind", 20);
	wire_end(&p->out);
	settle();
	cr_expect_eq(p->misbehaved, 1);
	cr_expect_str_eq(p->text, "left a thread behind");
}

Test(seat, new_options_and_the_last_word_are_brought_to_it)
{
	struct peer *p = peer_joined("p", "", "");
	struct wire_in *r;

	seat_reconfigure(p->seat, "\x80", 1);
	settle();
	r = next_record(p, WIRE_OPTIONS);
	cr_expect(r->end - r->p == 1 && *r->p == 0x80);
	seat_bye(p->seat);
	settle();
	next_record(p, WIRE_BYE);
	expect_nothing(p);
}

Test(seat, its_owner_hears_when_the_peer_has_gone)
{
	struct peer *p = peer_joined("p", "", "");

	settle();
	cr_expect_not(seat_is_quiet(p->seat));
	loop_unwatch(p->watch);
	link_close(p->sub);
	link_close(p->push);
	p->sub = p->push = NULL;
	UNTIL(p->lost_links > 0 && seat_is_quiet(p->seat));
	seat_detach(p->seat);
	cr_expect(seat_is_quiet(p->seat), "as is one where nobody sits");
}

Test(seat, a_message_is_at_hand_as_long_as_it_is_in_a_ring)
{
	struct peer *p = peer_joined("p", "x:r y", "");

	publish(p, "x");
	publish_many(p, "y", 1);
	for (uint64_t order = 0; order <= 3; order++) {
		const struct entry *e = seat_find(p->seat, order);

		if (order == 0 || order == 3)
			cr_expect_null(e);
		else
			cr_expect(e != NULL && e->len == 8 &&
				  memcmp(e->body, body_of((uint32_t)order - 1), 8) == 0);
	}
}

/* ----------------------------------------------------------------- resume -- */

Test(resume, who_sits_down_next_goes_on_behind_what_was_acknowledged)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	publish_many(p, "x", 3);
	expect_msgs(s, "x", 1, 3);
	s->silent = true;
	publish_many(p, "x", 2);
	expect_msgs(s, "x", 4, 5);
	leave(s);
	publish_many(p, "x", 2);
	s->silent = false;
	join(s);
	expect_msg(s, "x", 4, MK_MSG_REPLAYED);
	expect_msg(s, "x", 5, MK_MSG_REPLAYED);
	expect_msgs(s, "x", 6, 7);
	expect_nothing(s);
	leave(s);
	join(s);
	expect_nothing(s);
	cr_expect_eq(s->seat->gaps, 0);
}

Test(resume, a_part_of_a_bundle_may_be_acknowledged)
{
	struct peer *p = peer_joined("p", "x:r y", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	publish(p, "y");
	publish_many(p, "x", 4); /* orders 2 to 5 */
	peer_ack(s, 0, 3);
	leave(s);
	join(s);
	forget_records(s);
	leave(s);
	join(s);
	expect_msg(s, "x", 3, MK_MSG_REPLAYED);
	expect_msg(s, "x", 4, MK_MSG_REPLAYED);
	expect_nothing(s);
}

Test(resume, what_was_done_as_its_vitals_say_does_not_come_again)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	publish_many(p, "x", 4);
	leave(s);
	seat_done(s->seat, 3);
	seat_done(s->seat, 2);
	seat_done(s->seat, 1000);
	join(s);
	expect_msg(s, "x", 4, MK_MSG_REPLAYED);
	expect_nothing(s);
}

Test(resume, a_message_that_is_skipped_does_not_come_and_those_around_it_do)
{
	struct peer *p = peer_joined("p", "x:r", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	publish_many(p, "x", 3);
	leave(s);
	forget_records(s);
	seat_skip(s->seat, 2);
	join(s);
	expect_msg(s, "x", 1, MK_MSG_REPLAYED);
	expect_msg(s, "x", 3, MK_MSG_REPLAYED);
	expect_nothing(s);
}

Test(resume, from_the_start_means_from_the_first_message_of_all)
{
	struct peer *p = peer_joined("p", "x", ""), *s;

	publish_many(p, "x", RING + 10);
	s = peer_new("s", (struct spec){ .subscribes = "x" });
	seat_free(s->seat);
	s->seat = seat_new(hub, "s", s, true);
	seat_declare(s->seat, s->manifest, 0, false);
	join(s);
	expect_gap(s, "x", 1, 10);
	expect_msgs(s, "x", 11, RING + 10);
	expect_nothing(s);
}

Test(resume, what_fell_out_of_the_ring_meanwhile_is_an_exact_gap)
{
	struct peer *p = peer_joined("p", "x y", ""), *s = peer_joined("s", "", "x");

	publish_many(p, "x", 2);
	forget_records(s);
	leave(s);
	publish_many(p, "x", 5);
	publish_many(p, "y", RING - 2);
	join(s);
	expect_gap(s, "x", 3, 3);
	expect_msgs(s, "x", 6, 7);
	expect_nothing(s);
	cr_expect_eq(s->seat->gaps, 1);
	cr_expect_eq(s->seat->lost, 3);
}

Test(resume, a_loss_that_was_heard_is_not_told_again)
{
	struct peer *p = peer_joined("p", "x y", ""), *s = peer_joined("s", "", "x");

	leave(s);
	publish_many(p, "x", 3);
	publish_many(p, "y", RING); /* nothing of x is left to follow the gap */
	join(s);
	expect_gap(s, "x", 1, 3);
	settle();
	leave(s);
	join(s);
	expect_nothing(s);
	publish_many(p, "x", 1);
	expect_msg(s, "x", 4, 0);
	cr_expect_eq(s->seat->lost, 3);
}

Test(resume, a_loss_that_was_told_to_who_died_of_it_is_told_again)
{
	struct peer *p = peer_joined("p", "x y", ""), *s = peer_joined("s", "", "x");

	leave(s);
	publish_many(p, "x", 3);
	publish_many(p, "y", RING);
	s->silent = true;
	join(s);
	expect_gap(s, "x", 1, 3);
	leave(s);
	s->silent = false;
	join(s);
	expect_gap(s, "x", 1, 3);
	expect_nothing(s);
}

Test(resume, a_new_interest_begins_with_the_next_message)
{
	struct peer *p = peer_joined("p", "x:r y:r", ""), *s = peer_joined("s", "", "x");

	publish_many(p, "y", RING + 5);
	leave(s);
	declare(s, (struct spec){ .subscribes = "x y" });
	publish_many(p, "x", 1);
	join(s);
	expect_msg(s, "x", 1, 0);
	expect_nothing(s);
	publish_many(p, "y", 1);
	expect_msg(s, "y", RING + 6, 0);
	cr_expect_eq(s->seat->gaps, 0);
}

Test(resume, a_gap_is_told_on_the_bus_but_not_one_in_what_the_core_says)
{
	struct peer *p = peer_joined("p", "x y", ""), *s = peer_joined("s", "", "x core/stats");
	struct peer *watcher = peer_joined("watcher", "", "core/gap");
	mk_writer w;

	mk_writer_init(&w, 8);
	mk_put_map(&w, 0);
	leave(s);
	hub_say(hub, "core/stats", false, &w);
	publish_many(p, "x", 1);
	publish_many(p, "y", RING);
	join(s);
	cr_expect_eq(s->seat->gaps, 2);
	expect_msg(watcher, "core/gap", 1, 0);
	expect_nothing(watcher);
	mk_writer_fini(&w);
}

/* ----------------------------------------------------------------- window -- */

Test(window, who_does_not_read_is_sent_no_more_than_a_window)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");
	uint64_t sent;

	s->silent = true;
	for (int i = 0; i < 30; i++)
		publish_many(p, "x", 1);
	sent = s->seat->bundles_sent - s->seat->bundles_received;
	cr_expect_eq(sent, 16);
	peer_ack(s, s->bundles, 0);
	settle();
	cr_expect_eq(s->seat->bundles_sent, s->bundles);
	expect_msgs(s, "x", 1, 30);
	expect_nothing(s);
}

Test(window, it_is_one_of_bytes_too_but_one_message_always_goes)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");

	s->silent = true;
	publish_large(p, "x", 3u << 19);
	publish_large(p, "x", 3u << 19);
	expect_msg(s, "x", 1, 0);
	expect_nothing(s);
	peer_ack(s, s->bundles, 0);
	settle();
	expect_msg(s, "x", 2, 0);
	cr_expect_eq(s->seat->bytes_unreceived, s->seat->bundle_len[(s->bundles - 1) % 32]);
}

Test(window, control_goes_ahead_of_it_but_not_for_ever)
{
	struct peer *p = peer_joined("p", "x", ""), *s = peer_joined("s", "", "x");
	uint64_t before;

	s->silent = true;
	for (int i = 0; i < 30; i++)
		publish_many(p, "x", 1);
	forget_records(s);
	before = s->bundles;
	for (int i = 0; i < 30; i++) {
		seat_reconfigure(s->seat, "\x80", 1);
		settle();
	}
	cr_expect_eq(s->bundles - before, 8);
	for (int i = 0; i < 8; i++)
		next_record(s, WIRE_OPTIONS);
	s->silent = false;
	peer_ack(s, s->bundles, 0);
	settle();
	for (int i = 8; i < 30; i++)
		next_record(s, WIRE_OPTIONS);
	expect_msgs(s, "x", 17, 30);
}

Test(window, who_lets_control_pile_up_is_given_up)
{
	struct peer *s = peer_joined("s", "", "");
	uint8_t *values = calloc(1, 16u << 20);

	s->silent = true;
	for (int i = 0; i < 30; i++) {
		seat_reconfigure(s->seat, "\x80", 1);
		settle();
	}
	for (int i = 0; i < 3; i++) {
		seat_reconfigure(s->seat, values, 16u << 20);
		settle();
	}
	cr_expect_eq(s->lost_links, 0);
	seat_reconfigure(s->seat, values, 16u << 20);
	hub_pump(hub);
	cr_expect_gt(s->lost_links, 0);
	cr_expect_str_eq(s->text, "does not take what it is sent");
	free(values);
}

Test(window, an_acknowledgement_of_what_was_never_sent_is_a_fault)
{
	struct peer *s = peer_joined("s", "", "x");

	peer_ack(s, s->bundles + 1, 0);
	UNTIL(s->out.len == 0); /* what follows damage in a bundle is not read */
	settle();
	cr_expect_eq(s->misbehaved, 1);
	peer_ack(s, s->bundles, hub->stream.order + 1);
	UNTIL(s->out.len == 0);
	settle();
	cr_expect_eq(s->misbehaved, 2);
	cr_expect_eq(s->seat->done, 0);
	peer_ack(s, 0, 0);
	settle();
	cr_expect_eq(s->misbehaved, 2, "an old one is none");
}
