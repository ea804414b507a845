/* SPDX-License-Identifier: MIT
 *
 * Works for 150 ms in one callback.
 */
#include <time.h>

#include "bad.h"

static int64_t
busy_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;
	int64_t end_ns = busy_ns() + 150000000;

	(void)id;
	if (b->number++ == 0)
		while (busy_ns() < end_ns)
			continue;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = bad_start, .on_timer = on_timer);
