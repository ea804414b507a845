/* SPDX-License-Identifier: MIT
 *
 * Forgets a block in create().
 */
#include "bad.h"

static void *lost;

static mk_result
create(const mk_host *host, void **self)
{
	lost = malloc(100);
	return lost != NULL ? bad_create(host, self) : MK_ENOMEM;
}

BAD_PLUGIN(.create = create, .destroy = bad_destroy);
