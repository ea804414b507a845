/* SPDX-License-Identifier: MIT
 *
 * Exports a helper function, which may collide with another one.
 */
#include "bad.h"

extern MK_EXPORT int bad_helper(void);

int
bad_helper(void)
{
	return 1;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy);
