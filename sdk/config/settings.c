/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml: reading it, and the rules that no table can express.
 */
#include "settings_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meshkern/manifest.h>

#include "bus_address.h"

#define SETTINGS_VERSION 1
#define SETTINGS_FILE_MAX ((1u << 20) + 1) /* one byte more than YAML may have */
#define IPC_MODE 0600u

/* What a plugin of others may use if the file does not say. */
#define THIRD_PARTY_MEMORY (UINT64_C(256) << 20)
#define THIRD_PARTY_FILES 1024u
#define THIRD_PARTY_RATE 20000u

/* One group of the file while it is being read. */
struct part {
	struct settings *s;
	mk_problems *problems;
	const char *folder; /* of the file, absolute */
	const mk_values *v;
	const char *base; /* the group's path in `v`: "plugins.http"; "" for the whole */
	uint32_t line;    /* for values that are not in the file */
	uint32_t column;
};

/* -------------------------------------------------------------- helpers -- */

static const char *
part_path(const struct part *p, const char *path, char buf[128])
{
	const char *dot = p->base[0] != '\0' && path[0] != '\0' ? "." : "";

	(void)snprintf(buf, 128, "%s%s%s", p->base, dot, path);
	return buf;
}

static bool
part_has(const struct part *p, const char *path)
{
	char full[128];

	return mk_values_has(p->v, part_path(p, path, full));
}

/* False: it is not in the file. */
static bool
part_where(const struct part *p, const char *path, uint32_t *line, uint32_t *column)
{
	char full[128];

	return mk_values_where(p->v, part_path(p, path, full), line, column);
}

/* path "": the part itself. */
__attribute__((format(printf, 4, 5))) static void
part_say(const struct part *p, bool is_problem, const char *path, const char *format, ...)
{
	uint32_t line = p->line, column = p->column;
	char text[900], full[128];
	va_list ap;

	(void)part_where(p, path, &line, &column);
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(is_problem ? mk_problems_add : mk_problems_warn)(p->problems, line, column, "%s: %s",
							  part_path(p, path, full), text);
}
#define part_problem(p, ...) part_say(p, true, __VA_ARGS__)
#define part_warn(p, ...) part_say(p, false, __VA_ARGS__)

/* Memory of the arena; false after the problem that it is out. */
static bool
part_got(const struct part *p, const void *memory)
{
	if (memory == NULL)
		mk_problems_add(p->problems, 0, 0, "out of memory");
	return memory != NULL;
}

static bool
part_bind(const struct part *p, const mk_bind *table, void *to)
{
	bool good = mk_values_bind(p->v, p->base, table, to, &p->s->arena, p->folder) == MK_OK;

	return part_got(p, good ? p : NULL);
}

/* -------------------------------------------------------------------- bus -- */

static void
bus_check_file(const struct part *p, const char *path, const char *file, bool has_key)
{
	struct stat st;

	if (file == NULL)
		return;
	if (stat(file, &st) != 0 || access(file, R_OK) != 0)
		part_problem(p, path, "cannot read %s", file);
	else if (!S_ISREG(st.st_mode))
		part_problem(p, path, "%s is not a file", file);
	else if (has_key && (st.st_mode & S_IROTH) != 0)
		part_warn(p, path, "others can read the key in %s: chmod 640 it", file);
}

/* An option that says nothing for this kind of address is a mistake. */
static void
bus_only_for(const struct part *p, const char *path, const char *scheme)
{
	uint32_t line, column;

	if (part_where(p, path, &line, &column))
		part_problem(p, path, "only for %s", scheme);
}

static uint32_t
bus_mode(const struct part *p)
{
	char full[128];
	const char *text = mk_values_str(p->v, part_path(p, "mode", full));
	unsigned long mode = text != NULL ? strtoul(text, NULL, 8) : IPC_MODE;

	if (text != NULL && (text[strspn(text, "01234567")] != '\0' || mode > 0777))
		part_problem(p, "mode", "\"%s\" is no file mode such as 0600 or 0660", text);
	return (uint32_t)mode;
}

static const char *
bus_url(const struct part *p, const char *path, const char *url)
{
	char why[512];
	const char *address = url == NULL ? NULL : bus_address(&p->s->arena, p->folder, url, why);

	if (url != NULL && address == NULL)
		part_problem(p, path, "%s", why);
	return address;
}

static void
bus_read_address(const struct part *p, struct listen_address *a)
{
	bool has_requests = part_has(p, "requests");
	enum bus_scheme scheme;

	a->mode = IPC_MODE;
	if (!part_bind(p, settings_listen_binds, a) || a->url == NULL)
		return;
	a->url = bus_url(p, "url", a->url);
	if (!has_requests && a->url != NULL)
		a->requests = bus_requests(&p->s->arena, a->url);
	a->requests = bus_url(p, has_requests ? "requests" : "url", a->requests);
	if (a->url == NULL)
		return;
	scheme = bus_scheme(a->url, NULL);
	if (scheme == BUS_IPC)
		a->mode = bus_mode(p);
	else
		bus_only_for(p, "mode", "ipc://");
	if (scheme == BUS_TLS) {
		bus_check_file(p, "cert", a->cert, true);
		bus_check_file(p, "ca", a->ca, false);
		if (a->cert == NULL)
			part_problem(p, "url",
				     "tls+tcp:// needs cert:, a PEM file with certificate and key");
		return;
	}
	bus_only_for(p, "cert", "tls+tcp://");
	bus_only_for(p, "ca", "tls+tcp://");
	if (!bus_is_local(a->url))
		part_warn(p, "url",
			  "everyone who reaches %s can read the bus; tls+tcp:// with ca: asks who "
			  "it is",
			  strstr(a->url, "://") + 3);
}

/* Have they an address in common; a with itself: is it there twice? */
static bool
bus_clash(const struct listen_address *a, const struct listen_address *b)
{
	const char *x[] = { a->url, a->requests }, *y[] = { b->url, b->requests };

	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
			if ((a != b || i != j) && x[i] != NULL && y[j] != NULL &&
			    strcmp(x[i], y[j]) == 0)
				return true;
	return false;
}

static void
bus_read(const struct part *root)
{
	struct settings *s = root->s;
	struct part p = *root;
	uint32_t count = mk_values_count(p.v, "bus.listen");
	char base[32];

	s->listen = mk_arena_array(&s->arena, count, sizeof(*s->listen));
	p.base = base;
	for (uint32_t i = 0; part_got(root, s->listen) && i < count; i++) {
		struct listen_address *a = &s->listen[s->listen_count++], *b = s->listen;

		(void)snprintf(base, sizeof(base), "bus.listen[%u]", i);
		bus_read_address(&p, a);
		while (b < a && !bus_clash(a, b))
			b++;
		if (bus_clash(a, b))
			part_problem(&p, "", "the address is used twice");
	}
}

/* ---------------------------------------------------------------- plugins -- */

static bool
plugin_is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* ID.so in the first folder that has it; else NULL, and `looked` names the folders. */
static const char *
plugin_search(const struct part *p, const char *id, const char *const *builtin_dirs, char *looked,
	      size_t cap)
{
	const char *const *const lists[] = { p->s->plugin_path, builtin_dirs };
	size_t len = 0;

	for (int i = 0; i < 2; i++)
		for (const char *const *dir = lists[i]; dir != NULL && *dir != NULL; dir++) {
			const char *path = mk_arena_printf(&p->s->arena, "%s/%s.so", *dir, id);

			if (!part_got(p, path) || plugin_is_file(path))
				return path;
			(void)snprintf(looked + len, cap - len, "%s%s", len > 0 ? ", " : "", *dir);
			len = strlen(looked);
		}
	return NULL;
}

static void
plugin_locate(const struct part *p, struct plugin_settings *ps, const char *const *builtin_dirs)
{
	char looked[512] = "any folder";

	if (!mk_id_valid(ps->plugin)) {
		part_problem(p, "plugin", "\"%.60s\" is no name of a plugin", ps->plugin);
		return;
	}
	if (ps->builtin)
		ps->path = plugin_search(p, ps->plugin, builtin_dirs, looked, sizeof(looked));
	else if (ps->enabled && !plugin_is_file(ps->path))
		part_problem(p, "path", "there is no file %s", ps->path);
	if (ps->enabled && ps->path == NULL)
		part_problem(p, "",
			     "%s.so is not in %s; path: or plugin_path: can tell where it is",
			     ps->plugin, looked);
}

static bool
plugin_writes(const struct plugin_settings *ps)
{
	for (size_t i = 0; ps->enabled && ps->grant != NULL && ps->grant[i] != NULL; i++)
		if (strcmp(ps->grant[i], "storage.write") == 0)
			return true;
	return false;
}

static void
plugin_read(const struct part *p, struct plugin_settings *ps, const char *name,
	    const mk_node *config, const char *const *builtin_dirs)
{
	static const char *const of_process[] = { "limits.memory", "limits.cpu", "limits.files",
						  "allow.read", "allow.write" };
	bool builtin = !part_has(p, "path");
	const struct plugin_settings *other = p->s->plugins;

	*ps = (struct plugin_settings){
		.name = name,
		.plugin = name,
		.builtin = builtin,
		.isolation = builtin ? ISOLATION_INPROC : ISOLATION_PROCESS,
		.memory_bytes = builtin ? 0 : THIRD_PARTY_MEMORY,
		.files = builtin ? 0 : THIRD_PARTY_FILES,
		.rate = builtin ? 0 : THIRD_PARTY_RATE,
		.line = p->line,
		.column = p->column,
		.no_config = { .kind = MK_NODE_MAP, .line = p->line, .column = p->column },
	};
	ps->config = config != NULL ? config : &ps->no_config;
	if (!part_bind(p, settings_plugin_binds, ps))
		return;
	/* The file may say it in parts of a second; the limit of a process cannot. */
	ps->cpu_seconds = ps->cpu_seconds / 1000000 + (ps->cpu_seconds % 1000000 != 0);
	plugin_locate(p, ps, builtin_dirs);
	for (size_t i = 0; i < sizeof(of_process) / sizeof(of_process[0]); i++)
		if (ps->isolation == ISOLATION_INPROC && part_has(p, of_process[i]))
			part_warn(p, of_process[i], "has no effect without isolation: process");
	while (other < ps && !plugin_writes(other))
		other++;
	if (other < ps && plugin_writes(ps))
		part_problem(p, "",
			     "storage.write is granted to plugins.%s already, and only one may "
			     "write",
			     other->name);
}

static void
plugins_read(const struct part *root, const mk_node *plugins, const char *const *builtin_dirs)
{
	/* If it is anything else, the option table has complained or it is empty. */
	uint32_t count = plugins != NULL && plugins->kind == MK_NODE_MAP &&
				 plugins->count <= SETTINGS_PLUGINS_MAX
			     ? plugins->count
			     : 0;
	struct settings *s = root->s;
	struct part p = *root;
	char base[MK_ID_MAX + 16];

	s->plugins = mk_arena_array(&s->arena, count, sizeof(*s->plugins));
	p.base = base;
	for (uint32_t i = 0; part_got(root, s->plugins) && i < count; i++) {
		const mk_node *key = plugins->keys[i];

		if (!mk_id_valid(key->text))
			continue;
		(void)snprintf(base, sizeof(base), "plugins.%.31s", key->text);
		p.line = key->line;
		p.column = key->column;
		plugin_read(&p, &s->plugins[s->plugin_count++], key->text,
			    mk_node_find(plugins->items[i], "config"), builtin_dirs);
	}
}

/* ------------------------------------------------------------------- file -- */

static void
file_read(struct part *p, const char *const *builtin_dirs)
{
	const mk_node *root = mk_yaml_root(p->s->yaml);
	mk_values *v = mk_options_read(settings_table, root, "", p->problems);
	struct settings *s = p->s;

	if (v == NULL)
		return;
	p->v = v;
	if (mk_values_has(v, "meshkern") && mk_values_int(v, "meshkern") != SETTINGS_VERSION)
		part_problem(p, "meshkern",
			     "format version %lld is not known, this program reads %d",
			     (long long)mk_values_int(v, "meshkern"), SETTINGS_VERSION);
	if (part_bind(p, settings_binds, s)) {
		s->run_dir = mk_arena_printf(&s->arena, "%s/run", s->data_dir);
		(void)part_got(p, s->run_dir);
		bus_read(p);
		plugins_read(p, mk_node_find(root, "plugins"), builtin_dirs);
	}
	mk_values_free(v);
}

struct settings *
settings_parse(const char *file, const void *text, size_t len, const char *const *builtin_dirs,
	       mk_problems *problems)
{
	const char *slash = strrchr(file, '/');
	struct settings *s = calloc(1, sizeof(*s));
	struct part p = { .s = s, .problems = problems, .base = "" };
	uint32_t before = mk_problems_count(problems);
	char cwd[PATH_MAX] = "";

	if (!part_got(&p, s))
		return NULL;
	s->data_dir = "";
	if (file[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		mk_problems_add(problems, 0, 0, "cannot tell its folder");
	s->file = mk_arena_dup(&s->arena, file, strlen(file));
	p.folder = mk_arena_dup(&s->arena, file, slash != NULL ? (size_t)(slash - file) + 1 : 0);
	if (p.folder != NULL)
		p.folder = mk_arena_path(&s->arena, cwd, p.folder);
	if (part_got(&p, s->file) && part_got(&p, p.folder))
		s->yaml = mk_yaml_load(text, len, problems);
	if (s->yaml != NULL)
		file_read(&p, builtin_dirs);
	if (mk_problems_count(problems) == before)
		return s;
	settings_free(s);
	return NULL;
}

struct settings *
settings_load(const char *file, const char *const *builtin_dirs, mk_problems *problems)
{
	char *text = malloc(SETTINGS_FILE_MAX);
	FILE *f = text != NULL ? fopen(file, "re") : NULL;
	struct settings *s = NULL;
	bool is_read = false;
	struct stat st;
	size_t len = 0;

	if (f != NULL && fstat(fileno(f), &st) == 0) {
		if (S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0)
			mk_problems_set_exposed(problems);
		len = fread(text, 1, SETTINGS_FILE_MAX, f);
		is_read = ferror(f) == 0;
	}
	if (!is_read)
		mk_problems_add(problems, 0, 0, "cannot read: %s", strerror(errno));
	if (is_read)
		s = settings_parse(file, text, len, builtin_dirs, problems);
	if (f != NULL)
		(void)fclose(f);
	free(text);
	return s;
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	mk_yaml_free(s->yaml);
	mk_arena_fini(&s->arena);
	free(s);
}

const char *
settings_plugin_differs(const struct plugin_settings *a, const struct plugin_settings *b)
{
	for (const mk_bind *row = settings_plugin_binds; row->path != NULL; row++)
		if (strcmp(row->path, "enabled") != 0 &&
		    strncmp(row->path, "deadlines.", 10) != 0 && mk_bind_differs(row, a, b))
			return row->path;
	return NULL;
}

bool
settings_daemon_differs(const struct settings *a, const struct settings *b)
{
	bool differ = strcmp(a->data_dir, b->data_dir) != 0 || a->listen_count != b->listen_count;

	for (const mk_bind *row = settings_binds; row->path != NULL; row++)
		if (strncmp(row->path, "bus.", 4) == 0)
			differ = differ || mk_bind_differs(row, a, b);
	for (uint32_t i = 0; !differ && i < a->listen_count; i++) {
		const struct listen_address *x = &a->listen[i], *y = &b->listen[i];

		for (const mk_bind *row = settings_listen_binds; row->path != NULL; row++)
			differ = differ || mk_bind_differs(row, x, y) || x->mode != y->mode;
	}
	return differ;
}

void
settings_markdown(FILE *out)
{
	fputs("## The file\n\n", out);
	mk_options_markdown(settings_table, out);
	fputs("\n## An entry of `plugins`\n\n", out);
	mk_options_markdown(settings_plugin_table, out);
	fputs("\n## Everything, with its default\n\n```yaml\n", out);
	mk_options_sample(settings_table, 0, out);
	fputs("```\n", out);
}
