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

struct link { /* `from` was heard by `to` */
	uint32_t from, to;
	uint8_t *past;   /* packed, see reach.c; allocated as `len` says */
	int32_t snr_sum; /* quarters of a dB, if `to` is an observer */
	uint16_t snr_count;
	uint16_t len;  /* bytes of the past */
	uint16_t last; /* the newest hour in there */
	/* What is counted now. An hour is one since 1970 modulo 65536, which are seven years. */
	uint16_t hour, count;
};

struct reach {
	struct frame *frame;
	struct link *links;
	uint32_t count, cap;
	uint32_t *slots; /* open addressing by ends of links, see reach.c */
	uint32_t slot_count;
	uint16_t swept; /* half of a day of the last sweep */
	size_t bytes;
	uint64_t lost;
};

/* The counts of hours from `since` on, up to `span` hours. */
uint64_t link_sum(const struct link *link, uint16_t since, uint16_t span);

extern const struct an_method reach_methods[];

#endif
