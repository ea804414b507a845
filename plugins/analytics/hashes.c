/* SPDX-License-Identifier: MIT
 *
 * hashes: how many bytes of their keys nodes and packets use. This file counts; answers are in
 * hash_sizes.c and collisions.c.
 */
#include "hashes.h"

#include <stdlib.h>
#include <string.h>

#include "modules.h"

#define ADVERTS_MAX 4096u /* kept of a node; more are counted as refused */

static struct hashes_node *
hashes_node(struct hashes *h, uint32_t id)
{
	if (id >= h->cap) {
		uint32_t cap = h->cap == 0 ? 1024 : h->cap;
		struct hashes_node *at;

		while (cap <= id)
			cap *= 2;
		at = realloc(h->at, cap * sizeof(*at));
		if (at == NULL)
			return NULL;
		memset(at + h->cap, 0, (cap - h->cap) * sizeof(*at));
		h->at = at;
		h->cap = cap;
	}
	return &h->at[id];
}

static bool
hashes_is_direct(const struct an_packet *p)
{
	return p->route == HOPS_ROUTE_DIRECT || p->route == HOPS_ROUTE_TDIRECT;
}

/* Old firmware writes one byte into direct adverts without hops, whatever is set. Four bytes are
 * reserved. */
bool
hashes_tells(const struct an_packet *p)
{
	return p->type == HOPS_TYPE_ADVERT && p->from != HOPS_NONE && p->size >= 1 &&
	       p->size <= 3 && !(hashes_is_direct(p) && p->hop_count == 0);
}

/* ---------------------------------------------------------------- adverts -- */

static bool
advert_before(const struct hashes_advert *a, const struct hashes_advert *b)
{
	return a->at != b->at ? a->at < b->at : a->low < b->low;
}

static bool
advert_add(struct hashes_node *n, struct hashes_advert one)
{
	uint32_t i;

	if (n->count == ADVERTS_MAX)
		return false;
	if (n->count == n->cap) {
		uint32_t cap = n->cap == 0 ? 4 : n->cap * 2;
		struct hashes_advert *grown = realloc(n->adverts, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		n->adverts = grown;
		n->cap = cap;
	}
	for (i = n->count++; i > 0 && advert_before(&one, &n->adverts[i - 1]); i--)
		n->adverts[i] = n->adverts[i - 1];
	n->adverts[i] = one;
	return true;
}

static void
advert_remove(struct hashes_node *n, struct hashes_advert one)
{
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->adverts[i].at != one.at || n->adverts[i].low != one.low)
			continue;
		n->count--;
		memmove(&n->adverts[i], &n->adverts[i + 1], (n->count - i) * sizeof(one));
		return;
	}
}

/* Who heard an advert without hops stands in the node's home region. */
static void
hashes_fold_home(struct hashes *h, const struct an_packet *p, int sign)
{
	for (uint32_t i = 0; i < p->heard_count; i++) {
		if (p->heard[i].observer != AN_NO_OBSERVER &&
		    !bag_add(&h->homes, (uint64_t)(p->from + 1u) << 16 | p->heard[i].observer,
			     sign))
			h->refused++;
	}
}

static void
hashes_fold(void *self, const struct an_packet *p, int sign)
{
	struct hashes *h = self;
	struct hashes_advert one = { p->first, (uint32_t)p->tx, p->size };
	struct hashes_node *n;

	if (p->type != HOPS_TYPE_ADVERT || p->from == HOPS_NONE)
		return;
	n = hashes_node(h, p->from);
	if (n == NULL) {
		h->refused++;
		return;
	}
	n->packets += (uint32_t)sign;
	n->last = p->first > n->last ? p->first : n->last;
	if (hashes_is_direct(p) && p->hop_count == 0)
		hashes_fold_home(h, p, sign);
	if (!hashes_tells(p))
		return;
	if (sign < 0)
		advert_remove(n, one);
	else
		h->refused += !advert_add(n, one);
}

struct hashes_info
hashes_info(const struct hashes *h, uint32_t id, int64_t now)
{
	const struct hashes_node *n = id < h->cap ? &h->at[id] : NULL;
	struct hashes_info info = { 0 };
	uint32_t start = 0, changes = 0, count;
	const struct hashes_advert *a;

	if (n == NULL || n->count == 0)
		return info;
	while (start < n->count && (int64_t)n->adverts[start].at < now - HASHES_WEEK)
		start++;
	a = n->adverts + start;
	count = n->count - start;
	for (uint32_t i = 0; i < count; i++) {
		changes += i > 0 && a[i].size != a[i - 1].size;
		info.sizes |= (uint8_t)(1 << a[i].size);
		info.size = a[i].size;
	}
	info.inconsistent =
	    count >= 3 && changes >= 2 &&
	    !(a[count - 1].size == a[count - 2].size && a[count - 2].size == a[count - 3].size);
	return info;
}

/* ----------------------------------------------------------------- views -- */

static bool
hashes_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct bag *bag = &((struct hashes_counts *)counts)->bag;
	bool ok = true;

	(void)view;
	if (p->type == HOPS_TYPE_ADVERT && p->from != HOPS_NONE)
		ok &= bag_add(bag, HASHES_KEY(HASHES_NODE, p->from, 0), sign);
	if (p->hop_count == 0 || p->size < 1 || p->size > 3)
		return ok;
	ok &= bag_add(bag, HASHES_KEY(HASHES_SIZE, 0, p->size), sign) &&
	      bag_add(bag, HASHES_KEY(HASHES_HOUR, p->first / 3600, p->size), sign);
	for (uint32_t i = 0; i < p->hop_count; i++)
		ok &= bag_add(bag, HASHES_KEY(HASHES_TOKEN, p->hops[i], 0), sign);
	return ok;
}

static void
hashes_fini(void *counts)
{
	bag_fini(&((struct hashes_counts *)counts)->bag);
}

static size_t
hashes_view_bytes(const void *counts)
{
	return bag_bytes(&((const struct hashes_counts *)counts)->bag);
}

static const struct view_class hashes_class = {
	.name = "hashes",
	.size = sizeof(struct hashes_counts),
	.add = hashes_add,
	.fini = hashes_fini,
	.bytes = hashes_view_bytes,
	.no_window = true,
};

const struct hashes_counts *
hashes_view(const struct hashes *h, const struct an_query *q)
{
	return frame_view(h->frame, &hashes_class, q);
}

/* ------------------------------------------------------------------ life -- */

static void
hashes_destroy(void *self)
{
	struct hashes *h = self;

	for (uint32_t i = 0; i < h->cap; i++)
		free(h->at[i].adverts);
	free(h->at);
	bag_fini(&h->homes);
	free(h);
}

static mk_result
hashes_create(struct frame *f, void **self)
{
	struct hashes *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return MK_ENOMEM;
	h->frame = f;
	*self = h;
	return MK_OK;
}

static size_t
hashes_bytes(const void *self)
{
	const struct hashes *h = self;
	size_t bytes = h->cap * sizeof(*h->at) + bag_bytes(&h->homes);

	for (uint32_t i = 0; i < h->cap; i++)
		bytes += h->at[i].cap * sizeof(*h->at[i].adverts);
	return bytes;
}

static const struct an_method hashes_methods[] = { { "hash-sizes", hashes_sizes },
						   { "hash-collisions", hashes_collisions },
						   { NULL, NULL } };

const struct an_module hashes_module = {
	.name = "hashes",
	.create = hashes_create,
	.destroy = hashes_destroy,
	.fold = hashes_fold,
	.bytes = hashes_bytes,
	.methods = hashes_methods,
};
