/* SPDX-License-Identifier: MIT
 *
 * One check in a process of its own: whatever the plugin does there, from a
 * crash to an endless loop, ends with a verdict here.
 */
#define _GNU_SOURCE
#include "conform.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kit.h"

#define RUN_SANITIZED 10 /* so much slower are sanitizer builds */

static struct report *run_report; /* for the signal handler */

enum verdict
conform_fail(struct conform *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->report->text, sizeof(c->report->text), format, args);
	va_end(args);
	return FAIL;
}

enum verdict
conform_skip(struct conform *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->report->text, sizeof(c->report->text), format, args);
	va_end(args);
	return SKIP;
}

void
conform_doing(struct conform *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->report->doing, sizeof(c->report->doing), format, args);
	va_end(args);
}

enum verdict
conform_load(struct conform *c)
{
	void *object;
	mk_err err = { 0 };
	mk_writer w;
	mk_result r;

	conform_doing(c, "dlopen");
	object = dlopen(c->file, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL)
		return conform_fail(c, "%s", dlerror());
	c->desc = dlsym(object, "mk_plugin_v1");
	if (c->desc == NULL)
		return conform_fail(c, "the symbol mk_plugin_v1 is not exported");
	mk_writer_init(&w, 0);
	r = mk_desc_check(c->desc, &err);
	if (r == MK_OK)
		r = mk_manifest_write(c->desc, &w);
	if (r == MK_OK)
		r = mk_manifest_read(&c->manifest, w.data, w.len, &err);
	mk_writer_fini(&w);
	if (r != MK_OK)
		return conform_fail(c, "%s", err.text);
	bodies_init(c);
	return PASS;
}

/* A second fault of the same kind, after this one, ends the process. */
static void
run_on_fault(int number, siginfo_t *info, void *context)
{
	static const char text[] = "a message was used after its callback, or beyond its end";

	(void)number;
	(void)context;
	if (tk_was_lent(info->si_addr))
		memcpy(run_report->crash, text, sizeof(text));
}

static void
run_catch_faults(struct conform *c)
{
	static uint8_t stack[65536];
	const stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = run_on_fault };

	run_report = c->report;
	if (!alloc_counted())
		return; /* the sanitizer has its own handler */
	/* A plugin may have used up the other stack. */
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND;
	sigaltstack(&alternate, NULL);
	sigaction(SIGSEGV, &action, NULL);
}

static void
run_child(struct conform *c, const struct check *check)
{
	enum verdict v = PASS;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(c->output, STDOUT_FILENO) < 0 ||
	    dup2(c->output, STDERR_FILENO) < 0)
		_exit(1);
	close(null);
	run_catch_faults(c);
	if (!check->bare)
		v = conform_load(c);
	if (v == PASS)
		v = check->run(c);
	c->report->verdict = v;
	conform_doing(c, "exit");
	exit(0); /* destructors belong to the test */
}

/* False: it was still there at the end. It is not reaped yet, so that its id
 * and that of its group cannot be anyone else's. */
static bool
run_wait(pid_t child, uint32_t seconds)
{
	siginfo_t info = { .si_pid = 0 };
	struct timespec now, end;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == 0) {
		struct timespec left;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec)
			return false;
		left = (struct timespec){ end.tv_sec - now.tv_sec, 0 };
		sigtimedwait(&set, NULL, &left);
	}
	return true;
}

static void
run_judge(struct conform *c, int status)
{
	struct report *r = c->report;

	if (WIFSIGNALED(status)) {
		r->verdict =
		    conform_fail(c, "crashed with SIG%s (%s) at: %s%s%s",
				 sigabbrev_np(WTERMSIG(status)), sigdescr_np(WTERMSIG(status)),
				 r->doing, r->crash[0] != '\0' ? "; " : "", r->crash);
	} else if (r->verdict == VERDICT_NONE) {
		r->verdict = conform_fail(c, "the plugin ended the process, with status %d, at: %s",
					  WEXITSTATUS(status), r->doing);
	} else if (WEXITSTATUS(status) != 0 && r->verdict != FAIL) {
		r->verdict =
		    conform_fail(c, "the process ended with status %d", WEXITSTATUS(status));
	}
}

void
conform_run(struct conform *c, const struct check *check)
{
	uint32_t seconds = check->seconds * (alloc_counted() ? 1 : RUN_SANITIZED);
	sigset_t set, before;
	bool in_time = false;
	int status = 0;
	pid_t child;

	memset(c->report, 0, sizeof(*c->report));
	if (ftruncate(c->output, 0) != 0 || lseek(c->output, 0, SEEK_SET) != 0)
		abort(); /* it is our own file in memory */
	fflush(NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &before);
	child = fork();
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		run_child(c, check);
	}
	if (child < 0) {
		c->report->verdict = conform_fail(c, "fork: %s", strerror(errno));
	} else {
		in_time = run_wait(child, seconds);
		kill(-child, SIGKILL); /* also what the plugin started */
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	}
	if (child > 0 && in_time)
		run_judge(c, status);
	else if (child > 0)
		c->report->verdict =
		    conform_fail(c, "not done after %u s, at: %s", seconds, c->report->doing);
	sigprocmask(SIG_SETMASK, &before, NULL);
}
