/* SPDX-License-Identifier: MIT
 *
 * Divides by an option that may be 0.
 */
#include "bad.h"

static mk_result
start(void *self)
{
	struct bad *b = self;
	int64_t parts = b->host->opt_int(b->host, "parts");

	b->number = (uint64_t)(100 / *(volatile int64_t *)&parts);
	return MK_OK;
}

static const mk_option options[] = {
	{ .name = "parts", .type = MK_OPT_INT, .dflt = "4", .min = 0, .max = 10 },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options, .start = start);
