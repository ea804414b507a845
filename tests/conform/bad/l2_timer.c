/* SPDX-License-Identifier: MIT
 *
 * Sets a timer in stop().
 */
#include "bad.h"

static void
stop(void *self)
{
	bad_start(self);
}

static void
on_timer(void *self, uint32_t id)
{
	(void)self;
	(void)id;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .on_timer = on_timer, .stop = stop);
