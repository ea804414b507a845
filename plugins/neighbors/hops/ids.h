/* SPDX-License-Identifier: MIT
 *
 * Names as numbers: keys of nodes and ids of observers, each kept once, in lower case, so that
 * everything else compares and stores 32 bits. Numbers are dense from 0 and never taken back.
 * A struct hops_ids belongs to one thread at a time.
 */
#ifndef HOPS_IDS_H
#define HOPS_IDS_H

#include <stddef.h>
#include <stdint.h>

#include <meshkern/arena.h>

#define HOPS_NONE UINT32_MAX
#define HOPS_ID_MAX 128u        /* bytes of a name; longer ones are refused */
#define HOPS_IDS_MAX (1u << 20) /* names; more are refused */

struct hops_ids {
	const char **text; /* by number */
	uint32_t *slots;   /* open addressing; number + 1, 0 is free */
	uint32_t count, cap, slot_count;
	uint64_t refused; /* names that were too long, empty or too many */
	mk_arena arena;
};

/* A zeroed one is empty. */
void hops_ids_fini(struct hops_ids *ids);
/* The number of a name, a new one if need be; HOPS_NONE if it is refused or memory is out. */
uint32_t hops_ids_put(struct hops_ids *ids, const char *text, size_t len);
/* HOPS_NONE if it is not there. */
uint32_t hops_ids_find(const struct hops_ids *ids, const char *text, size_t len);

/* A good mixture of the bits of `v`, for hash tables. */
uint64_t hops_mix(uint64_t v);

#endif
