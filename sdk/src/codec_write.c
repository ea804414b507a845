/* SPDX-License-Identifier: MIT
 *
 * Writing msgpack with msgpack-c's packers into a buffer with a limit.
 *
 * For every map and array that is open the writer counts the values that are
 * still due, so a text that mk_writer_end calls complete is well-formed. Only
 * doubled keys are left to mk_validate.
 */
#include <meshkern/codec.h>

#include <stdlib.h>
#include <string.h>

#include <msgpack/pack.h>

#define WRITER_DEPTH (sizeof(((mk_writer *)NULL)->open) / sizeof(((mk_writer *)NULL)->open[0]))
#define WRITER_FIRST_CAP 256u
#define WRITER_KEY_MAX 127u

enum { WRITER_ARRAY, WRITER_MAP };
enum value_kind { VALUE_STR, VALUE_OTHER };

void
mk_writer_init(mk_writer *w, size_t limit)
{
	*w = (mk_writer){ .limit = limit == 0 ? MK_BODY_MAX : limit };
	if (w->limit > UINT32_MAX) /* msgpack counts with 32 bits */
		w->limit = UINT32_MAX;
}

void
mk_writer_reset(mk_writer *w)
{
	w->len = 0;
	w->depth = 0;
	w->error = MK_OK;
}

void
mk_writer_fini(mk_writer *w)
{
	free(w->data);
	mk_writer_init(w, w->limit);
}

mk_result
mk_writer_end(const mk_writer *w)
{
	if (w->error != MK_OK)
		return w->error;
	return w->len == 0 || w->depth > 0 ? MK_ESTATE : MK_OK;
}

static bool
writer_fail(mk_writer *w, mk_result error)
{
	if (w->error == MK_OK)
		w->error = error;
	return false;
}

static int
writer_append(void *data, const char *bytes, size_t len)
{
	mk_writer *w = data;

	if (w->error != MK_OK)
		return -1;
	if (len > w->limit - w->len) {
		(void)writer_fail(w, MK_ETOOBIG);
		return -1;
	}
	if (len > w->cap - w->len) {
		size_t cap = w->cap < WRITER_FIRST_CAP ? WRITER_FIRST_CAP : 2 * w->cap;
		uint8_t *grown;

		if (cap < w->len + len)
			cap = w->len + len;
		if (cap > w->limit)
			cap = w->limit;
		grown = realloc(w->data, cap);
		if (grown == NULL) {
			(void)writer_fail(w, MK_ENOMEM);
			return -1;
		}
		w->data = grown;
		w->cap = cap;
	}
	if (len > 0)
		memcpy(w->data + w->len, bytes, len);
	w->len += len;
	return 0;
}

static msgpack_packer
writer_packer(mk_writer *w)
{
	return (msgpack_packer){ .data = w, .callback = writer_append };
}

static bool
writer_at_key(const mk_writer *w)
{
	return w->depth > 0 && w->open[w->depth - 1].kind == WRITER_MAP &&
	       w->open[w->depth - 1].left % 2 == 0;
}

/* May a value of this kind and at least `size` bytes come next? */
static bool
writer_admit(mk_writer *w, enum value_kind kind, size_t size)
{
	if (w->error != MK_OK)
		return false;
	if (w->depth == 0 && w->len > 0)
		return writer_fail(w, MK_EINVAL);
	if (writer_at_key(w) && (kind != VALUE_STR || size > WRITER_KEY_MAX))
		return writer_fail(w, MK_EINVAL);
	if (size > w->limit - w->len)
		return writer_fail(w, MK_ETOOBIG);
	return true;
}

/* A value is complete, and with it perhaps what it is in. */
static void
writer_done(mk_writer *w)
{
	while (w->depth > 0 && --w->open[w->depth - 1].left == 0)
		w->depth--;
}

static void
writer_open(mk_writer *w, uint8_t kind, uint32_t count)
{
	uint32_t each = kind == WRITER_MAP ? 2 : 1;
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, (size_t)count * each))
		return;
	if (w->depth == WRITER_DEPTH) {
		(void)writer_fail(w, MK_EINVAL);
		return;
	}
	if (kind == WRITER_MAP)
		(void)msgpack_pack_map(&pk, count);
	else
		(void)msgpack_pack_array(&pk, count);
	if (count == 0) {
		writer_done(w);
		return;
	}
	w->open[w->depth].kind = kind;
	w->open[w->depth].left = count * each;
	w->depth++;
}

void
mk_put_map(mk_writer *w, uint32_t pairs)
{
	writer_open(w, WRITER_MAP, pairs);
}

void
mk_put_array(mk_writer *w, uint32_t count)
{
	writer_open(w, WRITER_ARRAY, count);
}

void
mk_put_nil(mk_writer *w)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, 1))
		return;
	(void)msgpack_pack_nil(&pk);
	writer_done(w);
}

void
mk_put_bool(mk_writer *w, bool v)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, 1))
		return;
	(void)(v ? msgpack_pack_true(&pk) : msgpack_pack_false(&pk));
	writer_done(w);
}

void
mk_put_i64(mk_writer *w, int64_t v)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, 1))
		return;
	(void)msgpack_pack_int64(&pk, v);
	writer_done(w);
}

void
mk_put_u64(mk_writer *w, uint64_t v)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, 1))
		return;
	(void)msgpack_pack_uint64(&pk, v);
	writer_done(w);
}

void
mk_put_f64(mk_writer *w, double v)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, 1))
		return;
	(void)msgpack_pack_double(&pk, v);
	writer_done(w);
}

void
mk_put_str(mk_writer *w, const char *v)
{
	if (v == NULL)
		mk_put_nil(w);
	else
		mk_put_strn(w, v, strlen(v));
}

void
mk_put_strn(mk_writer *w, const char *v, size_t len)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_STR, len))
		return;
	if (!mk_utf8_valid(v, len)) {
		(void)writer_fail(w, MK_EFORMAT);
		return;
	}
	(void)msgpack_pack_str_with_body(&pk, v, len);
	writer_done(w);
}

void
mk_put_bin(mk_writer *w, const void *v, size_t len)
{
	msgpack_packer pk = writer_packer(w);

	if (!writer_admit(w, VALUE_OTHER, len))
		return;
	(void)msgpack_pack_bin_with_body(&pk, v, len);
	writer_done(w);
}

void
mk_put_raw(mk_writer *w, const void *v, size_t len)
{
	mk_limits limits = mk_limits_default;

	if (!writer_admit(w, VALUE_OTHER, len))
		return;
	limits.max_depth = (uint32_t)WRITER_DEPTH - w->depth;
	if (mk_validate(v, len, &limits, NULL, 0) != MK_OK) {
		(void)writer_fail(w, MK_EFORMAT);
		return;
	}
	(void)writer_append(w, v, len);
	writer_done(w);
}

void
mk_kv_nil(mk_writer *w, const char *key)
{
	mk_put_str(w, key);
	mk_put_nil(w);
}

void
mk_kv_bool(mk_writer *w, const char *key, bool v)
{
	mk_put_str(w, key);
	mk_put_bool(w, v);
}

void
mk_kv_i64(mk_writer *w, const char *key, int64_t v)
{
	mk_put_str(w, key);
	mk_put_i64(w, v);
}

void
mk_kv_u64(mk_writer *w, const char *key, uint64_t v)
{
	mk_put_str(w, key);
	mk_put_u64(w, v);
}

void
mk_kv_f64(mk_writer *w, const char *key, double v)
{
	mk_put_str(w, key);
	mk_put_f64(w, v);
}

void
mk_kv_str(mk_writer *w, const char *key, const char *v)
{
	mk_put_str(w, key);
	mk_put_str(w, v);
}

void
mk_kv_bin(mk_writer *w, const char *key, const void *v, size_t len)
{
	mk_put_str(w, key);
	mk_put_bin(w, v, len);
}

void
mk_kv_map(mk_writer *w, const char *key, uint32_t pairs)
{
	mk_put_str(w, key);
	mk_put_map(w, pairs);
}

void
mk_kv_array(mk_writer *w, const char *key, uint32_t count)
{
	mk_put_str(w, key);
	mk_put_array(w, count);
}

void
mk_kv_strs(mk_writer *w, const char *key, uint32_t count, const char *const *v)
{
	mk_kv_array(w, key, count);
	for (uint32_t i = 0; i < count; i++)
		mk_put_str(w, v[i]);
}
