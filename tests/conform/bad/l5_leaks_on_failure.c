/* SPDX-License-Identifier: MIT
 *
 * Forgets the first block when there is no second one.
 */
#include "bad.h"

static mk_result
create(const mk_host *host, void **self)
{
	struct bad *b;
	mk_result r = bad_create(host, self);

	if (r != MK_OK)
		return r;
	b = *self;
	b->extra = malloc(10);
	return b->extra != NULL ? MK_OK : MK_ENOMEM;
}

BAD_PLUGIN(.create = create, .destroy = bad_destroy);
