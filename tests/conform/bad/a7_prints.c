/* SPDX-License-Identifier: MIT
 *
 * Prints something in a constructor.
 */
#include <unistd.h>

#include "bad.h"

__attribute__((constructor)) static void
init(void)
{
	if (write(1, "hello\n", 6) < 0)
		return;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy);
