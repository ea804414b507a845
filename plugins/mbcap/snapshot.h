/* SPDX-License-Identifier: MIT
 *
 * snapshot/mbcap: written as a base, or as a delta to what was shown before, and read again at
 * start. The form is in docs/events.md. A base is canonical: the same state and nodes give the same
 * bytes, but for `serial`, `n`, `at` and the days of the past.
 */
#ifndef MBCAP_SNAPSHOT_H
#define MBCAP_SNAPSHOT_H

#include <meshkern/codec.h>

#include "capability.h"

#define MBCAP_BODY_VERSION 1
#define MBCAP_DAY_S 86400

struct mbcap_order {
	uint64_t serial; /* of the base */
	uint64_t n;      /* 0 the base, then its deltas */
};

/* What is known of everybody, by id. */
struct mbcap_view {
	struct mbcap_entry *at;
	bool *there;
	uint32_t count;
};

mk_result mbcap_view_make(struct mbcap_view *v, const struct mbcap *m, int64_t now);
void mbcap_view_free(struct mbcap_view *v);
/* The relays of the view, on the day of `now`. */
void mbcap_view_note(const struct mbcap_view *v, struct mbcap *m, int64_t now);
bool mbcap_view_same(const struct mbcap_view *a, const struct mbcap_view *b);

/* `shown` NULL: a base. */
mk_result mbcap_write(mk_writer *w, const struct mbcap *m, const struct mbcap_view *view,
		      const struct mbcap_view *shown, struct mbcap_order order, int64_t at);

/* MK_EFORMAT: malformed; MK_ESTATE: a delta that does not follow; MK_EEXIST: it covers no more than
 * is known. Nothing is changed then. */
mk_result mbcap_read(struct mbcap *m, struct mbcap_order *order, const mk_val *body, bool delta);

#endif
