/* SPDX-License-Identifier: MIT
 *
 * The table of packets: found by transmission, in the order of when they were heard first, and in or
 * out of the counts. Inside of the frame.
 *
 * DOC: Packed packets
 *
 * Nearly all packets have got their last copy long ago, and half of the memory were their copies and
 * the hops that are not shown. So all but the TABLE_PLAIN newest ones are packed: one block of memory
 * has the hops that are shown, as they are, then the others, then the copies. Who counts a packet
 * gets the whole of it (table_whole); a late copy makes it plain again.
 */
#ifndef ANALYTICS_TABLE_H
#define ANALYTICS_TABLE_H

#include "frame.h"

#define TABLE_PLAIN 2048u

struct an_packet *table_at(const struct frame *f, uint32_t slot);
struct an_packet *table_find(const struct frame *f, uint64_t tx);
/* A new one, which waits to be counted. NULL: no memory. */
struct an_packet *table_put(struct frame *f, uint64_t tx, int64_t first);
/* With all hops and copies, until the next one is asked for. NULL: out of memory. */
const struct an_packet *table_whole(struct frame *f, const struct an_packet *p);
/* One more copy of it; `o->hops` become its path if they are more. */
mk_result table_hear(struct frame *f, struct an_packet *p, const struct hops_obs *o,
		     uint16_t observer);
/* It is about to change: it leaves the counts, and waits to be counted again. */
void table_touch(struct frame *f, struct an_packet *p);
/* It was heard earlier than was thought. */
void table_earlier(struct frame *f, struct an_packet *p, int64_t first);
/* In the order of time, whatever came meanwhile. */
void table_sort(struct frame *f);
/* The first place in the order whose packet was heard at `at` or later. */
uint32_t table_lower(const struct frame *f, int64_t at);
/* What is older than f->keep, or too much, goes. */
void table_expire(struct frame *f);
void table_clear(struct frame *f);
size_t table_bytes(const struct frame *f);

#endif
