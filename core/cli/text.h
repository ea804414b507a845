/* SPDX-License-Identifier: MIT
 *
 * What goes to a terminal: strings of unknown origin made harmless, numbers made readable,
 * tables made to fit.
 */
#ifndef MK_CLI_TEXT_H
#define MK_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A copy in which everything that is not a visible character of the locale is written as \xNN or
 * \u{NNNN}: control bytes, C1 controls, malformed UTF-8, direction marks, combining characters.
 * Cut with an ellipsis at `columns` (0 = not). `width` (may be NULL): columns it takes. [owned] */
char *text_clean(const char *s, size_t len, uint32_t columns, uint32_t *width);

/* A text of several lines, each of them cleaned, with `indent` in front. */
void text_lines(FILE *out, const char *indent, const char *text);

/* Short texts by value: printf("%s", text_size(n).s). */
struct text {
	char s[64];
};
struct text text_size(uint64_t bytes);   /* "48.2 MiB" */
struct text text_duration(uint64_t us);  /* "3d 4h", "2m 5s", "1.25s", "350ms" */
struct text text_count(uint64_t n);      /* "1,234,567" */
struct text text_time(uint64_t unix_us); /* "2026-11-21T03:27:11.123456Z" */

enum tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };

#define TABLE_COLUMNS_MAX 16

struct cell {
	char *text;
	uint32_t width;
	enum tone tone;
};

/* Cells are added row by row. A head that begins with '>' is aligned right, one with '~' may be
 * shortened when the terminal is narrow. With an empty first head there is no line of heads. */
struct table {
	const char *const *heads;
	uint32_t columns, count, cap;
	struct cell *cells;
};

void table_init(struct table *t, const char *const *heads, uint32_t columns);
void table_add(struct table *t, enum tone tone, const char *s, size_t len);
/* Print and free. `width` 0: do not cut. Nothing for a table without rows. */
void table_print(struct table *t, FILE *out, uint32_t width, bool colour);

#endif
