/* SPDX-License-Identifier: MIT
 *
 * Distances between hops: the counts, and who two hops are.
 */
#ifndef ANALYTICS_DISTANCE_H
#define ANALYTICS_DISTANCE_H

#include "bag.h"
#include "frame.h"

#define DISTANCE_PATHS_KEPT 64u /* so that some may go before all are looked at again */
#define DISTANCE_EPOCH 1000000000

struct link {          /* the decided ends of two hops */
	uint64_t key;  /* 0: free */
	uint32_t a, b; /* ids, or HOPS_NONE */
	float km;
};

struct distance {
	struct frame *frame;
	struct link *memo; /* open addressing */
	uint32_t size, count;
	uint64_t nodes_at; /* nodes.changes when the memo was begun */
	bool graph_changed;
	int64_t asked_again; /* when that was looked at last */
	struct view_class class;
};

struct path {
	uint64_t tx;
	uint32_t slot, hops;
	double km;
};

struct distance_counts {
	struct bag pairs;  /* by ids: packets */
	struct bag newest; /* by ids: when the newest was heard first, since DISTANCE_EPOCH */
	struct bag hours;  /* hour << 2 | 1: hops; | 2: ten metres of them */
	int64_t hops, paths;
	struct path best[DISTANCE_PATHS_KEPT];
	uint32_t best_count;
	bool more; /* there are paths beyond `best` */
};

uint64_t distance_pair(uint32_t a, uint32_t b);
/* The link of hop i and the one before it; of the first one with who sent the packet. NULL: there is
 * none. *ok becomes false if memory is out. */
const struct link *distance_link(struct distance *d, const struct an_packet *p, uint32_t i,
				 bool *ok);
uint32_t distance_answer(void *self, const struct an_query *q, struct json *j);

#endif
