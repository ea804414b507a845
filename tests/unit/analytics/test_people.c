/* SPDX-License-Identifier: MIT
 *
 * Single nodes and observers.
 */
#include "world.h"

#include <analytics/observing.h>
#include <analytics/people.h>
#include <analytics/relays.h>

#define TEXT 2

static const struct an_module *const modules[] = { &relays_module, &observing_module,
						   &people_module, NULL };
static struct world w;

static void
people_setup(void)
{
	world_init(&w, modules);
	world_node(&w, "aa11", " Repeater ", 0, 0);
	world_node(&w, "bb22", "repeater", 0, 0);
	world_node(&w, "cc33", "companion", 0, 0);
	world_node(&w, "dd44", "", 0, 0);
	world_node(&w, "ee55", "ROOM_SERVER", 0, 0);
}

static void
people_teardown(void)
{
	world_fini(&w);
}

TestSuite(people, .init = people_setup, .fini = people_teardown, .timeout = 120);

static void
hear(uint64_t tx, const char *path, const char *observer, int64_t ago, double snr)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = observer,
				       .type = TEXT,
				       .route = 1,
				       .path = path,
				       .at = w.now - ago,
				       .snr = snr,
				       .payload = (const uint8_t *)"\x1f\x5d....",
				       .payload_len = 6 });
}

Test(people, roles_are_counted_whatever_their_case)
{
	json_t *v = world_ask(&w, "roles", "{}", 200);

	world_expect(v, "totalNodes", "5");
	world_expect(v, "roles.0.role", "\"repeater\"");
	world_expect(v, "roles.0.nodeCount", "2");
	world_expect(v, "roles.1.role", "\"companion\"");
	world_expect(v, "roles.2.role", "\"room_server\"");
	world_expect(v, "roles.3.role", "\"unknown\"");
	cr_expect_null(world_at(v, "roles.4"));
	json_decref(v);
}

Test(people, a_node_is_described_by_the_packets_it_had_to_do_with)
{
	json_t *v;

	hear(1, "AA", "O1", 7200, 10);
	hear(2, "AA,BB", "O1", 60, 12);
	hear(3, "BB", "O2", 50, 1);
	hear(4, "AA11", "O2", 40, 0);
	v = world_ask(&w, "node", "{\"key\":\"aa11\"}", 200);
	world_expect(v, "activityTimeline",
		     "[{\"bucket\":\"2026-05-17T16:00:00Z\",\"count\":1},"
		     "{\"bucket\":\"2026-05-17T18:00:00Z\",\"count\":2}]");
	world_expect(v, "snrTrend.0",
		     "{\"timestamp\":\"2026-05-17T16:15:00Z\",\"snr\":10,\"rssi\":null,"
		     "\"observer_id\":\"O1\",\"observer_name\":null}");
	cr_expect_eq(json_array_size(world_at(v, "snrTrend")), 2);
	world_expect(v, "packetTypeBreakdown", "[{\"payload_type\":2,\"count\":3}]");
	world_expect(v, "observerCoverage.0.observer_id", "\"O1\"");
	world_expect(v, "observerCoverage.0.avgSnr", "11");
	world_expect(v, "observerCoverage.1.avgSnr", "null");
	world_expect(v, "hopDistribution",
		     "[{\"hops\":\"1\",\"count\":2},{\"hops\":\"2\",\"count\":1}]");
	world_expect(v, "uptimeHeatmap.0", "{\"dayOfWeek\":0,\"hour\":16,\"count\":1}");
	world_expect(v, "computedStats.longestSilenceMs", "7200000");
	world_expect(v, "computedStats.longestSilenceStart", "\"2026-05-17T16:00:00Z\"");
	world_expect(v, "computedStats.availabilityPct", "1.2");
	world_expect(v, "computedStats.relayPct", "33.3");
	world_expect(v, "computedStats.signalGrade", "\"B\"");
	world_expect(v, "computedStats.snrMean", "11");
	world_expect(v, "computedStats.totalPackets", "3");
	world_expect(v, "computedStats.uniqueObservers", "2");
	cr_expect_null(world_at(v, "clockSkew"));
	json_decref(v);
}

Test(people, a_quarter_of_the_hours_is_a_quarter)
{
	json_t *v;

	for (uint32_t i = 0; i < 42; i++)
		hear(i + 1, "AA", "O1", 4 * 3600 * (int64_t)i, 0);
	v = world_ask(&w, "node", "{\"key\":\"aa11\"}", 200);
	world_expect(v, "computedStats.availabilityPct", "25");
	json_decref(v);
}

Test(people, of_a_stranger_there_is_nothing)
{
	json_t *v = world_ask(&w, "node", "{\"key\":\"ff\"}", 200);

	world_expect(v, "computedStats.totalPackets", "0");
	world_expect(v, "activityTimeline", "[]");
	json_decref(v);
}

Test(people, grades_have_their_bounds)
{
	cr_expect_str_eq(people_grade(15.1, 1.9), "A");
	cr_expect_str_eq(people_grade(15.1, 2), "A-");
	cr_expect_str_eq(people_grade(12.1, 2.9), "B+");
	cr_expect_str_eq(people_grade(12.1, 3), "B");
	cr_expect_str_eq(people_grade(8, 0), "C");
	cr_expect_str_eq(people_grade(3, 0), "D");
}

Test(people, what_an_observer_received_comes_in_buckets)
{
	json_t *v;

	hear(1, "AA", "O1", 7200, 12.5);
	hear(1, "AA,BB", "O1", 7200, 13.75);
	hear(2, "AA", "O1", 60, -0.5);
	hear(3, "CC", "O2", 60, 0);
	v = world_ask(&w, "observer", "{\"key\":\"O1\"}", 200);
	world_expect(v, "timeline", "[{\"label\":\"Sun 16:00\",\"count\":3}]");
	/* Two hops, and the two ends of the messages. */
	world_expect(v, "nodesTimeline", "[{\"label\":\"Sun 16:00\",\"count\":4}]");
	world_expect(v, "packetTypes", "{\"2\":3}");
	world_expect(v, "snrDistribution",
		     "[{\"range\":\"-2 to 0\",\"count\":1},{\"range\":\"12 to 14\",\"count\":2}]");
	json_decref(v);
	v = world_ask(&w, "observer", "{\"key\":\"O1\",\"days\":1}", 200);
	world_expect(v, "timeline",
		     "[{\"label\":\"16:00\",\"count\":2},{\"label\":\"18:00\",\"count\":1}]");
	world_expect(v, "nodesTimeline.1", "{\"label\":\"18:00\",\"count\":3}");
	json_decref(v);
	v = world_ask(&w, "observer", "{\"key\":\"O1\",\"days\":30}", 200);
	world_expect(v, "timeline", "[{\"label\":\"May 17\",\"count\":3}]");
	json_decref(v);
	v = world_ask(&w, "observer", "{\"key\":\"nobody\"}", 200);
	world_expect(v, "packetTypes", "{}");
	json_decref(v);
}

Test(people, old_hours_of_an_observer_go)
{
	json_t *v;

	hear(1, "AA", "O1", 0, 0);
	w.now += 40 * 86400;
	hear(2, "BB", "O1", 0, 0);
	frame_on_live(&w.frame);
	frame_on_tick(&w.frame, w.now);
	v = world_ask(&w, "observer", "{\"key\":\"O1\",\"days\":365}", 200);
	cr_expect_eq(json_array_size(world_at(v, "timeline")), 1);
	cr_expect_eq(json_array_size(world_at(v, "nodesTimeline")), 1);
	json_decref(v);
}

Test(people, bins_of_a_signal_reach_down_to_their_bound)
{
	static const struct {
		double snr;
		int bin;
	} t[] = { { 12.5, 12 }, { -1, -2 },      { -2, -2 },   { -3, -4 },
		  { -4, -4 },   { -0.5, -2 },    { -2.5, -4 }, { 0, 0 },
		  { 1.75, 0 },  { -31.75, -32 }, { 31.75, 30 } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		cr_expect_eq(observing_bin((int)(t[i].snr * 4)), t[i].bin, "%f: %d", t[i].snr,
			     observing_bin((int)(t[i].snr * 4)));
}
