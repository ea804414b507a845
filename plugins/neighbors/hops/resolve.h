/* SPDX-License-Identifier: MIT
 *
 * Which node a hop is: one resolver for everybody who asks. `docs/analytics.md` explains the methods.
 */
#ifndef HOPS_RESOLVE_H
#define HOPS_RESOLVE_H

#include "graph.h"

/* Best first. The names are those of CoreScope's interface. */
#define HOPS_METHOD_MAP(X)                    \
	X(HOPS_NO_MATCH, "no_match")          \
	X(HOPS_UNIQUE, "unique_prefix")       \
	X(HOPS_AFFINITY, "neighbor_affinity") \
	X(HOPS_GEO, "geo_proximity")          \
	X(HOPS_GPS, "gps_preference")         \
	X(HOPS_COUNT, "observation_count_fallback")

enum hops_method {
#define HOPS_METHOD_ENUM(name, text) name,
	HOPS_METHOD_MAP(HOPS_METHOD_ENUM)
#undef HOPS_METHOD_ENUM
};
const char *hops_method_text(enum hops_method method);

struct hops_answer {
	uint32_t id; /* or HOPS_NONE */
	enum hops_method method;
	double score; /* 1 if unique; of the best edge by affinity; else 0 */
};

struct hops_question {
	const char *hop; /* hex */
	size_t len;
	const uint32_t *context; /* ids that are near: the originator, the observer, sure hops */
	uint32_t context_count;
	const struct hops_graph *graph; /* or NULL */
	int64_t now;
	double max_km; /* candidates farther away are none by geography; 0 is HOPS_MAX_KM */
};

struct hops_answer hops_resolve(struct hops_nodes *nodes, const struct hops_question *q);
/* Without context: the only one, else the first with a position, else the first. */
uint32_t hops_resolve_plain(struct hops_nodes *nodes, const char *hop, size_t len);

/* A whole path, only what is certain: unique, or the only candidate that is a neighbour of the node
 * before. `from` may be HOPS_NONE. Nobody comes twice. ids[i] is HOPS_NONE where it is not certain.
 * Returns how many are certain. */
uint32_t hops_resolve_path(struct hops_nodes *nodes, const struct hops_graph *graph, uint32_t from,
			   const uint32_t *tokens, uint32_t count, uint32_t *ids);

#endif
