/* SPDX-License-Identifier: MIT
 *
 * What an observer received in each hour: how much, of which types, how strong.
 * The two hours that are counted at the moment are plain; the others are
 * packed, because most of their counts are 0 and the rest small.
 */
#ifndef ANALYTICS_HOURS_H
#define ANALYTICS_HOURS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOURS_TYPES 16u
#define HOURS_SIGNALS 32u
#define HOURS_PLAIN 2u

struct hour {
	uint32_t at; /* since 1970 */
	uint32_t count;
	uint16_t types[HOURS_TYPES], signals[HOURS_SIGNALS];
};

struct hours { /* a zeroed one is empty */
	struct hour plain[HOURS_PLAIN];
	uint32_t plain_count, newest; /* newest: which of them was asked for last */
	uint8_t *packed;              /* by time */
	uint32_t len, cap;
	uint32_t packed_count, last; /* hours, and the last of them */
};

/* To be counted in. NULL: out of memory. */
struct hour *hours_get(struct hours *h, uint32_t at);
/* Those before go. */
void hours_expire(struct hours *h, uint32_t before);
/* All from `since` on, by time, as an array that the caller frees; NULL: out of
 * memory. */
struct hour *hours_list(const struct hours *h, uint32_t since, uint32_t *count);
void hours_fini(struct hours *h);
size_t hours_bytes(const struct hours *h);

#endif
