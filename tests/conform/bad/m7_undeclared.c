/* SPDX-License-Identifier: MIT
 *
 * Publishes on a topic that it did not declare.
 */
#include "bad.h"

static void
on_timer(void *self, uint32_t id)
{
	(void)id;
	bad_publish(self, "bad/other");
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .publishes = bad_out, .start = bad_start,
	   .on_timer = on_timer);
