/* SPDX-License-Identifier: MIT
 *
 * Believes that destroy() only comes after start().
 */
#include "bad.h"

static mk_result
start(void *self)
{
	struct bad *b = self;

	b->extra = calloc(1, 8);
	return b->extra != NULL ? MK_OK : MK_ENOMEM;
}

static void
destroy(void *self)
{
	struct bad *b = self;

	*(volatile char *)b->extra = 1;
	bad_destroy(self);
}

BAD_PLUGIN(.create = bad_create, .start = start, .destroy = destroy);
