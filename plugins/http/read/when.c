/* SPDX-License-Identifier: MIT */
#include "when.h"

#include <string.h>

#define DAY_S 86400

static void
when_put(char *out, int64_t v, int digits)
{
	for (int i = digits - 1; i >= 0; i--, v /= 10)
		out[i] = (char)('0' + v % 10);
}

/* Years begin in March here, so that the leap day is their last. */
static void
when_date(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era, y, of_year, m;

	of_era = z - era * 146097;
	y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * y + y / 4 - y / 100);
	m = (5 * of_year + 2) / 153;
	*day = of_year - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = y + era * 400 + (*month <= 2);
}

static int64_t
when_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void
when_text(int64_t seconds, const char *end, char out[WHEN_TEXT])
{
	int64_t days = seconds / DAY_S, rest = seconds % DAY_S, year, month, day;
	size_t len = strlen(end);

	if (rest < 0) {
		rest += DAY_S;
		days--;
	}
	out[0] = '\0';
	if (days < -719528 || days > 2932896 || len > WHEN_TEXT - 20)
		return;
	when_date(days, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00", 19);
	when_put(out, year, 4);
	when_put(out + 5, month, 2);
	when_put(out + 8, day, 2);
	when_put(out + 11, rest / 3600, 2);
	when_put(out + 14, rest / 60 % 60, 2);
	when_put(out + 17, rest % 60, 2);
	memcpy(out + 19, end, len + 1);
}

static bool
when_number(const char **p, int digits, int64_t *out)
{
	int64_t v = 0;

	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (**p - '0');
	}
	*out = v;
	return true;
}

static bool
when_char(const char **p, const char *any)
{
	if (**p == '\0' || strchr(any, **p) == NULL)
		return false;
	(*p)++;
	return true;
}

/* What follows the seconds: a fraction, then nothing, Z or an offset. */
static bool
when_tail(const char *p, int64_t *offset, uint32_t *ms)
{
	int64_t hours, minutes;
	uint32_t scale = 100;

	*offset = 0;
	*ms = 0;
	if (when_char(&p, ".,"))
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			*ms += (uint32_t)(*p - '0') * scale;
	if (*p == '+' || *p == '-') {
		int sign = *p++ == '-' ? -1 : 1;

		if (!when_number(&p, 2, &hours) || !when_char(&p, ":") ||
		    !when_number(&p, 2, &minutes))
			return false;
		*offset = sign * (hours * 3600 + minutes * 60);
		return *p == '\0';
	}
	return *p == '\0' || (*p == 'Z' && p[1] == '\0');
}

bool
when_parse(const char *text, int64_t *seconds, uint32_t *ms)
{
	int64_t year, month, day, hour, minute, second, offset;
	uint32_t fraction;

	if (text == NULL || !when_number(&text, 4, &year) || !when_char(&text, "-") ||
	    !when_number(&text, 2, &month) || !when_char(&text, "-") ||
	    !when_number(&text, 2, &day) || !when_char(&text, "T t") ||
	    !when_number(&text, 2, &hour) || !when_char(&text, ":") ||
	    !when_number(&text, 2, &minute) || !when_char(&text, ":") ||
	    !when_number(&text, 2, &second) || !when_tail(text, &offset, &fraction))
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
	    second > 60)
		return false;
	*seconds =
	    when_days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset;
	if (ms != NULL)
		*ms = fraction;
	return true;
}
