/* SPDX-License-Identifier: MIT
 *
 * The only place that asks the system for the time. [any thread]
 */
#ifndef MK_HOST_CLOCK_H
#define MK_HOST_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t clock_now_us(void);  /* monotonic */
uint64_t clock_wall_us(void); /* since 1970, may jump */
uint64_t clock_cpu_us(void);  /* what this process has used */
uint64_t clock_read_us(clockid_t id);

#endif
