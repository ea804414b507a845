/* SPDX-License-Identifier: MIT
 *
 * Chance and arithmetic that are the same everywhere.
 */
#include <math.h>

#include <criterion/criterion.h>
#include <sim/dice.h>

TestSuite(dice, .timeout = 120);

/* The number is from another implementation of the same generator. */
Test(dice, the_same_seed_gives_the_same_numbers_everywhere)
{
	struct dice a, b;

	dice_init(&a, 1, 1);
	cr_expect_eq(dice_u64(&a), 0x3bc8f43e95d963b9u);
	dice_init(&a, 7, 3);
	dice_init(&b, 7, 3);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(dice_u64(&a), dice_u64(&b));
}

Test(dice, another_stream_gives_other_numbers)
{
	struct dice a, b;
	int same = 0;

	dice_init(&a, 7, 1);
	dice_init(&b, 7, 2);
	for (int i = 0; i < 1000; i++)
		same += dice_u64(&a) == dice_u64(&b);
	cr_expect_eq(same, 0);
}

Test(dice, the_logarithm_is_that_of_libm)
{
	for (double x = 1e-9; x < 1e9; x *= 1.37)
		cr_assert_float_eq(dice_log2(x), log2(x), 1e-10, "%g", x);
}

Test(dice, the_cosine_is_that_of_libm)
{
	for (double x = -1.6; x < 1.6; x += 0.01)
		cr_assert_float_eq(dice_cos(x), cos(x), 1e-12, "%g", x);
}

Test(dice, normal_numbers_have_mean_0_and_deviation_1)
{
	double sum = 0, squares = 0;
	struct dice d;

	dice_init(&d, 3, 1);
	for (int i = 0; i < 100000; i++) {
		double x = dice_normal(&d);

		cr_assert_lt(fabs(x), 4.91);
		sum += x;
		squares += x * x;
	}
	cr_expect_float_eq(sum / 100000, 0, 0.02);
	cr_expect_float_eq(squares / 100000, 1, 0.02);
}

Test(dice, waits_have_mean_1)
{
	double sum = 0;
	struct dice d;

	dice_init(&d, 3, 1);
	for (int i = 0; i < 100000; i++)
		sum += dice_wait(&d);
	cr_expect_float_eq(sum / 100000, 1, 0.02);
}

Test(dice, numbers_below_a_bound_reach_all_and_no_more)
{
	uint32_t seen[6] = { 0 };
	struct dice d;

	dice_init(&d, 9, 1);
	for (int i = 0; i < 6000; i++)
		seen[dice_below(&d, 6)]++; /* a sanitizer or a crash tells if it is more */
	for (int i = 0; i < 6; i++)
		cr_expect_gt(seen[i], 800);
}
