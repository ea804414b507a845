/* SPDX-License-Identifier: MIT
 *
 * The channels that packets were sent in, counted.
 */
#ifndef HTTP_READ_CHANNELS_H
#define HTTP_READ_CHANNELS_H

#include "read.h"

#define READ_CHANNELS_MAX 4096u /* the rest is not told */

struct read_channel {
	char name[65];
	uint64_t count;
	int64_t last_s, last_id; /* the packet that was first heard last */
};

struct read_channels {
	struct read_channel *list;
	uint32_t count, cap;
	uint32_t *slots; /* place + 1 */
	bool failed;     /* out of memory */
};

/* All channels of group texts that pass the filter, which may have a region; others of its conditions
 * are not looked at. To be freed with read_channels_fini(), in any case. */
mk_result read_channels(struct read *r, const char *region, struct read_channels *out, mk_err *err);
void read_channels_fini(struct read_channels *c);

#endif
