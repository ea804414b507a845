/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml: the parts that belong to the daemon as a whole.
 */
#include "settings_impl.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meshkern/manifest.h>

#define SETTINGS_VERSION 1
#define SETTINGS_FILE_MAX ((1u << 20) + 1) /* one byte more than YAML may have */

/* In the order of MK_LOG_ERROR and of enum log_format. */
static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

static const mk_option log_table[] = {
	OPT("level", ENUM, .choices = log_levels, .dflt = "info", .help = "how much is logged"),
	OPT("format", ENUM, .choices = log_formats, .dflt = "text",
	    .help = "lines to read, or one JSON object a line"),
	{ .name = NULL },
};

static const mk_option root_table[] = {
	OPT("meshkern", INT, .min = 1, .flags = MK_OPT_REQUIRED,
	    .help = "version of this file's format: 1"),
	OPT("data_dir", STRING, .min = 1, .dflt = "./data",
	    .help = "databases, outboxes and run files; relative to this file"),
	OPT("plugin_path", LIST, .max = 32,
	    .help = "folders searched for NAME.so, before those of the installation"),
	OPT("bus", GROUP, .sub = settings_bus_table, .help = "message bus"),
	OPT("log", GROUP, .sub = log_table, .help = "log on standard error"),
	OPT("plugins", TREE, .help = "instances by name"),
	{ .name = NULL },
};

/* -------------------------------------------------------------- helpers -- */

/* The path in the values of the part. */
static const char *
settings_full(const struct settings_part *p, const char *path, char *buf, size_t cap)
{
	const char *dot = p->base[0] != '\0' && path[0] != '\0' ? "." : "";

	(void)snprintf(buf, cap, "%s%s%s", p->base, dot, path);
	return buf;
}

const char *
settings_str(const struct settings_part *p, const char *path)
{
	char full[128];

	return mk_values_str(p->v, settings_full(p, path, full, sizeof(full)));
}

bool
settings_where(const struct settings_part *p, const char *path, uint32_t *line, uint32_t *column)
{
	char full[128];

	return mk_values_where(p->v, settings_full(p, path, full, sizeof(full)), line, column);
}

void
settings_say(const struct settings_part *p, bool is_problem, const char *path, const char *format,
	     ...)
{
	const char *dot = p->where[0] != '\0' && path[0] != '\0' ? "." : "";
	uint32_t line = p->line;
	uint32_t column = p->column;
	char text[900];
	va_list ap;

	(void)settings_where(p, path, &line, &column);
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	(is_problem ? mk_problems_add : mk_problems_warn)(p->problems, line, column, "%s%s%s: %s",
							  p->where, dot, path, text);
}

const char *
settings_text(const struct settings_part *p, const char *format, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, format);
	text = mk_arena_vprintf(&p->s->arena, format, ap);
	va_end(ap);
	if (text == NULL)
		mk_problems_add(p->problems, 0, 0, "out of memory");
	return text != NULL ? text : "";
}

void *
settings_array(const struct settings_part *p, size_t count, size_t size)
{
	void *array = mk_arena_array(&p->s->arena, count, size);

	if (array == NULL)
		mk_problems_add(p->problems, 0, 0, "out of memory");
	return array;
}

const char *
settings_path(const struct settings_part *p, const char *path)
{
	const char *full = mk_arena_path(&p->s->arena, p->folder, path);

	if (full == NULL)
		mk_problems_add(p->problems, 0, 0, "out of memory");
	return full != NULL ? full : "";
}

const char *const *
settings_list(const struct settings_part *p, const char *path, enum settings_kind kind)
{
	static const char *const none[] = { NULL };
	uint32_t count = mk_values_count(p->v, path);
	const char **list = settings_array(p, count + 1u, sizeof(*list));
	char entry[128];

	for (uint32_t i = 0; list != NULL && i < count; i++) {
		const char *text;

		(void)snprintf(entry, sizeof(entry), "%s[%u]", path, i);
		text = settings_str(p, entry);
		if (text == NULL) /* a problem already */
			list[i] = "";
		else if (kind == SETTINGS_PATHS)
			list[i] = settings_path(p, text);
		else
			list[i] = settings_text(p, "%s", text);
		if (kind == SETTINGS_TOPICS && text != NULL && !mk_topic_valid(text, true))
			settings_problem(p, entry,
					 "\"%.80s\" is no topic: 1 to %d of a-z, 0-9, '.', '_', "
					 "'-' and '/'; a '/' at the end means all below",
					 text, MK_TOPIC_MAX);
	}
	return list != NULL ? list : none;
}

/* ----------------------------------------------------------------- file -- */

static void
settings_read_root(struct settings_part *p)
{
	const mk_node *root = mk_yaml_root(p->s->yaml);
	mk_values *v = mk_options_read(root_table, root, "", p->problems);
	struct settings *s = p->s;

	if (v == NULL)
		return;
	p->v = v;
	if (mk_values_has(v, "meshkern") && mk_values_int(v, "meshkern") != SETTINGS_VERSION)
		settings_problem(p, "meshkern",
				 "format version %lld is not known, this program reads %d",
				 (long long)mk_values_int(v, "meshkern"), SETTINGS_VERSION);
	if (mk_values_has(v, "data_dir"))
		s->data_dir = settings_path(p, mk_values_str(v, "data_dir"));
	s->run_dir = settings_text(p, "%s/run", s->data_dir);
	s->log_level = (int32_t)mk_values_int(v, "log.level");
	s->log_format = (enum log_format)mk_values_int(v, "log.format");
	p->plugin_path = settings_list(p, "plugin_path", SETTINGS_PATHS);
	settings_read_bus(p);
	settings_read_plugins(p, mk_node_find(root, "plugins"));
	mk_values_free(v);
}

struct settings *
settings_parse(const char *file, const void *text, size_t len, const char *const *builtin_dirs,
	       mk_problems *problems)
{
	const char *slash = strrchr(file, '/');
	struct settings *s = calloc(1, sizeof(*s));
	char cwd[PATH_MAX] = "";
	struct settings_part p = { .s = s,
				   .problems = problems,
				   .folder = cwd,
				   .builtin_dirs = builtin_dirs,
				   .base = "",
				   .where = "" };
	uint32_t before = mk_problems_count(problems);

	if (s == NULL) {
		mk_problems_add(problems, 0, 0, "out of memory");
		return NULL;
	}
	if (file[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		mk_problems_add(problems, 0, 0, "cannot tell its folder");
	s->file = settings_text(&p, "%s", file);
	s->data_dir = "";
	p.folder =
	    settings_path(&p, settings_text(&p, "%.*s", slash != NULL ? (int)(slash - file) + 1 : 0,
					    file));
	s->yaml = mk_yaml_load(text, len, problems);
	if (s->yaml != NULL)
		settings_read_root(&p);
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
	bool is_read = false, exposed = false;
	struct stat st;
	size_t len = 0;

	if (f != NULL && fstat(fileno(f), &st) == 0) {
		exposed = S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
		len = fread(text, 1, SETTINGS_FILE_MAX, f);
		is_read = ferror(f) == 0;
	}
	if (!is_read)
		mk_problems_add(problems, 0, 0, "cannot read: %s", strerror(errno));
	if (exposed)
		mk_problems_set_exposed(problems);
	if (is_read)
		s = settings_parse(file, text, len, builtin_dirs, problems);
	if (s != NULL)
		s->others_can_read = exposed;
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
