/* SPDX-License-Identifier: MIT
 *
 * Forgets a descriptor in create().
 */
#include <fcntl.h>

#include "bad.h"

static mk_result
create(const mk_host *host, void **self)
{
	if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
		return MK_EIO;
	return bad_create(host, self);
}

BAD_PLUGIN(.create = create, .destroy = bad_destroy);
