/* SPDX-License-Identifier: MIT
 *
 * Keys of channels as JSON: {"name": "hex digits", ...}.
 */
#ifndef MC_KEYS_FILE_H
#define MC_KEYS_FILE_H

#include "keys.h"

#define MC_KEYS_FILE_MAX (1u << 20) /* bytes */

/* Adds what is in the text to the ring. An entry that is no key is skipped, and *skipped counts it.
 * False: the text is no such map, or memory is out, and `why` says so; the ring may then have a
 * part of it. */
bool mc_keys_parse(struct mc_keys *ring, const char *text, size_t len, uint32_t *skipped, char *why,
		   size_t why_len);

#endif
