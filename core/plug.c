/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "plug.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "crash.h"

#define BIT(s) (1u << (s))
#define SLOW_US 1000000u     /* a callback that takes longer is named once */
#define HEALTHY_US 60000000u /* that long without a crash: history is forgotten */
#define CRASHES_MAX 5u       /* more than that within HEALTHY_US: quarantine */
#define KILLS_MAX 200u       /* killed from outside more often than that counts as crashes */
#define BACKOFF_MAX_US 30000000u
#define QUIET_US 1000000u /* how long the sockets of the dead may take to end */
#define ABORT_US 1000000u /* from SIGABRT, for the backtrace, to SIGKILL */

#define TO(s) BIT(PLUG_##s)
static const struct {
	const char *text;
	uint32_t next; /* states that may follow */
} plug_states[] = {
	[PLUG_DISABLED] = { "disabled", TO(STARTING) | TO(BACKOFF) },
	[PLUG_STARTING] = { "starting", TO(RUNNING) | TO(DRAINING) | TO(BACKOFF) | TO(QUARANTINED) |
					    TO(DISABLED) | TO(STUCK) },
	[PLUG_RUNNING] = { "running", TO(DRAINING) | TO(BACKOFF) | TO(QUARANTINED) | TO(STUCK) |
					  TO(STARTING) },
	[PLUG_DRAINING] = { "draining", TO(DISABLED) | TO(STARTING) | TO(STUCK) },
	[PLUG_BACKOFF] = { "backoff", TO(STARTING) | TO(DISABLED) | TO(QUARANTINED) },
	[PLUG_QUARANTINED] = { "quarantined", TO(STARTING) | TO(DISABLED) },
	[PLUG_STUCK] = { "stuck",
			 TO(RUNNING) | TO(DISABLED) | TO(BACKOFF) | TO(DRAINING) | TO(STARTING) },
};

const char *
plug_state_text(enum plug_state s)
{
	return plug_states[s].text;
}

static void
plug_set_state(struct plug *p, enum plug_state state, const char *reason)
{
	if (p->state != state && (plug_states[p->state].next & BIT(state)) == 0)
		log_error("core", "plugin %s: from %s to %s is not a step of its life", p->name,
			  plug_state_text(p->state), plug_state_text(state));
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
	wire_clean(p->reason);
	if (p->state != state || reason[0] != '\0')
		log_write(state == PLUG_QUARANTINED || state == PLUG_STUCK ? MK_LOG_ERROR
			  : state == PLUG_BACKOFF                          ? MK_LOG_WARN
									   : MK_LOG_INFO,
			  "core", "plugin %s: %s%s%s", p->name, plug_state_text(state),
			  reason[0] != '\0' ? ": " : "", reason);
	p->state = state;
	p->state_us = clock_wall_us();
	p->core->plugs_changed = true;
}

static void
plug_deadline(struct plug *p, uint64_t after_us, const char *text)
{
	p->deadline_text = text;
	p->deadline_us = after_us == UINT64_MAX ? UINT64_MAX : clock_now_us() + after_us;
	loop_timer_set(p->timer, p->deadline_us);
}

/* -------------------------------------------------------------- starting -- */

static void plug_failed(struct plug *p, const char *reason, bool own_fault);

static void
plug_start(struct plug *p)
{
	mk_err err = { 0 };

	p->ev_running = p->ev_failed = p->ev_stopped = p->ev_reconfigured = false;
	p->ev_lost = p->ev_ended = p->tried = p->said_bye = false;
	p->killed_for = NULL;
	p->ended_us = 0;
	p->warned_slow = false;
	p->restart = false;
	p->starts++;
	seat_park(p->seat, false);
	plug_set_state(p, PLUG_STARTING, "");
	if (plug_launch(p, &err) != MK_OK)
		plug_failed(p, err.text, true);
	else
		plug_deadline(p, p->item->settings->create_us + p->item->settings->start_us,
			      "did not start in time");
}

/* How long to wait after the n-th crash: not at all, then 1 s, 2 s, 4 s ... */
static uint64_t
plug_backoff_us(const struct plug *p)
{
	uint64_t us = p->recent <= 1 ? 0 : 1000000ull << (p->recent - 2);

	return us > BACKOFF_MAX_US ? BACKOFF_MAX_US : us;
}

static bool
plug_revert(struct plug *p)
{
	struct plan *failed = p->plan;

	if (p->old_plan == NULL)
		return false;
	log_error("core", "plugin %s: going back to the configuration that worked", p->name);
	p->plan = p->old_plan;
	p->item = p->old_item;
	p->old_plan = NULL;
	p->reverted = true;
	p->recent = 0;
	plan_unref(failed);
	return true;
}

/* It does not run any more, though it should. */
static void
plug_failed(struct plug *p, const char *reason, bool own_fault)
{
	uint64_t now = clock_now_us();

	p->tried = true;
	if (now - p->recent_us > HEALTHY_US) {
		p->recent = p->kills = 0;
		p->recent_us = now;
	}
	if (own_fault || ++p->kills > KILLS_MAX) {
		p->crashes++;
		p->recent++;
	}
	plug_deadline(p, UINT64_MAX, NULL);
	if (p->state != PLUG_RUNNING && plug_revert(p)) {
		plug_set_state(p, PLUG_BACKOFF, reason);
		plug_deadline(p, 0, NULL);
	} else if (p->recent > CRASHES_MAX) {
		seat_park(p->seat, true);
		plug_set_state(p, PLUG_QUARANTINED, reason);
	} else {
		plug_set_state(p, PLUG_BACKOFF, reason);
		plug_deadline(p, plug_backoff_us(p), NULL);
	}
}

/* ---------------------------------------------------------------- ending -- */

/* A message that was in hand at two crashes is the reason: on without it. */
static void
plug_poison(struct plug *p, int signal)
{
	struct hub *h = p->core->hub;
	uint64_t order = atomic_load(&p->run.vitals->order);
	const struct entry *e;
	char topic[64];
	bool durable;

	if (order == 0 || order != p->poison_order) {
		p->poison_order = order;
		return;
	}
	p->poison_order = 0;
	vitals_get_topic(p->run.vitals, topic);
	wire_clean(topic);
	log_error(
	    "core",
	    "plugin %s: crashed twice on the same message, which is skipped  topic=%s seq=%llu",
	    p->name, topic, (unsigned long long)atomic_load(&p->run.vitals->seq));
	e = seat_find(p->seat, order);
	durable = e != NULL && (e->flags & MK_MSG_DURABLE) != 0;
	mk_writer_reset(&h->writer);
	mk_put_map(&h->writer, durable ? 8 : 6);
	mk_kv_str(&h->writer, "plugin", p->name);
	mk_kv_str(&h->writer, "topic", topic);
	mk_kv_u64(&h->writer, "epoch", h->stream.epoch);
	mk_kv_u64(&h->writer, "seq", atomic_load(&p->run.vitals->seq));
	mk_kv_i64(&h->writer, "signal", signal);
	if (durable) {
		mk_kv_str(&h->writer, "origin", e->origin);
		mk_kv_u64(&h->writer, "origin_seq", e->origin_seq);
	}
	if (e != NULL)
		mk_kv_bin(&h->writer, "body", e->body, e->len);
	else
		mk_kv_nil(&h->writer, "body");
	hub_say(h, "core/poison", false, &h->writer);
	seat_skip(p->seat, order);
}

/* What its end was, in words; true if it is to blame. */
static bool
plug_obituary(struct plug *p, char *text, size_t cap)
{
	int status = p->end_status;
	char where[128];

	vitals_where(p->run.vitals, where);
	if (p->killed_for != NULL)
		snprintf(text, cap, "%s%s", p->killed_for, where);
	else
		runner_tell_end(&p->run, status, text, cap);
	return p->inproc || p->killed_for != NULL || !WIFSIGNALED(status) ||
	       (WTERMSIG(status) != SIGKILL && WTERMSIG(status) != SIGTERM);
}

/* Thread or process have ended, expected or not. */
static void
plug_on_ended(struct plug *p)
{
	bool stopped = p->ev_stopped, failed = p->ev_failed, own_fault;
	char text[256];

	p->ev_ended = false;
	own_fault = plug_obituary(p, text, sizeof(text)) || failed;
	seat_done(p->seat, atomic_load(&p->run.vitals->done));
	if (own_fault && !stopped && !failed)
		plug_poison(p, WIFSIGNALED(p->end_status) ? WTERMSIG(p->end_status) : 0);
	plug_release(p);
	if (failed)
		snprintf(text, sizeof(text), "%s", p->ev_text);
	if (p->wanted && !p->restart && !stopped) {
		plug_failed(p, text, own_fault);
		return;
	}
	plug_deadline(p, UINT64_MAX, NULL);
	p->tried = true;
	if (p->wanted) {
		plug_start(p);
		return;
	}
	seat_park(p->seat, true);
	if (stopped)
		snprintf(text, sizeof(text), "%s", p->reason);
	plug_set_state(p, PLUG_DISABLED, text);
}

static void
plug_on_deadline(void *arg)
{
	struct plug *p = arg;

	if (p->state == PLUG_BACKOFF) {
		plug_start(p);
	} else if (!p->inproc) {
		plug_kill(p, p->deadline_text);
	} else {
		/* A thread cannot be killed. Others no longer wait for it. */
		seat_park(p->seat, true);
		plug_set_state(p, PLUG_STUCK, p->deadline_text);
		crash_write(p->name);
		p->tried = true;
	}
}

/* Tell the seat what the plugin declares; the plan stays as long as the seat may look. */
void
plug_declare(struct plug *p)
{
	struct plan *before = p->seat_plan;

	p->seat_plan = plan_ref(p->plan);
	seat_declare(p->seat, p->item->manifest, p->item->settings->rate, p->inproc);
	plan_unref(before);
}

static void
plug_begin_stop(struct plug *p, const char *reason)
{
	plug_set_state(p, PLUG_DRAINING, reason);
	plug_deadline(p, p->item->settings->stop_us, "did not stop in time");
	if (p->seat->running)
		seat_drain(p->seat, p->core->stop_by != 0);
	else if (!p->inproc)
		plug_kill(p, "stopped before it was running");
	else
		seat_bye(p->seat);
}

/* ------------------------------------------------------------- operations -- */

struct plug *
plug_new(struct core *c, struct plan *plan, struct plan_item *item, mk_err *err)
{
	struct plug *p = calloc(1, sizeof(*p));
	struct plug **at = &c->plugs;

	if (p == NULL) {
		mk_err_set(err, MK_ENOMEM, "out of memory");
		return NULL;
	}
	p->core = c;
	p->plan = plan_ref(plan);
	p->item = item;
	snprintf(p->name, sizeof(p->name), "%s", item->settings->name);
	p->state_us = clock_wall_us();
	p->tried = true;
	p->timer = loop_timer_new(c->loop, plug_on_deadline, p);
	/* Those of the first configuration are waited for from the first message on. */
	p->seat = seat_new(c->hub, p->name, p, c->plan == NULL);
	while (*at != NULL)
		at = &(*at)->next;
	*at = p;
	if (p->timer != NULL && p->seat != NULL)
		return p;
	mk_err_set(err, MK_ENOMEM, "out of memory");
	plug_free(p);
	return NULL;
}

void
plug_free(struct plug *p)
{
	struct plug **at = &p->core->plugs;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	runner_release(&p->run);
	loop_timer_free(p->timer);
	seat_free(p->seat);
	plan_unref(p->plan);
	plan_unref(p->old_plan);
	plan_unref(p->seat_plan);
	free(p);
}

struct plug *
plug_find(struct core *c, const char *name)
{
	struct plug *p = c->plugs;

	while (p != NULL && strcmp(p->name, name) != 0)
		p = p->next;
	return p;
}

mk_result
plug_enable(struct plug *p, mk_err *err)
{
	if (p->item->manifest == NULL)
		return mk_err_set(err, MK_ESTATE, "plugin %s has not been read", p->name);
	p->wanted = true;
	if (p->state == PLUG_DRAINING)
		p->restart = true;
	else if (p->state == PLUG_DISABLED)
		plug_start(p);
	return MK_OK;
}

void
plug_disable(struct plug *p, const char *reason)
{
	p->wanted = p->restart = false;
	switch (p->state) {
	case PLUG_STARTING:
	case PLUG_RUNNING:
		plug_begin_stop(p, reason);
		break;
	case PLUG_BACKOFF:
	case PLUG_QUARANTINED:
		plug_deadline(p, UINT64_MAX, NULL);
		seat_park(p->seat, true);
		plug_set_state(p, PLUG_DISABLED, reason);
		break;
	default:
		break;
	}
}

mk_result
plug_restart(struct plug *p, mk_err *err)
{
	if (p->state == PLUG_STUCK)
		return mk_err_set(err, MK_ESTATE,
				  "plugin %s is blocked in a thread of the daemon; "
				  "only a restart of the daemon helps",
				  p->name);
	if (p->state == PLUG_DISABLED)
		return mk_err_set(err, MK_ESTATE, "plugin %s is disabled", p->name);
	p->wanted = true;
	p->recent = 0;
	if (p->state == PLUG_BACKOFF || p->state == PLUG_QUARANTINED) {
		plug_start(p);
		return MK_OK;
	}
	if (p->state != PLUG_DRAINING)
		plug_begin_stop(p, "restart");
	p->restart = true;
	p->tried = false;
	return MK_OK;
}

mk_result
plug_reset(struct plug *p, mk_err *err)
{
	if (p->state != PLUG_QUARANTINED && p->state != PLUG_BACKOFF)
		return mk_err_set(err, MK_ESTATE, "plugin %s is %s: there is nothing to reset",
				  p->name, plug_state_text(p->state));
	return plug_restart(p, err);
}

void
plug_adopt(struct plug *p, struct plan *plan, struct plan_item *item, bool live)
{
	struct plan *old_plan = p->plan;
	struct plan_item *old_item = p->item;

	p->plan = plan_ref(plan);
	p->item = item;
	p->reverted = false;
	if (live && p->state == PLUG_RUNNING) {
		p->tried = false;
		seat_reconfigure(p->seat, item->body, (uint32_t)item->len);
		/* The manifest is equal, but the old one goes with its plan. */
		plug_declare(p);
	} else if (p->wanted && p->state != PLUG_STUCK) {
		/* What never ran is nothing to go back to. */
		if (p->old_plan == NULL) {
			p->old_plan = old_plan;
			p->old_item = old_item;
		} else {
			plan_unref(old_plan);
		}
		p->recent = 0;
		if (p->state == PLUG_RUNNING || p->state == PLUG_STARTING) {
			plug_begin_stop(p, "new configuration");
			p->restart = true;
		} else if (p->state == PLUG_BACKOFF || p->state == PLUG_QUARANTINED) {
			plug_start(p);
		}
		return;
	}
	plan_unref(old_plan);
}

void
plug_follow(struct plug *p, struct plan *plan, struct plan_item *item)
{
	struct plan *before = p->plan;

	p->plan = plan_ref(plan);
	p->item = item;
	p->reverted = false;
	plan_unref(before);
}

void
plug_wait(struct plug *p, void (*done)(void *, struct plug *), void *arg)
{
	p->waiter = done;
	p->waiter_arg = arg;
}

bool
plug_is_settled(const struct plug *p)
{
	switch (p->state) {
	case PLUG_STARTING:
	case PLUG_DRAINING:
		return false;
	case PLUG_BACKOFF:
		return p->recent > 1; /* the first restart comes at once */
	default:
		return true;
	}
}

/* ----------------------------------------------------------------- rounds -- */

static void
plug_on_running(struct plug *p)
{
	p->ev_running = false;
	p->tried = true;
	plug_deadline(p, UINT64_MAX, NULL);
	if (p->old_plan != NULL)
		plan_unref(p->old_plan);
	p->old_plan = NULL;
	if (p->state == PLUG_STARTING)
		plug_set_state(p, PLUG_RUNNING, "");
	if (p->state == PLUG_DRAINING)
		seat_drain(p->seat, p->core->stop_by != 0);
}

static void
plug_on_failed(struct plug *p)
{
	char text[256];

	if (p->state != PLUG_STARTING && p->state != PLUG_DRAINING && p->state != PLUG_STUCK)
		return;
	snprintf(text, sizeof(text), "%.32s failed: %s", p->ev_text, mk_result_text(p->ev_result));
	snprintf(p->ev_text, sizeof(p->ev_text), "%s", text);
	seat_bye(p->seat);
	plug_deadline(p, p->item->settings->stop_us, "did not end after it had failed to start");
}

/* What it sent before its end is read first. And sockets close at once only if nobody is there. */
static bool
plug_is_over(struct plug *p)
{
	if (p->ended_us == 0)
		p->ended_us = clock_now_us();
	return seat_is_quiet(p->seat) || clock_now_us() - p->ended_us > QUIET_US;
}

/* Who has not been told to stop has no business saying that it has. */
static void
plug_check_claims(struct plug *p)
{
	if ((p->ev_stopped && (p->state == PLUG_STARTING || p->state == PLUG_RUNNING)) ||
	    (p->ev_failed && p->state == PLUG_RUNNING)) {
		p->ev_stopped = p->ev_failed = false;
		plug_kill(p, "said that it had ended, unasked");
	}
}

void
plug_round(struct plug *p)
{
	if (p->ev_running)
		plug_on_running(p);
	plug_check_claims(p);
	if (p->ev_failed && !p->tried && !p->ev_ended) {
		p->tried = true;
		plug_on_failed(p);
	}
	if (p->ev_stopped && !p->said_bye && !p->ev_ended) {
		p->said_bye = true;
		if (p->ev_text[0] != '\0') {
			snprintf(p->misbehaviour, sizeof(p->misbehaviour), "left behind: %.200s",
				 p->ev_text);
			wire_clean(p->misbehaviour);
			p->misbehaved++;
			log_warn("core", "plugin %s: %s", p->name, p->misbehaviour);
		}
		seat_bye(p->seat);
		p->deadline_text = "did not end after it had stopped";
	}
	if (p->ev_reconfigured) {
		p->ev_reconfigured = false;
		p->tried = true;
		if (p->ev_result == MK_OK)
			log_info("core", "plugin %s: took its new options", p->name);
		else if (p->state == PLUG_RUNNING)
			plug_restart(p, NULL);
	}
	/* Who was told to go closes its links, and then ends by itself. */
	if (p->ev_lost && !p->ev_stopped && !p->ev_failed && p->run.child.pid != 0)
		plug_kill(p, NULL);
	p->ev_lost = false;
	if (p->ev_ended && plug_is_over(p))
		plug_on_ended(p);
	if (p->waiter != NULL && plug_is_settled(p) && p->tried) {
		void (*waiter)(void *, struct plug *) = p->waiter;

		p->waiter = NULL;
		waiter(p->waiter_arg, p);
	}
}

/* It has come back from where it was blocked. */
static void
plug_moves_again(struct plug *p)
{
	if (p->ev_failed) {
		if (!p->said_bye)
			plug_on_failed(p);
		p->said_bye = true;
		return;
	}
	seat_park(p->seat, false);
	plug_set_state(p, PLUG_RUNNING, "moves again");
	crash_forget();
	for (const struct plug *q = p->core->plugs; q != NULL; q = q->next)
		if (q->state == PLUG_STUCK)
			crash_write(q->name);
	if (!p->wanted)
		plug_begin_stop(p, "by command");
}

static void
plug_check_callback(struct plug *p, uint64_t now_us)
{
	uint64_t since;
	uint32_t callback = vitals_look(p->run.vitals, &since);
	uint64_t for_us = now_us > since ? now_us - since : 0;
	char text[128], topic[64];

	if (callback == VITALS_NONE || for_us < SLOW_US) {
		p->warned_slow = false;
		if (p->state == PLUG_STUCK && callback == VITALS_NONE)
			plug_moves_again(p);
		return;
	}
	vitals_get_topic(p->run.vitals, topic);
	if (!p->warned_slow)
		log_warn("core", "plugin %s: %s takes long  ms=%llu topic=%s", p->name,
			 vitals_text(callback), (unsigned long long)(for_us / 1000),
			 callback == VITALS_MSG ? topic : "");
	p->warned_slow = true;
	if (for_us < p->item->settings->stuck_us || p->state == PLUG_STUCK)
		return;
	snprintf(text, sizeof(text), "blocked in %s for %llu s", vitals_text(callback),
		 (unsigned long long)(for_us / 1000000));
	if (p->inproc) {
		seat_park(p->seat, true);
		crash_write(p->name);
		plug_set_state(p, PLUG_STUCK, text);
		p->tried = true;
	} else if (p->killed_for == NULL) {
		log_error("core", "plugin %s: %s, aborted", p->name, text);
		p->killed_for = "blocked for too long";
		child_kill(&p->run.child, SIGABRT);
		plug_deadline(p, ABORT_US, "blocked for too long");
	}
}

void
plug_check(struct plug *p, uint64_t now_us)
{
	uint64_t limit = p->item->settings->memory_bytes;

	if (p->run.vitals == NULL)
		return;
	plug_check_callback(p, now_us);
	if (limit > 0 && child_rss(p->run.child.pid) > limit)
		plug_kill(p, "memory limit exceeded");
}

/* ------------------------------------------------------- the hub's events -- */

static void
plug_on_state(void *owner, uint8_t state, mk_result result, const char *text)
{
	struct plug *p = owner;

	if (state == WIRE_STATE_CREATED)
		return;
	p->ev_running = p->ev_running || state == WIRE_STATE_RUNNING;
	p->ev_failed = p->ev_failed || state == WIRE_STATE_FAILED;
	p->ev_stopped = p->ev_stopped || state == WIRE_STATE_STOPPED;
	p->ev_reconfigured = p->ev_reconfigured || state == WIRE_STATE_RECONFIGURED;
	p->ev_result = result;
	snprintf(p->ev_text, sizeof(p->ev_text), "%s", text);
}

static void
plug_on_number(void *owner, const char *name, int64_t value)
{
	struct plug *p = owner;
	uint32_t i = 0;

	while (i < p->number_count && strcmp(p->numbers[i].name, name) != 0)
		i++;
	if (i == sizeof(p->numbers) / sizeof(p->numbers[0]))
		return;
	if (i == p->number_count)
		snprintf(p->numbers[p->number_count++].name, sizeof(p->numbers[0].name), "%s",
			 name);
	p->numbers[i].value = value;
}

static void
plug_on_outbox(void *owner, const uint64_t stats[6])
{
	struct plug *p = owner;

	memcpy(p->outbox, stats, sizeof(p->outbox));
	p->has_outbox = true;
}

static void
plug_on_misbehaved(void *owner, const char *text)
{
	struct plug *p = owner;
	uint32_t left_out;

	p->misbehaved++;
	snprintf(p->misbehaviour, sizeof(p->misbehaviour), "%s", text);
	if (log_allowed(&p->misbehaved_log, 10, &left_out))
		log_warn("core", "plugin %s misbehaves: %s  left_out=%u", p->name, text, left_out);
}

static void
plug_on_lost_link(void *owner)
{
	((struct plug *)owner)->ev_lost = true;
}

const struct hub_events plug_events = {
	.state = plug_on_state,
	.number = plug_on_number,
	.outbox = plug_on_outbox,
	.misbehaved = plug_on_misbehaved,
	.lost_link = plug_on_lost_link,
};
