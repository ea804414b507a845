/* SPDX-License-Identifier: MIT
 *
 * Copies messages to where 64 KiB fit.
 */
#include "bad.h"

static void
on_msg(void *self, const mk_msg *msg)
{
	static uint8_t buffer[65536];
	struct bad *b = self;

	if (msg->body != NULL)
		memcpy(buffer, msg->body, msg->body_len);
	b->number += buffer[b->number % sizeof(buffer)];
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
