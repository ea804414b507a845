/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "core.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "control.h"
#include "crash.h"
#include "folder.h"
#include "notify.h"
#include "plug.h"

#define TICK_US 500000u   /* how often plugins are looked after */
#define STATS_US 5000000u /* core/stats */
#define STOP_US 10000000u /* a stop never takes longer, whatever plugins do */

/* ------------------------------------------------------------------ start -- */

static mk_result
core_make_dirs(const struct settings *s, mk_err *err)
{
	static const char *const parts[] = {
		"", "run", "run/bus", "run/plugins", "state", "outbox"
	};
	char path[1024];
	mk_result rc = MK_OK;

	/* Others have no business with the sockets; the data is the operator's choice. */
	for (size_t i = 0; rc == MK_OK && i < sizeof(parts) / sizeof(parts[0]); i++)
		rc = folder_make(path, sizeof(path), i == 0 ? 0750 : 0700, s->data_dir, parts[i],
				 "", err);
	return rc;
}

/* ------------------------------------------------------------------- calls -- */

struct core_caller {
	struct core *core;
	uint64_t call;
};

static void
core_reply_call(void *arg, mk_result result, const char *error, const mk_writer *body)
{
	struct core_caller *caller = arg;

	hub_answer(caller->core->hub, caller->call, result, error, body != NULL ? body->data : NULL,
		   body != NULL ? (uint32_t)body->len : 0);
	free(caller);
}

static void
core_on_call(void *arg, struct seat *from, uint64_t call, const char *method, const uint8_t *body,
	     uint32_t len)
{
	struct core *c = arg;
	struct core_caller *caller = malloc(sizeof(*caller));
	/* The control socket is the operator's. */
	bool may_control = from == NULL || mk_manifest_needs(from->manifest, "core.control");
	mk_doc doc;

	if (caller == NULL) {
		hub_answer(c->hub, call, MK_ENOMEM, "out of memory", NULL, 0);
		return;
	}
	*caller = (struct core_caller){ .core = c, .call = call };
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, body, len, NULL, NULL, 0) != MK_OK)
		core_reply_call(caller, MK_EFORMAT, "malformed body", NULL);
	else
		command_run(c, method + strlen("core/"), mk_doc_root(&doc), may_control,
			    core_reply_call, caller);
	mk_doc_fini(&doc);
}

static void
core_on_tick(void *arg)
{
	struct core *c = arg;
	uint64_t now = loop_now_us(c->loop);
	bool stuck = false;

	loop_timer_set(c->tick, now + TICK_US);
	for (struct plug *p = c->plugs; p != NULL; p = p->next) {
		plug_check(p, now);
		stuck = stuck || p->state == PLUG_STUCK;
	}
	/* A blocked thread cannot be ended from inside: systemd shall do it. */
	if (notify_watchdog_us() != 0 && !stuck)
		notify_send("WATCHDOG=1");
	if (now - c->stats_us >= STATS_US) {
		c->stats_us = now;
		mk_writer_reset(&c->hub->writer);
		core_write_stats(c, &c->hub->writer);
		hub_say(c->hub, "core/stats", false, &c->hub->writer);
	}
}

static mk_result
core_open(struct core *c, mk_err *err)
{
	const struct settings *s = c->plan->settings;
	struct hub_config config = { .ring_messages = s->ring_messages,
				     .ring_bytes = s->ring_bytes,
				     .push_back_us = s->push_back_us,
				     .call_timeout_us = s->call_timeout_us };
	struct hub_events events = plug_events;
	char path[1024];
	mk_result rc = core_make_dirs(s, err);

	if (rc == MK_OK)
		rc = folder_lock(s->run_dir, err);
	if (rc != MK_OK)
		return rc;
	snprintf(path, sizeof(path), "%s/bus", s->run_dir);
	folder_empty(path); /* sockets of a run that was killed */
	snprintf(path, sizeof(path), "%s/crash", s->run_dir);
	if (crash_take(path, c->moved, sizeof(c->moved)) && plan_find(c->plan, c->moved) != NULL)
		log_warn("core", "plugin %s took the last run down: it gets a process of its own",
			 c->moved);
	crash_init(path);
	events.core_call = core_on_call;
	events.arg = c;
	rc = hub_new(&c->hub, c->loop, &config, &events, err);
	if (rc == MK_OK)
		rc = outside_new(&c->outside, c->hub, c->loop, s->listen, s->listen_count, err);
	if (rc == MK_OK)
		rc = control_new(&c->control, c, s->run_dir, err);
	c->tick = loop_timer_new(c->loop, core_on_tick, c);
	if (rc == MK_OK && c->tick == NULL)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	return rc;
}

mk_result
core_new(struct core **out, const char *file, const char *const *builtin_dirs,
	 mk_problems *problems, mk_err *err)
{
	struct core *c = calloc(1, sizeof(*c));
	struct plan *plan;
	mk_result rc;

	if (c == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	*out = c;
	c->file = file;
	c->builtin_dirs = builtin_dirs;
	c->started_us = clock_now_us();
	plan = plan_prepare(file, builtin_dirs, problems);
	if (plan == NULL)
		return mk_err_set(err, MK_EINVAL, "the configuration has problems");
	c->plan = plan;
	log_set(plan->settings->log_level, plan->settings->log_format);
	rc = loop_new(&c->loop, err);
	if (rc == MK_OK)
		rc = core_open(c, err);
	c->plan = NULL; /* plug_new: those of the first plan hear everything */
	for (uint32_t i = 0; rc == MK_OK && i < plan->settings->plugin_count; i++)
		if (plug_new(c, plan, &plan->items[i], err) == NULL)
			rc = MK_ENOMEM;
	c->plan = plan;
	return rc;
}

void
core_free(struct core *c)
{
	if (c == NULL)
		return;
	core_end_reload(c);
	control_free(c->control);
	while (c->plugs != NULL)
		plug_free(c->plugs);
	outside_free(c->outside);
	hub_free(c->hub);
	loop_timer_free(c->tick);
	loop_free(c->loop);
	plan_unref(c->plan);
	free(c);
}

/* --------------------------------------------------------------------- run -- */

static void
core_log_reload(void *arg, const struct core_reload_outcome *o)
{
	(void)arg;
	for (uint32_t i = 0; i < o->count; i++)
		log_write(o->good ? MK_LOG_INFO : MK_LOG_ERROR, "reload", "%s", o->lines[i]);
	for (uint32_t i = 0; i < o->result_count; i++)
		log_write(o->all_good ? MK_LOG_INFO : MK_LOG_WARN, "reload", "%s", o->results[i]);
	if (!o->good)
		log_error("reload", "the configuration has problems; nothing was changed");
	else
		log_info("reload", "%s", o->changed ? "done" : "nothing has changed");
	notify_send("READY=1");
}

static void
core_on_signal(void *arg, uint32_t events)
{
	struct core *c = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(c->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			notify_send("RELOADING=1");
			c->hup = true; /* after the one under way: the file may have changed */
		} else {
			log_info("core", "stopping  signal=%s", sigabbrev_np((int)info.ssi_signo));
			core_stop(c);
		}
	}
}

void
core_stop(struct core *c)
{
	if (c->stop_by != 0)
		return;
	notify_send("STOPPING=1");
	c->stop_by = clock_now_us() + STOP_US;
}

/* Does another one that still runs publish what this one subscribes to? */
static bool
core_is_fed(const struct core *c, const struct plug *p)
{
	for (const struct plug *q = c->plugs; q != NULL; q = q->next)
		if (q != p && q->state != PLUG_DISABLED && q->item->manifest != NULL &&
		    mk_topics_meet(q->item->manifest->publishes, p->item->manifest->subscribes))
			return true;
	return false;
}

/* Publishers first, so that everything under way arrives. True when all are down. */
static bool
core_stop_more(struct core *c)
{
	bool down = true, begun = false;
	struct plug *first = NULL;

	for (struct plug *p = c->plugs; p != NULL; p = p->next) {
		if (p->state == PLUG_DISABLED || p->state == PLUG_STUCK)
			continue;
		down = false;
		begun = begun || p->state == PLUG_DRAINING;
		if (p->state == PLUG_DRAINING)
			continue;
		if (p->state == PLUG_BACKOFF || p->state == PLUG_QUARANTINED ||
		    !core_is_fed(c, p)) {
			plug_disable(p, "");
			begun = true;
		} else if (first == NULL) {
			first = p;
		}
	}
	/* A circle of plugins that feed each other is broken at its first. */
	if (!down && !begun && first != NULL)
		plug_disable(first, "");
	return down;
}

static void
core_sweep(struct core *c)
{
	for (struct plug *p = c->plugs, *next; p != NULL; p = next) {
		next = p->next;
		plug_round(p);
		if (p->remove && p->state == PLUG_DISABLED && !runner_is_live(&p->run) &&
		    p->waiter == NULL)
			plug_free(p);
	}
	core_reload_round(c);
	c->hup = c->hup && core_reload(c, false, core_log_reload, NULL) == MK_EAGAIN;
	if (c->plugs_changed) {
		c->plugs_changed = false;
		mk_writer_reset(&c->hub->writer);
		core_write_plugins(c, &c->hub->writer);
		hub_say(c->hub, "core/plugins", true, &c->hub->writer);
	}
}

static void
core_give_up(struct core *c)
{
	for (struct plug *p = c->plugs; p != NULL; p = p->next) {
		if (p->state == PLUG_DISABLED)
			continue;
		log_error("core", "plugin %s did not stop: %s", p->name, plug_state_text(p->state));
		plug_kill(p, "the daemon stops");
	}
}

void
core_run(struct core *c, int signals)
{
	struct loop_watch *w = loop_watch(c->loop, signals, LOOP_READ, core_on_signal, c);
	bool ready = false, stuck = false;

	c->signals = signals;
	for (struct plug *p = c->plugs; p != NULL; p = p->next)
		if (p->item->settings->enabled)
			plug_enable(p, NULL);
	loop_timer_set(c->tick, clock_now_us() + TICK_US);
	for (;;) {
		loop_round(c->loop);
		core_sweep(c);
		if (!ready && c->stop_by == 0) {
			ready = true;
			for (struct plug *p = c->plugs; p != NULL; p = p->next)
				ready = ready && plug_is_settled(p);
			if (ready)
				notify_send("READY=1");
		}
		if (c->stop_by != 0 && (core_stop_more(c) || clock_now_us() > c->stop_by))
			break;
		hub_pump(c->hub);
		control_pump(c->control);
	}
	core_give_up(c);
	for (struct plug *p = c->plugs; p != NULL; p = p->next)
		stuck = stuck || task_is_busy(&p->run.task);
	loop_unwatch(w);
	log_info("core", "stopped");
	if (stuck) {
		/* Its memory may not go while it runs; the kernel takes everything at once. */
		control_free(c->control);
		_exit(1);
	}
}
