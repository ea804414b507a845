/* SPDX-License-Identifier: MIT
 *
 * A job that is scheduled, and how the state of a backfill is kept: its position in mk_jobs, the rest
 * in _async_migrations, where CoreScope looks for it.
 */
#ifndef STORAGE_JOB_STATE_H
#define STORAGE_JOB_STATE_H

#include "job_impl.h"

#define JOBS_MAX 32u

struct job {
	const struct job_def *def;
	enum job_state state;
	bool begun;  /* cursor, until and total are valid */
	bool silent; /* nothing was ever to be done: nobody needs to know of it */
	int64_t cursor, until, done, total;
	int64_t run_done; /* since started_us */
	uint32_t rows;    /* of a chunk */
	uint64_t started_us, due_us, told_us, retry_us;
	char error[sizeof(((mk_err *)NULL)->text)];
};

struct jobs {
	struct db *db;
	struct jobs_options options;
	struct job jobs[JOBS_MAX];
	uint32_t count;
	uint32_t log_pages;
	uint64_t longest_us, chunks;
};

/* In the chunk's transaction. */
mk_result job_save(struct db *db, const struct job *job, mk_err *err);
/* Outside of a chunk: what cannot be written is in memory at least. */
void job_save_alone(struct db *db, struct job *job);
/* What earlier runs left of a backfill. What failed begins again from the start, and so does what
 * CoreScope began, which has no position. `born`: see struct job_def. */
mk_result job_load(struct db *db, struct job *job, int64_t born, mk_err *err);

#endif
