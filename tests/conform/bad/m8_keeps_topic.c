/* SPDX-License-Identifier: MIT
 *
 * Keeps the name of the topic.
 */
#include "bad.h"

static const char *kept;

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	if (kept != NULL && strcmp(kept, msg->topic) == 0)
		b->number++;
	kept = msg->topic;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .subscribes = bad_in, .on_msg = on_msg);
