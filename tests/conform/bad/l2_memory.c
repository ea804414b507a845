/* SPDX-License-Identifier: MIT
 *
 * Allocates in start(), and frees only in stop() of another branch.
 */
#include "bad.h"

static mk_result
start(void *self)
{
	struct bad *b = self;

	b->extra = malloc(100);
	return b->extra != NULL ? MK_OK : MK_ENOMEM;
}

static void
stop(void *self)
{
	struct bad *b = self;

	b->extra = NULL;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = start, .stop = stop);
