/* SPDX-License-Identifier: MIT */
#include "resolve.h"

#include <math.h>
#include <string.h>

#define AFFINITY_COUNT 3   /* sightings that count as affinity */
#define AFFINITY_RATIO 3.0 /* and how much better than the second best they must be */

const char *
hops_method_text(enum hops_method method)
{
	static const char *const texts[] = {
#define HOPS_METHOD_NAME(name, text) text,
		HOPS_METHOD_MAP(HOPS_METHOD_NAME)
#undef HOPS_METHOD_NAME
	};

	return texts[method];
}

/* The best edge between any of the context and a candidate. */
static double
resolve_affinity_of(const struct hops_question *q, uint32_t candidate, uint64_t *count)
{
	double best = 0;

	for (uint32_t i = 0; i < q->context_count; i++) {
		const struct hops_edge *e = hops_graph_find(q->graph, q->context[i], candidate, 0);
		double s;

		if (e == NULL)
			continue;
		s = hops_score(&e->t, q->now) * hops_confidence(&e->t);
		if (s > best) {
			best = s;
			*count = e->t.count;
		}
	}
	return best;
}

static bool
resolve_affinity(const struct hops_question *q, const struct hops_candidate *list, uint32_t n,
		 struct hops_answer *answer)
{
	double best = 0, second = 0;
	uint64_t best_count = 0;
	uint32_t id = HOPS_NONE;

	for (uint32_t i = 0; q->graph != NULL && i < n; i++) {
		uint64_t count = 0;
		double s = resolve_affinity_of(q, list[i].id, &count);

		if (s > best) {
			second = best;
			best = s;
			best_count = count;
			id = list[i].id;
		} else if (s > second) {
			second = s;
		}
	}
	/* The product is rounded: exactly three times as good has to pass. */
	if (best_count < AFFINITY_COUNT || best * (1 + 1e-9) < AFFINITY_RATIO * second)
		return false;
	*answer = (struct hops_answer){ id, HOPS_AFFINITY, best };
	return true;
}

/* The candidate nearest to the middle of the context's relays, unless that is too far. */
static bool
resolve_geo(struct hops_nodes *nodes, const struct hops_question *q,
	    const struct hops_candidate *list, uint32_t n, struct hops_answer *answer)
{
	struct hops_node middle = { 0 };
	double best = q->max_km > 0 ? q->max_km : HOPS_MAX_KM;
	uint32_t known = 0, id = HOPS_NONE;

	for (uint32_t i = 0; i < q->context_count; i++) {
		const struct hops_node *node = hops_nodes_get(nodes, q->context[i]);

		if (node == NULL || !node->there || !node->relays || !node->has_gps)
			continue;
		middle.lat += node->lat;
		middle.lon += node->lon;
		known++;
	}
	if (known == 0)
		return false;
	middle.lat /= known;
	middle.lon /= known;
	for (uint32_t i = 0; i < n; i++) {
		const struct hops_node *node = hops_nodes_get(nodes, list[i].id);
		double km = node->has_gps ? hops_distance_km(&middle, node) : HUGE_VAL;

		if (km < best || (id == HOPS_NONE && km <= best)) {
			best = km;
			id = list[i].id;
		}
	}
	*answer = (struct hops_answer){ id, HOPS_GEO, 0 };
	return id != HOPS_NONE;
}

/* The one with most adverts; with a position if any has one. Ties: the smallest key, which is the
 * order of the list. */
static struct hops_answer
resolve_fallback(struct hops_nodes *nodes, const struct hops_candidate *list, uint32_t n)
{
	struct hops_answer best = { HOPS_NONE, HOPS_COUNT, 0 };
	uint32_t adverts = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct hops_node *node = hops_nodes_get(nodes, list[i].id);

		if (best.id != HOPS_NONE && node->has_gps == (best.method == HOPS_GPS) &&
		    node->adverts <= adverts)
			continue;
		if (best.id != HOPS_NONE && best.method == HOPS_GPS && !node->has_gps)
			continue;
		best.id = list[i].id;
		best.method = node->has_gps ? HOPS_GPS : HOPS_COUNT;
		adverts = node->adverts;
	}
	return best;
}

struct hops_answer
hops_resolve(struct hops_nodes *nodes, const struct hops_question *q)
{
	struct hops_answer answer = { HOPS_NONE, HOPS_NO_MATCH, 0 };
	const struct hops_candidate *list = NULL;
	uint32_t n = hops_candidates(nodes, q->hop, q->len, &list);

	if (n == 0)
		return answer;
	if (n == 1)
		return (struct hops_answer){ list[0].id, HOPS_UNIQUE, 1 };
	if (resolve_affinity(q, list, n, &answer) || resolve_geo(nodes, q, list, n, &answer))
		return answer;
	return resolve_fallback(nodes, list, n);
}

uint32_t
hops_resolve_plain(struct hops_nodes *nodes, const char *hop, size_t len)
{
	const struct hops_candidate *list = NULL;
	uint32_t n = hops_candidates(nodes, hop, len, &list);

	for (uint32_t i = 0; i < n; i++) {
		if (hops_nodes_get(nodes, list[i].id)->has_gps)
			return list[i].id;
	}
	return n == 0 ? HOPS_NONE : list[0].id;
}

static bool
resolve_is_in(uint32_t id, uint32_t from, const uint32_t *ids, uint32_t count)
{
	if (id == from)
		return true;
	for (uint32_t i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

uint32_t
hops_resolve_path(struct hops_nodes *nodes, const struct hops_graph *graph, uint32_t from,
		  const uint32_t *tokens, uint32_t count, uint32_t *ids)
{
	uint32_t before = from, sure = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct hops_candidate *list = NULL;
		uint32_t n = hops_token_candidates(nodes, tokens[i], &list), fit = 0;

		ids[i] = HOPS_NONE;
		for (uint32_t k = 0; k < n; k++) {
			if (resolve_is_in(list[k].id, from, ids, i) ||
			    (n > 1 && (before == HOPS_NONE || graph == NULL ||
				       hops_graph_find(graph, before, list[k].id, 0) == NULL)))
				continue;
			fit++;
			ids[i] = list[k].id;
		}
		if (fit != 1)
			ids[i] = HOPS_NONE;
		sure += fit == 1;
		before = ids[i];
	}
	return sure;
}
