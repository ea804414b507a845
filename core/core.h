/* SPDX-License-Identifier: MIT
 *
 * The daemon: its loop, its bus, its plugins, its control socket. Core thread only.
 */
#ifndef MK_CORE_CORE_H
#define MK_CORE_CORE_H

#include "hub.h"
#include "outside.h"
#include "plan.h"

struct plug;
struct control;

struct core {
	struct loop *loop;
	struct hub *hub;
	struct outside *outside;
	struct control *control;
	struct plug *plugs; /* in the order of the configuration */
	struct plan *plan;  /* the one in force */
	const char *file;
	const char *const *builtin_dirs;
	char moved[MK_ID_MAX + 1]; /* plugin that crashed the last run: gets its own process */
	int signals;
	uint64_t started_us;
	uint64_t stop_by; /* 0: not stopping */
	struct loop_timer *tick;
	struct reload *reload;   /* under way, or NULL */
	bool plugs_changed, hup; /* core/plugins is due, a reload is */
	uint64_t stats_us;
};

mk_result core_new(struct core **out, const char *file, const char *const *builtin_dirs,
		   mk_problems *problems, mk_err *err);
void core_free(struct core *c);
/* Runs until everything has stopped. `signals` is a signalfd. */
void core_run(struct core *c, int signals);
void core_stop(struct core *c);

struct core_reload_outcome {
	bool good;     /* the configuration; else nothing has changed */
	bool changed;  /* it differs from the one before */
	bool all_good; /* and every plugin does what it says */
	uint32_t count, result_count;
	const char *const *lines;   /* the plan, or the problems */
	const char *const *results; /* what became of each plugin that the plan touches */
};
typedef void core_reloaded(void *arg, const struct core_reload_outcome *outcome);

/* Read the configuration again, check all of it, then change what differs. `done` is called when
 * that has been carried out; never when the result is not MK_OK. */
mk_result core_reload(struct core *c, bool dry_run, core_reloaded *done, void *arg);
/* After each round: has everything come to rest? */
void core_reload_round(struct core *c);
/* Wait for one that is under way, and change nothing. */
void core_end_reload(struct core *c);

/* What it looks like, as one msgpack map each. */
void core_write_status(struct core *c, mk_writer *w);
void core_write_plugins(struct core *c, mk_writer *w);
void core_write_stats(struct core *c, mk_writer *w);

#endif
