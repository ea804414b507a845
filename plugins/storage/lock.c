/* SPDX-License-Identifier: MIT
 *
 * Who has the database: our own lock file against a second daemon, and the kernel's list of locks
 * to say which other program is in the way. The database file itself is never opened here: closing
 * it would drop every lock that SQLite has on it in this process.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that SQLite locks: one reader slot each in the index of the log. */
#define SHM_READER_FIRST 123
#define SHM_READER_LAST 127

mk_result
db_lock(const char *path, int *fd, mk_err *err)
{
	char name[4096], pid[24] = "";
	int lock, n = snprintf(name, sizeof(name), "%s.lock", path);
	mk_result rc;

	if (n < 0 || n >= (int)sizeof(name))
		return mk_err_set(err, MK_EINVAL, "the path of the database is too long");
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock == -1)
		return mk_err_errno(err, "make %s, without which the database is not touched",
				    name);
	if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
		n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
		/* The number is only for the other one's message; the lock does not depend on it. */
		if (ftruncate(lock, 0) == 0)
			(void)!pwrite(lock, pid, (size_t)n, 0);
		*fd = lock;
		return MK_OK;
	}
	if (errno != EWOULDBLOCK) {
		rc = mk_err_errno(err, "lock %s", name);
	} else {
		if (pread(lock, pid, sizeof(pid) - 1, 0) < 0)
			pid[0] = '\0';
		pid[strspn(pid, "0123456789")] = '\0';
		rc = mk_err_set(err, MK_EUNAVAIL,
				"%s is in use by process %s: only one daemon may write a database; "
				"stop that one, or give this one another file",
				path, pid[0] == '\0' ? "of unknown number" : pid);
	}
	close(lock);
	return rc;
}

void
db_unlock(int *fd)
{
	if (*fd == -1)
		return;
	(void)!ftruncate(*fd, 0);
	/* Before closing: a child that was just forked may still have it open. */
	(void)flock(*fd, LOCK_UN);
	close(*fd);
	*fd = -1;
}

static uint64_t
file_inode(const char *path, const char *suffix)
{
	char name[4096];
	struct stat st;
	int n = snprintf(name, sizeof(name), "%s%s", path, suffix);

	if (n < 0 || n >= (int)sizeof(name) || stat(name, &st) != 0)
		return 0;
	return (uint64_t)st.st_ino;
}

static void
holder_name(long pid, char *text, size_t size)
{
	char path[64], comm[32] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	file = fopen(path, "re");
	if (file != NULL) {
		if (fgets(comm, sizeof(comm), file) == NULL)
			comm[0] = '\0';
		fclose(file);
	}
	comm[strcspn(comm, "\n")] = '\0';
	(void)snprintf(text, size, comm[0] == '\0' ? "process %ld" : "process %ld (%s)", pid, comm);
}

void
db_holder(const char *path, bool readers, char *text, size_t size)
{
	uint64_t main_inode = file_inode(path, ""), shm = file_inode(path, "-shm");
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];

	text[0] = '\0';
	while (locks != NULL && text[0] == '\0' && fgets(line, sizeof(line), locks) != NULL) {
		char kind[8];
		long pid;
		uint64_t inode, from;
		bool slot, hit;

		if (sscanf(line, "%*s POSIX %*s %7s %ld %*[^:]:%*[^:]:%" SCNu64 " %" SCNu64, kind,
			   &pid, &inode, &from) != 4)
			continue;
		slot = inode == shm && from >= SHM_READER_FIRST && from <= SHM_READER_LAST;
		hit = readers ? slot && strcmp(kind, "READ") == 0
			      : (inode == main_inode || (inode == shm && !slot)) &&
				    strcmp(kind, "WRITE") == 0;
		if (hit && inode != 0 && pid > 0 && pid != (long)getpid())
			holder_name(pid, text, size);
	}
	if (locks != NULL)
		fclose(locks);
}
