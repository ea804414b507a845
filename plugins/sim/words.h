/* SPDX-License-Identifier: MIT
 *
 * What people call their radios and what they write.
 */
#ifndef SIM_WORDS_H
#define SIM_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "dice.h"

/* A name for a node of this role in this town, at most `max` bytes and NUL. From `number` on names
 * repeat, so that it becomes part of them. */
void words_name(struct dice *d, uint8_t role, const char *town, uint32_t number, char *out,
		size_t max);
/* One message, at most `max` bytes and NUL. `place` may be mentioned in it. */
void words_text(struct dice *d, const char *place, char *out, size_t max);
/* Airtime, weather and the like, as machines write it. */
void words_report(struct dice *d, const char *place, char *out, size_t max);

#endif
