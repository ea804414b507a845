/* SPDX-License-Identifier: MIT
 *
 * Publishes an array.
 */
#include "bad.h"

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	(void)id;
	b->host->publish(b->host, "bad/out", "\x90", 1, 0);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .publishes = bad_out, .start = bad_start,
	   .on_timer = on_timer);
