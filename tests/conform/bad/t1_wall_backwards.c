/* SPDX-License-Identifier: MIT
 *
 * Believes that the wall clock only goes forward.
 */
#include "bad.h"

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	(void)id;
	if (b->host->wall_us(b->host) < b->number)
		__builtin_trap();
	b->number = b->host->wall_us(b->host);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = bad_start, .on_timer = on_timer);
