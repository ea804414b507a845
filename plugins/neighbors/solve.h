/* SPDX-License-Identifier: MIT
 *
 * From evidence to the graph: who the tokens are, with everything that is known now.
 *
 * DOC: In which order
 *
 * 1. Links whose ends are certain become edges: ids, and tokens with a single candidate.
 * 2. From the edges that cannot be wrong it is learned how likely two nodes are neighbours that are
 *    so far apart: the certain edges of a length, by the pairs of relays of that distance.
 * 3. Beside a known end the candidate is taken that has two thirds of the likelihood of all; one that
 *    is a neighbour already counts as certain. Where that does not decide, the one whose neighbours
 *    are those of the known end, three times as much as the next one's. All of a step is decided
 *    before any of it is applied. As long as too few distances are known for 2, places only exclude
 *    what is farther away than any link, and nothing is decided below three sightings.
 * 4. Between two tokens the same, for pairs of candidates.
 *
 * What none of this decides stays an open end, and nothing is guessed.
 */
#ifndef NEIGHBORS_SOLVE_H
#define NEIGHBORS_SOLVE_H

#include "links.h"

struct solve_options {
	double max_km;  /* no edge is longer; 0 is HOPS_MAX_KM, negative is off */
	uint64_t least; /* sightings that decide where distances do not */
	int64_t now;
};

struct solve_report {
	uint32_t by_likelihood; /* ambiguous ends that became edges, and how */
	uint32_t by_neighbors;
	uint32_t pairs; /* links between two tokens that became edges */
};

/* `graph` is overwritten. MK_ENOMEM leaves it incomplete. */
mk_result solve_graph(struct hops_graph *graph, const struct links *links,
		      const struct solve_options *options, struct solve_report *report);

#endif
