/* SPDX-License-Identifier: MIT
 *
 * Up to which number everything of an origin is in committed transactions.
 *
 * Numbers of one origin arrive on several topics, each in order, all of them together not. So the
 * mark of an origin goes on only where no number is missing; those above a hole are remembered in a
 * window. Marks are stored with the rows (mk_sources), and mean something in one epoch of the bus
 * only: in a new one an origin begins before the first number that it has.
 *
 * DOC: From committed to told
 *
 * A commit is not on the disk yet. Between marks_sync_begins and marks_sync_ended the caller makes
 * sure that it is; only what was stored at the beginning is told then.
 *
 * DOC: Holes that do not close
 *
 * The origin is asked to send again what is above the mark. Where a record of it is gone (a damaged
 * outbox), its number never comes. That is certain when everything else did: all numbers above the
 * mark came again, and one of them by way of decode, so that decode is not what the missing one
 * waits in. After MARKS_ANSWERS such answers the holes below that number are given up.
 */
#ifndef STORAGE_MARKS_H
#define STORAGE_MARKS_H

#include <meshkern/plugin.h>

#include "db.h"
#include "events.h"

#define MARKS_ORIGINS 256u
#define MARKS_WINDOW \
	131072u          /* numbers above the mark; twice what the bus delivers unacknowledged */
#define MARKS_ANSWERS 3u /* without what is missing, until it is given up */

struct mark {
	char source[MK_ID_MAX + 1];
	uint64_t mark;      /* nothing up to here is missing */
	uint64_t stored;    /* of it: in the database, committed */
	uint64_t syncing;   /* of that: being brought to the disk */
	uint64_t synced;    /* of that: on the disk */
	uint64_t told;      /* of that: in storage/committed */
	uint64_t high;      /* the highest number that came */
	uint64_t waited_us; /* since when the mark stands still below a hole */
	uint64_t patience_us;
	uint8_t *seen;    /* bits, by number modulo MARKS_WINDOW; NULL: none above the mark */
	uint64_t above;   /* how many of them are set */
	uint64_t far_low; /* the lowest number beyond the window; 0: none */
	/* What came again since it was asked: */
	uint64_t wanted, repeats, through; /* through: the highest by way of decode */
	uint64_t answers, until; /* holes below `until` did not close in so many answers */
};

struct marks {
	struct db *db;
	uint64_t epoch; /* 0: not known yet */
	struct mark list[MARKS_ORIGINS];
	uint32_t count;
	bool dirty; /* a mark is ahead of what is stored */
};

void marks_init(struct marks *m, struct db *db);
void marks_fini(struct marks *m);

/* The origin's mark, read from the database where it is not known yet. MK_EFORMAT: no name of an
 * instance; MK_EFULL: too many of them. A new epoch forgets all others. */
mk_result marks_get(struct marks *m, uint64_t epoch, const char *source, size_t len, uint64_t first,
		    uint32_t *index, mk_err *err);
/* Known already? Else MK_ENOENT. */
mk_result marks_find(const struct marks *m, const char *source, size_t len, uint32_t *index);
/* Its message with this number is in the transaction, `decoded` if it came by way of decode. False:
 * too far above a hole to remember. */
bool marks_take(struct marks *m, uint32_t index, uint64_t number, bool decoded);
/* Is it on disk? */
bool marks_covers(const struct marks *m, uint32_t index, uint64_t number);
/* Within the transaction. */
mk_result marks_store(struct marks *m, mk_err *err);
/* The transaction is committed. */
void marks_stored(struct marks *m);
/* What is stored now is being brought to the disk. False: nothing is that is not there. */
bool marks_sync_begins(struct marks *m);
/* It has succeeded: items of storage/committed, for events_keep_committed. */
mk_result marks_sync_ended(struct marks *m, struct events *events);
/* An origin whose holes are there for good: gives them up, and returns how many numbers that were;
 * 0: there is none. */
uint64_t marks_give_up(struct marks *m, uint32_t *index);
/* Origins whose hole does not close, or all of them: ask for what is behind their marks. Returns
 * how many. */
uint32_t marks_ask(struct marks *m, struct events *events, uint64_t now_us, bool all);

#endif
