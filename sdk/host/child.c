/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define FD_HIGH 64 /* descriptors are moved above the ones that they are to become */

extern char **environ;

const char *
child_exe_dir(void)
{
	static char dir[1024];
	ssize_t n;

	if (dir[0] != '\0')
		return dir;
	n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);
	dir[n > 0 ? n : 0] = '\0';
	if (strrchr(dir, '/') != NULL)
		*strrchr(dir, '/') = '\0';
	return dir;
}

const char *const *
child_builtin_dirs(void)
{
	static const char *const places[] = { "../plugins", "../lib/meshkern/plugins",
#ifdef MK_LIBDIR /* seen from the program, if it is another: lib/<architecture>, lib64 */
					      MK_LIBDIR "/meshkern/plugins",
#endif
					      NULL };
	static char dirs[3][1100];
	static const char *list[4];

	for (int i = 0; places[i] != NULL; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "%s/%s", child_exe_dir(), places[i]);
		list[i] = dirs[i];
	}
	return list;
}

int
child_memory(const char *name, const void *data, size_t len)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd == -1)
		return -1;
	if (write(fd, data, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
child_move(posix_spawn_file_actions_t *actions, int fd, int to, int *copy)
{
	/* dup2 onto itself would leave close-on-exec set, and the target may be the source of
	 * another: so first a copy out of the way, closed by the parent afterwards. */
	*copy =
	    fd == -1 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
	return *copy == -1 ? errno : posix_spawn_file_actions_adddup2(actions, *copy, to);
}

mk_result
child_spawn(pid_t *pid, const char *const *args, int fd3, int fd4, int out, mk_err *err)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char program[1100];
	char *argv[16] = { program };
	int from[5] = { -1, out, out, fd3, fd4 }, copy[5] = { -1, -1, -1, -1, -1 };
	sigset_t none, all;
	int rv = 0;

	snprintf(program, sizeof(program), "%s/meshkern-host", child_exe_dir());
	for (int i = 0; args[i] != NULL && i < 14; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					    POSIX_SPAWN_SETPGROUP);
	for (int i = 0; i < 5 && rv == 0; i++)
		rv = child_move(&actions, from[i], i, &copy[i]);
	if (rv == 0)
		rv = posix_spawn(pid, program, &actions, &attr, argv, environ);
	for (int i = 0; i < 5; i++)
		if (copy[i] != -1)
			close(copy[i]);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	errno = rv;
	return rv != 0 ? mk_err_errno(err, "start %s", program) : MK_OK;
}

int
child_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void
child_flush_line(struct child *c)
{
	if (c->line_len > 0)
		log_plugin(&c->log_limit, MK_LOG_INFO, c->area, c->line, c->line_len);
	c->line_len = 0;
}

/* False: there is nothing to read now. */
static bool
child_read(struct child *c)
{
	char data[4096];
	ssize_t n = read(c->out, data, sizeof(data));

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		loop_unwatch(c->out_watch);
		c->out_watch = NULL;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (data[i] != '\n')
			c->line[c->line_len++] = data[i];
		if (data[i] == '\n' || c->line_len == sizeof(c->line))
			child_flush_line(c);
	}
	return n > 0;
}

static void
child_on_out(void *arg, uint32_t events)
{
	(void)events;
	child_read(arg);
}

static void
child_on_pid(void *arg, uint32_t events)
{
	struct child *c = arg;
	struct rusage usage = { 0 };
	int status = 0;

	(void)events;
	/* What it started goes with it. It is not reaped yet, so the number is still its own. */
	(void)kill(-c->pid, SIGKILL);
	if (wait4(c->pid, &status, WNOHANG, &usage) != c->pid)
		return;
	/* Whatever it still said, the last words of a crash above all. */
	while (c->out_watch != NULL && child_read(c))
		;
	child_flush_line(c);
	loop_unwatch(c->pid_watch);
	loop_unwatch(c->out_watch);
	close(c->pidfd);
	close(c->out);
	c->pid_watch = c->out_watch = NULL;
	c->pid = 0;
	c->on_end(c->arg, status, usage.ru_maxrss > c->begin_rss_kib ? usage.ru_maxrss : 0);
}

mk_result
child_start(struct child *c, struct loop *loop, const char *name, const char *const *args, int fd3,
	    int fd4, void (*on_end)(void *, int, long), void *arg, mk_err *err)
{
	struct rusage ours = { 0 };
	int out[2];
	mk_result rc;

	*c = (struct child){ .loop = loop, .pidfd = -1, .on_end = on_end, .arg = arg };
	snprintf(c->area, sizeof(c->area), "plugin %s", name);
	if (pipe2(out, O_CLOEXEC) == -1)
		return mk_err_errno(err, "pipe");
	rc = child_spawn(&c->pid, args, fd3, fd4, out[1], err);
	close(out[1]);
	/* Until it became another program its memory was ours. */
	(void)getrusage(RUSAGE_SELF, &ours);
	c->begin_rss_kib = ours.ru_maxrss;
	if (rc == MK_OK) {
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		c->out = out[0];
		c->pidfd = child_pidfd(c->pid);
		c->out_watch = loop_watch(loop, c->out, LOOP_READ, child_on_out, c);
		c->pid_watch = loop_watch(loop, c->pidfd, LOOP_READ, child_on_pid, c);
		if (c->pid_watch != NULL && c->out_watch != NULL)
			return MK_OK;
		rc = mk_err_errno(err, "watch process");
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
		loop_unwatch(c->out_watch);
		loop_unwatch(c->pid_watch);
		if (c->pidfd != -1)
			close(c->pidfd);
	}
	close(out[0]);
	c->pid = 0;
	return rc;
}

void
child_kill(struct child *c, int signal)
{
	if (c->pid != 0)
		(void)syscall(SYS_pidfd_send_signal, c->pidfd, signal, NULL, 0);
}

uint64_t
child_rss(pid_t pid)
{
	char path[64], text[128] = "";
	unsigned long size, resident = 0;
	FILE *f;

	if (pid == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fgets(text, sizeof(text), f) == NULL || sscanf(text, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
