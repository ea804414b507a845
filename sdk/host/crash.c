/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "crash.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char crash_record[1024];
static _Thread_local const char *crash_instance;
static _Atomic int32_t *crash_no_memory;

#define CRASH_STACK (64u << 10)

/* A stack that overflowed cannot run the handler, so each thread brings another. */
void
crash_set_instance(const char *name)
{
	static _Thread_local void *stack;
	stack_t alternate = { .ss_flags = SS_DISABLE };

	crash_instance = name;
#if !defined(MK_ASAN) && !defined(MK_TSAN) /* they have their own */
	if (name != NULL && stack == NULL) {
		stack = malloc(CRASH_STACK);
		alternate = (stack_t){ .ss_sp = stack, .ss_size = CRASH_STACK };
		if (stack != NULL)
			sigaltstack(&alternate, NULL);
	} else if (name == NULL) {
		sigaltstack(&alternate, NULL);
		free(stack);
		stack = NULL;
	}
#else
	(void)stack;
	(void)alternate;
#endif
}

void
crash_tell_memory(_Atomic int32_t *no_memory)
{
	crash_no_memory = no_memory;
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
	const char *who = crash_instance;
	bool no_memory = errno == ENOMEM;
	char thread[16] = "";
	void *frames[32];

	if (no_memory && crash_no_memory != NULL)
		atomic_store(crash_no_memory, 1);
	if (who == NULL && prctl(PR_GET_NAME, thread) == 0)
		who = thread;
	crash_write(who);
	crash_say("fatal signal ");
	crash_say(sigabbrev_np(number) != NULL ? sigabbrev_np(number) : "?");
	if (who != NULL) {
		crash_say(crash_instance != NULL ? " in plugin " : " in thread ");
		crash_say(who);
	}
	crash_say(no_memory ? " after an allocation had failed, backtrace:\n" : ", backtrace:\n");
	backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
	/* SA_RESETHAND has put the default back: end as the signal wants it. */
	raise(number);
}

void
crash_init(const char *record)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS };
	static uint8_t stack[CRASH_STACK];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_handler = crash_on_signal,
				    .sa_flags = (int)SA_RESETHAND | SA_ONSTACK };
	void *frames[1];

	if (record != NULL)
		snprintf(crash_record, sizeof(crash_record), "%s", record);
	/* The first call loads a library: not something to do in the handler. */
	(void)backtrace(frames, 1);
	sigemptyset(&action.sa_mask);
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
