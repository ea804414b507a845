/* SPDX-License-Identifier: MIT
 *
 * Comparing a database with the lists, and completing it: see schema.h.
 */
#include "schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "schema_list.h"

#define SQL_MAX 2048
#define LARGE_ROWS 50000 /* an index over so many takes some tens of milliseconds */

/* ------------------------------------------------------------- what is there -- */

/* The SQL of an object; MK_ENOENT if there is none of the name. Valid until the next call. */
static mk_result
object_sql(struct db *db, const char *type, const char *name, sqlite3_stmt **row, mk_err *err)
{
	return db_row(db, err, row, "SELECT sql FROM sqlite_master WHERE type = ? AND name = ?",
		      "ss", type, name);
}

static mk_result
object_exists(struct db *db, const char *type, const char *name, bool *exists, mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = object_sql(db, type, name, &row, err);

	if (rc != MK_OK && rc != MK_ENOENT)
		return rc;
	*exists = rc == MK_OK;
	if (rc == MK_OK)
		sqlite3_reset(row);
	return MK_OK;
}

static mk_result
column_exists(struct db *db, const char *table, const char *column, bool *exists, mk_err *err)
{
	int64_t count = 0;
	mk_result rc =
	    db_int(db, err, &count,
		   "SELECT count(*) FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE", "ss",
		   table, column);

	if (rc == MK_OK)
		*exists = count > 0;
	return rc;
}

/* SQL without what does not matter: white space, quotes around names, case. */
static const char *
significant(const char *sql)
{
	while (isspace((unsigned char)*sql) || (*sql != '\0' && strchr("\"`[]", *sql) != NULL))
		sql++;
	return sql;
}

static bool
same_sql(const char *a, const char *b)
{
	for (;; a++, b++) {
		a = significant(a);
		b = significant(b);
		if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
			return false;
		if (*a == '\0')
			return true;
	}
}

static mk_result
object_differs(struct db *db, const char *type, const char *name, const char *sql, bool *differs,
	       mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = object_sql(db, type, name, &row, err);

	if (rc == MK_ENOENT)
		*differs = true;
	if (rc == MK_OK) {
		const char *text = (const char *)sqlite3_column_text(row, 0);

		*differs = text == NULL || !same_sql(text, sql);
		sqlite3_reset(row);
	}
	return rc == MK_ENOENT ? MK_OK : rc;
}

/* A column that ALTER TABLE cannot add belongs to every database of the kind. */
static bool
is_essential(const struct column *c)
{
	return strstr(c->decl, "PRIMARY KEY") != NULL || strchr(c->decl, '(') != NULL ||
	       (strstr(c->decl, "NOT NULL") != NULL && strstr(c->decl, "DEFAULT") == NULL);
}

/* ---------------------------------------------------------------- the missing -- */

struct missing {
	char *text; /* may be NULL: only whether there is anything */
	size_t size, length;
	bool any;
};

static void
missing_add(struct missing *m, const char *kind, const char *name, const char *part)
{
	int n;

	if (m->text != NULL && m->length < m->size) {
		n = snprintf(m->text + m->length, m->size - m->length, "%s%s %s%s%s",
			     m->any ? ", " : "", kind, name, part == NULL ? "" : ".",
			     part == NULL ? "" : part);
		m->length += n > 0 ? (size_t)n : 0;
	}
	m->any = true;
}

static mk_result
missing_tables(struct db *db, struct missing *m, mk_err *err)
{
	mk_result rc = MK_OK;

	for (const struct table *t = schema_tables; t->name != NULL && rc == MK_OK; t++) {
		bool there = false;

		rc = object_exists(db, "table", t->name, &there, err);
		if (rc == MK_OK && !there) {
			missing_add(m, "table", t->name, NULL);
			continue;
		}
		for (const struct column *c = t->columns; c->name != NULL && rc == MK_OK; c++) {
			rc = column_exists(db, t->name, c->name, &there, err);
			if (rc == MK_OK && !there)
				missing_add(m, "column", t->name, c->name);
		}
	}
	return rc;
}

static mk_result
missing_others(struct db *db, struct missing *m, mk_err *err)
{
	mk_result rc = MK_OK;
	bool hit = false;

	for (const struct schema_index *i = schema_indexes; i->name != NULL && rc == MK_OK; i++) {
		hit = false;
		if (i->later == NULL)
			rc = object_differs(db, "index", i->name, i->sql, &hit, err);
		if (rc == MK_OK && hit)
			missing_add(m, "index", i->name, NULL);
	}
	if (rc == MK_OK)
		rc = object_differs(db, "view", "packets_v", schema_view, &hit, err);
	if (rc == MK_OK && hit)
		missing_add(m, "view", "packets_v", NULL);
	for (const char *const *d = schema_dropped; *d != NULL && rc == MK_OK; d++) {
		rc = object_exists(db, "index", *d, &hit, err);
		if (rc == MK_OK && hit)
			missing_add(m, "removal of index", *d, NULL);
	}
	return rc;
}

static mk_result
missing_find(struct db *db, struct missing *m, mk_err *err)
{
	mk_result rc = missing_tables(db, m, err);

	return rc == MK_OK ? missing_others(db, m, err) : rc;
}

mk_result
schema_missing(struct db *db, char *text, size_t size, mk_err *err)
{
	struct missing m = { .text = text, .size = size };

	text[0] = '\0';
	return missing_find(db, &m, err);
}

/* -------------------------------------------------------------------- judging -- */

/* Too old, or not CoreScope's at all. */
static mk_result
judge_kind(struct db *db, mk_err *err)
{
	static const char *const needed[] = { "nodes", "observers", "transmissions", NULL };
	bool old = false, there = false, packets = false;
	mk_result rc = column_exists(db, "observations", "observer_id", &old, err);

	if (rc == MK_OK)
		rc = column_exists(db, "observations", "observer_idx", &there, err);
	if (rc == MK_OK)
		rc = object_exists(db, "table", "packets", &packets, err);
	if (rc != MK_OK)
		return rc;
	old = old && !there;
	for (const char *const *t = needed; *t != NULL; t++) {
		rc = object_exists(db, "table", *t, &there, err);
		if (rc != MK_OK)
			return rc;
		if (!there && !packets && !old)
			return mk_err_set(
			    err, MK_EABI,
			    "%s belongs to another program: it has no table %s; it was "
			    "left as it is",
			    db_path(db), *t);
		old = old || !there;
	}
	if (old)
		return mk_err_set(
		    err, MK_EABI,
		    "%s is a CoreScope database before version 3: let the last Node.js "
		    "version of CoreScope open a copy of it once, which converts it, and "
		    "then import that copy with `meshkern import`",
		    db_path(db));
	return MK_OK;
}

/* What is written relies on columns that cannot be added, and on what makes rows unique. */
static mk_result
judge_tables(struct db *db, mk_err *err)
{
	char sql[256];
	bool there = false;
	mk_result rc = MK_OK;

	for (const struct table *t = schema_tables; t->name != NULL && rc == MK_OK; t++) {
		sqlite3_stmt *probe = NULL;

		rc = object_exists(db, "table", t->name, &there, err);
		if (rc != MK_OK || !there)
			continue;
		for (const struct column *c = t->columns; c->name != NULL && rc == MK_OK; c++) {
			if (is_essential(c))
				rc = column_exists(db, t->name, c->name, &there, err);
			if (rc == MK_OK && !there)
				return mk_err_set(err, MK_EABI,
						  "%s is no CoreScope database: it has no column "
						  "%s.%s; it was left as it is",
						  db_path(db), t->name, c->name);
		}
		if (rc != MK_OK)
			break;
		(void)snprintf(sql, sizeof(sql),
			       "INSERT INTO %s SELECT * FROM %s WHERE 0 ON CONFLICT (%s) "
			       "DO NOTHING",
			       t->name, t->name, t->unique);
		if ((sqlite3_prepare_v2(db_handle(db), sql, -1, &probe, NULL) & 0xff) ==
		    SQLITE_ERROR)
			rc = mk_err_set(
			    err, MK_EABI,
			    "%s: table %s is not unique by %s (%s); it was left as it is",
			    db_path(db), t->name, t->unique, sqlite3_errmsg(db_handle(db)));
		sqlite3_finalize(probe);
	}
	return rc;
}

mk_result
schema_probe(struct db *db, enum schema_state *state, mk_err *err)
{
	struct missing missing = { .any = false };
	int64_t tables = 0, version = 0;
	bool ours = false;
	mk_result rc = db_int(db, err, &tables,
			      "SELECT count(*) FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' "
			      "ESCAPE '\\'",
			      "");

	if (rc == MK_OK && tables == 0) {
		*state = SCHEMA_EMPTY;
		return MK_OK;
	}
	if (rc == MK_OK)
		rc = object_exists(db, "table", "mk_state", &ours, err);
	if (rc == MK_OK && ours)
		rc = schema_get(db, "schema", &version, err);
	if (rc == MK_ENOENT)
		rc = MK_OK;
	if (rc == MK_OK && version > SCHEMA_VERSION)
		rc = mk_err_set(err, MK_EABI,
				"%s was made by a newer meshkern (schema %lld, this one knows %d): "
				"install that version again, or restore a backup",
				db_path(db), (long long)version, SCHEMA_VERSION);
	if (rc == MK_OK)
		rc = judge_kind(db, err);
	if (rc == MK_OK)
		rc = judge_tables(db, err);
	if (rc == MK_OK)
		rc = missing_find(db, &missing, err);
	if (rc == MK_OK)
		*state = missing.any || version < SCHEMA_VERSION ? SCHEMA_UPGRADE : SCHEMA_READY;
	return rc;
}

/* ----------------------------------------------------------------- completing -- */

static mk_result
table_create(struct db *db, const struct table *t, mk_err *err)
{
	char sql[SQL_MAX];
	size_t at = (size_t)snprintf(sql, sizeof(sql), "CREATE TABLE %s (", t->name);

	for (const struct column *c = t->columns; c->name != NULL; c++)
		at += (size_t)snprintf(sql + at, sizeof(sql) - at, "%s%s%s%s",
				       c == t->columns ? "" : ", ", c->name,
				       c->decl[0] == '\0' ? "" : " ", c->decl);
	(void)snprintf(sql + at, sizeof(sql) - at, "%s)", t->tail);
	return db_exec(db, sql, err);
}

static mk_result
table_complete(struct db *db, const struct table *t, mk_err *err)
{
	mk_result rc = MK_OK;
	char sql[256];

	for (const struct column *c = t->columns; c->name != NULL && rc == MK_OK; c++) {
		bool there = false;

		rc = column_exists(db, t->name, c->name, &there, err);
		if (rc != MK_OK || there)
			continue;
		(void)snprintf(sql, sizeof(sql), "ALTER TABLE %s ADD COLUMN %s %s", t->name,
			       c->name, c->decl);
		rc = db_exec(db, sql, err);
	}
	return rc;
}

mk_result
schema_add_tables(struct db *db, mk_err *err)
{
	mk_result rc = MK_OK;

	for (const struct table *t = schema_tables; t->name != NULL && rc == MK_OK; t++) {
		bool there = false;

		rc = object_exists(db, "table", t->name, &there, err);
		if (rc == MK_OK)
			rc = there ? table_complete(db, t, err) : table_create(db, t, err);
	}
	return rc;
}

/* By its ids, since counting would read all of it. */
static mk_result
table_is_large(struct db *db, const char *table, bool *large, mk_err *err)
{
	char sql[128];
	sqlite3_stmt *row = NULL;
	int rc;

	(void)snprintf(sql, sizeof(sql), "SELECT COALESCE(max(rowid), 0) FROM %s", table);
	rc = sqlite3_prepare_v2(db_handle(db), sql, -1, &row, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(row);
	if (rc == SQLITE_ROW)
		*large = sqlite3_column_int64(row, 0) > LARGE_ROWS;
	sqlite3_finalize(row);
	return rc == SQLITE_ROW ? MK_OK : db_fail(db, rc, err);
}

static mk_result
next_index(struct db *db, bool all, const struct schema_index **out, mk_err *err)
{
	for (const struct schema_index *i = schema_indexes; i->name != NULL; i++) {
		bool differs = false, large = false;
		mk_result rc = object_differs(db, "index", i->name, i->sql, &differs, err);

		if (rc == MK_OK && differs && i->later != NULL && !all)
			rc = table_is_large(db, i->table, &large, err);
		if (rc != MK_OK)
			return rc;
		if (differs && !large) {
			*out = i;
			return MK_OK;
		}
	}
	*out = NULL;
	return MK_OK;
}

mk_result
schema_next_index(struct db *db, const struct schema_index **out, mk_err *err)
{
	return next_index(db, true, out, err);
}

mk_result
schema_next_needed(struct db *db, const struct schema_index **out, mk_err *err)
{
	return next_index(db, false, out, err);
}

mk_result
schema_find_index(struct db *db, const char *name, const struct schema_index **out, mk_err *err)
{
	const struct schema_index *i = schema_indexes;
	bool differs = false;
	mk_result rc;

	while (i->name != NULL && strcmp(i->name, name) != 0)
		i++;
	if (i->name == NULL)
		return mk_err_set(err, MK_EINVAL, "no index is called %s", name);
	rc = object_differs(db, "index", i->name, i->sql, &differs, err);
	if (rc == MK_OK)
		*out = differs ? i : NULL;
	return rc;
}

static mk_result
object_drop(struct db *db, const char *type, const char *name, mk_err *err)
{
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "DROP %s IF EXISTS %s", type, name);
	return db_exec(db, sql, err);
}

mk_result
schema_add_index(struct db *db, const struct schema_index *index, mk_err *err)
{
	mk_result rc = object_drop(db, "INDEX", index->name, err);

	return rc == MK_OK ? db_exec(db, index->sql, err) : rc;
}

mk_result
schema_add_view(struct db *db, mk_err *err)
{
	bool differs = false;
	mk_result rc = object_differs(db, "view", "packets_v", schema_view, &differs, err);

	if (rc == MK_OK && differs)
		rc = object_drop(db, "VIEW", "packets_v", err);
	if (rc == MK_OK && differs)
		rc = db_exec(db, schema_view, err);
	for (const char *const *d = schema_dropped; *d != NULL && rc == MK_OK; d++)
		rc = object_drop(db, "INDEX", *d, err);
	return rc;
}

mk_result
schema_finish(struct db *db, mk_err *err)
{
	mk_result rc = MK_OK;

	for (const char *const *m = schema_markers; *m != NULL && rc == MK_OK; m++)
		rc = schema_mark(db, *m, err);
	return rc == MK_OK ? schema_set(db, "schema", SCHEMA_VERSION, err) : rc;
}

mk_result
schema_create(struct db *db, mk_err *err)
{
	mk_result rc = MK_OK;

	for (const struct table *t = schema_tables; t->name != NULL && rc == MK_OK; t++) {
		rc = table_create(db, t, err);
		for (const struct schema_index *i = schema_indexes; i->name != NULL && rc == MK_OK;
		     i++) {
			if (strcmp(i->table, t->name) == 0)
				rc = db_exec(db, i->sql, err);
		}
	}
	if (rc == MK_OK)
		rc = schema_add_view(db, err);
	if (rc == MK_OK)
		rc = schema_finish(db, err);
	for (const char *const *m = schema_job_markers; *m != NULL && rc == MK_OK; m++)
		rc = schema_mark(db, *m, err);
	if (rc == MK_OK)
		rc = db_exec(db,
			     "INSERT INTO _async_migrations (name, status, ended_at) "
			     "VALUES ('obs_observer_ts_idx_v1', 'done', datetime('now')), "
			     "('tx_last_seen_backfill_v1', 'done', datetime('now'))",
			     err);
	/* There is nothing in it that a job of today would have to repair. */
	return rc == MK_OK ? schema_set(db, "born", SCHEMA_VERSION, err) : rc;
}

/* ---------------------------------------------------------------------- state -- */

mk_result
schema_get(struct db *db, const char *name, int64_t *value, mk_err *err)
{
	return db_int(db, err, value, "SELECT value FROM mk_state WHERE name = ?", "s", name);
}

mk_result
schema_set(struct db *db, const char *name, int64_t value, mk_err *err)
{
	return db_run(db, err,
		      "INSERT INTO mk_state (name, value) VALUES (?, ?) "
		      "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		      "si", name, value);
}

mk_result
schema_marked(struct db *db, const char *marker, bool *done, mk_err *err)
{
	int64_t count = 0;
	mk_result rc =
	    db_int(db, err, &count, "SELECT count(*) FROM _migrations WHERE name = ?", "s", marker);

	if (rc == MK_OK)
		*done = count > 0;
	return rc;
}

mk_result
schema_mark(struct db *db, const char *marker, mk_err *err)
{
	return db_run(db, err, "INSERT OR IGNORE INTO _migrations (name) VALUES (?)", "s", marker);
}
