/* SPDX-License-Identifier: MIT */
#include "admin.h"
#include "db.h"

#include <stdio.h>
#include <string.h>

#define DROPPED_US 5000000u
#define STOP_STEPS 100000 /* of SQLite's machine, between looks at whether to stop */

/* Prepares `sql` on a connection that is to be given back; NULL: there is none. */
static struct dbc *
admin_take(struct read *r, const char *sql, sqlite3_stmt **s, mk_err *err)
{
	struct dbc *c;

	model_read(r->config.model);
	c = db_take(r, err);
	model_read_end(r->config.model);
	if (c == NULL)
		return NULL;
	db_limit(c, DROPPED_US);
	if (sqlite3_prepare_v2(c->db, sql, -1, s, NULL) != SQLITE_OK)
		*s = NULL;
	return c;
}

static mk_result
admin_give(struct read *r, struct dbc *c, sqlite3_stmt *s, int rc, mk_err *err)
{
	mk_result result = rc == SQLITE_DONE ? MK_OK : db_fail(c, err);

	sqlite3_finalize(s);
	db_give(r, c);
	return result;
}

static void
dropped_row(sqlite3_stmt *s, struct json *out)
{
	static const char *const names[] = { "hash",          "reason",      "observer_id",
					     "observer_name", "node_pubkey", "node_name",
					     "dropped_at" };

	js_object(out);
	js_kint(out, "id", sqlite3_column_int64(s, 0));
	for (int i = 0; i < 7; i++)
		js_kstr(out, names[i], (const char *)sqlite3_column_text(s, i + 1));
	if (sqlite3_column_type(s, 8) != SQLITE_NULL)
		js_kstr(out, "raw_hex", (const char *)sqlite3_column_text(s, 8));
	js_object_end(out);
}

mk_result
read_dropped(struct read *r, const char *observer, const char *key, int64_t limit, struct json *out,
	     mk_err *err)
{
	static const char sql[] =
	    "SELECT id, hash, reason, observer_id, observer_name, node_pubkey,"
	    " node_name, dropped_at, raw_hex FROM dropped_packets"
	    " WHERE (?1 IS NULL OR observer_id = ?1)"
	    " AND (?2 IS NULL OR node_pubkey = ?2)"
	    " ORDER BY dropped_at DESC, id DESC LIMIT ?3";
	sqlite3_stmt *s = NULL;
	struct dbc *c = admin_take(r, sql, &s, err);
	int rc = SQLITE_ERROR;

	if (c == NULL)
		return MK_EUNAVAIL;
	if (s != NULL) {
		sqlite3_bind_text(s, 1, observer, -1, SQLITE_STATIC); /* NULL is NULL */
		sqlite3_bind_text(s, 2, key, -1, SQLITE_STATIC);
		sqlite3_bind_int64(s, 3, limit);
		js_array(out);
		while ((rc = sqlite3_step(s)) == SQLITE_ROW)
			dropped_row(s, out);
		js_array_end(out);
	}
	return admin_give(r, c, s, rc, err);
}

mk_result
read_jobs(struct read *r, struct json *out, mk_err *err)
{
	static const char sql[] =
	    "SELECT name, status, CAST(strftime('%s', started_at) AS INTEGER),"
	    " CAST(strftime('%s', ended_at) AS INTEGER), error, rows_processed"
	    " FROM _async_migrations ORDER BY coalesce(ended_at, started_at) DESC, name LIMIT 500";
	sqlite3_stmt *s = NULL;
	struct dbc *c = admin_take(r, sql, &s, err);
	int rc = SQLITE_ERROR;

	if (c == NULL)
		return MK_EUNAVAIL;
	js_object(out);
	js_karray(out, "items");
	while (s != NULL && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		js_object(out);
		js_kstr(out, "name", (const char *)sqlite3_column_text(s, 0));
		js_kstr(out, "status", (const char *)sqlite3_column_text(s, 1));
		js_kint(out, "started", sqlite3_column_int64(s, 2));
		js_kint(out, "ended", sqlite3_column_int64(s, 3));
		js_kstr(out, "error", (const char *)sqlite3_column_text(s, 4));
		js_kint(out, "rows", sqlite3_column_int64(s, 5));
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
	return admin_give(r, c, s, rc, err);
}

static int
admin_on_progress(void *stop)
{
	return atomic_load((const _Atomic bool *)stop);
}

/* A connection of one's own, whose statements end when `stop` becomes true. */
static sqlite3 *
admin_open(struct read *r, const _Atomic bool *stop, mk_err *err)
{
	struct read_state state;
	sqlite3 *db = NULL;

	model_read(r->config.model);
	read_get_state(r, &state);
	model_read_end(r->config.model);
	if (!state.ready ||
	    sqlite3_open_v2(state.database, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		sqlite3_close(db);
		(void)mk_err_set(err, MK_EUNAVAIL, "database unavailable");
		return NULL;
	}
	sqlite3_progress_handler(db, STOP_STEPS, admin_on_progress, (void *)(uintptr_t)stop);
	return db;
}

mk_result
read_backup(struct read *r, const char *file, const _Atomic bool *stop, mk_err *err)
{
	sqlite3 *db = admin_open(r, stop, err);
	mk_result rc = MK_OK;
	char *sql;

	if (db == NULL)
		return MK_EUNAVAIL;
	sql = sqlite3_mprintf("VACUUM INTO %Q", file);
	if (sql == NULL)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	else if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		rc = mk_err_set(err, MK_EIO, "%s", sqlite3_errmsg(db));
	sqlite3_free(sql);
	sqlite3_close(db);
	return rc;
}

mk_result
read_minutes(struct read *r, int64_t first, uint32_t *counts, uint32_t n, const _Atomic bool *stop,
	     int64_t *newest, mk_err *err)
{
	/* Not grouped: SQLite would sort all of them first. */
	static const char sql[] = "SELECT 0, timestamp FROM observations"
				  " WHERE timestamp >= ?1"
				  " UNION ALL SELECT 1, max(timestamp) FROM observations";
	sqlite3 *db = admin_open(r, stop, err);
	sqlite3_stmt *s = NULL;
	mk_result rc = MK_OK;
	int step;

	if (db == NULL)
		return MK_EUNAVAIL;
	memset(counts, 0, n * sizeof(counts[0]));
	step = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
	if (step == SQLITE_OK) {
		sqlite3_bind_int64(s, 1, first * 60);
		while ((step = sqlite3_step(s)) == SQLITE_ROW) {
			int64_t at = sqlite3_column_int64(s, 1); /* 0 if it is a text */

			if (sqlite3_column_int(s, 0) == 1)
				*newest = at;
			else if (at >= first * 60 && at / 60 - first < n)
				counts[at / 60 - first]++;
		}
	}
	if (step != SQLITE_DONE)
		rc = mk_err_set(err, MK_EUNAVAIL, "counting observations: %s", sqlite3_errmsg(db));
	sqlite3_finalize(s);
	sqlite3_close(db);
	return rc;
}
