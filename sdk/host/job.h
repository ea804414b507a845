/* SPDX-License-Identifier: MIT
 *
 * An instance to be run: what the daemon tells whoever runs it, a thread of its own or a
 * meshkern-host process, as one msgpack map.
 */
#ifndef MK_HOST_JOB_H
#define MK_HOST_JOB_H

#include <stdbool.h>

#include <meshkern/arena.h>
#include <meshkern/codec.h>
#include <meshkern/err.h>

#include "vitals.h"

struct job {
	const char *name;             /* of the instance */
	const char *path;             /* the plugin's file */
	const char *url_out, *url_in; /* the hub publishes here, and pulls here */
	const char *state_dir, *data_dir, *run_dir, *outbox_dir;
	uint64_t parent; /* the daemon's pid */
	uint64_t outbox_bytes, outbox_sync_us;
	uint64_t memory_bytes, cpu_seconds, files; /* limits of a process */
	bool exec, net, storage_read, storage_write;
	const char *const *read_paths, *const *write_paths; /* NULL-terminated, or NULL */
	const uint8_t *values; /* its options, as mk_values_write wrote them */
	size_t values_len;
};

void job_write(const struct job *job, mk_writer *w);
/* Strings go into the arena; `data` must stay. */
mk_result job_read(struct job *job, mk_arena *arena, const void *data, size_t len, mk_err *err);
/* The descriptor in a plugin's file; the file is never closed again: a thread, a destructor or a
 * callback left behind would run into nothing. */
const mk_plugin_desc *job_load(const char *path, mk_err *err);
/* Load it and run it to its end. `local_log`: this process has the log. */
mk_result job_run(const struct job *job, struct vitals *vitals, bool local_log, mk_err *err);

#endif
