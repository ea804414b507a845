/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <stdbool.h>
#include <string.h>

#include <meshkern/codec.h>

static int
target_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes [s, end) to *at, ends it with NUL, and moves *at behind it. */
static const char *
target_decode(struct target *t, char **at, const char *s, const char *end, bool plus)
{
	char *out = *at, *start = *at;

	while (s < end) {
		uint8_t c = (uint8_t)*s++;

		if (c == '%') {
			int high = end - s >= 2 ? target_digit(s[0]) : -1;
			int low = high >= 0 ? target_digit(s[1]) : -1;

			if (low < 0) {
				t->why = "a percent sign without two hex digits";
				return NULL;
			}
			c = (uint8_t)(high << 4 | low);
			s += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f) {
			t->why = "a control character";
			return NULL;
		}
		*out++ = (char)c;
	}
	if (!mk_utf8_valid(start, (size_t)(out - start))) {
		t->why = "not UTF-8";
		return NULL;
	}
	*out++ = '\0';
	*at = out;
	return start;
}

static enum target_result
target_bad(struct target *t, const char *why)
{
	if (why != NULL)
		t->why = why;
	return TARGET_BAD;
}

static bool
target_is_dots(const char *s, size_t len)
{
	return (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.');
}

/* Does the path, as it was written, have empty or dot segments? */
static bool
target_is_unclean(const char *s, const char *end)
{
	while (s < end) {
		const char *next = memchr(s + 1, '/', (size_t)(end - s - 1));
		size_t len;

		next = next == NULL ? end : next;
		len = (size_t)(next - s - 1);
		if ((len == 0 && next < end) || target_is_dots(s + 1, len))
			return true;
		s = next;
	}
	return false;
}

/* The path without them, and the query as it was, into t->text. */
static enum target_result
target_clean(struct target *t, const char *s, const char *end, const char *stop)
{
	char *out = t->text;
	bool slash = true; /* it ends in one */

	while (s < end) {
		const char *next = memchr(s + 1, '/', (size_t)(end - s - 1));
		size_t len;

		next = next == NULL ? end : next;
		len = (size_t)(next - s - 1);
		slash = len == 0 || target_is_dots(s + 1, len);
		if (len == 2 && slash) {
			while (out > t->text && *--out != '/')
				;
		} else if (!slash) {
			memcpy(out, s, len + 1);
			out += len + 1;
		}
		s = next;
	}
	if (slash)
		*out++ = '/';
	memcpy(out, end, (size_t)(stop - end));
	out += stop - end;
	*out = '\0';
	/* It goes into a header. */
	for (const char *c = t->text; c < out; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return target_bad(t, "a byte that must be escaped");
	return TARGET_UNCLEAN;
}

static enum target_result
target_parse_path(struct target *t, char **at, const char *s, const char *end)
{
	while (s < end) {
		const char *next = memchr(s + 1, '/', (size_t)(end - s - 1));
		const char *segment;

		next = next == NULL ? end : next;
		if (t->segments == 0 && next == s + 1 && next == end)
			return TARGET_GOOD; /* "/" */
		if (t->segments == TARGET_SEGMENTS)
			return target_bad(t, "too many segments");
		segment = target_decode(t, at, s + 1, next, false);
		if (segment == NULL)
			return TARGET_BAD;
		if (target_is_dots(segment, strlen(segment)) || strchr(segment, '\\') != NULL)
			return target_bad(t, "a segment that is no name");
		t->segment[t->segments++] = segment;
		s = next;
	}
	return TARGET_GOOD;
}

static enum target_result
target_parse_query(struct target *t, char **at, const char *s, const char *end)
{
	while (s < end) {
		const char *next = memchr(s, '&', (size_t)(end - s));
		const char *equals;

		next = next == NULL ? end : next;
		equals = memchr(s, '=', (size_t)(next - s));
		equals = equals == NULL ? next : equals;
		if (next == s) {
			s = next + 1;
			continue;
		}
		if (t->pairs == TARGET_PAIRS)
			return target_bad(t, "too many query parameters");
		t->pair[t->pairs].name = target_decode(t, at, s, equals, true);
		if (t->pair[t->pairs].name == NULL)
			return TARGET_BAD;
		t->pair[t->pairs].value =
		    target_decode(t, at, equals + (equals < next), next, true);
		if (t->pair[t->pairs++].value == NULL)
			return TARGET_BAD;
		s = next + 1;
	}
	return TARGET_GOOD;
}

/* "http://host/path", which proxies send: what is behind the host. */
static const char *
target_origin_form(const char *s, const char *end)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (int i = 0; i < 2; i++) {
		size_t len = strlen(schemes[i]);

		if ((size_t)(end - s) < len || memcmp(s, schemes[i], len) != 0)
			continue;
		return memchr(s + len, '/', (size_t)(end - s) - len);
	}
	return s;
}

enum target_result
target_parse(struct target *t, const char *raw, size_t len)
{
	const char *s, *end, *query;
	char *at = t->text;
	enum target_result r;

	t->segments = t->pairs = 0;
	t->why = "no path";
	t->query = NULL;
	t->raw[0] = '\0';
	if (len > TARGET_MAX)
		return TARGET_LONG;
	memcpy(t->raw, raw, len);
	t->raw[len] = '\0';
	end = t->raw + len;
	if (len == 1 && raw[0] == '*') /* OPTIONS about the server as a whole */
		return TARGET_GOOD;
	s = target_origin_form(t->raw, end);
	if (s == NULL || s == end || *s != '/')
		return TARGET_BAD;
	query = memchr(s, '?', (size_t)(end - s));
	if (query != NULL)
		t->query = query + 1;
	else
		query = end;
	if (target_is_unclean(s, query))
		return target_clean(t, s, query, end);
	r = target_parse_path(t, &at, s, query);
	if (r == TARGET_GOOD && t->query != NULL)
		r = target_parse_query(t, &at, t->query, end);
	return r;
}

const char *
target_find(const struct target *t, const char *name)
{
	for (uint32_t i = 0; i < t->pairs; i++)
		if (strcmp(t->pair[i].name, name) == 0)
			return t->pair[i].value;
	return NULL;
}

int
target_path(const struct target *t, char *buf, size_t cap)
{
	size_t used = 0;

	for (uint32_t i = 0; i < t->segments; i++) {
		size_t len = strlen(t->segment[i]);

		if (len + 2 > cap - used || strchr(t->segment[i], '/') != NULL)
			return 0;
		buf[used++] = '/';
		memcpy(buf + used, t->segment[i], len);
		used += len;
	}
	if (used == 0 && cap > 1)
		buf[used++] = '/';
	buf[used] = '\0';
	return 1;
}
