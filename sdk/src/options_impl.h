/* SPDX-License-Identifier: MIT
 *
 * What the files of the option tables share with each other.
 */
#ifndef MK_SDK_OPTIONS_IMPL_H
#define MK_SDK_OPTIONS_IMPL_H

#include <meshkern/arena.h>
#include <meshkern/options.h>

#define OPT_DEPTH_MAX 6u      /* groups in groups */
#define OPT_PATH_MAX 320u     /* six times a name, '[', ten digits, "]." */
#define OPT_STRING_MAX 4096   /* when the table gives no max */
#define OPT_ENTRIES_MAX 1024  /* the same for lists */
#define OPT_VALUES_MAX 65536u /* values altogether, against lists in lists */
#define OPT_WORDS 256u        /* a buffer for a part of a message */

/* One path that has a value. What is inside of a list or group follows it. */
struct opt_value {
	const char *path;
	const char *name; /* the last part of the path */
	const char *text; /* scalars: the shortest form */
	int64_t number;
	double real;
	uint32_t count; /* entries; a group: 1 = stands in the file */
	uint32_t end;   /* index of what comes after it and its parts */
	uint32_t type;
	uint32_t flags; /* with those of the groups around it */
	uint32_t line;  /* 0: a default */
	uint32_t column;
};

struct mk_values {
	mk_arena arena;
	struct opt_value *list; /* in the order of the table */
	uint32_t count;
	uint32_t cap;
	uint32_t *slots; /* hash table: index + 1, 0 = free */
	uint32_t slot_mask;
};

/* values.c */
mk_values *opt_values_new(void);
/* Append; NULL: no memory. Valid until the next. */
struct opt_value *opt_values_add(mk_values *v, const char *path, size_t name_at);
bool opt_values_index(mk_values *v);
const struct opt_value *opt_values_find(const mk_values *v, const char *path);

/* options_scalar.c */
struct opt_scalar {
	const char *text; /* in `buffer`, or the node's own */
	int64_t number;
	double real;
	char buffer[40];
};

bool opt_is_list(const mk_option *o); /* LIST or GROUPS */
int64_t opt_max_entries(const mk_option *o);
/* Has it a lower, an upper limit? See options.h. */
bool opt_has_min(const mk_option *o);
bool opt_has_max(const mk_option *o);
/* Check a scalar; on failure `why` has a sentence that shows no secret. */
bool opt_scan(const mk_option *o, const mk_node *node, bool secret, struct opt_scalar *out,
	      char *why, size_t cap);
/* A number in the option's unit: "5s", "64KiB", "12". */
void opt_format(uint32_t type, int64_t number, char *out, size_t cap);
/* "a whole number", "one of a, b". */
void opt_expected(const mk_option *o, char *out, size_t cap);
/* Append `word` after a comma; what does not fit becomes "...". */
void opt_append(char *list, size_t cap, const char *word);

/* options.c: the option for a scalar that stands for a whole group. */
const mk_option *opt_main(const mk_option *table);

/* problems.c: true once, if the file is exposed. */
bool opt_take_exposed(mk_problems *p);

#endif
