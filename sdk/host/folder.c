/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

mk_result
folder_make(char *path, size_t cap, mode_t mode, const char *base, const char *part,
	    const char *name, mk_err *err)
{
	int n = snprintf(path, cap, "%s%s%s%s%s", base, part[0] != '\0' ? "/" : "", part,
			 name[0] != '\0' ? "/" : "", name);

	if (n < 0 || (size_t)n >= cap)
		return mk_err_set(err, MK_ETOOBIG, "the path of %s/%s is too long", part, name);
	if (mkdir(path, mode) == -1 && errno != EEXIST)
		return mk_err_errno(err, "mkdir %s", path);
	return MK_OK;
}

void
folder_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		closedir(dir);
}

mk_result
folder_lock(const char *path, mk_err *err)
{
	char file[1024], text[32] = "";
	int fd;

	snprintf(file, sizeof(file), "%s/lock", path);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return mk_err_errno(err, "open %s", file);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		return mk_err_set(err, MK_EEXIST,
				  "%s: another meshkernd is running here (pid %.*s)", path,
				  n > 0 ? (int)strcspn(text, "\n") : 1, n > 0 ? text : "?");
	}
	/* Never closed: the lock lives as long as the process. */
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == -1 || write(fd, text, strlen(text)) == -1)
		return mk_err_errno(err, "write %s", file);
	return MK_OK;
}
