/* SPDX-License-Identifier: MIT
 *
 * JSON before it is parsed. Pure functions.
 */
#ifndef MK_MQTT_MEND_H
#define MK_MQTT_MEND_H

#include <stddef.h>
#include <stdint.h>

/* Nesting of maps and arrays, without parsing: the parser recurses. */
uint32_t mend_depth(const char *s, size_t len);
/* A copy in which every byte that is no UTF-8, and every half of a surrogate pair, is U+FFFD.
 * [owned], three times as long at most; NULL: no memory. */
char *mend_json(const char *s, size_t len, size_t *out_len);

#endif
