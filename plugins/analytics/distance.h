/* SPDX-License-Identifier: MIT
 *
 * Distances between hops: the counts, and who the hops are.
 */
#ifndef ANALYTICS_DISTANCE_H
#define ANALYTICS_DISTANCE_H

#include "bag.h"
#include "frame.h"

#define DISTANCE_PATHS_KEPT 64u /* so that some may go before all are looked at again */
#define DISTANCE_EPOCH 1000000000

struct distance {
	struct frame *frame;
	struct memo *memo; /* open addressing */
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
/* Who sent the packet, if the first hop heard it from there, and the hops; HOPS_NONE where that is
 * not certain. False: out of memory. */
bool distance_chain(struct distance *d, const struct an_packet *p, uint32_t ids[HOPS_PATH_MAX + 1]);
/* Two of them one after another are a link if it is known where both are, and not too far apart. */
bool distance_between(struct distance *d, uint32_t a, uint32_t b, double *km, bool *ok);
void distance_decide_again(struct distance *d);
size_t distance_memo_bytes(const struct distance *d);
uint32_t distance_answer(void *self, const struct an_query *q, struct json *j);

#endif
