/* SPDX-License-Identifier: MIT
 *
 * Times as the tables have them: "2026-11-21T06:43:00Z", to the second.
 */
#ifndef STORAGE_STAMP_H
#define STORAGE_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stamp { /* zeroed it is empty */
	int64_t seconds;
	char text[24];
};

/* The text of that second, kept for as long as the same one is asked for. */
const char *stamp_text(struct stamp *s, int64_t seconds);
/* Also with fractions, and SQLite's form with a space; UTC. */
bool stamp_parse(const char *text, int64_t *seconds);

#endif
