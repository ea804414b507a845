/* SPDX-License-Identifier: MIT
 *
 * Damaged copies: packets that are other ones with wrong bits, because a relay sent on what it had
 * received wrongly, or had kept wrongly. They are found among the packets of the last minutes, linked
 * to the packet they are copies of, and kept out of all other counts.
 */
#ifndef ANALYTICS_COPIES_H
#define ANALYTICS_COPIES_H

#include "frame.h"

#define COPIES_WINDOW_S 120 /* a copy comes so soon before or after its original */
#define COPIES_RECENT 2048u /* packets that are compared */
#define COPIES_MAX 16384u   /* that are remembered */

extern const struct an_module copies_module;

/* The transmission that this one is a damaged copy of; 0: it is none. */
uint64_t copies_original(const struct frame *f, uint64_t tx);

#endif
