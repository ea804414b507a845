/* SPDX-License-Identifier: MIT
 *
 * JSON before it is parsed: how deep it is, and text that a strict parser would refuse.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include "mend.h"
#include "value.h"

uint32_t
mend_depth(const char *s, size_t len)
{
	uint32_t depth = 0, most = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == '{' || s[i] == '['))
			most = ++depth > most ? depth : most;
		else if (!quoted && (s[i] == '}' || s[i] == ']') && depth > 0)
			depth--;
	}
	return most;
}

/* The 4 digits behind a "\u" at s, or -1. */
static int
mend_escape(const char *s, size_t len)
{
	uint8_t bytes[2];

	if (len < 6 || s[0] != '\\' || s[1] != 'u' || value_hex(s + 2, 4, bytes, 2) != 2)
		return -1;
	return bytes[0] << 8 | bytes[1];
}

/* Radios cut names in the middle of a character, and some senders escape the halves: half of a
 * surrogate pair becomes U+FFFD, in place. */
static void
mend_escapes(char *s, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		int first = mend_escape(s + i, len - i);

		if (s[i] != '\\')
			continue;
		if (first < 0xd800 || first > 0xdfff) {
			i++;
		} else if (first < 0xdc00 && len - i >= 12 &&
			   (mend_escape(s + i + 6, len - i - 6) & 0xfc00) == 0xdc00 &&
			   mend_escape(s + i + 6, len - i - 6) > 0) {
			i += 11;
		} else {
			memcpy(s + i + 2, "fffd", 4);
			i += 5;
		}
	}
}

char *
mend_json(const char *s, size_t len, size_t *out_len)
{
	char *out = malloc(len * 3 + 1);
	size_t n = 0;

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < len;) {
		uint32_t c;
		size_t good = mk_utf8_next(s + i, len - i, &c);

		memcpy(out + n, good == 0 ? "\xef\xbf\xbd" : s + i, good == 0 ? 3 : good);
		n += good == 0 ? 3 : good;
		i += good == 0 ? 1 : good;
	}
	mend_escapes(out, n);
	*out_len = n;
	return out;
}
