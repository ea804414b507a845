/* SPDX-License-Identifier: MIT
 *
 * The links as bytes, for a snapshot: what the plugin needs to go on, and nobody else. There are a
 * hundred thousand, and the bus keeps what it carries, so they are packed: sorted rows of numbers of
 * seven bits a byte, low ones first, each the difference to what precedes it.
 *
 *   1, rows, origin; then for each row:
 *   from (difference to the row before), to (likewise if `from` is the same), count, first - origin,
 *   last - first, snr_n, [snr_sum, folded: 0 -1 1 -2 2 ...] if there is any, observers, the place of
 *   each (difference to the one before)
 *
 * Ends are places in the snapshot's `ids`, or tokens with LINKS_TOKEN.
 */
#ifndef NEIGHBORS_EVIDENCE_H
#define NEIGHBORS_EVIDENCE_H

#include <meshkern/err.h>

#include "links.h"

struct evidence_view {
	const struct links *links;
	const uint32_t *rows; /* of links, in order of their ends as they are written */
	uint32_t count;
	const uint32_t *places;  /* by id: 1 + its place */
	const uint16_t *sighted; /* bits of observers in order of their places */
	uint32_t sighted_count;
};

/* [taken]: *data is freed by the caller. */
mk_result evidence_write(const struct evidence_view *view, uint8_t **data, size_t *len);

/* The links as they are there, in the place of what is known if `replace`, else of the same links.
 * `ids`: by place. MK_EFORMAT: malformed, nothing is changed. */
mk_result evidence_read(struct links *links, const uint8_t *data, size_t len, const uint32_t *ids,
			uint32_t names, bool replace);

#endif
