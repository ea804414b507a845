/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "job.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "inst.h"

#define PATHS_MAX 64u

enum job_type { JOB_TEXT, JOB_NUMBER, JOB_FLAG, JOB_PATHS };

static const struct {
	const char *key;
	enum job_type type;
	size_t at;
} job_fields[] = {
#define JOB_FIELD(type, name)                           \
	{                                               \
#name, type, offsetof(struct job, name) \
	}
	JOB_FIELD(JOB_TEXT, name),           JOB_FIELD(JOB_TEXT, path),
	JOB_FIELD(JOB_TEXT, url_out),        JOB_FIELD(JOB_TEXT, url_in),
	JOB_FIELD(JOB_TEXT, state_dir),      JOB_FIELD(JOB_TEXT, data_dir),
	JOB_FIELD(JOB_TEXT, run_dir),        JOB_FIELD(JOB_TEXT, outbox_dir),
	JOB_FIELD(JOB_NUMBER, parent),       JOB_FIELD(JOB_NUMBER, outbox_bytes),
	JOB_FIELD(JOB_NUMBER, memory_bytes), JOB_FIELD(JOB_NUMBER, outbox_sync_us),
	JOB_FIELD(JOB_NUMBER, cpu_seconds),  JOB_FIELD(JOB_NUMBER, files),
	JOB_FIELD(JOB_FLAG, exec),           JOB_FIELD(JOB_FLAG, net),
	JOB_FIELD(JOB_FLAG, storage_read),   JOB_FIELD(JOB_FLAG, storage_write),
	JOB_FIELD(JOB_PATHS, read_paths),    JOB_FIELD(JOB_PATHS, write_paths),
#undef JOB_FIELD
};
#define FIELDS (sizeof(job_fields) / sizeof(job_fields[0]))

static void
job_write_paths(mk_writer *w, const char *const *paths)
{
	uint32_t n = 0;

	while (paths != NULL && paths[n] != NULL)
		n++;
	mk_put_array(w, n);
	for (uint32_t i = 0; i < n; i++)
		mk_put_str(w, paths[i]);
}

void
job_write(const struct job *job, mk_writer *w)
{
	mk_put_map(w, FIELDS + 1);
	for (size_t i = 0; i < FIELDS; i++) {
		const void *at = (const char *)job + job_fields[i].at;

		mk_put_str(w, job_fields[i].key);
		if (job_fields[i].type == JOB_TEXT)
			mk_put_str(w, *(const char *const *)at);
		else if (job_fields[i].type == JOB_NUMBER)
			mk_put_u64(w, *(const uint64_t *)at);
		else if (job_fields[i].type == JOB_FLAG)
			mk_put_bool(w, *(const bool *)at);
		else
			job_write_paths(w, *(const char *const *const *)at);
	}
	mk_kv_bin(w, "values", job->values, job->values_len);
}

static const char *
job_read_text(mk_arena *arena, const mk_val *v)
{
	const char *s;
	size_t len;

	return mk_get_str(v, &s, &len) ? mk_arena_dup(arena, s, len) : NULL;
}

static const char *const *
job_read_paths(mk_arena *arena, const mk_val *v)
{
	uint32_t n = mk_count(v) < PATHS_MAX ? mk_count(v) : PATHS_MAX;
	const char **paths = mk_arena_array(arena, n + 1, sizeof(*paths));

	for (uint32_t i = 0; paths != NULL && i < n; i++) {
		paths[i] = job_read_text(arena, mk_at(v, i));
		if (paths[i] == NULL)
			return NULL;
	}
	if (paths != NULL)
		paths[n] = NULL;
	return paths;
}

static bool
job_read_field(struct job *job, size_t i, mk_arena *arena, const mk_val *v)
{
	void *at = (char *)job + job_fields[i].at;

	switch (job_fields[i].type) {
	case JOB_TEXT:
		*(const char **)at = job_read_text(arena, v);
		return *(const char **)at != NULL;
	case JOB_NUMBER:
		return mk_get_u64(v, at);
	case JOB_FLAG:
		return mk_get_bool(v, at);
	default:
		*(const char *const **)at = job_read_paths(arena, v);
		return *(const char *const **)at != NULL;
	}
}

mk_result
job_read(struct job *job, mk_arena *arena, const void *data, size_t len, mk_err *err)
{
	char why[128] = "";
	mk_doc doc;
	bool good;

	*job = (struct job){ 0 };
	mk_doc_init(&doc);
	good = mk_doc_open(&doc, data, len, NULL, why, sizeof(why)) == MK_OK;
	for (size_t i = 0; good && i < FIELDS; i++) {
		good = job_read_field(job, i, arena, mk_find(mk_doc_root(&doc), job_fields[i].key));
		if (!good)
			snprintf(why, sizeof(why), "%s is missing", job_fields[i].key);
	}
	good = good &&
	       mk_get_bin(mk_find(mk_doc_root(&doc), "values"), &job->values, &job->values_len);
	mk_doc_fini(&doc);
	return good ? MK_OK : mk_err_set(err, MK_EFORMAT, "description of the instance: %s", why);
}

const mk_plugin_desc *
job_load(const char *path, mk_err *err)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	const mk_plugin_desc *desc;

	if (library == NULL) {
		mk_err_set(err, MK_EINVAL, "%s", dlerror());
		return NULL;
	}
	desc = dlsym(library, "mk_plugin_v1");
	if (desc == NULL) {
		mk_err_set(err, MK_EABI,
			   "it has no symbol mk_plugin_v1: not a meshkern plugin, or one for "
			   "another major version of the interface");
		return NULL;
	}
	return mk_desc_check(desc, err) == MK_OK ? desc : NULL;
}

mk_result
job_run(const struct job *job, struct vitals *vitals, bool local_log, mk_err *err)
{
	struct inst_config c = {
		.name = job->name,
		.url_out = job->url_out,
		.url_in = job->url_in,
		.state_dir = job->state_dir,
		.data_dir = job->data_dir,
		.run_dir = job->run_dir,
		.outbox_dir = job->outbox_dir,
		.outbox_bytes = job->outbox_bytes,
		.outbox_sync_us = job->outbox_sync_us,
		.values = job->values,
		.values_len = job->values_len,
		.vitals = vitals,
		.local_log = local_log,
	};

	vitals_enter(vitals, VITALS_LOAD, clock_now_us());
	c.desc = job_load(job->path, err);
	vitals_leave(vitals);
	return c.desc == NULL ? MK_EINVAL : inst_run(&c, err);
}
