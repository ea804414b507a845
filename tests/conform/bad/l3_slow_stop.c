/* SPDX-License-Identifier: MIT
 *
 * Takes six seconds to stop.
 */
#include <time.h>

#include "bad.h"

static void
stop(void *self)
{
	const struct timespec six = { 6, 0 };

	(void)self;
	nanosleep(&six, NULL);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .stop = stop);
