/* SPDX-License-Identifier: MIT
 *
 * Work on many rows, in steps between the transactions of the thread that writes. There are two
 * kinds. Backfills bring an old database to what a new one is: each step is asked for, by the plugin
 * `backfill` over the bus, which plans and paces them. Retention, vacuum and the like come again
 * and again, and run in the pauses by themselves.
 *
 * A step is one transaction: rows, position and progress. It ends after a part of the time that it
 * may hold the writer, and how many rows fit follows from how long earlier ones took with their
 * commit. So it can be stopped at any time, and loses and repeats nothing by a crash.
 *
 * How the plugin uses it, all on its own thread and outside of transactions:
 *
 *	on_timer(TIMER_JOBS):	host->timer(host, TIMER_JOBS, jobs_run(jobs), 0);
 *	on_call("storage/step"): jobs_step(...)
 *	stop():			jobs_stop(jobs);
 *
 * States in the table _async_migrations: CoreScope's pending_async, done and failed, and
 * interrupted. What failed stays visible, and begins again at the next start or when it is told to.
 */
#ifndef STORAGE_JOBS_H
#define STORAGE_JOBS_H

#include <meshkern/codec.h>

#include "db.h"
#include "resolve.h"

#define JOBS_HOLD_US 10000u /* what a step may hold the writer with its commit */
#define JOBS_HOLD_MIN_US 500u
#define JOBS_HOLD_MAX_US 100000u
#define JOBS_STEP_ROWS 2000u /* and this is for clocks that stand still */

enum job_state { JOB_PENDING, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_INTERRUPTED };

/* What can be said of a job. Strings are valid until the next call. */
struct job_progress {
	const char *name, *table;
	bool backfill; /* else retention and the like */
	bool paused;   /* by the operator */
	enum job_state state;
	const char *state_text; /* "pending", "running", "done", "failed", "interrupted" */
	int64_t done, total;    /* rows; total counts only what will be looked at */
	int64_t skipped;        /* of them, those that the database refused to change */
	int64_t attempts;       /* times that it began from the start */
	double rate;            /* rows per second, of this run */
	int64_t eta_s;          /* -1: not known */
	uint64_t held_us;       /* by its longest step in this run */
	const char *waits;      /* for this job, which comes first; "" */
	const char *error;      /* "" */
};

/* Retention in days; 0 or less is off. */
struct jobs_options {
	int64_t node_days, observer_days, metrics_days, packet_days, client_days, edge_days;
	int64_t vacuum_pages;     /* given back to the file system in an hour; 0 is off */
	uint32_t pause_percent;   /* of the time that retention leaves to others; 0 = 75 */
	int64_t guest_bytes;      /* of the tables of each other plugin; 0 = no limit */
	uint64_t *guests_refused; /* optional: counts what went beyond it */

	struct resolve *resolve;        /* borrowed; NULL: read when it is needed */
	uint64_t (*now_us)(void *arg);  /* monotonic */
	uint64_t (*wall_us)(void *arg); /* since 1970 */
	/* Optional: at most one a second and job, and the last one of each run. */
	void (*on_progress)(void *arg, const struct job_progress *p);
	/* Optional: a row of "nodes", "inactive_nodes" or "observers" changed or moved; within the
	 * transaction, so read it after jobs_run and jobs_step. */
	void (*on_change)(void *arg, const char *table, const char *key);
	void *arg;
};

/* What a fresh `struct jobs_options` should contain. */
void jobs_defaults(struct jobs_options *options);

/* In the caller's transaction: a row in _async_migrations for each backfill that is needed, so that
 * whoever looks sees all of them before the first one begins. */
mk_result jobs_plan(struct db *db, mk_err *err);

struct jobs;

/* `db` is borrowed and must be ready. Nothing runs yet. */
mk_result jobs_new(struct jobs **out, struct db *db, const struct jobs_options *options,
		   mk_err *err);
/* New days, as after a reload; the functions stay. */
void jobs_configure(struct jobs *jobs, const struct jobs_options *options);
void jobs_free(struct jobs *jobs);

/* One step of the retention whose turn it is. Returns after how many microseconds it wants to be
 * called again. */
uint64_t jobs_run(struct jobs *jobs);
/* Those that run become interrupted; with `idle_us`, those for which no step was asked so long. */
void jobs_stop(struct jobs *jobs, uint64_t idle_us);

/* ------------------------------------------------------------------ backfills -- */

/* One step of a backfill. MK_OK also when there is nothing to do any more or it failed for good:
 * the state tells. MK_ENOENT: there is none of that name; MK_ESTATE: it is paused, or another one
 * comes first. With any other error nothing was changed, and the next step may succeed. `out` (may
 * be NULL) is filled in except after MK_ENOENT. */
mk_result jobs_step(struct jobs *jobs, const char *name, uint64_t hold_us, struct job_progress *out,
		    mk_err *err);
/* "pause", "resume", "retry": what failed or is done begins from the start. */
mk_result jobs_control(struct jobs *jobs, const char *name, const char *what, mk_err *err);
/* One for a table of another plugin, `owner`: see job_define.c. */
mk_result jobs_define(struct jobs *jobs, const char *owner, const mk_val *what, mk_err *err);
/* The one to be asked for next, or NULL. */
const char *jobs_next(const struct jobs *jobs);
/* How many are not done yet, paused and failed ones too. */
uint32_t jobs_open(const struct jobs *jobs);
/* The i-th job that there is something to say of. False behind the last. */
bool jobs_at(const struct jobs *jobs, uint32_t i, struct job_progress *out);

/* Statistics: the longest step with its commit, and the steps, of both kinds. */
uint64_t jobs_longest_us(const struct jobs *jobs);
uint64_t jobs_steps(const struct jobs *jobs);

#endif
