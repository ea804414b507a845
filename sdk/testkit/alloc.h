/* SPDX-License-Identifier: MIT
 *
 * Whose memory is it? The kit takes the place of malloc and its family in the
 * test program, and notes every block that a thread allocates while it is
 * inside a plugin. Blocks of the test, the kit and Criterion are not noted.
 * In sanitizer builds nothing is replaced and nothing is counted.
 */
#ifndef MK_TESTKIT_ALLOC_H
#define MK_TESTKIT_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the calling thread is doing; owner 0 = nothing of a plugin. */
struct alloc_scope {
	uint32_t owner;
	const char *where; /* the callback, for the report */
};

struct alloc_block {
	void *data;
	size_t size;
	const void *caller; /* where the allocation function was called */
	const char *where;
	uint32_t owner;
};

bool alloc_counted(void); /* false in sanitizer builds */

/* Enter a scope and get the one before, which alloc_leave restores. */
struct alloc_scope alloc_enter(uint32_t owner, const char *where);
void alloc_leave(struct alloc_scope before);

/* The n-th allocation of `owner` from now on fails, once; 0 = off. */
void alloc_fail(uint32_t owner, uint32_t n);
bool alloc_failed(uint32_t owner);

/* If `owner` has blocks left: all blocks of the process, sorted by address, in
 * an array that the caller frees. Else 0 and NULL. */
size_t alloc_left(uint32_t owner, struct alloc_block **out);
/* They belong to nobody from now on. */
void alloc_forget(uint32_t owner);

#endif
