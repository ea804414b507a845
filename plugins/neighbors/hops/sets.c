/* SPDX-License-Identifier: MIT */
#include "sets.h"

#include <stdlib.h>
#include <string.h>

void
hops_sets_fini(struct hops_sets *s)
{
	free(s->at);
	*s = (struct hops_sets){ 0 };
}

static bool
sets_grow(struct hops_sets *s, uint32_t rows, uint32_t words)
{
	uint64_t *at;

	if (rows <= s->rows && words <= s->words)
		return true;
	rows = rows > s->rows ? rows : s->rows;
	words = words > s->words ? words : s->words;
	at = calloc((size_t)rows * words, sizeof(*at));
	if (at == NULL)
		return false;
	for (uint32_t i = 0; i < s->rows; i++)
		memcpy(at + (size_t)i * words, s->at + (size_t)i * s->words,
		       s->words * sizeof(*at));
	free(s->at);
	*s = (struct hops_sets){ .at = at, .words = words, .rows = rows };
	return true;
}

bool
hops_sets_put(struct hops_sets *s, uint32_t rows, uint32_t row, uint32_t bit)
{
	if (!sets_grow(s, rows, bit / 64 + 1))
		return false;
	s->at[(size_t)row * s->words + bit / 64] |= (uint64_t)1 << bit % 64;
	return true;
}

bool
hops_sets_merge(struct hops_sets *s, uint32_t rows, uint32_t row, const struct hops_seen *seen)
{
	uint32_t words = HOPS_OBSERVERS_MAX / 64;

	while (words > 0 && seen->bits[words - 1] == 0)
		words--;
	if (words == 0)
		return true;
	if (!sets_grow(s, rows, words))
		return false;
	for (uint32_t i = 0; i < words; i++)
		s->at[(size_t)row * s->words + i] |= seen->bits[i];
	return true;
}

void
hops_sets_get(const struct hops_sets *s, uint32_t row, struct hops_seen *seen)
{
	*seen = (struct hops_seen){ 0 };
	if (row < s->rows)
		memcpy(seen->bits, s->at + (size_t)row * s->words, s->words * sizeof(*s->at));
}

void
hops_sets_empty(struct hops_sets *s, uint32_t row)
{
	if (row < s->rows)
		memset(s->at + (size_t)row * s->words, 0, s->words * sizeof(*s->at));
}

void
hops_sets_move(struct hops_sets *s, uint32_t from, uint32_t to)
{
	if (from < s->rows)
		memcpy(s->at + (size_t)to * s->words, s->at + (size_t)from * s->words,
		       s->words * sizeof(*s->at));
	else
		hops_sets_empty(s, to);
}

size_t
hops_sets_memory(const struct hops_sets *s)
{
	return (size_t)s->rows * s->words * sizeof(*s->at);
}

bool
hops_seen_has(const struct hops_seen *seen, uint32_t bit)
{
	return (seen->bits[bit / 64] >> bit % 64 & 1) != 0;
}

void
hops_seen_put(struct hops_seen *seen, uint32_t bit)
{
	seen->bits[bit / 64] |= (uint64_t)1 << bit % 64;
}

uint32_t
hops_seen_count(const struct hops_seen *seen)
{
	uint32_t n = 0;

	for (size_t i = 0; i < HOPS_OBSERVERS_MAX / 64; i++) {
		for (uint64_t left = seen->bits[i]; left != 0; left &= left - 1)
			n++;
	}
	return n;
}
