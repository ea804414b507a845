/* SPDX-License-Identifier: MIT
 *
 * What the database knows about backfills: see job_state.h.
 */
#include "job_state.h"

#include <string.h>

#include "schema.h"

/* In _async_migrations. */
static const char *const status_texts[] = { "pending_async", "pending_async", "done", "failed",
					    "interrupted" };

mk_result
job_save(struct db *db, const struct job *job, mk_err *err)
{
	const struct job_def *def = job->def;
	bool ended = job->state == JOB_DONE || job->state == JOB_FAILED;
	mk_result rc;

	if (def->every_s != 0)
		return MK_OK;
	rc = db_run(db, err,
		    "INSERT INTO mk_jobs (name, cursor, until) VALUES (?, ?, ?) "
		    "ON CONFLICT (name) DO UPDATE SET cursor = excluded.cursor, "
		    "until = excluded.until",
		    "sii", def->name, job->cursor, job->until);
	if (rc == MK_OK)
		rc = db_run(
		    db, err,
		    "INSERT INTO _async_migrations (name, status, error, ended_at, "
		    "rows_processed, rows_total, last_update_at) VALUES (?1, ?2, ?3, "
		    "CASE WHEN ?4 THEN datetime('now') END, ?5, ?6, "
		    "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')) ON CONFLICT (name) DO UPDATE SET "
		    "status = excluded.status, error = excluded.error, "
		    "ended_at = excluded.ended_at, rows_processed = excluded.rows_processed, "
		    "rows_total = excluded.rows_total, "
		    "last_update_at = excluded.last_update_at",
		    "sssiii", def->name, status_texts[job->state],
		    job->error[0] == '\0' ? NULL : job->error, (int64_t)ended, job->done,
		    job->total);
	for (size_t i = 0; rc == MK_OK && job->state == JOB_DONE && i < 2; i++) {
		if (def->markers[i] != NULL)
			rc = schema_mark(db, def->markers[i], err);
	}
	return rc;
}

void
job_save_alone(struct db *db, struct job *job)
{
	if (job->def->every_s != 0 || db_begin(db, NULL) != MK_OK)
		return;
	if (job_save(db, job, NULL) != MK_OK || db_commit(db, NULL) != MK_OK)
		db_rollback(db);
}

mk_result
job_load(struct db *db, struct job *job, int64_t born, mk_err *err)
{
	const struct job_def *def = job->def;
	sqlite3_stmt *row;
	mk_result rc;
	bool marked = false;

	rc = db_row(db, err, &row,
		    "SELECT a.status, a.rows_processed, a.rows_total, j.cursor, j.until "
		    "FROM _async_migrations a LEFT JOIN mk_jobs j ON j.name = a.name "
		    "WHERE a.name = ?",
		    "s", def->name);
	if (rc == MK_OK) {
		const char *status = (const char *)sqlite3_column_text(row, 0);

		if (strcmp(status, "done") == 0)
			job->state = JOB_DONE;
		else if (strcmp(status, "failed") != 0 &&
			 sqlite3_column_type(row, 3) != SQLITE_NULL) {
			job->begun = true;
			job->done = sqlite3_column_int64(row, 1);
			job->total = sqlite3_column_int64(row, 2);
			job->cursor = sqlite3_column_int64(row, 3);
			job->until = sqlite3_column_int64(row, 4);
		}
		sqlite3_reset(row);
		job->silent = job->state == JOB_DONE;
		return MK_OK;
	}
	if (rc != MK_ENOENT)
		return rc;
	rc = def->trusted ? schema_marked(db, def->markers[0], &marked, err) : MK_OK;
	if (born >= def->born || marked) {
		job->state = JOB_DONE;
		job->silent = true;
	}
	return rc;
}
