/* SPDX-License-Identifier: MIT
 *
 * How the C library's heap is used by a process whose threads read databases, build messages of
 * megabytes and then keep little: what was freed has to be the system's again.
 */
#ifndef MK_HOST_HEAP_H
#define MK_HOST_HEAP_H

/* Before the first thread is started. MALLOC_... variables of the environment count for less. */
void heap_init(void);

/* Gives back what is free, every ten seconds at most, however many instances ask. [any thread] */
void heap_tend(void);

#endif
