/* SPDX-License-Identifier: MIT
 *
 * Counters by number: what most modules keep. A counter that is 0 is as good as absent and gives its
 * place back sooner or later.
 */
#ifndef ANALYTICS_BAG_H
#define ANALYTICS_BAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bag_item {
	uint64_t key; /* not 0 */
	int64_t n;
};

struct bag { /* a zeroed one is empty */
	struct bag_slot *slots;
	uint32_t size, used;
};

/* False: out of memory. A counter stays within 32 bits. */
bool bag_add(struct bag *b, uint64_t key, int64_t n);
/* The counter becomes `n` if that is more. */
bool bag_raise(struct bag *b, uint64_t key, int64_t n);
int64_t bag_get(const struct bag *b, uint64_t key);
/* The next one that is not 0, in no certain order; begin with *at = 0. False: no more. */
bool bag_next(const struct bag *b, uint32_t *at, struct bag_item *item);
/* All that are not 0, by key. The caller frees them; NULL: out of memory, or none. */
struct bag_item *bag_sorted(const struct bag *b, uint32_t *count);
void bag_fini(struct bag *b);
size_t bag_bytes(const struct bag *b);

#endif
