/* SPDX-License-Identifier: MIT
 *
 * Validation of msgpack: one pass, no recursion, no allocation.
 *
 * The loop reads one value's head after the other and keeps, for every map and
 * array that is open, how many values it still lacks. Counts are compared with
 * the bytes that are left before anything believes them.
 *
 * Keys. The keys of the open maps lie on one stack, those of the innermost map
 * on top, and go when their map closes. A small map compares a new key with
 * all of its keys; a larger one finds them through a hash table. Keys leave
 * the table in the reverse order of their coming, so that linear probing needs
 * no marks for deleted entries. The hash starts from an address, which differs
 * from run to run: keys that collide cannot be prepared in advance.
 */
#include <meshkern/codec.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec_head.h"

#define DEPTH_MAX 32u  /* msgpack-c refuses more */
#define KEY_MAX 127u   /* bytes */
#define KEYS_MAX 4096u /* on the stack at one time */
#define KEYS_SMALL 24u /* up to here comparing is faster than the table */
#define SLOTS (2 * KEYS_MAX)

const mk_limits mk_limits_default = { .max_depth = 16, .max_nodes = UINT32_MAX };

struct frame {
	uint32_t left;  /* values to come, keys included */
	uint32_t first; /* the map's first key on the stack */
	bool is_map;
	bool hashed;
};

struct key {
	uint32_t at;  /* offset of its bytes */
	uint32_t tag; /* hash, length in the low byte */
};

struct check {
	const uint8_t *base;
	const uint8_t *p;
	const uint8_t *end;
	char *why;
	size_t why_len;
	uint32_t max_depth;
	uint32_t nodes_left;
	uint32_t depth;
	uint32_t keys;
	bool slots_clean;
	struct frame frames[DEPTH_MAX];
	struct key key[KEYS_MAX];
	uint16_t slot[SLOTS]; /* index into key + 1; 0 = free */
};

/* ------------------------------------------------------------- strings -- */

/* Up to 7 bytes as one number. For fewer than 4 some are taken twice. */
static inline uint64_t
bytes_small(const uint8_t *s, size_t n)
{
	uint32_t a;
	uint32_t b;

	if (n >= 4) {
		memcpy(&a, s, 4);
		memcpy(&b, s + n - 4, 4);
		return (uint64_t)a << 32 | b;
	}
	return n == 0 ? 0 : (uint64_t)s[0] << 16 | (uint64_t)s[n / 2] << 8 | s[n - 1];
}

static inline uint64_t
bytes_8(const uint8_t *s)
{
	uint64_t v;

	memcpy(&v, s, 8);
	return v;
}

static inline bool
bytes_are_ascii(const uint8_t *s, size_t n)
{
	uint64_t all = 0;

	if (n < 8)
		return (bytes_small(s, n) & 0x8080808080808080u) == 0;
	for (size_t i = 0; i + 8 < n; i += 8)
		all |= bytes_8(s + i);
	return ((all | bytes_8(s + n - 8)) & 0x8080808080808080u) == 0;
}

size_t
mk_utf8_next(const void *text, size_t n, uint32_t *c)
{
	const uint8_t *s = text;
	size_t len;
	uint32_t v;

	if (n == 0)
		return 0;
	len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if ((len > 1 && (s[0] < 0xc2 || s[0] > 0xf4)) || n < len)
		return 0;
	/* Overlong forms, surrogates and what is beyond U+10FFFF show in the second byte. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	v = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (s[i] & 0x3fu);
	}
	*c = v;
	return len;
}

static bool
utf8_scan(const uint8_t *s, size_t n)
{
	uint32_t c;

	while (n > 0) {
		size_t len = mk_utf8_next(s, n, &c);

		if (len == 0)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

bool
mk_utf8_valid(const void *s, size_t len)
{
	return bytes_are_ascii(s, len) || utf8_scan(s, len);
}

/* ---------------------------------------------------------------- keys -- */

static inline uint64_t
hash_step(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static inline uint32_t
key_tag(const uint8_t *s, size_t n, uint64_t seed)
{
	uint64_t h = seed;

	if (n < 8) {
		h = hash_step(h, bytes_small(s, n));
	} else {
		for (size_t i = 0; i + 8 < n; i += 8)
			h = hash_step(h, bytes_8(s + i));
		h = hash_step(h, bytes_8(s + n - 8));
	}
	h = hash_step(h, n);
	return ((uint32_t)(h >> 32) & ~0xffu) | (uint32_t)n;
}

static inline uint32_t
key_slot(uint32_t tag)
{
	return (tag >> 8) % SLOTS;
}

static inline bool
key_equal(const struct check *c, const struct key *k, const uint8_t *s, uint32_t tag)
{
	return k->tag == tag && memcmp(c->base + k->at, s, tag & 0xffu) == 0;
}

/* Put a key into its map; false if the map has it already. */
static bool
key_add(struct check *c, const struct frame *f, const uint8_t *s, size_t n)
{
	/* Two maps that are open at the same time scatter their keys differently. */
	uint32_t tag = key_tag(s, n, (uint64_t)(uintptr_t)c + f->first);
	uint32_t i;

	if (!f->hashed) {
		for (i = f->first; i < c->keys; i++) {
			if (key_equal(c, &c->key[i], s, tag))
				return false;
		}
	} else {
		for (i = key_slot(tag); c->slot[i] != 0; i = (i + 1) % SLOTS) {
			uint32_t other = c->slot[i] - 1u;

			if (other >= f->first && key_equal(c, &c->key[other], s, tag))
				return false;
		}
		c->slot[i] = (uint16_t)(c->keys + 1);
	}
	c->key[c->keys++] = (struct key){ (uint32_t)(s - c->base), tag };
	return true;
}

static void
keys_drop(struct check *c, const struct frame *f)
{
	while (f->hashed && c->keys > f->first) {
		uint32_t i = key_slot(c->key[c->keys - 1].tag);

		while (c->slot[i] != c->keys)
			i = (i + 1) % SLOTS;
		c->slot[i] = 0;
		c->keys--;
	}
	c->keys = f->first;
}

/* -------------------------------------------------------------- values -- */

__attribute__((format(printf, 2, 3))) static bool
refuse(const struct check *c, const char *format, ...)
{
	va_list ap;

	if (c->why != NULL && c->why_len > 0) {
		va_start(ap, format);
		(void)vsnprintf(c->why, c->why_len, format, ap);
		va_end(ap);
	}
	return false;
}

static bool
open_container(struct check *c, const struct head *h, size_t at)
{
	bool is_map = h->kind == HEAD_MAP;
	const char *what = is_map ? "map" : "array";
	uint64_t left = (uint64_t)(c->end - c->p) / (is_map ? 2 : 1);

	if (h->n > left)
		return refuse(c, "%s of %" PRIu64 " at %zu does not fit", what, h->n, at);
	if (c->depth >= c->max_depth)
		return refuse(c, "%s at %zu is more than %" PRIu32 " deep", what, at, c->max_depth);
	if (is_map && h->n > KEYS_MAX - c->keys)
		return refuse(c, "map of %" PRIu64 " at %zu makes more than %u keys", h->n, at,
			      KEYS_MAX);
	if (h->n == 0)
		return true;
	c->frames[c->depth++] = (struct frame){
		.left = (uint32_t)h->n * (is_map ? 2 : 1),
		.first = c->keys,
		.is_map = is_map,
		.hashed = is_map && h->n > KEYS_SMALL,
	};
	if (c->frames[c->depth - 1].hashed && !c->slots_clean) {
		memset(c->slot, 0, sizeof(c->slot));
		c->slots_clean = true;
	}
	return true;
}

/* The bytes of a string or binary; `map` is set when it is a key there. */
static inline bool
check_bytes(struct check *c, const struct head *h, size_t at, const struct frame *map)
{
	const uint8_t *s = c->p;

	if (h->n > (uint64_t)(c->end - s))
		return refuse(c, "%s of %" PRIu64 " at %zu does not fit",
			      h->kind == HEAD_STR ? "string" : "binary", h->n, at);
	c->p += h->n;
	if (h->kind == HEAD_STR && !mk_utf8_valid(s, (size_t)h->n))
		return refuse(c, "string at %zu is not UTF-8", at);
	if (map == NULL)
		return true;
	if (h->n > KEY_MAX)
		return refuse(c, "key of %" PRIu64 " bytes at %zu is too long", h->n, at);
	if (!key_add(c, map, s, (size_t)h->n))
		return refuse(c, "key at %zu is twice in its map", at);
	return true;
}

static inline bool
check_value(struct check *c)
{
	struct frame *f = c->depth > 0 ? &c->frames[c->depth - 1] : NULL;
	bool is_key = f != NULL && f->is_map && f->left % 2 == 0;
	size_t at = (size_t)(c->p - c->base);
	struct head h;
	size_t size = head_read(c->p, (size_t)(c->end - c->p), &h);

	if (size == 0)
		return refuse(c, "cut off at %zu", at);
	if (h.kind == HEAD_BAD)
		return refuse(c, "byte 0x%02x at %zu is not allowed", *c->p, at);
	if (is_key && h.kind != HEAD_STR)
		return refuse(c, "key at %zu is not a string", at);
	if (c->nodes_left-- == 0)
		return refuse(c, "too many values at %zu", at);
	c->p += size;
	if (f != NULL)
		f->left--;
	if (h.kind < HEAD_STR)
		return true;
	if (h.kind < HEAD_ARRAY)
		return check_bytes(c, &h, at, is_key ? f : NULL);
	return open_container(c, &h, at);
}

mk_result
mk_validate(const void *data, size_t len, const mk_limits *limits, char *why, size_t why_len)
{
	const mk_limits *l = limits != NULL ? limits : &mk_limits_default;
	struct check c;

	/* Not an initialiser: that would clear the arrays for every message. */
	c.base = c.p = data != NULL ? data : "";
	c.end = c.base + len;
	c.why = why;
	c.why_len = why_len;
	c.max_depth = l->max_depth < DEPTH_MAX ? l->max_depth : DEPTH_MAX;
	c.nodes_left = l->max_nodes;
	c.depth = 0;
	c.keys = 0;
	c.slots_clean = false;
	if (len > UINT32_MAX) {
		(void)refuse(&c, "text of %zu bytes is too long", len);
		return MK_EFORMAT;
	}
	do {
		if (!check_value(&c))
			return MK_EFORMAT;
		while (c.depth > 0 && c.frames[c.depth - 1].left == 0)
			keys_drop(&c, &c.frames[--c.depth]);
	} while (c.depth > 0);
	if (c.p != c.end) {
		(void)refuse(&c, "%zu bytes after the end at %zu", (size_t)(c.end - c.p),
			     (size_t)(c.p - c.base));
		return MK_EFORMAT;
	}
	return MK_OK;
}
