/* SPDX-License-Identifier: MIT
 *
 * Reading snapshot/neighbors (docs/events.md): a row at a time, or as a graph.
 */
#ifndef HOPS_BODY_H
#define HOPS_BODY_H

#include <meshkern/codec.h>

#include "graph.h"

#define HOPS_BODY_VERSION 1

/* An edge or an open end, ends as places in `ids`. */
struct hops_row {
	uint32_t a, b;               /* b is HOPS_NONE for an open end */
	char token[HOPS_TOKEN_TEXT]; /* then */
	uint64_t count, ab, modes[4], snr_n;
	int64_t first, last;
	double snr; /* mean; 0 without any */
	bool resolved;
	const mk_val *observers;  /* places in `ids`, checked */
	const mk_val *candidates; /* of an open end; else NULL */
};

/* `names`: how many ids there are. False: it cannot be such a row. */
bool hops_row_read(struct hops_row *row, const mk_val *v, uint32_t names);
/* A row of "gone": only the ends. */
bool hops_row_read_gone(struct hops_row *row, const mk_val *v, uint32_t names);

/* A whole body into a graph; a base replaces it, a delta changes it. Ids are put into `ids`. MK_EFORMAT:
 * nothing is changed. */
mk_result hops_graph_read(struct hops_graph *g, struct hops_ids *ids, const mk_val *body,
			  bool delta);

#endif
