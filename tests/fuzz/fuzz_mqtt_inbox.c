/* SPDX-License-Identifier: MIT
 *
 * A file of the inbox with any content: what opens can be read to its end, and what is put behind
 * it is still there after the next start.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/mk-fuzz-inbox-XXXXXX", paths[2][64];

static void
remove_dir(void)
{
	unlink(paths[0]);
	unlink(paths[1]);
	rmdir(dir);
}

static uint32_t
count_items(struct inbox *b, bool *has_ours)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < 2; i++) {
		const struct inbox_half *h = inbox_take(b);
		struct inbox_item item;
		size_t at = 0;

		while (h != NULL && inbox_next(h, &at, &item)) {
			*has_ours = item.len == 4 && memcmp(item.data, "ours", 4) == 0;
			count++;
		}
		if (h != NULL)
			inbox_done(b);
	}
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct inbox b;
	bool has_ours = false;
	int fd;

	if (paths[0][0] == '\0') {
		if (mkdtemp(dir) == NULL)
			abort();
		for (int i = 0; i < 2; i++)
			snprintf(paths[i], sizeof(paths[i]), "%s/inbox-%d", dir, i);
		atexit(remove_dir);
	}
	fd = open(paths[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	if (inbox_open(&b, dir, 1 << 20, NULL) != MK_OK)
		abort();
	inbox_end(&b);
	if (inbox_put(&b, 1, "ours", 4) != MK_OK)
		abort();
	inbox_close(&b);
	if (inbox_open(&b, dir, 1 << 20, NULL) != MK_OK || b.damaged != 0)
		abort();
	if (count_items(&b, &has_ours) == 0 || !has_ours)
		abort();
	inbox_close(&b);
	return 0;
}
