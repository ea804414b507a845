/* SPDX-License-Identifier: MIT
 *
 * Cannot imagine that a message comes twice.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	if (msg->seq <= b->number)
		__builtin_trap();
	b->number = msg->seq;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
