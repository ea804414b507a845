/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[SQL_COUNT] = {
#define ROWS_STATEMENT_TEXT(name, text) [SQL_##name] = text,
	ROWS_STATEMENTS(ROWS_STATEMENT_TEXT)
#undef ROWS_STATEMENT_TEXT
};

mk_result
rows_open(struct rows *r, struct db *db, struct stats *stats, struct events *events, mk_err *err)
{
	mk_result rc = MK_OK;

	*r = (struct rows){ .db = db, .stats = stats, .events = events, .bucket_s = 300 };
	for (size_t i = 0; i < SQL_COUNT && rc == MK_OK; i++)
		rc = db_stmt(db, texts[i], &r->sql[i], err);
	if (rc == MK_OK && resolve_new(&r->resolve) != MK_OK)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == MK_OK)
		rc = rows_load(r, err);
	if (rc != MK_OK)
		rows_close(r);
	return rc;
}

void
rows_close(struct rows *r)
{
	if (r->db == NULL)
		return;
	observers_clear(r);
	nodes_clear(r);
	free(r->txs);
	free(r->tx_dirty);
	free(r->observers);
	free(r->nodes);
	free(r->node_slots);
	resolve_free(r->resolve);
	events_drop(r->events);
	*r = (struct rows){ 0 };
}

mk_result
rows_load(struct rows *r, mk_err *err)
{
	events_drop(r->events);
	observers_clear(r);
	nodes_clear(r);
	rows_forget_txs(r);
	return resolve_load(r->resolve, r->db, err);
}

void
rows_undo(struct rows *r)
{
	observer_undo(r);
}

mk_result
rows_flush(struct rows *r, mk_err *err)
{
	mk_result rc = txs_flush(r, err);

	if (rc == MK_OK)
		rc = nodes_flush(r, err);
	if (rc == MK_OK)
		rc = observers_flush(r, err);
	return rc;
}

mk_result
rows_changed(struct rows *r, const char *table, const char *key, mk_err *err)
{
	return strcmp(table, "observers") == 0 ? observer_changed(r, key, err)
					       : node_changed(r, key, err);
}

/* ------------------------------------------------------------ statements -- */

void
rows_bind_text(sqlite3_stmt *s, int i, struct text t)
{
	if (t.s != NULL && t.len > 0)
		(void)sqlite3_bind_text(s, i, t.s, (int)t.len, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(s, i);
}

void
rows_bind_chars(sqlite3_stmt *s, int i, const char *text)
{
	(void)sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

void
rows_bind_real(sqlite3_stmt *s, int i, struct real v)
{
	(void)(v.is ? sqlite3_bind_double(s, i, v.v) : sqlite3_bind_null(s, i));
}

void
rows_bind_integer(sqlite3_stmt *s, int i, struct integer v)
{
	(void)(v.is ? sqlite3_bind_int64(s, i, v.v) : sqlite3_bind_null(s, i));
}

sqlite3_stmt *
rows_statement(struct rows *r, enum rows_statement which)
{
	(void)sqlite3_reset(r->sql[which]);
	return r->sql[which];
}

mk_result
rows_run(struct rows *r, sqlite3_stmt *s, mk_err *err)
{
	mk_result rc = db_step(r->db, s, err);

	if (rc == MK_OK)
		(void)sqlite3_reset(s);
	return rc == MK_ENOENT ? MK_OK : rc;
}

mk_result
rows_spare(struct rows *r, mk_result rc)
{
	if (db_class(rc) != DB_ROW)
		return rc;
	r->stats->write_errors++;
	return MK_OK;
}

static void
rows_event_value(mk_writer *w, sqlite3_stmt *row, int i)
{
	const char *text;

	mk_put_str(w, sqlite3_column_name(row, i));
	switch (sqlite3_column_type(row, i)) {
	case SQLITE_INTEGER:
		mk_put_i64(w, sqlite3_column_int64(row, i));
		break;
	case SQLITE_FLOAT:
		mk_put_f64(w, sqlite3_column_double(row, i));
		break;
	default:
		text = (const char *)sqlite3_column_text(row, i);
		if (text != NULL && mk_utf8_valid(text, strlen(text)))
			mk_put_str(w, text);
		else /* written by another program */
			mk_put_str(w, "?");
		break;
	}
}

mk_writer *
rows_event(struct rows *r, sqlite3_stmt *row, uint32_t extra)
{
	mk_writer *w = events_item(r->events);
	int columns = sqlite3_column_count(row);
	uint32_t known = 0;

	for (int i = 0; i < columns; i++)
		known += sqlite3_column_type(row, i) != SQLITE_NULL;
	mk_put_map(w, known + extra);
	for (int i = 0; i < columns; i++)
		if (sqlite3_column_type(row, i) != SQLITE_NULL)
			rows_event_value(w, row, i);
	return w;
}

struct text
rows_text(sqlite3_stmt *row, const char *column)
{
	int i = 0, n = sqlite3_column_count(row);
	const char *s;

	while (i < n && strcmp(sqlite3_column_name(row, i), column) != 0)
		i++;
	s = i == n ? NULL : (const char *)sqlite3_column_text(row, i);
	return (struct text){ s, s == NULL ? 0 : strlen(s) };
}
