/* SPDX-License-Identifier: MIT
 *
 * Times as texts: what tables and questions have, read as Unix seconds, and written as answers have
 * them.
 */
#ifndef HOPS_TIME_H
#define HOPS_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOPS_TIME_TEXT 24

/* "2026-11-21T06:43:00Z", also with a fraction, which is cut off, with a zone like +01:00, or with a
 * space in place of the T; UTC without a zone. False: nothing like that; *seconds is untouched. */
bool hops_time_read(const char *text, size_t len, int64_t *seconds);
/* "2026-11-21T06:43:00Z" of years 0 to 9999; the first 13 characters are the hour. */
void hops_time_write(int64_t seconds, char out[HOPS_TIME_TEXT]);

/* Seconds as a database has them, which may be anything, within what there are dates for. */
static inline int64_t
hops_time_within(int64_t seconds)
{
	const int64_t most = INT64_C(253402300799); /* the last second of the year 9999 */

	return seconds < 0 ? 0 : seconds > most ? most : seconds;
}

#endif
