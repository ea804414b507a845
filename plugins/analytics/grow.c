/* SPDX-License-Identifier: MIT */
#include "grow.h"

#include <stdlib.h>
#include <string.h>

bool
grow_to(void *at, uint32_t *cap, uint32_t need, size_t size)
{
	uint64_t more = *cap < 8 ? 8 : *cap;
	void *old, *grown;

	if (need <= *cap)
		return true;
	while (more < need)
		more += more / 2;
	if (more > UINT32_MAX)
		return false;
	memcpy(&old, at, sizeof(old));
	grown = realloc(old, (size_t)more * size);
	if (grown == NULL)
		return false;
	memset((char *)grown + *cap * size, 0, (size_t)(more - *cap) * size);
	memcpy(at, &grown, sizeof(grown));
	*cap = (uint32_t)more;
	return true;
}
