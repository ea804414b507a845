/* SPDX-License-Identifier: MIT
 *
 * The evidence: who was heard by whom, exactly as packets say it. An end is a node or observer by
 * id, or a hop by its token, and nothing here guesses which node a token is. That makes the evidence
 * a function of the set of observations: their order, how they were cut into messages, a restart in
 * between, and what was known of nodes at the time change nothing. Who the tokens are is decided
 * when the graph is made (solve.h), with everything that is known by then.
 *
 * A struct links belongs to one thread.
 */
#ifndef NEIGHBORS_LINKS_H
#define NEIGHBORS_LINKS_H

#include <hops/graph.h>
#include <hops/obs.h>

/* An end: an id, or this bit and a token. */
#define LINKS_TOKEN (1u << 31)

/* A packet counts once for a link however many copies of it are observed, as long as less than so
 * many observations lie between two of them. */
#define LINKS_WINDOW 65536u

struct links_row {
	uint32_t from, to;    /* who was heard, and by whom */
	uint32_t count : 31;  /* packets */
	bool changed : 1;     /* since links_settled */
	uint32_t first, last; /* Unix seconds */
	uint32_t snr_n;
	int64_t snr_sum; /* hundredths of a dB */
};

struct links_counts {
	uint64_t observations; /* taken */
	uint64_t repeated;     /* known already, by their number */
	uint64_t barren;       /* that say nothing about links */
	uint64_t refused;      /* no room or no memory: touches that were not counted */
	uint64_t crowded;      /* times the window was cut short */
};

struct links {
	struct hops_nodes *nodes; /* borrowed; ids are its */
	struct links_row *at;
	struct hops_sets sets; /* by which observers, by row */
	uint32_t count, cap, max;
	uint32_t *slots; /* by ends; index + 1 */
	uint32_t slot_count;
	uint64_t *window; /* link and packet, and the last observation of both; 0: free */
	uint32_t window_slots, window_used, window_swept;
	uint32_t observers[HOPS_OBSERVERS_MAX]; /* ids, by the place of their bit */
	uint32_t observer_count;
	uint16_t *bits; /* by id: 1 + the place of its bit, 0 none */
	uint32_t bits_cap;
	uint64_t cursor; /* the last observation */
	int64_t max_age; /* seconds; a link that was silent for longer begins anew */
	struct links_counts counts;
};

mk_result links_init(struct links *l, struct hops_nodes *nodes, int64_t max_age, uint32_t max);
void links_fini(struct links *l);
/* Back to nothing: another history. */
void links_clear(struct links *l);

/* One observation. In any order of ids if `again` is true: then it is only remembered which
 * packets were seen, for observations that a snapshot covers. Otherwise an observation up to the
 * cursor is known, and ignored. */
void links_take(struct links *l, const struct hops_obs *o, bool again);

/* Forget links that were silent for max_age. */
void links_prune(struct links *l, int64_t now);
/* What changed so far is published. */
void links_settled(struct links *l);

/* For reading a snapshot: the link of two ends, made if need be; NULL: no room. */
struct links_row *links_put(struct links *l, uint32_t from, uint32_t to);
/* By these and no others. */
void links_set_seen(struct links *l, const struct links_row *k, const struct hops_seen *seen);
/* The place of an observer's bit. */
uint32_t links_observer(struct links *l, uint32_t id);
/* Bytes that all of it takes. */
size_t links_memory(const struct links *l);

#endif
