/* SPDX-License-Identifier: MIT
 *
 * Chance and arithmetic, the same everywhere; see dice.h. A `struct dice` belongs to one thread.
 */
#include "dice.h"

#include <string.h>

static uint64_t
dice_split(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void
dice_init(struct dice *d, uint64_t seed, uint64_t stream)
{
	uint64_t x = stream * 0xd1342543de82ef95u;

	x = seed ^ dice_split(&x);
	for (size_t i = 0; i < 4; i++)
		d->s[i] = dice_split(&x);
}

void
dice_fill(struct dice *d, uint8_t *out, size_t len)
{
	uint64_t x = 0;

	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0)
			x = dice_u64(d);
		out[i] = (uint8_t)(x >> (i % 8 * 8));
	}
}

double
dice_normal(struct dice *d)
{
	uint64_t sum = 0;

	for (int i = 0; i < 2; i++) {
		uint64_t x = dice_u64(d);

		for (; x != 0; x >>= 16)
			sum += x & 0xffff;
	}
	/* Eight even numbers have the mean 4 and the variance 8 / 12. */
	return ((double)sum / 65536.0 - 4.0) * 1.224744871391589;
}

double
dice_wait(struct dice *d)
{
	return -dice_log2(1.0 - dice_unit(d)) * 0.6931471805599453;
}

double
dice_log2(double x)
{
	uint64_t bits;
	int exponent;
	double s, s2, sum = 0;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int)((bits >> 52) & 0x7ff) - 1023;
	bits = (bits & 0xfffffffffffffu) | ((uint64_t)1023 << 52);
	memcpy(&x, &bits, sizeof(x));
	/* 1 <= x < 2, so s <= 1/3: after 11 terms what is missing is below 1e-11. */
	s = (x - 1.0) / (x + 1.0);
	s2 = s * s;
	for (int i = 21; i >= 1; i -= 2)
		sum = sum * s2 + 1.0 / i;
	return (double)exponent + 2.0 * s * sum * 1.4426950408889634;
}

double
dice_cos(double x)
{
	double x2 = x * x, sum = 1.0;

	for (int i = 24; i >= 2; i -= 2)
		sum = 1.0 - x2 / (double)(i * (i - 1)) * sum;
	return sum;
}
