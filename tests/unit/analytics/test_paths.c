/* SPDX-License-Identifier: MIT
 *
 * Topology, runs of hops, and distances: what paths say.
 */
#include "world.h"

#include <analytics/modules.h>
#include <analytics/runs.h>

static const struct an_module *const modules[] = { &topology_module, &subpaths_module,
						   &distance_module, NULL };
static struct world w;
static uint64_t next;

static void
paths_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "OBS1", "SJC");
	world_observer(&w, "OBS2", "OAK");
	next = 1;
}

static void
paths_teardown(void)
{
	world_fini(&w);
}

TestSuite(paths, .init = paths_setup, .fini = paths_teardown, .timeout = 120);

static void
take(const char *path, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++)
		world_hear(&w, (struct heard){ .tx = next++,
					       .observer = "OBS1",
					       .type = 2,
					       .route = 1,
					       .path = path });
}

/* --------------------------------------------------------------- topology -- */

Test(paths, tokens_of_one_node_are_one_entry)
{
	json_t *v;

	world_node(&w, "0735bc6dda4d", "repeater", 0, 0);
	world_node(&w, "99aabb000000", "repeater", 0, 0);
	take("07,99AA", 10);
	take("0735BC,99", 5);
	take("0735,99AABB", 3);
	v = world_ask(&w, "topology", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "topRepeaters")), 2);
	world_expect(v, "topRepeaters.0.count", "18");
	world_expect(v, "topRepeaters.0.hop", "\"0735BC\"");
	world_expect(v, "topRepeaters.1.count", "18");
	world_expect(v, "topPairs.0.count", "18");
	world_expect(v, "topPairs.0.hopA", "\"0735BC\"");
	json_decref(v);
}

Test(paths, a_token_of_several_nodes_stands_for_itself)
{
	json_t *v;

	world_node(&w, "ab11220000", "repeater", 0, 0);
	world_node(&w, "ab33440000", "repeater", 0, 0);
	take("AB", 10);
	take("AB1122", 5);
	v = world_ask(&w, "topology", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "topRepeaters")), 2);
	world_expect(v, "topRepeaters.0.count", "10");
	world_expect(v, "topRepeaters.1.count", "5");
	json_decref(v);
}

Test(paths, the_last_hop_is_the_nearest)
{
	json_t *v;

	take("AA,BB,CC", 2);
	world_hear(&w,
		   (struct heard){
		       .tx = next++, .observer = "OBS2", .type = 2, .route = 1, .path = "CC,AA" });
	v = world_ask(&w, "topology", "{}", 200);
	world_expect(v, "maxHops", "3");
	world_expect(v, "medianHops", "3");
	world_expect(v, "perObserverReach.OBS1.rings.0.nodes.0.hop", "\"CC\"");
	world_expect(v, "perObserverReach.OBS1.rings.2.nodes.0.hop", "\"AA\"");
	world_expect(v, "multiObsNodes.0.hop", "\"AA\"");
	world_expect(v, "multiObsNodes.0.observers.0.observer_id", "\"OBS2\"");
	world_expect(v, "multiObsNodes.0.observers.0.minDist", "1");
	world_expect(v, "observers.1.id", "\"OBS2\"");
	json_decref(v);
	v = world_ask(&w, "topology", "{\"region\": \"OAK\"}", 200);
	world_expect(v, "hopDistribution", "[{\"hops\":2,\"count\":1}]");
	json_decref(v);
}

Test(paths, the_longest_copy_counts_and_only_it)
{
	json_t *v;

	take("AA", 1);
	next--;
	json_decref(world_ask(&w, "topology", "{}", 200));
	take("BB,CC", 1);
	next--;
	take("DD,EE", 1);
	v = world_ask(&w, "topology", "{}", 200);
	world_expect(v, "hopDistribution", "[{\"hops\":2,\"count\":1}]");
	world_expect(v, "topPairs.0.hopA", "\"BB\"");
	cr_expect_eq(json_array_size(world_at(v, "topRepeaters")), 2);
	json_decref(v);
}

Test(paths, hidden_nodes_do_not_appear)
{
	static const char *const methods[] = { "topology", "subpaths", "distance" };

	world_node(&w, "aa11", "repeater", 50, 4);
	world_node(&w, "bb22", "repeater", 50.1, 4);
	world_node(&w, "cc33", "repeater", 50.2, 4);
	take("AA,BB,CC", 3);
	frame_on_live(&w.frame);
	for (size_t i = 0; i < 3; i++) {
		json_t *v = world_ask(&w, methods[i], "{\"hidden\": [\"bb22\"]}", 200);
		char *text = json_dumps(v, 0);

		cr_expect_null(strstr(text, "bb22"), "%s: %s", methods[i], text);
		free(text);
		json_decref(v);
	}
}

Test(paths, an_area_has_the_hops_that_stand_in_it)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 50.85, 4.35);
	world_node(&w, "bb22", "repeater", 48, 4.35);
	take("AA,BB", 2);
	take("BB", 5);
	v = world_ask(&w, "topology",
		      "{\"area\": {\"polygon\": [[50,2.5],[51.5,2.5],[51.5,6.4],[50,6.4]]}}", 200);
	world_expect(v, "hopDistribution", "[{\"hops\":2,\"count\":2}]");
	cr_expect_eq(json_array_size(world_at(v, "topRepeaters")), 1);
	world_expect(v, "topRepeaters.0.pubkey", "\"aa11\"");
	json_decref(v);
}

/* --------------------------------------------------------------- subpaths -- */

Test(paths, ten_hops_have_42_runs)
{
	json_t *v;

	take("01,02,03,04,05", 1);
	v = world_ask(&w, "subpaths", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "subpaths")), 10);
	json_decref(v);
	take("11,12,13,14,15,16,17,18,19,1A", 1);
	v = world_ask(&w, "subpaths", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "subpaths")), 52);
	json_decref(v);
}

Test(paths, one_of_three_is_a_third)
{
	json_t *v;

	take("AA,BB", 1);
	take("CC,DD", 2);
	v = world_ask(&w, "subpaths", "{}", 200);
	world_expect(v, "totalPaths", "3");
	world_expect(v, "subpaths.0.rawHops", "[\"cc\",\"dd\"]");
	world_expect(v, "subpaths.1.pct", "33.3");
	world_expect(v, "subpaths.1.path", "\"aa \xe2\x86\x92 bb\"");
	json_decref(v);
}

Test(paths, a_window_leaves_out_what_is_older)
{
	json_t *v;

	take("AA,BB", 1);
	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = "OBS1",
				       .type = 2,
				       .route = 1,
				       .path = "CC,DD",
				       .at = w.now - 29 * 86400 });
	v = world_ask(&w, "subpaths", "{}", 200);
	world_expect(v, "totalPaths", "2");
	json_decref(v);
	v = world_ask(&w, "subpaths", "{\"window\": \"24h\"}", 200);
	world_expect(v, "totalPaths", "1");
	world_expect(v, "subpaths.0.rawHops", "[\"aa\",\"bb\"]");
	json_decref(v);
}

Test(paths, runs_of_the_same_nodes_are_added_up)
{
	json_t *v;

	world_node(&w, "aa1122000000", "repeater", 0, 0);
	world_node(&w, "bb3344000000", "repeater", 0, 0);
	take("AA,BB", 1);
	take("AA11,BB33", 2);
	v = world_ask(&w, "subpaths", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "subpaths")), 1);
	world_expect(v, "subpaths.0.count", "3");
	world_expect(v, "subpaths.0.rawHops", "[\"aa11\",\"bb33\"]");
	json_decref(v);
}

Test(paths, groups_are_answered_in_their_order)
{
	json_t *v;

	take("AA,BB,CC", 2);
	v = world_ask(&w, "subpaths-bulk", "{\"groups\": \"3-3:30,2-2:1\"}", 200);
	world_expect(v, "results.0.subpaths.0.hops", "3");
	cr_expect_eq(json_array_size(world_at(v, "results.1.subpaths")), 1);
	json_decref(v);
	v = world_ask(&w, "subpaths-bulk", "{\"groups\": \"2\"}", 200);
	world_expect(v, "error", "\"invalid group format: 2\"");
	json_decref(v);
	v = world_ask(&w, "subpaths-bulk", "{\"groups\": \"1-2:5\"}", 200);
	world_expect(v, "error", "\"invalid group: 1-2:5\"");
	json_decref(v);
}

Test(paths, the_detail_of_a_run_is_about_the_packets_that_took_it)
{
	json_t *v;

	world_hear(&w, (struct heard){ .tx = next++,
				       .observer = "OBS1",
				       .type = 2,
				       .route = 1,
				       .path = "AA,BB,CC",
				       .snr = 4,
				       .rssi = -90 });
	v = world_ask(&w, "subpath-detail", "{\"hops\": \"bb,CC\"}", 200);
	world_expect(v, "totalMatches", "1");
	json_decref(v);
	take("BB,CC", 1);
	take("BB01,CC01", 1);
	v = world_ask(&w, "subpath-detail", "{\"hops\": \"bb,CC\"}", 200);
	world_expect(v, "totalMatches", "2");
	world_expect(v, "hops", "[\"bb\",\"CC\"]");
	world_expect(v, "firstSeen", "\"2026-05-17T18:15:00Z\"");
	world_expect(v, "signal", "{\"avgSnr\":4,\"avgRssi\":-90,\"samples\":1}");
	world_expect(v, "hourDistribution.18", "2");
	world_expect(v, "observers", "[{\"name\":\"OBS1\",\"count\":2}]");
	cr_expect_eq(json_array_size(world_at(v, "parentPaths")), 2);
	json_decref(v);
	v = world_ask(&w, "subpath-detail", "{\"hops\": \"aa\"}", 200);
	world_expect(v, "error", "\"Need at least 2 hops\"");
	json_decref(v);
	v = world_ask(&w, "subpath-detail", "{\"hops\": \"zz,aa\"}", 200);
	world_expect(v, "totalMatches", "0");
	world_expect(v, "firstSeen", "\"\"");
	json_decref(v);
}

/* How often a run is in the paths that are counted, the slow way. */
static int32_t
runs_truth(const struct frame *f, const uint32_t *hops, uint32_t n)
{
	int32_t count = 0;

	for (uint32_t k = 0; k < f->packet_count; k++) {
		const struct an_packet *p = frame_find(f, k + 1);

		for (uint32_t i = 0; p->counted && i + n <= p->hop_count; i++)
			count += memcmp(p->hops + i, hops, n * sizeof(*hops)) == 0;
	}
	return count;
}

Test(paths, counts_of_runs_are_those_of_looking_at_every_path)
{
	struct runs runs = { 0 };
	uint64_t state = 7;

	for (uint32_t i = 0; i < 300; i++) {
		char path[128] = "";
		uint32_t n = 1 + (uint32_t)((state = hops_mix(state + 1)) % 12);

		for (uint32_t k = 0; k < n; k++)
			(void)snprintf(path + strlen(path), sizeof(path) - strlen(path), "%s%02X",
				       k > 0 ? "," : "",
				       (unsigned)((state = hops_mix(state + 1)) % 5) + 1);
		take(path, 1);
	}
	frame_flush(&w.frame);
	for (uint64_t tx = 1; tx <= 300; tx++)
		cr_assert(runs_add(&runs, &w.frame, frame_find(&w.frame, tx), 1));
	/* Every third one goes again. */
	for (uint64_t tx = 3; tx <= 300; tx += 3) {
		cr_assert(runs_add(&runs, &w.frame, frame_find(&w.frame, tx), -1));
		frame_set_copy(&w.frame, frame_find(&w.frame, tx), true);
	}
	for (uint32_t i = 1; i < runs.count; i++) {
		uint32_t hops[RUNS_LONGEST], n = runs_hops(&runs, &w.frame, i, 0, hops), more;

		if (runs_count(&runs.nodes[i]) == 0)
			continue;
		cr_assert_eq(runs_count(&runs.nodes[i]), runs_truth(&w.frame, hops, n));
		more = runs_more(&runs, &w.frame, i, n);
		for (uint32_t k = 1; k <= more; k++) {
			n = runs_hops(&runs, &w.frame, i, k, hops);
			cr_assert_eq(runs_truth(&w.frame, hops, n), 1);
		}
	}
	runs_fini(&runs);
}

/* --------------------------------------------------------------- distance -- */

Test(paths, links_are_measured_between_hops_with_positions)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 35.30, -120.70);
	world_node(&w, "bb22", "repeater", 37.00, -120.50);
	world_node(&w, "cc33", "room", 0, 0);
	world_node(&w, "dd44", "room", 37.00, -120.40);
	take("AA,BB", 2);
	take("AA,CC,BB", 1); /* cc33 stands between them, nobody knows where */
	take("BB,DD", 1);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "3");
	world_expect(v, "summary.totalPaths", "3");
	world_expect(v, "summary.maxDist", "189.88");
	world_expect(v, "topHops.0.dist", "189.88");
	world_expect(v, "topHops.0.obsCount", "2");
	world_expect(v, "topHops.0.bestSnr", "null");
	world_expect(v, "topHops.0.hash", "\"0000000000000001\"");
	world_expect(v, "catStats.R\xe2\x86\x94R.count", "2");
	world_expect(v, "catStats.C\xe2\x86\x94R.count", "1");
	world_expect(v, "topPaths.0.hopCount", "1");
	json_decref(v);
}

Test(paths, what_is_too_far_away_is_no_link)
{
	json_t *v;

	world_node(&w, "aa11", "repeater", 34.05, -118.24);
	world_node(&w, "bb22", "repeater", 37.77, -122.41);
	take("AA,BB", 1);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "0");
	world_expect(v, "distHistogram", "[]");
	json_decref(v);
}

static void
graph_edge(const char *a, const char *b, uint32_t count)
{
	uint32_t x = hops_ids_find(&w.frame.nodes.ids, a, strlen(a));
	uint32_t y = hops_ids_find(&w.frame.nodes.ids, b, strlen(b));
	struct hops_edge *e = hops_graph_put(&w.frame.graph, x, y, 0);

	e->t.count = count;
	e->t.last = (uint32_t)w.now;
	e->t.observers = 3;
}

Test(paths, evidence_decides_who_two_hops_are_and_nothing_else)
{
	json_t *v;

	world_node(&w, "72aa", "repeater", 35.30, -120.70);
	world_node(&w, "72bb", "repeater", 52.5, 13.4);
	world_node(&w, "8aaa", "repeater", 37.00, -120.50);
	world_node(&w, "8abb", "repeater", 52.52, 13.59);
	take("72,8A", 1);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.totalHops", "0");
	json_decref(v);
	graph_edge("72aa", "8aaa", 20);
	frame_on_live(&w.frame);
	v = world_ask(&w, "distance", "{}", 200);
	world_expect(v, "summary.maxDist", "189.88");
	json_decref(v);
}
