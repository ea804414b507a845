/* SPDX-License-Identifier: MIT
 *
 * How long a packet is on the air.
 */
#ifndef ANALYTICS_AIRTIME_H
#define ANALYTICS_AIRTIME_H

#include "frame.h"

/* Nanoseconds of a packet of so many bytes, with explicit header and CRC; 0 if that makes no sense. */
int64_t airtime_ns(const struct lora *lora, int bytes);

#endif
