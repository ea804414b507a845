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
	free(g->edges);
	free(g->slots);
	free(g->heads);
	*g = (struct hops_graph){ 0 };
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

static bool
graph_grow_edges(struct hops_graph *g)
{
	uint32_t cap = g->cap == 0 ? 256 : g->cap * 2;
	struct hops_edge *edges;
	uint32_t *slots;

	if (g->count < g->cap)
		return true;
	edges = realloc(g->edges, cap * sizeof(*edges));
	if (edges == NULL)
		return false;
	g->edges = edges;
	slots = calloc((size_t)cap * 2, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(g->slots);
	g->slots = slots;
	g->slot_count = cap * 2;
	g->cap = cap;
	for (uint32_t i = 0; i < g->count; i++)
		slots[graph_slot(g, edges[i].a, edges[i].b, edges[i].token)] = i + 1;
	return true;
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
hops_tally_merge(struct hops_tally *to, const struct hops_tally *from, bool turned)
{
	if (from->count == 0)
		return;
	if (to->count == 0 || from->first < to->first)
		to->first = from->first;
	if (to->count == 0 || from->last > to->last)
		to->last = from->last;
	to->count += from->count;
	to->ab += turned ? from->count - from->ab : from->ab;
	for (size_t i = 0; i < 4; i++)
		to->modes[i] += from->modes[i];
	to->snr_sum += from->snr_sum;
	to->snr_n += from->snr_n;
	for (size_t i = 0; i < HOPS_OBSERVERS_MAX / 64; i++)
		to->seen[i] |= from->seen[i];
}

uint32_t
hops_tally_observers(const struct hops_tally *t)
{
	uint32_t n = 0;

	for (size_t i = 0; i < HOPS_OBSERVERS_MAX / 64; i++) {
		for (uint64_t left = t->seen[i]; left != 0; left &= left - 1)
			n++;
	}
	return n;
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
	double n = hops_tally_observers(t);

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
