/* SPDX-License-Identifier: MIT
 *
 * snapshot/neighbors: written as a base or as a delta to what was shown before, and read again at
 * start. The form is in docs/events.md. A base is canonical: the same evidence and nodes give the
 * same bytes, but for `serial`, `n` and `at`.
 */
#ifndef NEIGHBORS_SNAPSHOT_H
#define NEIGHBORS_SNAPSHOT_H

#include <meshkern/codec.h>

#include "links.h"
#include "solve.h"

struct snapshot_order {
	uint64_t serial; /* of the base */
	uint64_t n;      /* 0 the base, then its deltas */
};

struct snapshot_input {
	struct links *links;
	const struct hops_graph *graph;
	const struct hops_graph *shown; /* NULL: a base */
	struct snapshot_order order;
	int64_t at;
};

/* True if there is nothing to tell that `shown` does not say. */
bool snapshot_is_same(const struct hops_graph *graph, const struct hops_graph *shown);
mk_result snapshot_write(mk_writer *w, const struct snapshot_input *in);

/* Take a base, or a delta to what was read before. MK_EFORMAT: malformed; MK_ESTATE: a delta that
 * does not follow; MK_EEXIST: it covers no more than is known. Nothing is changed then. */
mk_result snapshot_read(struct links *links, struct snapshot_order *order, const mk_val *body,
			bool delta);

#endif
