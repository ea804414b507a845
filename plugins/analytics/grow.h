/* SPDX-License-Identifier: MIT
 *
 * Arrays that grow.
 */
#ifndef ANALYTICS_GROW_H
#define ANALYTICS_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for `need` elements of `size` bytes behind *at, a pointer to any type; the new ones are
 * zeroed. False: out of memory, nothing has changed. */
bool grow_to(void *at, uint32_t *cap, uint32_t need, size_t size);

/* What a block of so many bytes takes of the heap, without what the heap keeps of it for itself. */
size_t grow_room(size_t bytes);

#endif
