/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "crash.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static char crash_record[1024];
static _Thread_local const char *crash_instance;

void
crash_set_instance(const char *name)
{
	crash_instance = name;
}

/* Only calls that are safe in a signal handler. */
void
crash_write(const char *name)
{
	int fd;

	if (crash_record[0] == '\0' || name == NULL)
		return;
	fd = open(crash_record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1)
		return;
	if (write(fd, name, strlen(name)) == -1)
		(void)unlink(crash_record);
	close(fd);
}

void
crash_forget(void)
{
	if (crash_record[0] != '\0')
		(void)unlink(crash_record);
}

static void
crash_say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) == -1)
		return; /* nobody is there to read it */
}

static void
crash_on_signal(int number)
{
	void *frames[32];

	crash_write(crash_instance);
	crash_say("fatal signal ");
	crash_say(sigabbrev_np(number) != NULL ? sigabbrev_np(number) : "?");
	if (crash_instance != NULL) {
		crash_say(" in plugin ");
		crash_say(crash_instance);
	}
	crash_say(", backtrace:\n");
	backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
	/* SA_RESETHAND has put the default back: end as the signal wants it. */
	raise(number);
}

void
crash_init(const char *record)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	static uint8_t stack[64 * 1024];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = crash_on_signal,
				    .sa_flags = (int)SA_RESETHAND | SA_ONSTACK };
	void *frames[1];

	if (record != NULL)
		snprintf(crash_record, sizeof(crash_record), "%s", record);
	/* The first call loads a library: not something to do in the handler. */
	(void)backtrace(frames, 1);
	sigemptyset(&action.sa_mask);
	/* A stack that overflowed cannot run the handler; this helps the main thread's. */
	sigaltstack(&alternate, NULL);
#if !defined(MK_ASAN) && !defined(MK_TSAN) /* they have better handlers */
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
#else
	(void)fatal;
	(void)action;
#endif
}

bool
crash_take(const char *record, char *name, size_t cap)
{
	int fd = open(record, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		return false;
	n = read(fd, name, cap - 1);
	close(fd);
	(void)unlink(record);
	name[n > 0 ? n : 0] = '\0';
	return n > 0;
}
