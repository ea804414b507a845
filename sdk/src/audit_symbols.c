/* SPDX-License-Identifier: MIT
 *
 * Which imported symbols need which capability.
 *
 * This finds accidents and careless code before they run; it is no barrier to
 * malice, which process isolation is for. What compilers and their runtimes put
 * into every plugin (abort, __assert_fail, __cxa_atexit, __stack_chk_fail) is
 * free, and so is what acts on the calling thread alone (pthread_sigmask), and
 * syscall and dlsym, without which Rust's runtime cannot be linked.
 */
#include <meshkern/audit.h>

#include <stdio.h>
#include <string.h>

struct group {
	const char *capability;
	const char *const *symbols; /* end with NULL; a '*' at the end covers every continuation */
};

#define LIST(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

/* Leading underscores do not count: "exit" is also _exit, "fork" also __fork. */
static const struct group groups[] = {
	{ "storage.read", LIST("sqlite3_open*") },
	/* These change SQLite for everyone in the process. */
	{ "storage.write",
	  LIST("sqlite3_auto_extension", "sqlite3_cancel_auto_extension", "sqlite3_config",
	       "sqlite3_enable_shared_cache", "sqlite3_reset_auto_extension", "sqlite3_shutdown",
	       "sqlite3_vfs_register", "sqlite3_vfs_unregister") },
	{ "net", LIST("accept", "accept4", "bind", "bindresvport", "connect", "getaddrinfo",
		      "getaddrinfo_a", "gethostbyaddr*", "gethostbyname*", "getnameinfo", "listen",
		      "res_nquery", "res_nsearch", "res_nsend", "res_query", "res_search",
		      "res_send", "socket") },
	/* Libraries that make sockets for their callers. */
	{ "net", LIST("MHD_start_daemon*", "MQTTAsync_create*", "MQTTClient_create*", "curl_easy_*",
		      "curl_multi_*") },
	{ "exec", LIST("Fork", "clone", "clone3", "daemon", "execl", "execle", "execlp", "execv",
		       "execve", "execveat", "execvp", "execvpe", "fexecve", "fork", "forkpty",
		       "popen", "posix_spawn", "posix_spawnp", "system", "vfork", "wordexp") },
	/* What children need, and nobody else. */
	{ "exec",
	  LIST("kill", "killpg", "pclose", "pidfd_open", "pidfd_send_signal", "setpgid", "setpgrp",
	       "setsid", "sigqueue", "tgkill", "wait", "wait3", "wait4", "waitid", "waitpid") },
	/* The bus goes through the host table alone. */
	{ "!", LIST("nn_*", "nng_*") },
	/* Brings in code that this check does not see. */
	{ "!", LIST("dlmopen", "dlopen", "process_vm_*", "ptrace") },
	/* Ends the process, or takes its signals or files away. */
	{ "!",
	  LIST("Exit", "alarm", "at_quick_exit", "bsd_signal", "close_range", "closefrom", "exit",
	       "gsignal", "on_exit", "quick_exit", "raise", "setitimer", "sigaction", "sigblock",
	       "sighold", "sigignore", "siginterrupt", "signal", "sigpause", "sigprocmask",
	       "sigrelse", "sigset", "sigsetmask", "sigvec", "ssignal", "sysv_signal", "ualarm") },
	/* Changes what the whole process is. */
	{ "!",
	  LIST("chdir", "chroot", "clearenv", "fchdir", "initgroups", "mlockall", "pivot_root",
	       "prlimit*", "putenv", "setegid", "setenv", "seteuid", "setfsgid", "setfsuid",
	       "setgid", "setgroups", "setlocale", "setns", "setregid", "setresgid", "setresuid",
	       "setreuid", "setrlimit*", "setuid", "umask", "unsetenv", "unshare") },
};

static bool
symbol_matches(const char *pattern, const char *symbol)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return strncmp(pattern, symbol, len - 1) == 0;
	return strcmp(pattern, symbol) == 0;
}

const char *
mk_audit_symbol_capability(const char *symbol)
{
	symbol += strspn(symbol, "_");
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
		for (const char *const *s = groups[g].symbols; *s != NULL; s++) {
			if (symbol_matches(*s, symbol))
				return groups[g].capability;
		}
	}
	return NULL;
}

static bool
has_capability(const char *const *list, const char *capability)
{
	for (; list != NULL && *list != NULL; list++) {
		if (strcmp(*list, capability) == 0)
			return true;
	}
	return false;
}

static bool
is_covered(const char *const *list, const char *needed)
{
	if (needed == NULL)
		return true;
	if (strcmp(needed, "!") == 0)
		return false;
	if (has_capability(list, needed))
		return true;
	return strcmp(needed, "storage.read") == 0 && has_capability(list, "storage.write");
}

mk_result
mk_audit_check(const mk_audit *a, const char *const *capabilities, mk_err *err)
{
	const char *first = NULL;
	const char *needed = NULL;
	uint32_t more = 0;
	char others[48] = "";

	for (uint32_t i = 0; i < mk_audit_import_count(a); i++) {
		const char *symbol = mk_audit_import(a, i);
		const char *needs = mk_audit_symbol_capability(symbol);

		if (is_covered(capabilities, needs))
			continue;
		if (first != NULL) {
			more++;
			continue;
		}
		first = symbol;
		needed = needs;
	}
	if (first == NULL)
		return MK_OK;
	if (more > 0)
		(void)snprintf(others, sizeof(others), " (and %u more symbols are refused)", more);
	if (strcmp(needed, "!") == 0)
		return mk_err_set(err, MK_EDENIED, "imports %s, which no plugin may use%s", first,
				  others);
	return mk_err_set(err, MK_EDENIED, "imports %s, which needs grant: [%s]%s", first, needed,
			  others);
}
