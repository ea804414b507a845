/* SPDX-License-Identifier: MIT
 *
 * Where an instance runs: on a thread of the daemon, or in a meshkern-host process. One thread,
 * that of the loop.
 */
#ifndef MK_HOST_RUNNER_H
#define MK_HOST_RUNNER_H

#include <meshkern/codec.h>

#include "child.h"
#include "job.h"
#include "task.h"
#include "vitals.h"

struct runner { /* zeroed: nothing runs; stays where it is until runner_release */
	bool inproc;
	struct vitals *vitals; /* what it is doing; until runner_release */
	struct child child;    /* the process, or */
	struct task task;      /* the thread */
	mk_writer job;         /* as the thread reads it */
	uint64_t memory_bytes; /* limit, 0 = none */
	mk_err err;            /* of the thread, after its end */
	void (*on_end)(void *arg, int status, bool no_memory);
	void *arg;
};

/* `on_end` is called once, when thread or process have ended: with the status of the process, and
 * whether the limit of its memory was why. After a failure there is nothing to release. */
mk_result runner_start(struct runner *r, struct loop *loop, bool inproc, const struct job *job,
		       void (*on_end)(void *arg, int status, bool no_memory), void *arg,
		       mk_err *err);
/* A process and all that it started; a thread cannot be killed. */
void runner_kill(struct runner *r);
bool runner_is_live(const struct runner *r);
/* How it ended, in words, from the status that on_end was given. */
void runner_tell_end(const struct runner *r, int status, char *text, size_t cap);
/* Forget what has ended; waits for a thread. */
void runner_release(struct runner *r);

#endif
