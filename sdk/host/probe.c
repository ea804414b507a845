/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"

#define PROBE_AT_ONCE 64u
#define PROBE_PIECE 16384u
#define PROBE_PIPE_MAX (1u << 20) /* bytes: what Linux allows a pipe to hold */

enum { FD_ANSWER, FD_NOISE, FD_END, FDS }; /* FD_NOISE: its stdout and stderr */

struct running {
	struct probe *probe;
	pid_t pid;         /* 0: it has ended, or did not start */
	struct pollfd *fd; /* FDS of them */
	char line[256];    /* the last one of its noise */
	size_t line_len;
	bool line_ended;
};

static void
probe_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
probe_start(struct running *r)
{
	struct probe *p = r->probe;
	const char *args[] = { p->mode, p->path, NULL };
	int answer[2] = { -1, -1 }, noise[2] = { -1, -1 }, options = -1;
	mk_err err = { 0 };

	p->answer = malloc(PROBE_ANSWER_MAX);
	if (p->options_len > 0)
		options = child_memory("options", p->options, p->options_len);
	if (p->answer == NULL || (p->options_len > 0 && options == -1) ||
	    pipe2(answer, O_CLOEXEC) == -1 || pipe2(noise, O_CLOEXEC) == -1 ||
	    fcntl(answer[0], F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(noise[0], F_SETFL, O_NONBLOCK) == -1)
		mk_err_errno(&err, "prepare a process");
	else if (child_spawn(&r->pid, args, answer[1], options, noise[1], &err) != MK_OK)
		r->pid = 0;
	probe_close(&answer[1]);
	probe_close(&noise[1]);
	probe_close(&options);
	r->fd[FD_ANSWER].fd = answer[0];
	r->fd[FD_NOISE].fd = noise[0];
	if (r->pid != 0)
		r->fd[FD_END].fd = child_pidfd(r->pid);
	if (r->pid != 0 && r->fd[FD_END].fd == -1) {
		mk_err_errno(&err, "watch a process");
		kill(-r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
		r->pid = 0;
	}
	snprintf(p->error, sizeof(p->error), "%s", err.text);
}

static void
probe_take_noise(struct running *r, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool ends = data[i] == '\n' || data[i] == '\0';

		if (!ends && r->line_ended)
			r->line_len = 0;
		if (!ends && r->line_len < sizeof(r->line))
			r->line[r->line_len++] = data[i];
		r->line_ended = ends;
	}
}

/* One piece; false: there is nothing now, or never again. */
static bool
probe_read(struct running *r, int which)
{
	struct probe *p = r->probe;
	char piece[PROBE_PIECE];
	ssize_t n = r->fd[which].fd == -1 ? -1 : read(r->fd[which].fd, piece, sizeof(piece));
	size_t room = PROBE_ANSWER_MAX - p->len;

	if (n == 0)
		probe_close(&r->fd[which].fd);
	if (n <= 0)
		return false;
	if (which == FD_NOISE) {
		probe_take_noise(r, piece, (size_t)n);
	} else {
		room = room < (size_t)n ? room : (size_t)n;
		memcpy(p->answer + p->len, piece, room);
		p->len += room;
	}
	return true;
}

static void
probe_judge(struct running *r, bool late, uint64_t limit_us, int status)
{
	bool is_check = strcmp(r->probe->mode, "--check") == 0;
	char *out = r->probe->error;
	size_t cap = sizeof(r->probe->error);

	if (late)
		snprintf(out, cap, "did not %s within %u s",
			 is_check ? "check its options" : "load", (unsigned)(limit_us / 1000000));
	else if (WIFSIGNALED(status))
		snprintf(out, cap, "crashed while %s: %s",
			 is_check ? "it checked its options" : "it was loaded",
			 strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != 0)
		snprintf(out, cap, "it was refused%s%.*s", r->line_len > 0 ? ": " : "",
			 (int)r->line_len, r->line);
}

static void
probe_end(struct running *r, bool late, uint64_t limit_us)
{
	int status = 0;

	if (r->pid != 0) {
		/* Not reaped yet, so the number is its own; what it has started goes with it. */
		kill(-r->pid, SIGKILL);
		while (waitpid(r->pid, &status, 0) == -1 && errno == EINTR)
			;
		/* What is left in the pipes, even if one that got away goes on writing. */
		for (int which = FD_ANSWER; which <= FD_NOISE; which++)
			for (uint32_t n = 0; n < PROBE_PIPE_MAX && probe_read(r, which);)
				n += PROBE_PIECE;
		probe_judge(r, late, limit_us, status);
	}
	for (int i = 0; i < FDS; i++)
		probe_close(&r->fd[i].fd);
	r->pid = 0;
}

static void
probe_some(struct probe *probes, uint32_t count, uint64_t limit_us)
{
	struct pollfd fds[PROBE_AT_ONCE * FDS];
	struct running running[PROBE_AT_ONCE];
	uint64_t now, until;
	uint32_t left = 0;

	for (uint32_t i = 0; i < count; i++) {
		running[i] = (struct running){ .probe = &probes[i], .fd = &fds[i * FDS] };
		for (int j = 0; j < FDS; j++)
			running[i].fd[j] = (struct pollfd){ .fd = -1, .events = POLLIN };
		if (probes[i].error[0] == '\0')
			probe_start(&running[i]);
		left += running[i].pid != 0;
	}
	until = clock_now_us() + limit_us;
	while (left > 0 && (now = clock_now_us()) < until) {
		if (poll(fds, count * FDS, (int)((until - now) / 1000 + 1)) <= 0)
			continue;
		for (uint32_t i = 0; i < count; i++) {
			struct running *r = &running[i];

			if (r->fd[FD_ANSWER].revents != 0)
				probe_read(r, FD_ANSWER);
			if (r->fd[FD_NOISE].revents != 0)
				probe_read(r, FD_NOISE);
			if (r->pid == 0 || r->fd[FD_END].revents == 0)
				continue;
			probe_end(r, false, limit_us);
			left--;
		}
	}
	for (uint32_t i = 0; i < count; i++)
		probe_end(&running[i], true, limit_us);
}

void
probe_run(struct probe *probes, uint32_t count, uint64_t limit_us)
{
	for (uint32_t i = 0; i < count; i += PROBE_AT_ONCE)
		probe_some(probes + i, count - i < PROBE_AT_ONCE ? count - i : PROBE_AT_ONCE,
			   limit_us);
}
