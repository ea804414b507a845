/* SPDX-License-Identifier: MIT
 *
 * The worked examples T-RC1..10 and T-PR of the resolver: X near the anchor, Y far away.
 */
#include "fixture.h"

static struct hops_nodes n;
static struct hops_graph g;
static uint32_t anchor, x, y;

static void
begin(void)
{
	x = node(&n, "8aaaaaaaaaaa", "repeater", 34.06, -118.26);
	y = node(&n, "8abbbbbbbbbb", "repeater", 47.6, -122.3);
	anchor = node(&n, "ffeeeeeeeeee", "repeater", 34.05, -118.25);
}

static void
finished(void)
{
	hops_graph_fini(&g);
	hops_nodes_fini(&n);
}

TestSuite(resolve, .timeout = 120, .init = begin, .fini = finished);

static struct hops_answer
asked(const char *hop, bool context, bool graph, double max_km)
{
	struct hops_question q = { .hop = hop,
				   .len = strlen(hop),
				   .context = context ? &anchor : NULL,
				   .context_count = context,
				   .graph = graph ? &g : NULL,
				   .now = T0,
				   .max_km = max_km };

	return hops_resolve(&n, &q);
}

static void
expect_answer(struct hops_answer a, uint32_t id, enum hops_method method, double score)
{
	cr_expect_eq(a.id, id);
	cr_expect_str_eq(hops_method_text(a.method), hops_method_text(method));
	cr_expect_float_eq(a.score, score, 1e-6);
}

Test(resolve, rc1_more_observers_beat_nearness)
{
	edge(&g, &n, "ffeeeeeeeeee", "8aaaaaaaaaaa", 25, 1, T0);
	edge(&g, &n, "ffeeeeeeeeee", "8abbbbbbbbbb", 30, 6, T0);
	expect_answer(asked("8A", true, true, 40000), y, HOPS_AFFINITY, 0.3);
}

Test(resolve, rc2_without_a_graph_the_nearest)
{
	expect_answer(asked("8a", true, false, 0), x, HOPS_GEO, 0);
}

Test(resolve, rc3_without_context_the_one_with_a_position_and_the_smaller_key)
{
	expect_answer(asked("8a", false, false, 0), x, HOPS_GPS, 0);
}

Test(resolve, rc4_two_sightings_are_no_affinity)
{
	edge(&g, &n, "ffeeeeeeeeee", "8abbbbbbbbbb", 2, 1, T0);
	expect_answer(asked("8a", true, true, 0), x, HOPS_GEO, 0);
}

Test(resolve, rc5_exactly_three_times_as_good_is_enough)
{
	edge(&g, &n, "ffeeeeeeeeee", "8abbbbbbbbbb", 30, 1, T0);
	edge(&g, &n, "ffeeeeeeeeee", "8aaaaaaaaaaa", 10, 1, T0);
	expect_answer(asked("8a", true, true, 0), y, HOPS_AFFINITY, 0.1);
}

Test(resolve, rc6_a_little_better_is_not)
{
	edge(&g, &n, "ffeeeeeeeeee", "8abbbbbbbbbb", 10, 1, T0);
	edge(&g, &n, "ffeeeeeeeeee", "8aaaaaaaaaaa", 8, 1, T0);
	expect_answer(asked("8a", true, true, 0), x, HOPS_GEO, 0);
}

Test(resolve, rc7_an_open_end_is_no_affinity)
{
	struct hops_edge *e = hops_graph_put(&g, anchor, HOPS_NONE, hops_token_read("8a", 2));

	e->t.count = 500;
	e->t.last = T0;
	expect_answer(asked("8a", true, true, 0), x, HOPS_GEO, 0);
}

Test(resolve, rc8_a_position_is_preferred)
{
	node(&n, "a1aaaaaa", "repeater", NOWHERE);
	expect_answer(asked("a1", false, false, 0), id_of(&n, "a1aaaaaa"), HOPS_UNIQUE, 1);
	node(&n, "a1bbbbbb", "repeater", 1, 1);
	expect_answer(asked("a1", false, false, 0), id_of(&n, "a1bbbbbb"), HOPS_GPS, 0);
	cr_expect_eq(hops_resolve_plain(&n, "a1", 2), id_of(&n, "a1bbbbbb"));
}

Test(resolve, rc9_without_positions_the_smaller_key)
{
	node(&n, "a1bbbbbb", "repeater", NOWHERE);
	node(&n, "a1aaaaaa", "repeater", NOWHERE);
	expect_answer(asked("a1", false, false, 0), id_of(&n, "a1aaaaaa"), HOPS_COUNT, 0);
	cr_expect_eq(hops_resolve_plain(&n, "a1", 2), id_of(&n, "a1aaaaaa"));
}

Test(resolve, rc10_nobody_is_no_match)
{
	expect_answer(asked("ff99", false, false, 0), HOPS_NONE, HOPS_NO_MATCH, 0);
	cr_expect_eq(hops_resolve_plain(&n, "ff99", 4), HOPS_NONE);
}

/* D10 */
Test(resolve, nobody_is_near_who_is_farther_away_than_any_link)
{
	struct hops_node gone = { 0 };

	hops_nodes_set(&n, "8aaaaaaaaaaa", 12, &gone);
	node(&n, "8acccccccccc", "repeater", 52, 13);
	expect_answer(asked("8a", true, false, 0), y, HOPS_GPS, 0);
	expect_answer(asked("8a", true, false, 40000), y, HOPS_GEO, 0);
}

Test(resolve, the_most_adverts_decide_among_positions)
{
	struct hops_node more = *hops_nodes_get(&n, y);

	more.adverts = 5;
	hops_nodes_set(&n, "8abbbbbbbbbb", 12, &more);
	expect_answer(asked("8a", false, false, 0), y, HOPS_GPS, 0);
}

Test(resolve, pr_a_path_is_followed_from_neighbour_to_neighbour)
{
	uint32_t aa1 = node(&n, "aa1000", "repeater", NOWHERE), ids[2];
	uint32_t tokens[2] = { hops_token_read("aa", 2), hops_token_read("bb", 2) };

	node(&n, "bb1000", "repeater", NOWHERE);
	uint32_t bb2 = node(&n, "bb2000", "repeater", NOWHERE);

	edge(&g, &n, "aa1000", "bb2000", 1, 1, T0);
	cr_expect_eq(hops_resolve_path(&n, &g, HOPS_NONE, tokens, 2, ids), 2);
	cr_expect(ids[0] == aa1 && ids[1] == bb2);
	cr_expect_eq(hops_resolve_path(&n, &g, HOPS_NONE, tokens + 1, 1, ids), 0);
	cr_expect_eq(ids[0], HOPS_NONE);
	tokens[1] = tokens[0];
	cr_expect_eq(hops_resolve_path(&n, &g, HOPS_NONE, tokens, 2, ids), 1);
	cr_expect(ids[0] == aa1 && ids[1] == HOPS_NONE);
}
