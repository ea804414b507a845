/* SPDX-License-Identifier: MIT
 *
 * The little of a packet in memory that statistics over many of them look at, without putting it
 * together.
 */
#ifndef HTTP_READ_BRIEF_H
#define HTTP_READ_BRIEF_H

#include "read.h"

struct read_brief {
	int64_t id, first_s;
	uint32_t from, obs_count;
	int16_t type, route;
	/* of the observation that is displayed */
	uint32_t observer; /* READ_NONE */
	uint8_t hops;
	bool has_snr, has_rssi;
	float snr, rssi;
};

/* Packet number `i`; false: it is not in memory. */
bool read_brief(const struct read *r, uint32_t i, struct read_brief *out);

/* Which packets in memory were heard in one of `regions`, as bits from read_packet_begin() on. NULL:
 * out of memory. To be freed. */
uint64_t *read_heard_in(const struct read *r, const char *regions);

#endif
