/* SPDX-License-Identifier: MIT
 *
 * Its check() crashes, does not end, or says what cannot be read.
 */
#include "bad.h"

static mk_result
check(const mk_host *config, char *why, uint32_t why_len)
{
	if (bad_is(config, "crash"))
		bad_crash();
	while (bad_is(config, "hang"))
		bad_sleep(1000000);
	if (bad_is(config, "host"))
		config->log(config, MK_LOG_INFO, "more than options is not there");
	memset(why, 0xff, why_len); /* and no end */
	memcpy(why, "look \x1b[2J", 9);
	return MK_EINVAL;
}

static const char *const ways[] = { "crash", "hang", "host", "text", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = ways, .flags = MK_OPT_REQUIRED },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD, BAD_ABOUT("bad-check"), .options = options,
	.check = check, .create = bad_create,   .destroy = free,
};
