/* SPDX-License-Identifier: MIT */
#include "fixture.h"

TestSuite(graph, .timeout = 120);

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
		struct hops_tally tally = { .count = (uint32_t)t[i][0], .last = T0 };

		cr_expect_float_eq(hops_score(&tally, T0 + (int64_t)(t[i][1] * 3600)), t[i][2],
				   1e-6);
	}
}

/* T-CF */
Test(graph, three_observers_are_enough_to_be_sure, .fini = finished)
{
	struct hops_edge *e = edge(&g, &n, "aa", "bb", 10, 1, T0);
	struct hops_tally nobody = { .count = 1 };

	cr_expect_float_eq(hops_confidence(&nobody), 1.0 / 3, 1e-9);
	for (uint32_t i = 1; i <= 3; i++) {
		cr_assert(
		    hops_graph_see(&g, e, &(struct hops_seen){ .bits = { (uint64_t)1 << i | 1 } }));
		cr_expect_float_eq(hops_confidence(&e->t), i == 1 ? 2.0 / 3 : 1.0, 1e-9);
	}
	cr_expect_eq(e->t.observers, 4);
}

/* T-AG13 */
Test(graph, merging_adds_counts_and_keeps_the_earliest_and_the_latest, .fini = finished)
{
	struct hops_tally a = { .count = 10, .ab = 10, .first = 50, .last = 60 };
	struct hops_tally b = { .count = 207, .ab = 7, .first = 40, .last = 70 };

	hops_tally_merge(&a, &b, true);
	cr_expect_eq(a.count, 217);
	cr_expect_eq(a.ab, 210);
	cr_expect(a.first == 40 && a.last == 70);
	hops_tally_merge(&a, &(struct hops_tally){ .count = UINT32_MAX, .last = 1 }, false);
	cr_expect_eq(a.count, UINT32_MAX, "as much as fits");
}

Test(graph, whom_an_edge_was_seen_by_is_told_however_many_there_are, .fini = finished)
{
	struct hops_seen seen = { 0 };
	struct hops_edge *e;

	for (uint32_t i = 0; i < 2000; i++) {
		e = edge(&g, &n, "hub",
			 (char[]){ (char)('b' + i / 200), (char)('a' + i % 20),
				   (char)('a' + i / 20 % 10), '\0' },
			 1, 1 + i % 3, T0);
		seen = (struct hops_seen){ 0 };
		hops_seen_put(&seen, i % HOPS_OBSERVERS_MAX);
		cr_assert(hops_graph_see(&g, e, &seen));
	}
	cr_expect_eq(g.count, 2000);
	for (uint32_t i = 0; i < g.count; i++) {
		hops_graph_seen(&g, &g.edges[i], &seen);
		cr_expect_eq(hops_seen_count(&seen), g.edges[i].t.observers);
		cr_expect(hops_seen_has(&seen, 0) && hops_seen_has(&seen, i % HOPS_OBSERVERS_MAX));
		cr_expect_not(hops_seen_has(&seen, 5) && i % HOPS_OBSERVERS_MAX != 5);
	}
	hops_graph_clear(&g);
	e = edge(&g, &n, "hub", "other", 1, 0, T0);
	hops_graph_seen(&g, e, &seen);
	cr_expect_eq(hops_seen_count(&seen), 0);
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
