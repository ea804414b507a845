/* SPDX-License-Identifier: MIT
 *
 * Work on a thread of its own, whose end comes back to a loop. The thread of the loop only, but for
 * the work.
 */
#ifndef MK_HOST_TASK_H
#define MK_HOST_TASK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "loop.h"

struct task {                     /* zeroed: not begun; stays where it is until it is over */
	struct loop_watch *watch; /* NULL: there is no thread */
	int fd;                   /* written when the work is done */
	pthread_t thread;
	_Atomic bool ended;
	void (*work)(void *arg); /* on the thread */
	void (*done)(void *arg); /* on the loop, after the thread was joined */
	void *arg;
};

mk_result task_start(struct task *t, struct loop *loop, void (*work)(void *arg),
		     void (*done)(void *arg), void *arg);
/* Wait for the work, then call `done` as the loop would have. Nothing if there is no thread. */
void task_finish(struct task *t);
/* Begun, and `done` not called yet. */
bool task_is_live(const struct task *t);
/* The work goes on. */
bool task_is_busy(const struct task *t);

#endif
