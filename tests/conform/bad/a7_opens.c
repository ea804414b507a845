/* SPDX-License-Identifier: MIT
 *
 * Opens a file in a constructor and keeps it.
 */
#include <fcntl.h>

#include "bad.h"

static int log_fd = -1;

__attribute__((constructor)) static void
init(void)
{
	log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

BAD_PLUGIN(.create = bad_create, .destroy = bad_destroy);
