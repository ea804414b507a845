/* SPDX-License-Identifier: MIT
 *
 * The state of the clocks, for skew.c, which keeps it, and skew_answer.c, which shows it.
 */
#ifndef ANALYTICS_SKEW_IMPL_H
#define ANALYTICS_SKEW_IMPL_H

#include "skew.h"

struct sample { /* six bytes: there are hundreds of thousands of them */
	uint16_t observer;
	uint16_t after_low; /* seconds since `first` of the advert: the lowest bits, and the rest */
	int16_t after_high;
};

struct advert {
	struct advert *older; /* of the same node */
	struct sample *samples;
	uint32_t slot;          /* of the packet */
	uint32_t claim;         /* what it says */
	uint32_t first, latest; /* samples */
	int32_t halves;         /* median of the samples' seconds, times two */
	uint16_t count, cap;
};

static inline int32_t
sample_after(const struct sample *s)
{
	return s->after_high * 65536 + s->after_low;
}

struct person {
	struct advert *newest;
	uint32_t count; /* adverts with samples */
	bool stale;
	uint64_t samples, sure; /* of all adverts; of calibrated observers */
	struct clock_verdict verdict;
};

/* How far the receptions of an observer lie behind the middle of all, in half seconds: exact, and
 * small, because there are few different values. */
struct deviation {
	int32_t halves;
	uint32_t count;
};

struct calibration {
	struct deviation *at; /* by halves */
	uint32_t count, cap;
	uint64_t samples;
	double offset; /* the one in use */
	bool is;       /* there is one */
};

struct skew {
	struct frame *frame;
	struct person *people; /* by id */
	uint32_t people_cap;
	struct calibration *observers; /* by place */
	uint32_t observer_cap;
	struct clock_point *points; /* for judging */
	double *values;
	int32_t *afters;
	uint32_t point_cap, value_cap, after_cap;
	size_t bytes;
	uint64_t lost; /* to a lack of memory */
};

/* Never NULL. */
const struct calibration *skew_calibration(const struct skew *s, uint16_t observer);
double skew_raw(const struct advert *a, const struct sample *sample);
/* The median over its observers, each corrected. */
double skew_of_advert(struct skew *s, const struct advert *a);
/* The adverts of a node as points in the order of time, in s->points. */
uint32_t skew_points(struct skew *s, const struct person *person);
/* With a verdict that is up to date; NULL: nothing is known of the clock. */
struct person *skew_person(struct skew *s, uint32_t id);

extern const struct an_method skew_methods[];

#endif
