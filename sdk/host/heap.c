/* SPDX-License-Identifier: MIT */
#include "heap.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>

#include "clock.h"

#define TEND_US 10000000u

#define ARENAS 2 /* each keeps what was freed in it from the others; threads have caches anyway */
#define LARGE (1 << 20) /* less, and the messages of a busy bus would be mapped one by one */

void
heap_init(void)
{
	(void)mallopt(M_ARENA_MAX, ARENAS);
	/* Set at all, these stay: by itself the threshold grows with the largest block ever freed,
	 * up to 32 MiB, and from then on large blocks leave holes that are not given back. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * LARGE);
}

void
heap_tend(void)
{
	static _Atomic uint64_t tended_us;
	uint64_t now_us = clock_now_us(), last_us = atomic_load(&tended_us);

	if (now_us - last_us >= TEND_US &&
	    atomic_compare_exchange_strong(&tended_us, &last_us, now_us))
		(void)malloc_trim(0);
}
