/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#define JSON_KEEP ((size_t)256 << 10) /* a buffer larger than this is given back by js_reset */
#define JSON_DEPTH 60u
#define JSON_EXACT 9007199254740992.0 /* 2^53: integers up to here are exact in a double */

void
js_init(struct json *j, size_t limit)
{
	*j = (struct json){ .limit = limit };
}

void
js_reset(struct json *j)
{
	if (j->cap > JSON_KEEP) {
		free(j->data);
		j->data = NULL;
		j->cap = 0;
	}
	j->len = 0;
	j->comma = 0;
	j->depth = 0;
	j->failed = false;
}

void
js_fini(struct json *j)
{
	free(j->data);
	*j = (struct json){ 0 };
}

static bool
js_room(struct json *j, size_t more)
{
	size_t cap = j->cap == 0 ? 1024 : j->cap;
	char *data;

	j->failed = j->failed || more > j->limit - j->len;
	if (j->failed || more <= j->cap - j->len)
		return !j->failed;
	while (cap - j->len < more)
		cap *= 2;
	data = realloc(j->data, cap);
	if (data == NULL) {
		j->failed = true;
		return false;
	}
	j->data = data;
	j->cap = cap;
	return true;
}

void
js_text(struct json *j, const char *text, size_t len)
{
	if (!js_room(j, len))
		return;
	memcpy(j->data + j->len, text, len);
	j->len += len;
}

void
js_printf(struct json *j, const char *format, ...)
{
	char text[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(text))
		js_text(j, text, (size_t)n);
	else
		j->failed = true;
}

/* A value follows: the comma before it, if one stands there already. */
static void
js_begin(struct json *j)
{
	if ((j->comma >> j->depth & 1) != 0)
		js_text(j, ",", 1);
	j->comma |= UINT64_C(1) << j->depth;
}

static void
js_open(struct json *j, const char *bracket)
{
	js_begin(j);
	js_text(j, bracket, 1);
	if (++j->depth > JSON_DEPTH) {
		j->depth = JSON_DEPTH;
		j->failed = true;
	}
	j->comma &= ~(UINT64_C(1) << j->depth);
}

static void
js_close(struct json *j, const char *bracket)
{
	if (j->depth > 0)
		j->depth--;
	js_text(j, bracket, 1);
}

void
js_object(struct json *j)
{
	js_open(j, "{");
}

void
js_object_end(struct json *j)
{
	js_close(j, "}");
}

void
js_array(struct json *j)
{
	js_open(j, "[");
}

void
js_array_end(struct json *j)
{
	js_close(j, "]");
}

/* Bytes of the well-formed character at p, or 0. */
static size_t
js_char(const uint8_t *p, size_t len, uint32_t *c)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (n == 0 || n > len || !mk_utf8_valid(p, n))
		return 0;
	*c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3fu);
	return n;
}

static void
js_escape(struct json *j, uint32_t c)
{
	static const char escaped[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *e = c != 0 && c < 0x80 ? strchr(escaped, (int)c) : NULL;
	char text[8];

	if (e != NULL)
		(void)snprintf(text, sizeof(text), "\\%c", letters[e - escaped]);
	else
		(void)snprintf(text, sizeof(text), "\\u%04x", c & 0xffff);
	js_text(j, text, strlen(text));
}

static bool
js_is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void
js_quote(struct json *j, const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t from = 0, i = 0;

	js_text(j, "\"", 1);
	while (i < len && !j->failed) {
		uint32_t c = 0xfffd;
		size_t n;

		if (js_is_plain(p[i])) {
			i++;
			continue;
		}
		n = js_char(p + i, len - i, &c);
		if (n > 1 && c != 0x2028 && c != 0x2029) {
			i += n;
			continue;
		}
		js_text(j, text + from, i - from);
		js_escape(j, c);
		i += n == 0 ? 1 : n;
		from = i;
	}
	js_text(j, text + from, i - from);
	js_text(j, "\"", 1);
}

void
js_key(struct json *j, const char *key)
{
	js_begin(j);
	js_quote(j, key, strlen(key));
	js_text(j, ":", 1);
	j->comma &= ~(UINT64_C(1) << j->depth); /* the value goes without; it sets it again */
}

void
js_null(struct json *j)
{
	js_begin(j);
	js_text(j, "null", 4);
}

void
js_bool(struct json *j, bool v)
{
	js_begin(j);
	js_text(j, v ? "true" : "false", v ? 4 : 5);
}

void
js_uint(struct json *j, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	js_begin(j);
	js_text(j, text + at, sizeof(text) - at);
}

void
js_int(struct json *j, int64_t v)
{
	if (v >= 0) {
		js_uint(j, (uint64_t)v);
		return;
	}
	js_begin(j);
	js_text(j, "-", 1);
	j->comma &= ~(UINT64_C(1) << j->depth);
	js_uint(j, 0 - (uint64_t)v);
}

/* Fixed-point numbers, which nearly all are: v = k / 10^n, and k is exact. Division is rounded
 * correctly, so the text reads back as v, and the smallest n gives the shortest text. */
static bool
js_fixed(struct json *j, double v)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7 };
	double a = fabs(v);

	if (a != 0 && a < 1e-6)
		return false;
	for (int n = 0; n < (int)(sizeof(powers) / sizeof(powers[0])); n++) {
		double k = round(a * powers[n]);

		if (k >= JSON_EXACT)
			return false;
		if (k / powers[n] != a)
			continue;
		js_printf(j, "%s%" PRIu64, v < 0 ? "-" : "", (uint64_t)k / (uint64_t)powers[n]);
		if (n > 0)
			js_printf(j, ".%0*" PRIu64, n, (uint64_t)k % (uint64_t)powers[n]);
		return true;
	}
	return false;
}

void
js_num(struct json *j, double v)
{
	char text[64];
	const char *mark;
	int digits = 15;

	js_begin(j);
	if (!isfinite(v)) {
		js_text(j, "null", 4);
		return;
	}
	if (js_fixed(j, v))
		return;
	do
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
	while (strtod(text, NULL) != v && ++digits <= 17);
	/* Exponents are for what is below 1e-6 or from 1e21 on. */
	mark = strchr(text, 'e');
	if (mark != NULL && fabs(v) >= 1e-6 && fabs(v) < 1e21) {
		long exponent = strtol(mark + 1, NULL, 10);

		(void)snprintf(text, sizeof(text), "%.*f",
			       exponent > 0 ? 0 : digits - 1 - (int)exponent, v);
		for (size_t n = strlen(text); exponent < 0 && text[n - 1] == '0';)
			text[--n] = '\0';
	}
	js_text(j, text, strlen(text));
}

void
js_strn(struct json *j, const char *v, size_t len)
{
	js_begin(j);
	js_quote(j, v, len);
}

void
js_str(struct json *j, const char *v)
{
	if (v == NULL)
		js_null(j);
	else
		js_strn(j, v, strlen(v));
}

void
js_hex(struct json *j, const void *v, size_t len, bool upper)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	const uint8_t *p = v;

	js_begin(j);
	if (len > j->limit || !js_room(j, 2 * len + 2)) {
		j->failed = true;
		return;
	}
	j->data[j->len++] = '"';
	for (size_t i = 0; i < len; i++) {
		j->data[j->len++] = digits[p[i] >> 4];
		j->data[j->len++] = digits[p[i] & 15];
	}
	j->data[j->len++] = '"';
}

void
js_time_ms(struct json *j, uint64_t unix_us)
{
	time_t seconds = (time_t)(unix_us / 1000000 % 253402300800); /* up to the year 9999 */
	struct tm tm = { 0 };
	char text[80];

	gmtime_r(&seconds, &tm);
	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		       tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		       (int)(unix_us / 1000 % 1000));
	js_str(j, text);
}

static void
js_leaf(struct json *j, const mk_val *v)
{
	const uint8_t *bin;
	const char *s;
	uint64_t u;
	int64_t i;
	double d;
	size_t len;
	bool b;

	if (mk_get_str(v, &s, &len)) {
		js_strn(j, s, len);
	} else if (mk_get_bool(v, &b)) {
		js_bool(j, b);
	} else if (mk_get_u64(v, &u)) {
		js_uint(j, u);
	} else if (mk_get_i64(v, &i)) {
		js_int(j, i);
	} else if (mk_get_f64(v, &d)) {
		js_num(j, d);
	} else if (mk_get_bin(v, &bin, &len)) {
		js_object(j);
		js_key(j, "$bin");
		js_hex(j, bin, len, false);
		js_object_end(j);
	} else {
		js_null(j);
	}
}

/* A document is at most 16 levels deep, so this recursion is, too. */
void
js_val(struct json *j, const mk_val *v)
{
	uint32_t n = mk_count(v);

	if (mk_is_map(v)) {
		js_object(j);
		for (uint32_t i = 0; i < n; i++) {
			char key[128] = "";

			mk_copy_str(mk_key_at(v, i), key, sizeof(key));
			js_key(j, key);
			js_val(j, mk_val_at(v, i));
		}
		js_object_end(j);
	} else if (mk_is_array(v)) {
		js_array(j);
		for (uint32_t i = 0; i < n; i++)
			js_val(j, mk_at(v, i));
		js_array_end(j);
	} else {
		js_leaf(j, v);
	}
}

void
js_embed(struct json *j, const char *text, size_t len)
{
	json_t *parsed = len > 0 && (text[0] == '{' || text[0] == '[')
			     ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)
			     : NULL;
	size_t from = 0;

	js_begin(j);
	if (parsed == NULL) {
		js_text(j, "null", 4);
		return;
	}
	json_decref(parsed);
	/* In JSON these three can only stand in strings. */
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '<' && text[i] != '>' && text[i] != '&')
			continue;
		js_text(j, text + from, i - from);
		js_escape(j, (uint8_t)text[i]);
		from = i + 1;
	}
	js_text(j, text + from, len - from);
}

/* -------------------------------------------------------- key and value -- */

void
js_kobject(struct json *j, const char *key)
{
	js_key(j, key);
	js_object(j);
}

void
js_karray(struct json *j, const char *key)
{
	js_key(j, key);
	js_array(j);
}

void
js_kbool(struct json *j, const char *key, bool v)
{
	js_key(j, key);
	js_bool(j, v);
}

void
js_kint(struct json *j, const char *key, int64_t v)
{
	js_key(j, key);
	js_int(j, v);
}

void
js_kuint(struct json *j, const char *key, uint64_t v)
{
	js_key(j, key);
	js_uint(j, v);
}

void
js_knum(struct json *j, const char *key, double v)
{
	js_key(j, key);
	js_num(j, v);
}

void
js_kstr(struct json *j, const char *key, const char *v)
{
	js_key(j, key);
	js_str(j, v);
}

void
js_kval(struct json *j, const char *key, const mk_val *map, const char *field)
{
	js_key(j, key);
	js_val(j, mk_find(map, field));
}
