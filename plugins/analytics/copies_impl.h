/* SPDX-License-Identifier: MIT
 *
 * The state of the damaged copies, for copies.c, which finds them, and copies_answer.c, which shows
 * them.
 */
#ifndef ANALYTICS_COPIES_IMPL_H
#define ANALYTICS_COPIES_IMPL_H

#include "copies.h"
#include "near.h"

#define COPIES_WAYS 6u /* different paths of one packet */
#define COPIES_WAY 16u /* hops of one; longer ones do not tell who damaged it */
#define COPIES_SUSPECTS 16u

/* What decided which of two is the original. */
#define COPIES_JUDGE_MAP(X)             \
	X(JUDGE_MAC, "mac")             \
	X(JUDGE_OBSERVERS, "observers") \
	X(JUDGE_PATH, "path")           \
	X(JUDGE_ORDER, "order")

enum copies_judge {
#define COPIES_JUDGE_ENUM(name, text) name,
	COPIES_JUDGE_MAP(COPIES_JUDGE_ENUM)
#undef COPIES_JUDGE_ENUM
};

struct way {
	uint8_t count;
	uint32_t hops[COPIES_WAY];
};

struct recent { /* a packet of the last minutes */
	uint64_t tx;
	uint8_t hash[8];
	uint32_t number;   /* counts packets; 0: there is none */
	uint32_t before;   /* the one of the same type and length before this */
	uint32_t original; /* it is a copy of that one */
	uint32_t twin;     /* it is near to that one: which is which may change still */
	uint32_t first;    /* Unix seconds */
	uint32_t heard;    /* copies of it */
	uint16_t observer; /* who heard it first */
	uint8_t type, len, fewest, most; /* hops */
	bool sure;                       /* a MAC or a signature says that it is right */
	bool flood;
	uint8_t common; /* hops from the start that all copies came over */
	uint8_t way_count;
	struct way ways[COPIES_WAYS];
	uint8_t payload[NEAR_PAYLOAD_MAX];
};

struct damaged { /* a damaged copy */
	uint64_t tx, original_tx;
	uint8_t hash[8], original[8];
	uint32_t at; /* Unix seconds */
	struct near_difference difference;
	uint16_t payload_bits;
	uint16_t observer;
	uint8_t type, hops, original_hops, suspect_count;
	bool reception; /* the observer got it wrong itself */
	enum copies_judge judge;
	uint32_t suspects[COPIES_SUSPECTS]; /* tokens; one of them did it */
};

struct copies {
	struct frame *frame;
	struct recent *recent;                    /* a ring, by number */
	uint32_t last;                            /* number */
	uint32_t alike[16][NEAR_PAYLOAD_MAX + 1]; /* by type and length: the last number */
	uint32_t *number;                         /* by the packet's slot */
	uint32_t number_cap;
	struct damaged *damaged; /* oldest first */
	uint32_t damaged_count, damaged_cap;
	uint64_t crowded;   /* packets that were not compared with all */
	uint64_t forgotten; /* copies, because there are too many */
};

extern const struct an_method copies_methods[];

#endif
