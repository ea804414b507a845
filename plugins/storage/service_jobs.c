/* SPDX-License-Identifier: MIT
 *
 * Jobs of the database between the transactions of the ingest: retention by itself, backfills a step
 * at a time as the plugin backfill asks for them, and what the bus is told of both.
 */
#include <stdio.h>
#include <string.h>

#include "service.h"

#define JOBS_AFTER_US 5000u    /* until retention asks again whether a transaction is open */
#define JOBS_STARVE_US 500000u /* then it gets a step in between */
#define ASKED_WITHIN_US 10000000u

/* -------------------------------------------------------------------- what is told -- */

static void
service_put_job(mk_writer *w, const struct job_progress *p, uint32_t more)
{
	mk_put_map(w, 12u + (p->rate > 0) + (p->eta_s >= 0) + more);
	mk_kv_str(w, "name", p->name);
	mk_kv_str(w, "table", p->table);
	mk_kv_str(w, "kind", p->backfill ? "backfill" : "retention");
	mk_kv_str(w, "state", p->state_text);
	mk_kv_bool(w, "paused", p->paused);
	mk_kv_str(w, "waits", p->waits);
	mk_kv_i64(w, "done", p->done);
	mk_kv_i64(w, "total", p->total);
	mk_kv_i64(w, "skipped", p->skipped);
	mk_kv_i64(w, "attempts", p->attempts);
	mk_kv_u64(w, "longest_us", p->held_us);
	mk_kv_str(w, "error", p->error);
	if (p->rate > 0)
		mk_kv_f64(w, "rate", p->rate);
	if (p->eta_s >= 0)
		mk_kv_i64(w, "eta_s", p->eta_s);
}

void
service_tell_jobs(struct service *s)
{
	uint64_t now = s->host->now_us(s->host);
	uint32_t open, count = 0;
	struct job_progress p;
	mk_writer *w = &s->body;

	if (s->jobs == NULL)
		return;
	open = jobs_open(s->jobs);
	while (jobs_at(s->jobs, count, &p))
		count++;
	mk_writer_reset(w);
	mk_put_map(w, 3);
	mk_kv_u64(w, "open", open);
	s->unasked = open > 0 && now >= s->step_us + ASKED_WITHIN_US;
	mk_kv_str(w, "reason",
		  s->unasked ? "nobody asks for steps: is the plugin backfill enabled?" : "");
	mk_kv_array(w, "items", count);
	for (uint32_t i = 0; i < count && jobs_at(s->jobs, i, &p); i++)
		service_put_job(w, &p, 0);
	s->host->gauge(s->host, "backfills_open", open);
	s->jobs_due = !service_publish(s, "storage/backfills");
}

void
service_on_progress(void *arg, const struct job_progress *p)
{
	struct service *s = arg;

	(void)p;
	s->jobs_due = true;
}

void
service_look_at_jobs(struct service *s)
{
	bool unasked;

	if (s->jobs == NULL || batch_is_open(&s->batch) || !service_takes(s))
		return;
	unasked =
	    jobs_open(s->jobs) > 0 && s->host->now_us(s->host) >= s->step_us + ASKED_WITHIN_US;
	jobs_stop(s->jobs, ASKED_WITHIN_US);
	if (unasked == s->unasked)
		return;
	s->jobs_due = true;
	if (unasked && jobs_next(s->jobs) != NULL)
		s->host->log(s->host, MK_LOG_WARN,
			     "old rows wait to be brought up to date, and nobody asks for it: is "
			     "the plugin backfill enabled?");
}

static void
service_tell_changes(struct service *s)
{
	mk_err err = { 0 };

	for (uint32_t i = 0; i < s->change_count; i++)
		if (batch_changed(&s->batch, s->changes[i].table, s->changes[i].key, &err) != MK_OK)
			batch_complain(&s->batch, "a change by a job is not told: %s", err.text);
	s->change_count = 0;
	service_settle(s);
}

/* ---------------------------------------------------------------------- retention -- */

/* In the pauses; if there are none, it gets one. */
void
service_run_jobs(struct service *s)
{
	uint64_t now = s->host->now_us(s->host), steps, after;

	if (!service_takes(s))
		return;
	if (batch_is_open(&s->batch)) {
		if (s->busy_since_us == 0)
			s->busy_since_us = now;
		if (now - s->busy_since_us < JOBS_STARVE_US) {
			s->host->timer(s->host, TIMER_JOBS, JOBS_AFTER_US, 0);
			return;
		}
		service_commit(s, false);
		if (!service_takes(s))
			return;
	}
	steps = jobs_steps(s->jobs);
	after = jobs_run(s->jobs);
	if (jobs_steps(s->jobs) != steps) {
		stats_time(&s->stats, STATS_jobs,
			   s->busy_since_us == 0 ? 0 : now - s->busy_since_us,
			   s->host->now_us(s->host) - now);
		rows_forget_txs(&s->batch.rows);
	}
	s->busy_since_us = 0;
	s->host->timer(s->host, TIMER_JOBS, after, 0);
	service_tell_changes(s);
}

/* ---------------------------------------------------------------------- backfills -- */

static void
service_answer(struct service *s, uint64_t id, const mk_err *err, const mk_writer *w)
{
	static const uint8_t empty[] = { 0x80 };
	mk_result rc = err->code == MK_OK && w != NULL ? mk_writer_end(w) : err->code;
	const char *text = err->code != MK_OK ? err->text : rc != MK_OK ? mk_result_text(rc) : "";

	if (rc != MK_OK)
		(void)s->host->reply(s->host, id, rc, text, NULL, 0);
	else if (w != NULL)
		(void)s->host->reply(s->host, id, MK_OK, "", w->data, (uint32_t)w->len);
	else
		(void)s->host->reply(s->host, id, MK_OK, "", empty, sizeof(empty));
}

void
service_step(struct service *s)
{
	uint64_t now = s->host->now_us(s->host), held, steps;
	struct job_progress p;
	mk_writer *w = &s->body;
	mk_err err = { .text = "" };

	if (!s->step.open || batch_is_open(&s->batch))
		return;
	/* Only what nobody writes to can a checkpoint bring to its end: service_look_at_log goes on. */
	if (service_takes(s) && s->log.running && db_wants_restart(s->opened.db))
		return;
	s->step.open = false;
	if (!service_takes(s)) {
		(void)mk_err_set(&err, MK_EUNAVAIL, "storage waits: %.200s", s->reason);
		service_answer(s, s->step.id, &err, NULL);
		return;
	}
	steps = jobs_steps(s->jobs);
	err.code = jobs_step(s->jobs, s->step.name, s->step.hold_us, &p, &err);
	held = s->host->now_us(s->host) - now;
	if (jobs_steps(s->jobs) != steps) {
		stats_time(&s->stats, STATS_jobs, now - s->step.came_us, held);
		rows_forget_txs(&s->batch.rows);
	}
	mk_writer_reset(w);
	if (err.code == MK_OK) {
		service_put_job(w, &p, 3);
		mk_kv_u64(w, "held_us", held);
		mk_kv_u64(w, "waited_us", now - s->step.came_us);
		/* Ingest has come since the last step: it goes first. */
		mk_kv_bool(w, "busy", s->messages != s->step_messages);
	}
	s->step_messages = s->messages;
	s->step_us = s->host->now_us(s->host);
	service_answer(s, s->step.id, &err, w);
	service_tell_changes(s);
}

static void
service_ask_step(struct service *s, const mk_call *call, const mk_val *body)
{
	struct service_step *step = &s->step;
	mk_err err = { .text = "" };

	s->step_us = s->host->now_us(s->host);
	if (step->open) {
		(void)mk_err_set(&err, MK_EAGAIN, "a step is asked for already");
	} else if (mk_find(body, "name") == NULL) {
		; /* whoever asks is there, but does not want one now */
	} else if (!mk_copy_str(mk_find(body, "name"), step->name, sizeof(step->name))) {
		(void)mk_err_set(&err, MK_EINVAL, "name is a string of less than 80 bytes");
	} else {
		step->hold_us = JOBS_HOLD_US;
		(void)mk_get_u64(mk_find(body, "hold_us"), &step->hold_us);
		step->id = call->id;
		step->came_us = s->step_us;
		step->open = true;
		service_step(s); /* else after the transaction that is open */
		return;
	}
	service_answer(s, call->id, &err, NULL);
}

static void
service_answer_forget(struct service *s, const mk_call *call, const mk_val *body)
{
	mk_err err = { .text = "" };
	int64_t deleted = 0;
	mk_writer w;

	err.code = service_forget(s, body, &deleted, &err);
	mk_writer_init(&w, 64);
	mk_put_map(&w, 1);
	mk_kv_i64(&w, "deleted", deleted);
	service_answer(s, call->id, &err, &w);
	mk_writer_fini(&w);
}

static bool
service_is_guest(const struct service *s, const char *name)
{
	char path[32];
	uint32_t count = s->host->opt_count(s->host, "guests");

	for (uint32_t i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "guests[%u]", i);
		if (strcmp(s->host->opt_str(s->host, path), name) == 0)
			return true;
	}
	return false;
}

/* What changes the list: a definition, or the will of the operator. */
static void
service_change_jobs(struct service *s, const mk_call *call, const mk_val *body)
{
	char name[80] = "", what[16] = "";
	mk_err err = { .text = "" };

	if (batch_is_open(&s->batch) && service_takes(s))
		service_commit(s, false);
	if (!service_takes(s)) {
		(void)mk_err_set(&err, MK_EUNAVAIL, "storage waits: %.200s", s->reason);
	} else if (strcmp(call->name, "storage/define") != 0) {
		(void)mk_copy_str(mk_find(body, "name"), name, sizeof(name));
		(void)mk_copy_str(mk_find(body, "do"), what, sizeof(what));
		err.code = jobs_control(s->jobs, name, what, &err);
	} else if (!service_is_guest(s, call->caller)) {
		(void)mk_err_set(&err, MK_EDENIED,
				 "%s may not have tables here: to allow it, add it to the option "
				 "guests of %s",
				 call->caller, s->host->name(s->host));
	} else {
		err.code = jobs_define(s->jobs, call->caller, body, &err);
	}
	service_answer(s, call->id, &err, NULL);
	service_tell_jobs(s);
	service_tell_changes(s);
}

void
service_on_call(void *self, const mk_call *call)
{
	struct service *s = self;
	mk_err err = { .text = "" };
	mk_doc doc;

	mk_doc_init(&doc);
	err.code = mk_doc_open(&doc, call->body, call->body_len, NULL, err.text, sizeof(err.text));
	if (err.code != MK_OK)
		service_answer(s, call->id, &err, NULL);
	else if (strcmp(call->name, "storage/step") == 0)
		service_ask_step(s, call, mk_doc_root(&doc));
	else if (strcmp(call->name, "storage/forget") == 0)
		service_answer_forget(s, call, mk_doc_root(&doc));
	else
		service_change_jobs(s, call, mk_doc_root(&doc));
	mk_doc_fini(&doc);
}
