/* SPDX-License-Identifier: MIT
 *
 * An index of a large table is built in steps. SQLite knows only one statement for it, in which
 * nothing is written for as long as that takes: seconds on a good disk, minutes on a poor one.
 *
 * DOC: How an index is built in steps
 *
 * mk_building_NAME is a table of the rows' ids and the columns in question, with an index on these
 * columns. An entry of that index consists of the columns and the id, and so would an entry of the
 * one that is wanted: it is the same tree. Steps fill it, and triggers see to rows that come, change
 * and go meanwhile. When it is complete, its line in sqlite_master is changed, so that it is the
 * index that was wanted; then the table is emptied in steps, too, and dropped.
 *
 * Whatever happens meanwhile, it is an ordinary database: triggers are SQL, which other programs
 * run as well, and whoever makes the index himself leaves us with a table to be dropped.
 *
 * Rows are entered in the order of ids. For (transmission_id, timestamp) that is nearly the order of
 * the index; with (observer_idx, timestamp) a step writes to a place for each observer, so that it is
 * the more written the shorter the steps are. Sorting some ten thousand ids by key before does not
 * help: then it is the table that is written to everywhere. A table WITHOUT ROWID is a tree like
 * that of an index and could do without the other one, but has no room for NULL.
 */
#include "job_state.h"

#include <stdarg.h>
#include <stdio.h>

#include "schema.h"

#define BUILDING "mk_building_"
#define PARTS 5     /* the table, its index, three triggers */
#define AT_ONCE 256 /* rows, between two looks at the clock */
/* As many rows as take the time of one that is changed elsewhere. */
#define CHEAP 8

/* ---------------------------------------------------------------------- in parts -- */

/* Statements with names in them. */
static mk_result
build_exec(struct db *db, mk_err *err, const char *format, ...)
{
	mk_result rc = MK_ENOMEM;
	va_list ap;
	char *sql;

	va_start(ap, format);
	sql = sqlite3_vmprintf(format, ap);
	va_end(ap);
	if (sql != NULL)
		rc = db_exec(db, sql, err);
	else
		(void)mk_err_set(err, rc, "out of memory");
	sqlite3_free(sql);
	return rc;
}

mk_result
job_index_parts(struct db *db, const char *index, int64_t *parts, mk_err *err)
{
	return db_int(db, err, parts,
		      "SELECT count(*) FROM sqlite_master WHERE name IN ('" BUILDING "' || ?1, "
		      "'" BUILDING "' || ?1 || '_index', '" BUILDING "' || ?1 || '_insert', "
		      "'" BUILDING "' || ?1 || '_update', '" BUILDING "' || ?1 || '_delete')",
		      "s", index);
}

#define ON_ROWS(when)                                                \
	"CREATE TRIGGER " BUILDING "%s_" when " ON %s BEGIN DELETE " \
	"FROM " BUILDING "%s WHERE id = "
#define COPY_ROW "INSERT INTO " BUILDING "%s SELECT id, %s FROM %s WHERE id = new.id; END"

static mk_result
build_begin(struct db *db, const struct schema_index *i, mk_err *err)
{
	const char *n = i->name, *t = i->table, *columns = i->later;
	mk_result rc = build_exec(db, err,
				  "CREATE TABLE " BUILDING "%s (id INTEGER PRIMARY KEY, %s);"
				  "CREATE INDEX " BUILDING "%s_index ON " BUILDING "%s (%s)",
				  n, columns, n, n, columns);

	if (rc == MK_OK)
		rc = build_exec(db, err, ON_ROWS("insert AFTER INSERT") "new.id; " COPY_ROW, n, t,
				n, n, columns, t);
	if (rc == MK_OK)
		rc = build_exec(db, err,
				"CREATE TRIGGER " BUILDING "%s_update AFTER UPDATE OF id, %s ON %s "
				"BEGIN DELETE FROM " BUILDING "%s WHERE id = old.id; " COPY_ROW,
				n, columns, t, n, n, columns, t);
	if (rc == MK_OK)
		rc = build_exec(db, err, ON_ROWS("delete AFTER DELETE") "old.id; END", n, t, n);
	return rc;
}

static mk_result
build_untie(struct db *db, const char *name, mk_err *err)
{
	return build_exec(db, err,
			  "DROP TRIGGER IF EXISTS " BUILDING "%s_insert;"
			  "DROP TRIGGER IF EXISTS " BUILDING "%s_update;"
			  "DROP TRIGGER IF EXISTS " BUILDING "%s_delete",
			  name, name, name);
}

/* The tree gets another name and another table. Dropping triggers in the same transaction tells
 * every connection that the schema is another one. */
static mk_result
build_rename(struct db *db, const struct schema_index *i, mk_err *err)
{
	mk_result rc =
	    build_exec(db, err,
		       "PRAGMA writable_schema = ON; UPDATE sqlite_master SET name = %Q, "
		       "tbl_name = %Q, sql = %Q "
		       "WHERE type = 'index' AND name = '" BUILDING "%s_index'",
		       i->name, i->table, i->sql, i->name);
	mk_result reset;

	if (rc == MK_OK && db_changes(db) != 1)
		rc = mk_err_set(err, MK_EFORMAT, "%s is gone while it was built", i->name);
	reset = db_exec(db, "PRAGMA writable_schema = RESET", rc == MK_OK ? err : NULL);
	return rc == MK_OK ? reset : rc;
}

static mk_result
build_end(struct db *db, const struct schema_index *i, mk_err *err)
{
	mk_result rc = build_untie(db, i->name, err);

	if (rc == MK_OK)
		rc = build_exec(db, err, "DROP INDEX IF EXISTS %s", i->name);
	if (rc != MK_OK)
		return rc;
	sqlite3_db_config(db_handle(db), SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	rc = build_rename(db, i, err);
	sqlite3_db_config(db_handle(db), SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return rc;
}

/* How many rows are next; there is always time for some. */
static int
build_share(const struct chunk *c)
{
	return c->rows_left < AT_ONCE / CHEAP ? (int)c->rows_left * CHEAP : AT_ONCE;
}

static bool
build_goes_on(struct chunk *c)
{
	c->rows_left -= c->rows_left < AT_ONCE / CHEAP ? c->rows_left : AT_ONCE / CHEAP;
	return c->rows_left > 0 && c->options->now_us(c->options->arg) < c->until_us;
}

/* Of the next rows behind `from`: how many, and the last one's id. `building`: those of our table. */
static mk_result
build_next(struct chunk *c, bool building, const char *table, int64_t from, int64_t *rows,
	   int64_t *last, mk_err *err)
{
	sqlite3_stmt *row;
	char sql[256];
	int rc;

	(void)snprintf(sql, sizeof(sql),
		       "SELECT count(*), max(id) FROM (SELECT id FROM %s%s WHERE id > ?1 "
		       "AND id <= ?2 ORDER BY id LIMIT ?3)",
		       building ? BUILDING : "", table);
	rc = sqlite3_prepare_v2(db_handle(c->db), sql, -1, &row, NULL);
	if (rc != SQLITE_OK)
		return db_fail(c->db, rc, err);
	(void)sqlite3_bind_int64(row, 1, from);
	(void)sqlite3_bind_int64(row, 2, building ? INT64_MAX : c->until);
	(void)sqlite3_bind_int(row, 3, build_share(c));
	rc = sqlite3_step(row);
	*rows = sqlite3_column_int64(row, 0);
	*last = sqlite3_column_int64(row, 1);
	sqlite3_finalize(row);
	return rc == SQLITE_ROW ? MK_OK : db_fail(c->db, rc, err);
}

/* The index is there: the rest goes, as it came. */
static mk_result
build_clear(struct chunk *c, mk_err *err)
{
	const char *name = c->def->index;
	mk_result rc = build_untie(c->db, name, err);
	int64_t rows = 0, last = 0;

	if (rc != MK_OK)
		return rc;
	do {
		rc = build_next(c, true, name, INT64_MIN, &rows, &last, err);
		c->finished = rc == MK_OK && rows == 0;
		if (c->finished)
			return build_exec(c->db, err, "DROP TABLE " BUILDING "%s", name);
		if (rc == MK_OK)
			rc = build_exec(c->db, err, "DELETE FROM " BUILDING "%s WHERE id <= %lld",
					name, (long long)last);
	} while (rc == MK_OK && build_goes_on(c));
	return rc;
}

static mk_result
build_go_on(struct chunk *c, const struct schema_index *i, mk_err *err)
{
	int64_t rows = 0, last = 0;
	mk_result rc;

	do {
		rc = build_next(c, false, i->table, c->cursor, &rows, &last, err);
		if (rc == MK_OK && rows == 0)
			return build_end(c->db, i, err);
		if (rc == MK_OK)
			rc =
			    build_exec(c->db, err,
				       "INSERT OR IGNORE INTO " BUILDING "%s SELECT id, %s FROM %s "
				       "WHERE id > %lld AND id <= %lld ORDER BY id",
				       i->name, i->later, i->table, (long long)c->cursor,
				       (long long)last);
		if (rc != MK_OK)
			return rc;
		c->cursor = last;
		c->done += rows;
	} while (build_goes_on(c));
	return MK_OK;
}

mk_result
job_index_run(struct chunk *c, mk_err *err)
{
	const struct schema_index *missing = NULL;
	int64_t parts = 0;
	mk_result rc = schema_find_index(c->db, c->def->index, &missing, err);

	if (rc == MK_OK)
		rc = job_index_parts(c->db, c->def->index, &parts, err);
	if (rc != MK_OK)
		return rc;
	if (missing == NULL && parts > 0)
		return build_clear(c, err);
	if (missing == NULL) {
		c->finished = true;
		return MK_OK;
	}
	if (parts == PARTS)
		return build_go_on(c, missing, err);
	/* The first step; or somebody removed a part, and what is there cannot be relied on. */
	c->cursor = INT64_MIN;
	rc = build_untie(c->db, missing->name, err);
	if (rc == MK_OK)
		rc = build_exec(c->db, err, "DROP TABLE IF EXISTS " BUILDING "%s", missing->name);
	return rc == MK_OK ? build_begin(c->db, missing, err) : rc;
}
