/* SPDX-License-Identifier: MIT
 *
 * The only place that asks the system for the time. [any thread]
 */
#ifndef MK_HOST_CLOCK_H
#define MK_HOST_CLOCK_H

#include <stdint.h>

uint64_t clock_now_us(void);  /* monotonic */
uint64_t clock_wall_us(void); /* since 1970, may jump */
uint64_t clock_cpu_us(void);  /* what this process has used */

#endif
