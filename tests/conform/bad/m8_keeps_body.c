/* SPDX-License-Identifier: MIT
 *
 * Keeps a pointer into a message.
 */
#include "bad.h"

static const volatile uint8_t *kept;

static void
on_msg(void *self, const mk_msg *msg)
{
	(void)self;
	kept = msg->body;
}

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	(void)id;
	if (kept != NULL)
		b->number += *kept;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .start = bad_start,
	   .on_msg = on_msg, .on_timer = on_timer);
