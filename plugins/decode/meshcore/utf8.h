/* SPDX-License-Identifier: MIT
 *
 * Strict UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#ifndef MC_UTF8_H
#define MC_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define MC_UTF8_REPLACEMENT 0xFFFDu

/* The first character of s: its bytes, and its code point in *c. 0 if there is none. */
size_t mc_utf8_next(const uint8_t *s, size_t len, uint32_t *c);
/* Writes 1 to 4 bytes; c must be a code point. */
size_t mc_utf8_put(uint32_t c, uint8_t *out);
/* The longest part of s up to `max` bytes that does not end within a character. */
size_t mc_utf8_cut(const uint8_t *s, size_t len, size_t max);

#endif
