/* SPDX-License-Identifier: MIT
 *
 * Says that an option is LIVE, and has no reconfigure().
 */
#include "bad.h"

static const mk_option options[] = {
	{ .name = "rate",
	  .type = MK_OPT_INT,
	  .dflt = "4",
	  .min = 1,
	  .max = 10,
	  .flags = MK_OPT_LIVE },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options);
