/* SPDX-License-Identifier: MIT
 *
 * So many in a second.
 */
#include "rate.h"

#include <criterion/criterion.h>

TestSuite(rate, .timeout = 120);

static const uint64_t long_ago = 1000000000;

Test(rate, it_begins_with_a_burst_and_no_more)
{
	struct rate r = { .per_second = 100, .burst = 10 };

	cr_expect_eq(rate_has(&r, long_ago), 10);
	rate_take(&r, 10);
	cr_expect_eq(rate_has(&r, long_ago), 0);
}

Test(rate, what_is_taken_comes_back_at_the_rate)
{
	struct rate r = { .per_second = 100, .burst = 10 };

	rate_take(&r, rate_has(&r, long_ago));
	cr_expect_eq(rate_has(&r, long_ago + 9999), 0);
	cr_expect_eq(rate_has(&r, long_ago + 10000), 1, "parts are not lost between questions");
	cr_expect_eq(rate_has(&r, long_ago + 50000), 5);
	cr_expect_eq(rate_has(&r, long_ago + 5000000), 10, "a quiet time saves up one burst");
}

Test(rate, over_a_long_time_it_is_exact)
{
	struct rate r = { .per_second = 333, .burst = 33 };
	uint64_t taken = 0;

	rate_take(&r, rate_has(&r, long_ago));
	for (uint64_t ms = 1; ms <= 10000; ms++) {
		uint64_t n = rate_has(&r, long_ago + ms * 1000);

		rate_take(&r, n);
		taken += n;
	}
	cr_expect_eq(taken, 3330);
}

Test(rate, the_highest_rate_does_not_overflow_after_years)
{
	struct rate r = { .per_second = 1000000000, .burst = 100000000 };

	cr_expect_eq(rate_has(&r, UINT64_MAX), 100000000);
	rate_take(&r, 100000000);
	cr_expect_eq(rate_has(&r, UINT64_MAX), 0);
}
