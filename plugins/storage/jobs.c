/* SPDX-License-Identifier: MIT
 *
 * The scheduler of jobs: see jobs.h. Owned by the plugin, on its thread.
 *
 * Backfills come first and one after the other, because later ones rely on earlier ones; then what
 * is due. Their positions are in mk_jobs and their states in _async_migrations, written in the same
 * transaction as the chunk.
 */
#include "job_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"
#include "stamp.h"

#define SECOND_US UINT64_C(1000000)
#define DAY_S INT64_C(86400)
#define FIRST_RETENTION_US (30 * SECOND_US) /* after the start has calmed down */
#define PAUSE_MIN_US UINT64_C(1000)
#define PAUSE_MAX_US (1 * SECOND_US)
#define PAUSE_PERCENT 75u
#define RETRY_MIN_US (1 * SECOND_US)
#define RETRY_MAX_US (60 * SECOND_US)
#define IDLE_US (3600 * SECOND_US)
/* So many pages of the log are checkpointed as a turn of their own, and not by a commit. */
#define LOG_PAGES_MIN 64u
#define LOG_PAGES_MAX 500u
#define CHUNK_ROWS_MIN 8u

static const char *const state_texts[] = { "waiting", "running", "done", "failed", "interrupted" };
void
jobs_defaults(struct jobs_options *o)
{
	*o = (struct jobs_options){
		.node_days = 7,
		.observer_days = 14,
		.metrics_days = 30,
		.edge_days = 5,
		.vacuum_pages = 1024,
	};
}

static uint64_t
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
job_update(struct chunk *c, const char *sql, int64_t id, mk_err *err)
{
	mk_result rc = db_run(c->db, err, sql, "i", id);

	return rc == MK_EEXIST ? MK_OK : rc;
}

void
job_changed(struct chunk *c, const char *table, const char *key)
{
	if (c->options->on_change != NULL && key != NULL)
		c->options->on_change(c->options->arg, table, key);
}

/* ---------------------------------------------------------------------- progress -- */

static void
job_tell(struct jobs *jobs, struct job *job, uint64_t now_us)
{
	uint64_t spent_us = now_us - job->started_us;
	struct job_progress p = {
		.name = job->def->name,
		.state = job->state,
		.state_text = state_texts[job->state],
		.done = job->done,
		.total = job->total,
		.eta_s = -1,
		.error = job->error,
	};

	job->told_us = now_us;
	if (jobs->options.on_progress == NULL)
		return;
	if (spent_us > 0)
		p.rate = (double)job->run_done * 1e6 / (double)spent_us;
	if (job->state == JOB_RUNNING && p.rate > 0 && job->total >= job->done)
		p.eta_s = (int64_t)((double)(job->total - job->done) / p.rate + 0.5);
	if (job->state == JOB_DONE)
		p.eta_s = 0;
	jobs->options.on_progress(jobs->options.arg, &p);
}

void
jobs_report(struct jobs *jobs)
{
	uint64_t now_us = jobs_now(jobs);

	for (uint32_t i = 0; i < jobs->count; i++) {
		if (!jobs->jobs[i].silent)
			job_tell(jobs, &jobs->jobs[i], now_us);
	}
}

mk_result
jobs_new(struct jobs **out, struct db *db, const struct jobs_options *options, mk_err *err)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	int64_t born = 0;
	mk_result rc;

	if (jobs == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	jobs->db = db;
	jobs->options = *options;
	jobs->log_pages = LOG_PAGES_MAX;
	rc = schema_get(db, "born", &born, err);
	if (rc == MK_ENOENT)
		rc = MK_OK;
	for (const struct job_def *d = backfill_jobs; d->name != NULL && rc == MK_OK; d++) {
		struct job *job = &jobs->jobs[jobs->count++];

		job->def = d;
		job->rows = JOBS_CHUNK_ROWS;
		rc = job_load(jobs->db, job, born, err);
	}
	for (const struct job_def *d = retention_jobs; d->name != NULL && rc == MK_OK; d++) {
		struct job *job = &jobs->jobs[jobs->count++];

		job->def = d;
		job->rows = JOBS_CHUNK_ROWS;
		job->silent = true;
		job->due_us = jobs_now(jobs) + FIRST_RETENTION_US;
	}
	if (rc != MK_OK) {
		free(jobs);
		return rc;
	}
	*out = jobs;
	return MK_OK;
}

void
jobs_configure(struct jobs *jobs, const struct jobs_options *o)
{
	struct jobs_options *mine = &jobs->options;

	mine->node_days = o->node_days;
	mine->observer_days = o->observer_days;
	mine->metrics_days = o->metrics_days;
	mine->packet_days = o->packet_days;
	mine->client_days = o->client_days;
	mine->edge_days = o->edge_days;
	mine->vacuum_pages = o->vacuum_pages;
	mine->pause_percent = o->pause_percent;
}

/* ----------------------------------------------------------------------- a chunk -- */

/* Fixes what will be looked at. */
static mk_result
job_begin(struct jobs *jobs, struct job *job, mk_err *err)
{
	const struct job_def *def = job->def;
	mk_result rc = MK_OK;

	job->cursor = job->until = job->done = job->total = 0;
	if (def->until_sql != NULL)
		rc = db_int(jobs->db, err, &job->until, def->until_sql, "");
	if (rc == MK_OK && def->total_sql != NULL)
		rc = db_int(jobs->db, err, &job->total, def->total_sql, "i", job->until);
	if (rc == MK_OK && def->every_s == 0)
		rc = db_run(
		    jobs->db, err,
		    "INSERT INTO _async_migrations (name, status) VALUES (?, 'pending_async') "
		    "ON CONFLICT (name) DO UPDATE SET status = 'pending_async', error = NULL, "
		    "started_at = datetime('now'), ended_at = NULL",
		    "s", def->name);
	return rc;
}

static mk_result
chunk_rows(struct chunk *c, const struct job_def *def, mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = db_stmt(c->db, def->select_sql, &row, err);

	/* Not every statement has all three. */
	if (rc == MK_OK) {
		(void)sqlite3_bind_int64(row, 1, c->cursor);
		(void)sqlite3_bind_int64(row, 2, c->until);
		(void)sqlite3_bind_text(row, 3, c->limit, -1, SQLITE_STATIC);
	}
	do {
		int64_t id;

		if (rc == MK_OK)
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

static void
chunk_limit(struct chunk *c, int64_t days)
{
	struct stamp stamp = { .seconds = 0 };

	c->limit_s = (int64_t)(c->options->wall_us(c->options->arg) / SECOND_US) - days * DAY_S;
	(void)snprintf(c->limit, sizeof(c->limit), "%s", stamp_text(&stamp, c->limit_s));
	(void)snprintf(c->limit_space, sizeof(c->limit_space), "%.10s %.8s", c->limit,
		       c->limit + 11);
}

/* Within a transaction. The job is changed only if that can be committed. */
static mk_result
job_chunk(struct jobs *jobs, struct job *job, uint64_t now_us, mk_err *err)
{
	const struct job_def *def = job->def;
	struct job before = *job;
	struct chunk c = {
		.db = jobs->db,
		.options = &jobs->options,
		.until_us = now_us + JOBS_CHUNK_US,
		.rows_left = job->rows,
	};
	mk_result rc = MK_OK;

	if (!job->begun)
		rc = job_begin(jobs, job, err);
	c.cursor = job->cursor;
	c.until = job->until;
	if (rc == MK_OK && def->days != NULL)
		chunk_limit(&c, def->days(&jobs->options));
	if (rc == MK_OK)
		rc = def->run != NULL ? def->run(&c, err) : chunk_rows(&c, def, err);
	job->begun = true;
	job->cursor = c.cursor;
	job->done += c.done;
	job->run_done += c.done;
	job->state = c.finished ? JOB_DONE : JOB_RUNNING;
	job->error[0] = '\0';
	if (c.finished && job->total != 0)
		job->total = job->done; /* what was expected is of no interest any more */
	if (rc == MK_OK)
		rc = job_save(jobs->db, job, err);
	if (rc == MK_OK)
		rc = db_commit(jobs->db, err);
	if (rc != MK_OK)
		*job = before;
	return rc;
}

/* ---------------------------------------------------------------------- the turn -- */

static bool
job_is_on(const struct jobs *jobs, const struct job *job)
{
	if (job->def->every_s == 0)
		return job->state == JOB_WAITING || job->state == JOB_RUNNING;
	return job->def->days == NULL || job->def->days(&jobs->options) > 0;
}

/* The one whose turn it is; else NULL, and when there will be one. */
static struct job *
jobs_next(struct jobs *jobs, uint64_t now_us, uint64_t *wait_us)
{
	*wait_us = IDLE_US;
	for (uint32_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->jobs[i];

		if (!job_is_on(jobs, job))
			continue;
		if (job->due_us <= now_us)
			return job;
		if (job->due_us - now_us < *wait_us)
			*wait_us = job->due_us - now_us;
		/* The next backfill may rely on this one. */
		if (job->def->every_s == 0)
			return NULL;
	}
	return NULL;
}

/* Nothing of the chunk remains. What may get better is tried again, with growing pauses. */
static void
job_failed(struct jobs *jobs, struct job *job, uint64_t now_us, const mk_err *err)
{
	bool again = db_class(err->code) == DB_RETRY;

	(void)snprintf(job->error, sizeof(job->error), "%s", err->text);
	job->silent = false;
	if (again) {
		job->state = JOB_WAITING;
		job->retry_us = job->retry_us == 0 ? RETRY_MIN_US : 2 * job->retry_us;
		if (job->retry_us > RETRY_MAX_US)
			job->retry_us = RETRY_MAX_US;
		job->due_us = now_us + job->retry_us;
	} else {
		job->state = JOB_FAILED;
		job->begun = false;
		job->due_us = now_us + job->def->every_s * SECOND_US;
		job_save_alone(jobs->db, job);
	}
	job_tell(jobs, job, now_us);
}

static void
job_went_well(struct jobs *jobs, struct job *job, uint64_t now_us)
{
	const struct job_def *def = job->def;
	bool done = job->state == JOB_DONE;

	job->retry_us = 0;
	if (job->run_done > 0)
		job->silent = false;
	if (!job->silent && (done || now_us - job->told_us >= SECOND_US))
		job_tell(jobs, job, now_us);
	if (done) {
		job->begun = false;
		job->due_us = now_us + def->every_s * SECOND_US;
	}
}

static void
job_turn(struct jobs *jobs, struct job *job, uint64_t now_us)
{
	mk_err err = { .code = MK_OK };
	mk_result rc;

	if (job->state != JOB_RUNNING) {
		job->started_us = job->told_us = now_us;
		job->run_done = 0;
	}
	rc = db_begin(jobs->db, &err);
	if (rc == MK_OK)
		rc = job_chunk(jobs, job, now_us, &err);
	if (rc != MK_OK)
		db_rollback(jobs->db);
	jobs->chunks++;
	if (rc != MK_OK)
		job_failed(jobs, job, jobs_now(jobs), &err);
	else
		job_went_well(jobs, job, jobs_now(jobs));
}

/* How much is done in one turn follows from how long the last one took: a commit costs what its
 * pages cost on this disk, which nobody knows beforehand. */
static void
turn_fit(uint32_t *amount, uint32_t min, uint32_t max, uint64_t spent_us)
{
	if (spent_us > JOBS_TURN_US)
		*amount = *amount / 2 > min ? *amount / 2 : min;
	else if (spent_us < JOBS_TURN_US / 2)
		*amount = *amount + *amount / 8 + 1 < max ? *amount + *amount / 8 + 1 : max;
}

uint64_t
jobs_run(struct jobs *jobs)
{
	uint64_t now_us = jobs_now(jobs), wait_us, spent_us, percent;
	bool log = db_log_pages(jobs->db) >= (int64_t)jobs->log_pages;
	struct job *job = jobs_next(jobs, now_us, &wait_us);

	if (job == NULL)
		return wait_us;
	/* What fails here is tried by the next commit, or reported by the next chunk. */
	if (log)
		(void)db_checkpoint(jobs->db, false, NULL, NULL);
	else
		job_turn(jobs, job, now_us);
	spent_us = jobs_now(jobs) - now_us;
	if (log)
		turn_fit(&jobs->log_pages, LOG_PAGES_MIN, LOG_PAGES_MAX, spent_us);
	else
		turn_fit(&job->rows, CHUNK_ROWS_MIN, JOBS_CHUNK_ROWS, spent_us);
	if (spent_us > jobs->longest_us)
		jobs->longest_us = spent_us;
	percent = jobs->options.pause_percent == 0 ? PAUSE_PERCENT : jobs->options.pause_percent;
	percent = percent > 99 ? 99 : percent;
	wait_us = spent_us * percent / (100 - percent);
	if (wait_us < PAUSE_MIN_US)
		return PAUSE_MIN_US;
	return wait_us > PAUSE_MAX_US ? PAUSE_MAX_US : wait_us;
}

bool
jobs_backfilling(const struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->count; i++) {
		if (jobs->jobs[i].def->every_s == 0 && jobs->jobs[i].state != JOB_DONE)
			return true;
	}
	return false;
}

void
jobs_stop(struct jobs *jobs)
{
	uint64_t now_us = jobs_now(jobs);

	for (uint32_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->jobs[i];

		if (!job->begun || job->state == JOB_DONE || job->state == JOB_FAILED)
			continue;
		job->state = JOB_INTERRUPTED;
		job_save_alone(jobs->db, job);
		if (!job->silent)
			job_tell(jobs, job, now_us);
	}
}

void
jobs_free(struct jobs *jobs)
{
	free(jobs);
}

uint64_t
jobs_longest_us(const struct jobs *jobs)
{
	return jobs->longest_us;
}

uint64_t
jobs_chunks(const struct jobs *jobs)
{
	return jobs->chunks;
}
