/* SPDX-License-Identifier: MIT
 *
 * The state is packed: what comes out is what went in.
 */
#include "world.h"

#include <analytics/hours.h>
#include <analytics/modules.h>
#include <analytics/observing.h>
#include <analytics/packed.h>
#include <analytics/reach.h>
#include <analytics/table.h>

#define DAY 86400

static const struct an_module *const modules[] = { &rf_module, &airtime_module, &reach_module,
						   &observing_module, NULL };
static struct world w;
static uint64_t state;

static uint32_t
draw(uint32_t below)
{
	state = hops_mix(state + 1);
	return (uint32_t)(state >> 32) % below;
}

static void
state_setup(void)
{
	state = 1;
	world_init(&w, modules);
	world_node(&w, "aa112233", "repeater", 0, 0);
	world_node(&w, "bb112233", "repeater", 0, 0);
}

static void
state_teardown(void)
{
	world_fini(&w);
}

TestSuite(state, .init = state_setup, .fini = state_teardown, .timeout = 120);

static void
hear(uint64_t tx, const char *observer, const char *path, int64_t at)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = observer,
				       .type = 5,
				       .route = 1,
				       .path = path,
				       .at = at,
				       .snr = 4,
				       .rssi = -90 });
}

static json_int_t
number(const char *method, const char *args, const char *path)
{
	json_t *v = world_ask(&w, method, args, 200);
	json_int_t n = json_integer_value(world_at(v, path));

	json_decref(v);
	return n;
}

/* ----------------------------------------------------------------- packets -- */

Test(state, a_packed_packet_has_all_its_hops_and_copies)
{
	for (uint32_t run = 0; run < 500; run++) {
		uint32_t hops[HOPS_PATH_MAX + UINT8_MAX], got_hops[HOPS_PATH_MAX + UINT8_MAX];
		struct an_heard heard[300] = { { 0 } }, got_heard[300];
		struct an_packet p = { .hops = hops,
				       .heard = heard,
				       .hop_count = (uint8_t)draw(HOPS_PATH_MAX + 1),
				       .more_count = (uint8_t)draw(run % 3 == 0 ? 256 : 4),
				       .heard_count = (uint16_t)(1 + draw(300)) };
		uint32_t size = 1 + draw(3);
		uint8_t *block;
		size_t len;

		for (uint32_t i = 0; i < (uint32_t)p.hop_count + p.more_count; i++) {
			uint32_t own = run % 2 == 0 ? size : 1 + draw(3);

			hops[i] = own << 24 | draw(1u << 8 * own);
		}
		for (uint32_t i = 0; i < p.heard_count; i++)
			heard[i] =
			    (struct an_heard){ (uint16_t)(draw(4) == 0   ? 250 + draw(10)
							  : draw(9) == 0 ? AN_NO_OBSERVER
									 : draw(65536)),
					       (int8_t)(draw(256) - 128), (uint8_t)draw(256) };
		len = packed_length(&p);
		block = malloc(len); /* exactly, so that a byte too many is found */
		cr_assert_not_null(block);
		packed_write(&p, block);
		p.hops = (uint32_t *)(void *)block;
		p.heard = NULL;
		cr_expect_eq(packed_read(&p, got_hops, got_heard), len);
		cr_expect_arr_eq(got_hops, hops, (p.hop_count + p.more_count) * sizeof(hops[0]));
		for (uint32_t i = 0; i < p.heard_count; i++)
			cr_expect(got_heard[i].observer == heard[i].observer &&
				  got_heard[i].snr == heard[i].snr &&
				  got_heard[i].rssi == heard[i].rssi);
		free(block);
	}
}

Test(state, a_late_copy_counts_like_any_other)
{
	for (uint64_t tx = 1; tx <= TABLE_PLAIN + 100; tx++)
		hear(tx, "obs1", "AA", w.now);
	cr_assert(frame_find(&w.frame, 1)->packed);
	cr_assert_not(frame_find(&w.frame, TABLE_PLAIN + 100)->packed);
	cr_expect_eq(number("rf", "{}", "totalAllPackets"), TABLE_PLAIN + 100);
	hear(1, "obs2", "AA,BB", w.now);
	cr_expect_not(frame_find(&w.frame, 1)->packed);
	cr_expect_eq(frame_find(&w.frame, 1)->heard_count, 2);
	cr_expect_eq(frame_find(&w.frame, 1)->hop_count, 2);
	cr_expect_eq(number("rf", "{}", "totalAllPackets"), TABLE_PLAIN + 101);
	/* In a view that is made of packed ones, too. */
	cr_expect_eq(number("rf", "{\"window\": \"1h\"}", "totalAllPackets"), TABLE_PLAIN + 101);
}

Test(state, places_of_forgotten_packets_are_packed_for_whom_they_are_given_to)
{
	uint64_t tx = 1;

	w.frame.max_packets = 1000;
	for (uint32_t run = 0; run < 8; run++) {
		for (uint32_t i = 0; i < 1000; i++, tx++) {
			hear(tx, "obs1", "AA", w.now);
			hear(tx - draw(i + 1), "obs2", "BB,AA", w.now);
		}
		w.now += 60;
		frame_on_tick(&w.frame, w.now);
		cr_assert_eq(w.frame.packet_count, 1000);
	}
	cr_expect_eq(number("rf", "{}", "totalTransmissions"), 1000);
}

Test(state, counts_that_nobody_asks_for_are_given_up)
{
	hear(1, "obs1", "AA", w.now);
	number("rf", "{}", "totalTransmissions");
	frame_on_tick(&w.frame, w.now + 60);
	cr_expect_eq(w.frame.view_count, 1);
	frame_on_tick(&w.frame, w.now + 3600);
	cr_expect_eq(w.frame.view_count, 0);
	cr_expect_eq(number("rf", "{}", "totalTransmissions"), 1);
}

/* ------------------------------------------------------------------- hours -- */

#define SPAN 300u

Test(state, hours_come_back_as_they_were_counted)
{
	static struct hour truth[SPAN];
	struct hours hours = { 0 };
	struct hour *list;
	uint32_t count, n = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		/* Mostly in the order of time. */
		uint32_t at = draw(20) == 0 ? draw(SPAN) : i * SPAN / 20000;
		uint32_t type = draw(HOURS_TYPES), signal = draw(HOURS_SIGNALS);
		struct hour *h = hours_get(&hours, at + 1000);

		cr_assert_not_null(h);
		cr_assert_eq(h->at, at + 1000);
		h->count++;
		h->types[type] = (uint16_t)(h->types[type] + draw(300));
		h->signals[signal]++;
		truth[at] = *h;
	}
	hours_expire(&hours, 1000 + 50);
	list = hours_list(&hours, 1000 + 60, &count);
	cr_assert_not_null(list);
	for (uint32_t at = 60; at < SPAN; at++) {
		if (truth[at].count == 0)
			continue;
		cr_assert_lt(n, count);
		cr_expect_arr_eq(&list[n], &truth[at], sizeof(truth[at]), "%u", (unsigned)at);
		n++;
	}
	cr_expect_eq(n, count);
	free(list);
	list = hours_list(&hours, 0, &count);
	cr_expect(count > 0 && list[0].at == 1000 + 50);
	free(list);
	hours_fini(&hours);
}

Test(state, who_comes_late_counts_but_is_nobody_new)
{
	char args[] = "{\"key\": \"obs1\", \"days\": 1}";

	w.now = w.now / 3600 * 3600;
	hear(1, "obs1", "AA", w.now - 10 * 3600);
	hear(2, "obs1", "BB", w.now - 9 * 3600);
	hear(3, "obs1", "BB", w.now - 10 * 3600); /* an hour late */
	cr_expect_eq(number("observer", args, "nodesTimeline.0.count"), 2);
	for (int64_t h = 8; h > 0; h--)
		hear((uint64_t)(100 - h), "obs1", "AA", w.now - h * 3600);
	hear(4, "obs1", "CC", w.now - 10 * 3600);
	cr_expect_eq(number("observer", args, "timeline.0.count"), 3);
	cr_expect_eq(number("observer", args, "nodesTimeline.0.count"), 2);
	hear(5, "obs1", "CC", w.now - 3600);
	cr_expect_eq(number("observer", args, "nodesTimeline.9.count"), 2);
}

/* ------------------------------------------------------------------- reach -- */

Test(state, hours_of_a_link_add_up_in_whatever_order_they_come)
{
	json_int_t week = 0, month = 0;

	for (uint64_t tx = 1; tx <= 3000; tx++) {
		int64_t ago = draw(2) == 0 ? draw(6 * DAY) : 10 * DAY + draw(18 * DAY);

		hear(tx, "obs1", "BB,AA", w.now - ago);
		week += ago < 7 * DAY;
		month++;
		if (tx % 500 == 0)
			frame_on_tick(&w.frame, w.now + (int64_t)(tx / 500) * DAY / 4);
	}
	cr_expect_eq(number("reach", "{\"key\": \"aa112233\", \"days\": 30}", "links.0.we_hear"),
		     month);
	cr_expect_eq(number("reach", "{\"key\": \"aa112233\"}", "links.0.we_hear"), week);
}

Test(state, an_hour_may_have_more_copies_than_fit_into_a_counter)
{
	for (uint32_t i = 0; i < 70000; i++)
		hear(1 + i / 40000, "obs1", "BB,AA", w.now);
	hear(9, "obs1", "BB,AA", w.now - 3600);
	hear(9, "obs1", "BB,AA", w.now);
	cr_expect_eq(number("reach", "{\"key\": \"aa112233\", \"days\": 1}", "links.0.we_hear"),
		     70002);
}
