/* SPDX-License-Identifier: MIT */
#include "runs.h"

#include <stdlib.h>
#include <string.h>

#include <hops/ids.h>

#define IDLE_LEAST 4096u

static uint32_t
runs_probe(const struct runs *r, uint32_t parent, uint32_t token)
{
	uint32_t i = (uint32_t)((hops_mix((uint64_t)parent << 32 | token) >> 32) * r->size >> 32);

	while (r->slots[i] != 0 &&
	       (r->nodes[r->slots[i]].parent != parent || r->nodes[r->slots[i]].token != token))
		i = i + 1 == r->size ? 0 : i + 1;
	return i;
}

static bool
runs_index(struct runs *r, uint32_t size)
{
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (slots == NULL)
		return false;
	free(r->slots);
	r->slots = slots;
	r->size = size;
	for (uint32_t i = 1; i < r->count; i++)
		slots[runs_probe(r, r->nodes[i].parent, r->nodes[i].token)] = i;
	return true;
}

static bool
runs_grow(struct runs *r)
{
	struct runs_node *nodes;
	uint32_t cap;

	if (r->count < r->cap)
		return true;
	cap = r->cap == 0 ? 256 : r->cap + r->cap / 8;
	if (cap > UINT32_MAX / 2)
		return false;
	nodes = realloc(r->nodes, cap * sizeof(*nodes));
	if (nodes == NULL)
		return false;
	r->nodes = nodes;
	if (r->cap == 0)
		nodes[0] = (struct runs_node){ 0 };
	r->count = r->cap == 0 ? 1 : r->count;
	r->cap = cap;
	return runs_index(r, cap + cap / 3);
}

/* What counts nothing goes, and nothing below it counts anything. Runs of one hop stay while others
 * name them; they are few. */
static bool
runs_compact(struct runs *r)
{
	uint32_t *moved = calloc(r->count, sizeof(*moved)), n = 1;

	if (moved == NULL)
		return false;
	for (uint32_t i = 1; i < r->count; i++) {
		struct runs_node node = r->nodes[i];

		if (node.value == 0 && node.parent != 0)
			continue;
		if (node.parent != 0) {
			node.parent = moved[node.parent];
			node.token = moved[node.token];
		}
		moved[i] = n;
		r->nodes[n++] = node;
	}
	free(moved);
	r->count = n;
	r->idle = 0;
	for (uint32_t i = 1; i < n; i++)
		r->idle += r->nodes[i].value == 0;
	return runs_index(r, r->size);
}

/* 0: out of memory, or not there and not to be made. */
static uint32_t
runs_child(struct runs *r, uint32_t parent, uint32_t token, bool make)
{
	uint32_t slot;

	if (make && !runs_grow(r))
		return 0;
	if (r->size == 0)
		return 0;
	slot = runs_probe(r, parent, token);
	if (r->slots[slot] == 0 && make) {
		r->nodes[r->count] = (struct runs_node){ parent, token, 0 };
		r->idle++;
		r->slots[slot] = r->count++;
	}
	return r->slots[slot];
}

static const struct an_packet *
runs_packet(const struct frame *f, uint32_t rest)
{
	uint32_t slot = (rest >> 6) - 1;

	return &f->blocks[slot / FRAME_BLOCK][slot % FRAME_BLOCK];
}

/* Hops of a path that belong to the run from `start` on. */
static uint32_t
runs_end(const struct an_packet *p, uint32_t start)
{
	return p->hop_count < start + RUNS_LONGEST ? p->hop_count : start + RUNS_LONGEST;
}

/* The first one to take a run refers to its packet for what follows. */
static void
runs_begin(struct runs *r, uint32_t node, const struct an_packet *p, uint32_t start, uint32_t at)
{
	uint32_t left = runs_end(p, start) - at - 1;

	r->idle--;
	r->nodes[node].value = RUNS_ALONE | (left > 0 ? (p->slot + 1) << 6 | start : 0);
	r->single += left;
}

/* There is a second one: what follows for the first gets a node of its own. */
static bool
runs_part(struct runs *r, const struct frame *f, uint32_t node, uint32_t length)
{
	uint32_t rest = runs_rest(&r->nodes[node]), start = rest & 63, single, child;
	const struct an_packet *p = runs_packet(f, rest);

	single = runs_child(r, 0, p->hops[start + length], true);
	child = single == 0 ? 0 : runs_child(r, node, single, true);
	if (child == 0)
		return false;
	r->single -= runs_end(p, start) - start - length;
	r->nodes[node].value = RUNS_ALONE;
	runs_begin(r, child, p, start, start + length);
	return true;
}

static bool
runs_put(struct runs *r, const struct frame *f, const struct an_packet *p, uint32_t start,
	 const uint32_t *singles)
{
	uint32_t node = 0, end = runs_end(p, start);

	for (uint32_t k = start; k < end; k++) {
		node = k == start ? singles[k] : runs_child(r, node, singles[k], true);
		if (node == 0)
			return false;
		if (r->nodes[node].value == 0) {
			runs_begin(r, node, p, start, k);
			return true;
		}
		if (runs_rest(&r->nodes[node]) != 0 && !runs_part(r, f, node, k - start + 1))
			return false;
		r->nodes[node].value = runs_count(&r->nodes[node]) + 1;
	}
	return true;
}

static void
runs_take(struct runs *r, const struct an_packet *p, uint32_t start, const uint32_t *singles)
{
	uint32_t node = 0, end = runs_end(p, start), mine = (p->slot + 1) << 6 | start;
	uint32_t rest, count;

	for (uint32_t k = start; k < end; k++) {
		node = k == start ? singles[k] : runs_child(r, node, singles[k], false);
		if (node == 0 || r->nodes[node].value == 0)
			return;
		rest = runs_rest(&r->nodes[node]);
		count = runs_count(&r->nodes[node]) - 1;
		r->nodes[node].value = count == 1 ? RUNS_ALONE : count;
		r->idle += count == 0;
		if (rest != mine)
			continue;
		r->single -= end - k - 1;
		return;
	}
}

bool
runs_add(struct runs *r, const struct frame *f, const struct an_packet *p, int sign)
{
	uint32_t singles[HOPS_PATH_MAX], count = p->hop_count;
	bool ok = true;

	for (uint32_t i = 0; ok && i < count; i++) {
		singles[i] = runs_child(r, 0, p->hops[i], sign > 0);
		ok = singles[i] != 0;
	}
	for (uint32_t i = 0; ok && i < count; i++) {
		if (sign > 0)
			ok = runs_put(r, f, p, i, singles);
		else
			runs_take(r, p, i, singles);
	}
	if (ok && r->idle > IDLE_LEAST && r->idle > r->count / 2)
		ok = runs_compact(r);
	return ok;
}

uint32_t
runs_more(const struct runs *r, const struct frame *f, uint32_t node, uint32_t length)
{
	uint32_t rest = runs_rest(&r->nodes[node]);

	return rest == 0 ? 0 : runs_end(runs_packet(f, rest), rest & 63) - (rest & 63) - length;
}

uint32_t
runs_hops(const struct runs *r, const struct frame *f, uint32_t node, uint32_t more,
	  uint32_t hops[RUNS_LONGEST])
{
	uint32_t n = 0, count, rest = runs_rest(&r->nodes[node]);

	for (uint32_t i = node; i != 0; i = r->nodes[i].parent)
		n++;
	count = n;
	for (uint32_t i = node; i != 0; i = r->nodes[i].parent) {
		const struct runs_node *at = &r->nodes[i];

		hops[--n] = at->parent == 0 ? at->token : r->nodes[at->token].token;
	}
	for (uint32_t i = 0; i < more; i++, count++)
		hops[count] = runs_packet(f, rest)->hops[(rest & 63) + count];
	return count;
}

void
runs_fini(struct runs *r)
{
	free(r->nodes);
	free(r->slots);
	*r = (struct runs){ 0 };
}

size_t
runs_bytes(const struct runs *r)
{
	return r->cap * sizeof(*r->nodes) + r->size * sizeof(*r->slots);
}
