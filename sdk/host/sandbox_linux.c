/* SPDX-License-Identifier: MIT
 *
 * The sandbox: resource limits, and Landlock by system calls, because its
 * header on Debian 12 is older than the kernels it meets.
 *
 * Landlock rules name what is allowed; whatever the kernel's version of it can
 * govern and no rule names is forbidden. Files that are open stay open, and
 * connecting to a unix socket by path is not governed: the bus works.
 *
 * What it does not stop: UDP, and with exec = false a program that is run from
 * memory (memfd_create) instead of from a file.
 */
#define _GNU_SOURCE
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_DEFAULT 1024u

/* linux/landlock.h, with the version that brought each. */
#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_ALL_1 ((1ull << 13) - 1) /* and removing, and making of each type */
#define FS_REFER (1ull << 13)       /* 2 */
#define FS_TRUNCATE (1ull << 14)    /* 3 */
#define FS_IOCTL_DEV (1ull << 15)   /* 5 */
#define NET_ALL_4 3ull              /* bind and connect TCP */
#define SCOPE_ABSTRACT (1ull << 0)  /* 6: abstract unix sockets of others */
#define SCOPE_SIGNAL (1ull << 1)    /* 6: signals to others */
#define FS_OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1

struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* What a C program needs in order to run. What is secret in other processes'
 * part of /proc, Landlock keeps from it (from root not quite all). */
static const char *const system_paths[] = {
	"/usr", "/lib", "/lib64", "/etc", "/proc", "/opt", "/sys/devices/system/cpu", NULL
};
static const char *const device_paths[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					    "/dev/random", "/dev/urandom", NULL };
/* Where /etc/resolv.conf is a link to. */
static const char *const resolver_paths[] = { "/run/systemd/resolve", "/run/resolvconf",
					      "/run/NetworkManager", NULL };

/* A limit above the one in force cannot be had, and is none. */
/* The limit of a plugin is about what is resident, and the daemon looks at that. The kernel counts
 * reserved memory too, the stacks of all threads above all: it is the second line. */
#define MEMORY_EXTRA (32u << 20)
/* Sanitizers reserve terabytes. */
#if defined(MK_ASAN) || defined(MK_TSAN)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static mk_result
sandbox_limit(unsigned resource, const char *name, uint64_t soft, uint64_t hard, mk_err *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == -1)
		return mk_err_errno(err, "limit of %s", name);
	if (limit.rlim_max > hard)
		limit.rlim_max = hard;
	limit.rlim_cur = limit.rlim_max < soft ? limit.rlim_max : soft;
	if (setrlimit(resource, &limit) == -1)
		return mk_err_errno(err, "limit of %s", name);
	return MK_OK;
}

static mk_result
sandbox_limits(const struct sandbox *s, mk_err *err)
{
	uint64_t files = s->files == 0 ? FILES_DEFAULT : s->files;
	uint64_t memory = s->memory_bytes + MEMORY_EXTRA;
	mk_result rc = sandbox_limit(RLIMIT_CORE, "core files", 0, 0, err);

	if (rc == MK_OK)
		rc = sandbox_limit(RLIMIT_NOFILE, "files", files, files, err);
	if (rc == MK_OK && s->memory_bytes != 0 && !SANITIZED)
		rc = sandbox_limit(RLIMIT_DATA, "memory", memory, memory, err);
	/* SIGXCPU first: it tells the supervisor why. SIGKILL for who ignores it. */
	if (rc == MK_OK && s->cpu_seconds != 0)
		rc = sandbox_limit(RLIMIT_CPU, "CPU time", s->cpu_seconds, s->cpu_seconds + 1, err);
	return rc;
}

/* All of this holds for the calling thread and those it starts later: one that
 * runs already would stay free. */
static mk_result
sandbox_check_threads(mk_err *err)
{
#ifndef MK_TSAN /* which has a thread of its own */
	struct stat st;

	if (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3)
		return mk_err_set(err, MK_ESTATE, "%lu threads are running already",
				  (unsigned long)st.st_nlink - 2);
#else
	(void)err;
#endif
	return MK_OK;
}

static mk_result
rule_add(int ruleset, const char *path, uint64_t allowed, mk_err *err)
{
	struct path_rule rule = { .allowed = allowed };
	mk_result rc = MK_OK;
	struct stat st;

	rule.fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.fd == -1)
		return mk_err_errno(err, "%s", path);
	if (fstat(rule.fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == -1)
		rc = mk_err_errno(err, "allow %s", path);
	close(rule.fd);
	return rc;
}

/* A system's path may be missing; a path that somebody asked for may not. */
static mk_result
rules_add(int ruleset, const char *const *paths, uint64_t allowed, bool required, mk_err *err)
{
	for (; paths != NULL && *paths != NULL; paths++) {
		mk_result rc = rule_add(ruleset, *paths, allowed, required ? err : NULL);

		if (rc != MK_OK && required)
			return rc;
	}
	return MK_OK;
}

static mk_result
landlock_enter(const struct sandbox *s, long abi, mk_err *err)
{
	struct ruleset attr = {
		.fs = FS_ALL_1 | (abi >= 2 ? FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
		      (abi >= 5 ? FS_IOCTL_DEV : 0),
		.net = abi >= 4 && !s->net ? NET_ALL_4 : 0,
		.scoped = abi >= 6 ? SCOPE_SIGNAL | (s->net ? 0 : SCOPE_ABSTRACT) : 0,
	};
	uint64_t run = s->exec ? FS_EXECUTE : 0;
	uint64_t read = FS_READ_FILE | FS_READ_DIR | run;
	uint64_t write = (attr.fs & ~FS_EXECUTE) | run;
	uint64_t device = attr.fs & (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE);
	/* A kernel takes the longer structure if what it does not know is 0. */
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	mk_result rc;

	if (fd == -1)
		return mk_err_errno(err, "landlock rules");
	rc = rules_add(fd, system_paths, read, false, err);
	if (rc == MK_OK)
		rc = rules_add(fd, device_paths, device, false, err);
	if (rc == MK_OK && s->net)
		rc = rules_add(fd, resolver_paths, read, false, err);
	if (rc == MK_OK)
		rc = rules_add(fd, s->read_paths, read, true, err);
	if (rc == MK_OK)
		rc = rules_add(fd, s->write_paths, write, true, err);
	if (rc == MK_OK && syscall(SYS_landlock_restrict_self, fd, 0) == -1)
		rc = mk_err_errno(err, "landlock");
	close(fd);
	return rc;
}

mk_result
sandbox_enter(const struct sandbox *s, int *landlock_abi, mk_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_RULESET_VERSION);
	mk_result rc = sandbox_check_threads(err);

	if (rc == MK_OK)
		rc = sandbox_limits(s, err);
	/* A parent that died before this is for the caller to notice. */
	if (rc == MK_OK && prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		rc = mk_err_errno(err, "parent-death signal");
	if (rc == MK_OK && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		rc = mk_err_errno(err, "no-new-privs");
	if (rc == MK_OK && abi > 0)
		rc = landlock_enter(s, abi, err);
	if (rc != MK_OK) {
		mk_err_wrap(err, "sandbox");
		return rc;
	}
	*landlock_abi = abi > 0 ? (int)abi : 0;
	return MK_OK;
}
