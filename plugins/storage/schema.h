/* SPDX-License-Identifier: MIT
 *
 * The tables, their columns, indexes and the view: one list from which new databases are made, old
 * ones completed, and every database checked before it is used.
 *
 * The tables of CoreScope keep its names, types and order of columns. Ours begin with mk_; to add
 * one, add it to TABLES in schema.c, and a database of an earlier version gets it at the next start.
 */
#ifndef STORAGE_SCHEMA_H
#define STORAGE_SCHEMA_H

#include "db.h"

/* Raised when an older meshkern must not write the database any more. */
#define SCHEMA_VERSION 1

enum schema_state {
	SCHEMA_EMPTY,   /* no table at all */
	SCHEMA_READY,   /* nothing to be done */
	SCHEMA_UPGRADE, /* a CoreScope v3 database, or one of an earlier meshkern */
};

/* Which of them it is, or why it is none of them (MK_EABI with directions). Changes nothing. */
mk_result schema_probe(struct db *db, enum schema_state *state, mk_err *err);
/* Everything that is missing, by name, "table x, index y"; cut if it is long. Empty if it is ready.
 * Definitions are compared, not only names. Changes nothing. */
mk_result schema_missing(struct db *db, char *text, size_t size, mk_err *err);

/* In the caller's transaction: all tables, indexes, markers of a new database. */
mk_result schema_create(struct db *db, mk_err *err);
/* In the caller's transaction: tables and columns that are missing. */
mk_result schema_add_tables(struct db *db, mk_err *err);
struct schema_index {
	const char *name, *table, *sql;
	/* Not NULL: in a large table a job builds it in steps, from these, and nothing waits for it. */
	const char *later;
};
/* The next index that is missing or defined differently; NULL if there is none left. */
mk_result schema_next_index(struct db *db, const struct schema_index **out, mk_err *err);
/* The same without those that are left to jobs. */
mk_result schema_next_needed(struct db *db, const struct schema_index **out, mk_err *err);
/* The one of that name if it is missing or defined differently, else NULL. */
mk_result schema_find_index(struct db *db, const char *name, const struct schema_index **out,
			    mk_err *err);
/* In the caller's transaction: makes it, in place of one that has its name. */
mk_result schema_add_index(struct db *db, const struct schema_index *index, mk_err *err);
/* What makes an observation unique; to build it, duplicates must have been merged. */
extern const char schema_dedup_index[];
/* In the caller's transaction: the view, if it is missing or different, without the indexes that
 * CoreScope gave up. */
mk_result schema_add_view(struct db *db, mk_err *err);
/* In the caller's transaction: the markers of everything that is not a job, and the version. */
mk_result schema_finish(struct db *db, mk_err *err);

/* ------------------------------------------------------- table mk_state -- */

/* MK_ENOENT if there is none. */
mk_result schema_get(struct db *db, const char *name, int64_t *value, mk_err *err);
mk_result schema_set(struct db *db, const char *name, int64_t value, mk_err *err);
/* CoreScope's markers. */
mk_result schema_marked(struct db *db, const char *marker, bool *done, mk_err *err);
mk_result schema_mark(struct db *db, const char *marker, mk_err *err);

#endif
