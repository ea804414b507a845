/* SPDX-License-Identifier: MIT
 *
 * From items to rows, inside a transaction that somebody else (batch.h) opens and closes.
 *
 *   packet.c    transmissions, observations        observer.c  observers
 *   node.c      nodes, inactive_nodes              metrics.c   observer_metrics
 *   dropped.c   dropped_packets                    client.c    client_receptions, client_observers
 *
 * DOC: What is written when
 *
 * Rows that are new are inserted at once. What only counts on, an observer's packets, a node's
 * adverts, the last time that something was seen, is summed up in memory and written once per row
 * at the end of the transaction (rows_flush), which also tells what the rows are then. Nothing in
 * memory changes before the statements of an item have succeeded, except for an observer's new row,
 * which rows_undo forgets. After a rollback, memory is read anew from the database (rows_load).
 */
#ifndef STORAGE_ROWS_H
#define STORAGE_ROWS_H

#include "db.h"
#include "events.h"
#include "item.h"
#include "resolve.h"
#include "rows_sql.h"
#include "stamp.h"
#include "stats.h"

/* Every statement of the ingest, prepared once. */
enum rows_statement {
#define ROWS_STATEMENT_ENUM(name, text) SQL_##name,
	ROWS_STATEMENTS(ROWS_STATEMENT_ENUM)
#undef ROWS_STATEMENT_ENUM
	    SQL_COUNT
};

/* A result that the database never has. */
#define ROWS_NONSENSE MK_ELOST

#define ROWS_RAW_MAX 1024u /* bytes of a packet; the radio's limit is 255 */
#define ROWS_ID_MAX 255u   /* bytes of an observer's id */

struct tx { /* a transmission that was heard lately */
	uint64_t hash;
	int64_t id; /* 0: free slot */
	int64_t first_s, last_s;
	uint32_t observations;
	bool dirty; /* last_s is not in the database yet */
};

struct rows {
	struct db *db;
	struct stats *stats;
	struct events *events;
	struct resolve *resolve;
	sqlite3_stmt *sql[SQL_COUNT];
	int64_t now_s;    /* of this transaction */
	int64_t bucket_s; /* of observer_metrics */
	struct stamp stamp, stamp_now, stamp_other;

	struct tx *txs; /* TX_SLOTS, by hash */
	uint32_t *tx_dirty;
	uint32_t tx_dirty_count;
	struct observer **observers; /* hash table */
	struct observer *observer_dirty;
	struct observer *observer_item; /* of the item that is being written */
	uint32_t observer_count;
	struct node *nodes; /* heard in this transaction */
	uint32_t node_count, node_cap;
	uint32_t *node_slots;
};

/* Prepares the statements and loads the rest. */
mk_result rows_open(struct rows *r, struct db *db, struct stats *stats, struct events *events,
		    mk_err *err);
void rows_close(struct rows *r); /* zeroed is fine */
/* After a rollback, and after changes by others. */
mk_result rows_load(struct rows *r, mk_err *err);
/* Transmissions may have been deleted. */
void rows_forget_txs(struct rows *r);

/* One item. MK_OK, also when it made no row; ROWS_NONSENSE: it makes none, and nothing was done;
 * else db_class tells. */
mk_result rows_packet(struct rows *r, const struct item *it, mk_err *err);
mk_result rows_status(struct rows *r, const struct item *it, mk_err *err);
mk_result rows_client(struct rows *r, const struct item *it, mk_err *err);
/* The statements of the last item were undone. */
void rows_undo(struct rows *r);
/* The end of the transaction: what was summed up. */
mk_result rows_flush(struct rows *r, mk_err *err);
/* A row was changed by somebody else: tell it, and forget what is known about it. */
mk_result rows_changed(struct rows *r, const char *table, const char *key, mk_err *err);

/* ----------------------------------------------------- between these files -- */

/* Text of no length is NULL. */
void rows_bind_text(sqlite3_stmt *s, int i, struct text t);
void rows_bind_chars(sqlite3_stmt *s, int i, const char *text);
void rows_bind_real(sqlite3_stmt *s, int i, struct real v);
void rows_bind_integer(sqlite3_stmt *s, int i, struct integer v);
/* Reset first, in case an error left it half way. */
sqlite3_stmt *rows_statement(struct rows *r, enum rows_statement which);
/* A row that the database refuses at the end of a transaction is counted, and left as it was. */
mk_result rows_spare(struct rows *r, mk_result rc);
/* To the end. */
mk_result rows_run(struct rows *r, sqlite3_stmt *s, mk_err *err);
/* The columns of the row as an item of a message: NULL columns are left out. `extra` pairs may
 * follow. */
mk_writer *rows_event(struct rows *r, sqlite3_stmt *row, uint32_t extra);
/* A column of such a row by its name; .s is NULL where it is NULL. Borrowed until the next step. */
struct text rows_text(sqlite3_stmt *row, const char *column);

struct observer {
	struct observer *next, *next_dirty;
	int64_t idx; /* rowid */
	char *name, *iata;
	bool dirty;
	bool born; /* by the item that is being written */
	/* since the transaction began; 0: not */
	uint32_t packets, skews;
	int64_t seen_s, packet_s, skew_s, skew;
	size_t id_len;
	char id[];
};

void observers_clear(struct rows *r);
void observer_undo(struct rows *r);
/* Looks it up and, if `create`, makes it. *out is NULL if there is none. */
mk_result observer_get(struct rows *r, const struct item *it, bool create, struct observer **out,
		       mk_err *err);
/* It was heard; counted if the observation was new. */
void observer_heard(struct rows *r, struct observer *o, const struct item *it, bool counts);
mk_result observers_flush(struct rows *r, mk_err *err);
mk_result observer_changed(struct rows *r, const char *id, mk_err *err);

void nodes_clear(struct rows *r);
/* An advert, of a new transmission or not. Its text is borrowed until the end of the transaction. */
mk_result node_heard(struct rows *r, const struct item *it, const uint8_t key[ITEM_KEY],
		     bool is_new, mk_err *err);
mk_result nodes_flush(struct rows *r, mk_err *err);
mk_result node_changed(struct rows *r, const char *key, mk_err *err);

mk_result txs_flush(struct rows *r, mk_err *err);
mk_result metrics_sample(struct rows *r, const struct item *it, mk_err *err);
mk_result dropped_packet(struct rows *r, const struct item *it, mk_err *err);

#endif
