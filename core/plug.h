/* SPDX-License-Identifier: MIT
 *
 * One configured plugin and its life. Core thread only.
 *
 *   DISABLED --enable--> STARTING --RUNNING said--> RUNNING --stop--> DRAINING --> DISABLED
 *   STARTING, RUNNING --crash, failure--> BACKOFF --time--> STARTING
 *   BACKOFF --too often--> QUARANTINED --reset--> STARTING
 *   RUNNING --blocked, inproc--> STUCK --moves again--> RUNNING
 */
#ifndef MK_CORE_PLUG_H
#define MK_CORE_PLUG_H

#include "core.h"
#include "runner.h"

enum plug_state {
	PLUG_DISABLED,
	PLUG_STARTING,
	PLUG_RUNNING,
	PLUG_DRAINING,
	PLUG_BACKOFF,
	PLUG_QUARANTINED,
	PLUG_STUCK,
};

struct plug_number {
	char name[MK_ID_MAX + 1];
	int64_t value;
};

struct plug {
	struct core *core;
	struct plug *next;
	char name[MK_ID_MAX + 1];
	struct plan *plan; /* holds `item` */
	struct plan_item *item;
	struct plan *old_plan; /* to go back to when the new configuration does not start */
	struct plan_item *old_item;
	struct plan *seat_plan; /* holds the manifest that the seat looks at */
	struct seat *seat;

	enum plug_state state;
	char reason[256];
	uint64_t state_us; /* Unix time of the last change */
	bool wanted;       /* should be running */
	bool restart;      /* start again once it has stopped */
	bool remove;       /* no longer in the configuration: free once it has stopped */
	bool reloaded;     /* the last reload has touched it */
	bool reverted;     /* what that brought did not work: it runs with the one before */
	bool tried;        /* the outcome of the last start is known, or there was none */

	/* the process or thread that runs it */
	uint32_t generation;
	bool inproc;
	struct runner run;
	uint64_t ended_us; /* monotonic; it has ended, but its sockets may hold something */
	uint64_t deadline_us;
	const char *deadline_text;
	bool warned_slow;
	const char *killed_for;   /* the core killed it; static text */
	struct loop_timer *timer; /* deadline or end of back-off */

	/* events of this round, from the hub */
	bool ev_running, ev_failed, ev_stopped, ev_reconfigured, ev_lost, ev_ended, said_bye;
	mk_result ev_result;
	char ev_text[256];
	int end_status;

	/* history */
	uint32_t starts, crashes, recent, kills;
	uint64_t recent_us;    /* when `recent` and `kills` began to count, monotonic */
	uint64_t poison_order; /* message in hand at the last crash */
	uint64_t misbehaved;
	char misbehaviour[256];
	struct log_limit misbehaved_log;
	struct plug_number numbers[64];
	uint32_t number_count;
	uint64_t outbox[6];
	bool has_outbox;

	/* who waits for the outcome of an operation */
	void (*waiter)(void *arg, struct plug *p);
	void *waiter_arg;
};

struct plug *plug_new(struct core *c, struct plan *plan, struct plan_item *item, mk_err *err);
void plug_free(struct plug *p);
struct plug *plug_find(struct core *c, const char *name);

/* Begin; the outcome is seen in `state` later. `done` (may be NULL) is told once it is known. */
mk_result plug_enable(struct plug *p, mk_err *err);
void plug_disable(struct plug *p, const char *reason);
mk_result plug_restart(struct plug *p, mk_err *err);
mk_result plug_reset(struct plug *p, mk_err *err);
/* A changed configuration: reconfigure in place if all that changed is live, else restart. */
void plug_adopt(struct plug *p, struct plan *plan, struct plan_item *item, bool live);
/* The same configuration in a new plan: nothing happens to what runs. */
void plug_follow(struct plug *p, struct plan *plan, struct plan_item *item);
void plug_wait(struct plug *p, void (*done)(void *arg, struct plug *p), void *arg);
/* True when nothing is under way. */
bool plug_is_settled(const struct plug *p);

/* After each round of the loop: act on what happened. */
void plug_round(struct plug *p);
/* Now and then: is it slow, stuck, too large? */
void plug_check(struct plug *p, uint64_t now_us);
const char *plug_state_text(enum plug_state s);

/* The hub's events; `owner` is the plug. */
extern const struct hub_events plug_events;

void plug_declare(struct plug *p);

/* plug_run.c: starting and ending threads and processes */
mk_result plug_launch(struct plug *p, mk_err *err);
void plug_kill(struct plug *p, const char *why);
void plug_release(struct plug *p); /* thread, process and links have ended */

#endif
