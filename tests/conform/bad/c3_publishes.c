/* SPDX-License-Identifier: MIT
 *
 * Publishes in check().
 */
#include "bad.h"

static mk_result
check(const mk_host *config, char *why, uint32_t why_len)
{
	(void)why;
	(void)why_len;
	config->publish(config, "bad/out", bad_body, sizeof(bad_body), 0);
	return MK_OK;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .publishes = bad_out, .check = check);
