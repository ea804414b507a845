/* SPDX-License-Identifier: MIT
 *
 * Which hash sizes nodes use, from their adverts: what hash sizes and collisions have in common.
 */
#ifndef ANALYTICS_HASHES_H
#define ANALYTICS_HASHES_H

#include "bag.h"
#include "frame.h"

#define HASHES_WEEK 604800

struct hashes_advert {
	uint32_t at;
	uint32_t low; /* the lowest bits of its row: what is of one second is in that order */
	uint8_t size;
};

struct hashes_node {
	struct hashes_advert *adverts; /* that tell the size, in the order of time */
	uint32_t count, cap;
	uint32_t packets; /* adverts of any kind */
	uint32_t last;    /* when the newest was heard */
};

struct hashes {
	struct frame *frame;
	struct hashes_node *at; /* by id */
	uint32_t cap;
	struct bag homes; /* by id << 16 | observer: adverts that it heard from the node itself */
	uint64_t refused;
};

/* What the adverts of the last week say. size 0: nothing. */
struct hashes_info {
	uint8_t size;      /* of the newest */
	uint8_t sizes;     /* a bit for each */
	bool inconsistent; /* it changes and does not settle */
};

/* False: an advert that says nothing of the size. */
bool hashes_tells(const struct an_packet *p);
struct hashes_info hashes_info(const struct hashes *h, uint32_t id, int64_t now);
/* The counts of what passes the filter; NULL: out of memory. */
struct hashes_counts {
	struct bag bag;
};
enum hashes_kind { HASHES_SIZE = 1, HASHES_HOUR, HASHES_TOKEN, HASHES_NODE };
#define HASHES_KEY(kind, a, b) ((uint64_t)(kind) << 56 | (uint64_t)(a) << 8 | (b))
const struct hashes_counts *hashes_view(const struct hashes *h, const struct an_query *q);

uint32_t hashes_sizes(void *self, const struct an_query *q, struct json *j);
uint32_t hashes_collisions(void *self, const struct an_query *q, struct json *j);

#endif
