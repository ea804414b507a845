/* SPDX-License-Identifier: MIT
 *
 * Finds only in start() that an option has a bad value.
 */
#include "bad.h"

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->opt_int(b->host, "even") % 2 == 0 ? MK_OK : MK_EINVAL;
}

static const mk_option options[] = {
	{ .name = "even", .type = MK_OPT_INT, .dflt = "4", .min = 1, .max = 10 },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options, .start = start);
