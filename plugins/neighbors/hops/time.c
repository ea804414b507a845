/* SPDX-License-Identifier: MIT */
#include "time.h"

#include <stdio.h>
#include <string.h>

/* Days since 1970 of a date of the Gregorian calendar; March is the first month of this reckoning,
 * so that the day that is not always there comes last. */
static int64_t
time_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
time_digits(const char **p, const char *end, int count, int64_t *out)
{
	int64_t v = 0;

	for (int i = 0; i < count; i++, (*p)++) {
		if (*p >= end || **p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	return true;
}

static bool
time_mark(const char **p, const char *end, const char *marks)
{
	return *p < end && strchr(marks, **p) != NULL && *(*p)++ != '\0';
}

static bool
time_zone(const char **p, const char *end, int64_t *offset)
{
	int64_t hours, minutes;
	bool west;

	*offset = 0;
	if (*p == end || (time_mark(p, end, "Zz") && *p == end))
		return true;
	west = *p < end && **p == '-';
	if (!time_mark(p, end, "+-") || !time_digits(p, end, 2, &hours) ||
	    !time_mark(p, end, ":") || !time_digits(p, end, 2, &minutes) || hours > 23 ||
	    minutes > 59 || *p != end)
		return false;
	*offset = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

bool
hops_time_read(const char *text, size_t len, int64_t *seconds)
{
	const char *p = text, *end = text + len;
	int64_t year, month, day, hour, minute, second, offset;

	if (!time_digits(&p, end, 4, &year) || !time_mark(&p, end, "-") ||
	    !time_digits(&p, end, 2, &month) || !time_mark(&p, end, "-") ||
	    !time_digits(&p, end, 2, &day) || !time_mark(&p, end, "Tt ") ||
	    !time_digits(&p, end, 2, &hour) || !time_mark(&p, end, ":") ||
	    !time_digits(&p, end, 2, &minute) || !time_mark(&p, end, ":") ||
	    !time_digits(&p, end, 2, &second))
		return false;
	if (time_mark(&p, end, ".")) {
		while (p < end && *p >= '0' && *p <= '9')
			p++;
	}
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
	    second > 60 || !time_zone(&p, end, &offset))
		return false;
	*seconds =
	    time_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
	return true;
}

void
hops_time_write(int64_t seconds, char out[HOPS_TIME_TEXT])
{
	int64_t days = seconds / 86400, rest = seconds % 86400, era, y, m;
	unsigned year, month, day;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	days -= era * 146097;
	y = (days - days / 1460 + days / 36524 - days / 146096) / 365;
	days -= 365 * y + y / 4 - y / 100;
	m = (5 * days + 2) / 153;
	day = (unsigned)(days - (153 * m + 2) / 5 + 1) % 32;
	month = (unsigned)(m < 10 ? m + 3 : m - 9) % 13;
	year = (unsigned)(y + era * 400 + (month <= 2)) % 10000;
	snprintf(out, HOPS_TIME_TEXT, "%04u-%02u-%02uT%02u:%02u:%02uZ", year, month, day,
		 (unsigned)(rest / 3600) % 24, (unsigned)(rest / 60 % 60), (unsigned)(rest % 60));
}
