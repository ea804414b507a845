/* SPDX-License-Identifier: MIT
 *
 * What a plugin's own process may do. Called by meshkern-host between its
 * handshake and the loading of the plugin.
 */
#ifndef MK_HOST_SANDBOX_H
#define MK_HOST_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <meshkern/err.h>

struct sandbox {
	uint64_t memory_bytes;          /* 0 = no limit; RLIMIT_DATA */
	uint64_t cpu_seconds;           /* 0 = no limit; RLIMIT_CPU */
	uint64_t files;                 /* 0 = default 1024; RLIMIT_NOFILE */
	bool exec;                      /* may start other programs */
	bool net;                       /* may bind and connect TCP (Landlock ABI 4) */
	const char *const *read_paths;  /* NULL-terminated; plus system libraries */
	const char *const *write_paths; /* NULL-terminated; read and write */
};

/* no-new-privs, no core dumps of secrets (RLIMIT_CORE 0), dies with its
 * parent, limits, Landlock as far as the kernel has it. *landlock_abi: 0 if
 * the kernel has none (a warning, not an error). It must come before the first
 * thread: MK_ESTATE. A path that does not exist: MK_ENOENT. */
mk_result sandbox_enter(const struct sandbox *s, int *landlock_abi, mk_err *err);

#endif
