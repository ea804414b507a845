/* SPDX-License-Identifier: MIT */
#include "graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FULL_SCORE 100.0 /* sightings */
#define HALF_LIFE_H 168.0
#define SURE_OBSERVERS 3.0

void
hops_graph_fini(struct hops_graph *g)
{
	bool uncurious = g->uncurious;

	free(g->edges);
	free(g->slots);
	free(g->heads);
	hops_sets_fini(&g->sets);
	*g = (struct hops_graph){ .uncurious = uncurious };
}

void
hops_graph_clear(struct hops_graph *g)
{
	g->count = g->open = g->observer_count = 0;
	g->too_far = 0;
	if (g->slots != NULL)
		memset(g->slots, 0, g->slot_count * sizeof(*g->slots));
	for (uint32_t i = 0; i < g->head_count; i++)
		g->heads[i] = (struct hops_head){ .first = HOPS_NONE };
	hops_sets_fini(&g->sets);
}

static uint32_t
graph_slot(const struct hops_graph *g, uint32_t a, uint32_t b, uint32_t token)
{
	uint32_t mask = g->slot_count - 1;
	uint32_t i = (uint32_t)hops_mix((uint64_t)a << 32 | (b ^ token)) & mask;

	for (; g->slots[i] != 0; i = (i + 1) & mask) {
		const struct hops_edge *e = &g->edges[g->slots[i] - 1];

		if (e->a == a && e->b == b && e->token == token)
			break;
	}
	return i;
}

struct hops_edge *
hops_graph_find(const struct hops_graph *g, uint32_t a, uint32_t b, uint32_t token)
{
	uint32_t i;

	if (g->count == 0)
		return NULL;
	i = g->slots[graph_slot(g, a, b, token)];
	if (i == 0 && b != HOPS_NONE)
		i = g->slots[graph_slot(g, b, a, token)];
	return i == 0 ? NULL : &g->edges[i - 1];
}

/* Up to three quarters of the slots are used. */
static bool
graph_grow_slots(struct hops_graph *g)
{
	uint32_t count = g->slot_count == 0 ? 512 : g->slot_count * 2;
	uint32_t *slots;

	if (g->count < g->slot_count / 4 * 3)
		return true;
	slots = calloc(count, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(g->slots);
	g->slots = slots;
	g->slot_count = count;
	for (uint32_t i = 0; i < g->count; i++)
		slots[graph_slot(g, g->edges[i].a, g->edges[i].b, g->edges[i].token)] = i + 1;
	return true;
}

/* By a quarter: there are several graphs, and what is not used of them is used for nothing. */
static bool
graph_grow_edges(struct hops_graph *g)
{
	uint32_t cap = g->cap < 256 ? 256 : g->cap + g->cap / 4;
	struct hops_edge *edges;

	if (g->count < g->cap)
		return graph_grow_slots(g);
	edges = realloc(g->edges, cap * sizeof(*edges));
	if (edges == NULL)
		return false;
	g->edges = edges;
	g->cap = cap;
	return graph_grow_slots(g);
}

static bool
graph_grow_heads(struct hops_graph *g, uint32_t id)
{
	uint32_t count = g->head_count == 0 ? 256 : g->head_count;
	struct hops_head *heads;

	while (id >= count)
		count *= 2;
	if (count == g->head_count)
		return true;
	heads = realloc(g->heads, count * sizeof(*heads));
	if (heads == NULL)
		return false;
	for (uint32_t i = g->head_count; i < count; i++)
		heads[i] = (struct hops_head){ .first = HOPS_NONE };
	g->heads = heads;
	g->head_count = count;
	return true;
}

struct hops_edge *
hops_graph_put(struct hops_graph *g, uint32_t a, uint32_t b, uint32_t token)
{
	struct hops_edge *e = hops_graph_find(g, a, b, token);
	uint32_t index = g->count;

	if (e != NULL)
		return e;
	if (!graph_grow_edges(g) || !graph_grow_heads(g, a) ||
	    (b != HOPS_NONE && !graph_grow_heads(g, b)))
		return NULL;
	e = &g->edges[g->count++];
	*e = (struct hops_edge){
		.a = a, .b = b, .token = token, .next = { g->heads[a].first, HOPS_NONE }
	};
	g->slots[graph_slot(g, a, b, token)] = index + 1;
	g->heads[a].first = index;
	if (b != HOPS_NONE) {
		e->next[1] = g->heads[b].first;
		g->heads[b].first = index;
		g->heads[a].degree++;
		g->heads[b].degree++;
	} else {
		g->open++;
	}
	return e;
}

const struct hops_edge *
hops_graph_next(const struct hops_graph *g, uint32_t id, const struct hops_edge *edge)
{
	uint32_t i = edge != NULL         ? edge->next[edge->a != id]
		     : id < g->head_count ? g->heads[id].first
					  : HOPS_NONE;

	return i == HOPS_NONE ? NULL : &g->edges[i];
}

uint32_t
hops_edge_other(const struct hops_edge *e, uint32_t id)
{
	return e->a == id ? e->b : e->a;
}

void
hops_graph_seen(const struct hops_graph *g, const struct hops_edge *e, struct hops_seen *seen)
{
	hops_sets_get(&g->sets, (uint32_t)(e - g->edges), seen);
}

bool
hops_graph_see(struct hops_graph *g, struct hops_edge *e, const struct hops_seen *seen)
{
	uint32_t row = (uint32_t)(e - g->edges);
	struct hops_seen all;

	if (g->uncurious) { /* complete each time that an edge is read */
		e->t.observers = hops_seen_count(seen);
		return true;
	}
	if (!hops_sets_merge(&g->sets, g->cap, row, seen))
		return false;
	hops_sets_get(&g->sets, row, &all);
	e->t.observers = hops_seen_count(&all);
	return true;
}

size_t
hops_graph_memory(const struct hops_graph *g)
{
	return g->cap * sizeof(*g->edges) + g->slot_count * sizeof(*g->slots) +
	       g->head_count * sizeof(*g->heads) + hops_sets_memory(&g->sets);
}

uint32_t
hops_clamp(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static uint32_t
tally_add(uint32_t a, uint32_t b)
{
	return hops_clamp((int64_t)a + b);
}

void
hops_tally_merge(struct hops_tally *to, const struct hops_tally *from, bool turned)
{
	if (from->count == 0)
		return;
	if (to->count == 0 || from->first < to->first)
		to->first = from->first;
	if (to->count == 0 || from->last > to->last)
		to->last = from->last;
	to->count = tally_add(to->count, from->count);
	to->ab = tally_add(to->ab, turned ? from->count - from->ab : from->ab);
	for (size_t i = 0; i < 4; i++)
		to->modes[i] = tally_add(to->modes[i], from->modes[i]);
	to->snr_sum += from->snr_sum;
	to->snr_n = tally_add(to->snr_n, from->snr_n);
}

double
hops_score(const struct hops_tally *t, int64_t now)
{
	double hours = now > t->last ? (double)(now - t->last) / 3600 : 0;
	double share = (double)t->count / FULL_SCORE;

	return (share < 1 ? share : 1) * exp(-0.69314718055994531 * hours / HALF_LIFE_H);
}

double
hops_confidence(const struct hops_tally *t)
{
	double n = t->observers;

	return n >= SURE_OBSERVERS ? 1 : (n < 1 ? 1 : n) / SURE_OBSERVERS;
}

bool
hops_snr(const struct hops_tally *t, double *mean)
{
	if (t->snr_n == 0)
		return false;
	*mean = (double)t->snr_sum / (double)t->snr_n / 100;
	return true;
}

static uint32_t
graph_degree(const struct hops_graph *g, uint32_t id)
{
	return id < g->head_count ? g->heads[id].degree : 0;
}

double
hops_jaccard(const struct hops_graph *g, uint32_t a, uint32_t b)
{
	uint32_t of_a = graph_degree(g, a), of_b = graph_degree(g, b), common = 0, most;

	if (of_a > of_b) {
		uint32_t other = a;

		a = b;
		b = other;
	}
	for (const struct hops_edge *e = NULL; (e = hops_graph_next(g, a, e)) != NULL;)
		common +=
		    e->b != HOPS_NONE && hops_graph_find(g, hops_edge_other(e, a), b, 0) != NULL;
	most = of_a + of_b - common;
	return most == 0 ? 0 : (double)common / most;
}
