/* SPDX-License-Identifier: MIT
 *
 * Names, inside of the frame.
 */
#ifndef ANALYTICS_NAMES_H
#define ANALYTICS_NAMES_H

#include "frame.h"

void names_free(struct names *n);
/* The place of an observer, made if need be; AN_NO_OBSERVER: it has no id, or there are too many. */
uint16_t names_observer(struct frame *f, const char *id, size_t len);

#endif
