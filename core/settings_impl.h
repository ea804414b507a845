/* SPDX-License-Identifier: MIT
 *
 * What the files of settings share with each other.
 */
#ifndef MK_CORE_SETTINGS_IMPL_H
#define MK_CORE_SETTINGS_IMPL_H

#include "settings.h"

/* A row of an option table. */
#define OPT(name_, type_, ...)                                     \
	{                                                          \
		.name = name_, .type = MK_OPT_##type_, __VA_ARGS__ \
	}

/* One checked map of the file while it is being read, and where it is. */
struct settings_part {
	struct settings *s;
	mk_problems *problems;
	const char *folder;              /* of the file, absolute */
	const char *const *plugin_path;  /* absolute, NULL-terminated */
	const char *const *builtin_dirs; /* the same, or NULL */
	const mk_values *v;
	const char *base;  /* the map's path in `v`: "bus.listen[0]"; "" for the whole */
	const char *where; /* the map's name in problems: "plugins.http"; "" for the file */
	uint32_t line;     /* for values that are not in the file */
	uint32_t column;
};

/* settings.c. A value of the part; NULL if it is not set. */
const char *settings_str(const struct settings_part *p, const char *path);
/* False: it is not in the file. */
bool settings_where(const struct settings_part *p, const char *path, uint32_t *line,
		    uint32_t *column);
/* "" after the problem that memory is out. */
const char *settings_text(const struct settings_part *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Absolute, without "." parts and without a slash at the end. */
const char *settings_path(const struct settings_part *p, const char *path);
/* Zeroed; NULL after the problem that memory is out. */
void *settings_array(const struct settings_part *p, size_t count, size_t size);

enum settings_kind { SETTINGS_TEXTS, SETTINGS_PATHS, SETTINGS_TOPICS };
/* The strings of a list option, checked; NULL-terminated, never NULL. */
const char *const *settings_list(const struct settings_part *p, const char *path,
				 enum settings_kind kind);

/* path "": the part itself. */
void settings_say(const struct settings_part *p, bool is_problem, const char *path,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
#define settings_problem(p, ...) settings_say(p, true, __VA_ARGS__)
#define settings_warn(p, ...) settings_say(p, false, __VA_ARGS__)

/* settings_bus.c */
extern const mk_option settings_bus_table[];
void settings_read_bus(const struct settings_part *root);

/* settings_plugin.c */
extern const mk_option settings_plugin_table[];
void settings_read_plugins(const struct settings_part *root, const mk_node *plugins);

#endif
