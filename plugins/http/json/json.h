/* SPDX-License-Identifier: MIT
 *
 * JSON out: an append-only text with a limit and a sticky error. Commas are put by the writer.
 * Strings are escaped so that the text is safe inside of HTML, too: < > & and the line separators
 * U+2028 and U+2029 never stand for themselves. What is not UTF-8 becomes U+FFFD.
 *
 * One thread at a time.
 */
#ifndef MK_HTTP_JSON_H
#define MK_HTTP_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/codec.h>

struct json {
	char *data; /* [borrowed] until the next call */
	size_t len, cap, limit;
	uint64_t comma; /* bit d: at depth d a value stands already */
	uint32_t depth;
	bool failed; /* over the limit, too deep or out of memory: the text is useless */
};

void js_init(struct json *j, size_t limit);
void js_reset(struct json *j); /* forget the text; a very large buffer is given back */
void js_fini(struct json *j);

void js_object(struct json *j);
void js_object_end(struct json *j);
void js_array(struct json *j);
void js_array_end(struct json *j);
void js_key(struct json *j, const char *key);

void js_null(struct json *j);
void js_bool(struct json *j, bool v);
void js_int(struct json *j, int64_t v);
void js_uint(struct json *j, uint64_t v);
void js_num(struct json *j, double v);      /* shortest that reads back; NaN and Inf: null */
void js_str(struct json *j, const char *v); /* NULL: null */
void js_strn(struct json *j, const char *v, size_t len);
void js_hex(struct json *j, const void *v, size_t len, bool upper);
/* A string with a time in UTC, 2026-11-21T06:46:01.123Z. */
void js_time_ms(struct json *j, uint64_t unix_us);
/* A value of a message, as `meshkern tail` shows it: binaries are {"$bin": "<hex>"}. */
void js_val(struct json *j, const mk_val *v);
/* A complete JSON text as the next value; null if it is none. */
void js_embed(struct json *j, const char *text, size_t len);
/* Bytes as they are, for texts that are no JSON. */
void js_text(struct json *j, const char *text, size_t len);
void js_printf(struct json *j, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Key and value in one call. */
void js_kobject(struct json *j, const char *key);
void js_karray(struct json *j, const char *key);
void js_kbool(struct json *j, const char *key, bool v);
void js_kint(struct json *j, const char *key, int64_t v);
void js_kuint(struct json *j, const char *key, uint64_t v);
void js_knum(struct json *j, const char *key, double v);
void js_kstr(struct json *j, const char *key, const char *v);
/* The field of a map, null if it is not there. */
void js_kval(struct json *j, const char *key, const mk_val *map, const char *field);

#endif
