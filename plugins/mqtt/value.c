/* SPDX-License-Identifier: MIT
 *
 * Numbers, times and bytes as observers write them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <meshcore/hex.h>

#include "value.h"

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * (int64_t)HOUR)

#define SKEW_LEAST (15 * MINUTE) /* of a clock without a zone; less is what networks do */
#define AHEAD_MOST (14 * HOUR)   /* the zone that is furthest ahead, taken for UTC */
#define BEHIND_MOST (30 * DAY)

#define INTEGER_MOST 9007199254740992.0 /* 2^53: a double has no gaps below */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
trim(const char **s, size_t *len)
{
	while (*len > 0 && is_space(**s)) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && is_space((*s)[*len - 1]))
		(*len)--;
}

static bool
number_from_text(const char *s, size_t len, double *out)
{
	static const char *const units[] = { "dBm", "dB", "mW", "km", "mi", "m" };
	char buf[64], *end;
	double v;

	trim(&s, &len);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t n = strlen(units[i]);

		if (len >= n && strncasecmp(s + len - n, units[i], n) == 0) {
			len -= n;
			break;
		}
	}
	trim(&s, &len);
	/* strtod would take "inf", "nan" and hexadecimal, too. */
	if (len == 0 || len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	if (strspn(buf, "0123456789+-.eE") != len)
		return false;
	v = strtod(buf, &end);
	if (*end != '\0' || !isfinite(v))
		return false;
	*out = v;
	return true;
}

bool
value_number(const json_t *v, double *out)
{
	if (json_is_number(v) && isfinite(json_number_value(v))) {
		*out = json_number_value(v);
		return true;
	}
	return json_is_string(v) &&
	       number_from_text(json_string_value(v), json_string_length(v), out);
}

bool
value_integer(const json_t *v, int64_t *out)
{
	double d;

	if (!value_number(v, &d) || fabs(d) > INTEGER_MOST)
		return false;
	*out = (int64_t)round(d);
	return true;
}

static bool
switch_from_text(const char *s, size_t len, bool *out)
{
	static const char *const words[] = { "off", "false", "0", "no", "on", "true", "1", "yes" };

	trim(&s, &len);
	for (size_t i = 0; i < 8; i++) {
		if (len == strlen(words[i]) && strncasecmp(s, words[i], len) == 0) {
			*out = i >= 4;
			return true;
		}
	}
	return false;
}

bool
value_switch(const json_t *v, bool *out)
{
	if (json_is_boolean(v))
		*out = json_is_true(v);
	else if (json_is_number(v))
		*out = json_number_value(v) != 0.0;
	else
		return json_is_string(v) &&
		       switch_from_text(json_string_value(v), json_string_length(v), out);
	return true;
}

/* ----------------------------------------------------------------- time -- */

struct cursor {
	const char *at, *end;
};

/* Exactly `digits` digits, from low to high, then the character `next` unless that is NUL. */
static bool
take(struct cursor *c, uint32_t digits, int low, int high, char next, int *out)
{
	int v = 0;

	if (c->end - c->at < (ptrdiff_t)digits + (next != '\0'))
		return false;
	for (uint32_t i = 0; i < digits; i++, c->at++) {
		if (*c->at < '0' || *c->at > '9')
			return false;
		v = v * 10 + (*c->at - '0');
	}
	if (v < low || v > high || (next != '\0' && *c->at++ != next))
		return false;
	*out = v;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 in the Gregorian calendar, the year beginning in March. */
static int64_t
days_since_epoch(int year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* YYYY-MM-DDTHH:MM:SS[.fraction], then Z, +HH:MM, -HH:MM or nothing. */
static bool
time_from_text(const char *s, size_t len, int64_t *seconds, bool *has_zone)
{
	struct cursor c = { s, s + len };
	int year, month, day, hour, minute, second, zone_hour = 0, zone_minute = 0, sign = 1;

	if (!take(&c, 4, 0, 9999, '-', &year) || !take(&c, 2, 1, 12, '-', &month) ||
	    !take(&c, 2, 1, 31, 'T', &day) || !take(&c, 2, 0, 23, ':', &hour) ||
	    !take(&c, 2, 0, 59, ':', &minute) || !take(&c, 2, 0, 59, '\0', &second) ||
	    day > days_in_month(year, month))
		return false;
	if (c.at < c.end && *c.at == '.') {
		const char *first = ++c.at;

		while (c.at < c.end && *c.at >= '0' && *c.at <= '9')
			c.at++;
		if (c.at == first)
			return false;
	}
	*has_zone = c.at < c.end;
	if (*has_zone && *c.at == 'Z') {
		c.at++;
	} else if (*has_zone) {
		if (*c.at != '+' && *c.at != '-')
			return false;
		sign = *c.at++ == '-' ? -1 : 1;
		if (!take(&c, 2, 0, 24, ':', &zone_hour) || !take(&c, 2, 0, 59, '\0', &zone_minute))
			return false;
	}
	*seconds = days_since_epoch(year, month, day) * DAY + hour * HOUR + minute * MINUTE +
		   second - sign * (zone_hour * HOUR + zone_minute * MINUTE);
	return c.at == c.end;
}

struct value_time
value_time(const char *text, size_t len, uint64_t now_us)
{
	int64_t now = (int64_t)(now_us / 1000000), seconds;
	struct value_time t = { .seconds = now };
	bool has_zone;

	if (text == NULL || !time_from_text(text, len, &seconds, &has_zone) ||
	    seconds - now > AHEAD_MOST || now - seconds > BEHIND_MOST)
		return t;
	if (!has_zone && (seconds - now > SKEW_LEAST || now - seconds > SKEW_LEAST)) {
		t.is_skewed = true;
		t.skew = seconds - now;
	} else if (seconds < now) {
		t.seconds = seconds;
	}
	return t;
}

/* ---------------------------------------------------------------- bytes -- */

size_t
value_hex(const char *text, size_t len, uint8_t *out, size_t cap)
{
	size_t bytes = 0;

	return mc_hex_decode(text, len, out, cap, &bytes) ? bytes : 0;
}

size_t
value_clean(const char *text, size_t len, char *out, size_t cap)
{
	size_t n = 0, i;

	for (i = 0; i < len && n + 1 < cap; i++) {
		unsigned char c = (unsigned char)text[i];
		bool c1 = c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0;

		out[n++] = c < ' ' || c == 0x7f || c1 ? '?' : (char)c;
		i += c1;
	}
	/* Cut inside of a character: go back to its first byte, and leave that out as well. */
	if (i < len && ((unsigned char)text[i] & 0xc0) == 0x80) {
		while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80)
			n--;
		n -= n > 0;
	}
	out[n] = '\0';
	return n;
}
