/* SPDX-License-Identifier: MIT
 *
 * Opens a file in check().
 */
#include <fcntl.h>

#include "bad.h"

static mk_result
check(const mk_host *config, char *why, uint32_t why_len)
{
	(void)config;
	(void)why;
	(void)why_len;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? MK_OK : MK_EIO;
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy, .check = check);
