/* SPDX-License-Identifier: MIT
 *
 * Bounded msgpack, over msgpack-c.
 *
 * Writing goes into a growing buffer with a limit and a sticky error: write
 * everything, check once in mk_writer_end.
 *
 * Reading validates the whole text before anything is allocated, because a
 * five-byte message can make msgpack-c allocate a gigabyte. A document that
 * opened is well-formed, within its limits, and has no trailing bytes.
 *
 * All functions are [any]; an object belongs to one thread at a time.
 */
#ifndef MK_SDK_CODEC_H
#define MK_SDK_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------ writing --- */

typedef struct mk_writer {
	uint8_t *data; /* [borrowed] until the next write, reset or fini */
	size_t len;
	size_t cap;
	size_t limit;
	mk_result error; /* the first one; later writes do nothing */
	uint32_t depth;
	struct { /* what is open, checked by mk_writer_end */
		uint32_t left;
		uint8_t kind;
	} open[16];
} mk_writer;

/* A writer whose text is at most `limit` bytes (0 = MK_BODY_MAX). Errors are
 * MK_ETOOBIG (the limit), MK_ENOMEM, MK_EFORMAT (a string is not UTF-8; raw text
 * is not valid), MK_EINVAL (more values than announced, a key that is not a
 * string of at most 127 bytes, too deep). */
void mk_writer_init(mk_writer *w, size_t limit);
/* Forget the text, keep the memory. */
void mk_writer_reset(mk_writer *w);
void mk_writer_fini(mk_writer *w);
/* MK_OK if everything was written and every map and array is complete, else the
 * first error or, for an incomplete text, MK_ESTATE. */
mk_result mk_writer_end(const mk_writer *w);

/* A map of `pairs` pairs (write key, value, key, value...), an array of
 * `count` values. At most 16 deep. */
void mk_put_map(mk_writer *w, uint32_t pairs);
void mk_put_array(mk_writer *w, uint32_t count);
void mk_put_nil(mk_writer *w);
void mk_put_bool(mk_writer *w, bool v);
void mk_put_i64(mk_writer *w, int64_t v);
void mk_put_u64(mk_writer *w, uint64_t v);
void mk_put_f64(mk_writer *w, double v);
void mk_put_str(mk_writer *w, const char *v); /* NULL writes nil */
void mk_put_strn(mk_writer *w, const char *v, size_t len);
void mk_put_bin(mk_writer *w, const void *v, size_t len);
/* One complete msgpack text as the next value, but not as a key; it is validated. */
void mk_put_raw(mk_writer *w, const void *v, size_t len);

/* Key and value in one call. */
void mk_kv_nil(mk_writer *w, const char *key);
void mk_kv_bool(mk_writer *w, const char *key, bool v);
void mk_kv_i64(mk_writer *w, const char *key, int64_t v);
void mk_kv_u64(mk_writer *w, const char *key, uint64_t v);
void mk_kv_f64(mk_writer *w, const char *key, double v);
void mk_kv_str(mk_writer *w, const char *key, const char *v);
void mk_kv_bin(mk_writer *w, const char *key, const void *v, size_t len);
void mk_kv_map(mk_writer *w, const char *key, uint32_t pairs);
void mk_kv_array(mk_writer *w, const char *key, uint32_t count);
void mk_kv_strs(mk_writer *w, const char *key, uint32_t count, const char *const *v);

/* ------------------------------------------------------------ checking -- */

typedef struct mk_limits {
	uint32_t max_depth; /* of nested maps and arrays; above 32 counts as 32 */
	uint32_t max_nodes; /* values altogether, keys included */
} mk_limits;

/* depth 16; nodes bounded by the length alone (a node is at least a byte). */
extern const mk_limits mk_limits_default;

/* MK_OK: `data` is exactly one msgpack text within `limits` (NULL = default)
 * whose strings are UTF-8 and whose map keys are strings of at most 127 bytes,
 * none twice in one map. Extension types and texts of 4 GiB are refused. Else
 * MK_EFORMAT, and `why` (may be NULL) names the fault and the offset: "array of
 * 4294967295 at 12 does not fit". Allocates nothing; time is linear.
 *
 * Unique keys are proven, not sampled, so the keys of the maps that are open at
 * one place (a map and the maps it is in) may be 4096 together, not more. What
 * is larger belongs into an array. */
mk_result mk_validate(const void *data, size_t len, const mk_limits *limits, char *why,
		      size_t why_len);

/* Well-formed UTF-8: no overlong forms, no surrogates, at most U+10FFFF. For
 * strings from outside, before they go into a message. */
bool mk_utf8_valid(const void *s, size_t len);
/* The first character of the text in *c; the bytes it takes, 0 if it is malformed or there is none. */
size_t mk_utf8_next(const void *s, size_t len, uint32_t *c);

/* How many bytes the first value of the text takes, whatever follows it; 0 if it is cut off or
 * malformed. Looks at the structure only. */
size_t mk_length(const void *data, size_t len);
/* Does the text begin like a map? */
bool mk_begins_map(const void *data, size_t len);

/* ------------------------------------------------------------- reading -- */

/* A value inside an open document: borrowed until mk_doc_close or the next
 * mk_doc_open. Every getter takes NULL and says no, so lookups can be chained
 * without checks in between. */
typedef struct msgpack_object mk_val;

typedef struct mk_doc {
	void *zone; /* kept between opens */
	const mk_val *root;
} mk_doc;

void mk_doc_init(mk_doc *doc);
/* Validate, then unpack. `data` must stay until the document is closed:
 * strings and binaries point into it. A value takes 24 bytes of memory; a
 * document of more than 4 Mi values (100 MB) is refused whatever `limits` say.
 * MK_EFORMAT or MK_ENOMEM; the document is empty then. */
mk_result mk_doc_open(mk_doc *doc, const void *data, size_t len, const mk_limits *limits, char *why,
		      size_t why_len);
/* Forget the values, keep some memory for the next. */
void mk_doc_close(mk_doc *doc);
void mk_doc_fini(mk_doc *doc);
const mk_val *mk_doc_root(const mk_doc *doc);

bool mk_is_nil(const mk_val *v); /* false for NULL: absent is not nil */
bool mk_is_map(const mk_val *v);
bool mk_is_array(const mk_val *v);
bool mk_is_str(const mk_val *v);

/* Getters leave *out alone and return false if the type or range is wrong. */
bool mk_get_bool(const mk_val *v, bool *out);
bool mk_get_i64(const mk_val *v, int64_t *out);
bool mk_get_u64(const mk_val *v, uint64_t *out);
bool mk_get_u32(const mk_val *v, uint32_t *out);
bool mk_get_f64(const mk_val *v, double *out);                 /* integers too */
bool mk_get_str(const mk_val *v, const char **s, size_t *len); /* no NUL */
bool mk_get_bin(const mk_val *v, const uint8_t **data, size_t *len);
/* The string, NUL-terminated, if it fits with its NUL and contains none. */
bool mk_copy_str(const mk_val *v, char *buf, size_t cap);

uint32_t mk_count(const mk_val *v); /* items or pairs; else 0 */
const mk_val *mk_at(const mk_val *array, uint32_t i);
const mk_val *mk_key_at(const mk_val *map, uint32_t i);
const mk_val *mk_val_at(const mk_val *map, uint32_t i);
const mk_val *mk_find(const mk_val *map, const char *key);

/* -------------------------------------------------------------- as JSON -- */

/* The text as JSON into buf, always NUL-terminated; binaries as {"$bin":
 * "<hex>"}, strings escaped so that the output is ASCII-safe and one line.
 * Returns the length needed without NUL, like snprintf, or a negative result
 * if data is malformed. */
int64_t mk_to_json(const void *data, size_t len, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
