/* SPDX-License-Identifier: MIT
 *
 * What the files of settings share with each other.
 */
#ifndef MK_CORE_SETTINGS_IMPL_H
#define MK_CORE_SETTINGS_IMPL_H

#include "settings.h"

/* Settings while they are being read. */
struct settings_reader {
	struct settings *s;
	mk_problems *problems;
	const char *folder;              /* of the file, absolute */
	const char *const *plugin_path;  /* absolute, NULL-terminated */
	const char *const *builtin_dirs; /* NULL-terminated */
	bool no_memory;                  /* it has been told */
};

/* One checked map of the file, and where it is. */
struct settings_part {
	struct settings_reader *r;
	const mk_values *v;
	const char *where; /* "plugins.http"; "" for the root */
	uint32_t line;     /* for values that are not in the file */
	uint32_t column;
};

/* settings.c. A text or list that memory was out for is reported once and
 * replaced by an empty one. */
const char *settings_text(struct settings_reader *r, const char *text);
/* Absolute, without "." parts and without a slash at the end. */
const char *settings_path(struct settings_reader *r, const char *path);
/* The strings of a list option through `convert`; NULL-terminated, never NULL. */
const char *const *settings_list(const struct settings_part *p, const char *path,
				 const char *(*convert)(struct settings_reader *, const char *));
void settings_problem(const struct settings_part *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void settings_warn(const struct settings_part *p, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void settings_no_memory(struct settings_reader *r);

/* settings_bus.c */
extern const mk_option settings_bus_table[];
void settings_read_bus(const struct settings_part *p);

/* settings_plugin.c */
extern const mk_option settings_plugin_table[];
void settings_read_plugins(struct settings_reader *r, const mk_node *plugins);

#endif
