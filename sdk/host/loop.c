/* SPDX-License-Identifier: MIT
 *
 * epoll plus a sorted list of timers. Timers are few (one per instance or less), so an ordered
 * list beats a heap in code and is as fast.
 */
#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

struct loop_watch {
	struct loop *loop;
	struct loop_watch *next;
	void (*fn)(void *, uint32_t);
	void *arg;
	int fd;
	bool dead; /* freed at the end of the round, an event may still name it */
};

struct loop_timer {
	struct loop *loop;
	struct loop_timer *next; /* by due time; unlinked when idle */
	void (*fn)(void *);
	void *arg;
	uint64_t due_us;
	bool linked;
};

struct loop {
	int epoll;
	bool running;
	bool hurry;
	uint64_t now_us;
	struct loop_watch *watches;
	struct loop_timer *timers;
};

mk_result
loop_new(struct loop **out, mk_err *err)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return mk_err_set(err, MK_ENOMEM, "event loop: out of memory");
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll == -1) {
		mk_err_errno(err, "event loop");
		free(l);
		return err != NULL ? err->code : MK_EIO;
	}
	l->now_us = clock_now_us();
	*out = l;
	return MK_OK;
}

static void
loop_bury(struct loop *l, bool all)
{
	struct loop_watch **p = &l->watches;

	while (*p != NULL) {
		struct loop_watch *w = *p;

		if (!w->dead && !all) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		free(w);
	}
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	loop_bury(l, true);
	while (l->timers != NULL)
		loop_timer_set(l->timers, UINT64_MAX);
	close(l->epoll);
	free(l);
}

static uint32_t
loop_to_epoll(uint32_t events)
{
	return ((events & LOOP_READ) != 0 ? (uint32_t)EPOLLIN : 0) |
	       ((events & LOOP_WRITE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

struct loop_watch *
loop_watch(struct loop *l, int fd, uint32_t events, void (*fn)(void *, uint32_t), void *arg)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	struct epoll_event ev = { .events = loop_to_epoll(events) };

	if (w == NULL)
		return NULL;
	*w = (struct loop_watch){ .loop = l, .fn = fn, .arg = arg, .fd = fd };
	ev.data.ptr = w;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) == -1) {
		free(w);
		return NULL;
	}
	w->next = l->watches;
	l->watches = w;
	return w;
}

mk_result
loop_watch_events(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = loop_to_epoll(events) };

	ev.data.ptr = w;
	return epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev) == -1 ? MK_EIO : MK_OK;
}

void
loop_unwatch(struct loop_watch *w)
{
	if (w == NULL || w->dead)
		return;
	/* The descriptor may be closed already; then the kernel has forgotten it. */
	(void)epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->dead = true;
	if (!w->loop->running)
		loop_bury(w->loop, false);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *), void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (t != NULL)
		*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg, .due_us = UINT64_MAX };
	return t;
}

void
loop_timer_set(struct loop_timer *t, uint64_t due_us)
{
	struct loop_timer **p;

	if (t->linked) {
		for (p = &t->loop->timers; *p != t; p = &(*p)->next)
			;
		*p = t->next;
		t->linked = false;
	}
	t->due_us = due_us;
	if (due_us == UINT64_MAX)
		return;
	/* Not in this round any more: who sets itself again for now keeps nobody from running. */
	if (t->loop->running && due_us <= t->loop->now_us)
		t->due_us = due_us = t->loop->now_us + 1;
	for (p = &t->loop->timers; *p != NULL && (*p)->due_us <= due_us; p = &(*p)->next)
		;
	t->next = *p;
	*p = t;
	t->linked = true;
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	loop_timer_set(t, UINT64_MAX);
	free(t);
}

uint64_t
loop_now_us(const struct loop *l)
{
	return l->now_us;
}

static int
loop_wait_ms(const struct loop *l)
{
	uint64_t now, ms;

	if (l->hurry)
		return 0;
	if (l->timers == NULL)
		return -1;
	now = clock_now_us();
	if (l->timers->due_us <= now)
		return 0;
	ms = (l->timers->due_us - now + 999) / 1000;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void
loop_hurry(struct loop *l)
{
	l->hurry = true;
}

void
loop_round(struct loop *l)
{
	struct epoll_event events[32];
	int n = epoll_wait(l->epoll, events, 32, loop_wait_ms(l));

	l->now_us = clock_now_us();
	l->hurry = false;
	l->running = true;
	for (int i = 0; i < n; i++) {
		struct loop_watch *w = events[i].data.ptr;
		uint32_t got = ((events[i].events & EPOLLIN) != 0 ? LOOP_READ : 0) |
			       ((events[i].events & EPOLLOUT) != 0 ? LOOP_WRITE : 0) |
			       ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0 ? LOOP_ERROR : 0);

		if (!w->dead)
			w->fn(w->arg, got);
	}
	while (l->timers != NULL && l->timers->due_us <= l->now_us) {
		struct loop_timer *t = l->timers;

		loop_timer_set(t, UINT64_MAX);
		t->fn(t->arg);
	}
	l->running = false;
	loop_bury(l, false);
}
