/* SPDX-License-Identifier: MIT
 *
 * Bytes as hex digits and back.
 */
#ifndef MC_HEX_H
#define MC_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Spaces, tabs and line ends are left out wherever they stand. False if the rest is not pairs of
 * hex digits or more than `cap` bytes; *len and what is in out are then undefined. */
bool mc_hex_decode(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len);

/* 2 * len digits and a NUL. Returns out. */
char *mc_hex_lower(const void *data, size_t len, char *out);
char *mc_hex_upper(const void *data, size_t len, char *out);

#endif
