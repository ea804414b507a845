/* SPDX-License-Identifier: MIT
 *
 * A meshkern-host process: started, watched through a pidfd (never by a remembered number), its
 * output folded into the log. Core thread only.
 */
#ifndef MK_HOST_CHILD_H
#define MK_HOST_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include <meshkern/err.h>

#include "log.h"
#include "loop.h"

#define CHILD_CONFIG_FD 3 /* what the host reads or writes, by its mode */
#define CHILD_VITALS_FD 4

struct child {
	struct loop *loop;
	pid_t pid; /* 0: none */
	int pidfd;
	int out; /* its stdout and stderr */
	struct loop_watch *pid_watch, *out_watch;
	char area[48]; /* for the log */
	char line[1024];
	size_t line_len;
	struct log_limit log_limit;
	long begin_rss_kib; /* ours when it began: what the kernel counts for it is at least that */
	void (*on_end)(void *arg, int status, long max_rss_kib);
	void *arg;
};

int child_pidfd(pid_t pid); /* -1 on failure */
/* Folder of this executable, where meshkern-host is; "" if unknown. */
const char *child_exe_dir(void);

/* Where the plugins are that come with the daemon, NULL-terminated: in a build, or where they are
 * installed. */
const char *const *child_builtin_dirs(void);

/* Start meshkern-host with `args` (NULL-terminated, after the program's name); the descriptors
 * become 3 and 4 in the child (-1: /dev/null). Its output goes to `out`. */
mk_result child_spawn(pid_t *pid, const char *const *args, int fd3, int fd4, int out, mk_err *err);

/* The same, watched by the loop until on_end. max_rss_kib is 0 if that cannot be told from ours. */
mk_result child_start(struct child *c, struct loop *loop, const char *name, const char *const *args,
		      int fd3, int fd4, void (*on_end)(void *arg, int status, long max_rss_kib),
		      void *arg, mk_err *err);
void child_kill(struct child *c, int signal);
/* Resident memory in bytes of a process, 0 if unknown. */
uint64_t child_rss(pid_t pid);
/* Anonymous memory with this content, to be read by a child. -1 on failure. */
int child_memory(const char *name, const void *data, size_t len);

#endif
