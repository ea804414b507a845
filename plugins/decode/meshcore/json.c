/* SPDX-License-Identifier: MIT
 *
 * JSON, append only: see json.h.
 */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

void
mc_json_init(struct mc_json *j, char *buf, size_t cap)
{
	*j = (struct mc_json){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

static void
json_put(struct mc_json *j, const char *s, size_t len)
{
	if (j->full || len >= j->cap - j->len) {
		j->full = true;
		return;
	}
	memcpy(j->buf + j->len, s, len);
	j->len += len;
	j->buf[j->len] = '\0';
}

/* What comes before a value: a comma unless something was just opened, and the key. */
static void
json_lead(struct mc_json *j, const char *key)
{
	if (j->len > 0 && j->buf[j->len - 1] != '{' && j->buf[j->len - 1] != '[')
		json_put(j, ",", 1);
	if (key != NULL) {
		json_put(j, "\"", 1);
		json_put(j, key, strlen(key));
		json_put(j, "\":", 2);
	}
}

void
mc_json_raw(struct mc_json *j, const char *key, const char *text, size_t len)
{
	json_lead(j, key);
	json_put(j, text, len);
}

void
mc_json_open(struct mc_json *j, const char *key, char bracket)
{
	mc_json_raw(j, key, &bracket, 1);
}

void
mc_json_close(struct mc_json *j, char bracket)
{
	json_put(j, &bracket, 1);
}

void
mc_json_bool(struct mc_json *j, const char *key, bool v)
{
	mc_json_raw(j, key, v ? "true" : "false", v ? 4 : 5);
}

void
mc_json_int(struct mc_json *j, const char *key, int64_t v)
{
	mc_json_fixed(j, key, v, 0);
}

void
mc_json_fixed(struct mc_json *j, const char *key, int64_t v, uint32_t decimals)
{
	uint64_t n = v < 0 ? -(uint64_t)v : (uint64_t)v;
	char text[48];
	size_t at = sizeof(text);

	for (; decimals > 0 && n % 10 == 0; decimals--)
		n /= 10;
	for (uint32_t digits = 0; n > 0 || digits <= decimals; digits++) {
		if (digits == decimals && digits > 0)
			text[--at] = '.';
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	}
	if (v < 0)
		text[--at] = '-';
	mc_json_raw(j, key, text + at, sizeof(text) - at);
}

void
mc_json_double(struct mc_json *j, const char *key, double v)
{
	char text[32];
	int len = 0;

	if (!isfinite(v)) {
		mc_json_raw(j, key, "null", 4);
		return;
	}
	if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
		mc_json_int(j, key, (int64_t)v);
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		len = snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	mc_json_raw(j, key, text, (size_t)len);
}

static void
json_escape(struct mc_json *j, uint32_t c)
{
	static const char shorts[] = "\"\"\\\\\nn\rr\tt"; /* character, letter */
	char text[8];

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if (c == (uint8_t)shorts[i]) {
			json_put(j, (const char[]){ '\\', shorts[i + 1] }, 2);
			return;
		}
	}
	snprintf(text, sizeof(text), "\\u%04x", c & 0xFFFF);
	json_put(j, text, 6);
}

void
mc_json_str(struct mc_json *j, const char *key, const char *s, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)s;
	size_t plain = 0, n; /* what is copied as it is starts here */

	json_lead(j, key);
	json_put(j, "\"", 1);
	for (size_t i = 0; i < len; i += n) {
		uint32_t c = MC_UTF8_REPLACEMENT;

		n = mc_utf8_next(bytes + i, len - i, &c);
		if (n > 0 && c >= 0x20 && c != '"' && c != '\\' && c != '<' && c != '>' &&
		    c != '&' && c != 0x2028 && c != 0x2029)
			continue;
		n = n > 0 ? n : 1;
		json_put(j, s + plain, i - plain);
		json_escape(j, c);
		plain = i + n;
	}
	json_put(j, s + plain, len - plain);
	json_put(j, "\"", 1);
}

static void
json_hex(struct mc_json *j, const char *key, const uint8_t *data, size_t len, const char *digits)
{
	json_lead(j, key);
	json_put(j, "\"", 1);
	if (j->full || 2 * len >= j->cap - j->len) {
		j->full = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		j->buf[j->len++] = digits[data[i] >> 4];
		j->buf[j->len++] = digits[data[i] & 15];
	}
	j->buf[j->len] = '\0';
	json_put(j, "\"", 1);
}

void
mc_json_hex(struct mc_json *j, const char *key, const void *data, size_t len)
{
	json_hex(j, key, data, len, "0123456789abcdef");
}

void
mc_json_hex_upper(struct mc_json *j, const char *key, const void *data, size_t len)
{
	json_hex(j, key, data, len, "0123456789ABCDEF");
}
