/* SPDX-License-Identifier: MIT
 *
 * Bytes as hex digits and back: see hex.h.
 */
#include "hex.h"

/* Value of each character: 0 to 15, BLANK, or BAD. */
#define BLANK 16
#define BAD 17

static uint8_t
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (uint8_t)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (uint8_t)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (uint8_t)(c - 'A' + 10);
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' ? BLANK : BAD;
}

bool
mc_hex_decode(const char *text, size_t text_len, uint8_t *out, size_t cap, size_t *len)
{
	uint8_t high = BLANK; /* the digit that waits for its other half */
	size_t n = 0;

	for (size_t i = 0; i < text_len; i++) {
		uint8_t v = hex_value(text[i]);

		if (v == BLANK)
			continue;
		if (v == BAD || n == cap)
			return false;
		if (high == BLANK) {
			high = v;
			continue;
		}
		out[n++] = (uint8_t)(high << 4 | v);
		high = BLANK;
	}
	*len = n;
	return high == BLANK;
}

static char *
hex_encode(const void *data, size_t len, char *out, const char *digits)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

char *
mc_hex_lower(const void *data, size_t len, char *out)
{
	return hex_encode(data, len, out, "0123456789abcdef");
}

char *
mc_hex_upper(const void *data, size_t len, char *out)
{
	return hex_encode(data, len, out, "0123456789ABCDEF");
}
