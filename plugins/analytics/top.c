/* SPDX-License-Identifier: MIT */
#include "top.h"

#include <string.h>

void
top_put(struct top *t, const void *member)
{
	char *list = t->list;
	uint32_t low = 0, high = t->count;

	if (t->most == 0 || (t->count == t->most &&
			     t->compare(member, list + (size_t)(t->most - 1) * t->size) >= 0))
		return;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->compare(member, list + middle * t->size) < 0)
			high = middle;
		else
			low = middle + 1;
	}
	t->count += t->count < t->most;
	memmove(list + (low + 1) * t->size, list + low * t->size, (t->count - 1 - low) * t->size);
	memcpy(list + low * t->size, member, t->size);
}
