/* SPDX-License-Identifier: MIT
 *
 * The durable outbox of one publisher: an append-only file store of messages
 * that have not been reported as committed.
 *
 * Happy path:
 *   - append() writes one record with the next number and returns it; from
 *     then on a kill -9 of any process loses nothing
 *   - peek() walks the records in order for sending; rewind() starts again
 *   - trim(n) forgets everything up to number n; files are removed whole
 *
 * What can fail: the file system is full (append returns MK_EIO or MK_EFULL,
 * nothing is half-written), a crash cuts the last record off (opening drops
 * it: its append never returned), bytes rot (a record whose checksum is wrong
 * is skipped, counted and logged; reading goes on at the next sound one).
 *
 * Numbers are dense, start at 1 and go on after a restart, also when all was
 * trimmed. All functions may be called from any thread; one lock inside.
 * Limits: `max_bytes` on disk; a record's body at most MK_BODY_MAX.
 */
#ifndef MK_HOST_OUTBOX_H
#define MK_HOST_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/err.h>
#include <meshkern/plugin.h>

struct outbox;

struct outbox_record {
	uint64_t number;
	uint64_t time_us; /* when it was appended, Unix time */
	uint32_t schema;
	uint32_t flags;
	const char *topic;   /* [borrowed] until the next peek, or close */
	const uint8_t *body; /* the same */
	uint32_t len;
};

struct outbox_stats {
	uint64_t first;     /* lowest number kept, 0 if empty */
	uint64_t last;      /* highest ever given, 0 if none */
	uint64_t bytes;     /* on disk */
	uint64_t max_bytes; /* the limit */
	uint64_t refused;   /* appends refused because it was full */
	uint64_t damaged;   /* records lost to damage, ever found */
	uint64_t unsynced;  /* records appended since the last fdatasync */
};

/* `dir` is made if needed, not its parent. segment_bytes: when a new file is
 * begun (0 = 8 MiB, and at most an eighth of max_bytes). Only one process may
 * hold it (a lock file; MK_EEXIST names the pid). */
mk_result outbox_open(struct outbox **out, const char *dir, uint64_t max_bytes,
		      uint64_t segment_bytes, mk_err *err);
void outbox_close(struct outbox *o); /* keeps the files */

mk_result outbox_append(struct outbox *o, const char *topic, uint32_t schema, uint32_t flags,
			const void *body, uint32_t len, uint64_t *number);
/* fdatasync what was appended; MK_OK also if there was nothing. */
mk_result outbox_sync(struct outbox *o);

/* The record at the read position, and step past it. MK_ENOENT: no more.
 * MK_ENOMEM, MK_EUNAVAIL (no descriptor): nothing is lost, try again. */
mk_result outbox_next(struct outbox *o, struct outbox_record *record);
/* The next outbox_next gives the first kept record with a number > after. */
void outbox_rewind(struct outbox *o, uint64_t after);
/* Records up to and including `number` are not needed any more. Remembered
 * over restarts (at the latest when outbox_close or the next segment comes);
 * trimming less than before is ignored. */
void outbox_trim(struct outbox *o, uint64_t number);

void outbox_get_stats(struct outbox *o, struct outbox_stats *stats);

#endif
