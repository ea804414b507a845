/* SPDX-License-Identifier: MIT
 *
 * Does not like its own defaults.
 */
#include "bad.h"

static mk_result
check(const mk_host *config, char *why, uint32_t why_len)
{
	static const char text[] = "address: is not set";

	if (config->opt_str(config, "address") != NULL)
		return MK_OK;
	memcpy(why, text, why_len < sizeof(text) ? why_len : sizeof(text));
	return MK_EINVAL;
}

static const mk_option options[] = {
	{ .name = "address", .type = MK_OPT_STRING },
	{ .name = NULL },
};

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .options = options, .check = check);
