/* SPDX-License-Identifier: MIT
 *
 * The table observer_metrics.
 */
#include "db.h"
#include "metrics.h"

#define METRICS_US 3000000u

static int64_t
metrics_integer(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL ? READ_NULL
							     : sqlite3_column_int64(s, column);
}

static void
metrics_row(sqlite3_stmt *s, struct read_metric *m)
{
	const char *at = (const char *)sqlite3_column_text(s, 0);

	*m = (struct read_metric){ .at = at == NULL ? "" : at,
				   .has_noise_floor = sqlite3_column_type(s, 1) != SQLITE_NULL,
				   .noise_floor = sqlite3_column_double(s, 1),
				   .tx_air_secs = metrics_integer(s, 2),
				   .rx_air_secs = metrics_integer(s, 3),
				   .recv_errors = metrics_integer(s, 4),
				   .battery_mv = metrics_integer(s, 5),
				   .packets_recv = metrics_integer(s, 6) };
}

mk_result
read_metrics(struct read *r, const struct read_metrics_query *q,
	     bool (*fn)(void *arg, const struct read_metric *m), void *arg, mk_err *err)
{
	/* The newest ones, but the oldest of them first. */
	static const char sql[] =
	    "SELECT * FROM (SELECT timestamp, noise_floor, tx_air_secs, rx_air_secs, recv_errors,"
	    " battery_mv, packets_recv FROM observer_metrics WHERE observer_id = ?1"
	    " AND timestamp >= ?2 AND timestamp <= ?3 ORDER BY timestamp DESC LIMIT ?4)"
	    " ORDER BY timestamp";
	struct dbc *c = db_take(r, err);
	sqlite3_stmt *s = NULL;
	struct read_metric m;
	mk_result result = MK_OK;
	int rc;

	if (c == NULL)
		return MK_EUNAVAIL;
	db_limit(c, METRICS_US);
	rc = sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_text(s, 1, q->observer, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(s, 2, q->since, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(s, 3, q->until[0] == '\0' ? "~" : q->until, -1,
					SQLITE_STATIC);
		(void)sqlite3_bind_int64(s, 4, q->max);
	}
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		metrics_row(s, &m);
		rc = fn(arg, &m) ? SQLITE_OK : SQLITE_DONE;
	}
	if (rc != SQLITE_DONE)
		result = db_fail(c, err);
	sqlite3_finalize(s);
	db_give(r, c);
	return result;
}
