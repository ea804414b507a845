/* SPDX-License-Identifier: MIT
 *
 * How long answers take, by route: counters that all threads add to without waiting for each other,
 * and the slow ones by themselves. Templates of paths only, never what was asked for.
 */
#ifndef MK_HTTP_PERF_H
#define MK_HTTP_PERF_H

#include <stdint.h>

#include "route.h"

#define PERF_SLOW_US 100000u
#define PERF_SLOW 50u /* so many of the last slow ones are kept */

struct perf;

struct perf_route {
	uint64_t count;
	double avg_ms, p50_ms, p95_ms, max_ms; /* percentiles of the last 100 */
};

struct perf_slow {
	const char *path;
	double ms;
	uint64_t at_s; /* Unix time */
	unsigned status;
};

struct perf *perf_new(const struct router *router); /* NULL: out of memory */
void perf_free(struct perf *p);                     /* takes NULL */
/* `route`: its number in the router; UINT32_MAX: a page, or nothing. */
void perf_note(struct perf *p, uint32_t route, uint64_t us, unsigned status, uint64_t wall_us);
void perf_reset(struct perf *p);
void perf_get(const struct perf *p, uint32_t route, struct perf_route *out);
/* Of all answers. */
void perf_total(const struct perf *p, struct perf_route *out);
/* The newest first; how many there are. */
uint32_t perf_slow(struct perf *p, struct perf_slow *out, uint32_t max);
uint64_t perf_slow_count(const struct perf *p);

#endif
