/* SPDX-License-Identifier: MIT
 *
 * Request targets: "/api/nodes/a%20b?limit=5" to segments and query, all of it hostile. Strict:
 * every escape is two hex digits, everything decoded is UTF-8 without control characters, and no
 * segment is "." or ".." or has a backslash in it, however it was written.
 */
#ifndef MK_HTTP_TARGET_H
#define MK_HTTP_TARGET_H

#include <stddef.h>
#include <stdint.h>

#define TARGET_MAX 8192u /* bytes of a target */
#define TARGET_SEGMENTS 16u
#define TARGET_PAIRS 64u

enum target_result {
	TARGET_GOOD,
	TARGET_BAD,     /* 400 */
	TARGET_UNCLEAN, /* 301: `clean` is where to look instead */
	TARGET_LONG,    /* 414 */
};

struct target {
	uint32_t segments; /* "/": 0; a slash at the end makes a last one that is empty */
	uint32_t pairs;
	const char *segment[TARGET_SEGMENTS]; /* decoded, NUL-terminated */
	struct {
		const char *name, *value;
	} pair[TARGET_PAIRS];
	const char *why;             /* what is wrong */
	const char *query;           /* as it came, without '?'; NULL if there is none */
	char raw[TARGET_MAX + 1];    /* as it came */
	char text[TARGET_MAX + 64u]; /* what the others point into; or the cleaned target */
};

enum target_result target_parse(struct target *t, const char *raw, size_t len);
/* The first value of a query parameter, or NULL. */
const char *target_find(const struct target *t, const char *name);
/* "/a/b" into buf, decoded; for files and log lines. Returns 0 if it does not fit or a segment has
 * a slash in it. */
int target_path(const struct target *t, char *buf, size_t cap);

#endif
