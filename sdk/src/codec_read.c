/* SPDX-License-Identifier: MIT
 *
 * Reading msgpack: validate, let msgpack-c unpack into a zone, and look at the
 * result through getters that cannot go wrong.
 */
#include <meshkern/codec.h>

#include <string.h>

#include <msgpack/unpack.h>

/* The zone keeps its first chunk between documents and frees all others, so an
 * idle document holds this much. It is enough for about 650 values. */
#define DOC_CHUNK (16u << 10)
#define DOC_NODES_MAX (4u << 20)

void
mk_doc_init(mk_doc *doc)
{
	*doc = (mk_doc){ 0 };
}

mk_result
mk_doc_open(mk_doc *doc, const void *data, size_t len, const mk_limits *limits, char *why,
	    size_t why_len)
{
	mk_limits l = limits != NULL ? *limits : mk_limits_default;
	msgpack_object *root;
	mk_result r;

	mk_doc_close(doc);
	if (l.max_nodes > DOC_NODES_MAX)
		l.max_nodes = DOC_NODES_MAX;
	r = mk_validate(data, len, &l, why, why_len);
	if (r != MK_OK)
		return r;
	if (doc->zone == NULL)
		doc->zone = msgpack_zone_new(DOC_CHUNK);
	if (doc->zone == NULL)
		return MK_ENOMEM;
	root = msgpack_zone_malloc(doc->zone, sizeof(*root));
	/* What is valid can only fail for want of memory. */
	if (root == NULL ||
	    msgpack_unpack(data, len, NULL, doc->zone, root) != MSGPACK_UNPACK_SUCCESS) {
		mk_doc_close(doc);
		return MK_ENOMEM;
	}
	doc->root = root;
	return MK_OK;
}

void
mk_doc_close(mk_doc *doc)
{
	doc->root = NULL;
	if (doc->zone != NULL)
		msgpack_zone_clear(doc->zone);
}

void
mk_doc_fini(mk_doc *doc)
{
	if (doc->zone != NULL)
		msgpack_zone_free(doc->zone);
	mk_doc_init(doc);
}

const mk_val *
mk_doc_root(const mk_doc *doc)
{
	return doc->root;
}

static bool
val_is(const mk_val *v, msgpack_object_type type)
{
	return v != NULL && v->type == type;
}

bool
mk_is_nil(const mk_val *v)
{
	return val_is(v, MSGPACK_OBJECT_NIL);
}

bool
mk_is_map(const mk_val *v)
{
	return val_is(v, MSGPACK_OBJECT_MAP);
}

bool
mk_is_array(const mk_val *v)
{
	return val_is(v, MSGPACK_OBJECT_ARRAY);
}

bool
mk_is_str(const mk_val *v)
{
	return val_is(v, MSGPACK_OBJECT_STR);
}

bool
mk_get_bool(const mk_val *v, bool *out)
{
	if (!val_is(v, MSGPACK_OBJECT_BOOLEAN))
		return false;
	*out = v->via.boolean;
	return true;
}

bool
mk_get_i64(const mk_val *v, int64_t *out)
{
	if (val_is(v, MSGPACK_OBJECT_NEGATIVE_INTEGER))
		*out = v->via.i64;
	else if (val_is(v, MSGPACK_OBJECT_POSITIVE_INTEGER) && v->via.u64 <= INT64_MAX)
		*out = (int64_t)v->via.u64;
	else
		return false;
	return true;
}

bool
mk_get_u64(const mk_val *v, uint64_t *out)
{
	if (!val_is(v, MSGPACK_OBJECT_POSITIVE_INTEGER))
		return false;
	*out = v->via.u64;
	return true;
}

bool
mk_get_u32(const mk_val *v, uint32_t *out)
{
	if (!val_is(v, MSGPACK_OBJECT_POSITIVE_INTEGER) || v->via.u64 > UINT32_MAX)
		return false;
	*out = (uint32_t)v->via.u64;
	return true;
}

bool
mk_get_f64(const mk_val *v, double *out)
{
	if (val_is(v, MSGPACK_OBJECT_FLOAT64) || val_is(v, MSGPACK_OBJECT_FLOAT32))
		*out = v->via.f64;
	else if (val_is(v, MSGPACK_OBJECT_POSITIVE_INTEGER))
		*out = (double)v->via.u64;
	else if (val_is(v, MSGPACK_OBJECT_NEGATIVE_INTEGER))
		*out = (double)v->via.i64;
	else
		return false;
	return true;
}

/* msgpack-c leaves any pointer in an empty string or binary. */
bool
mk_get_str(const mk_val *v, const char **s, size_t *len)
{
	if (!val_is(v, MSGPACK_OBJECT_STR))
		return false;
	*s = v->via.str.size > 0 ? v->via.str.ptr : "";
	*len = v->via.str.size;
	return true;
}

bool
mk_get_bin(const mk_val *v, const uint8_t **data, size_t *len)
{
	if (!val_is(v, MSGPACK_OBJECT_BIN))
		return false;
	*data = (const uint8_t *)(v->via.bin.size > 0 ? v->via.bin.ptr : "");
	*len = v->via.bin.size;
	return true;
}

bool
mk_copy_str(const mk_val *v, char *buf, size_t cap)
{
	const char *s;
	size_t len;

	if (!mk_get_str(v, &s, &len) || len >= cap || memchr(s, '\0', len) != NULL)
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	return true;
}

uint32_t
mk_count(const mk_val *v)
{
	if (mk_is_map(v))
		return v->via.map.size;
	return mk_is_array(v) ? v->via.array.size : 0;
}

const mk_val *
mk_at(const mk_val *array, uint32_t i)
{
	return mk_is_array(array) && i < array->via.array.size ? &array->via.array.ptr[i] : NULL;
}

const mk_val *
mk_key_at(const mk_val *map, uint32_t i)
{
	return mk_is_map(map) && i < map->via.map.size ? &map->via.map.ptr[i].key : NULL;
}

const mk_val *
mk_val_at(const mk_val *map, uint32_t i)
{
	return mk_is_map(map) && i < map->via.map.size ? &map->via.map.ptr[i].val : NULL;
}

const mk_val *
mk_find(const mk_val *map, const char *key)
{
	size_t len = strlen(key);

	if (!mk_is_map(map))
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];
		const msgpack_object_str *s = &kv->key.via.str; /* keys are strings */

		if (s->size == len && (len == 0 || memcmp(s->ptr, key, len) == 0))
			return &kv->val;
	}
	return NULL;
}
