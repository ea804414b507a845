/* SPDX-License-Identifier: MIT
 *
 * Times as tables have them, "2026-11-21T06:43:00Z" in UTC, and Unix seconds. Made and read a
 * hundred thousand times for one answer, so without the C library's calendar.
 */
#ifndef HTTP_READ_WHEN_H
#define HTTP_READ_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEN_TEXT 32u

/* "2026-11-21T06:43:00" and `end`; "" outside of the years 0 to 9999. */
void when_text(int64_t seconds, const char *end, char out[WHEN_TEXT]);
/* Also with fractions, an offset, and SQLite's form with a space. False: it is none; `ms` may be
 * NULL. */
bool when_parse(const char *text, int64_t *seconds, uint32_t *ms);

#endif
