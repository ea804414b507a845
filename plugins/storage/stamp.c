/* SPDX-License-Identifier: MIT */
#include "stamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

const char *
stamp_text(struct stamp *s, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (s->text[0] != '\0' && s->seconds == seconds)
		return s->text;
	s->seconds = seconds;
	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(s->text, sizeof(s->text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		memcpy(s->text, "1970-01-01T00:00:00Z", 21);
	return s->text;
}

/* Days since 1970 of a date in the Gregorian calendar; years begin in March, so that the leap day
 * is their last. */
static int64_t
stamp_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = y / 400, of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool
stamp_parse(const char *text, int64_t *seconds)
{
	unsigned year, month, day, hour, minute, second;
	char gap;

	if (text == NULL || sscanf(text, "%4u-%2u-%2u%c%2u:%2u:%2u", &year, &month, &day, &gap,
				   &hour, &minute, &second) != 7)
		return false;
	if ((gap != 'T' && gap != ' ') || month < 1 || month > 12 || day < 1 || day > 31 ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	*seconds = stamp_days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}
