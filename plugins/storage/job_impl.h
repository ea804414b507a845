/* SPDX-License-Identifier: MIT
 *
 * What a job consists of. jobs.c and job_step.c run them; the lists are in backfill.c and
 * retention.c.
 *
 * Most jobs walk over ids: until_sql fixes the highest one at the beginning, so that rows that come
 * meanwhile cannot keep it going; select_sql returns the rows in the order of ids, from behind the
 * cursor, and must not step over many rows by itself, because only between rows is there a look at
 * the clock: what is to be left out is left out by row().
 */
#ifndef STORAGE_JOB_IMPL_H
#define STORAGE_JOB_IMPL_H

#include "jobs.h"

struct job_def;

struct chunk { /* a step */
	struct db *db;
	const struct job_def *def;
	const struct jobs_options *options;
	struct resolve *resolve; /* if the job said that it needs it */
	int64_t cursor, until;   /* ids */
	int64_t done;            /* rows that were looked at */
	int64_t skipped;         /* of them, those that the database refused to change */
	bool finished;
	bool stay; /* set by row(): it has not finished this row */
	/* The limit of retention, as number and in two forms of text: with T and Z, and as SQLite
	 * writes it. */
	int64_t limit_s;
	char limit[24], limit_space[24];
	uint64_t began_us, until_us;
	uint32_t rows_left;
};

#define JOB_AFTER 3

struct job_def {
	const char *name, *table;
	/* Once: a backfill with a row in _async_migrations. Else every so many seconds. */
	uint32_t every_s;
	/* Once: markers of CoreScope that it deserves when it is done; with `trusted`, one that is
	 * there already means that CoreScope did it. */
	const char *markers[2];
	bool trusted;
	bool resolves;                /* needs chunk.resolve */
	bool newest_first;            /* ids go down: select_sql returns and takes them negated */
	const char *after[JOB_AFTER]; /* jobs on which it relies */
	const char *index;            /* builds this index: done if it is there */
	/* Once: databases of this schema version and later are born without need of it. */
	uint32_t born;
	const char *until_sql;  /* NULL: there is no order of ids */
	const char *total_sql;  /* of ?1 = until; NULL: not known */
	const char *select_sql; /* of ?1 = cursor, ?2 = until, ?3 = limit; the id comes first */
	/* How many rows of ?1 < id <= ?2 are still as they were, by an index, so that it costs no
	 * more than the step: each step asks, and more than were skipped is a failure. Optional. */
	const char *verify_sql;
	/* MK_ENOENT: what follows is of no interest. */
	mk_result (*row)(struct chunk *c, sqlite3_stmt *row, mk_err *err);
	/* In place of select_sql and row. */
	mk_result (*run)(struct chunk *c, mk_err *err);
	/* In place of until_sql and total_sql. */
	mk_result (*begin)(const struct job_def *def, int64_t *until, int64_t *total, mk_err *err);
	void *arg; /* for run and begin */
	/* Retention: after how many days; a job without is always on. */
	int64_t (*days)(const struct jobs_options *o);
};

extern const struct job_def backfill_jobs[];
extern const struct job_def retention_jobs[];

/* Between rows: counts one, and says whether there is time for another. */
bool job_goes_on(struct chunk *c);
/* A statement for one row; a constraint that refuses it leaves that row as it is. */
mk_result job_update(struct chunk *c, const char *sql, int64_t id, mk_err *err);
/* The same for any result: what was refused is counted. */
mk_result job_spare(struct chunk *c, mk_result rc);
/* Tells the plugin that a row changed. */
void job_changed(struct chunk *c, const char *table, const char *key);

/* job_index.c: `run` of jobs with an index; how much of one that is being built is there. */
mk_result job_index_run(struct chunk *c, mk_err *err);
mk_result job_index_parts(struct db *db, const char *index, int64_t *parts, mk_err *err);
/* backfill_resolve.c */
mk_result resolved_row(struct chunk *c, sqlite3_stmt *row, mk_err *err);
/* rehash.c */
mk_result rehash_row(struct chunk *c, sqlite3_stmt *row, mk_err *err);

/* Merging two rows of one node, of which both have counted: what is newer wins over what is older,
 * and both over nothing. `from` is a table with its WHERE. */
#define NODE_NEWER(table, column)                                                                  \
	column " = CASE WHEN COALESCE(excluded.last_seen, '') > COALESCE(" table ".last_seen, '')" \
	       " THEN COALESCE(excluded." column ", " table "." column ")"                         \
	       " ELSE COALESCE(" table "." column ", excluded." column ") END, "
#define NODE_COLUMNS                                                                             \
	"name, role, lat, lon, last_seen, first_seen, advert_count, battery_mv, temperature_c, " \
	"foreign_advert, default_scope, multibyte_sup, multibyte_evidence"
#define NODE_MERGE(table, key, from)                                                              \
	"INSERT INTO " table " (public_key, " NODE_COLUMNS ") SELECT " key ", " NODE_COLUMNS      \
	" FROM " from                                                                             \
	" ON CONFLICT (public_key) DO UPDATE SET " NODE_NEWER(table, "name") NODE_NEWER(          \
	    table, "role") NODE_NEWER(table, "lat") NODE_NEWER(table, "lon")                      \
	    NODE_NEWER(table, "battery_mv") NODE_NEWER(table, "temperature_c") NODE_NEWER(        \
		table,                                                                            \
		"default_scope") "first_seen = min(COALESCE(" table                               \
				 ".first_seen, excluded.first_seen), "                            \
				 "COALESCE(excluded.first_seen, " table ".first_seen)), "         \
				 "last_seen = max(COALESCE(" table                                \
				 ".last_seen, ''), COALESCE(excluded.last_seen, '')), "           \
				 "advert_count = COALESCE(" table ".advert_count, 0) "            \
				 "+ COALESCE(excluded.advert_count, 0), "                         \
				 "foreign_advert = max(COALESCE(" table ".foreign_advert, 0), "   \
				 "COALESCE(excluded.foreign_advert, 0)), "                        \
				 "multibyte_evidence = CASE WHEN excluded.multibyte_sup > " table \
				 ".multibyte_sup "                                                \
				 "THEN excluded.multibyte_evidence ELSE " table                   \
				 ".multibyte_evidence END, "                                      \
				 "multibyte_sup = max(" table                                     \
				 ".multibyte_sup, excluded.multibyte_sup)"

#endif
