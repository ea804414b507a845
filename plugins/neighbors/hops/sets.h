/* SPDX-License-Identifier: MIT
 *
 * Sets of observers, one for each row of a table: who saw an edge, or a kind of evidence. A set is
 * as wide as the observers that there are, not as wide as they might become. Belongs to one thread.
 */
#ifndef HOPS_SETS_H
#define HOPS_SETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOPS_OBSERVERS_MAX 512u /* told apart; the last one stands for all further ones */

/* One set by itself, as wide as any. */
struct hops_seen {
	uint64_t bits[HOPS_OBSERVERS_MAX / 64];
};

struct hops_sets {
	uint64_t *at;
	uint32_t words; /* of each set */
	uint32_t rows;  /* that there is room for */
};

/* A zeroed one is empty, and so is every row that nobody has put anything into. */
void hops_sets_fini(struct hops_sets *s);
/* `rows`: how many the table has room for. False: out of memory, nothing is changed. */
bool hops_sets_put(struct hops_sets *s, uint32_t rows, uint32_t row, uint32_t bit);
bool hops_sets_merge(struct hops_sets *s, uint32_t rows, uint32_t row,
		     const struct hops_seen *seen);
void hops_sets_get(const struct hops_sets *s, uint32_t row, struct hops_seen *seen);
void hops_sets_empty(struct hops_sets *s, uint32_t row);
void hops_sets_move(struct hops_sets *s, uint32_t from, uint32_t to);
size_t hops_sets_memory(const struct hops_sets *s);

bool hops_seen_has(const struct hops_seen *seen, uint32_t bit);
void hops_seen_put(struct hops_seen *seen, uint32_t bit);
uint32_t hops_seen_count(const struct hops_seen *seen);

#endif
