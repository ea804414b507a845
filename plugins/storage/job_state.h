/* SPDX-License-Identifier: MIT
 *
 * A job that is scheduled, and how the state of a backfill is kept: its position in mk_jobs, the rest
 * in _async_migrations, where CoreScope looks for it.
 */
#ifndef STORAGE_JOB_STATE_H
#define STORAGE_JOB_STATE_H

#include "job_impl.h"

#define JOBS_MAX 64u

struct job_defined; /* job_define.c: a definition that came over the bus */

struct job {
	const struct job_def *def;
	struct job_defined *defined; /* owned; NULL for our own */
	enum job_state state;
	bool known;  /* it has a row */
	bool begun;  /* cursor, until and total are valid */
	bool paused; /* by the operator */
	bool silent; /* nothing was ever to be done: nobody needs to know of it */
	int64_t cursor, until, done, total, skipped, attempts;
	int64_t run_done; /* since started_us */
	uint32_t rows;    /* of a step */
	uint64_t started_us, stepped_us, due_us, told_us, asked_us, held_us;
	char error[sizeof(((mk_err *)NULL)->text)];
};

struct jobs {
	struct db *db;
	struct jobs_options options;
	struct resolve *resolve; /* ours, if options has none */
	struct job jobs[JOBS_MAX];
	uint32_t count;
	int64_t born; /* the version that made the database; 0: not ours */
	uint64_t longest_us, steps;
};

static inline bool
job_is_backfill(const struct job *job)
{
	return job->def->every_s == 0;
}

/* ------------------------------------------------------------------ job_state.c -- */

/* In the step's transaction. */
mk_result job_save(struct db *db, const struct job *job, mk_err *err);
/* Outside of a step. */
mk_result job_save_alone(struct db *db, const struct job *job, mk_err *err);
/* What earlier runs left of a backfill. What failed begins again from the start, and so does what
 * CoreScope began, which has no position. `born`: see struct job_def. */
mk_result job_load(struct db *db, struct job *job, int64_t born, mk_err *err);
/* In the caller's transaction: a row for it, if it has none. */
mk_result job_announce(struct db *db, const struct job *job, mk_err *err);

/* ------------------------------------------------------------------- job_step.c -- */

uint64_t jobs_now(const struct jobs *jobs);
/* One step, with its transaction; the job is changed only if that was committed. Returns how long it
 * held the writer. */
mk_result job_step(struct jobs *jobs, struct job *job, uint64_t hold_us, uint64_t *held_us,
		   mk_err *err);

/* ---------------------------------------------------------------------- jobs.c -- */

/* Where it is in the list; jobs->count: nowhere. */
uint32_t jobs_index(const struct jobs *jobs, const char *name);
/* There is room: see JOBS_MAX. */
struct job *jobs_add(struct jobs *jobs, const struct job_def *def);

/* ----------------------------------------------------------------- job_define.c -- */

void job_defined_free(struct job_defined *d); /* takes NULL */

#endif
