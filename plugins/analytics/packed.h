/* SPDX-License-Identifier: MIT
 *
 * The hops and copies of a packet in one block of memory (table.h says why).
 */
#ifndef ANALYTICS_PACKED_H
#define ANALYTICS_PACKED_H

#include "frame.h"

/* Of a packet that is not packed: bytes, and into so many. */
size_t packed_length(const struct an_packet *p);
void packed_write(const struct an_packet *p, uint8_t *to);
/* Of one whose `hops` are the block. The length of what was read; `hops` has room for all of them,
 * `heard` for the copies. */
size_t packed_read(const struct an_packet *p, uint32_t *hops, struct an_heard *heard);

#endif
