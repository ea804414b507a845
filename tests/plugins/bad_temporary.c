/* SPDX-License-Identifier: MIT
 *
 * Makes a temporary file where libraries make theirs (SQLite, when it sorts), and leaves it there.
 */
#include "bad.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static mk_result
start(void *self)
{
	const struct bad *b = self;
	const char *folder = getenv("TMPDIR");
	char name[1024];
	int fd;

	(void)snprintf(name, sizeof(name), "%s/left-%ld", folder == NULL ? "/tmp" : folder,
		       (long)getpid());
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	b->host->gauge(b->host, "made", fd != -1);
	if (fd != -1)
		close(fd);
	return MK_OK;
}

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,  BAD_ABOUT("bad-temporary"), .create = bad_create, .start = start,
	.destroy = free,
};
