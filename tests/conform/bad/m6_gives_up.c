/* SPDX-License-Identifier: MIT
 *
 * Never publishes again once the bus was busy.
 */
#include "bad.h"

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	if (bad_publish(b, "bad/out") == MK_EAGAIN)
		b->host->timer(b->host, id, UINT64_MAX, 0);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .publishes = bad_out, .start = bad_start,
	   .on_timer = on_timer);
