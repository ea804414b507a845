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
 * Rows are walked in the order of ids, in which keys come in no order: with 150 observers each step
 * would write to 150 places, and 25 MB of an index would be 600 MB written. So a window of ids is
 * read and sorted by key first, in steps of their own. That order is only a hint: what is entered is
 * read again in the transaction that enters it. The first window after a start is so small that one
 * step does all of it, and each is twice the one before: however often it is killed, it gets on.
 */
#include "job_state.h"

#include <stdlib.h>

#include "schema.h"

#define BUILDING "mk_building_"
#define PARTS 5 /* the table, its index, three triggers */
#define WINDOW 32768u
#define AT_ONCE 64u   /* rows, between two looks at the clock */
#define GONE_ONCE 512 /* the same when they are deleted */

struct entry {
	int64_t key[2], id;
};

struct job_window {
	const struct job_def *def;
	int64_t from, last; /* the ids are above `from`, and `last` at most */
	bool complete;      /* all of them are known, and sorted */
	uint32_t size, count, committed, reached;
	sqlite3_stmt *collect, *enter;
	struct entry entries[WINDOW];
};

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

static bool
is_time(const struct chunk *c)
{
	return c->options->now_us(c->options->arg) < c->until_us;
}

/* The index is there: the rest goes, as slowly as it came. */
static mk_result
build_clear(struct chunk *c, mk_err *err)
{
	const char *name = c->def->index;
	mk_result rc = build_untie(c->db, name, err);

	while (rc == MK_OK) {
		int n = c->rows_left < GONE_ONCE ? (int)c->rows_left : GONE_ONCE;

		rc = build_exec(c->db, err,
				"DELETE FROM " BUILDING "%s WHERE id IN (SELECT id "
				"FROM " BUILDING "%s ORDER BY id LIMIT %d)",
				name, name, n);
		if (rc != MK_OK)
			return rc;
		c->finished = db_changes(c->db) < n;
		c->rows_left -= (uint32_t)n;
		if (c->finished)
			return build_exec(c->db, err, "DROP TABLE " BUILDING "%s", name);
		if (c->rows_left == 0 || !is_time(c))
			return MK_OK;
	}
	return rc;
}

/* ------------------------------------------------------------------------ window -- */

void
job_window_free(struct job_window *w)
{
	if (w == NULL)
		return;
	sqlite3_finalize(w->collect);
	sqlite3_finalize(w->enter);
	free(w);
}

void
job_window_settle(struct job_window *w, bool committed)
{
	if (w == NULL)
		return;
	if (!committed) {
		w->reached = w->committed;
		return;
	}
	w->committed = w->reached;
	if (!w->complete || w->committed < w->count)
		return;
	w->from = w->last;
	w->size = w->size < WINDOW ? 2 * w->size : WINDOW;
	w->count = w->committed = w->reached = 0;
	w->complete = false;
}

static mk_result
window_prepare(struct db *db, sqlite3_stmt **out, char *sql, mk_err *err)
{
	int rc = sql == NULL ? SQLITE_NOMEM
			     : sqlite3_prepare_v3(db_handle(db), sql, -1, SQLITE_PREPARE_PERSISTENT,
						  out, NULL);

	sqlite3_free(sql);
	return rc == SQLITE_OK ? MK_OK : db_fail(db, rc, err);
}

/* A new one, unless the one that is there fits. */
static mk_result
window_open(struct chunk *c, const struct schema_index *i, mk_err *err)
{
	struct job_window *w = *c->window;
	char marks[2 * AT_ONCE];
	mk_result rc;

	if (w != NULL && w->def == c->def && w->from == c->cursor)
		return MK_OK;
	job_window_free(w);
	w = *c->window = calloc(1, sizeof(*w));
	if (w == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	w->def = c->def;
	w->size = AT_ONCE;
	w->from = w->last = c->cursor;
	for (size_t at = 0; at < sizeof(marks); at++)
		marks[at] = at % 2 == 0 ? '?' : ',';
	marks[sizeof(marks) - 1] = '\0';
	rc = window_prepare(
	    c->db, &w->collect,
	    sqlite3_mprintf("SELECT id, %s FROM %s WHERE id > ?1 AND id <= ?2 ORDER BY id",
			    i->later, i->table),
	    err);
	if (rc == MK_OK)
		rc = window_prepare(c->db, &w->enter,
				    sqlite3_mprintf("INSERT OR IGNORE INTO " BUILDING "%s "
						    "SELECT id, %s FROM %s WHERE id IN (%s)",
						    i->name, i->later, i->table, marks),
				    err);
	return rc;
}

static int
entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	for (int i = 0; i < 2; i++)
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* Ids and keys of the next rows. */
static mk_result
window_collect(struct chunk *c, struct job_window *w, mk_err *err)
{
	uint32_t left = JOBS_STEP_ROWS;
	mk_result rc;

	(void)sqlite3_bind_int64(w->collect, 1, w->last);
	(void)sqlite3_bind_int64(w->collect, 2, c->until);
	while ((rc = db_step(c->db, w->collect, err)) == MK_OK) {
		struct entry *e = &w->entries[w->count++];

		w->last = e->id = sqlite3_column_int64(w->collect, 0);
		e->key[0] = sqlite3_column_int64(w->collect, 1);
		e->key[1] = sqlite3_column_int64(w->collect, 2); /* 0, if there is none */
		if (w->count == w->size || --left == 0 || !is_time(c))
			break;
	}
	sqlite3_reset(w->collect);
	w->complete = rc == MK_ENOENT || w->count == w->size || w->size == AT_ONCE;
	if (w->complete)
		qsort(w->entries, w->count, sizeof(w->entries[0]), entry_compare);
	return rc == MK_ENOENT ? MK_OK : rc;
}

static mk_result
window_enter(struct chunk *c, struct job_window *w, mk_err *err)
{
	mk_result rc = MK_ENOENT;

	while (rc == MK_ENOENT && w->reached < w->count && c->rows_left > 0) {
		uint32_t n = w->count - w->reached;

		n = n < AT_ONCE ? n : AT_ONCE;
		n = n < c->rows_left ? n : c->rows_left;
		sqlite3_clear_bindings(w->enter);
		for (uint32_t i = 0; i < n; i++)
			(void)sqlite3_bind_int64(w->enter, (int)i + 1,
						 w->entries[w->reached + i].id);
		rc = db_step(c->db, w->enter, err);
		w->reached += n;
		c->rows_left -= n;
		if (!is_time(c))
			break;
	}
	if (rc != MK_ENOENT)
		return rc;
	sqlite3_reset(w->enter);
	if (w->reached == w->count) {
		c->cursor = w->last;
		c->done += w->count;
	}
	return MK_OK;
}

/* --------------------------------------------------------------------------- job -- */

static mk_result
build_go_on(struct chunk *c, const struct schema_index *i, mk_err *err)
{
	mk_result rc = window_open(c, i, err);
	struct job_window *w = *c->window;

	if (rc == MK_OK && w->complete)
		return window_enter(c, w, err);
	if (rc == MK_OK)
		rc = window_collect(c, w, err);
	if (rc != MK_OK || !w->complete)
		return rc;
	if (w->count > 0)
		return w->size == AT_ONCE ? window_enter(c, w, err) : MK_OK;
	job_window_free(w); /* its statements name what is renamed */
	*c->window = NULL;
	return build_end(c->db, i, err);
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
