/* SPDX-License-Identifier: MIT
 *
 * Where a msgpack value ends.
 */
#include <meshkern/codec.h>

#include "codec_head.h"

size_t
mk_length(const void *data, size_t len)
{
	const uint8_t *start = data, *p = data;
	uint64_t values = 1; /* still to come */

	while (values > 0) {
		size_t left = len - (size_t)(p - start), n;
		struct head h;

		n = head_read(p, left, &h);
		if (n == 0 || h.kind == HEAD_BAD)
			return 0;
		p += n;
		left -= n;
		values--;
		if (h.kind == HEAD_STR || h.kind == HEAD_BIN) {
			if (h.n > left)
				return 0;
			p += h.n;
		} else if (h.kind == HEAD_ARRAY || h.kind == HEAD_MAP) {
			/* A value takes a byte at least, so the sum cannot run away. */
			if (h.n > left || values > left)
				return 0;
			values += h.kind == HEAD_MAP ? 2 * h.n : h.n;
		}
	}
	return (size_t)(p - start);
}

bool
mk_begins_map(const void *data, size_t len)
{
	const uint8_t *p = data;

	/* fixmap, map 16, map 32 */
	return len > 0 && ((p[0] & 0xf0) == 0x80 || (p[0] & 0xfe) == 0xde);
}
