/* SPDX-License-Identifier: MIT
 *
 * The host table: what a plugin may ask of the instance it runs in. The contract is plugin.h.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "crash.h"
#include "inst.h"
#include "log.h"

#define JOIN_SECONDS 2 /* for threads that should have ended already */

static struct inst *
host_inst(const mk_host *h)
{
	return h->impl;
}

/* [plugin] functions ask this first. */
static bool
host_is_here(struct inst *in, const char *function)
{
	if (inst_is_here(in))
		return true;
	inst_misbehaved(in, "%s called from the wrong thread", function);
	return false;
}

static void
host_log(const mk_host *h, int32_t level, const char *line)
{
	struct inst *in = host_inst(h);
	size_t len = strnlen(line, 2048);

	if (in->config.local_log) {
		char area[MK_ID_MAX + 8];

		snprintf(area, sizeof(area), "plugin %s", in->config.name);
		log_plugin(&in->log_limit, level, area, line, len);
		return;
	}
	pthread_mutex_lock(&in->lock);
	if (in->log_waiting + len > INST_LOG_BYTES) {
		atomic_fetch_add_explicit(&in->config.vitals->log_lost, 1, memory_order_relaxed);
	} else {
		wire_begin(&in->ready, WIRE_LOG);
		wire_u8(&in->ready, (uint8_t)level);
		wire_rest(&in->ready, line, len);
		wire_end(&in->ready);
		in->log_waiting += len;
		inst_wake(in);
	}
	pthread_mutex_unlock(&in->lock);
}

/* ----------------------------------------------------------- publishing -- */

static mk_result
host_check_body(struct inst *in, const mk_topic *t, const char *topic, const void *body,
		uint32_t len)
{
	char why[128];

	if (t == NULL) {
		inst_misbehaved(in, "message on %.*s refused: not declared", MK_TOPIC_MAX, topic);
		return MK_EDENIED;
	}
	if (len > t->max_body) {
		inst_misbehaved(in, "message on %s refused: body of %u bytes, max_body is %u",
				topic, len, t->max_body);
		return MK_ETOOBIG;
	}
	if (mk_validate(body, len, NULL, why, sizeof(why)) != MK_OK) {
		inst_misbehaved(in, "message on %s refused: %s", topic, why);
		return MK_EFORMAT;
	}
	/* fixmap, map 16, map 32 */
	if ((*(const uint8_t *)body & 0xf0) != 0x80 && (*(const uint8_t *)body & 0xfe) != 0xde) {
		inst_misbehaved(in, "message on %s refused: body is not a map", topic);
		return MK_EFORMAT;
	}
	return MK_OK;
}

static uint32_t
host_schema(const mk_topic *t, uint32_t flags)
{
	return MK_PUB_SCHEMA_OF(flags) != 0 ? MK_PUB_SCHEMA_OF(flags) : t->schema_max;
}

static mk_result
host_publish_durable(struct inst *in, const mk_topic *t, const char *topic, const void *body,
		     uint32_t len, uint32_t flags)
{
	uint64_t number;
	mk_result rc = outbox_append(in->outbox, topic, host_schema(t, flags), flags & MK_PUB_DELTA,
				     body, len, &number);

	if (rc == MK_OK && in->config.outbox_sync_us == 0)
		rc = outbox_sync(in->outbox);
	pthread_mutex_lock(&in->lock);
	in->report_due = true;
	inst_wake(in);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

static mk_result
host_publish(const mk_host *h, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	struct inst *in = host_inst(h);
	const mk_topic *t = mk_topic_lookup(in->manifest->publishes, topic);
	mk_result rc = host_check_body(in, t, topic, body, len);

	if (rc != MK_OK)
		return rc;
	if (in->stopped)
		return MK_ESTATE;
	if ((t->flags & MK_TOPIC_DURABLE) != 0)
		return host_publish_durable(in, t, topic, body, len, flags);
	pthread_mutex_lock(&in->lock);
	if (in->queued > 0 &&
	    (in->queued >= INST_QUEUE || in->queue.len - in->queue_at + len > INST_QUEUE_BYTES)) {
		atomic_fetch_add_explicit(&in->config.vitals->refused, 1, memory_order_relaxed);
		rc = MK_EAGAIN;
	} else {
		wire_begin(&in->queue, WIRE_PUB);
		wire_u32(&in->queue, flags & MK_PUB_DELTA);
		wire_u32(&in->queue, host_schema(t, flags));
		wire_u64(&in->queue, 0);
		wire_str(&in->queue, topic);
		wire_rest(&in->queue, body, len);
		rc = wire_end(&in->queue) ? MK_OK : MK_ENOMEM;
		in->queued += rc == MK_OK;
		inst_wake(in);
	}
	pthread_mutex_unlock(&in->lock);
	return rc;
}

static mk_result
host_ack(const mk_host *h, const char *topic, uint64_t epoch, uint64_t seq)
{
	struct inst *in = host_inst(h);

	if (!host_is_here(in, "ack"))
		return MK_ETHREAD;
	if (epoch != in->epoch)
		return MK_EINVAL;
	return inst_ack(in, topic, seq) ? MK_OK : MK_EDENIED;
}

/* ---------------------------------------------------------------- calls -- */

static mk_result
host_call(const mk_host *h, const char *method, const void *body, uint32_t len, uint64_t timeout_us,
	  uint64_t *id)
{
	struct inst *in = host_inst(h);
	mk_result rc;

	if (!host_is_here(in, "call"))
		return MK_ETHREAD;
	if (!mk_topic_valid(method, false) || in->config.desc->on_reply == NULL)
		return MK_EINVAL;
	if (len > MK_BODY_MAX)
		return MK_ETOOBIG;
	if (mk_validate(body, len, NULL, NULL, 0) != MK_OK)
		return MK_EFORMAT;
	pthread_mutex_lock(&in->lock);
	if (in->ready.len > INST_QUEUE_BYTES) {
		rc = MK_EAGAIN;
	} else {
		wire_begin(&in->ready, WIRE_ASK);
		wire_u64(&in->ready, ++in->call_next);
		wire_u64(&in->ready, timeout_us);
		wire_str(&in->ready, method);
		wire_rest(&in->ready, body, len);
		rc = wire_end(&in->ready) ? MK_OK : MK_ENOMEM;
	}
	pthread_mutex_unlock(&in->lock);
	if (rc == MK_OK && id != NULL)
		*id = in->call_next;
	return rc;
}

static mk_result
host_reply(const mk_host *h, uint64_t id, mk_result result, const char *error, const void *body,
	   uint32_t len)
{
	struct inst *in = host_inst(h);
	mk_result rc;

	if (len > MK_BODY_MAX)
		return MK_ETOOBIG;
	if (len > 0 && mk_validate(body, len, NULL, NULL, 0) != MK_OK)
		return MK_EFORMAT;
	pthread_mutex_lock(&in->lock);
	wire_begin(&in->ready, WIRE_ANSWER);
	wire_u64(&in->ready, id);
	wire_u32(&in->ready, (uint32_t)result);
	wire_str(&in->ready, error == NULL ? "" : error);
	wire_rest(&in->ready, body, len);
	rc = wire_end(&in->ready) ? MK_OK : MK_ENOMEM;
	inst_wake(in);
	pthread_mutex_unlock(&in->lock);
	return rc;
}

/* ------------------------------------------- timers, descriptors, threads -- */

static void
host_on_timer(void *arg)
{
	struct inst_timer *t = arg;
	struct inst *in = t->inst;

	if (t->every_us > 0) {
		t->due_us += t->every_us;
		/* Late by more than a period: what was missed is not caught up with. */
		if (t->due_us <= loop_now_us(in->loop))
			t->due_us = loop_now_us(in->loop) + t->every_us;
		loop_timer_set(t->timer, t->due_us);
	}
	if (in->stopping || in->config.desc->on_timer == NULL)
		return;
	inst_enter(in, VITALS_TIMER);
	in->config.desc->on_timer(in->self, t->id);
	inst_leave(in);
}

static mk_result
host_timer(const mk_host *h, uint32_t id, uint64_t after_us, uint64_t every_us)
{
	struct inst *in = host_inst(h);
	struct inst_timer *t = NULL;

	if (!host_is_here(in, "timer"))
		return MK_ETHREAD;
	for (uint32_t i = 0; i < INST_TIMERS; i++) {
		struct inst_timer *slot = &in->timers[i];

		if (slot->timer != NULL && slot->id == id) {
			t = slot;
			break;
		}
		if (slot->timer == NULL && t == NULL)
			t = slot;
	}
	if (t == NULL)
		return MK_EFULL;
	if (after_us == UINT64_MAX) {
		loop_timer_free(t->timer);
		t->timer = NULL;
		return MK_OK;
	}
	if (t->timer == NULL)
		*t = (struct inst_timer){ .inst = in,
					  .id = id,
					  .timer = loop_timer_new(in->loop, host_on_timer, t) };
	if (t->timer == NULL)
		return MK_ENOMEM;
	t->every_us = every_us;
	t->due_us = clock_now_us() + after_us;
	loop_timer_set(t->timer, t->due_us);
	return MK_OK;
}

static void
host_on_fd(void *arg, uint32_t events)
{
	struct inst_watch *w = arg;
	struct inst *in = w->inst;

	if (in->stopping || in->config.desc->on_fd == NULL)
		return;
	inst_enter(in, VITALS_FD);
	/* LOOP_READ, WRITE and ERROR are MK_FD_READ, WRITE and ERROR. */
	in->config.desc->on_fd(in->self, w->fd, events);
	inst_leave(in);
}

static mk_result
host_watch_fd(const mk_host *h, int32_t fd, uint32_t events)
{
	struct inst *in = host_inst(h);
	struct inst_watch *w = NULL;

	_Static_assert(LOOP_READ == MK_FD_READ && LOOP_WRITE == MK_FD_WRITE &&
			   LOOP_ERROR == MK_FD_ERROR,
		       "passed through as they are");
	if (!host_is_here(in, "watch_fd"))
		return MK_ETHREAD;
	for (uint32_t i = 0; i < INST_WATCHES; i++) {
		struct inst_watch *slot = &in->watches[i];

		if (slot->watch != NULL && slot->fd == fd) {
			w = slot;
			break;
		}
		if (slot->watch == NULL && w == NULL)
			w = slot;
	}
	if (w == NULL)
		return MK_EFULL;
	if (events == 0) {
		loop_unwatch(w->watch);
		w->watch = NULL;
		return MK_OK;
	}
	if (w->watch != NULL)
		return loop_watch_events(w->watch, events);
	*w = (struct inst_watch){ .inst = in, .fd = fd };
	w->watch = loop_watch(in->loop, fd, events, host_on_fd, w);
	return w->watch == NULL ? MK_EINVAL : MK_OK;
}

static void *
host_thread(void *arg)
{
	struct inst_thread *t = arg;

	pthread_setname_np(pthread_self(), t->name);
	crash_set_instance(t->inst->config.name);
	t->fn(t->arg);
	crash_set_instance(NULL);
	t->cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID);
	atomic_store(&t->ended, true);
	return NULL;
}

static mk_result
host_spawn(const mk_host *h, const char *name, void (*fn)(void *), void *arg)
{
	struct inst *in = host_inst(h);

	if (!host_is_here(in, "spawn"))
		return MK_ETHREAD;
	for (uint32_t i = 0; i < INST_THREADS; i++) {
		struct inst_thread *t = &in->threads[i];

		/* One that has ended makes room. */
		if (t->used && (!atomic_load(&t->ended) || pthread_join(t->thread, NULL) != 0))
			continue;
		in->cpu_left_us += t->cpu_us;
		*t = (struct inst_thread){ .inst = in, .fn = fn, .arg = arg, .used = true };
		snprintf(t->name, sizeof(t->name), "%s", name);
		if (pthread_create(&t->thread, NULL, host_thread, t) != 0) {
			t->used = false;
			return MK_EAGAIN;
		}
		return MK_OK;
	}
	return MK_EFULL;
}

static mk_result
host_post(const mk_host *h, void (*fn)(void *), void *arg)
{
	struct inst *in = host_inst(h);
	struct inst_post *p = malloc(sizeof(*p));
	mk_result rc = MK_EAGAIN;

	if (p == NULL)
		return MK_ENOMEM;
	*p = (struct inst_post){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&in->lock);
	if (in->post_count < INST_POSTS && !in->stopped) {
		*in->posts_last = p;
		in->posts_last = &p->next;
		in->post_count++;
		rc = MK_OK;
		/* The thread that is here needs no waking, but its loop must come round again. */
		if (inst_is_here(in)) {
			in->posted_here = true;
			loop_hurry(in->loop);
		}
		inst_wake(in);
	}
	pthread_mutex_unlock(&in->lock);
	if (rc != MK_OK) {
		atomic_fetch_add_explicit(&in->config.vitals->posts_refused, 1,
					  memory_order_relaxed);
		free(p);
	}
	return rc;
}

void
inst_run_posts(struct inst *in)
{
	struct inst_post *p;

	in->posted_here = false;
	pthread_mutex_lock(&in->lock);
	p = in->posts;
	in->posts = NULL;
	in->posts_last = &in->posts;
	in->post_count = 0;
	pthread_mutex_unlock(&in->lock);
	while (p != NULL) {
		struct inst_post *next = p->next;

		inst_enter(in, VITALS_POST);
		p->fn(p->arg);
		inst_leave(in);
		free(p);
		p = next;
	}
}

/* ------------------------------------------------- options and the rest -- */

static const char *
host_opt_str(const mk_host *h, const char *path)
{
	struct inst *in = host_inst(h);

	return host_is_here(in, "opt_str") ? mk_values_str(in->values, path) : NULL;
}

static int64_t
host_opt_int(const mk_host *h, const char *path)
{
	struct inst *in = host_inst(h);

	return host_is_here(in, "opt_int") ? mk_values_int(in->values, path) : 0;
}

static double
host_opt_float(const mk_host *h, const char *path)
{
	struct inst *in = host_inst(h);

	return host_is_here(in, "opt_float") ? mk_values_float(in->values, path) : 0;
}

static uint32_t
host_opt_count(const mk_host *h, const char *path)
{
	struct inst *in = host_inst(h);

	return host_is_here(in, "opt_count") ? mk_values_count(in->values, path) : 0;
}

static uint64_t
host_now_us(const mk_host *h)
{
	(void)h;
	return clock_now_us();
}

static uint64_t
host_wall_us(const mk_host *h)
{
	(void)h;
	return clock_wall_us();
}

static const char *
host_dir(const mk_host *h, uint32_t kind)
{
	const struct inst_config *c = &host_inst(h)->config;

	return kind == MK_DIR_STATE  ? c->state_dir
	       : kind == MK_DIR_DATA ? c->data_dir
	       : kind == MK_DIR_RUN  ? c->run_dir
				     : NULL;
}

static const char *
host_name(const mk_host *h)
{
	return host_inst(h)->config.name;
}

static mk_result
host_number(const mk_host *h, const char *name, int64_t value, bool add)
{
	struct inst *in = host_inst(h);
	struct inst_number *n = NULL;
	uint32_t i = 0;

	if (name == NULL || !wire_name_valid(name))
		return MK_EINVAL;
	pthread_mutex_lock(&in->lock);
	while (i < in->number_count && strcmp(in->numbers[i].name, name) != 0)
		i++;
	if (i < INST_NUMBERS) {
		n = &in->numbers[i];
		if (i == in->number_count) {
			in->number_count++;
			memcpy(n->name, name, strlen(name) + 1);
		}
		/* Wraps around like any counter. */
		n->value = add ? (int64_t)((uint64_t)n->value + (uint64_t)value) : value;
		n->changed = true;
		in->report_due = true;
		inst_wake(in);
	}
	pthread_mutex_unlock(&in->lock);
	return n == NULL ? MK_EFULL : MK_OK;
}

static mk_result
host_gauge(const mk_host *h, const char *name, int64_t value)
{
	return host_number(h, name, value, false);
}

static mk_result
host_count(const mk_host *h, const char *name, int64_t add)
{
	return host_number(h, name, add, true);
}

static const void *
host_extension(const mk_host *h, const char *id)
{
	(void)h;
	(void)id;
	return NULL; /* none in this version of the interface */
}

static mk_result
host_hold(const mk_host *h, bool on)
{
	struct inst *in = host_inst(h);

	if (!host_is_here(in, "hold"))
		return MK_ETHREAD;
	in->held = on;
	return MK_OK;
}

void
inst_host_init(struct inst *in)
{
	in->host = (mk_host){
		.struct_size = sizeof(mk_host),
		.abi_major = MK_ABI_MAJOR,
		.abi_minor = MK_ABI_MINOR,
		.impl = in,
		.log = host_log,
		.publish = host_publish,
		.ack = host_ack,
		.call = host_call,
		.reply = host_reply,
		.timer = host_timer,
		.watch_fd = host_watch_fd,
		.spawn = host_spawn,
		.post = host_post,
		.opt_str = host_opt_str,
		.opt_int = host_opt_int,
		.opt_float = host_opt_float,
		.opt_count = host_opt_count,
		.now_us = host_now_us,
		.wall_us = host_wall_us,
		.dir = host_dir,
		.name = host_name,
		.gauge = host_gauge,
		.count = host_count,
		.extension = host_extension,
		.hold = host_hold,
	};
	snprintf(in->thread_name, sizeof(in->thread_name), "%s", in->config.name);
}

/* ------------------------------------------------------------ afterwards -- */

static void
host_leftover(char *text, size_t cap, const char *what)
{
	size_t len = strlen(text);

	snprintf(text + len, cap - len, "%s%s", len > 0 ? ", " : "", what);
}

void
inst_join(struct inst *in, char *text, size_t cap)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_SECONDS;
	for (uint32_t i = 0; i < INST_THREADS; i++) {
		struct inst_thread *t = &in->threads[i];
		char what[64];

		if (!t->used || pthread_timedjoin_np(t->thread, NULL, &until) == 0) {
			t->used = false;
			continue;
		}
		snprintf(what, sizeof(what), "thread %s still running", t->name);
		host_leftover(text, cap, what);
	}
}

/* Threads of this process that bear the instance's name, but for this one. */
static uint32_t
host_stray_threads(const struct inst *in)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	uint32_t found = 0;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(name, sizeof(name), f) != NULL) {
			name[strcspn(name, "\n")] = '\0';
			found += strcmp(name, in->thread_name) == 0;
		}
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return found > 0 ? found - 1 : 0;
}

void
inst_host_fini(struct inst *in, char *text, size_t cap)
{
	uint32_t watches = 0, strays = host_stray_threads(in);
	char what[64];

	for (uint32_t i = 0; i < INST_TIMERS; i++) {
		loop_timer_free(in->timers[i].timer);
		in->timers[i].timer = NULL;
	}
	for (uint32_t i = 0; i < INST_WATCHES; i++) {
		watches += in->watches[i].watch != NULL;
		loop_unwatch(in->watches[i].watch);
		in->watches[i].watch = NULL;
	}
	if (watches > 0) {
		snprintf(what, sizeof(what), "%u watched descriptors", watches);
		host_leftover(text, cap, what);
	}
	if (strays > 0) {
		snprintf(what, sizeof(what), "%u threads of its own", strays);
		host_leftover(text, cap, what);
	}
}
