/* SPDX-License-Identifier: MIT
 *
 * Connections to the database, read-only, and who there is.
 */
#include "db.h"

#include <stdlib.h>
#include <string.h>

#define BUSY_MS 1000
#define IDLE_MAX 4u
#define IDLE_CACHE_KIB 512u
#define PROGRESS_STEPS 10000 /* of SQLite's machine, between looks at the clock */

mk_result
db_fail(struct dbc *c, mk_err *err)
{
	int rc = sqlite3_extended_errcode(c->db) & 255;

	if (rc == SQLITE_INTERRUPT)
		return mk_err_set(err, MK_ETIMEDOUT, "reading the database takes too long");
	return mk_err_set(err, rc == SQLITE_NOMEM ? MK_ENOMEM : MK_EUNAVAIL,
			  "reading the database: %s", sqlite3_errmsg(c->db));
}

static int
db_on_progress(void *arg)
{
	const struct dbc *c = arg;

	return c->until_us != 0 && c->r->config.host->now_us(c->r->config.host) > c->until_us;
}

void
db_limit(struct dbc *c, uint64_t us)
{
	c->until_us = c->r->config.host->now_us(c->r->config.host) + us;
}

mk_result
db_open(struct dbc **out, const struct read *r, const char *path, uint32_t cache_kib, mk_err *err)
{
	struct dbc *c = calloc(1, sizeof(*c));
	char *pragma;
	mk_result rc;

	if (c == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	c->r = r;
	c->storage_epoch = r->storage_epoch;
	pragma = sqlite3_mprintf("PRAGMA cache_size = -%u; PRAGMA query_only = 1", cache_kib);
	if (sqlite3_open_v2(path, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) !=
		SQLITE_OK ||
	    pragma == NULL || sqlite3_busy_timeout(c->db, BUSY_MS) != SQLITE_OK ||
	    sqlite3_exec(c->db, pragma, NULL, NULL, NULL) != SQLITE_OK) {
		rc = c->db == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : db_fail(c, err);
		sqlite3_free(pragma);
		db_close(c);
		return rc;
	}
	sqlite3_free(pragma);
	sqlite3_progress_handler(c->db, PROGRESS_STEPS, db_on_progress, c);
	*out = c;
	return MK_OK;
}

void
db_close(struct dbc *c)
{
	for (int i = 0; i < DB_STATEMENTS; i++)
		sqlite3_finalize(c->kept[i]);
	sqlite3_close(c->db);
	free(c);
}

struct dbc *
db_take(struct read *r, mk_err *err)
{
	struct dbc *c;

	if (!r->ready) {
		(void)mk_err_set(err, MK_EUNAVAIL, "the database is not ready");
		return NULL;
	}
	pthread_mutex_lock(&r->db_lock);
	c = r->idle;
	if (c != NULL)
		r->idle = c->next;
	pthread_mutex_unlock(&r->db_lock);
	if (c != NULL && c->storage_epoch == r->storage_epoch)
		return c;
	if (c != NULL)
		db_close(c);
	return db_open(&c, r, r->database, IDLE_CACHE_KIB, err) == MK_OK ? c : NULL;
}

void
db_reset(struct dbc *c)
{
	for (int i = 0; i < DB_STATEMENTS; i++)
		sqlite3_reset(c->kept[i]);
	c->until_us = 0;
}

void
db_give(struct read *r, struct dbc *c)
{
	uint32_t n = 0;

	db_reset(c);
	pthread_mutex_lock(&r->db_lock);
	for (const struct dbc *at = r->idle; at != NULL; at = at->next)
		n++;
	if (n < IDLE_MAX) {
		c->next = r->idle;
		r->idle = c;
	}
	pthread_mutex_unlock(&r->db_lock);
	if (n >= IDLE_MAX)
		db_close(c);
}

void
db_close_idle(struct read *r)
{
	pthread_mutex_lock(&r->db_lock);
	while (r->idle != NULL) {
		struct dbc *c = r->idle;

		r->idle = c->next;
		db_close(c);
	}
	pthread_mutex_unlock(&r->db_lock);
}

/* ----------------------------------------------------------------- people -- */

static int
db_column(sqlite3_stmt *s, const char *column)
{
	int n = sqlite3_column_count(s);

	for (int i = 0; i < n; i++)
		if (strcmp(sqlite3_column_name(s, i), column) == 0)
			return sqlite3_column_type(s, i) == SQLITE_NULL ? -1 : i;
	return -1;
}

static const char *
db_row_text(void *arg, const char *column, size_t *len)
{
	int i = db_column(arg, column);
	const char *text = i < 0 ? NULL : (const char *)sqlite3_column_text(arg, i);

	*len = text == NULL ? 0 : strlen(text);
	return text;
}

static bool
db_row_integer(void *arg, const char *column, int64_t *out)
{
	int i = db_column(arg, column);

	if (i >= 0)
		*out = sqlite3_column_int64(arg, i);
	return i >= 0;
}

static bool
db_row_real(void *arg, const char *column, double *out)
{
	int i = db_column(arg, column);

	if (i >= 0)
		*out = sqlite3_column_double(arg, i);
	return i >= 0;
}

enum people { PEOPLE_INACTIVE, PEOPLE_NODES, PEOPLE_OBSERVERS };

static mk_result
db_load_table(struct read *r, struct dbc *c, const char *sql, enum people which, mk_err *err)
{
	sqlite3_stmt *s = NULL;
	struct row row = { NULL, db_row_text, db_row_integer, db_row_real };
	int rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);

	row.arg = s;
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		if (which == PEOPLE_OBSERVERS)
			(void)people_set_observer(r, &row, false);
		else
			(void)people_set_node(r, &row, which == PEOPLE_NODES, false);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(s);
	return rc == SQLITE_DONE ? MK_OK : db_fail(c, err);
}

mk_result
db_load_people(struct read *r, struct dbc *c, mk_err *err)
{
	mk_result rc;

	model_write(r->config.model);
	if (c->storage_epoch != r->storage_epoch) { /* these are of the one before */
		model_write_end(r->config.model, 0);
		return MK_OK;
	}
	people_clear(r);
	/* A key may be in both tables; then the active row counts. */
	rc = db_load_table(r, c, "SELECT * FROM inactive_nodes", PEOPLE_INACTIVE, err);
	if (rc == MK_OK)
		rc = db_load_table(r, c, "SELECT * FROM nodes", PEOPLE_NODES, err);
	if (rc == MK_OK)
		rc = db_load_table(r, c, "SELECT rowid AS idx, * FROM observers", PEOPLE_OBSERVERS,
				   err);
	r->ready = rc == MK_OK;
	nodes_settle(r);
	model_write_end(r->config.model, MODEL_NODES | MODEL_OBSERVERS | MODEL_WARM);
	return rc;
}

mk_result
db_totals(struct read *r, int64_t from, int64_t to, uint64_t *there, uint64_t *txs, uint64_t *obs)
{
	mk_err err;
	struct dbc *c = db_take(r, &err);
	sqlite3_stmt *s = NULL;
	int rc;

	if (c == NULL)
		return MK_EUNAVAIL;
	rc = sqlite3_prepare_v2(c->db,
				"SELECT (SELECT count(*) FROM transmissions WHERE id BETWEEN ?1 AND"
				" ?2), (SELECT count(*) FROM transmissions), (SELECT count(*) FROM"
				" observations)",
				-1, &s, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(s, 1, from);
		(void)sqlite3_bind_int64(s, 2, to);
		rc = sqlite3_step(s);
	}
	if (rc == SQLITE_ROW) {
		*there = (uint64_t)sqlite3_column_int64(s, 0);
		*txs = (uint64_t)sqlite3_column_int64(s, 1);
		*obs = (uint64_t)sqlite3_column_int64(s, 2);
	}
	sqlite3_finalize(s);
	db_give(r, c);
	return rc == SQLITE_ROW ? MK_OK : MK_EUNAVAIL;
}
