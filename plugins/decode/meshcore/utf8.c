/* SPDX-License-Identifier: MIT
 *
 * Strict UTF-8: see utf8.h.
 */
#include "utf8.h"

size_t
mc_utf8_next(const uint8_t *s, size_t len, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t v;
	size_t n;

	if (len == 0)
		return 0;
	if (s[0] < 0x80) {
		*c = s[0];
		return 1;
	}
	n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
	if (s[0] < 0xC0 || s[0] > 0xF4 || n > len)
		return 0;
	v = s[0] & (0x7Fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3F);
	}
	if (v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF))
		return 0;
	*c = v;
	return n;
}

size_t
mc_utf8_put(uint32_t c, uint8_t *out)
{
	static const uint8_t lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (uint8_t)(0x80 | (c & 0x3F));
		c >>= 6;
	}
	out[0] = (uint8_t)(lead[n] | c);
	return n;
}

size_t
mc_utf8_cut(const uint8_t *s, size_t len, size_t max)
{
	if (len <= max)
		return len;
	/* s[max] would be the first byte left out: back to where its character begins. */
	for (size_t back = 0; back < 4 && back <= max; back++) {
		if ((s[max - back] & 0xC0) != 0x80)
			return max - back;
	}
	return max; /* no character at all */
}
