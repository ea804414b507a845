/* SPDX-License-Identifier: MIT
 *
 * What a fake host's spawn() is made of: a thread that runs fn(arg), to be joined by the test.
 */
#ifndef MK_TESTS_THREADS_H
#define MK_TESTS_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct test_thread {
	void (*fn)(void *);
	void *arg;
};

static inline void *
test_thread_run(void *arg)
{
	struct test_thread t = *(struct test_thread *)arg;

	free(arg);
	t.fn(t.arg);
	return NULL;
}

static inline bool
test_thread_start(pthread_t *thread, void (*fn)(void *), void *arg)
{
	struct test_thread *t = malloc(sizeof(*t));

	if (t == NULL)
		return false;
	*t = (struct test_thread){ fn, arg };
	if (pthread_create(thread, NULL, test_thread_run, t) == 0)
		return true;
	free(t);
	return false;
}

#endif
