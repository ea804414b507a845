/* SPDX-License-Identifier: MIT
 *
 * Memory that is freed all at once: for trees and tables whose parts live
 * equally long. A zeroed mk_arena is an empty one. One thread at a time.
 */
#ifndef MK_SDK_ARENA_H
#define MK_SDK_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mk_arena {
	struct mk_arena_block *blocks;
	char *next; /* free part of the first block */
	size_t left;
} mk_arena;

/* Zeroed and aligned for anything; NULL: no memory. [any] */
void *mk_arena_alloc(mk_arena *a, size_t size);
/* `count` members of `size` bytes; NULL also if the product overflows. [any] */
void *mk_arena_array(mk_arena *a, size_t count, size_t size);
/* `len` bytes of text and a NUL. [any] */
char *mk_arena_dup(mk_arena *a, const char *text, size_t len);
char *mk_arena_printf(mk_arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *mk_arena_vprintf(mk_arena *a, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
/* `path` as seen from the absolute `folder`: absolute, without "." parts and without a slash at the
 * end. [any] */
char *mk_arena_path(mk_arena *a, const char *folder, const char *path);
/* Frees everything; the arena is empty and may be used again. [any] */
void mk_arena_fini(mk_arena *a);

#ifdef __cplusplus
}
#endif
#endif
