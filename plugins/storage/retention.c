/* SPDX-License-Identifier: MIT
 *
 * What is too old leaves: nodes move to inactive_nodes, observers become inactive, the rest is
 * deleted, and pages that became free go back to the file system.
 */
#include "job_impl.h"

#include <string.h>

#define HOUR_S 3600u
#define DAILY_S 86400u
#define OBSERVATIONS_AT_ONCE 200

#define DAYS(name)                                        \
	static int64_t name(const struct jobs_options *o) \
	{                                                 \
		return o->name;                           \
	}
/* clang-format off */
DAYS(node_days)
DAYS(observer_days)
DAYS(metrics_days)
DAYS(packet_days)
DAYS(client_days)
DAYS(edge_days)
/* clang-format on */

/* ------------------------------------------------------------- nodes and observers -- */

static mk_result
node_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	int64_t id = sqlite3_column_int64(row, 0);
	mk_result rc =
	    job_update(c, NODE_MERGE("inactive_nodes", "public_key", "nodes WHERE rowid = ?1"), id,
		       err);

	if (rc == MK_OK)
		rc = job_update(c, "DELETE FROM nodes WHERE rowid = ?", id, err);
	if (rc == MK_OK)
		job_changed(c, "inactive_nodes", (const char *)sqlite3_column_text(row, 1));
	return rc;
}

/* Observers are never deleted: observations name them by their rowid, which must not come back. */
static mk_result
observer_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	mk_result rc = job_update(c, "UPDATE observers SET inactive = 1 WHERE rowid = ?",
				  sqlite3_column_int64(row, 0), err);

	if (rc == MK_OK)
		job_changed(c, "observers", (const char *)sqlite3_column_text(row, 1));
	return rc;
}

/* ------------------------------------------------------------------ simple tables -- */

static mk_result
metrics_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	return job_update(c, "DELETE FROM observer_metrics WHERE rowid = ?",
			  sqlite3_column_int64(row, 0), err);
}

/* Rows come in the order of time, so the first that is younger ends it. Both forms of text occur. */
static mk_result
dropped_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	const char *at = (const char *)sqlite3_column_text(row, 1);

	if (at != NULL &&
	    strcmp(at, strlen(at) > 10 && at[10] == 'T' ? c->limit : c->limit_space) >= 0)
		return MK_ENOENT;
	return job_update(c, "DELETE FROM dropped_packets WHERE id = ?",
			  sqlite3_column_int64(row, 0), err);
}

static mk_result
reception_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	return job_update(c, "DELETE FROM client_receptions WHERE id = ?",
			  sqlite3_column_int64(row, 0), err);
}

static bool
is_older(const struct chunk *c, const char *at)
{
	return at != NULL && strcmp(at, c->limit) < 0;
}

static mk_result
client_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	if (!is_older(c, (const char *)sqlite3_column_text(row, 1)))
		return MK_OK;
	return job_update(c, "DELETE FROM client_observers WHERE rowid = ?",
			  sqlite3_column_int64(row, 0), err);
}

static mk_result
edge_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	if (!is_older(c, (const char *)sqlite3_column_text(row, 1)))
		return MK_OK;
	return job_update(c, "DELETE FROM neighbor_edges WHERE rowid = ?",
			  sqlite3_column_int64(row, 0), err);
}

/* ------------------------------------------------------------------------ packets -- */

/* By when it was last heard, not first: a packet that is still on the air stays. */
static mk_result
packet_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	int64_t id = sqlite3_column_int64(row, 0), last = sqlite3_column_int64(row, 1);
	mk_result rc;

	if (last != 0 ? last >= c->limit_s
		      : !is_older(c, (const char *)sqlite3_column_text(row, 2)))
		return MK_OK;
	rc = db_run(c->db, err,
		    "DELETE FROM observations WHERE id IN "
		    "(SELECT id FROM observations WHERE transmission_id = ? LIMIT 200)",
		    "i", id);
	if (rc == MK_OK && db_changes(c->db) == OBSERVATIONS_AT_ONCE)
		c->stay = true;
	else if (rc == MK_OK)
		rc = job_update(c, "DELETE FROM transmissions WHERE id = ?", id, err);
	return rc;
}

/* ------------------------------------------------------------------------- vacuum -- */

/* The cursor counts pages. Does nothing in databases that were not made with auto_vacuum. */
static mk_result
vacuum_run(struct chunk *c, mk_err *err)
{
	int64_t before = 0, after = 0;
	mk_result rc = db_int(c->db, err, &before, "PRAGMA freelist_count", "");

	while (rc == MK_OK && before > 0 && c->cursor < c->options->vacuum_pages) {
		rc = db_run(c->db, err, "PRAGMA incremental_vacuum(16)", "");
		if (rc == MK_OK)
			rc = db_int(c->db, err, &after, "PRAGMA freelist_count", "");
		if (rc != MK_OK || after >= before)
			break;
		c->cursor += before - after;
		c->done += before - after - 1;
		before = after;
		if (!job_goes_on(c))
			return rc;
	}
	c->finished = true;
	return rc;
}

static int64_t
vacuum_on(const struct jobs_options *o)
{
	return o->vacuum_pages;
}

/* --------------------------------------------------------------------------- list -- */

#define BETWEEN(id) id " > ?1 AND " id " <= ?2 ORDER BY " id

const struct job_def retention_jobs[] = {
	{
	    .name = "retention_nodes",
	    .every_s = HOUR_S,
	    .select_sql = "SELECT rowid, public_key FROM nodes WHERE last_seen < ?3",
	    .row = node_row,
	    .days = node_days,
	},
	{
	    .name = "retention_observers",
	    .every_s = DAILY_S,
	    .select_sql = "SELECT rowid, id FROM observers WHERE last_seen < ?3 "
			  "AND COALESCE(inactive, 0) = 0",
	    .row = observer_row,
	    .days = observer_days,
	},
	{
	    .name = "retention_metrics_inactive",
	    .every_s = DAILY_S,
	    .select_sql = "SELECT m.rowid FROM observers o CROSS JOIN observer_metrics m "
			  "ON m.observer_id = o.id WHERE o.inactive = 1",
	    .row = metrics_row,
	    .days = observer_days,
	},
	{
	    .name = "retention_metrics",
	    .every_s = DAILY_S,
	    .select_sql = "SELECT rowid FROM observer_metrics WHERE timestamp < ?3",
	    .row = metrics_row,
	    .days = metrics_days,
	},
	{
	    .name = "retention_dropped",
	    .every_s = DAILY_S,
	    .until_sql = "SELECT COALESCE(max(id), 0) FROM dropped_packets",
	    .select_sql = "SELECT id, dropped_at FROM dropped_packets WHERE " BETWEEN("id"),
	    .row = dropped_row,
	    .days = metrics_days,
	},
	{
	    .name = "retention_packets",
	    .every_s = DAILY_S,
	    .until_sql = "SELECT COALESCE(max(id), 0) FROM transmissions",
	    .total_sql = "SELECT ?1 - min(id) + 1 FROM transmissions",
	    .select_sql =
		"SELECT id, last_seen, first_seen FROM transmissions WHERE " BETWEEN("id"),
	    .row = packet_row,
	    .days = packet_days,
	},
	{
	    .name = "retention_client_receptions",
	    .every_s = DAILY_S,
	    .select_sql = "SELECT id FROM client_receptions WHERE rx_at < ?3",
	    .row = reception_row,
	    .days = client_days,
	},
	{
	    .name = "retention_client_observers",
	    .every_s = DAILY_S,
	    .until_sql = "SELECT COALESCE(max(rowid), 0) FROM client_observers",
	    .select_sql = "SELECT rowid, last_seen FROM client_observers WHERE " BETWEEN("rowid"),
	    .row = client_row,
	    .days = client_days,
	},
	{
	    .name = "retention_edges",
	    .every_s = DAILY_S,
	    .until_sql = "SELECT COALESCE(max(rowid), 0) FROM neighbor_edges",
	    .select_sql = "SELECT rowid, last_seen FROM neighbor_edges WHERE " BETWEEN("rowid"),
	    .row = edge_row,
	    .days = edge_days,
	},
	{
	    .name = "vacuum",
	    .every_s = HOUR_S,
	    .run = vacuum_run,
	    .days = vacuum_on,
	},
	{ .name = NULL },
};
