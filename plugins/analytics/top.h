/* SPDX-License-Identifier: MIT
 *
 * The best few of many, without sorting the many.
 */
#ifndef ANALYTICS_TOP_H
#define ANALYTICS_TOP_H

#include <stddef.h>
#include <stdint.h>

struct top {
	void *list; /* room for `most` members of `size` bytes; they are sorted, the best first */
	size_t size;
	uint32_t most, count;
	int (*compare)(const void *a, const void *b); /* below 0: a is better */
};

void top_put(struct top *t, const void *member);

#endif
