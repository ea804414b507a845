/* SPDX-License-Identifier: MIT
 *
 * So many in a second, with a limit to what may be saved up.
 */
#ifndef MK_HOST_RATE_H
#define MK_HOST_RATE_H

#include <stdint.h>

struct rate {
	uint64_t per_second;
	uint64_t burst; /* at most this many at a time; not more than per_second */
	uint64_t saved; /* millionths */
	uint64_t at_us; /* when that was; 0: long ago, so it begins with a burst */
};

/* How many there may be now. */
uint64_t rate_has(struct rate *r, uint64_t now_us);
/* `count` of those that rate_has allowed. */
void rate_take(struct rate *r, uint64_t count);

#endif
