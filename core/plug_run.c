/* SPDX-License-Identifier: MIT
 *
 * Where a plugin runs: on a thread of the daemon, or in a meshkern-host process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"
#include "job.h"
#include "plug.h"

struct plug_dirs {
	char state[1024], run[1024], outbox[1024];
};

static mk_result
plug_make_dir(char *path, size_t cap, mk_err *err, const char *format, const char *a, const char *b)
{
	int n = snprintf(path, cap, "%s/%s/%s", a, format, b);

	if (n < 0 || (size_t)n >= cap)
		return mk_err_set(err, MK_ETOOBIG, "path of %s is too long", b);
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return mk_err_errno(err, "mkdir %s", path);
	return MK_OK;
}

static mk_result
plug_dirs_make(const struct plug *p, struct plug_dirs *d, mk_err *err)
{
	const struct settings *s = p->plan->settings;
	mk_result rc =
	    plug_make_dir(d->state, sizeof(d->state), err, "state", s->data_dir, p->name);

	if (rc == MK_OK)
		rc = plug_make_dir(d->run, sizeof(d->run), err, "plugins", s->run_dir, p->name);
	if (rc == MK_OK)
		rc = plug_make_dir(d->outbox, sizeof(d->outbox), err, "outbox", s->data_dir,
				   p->name);
	return rc;
}

/* ---------------------------------------------------------------- inproc -- */

struct plug_thread { /* [taken] by the thread */
	struct plug *plug;
	struct vitals *vitals;
	uint8_t *body;
	size_t len;
	int ended_fd;
};

static void *
plug_thread_main(void *arg)
{
	struct plug_thread t = *(struct plug_thread *)arg;
	mk_arena arena = { 0 };
	uint64_t one = 1;
	struct job job;
	mk_err err = { 0 };

	free(arg);
	if (job_read(&job, &arena, t.body, t.len, &err) == MK_OK) {
		crash_set_instance(job.name);
		job_run(&job, t.vitals, true, &err);
		crash_set_instance(NULL);
	}
	mk_arena_fini(&arena);
	free(t.body);
	t.plug->thread_err = err;
	atomic_store_explicit(&t.plug->thread_ended, true, memory_order_release);
	if (write(t.ended_fd, &one, sizeof(one)) == -1)
		return NULL; /* already readable */
	return NULL;
}

static mk_result
plug_launch_thread(struct plug *p, const mk_writer *job, mk_err *err)
{
	struct plug_thread *t = malloc(sizeof(*t));
	uint8_t *body = malloc(job->len);

	atomic_store(&p->thread_ended, false);
	if (t != NULL && body != NULL) {
		memcpy(body, job->data, job->len);
		*t = (struct plug_thread){ p, p->vitals, body, job->len, p->core->ended_fd };
		p->thread_live = pthread_create(&p->thread, NULL, plug_thread_main, t) == 0;
	}
	if (p->thread_live)
		return MK_OK;
	free(t);
	free(body);
	return mk_err_set(err, MK_EAGAIN, "cannot start a thread");
}

/* --------------------------------------------------------------- process -- */

static void
plug_on_child_end(void *arg, int status, long max_rss_kib)
{
	struct plug *p = arg;
	uint64_t limit = p->item->settings->memory_bytes;

	p->ev_ended = true;
	p->end_status = status;
	/* The kernel refused it memory, and it did not cope. */
	if (status != 0 && p->killed_for == NULL && limit > 0 &&
	    (atomic_load(&p->vitals->no_memory) != 0 ||
	     (uint64_t)max_rss_kib * 1024 > limit - limit / 8))
		p->killed_for = "memory limit reached";
}

static bool
plug_needs(const struct plug *p, const char *capability)
{
	for (const char *const *c = p->item->manifest->capabilities; *c != NULL; c++)
		if (strcmp(*c, capability) == 0)
			return true;
	return false;
}

static mk_result
plug_launch_process(struct plug *p, int vitals_fd, const mk_writer *job, mk_err *err)
{
	static const char *const args[] = { "--run", NULL };
	int fd = child_memory("job", job->data, job->len);
	mk_result rc;

	if (fd == -1)
		return mk_err_errno(err, "memfd");
	rc = child_start(&p->child, p->core->loop, p->name, args, fd, vitals_fd, plug_on_child_end,
			 p, err);
	close(fd);
	if (rc != MK_OK)
		return rc;
	link_expect_pid(p->seat->out, (uint64_t)p->child.pid);
	link_expect_pid(p->seat->in, (uint64_t)p->child.pid);
	return MK_OK;
}

/* ------------------------------------------------------------------ both -- */

static mk_result
plug_vitals_make(struct plug *p, int *fd, mk_err *err)
{
	*fd = -1;
	if (p->inproc) {
		p->vitals = calloc(1, sizeof(*p->vitals));
		p->vitals_len = 0;
		if (p->vitals != NULL)
			atomic_store(&p->vitals->landlock, -1);
		return p->vitals == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
	}
	*fd = memfd_create("vitals", MFD_CLOEXEC);
	if (*fd == -1 || ftruncate(*fd, sizeof(*p->vitals)) == -1)
		return mk_err_errno(err, "memfd");
	p->vitals_len = sizeof(*p->vitals);
	p->vitals = mmap(NULL, p->vitals_len, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (p->vitals == MAP_FAILED) {
		p->vitals = NULL;
		return mk_err_errno(err, "mmap");
	}
	return MK_OK;
}

/* Two sockets of this generation; nobody of an earlier one can come in. */
static mk_result
plug_sit_down(struct plug *p, char url_out[160], char url_in[160], mk_err *err)
{
	struct link *out = NULL, *in = NULL;
	mk_result rc;

	if (p->inproc) {
		snprintf(url_out, 160, "inproc://mk-%d-%s-%u-out", (int)getpid(), p->name,
			 p->generation);
		snprintf(url_in, 160, "inproc://mk-%d-%s-%u-in", (int)getpid(), p->name,
			 p->generation);
	} else if (snprintf(url_out, 160, "ipc://%s/bus/%s.%u.out", p->plan->settings->run_dir,
			    p->name, p->generation) >= 115 ||
		   snprintf(url_in, 160, "ipc://%s/bus/%s.%u.in", p->plan->settings->run_dir,
			    p->name, p->generation) >= 115) {
		return mk_err_set(err, MK_ETOOBIG, "data_dir is too long for the socket %s",
				  url_out);
	}
	rc = link_open(&out, LINK_PUB, 64, HUB_FRAME_MAX, err);
	if (rc == MK_OK)
		rc = link_open(&in, LINK_PULL, 64, HUB_FRAME_MAX, err);
	if (rc == MK_OK)
		return seat_attach(p->seat, out, in, err);
	link_close(out);
	link_close(in);
	return rc;
}

static mk_result
plug_listen(struct plug *p, const char *url_out, const char *url_in, mk_err *err)
{
	struct link_address address = { .url = url_out, .mode = 0600 };
	mk_result rc = link_listen(p->seat->out, &address, err);

	address.url = url_in;
	return rc == MK_OK ? link_listen(p->seat->in, &address, err) : rc;
}

mk_result
plug_launch(struct plug *p, mk_err *err)
{
	const struct plugin_settings *s = p->item->settings;
	char url_out[160], url_in[160];
	struct plug_dirs dirs;
	int vitals_fd = -1;
	mk_writer w;
	mk_result rc;

	p->generation++;
	p->inproc = s->isolation == ISOLATION_INPROC && strcmp(p->core->moved, p->name) != 0;
	plug_declare(p);
	rc = plug_dirs_make(p, &dirs, err);
	if (rc == MK_OK)
		rc = plug_vitals_make(p, &vitals_fd, err);
	if (rc == MK_OK)
		rc = plug_sit_down(p, url_out, url_in, err);
	if (rc == MK_OK && p->inproc)
		rc = plug_listen(p, url_out, url_in, err);
	mk_writer_init(&w, 0);
	if (rc == MK_OK) {
		const struct job job = { .name = p->name,
					 .path = s->path,
					 .url_out = url_out,
					 .url_in = url_in,
					 .state_dir = dirs.state,
					 .data_dir = p->plan->settings->data_dir,
					 .run_dir = dirs.run,
					 .outbox_dir = dirs.outbox,
					 .parent = (uint64_t)getpid(),
					 .outbox_bytes = s->outbox_bytes,
					 .outbox_sync_us = s->outbox_sync_us,
					 .memory_bytes = s->memory_bytes,
					 .cpu_seconds = s->cpu_seconds,
					 .files = s->files,
					 .exec = plug_needs(p, "exec"),
					 .net = plug_needs(p, "net"),
					 .storage_read = plug_needs(p, "storage.read"),
					 .storage_write = plug_needs(p, "storage.write"),
					 .read_paths = s->read_paths,
					 .write_paths = s->write_paths,
					 .values = p->item->body,
					 .values_len = p->item->len };

		job_write(&job, &w);
		rc = mk_writer_end(&w);
	}
	if (rc == MK_OK)
		rc = p->inproc ? plug_launch_thread(p, &w, err)
			       : plug_launch_process(p, vitals_fd, &w, err);
	/* Not before its number is known: nobody else may come in, and it may be quick. */
	if (rc == MK_OK && !p->inproc && plug_listen(p, url_out, url_in, err) != MK_OK)
		plug_kill(p, "its sockets could not be opened");
	mk_writer_fini(&w);
	if (vitals_fd != -1)
		close(vitals_fd);
	if (rc != MK_OK)
		plug_release(p);
	return rc;
}

void
plug_kill(struct plug *p, const char *why)
{
	if (p->killed_for == NULL)
		p->killed_for = why;
	/* The whole group: what it started goes with it. */
	if (p->child.pid != 0)
		(void)kill(-p->child.pid, SIGKILL);
}

void
plug_release(struct plug *p)
{
	if (p->thread_live)
		pthread_join(p->thread, NULL);
	p->thread_live = false;
	seat_detach(p->seat);
	if (p->vitals != NULL && p->vitals_len > 0)
		munmap(p->vitals, p->vitals_len);
	else
		free(p->vitals);
	p->vitals = NULL;
}
