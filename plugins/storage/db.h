/* SPDX-License-Identifier: MIT
 *
 * One connection to the database: opened with every pragma, prepared statements kept, errors sorted
 * by what can be done about them. A connection belongs to one thread at a time.
 *
 * Codes that functions here return, and what they mean (db_class):
 *   DB_RETRY  MK_EAGAIN    another program has it locked, longer than busy_ms
 *             MK_EUNAVAIL  another daemon has it (only db_lock)
 *             MK_EFULL     the disk is full
 *             MK_EDENIED   no permission, or a read-only file system
 *             MK_EIO       reading or writing failed
 *             MK_ENOMEM, MK_ETIMEDOUT (interrupted)
 *   DB_ROW    MK_EEXIST    a constraint: this row is wrong, the others are not
 *             MK_ETOOBIG   a value is too large
 *   DB_FATAL  MK_EFORMAT   damaged, empty, or no database
 *             MK_EABI      a schema that is too old, too new, or somebody else's
 *             anything else: a bug of ours
 */
#ifndef STORAGE_DB_H
#define STORAGE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

#include <meshkern/err.h>

enum db_class { DB_FINE, DB_RETRY, DB_ROW, DB_FATAL };

enum db_class db_class(mk_result rc);

struct db_options {
	const char *path;       /* absolute; borrowed during db_open */
	uint32_t busy_ms;       /* how long a statement waits for another program; 0 = 1000 */
	uint32_t cache_kib;     /* page cache; 0 = 16384 */
	uint32_t wal_pages;     /* a commit that makes the log longer checkpoints; 0 = 4000 */
	uint32_t wal_limit_kib; /* what remains of the log's file after a checkpoint; 0 = 65536 */
	bool full;              /* synchronous FULL: a commit survives a power failure */
	bool create;            /* if there is no file; open_database does that better */
	bool read_only;         /* changes nothing, not even the journal mode */
	bool immutable; /* nobody else has it open, so nothing is locked or made beside it */
};

struct db;

/* ------------------------------------------------------------------ lock -- */

/* Held on `<path>.lock` until db_unlock or the end of the process, so that a second daemon is
 * refused: MK_EUNAVAIL names its pid. A lock file that was left behind means nothing. */
mk_result db_lock(const char *path, int *fd, mk_err *err);
void db_unlock(int *fd); /* -1 is fine */

/* Who has a lock on the database, as text: "process 12 (name)", or "" if that cannot be known.
 * Readers of the log, or who writes. Never this process. */
void db_holder(const char *path, bool readers, char *text, size_t size);

/* ------------------------------------------------------------ connection -- */

/* Opens a database that exists. Most callers want open_database (open.h) instead. */
mk_result db_open(struct db **db, const struct db_options *options, mk_err *err);
/* Rolls back what is open; takes NULL. */
void db_close(struct db *db);
sqlite3 *db_handle(struct db *db);
const char *db_path(const struct db *db);
/* What it keeps of pages, of the schema and of statements, in bytes. */
size_t db_memory(const struct db *db);
/* Switches the file to a write-ahead log, for good. */
mk_result db_use_wal(struct db *db, mk_err *err);
/* Where it keeps what it sorts or may have to take back: an upgrade sorts gigabytes, in a file; what
 * comes later is some pages, and needs no disk that is full or that a sandbox does not give. Not
 * within a transaction. */
mk_result db_keep_temporary(struct db *db, bool in_memory, mk_err *err);
/* The result and text of the connection's last failure; `rc` is SQLite's. */
mk_result db_fail(struct db *db, int rc, mk_err *err);

/* ------------------------------------------------------------ statements -- */

/* A prepared statement, reset and without values. It is kept for the next time: `sql` must be a
 * literal (or live as long as the connection). Borrowed. */
mk_result db_stmt(struct db *db, const char *sql, sqlite3_stmt **out, mk_err *err);

/* Values for a statement, by a letter each: `i` int64_t, `d` double, `s` const char * (NULL is
 * NULL; borrowed until the statement is used again), `n` NULL (no argument),
 * `b` const void *, int length. */
mk_result db_bind(struct db *db, mk_err *err, sqlite3_stmt *stmt, const char *types, ...);
/* MK_OK: a row is there; MK_ENOENT, without a text: there is none any more, and the statement was
 * reset. An error resets it, too. */
mk_result db_step(struct db *db, sqlite3_stmt *stmt, mk_err *err);

/* Statement, values, and to its end. */
mk_result db_run(struct db *db, mk_err *err, const char *sql, const char *types, ...);
/* Statement, values and first row: MK_OK with *row (reset it after use), MK_ENOENT without. */
mk_result db_row(struct db *db, mk_err *err, sqlite3_stmt **row, const char *sql, const char *types,
		 ...);
/* The first column of the first row as a number; MK_ENOENT if there is no row. */
mk_result db_int(struct db *db, mk_err *err, int64_t *out, const char *sql, const char *types, ...);
/* SQL that is not worth keeping; several statements are allowed. */
mk_result db_exec(struct db *db, const char *sql, mk_err *err);
int64_t db_changes(struct db *db); /* rows of the last statement */

/* ---------------------------------------------------------- transactions -- */

mk_result db_begin(struct db *db, mk_err *err);  /* takes the write lock */
mk_result db_commit(struct db *db, mk_err *err); /* on failure nothing remains open */
void db_rollback(struct db *db);                 /* nothing open is fine */

/* ------------------------------------------------------------ checkpoint -- */

struct db_wal {
	int64_t pages;        /* in the log */
	int64_t checkpointed; /* of them in the database */
	bool blocked;     /* a reader that has been at it for long keeps the log from shrinking */
	char reason[160]; /* then: who, as far as it can be known */
};

/* Bring the log into the database. With `truncate` wait for readers (busy_ms at most) and make its
 * file empty. Never an error because of readers: `wal` (may be NULL) tells. Not within a
 * transaction. */
mk_result db_checkpoint(struct db *db, bool truncate, struct db_wal *wal, mk_err *err);
/* A checkpoint writes and syncs for tens of milliseconds, which the thread that writes rows is not to
 * wait for. After this, commits and db_housekeep leave it to another thread, which calls
 * db_checkpoint_apart when db_wants_checkpoint says so, and its result goes to db_checkpointed. Only
 * if that does not keep up, and the log is four times its limit, a commit does it all the same. */
void db_checkpoints_elsewhere(struct db *db);
bool db_wants_checkpoint(const struct db *db, bool idle);
/* Is the log so long that it should begin anew? For that a checkpoint must meet a moment in which
 * nothing is written, so it takes several passes, which is not worth it for a short one, and what
 * can wait, waits for it. */
bool db_wants_restart(const struct db *db);
/* On any thread, through a connection of its own; with `all` until nothing is left. */
mk_result db_checkpoint_apart(const char *path, bool all, struct db_wal *wal, mk_err *err);
void db_checkpointed(struct db *db, const struct db_wal *wal);
/* When to do so: call it when nothing else is to be done, and at least once a minute. It
 * checkpoints passively when the log has grown, and truncates after an hour, or when `idle` and the
 * log is long. *did says whether it did anything. */
mk_result db_housekeep(struct db *db, uint64_t now_us, bool idle, bool *did, struct db_wal *wal,
		       mk_err *err);

#endif
