/* SPDX-License-Identifier: MIT
 *
 * Option tables: from YAML to checked values.
 *
 *   text --mk_yaml_load--> tree with positions --mk_options_read--> values
 *
 * One table (mk_option of plugin.h) gives the check, the default and the
 * reference page. Every problem in a file is found in one pass and carries its
 * position: "meshkern.yaml:14:9: plugins.http.listen: expected a string".
 */
#ifndef MK_SDK_OPTIONS_H
#define MK_SDK_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <meshkern/arena.h>
#include <meshkern/codec.h>
#include <meshkern/err.h>
#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------ problems -- */

/* What is wrong with a file, in the order found; at most 100 are kept, the
 * rest is counted. */
typedef struct mk_problems mk_problems;

mk_problems *mk_problems_new(const char *file); /* [owned] NULL: no memory */
void mk_problems_free(mk_problems *p);
/* line 0: the file as a whole. */
void mk_problems_add(mk_problems *p, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A warning does not count as a problem: "file is readable by others". */
void mk_problems_warn(mk_problems *p, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
uint32_t mk_problems_count(const mk_problems *p); /* without warnings */
uint32_t mk_problems_lines(const mk_problems *p); /* kept lines, both kinds */
/* "FILE:LINE:COLUMN: text", warnings with "warning: " before the text. */
const char *mk_problems_line(const mk_problems *p, uint32_t i);
/* All lines, and how many were left out. */
void mk_problems_print(const mk_problems *p, FILE *out);
/* Others can read the file: mk_options_read warns of a SECRET given in it. */
void mk_problems_set_exposed(mk_problems *p);

/* ---------------------------------------------------------------- tree -- */

#define MK_NODE_SCALAR 1
#define MK_NODE_LIST 2
#define MK_NODE_MAP 3

typedef struct mk_node mk_node;
struct mk_node {
	int kind;
	uint32_t line; /* from 1 */
	uint32_t column;
	const char *text; /* scalars, NUL-terminated UTF-8 without NUL inside */
	bool plain;       /* not quoted: may be a number, a boolean, null */
	uint32_t count;   /* lists and maps */
	mk_node **items;  /* values */
	mk_node **keys;   /* maps: scalars, unique, in file order */
};

typedef struct mk_yaml mk_yaml;

/* Bounded: at most 1 MiB of text, 20 levels, 100,000 nodes; one document;
 * aliases and anchors, tags and merge keys are refused by name. NULL after
 * having added the problems. */
mk_yaml *mk_yaml_load(const void *text, size_t len, mk_problems *problems);
const mk_node *mk_yaml_root(const mk_yaml *y); /* a map; empty text = empty map */
void mk_yaml_free(mk_yaml *y);

/* The value of a key, or NULL. Takes NULL. */
const mk_node *mk_node_find(const mk_node *map, const char *key);
/* No value: nothing, "~" or "null" without quotes. */
bool mk_node_is_null(const mk_node *node);

/* -------------------------------------------------------------- values -- */

/* Checked values by path: "listen", "sources[0].broker". Defaults are in it.
 * They do not refer to the table or the tree they were made from. */
typedef struct mk_values mk_values;

/* For files of our own, not for plugins. Types: a map, or nothing, of which nothing is checked and
 * nothing among the values; a map of at most `max` names (mk_id_valid) to groups, "plugins.http".
 * A flag: the strings of a list are topics or, with a '/' at the end, all below. */
#define MK_OPT_TREE 100u
#define MK_OPT_MAP 101u
#define MK_OPT_TOPICS (1u << 16)

/* Rules that the types in plugin.h leave open:
 *   - min and max both 0: no range; max 0 with min >= 0: no upper limit
 *   - a list of more than 1024 entries needs a max that says so
 *   - a single entry may stand for a list of one
 *   - a list with choices takes only those
 *   - a group left out has its defaults; what is required inside of it is
 *     required only once the group is there
 *   - LIVE and SECRET of a group hold for everything in it */

/* Check `map` (NULL = empty) against `table` (NULL = no options; else one that
 * mk_options_valid has passed). `where` is put before option names in
 * problems: "plugins.http.config". Found: unknown keys (with the nearest known
 * name), wrong types, out of range, not among the choices, missing required
 * ones. Always returns values that may be queried, unless memory is out; they
 * are only good when no problem was added. */
mk_values *mk_options_read(const mk_option *table, const mk_node *map, const char *where,
			   mk_problems *problems);
void mk_values_free(mk_values *v);

/* Unset or unknown path: NULL, 0. Units: DURATION µs, SIZE bytes, BOOL 0/1,
 * ENUM the index among its choices (mk_values_str: its text).
 * mk_values_str gives any scalar as text, numbers in their shortest form. */
const char *mk_values_str(const mk_values *v, const char *path);
int64_t mk_values_int(const mk_values *v, const char *path);
double mk_values_float(const mk_values *v, const char *path);
uint32_t mk_values_count(const mk_values *v, const char *path);
/* A value is there, a default counts; for a group: it stands in the file. */
bool mk_values_has(const mk_values *v, const char *path);
/* Where the value stands in the file; false for defaults and unset ones. */
bool mk_values_where(const mk_values *v, const char *path, uint32_t *line, uint32_t *column);

/* Values into the members of a structure, by a table. Members whose value is not there are left
 * alone, but for lists: these are never NULL afterwards, and end with NULL. */
enum mk_bind_type {
	MK_BIND_BOOL,  /* bool */
	MK_BIND_ENUM,  /* an int or enum: the index of the choice */
	MK_BIND_U64,   /* uint64_t */
	MK_BIND_GIVEN, /* bool: is it in the file, or has it a default? */
	MK_BIND_TEXT,  /* const char *, in the arena */
	MK_BIND_PATH,  /* the same, absolute: mk_arena_path */
	MK_BIND_TEXTS, /* const char *const *, in the arena */
	MK_BIND_PATHS,
};
typedef struct mk_bind {
	const char *path; /* within `base` */
	enum mk_bind_type type;
	size_t at; /* offset of the member; the table ends with a NULL path */
} mk_bind;
/* `base` is a group's path, "" for the whole. MK_ENOMEM, and the structure is incomplete. */
mk_result mk_values_bind(const mk_values *v, const char *base, const mk_bind *table, void *to,
			 mk_arena *arena, const char *folder);

/* Is one row's member different in two structures? NULL and an empty list are the same. */
bool mk_bind_differs(const mk_bind *row, const void *a, const void *b);

/* Over a process border: one msgpack map; the receiver checks it again
 * against its own table (NULL and problems if it does not fit). */
mk_result mk_values_write(const mk_values *v, mk_writer *w);
mk_values *mk_values_read(const mk_option *table, const void *body, size_t len,
			  mk_problems *problems);

/* Calls `each` for every path whose value differs (old or new may be NULL:
 * appeared, vanished; SECRET values come as "***"). A list is compared as a
 * whole, "[a, b]"; so is an entry of a list of groups that only one side has,
 * "{name: a}". `a` or `b` may be NULL, the texts are valid during the call.
 * Returns how many; *live becomes false when one of them is not LIVE. */
uint32_t mk_values_diff(const mk_option *table, const mk_values *a, const mk_values *b, bool *live,
			void (*each)(void *arg, const char *path, const char *old_text,
				     const char *new_text, bool is_live),
			void *arg);

/* A table itself is well formed: names, types, ranges, defaults that pass
 * their own check, unique names, depth. */
mk_result mk_options_valid(const mk_option *table, mk_err *err);

/* The reference of a table as Markdown rows, and as a commented YAML sample
 * indented by `indent` spaces. */
void mk_options_markdown(const mk_option *table, FILE *out);
void mk_options_sample(const mk_option *table, uint32_t indent, FILE *out);

#ifdef __cplusplus
}
#endif
#endif
