/* SPDX-License-Identifier: MIT
 *
 * Where a plugin runs: on a thread of the daemon, or in a meshkern-host process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash.h"
#include "inst.h"
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
	struct inst_config config;
	struct plug_dirs dirs;
	char name[MK_ID_MAX + 1];
	char path[1024];
	char url_out[160], url_in[160], data_dir[1024];
	int ended_fd;
};

static mk_result
plug_thread_load(struct plug_thread *t, mk_err *err)
{
	void *library;

	atomic_store(&t->config.vitals->callback, VITALS_LOAD);
	/* Never closed: a thread, a destructor or a callback left behind would run into nothing. */
	library = dlopen(t->path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (library == NULL)
		return mk_err_set(err, MK_EINVAL, "%s", dlerror());
	t->config.desc = dlsym(library, "mk_plugin_v1");
	atomic_store(&t->config.vitals->callback, VITALS_NONE);
	if (t->config.desc == NULL)
		return mk_err_set(err, MK_EABI, "%s has no mk_plugin_v1", t->path);
	return mk_desc_check(t->config.desc, err);
}

static void *
plug_thread_main(void *arg)
{
	struct plug_thread *t = arg;
	struct plug *p = t->plug;
	uint64_t one = 1;
	int ended_fd = t->ended_fd;
	mk_err err = { 0 };

	crash_set_instance(t->name);
	if (plug_thread_load(t, &err) == MK_OK)
		inst_run(&t->config, &err);
	else
		mk_values_free(t->config.values);
	crash_set_instance(NULL);
	p->thread_err = err;
	atomic_store_explicit(&p->thread_ended, true, memory_order_release);
	free(t);
	if (write(ended_fd, &one, sizeof(one)) == -1)
		return NULL; /* already readable */
	return NULL;
}

static mk_result
plug_launch_thread(struct plug *p, const struct inst_config *config, const struct plug_dirs *dirs,
		   mk_err *err)
{
	mk_problems *problems = mk_problems_new("options");
	struct plug_thread *t = calloc(1, sizeof(*t));

	if (t != NULL && problems != NULL) {
		t->config = *config;
		t->config.values = mk_values_read(p->item->manifest->options, p->item->body,
						  p->item->len, problems);
	}
	mk_problems_free(problems);
	if (t == NULL || t->config.values == NULL) {
		free(t);
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	t->plug = p;
	t->dirs = *dirs;
	t->ended_fd = p->core->ended_fd;
	snprintf(t->name, sizeof(t->name), "%s", p->name);
	snprintf(t->path, sizeof(t->path), "%s", p->item->settings->path);
	snprintf(t->url_out, sizeof(t->url_out), "%s", config->url_out);
	snprintf(t->url_in, sizeof(t->url_in), "%s", config->url_in);
	snprintf(t->data_dir, sizeof(t->data_dir), "%s", config->data_dir);
	t->config.name = t->name;
	t->config.url_out = t->url_out;
	t->config.url_in = t->url_in;
	t->config.data_dir = t->data_dir;
	t->config.state_dir = t->dirs.state;
	t->config.run_dir = t->dirs.run;
	t->config.outbox_dir = t->dirs.outbox;
	atomic_store(&p->thread_ended, false);
	if (pthread_create(&p->thread, NULL, plug_thread_main, t) != 0) {
		mk_values_free(t->config.values);
		free(t);
		return mk_err_set(err, MK_EAGAIN, "cannot start a thread");
	}
	p->thread_live = true;
	return MK_OK;
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
	    (uint64_t)max_rss_kib * 1024 > limit - limit / 8)
		p->killed_for = "memory limit reached";
}

static void
plug_put_paths(mk_writer *w, const char *key, const char *const *paths)
{
	uint32_t n = 0;

	while (paths != NULL && paths[n] != NULL)
		n++;
	mk_kv_array(w, key, n);
	for (uint32_t i = 0; i < n; i++)
		mk_put_str(w, paths[i]);
}

static bool
plug_needs(const struct plug *p, const char *capability)
{
	for (const char *const *c = p->item->manifest->capabilities; *c != NULL; c++)
		if (strcmp(*c, capability) == 0)
			return true;
	return false;
}

static int
plug_host_config(struct plug *p, const struct inst_config *c, const struct plug_dirs *d)
{
	const struct plugin_settings *s = p->item->settings;
	mk_writer w;
	int fd = -1;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 20);
	mk_kv_str(&w, "name", p->name);
	mk_kv_str(&w, "path", s->path);
	mk_kv_str(&w, "url_out", c->url_out);
	mk_kv_str(&w, "url_in", c->url_in);
	mk_kv_str(&w, "state_dir", d->state);
	mk_kv_str(&w, "data_dir", c->data_dir);
	mk_kv_str(&w, "run_dir", d->run);
	mk_kv_str(&w, "outbox_dir", d->outbox);
	mk_kv_u64(&w, "outbox_bytes", c->outbox_bytes);
	mk_kv_u64(&w, "outbox_sync_us", c->outbox_sync_us);
	mk_kv_u64(&w, "memory_bytes", s->memory_bytes);
	mk_kv_u64(&w, "cpu_seconds", s->cpu_seconds);
	mk_kv_u64(&w, "files", s->files);
	mk_kv_bool(&w, "exec", plug_needs(p, "exec"));
	mk_kv_bool(&w, "net", plug_needs(p, "net"));
	mk_kv_bool(&w, "storage_read", plug_needs(p, "storage.read"));
	mk_kv_bool(&w, "storage_write", plug_needs(p, "storage.write"));
	plug_put_paths(&w, "read", s->read_paths);
	plug_put_paths(&w, "write", s->write_paths);
	mk_kv_bin(&w, "values", p->item->body, p->item->len);
	if (mk_writer_end(&w) == MK_OK)
		fd = child_memory("config", w.data, w.len);
	mk_writer_fini(&w);
	return fd;
}

static mk_result
plug_launch_process(struct plug *p, int vitals_fd, const struct inst_config *config,
		    const struct plug_dirs *dirs, mk_err *err)
{
	static const char *const args[] = { "--run", NULL };
	int fd = plug_host_config(p, config, dirs);
	mk_result rc;

	if (fd == -1)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
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
	struct link_address address = { .mode = 0600 };
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
	address.url = url_out;
	if (rc == MK_OK)
		rc = link_listen(out, &address, err);
	address.url = url_in;
	if (rc == MK_OK)
		rc = link_listen(in, &address, err);
	if (rc == MK_OK)
		return seat_attach(p->seat, out, in, err);
	link_close(out);
	link_close(in);
	return rc;
}

mk_result
plug_launch(struct plug *p, mk_err *err)
{
	const struct plugin_settings *s = p->item->settings;
	struct inst_config config = { .data_dir = p->plan->settings->data_dir,
				      .outbox_bytes = s->outbox_bytes,
				      .outbox_sync_us = s->outbox_sync_us,
				      .local_log = true };
	char url_out[160], url_in[160];
	struct plug_dirs dirs;
	int vitals_fd = -1;
	mk_result rc;

	p->generation++;
	p->inproc = s->isolation == ISOLATION_INPROC && strcmp(p->core->moved, p->name) != 0;
	plug_declare(p);
	rc = plug_dirs_make(p, &dirs, err);
	if (rc == MK_OK)
		rc = plug_vitals_make(p, &vitals_fd, err);
	if (rc == MK_OK)
		rc = plug_sit_down(p, url_out, url_in, err);
	config.vitals = p->vitals;
	config.url_out = url_out;
	config.url_in = url_in;
	if (rc == MK_OK)
		rc = p->inproc ? plug_launch_thread(p, &config, &dirs, err)
			       : plug_launch_process(p, vitals_fd, &config, &dirs, err);
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
