/* SPDX-License-Identifier: MIT
 *
 * The plugin's life: when the database is open, when messages are taken, when jobs may run.
 *
 * DOC: States
 *
 *   opening --> (upgrading, on a helper thread) --> settling --> ready <--> waiting
 *
 * In all but ready and settling messages are held back at the bus. Settling is the moment between
 * taking messages and saying so: retained snapshots of other plugins arrive, and those that nobody
 * has published are published from the database. waiting is what an error leads to that time or an
 * operator may cure; it is tried again after 250 ms, then ever more seldom.
 */
#ifndef STORAGE_SERVICE_H
#define STORAGE_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"
#include "jobs.h"
#include "open.h"
#include "sync.h"
#include "upgrade.h"

enum service_state { SERVICE_OPENING, SERVICE_SETTLING, SERVICE_READY, SERVICE_WAITING };

#define SERVICE_CHANGES 4096u

struct service_step { /* of a backfill, asked for and not done yet */
	bool open;
	char name[80];
	uint64_t id, hold_us, came_us;
};

struct service_change {
	const char *table;
	char key[2 * ITEM_KEY + 1];
};

struct service_upgrade { /* the helper thread's */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	char what[384]; /* what it is doing, or why it waits */
	atomic_bool cancel;
	bool running, finished; /* finished: under the lock */
	mk_result result;
	mk_err err;
	struct upgrade_report report;
	uint64_t wall_us;
	bool no_backup;
};

struct service {
	const mk_host *host;
	struct stats stats;
	struct batch batch;
	struct opened opened;
	struct jobs *jobs;
	mk_writer body;
	enum service_state state;
	bool announced; /* storage/state has said ready once */
	bool reopen;    /* the next try opens the database anew */
	bool congested, held, stopped;
	uint64_t backoff_us, busy_since_us;
	char reason[400];
	uint64_t database_epoch;

	bool state_due, jobs_due; /* to be published when the bus takes it */
	struct service_step step;
	uint64_t step_us,
	    step_messages;              /* the last time that one was asked for; messages by then */
	bool unasked;                   /* there is work, and nobody asks for steps */
	struct service_change *changes; /* by jobs, to be told */
	uint32_t change_count, snapshots_at, seeds_at;
	uint64_t counted[64]; /* counters as the host has them */
	uint64_t messages, messages_before;

	struct service_upgrade upgrade;
	struct sync sync, log; /* to the disk; into the database */
	bool sync_failed;      /* only a complete checkpoint brings the commits to the disk now */
	/* options */
	char path[4096];
	struct db_options db_options;
	struct jobs_options jobs_options;
	uint64_t commit_us, save_us, sync_us;
	int64_t bucket_s;
};

mk_result service_create(const mk_host *host, void **self);
mk_result service_start(void *self);
void service_on_msg(void *self, const mk_msg *msg);
void service_on_call(void *self, const mk_call *call);
void service_on_timer(void *self, uint32_t id);
mk_result service_reconfigure(void *self);
void service_stop(void *self);
void service_destroy(void *self);

/* ----------------------------------------------------- between these files -- */

enum {
	TIMER_COMMIT,
	TIMER_RETRY,
	TIMER_SECOND,
	TIMER_JOBS,
	TIMER_SEND,
	TIMER_SETTLE,
	TIMER_SAVE,
	TIMER_SYNC
};

/* service_open.c: the database and its upgrade. */
mk_result service_open(struct service *s, mk_err *err);
void service_close(struct service *s);
/* Did the upgrade finish? Then goes on with it. */
void service_look_at_upgrade(struct service *s);
void service_is_open(struct service *s);
/* Messages are taken again. */
void service_goes_on(struct service *s);
/* An error that may pass: hold messages, say why, try again later. */
void service_wait(struct service *s, const mk_err *err);
void service_hold(struct service *s);

/* service_sync.c: commits reach the disk, and are told then. */
void service_sync(struct service *s);
/* Is a round over? Then tells what it covers. */
void service_look_at_sync(struct service *s);
/* What a failed sync left undone, by other means. */
mk_result service_sync_again(struct service *s, mk_err *err);
/* The last commits, now. */
void service_sync_last(struct service *s);
/* The log, into the database, if there is enough of it; and is that over? */
void service_checkpoint(struct service *s, bool idle);
void service_look_at_log(struct service *s);

/* service.c: after whatever may have committed or told something. */
void service_settle(struct service *s);
void service_commit(struct service *s, bool snapshots);
bool service_takes(const struct service *s);

/* service_jobs.c: retention; the step that was asked for, outside of transactions; each second. */
void service_run_jobs(struct service *s);
void service_step(struct service *s);
void service_look_at_jobs(struct service *s);
void service_tell_jobs(struct service *s);
void service_on_progress(void *arg, const struct job_progress *p);

/* forget.c: the method storage/forget, {keys: [public key]}: these nodes are deleted. */
mk_result service_forget(struct service *s, const mk_val *body, int64_t *deleted, mk_err *err);

/* service_tell.c: what the bus is told every second. */
void service_tell(struct service *s);
/* What was written to s->body. */
bool service_publish(struct service *s, const char *topic);

#endif
