/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "inst.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "heap.h"
#include "log.h"

#define ROUND 256u         /* records delivered before timers and descriptors have their turn */
#define REPORT_US 1000000u /* numbers and outbox figures */
#define LEAVE_US 2000000u  /* how long it may take what was published before the stop */
#define BYE_US 2000000u    /* how long the hub may take to say it */

static _Thread_local struct inst *inst_current;

bool
inst_is_here(const struct inst *in)
{
	return inst_current == in;
}

void
inst_enter(struct inst *in, enum vitals_callback callback)
{
	vitals_enter(in->config.vitals, callback, clock_now_us());
}

void
inst_leave(struct inst *in)
{
	vitals_leave(in->config.vitals);
}

void
inst_wake(struct inst *in)
{
	uint64_t one = 1;

	if (in->woken || inst_is_here(in))
		return;
	in->woken = true;
	if (write(in->wake_fd, &one, sizeof(one)) == -1)
		in->woken = false; /* the next one tries again */
}

void
inst_misbehaved(struct inst *in, const char *format, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	pthread_mutex_lock(&in->lock);
	if (in->ready.len < INST_LOG_BYTES) {
		wire_begin(&in->ready, WIRE_MISBEHAVED);
		wire_rest(&in->ready, text, strlen(text));
		wire_end(&in->ready);
		inst_wake(in);
	}
	pthread_mutex_unlock(&in->lock);
}

/* ------------------------------------------------------------ delivering -- */

static void
inst_on_msg(struct inst *in, struct wire_in *r)
{
	struct vitals *v = in->config.vitals;
	struct wire_msg m;
	mk_msg msg = { .struct_size = sizeof(msg) };

	if (!wire_get_msg(r, &m))
		return;
	msg.flags = m.flags;
	msg.topic = m.topic;
	msg.origin = m.origin;
	msg.epoch = m.epoch;
	msg.seq = m.seq;
	msg.time_us = m.time_us;
	msg.origin_seq = m.origin_seq;
	msg.origin_first = m.origin_first;
	msg.schema = m.schema;
	msg.body = m.body;
	msg.body_len = m.len;
	vitals_set_topic(v, m.topic);
	atomic_store_explicit(&v->seq, m.seq, memory_order_relaxed);
	atomic_store_explicit(&v->order, m.order, memory_order_relaxed);
	inst_enter(in, VITALS_MSG);
	in->config.desc->on_msg(in->self, &msg);
	inst_leave(in);
	if (m.order != 0)
		inst_handed_over(in, &m);
	atomic_store_explicit(&v->order, 0, memory_order_relaxed);
}

static void
inst_on_gap(struct inst *in, struct wire_in *r)
{
	mk_msg msg = { .struct_size = sizeof(msg), .flags = MK_MSG_GAP, .origin = "core" };

	msg.topic = wire_get_str(r);
	msg.epoch = wire_get_u64(r);
	msg.seq = wire_get_u64(r);
	msg.lost = wire_get_u64(r);
	if (r->bad)
		return;
	vitals_set_topic(in->config.vitals, msg.topic);
	inst_enter(in, VITALS_MSG);
	in->config.desc->on_msg(in->self, &msg);
	inst_leave(in);
}

static void
inst_on_call(struct inst *in, struct wire_in *r)
{
	mk_call call = { .struct_size = sizeof(call) };

	call.id = wire_get_u64(r);
	call.name = wire_get_str(r);
	call.caller = wire_get_str(r);
	call.body = wire_get_rest(r, &call.body_len);
	if (r->bad || in->config.desc->on_call == NULL)
		return;
	vitals_set_topic(in->config.vitals, call.name);
	inst_enter(in, VITALS_CALL);
	in->config.desc->on_call(in->self, &call);
	inst_leave(in);
}

static void
inst_on_reply(struct inst *in, struct wire_in *r)
{
	mk_reply reply = { .struct_size = sizeof(reply) };

	reply.id = wire_get_u64(r);
	reply.result = (mk_result)wire_get_u32(r);
	reply.name = wire_get_str(r);
	reply.error = wire_get_str(r);
	reply.body = wire_get_rest(r, &reply.body_len);
	if (reply.body_len == 0)
		reply.body = NULL;
	if (r->bad || in->config.desc->on_reply == NULL)
		return;
	vitals_set_topic(in->config.vitals, reply.name);
	inst_enter(in, VITALS_REPLY);
	in->config.desc->on_reply(in->self, &reply);
	inst_leave(in);
}

static void
inst_on_options(struct inst *in, struct wire_in *r)
{
	mk_problems *problems = mk_problems_new("options");
	mk_values *old = in->values, *values = NULL;
	mk_result rc = MK_ENOMEM;
	uint32_t len;
	const uint8_t *body = wire_get_rest(r, &len);

	if (problems != NULL)
		values = mk_values_read(in->manifest->options, body, len, problems);
	mk_problems_free(problems);
	if (values != NULL) {
		in->values = values;
		rc = MK_ERESTART;
		inst_enter(in, VITALS_RECONFIGURE);
		if (in->config.desc->reconfigure != NULL)
			rc = in->config.desc->reconfigure(in->self);
		inst_leave(in);
		mk_values_free(old);
	}
	inst_say_state(in, WIRE_STATE_RECONFIGURED, rc, "");
}

/* The last of the plugin: what it left open is closed and told. `text` is the step that failed;
 * after an orderly stop it is NULL, and the leftovers are told in its place. */
static void
inst_end(struct inst *in, uint8_t state, mk_result result, const char *text)
{
	in->stopping = true;
	inst_join(in, in->left, sizeof(in->left));
	inst_run_posts(in);
	inst_say_ack(in);
	inst_flush(in);
	inst_enter(in, VITALS_DESTROY);
	if (in->self != NULL)
		in->config.desc->destroy(in->self);
	inst_leave(in);
	in->self = NULL;
	in->started = false;
	inst_host_fini(in, in->left, sizeof(in->left));
	in->stopped = true;
	if (state == WIRE_STATE_STOPPED) {
		in->leave_by = clock_now_us() + LEAVE_US;
		return;
	}
	if (in->left[0] != '\0')
		inst_misbehaved(in, "left behind: %s", in->left);
	inst_say_state(in, state, result, text);
}

/* What publish() has accepted goes to the hub first, or it is told how much of it did not. */
static bool
inst_has_left(struct inst *in)
{
	size_t len = strlen(in->left);
	uint32_t queued;

	pthread_mutex_lock(&in->lock);
	queued = in->queued;
	pthread_mutex_unlock(&in->lock);
	if (in->leave_by == 0 || (queued > 0 && clock_now_us() < in->leave_by))
		return in->leave_by == 0;
	if (queued > 0)
		snprintf(in->left + len, sizeof(in->left) - len,
			 "%s%u messages that the bus did not take", len > 0 ? ", " : "", queued);
	in->leave_by = 0;
	inst_say_state(in, WIRE_STATE_STOPPED, MK_OK, in->left);
	return true;
}

static void
inst_on_stop(struct inst *in)
{
	in->stopping = true;
	inst_enter(in, VITALS_STOP);
	if (in->started && in->config.desc->stop != NULL)
		in->config.desc->stop(in->self);
	inst_leave(in);
	inst_end(in, WIRE_STATE_STOPPED, MK_OK, NULL);
}

static void
inst_on_record(struct inst *in, uint8_t kind, struct wire_in *r)
{
	/* Held, it comes this far only to find the stop: what waits is not done, and comes again. */
	if (in->stopped || (in->held && kind != WIRE_STOP))
		return;
	switch (kind) {
	case WIRE_MSG:
		inst_on_msg(in, r);
		break;
	case WIRE_GAP:
		inst_on_gap(in, r);
		break;
	case WIRE_CALL:
		inst_on_call(in, r);
		break;
	case WIRE_REPLY:
		inst_on_reply(in, r);
		break;
	case WIRE_OPTIONS:
		inst_on_options(in, r);
		break;
	case WIRE_STOP:
		inst_on_stop(in);
		break;
	default:
		break; /* done on arrival */
	}
}

/* Delivery waits while the plugin is ahead of what the hub lets it publish. */
static bool
inst_is_gated(struct inst *in)
{
	bool gated;

	pthread_mutex_lock(&in->lock);
	gated = in->queued > INST_QUEUE / 2 || in->queue.len - in->queue_at > INST_QUEUE_BYTES / 2;
	pthread_mutex_unlock(&in->lock);
	return ((gated || in->held) && !in->stop_seen) || in->unacked_count == INST_UNACKED;
}

static void
inst_deliver(struct inst *in)
{
	uint32_t n = 0;

	while (in->first != NULL && !inst_is_gated(in)) {
		struct inst_bundle *b = in->first;
		struct wire_in record;
		uint8_t kind;

		if (n++ == ROUND) {
			loop_hurry(in->loop);
			break;
		}
		if (wire_next(&b->at, &kind, &record)) {
			inst_on_record(in, kind, &record);
			continue;
		}
		in->first = b->next;
		if (in->first == NULL)
			in->last = &in->first;
		in->bundles++;
		in->bytes_untold += b->len;
		free(b);
	}
}

/* ------------------------------------------------------------- receiving -- */

static void
inst_on_start(struct inst *in, struct wire_in *r)
{
	const mk_plugin_desc *d = in->config.desc;
	uint64_t admitted;
	mk_result rc;

	in->epoch = wire_get_u64(r);
	admitted = wire_get_u64(r);
	if (r->bad || in->started || in->stopped)
		return;
	if (in->outbox != NULL)
		outbox_rewind(in->outbox, admitted);
	inst_enter(in, VITALS_CREATE);
	rc = d->create(&in->host, &in->self);
	inst_leave(in);
	if (rc != MK_OK) {
		in->self = NULL;
		inst_end(in, WIRE_STATE_FAILED, rc, "create");
		return;
	}
	inst_say_state(in, WIRE_STATE_CREATED, MK_OK, "");
	inst_enter(in, VITALS_START);
	if (d->start != NULL)
		rc = d->start(in->self);
	inst_leave(in);
	if (rc != MK_OK) {
		inst_end(in, WIRE_STATE_FAILED, rc, "start");
		return;
	}
	in->started = true;
	inst_say_state(in, WIRE_STATE_RUNNING, MK_OK, "");
}

static void
inst_on_outbox(struct inst *in, uint8_t kind, uint64_t number)
{
	struct outbox_stats stats;

	if (kind == WIRE_TRIM) {
		outbox_trim(in->outbox, number);
	} else {
		outbox_get_stats(in->outbox, &stats);
		in->again_until = stats.last;
		outbox_rewind(in->outbox, number);
	}
	pthread_mutex_lock(&in->lock);
	in->report_due = true;
	pthread_mutex_unlock(&in->lock);
}

/* True: the record was dealt with on arrival. */
static bool
inst_at_once(struct inst *in, uint8_t kind, struct wire_in *r)
{
	switch (kind) {
	case WIRE_START:
		inst_on_start(in, r);
		return true;
	case WIRE_CREDIT:
		pthread_mutex_lock(&in->lock);
		in->credit = wire_get_u64(r);
		in->credit_bytes = wire_get_u64(r);
		pthread_mutex_unlock(&in->lock);
		return true;
	case WIRE_TRIM:
	case WIRE_REWIND:
		if (in->outbox != NULL)
			inst_on_outbox(in, kind, wire_get_u64(r));
		return true;
	case WIRE_STOP:
		in->stop_seen = true;
		return false;
	case WIRE_OPTIONS: /* its turn would not come while messages are held */
		if (in->held)
			inst_on_options(in, r);
		return in->held;
	case WIRE_BYE:
		in->bye = true;
		return true;
	default:
		return false;
	}
}

static void
inst_on_sub(void *arg, uint32_t events)
{
	struct inst *in = arg;
	const uint8_t *data;
	size_t len;

	(void)events;
	while ((data = link_receive(in->sub, &len)) != NULL) {
		struct wire_in bundle = { .p = data, .end = data + len }, record;
		struct inst_bundle *b = NULL;
		bool wait = false;
		uint8_t kind;

		while (wire_next(&bundle, &kind, &record))
			wait = !inst_at_once(in, kind, &record) || wait;
		if (wait)
			b = malloc(sizeof(*b) + len);
		if (b == NULL) {
			/* Nothing to deliver. Or no memory: then the bundle is never acknowledged,
			 * and the messages come again after the restart that this leads to. */
			in->bundles += wait ? 0 : 1;
			continue;
		}
		memcpy(b->data, data, len);
		b->next = NULL;
		b->len = len;
		b->at = (struct wire_in){ .p = b->data, .end = b->data + len };
		*in->last = b;
		in->last = &b->next;
	}
}

static void
inst_on_wake(void *arg, uint32_t events)
{
	struct inst *in = arg;
	uint64_t n;

	(void)events;
	pthread_mutex_lock(&in->lock);
	in->woken = false;
	if (read(in->wake_fd, &n, sizeof(n)) == -1)
		n = 0;
	pthread_mutex_unlock(&in->lock);
	if (!in->stopping)
		inst_run_posts(in);
}

static void
inst_on_flush_timer(void *arg)
{
	(void)arg; /* the loop flushes after every round */
}

static void
inst_on_sync(void *arg)
{
	struct inst *in = arg;
	mk_result rc = outbox_sync(in->outbox);

	if (rc != MK_OK)
		inst_misbehaved(in, "outbox: sync failed: %s", mk_result_text(rc));
}

/* What it has used of the processor: its process, or the threads that the host has started for it. */
static uint64_t
inst_cpu_us(const struct inst *in)
{
	uint64_t sum = in->cpu_left_us;
	clockid_t clock;

	if (!in->config.local_log)
		return clock_cpu_us();
	for (uint32_t i = 0; i < INST_THREADS; i++) {
		const struct inst_thread *t = &in->threads[i];

		if (!t->used)
			continue;
		if (atomic_load(&t->ended))
			sum += t->cpu_us;
		else if (pthread_getcpuclockid(t->thread, &clock) == 0)
			sum += clock_read_us(clock);
	}
	return sum + clock_read_us(CLOCK_THREAD_CPUTIME_ID);
}

/* Numbers and outbox figures, at most once a second and only what changed. */
static void
inst_on_report(void *arg)
{
	struct inst *in = arg;
	struct outbox_stats s = { 0 };

	if (in->outbox != NULL)
		outbox_get_stats(in->outbox, &s);
	pthread_mutex_lock(&in->lock);
	wire_begin(&in->ready, WIRE_NUMBER);
	wire_u64(&in->ready, inst_cpu_us(in));
	wire_str(&in->ready, "cpu_us");
	wire_end(&in->ready);
	for (uint32_t i = 0; i < in->number_count; i++) {
		if (!in->numbers[i].changed)
			continue;
		in->numbers[i].changed = false;
		wire_begin(&in->ready, WIRE_NUMBER);
		wire_u64(&in->ready, (uint64_t)in->numbers[i].value);
		wire_str(&in->ready, in->numbers[i].name);
		wire_end(&in->ready);
	}
	if (in->outbox != NULL) {
		wire_begin(&in->ready, WIRE_OUTBOX);
		wire_u64(&in->ready, s.first);
		wire_u64(&in->ready, s.last);
		wire_u64(&in->ready, s.bytes);
		wire_u64(&in->ready, s.max_bytes);
		wire_u64(&in->ready, s.refused);
		wire_u64(&in->ready, s.damaged);
		wire_end(&in->ready);
	}
	pthread_mutex_unlock(&in->lock);
	in->report_armed = false;
	heap_tend(); /* whoever reports has worked */
}

static void
inst_arm_report(struct inst *in)
{
	bool due;

	pthread_mutex_lock(&in->lock);
	due = in->report_due && !in->report_armed;
	in->report_due = in->report_due && !due;
	pthread_mutex_unlock(&in->lock);
	if (!due)
		return;
	in->report_armed = true;
	loop_timer_set(in->report_timer, loop_now_us(in->loop) + REPORT_US);
	if (in->outbox != NULL && in->config.outbox_sync_us > 0)
		loop_timer_set(in->sync_timer, loop_now_us(in->loop) + in->config.outbox_sync_us);
}

/* ------------------------------------------------------------------ life -- */

static mk_result
inst_open(struct inst *in, mk_err *err)
{
	const struct inst_config *c = &in->config;
	bool durable = false, manual = false;
	mk_result rc = loop_new(&in->loop, err);

	for (const mk_topic *t = in->manifest->publishes; t->name != NULL; t++)
		durable = durable || (t->flags & MK_TOPIC_DURABLE) != 0;
	for (const mk_topic *t = in->manifest->subscribes; t->name != NULL; t++)
		manual = manual || (t->flags & MK_TOPIC_MANUAL_ACK) != 0;
	if (rc == MK_OK && durable)
		rc = outbox_open(&in->outbox, c->outbox_dir, c->outbox_bytes, 0, err);
	if (rc == MK_OK)
		rc = link_open(&in->sub, LINK_SUB, 256, 0, err);
	if (rc == MK_OK)
		rc = link_open(&in->push, LINK_PUSH, 64, 0, err);
	if (rc != MK_OK)
		return rc;
	in->flush_timer = loop_timer_new(in->loop, inst_on_flush_timer, in);
	in->sync_timer = loop_timer_new(in->loop, inst_on_sync, in);
	in->report_timer = loop_timer_new(in->loop, inst_on_report, in);
	in->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (manual)
		in->unacked = calloc(INST_UNACKED, sizeof(*in->unacked));
	if (in->wake_fd != -1)
		in->wake_watch = loop_watch(in->loop, in->wake_fd, LOOP_READ, inst_on_wake, in);
	in->sub_watch = loop_watch(in->loop, link_fd(in->sub), LOOP_READ, inst_on_sub, in);
	if (in->flush_timer == NULL || in->sync_timer == NULL || in->report_timer == NULL ||
	    in->wake_watch == NULL || in->sub_watch == NULL || (manual && in->unacked == NULL))
		return mk_err_set(err, MK_ENOMEM, "instance: out of memory");
	rc = link_dial(in->sub, c->url_out, err);
	return rc == MK_OK ? link_dial(in->push, c->url_in, err) : rc;
}

static void
inst_close(struct inst *in)
{
	while (in->first != NULL) {
		struct inst_bundle *b = in->first;

		in->first = b->next;
		free(b);
	}
	loop_unwatch(in->sub_watch);
	loop_unwatch(in->wake_watch);
	loop_timer_free(in->flush_timer);
	loop_timer_free(in->sync_timer);
	loop_timer_free(in->report_timer);
	link_close(in->sub);
	link_close(in->push);
	if (in->outbox != NULL)
		outbox_close(in->outbox);
	loop_free(in->loop);
	if (in->wake_fd > 0)
		close(in->wake_fd);
	free(in->unacked);
	wire_fini(&in->ready);
	wire_fini(&in->queue);
	wire_fini(&in->bundle);
	mk_values_free(in->values);
	mk_manifest_free(in->manifest);
	pthread_mutex_destroy(&in->lock);
	free(in);
}

static mk_result
inst_read_manifest(struct inst *in, mk_err *err)
{
	const struct inst_config *c = &in->config;
	mk_problems *problems = mk_problems_new("options");
	mk_result rc = problems == NULL ? MK_ENOMEM : MK_OK;
	mk_writer w;

	mk_writer_init(&w, 0);
	if (rc == MK_OK)
		rc = mk_manifest_write(c->desc, &w);
	if (rc == MK_OK)
		rc = mk_manifest_read(&in->manifest, w.data, w.len, err);
	if (rc == MK_OK) {
		in->values =
		    c->values_len > 0
			? mk_values_read(in->manifest->options, c->values, c->values_len, problems)
			: mk_options_read(in->manifest->options, NULL, "", problems);
		if (in->values == NULL || mk_problems_count(problems) > 0)
			rc = mk_err_set(err, MK_EINVAL, "%s",
					mk_problems_count(problems) > 0
					    ? mk_problems_line(problems, 0)
					    : "out of memory");
	}
	mk_writer_fini(&w);
	mk_problems_free(problems);
	return rc;
}

mk_result
inst_run(const struct inst_config *config, mk_err *err)
{
	struct inst *in = calloc(1, sizeof(*in));
	uint64_t bye_by = UINT64_MAX;
	mk_result rc;

	if (in == NULL)
		return mk_err_set(err, MK_ENOMEM, "instance: out of memory");
	in->config = *config;
	in->last = &in->first;
	in->posts_last = &in->posts;
	pthread_mutex_init(&in->lock, NULL);
	inst_host_init(in);
	rc = inst_read_manifest(in, err);
	if (rc == MK_OK)
		rc = inst_open(in, err);
	if (rc != MK_OK) {
		inst_close(in);
		return rc;
	}
	/* Threads that a plugin starts by itself inherit this name: that is how they are found. */
	pthread_setname_np(pthread_self(), in->thread_name);
	inst_current = in;
	inst_say_state(in, WIRE_STATE_HERE, MK_OK, "");
	while (!in->bye && clock_now_us() < bye_by) {
		loop_round(in->loop);
		if (in->posted_here && !in->stopping)
			inst_run_posts(in);
		inst_deliver(in);
		inst_say_ack(in);
		inst_arm_report(in);
		inst_flush(in);
		if (in->first != NULL && !inst_is_gated(in))
			loop_hurry(in->loop);
		if (!in->stopped)
			continue;
		if (inst_has_left(in) && bye_by == UINT64_MAX)
			bye_by = clock_now_us() + BYE_US;
		if (in->bundle.len == 0) /* else it is set already, to try again */
			loop_timer_set(in->flush_timer, in->leave_by != 0 ? in->leave_by : bye_by);
	}
	inst_current = NULL;
	inst_close(in);
	return MK_OK;
}
