/* SPDX-License-Identifier: MIT
 *
 * Has a helper thread that does not end.
 */
#include <unistd.h>

#include "bad.h"

static void
work(void *arg)
{
	for (;;)
		pause();
	(void)arg;
}

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->spawn(b->host, "stays", work, b);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .start = start);
