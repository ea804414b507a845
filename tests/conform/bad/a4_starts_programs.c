/* SPDX-License-Identifier: MIT
 *
 * Starts programs without requesting that.
 */
#include "bad.h"

static mk_result
start(void *self)
{
	(void)self;
	return system("true") == 0 ? MK_OK : MK_EIO;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = start);
