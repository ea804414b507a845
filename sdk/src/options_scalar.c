/* SPDX-License-Identifier: MIT
 *
 * One scalar: from text to a number with a unit, within its range, and back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options_impl.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: the first that divides a number gives its shortest form. */
static const struct unit durations[] = {
	{ "d", 86400000000 }, { "h", 3600000000 }, { "m", 60000000 }, { "s", 1000000 },
	{ "ms", 1000 },       { "us", 1 },         { "µs", 1 },       { "μs", 1 },
};
static const struct unit sizes[] = {
	{ "GiB", 1 << 30 }, { "GB", 1000000000 }, { "MiB", 1 << 20 }, { "MB", 1000000 },
	{ "KiB", 1 << 10 }, { "KB", 1000 },       { "B", 1 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What a scanner says instead of "expected ..., found ...". */
#define NOT_MINE ((const char *)NULL)
static const char scan_ok[] = "";
static const char scan_too_large[] = "is too large";

bool
opt_is_list(const mk_option *o)
{
	return o->type == MK_OPT_LIST || o->type == MK_OPT_GROUPS;
}

int64_t
opt_max_entries(const mk_option *o)
{
	return o->max != 0 ? o->max : OPT_ENTRIES_MAX;
}

bool
opt_has_min(const mk_option *o)
{
	return o->min != 0 || o->max != 0;
}

bool
opt_has_max(const mk_option *o)
{
	return o->max != 0 || o->min < 0;
}

void
opt_append(char *list, size_t cap, const char *word)
{
	size_t len = strlen(list);
	size_t need = strlen(word) + 2;

	if (len >= 3 && strcmp(list + len - 3, "...") == 0)
		return;
	if (need + sizeof(", ...") > cap - len)
		word = "...";
	(void)snprintf(list + len, cap - len, "%s%s", len > 0 ? ", " : "", word);
}

void
opt_expected(const mk_option *o, char *out, size_t cap)
{
	static const char *const words[] = {
		[MK_OPT_BOOL] = "true or false",
		[MK_OPT_INT] = "a whole number",
		[MK_OPT_FLOAT] = "a number",
		[MK_OPT_STRING] = "a string",
		[MK_OPT_ENUM] = "one of ",
		[MK_OPT_DURATION] = "a duration such as 250ms, 5s or 2h (us, ms, s, m, h, d)",
		[MK_OPT_SIZE] = "a size such as 64KiB or 2GiB (B, KiB, MiB, GiB, KB, MB, GB)",
		[MK_OPT_LIST] = "a list",
		[MK_OPT_GROUP] = "a map",
		[MK_OPT_GROUPS] = "a list of maps",
	};
	char choices[OPT_WORDS] = "";

	if (o->type == MK_OPT_ENUM)
		for (size_t i = 0; o->choices[i] != NULL; i++)
			opt_append(choices, sizeof(choices), o->choices[i]);
	(void)snprintf(out, cap, "%s%s", o->type >= MK_OPT_TREE ? "a map" : words[o->type],
		       choices);
}

/* -------------------------------------------------------------- numbers -- */

/* Digits to a number; *end is what follows them. */
static const char *
scan_digits(const char *s, const char **end, uint64_t *out)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = hex ? s + 2 : s;
	size_t len = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	unsigned long long value;

	if (len == 0)
		return NOT_MINE;
	if (!hex && len > 1 && digits[0] == '0')
		return "begins with 0, which could mean an octal number";
	*end = digits + len;
	errno = 0;
	value = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno == ERANGE)
		return scan_too_large;
	*out = value;
	return scan_ok;
}

static const char *
scan_int(const char *s, int64_t *out)
{
	bool negative = s[0] == '-';
	const char *end;
	uint64_t value;
	const char *result = scan_digits(s + (s[0] == '-' || s[0] == '+'), &end, &value);

	if (result != scan_ok)
		return result;
	if (*end != '\0')
		return NOT_MINE;
	if (value > (uint64_t)INT64_MAX + negative)
		return scan_too_large;
	if (value > INT64_MAX)
		*out = INT64_MIN;
	else
		*out = negative ? -(int64_t)value : (int64_t)value;
	return scan_ok;
}

static const char *
scan_float(const char *s, double *out)
{
	int64_t whole;
	char *end;
	double value;

	if (scan_int(s, &whole) == scan_ok) {
		*out = (double)whole;
		return scan_ok;
	}
	/* strtod would take "inf", "nan" and hexadecimal fractions. */
	if (s[strspn(s, "0123456789+-.eE")] != '\0' || strpbrk(s, "0123456789") == NULL)
		return NOT_MINE;
	errno = 0;
	value = strtod(s, &end);
	if (*end != '\0')
		return NOT_MINE;
	if (errno == ERANGE && (value > 1 || value < -1))
		return scan_too_large;
	*out = value < 0 || value > 0 ? value : 0; /* no -0, which is 0 elsewhere */
	return scan_ok;
}

static const char *
scan_unit(const char *s, const struct unit *units, size_t count, int64_t *out)
{
	const char *unit;
	uint64_t value;
	const char *result;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return NOT_MINE;
	result = scan_digits(s, &unit, &value);
	if (result != scan_ok)
		return result;
	if (*unit == '\0' && value != 0)
		return "has no unit";
	if (*unit == '\0') {
		*out = 0;
		return scan_ok;
	}
	unit += *unit == ' ';
	for (size_t i = 0; i < count; i++) {
		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (value > (uint64_t)(INT64_MAX / units[i].factor))
			return scan_too_large;
		*out = (int64_t)value * units[i].factor;
		return scan_ok;
	}
	return NOT_MINE;
}

static const char *
scan_bool(const char *s, int64_t *out)
{
	static const char *const words[] = { "false", "true", "no", "yes", "off", "on" };

	for (size_t i = 0; i < COUNT(words); i++) {
		if (strcasecmp(s, words[i]) == 0) {
			*out = i % 2;
			return scan_ok;
		}
	}
	return NOT_MINE;
}

static const char *
scan_choice(const mk_option *o, const char *s, int64_t *out)
{
	for (int64_t i = 0; o->choices[i] != NULL; i++) {
		if (strcmp(s, o->choices[i]) == 0) {
			*out = i;
			return scan_ok;
		}
	}
	return NOT_MINE;
}

static const char *
scan_any(const mk_option *o, const mk_node *node, struct opt_scalar *out)
{
	/* Quotes say "this is a text", which a unit survives and a number not. */
	bool quoted_number = !node->plain && (o->type == MK_OPT_BOOL || o->type == MK_OPT_INT ||
					      o->type == MK_OPT_FLOAT);

	if (quoted_number)
		return "must stand without quotes";
	switch (o->type) {
	case MK_OPT_BOOL:
		return scan_bool(node->text, &out->number);
	case MK_OPT_INT:
		return scan_int(node->text, &out->number);
	case MK_OPT_FLOAT:
		return scan_float(node->text, &out->real);
	case MK_OPT_DURATION:
		return scan_unit(node->text, durations, COUNT(durations), &out->number);
	case MK_OPT_SIZE:
		return scan_unit(node->text, sizes, COUNT(sizes), &out->number);
	case MK_OPT_ENUM:
		return scan_choice(o, node->text, &out->number);
	default:
		return scan_ok;
	}
}

/* --------------------------------------------------------------- format -- */

static void
format_unit(const struct unit *units, size_t count, int64_t number, char *out, size_t cap)
{
	size_t i = 0;

	while (i + 1 < count && number % units[i].factor != 0)
		i++;
	if (number == 0)
		(void)snprintf(out, cap, "0");
	else
		(void)snprintf(out, cap, "%" PRId64 "%s", number / units[i].factor, units[i].name);
}

void
opt_format(uint32_t type, int64_t number, char *out, size_t cap)
{
	if (type == MK_OPT_DURATION)
		format_unit(durations, COUNT(durations), number, out, cap);
	else if (type == MK_OPT_SIZE)
		format_unit(sizes, COUNT(sizes), number, out, cap);
	else
		(void)snprintf(out, cap, "%" PRId64, number);
}

/* 15 digits are what a person wrote; 17 are exact. */
static void
format_float(double value, char *out, size_t cap)
{
	(void)snprintf(out, cap, "%.15g", value);
	if (strtod(out, NULL) < value || strtod(out, NULL) > value)
		(void)snprintf(out, cap, "%.17g", value);
}

static void
format_scalar(const mk_option *o, const mk_node *node, struct opt_scalar *s)
{
	s->text = s->buffer;
	if (o->type == MK_OPT_STRING || o->type == MK_OPT_ENUM)
		s->text = node->text;
	else if (o->type == MK_OPT_BOOL)
		s->text = s->number != 0 ? "true" : "false";
	else if (o->type == MK_OPT_FLOAT)
		format_float(s->real, s->buffer, sizeof(s->buffer));
	else
		opt_format(o->type, s->number, s->buffer, sizeof(s->buffer));
	if (o->type != MK_OPT_FLOAT)
		s->real = (double)s->number;
}

/* ---------------------------------------------------------------- check -- */

static bool
check_range(const mk_option *o, const struct opt_scalar *s, const char *shown, char *why,
	    size_t cap)
{
	bool is_real = o->type == MK_OPT_FLOAT;
	bool below = is_real ? s->real < (double)o->min : s->number < o->min;
	bool above = is_real ? s->real > (double)o->max : s->number > o->max;
	char limit[40];

	below = below && opt_has_min(o);
	above = above && opt_has_max(o);
	if (!below && !above)
		return true;
	opt_format(o->type, below ? o->min : o->max, limit, sizeof(limit));
	(void)snprintf(why, cap, "%.60s is %s %s", shown,
		       below ? "below the minimum" : "above the maximum", limit);
	return false;
}

static bool
check_length(const mk_option *o, const char *text, char *why, size_t cap)
{
	int64_t len = (int64_t)strlen(text);
	int64_t max = o->max != 0 ? o->max : OPT_STRING_MAX;

	if (len == 0 && o->min > 0)
		(void)snprintf(why, cap, "must not be empty");
	else if (len < o->min)
		(void)snprintf(why, cap, "is %" PRId64 " bytes long, the minimum is %" PRId64, len,
			       o->min);
	else if (len > max)
		(void)snprintf(why, cap, "is %" PRId64 " bytes long, the maximum is %" PRId64, len,
			       max);
	return len >= o->min && len <= max;
}

bool
opt_scan(const mk_option *o, const mk_node *node, bool secret, struct opt_scalar *out, char *why,
	 size_t cap)
{
	struct opt_scalar s = { 0 };
	const char *shown = secret ? "***" : node->text;
	const char *result;
	char expected[OPT_WORDS + 64];

	if (mk_node_is_null(node)) {
		(void)snprintf(why, cap, "has no value");
		return false;
	}
	result = scan_any(o, node, &s);
	opt_expected(o, expected, sizeof(expected));
	if (result == NOT_MINE) {
		(void)snprintf(why, cap, "expected %s, found \"%.60s\"", expected, shown);
		return false;
	}
	if (result != scan_ok) {
		(void)snprintf(why, cap, "\"%.60s\" %s: expected %s", shown, result, expected);
		return false;
	}
	format_scalar(o, node, &s);
	if (o->type == MK_OPT_STRING && !check_length(o, s.text, why, cap))
		return false;
	if (o->type != MK_OPT_STRING && o->type != MK_OPT_BOOL && o->type != MK_OPT_ENUM &&
	    !check_range(o, &s, shown, why, cap))
		return false;
	*out = s;
	if (s.text == s.buffer)
		out->text = out->buffer;
	return true;
}
