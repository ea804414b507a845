/* SPDX-License-Identifier: MIT
 *
 * One step of a job: a transaction with some rows, the position behind them, and the progress. Owned
 * by the plugin, on its thread.
 */
#include "job_state.h"

#include <stdio.h>

#include "stamp.h"

#define SECOND_US UINT64_C(1000000)
#define DAY_S INT64_C(86400)

uint64_t
jobs_now(const struct jobs *jobs)
{
	return jobs->options.now_us(jobs->options.arg);
}

/* ------------------------------------------------------------------ for the jobs -- */

bool
job_goes_on(struct chunk *c)
{
	c->done++;
	return c->rows_left-- > 1 && c->options->now_us(c->options->arg) < c->until_us;
}

mk_result
job_spare(struct chunk *c, mk_result rc)
{
	if (rc != MK_EEXIST)
		return rc;
	c->skipped++;
	return MK_OK;
}

mk_result
job_update(struct chunk *c, const char *sql, int64_t id, mk_err *err)
{
	return job_spare(c, db_run(c->db, err, sql, "i", id));
}

void
job_changed(struct chunk *c, const char *table, const char *key)
{
	if (c->options->on_change != NULL && key != NULL)
		c->options->on_change(c->options->arg, table, key);
}

/* ------------------------------------------------------------------ its beginning -- */

/* Fixes what will be looked at. */
static mk_result
step_begin(struct jobs *jobs, struct job *job, mk_err *err)
{
	const struct job_def *def = job->def;
	int64_t until = 0, total = 0;
	mk_result rc = MK_OK;

	if (def->begin != NULL)
		rc = def->begin(def, &until, &total, err);
	else if (def->until_sql != NULL)
		rc = db_int(jobs->db, err, &until, def->until_sql, "");
	if (rc == MK_OK && def->total_sql != NULL)
		rc = db_int(jobs->db, err, &total, def->total_sql, "i", until);
	if (rc == MK_OK && job_is_backfill(job))
		rc = db_run(
		    jobs->db, err,
		    "INSERT INTO _async_migrations (name, status) VALUES (?, 'pending_async') "
		    "ON CONFLICT (name) DO UPDATE SET status = 'pending_async', error = NULL, "
		    "started_at = datetime('now'), ended_at = NULL",
		    "s", def->name);
	/* A total without rows has no least id. */
	if (rc == MK_ENOENT)
		rc = mk_err_set(err, MK_EFORMAT, "%s: no answer to what there is to do", def->name);
	if (rc != MK_OK)
		return rc;
	job->until = until;
	job->total = total;
	/* An index is of all rows, of those with odd ids, too. */
	job->cursor = def->newest_first ? -until - 1 : def->index != NULL ? INT64_MIN : 0;
	job->done = job->skipped = 0;
	job->attempts++;
	job->begun = true;
	return MK_OK;
}

static mk_result
step_resolve(struct jobs *jobs, struct chunk *c, mk_err *err)
{
	mk_result rc = MK_OK;

	c->resolve = jobs->options.resolve;
	if (!c->def->resolves || c->resolve != NULL)
		return MK_OK;
	if (jobs->resolve == NULL) {
		rc = resolve_new(&jobs->resolve);
		if (rc != MK_OK)
			return mk_err_set(err, rc, "out of memory");
		rc = resolve_load(jobs->resolve, jobs->db, err);
	}
	c->resolve = jobs->resolve;
	return rc;
}

static void
step_limit(struct chunk *c, int64_t days)
{
	struct stamp stamp = { .seconds = 0 };

	c->limit_s = (int64_t)(c->options->wall_us(c->options->arg) / SECOND_US) - days * DAY_S;
	(void)snprintf(c->limit, sizeof(c->limit), "%s", stamp_text(&stamp, c->limit_s));
	(void)snprintf(c->limit_space, sizeof(c->limit_space), "%.10s %.8s", c->limit,
		       c->limit + 11);
}

/* ----------------------------------------------------------------------- its rows -- */

static mk_result
step_rows(struct chunk *c, mk_err *err)
{
	const struct job_def *def = c->def;
	sqlite3_stmt *row;
	mk_result rc = db_stmt(c->db, def->select_sql, &row, err);

	if (rc != MK_OK)
		return rc;
	/* Not every statement has all three. */
	(void)sqlite3_bind_int64(row, 1, c->cursor);
	(void)sqlite3_bind_int64(row, 2, c->until);
	(void)sqlite3_bind_text(row, 3, c->limit, -1, SQLITE_STATIC);
	do {
		int64_t id;

		rc = db_step(c->db, row, err);
		if (rc != MK_OK)
			break;
		id = sqlite3_column_int64(row, 0);
		rc = def->row(c, row, err);
		if (rc == MK_OK && !c->stay)
			c->cursor = id;
	} while (rc == MK_OK && !c->stay && job_goes_on(c));
	c->finished = rc == MK_ENOENT;
	sqlite3_reset(row);
	return rc == MK_ENOENT ? MK_OK : rc;
}

/* What was done is looked at once more, since a statement that changes nothing succeeds, too. */
static mk_result
step_verify(struct chunk *c, int64_t from, mk_err *err)
{
	int64_t left = 0;
	mk_result rc;

	if (c->def->verify_sql == NULL || c->cursor == from)
		return MK_OK;
	rc = db_int(c->db, err, &left, c->def->verify_sql, "ii", from, c->cursor);
	if (rc == MK_OK && left > c->skipped)
		rc = mk_err_set(err, MK_EFORMAT,
				"%lld rows of %s between %lld and %lld are still as they were",
				(long long)(left - c->skipped), c->def->table, (long long)from,
				(long long)c->cursor);
	return rc;
}

/* Within the transaction: what it did is added to `job`. */
static mk_result
step_do(struct jobs *jobs, struct job *job, struct chunk *c, mk_err *err)
{
	const struct job_def *def = job->def;
	mk_result rc = MK_OK;

	if (!job->begun)
		rc = step_begin(jobs, job, err);
	c->cursor = job->cursor;
	c->until = job->until;
	if (rc == MK_OK)
		rc = step_resolve(jobs, c, err);
	if (rc == MK_OK && def->days != NULL)
		step_limit(c, def->days(&jobs->options));
	if (rc == MK_OK)
		rc = def->run != NULL ? def->run(c, err) : step_rows(c, err);
	if (rc == MK_OK)
		rc = step_verify(c, job->cursor, err);
	if (rc != MK_OK)
		return rc;
	job->cursor = c->cursor;
	job->done += c->done;
	job->run_done += c->done;
	job->skipped += c->skipped;
	job->state = c->finished ? JOB_DONE : JOB_RUNNING;
	job->error[0] = '\0';
	if (c->finished && job->total != 0)
		job->total = job->done; /* what was expected is of no interest any more */
	return job_save(jobs->db, job, err);
}

/* How many rows the next step has follows from how long this one took: a commit costs what its
 * pages cost on this disk, which nobody knows beforehand. */
static void
step_fit(struct job *job, uint32_t did, uint64_t hold_us, uint64_t held_us)
{
	uint64_t rows = job->rows;

	if (held_us > hold_us)
		rows = did * hold_us / held_us / 2;
	else if (held_us < hold_us / 4)
		rows = 2 * rows;
	else if (held_us < hold_us * 2 / 5)
		rows = rows + rows / 8 + 1;
	job->rows = rows < 1 ? 1 : rows > JOBS_STEP_ROWS ? JOBS_STEP_ROWS : (uint32_t)rows;
}

mk_result
job_step(struct jobs *jobs, struct job *job, uint64_t hold_us, uint64_t *held_us, mk_err *err)
{
	struct job before = *job;
	uint64_t now_us = jobs_now(jobs), end_us;
	struct chunk c = {
		.db = jobs->db,
		.def = job->def,
		.options = &jobs->options,
		.began_us = now_us,
		/* The rest is for the commit. */
		.until_us = now_us + hold_us * 2 / 5,
		.rows_left = job->rows,
	};
	mk_result rc;

	if (job->state != JOB_RUNNING) {
		job->started_us = job->told_us = now_us;
		job->run_done = 0;
		job->held_us = 0;
	}
	rc = db_begin(jobs->db, err);
	if (rc == MK_OK)
		rc = step_do(jobs, job, &c, err);
	if (rc == MK_OK)
		rc = db_commit(jobs->db, err);
	if (rc != MK_OK) {
		db_rollback(jobs->db);
		*job = before;
	}
	end_us = job->stepped_us = jobs_now(jobs);
	*held_us = end_us > now_us ? end_us - now_us : 0;
	if (c.rows_left < before.rows)
		step_fit(job, before.rows - c.rows_left, hold_us, *held_us);
	job->held_us = *held_us > job->held_us ? *held_us : job->held_us;
	jobs->longest_us = *held_us > jobs->longest_us ? *held_us : jobs->longest_us;
	jobs->steps++;
	return rc;
}
