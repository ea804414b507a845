/* SPDX-License-Identifier: MIT
 *
 * Snapshots that become rows. Whoever takes snapshot/NAME calls apply_snapshot for it, inside a
 * transaction that is his and that he rolls back if the result is not MK_OK; the generic keeping of
 * bodies (mk_snapshots) goes on beside it.
 *
 * A body is judged completely before anything is written, so what is refused has left no trace:
 *   MK_EDENIED  its origin has not the right to this name
 *   MK_EFORMAT  malformed, truncated, or a value that cannot be
 *   MK_EEXIST   older than what is stored, or the same again: replayed
 *   MK_ESTATE   a delta whose base or predecessor is not what is stored: reordered, or one is missing
 *   MK_ENOENT   this name becomes no rows; keep the body, that is all
 * else the database's (db_class). Count and log those refusals; they are no reason to stop.
 */
#ifndef STORAGE_APPLY_H
#define STORAGE_APPLY_H

#include <meshkern/arena.h>
#include <meshkern/codec.h>

#include "db.h"

struct apply_input {
	const char *name;   /* behind "snapshot/" */
	const char *origin; /* the instance that published it */
	const void *body;
	size_t len;
	bool delta;
	/* Optional, within the transaction: a row of "nodes" or "inactive_nodes" changed. */
	void (*on_node)(void *arg, const char *table, const char *key);
	/* Optional: two neighbours, or no longer. */
	void (*on_edge)(void *arg, const char *a, const char *b, bool gone);
	void *arg;
};

struct apply_report {
	uint64_t read;    /* entries of the body */
	uint64_t written; /* rows inserted, changed or deleted */
	uint64_t skipped; /* entries that must not overwrite, or have no row */
};

/* `report` may be NULL; it is untouched on failure. */
mk_result apply_snapshot(struct db *db, const struct apply_input *in, struct apply_report *report,
			 mk_err *err);

/* A node that came back from inactive_nodes, or is new: its capability as last known, within the
 * transaction that made the row. MK_OK also if nothing is known. */
mk_result apply_mbcap_revive(struct db *db, const char *key, mk_err *err);

/* What the rows of a database say that has no snapshot of this name yet, a CoreScope database for
 * example, as a base to be published until the plugin knows more. MK_ENOENT: nothing. */
mk_result apply_seed(struct db *db, const char *name, int64_t now, mk_writer *w, mk_err *err);

/* ----------------------------------------------------- between these files -- */

mk_result apply_neighbors(struct db *db, const struct apply_input *in, const mk_val *body,
			  struct apply_report *report, mk_err *err);
mk_result apply_mbcap(struct db *db, const struct apply_input *in, const mk_val *body,
		      struct apply_report *report, mk_err *err);
mk_result apply_seed_neighbors(struct db *db, mk_writer *w, mk_err *err);
mk_result apply_seed_mbcap(struct db *db, mk_writer *w, mk_err *err);
/* Is this message the next one? Every body that is applied has `serial` (of its base, growing), `n`
 * (0 for the base, then 1, 2, ...) and `cursor` (the last observation that it covers). */
mk_result apply_check_order(struct db *db, const struct apply_input *in, const mk_val *body,
			    mk_err *err);
mk_result apply_store_order(struct db *db, const struct apply_input *in, const mk_val *body,
			    mk_err *err);
/* The next row whose first `keys` columns are texts that a message may have. */
mk_result apply_next(struct db *db, sqlite3_stmt *s, int keys, mk_err *err);
/* The strings of `list` that rows refer to by their place; each valid and none twice is not asked.
 * NULL if one is not a string of 1..128 bytes without NUL. */
const char **apply_names(const mk_val *list, mk_arena *arena);

#endif
