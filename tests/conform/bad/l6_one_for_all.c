/* SPDX-License-Identifier: MIT
 *
 * Keeps its state in a variable that all instances share.
 */
#include "bad.h"

static void *shared;

static mk_result
create(const mk_host *host, void **self)
{
	mk_result r = bad_create(host, self);

	shared = *self;
	return r;
}

static void
destroy(void *self)
{
	(void)self;
	bad_destroy(shared);
	shared = NULL;
}

BAD_PLUGIN(.create = create, .destroy = destroy);
