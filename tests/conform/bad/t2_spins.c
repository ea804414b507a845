/* SPDX-License-Identifier: MIT
 *
 * Has a timer that never lets time pass.
 */
#include "bad.h"

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	b->host->timer(b->host, id, 0, 0);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = bad_start, .on_timer = on_timer);
