/* SPDX-License-Identifier: MIT
 *
 * The content hash: the same for every copy of a packet, whichever way it came.
 */
#ifndef MC_HASH_H
#define MC_HASH_H

#include "frame.h"

#define MC_HASH_SIZE 8u
#define MC_HASH_TEXT 17u /* 16 lower-case digits and NUL */

void mc_hash(const struct mc_frame *f, uint8_t out[MC_HASH_SIZE]);
/* Of anything else that is to look like one: the first bytes of its SHA-256. */
void mc_hash_text(const void *data, size_t len, char out[MC_HASH_TEXT]);
/* Of a row that is stored already, by its column raw_hex, by the lenient rules under which such
 * rows were made: what is no packet has its first 16 characters as hash. */
void mc_hash_stored(const char *raw_hex, char out[MC_HASH_TEXT]);

#endif
