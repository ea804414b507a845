/* SPDX-License-Identifier: MIT
 *
 * Every run of up to RUNS_LONGEST hops of many paths, counted: a tree in which the child of a run is
 * that run with one hop more. Most runs are taken once, so a run that one packet took alone is the
 * end of the tree and refers to that packet: what follows can be read there.
 */
#ifndef ANALYTICS_RUNS_H
#define ANALYTICS_RUNS_H

#include "frame.h"

#define RUNS_LONGEST 8u

struct runs_node {
	uint32_t parent; /* place; 0 is the root */
	/* Of its last hop: the place of the run of that hop alone; of such a run the token itself. */
	uint32_t token;
	/* How many packets took it; or RUNS_ALONE, one did, with who goes on from here alone: slot of
	 * the packet + 1, and where the run begins in its path, in the lowest 6 bits. 0: nobody. */
	uint32_t value;
};

#define RUNS_ALONE 0x80000000u

static inline uint32_t
runs_count(const struct runs_node *n)
{
	return n->value & RUNS_ALONE ? 1 : n->value;
}

static inline uint32_t
runs_rest(const struct runs_node *n)
{
	return n->value & RUNS_ALONE ? n->value & ~RUNS_ALONE : 0;
}

struct runs {                    /* a zeroed one is empty */
	struct runs_node *nodes; /* parents before their children; the root is first */
	uint32_t *slots;         /* open addressing by parent and hop; place */
	uint32_t count, cap, size;
	uint32_t idle;   /* nodes whose count is 0 */
	uint64_t single; /* runs that are in no node of their own */
};

/* Add the path of a packet, or take it away before it changes. False: out of memory. */
bool runs_add(struct runs *r, const struct frame *f, const struct an_packet *p, int sign);
/* The hops of a run, and `more` of those behind it; how many they are. */
uint32_t runs_hops(const struct runs *r, const struct frame *f, uint32_t node, uint32_t more,
		   uint32_t hops[RUNS_LONGEST]);
/* How many hops there are behind a run of `length` hops. */
uint32_t runs_more(const struct runs *r, const struct frame *f, uint32_t node, uint32_t length);
void runs_fini(struct runs *r);
size_t runs_bytes(const struct runs *r);

#endif
