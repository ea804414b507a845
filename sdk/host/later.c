/* SPDX-License-Identifier: MIT */
#include "later.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
	pthread_mutex_t lock;
	struct later *first, **end;
	bool is_running;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .end = &queue.first };

static struct later *
later_next(void)
{
	struct later *l;

	pthread_mutex_lock(&queue.lock);
	l = queue.first;
	if (l != NULL)
		queue.first = l->next;
	else
		queue.is_running = false;
	if (queue.first == NULL)
		queue.end = &queue.first;
	pthread_mutex_unlock(&queue.lock);
	return l;
}

static void *
later_main(void *unused)
{
	for (struct later *l = later_next(); l != NULL; l = later_next())
		l->work(l->arg);
	return unused;
}

/* With the lock. Signals are for those who wait for them. */
static bool
later_start(void)
{
	sigset_t all, before;
	pthread_t thread;
	bool good;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	good = pthread_create(&thread, NULL, later_main, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (good)
		pthread_detach(thread);
	return good;
}

void
later_do(struct later *l, void (*work)(void *arg), void *arg)
{
	bool taken;

	*l = (struct later){ .work = work, .arg = arg };
	pthread_mutex_lock(&queue.lock);
	taken = queue.is_running || later_start();
	if (taken) {
		queue.is_running = true;
		*queue.end = l;
		queue.end = &l->next;
	}
	pthread_mutex_unlock(&queue.lock);
	if (!taken)
		work(arg);
}
