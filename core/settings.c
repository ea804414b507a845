/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml: the parts that belong to the daemon as a whole.
 */
#include "settings_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTINGS_VERSION 1
#define SETTINGS_FILE_MAX ((1u << 20) + 1) /* one byte more than YAML may have */

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

static const mk_option log_table[] = {
	{ .name = "level",
	  .type = MK_OPT_ENUM,
	  .choices = log_levels,
	  .dflt = "info",
	  .help = "how much is logged" },
	{ .name = "format",
	  .type = MK_OPT_ENUM,
	  .choices = log_formats,
	  .dflt = "text",
	  .help = "lines to read, or one JSON object a line" },
	{ .name = NULL },
};

static const mk_option root_table[] = {
	{ .name = "meshkern",
	  .type = MK_OPT_INT,
	  .min = 1,
	  .flags = MK_OPT_REQUIRED,
	  .help = "version of this file's format: 1" },
	{ .name = "data_dir",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .dflt = "./data",
	  .help = "databases, outboxes and run files; relative to this file" },
	{ .name = "plugin_path",
	  .type = MK_OPT_LIST,
	  .max = 32,
	  .help = "folders searched for NAME.so, before those of the installation" },
	{ .name = "bus", .type = MK_OPT_GROUP, .sub = settings_bus_table, .help = "message bus" },
	{ .name = "log", .type = MK_OPT_GROUP, .sub = log_table, .help = "log on standard error" },
	{ .name = "plugins", .type = MK_OPT_TREE, .help = "instances by name" },
	{ .name = NULL },
};

/* -------------------------------------------------------------- helpers -- */

void
settings_no_memory(struct settings_reader *r)
{
	if (!r->no_memory)
		mk_problems_add(r->problems, 0, 0, "out of memory");
	r->no_memory = true;
}

const char *
settings_text(struct settings_reader *r, const char *text)
{
	const char *copy = mk_arena_dup(&r->s->arena, text, strlen(text));

	if (copy != NULL)
		return copy;
	settings_no_memory(r);
	return "";
}

const char *
settings_path(struct settings_reader *r, const char *path)
{
	char *full = mk_arena_printf(&r->s->arena, "%s/%s", path[0] == '/' ? "" : r->folder, path);
	char *to = full;

	if (full == NULL) {
		settings_no_memory(r);
		return "";
	}
	for (const char *from = full; *from != '\0';) {
		size_t len = strcspn(from, "/");
		bool is_dot = len == 0 || (len == 1 && from[0] == '.');

		if (!is_dot) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len + (from[len] == '/');
	}
	if (to == full)
		*to++ = '/';
	*to = '\0';
	return full;
}

const char *const *
settings_list(const struct settings_part *p, const char *path,
	      const char *(*convert)(struct settings_reader *, const char *))
{
	static const char *const none[] = { NULL };
	uint32_t count = mk_values_count(p->v, path);
	const char **list = mk_arena_array(&p->r->s->arena, count + 1u, sizeof(*list));
	char entry[128];

	if (list == NULL) {
		settings_no_memory(p->r);
		return none;
	}
	for (uint32_t i = 0; i < count; i++) {
		const char *text;

		(void)snprintf(entry, sizeof(entry), "%s[%u]", path, i);
		text = mk_values_str(p->v, entry);
		list[i] = convert(p->r, text != NULL ? text : "");
	}
	return list;
}

__attribute__((format(printf, 4, 0))) static void
settings_report(const struct settings_part *p, const char *path, bool is_problem,
		const char *format, va_list ap)
{
	const char *dot = p->where[0] != '\0' && path[0] != '\0' ? "." : "";
	uint32_t line = p->line;
	uint32_t column = p->column;
	char text[900];

	(void)mk_values_where(p->v, path, &line, &column);
	(void)vsnprintf(text, sizeof(text), format, ap);
	if (is_problem)
		mk_problems_add(p->r->problems, line, column, "%s%s%s: %s", p->where, dot, path,
				text);
	else
		mk_problems_warn(p->r->problems, line, column, "%s%s%s: %s", p->where, dot, path,
				 text);
}

void
settings_problem(const struct settings_part *p, const char *path, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	settings_report(p, path, true, format, ap);
	va_end(ap);
}

void
settings_warn(const struct settings_part *p, const char *path, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	settings_report(p, path, false, format, ap);
	va_end(ap);
}

/* ----------------------------------------------------------------- file -- */

static const char *
settings_folder(struct settings *s, const char *file)
{
	const char *slash = strrchr(file, '/');
	int len = slash != NULL ? (int)(slash - file) : 0;
	char cwd[PATH_MAX] = "";

	if (file[0] == '/')
		return mk_arena_dup(&s->arena, file, len > 0 ? (size_t)len : 1);
	if (getcwd(cwd, sizeof(cwd)) == NULL)
		return NULL;
	return mk_arena_printf(&s->arena, "%s/%.*s", cwd, len, file);
}

static void
settings_read_root(struct settings_reader *r)
{
	const mk_node *root = mk_yaml_root(r->s->yaml);
	mk_values *v = mk_options_read(root_table, root, "", r->problems);
	struct settings_part p = { .r = r, .v = v, .where = "" };
	struct settings *s = r->s;

	if (v == NULL)
		return;
	if (mk_values_has(v, "meshkern") && mk_values_int(v, "meshkern") != SETTINGS_VERSION)
		settings_problem(&p, "meshkern",
				 "format version %lld is not known, this program reads %d",
				 (long long)mk_values_int(v, "meshkern"), SETTINGS_VERSION);
	if (mk_values_has(v, "data_dir"))
		s->data_dir = settings_path(r, mk_values_str(v, "data_dir"));
	else
		s->data_dir = "";
	s->run_dir = mk_arena_printf(&s->arena, "%s/run", s->data_dir);
	if (s->run_dir == NULL)
		settings_no_memory(r);
	for (int32_t i = 0; mk_values_has(v, "log.level") && log_levels[i] != NULL; i++)
		if (strcmp(log_levels[i], mk_values_str(v, "log.level")) == 0)
			s->log_level = i;
	if (mk_values_has(v, "log.format"))
		s->log_format =
		    strcmp(mk_values_str(v, "log.format"), "json") == 0 ? LOG_JSON : LOG_TEXT;
	r->plugin_path = settings_list(&p, "plugin_path", settings_path);
	settings_read_bus(&p);
	settings_read_plugins(r, mk_node_find(root, "plugins"));
	mk_values_free(v);
}

struct settings *
settings_parse(const char *file, const void *text, size_t len, const char *const *builtin_dirs,
	       mk_problems *problems)
{
	static const char *const none[] = { NULL };
	struct settings *s = calloc(1, sizeof(*s));
	struct settings_reader r = { .s = s,
				     .problems = problems,
				     .builtin_dirs = builtin_dirs != NULL ? builtin_dirs : none };
	uint32_t before = mk_problems_count(problems);

	if (s == NULL) {
		mk_problems_add(problems, 0, 0, "out of memory");
		return NULL;
	}
	s->file = settings_text(&r, file);
	r.folder = settings_folder(s, file);
	if (r.folder == NULL)
		mk_problems_add(problems, 0, 0, "cannot tell its folder");
	else
		s->yaml = mk_yaml_load(text, len, problems);
	if (s->yaml != NULL)
		settings_read_root(&r);
	if (mk_problems_count(problems) == before)
		return s;
	settings_free(s);
	return NULL;
}

/* [owned] The file's bytes, at most SETTINGS_FILE_MAX. */
static char *
settings_read_file(const char *file, size_t *len, mode_t *mode, mk_problems *problems)
{
	char *text = NULL;
	size_t have = 0;
	struct stat st;
	ssize_t n = -1;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd != -1 && fstat(fd, &st) == 0)
		text = malloc(SETTINGS_FILE_MAX);
	while (text != NULL && have < SETTINGS_FILE_MAX) {
		n = read(fd, text + have, SETTINGS_FILE_MAX - have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	if (n < 0) {
		mk_problems_add(problems, 0, 0, "cannot read: %s", strerror(errno));
		free(text);
		text = NULL;
	} else {
		*len = have;
		*mode = st.st_mode;
	}
	if (fd != -1)
		close(fd);
	return text;
}

struct settings *
settings_load(const char *file, const char *const *builtin_dirs, mk_problems *problems)
{
	struct settings *s;
	mode_t mode = 0;
	size_t len = 0;
	char *text = settings_read_file(file, &len, &mode, problems);
	bool exposed = S_ISREG(mode) && (mode & (S_IRGRP | S_IROTH)) != 0;

	if (text == NULL)
		return NULL;
	if (exposed)
		mk_problems_set_exposed(problems);
	s = settings_parse(file, text, len, builtin_dirs, problems);
	free(text);
	if (s != NULL)
		s->others_can_read = exposed;
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

const struct plugin_settings *
settings_plugin(const struct settings *s, const char *name)
{
	for (uint32_t i = 0; i < s->plugin_count; i++)
		if (strcmp(s->plugins[i].name, name) == 0)
			return &s->plugins[i];
	return NULL;
}

void
settings_markdown(FILE *out)
{
	fputs("## The file\n\n", out);
	mk_options_markdown(root_table, out);
	fputs("\n## An entry of `plugins`\n\n", out);
	mk_options_markdown(settings_plugin_table, out);
	fputs("\n## Everything, with its default\n\n```yaml\n", out);
	mk_options_sample(root_table, 0, out);
	fputs("  #NAME:\n", out);
	mk_options_sample(settings_plugin_table, 4, out);
	fputs("```\n", out);
}
