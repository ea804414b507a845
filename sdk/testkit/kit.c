/* SPDX-License-Identifier: MIT
 *
 * One plugin instance under test, from configuration to destroy. All plugin
 * code runs between tk_enter and tk_leave, so that its allocations are noted
 * and its thread is known.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The instance whose code the calling thread is in. */
static _Thread_local mk_tk *kit_current;
static _Atomic uint32_t kit_ids;

/* --------------------------------------------------------------- tools --- */

/* The kit does not run on without memory: it is a test program, and the
 * plugin's own failures are injected, not real. */
void
tk_room(void **items, size_t *count, size_t *cap, size_t size)
{
	if (*count == *cap) {
		size_t cap_new = *cap == 0 ? 8 : *cap * 2;
		void *grown = realloc(*items, cap_new * size);

		if (grown == NULL)
			abort();
		*items = grown;
		*cap = cap_new;
	}
	memset((char *)*items + *count * size, 0, size);
	(*count)++;
}

void *
tk_memdup(const void *data, size_t len)
{
	void *copy = malloc(len + 1);

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	((char *)copy)[len] = '\0';
	return copy;
}

char *
tk_copy(const char *text)
{
	return tk_memdup(text, strlen(text));
}

uint64_t
tk_real_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* How long the test's thread was ready to run but another one had the
 * processor: a busy machine does not make a callback slow. */
static uint64_t
kit_waited_us(const mk_tk *tk)
{
	char text[96];
	ssize_t len = pread(tk->sched_fd, text, sizeof(text) - 1, 0);
	const char *space;

	if (len <= 0)
		return 0; /* a kernel without these numbers */
	text[len] = '\0';
	space = strchr(text, ' '); /* ns on the processor, ns waiting, slices */
	return space != NULL ? strtoull(space, NULL, 10) / 1000u : 0;
}

/* -------------------------------------------------------- plugin calls --- */

struct tk_entry
tk_enter(mk_tk *tk, const char *name, bool timed)
{
	struct tk_entry e = { .tk = tk, .outer = kit_current, .name = name, .timed = timed };

	tk->callbacks++;
	if (timed) {
		e.waited_us = kit_waited_us(tk);
		e.started_us = tk_real_us();
	}
	kit_current = tk;
	e.scope = alloc_enter(tk->id, name);
	return e;
}

void
tk_leave(const struct tk_entry *e)
{
	uint64_t took_us;

	alloc_leave(e->scope);
	kit_current = e->outer;
	if (!e->timed)
		return;
	took_us = tk_real_us() - e->started_us;
	if (took_us <= TK_SLOW_US)
		return;
	took_us -= kit_waited_us(e->tk) - e->waited_us;
	if ((int64_t)took_us > TK_SLOW_US)
		tk_misbehaved(e->tk, "slow", "%s took %llu ms", e->name,
			      (unsigned long long)(took_us / 1000));
}

bool
tk_on_thread(mk_tk *tk, const char *function)
{
	if (pthread_equal(pthread_self(), tk->thread) && (kit_current == NULL || kit_current == tk))
		return true;
	tk_misbehaved(tk, "thread", "%s was called outside of the plugin's thread", function);
	return false;
}

/* ------------------------------------------------------- configuration --- */

static mk_result
kit_fail(mk_tk *tk, mk_result result, const char *what, const char *text)
{
	snprintf(tk->error, sizeof(tk->error), "%s: %s", what,
		 text[0] != '\0' ? text : mk_result_text(result));
	return result;
}

/* YAML to values; the problems become the kit's error. */
static mk_values *
kit_configure(mk_tk *tk, const char *config)
{
	mk_problems *problems = mk_problems_new("config");
	mk_values *values = NULL;
	mk_yaml *yaml;
	size_t used = 0;

	if (problems == NULL)
		abort();
	yaml = mk_yaml_load(config != NULL ? config : "", config != NULL ? strlen(config) : 0,
			    problems);
	if (yaml != NULL)
		values = mk_options_read(tk->manifest->options, mk_yaml_root(yaml), "", problems);
	if (mk_problems_count(problems) > 0) {
		mk_values_free(values);
		values = NULL;
	}
	for (uint32_t i = 0; values == NULL && i < mk_problems_lines(problems); i++) {
		int n = snprintf(tk->error + used, sizeof(tk->error) - used, "%s%s",
				 i > 0 ? "\n" : "", mk_problems_line(problems, i));

		used += n > 0 ? (size_t)n : 0;
		if (used >= sizeof(tk->error))
			break;
	}
	mk_yaml_free(yaml);
	mk_problems_free(problems);
	return values;
}

static mk_result
kit_describe(mk_tk *tk)
{
	mk_err err = { 0 };
	mk_writer w;
	mk_result r;

	mk_writer_init(&w, 0);
	r = mk_desc_check(tk->desc, &err);
	if (r == MK_OK)
		r = mk_manifest_write(tk->desc, &w);
	if (r == MK_OK)
		r = mk_manifest_read(&tk->manifest, w.data, w.len, &err);
	mk_writer_fini(&w);
	return r == MK_OK ? r : kit_fail(tk, r, "descriptor", err.text);
}

mk_tk *
mk_tk_new(const mk_plugin_desc *desc, const char *config)
{
	mk_tk *tk = calloc(1, sizeof(*tk));

	if (tk == NULL || pipe2(tk->wake, O_CLOEXEC | O_NONBLOCK) != 0)
		abort();
	tk_leaks_reset();
	tk->sched_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	tk->desc = desc;
	tk->thread = pthread_self();
	tk->id = atomic_fetch_add(&kit_ids, 1) + 1;
	tk->now_us = 1000000;
	tk->wall_us = 1767225600000000u; /* 2026-01-01 */
	tk->posts_end = &tk->posts;
	pthread_mutex_init(&tk->lock, NULL);
	tzset(); /* what the C library allocates once is not the plugin's */
	tk->broken = kit_describe(tk);
	if (tk->broken != MK_OK)
		return tk;
	snprintf(tk->name, sizeof(tk->name), "%s", tk->manifest->id);
	tk_host_init(tk);
	tk->values = kit_configure(tk, config);
	if (tk->values == NULL)
		tk->broken = MK_EINVAL;
	return tk;
}

/* ---------------------------------------------------------------- life --- */

mk_result
mk_tk_check(mk_tk *tk)
{
	char why[256] = "";
	struct tk_entry e;
	mk_result r;

	if (tk->broken != MK_OK || tk->desc->check == NULL)
		return tk->broken;
	e = tk_enter(tk, "check", false);
	tk->in_check = true;
	r = tk->desc->check(&tk->host, why, sizeof(why));
	tk->in_check = false;
	tk_leave(&e);
	why[sizeof(why) - 1] = '\0';
	if (r == MK_OK)
		return r;
	if (why[0] == '\0')
		tk_misbehaved(tk, "other", "check() refused and did not say why");
	return kit_fail(tk, r, "check", why);
}

static void
kit_destroy(mk_tk *tk)
{
	struct tk_entry e;

	if (tk->state != TK_CREATED && tk->state != TK_STOPPED)
		return;
	e = tk_enter(tk, "destroy", false);
	tk->in_destroy = true;
	tk->desc->destroy(tk->self);
	tk->in_destroy = false;
	tk_leave(&e);
	tk->self = NULL;
	tk->state = TK_NEW;
	if (!tk_join(tk)) /* those of an instance that never started */
		tk->state = TK_STUCK;
	tk_loop_clear(tk);
	tk->in_stop = false;
}

mk_result
mk_tk_create(mk_tk *tk)
{
	struct tk_entry e;
	void *self = NULL;
	mk_result r;

	if (tk->broken != MK_OK)
		return tk->broken;
	if (tk->state == TK_STOPPED)
		kit_destroy(tk); /* as a restart */
	if (tk->state != TK_NEW)
		return kit_fail(tk, MK_ESTATE, "create", "there is an instance");
	if (tk->next != NULL) {
		mk_values_free(tk->values);
		tk->values = tk->next;
		tk->next = NULL;
	}
	tk_dirs_begin(tk);
	tk_leaks_begin(tk);
	e = tk_enter(tk, "create", false);
	r = tk->desc->create(&tk->host, &self);
	tk_leave(&e);
	if (r == MK_OK) {
		tk->self = self;
		tk->state = TK_CREATED;
		return r;
	}
	if (r > 0)
		tk_misbehaved(tk, "other", "create() returned %d, which is no mk_result", r);
	tk->in_stop = true; /* what it set is now left behind */
	for (size_t i = 0; i < tk->timers.count; i++)
		tk_leak(tk, "timer %u of a create() that failed", tk->timers.items[i].id);
	for (size_t i = 0; i < tk->watches.count; i++)
		tk_leak(tk, "watch of fd %d of a create() that failed", tk->watches.items[i].fd);
	if (!tk_join(tk))
		tk->state = TK_STUCK;
	tk_loop_clear(tk);
	tk->in_stop = false;
	return kit_fail(tk, r, "create", "");
}

mk_result
mk_tk_start(mk_tk *tk)
{
	mk_result r = MK_OK;
	struct tk_entry e;

	if (tk->state == TK_RUNNING)
		return kit_fail(tk, MK_ESTATE, "start", "it runs already");
	if (tk->state != TK_CREATED) {
		r = mk_tk_check(tk);
		if (r == MK_OK)
			r = mk_tk_create(tk);
	}
	if (r != MK_OK)
		return r;
	if (tk->desc->start != NULL) {
		e = tk_enter(tk, "start", false);
		r = tk->desc->start(tk->self);
		tk_leave(&e);
	}
	if (r == MK_OK) {
		tk->state = TK_RUNNING;
		return r;
	}
	kit_destroy(tk);
	return kit_fail(tk, r, "start", "");
}

void
mk_tk_stop(mk_tk *tk)
{
	struct tk_entry e;

	if (tk->state != TK_RUNNING)
		return;
	tk_run_posts(tk);
	tk->in_stop = true;
	if (tk->desc->stop != NULL) {
		e = tk_enter(tk, "stop", false);
		tk->desc->stop(tk->self);
		tk_leave(&e);
	}
	/* Its memory cannot go while a thread of its own may use it. */
	tk->state = tk_join(tk) ? TK_STOPPED : TK_STUCK;
	if (tk->state == TK_STOPPED)
		tk_run_posts(tk); /* what the threads handed over at last */
}

mk_result
mk_tk_reconfigure(mk_tk *tk, const char *config)
{
	mk_values *old = tk->values;
	mk_values *fresh;
	bool live = true;
	struct tk_entry e;
	mk_result r;

	if (tk->state != TK_RUNNING)
		return kit_fail(tk, MK_ESTATE, "reconfigure", "it does not run");
	fresh = kit_configure(tk, config);
	if (fresh == NULL)
		return MK_EINVAL;
	mk_values_free(tk->next); /* what waited for a restart is out of date */
	tk->next = NULL;
	tk->values = fresh;
	r = mk_tk_check(tk);
	if (r != MK_OK)
		goto back;
	if (mk_values_diff(tk->manifest->options, old, fresh, &live, NULL, NULL) == 0)
		goto back;
	r = MK_ERESTART;
	if (live && tk->desc->reconfigure != NULL) {
		e = tk_enter(tk, "reconfigure", true);
		r = tk->desc->reconfigure(tk->self);
		tk_leave(&e);
	}
	if (r == MK_OK) {
		mk_values_free(old);
		return r;
	}
	tk->values = old;
	if (r != MK_ERESTART) {
		mk_values_free(fresh);
		return kit_fail(tk, r, "reconfigure", "");
	}
	tk->next = fresh; /* for the next create(), as after the restart in the daemon */
	return kit_fail(tk, r, "reconfigure", "");
back:
	tk->values = old;
	mk_values_free(fresh);
	return r;
}

uint32_t
mk_tk_free(mk_tk *tk)
{
	uint32_t left;

	if (tk == NULL)
		return 0;
	mk_tk_stop(tk);
	kit_destroy(tk);
	if (tk->state == TK_STUCK)
		return tk_leaks_end(tk); /* a thread of the plugin still uses the kit */
	close(tk->wake[0]);
	close(tk->wake[1]);
	if (tk->sched_fd >= 0)
		close(tk->sched_fd);
	left = tk_leaks_end(tk);
	tk_loop_clear(tk);
	tk_calls_fini(tk);
	tk_dirs_remove(tk);
	mk_values_free(tk->values);
	mk_values_free(tk->next);
	mk_manifest_free(tk->manifest);
	mk_tk_forget(tk);
	for (size_t i = 0; i < tk->broken_rules.count; i++)
		free(tk->broken_rules.items[i]);
	free(tk->broken_rules.items);
	free(tk->broken_text);
	free(tk->numbers.items);
	free(tk->topics.items);
	free(tk->sources.items);
	free(tk->json);
	pthread_mutex_destroy(&tk->lock);
	free(tk);
	return left;
}

const char *
mk_tk_error(const mk_tk *tk)
{
	return tk->error;
}
