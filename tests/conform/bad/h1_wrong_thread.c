/* SPDX-License-Identifier: MIT
 *
 * Sets a timer from a helper thread.
 */
#include "bad.h"

static void
work(void *arg)
{
	bad_start(arg);
}

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->spawn(b->host, "helper", work, b);
}

static void
on_timer(void *self, uint32_t id)
{
	(void)self;
	(void)id;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = start, .on_timer = on_timer);
