/* SPDX-License-Identifier: MIT */
#include "fixture.h"

TestSuite(graph, .timeout = 10);

static struct hops_nodes n;
static struct hops_graph g;

static void
finished(void)
{
	hops_graph_fini(&g);
	hops_nodes_fini(&n);
}

/* T-SC */
Test(graph, the_score_grows_with_sightings_and_halves_in_a_week, .fini = finished)
{
	static const double t[][3] = { { 100, 0, 1 },        { 100, 168, 0.5 },
				       { 50, 84, 0.353553 }, { 5, 0, 0.05 },
				       { 1, 0, 0.01 },       { 250, 336, 0.25 },
				       { 3, 24, 0.027172 },  { 5, 720, 0.002564 },
				       { 5, -10, 0.05 } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct hops_tally tally = { .count = (uint64_t)t[i][0], .last = T0 };

		cr_expect_float_eq(hops_score(&tally, T0 + (int64_t)(t[i][1] * 3600)), t[i][2],
				   1e-6);
	}
}

/* T-CF */
Test(graph, three_observers_are_enough_to_be_sure, .fini = finished)
{
	struct hops_tally one = { .count = 10, .seen = { 1 } }, other = { .count = 1 };

	cr_expect_float_eq(hops_confidence(&other), 1.0 / 3, 1e-9);
	for (uint32_t i = 1; i <= 3; i++) {
		other.seen[0] = (uint64_t)1 << i;
		hops_tally_merge(&one, &other, false);
		cr_expect_float_eq(hops_confidence(&one), i == 1 ? 2.0 / 3 : 1.0, 1e-9);
	}
	cr_expect_eq(one.count, 13);
	cr_expect_eq(hops_tally_observers(&one), 4);
}

/* T-AG13 */
Test(graph, merging_adds_counts_and_keeps_the_earliest_and_the_latest, .fini = finished)
{
	struct hops_tally a = { .count = 10, .ab = 10, .first = 50, .last = 60, .seen = { 1 } };
	struct hops_tally b = { .count = 207, .ab = 7, .first = 40, .last = 70, .seen = { 2 } };

	hops_tally_merge(&a, &b, true);
	cr_expect_eq(a.count, 217);
	cr_expect_eq(a.ab, 210);
	cr_expect(a.first == 40 && a.last == 70);
	cr_expect_eq(hops_tally_observers(&a), 2);
}

/* T-AG11 */
Test(graph, jaccard_is_the_share_of_common_neighbours, .fini = finished)
{
	cr_expect_eq(hops_jaccard(&g, id_of(&n, "aa"), id_of(&n, "bb")), 0);
	for (const char *x = "xyz"; *x != '\0'; x++)
		edge(&g, &n, "aa", (char[]){ *x, '\0' }, 1, 1, T0);
	for (const char *x = "yzw"; *x != '\0'; x++)
		edge(&g, &n, "bb", (char[]){ *x, '\0' }, 1, 1, T0);
	cr_expect_float_eq(hops_jaccard(&g, id_of(&n, "aa"), id_of(&n, "bb")), 0.5, 1e-9);
	hops_graph_put(&g, id_of(&n, "aa"), HOPS_NONE, hops_token_read("a1", 2));
	cr_expect_float_eq(hops_jaccard(&g, id_of(&n, "aa"), id_of(&n, "bb")), 0.5, 1e-9);
}

Test(graph, an_edge_is_found_from_both_ends, .fini = finished)
{
	uint32_t seen = 0;

	for (int i = 0; i < 1000; i++) {
		char key[8];

		snprintf(key, sizeof(key), "b%04d", i);
		edge(&g, &n, "hub", key, 1, 1, T0);
	}
	cr_expect_eq(g.count, 1000);
	cr_expect_not_null(hops_graph_find(&g, id_of(&n, "hub"), id_of(&n, "b0500"), 0));
	cr_expect_not_null(hops_graph_find(&g, id_of(&n, "b0500"), id_of(&n, "hub"), 0));
	cr_expect_null(hops_graph_find(&g, id_of(&n, "b0500"), id_of(&n, "b0501"), 0));
	for (const struct hops_edge *e = NULL;
	     (e = hops_graph_next(&g, id_of(&n, "hub"), e)) != NULL;)
		seen++;
	cr_expect_eq(seen, 1000);
	cr_expect_null(hops_graph_next(&g, id_of(&n, "nobody"), NULL));
}
