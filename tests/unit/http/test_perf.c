/* SPDX-License-Identifier: MIT
 *
 * How long answers take: counts, percentiles, the slow ones.
 */
#include <criterion/criterion.h>

#include <http/server/perf.h>

static void
handle_nothing(struct request *rq, struct json *out)
{
	(void)rq;
	(void)out;
}

static const struct route routes[] = {
	{ .method = "GET", .pattern = "/api/a", .handle = handle_nothing },
	{ .method = "GET", .pattern = "/api/a/{id}", .handle = handle_nothing },
	{ .method = NULL },
};
static const struct route *const tables[] = { routes, NULL };
static struct router *router;
static struct perf *perf;

static void
setup(void)
{
	router = router_new(tables);
	perf = perf_new(router);
	cr_assert_not_null(perf);
}

static void
teardown(void)
{
	perf_free(perf);
	router_free(router);
}

TestSuite(perf, .init = setup, .fini = teardown, .timeout = 120);

Test(perf, a_route_that_nobody_asked_for_has_no_numbers)
{
	struct perf_route r;

	perf_get(perf, 0, &r);
	cr_assert_eq(r.count, 0);
	cr_assert_float_eq(r.max_ms, 0, 0);
}

Test(perf, percentiles_are_of_the_last_hundred)
{
	struct perf_route r;

	for (uint64_t i = 0; i < 50; i++)
		perf_note(perf, 0, 90000, 200, 0);
	for (uint64_t i = 1; i <= 100; i++)
		perf_note(perf, 0, i * 1000, 200, 0);
	perf_get(perf, 0, &r);
	cr_assert_eq(r.count, 150);
	cr_assert_float_eq(r.p50_ms, 51, 1e-9);
	cr_assert_float_eq(r.p95_ms, 96, 1e-9);
	cr_assert_float_eq(r.max_ms, 100, 1e-9);
	cr_assert_float_eq(r.avg_ms, (50 * 90 + 5050) / 150.0, 1e-9);
}

Test(perf, all_answers_are_counted_together_pages_too)
{
	struct perf_route r;

	perf_note(perf, 0, 1000, 200, 0);
	perf_note(perf, 1, 2000, 404, 0);
	perf_note(perf, UINT32_MAX, 3000, 200, 0);
	perf_total(perf, &r);
	cr_assert_eq(r.count, 3);
	cr_assert_float_eq(r.avg_ms, 2, 1e-9);
}

Test(perf, slow_ones_are_kept_by_their_template_the_newest_first)
{
	struct perf_slow slow[PERF_SLOW + 1];

	for (uint64_t i = 1; i <= PERF_SLOW + 3; i++)
		perf_note(perf, 1, PERF_SLOW_US + i, 200, i * 1000000);
	perf_note(perf, 1, PERF_SLOW_US - 1, 200, 0);
	cr_assert_eq(perf_slow(perf, slow, PERF_SLOW + 1), PERF_SLOW);
	cr_assert_eq(slow[0].at_s, PERF_SLOW + 3);
	cr_assert_str_eq(slow[0].path, "/api/a/{id}");
	cr_assert_eq(slow[PERF_SLOW - 1].at_s, 4);
	cr_assert_eq(perf_slow(perf, slow, 2), 2);
	cr_assert_eq(perf_slow_count(perf), PERF_SLOW + 3);
}

Test(perf, a_reset_begins_anew)
{
	struct perf_route r;
	struct perf_slow slow[1];

	perf_note(perf, 0, PERF_SLOW_US, 200, 1);
	perf_reset(perf);
	perf_total(perf, &r);
	cr_assert_eq(r.count, 0);
	cr_assert_eq(perf_slow(perf, slow, 1), 0);
	perf_note(perf, 0, 5000, 200, 1);
	perf_get(perf, 0, &r);
	cr_assert_eq(r.count, 1);
	cr_assert_float_eq(r.max_ms, 5, 1e-9);
}
