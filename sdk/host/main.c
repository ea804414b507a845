/* SPDX-License-Identifier: MIT
 *
 * meshkern-host: one plugin in a process of its own. Started by meshkernd, never by hand.
 *
 *   --run          run the plugin that the map on descriptor 3 describes
 *   --probe FILE   load the plugin and write its manifest to descriptor 3
 *   --check FILE   the same, but run its check() on the options of descriptor 4; a fault is
 *                  written to descriptor 3
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <meshkern/manifest.h>
#include <meshkern/options.h>

#include "child.h"
#include "crash.h"
#include "heap.h"
#include "job.h"
#include "sandbox.h"

#define CONFIG_MAX (16u << 20)
#define STACK_BYTES (1u << 20)

static int
host_fail(const char *what, const char *why)
{
	fprintf(stderr, "%s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
	return 1;
}

/* Everything that a descriptor holds. [owned] */
static uint8_t *
host_slurp(int fd, size_t *len)
{
	uint8_t *data = malloc(CONFIG_MAX);
	ssize_t n = 0;

	*len = 0;
	while (data != NULL && *len < CONFIG_MAX &&
	       (n = read(fd, data + *len, CONFIG_MAX - *len)) > 0)
		*len += (size_t)n;
	return data;
}

/* The folder of an absolute path. */
static void
host_folder(char *dir, size_t cap, const char *path)
{
	char *slash;

	snprintf(dir, cap, "%s", path);
	slash = strrchr(dir, '/');
	if (slash != NULL)
		slash[slash == dir] = '\0';
}

/* ----------------------------------------------------------------- probing -- */

/* A plugin's constructors run here, so it gets next to nothing. */
static mk_result
host_probe_sandbox(const char *path, mk_err *err)
{
	char dir[1024];
	const char *read_paths[] = { dir, NULL };
	const struct sandbox s = { .memory_bytes = 1u << 30,
				   .cpu_seconds = 5,
				   .read_paths = read_paths };
	int landlock;

	host_folder(dir, sizeof(dir), path);
	return sandbox_enter(&s, &landlock, err);
}

static int
host_write(const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(CHILD_CONFIG_FD, p, len);

		if (n <= 0)
			return 1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
host_probe(const char *path)
{
	const mk_plugin_desc *desc = NULL;
	mk_err err = { 0 };
	mk_writer w;

	mk_writer_init(&w, 0);
	if (host_probe_sandbox(path, &err) == MK_OK)
		desc = job_load(path, &err);
	if (desc == NULL)
		return host_fail(err.text, "");
	if (mk_manifest_write(desc, &w) != MK_OK)
		return host_fail("the manifest cannot be written", "");
	return host_write(w.data, w.len);
}

static const mk_values *host_values; /* for check(), which sees nothing but options */

static const char *
check_opt_str(const mk_host *h, const char *path)
{
	(void)h;
	return mk_values_str(host_values, path);
}

static int64_t
check_opt_int(const mk_host *h, const char *path)
{
	(void)h;
	return mk_values_int(host_values, path);
}

static double
check_opt_float(const mk_host *h, const char *path)
{
	(void)h;
	return mk_values_float(host_values, path);
}

static uint32_t
check_opt_count(const mk_host *h, const char *path)
{
	(void)h;
	return mk_values_count(host_values, path);
}

static int
host_check(const char *path)
{
	/* Only the option functions: check() must be pure, and a call of any other would crash. */
	static const mk_host host = { .struct_size = sizeof(mk_host),
				      .abi_major = MK_ABI_MAJOR,
				      .abi_minor = MK_ABI_MINOR,
				      .opt_str = check_opt_str,
				      .opt_int = check_opt_int,
				      .opt_float = check_opt_float,
				      .opt_count = check_opt_count };
	mk_problems *problems = mk_problems_new("options");
	const mk_plugin_desc *desc = NULL;
	mk_manifest *manifest = NULL;
	mk_err err = { 0 };
	char why[512] = "";
	mk_writer w;
	size_t len;
	uint8_t *body = host_slurp(CHILD_VITALS_FD, &len);

	mk_writer_init(&w, 0);
	if (host_probe_sandbox(path, &err) == MK_OK)
		desc = job_load(path, &err);
	if (desc == NULL || mk_manifest_write(desc, &w) != MK_OK ||
	    mk_manifest_read(&manifest, w.data, w.len, &err) != MK_OK)
		return host_fail(err.text, "");
	host_values = mk_values_read(manifest->options, body, len, problems);
	if (host_values == NULL)
		return host_fail("options", mk_problems_line(problems, 0));
	if (desc->check(&host, why, sizeof(why)) == MK_OK)
		return 0;
	why[sizeof(why) - 1] = '\0';
	return host_write(why[0] != '\0' ? why : "refused by the plugin",
			  why[0] != '\0' ? strlen(why) : strlen("refused by the plugin"));
}

/* ----------------------------------------------------------------- running -- */

/* Both lists in one; NULL members of `more` are left out. */
static const char *const *
host_join(mk_arena *arena, const char *const *list, const char *const *more, size_t count)
{
	size_t n = 0;
	const char **all;

	while (list[n] != NULL)
		n++;
	all = mk_arena_array(arena, n + count + 1, sizeof(*all));
	for (size_t i = 0; all != NULL && i < n; i++)
		all[i] = list[i];
	for (size_t i = 0; all != NULL && i < count; i++)
		if (more[i] != NULL)
			all[n++] = more[i];
	return all;
}

/* What a process may see and change: what it was granted, and its own. */
static mk_result
host_sandbox(const struct job *job, mk_arena *arena, int *landlock, mk_err *err)
{
	char folder[1024];
	const char *more[] = { folder, job->storage_read ? job->data_dir : NULL };
	const char *mine[] = { job->state_dir, job->run_dir, job->outbox_dir,
			       job->storage_write ? job->data_dir : NULL };
	struct sandbox s = { .memory_bytes = job->memory_bytes,
			     .cpu_seconds = job->cpu_seconds,
			     .files = job->files,
			     .exec = job->exec,
			     .net = job->net };

	host_folder(folder, sizeof(folder), job->path);
	s.read_paths = host_join(arena, job->read_paths, more, 2);
	s.write_paths = host_join(arena, job->write_paths, mine, 4);
	if (s.read_paths == NULL || s.write_paths == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	/* Where libraries make temporary files: /tmp is not for it. */
	if (job->state_dir != NULL && setenv("TMPDIR", job->state_dir, 1) != 0)
		return mk_err_errno(err, "environment");
	return sandbox_enter(&s, landlock, err);
}

static int
host_run(void)
{
	struct vitals *vitals;
	struct job job;
	mk_arena arena = { 0 };
	mk_err err = { 0 };
	int landlock = 0;
	size_t len;
	uint8_t *body = host_slurp(CHILD_CONFIG_FD, &len);

	if (body == NULL || job_read(&job, &arena, body, len, &err) != MK_OK)
		return host_fail("meshkern-host is started by meshkernd, not by hand", err.text);
	vitals =
	    mmap(NULL, sizeof(*vitals), PROT_READ | PROT_WRITE, MAP_SHARED, CHILD_VITALS_FD, 0);
	if (vitals == MAP_FAILED)
		return host_fail("vitals", "cannot be mapped");
	close(CHILD_CONFIG_FD);
	close(CHILD_VITALS_FD);
	crash_set_instance(job.name);
	crash_tell_memory(&vitals->no_memory);
	if (host_sandbox(&job, &arena, &landlock, &err) != MK_OK)
		return host_fail("sandbox", err.text);
	/* It died before its death was to be told. */
	if ((uint64_t)getppid() != job.parent)
		return 1;
	atomic_store(&vitals->landlock, landlock);
	return job_run(&job, vitals, false, &err) == MK_OK ? 0 : host_fail(err.text, "");
}

/* nng starts some fourteen threads; at 8 MiB each they would eat a plugin's memory limit up. */
static void
host_small_stacks(void)
{
	pthread_attr_t attr;

	if (pthread_getattr_default_np(&attr) != 0)
		return;
	if (pthread_attr_setstacksize(&attr, STACK_BYTES) == 0)
		(void)pthread_setattr_default_np(&attr);
	(void)pthread_attr_destroy(&attr);
}

int
main(int argc, char **argv)
{
	int status = 2;

	/* Nothing of the daemon's but what was meant for us. */
	(void)syscall(SYS_close_range, CHILD_VITALS_FD + 1, ~0u, 0);
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	crash_init(NULL);
	heap_init();
	host_small_stacks();
	if (argc == 2 && strcmp(argv[1], "--run") == 0)
		status = host_run();
	else if (argc == 3 && strcmp(argv[1], "--probe") == 0)
		status = host_probe(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "--check") == 0)
		status = host_check(argv[2]);
	else
		host_fail("meshkern-host is started by meshkernd, not by hand", "");
	fflush(NULL);
	/* Plugins may have left threads behind; exit() would pull the floor from under them. */
	_exit(status);
}
