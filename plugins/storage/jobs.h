/* SPDX-License-Identifier: MIT
 *
 * Work on many rows, done in the pauses of the thread that writes: backfills of an upgraded
 * database, retention, vacuum. A job is a row of a table in jobs.c; it does one chunk after the
 * other, each a transaction of its own together with the position it has reached, and each ends
 * after CHUNK_US or CHUNK_ROWS. So it can be stopped at any time, loses nothing by a crash, and
 * writing never waits for longer than a chunk.
 *
 * How the plugin uses it, all on its own thread:
 *
 *	on_timer(TIMER_JOBS):	if no transaction is open:
 *		host->timer(host, TIMER_JOBS, jobs_run(jobs), 0);
 *	stop():			jobs_stop(jobs);
 *
 * States in the table _async_migrations: CoreScope's pending_async, done and failed, and
 * interrupted. What failed stays visible, and begins again at the next start.
 */
#ifndef STORAGE_JOBS_H
#define STORAGE_JOBS_H

#include "db.h"

#define JOBS_CHUNK_US 6000u  /* a chunk looks at the clock after each row */
#define JOBS_TURN_US 12000u  /* what a turn may take with its commit; its rows are fitted to that */
#define JOBS_CHUNK_ROWS 500u /* and this is for clocks that stand still */

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_INTERRUPTED };

/* For backfill/progress. Strings are valid during the callback. */
struct job_progress {
	const char *name;
	enum job_state state;
	const char *state_text; /* "waiting", "running", "done", "failed", "interrupted" */
	int64_t done, total;    /* rows; total counts only what will be looked at */
	double rate;            /* rows per second, of this run */
	int64_t eta_s;          /* -1: not known */
	const char *error;      /* "" */
};

/* Retention in days; 0 or less is off. */
struct jobs_options {
	int64_t node_days, observer_days, metrics_days, packet_days, client_days, edge_days;
	int64_t vacuum_pages;   /* given back to the file system in an hour; 0 is off */
	uint32_t pause_percent; /* of the time that jobs leave to others; 0 = 75 */

	uint64_t (*now_us)(void *arg);  /* monotonic */
	uint64_t (*wall_us)(void *arg); /* since 1970 */
	/* Optional: at most one a second and job, and the last one of each run. */
	void (*on_progress)(void *arg, const struct job_progress *p);
	/* Optional: a row of "nodes", "inactive_nodes" or "observers" changed or moved; within the
	 * transaction, so read it after jobs_run. */
	void (*on_change)(void *arg, const char *table, const char *key);
	void *arg;
};

/* What a fresh `struct jobs_options` should contain. */
void jobs_defaults(struct jobs_options *options);

struct jobs;

/* `db` is borrowed and must be ready. Nothing runs yet. */
mk_result jobs_new(struct jobs **out, struct db *db, const struct jobs_options *options,
		   mk_err *err);
/* New days, as after a reload; the functions stay. */
void jobs_configure(struct jobs *jobs, const struct jobs_options *options);
/* One chunk of the job whose turn it is; not within a transaction. Returns after how many
 * microseconds it wants to be called again. */
uint64_t jobs_run(struct jobs *jobs);
/* True while a backfill is not done: the database is usable, but not yet as it should be. */
bool jobs_backfilling(const struct jobs *jobs);
/* The state of each job, through on_progress (for who joins later). */
void jobs_report(struct jobs *jobs);
/* Those that run become interrupted. */
void jobs_stop(struct jobs *jobs);
void jobs_free(struct jobs *jobs);

/* Statistics: the longest chunk with its commit, and the chunks. */
uint64_t jobs_longest_us(const struct jobs *jobs);
uint64_t jobs_chunks(const struct jobs *jobs);

#endif
