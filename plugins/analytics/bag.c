/* SPDX-License-Identifier: MIT */
#include "bag.h"

#include <stdlib.h>

#include <hops/ids.h>

#define BAG_LEAST 16u

struct bag_slot { /* 12 bytes: there are many of them */
	uint32_t low, high;
	int32_t n;
};

static uint64_t
bag_key(const struct bag_slot *s)
{
	return (uint64_t)s->high << 32 | s->low;
}

/* Any size will do: the hash is scaled to it. */
static uint32_t
bag_probe(const struct bag *b, uint64_t key)
{
	uint32_t i = (uint32_t)((hops_mix(key) >> 32) * b->size >> 32);

	while (bag_key(&b->slots[i]) != 0 && bag_key(&b->slots[i]) != key)
		i = i + 1 == b->size ? 0 : i + 1;
	return i;
}

/* Room for one more; counters that are 0 give up theirs. */
static bool
bag_grow(struct bag *b)
{
	struct bag made = { .size = BAG_LEAST };
	uint32_t live = 0;

	if (b->used < b->size - b->size / 5)
		return true;
	for (uint32_t i = 0; i < b->size; i++)
		live += b->slots[i].n != 0;
	if (live > UINT32_MAX / 2)
		return false;
	made.size += live + live / 5 * 2;
	made.slots = calloc(made.size, sizeof(*made.slots));
	if (made.slots == NULL)
		return false;
	for (uint32_t i = 0; i < b->size; i++) {
		if (b->slots[i].n == 0)
			continue;
		made.slots[bag_probe(&made, bag_key(&b->slots[i]))] = b->slots[i];
		made.used++;
	}
	free(b->slots);
	*b = made;
	return true;
}

static struct bag_slot *
bag_put(struct bag *b, uint64_t key)
{
	struct bag_slot *s;

	if (!bag_grow(b))
		return NULL;
	s = &b->slots[bag_probe(b, key)];
	if (bag_key(s) == 0) {
		s->low = (uint32_t)key;
		s->high = (uint32_t)(key >> 32);
		b->used++;
	}
	return s;
}

bool
bag_add(struct bag *b, uint64_t key, int64_t n)
{
	struct bag_slot *s = bag_put(b, key);

	if (s == NULL)
		return false;
	n += s->n;
	s->n = n > INT32_MAX ? INT32_MAX : n < INT32_MIN ? INT32_MIN : (int32_t)n;
	return true;
}

bool
bag_raise(struct bag *b, uint64_t key, int64_t n)
{
	struct bag_slot *s = bag_put(b, key);

	if (s == NULL)
		return false;
	if (n > s->n)
		s->n = n > INT32_MAX ? INT32_MAX : (int32_t)n;
	return true;
}

int64_t
bag_get(const struct bag *b, uint64_t key)
{
	return b->size == 0 ? 0 : b->slots[bag_probe(b, key)].n;
}

bool
bag_next(const struct bag *b, uint32_t *at, struct bag_item *item)
{
	while (*at < b->size) {
		const struct bag_slot *s = &b->slots[(*at)++];

		if (s->n == 0)
			continue;
		*item = (struct bag_item){ bag_key(s), s->n };
		return true;
	}
	return false;
}

static int
bag_compare(const void *a, const void *b)
{
	uint64_t x = ((const struct bag_item *)a)->key, y = ((const struct bag_item *)b)->key;

	return (x > y) - (x < y);
}

struct bag_item *
bag_sorted(const struct bag *b, uint32_t *count)
{
	struct bag_item *list = calloc(b->used + 1u, sizeof(*list));
	uint32_t at = 0, n = 0;

	*count = 0;
	if (list == NULL)
		return NULL;
	while (bag_next(b, &at, &list[n]))
		n++;
	if (n > 1)
		qsort(list, n, sizeof(*list), bag_compare);
	*count = n;
	return list;
}

void
bag_fini(struct bag *b)
{
	free(b->slots);
	*b = (struct bag){ 0 };
}

size_t
bag_bytes(const struct bag *b)
{
	return b->size * sizeof(*b->slots);
}
