/* SPDX-License-Identifier: MIT
 *
 * What the adverts of a node say about its clock: how far it is off, how fast it drifts, and whether
 * there is one at all. Pure arithmetic.
 */
#ifndef ANALYTICS_CLOCK_H
#define ANALYTICS_CLOCK_H

#include <stdint.h>
#include <stddef.h>

#define CLOCK_RECENT 5u     /* so many of the newest adverts decide */
#define CLOCK_RECENT_S 3600 /* if they are not older than that before the newest */
#define CLOCK_HOUR 3600.0   /* more is bad */
#define CLOCK_DAY 86400.0   /* more is no clock but one that starts somewhere at each boot */
#define CLOCK_DRIFT_POINTS 200u

#define CLOCK_MAP(X)                  \
	X(CLOCK_OK, "ok")             \
	X(CLOCK_WARNING, "warning")   \
	X(CLOCK_CRITICAL, "critical") \
	X(CLOCK_ABSURD, "absurd")     \
	X(CLOCK_NONE, "no_clock")     \
	X(CLOCK_BIMODAL, "bimodal_clock")

enum clock_severity {
#define CLOCK_ENUM(name, text) name,
	CLOCK_MAP(CLOCK_ENUM)
#undef CLOCK_ENUM
};
const char *clock_severity_text(enum clock_severity severity);

struct clock_point {
	int64_t at;  /* Unix seconds */
	double skew; /* seconds, positive: the clock is ahead */
};

struct clock_verdict {
	double mean, median, last,
	    recent;               /* of all; of all; the newest; of the recent good ones, if any */
	double drift;             /* seconds a day */
	double good;              /* share of the recent ones */
	uint32_t bad, considered; /* of the recent ones, without resets */
	enum clock_severity severity;
};

/* The mean of the two in the middle for an even count; 0 of nothing. Changes the order. */
double clock_median(double *values, size_t count);
/* The class of an offset that is certain. */
enum clock_severity clock_class(double skew);
/* How many of the newest points decide. They are in the order of time, as in all of the following. */
uint32_t clock_recent(const struct clock_point *points, uint32_t count);
/* The median of slopes of the newest points that hang together, in seconds a day. 0: not known. */
double clock_drift(const struct clock_point *points, uint32_t count);
/* count > 0. */
struct clock_verdict clock_judge(const struct clock_point *points, uint32_t count);

#endif
