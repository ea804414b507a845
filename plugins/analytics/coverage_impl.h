/* SPDX-License-Identifier: MIT
 *
 * The state of coverage, for coverage.c, which keeps it, and coverage_answer.c, which shows it.
 */
#ifndef ANALYTICS_COVERAGE_IMPL_H
#define ANALYTICS_COVERAGE_IMPL_H

#include "coverage.h"

#define COVERAGE_NODE 0x80000000u /* `heard` is the id of a node and no token */

struct reception {
	int64_t at; /* Unix seconds */
	double lat, lon;
	float snr;
	uint32_t heard;  /* a token of two or three bytes, or COVERAGE_NODE | id */
	uint32_t client; /* id of the phone */
	bool has_snr;
};

struct coverage {
	struct frame *frame;
	struct reception *at; /* in the order of rows, from `begin` on */
	uint32_t begin, count, cap;
	int64_t last; /* row */
	char **names; /* by id of the phone */
	uint32_t name_cap;
	struct receptions *reading; /* or NULL */
	int64_t asked;              /* when */
	uint64_t refused;
};

/* Who was heard: the only relay that begins like the token, else the token itself. */
uint32_t coverage_heard(struct coverage *c, uint32_t heard);

extern const struct an_method coverage_methods[];

#endif
