/* SPDX-License-Identifier: MIT */
#include "task.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *
task_main(void *arg)
{
	struct task *t = arg;
	uint64_t one = 1;
	int fd = t->fd;

	t->work(t->arg);
	atomic_store_explicit(&t->ended, true, memory_order_release);
	if (write(fd, &one, sizeof(one)) == -1)
		return NULL; /* cannot happen: a new eventfd takes one */
	return NULL;
}

void
task_finish(struct task *t)
{
	if (t->watch == NULL)
		return;
	pthread_join(t->thread, NULL);
	loop_unwatch(t->watch);
	close(t->fd);
	t->watch = NULL;
	t->done(t->arg);
}

static void
task_on_end(void *arg, uint32_t events)
{
	(void)events;
	task_finish(arg);
}

mk_result
task_start(struct task *t, struct loop *loop, void (*work)(void *), void (*done)(void *), void *arg)
{
	*t = (struct task){ .work = work, .done = done, .arg = arg };
	t->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->fd == -1)
		return MK_EAGAIN;
	t->watch = loop_watch(loop, t->fd, LOOP_READ, task_on_end, t);
	if (t->watch != NULL && pthread_create(&t->thread, NULL, task_main, t) == 0)
		return MK_OK;
	loop_unwatch(t->watch);
	close(t->fd);
	t->watch = NULL;
	return MK_EAGAIN;
}

bool
task_is_live(const struct task *t)
{
	return t->watch != NULL;
}

bool
task_is_busy(const struct task *t)
{
	return t->watch != NULL && !atomic_load_explicit(&t->ended, memory_order_acquire);
}
