/* SPDX-License-Identifier: MIT
 *
 * The graph of who hears whom: what every consumer of snapshot/neighbors works with. An edge joins
 * two ids and knows how often, when, how well, in which direction and by how many observers it was
 * seen. What could not be told apart is an open end: an id, and a token with several candidates or
 * none.
 */
#ifndef HOPS_GRAPH_H
#define HOPS_GRAPH_H

#include "nodes.h"
#include "sets.h"

#define HOPS_MAX_KM 500.0 /* no radio link is longer than that, CoreScope's default */

/* What is known of an edge or of a kind of evidence for one. Times are Unix seconds; what does not
 * fit into its field is as much as does. There are tens of thousands, several times: no padding. */
struct hops_tally {
	uint32_t count;    /* different packets */
	uint32_t ab;       /* of these: from the first end to the second; the others came back */
	uint32_t modes[4]; /* by bytes of the hop; 0: no hop, the originator itself */
	uint32_t first, last;
	uint32_t snr_n;
	uint32_t observers; /* how many have seen it */
	int64_t snr_sum;    /* hundredths of a dB, so that the order of adding does not matter */
};

struct hops_edge {
	uint32_t a, b;     /* a comes before b by key; an open end has b HOPS_NONE */
	uint32_t token;    /* of an open end */
	uint32_t next[2];  /* next edge of a, of b */
	uint32_t who : 31; /* of an open end: changes with the set of candidates */
	bool resolved : 1; /* all of it came from ambiguous hops */
	struct hops_tally t;
};

struct hops_graph {
	struct hops_edge *edges;
	uint32_t count, cap;
	uint32_t *slots; /* open addressing by ends; index + 1 */
	uint32_t slot_count;
	struct hops_head {
		uint32_t first;  /* edge, or HOPS_NONE */
		uint32_t degree; /* edges that are no open ends */
	} * heads;               /* by id */
	uint32_t head_count;
	uint32_t open;         /* edges that are open ends */
	uint64_t too_far;      /* sightings refused because the ends are too far apart */
	bool uncurious;        /* nobody will ask who saw an edge, only how many: keeps no sets */
	struct hops_sets sets; /* by edge: by which observers it was seen */
	/* Of a graph that was read: whom the bits of sets stand for. */
	uint32_t observers[HOPS_OBSERVERS_MAX];
	uint32_t observer_count;
};

/* A zeroed one is empty. */
void hops_graph_fini(struct hops_graph *g);
void hops_graph_clear(struct hops_graph *g); /* keeps the memory */

/* The edge of two ids, or the open end (a, token) if b is HOPS_NONE; NULL if there is none. */
struct hops_edge *hops_graph_find(const struct hops_graph *g, uint32_t a, uint32_t b,
				  uint32_t token);
/* The same, made if need be; a is before b by key. NULL: out of memory. Valid until the next put. */
struct hops_edge *hops_graph_put(struct hops_graph *g, uint32_t a, uint32_t b, uint32_t token);
/* Walk the edges of an id: start with NULL. Open ends are among them. */
const struct hops_edge *hops_graph_next(const struct hops_graph *g, uint32_t id,
					const struct hops_edge *edge);
/* The other end. */
uint32_t hops_edge_other(const struct hops_edge *e, uint32_t id);

/* By whom an edge was seen. */
void hops_graph_seen(const struct hops_graph *g, const struct hops_edge *e, struct hops_seen *seen);
/* By these, too. False: out of memory. */
bool hops_graph_see(struct hops_graph *g, struct hops_edge *e, const struct hops_seen *seen);
size_t hops_graph_memory(const struct hops_graph *g);

/* Add what one tally has to another, but for the observers; `turned`: its ends are the other way
 * round. */
void hops_tally_merge(struct hops_tally *to, const struct hops_tally *from, bool turned);
/* Not more than fits. */
uint32_t hops_clamp(int64_t v);

/* 0..1: more sightings, and fresher ones, are better. 100 saturate, a week halves. */
double hops_score(const struct hops_tally *t, int64_t now);
/* 1/3, 2/3 or 1: one, two, or more observers. */
double hops_confidence(const struct hops_tally *t);
/* True if there was any SNR. */
bool hops_snr(const struct hops_tally *t, double *mean);

/* |common neighbours| / |all neighbours| of two ids; open ends do not count. */
double hops_jaccard(const struct hops_graph *g, uint32_t a, uint32_t b);

#endif
