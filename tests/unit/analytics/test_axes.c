/* SPDX-License-Identifier: MIT
 *
 * The axes on graphs whose values are known.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include <analytics/axes.h>

TestSuite(axes, .timeout = 120);

#define EDGES_MAX 16

static struct axes *
axes_of(uint32_t nodes, const struct axes_edge *edges)
{
	struct axes *x = NULL;
	size_t count = 0;

	while (count < EDGES_MAX && edges[count].weight > 0)
		count++;
	cr_assert_eq(axes_new(&x, nodes, edges, count), MK_OK);
	while (!axes_step(x, 1))
		cr_assert_null(axes_bridge(x), "there is nothing before it is finished");
	return x;
}

static void
axes_expect(const double *got, const double *want, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		cr_expect(fabs(got[i] - want[i]) < 1e-6, "node %u: %f, not %f", i, got[i], want[i]);
}

#define EXPECT(what, ...)                                  \
	axes_expect(what, (const double[]){ __VA_ARGS__ }, \
		    sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

Test(axes, in_a_line_the_middle_carries_all)
{
	struct axes *x =
	    axes_of(4, (struct axes_edge[]){ { 0, 1, 1 }, { 1, 2, 1 }, { 2, 3, 1 }, { 0 } });

	EXPECT(axes_bridge(x), 0, 1, 1, 0);
	EXPECT(axes_coverage(x), 0.733333, 1, 1, 0.733333);
	EXPECT(axes_redundancy(x), 0, 1, 1, 0);
	axes_free(x);
	x = axes_of(5, (struct axes_edge[]){
			   { 0, 1, 1 }, { 1, 2, 1 }, { 2, 3, 1 }, { 3, 4, 1 }, { 0 } });
	EXPECT(axes_bridge(x), 0, .75, 1, .75, 0);
	EXPECT(axes_coverage(x), 0.694444, 0.944444, 1, 0.944444, 0.694444);
	EXPECT(axes_redundancy(x), 0, .75, 1, .75, 0);
	axes_free(x);
}

Test(axes, a_star_hangs_on_its_centre)
{
	struct axes *x =
	    axes_of(4, (struct axes_edge[]){ { 0, 1, 1 }, { 0, 2, 1 }, { 0, 3, 1 }, { 0 } });

	EXPECT(axes_bridge(x), 1, 0, 0, 0);
	EXPECT(axes_coverage(x), 1, 0.666667, 0.666667, 0.666667);
	EXPECT(axes_redundancy(x), 1, 0, 0, 0);
	axes_free(x);
}

Test(axes, the_stronger_way_carries_the_traffic)
{
	/* a-b-d with weights of 1, a-c-d with 0.1: a, b, c, d. */
	struct axes *x =
	    axes_of(4, (struct axes_edge[]){
			   { 0, 1, 1 }, { 1, 3, 1 }, { 0, 2, .1 }, { 2, 3, .1 }, { 0 } });

	EXPECT(axes_bridge(x), .5, 1, 0, .5);
	EXPECT(axes_coverage(x), 0.765217, 1, 0.139130, 0.765217);
	EXPECT(axes_redundancy(x), 0, 0, 0, 0);
	axes_free(x);
	x = axes_of(3, (struct axes_edge[]){ { 0, 1, 1 }, { 0, 2, .1 }, { 0 } });
	EXPECT(axes_coverage(x), 1, 0.991736, 0.173554);
	axes_free(x);
}

Test(axes, equally_long_paths_share)
{
	struct axes *x =
	    axes_of(4, (struct axes_edge[]){
			   { 0, 1, 1 }, { 1, 2, 1 }, { 2, 3, 1 }, { 3, 0, 1 }, { 0 } });

	EXPECT(axes_bridge(x), 1, 1, 1, 1);
	axes_free(x);
	/* The same with lengths whose sums differ in the last digits. */
	x = axes_of(4, (struct axes_edge[]){
			   { 0, 1, .003 }, { 1, 2, .007 }, { 2, 3, .003 }, { 3, 0, .007 }, { 0 } });
	EXPECT(axes_bridge(x), 1, 1, 1, 1);
	axes_free(x);
	x = axes_of(3, (struct axes_edge[]){ { 0, 1, 1 }, { 1, 2, 1 }, { 2, 0, 1 }, { 0 } });
	EXPECT(axes_bridge(x), 0, 0, 0);
	EXPECT(axes_redundancy(x), 0, 0, 0);
	axes_free(x);
}

Test(axes, two_triangles_hang_on_the_edge_between)
{
	struct axes *x = axes_of(6, (struct axes_edge[]){ { 0, 1, 1 },
							  { 1, 2, 1 },
							  { 0, 2, 1 },
							  { 3, 4, 1 },
							  { 4, 5, 1 },
							  { 3, 5, 1 },
							  { 2, 3, 1 },
							  { 0 } });

	EXPECT(axes_bridge(x), 0, 0, 1, 1, 0, 0);
	EXPECT(axes_redundancy(x), 0, 0, 1, 1, 0, 0);
	EXPECT(axes_coverage(x), 0.791667, 0.791667, 1, 1, 0.791667, 0.791667);
	axes_free(x);
}

Test(axes, a_link_seen_once_long_ago_does_not_hold_the_mesh_together)
{
	struct axes *x =
	    axes_of(3, (struct axes_edge[]){ { 0, 1, .5 }, { 1, 2, .5 }, { 0, 2, .0033 }, { 0 } });

	EXPECT(axes_redundancy(x), 0, 1, 0);
	axes_free(x);
	x = axes_of(3, (struct axes_edge[]){ { 0, 1, .5 }, { 1, 2, .5 }, { 0, 2, .0034 }, { 0 } });
	EXPECT(axes_redundancy(x), 0, 0, 0);
	axes_free(x);
}

Test(axes, pieces_that_do_not_reach_each_other_are_fine)
{
	struct axes *x = axes_of(4, (struct axes_edge[]){ { 0, 1, 1 }, { 2, 3, 1 }, { 0 } });

	EXPECT(axes_coverage(x), 1, 1, 1, 1);
	EXPECT(axes_redundancy(x), 0, 0, 0, 0);
	axes_free(x);
	x = axes_of(2, (struct axes_edge[]){ { 0 } });
	EXPECT(axes_coverage(x), 0, 0);
	axes_free(x);
}

Test(axes, what_is_no_edge_is_dropped_and_of_parallel_ones_the_strongest_stays)
{
	const struct axes_edge edges[] = { { 0, 0, 1 },   { 0, 1, .5 },       { 1, 0, 1 },
					   { 1, 2, NAN }, { 1, 2, INFINITY }, { 1, 2, 1e-10 },
					   { 1, 9, 1 },   { 1, 2, 1 },        { 1, 2, .1 } };
	struct axes *x = NULL;

	cr_assert_eq(axes_new(&x, 3, edges, 9), MK_OK);
	cr_assert(axes_step(x, 3));
	EXPECT(axes_coverage(x), .75, 1, .75);
	axes_free(x);
}

Test(axes, of_a_large_graph_a_sample_is_enough)
{
	uint32_t nodes = 2 * AXES_SOURCES_MAX, count = 0;
	struct axes_edge *edges = calloc(nodes, sizeof(*edges));
	struct axes *x = NULL;

	/* A caterpillar: a short line of hubs, and everybody at one of them. */
	for (uint32_t i = 1; i < nodes; i++)
		edges[count++] = (struct axes_edge){ i, i < 5 ? i - 1 : i % 5, 1 };
	cr_assert_eq(axes_new(&x, nodes, edges, count), MK_OK);
	cr_assert(axes_step(x, AXES_SOURCES_MAX));
	cr_expect_float_eq(axes_bridge(x)[2], 1, 1e-9);
	cr_expect_gt(axes_bridge(x)[1], axes_bridge(x)[0]);
	cr_expect_float_eq(axes_redundancy(x)[2], 1, 1e-9);
	axes_free(x);
	free(edges);
}

Test(axes, the_composite_has_the_weights_and_grades_of_the_specification)
{
	static const struct {
		double bridge, coverage, redundancy, traffic, want;
		const char *grade;
	} t[] = { { .2, .8, 0, .5, .36, "C" }, { 1, 1, 0, 0, .55, "B" }, { 0, 0, .6, 0, .15, "D" },
		  { 0, 0, 0, 1, .2, "D" },     { 1, 1, 1, 1, 1, "A" },   { 2, 0, 0, -5, .3, "C" },
		  { 0, 0, 0, 0, 0, "F" } };

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		double v =
		    axes_usefulness(t[i].bridge, t[i].coverage, t[i].redundancy, t[i].traffic);

		cr_expect_float_eq(v, t[i].want, 1e-9);
		cr_expect_str_eq(axes_grade(v), t[i].grade);
	}
}
