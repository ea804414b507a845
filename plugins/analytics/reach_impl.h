/* SPDX-License-Identifier: MIT
 *
 * The state of reach, for reach.c, which keeps it, and reach_answer.c, which shows it.
 */
#ifndef ANALYTICS_REACH_IMPL_H
#define ANALYTICS_REACH_IMPL_H

#include "reach.h"

#define REACH_HOUR_S 3600
#define REACH_LONG_HOURS 12u     /* beyond the last day so many count together */
#define REACH_NODE 0x80000000u   /* an end is the id of a node or an observer; else it is a token */
#define REACH_AGAIN 0x40000000u  /* `to` of a hop that comes again in the same path */
#define REACH_NOBODY 0x40000001u /* `to` of the last hop, if it is not known who heard it */
#define REACH_NO_LINK UINT32_MAX

struct slot {
	uint16_t hour; /* since 1970, modulo 65536, which are seven years */
	uint16_t count;
};

struct link { /* `from` was heard by `to` */
	uint32_t from, to;
	uint32_t next_from, next_to; /* others with the same end */
	uint32_t slot_count, slot_cap;
	struct slot *slots;
	int32_t snr_sum; /* quarters of a dB, if `to` is an observer */
	uint32_t snr_count;
};

struct end {
	uint32_t key;     /* 0: free */
	uint32_t out, in; /* first link from and to it */
};

struct reach {
	struct frame *frame;
	struct link *links;
	uint32_t count, cap;
	uint32_t *slots; /* open addressing by ends of links; place + 1 */
	struct end *ends;
	uint32_t slot_count, end_count, end_used;
	uint16_t swept; /* hour of the last sweep */
	size_t bytes;
	uint64_t lost;
};

/* The links of an end; its key is 0 if there are none. Only if there are ends at all. */
struct end *reach_end(const struct reach *r, uint32_t key);

extern const struct an_method reach_methods[];

#endif
