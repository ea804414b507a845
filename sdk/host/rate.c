/* SPDX-License-Identifier: MIT */
#include "rate.h"

#define SECOND_US 1000000u

uint64_t
rate_has(struct rate *r, uint64_t now_us)
{
	uint64_t passed = now_us - r->at_us;

	r->saved += (passed < SECOND_US ? passed : SECOND_US) * r->per_second;
	r->at_us = now_us;
	if (r->saved > r->burst * SECOND_US)
		r->saved = r->burst * SECOND_US;
	return r->saved / SECOND_US;
}

void
rate_take(struct rate *r, uint64_t count)
{
	r->saved -= count * SECOND_US;
}
