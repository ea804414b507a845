/* SPDX-License-Identifier: MIT */
#include "grow.h"

#include <stdlib.h>
#include <string.h>

#define LARGE 65536u /* bytes */

/* malloc gives multiples of 16 bytes and keeps 8 of them; what is left over is of use, too. */
size_t
grow_room(size_t bytes)
{
	return bytes == 0 ? 0 : bytes <= 24 ? 24 : (bytes + 8 + 15) / 16 * 16 - 8;
}

bool
grow_to(void *at, uint32_t *cap, uint32_t need, size_t size)
{
	uint64_t more = (uint64_t)*cap + *cap / (*cap * size < LARGE ? 4 : 8);
	void *old, *grown;

	if (need <= *cap)
		return true;
	more = grow_room((more < need ? need : more) * size) / size;
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
