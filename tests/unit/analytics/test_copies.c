/* SPDX-License-Identifier: MIT
 *
 * Damaged copies: found, linked, kept out, and blamed on somebody.
 */
#include "world.h"

#include <analytics/copies.h>
#include <analytics/near.h>
#include <analytics/relays.h>

#define TEXT 2
#define GROUP 5

static const struct an_module *const modules[] = { &copies_module, &relays_module, NULL };
static struct world w;
static uint8_t payload[64], damaged[64];

static void
copies_setup(void)
{
	world_init(&w, modules);
	world_node(&w, "aa11", "repeater", 0, 0);
	world_node(&w, "bb22", "repeater", 0, 0);
	world_node(&w, "cc33", "repeater", 0, 0);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 151 + 7);
	memcpy(damaged, payload, sizeof(damaged));
	damaged[60] ^= 0x14;
}

static void
copies_teardown(void)
{
	world_fini(&w);
}

TestSuite(copies, .init = copies_setup, .fini = copies_teardown, .timeout = 120);

static void
hear(uint64_t tx, const uint8_t *bytes, const char *path, const char *observer, const char *json)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = observer,
				       .type = json != NULL ? GROUP : TEXT,
				       .route = 1,
				       .path = path,
				       .json = json,
				       .payload = bytes,
				       .payload_len = sizeof(payload) });
}

static json_t *
ask(void)
{
	return world_ask(&w, "damaged-copies", "{}", 200);
}

static bool
is_copy(uint64_t tx)
{
	return frame_find(&w.frame, tx)->copy;
}

Test(copies, the_one_that_went_further_is_the_copy)
{
	json_t *v;

	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	cr_expect_not(is_copy(1));
	cr_expect(is_copy(2));
	v = ask();
	world_expect(v, "summary.copies", "1");
	world_expect(v, "summary.inTail", "1");
	world_expect(v, "copies.0.hash", "\"0000000000000002\"");
	world_expect(v, "copies.0.original", "\"0000000000000001\"");
	world_expect(v, "copies.0.bits", "2");
	world_expect(v, "copies.0.first_bit", "483");
	world_expect(v, "copies.0.last_bit", "485");
	world_expect(v, "copies.0.judge", "\"path\"");
	world_expect(v, "copies.0.suspects", "[\"bb\"]");
	world_expect(v, "relays.0.pubkey", "\"bb22\"");
	world_expect(v, "relays.0.damaged", "1");
	json_decref(v);
}

Test(copies, it_may_come_before_its_original)
{
	hear(2, damaged, "AA,BB", "O2", NULL);
	cr_expect_not(is_copy(2));
	hear(1, payload, "AA", "O1", NULL);
	cr_expect(is_copy(2));
	cr_expect_not(is_copy(1));
}

Test(copies, they_are_in_no_other_count)
{
	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	frame_flush(&w.frame);
	cr_expect_eq(relays_trails(&w.frame)->total, 1);
}

Test(copies, they_are_packets_if_nobody_shall_look_for_them)
{
	w.frame.count_copies = true;
	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	frame_flush(&w.frame);
	cr_expect_not(is_copy(1));
	cr_expect_not(is_copy(2));
	cr_expect_eq(relays_trails(&w.frame)->total, 2);
}

Test(copies, a_good_mac_decides_against_the_path)
{
	static const char good[] = "{\"decryptionStatus\":\"decrypted\"}";
	static const char bad[] = "{\"decryptionStatus\":\"decryption_failed\"}";
	json_t *v;

	hear(1, damaged, "", "O1", bad);
	hear(2, payload, "AA,BB", "O2", good);
	cr_expect(is_copy(1));
	cr_expect_not(is_copy(2));
	v = ask();
	world_expect(v, "copies.0.judge", "\"mac\"");
	json_decref(v);
}

Test(copies, two_good_macs_are_two_packets)
{
	static const char good[] = "{\"decryptionStatus\":\"decrypted\"}";

	hear(1, payload, "AA", "O1", good);
	hear(2, damaged, "AA,BB", "O2", good);
	cr_expect_not(is_copy(1));
	cr_expect_not(is_copy(2));
}

Test(copies, what_many_heard_is_the_original_after_all)
{
	json_t *v;

	hear(1, damaged, "", "O1", NULL);
	hear(2, payload, "AA", "O2", NULL);
	cr_expect(is_copy(2));
	hear(2, payload, "AA", "O3", NULL);
	hear(2, payload, "BB", "O4", NULL);
	cr_expect(is_copy(1));
	cr_expect_not(is_copy(2));
	v = ask();
	world_expect(v, "summary.copies", "1");
	world_expect(v, "copies.0.hash", "\"0000000000000001\"");
	world_expect(v, "summary.judgedBy.observers", "1");
	json_decref(v);
}

Test(copies, who_was_heard_sending_it_undamaged_did_not_do_it)
{
	json_t *v;

	hear(1, payload, "AA", "O1", NULL);
	hear(1, payload, "AA,BB", "O2", NULL);
	hear(2, damaged, "AA,BB,CC,AA", "O3", NULL);
	hear(2, damaged, "AA,BB,CC", "O4", NULL);
	v = ask();
	world_expect(v, "copies.0.suspects", "[\"cc\"]");
	world_expect(v, "relays.0.blame", "1");
	world_expect(v, "summary.atReception", "0");
	json_decref(v);
}

Test(copies, if_nobody_is_left_the_observer_got_it_wrong)
{
	json_t *v;

	hear(1, payload, "AA,BB", "O1", NULL);
	hear(1, payload, "", "O3", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	v = ask();
	world_expect(v, "summary.atReception", "1");
	world_expect(v, "observers.0.observer_id", "\"O2\"");
	world_expect(v, "relays", "[]");
	json_decref(v);
}

Test(copies, copies_of_one_packet_are_linked_to_it_and_not_to_each_other)
{
	uint8_t other[sizeof(damaged)];
	json_t *v;

	memcpy(other, damaged, sizeof(other));
	other[61] ^= 1;
	hear(1, payload, "", "O1", NULL);
	hear(2, damaged, "AA", "O2", NULL);
	hear(3, other, "AA,BB", "O3", NULL);
	v = ask();
	world_expect(v, "summary.copies", "2");
	world_expect(v, "copies.0.original", "\"0000000000000001\"");
	world_expect(v, "copies.1.original", "\"0000000000000001\"");
	json_decref(v);
}

Test(copies, minutes_later_it_is_another_packet)
{
	hear(1, payload, "AA", "O1", NULL);
	w.now += COPIES_WINDOW_S + 1;
	hear(2, damaged, "AA,BB", "O2", NULL);
	cr_expect_not(is_copy(2));
}

/* What it enciphers is another text, though it may say the same. */
Test(copies, another_sender_is_another_packet)
{
	memcpy(damaged, payload, sizeof(damaged));
	for (size_t i = 1; i < sizeof(damaged); i++)
		damaged[i] ^= (uint8_t)(i * 37);
	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	cr_expect_not(is_copy(2));
}

Test(copies, a_sender_that_got_damaged_is_no_other_one)
{
	memcpy(damaged, payload, sizeof(damaged));
	damaged[1] ^= 1;
	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	cr_expect(is_copy(2));
}

Test(copies, all_that_came_over_one_relay_may_have_got_damaged_there)
{
	hear(1, payload, "AA", "O1", NULL);
	for (int i = 0; i < 9; i++)
		hear(2, damaged, i % 2 == 0 ? "BB,CC" : "BB,CC,AA", "O2", NULL);
	cr_expect(is_copy(2), "however many heard it");
	cr_expect_not(is_copy(1));
	hear(2, damaged, "CC", "O3", NULL);
	cr_expect_not(is_copy(2), "and they did not");
	cr_expect(is_copy(1));
}

Test(copies, what_is_forgotten_is_not_shown)
{
	json_t *v;

	hear(1, payload, "AA", "O1", NULL);
	hear(2, damaged, "AA,BB", "O2", NULL);
	w.now += 40 * 86400;
	payload[5] ^= 0xff;
	payload[15] ^= 0xff;
	payload[25] ^= 0xff;
	hear(3, payload, "AA", "O1", NULL);
	frame_on_live(&w.frame);
	frame_on_tick(&w.frame, w.now);
	v = ask();
	world_expect(v, "summary.copies", "0");
	world_expect(v, "summary.packets", "1");
	json_decref(v);
}

Test(near, short_packets_must_be_nearly_equal)
{
	struct near_packet ack = { 3, 4, payload }, text = { 2, 22, payload };
	struct near_packet trace = { 9, 30, payload }, raw = { 15, 30, payload };

	cr_expect_eq(near_limit(&ack), 1);
	cr_expect_eq(near_limit(&text), 16);
	cr_expect_eq(near_limit(&trace), 0, "traces are alike by nature");
	cr_expect_eq(near_limit(&raw), 0);
}

Test(near, what_can_be_read_has_to_be_the_same_where_little_else_is)
{
	struct near_packet a = { 2, 12, payload }, b = { 2, 12, damaged };
	struct near_difference d;

	memcpy(damaged, payload, sizeof(damaged));
	damaged[9] ^= 1;
	cr_expect(near_same(&a, &b, &d));
	damaged[0] ^= 1;
	cr_expect_not(near_same(&a, &b, &d));
	a.len = b.len = 22;
	cr_expect(near_same(&a, &b, &d));
	cr_expect_eq(d.bits, 2);
	cr_expect_eq(d.first, 7);
	cr_expect_eq(d.last, 79);
	a.type = b.type = 10;
	cr_expect_not(near_same(&a, &b, &d), "these are two parts");
}

Test(near, the_payload_is_what_follows_the_path)
{
	static const uint8_t flood[] = { 0x09, 0x02, 0xab, 0xcd, 1, 2, 3 };
	static const uint8_t scoped[] = { 0x14, 0, 0x11, 0x22, 0x33, 0x41, 0xff, 0xfe, 9 };
	static const uint8_t cut[] = { 0x09, 0x3f, 1 };
	struct near_packet p;

	cr_assert(near_read(&p, flood, sizeof(flood)));
	cr_expect_eq(p.len, 3);
	cr_expect_eq(p.type, 2);
	cr_assert(near_read(&p, scoped, sizeof(scoped)));
	cr_expect_eq(p.len, 1);
	cr_expect_eq(p.payload[0], 9);
	for (uint32_t i = 0; i <= sizeof(cut); i++)
		cr_expect_not(near_read(&p, cut, i));
}
