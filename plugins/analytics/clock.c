/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define AGREE_S 300.0   /* bad ones that lie closer together are one wrong setting */
#define NONE_BELOW 0.10 /* of good ones */
#define BIMODAL_BELOW 0.80
#define DRIFT_COUNT 5u /* points */
#define DRIFT_SPAN_S 3600
#define DRIFT_JUMP_S 60.0
#define DRIFT_MAX 86400.0

const char *
clock_severity_text(enum clock_severity severity)
{
	static const char *const texts[] = {
#define CLOCK_TEXT(name, text) text,
		CLOCK_MAP(CLOCK_TEXT)
#undef CLOCK_TEXT
	};

	return texts[severity];
}

static int
clock_compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return a < b ? -1 : a > b;
}

double
clock_median(double *values, size_t count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof(*values), clock_compare);
	return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

enum clock_severity
clock_class(double skew)
{
	double off = fabs(skew);

	if (off < 300)
		return CLOCK_OK;
	if (off < 3600)
		return CLOCK_WARNING;
	if (off < 2592000)
		return CLOCK_CRITICAL;
	return off < 31536000 ? CLOCK_ABSURD : CLOCK_NONE;
}

uint32_t
clock_recent(const struct clock_point *points, uint32_t count)
{
	uint32_t recent = 0;

	while (recent < count && recent < CLOCK_RECENT &&
	       points[count - 1].at - points[count - 1 - recent].at <= CLOCK_RECENT_S)
		recent++;
	return recent;
}

/* ---------------------------------------------------------------- drift -- */

/* The median of the slopes between any two, in seconds a second. */
static double
clock_slope(const struct clock_point *points, uint32_t count)
{
	double *slopes = calloc((size_t)count * count / 2 + 1, sizeof(*slopes));
	size_t n = 0;
	double slope;

	if (slopes == NULL)
		return 0;
	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = i + 1; j < count; j++) {
			int64_t span = points[j].at - points[i].at;

			if (span > 0)
				slopes[n++] = (points[j].skew - points[i].skew) / (double)span;
		}
	}
	slope = clock_median(slopes, n);
	free(slopes);
	return slope;
}

double
clock_drift(const struct clock_point *points, uint32_t count)
{
	struct clock_point *kept;
	uint32_t n = 1, skip;
	double drift;

	if (count < 2 || points[count - 1].at - points[0].at < DRIFT_SPAN_S)
		return 0;
	kept = calloc(count, sizeof(*kept));
	if (kept == NULL)
		return 0;
	/* A clock that was set makes a jump, which is no drift. */
	kept[0] = points[0];
	for (uint32_t i = 1; i < count; i++) {
		if (fabs(points[i].skew - kept[n - 1].skew) <= DRIFT_JUMP_S)
			kept[n++] = points[i];
	}
	if (n < 2 || kept[n - 1].at - kept[0].at < DRIFT_SPAN_S) {
		for (n = 0; n < count; n++)
			kept[n] = points[n];
	}
	skip = n > CLOCK_DRIFT_POINTS ? n - CLOCK_DRIFT_POINTS : 0;
	drift = clock_slope(kept + skip, n - skip) * 86400;
	free(kept);
	return fabs(drift) > DRIFT_MAX ? 0 : drift;
}

/* -------------------------------------------------------------- verdict -- */

/* Somebody set it wrong, to local time for example, if the newest adverts agree about how much. They
 * may be far apart: most nodes advert twice a day. */
static bool
clock_is_set_wrong(const struct clock_point *points, uint32_t count, double *skew)
{
	double values[CLOCK_RECENT];
	uint32_t n = 0, agree = 0;

	for (uint32_t i = 0; i < count && i < CLOCK_RECENT; i++) {
		if (fabs(points[count - 1 - i].skew) <= CLOCK_DAY)
			values[n++] = points[count - 1 - i].skew;
	}
	*skew = clock_median(values, n);
	for (uint32_t i = 0; i < n; i++)
		agree += fabs(values[i] - *skew) <= AGREE_S;
	return n >= 2 && fabs(*skew) > CLOCK_HOUR && agree >= BIMODAL_BELOW * n;
}

static void
clock_decide(struct clock_verdict *v, const struct clock_point *points, uint32_t count,
	     double *good, uint32_t good_count)
{
	double skew, all[CLOCK_RECENT];
	uint32_t recent = clock_recent(points, count);

	for (uint32_t i = 0; i < recent; i++)
		all[i] = points[count - recent + i].skew;
	/* Of good ones; if there are none, of what there is. */
	v->recent = good_count > 0 ? clock_median(good, good_count) : clock_median(all, recent);
	if (v->good < NONE_BELOW) {
		v->severity = CLOCK_NONE;
		if (v->considered > 0 && clock_is_set_wrong(points, count, &skew)) {
			v->recent = skew;
			v->severity = clock_class(skew);
		}
	} else if (v->good < BIMODAL_BELOW && v->bad > 0) {
		v->severity = CLOCK_BIMODAL;
	} else {
		v->severity = clock_class(v->recent);
	}
}

struct clock_verdict
clock_judge(const struct clock_point *points, uint32_t count)
{
	struct clock_verdict v = { .last = points[count - 1].skew };
	uint32_t recent = clock_recent(points, count), good_count = 0;
	double *all = calloc(count, sizeof(*all)), good[CLOCK_RECENT];

	for (uint32_t i = 0; i < count; i++) {
		v.mean += points[i].skew / count;
		if (all != NULL)
			all[i] = points[i].skew;
	}
	v.median = all != NULL ? clock_median(all, count) : v.mean;
	free(all);
	for (uint32_t i = count - recent; i < count; i++) {
		double off = fabs(points[i].skew);

		if (off > CLOCK_DAY)
			continue;
		v.considered++;
		if (off <= CLOCK_HOUR)
			good[good_count++] = points[i].skew;
	}
	v.bad = v.considered - good_count;
	v.good = v.considered > 0 ? (double)good_count / v.considered : 0;
	clock_decide(&v, points, count, good, good_count);
	if (v.severity != CLOCK_NONE && v.severity != CLOCK_BIMODAL && count >= DRIFT_COUNT)
		v.drift = clock_drift(points, count);
	return v;
}
