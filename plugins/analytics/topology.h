/* SPDX-License-Identifier: MIT
 *
 * The counts of topology. Keys of bags are made of what is counted, the kind in the highest bits.
 */
#ifndef ANALYTICS_TOPOLOGY_H
#define ANALYTICS_TOPOLOGY_H

#include "bag.h"
#include "frame.h"

enum topology_kind { TOPOLOGY_HOPS = 1, TOPOLOGY_SNR_N, TOPOLOGY_SNR, TOPOLOGY_TOKEN };

struct topology_counts {
	struct bag some;  /* packets by hops, their signals, tokens */
	struct bag pairs; /* of tokens next to each other */
	struct bag reach; /* by observer, token and how many hops it was away */
};

struct topology_question {
	struct frame *frame;
	const struct an_query *q;
	const struct topology_counts *counts;
	struct json *j;
};

static inline uint64_t
topology_key(enum topology_kind kind, uint32_t value)
{
	return (uint64_t)kind << 32 | value;
}

static inline uint64_t
topology_reach_key(uint16_t observer, uint32_t token, uint32_t away)
{
	return (uint64_t)observer << 34 | (uint64_t)token << 6 | (away & 63);
}

/* May a token be shown: it is in the area, if there is one, and not hidden. */
bool topology_shows(const struct topology_question *t, uint32_t id);
/* perObserverReach, multiObsNodes, bestPathList, observers. */
void topology_reach(const struct topology_question *t);

#endif
