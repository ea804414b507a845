/* SPDX-License-Identifier: MIT
 *
 * Where a plugin runs: on a thread of the daemon, or in a meshkern-host process.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "plug.h"

struct plug_dirs {
	char state[1024], run[1024], outbox[1024];
};

static mk_result
plug_dirs_make(const struct plug *p, struct plug_dirs *d, mk_err *err)
{
	const struct settings *s = p->plan->settings;
	mk_result rc =
	    folder_make(d->state, sizeof(d->state), 0700, s->data_dir, "state", p->name, err);

	if (rc == MK_OK)
		rc = folder_make(d->run, sizeof(d->run), 0700, s->run_dir, "plugins", p->name, err);
	if (rc == MK_OK)
		rc = folder_make(d->outbox, sizeof(d->outbox), 0700, s->data_dir, "outbox", p->name,
				 err);
	return rc;
}

static void
plug_on_run_end(void *arg, int status, bool no_memory)
{
	struct plug *p = arg;

	p->ev_ended = true;
	p->end_status = status;
	if (no_memory && p->killed_for == NULL)
		p->killed_for = "memory limit reached";
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

static mk_result
plug_run(struct plug *p, const char *url_out, const char *url_in, mk_err *err)
{
	const struct plugin_settings *s = p->item->settings;
	const mk_manifest *m = p->item->manifest;
	struct plug_dirs dirs;
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
				 .exec = mk_manifest_needs(m, "exec"),
				 .net = mk_manifest_needs(m, "net"),
				 .storage_read = mk_manifest_needs(m, "storage.read"),
				 .storage_write = mk_manifest_needs(m, "storage.write"),
				 .read_paths = s->read_paths,
				 .write_paths = s->write_paths,
				 .values = p->item->body,
				 .values_len = p->item->len };
	mk_result rc = plug_dirs_make(p, &dirs, err);

	return rc != MK_OK
		   ? rc
		   : runner_start(&p->run, p->core->loop, p->inproc, &job, plug_on_run_end, p, err);
}

mk_result
plug_launch(struct plug *p, mk_err *err)
{
	char url_out[160], url_in[160];
	mk_result rc;

	p->generation++;
	p->inproc = p->item->settings->isolation == ISOLATION_INPROC &&
		    strcmp(p->core->moved, p->name) != 0;
	plug_declare(p);
	rc = plug_sit_down(p, url_out, url_in, err);
	if (rc == MK_OK && p->inproc)
		rc = plug_listen(p, url_out, url_in, err);
	if (rc == MK_OK)
		rc = plug_run(p, url_out, url_in, err);
	if (rc != MK_OK) {
		seat_detach(p->seat);
		return rc;
	}
	if (p->inproc)
		return MK_OK;
	/* Not before its number is known: nobody else may come in, and it may be quick. */
	link_expect_pid(p->seat->out, (uint64_t)p->run.child.pid);
	link_expect_pid(p->seat->in, (uint64_t)p->run.child.pid);
	if (plug_listen(p, url_out, url_in, err) != MK_OK)
		plug_kill(p, "its sockets could not be opened");
	return MK_OK;
}

void
plug_kill(struct plug *p, const char *why)
{
	if (p->killed_for == NULL)
		p->killed_for = why;
	runner_kill(&p->run);
}

void
plug_release(struct plug *p)
{
	runner_release(&p->run);
	seat_detach(p->seat);
}
