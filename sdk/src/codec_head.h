/* SPDX-License-Identifier: MIT
 *
 * The first bytes of a msgpack value, read within bounds. Internal to the codec.
 */
#ifndef MK_SDK_CODEC_HEAD_H
#define MK_SDK_CODEC_HEAD_H

#include <stddef.h>
#include <stdint.h>

enum head_kind {
	HEAD_BAD, /* never used by the format, or an extension type */
	HEAD_NIL,
	HEAD_BOOL,
	HEAD_UINT,
	HEAD_INT, /* n is the bits of an int64_t */
	HEAD_F32, /* n is the bits of the float */
	HEAD_F64,
	HEAD_STR, /* n bytes follow; from here on n is a count */
	HEAD_BIN,
	HEAD_ARRAY, /* n values */
	HEAD_MAP,   /* n pairs */
};

struct head {
	enum head_kind kind;
	uint64_t n;
};

static inline uint64_t
head_load(const uint8_t *p, uint32_t width)
{
	uint64_t v = 0;

	switch (width) {
	case 1:
		return p[0];
	case 2:
		return (uint64_t)p[0] << 8 | p[1];
	case 4:
		return (uint64_t)p[0] << 24 | (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
	default:
		for (uint32_t i = 0; i < width; i++)
			v = v << 8 | p[i];
		return v;
	}
}

/* The bytes that the head takes, or 0 if fewer than that are `left`. */
static inline size_t
head_read(const uint8_t *p, size_t left, struct head *h)
{
	/* 0xc0 to 0xdf: the kind, and how many bytes of number or count follow. */
	static const struct {
		uint8_t kind;
		uint8_t width;
	} heads[32] = {
		{ HEAD_NIL, 0 },   { HEAD_BAD, 0 },   { HEAD_BOOL, 0 }, { HEAD_BOOL, 0 },
		{ HEAD_BIN, 1 },   { HEAD_BIN, 2 },   { HEAD_BIN, 4 },  { HEAD_BAD, 0 },
		{ HEAD_BAD, 0 },   { HEAD_BAD, 0 },   { HEAD_F32, 4 },  { HEAD_F64, 8 },
		{ HEAD_UINT, 1 },  { HEAD_UINT, 2 },  { HEAD_UINT, 4 }, { HEAD_UINT, 8 },
		{ HEAD_INT, 1 },   { HEAD_INT, 2 },   { HEAD_INT, 4 },  { HEAD_INT, 8 },
		{ HEAD_BAD, 0 },   { HEAD_BAD, 0 },   { HEAD_BAD, 0 },  { HEAD_BAD, 0 },
		{ HEAD_BAD, 0 },   { HEAD_STR, 1 },   { HEAD_STR, 2 },  { HEAD_STR, 4 },
		{ HEAD_ARRAY, 2 }, { HEAD_ARRAY, 4 }, { HEAD_MAP, 2 },  { HEAD_MAP, 4 },
	};
	uint32_t width;
	uint8_t b;

	if (left == 0)
		return 0;
	b = p[0];
	if (b < 0x80) {
		*h = (struct head){ HEAD_UINT, b };
		return 1;
	}
	if (b < 0xc0) {
		h->kind = b < 0x90 ? HEAD_MAP : b < 0xa0 ? HEAD_ARRAY : HEAD_STR;
		h->n = b < 0xa0 ? b & 0x0fu : b & 0x1fu;
		return 1;
	}
	if (b >= 0xe0) {
		*h = (struct head){ HEAD_INT, (uint64_t)(int64_t)(int8_t)b };
		return 1;
	}
	width = heads[b - 0xc0].width;
	if (left <= width)
		return 0;
	h->kind = (enum head_kind)heads[b - 0xc0].kind;
	h->n = h->kind == HEAD_BOOL ? b & 1u : head_load(p + 1, width);
	if (h->kind == HEAD_INT && width > 0 && width < 8) { /* extend the sign */
		uint64_t sign = 1ull << (8 * width - 1);

		h->n = (h->n ^ sign) - sign;
	}
	return 1 + (size_t)width;
}

#endif
