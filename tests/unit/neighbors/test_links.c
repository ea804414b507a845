/* SPDX-License-Identifier: MIT
 *
 * The worked examples T-NE1..11 and T-AG1, 2, 6, 14, and the scenarios S2, S3, S4, S10, S12.
 */
#include "fixture.h"

TestSuite(links, .timeout = 120, .init = begin, .fini = finished);

Test(links, ne1_an_advert_joins_originator_hop_and_observer)
{
	node(&n, "aaaaaaaaaa", "repeater", NOWHERE);
	node(&n, "bbbbbbbbbb", "repeater", NOWHERE);
	take(observed(1, 1, "obs-1", "aaaaaaaaaa", "bb"));
	cr_expect_str_eq(told(), "aaaaaaaaaa-bbbbbbbbbb 1 bbbbbbbbbb-obs-1 1 ");
	/* T-NE2, S4: the same again */
	take(observed(1, 1, "obs-1", "aaaaaaaaaa", "bb"));
	cr_expect_str_eq(told(), "aaaaaaaaaa-bbbbbbbbbb 1 bbbbbbbbbb-obs-1 1 ");
	cr_expect_eq(l.counts.repeated, 1);
	/* T-NE3: a hundred more */
	for (uint64_t i = 2; i <= 101; i++)
		take(observed(i, i, "obs-1", "aaaaaaaaaa", "bb"));
	cr_expect_str_eq(told(), "aaaaaaaaaa-bbbbbbbbbb 101 bbbbbbbbbb-obs-1 101 ");
}

Test(links, ne4_of_other_packets_the_originator_is_not_known)
{
	node(&n, "c1aa00", "repeater", NOWHERE);
	node(&n, "c2dd00", "repeater", NOWHERE);
	take(observed(1, 1, "obs", NULL, "c1aa,c2dd"));
	cr_expect_str_eq(told(), "c1aa00-c2dd00 1 c2dd00-obs 1 ");
	take(observed(2, 2, "obs", "ff00", "c1aa,c2dd")); /* T-NE5 */
	cr_expect_str_eq(told(), "c1aa00-c2dd00 2 c1aa00-ff00 1 c2dd00-obs 2 ");
}

Test(links, ne6_two_candidates_are_no_edge)
{
	node(&n, "b1aa", "repeater", NOWHERE);
	node(&n, "b1bb", "repeater", NOWHERE);
	take(observed(1, 1, "obs", NULL, "b1"));
	cr_expect_str_eq(told(), "obs-?b1 1 ");
}

Test(links, ne7_an_advert_without_hops_was_heard_directly)
{
	take(observed(1, 1, "OBS", "aaaa", ""));
	cr_expect_str_eq(told(), "aaaa-obs 1 ");
	cr_expect_eq(between("aaaa", "obs")->modes[0], 1);
	take(observed(2, 2, "obs", NULL, ""));
	cr_expect_str_eq(told(), "aaaa-obs 1 ");
}

Test(links, ne8_nobody_is_his_own_neighbour)
{
	node(&n, "aaaa", "repeater", NOWHERE);
	take(observed(1, 1, "aaaa", "aaaa", ""));
	take(observed(2, 2, "aaaa", "aaaa", "aa"));
	take(observed(3, 3, "aaaa", NULL, "aa"));
	cr_expect_str_eq(told(), "");
}

/* D5 */
Test(links, ne10_the_way_of_a_direct_packet_is_no_evidence)
{
	struct hops_obs o = observed(1, 1, "obs", NULL, "c1aa,c2dd");

	node(&n, "c1aa00", "repeater", NOWHERE);
	node(&n, "c2dd00", "repeater", NOWHERE);
	o.route = HOPS_ROUTE_DIRECT;
	take(o);
	o.id = 2;
	o.route = HOPS_ROUTE_TDIRECT;
	take(o);
	o.id = 3;
	o.route = HOPS_ROUTE_FLOOD;
	o.type = HOPS_TYPE_TRACE;
	take(o);
	cr_expect_str_eq(told(), "");
	cr_expect_eq(l.counts.barren, 3);
	cr_expect_eq(l.cursor, 3);
	o.id = 4;
	o.type = 5;
	o.route = HOPS_ROUTE_TFLOOD;
	take(o);
	cr_expect_str_eq(told(), "c1aa00-c2dd00 1 c2dd00-obs 1 ");
}

Test(links, a_direct_advert_without_hops_is_evidence_unless_it_was_shared)
{
	struct hops_obs o = observed(1, 1, "obs", "aaaa", "");

	o.route = HOPS_ROUTE_TDIRECT;
	o.shared = true;
	take(o);
	cr_expect_str_eq(told(), "");
	o = observed(2, 2, "obs", "aaaa", "");
	o.route = HOPS_ROUTE_DIRECT;
	take(o);
	cr_expect_str_eq(told(), "aaaa-obs 1 ");
}

Test(links, what_an_observer_sent_it_did_not_hear)
{
	struct hops_obs o = observed(1, 1, "b1aa", NULL, "b1");

	node(&n, "b1aa", "repeater", NOWHERE);
	node(&n, "b1bb", "repeater", NOWHERE);
	hops_obs_direction(&o, "TX", 2);
	take(o);
	cr_expect_str_eq(told(), "");
}

/* D13 */
Test(links, ne11_one_advert_counts_once_however_many_observers_there_are)
{
	static const char hex[] = "0123456789abcdef";

	node(&n, "aaaa", "companion", NOWHERE);
	node(&n, "bbbb", "repeater", NOWHERE);
	for (uint32_t i = 0; i < 30; i++) {
		char observer[8], hops[8], key[8];

		snprintf(observer, sizeof(observer), "obs-%02u", i);
		snprintf(key, sizeof(key), "%c%c00", hex[i / 16 + 1], hex[i % 16]);
		node(&n, key, "repeater", NOWHERE);
		snprintf(hops, sizeof(hops), "bb,%.2s", key);
		take(observed(i + 1, 7, observer, "aaaa", hops));
	}
	cr_expect_eq(between("aaaa", "bbbb")->count, 1);
	cr_expect_eq(between("aaaa", "bbbb")->observers, 30);
	for (uint32_t i = 0; i < 30; i++) {
		char observer[8], key[8];

		snprintf(observer, sizeof(observer), "obs-%02u", i);
		snprintf(key, sizeof(key), "%c%c00", hex[i / 16 + 1], hex[i % 16]);
		cr_expect_eq(between(key, observer)->count, 1);
	}
}

/* T-AG1: SNR is of the link that was measured, the last one (D3) */
Test(links, ag1_the_signal_belongs_to_the_last_hop)
{
	struct hops_obs o = observed(1, 1, "0b500001", "aaaa1111", "b1");
	double snr;

	o.has_snr = true;
	o.snr = -10;
	node(&n, "b1b1b1b1", "repeater", NOWHERE);
	take(o);
	cr_expect_str_eq(told(), "0b500001-b1b1b1b1 1 aaaa1111-b1b1b1b1 1 ");
	cr_expect_eq(between("aaaa1111", "b1b1b1b1")->modes[1], 1);
	cr_expect_not(hops_snr(between("aaaa1111", "b1b1b1b1"), &snr));
	cr_expect(hops_snr(between("0b500001", "b1b1b1b1"), &snr));
	cr_expect_float_eq(snr, -10, 1e-9);
}

/* T-AG2 with D13: one packet, two observers */
Test(links, ag2_a_second_observer_is_no_second_packet)
{
	node(&n, "b1b1b1b1", "repeater", NOWHERE);
	take(observed(1, 1, "0b500001", "aaaa1111", "b1"));
	take(observed(2, 1, "0b500002", "aaaa1111", "b1"));
	cr_expect_str_eq(told(), "0b500001-b1b1b1b1 1 0b500002-b1b1b1b1 1 aaaa1111-b1b1b1b1 1 ");
	cr_expect_eq(between("aaaa1111", "b1b1b1b1")->observers, 2);
}

Test(links, ag6_an_observer_that_is_the_hop_is_dropped)
{
	node(&n, "0b500001", "repeater", NOWHERE);
	take(observed(1, 1, "0b500001", "aaaa1111", "0b"));
	cr_expect_str_eq(told(), "0b500001-aaaa1111 1 ");
}

Test(links, ag14_tokens_of_all_lengths_are_one_edge)
{
	node(&n, "bbbb2222", "repeater", NOWHERE);
	take(observed(1, 1, "obs", NULL, "bb"));
	take(observed(2, 2, "obs", NULL, "bbbb"));
	take(observed(3, 3, "obs", NULL, "bbbb22"));
	cr_expect_eq(between("bbbb2222", "obs")->count, 3);
	for (int i = 1; i <= 3; i++)
		cr_expect_eq(between("bbbb2222", "obs")->modes[i], 1);
}

/* D43 */
Test(links, direction_is_measured)
{
	const struct hops_tally *t;

	node(&n, "c1aa00", "repeater", NOWHERE);
	node(&n, "c2dd00", "repeater", NOWHERE);
	take(observed(1, 1, "obs", NULL, "c1aa,c2dd"));
	t = between("c1aa00", "c2dd00");
	cr_expect(t->count == 1 && t->ab == 1);
	take(observed(2, 2, "obs", NULL, "c2dd,c1aa"));
	take(observed(3, 3, "obs", NULL, "c2dd,c1aa"));
	t = between("c1aa00", "c2dd00");
	cr_expect(t->count == 3 && t->ab == 1);
}

static void
history(uint32_t i, struct hops_obs *o)
{
	static const char *const paths[] = { "a1", "a1b2,b2c3", "b2", "a1,b2", "", "b2c3" };
	static const char *const observers[] = { "obs-1", "obs-2", "obs-3" };

	/* 40 packets, each observed six times */
	*o = observed(i + 1, 1 + i / 6, observers[i % 3], i / 6 % 2 == 0 ? "cafe" : NULL,
		      paths[i * 7 % 6]);
}

/* S2: all but the order of ids, which the feed guarantees, may be any */
Test(links, the_order_of_observations_changes_nothing)
{
	static const uint32_t steps[] = { 1, 77, 239 }; /* prime to 240 */
	mk_writer w[3];

	for (size_t k = 0; k < 3; k++) {
		struct snapshot_input in = { .links = &l, .graph = &g, .order = { 1, 0 } };

		finished();
		begin();
		node(&n, "a1b200", "repeater", NOWHERE);
		node(&n, "b2c300", "repeater", NOWHERE);
		for (uint32_t i = 0; i < 240; i++) {
			struct hops_obs o;

			history(i * steps[k] % 240, &o);
			o.id = i + 1;
			take(o);
		}
		solve();
		mk_writer_init(&w[k], 0);
		cr_assert_eq(snapshot_write(&w[k], &in), MK_OK);
		cr_expect_eq(w[k].len, w[0].len);
		cr_expect_eq(memcmp(w[k].data, w[0].data, w[0].len), 0);
	}
	for (size_t k = 0; k < 3; k++)
		mk_writer_fini(&w[k]);
}

Test(links, a_packet_is_one_packet_within_the_window)
{
	struct hops_obs o = observed(1, 1, "obs", NULL, "a1");

	node(&n, "a1aa", "repeater", NOWHERE);
	take(o);
	o.id = LINKS_WINDOW;
	take(o);
	cr_expect_eq(between("a1aa", "obs")->count, 1);
	o.id += LINKS_WINDOW;
	take(o);
	cr_expect_eq(between("a1aa", "obs")->count, 2);
}

Test(links, the_window_outlives_its_own_growth)
{
	node(&n, "a1aa", "repeater", NOWHERE);
	for (uint32_t round = 0; round < 2; round++) {
		for (uint64_t i = 1; i <= 30000; i++) {
			struct hops_obs o = observed(round * 30000 + i, i, "obs", NULL,
						     "c1,c2,c3,c4,c5,c6,c7,c8,a1");

			take(o);
		}
	}
	cr_expect_eq(between("a1aa", "obs")->count, 30000);
	cr_expect_eq(l.counts.crowded, 0);
}

/* S10, D15 */
Test(links, what_was_silent_for_five_days_goes_and_begins_anew)
{
	struct hops_obs o = observed(1, 1, "obs", NULL, "a1");

	node(&n, "a1aa", "repeater", NOWHERE);
	take(o);
	links_prune(&l, o.at + 4 * 86400 + 23 * 3600);
	cr_expect_eq(l.count, 1);
	links_prune(&l, o.at + 5 * 86400 + 1);
	cr_expect_eq(l.count, 0);
	take(o); /* covered by the cursor: not counted again */
	cr_expect_eq(l.count, 0);
	/* The same without anybody having pruned in between. */
	o.id = 2;
	take(o);
	o.id = 3;
	o.tx = 3;
	o.at += 6 * 86400;
	take(o);
	cr_expect_eq(between("a1aa", "obs")->count, 1);
	cr_expect_eq(between("a1aa", "obs")->first, o.at);
}

Test(links, more_than_the_limit_is_refused_and_counted)
{
	l.max = 10;
	for (uint32_t i = 0; i < 20; i++) {
		char observer[16];

		snprintf(observer, sizeof(observer), "obs-%u", i);
		take(observed(i + 1, i, observer, NULL, "a1"));
	}
	cr_expect_eq(l.count, 10);
	cr_expect_eq(l.counts.refused, 10);
}

Test(links, observers_beyond_the_limit_are_one)
{
	node(&n, "a1aa", "repeater", NOWHERE);
	for (uint32_t i = 0; i < 600; i++) {
		char observer[16];

		snprintf(observer, sizeof(observer), "obs-%u", i);
		take(observed(i + 1, 1, observer, "cafe", "a1,b2"));
	}
	cr_expect_eq(between("cafe", "a1aa")->observers, HOPS_OBSERVERS_MAX);
}
