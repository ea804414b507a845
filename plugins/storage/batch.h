/* SPDX-License-Identifier: MIT
 *
 * Group commit: messages become rows in one transaction, which ends after so many rows or so much
 * time; then what it did is told, and the messages are acknowledged.
 *
 * DOC: What happens when something fails
 *
 * An item that makes no sense is counted and left out. One that the database refuses makes the
 * transaction start over with a savepoint around each item, so that it costs only itself; that is
 * rare, and a savepoint for each item always would cost more than it. Anything else (disk full,
 * locked, broken) rolls back and is returned: the messages stay in memory, unacknowledged, and
 * batch_retry applies them again.
 *
 * A message is acknowledged when it is on disk, the mark of its origin covers it, and what it led
 * to has been told. With `lazy` a commit is not on the disk yet: batch_sync_begins and
 * batch_synced are around what brings it there. All of it runs on the plugin's thread.
 */
#ifndef STORAGE_BATCH_H
#define STORAGE_BATCH_H

#include "marks.h"
#include "rows.h"
#include "snapshot.h"

enum batch_topic { BATCH_PACKETS, BATCH_STATUS, BATCH_CLIENT, BATCH_TOPICS };
#define BATCH_TOPIC_NAMES "packet/decoded", "rx/status", "client/heard"

#define BATCH_BYTES_MAX (8u << 20) /* of messages in a transaction */

#define BATCH_POISONS 64u

struct batch_kept; /* a message of the transaction */

struct batch_poison { /* a message that the core does not deliver any more */
	char plugin[MK_ID_MAX + 1], source[MK_ID_MAX + 1];
	uint64_t epoch, number;
	enum batch_topic topic; /* on which it would have come here */
};

struct batch_acks { /* ring of messages that are on disk, but not acknowledged */
	struct batch_ack *list;
	uint32_t first, count, cap;
};

struct batch {
	const mk_host *host;
	struct stats *stats;
	struct db *db; /* NULL: none */
	struct rows rows;
	struct events events; /* what waits to be told outlives the connection */
	struct marks marks;
	struct snapshots snapshots;
	mk_doc doc;
	uint32_t max_rows;

	bool lazy; /* a commit is on the disk only after batch_synced */
	bool open, failed, careful;
	bool ask_all; /* messages were lost: ask every origin */
	struct batch_kept *first, **last;
	size_t kept_bytes;
	uint32_t row_count;
	uint64_t came_us; /* when the bus had the first message, Unix time */
	uint64_t work_us; /* spent in this transaction */
	struct batch_acks acks[BATCH_TOPICS];
	/* Who makes packet/decoded and client/heard, as far as it is known. */
	char decoder[BATCH_TOPICS][MK_ID_MAX + 1];
	struct batch_poison poisons[BATCH_POISONS]; /* whose origin or plugin is not known yet */
	uint32_t poison_count;
	uint64_t epoch;
	uint64_t complained_us; /* and how many complaints were left out since */
	uint32_t unsaid;
};

void batch_init(struct batch *b, const mk_host *host, struct stats *stats);
void batch_fini(struct batch *b);
/* What is kept stays kept over this. */
mk_result batch_attach(struct batch *b, struct db *db, int64_t bucket_s, mk_err *err);
void batch_detach(struct batch *b);

/* A message of packet/decoded, rx/status, client/heard; the body is copied. *full says that the
 * transaction should end now. */
mk_result batch_take(struct batch *b, const mk_msg *msg, bool *full, mk_err *err);
/* End the transaction, if one is open, `snapshots` with it, or alone. */
mk_result batch_commit(struct batch *b, bool snapshots, mk_err *err);
/* consume.c: what waits to be stored of snapshots that become rows. Within the transaction. */
mk_result batch_consume(struct batch *b, mk_err *err);
/* After a failure: once more from the start. */
mk_result batch_retry(struct batch *b, mk_err *err);
/* poison.c: a message of core/poison. What it speaks of counts as dealt with when it was decode's
 * or ours: nothing will ever come of it. */
void batch_poison(struct batch *b, const mk_msg *msg);
/* Those of which now more is known, and holes that are there for good. True: a mark moved, and
 * batch_commit stores it; between transactions only. */
bool batch_close_holes(struct batch *b);
/* Is there a commit that is not on the disk yet? If so, what brings it there begins now. */
bool batch_sync_begins(struct batch *b);
void batch_synced(struct batch *b);
/* The bus lost messages. */
void batch_gap(struct batch *b);
/* Ask for what is missing, if it is time; between transactions only. */
void batch_ask(struct batch *b);
/* Rows that a job changed, "nodes" or "observers"; between transactions only. */
mk_result batch_changed(struct batch *b, const char *table, const char *key, mk_err *err);
/* One line in the log, at most once a second. */
void batch_complain(struct batch *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Tell, then acknowledge. False: the bus is full; call again soon. */
bool batch_settle(struct batch *b);

static inline bool
batch_is_open(const struct batch *b)
{
	return b->open;
}

#endif
