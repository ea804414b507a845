/* SPDX-License-Identifier: MIT
 *
 * What the database knows about backfills: see job_state.h.
 */
#include "job_state.h"

#include <string.h>

#include "schema.h"

/* In _async_migrations. What is under way is pending there: CoreScope knows no other word, and after
 * a crash it is what it is. */
static const char *const status_texts[] = { "pending_async", "pending_async", "done", "failed",
					    "interrupted" };

mk_result
job_save(struct db *db, const struct job *job, mk_err *err)
{
	const struct job_def *def = job->def;
	bool ended = job->state == JOB_DONE || job->state == JOB_FAILED;
	mk_result rc;

	if (!job_is_backfill(job))
		return MK_OK;
	/* Without a position it begins from the start. */
	rc = db_run(db, err,
		    "INSERT INTO mk_jobs (name, cursor, until, skipped, attempts, paused, begun) "
		    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
		    "cursor = excluded.cursor, until = excluded.until, "
		    "skipped = excluded.skipped, attempts = excluded.attempts, "
		    "paused = excluded.paused, begun = excluded.begun",
		    "siiiiii", def->name, job->cursor, job->until, job->skipped, job->attempts,
		    (int64_t)job->paused, (int64_t)job->begun);
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

mk_result
job_save_alone(struct db *db, const struct job *job, mk_err *err)
{
	mk_result rc;

	if (!job_is_backfill(job))
		return MK_OK;
	rc = db_begin(db, err);
	if (rc != MK_OK)
		return rc;
	rc = job_save(db, job, err);
	if (rc == MK_OK)
		rc = db_commit(db, err);
	if (rc != MK_OK)
		db_rollback(db);
	return rc;
}

static void
job_read(struct job *job, sqlite3_stmt *row)
{
	const char *status = (const char *)sqlite3_column_text(row, 0);

	if (status != NULL && strcmp(status, "done") == 0)
		job->state = JOB_DONE;
	job->attempts = sqlite3_column_int64(row, 6);
	job->paused = sqlite3_column_int(row, 7) != 0;
	job->known = true;
	/* The numbers of what is done, too: they are shown. */
	if (status == NULL || strcmp(status, "failed") == 0 || sqlite3_column_int(row, 8) == 0)
		return;
	job->begun = job->state != JOB_DONE;
	job->done = sqlite3_column_int64(row, 1);
	job->total = sqlite3_column_int64(row, 2);
	job->cursor = sqlite3_column_int64(row, 3);
	job->until = sqlite3_column_int64(row, 4);
	job->skipped = sqlite3_column_int64(row, 5);
	if (job->begun)
		job->state = JOB_INTERRUPTED;
}

/* Whatever was noted: somebody may have dropped it, or built it. */
static mk_result
job_load_index(struct db *db, struct job *job, mk_err *err)
{
	const struct schema_index *missing = NULL;
	int64_t parts = 0;
	mk_result rc = schema_find_index(db, job->def->index, &missing, err);

	if (rc == MK_OK)
		rc = job_index_parts(db, job->def->index, &parts, err);
	if (rc != MK_OK)
		return rc;
	job->silent = missing == NULL && parts == 0 && job->attempts == 0;
	job->begun = job->begun && parts > 0;
	if (missing == NULL && parts == 0)
		job->state = JOB_DONE;
	else if (!job->begun)
		job->state = JOB_PENDING;
	return MK_OK;
}

mk_result
job_load(struct db *db, struct job *job, int64_t born, mk_err *err)
{
	const struct job_def *def = job->def;
	sqlite3_stmt *row;
	mk_result rc;
	bool marked = false;

	rc = db_row(db, err, &row,
		    "SELECT a.status, a.rows_processed, a.rows_total, j.cursor, j.until, "
		    "j.skipped, j.attempts, j.paused, j.begun "
		    "FROM _async_migrations a LEFT JOIN mk_jobs j ON j.name = a.name "
		    "WHERE a.name = ?",
		    "s", def->name);
	if (rc == MK_OK) {
		job_read(job, row);
		job->silent = def->born != 0 && born >= def->born;
		sqlite3_reset(row);
		return def->index != NULL ? job_load_index(db, job, err) : MK_OK;
	}
	if (rc != MK_ENOENT)
		return rc;
	if (def->index != NULL)
		return job_load_index(db, job, err);
	rc = def->trusted ? schema_marked(db, def->markers[0], &marked, err) : MK_OK;
	if ((def->born != 0 && born >= def->born) || marked) {
		job->state = JOB_DONE;
		job->silent = true;
	}
	return rc;
}

mk_result
job_announce(struct db *db, const struct job *job, mk_err *err)
{
	/* An index that is there without its job has been built by the upgrade. */
	if (job->state == JOB_DONE)
		return job->def->index == NULL || job->known || job->def->markers[0] == NULL
			   ? MK_OK
			   : job_save(db, job, err);
	return db_run(db, err,
		      "INSERT OR IGNORE INTO _async_migrations (name, status) "
		      "VALUES (?, 'pending_async')",
		      "s", job->def->name);
}

mk_result
jobs_plan(struct db *db, mk_err *err)
{
	int64_t born = 0;
	mk_result rc = schema_get(db, "born", &born, err);

	if (rc == MK_ENOENT)
		rc = MK_OK;
	for (const struct job_def *d = backfill_jobs; d->name != NULL && rc == MK_OK; d++) {
		struct job job = { .def = d };

		rc = job_load(db, &job, born, err);
		if (rc == MK_OK)
			rc = job_announce(db, &job, err);
	}
	return rc;
}
