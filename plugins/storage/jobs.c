/* SPDX-License-Identifier: MIT
 *
 * Which jobs there are, what can be said of them, and whose turn it is: see jobs.h. Owned by the
 * plugin, on its thread.
 */
#include "job_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema.h"

#define SECOND_US UINT64_C(1000000)
#define FIRST_RETENTION_US (30 * SECOND_US) /* after the start has calmed down */
#define RETRY_US (60 * SECOND_US)
#define PAUSE_MIN_US UINT64_C(1000)
#define PAUSE_MAX_US (1 * SECOND_US)
#define PAUSE_PERCENT 75u
#define IDLE_US (3600 * SECOND_US)
#define FIRST_ROWS 64u

static const char *const state_texts[] = { "pending", "running", "done", "failed", "interrupted" };

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

/* ---------------------------------------------------------------------- telling -- */

uint32_t
jobs_index(const struct jobs *jobs, const char *name)
{
	uint32_t i = 0;

	while (i < jobs->count && strcmp(jobs->jobs[i].def->name, name) != 0)
		i++;
	return i;
}

/* NULL: none. */
static struct job *
jobs_find(struct jobs *jobs, const char *name)
{
	uint32_t i = jobs_index(jobs, name);

	return i < jobs->count && job_is_backfill(&jobs->jobs[i]) ? &jobs->jobs[i] : NULL;
}

/* The first one that it relies on and that is not done, or "". */
static const char *
job_waits(const struct jobs *jobs, const struct job *job)
{
	for (size_t i = 0; i < JOB_AFTER && job->def->after[i] != NULL; i++) {
		uint32_t other = jobs_index(jobs, job->def->after[i]);

		if (other < jobs->count && jobs->jobs[other].state != JOB_DONE)
			return job->def->after[i];
	}
	return "";
}

static void
job_describe(const struct jobs *jobs, const struct job *job, struct job_progress *p)
{
	*p = (struct job_progress){
		.name = job->def->name,
		.table = job->def->table == NULL ? "" : job->def->table,
		.backfill = job_is_backfill(job),
		.paused = job->paused,
		.state = job->state,
		.state_text = state_texts[job->state],
		.done = job->done,
		.total = job->total,
		.skipped = job->skipped,
		.attempts = job->attempts,
		.eta_s = job->state == JOB_DONE ? 0 : -1,
		.held_us = job->held_us,
		.waits = job_waits(jobs, job),
		.error = job->error,
	};
	if (job->stepped_us > job->started_us)
		p->rate = (double)job->run_done * 1e6 / (double)(job->stepped_us - job->started_us);
	if (job->state == JOB_RUNNING && p->rate > 0 && job->total >= job->done)
		p->eta_s = (int64_t)((double)(job->total - job->done) / p->rate + 0.5);
}

static void
job_tell(struct jobs *jobs, struct job *job)
{
	struct job_progress p;

	job->told_us = jobs_now(jobs);
	job_describe(jobs, job, &p);
	if (jobs->options.on_progress != NULL)
		jobs->options.on_progress(jobs->options.arg, &p);
}

bool
jobs_at(const struct jobs *jobs, uint32_t i, struct job_progress *out)
{
	for (uint32_t at = 0; at < jobs->count; at++) {
		if (jobs->jobs[at].silent || i-- > 0)
			continue;
		job_describe(jobs, &jobs->jobs[at], out);
		return true;
	}
	return false;
}

uint32_t
jobs_open(const struct jobs *jobs)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < jobs->count; i++)
		count += job_is_backfill(&jobs->jobs[i]) && jobs->jobs[i].state != JOB_DONE;
	return count;
}

/* ------------------------------------------------------------------------- life -- */

struct job *
jobs_add(struct jobs *jobs, const struct job_def *def)
{
	struct job *job = &jobs->jobs[jobs->count++];

	*job = (struct job){ .def = def, .rows = FIRST_ROWS };
	return job;
}

/* What this version knows and the one that upgraded the database did not. */
static mk_result
jobs_announce(struct jobs *jobs, mk_err *err)
{
	mk_result rc = db_begin(jobs->db, err);

	if (rc == MK_OK)
		rc = jobs_plan(jobs->db, err);
	if (rc == MK_OK)
		rc = db_commit(jobs->db, err);
	if (rc != MK_OK)
		db_rollback(jobs->db);
	return rc;
}

static mk_result
jobs_load(struct jobs *jobs, mk_err *err)
{
	mk_result rc = schema_get(jobs->db, "born", &jobs->born, err);
	bool all = true;

	if (rc == MK_ENOENT)
		rc = MK_OK;
	for (const struct job_def *d = backfill_jobs; d->name != NULL && rc == MK_OK; d++) {
		struct job *job = jobs_add(jobs, d);

		rc = job_load(jobs->db, job, jobs->born, err);
		all = all && (job->known || job->state == JOB_DONE);
	}
	return rc == MK_OK && !all ? jobs_announce(jobs, err) : rc;
}

mk_result
jobs_new(struct jobs **out, struct db *db, const struct jobs_options *options, mk_err *err)
{
	struct jobs *jobs = calloc(1, sizeof(*jobs));
	mk_result rc;

	if (jobs == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	jobs->db = db;
	jobs->options = *options;
	rc = jobs_load(jobs, err);
	for (const struct job_def *d = retention_jobs; d->name != NULL && rc == MK_OK; d++) {
		struct job *job = jobs_add(jobs, d);

		job->silent = true;
		job->due_us = jobs_now(jobs) + FIRST_RETENTION_US;
	}
	if (rc != MK_OK) {
		jobs_free(jobs);
		return rc;
	}
	*out = jobs;
	return MK_OK;
}

void
jobs_free(struct jobs *jobs)
{
	if (jobs == NULL)
		return;
	for (uint32_t i = 0; i < jobs->count; i++)
		job_defined_free(jobs->jobs[i].defined);
	resolve_free(jobs->resolve);
	free(jobs);
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
	mine->guest_bytes = o->guest_bytes;
}

void
jobs_stop(struct jobs *jobs, uint64_t idle_us)
{
	uint64_t now_us = jobs_now(jobs);

	for (uint32_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->jobs[i];

		if (!job_is_backfill(job) || !job->begun || job->state == JOB_INTERRUPTED ||
		    job->state == JOB_FAILED || (idle_us > 0 && now_us < job->asked_us + idle_us))
			continue;
		job->state = JOB_INTERRUPTED;
		/* What cannot be written: after the next start it is the same. */
		(void)job_save_alone(jobs->db, job, NULL);
		job_tell(jobs, job);
	}
}

/* -------------------------------------------------------------------- backfills -- */

const char *
jobs_next(const struct jobs *jobs)
{
	for (uint32_t i = 0; i < jobs->count; i++) {
		const struct job *job = &jobs->jobs[i];

		if (job_is_backfill(job) && !job->paused && job->state != JOB_DONE &&
		    job->state != JOB_FAILED && job_waits(jobs, job)[0] == '\0')
			return job->def->name;
	}
	return NULL;
}

/* Nothing of the step remains. What may get better stays as it was, for whoever asked to ask again;
 * the rest has failed. */
static mk_result
job_failed(struct jobs *jobs, struct job *job, const mk_err *err)
{
	bool again = db_class(err->code) == DB_RETRY;

	(void)snprintf(job->error, sizeof(job->error), "%s", err->text);
	/* A statement in it may have been cut within a character, which the bus would refuse. */
	for (char *s = job->error; *s != '\0' && !mk_utf8_valid(job->error, strlen(job->error));
	     s++)
		*s = (unsigned char)*s >= 0x80 ? '?' : *s;
	job->silent = false;
	if (!again) {
		job->state = JOB_FAILED;
		job->begun = false;
		/* If that fails, too, it is in memory at least, and begins again at the next start. */
		(void)job_save_alone(jobs->db, job, NULL);
	}
	job_tell(jobs, job);
	return again ? err->code : MK_OK;
}

static void
job_went_well(struct jobs *jobs, struct job *job)
{
	bool done = job->state == JOB_DONE;

	if (job->run_done > 0 || job_is_backfill(job))
		job->silent = false;
	if (!job->silent && (done || jobs_now(jobs) - job->told_us >= SECOND_US))
		job_tell(jobs, job);
	if (done)
		job->begun = false;
}

static mk_result
job_ask(struct jobs *jobs, struct job *job, uint64_t hold_us, mk_err *err)
{
	const char *waits = job_waits(jobs, job);
	mk_err why = { .text = "" };
	uint64_t held_us;
	mk_result rc;

	job->asked_us = jobs_now(jobs);
	if (job->state == JOB_DONE || job->state == JOB_FAILED)
		return MK_OK;
	if (job->paused)
		return mk_err_set(err, MK_ESTATE, "%s is paused", job->def->name);
	if (waits[0] != '\0')
		return mk_err_set(err, MK_ESTATE, "%s waits for %s", job->def->name, waits);
	rc = job_step(jobs, job, hold_us, &held_us, &why);
	if (rc == MK_OK) {
		job_went_well(jobs, job);
		return MK_OK;
	}
	why.code = rc;
	rc = job_failed(jobs, job, &why);
	return rc == MK_OK ? MK_OK : mk_err_set(err, rc, "%s", why.text);
}

mk_result
jobs_step(struct jobs *jobs, const char *name, uint64_t hold_us, struct job_progress *out,
	  mk_err *err)
{
	struct job *job = jobs_find(jobs, name);
	mk_result rc;

	if (job == NULL)
		return mk_err_set(err, MK_ENOENT, "no backfill is called \"%s\"", name);
	hold_us = hold_us < JOBS_HOLD_MIN_US ? JOBS_HOLD_MIN_US : hold_us;
	hold_us = hold_us > JOBS_HOLD_MAX_US ? JOBS_HOLD_MAX_US : hold_us;
	rc = job_ask(jobs, job, hold_us, err);
	if (out != NULL)
		job_describe(jobs, job, out);
	return rc;
}

mk_result
jobs_control(struct jobs *jobs, const char *name, const char *what, mk_err *err)
{
	struct job *job = jobs_find(jobs, name), before;
	mk_result rc;

	if (job == NULL)
		return mk_err_set(err, MK_ENOENT, "no backfill is called \"%s\"", name);
	before = *job;
	if (strcmp(what, "pause") == 0) {
		job->paused = true;
		if (job->state == JOB_RUNNING)
			job->state = JOB_INTERRUPTED;
	} else if (strcmp(what, "resume") == 0) {
		job->paused = false;
	} else if (strcmp(what, "retry") != 0) {
		return mk_err_set(err, MK_EINVAL, "\"%s\" is none of pause, resume, retry", what);
	} else if (job->state == JOB_FAILED || job->state == JOB_DONE) {
		job->state = JOB_PENDING;
		job->begun = job->silent = job->paused = false;
		job->error[0] = '\0';
		job->cursor = job->until = job->done = job->total = job->skipped = 0;
	} else {
		return mk_err_set(err, MK_ESTATE, "%s is %s, so there is nothing to retry", name,
				  job->paused ? "paused" : state_texts[job->state]);
	}
	rc = job_save_alone(jobs->db, job, err);
	if (rc != MK_OK)
		*job = before;
	else
		job_tell(jobs, job);
	return rc;
}

/* -------------------------------------------------------------------- retention -- */

/* The one whose turn it is; else NULL, and when there will be one. */
static struct job *
jobs_due(struct jobs *jobs, uint64_t now_us, uint64_t *wait_us)
{
	*wait_us = IDLE_US;
	for (uint32_t i = 0; i < jobs->count; i++) {
		struct job *job = &jobs->jobs[i];

		if (job_is_backfill(job) ||
		    (job->def->days != NULL && job->def->days(&jobs->options) <= 0))
			continue;
		if (job->due_us <= now_us)
			return job;
		if (job->due_us - now_us < *wait_us)
			*wait_us = job->due_us - now_us;
	}
	return NULL;
}

uint64_t
jobs_run(struct jobs *jobs)
{
	uint64_t now_us = jobs_now(jobs), wait_us, held_us, percent;
	struct job *job = jobs_due(jobs, now_us, &wait_us);
	mk_err err = { .text = "" };

	if (job == NULL)
		return wait_us;
	err.code = job_step(jobs, job, JOBS_HOLD_US, &held_us, &err);
	if (err.code == MK_OK) {
		job_went_well(jobs, job);
		if (job->state == JOB_DONE)
			job->due_us = now_us + job->def->every_s * SECOND_US;
	} else if (job_failed(jobs, job, &err) == MK_OK) {
		job->due_us = now_us + job->def->every_s * SECOND_US;
	} else {
		job->due_us = now_us + RETRY_US;
	}
	percent = jobs->options.pause_percent == 0 ? PAUSE_PERCENT : jobs->options.pause_percent;
	percent = percent > 99 ? 99 : percent;
	wait_us = held_us * percent / (100 - percent);
	if (wait_us < PAUSE_MIN_US)
		return PAUSE_MIN_US;
	return wait_us > PAUSE_MAX_US ? PAUSE_MAX_US : wait_us;
}

uint64_t
jobs_longest_us(const struct jobs *jobs)
{
	return jobs->longest_us;
}

uint64_t
jobs_steps(const struct jobs *jobs)
{
	return jobs->steps;
}
