/* SPDX-License-Identifier: MIT
 *
 * Logs its password.
 */
#include "bad.h"

static mk_result
start(void *self)
{
	struct bad *b = self;

	if (b->host->opt_str(b->host, "password") != NULL)
		b->host->log(b->host, MK_LOG_DEBUG, b->host->opt_str(b->host, "password"));
	return MK_OK;
}

static const mk_option options[] = {
	{ .name = "password", .type = MK_OPT_STRING, .flags = MK_OPT_SECRET },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options, .start = start);
