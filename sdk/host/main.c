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
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "child.h"
#include "crash.h"
#include "inst.h"
#include "sandbox.h"

#define CONFIG_MAX (16u << 20)
#define PATHS_MAX 64u
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

static const mk_plugin_desc *
host_load(const char *path, mk_err *err)
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
			   "it has no symbol mk_plugin_v1: not a meshkern plugin, or "
			   "one for another major version of the interface");
		return NULL;
	}
	return mk_desc_check(desc, err) == MK_OK ? desc : NULL;
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
		desc = host_load(path, &err);
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
		desc = host_load(path, &err);
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

struct host_config {
	char name[MK_ID_MAX + 1];
	char path[1024], state_dir[1024], data_dir[1024], run_dir[1024], outbox_dir[1024];
	char url_out[160], url_in[160];
	char paths[2][PATHS_MAX][1024];
	const char *list[2][PATHS_MAX + 8]; /* read, write */
	struct sandbox sandbox;
	struct inst_config inst;
	const uint8_t *values;
	size_t values_len;
};

static void
host_add(struct host_config *c, int which, const char *path)
{
	uint32_t n = 0;

	while (c->list[which][n] != NULL)
		n++;
	if (n < PATHS_MAX + 7)
		c->list[which][n] = path;
}

static void
host_read_paths(struct host_config *c, int which, const mk_val *list)
{
	for (uint32_t i = 0; i < mk_count(list) && i < PATHS_MAX; i++)
		if (mk_copy_str(mk_at(list, i), c->paths[which][i], sizeof(c->paths[0][0])))
			host_add(c, which, c->paths[which][i]);
}

static bool
host_read_config(struct host_config *c, const mk_val *m)
{
	bool storage_read = false, storage_write = false;
	static char plugin_dir[1024];

	if (!mk_copy_str(mk_find(m, "name"), c->name, sizeof(c->name)) ||
	    !mk_copy_str(mk_find(m, "path"), c->path, sizeof(c->path)) ||
	    !mk_copy_str(mk_find(m, "url_out"), c->url_out, sizeof(c->url_out)) ||
	    !mk_copy_str(mk_find(m, "url_in"), c->url_in, sizeof(c->url_in)) ||
	    !mk_copy_str(mk_find(m, "state_dir"), c->state_dir, sizeof(c->state_dir)) ||
	    !mk_copy_str(mk_find(m, "data_dir"), c->data_dir, sizeof(c->data_dir)) ||
	    !mk_copy_str(mk_find(m, "run_dir"), c->run_dir, sizeof(c->run_dir)) ||
	    !mk_copy_str(mk_find(m, "outbox_dir"), c->outbox_dir, sizeof(c->outbox_dir)) ||
	    !mk_get_u64(mk_find(m, "outbox_bytes"), &c->inst.outbox_bytes) ||
	    !mk_get_u64(mk_find(m, "outbox_sync_us"), &c->inst.outbox_sync_us) ||
	    !mk_get_u64(mk_find(m, "memory_bytes"), &c->sandbox.memory_bytes) ||
	    !mk_get_u64(mk_find(m, "cpu_seconds"), &c->sandbox.cpu_seconds) ||
	    !mk_get_u64(mk_find(m, "files"), &c->sandbox.files) ||
	    !mk_get_bool(mk_find(m, "exec"), &c->sandbox.exec) ||
	    !mk_get_bool(mk_find(m, "net"), &c->sandbox.net) ||
	    !mk_get_bool(mk_find(m, "storage_read"), &storage_read) ||
	    !mk_get_bool(mk_find(m, "storage_write"), &storage_write) ||
	    !mk_get_bin(mk_find(m, "values"), &c->values, &c->values_len))
		return false;
	host_folder(plugin_dir, sizeof(plugin_dir), c->path);
	host_read_paths(c, 0, mk_find(m, "read"));
	host_read_paths(c, 1, mk_find(m, "write"));
	host_add(c, 0, plugin_dir);
	if (storage_read)
		host_add(c, 0, c->data_dir);
	if (storage_write)
		host_add(c, 1, c->data_dir);
	host_add(c, 1, c->state_dir);
	host_add(c, 1, c->run_dir);
	host_add(c, 1, c->outbox_dir);
	c->sandbox.read_paths = c->list[0];
	c->sandbox.write_paths = c->list[1];
	c->inst.name = c->name;
	c->inst.url_out = c->url_out;
	c->inst.url_in = c->url_in;
	c->inst.state_dir = c->state_dir;
	c->inst.data_dir = c->data_dir;
	c->inst.run_dir = c->run_dir;
	c->inst.outbox_dir = c->outbox_dir;
	return true;
}

static int
host_start(struct host_config *c, mk_err *err)
{
	mk_problems *problems = mk_problems_new("options");
	mk_manifest *manifest = NULL;
	mk_writer w;
	mk_result rc;

	atomic_store(&c->inst.vitals->callback, VITALS_LOAD);
	c->inst.desc = host_load(c->path, err);
	atomic_store(&c->inst.vitals->callback, VITALS_NONE);
	if (c->inst.desc == NULL)
		return host_fail(err->text, "");
	mk_writer_init(&w, 0);
	rc = mk_manifest_write(c->inst.desc, &w);
	if (rc == MK_OK)
		rc = mk_manifest_read(&manifest, w.data, w.len, err);
	mk_writer_fini(&w);
	if (rc != MK_OK)
		return host_fail(err->text, "");
	c->inst.values = mk_values_read(manifest->options, c->values, c->values_len, problems);
	if (c->inst.values == NULL)
		return host_fail("options", mk_problems_line(problems, 0));
	mk_problems_free(problems);
	rc = inst_run(&c->inst, err);
	mk_manifest_free(manifest);
	return rc == MK_OK ? 0 : host_fail(err->text, "");
}

static int
host_run(void)
{
	struct host_config *c = calloc(1, sizeof(*c));
	mk_err err = { 0 };
	int landlock = 0;
	mk_doc doc;
	size_t len;
	uint8_t *body = host_slurp(CHILD_CONFIG_FD, &len);

	mk_doc_init(&doc);
	if (c == NULL || body == NULL ||
	    mk_doc_open(&doc, body, len, NULL, err.text, sizeof(err.text)) != MK_OK ||
	    !host_read_config(c, mk_doc_root(&doc)))
		return host_fail("meshkern-host is started by meshkernd, not by hand", err.text);
	c->inst.vitals = mmap(NULL, sizeof(*c->inst.vitals), PROT_READ | PROT_WRITE, MAP_SHARED,
			      CHILD_VITALS_FD, 0);
	if (c->inst.vitals == MAP_FAILED)
		return host_fail("vitals", "cannot be mapped");
	close(CHILD_CONFIG_FD);
	close(CHILD_VITALS_FD);
	crash_set_instance(c->name);
	if (sandbox_enter(&c->sandbox, &landlock, &err) != MK_OK)
		return host_fail("sandbox", err.text);
	atomic_store(&c->inst.vitals->landlock, landlock);
	return host_start(c, &err);
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
