/* SPDX-License-Identifier: MIT
 *
 * Chance and arithmetic that give the same results on every machine: the generator is ours
 * (xoshiro256**), and floating point is confined to operations that IEEE 754 rounds exactly. The
 * functions of libm are not among them, so the few that the model needs are here.
 */
#ifndef SIM_DICE_H
#define SIM_DICE_H

#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t s[4];
};

/* Streams of one seed are independent of each other. */
void dice_init(struct dice *d, uint64_t seed, uint64_t stream);
void dice_fill(struct dice *d, uint8_t *out, size_t len);

static inline uint64_t
dice_u64(struct dice *d)
{
	uint64_t x = d->s[1] * 5, t = d->s[1] << 17;

	d->s[2] ^= d->s[0];
	d->s[3] ^= d->s[1];
	d->s[1] ^= d->s[2];
	d->s[0] ^= d->s[3];
	d->s[2] ^= t;
	d->s[3] = (d->s[3] << 45) | (d->s[3] >> 19);
	return ((x << 7) | (x >> 57)) * 9;
}

/* 0 <= x < n; n is at least 1. The bias is below n / 2^32. */
static inline uint32_t
dice_below(struct dice *d, uint32_t n)
{
	return (uint32_t)(((dice_u64(d) >> 32) * n) >> 32);
}

/* 0 <= x < 1 */
static inline double
dice_unit(struct dice *d)
{
	return (double)(dice_u64(d) >> 11) / 9007199254740992.0;
}

static inline int
dice_chance(struct dice *d, double probability)
{
	return dice_unit(d) < probability;
}

/* Nearly normal, mean 0 and deviation 1, never beyond 4.9. */
double dice_normal(struct dice *d);
/* Exponential with mean 1. */
double dice_wait(struct dice *d);

double dice_log2(double x); /* x > 0 */
double dice_cos(double x);  /* |x| <= 2 pi */

#endif
