/* SPDX-License-Identifier: MIT
 *
 * msgpack as JSON, for people and logs: one line of ASCII.
 */
#include <meshkern/codec.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec_head.h"

#define JSON_DEPTH 16u /* of mk_limits_default */

struct sink {
	char *buf;
	size_t cap;
	size_t len; /* of the whole text, also beyond cap */
};

struct level {
	uint64_t left;
	bool is_map;
	bool begun;
};

static void
sink_put(struct sink *s, const void *text, size_t len)
{
	if (s->len < s->cap) {
		size_t room = s->cap - s->len;

		memcpy(s->buf + s->len, text, len < room ? len : room);
	}
	s->len += len;
}

static void
sink_text(struct sink *s, const char *text)
{
	sink_put(s, text, strlen(text));
}

/* A character that cannot stand for itself. */
static void
json_escape(struct sink *s, uint32_t c)
{
	static const char escaped[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *e = c != 0 && c < 0x80 ? strchr(escaped, (int)c) : NULL;
	char text[16];

	if (e != NULL)
		(void)snprintf(text, sizeof(text), "\\%c", letters[e - escaped]);
	else if (c < 0x10000)
		(void)snprintf(text, sizeof(text), "\\u%04" PRIx32, c);
	else
		(void)snprintf(text, sizeof(text), "\\u%04" PRIx32 "\\u%04" PRIx32,
			       0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	sink_text(s, text);
}

static void
json_string(struct sink *s, const uint8_t *p, size_t len)
{
	size_t from = 0;
	size_t i = 0;
	uint32_t c;

	sink_text(s, "\"");
	while (i < len) {
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
			i++;
			continue;
		}
		sink_put(s, p + from, i - from);
		i += mk_utf8_next(p + i, len - i, &c);
		json_escape(s, c);
		from = i;
	}
	sink_put(s, p + from, len - from);
	sink_text(s, "\"");
}

static void
json_binary(struct sink *s, const uint8_t *p, size_t len)
{
	static const char hex[] = "0123456789abcdef";

	sink_text(s, "{\"$bin\":\"");
	for (size_t i = 0; i < len; i++)
		sink_put(s, (char[]){ hex[p[i] >> 4], hex[p[i] & 15] }, 2);
	sink_text(s, "\"}");
}

/* The shortest decimal that reads back as the same number; what JSON cannot
 * say is null. */
static void
json_float(struct sink *s, double v, bool single)
{
	char text[40];
	char *point;

	if (!isfinite(v)) {
		sink_text(s, "null");
		return;
	}
	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v)
			break;
	}
	point = text + strspn(text, "+-0123456789");
	if (*point != '\0' && *point != 'e')
		*point = '.'; /* whatever the locale says */
	sink_text(s, text);
}

static void
json_number(struct sink *s, const struct head *h)
{
	uint32_t bits = (uint32_t)h->n;
	char text[24];
	double d;
	float f;

	switch (h->kind) {
	case HEAD_UINT:
		(void)snprintf(text, sizeof(text), "%" PRIu64, h->n);
		sink_text(s, text);
		return;
	case HEAD_INT:
		(void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)h->n);
		sink_text(s, text);
		return;
	case HEAD_F32:
		memcpy(&f, &bits, sizeof(f));
		json_float(s, f, true);
		return;
	default:
		memcpy(&d, &h->n, sizeof(d));
		json_float(s, d, false);
		return;
	}
}

/* A value that is no container; returns the bytes after its head. */
static size_t
json_scalar(struct sink *s, const struct head *h, const uint8_t *p)
{
	switch (h->kind) {
	case HEAD_NIL:
		sink_text(s, "null");
		return 0;
	case HEAD_BOOL:
		sink_text(s, h->n != 0 ? "true" : "false");
		return 0;
	case HEAD_STR:
		json_string(s, p, (size_t)h->n);
		return (size_t)h->n;
	case HEAD_BIN:
		json_binary(s, p, (size_t)h->n);
		return (size_t)h->n;
	default:
		json_number(s, h);
		return 0;
	}
}

/* What stands between the values of a container. */
static void
json_separator(struct sink *s, struct level *l)
{
	if (l->is_map && l->left % 2 == 1)
		sink_text(s, ":");
	else if (l->begun)
		sink_text(s, ",");
	l->begun = true;
	l->left--;
}

static void
json_write(struct sink *s, const uint8_t *p, const uint8_t *end)
{
	struct level levels[JSON_DEPTH];
	struct head h = { HEAD_BAD, 0 };
	uint32_t depth = 0;

	do {
		if (depth > 0)
			json_separator(s, &levels[depth - 1]);
		p += head_read(p, (size_t)(end - p), &h);
		if (h.kind == HEAD_MAP || h.kind == HEAD_ARRAY) {
			bool is_map = h.kind == HEAD_MAP;

			sink_text(s, is_map ? "{" : "[");
			levels[depth++] = (struct level){ h.n * (is_map ? 2 : 1), is_map, false };
		} else {
			p += json_scalar(s, &h, p);
		}
		while (depth > 0 && levels[depth - 1].left == 0)
			sink_text(s, levels[--depth].is_map ? "}" : "]");
	} while (depth > 0);
}

int64_t
mk_to_json(const void *data, size_t len, char *buf, size_t cap)
{
	struct sink s = { buf, cap > 0 ? cap - 1 : 0, 0 };
	mk_result r = mk_validate(data, len, NULL, NULL, 0);
	const uint8_t *p = data;

	if (r == MK_OK)
		json_write(&s, p, p + len);
	if (cap > 0)
		buf[s.len < s.cap ? s.len : s.cap] = '\0';
	return r == MK_OK ? (int64_t)s.len : r;
}
