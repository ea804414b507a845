/* SPDX-License-Identifier: MIT
 *
 * Has an option whose default is out of its own range.
 */
#include "bad.h"

static const mk_option options[] = {
	{ .name = "count", .type = MK_OPT_INT, .dflt = "11", .min = 1, .max = 10 },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options);
