/* SPDX-License-Identifier: MIT
 *
 * Does not look whether memory was there.
 */
#include "bad.h"

static mk_result
create(const mk_host *host, void **self)
{
	struct bad *volatile b = malloc(sizeof(*b));

	b->host = host;
	b->extra = NULL;
	*self = b;
	return MK_OK;
}

BAD_PLUGIN(.create = create, .destroy = bad_destroy);
