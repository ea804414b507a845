/* SPDX-License-Identifier: MIT
 *
 * What adverts say about a clock: the examples of the specification.
 */
#include <criterion/criterion.h>
#include <math.h>

#include <analytics/clock.h>

TestSuite(clock, .timeout = 120);

#define POINTS_MAX 64

static struct clock_verdict
clock_of(int64_t spacing_s, uint32_t count, const double *skews)
{
	struct clock_point points[POINTS_MAX];

	for (uint32_t i = 0; i < count; i++)
		points[i] = (struct clock_point){ 1000 + i * spacing_s, skews[i] };
	return clock_judge(points, count);
}

#define OF(spacing, ...)                                                            \
	clock_of(spacing, sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double), \
		 (const double[]){ __VA_ARGS__ })

static struct clock_verdict
clock_of_same(double skew, uint32_t count, double then)
{
	double skews[POINTS_MAX];

	for (uint32_t i = 0; i < count; i++)
		skews[i] = skew;
	skews[count] = then;
	return clock_of(60, count + (then != 0), skews);
}

static void
clock_expect(struct clock_verdict v, enum clock_severity severity, double recent, double good,
	     uint32_t bad, uint32_t considered)
{
	cr_expect_eq(v.severity, severity, "%s", clock_severity_text(v.severity));
	cr_expect_float_eq(v.recent, recent, 1e-9, "%f", v.recent);
	cr_expect_float_eq(v.good, good, 1e-9, "%f", v.good);
	cr_expect_eq(v.bad, bad);
	cr_expect_eq(v.considered, considered);
}

Test(clock, one_advert_is_enough_for_a_verdict_either_way)
{
	clock_expect(OF(60, 30), CLOCK_OK, 30, 1, 0, 1);
	clock_expect(OF(60, -30), CLOCK_OK, -30, 1, 0, 1);
}

Test(clock, one_that_jumps_between_two_times_is_bimodal)
{
	struct clock_verdict v = OF(60, -5, -5, -7200, -5, -7200, -5, -7200, -5, -7200, -5);

	clock_expect(v, CLOCK_BIMODAL, -5, .6, 2, 5);
	cr_expect_eq(v.drift, 0);
}

Test(clock, one_that_was_never_set_is_none)
{
	clock_expect(clock_of_same(-50000000, 10, 0), CLOCK_NONE, -50000000, 0, 0, 0);
	clock_expect(clock_of_same(86401, 5, 0), CLOCK_NONE, 86401, 0, 0, 0);
}

Test(clock, a_reset_is_left_out)
{
	clock_expect(clock_of_same(-20, 30, -60000000), CLOCK_OK, -20, 1, 0, 4);
}

Test(clock, minutes_off_is_a_warning)
{
	clock_expect(clock_of_same(400, 10, 0), CLOCK_WARNING, 400, 1, 0, 5);
}

Test(clock, hours_off_but_always_the_same_is_set_wrong)
{
	clock_expect(clock_of_same(3600, 5, 0), CLOCK_CRITICAL, 3600, 1, 0, 5);
	clock_expect(clock_of_same(3601, 5, 0), CLOCK_CRITICAL, 3601, 0, 5, 5);
	clock_expect(clock_of_same(7200, 10, 0), CLOCK_CRITICAL, 7200, 0, 5, 5);
	/* Twice a day, at local time. */
	clock_expect(OF(43200, 7200, 7201, 7199, 7200), CLOCK_CRITICAL, 7200, 0, 1, 1);
}

Test(clock, hours_off_and_never_the_same_is_none)
{
	clock_expect(OF(60, 5000, 20000, 70000, 11000, 40000), CLOCK_NONE, 20000, 0, 5, 5);
	clock_expect(OF(60, 7200), CLOCK_NONE, 7200, 0, 1, 1);
}

Test(clock, only_the_last_hour_decides)
{
	struct clock_verdict v = OF(7200, 120, 121, 122, 123, 124, 125);

	clock_expect(v, CLOCK_OK, 125, 1, 0, 1);
	cr_expect_float_eq(v.drift, 12, 1e-9);
	cr_expect_float_eq(v.median, 122.5, 1e-9);
	cr_expect_float_eq(v.mean, 122.5, 1e-9);
	cr_expect_float_eq(v.last, 125, 1e-9);
	cr_expect_eq(OF(7200, 120, 121, 122, 123).drift, 0, "four adverts are too few");
	clock_expect(OF(7200, 10, 20, 30, 40, 5000), CLOCK_NONE, 5000, 0, 1, 1);
}

Test(clock, one_bad_of_five_does_not_matter)
{
	clock_expect(OF(60, 10, 10, 10, 10, 5000), CLOCK_OK, 10, .8, 1, 5);
}

Test(clock, drift_is_robust)
{
	struct clock_point p[] = {
		{ 0, 0 }, { 3600, 1 }, { 7200, 2 }, { 10800, 500 }, { 14400, 4 }
	};

	cr_expect_float_eq(clock_drift(p, 3), 24, 1e-9);
	cr_expect_float_eq(clock_drift(p, 5), 24, 1e-9);
	p[0].skew = 5000;
	p[3].skew = 3;
	cr_expect_float_eq(clock_drift(p, 5), 24, 1e-9);
	p[1].at = 0;
	cr_expect_eq(clock_drift(p, 2), 0, "no time has passed");
}

Test(clock, classes_have_their_bounds)
{
	cr_expect_eq(clock_class(299.9), CLOCK_OK);
	cr_expect_eq(clock_class(-300), CLOCK_WARNING);
	cr_expect_eq(clock_class(3600), CLOCK_CRITICAL);
	cr_expect_eq(clock_class(2592000), CLOCK_ABSURD);
	cr_expect_eq(clock_class(-31536000), CLOCK_NONE);
}

Test(clock, the_median_of_an_even_count_lies_between)
{
	cr_expect_float_eq(clock_median((double[]){ 4, 1, 3, 2 }, 4), 2.5, 1e-9);
	cr_expect_float_eq(clock_median((double[]){ 4, 1, 3 }, 3), 3, 1e-9);
	cr_expect_eq(clock_median(NULL, 0), 0);
}
