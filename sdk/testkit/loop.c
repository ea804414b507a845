/* SPDX-License-Identifier: MIT
 *
 * Time, descriptors, posts and helper threads of one instance. The clock only
 * moves in mk_tk_advance; real time passes only while mk_tk_poll waits for a
 * descriptor or another thread, and while threads are joined.
 */
#define _GNU_SOURCE
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- time --- */

static uint64_t
loop_later(uint64_t from_us, uint64_t us)
{
	return us < UINT64_MAX - from_us ? from_us + us : UINT64_MAX;
}

mk_result
tk_timer(mk_tk *tk, uint32_t id, uint64_t after_us, uint64_t every_us)
{
	struct tk_timer *t = NULL;
	size_t i = 0;

	while (i < tk->timers.count && tk->timers.items[i].id != id)
		i++;
	if (after_us == UINT64_MAX) {
		if (i < tk->timers.count)
			TK_REMOVE(&tk->timers, i);
		return MK_OK;
	}
	if (tk->desc->on_timer == NULL) {
		tk_misbehaved(tk, "other", "timer: the plugin has no on_timer");
		return MK_EINVAL;
	}
	if (tk->in_stop)
		tk_leak(tk, "timer %u set in stop(): it can never fire", id);
	if (i == TK_TIMERS_MAX)
		return MK_EFULL;
	t = i < tk->timers.count ? &tk->timers.items[i] : TK_PUSH(&tk->timers);
	*t = (struct tk_timer){ loop_later(tk->now_us, after_us), every_us, tk->timer_order++, id };
	return MK_OK;
}

static void
loop_set_clock(mk_tk *tk, uint64_t now_us)
{
	pthread_mutex_lock(&tk->lock);
	tk->wall_us += now_us - tk->now_us;
	tk->now_us = now_us;
	pthread_mutex_unlock(&tk->lock);
}

/* The timer that is due first, and not after `until_us`. */
static struct tk_timer *
loop_next_timer(const mk_tk *tk, uint64_t until_us)
{
	struct tk_timer *best = NULL;

	for (size_t i = 0; i < tk->timers.count; i++) {
		struct tk_timer *t = &tk->timers.items[i];

		if (t->due_us > until_us)
			continue;
		if (best == NULL || t->due_us < best->due_us ||
		    (t->due_us == best->due_us && t->order < best->order))
			best = t;
	}
	return best;
}

static size_t
loop_next_call(const mk_tk *tk)
{
	size_t best = 0;

	for (size_t i = 1; i < tk->asked.count; i++) {
		if (tk->asked.items[i].due_us < tk->asked.items[best].due_us)
			best = i;
	}
	return best;
}

static void
loop_fire(mk_tk *tk, struct tk_timer *t)
{
	uint32_t id = t->id;
	struct tk_entry e;

	/* Before the callback, which may set or stop it. */
	if (t->every_us > 0) {
		t->due_us = loop_later(t->due_us, t->every_us);
		t->order = tk->timer_order++;
	} else {
		TK_REMOVE(&tk->timers, (size_t)(t - tk->timers.items));
	}
	e = tk_enter(tk, "on_timer", true);
	tk->desc->on_timer(tk->self, id);
	tk_leave(&e);
}

/* One event that is due until then: a timer or the time-out of a call. */
static bool
loop_step(mk_tk *tk, uint64_t until_us)
{
	struct tk_timer *t = loop_next_timer(tk, until_us);
	size_t c = loop_next_call(tk);
	bool call = tk->asked.count > 0 && tk->asked.items[c].due_us <= until_us;

	if (t == NULL && !call)
		return false;
	if (call && (t == NULL || tk->asked.items[c].due_us < t->due_us)) {
		loop_set_clock(tk, tk->asked.items[c].due_us);
		tk_answer(tk, c, MK_ETIMEDOUT, "timed out", NULL, 0);
		return true;
	}
	loop_set_clock(tk, t->due_us);
	loop_fire(tk, t);
	return true;
}

void
mk_tk_advance(mk_tk *tk, uint64_t us)
{
	uint64_t until_us = loop_later(tk->now_us, us);
	uint64_t instant_us = 0;
	uint32_t at_once = 0;

	while (tk->state == TK_RUNNING && loop_step(tk, until_us)) {
		at_once = tk->now_us == instant_us ? at_once + 1 : 0;
		instant_us = tk->now_us;
		if (at_once == TK_STORM) {
			tk_misbehaved(tk, "other", "%u timers fired and no time passed", TK_STORM);
			tk->timers.count = 0;
		}
	}
	loop_set_clock(tk, until_us);
}

void
mk_tk_set_wall(mk_tk *tk, uint64_t unix_us)
{
	pthread_mutex_lock(&tk->lock);
	tk->wall_us = unix_us;
	pthread_mutex_unlock(&tk->lock);
}

/* --------------------------------------------------------- descriptors --- */

mk_result
tk_watch(mk_tk *tk, int32_t fd, uint32_t events)
{
	struct stat st;
	size_t i = 0;

	while (i < tk->watches.count && tk->watches.items[i].fd != fd)
		i++;
	if (events == 0) {
		if (i < tk->watches.count)
			TK_REMOVE(&tk->watches, i);
		return MK_OK;
	}
	/* The daemon waits with epoll, which takes no regular files. */
	if ((events & ~(MK_FD_READ | MK_FD_WRITE | MK_FD_ERROR)) != 0 || tk->desc->on_fd == NULL ||
	    fstat(fd, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		tk_misbehaved(tk, "other", "watch_fd: %d cannot be watched, or no on_fd", fd);
		return MK_EINVAL;
	}
	if (tk->in_stop)
		tk_leak(tk, "watch of fd %d set in stop(): it can never report", fd);
	if (i == TK_TIMERS_MAX)
		return MK_EFULL;
	if (i == tk->watches.count)
		TK_PUSH(&tk->watches)->fd = fd;
	tk->watches.items[i].events = events;
	return MK_OK;
}

static uint32_t
loop_watched(const mk_tk *tk, int32_t fd)
{
	for (size_t i = 0; i < tk->watches.count; i++) {
		if (tk->watches.items[i].fd == fd)
			return tk->watches.items[i].events;
	}
	return 0;
}

/* Report what poll found, unless an earlier callback stopped the watch. */
static uint32_t
loop_report(mk_tk *tk, const struct pollfd *p)
{
	uint32_t wanted = loop_watched(tk, p->fd);
	uint32_t events = 0;
	struct tk_entry e;

	if (p->revents == 0 || wanted == 0)
		return 0;
	if (p->revents & POLLNVAL) {
		tk_misbehaved(tk, "other", "fd %d was closed while it was watched", p->fd);
		tk_watch(tk, p->fd, 0);
		return 0;
	}
	if (p->revents & (POLLIN | POLLHUP | POLLRDHUP))
		events |= wanted & MK_FD_READ;
	if (p->revents & POLLOUT)
		events |= wanted & MK_FD_WRITE;
	if (p->revents & (POLLERR | POLLHUP))
		events |= MK_FD_ERROR;
	e = tk_enter(tk, "on_fd", true);
	tk->desc->on_fd(tk->self, p->fd, events);
	tk_leave(&e);
	return 1;
}

static uint32_t
loop_round(mk_tk *tk, int wait_ms)
{
	size_t count = tk->watches.count;
	struct pollfd *p = calloc(count + 1, sizeof(*p));
	uint32_t ran = 0;
	char bytes[64];

	if (p == NULL)
		abort();
	p[count] = (struct pollfd){ .fd = tk->wake[0], .events = POLLIN };
	for (size_t i = 0; i < count; i++) {
		uint32_t events = tk->watches.items[i].events;

		p[i].fd = tk->watches.items[i].fd;
		p[i].events = (short)((events & MK_FD_READ ? POLLIN | POLLRDHUP : 0) |
				      (events & MK_FD_WRITE ? POLLOUT : 0));
	}
	if (poll(p, count + 1, wait_ms) > 0) {
		while (read(tk->wake[0], bytes, sizeof(bytes)) > 0)
			continue;
		for (size_t i = 0; i < count && tk->state == TK_RUNNING; i++)
			ran += loop_report(tk, &p[i]);
	}
	free(p);
	return ran + tk_run_posts(tk);
}

uint32_t
mk_tk_poll(mk_tk *tk, uint32_t real_ms)
{
	uint64_t end_us = tk_real_us() + (uint64_t)real_ms * 1000u;
	uint32_t total = 0;
	uint32_t ran = 0;

	if (tk->state != TK_RUNNING)
		return 0;
	total = tk_run_posts(tk);
	do {
		uint64_t now_us = tk_real_us();
		int wait_ms =
		    total == 0 && now_us < end_us ? (int)((end_us - now_us) / 1000 + 1) : 0;

		ran = loop_round(tk, wait_ms);
		total += ran;
		/* A descriptor that is never drained must not keep us for ever. */
	} while (total < TK_STORM && (ran > 0 || (total == 0 && tk_real_us() < end_us)));
	return total;
}

/* --------------------------------------------------------------- posts --- */

mk_result
tk_post(mk_tk *tk, void (*fn)(void *), void *arg)
{
	struct tk_post *post;

	if (fn == NULL)
		return MK_EINVAL;
	post = malloc(sizeof(*post));
	if (post == NULL)
		return MK_ENOMEM;
	*post = (struct tk_post){ fn, arg, NULL };
	pthread_mutex_lock(&tk->lock);
	*tk->posts_end = post;
	tk->posts_end = &post->next;
	pthread_mutex_unlock(&tk->lock);
	tk_wake(tk);
	return MK_OK;
}

void
tk_wake(mk_tk *tk)
{
	/* A full pipe wakes as well. */
	if (write(tk->wake[1], "", 1) < 0 && errno != EAGAIN)
		abort();
}

/* Those that are there now: one that posts itself again has its turn later. */
uint32_t
tk_run_posts(mk_tk *tk)
{
	struct tk_post *post;
	uint32_t count = 0;

	pthread_mutex_lock(&tk->lock);
	post = tk->posts;
	tk->posts = NULL;
	tk->posts_end = &tk->posts;
	pthread_mutex_unlock(&tk->lock);
	while (post != NULL) {
		struct tk_post *next = post->next;
		struct tk_entry e = tk_enter(tk, "a posted function", true);

		post->fn(post->arg);
		tk_leave(&e);
		free(post);
		post = next;
		count++;
	}
	return count;
}

/* ------------------------------------------------------------- threads --- */

static void *
loop_thread(void *arg)
{
	struct tk_thread *t = arg;
	struct alloc_scope scope;

	atomic_store(&t->tid, gettid());
	scope = alloc_enter(t->tk->id, t->name);
	t->fn(t->arg);
	alloc_leave(scope);
	return NULL;
}

mk_result
tk_spawn(mk_tk *tk, const char *name, void (*fn)(void *), void *arg)
{
	struct tk_thread *t;
	sigset_t all, before;
	char short_name[16];
	int failed;

	if (name == NULL || name[0] == '\0' || fn == NULL)
		return MK_EINVAL;
	if (tk->threads.count == TK_THREADS_MAX)
		return MK_EFULL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return MK_ENOMEM;
	t->tk = tk;
	t->fn = fn;
	t->arg = arg;
	snprintf(t->name, sizeof(t->name), "%s", name);
	snprintf(short_name, sizeof(short_name), "%.15s", name);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&t->thread, NULL, loop_thread, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		free(t);
		return MK_EAGAIN;
	}
	pthread_setname_np(t->thread, short_name);
	*TK_PUSH(&tk->threads) = t;
	return MK_OK;
}

bool
tk_join(mk_tk *tk)
{
	struct timespec until;
	bool all = true;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TK_JOIN_MS / 1000;
	for (size_t i = 0; i < tk->threads.count; i++) {
		struct tk_thread *t = tk->threads.items[i];

		t->joined = pthread_timedjoin_np(t->thread, NULL, &until) == 0;
		if (!t->joined)
			tk_leak(tk, "thread %s: still runs %d ms after stop()", t->name,
				TK_JOIN_MS);
		all &= t->joined;
	}
	for (size_t i = 0; all && i < tk->threads.count; i++)
		free(tk->threads.items[i]);
	if (all) {
		free(tk->threads.items);
		memset(&tk->threads, 0, sizeof(tk->threads));
	}
	return all;
}

void
tk_loop_clear(mk_tk *tk)
{
	struct tk_post *post = tk->posts;

	while (post != NULL) {
		struct tk_post *next = post->next;

		free(post);
		post = next;
	}
	tk->posts = NULL;
	tk->posts_end = &tk->posts;
	free(tk->timers.items);
	free(tk->watches.items);
	memset(&tk->timers, 0, sizeof(tk->timers));
	memset(&tk->watches, 0, sizeof(tk->watches));
	tk_calls_clear(tk);
}
