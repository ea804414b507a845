/* SPDX-License-Identifier: MIT
 *
 * The worked examples T-AG3..12 of the graph, and S9.
 */
#include "fixture.h"

TestSuite(solve, .timeout = 120, .init = begin, .fini = finished);

static void
sightings(uint32_t from, uint32_t count, const char *observer, const char *who, const char *hops)
{
	for (uint32_t i = 0; i < count; i++)
		take(observed(from + i, from + i, observer, who, hops));
}

Test(solve, ag3_two_candidates_stay_open_on_both_sides)
{
	node(&n, "a3bb1111", "repeater", NOWHERE);
	node(&n, "a3bb2222", "repeater", NOWHERE);
	take(observed(1, 1, "obs", "aaaa1111", "a3bb"));
	cr_expect_str_eq(told(), "aaaa1111-?a3bb 1 obs-?a3bb 1 ");
	cr_expect_eq(g.open, 2);
	cr_expect_eq(g.edges[0].t.modes[2], 1);
}

/* T-AG4!, D10 */
Test(solve, ag4_one_sighting_does_not_make_the_nearest_a_neighbour)
{
	node(&n, "f00d", "companion", 45, -122);
	node(&n, "b0b1eeee", "repeater", 45.1, -122.1);
	node(&n, "b0c2ffff", "repeater", 10, 10);
	sightings(1, 1, "0b55", "f00d", "b0");
	cr_expect_str_eq(told(), "0b55-?b0 1 f00d-?b0 1 ");
	sightings(2, 2, "0b55", "f00d", "b0");
	cr_expect_str_eq(told(), "0b55-?b0 3 b0b1eeee-f00d 3 ");
}

/* T-AG5!, D10 */
Test(solve, ag5_nobody_ten_thousand_kilometres_away_is_a_neighbour)
{
	node(&n, "f00d", "companion", 45, -122);
	node(&n, "b0b1eeee", "repeater", NOWHERE);
	node(&n, "b0c2ffff", "repeater", 10, 10);
	sightings(1, 1, "0b55", "f00d", "b0");
	cr_expect_str_eq(told(), "0b55-?b0 1 f00d-?b0 1 ");
	sightings(2, 9, "0b55", "f00d", "b0");
	cr_expect_null(hops_graph_find(&g, id_of(&n, "f00d"), id_of(&n, "b0c2ffff"), 0));
}

Test(solve, ag7_a_hop_that_nobody_is_stays_open)
{
	take(observed(1, 1, "0b55", "f00d", "ff99"));
	cr_expect_str_eq(told(), "0b55-?ff99 1 f00d-?ff99 1 ");
}

/* D14 */
Test(solve, ag8_a_companion_is_no_hop)
{
	node(&n, "ff991111", "companion", NOWHERE);
	node(&n, "ff992222", "repeater", NOWHERE);
	take(observed(1, 1, "0b55", "f00d", "ff99"));
	cr_expect_str_eq(told(), "0b55-ff992222 1 f00d-ff992222 1 ");
}

static void
common_neighbours(uint32_t count)
{
	static const char *const all[] = { "d111", "d222", "d333" };

	node(&n, "a3001111", "repeater", NOWHERE);
	node(&n, "a3002222", "repeater", NOWHERE);
	for (uint32_t i = 0; i < 3; i++) {
		node(&n, all[i], "repeater", NOWHERE);
		take(observed(10 + 4 * i, 10 + 4 * i, "0b55", "f00d", all[i]));
		take(observed(11 + 4 * i, 11 + 4 * i, "ee", "a3001111", all[i]));
	}
	sightings(100, count, "0b55", "f00d", "a300");
}

Test(solve, ag9_common_neighbours_decide_after_three_sightings)
{
	common_neighbours(3);
	solve();
	cr_expect_not_null(hops_graph_find(&g, id_of(&n, "f00d"), id_of(&n, "a3001111"), 0));
	cr_expect_not_null(hops_graph_find(&g, id_of(&n, "0b55"), id_of(&n, "a3001111"), 0));
	cr_expect_eq(report.by_neighbors, 2);
}

Test(solve, ag9_and_not_after_two)
{
	common_neighbours(2);
	solve();
	cr_expect_null(hops_graph_find(&g, id_of(&n, "f00d"), id_of(&n, "a3001111"), 0));
	cr_expect_eq(g.open, 2);
}

Test(solve, ag10_candidates_with_the_same_neighbours_stay_open)
{
	node(&n, "d111", "repeater", NOWHERE);
	node(&n, "a3001111", "repeater", NOWHERE);
	node(&n, "a3002222", "repeater", NOWHERE);
	take(observed(1, 1, "0b55", "f00d", "d111"));
	take(observed(2, 2, "0b55", "a3001111", "d111"));
	take(observed(3, 3, "0b55", "a3002222", "d111"));
	sightings(10, 20, "0b55", "f00d", "a300");
	solve();
	cr_expect_eq(report.by_neighbors, 0);
	cr_expect_not_null(
	    hops_graph_find(&g, id_of(&n, "f00d"), HOPS_NONE, hops_token_read("a300", 4)));
}

Test(solve, ag12_no_edge_is_longer_than_radio_goes)
{
	node(&n, "5f00", "companion", 37.77, -122.41);
	node(&n, "be11", "repeater", 52.52, 13.40);
	node(&n, "5a22", "repeater", 37.34, -121.89);
	node(&n, "dd33", "repeater", NOWHERE);
	sightings(1, 2, "obs", "5f00", "be11");
	sightings(3, 1, "obs", "5f00", "5a22");
	sightings(4, 1, "obs", "5f00", "dd33");
	cr_expect_str_eq(told(), "5a22-5f00 1 5a22-obs 1 5f00-dd33 1 be11-obs 2 dd33-obs 1 ");
	cr_expect_eq(g.too_far, 2);
}

/* An established neighbour explains the token, D11: only the known end is context. */
Test(solve, who_is_a_neighbour_already_explains_the_hop)
{
	node(&n, "a3aa1111", "repeater", NOWHERE);
	node(&n, "a3bb2222", "repeater", NOWHERE);
	sightings(1, 3, "obs", NULL, "a3aa");
	sightings(4, 3, "obs", NULL, "a3");
	cr_expect_eq(between("obs", "a3aa1111")->count, 6);
	cr_expect_not(hops_graph_find(&g, id_of(&n, "obs"), id_of(&n, "a3aa1111"), 0)->resolved);
	cr_expect_eq(g.open, 0);
}

/* S9. The decision: evidence is kept by token, and judged anew with everything that is known. */
Test(solve, s9_the_life_of_an_ambiguous_hop)
{
	struct hops_node gone = { 0 };

	node(&n, "a3aa", "repeater", NOWHERE);
	node(&n, "a3bb", "repeater", NOWHERE);
	sightings(1, 5, "obs", NULL, "a3");
	cr_expect_str_eq(told(), "obs-?a3 5 ");
	hops_nodes_set(&n, "a3bb", 4, &gone);
	cr_expect_str_eq(told(), "a3aa-obs 5 ");
	/* What nothing but the token says is open again; what is sure otherwise stays. */
	node(&n, "a3cc", "repeater", NOWHERE);
	cr_expect_str_eq(told(), "obs-?a3 5 ");
	sightings(6, 1, "obs", NULL, "a3aa");
	cr_expect_str_eq(told(), "a3aa-obs 6 ");
}

Test(solve, pairs_of_hops_are_links_if_both_are_certain)
{
	node(&n, "c1aa00", "repeater", NOWHERE);
	node(&n, "c2dd00", "repeater", NOWHERE);
	node(&n, "c2ddff", "repeater", NOWHERE);
	sightings(1, 5, "obs", NULL, "c1aa,c2dd,c1aa");
	solve();
	cr_expect_null(hops_graph_find(&g, id_of(&n, "c1aa00"), id_of(&n, "c2dd00"), 0));
	sightings(6, 1, "obs", NULL, "c1aa00,c2dd00");
	cr_expect_eq(between("c1aa00", "c2dd00")->count, 11);
}

/* Twelve towns, 20 km apart, with three relays each that hear each other and the next town's. */
Test(solve, places_decide_once_it_is_known_how_far_radio_goes)
{
	char key[3][16], observer[16];
	uint64_t id = 0;

	for (uint32_t town = 0; town < 12; town++) {
		snprintf(observer, sizeof(observer), "0b%02u", town);
		node(&n, observer, "companion", 50, 4 + 0.3 * town);
		for (uint32_t i = 0; i < 3; i++) {
			snprintf(key[i], sizeof(key[i]), "%u%u%02u", i + 1, i + 1, town);
			node(&n, key[i], "repeater", 50.01, 4 + 0.3 * town + 0.01 * i);
			id++;
			take(observed(id, id, observer, NULL, key[i]));
			id++;
			take(observed(id, id, observer, key[i], ""));
		}
	}
	/* "44" is in two towns; one of them is where the observer is. */
	node(&n, "4401", "repeater", 50.0, 4.31);
	node(&n, "4409", "repeater", 50.0, 4 + 0.3 * 9);
	take(observed(id + 1, id + 1, "0b01", NULL, "44"));
	cr_expect_eq(between("0b01", "4401")->count, 1);
	cr_expect(hops_graph_find(&g, id_of(&n, "0b01"), id_of(&n, "4401"), 0)->resolved);
	cr_expect_eq(report.by_likelihood, 1);
}
