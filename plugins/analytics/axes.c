/* SPDX-License-Identifier: MIT */
#include "axes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX

struct axes_way { /* half an edge */
	uint32_t to;
	double weight, length;
};

struct axes_spot { /* on the heap */
	double at;
	uint32_t node;
};

struct axes {
	uint32_t nodes, next, step; /* the next source, and how far to the one after it */
	struct axes_way *ways;
	uint32_t *first; /* of the ways of a node; nodes + 1 of them */
	size_t way_count;
	double *distance, *paths, *share; /* of the search from one source */
	uint32_t *order;                  /* nodes as they were settled */
	bool *settled;
	struct axes_spot *heap;
	size_t heap_count;
	double *bridge, *coverage, *redundancy;
	bool finished;
};

static int
axes_compare(const void *x, const void *y)
{
	const struct axes_edge *a = x, *b = y;

	if (a->a != b->a)
		return a->a < b->a ? -1 : 1;
	if (a->b != b->b)
		return a->b < b->b ? -1 : 1;
	return a->weight > b->weight ? -1 : a->weight < b->weight;
}

/* Both directions of each good edge, sorted; of parallel ones the strongest. NULL: out of memory. */
static struct axes_edge *
axes_halves(uint32_t nodes, const struct axes_edge *edges, size_t count, size_t *out_count)
{
	struct axes_edge *halves = calloc(count * 2 + 1, sizeof(*halves));
	size_t n = 0, kept = 0;

	if (halves == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct axes_edge *e = &edges[i];

		if (e->a == e->b || e->a >= nodes || e->b >= nodes || !isfinite(e->weight) ||
		    e->weight < AXES_WEIGHT_MIN)
			continue;
		halves[n++] = *e;
		halves[n++] = (struct axes_edge){ e->b, e->a, e->weight };
	}
	qsort(halves, n, sizeof(*halves), axes_compare);
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || halves[i].a != halves[kept - 1].a ||
		    halves[i].b != halves[kept - 1].b)
			halves[kept++] = halves[i];
	}
	*out_count = kept;
	return halves;
}

static bool
axes_alloc(struct axes *x)
{
	size_t n = (size_t)x->nodes + 1;

	x->ways = calloc(x->way_count + 1, sizeof(*x->ways));
	x->first = calloc(n, sizeof(*x->first));
	x->distance = calloc(n * 3, sizeof(*x->distance));
	x->order = calloc(n, sizeof(*x->order));
	x->settled = calloc(n, sizeof(*x->settled));
	/* A way is followed once, so it is on the heap at most once. */
	x->heap = calloc(x->way_count + 1, sizeof(*x->heap));
	x->bridge = calloc(n * 3, sizeof(*x->bridge));
	if (x->ways == NULL || x->first == NULL || x->distance == NULL || x->order == NULL ||
	    x->settled == NULL || x->heap == NULL || x->bridge == NULL)
		return false;
	x->paths = x->distance + n;
	x->share = x->distance + 2 * n;
	x->coverage = x->bridge + n;
	x->redundancy = x->bridge + 2 * n;
	return true;
}

mk_result
axes_new(struct axes **out, uint32_t nodes, const struct axes_edge *edges, size_t count)
{
	struct axes *x = calloc(1, sizeof(*x));
	struct axes_edge *halves = NULL;

	if (x == NULL)
		return MK_ENOMEM;
	x->nodes = nodes;
	/* Every so manieth node is a source, so that the sample does not depend on chance. */
	x->step = nodes <= AXES_SOURCES_MAX ? 1 : (nodes + AXES_SOURCES_MAX - 1) / AXES_SOURCES_MAX;
	halves = axes_halves(nodes, edges, count, &x->way_count);
	if (halves == NULL || !axes_alloc(x)) {
		free(halves);
		axes_free(x);
		return MK_ENOMEM;
	}
	for (size_t i = 0; i < x->way_count; i++) {
		x->first[halves[i].a + 1]++;
		x->ways[i] =
		    (struct axes_way){ halves[i].b, halves[i].weight, 1.0 / halves[i].weight };
	}
	for (uint32_t i = 0; i < nodes; i++)
		x->first[i + 1] += x->first[i];
	free(halves);
	*out = x;
	return MK_OK;
}

void
axes_free(struct axes *x)
{
	if (x == NULL)
		return;
	free(x->ways);
	free(x->first);
	free(x->distance);
	free(x->order);
	free(x->settled);
	free(x->heap);
	free(x->bridge);
	free(x);
}

size_t
axes_bytes(const struct axes *x)
{
	if (x == NULL)
		return 0;
	return sizeof(*x) + x->way_count * (sizeof(struct axes_way) + sizeof(struct axes_spot)) +
	       (size_t)x->nodes * (6 * sizeof(double) + 2 * sizeof(uint32_t) + sizeof(bool));
}

/* ------------------------------------------------------ bridge, coverage -- */

static void
axes_push(struct axes *x, double at, uint32_t node)
{
	size_t i = x->heap_count++;

	for (; i > 0 && x->heap[(i - 1) / 2].at > at; i = (i - 1) / 2)
		x->heap[i] = x->heap[(i - 1) / 2];
	x->heap[i] = (struct axes_spot){ at, node };
}

static uint32_t
axes_pop(struct axes *x)
{
	uint32_t node = x->heap[0].node;
	struct axes_spot last = x->heap[--x->heap_count];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < x->heap_count; i = child) {
		if (child + 1 < x->heap_count && x->heap[child + 1].at < x->heap[child].at)
			child++;
		if (x->heap[child].at >= last.at)
			break;
		x->heap[i] = x->heap[child];
	}
	x->heap[i] = last;
	return node;
}

/* Sums of lengths differ in their last digits though the paths are equally long, so "equal" has some
 * room in proportion to the length. Lengths are 1 at least, far above it. */
static bool
axes_is_before(const struct axes *x, uint32_t v, uint32_t w, double length)
{
	double room = 1e-9 * fmax(1.0, x->distance[w]);

	return x->settled[v] && fabs(x->distance[v] + length - x->distance[w]) <= room;
}

/* Settles all that `source` reaches, in the order of distance; returns how many. */
static uint32_t
axes_search(struct axes *x, uint32_t source)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < x->nodes; i++) {
		x->distance[i] = INFINITY;
		x->settled[i] = false;
	}
	x->distance[source] = 0;
	x->paths[source] = 1;
	x->heap_count = 0;
	axes_push(x, 0, source);
	while (x->heap_count > 0) {
		uint32_t v = axes_pop(x);

		if (x->settled[v])
			continue;
		if (v != source)
			x->paths[v] = 0;
		for (uint32_t i = x->first[v]; i < x->first[v + 1]; i++) {
			const struct axes_way *way = &x->ways[i];
			double at = x->distance[v] + way->length;

			if (axes_is_before(x, way->to, v, way->length))
				x->paths[v] += x->paths[way->to];
			if (!x->settled[way->to] && at < x->distance[way->to]) {
				x->distance[way->to] = at;
				axes_push(x, at, way->to);
			}
		}
		x->settled[v] = true;
		x->share[v] = 0;
		x->order[count++] = v;
	}
	return count;
}

static void
axes_source(struct axes *x, uint32_t source)
{
	uint32_t count = axes_search(x, source);

	while (count-- > 1) {
		uint32_t w = x->order[count];

		x->coverage[w] += 1.0 / x->distance[w];
		x->bridge[w] += x->share[w];
		for (uint32_t i = x->first[w]; i < x->first[w + 1]; i++) {
			uint32_t v = x->ways[i].to;

			if (x->distance[v] < x->distance[w] &&
			    axes_is_before(x, v, w, x->ways[i].length))
				x->share[v] += x->paths[v] / x->paths[w] * (1 + x->share[w]);
		}
	}
}

/* ------------------------------------------------------------ redundancy -- */

struct axes_visit {
	uint32_t found, low, size, parent, cursor;
	double pieces, squares; /* sums over the pieces that fall off without this node */
};

static void
axes_leave(struct axes_visit *at, uint32_t u)
{
	uint32_t p = at[u].parent;

	if (p == NOBODY)
		return;
	at[p].size += at[u].size;
	if (at[u].low < at[p].low)
		at[p].low = at[u].low;
	if (at[u].low >= at[p].found) {
		at[p].pieces += at[u].size;
		at[p].squares += (double)at[u].size * at[u].size;
	}
}

/* The component of `root`, depth first without recursion; its nodes go to x->order. */
static uint32_t
axes_component(struct axes *x, struct axes_visit *at, uint32_t root, uint32_t *clock)
{
	uint32_t count = 0, u = root;

	at[root] = (struct axes_visit){ ++*clock, *clock, 1, NOBODY, x->first[root], 0, 0 };
	x->order[count++] = root;
	while (u != NOBODY) {
		const struct axes_way *way = &x->ways[at[u].cursor];

		if (at[u].cursor == x->first[u + 1]) {
			axes_leave(at, u);
			u = at[u].parent;
			continue;
		}
		at[u].cursor++;
		if (way->weight < AXES_LINK_MIN || way->to == at[u].parent)
			continue;
		if (at[way->to].found != 0) {
			if (at[way->to].found < at[u].low)
				at[u].low = at[way->to].found;
			continue;
		}
		at[way->to] =
		    (struct axes_visit){ ++*clock, *clock, 1, u, x->first[way->to], 0, 0 };
		x->order[count++] = way->to;
		u = way->to;
	}
	return count;
}

static bool
axes_cut(struct axes *x)
{
	struct axes_visit *at = calloc((size_t)x->nodes + 1, sizeof(*at));
	uint32_t clock = 0;

	if (at == NULL)
		return false;
	for (uint32_t root = 0; root < x->nodes; root++) {
		uint32_t count;

		if (at[root].found != 0)
			continue;
		count = axes_component(x, at, root, &clock);
		for (uint32_t i = 0; i < count; i++) {
			struct axes_visit *v = &at[x->order[i]];
			double others = count - 1.0, rest = others - v->pieces;

			x->redundancy[x->order[i]] =
			    fmax(0,
				 (others * others - v->squares - (rest > 0 ? rest * rest : 0)) / 2);
		}
	}
	free(at);
	return true;
}

/* ------------------------------------------------------------- the whole -- */

static void
axes_normalise(double *values, uint32_t count)
{
	double max = 0;

	for (uint32_t i = 0; i < count; i++)
		max = fmax(max, values[i]);
	for (uint32_t i = 0; i < count; i++)
		values[i] = max > 0 ? values[i] / max : 0;
}

bool
axes_step(struct axes *x, uint32_t sources)
{
	if (x->finished)
		return true;
	for (; x->next < x->nodes && sources > 0; x->next += x->step, sources--)
		axes_source(x, x->next);
	if (x->next < x->nodes || !axes_cut(x))
		return false;
	axes_normalise(x->bridge, x->nodes);
	axes_normalise(x->coverage, x->nodes);
	axes_normalise(x->redundancy, x->nodes);
	x->finished = true;
	return true;
}

const double *
axes_bridge(const struct axes *x)
{
	return x->finished ? x->bridge : NULL;
}

const double *
axes_coverage(const struct axes *x)
{
	return x->finished ? x->coverage : NULL;
}

const double *
axes_redundancy(const struct axes *x)
{
	return x->finished ? x->redundancy : NULL;
}

static double
axes_cut_to_1(double v)
{
	return v > 0 ? fmin(v, 1) : 0;
}

double
axes_usefulness(double bridge, double coverage, double redundancy, double traffic)
{
	return 0.30 * axes_cut_to_1(bridge) + 0.25 * axes_cut_to_1(coverage) +
	       0.25 * axes_cut_to_1(redundancy) + 0.20 * axes_cut_to_1(traffic);
}

const char *
axes_grade(double usefulness)
{
	static const struct {
		double from;
		const char *grade;
	} grades[] = { { .65, "A" }, { .45, "B" }, { .30, "C" }, { .15, "D" } };
	/* 0.25 * 0.6 is a hair below 0.15. */
	double v = usefulness + 1e-12;

	for (size_t i = 0; i < sizeof(grades) / sizeof(grades[0]); i++)
		if (v >= grades[i].from)
			return grades[i].grade;
	return "F";
}
