/* SPDX-License-Identifier: MIT
 *
 * Reads the body of a gap, which has none.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	b->number += *(const volatile uint8_t *)msg->body;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
