/* SPDX-License-Identifier: MIT
 *
 * What each observer received: how much and of what by the hour, how well, and how many different
 * nodes it came to know of.
 */
#ifndef ANALYTICS_OBSERVING_H
#define ANALYTICS_OBSERVING_H

#include "frame.h"

extern const struct an_module observing_module;

/* The lower bound of the bin of 2 dB that a signal in quarters of a dB falls into. */
int observing_bin(int quarters);

#endif
