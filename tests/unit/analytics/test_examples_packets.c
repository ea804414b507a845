/* SPDX-License-Identifier: MIT
 *
 * Worked examples of the specification about packets: sizes and signals, hashes, distances, airtime,
 * relays. Where CoreScope's own value is a defect, the value is the right one.
 */
#include "world.h"

#include <analytics/modules.h>
#include <analytics/people.h>
#include <analytics/relays.h>
#include <analytics/skew.h>

#define TEXT 2
#define ADVERT 4
#define FLOOD 1
#define DIRECT 2

static const struct an_module *const modules[] = { &rf_module,       &hashes_module,
						   &distance_module, &airtime_module,
						   &relays_module,   &skew_module,
						   &people_module,   NULL };
static struct world w;
static uint64_t next;

static void
examples_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "OBS1", "SJC");
	world_observer(&w, "OBS2", "OAK");
	next = 1;
}

static void
examples_teardown(void)
{
	world_fini(&w);
}

TestSuite(examples, .init = examples_setup, .fini = examples_teardown, .timeout = 120);

static void
take(uint8_t type, uint8_t route, const char *path, const char *from)
{
	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = "OBS1",
				       .type = type,
				       .route = route,
				       .path = path,
				       .from = from });
}

static void
send_bytes(uint8_t type, uint32_t bytes)
{
	static const uint8_t zeros[256];

	/* Header, path byte and one hop come before the payload. */
	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = "OBS1",
				       .type = type,
				       .route = FLOOD,
				       .path = "AA",
				       .payload = zeros,
				       .payload_len = bytes - 3 });
}

/* ------------------------------------------------------------ rf, airtime -- */

Test(examples, rf1_of_1001_points_not_more_than_500_are_shown)
{
	json_t *v;

	for (uint32_t i = 0; i < 1001; i++)
		world_hear(&w, (struct heard){ .tx = next++,
					       .observer = "OBS1",
					       .type = TEXT,
					       .route = FLOOD,
					       .snr = (double)(i % 80) / 4 - 9.8,
					       .rssi = -40.0 - (double)(i % 60) });
	v = world_ask(&w, "rf", "{}", 200);
	cr_expect_leq(json_array_size(world_at(v, "scatterData")), 500);
	cr_expect_gt(json_array_size(world_at(v, "scatterData")), 300);
	json_decref(v);
}

Test(examples, rf3_equal_values_are_all_in_the_first_bin)
{
	json_t *v;

	for (int i = 0; i < 5; i++)
		world_hear(&w, (struct heard){ .tx = next++,
					       .observer = "OBS1",
					       .type = TEXT,
					       .route = FLOOD,
					       .snr = 7 });
	v = world_ask(&w, "rf", "{}", 200);
	world_expect(v, "snrValues.bins.0", "{\"x\":7,\"w\":0.05,\"count\":5}");
	world_expect(v, "snrValues.min", "7");
	world_expect(v, "snrValues.max", "7");
	json_decref(v);
}

Test(examples, rf4_the_average_size_is_a_whole_number)
{
	json_t *v;

	send_bytes(TEXT, 10);
	send_bytes(TEXT, 11);
	v = world_ask(&w, "rf", "{}", 200);
	world_expect(v, "avgPacketSize", "10");
	world_expect(v, "minPacketSize", "10");
	world_expect(v, "maxPacketSize", "11");
	json_decref(v);
}

/* 299.25 symbols to 59.25. */
Test(examples, as1_200_bytes_of_adverts_to_10_of_acknowledgements)
{
	json_t *v;

	send_bytes(ADVERT, 200);
	send_bytes(3, 10);
	v = world_ask(&w, "relay-airtime-share", "{}", 200);
	cr_expect_float_eq(json_number_value(world_at(v, "rows.0.airtime_pct")),
			   100 * 299.25 / 358.5, 1e-9);
	cr_expect_float_eq(json_number_value(world_at(v, "rows.1.airtime_pct")),
			   100 * 59.25 / 358.5, 1e-9);
	world_expect(v, "rows.0.score", "1225728000");
	world_expect(v, "rows.1.score", "242688000");
	world_expect(v, "total_score", "1468416000");
	world_expect(v, "rows.0.count_pct", "50");
	json_decref(v);
}

/* ----------------------------------------------------------------- hashes -- */

Test(examples, hz2_a_direct_advert_without_hops_changes_no_size)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 0, 0);
	take(ADVERT, FLOOD, "BBCC", "aa11");
	take(ADVERT, DIRECT, NULL, "aa11");
	v = world_ask(&w, "hash-sizes", "{}", 200);
	world_expect(v, "multiByteNodes.0.hashSize", "2");
	world_expect(v, "multiByteNodes.0.packets", "2");
	json_decref(v);
}

Test(examples, hz4_two_nodes_of_one_name_are_two)
{
	static const char *const keys[] = { "aa11", "bb22" };
	json_t *v;

	for (int i = 0; i < 2; i++) {
		struct history_person p = { .key = keys[i], .name = "same", .role = "repeater" };

		world_node(&w, keys[i], "repeater", 0, 0);
		p.node =
		    *hops_nodes_get(&w.frame.nodes, hops_ids_find(&w.frame.nodes.ids, keys[i], 4));
		frame_on_person(&w.frame, &p);
		take(ADVERT, FLOOD, "CCDD", keys[i]);
	}
	v = world_ask(&w, "hash-sizes", "{}", 200);
	world_expect(v, "distributionByRepeaters", "{\"1\":0,\"2\":2,\"3\":0}");
	cr_expect_eq(json_array_size(world_at(v, "multiByteNodes")), 2);
	world_expect(v, "multiByteNodes.0.name", "\"same\"");
	world_expect(v, "multiByteNodes.1.name", "\"same\"");
	json_decref(v);
}

/* --------------------------------------------------------------- distance -- */

static void
link_of(const char *a, const char *b, const int *snrs, uint32_t count)
{
	uint32_t x = hops_ids_find(&w.frame.nodes.ids, a, strlen(a));
	uint32_t y = hops_ids_find(&w.frame.nodes.ids, b, strlen(b));
	struct hops_edge *e = hops_graph_put(&w.frame.graph, x, y, 0);

	e->t.count = 20;
	e->t.last = w.now;
	e->t.observers = 3;
	for (uint32_t i = 0; i < count; i++) {
		e->t.snr_sum += 100 * snrs[i];
		e->t.snr_n++;
	}
}

/* The distance is that of the places; the signals are those that were measured on the link. */
Test(examples, di1_packets_of_one_pair_are_one_entry_whichever_way)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 35.30, -120.70);
	world_node(&w, "bb22", "repeater", 37.00, -120.50);
	world_node(&w, "cc33", "repeater", 37.77, -122.41);
	world_node(&w, "dd44", "repeater", 37.34, -121.89);
	take(TEXT, FLOOD, "AA,BB", NULL);
	take(TEXT, FLOOD, "AA,BB", NULL);
	take(TEXT, FLOOD, "BB,AA", NULL);
	take(TEXT, FLOOD, "AA,BB", NULL);
	w.now++;
	take(TEXT, FLOOD, "AA,BB", NULL);
	take(TEXT, FLOOD, "CC,DD", NULL);
	link_of("aa11", "bb22", (const int[]){ 5, 8, 3, 6, 4 }, 5);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "topHops")), 2);
	world_expect(v, "topHops.0.dist", "189.88");
	world_expect(v, "topHops.0.obsCount", "5");
	world_expect(v, "topHops.0.bestSnr", "5.2");
	world_expect(v, "topHops.0.medianSnr", "5.2");
	world_expect(v, "topHops.0.hash", "\"0000000000000005\"");
	world_expect(v, "topHops.0.timestamp", "\"2026-05-17T18:15:01Z\"");
	world_expect(v, "topHops.1.dist", "66.24");
	world_expect(v, "topHops.1.obsCount", "1");
	world_expect(v, "topHops.1.bestSnr", "null");
	world_expect(v, "summary.totalHops", "6");
	json_decref(v);
}

Test(examples, di2_between_2_4_6_and_8_lies_5)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 35.30, -120.70);
	world_node(&w, "bb22", "repeater", 37.00, -120.50);
	take(TEXT, FLOOD, "AA,BB", NULL);
	link_of("aa11", "bb22", (const int[]){ 2, 4, 6, 8 }, 4);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "topHops.0.medianSnr", "5");
	json_decref(v);
}

/* A hop that was decided by the one before it is what the one behind it is measured from. */
Test(examples, a_chain_of_hops_goes_on_from_one_that_was_decided)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 50, 4);
	world_node(&w, "72aa", "repeater", 50.1, 4);
	world_node(&w, "72bb", "repeater", 51.9, 4);
	world_node(&w, "cc33", "repeater", 50.2, 4);
	take(TEXT, FLOOD, "AA,72,CC", NULL);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "0");
	json_decref(v);
	link_of("aa11", "72aa", NULL, 0);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "2");
	world_expect(v, "summary.maxDist", "11.12");
	world_expect(v, "topPaths.0.hops.1.fromPk", "\"72aa\"");
	world_expect(v, "topPaths.0.hops.1.toPk", "\"cc33\"");
	json_decref(v);
	/* Who came before says one thing, who came behind another: it stays open. */
	link_of("cc33", "72bb", NULL, 0);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "0");
	json_decref(v);
}

Test(examples, a_chain_goes_on_from_two_that_were_decided_together)
{
	json_t *v;

	world_node(&w, "72aa", "repeater", 50, 4);
	world_node(&w, "72bb", "repeater", 50, 4.1);
	world_node(&w, "8aaa", "repeater", 50.1, 4);
	world_node(&w, "8abb", "repeater", 50.1, 4.1);
	world_node(&w, "11aa", "repeater", 50.2, 4);
	world_node(&w, "11bb", "repeater", 50.2, 4.1);
	link_of("72aa", "8aaa", NULL, 0);
	link_of("8aaa", "11bb", NULL, 0);
	take(TEXT, FLOOD, "72,8A,11", NULL);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "2");
	world_expect(v, "topPaths.0.hops.0.fromPk", "\"72aa\"");
	world_expect(v, "topPaths.0.hops.1.toPk", "\"11bb\"");
	json_decref(v);
}

Test(examples, the_originator_is_the_first_of_a_flood_and_not_of_a_route)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 50, 4);
	world_node(&w, "ee55", "companion", 50.1, 4);
	take(ADVERT, DIRECT, "AA", "ee55");
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "0");
	json_decref(v);
	take(ADVERT, FLOOD, "AA", "ee55");
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "1");
	world_expect(v, "topHops.0.type", "\"C\xe2\x86\x94R\"");
	world_expect(v, "topPaths.0.hops.0.fromPk", "\"ee55\"");
	json_decref(v);
}

/* ----------------------------------------------------------------- relays -- */

static struct relay_activity
activity(const char *key)
{
	struct relay_activity a;

	frame_flush(&w.frame);
	relay_activity(relays_trails(&w.frame), hops_ids_find(&w.frame.nodes.ids, key, strlen(key)),
		       w.now, &a);
	return a;
}

static void
at(uint64_t tx, uint8_t type, uint8_t route, const char *path, const char *from, int64_t ago)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = "OBS1",
				       .type = type,
				       .route = route,
				       .path = path,
				       .from = from,
				       .at = w.now - ago });
}

Test(examples, rl4_one_packet_by_a_long_and_a_short_hop_is_one)
{
	world_node(&w, "aa11", "repeater", 0, 0);
	at(1, TEXT, FLOOD, "AA11", NULL, 60);
	at(1, TEXT, FLOOD, "AA", NULL, 60);
	cr_expect_eq(activity("aa11").in_24h, 1);
}

Test(examples, rl_ninety_thirty_and_ten_minutes_ago)
{
	world_node(&w, "aa11", "repeater", 0, 0);
	at(1, TEXT, FLOOD, "AA", NULL, 90 * 60);
	at(2, TEXT, FLOOD, "AA", NULL, 30 * 60);
	at(3, TEXT, FLOOD, "AA", NULL, 10 * 60);
	cr_expect_eq(activity("aa11").in_1h, 2);
	cr_expect_eq(activity("aa11").in_24h, 3);
}

Test(examples, fa_adverts_of_the_last_week_that_were_flooded)
{
	world_node(&w, "aa11", "repeater", 0, 0);
	at(1, ADVERT, FLOOD, NULL, "aa11", 60);
	at(1, ADVERT, FLOOD, "BB", "aa11", 59);
	at(2, ADVERT, FLOOD, NULL, "aa11", 3600);
	at(3, ADVERT, DIRECT, NULL, "aa11", 60);
	at(4, ADVERT, FLOOD, NULL, "aa11", 9 * 86400);
	cr_expect_eq(activity("aa11").flood_adverts_7d, 2);
}

static double
traffic_share(const char *key)
{
	const struct trails *t = relays_trails(&w.frame);
	uint64_t relayed = 0;
	uint32_t first, n;

	frame_flush(&w.frame);
	trails_refresh(relays_trails(&w.frame));
	n = trails_of(t, hops_ids_find(&w.frame.nodes.ids, key, strlen(key)), &first);
	for (uint32_t i = 0; i < n; i++)
		relayed += t->at[t->order[first + i]].relayed;
	return t->relayed == 0 ? 0 : (double)relayed / (double)t->relayed;
}

Test(examples, tr1_adverts_are_no_traffic)
{
	world_node(&w, "aa11", "repeater", 0, 0);
	cr_expect_float_eq(traffic_share("aa11"), 0, 1e-9);
	at(1, TEXT, FLOOD, "AA", NULL, 60);
	at(2, TEXT, FLOOD, "AA", NULL, 50);
	for (uint64_t tx = 10; tx < 110; tx++)
		at(tx, ADVERT, FLOOD, "AA", NULL, 40);
	cr_expect_float_eq(traffic_share("aa11"), 1, 1e-9);
	at(3, TEXT, FLOOD, NULL, NULL, 30);
	at(4, TEXT, FLOOD, NULL, NULL, 30);
	cr_expect_float_eq(traffic_share("aa11"), .5, 1e-9);
}

/* ------------------------------------------------------------------ roles -- */

Test(examples, ro2_the_mean_of_10_400_and_7200_seconds)
{
	static const struct {
		const char *key;
		int64_t skew;
	} t[] = { { "aa11", 10 }, { "bb22", -400 }, { "cc33", 7200 } };
	char json[64];
	json_t *v;

	for (int i = 0; i < 3; i++) {
		world_node(&w, t[i].key, "repeater", 0, 0);
		(void)snprintf(json, sizeof(json), "{\"timestamp\":%lld}",
			       (long long)(w.now + t[i].skew));
		world_hear(&w, (struct heard){ .tx = next++,
					       .observer = "OBS1",
					       .type = ADVERT,
					       .route = FLOOD,
					       .from = t[i].key,
					       .json = json });
	}
	frame_on_live(&w.frame);
	v = world_ask(&w, "roles", "{}", 200);
	world_expect(v, "roles.0.withSkew", "3");
	cr_expect_float_eq(json_number_value(world_at(v, "roles.0.meanAbsSkewSec")), 2536.67, 1e-9);
	world_expect(v, "roles.0.medianAbsSkewSec", "400");
	world_expect(v, "roles.0.warningCount", "1");
	json_decref(v);
}
