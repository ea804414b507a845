/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash.h"

static mk_result
runner_make_vitals(struct runner *r, int *fd, mk_err *err)
{
	void *pages = NULL;

	if (r->inproc) {
		r->vitals = calloc(1, sizeof(*r->vitals));
		if (r->vitals == NULL)
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		atomic_store(&r->vitals->landlock, -1);
		return MK_OK;
	}
	*fd = memfd_create("vitals", MFD_CLOEXEC);
	if (*fd == -1 || ftruncate(*fd, sizeof(*r->vitals)) == -1)
		return mk_err_errno(err, "memfd");
	pages = mmap(NULL, sizeof(*r->vitals), PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (pages == MAP_FAILED)
		return mk_err_errno(err, "mmap");
	r->vitals = pages;
	return MK_OK;
}

static void
runner_on_thread(void *arg)
{
	struct runner *r = arg;
	mk_arena arena = { 0 };
	struct job job;

	if (job_read(&job, &arena, r->job.data, r->job.len, &r->err) == MK_OK) {
		crash_set_instance(job.name);
		job_run(&job, r->vitals, true, &r->err);
		crash_set_instance(NULL);
	}
	mk_arena_fini(&arena);
}

static void
runner_on_thread_end(void *arg)
{
	struct runner *r = arg;

	r->on_end(r->arg, 0, false);
}

static void
runner_on_child_end(void *arg, int status, long max_rss_kib)
{
	struct runner *r = arg;
	uint64_t limit = r->memory_bytes;
	/* The kernel refused it memory, and it did not cope. */
	bool no_memory = status != 0 && limit > 0 &&
			 (atomic_load(&r->vitals->no_memory) != 0 ||
			  (uint64_t)max_rss_kib * 1024 > limit - limit / 8);

	r->on_end(r->arg, status, no_memory);
}

static mk_result
runner_start_process(struct runner *r, struct loop *loop, const char *name, int vitals_fd,
		     mk_err *err)
{
	static const char *const args[] = { "--run", NULL };
	int fd = child_memory("job", r->job.data, r->job.len);
	mk_result rc;

	if (fd == -1)
		return mk_err_errno(err, "memfd");
	rc = child_start(&r->child, loop, name, args, fd, vitals_fd, runner_on_child_end, r, err);
	close(fd);
	return rc;
}

mk_result
runner_start(struct runner *r, struct loop *loop, bool inproc, const struct job *job,
	     void (*on_end)(void *, int, bool), void *arg, mk_err *err)
{
	int vitals_fd = -1;
	mk_result rc;

	*r = (struct runner){
		.inproc = inproc, .memory_bytes = job->memory_bytes, .on_end = on_end, .arg = arg
	};
	mk_writer_init(&r->job, 0);
	job_write(job, &r->job);
	rc = mk_writer_end(&r->job);
	if (rc != MK_OK)
		mk_err_set(err, rc, "its description is too long");
	if (rc == MK_OK)
		rc = runner_make_vitals(r, &vitals_fd, err);
	if (rc == MK_OK && !inproc)
		rc = runner_start_process(r, loop, job->name, vitals_fd, err);
	if (rc == MK_OK && inproc &&
	    task_start(&r->task, loop, runner_on_thread, runner_on_thread_end, r) != MK_OK)
		rc = mk_err_set(err, MK_EAGAIN, "cannot start a thread");
	if (vitals_fd != -1)
		close(vitals_fd);
	if (rc != MK_OK)
		runner_release(r);
	return rc;
}

void
runner_kill(struct runner *r)
{
	/* The whole group: what it started goes with it. */
	if (r->child.pid != 0)
		(void)kill(-r->child.pid, SIGKILL);
}

bool
runner_is_live(const struct runner *r)
{
	return r->child.pid != 0 || task_is_live(&r->task);
}

void
runner_tell_end(const struct runner *r, int status, char *text, size_t cap)
{
	char where[128];

	vitals_where(r->vitals, where);
	if (r->inproc)
		snprintf(text, cap, "%s",
			 r->err.text[0] != '\0' ? r->err.text : "its thread ended");
	else if (WIFSIGNALED(status))
		snprintf(text, cap, "killed by SIG%s%s", sigabbrev_np(WTERMSIG(status)), where);
	else
		snprintf(text, cap, "exited with status %d%s", WEXITSTATUS(status), where);
}

void
runner_release(struct runner *r)
{
	task_finish(&r->task);
	if (r->vitals != NULL && !r->inproc)
		munmap(r->vitals, sizeof(*r->vitals));
	else
		free(r->vitals);
	r->vitals = NULL;
	mk_writer_fini(&r->job);
}
