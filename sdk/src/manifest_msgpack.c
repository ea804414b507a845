/* SPDX-License-Identifier: MIT
 *
 * Manifests as msgpack: one map, its members named as in the structures. The
 * writer ran beside the plugin's code, so the reader trusts none of it: types
 * and limits are checked here, the rules by manifest_finish. Unknown keys are
 * left out, as a newer writer may have more.
 */
#include "manifest_impl.h"

#include <string.h>

/* More than the largest manifest has. */
static const mk_limits manifest_limits = { .max_depth = 16, .max_nodes = 65536 };

/* ------------------------------------------------------------- writing -- */

static void
write_fields(mk_writer *w, const struct fields *f, const void *entry)
{
	const char *from = entry;

	for (uint32_t i = 0; i < f->count; i++) {
		const struct field *d = &f->list[i];
		const char *text;
		uint16_t u16;
		uint32_t u32;
		int64_t i64;

		switch (d->kind) {
		case FIELD_TEXT:
			memcpy(&text, from + d->offset, sizeof(text));
			mk_kv_str(w, d->key, text);
			break;
		case FIELD_U16:
			memcpy(&u16, from + d->offset, sizeof(u16));
			mk_kv_u64(w, d->key, u16);
			break;
		case FIELD_U32:
			memcpy(&u32, from + d->offset, sizeof(u32));
			mk_kv_u64(w, d->key, u32);
			break;
		case FIELD_I64:
			memcpy(&i64, from + d->offset, sizeof(i64));
			mk_kv_i64(w, d->key, i64);
			break;
		case FIELD_BOOL:
			mk_kv_bool(w, d->key, from[d->offset] != 0);
			break;
		}
	}
}

static void
write_list(mk_writer *w, const struct fields *f, const char *key, const void *list)
{
	uint32_t count = manifest_count(list, f->size);

	mk_kv_array(w, key, count);
	for (uint32_t i = 0; i < count; i++) {
		mk_put_map(w, f->count);
		write_fields(w, f, (const char *)list + i * f->size);
	}
}

static void
write_texts(mk_writer *w, const char *key, const char *const *list)
{
	uint32_t count = 0;

	while (list[count] != NULL)
		count++;
	mk_kv_strs(w, key, count, list);
}

/* Groups end MANIFEST_GROUPS_MAX deep. */
static void
write_options(mk_writer *w, const char *key, const mk_option *list)
{
	mk_kv_array(w, key, manifest_count(list, sizeof(*list)));
	for (const mk_option *o = list; o->name != NULL; o++) {
		mk_put_map(w, manifest_option.count + (o->choices != NULL) + (o->sub != NULL));
		write_fields(w, &manifest_option, o);
		if (o->choices != NULL)
			write_texts(w, "choices", o->choices);
		if (o->sub != NULL)
			write_options(w, "sub", o->sub);
	}
}

mk_result
mk_manifest_write(const mk_plugin_desc *desc, mk_writer *w)
{
	struct manifest *m;
	mk_result r = manifest_from_desc(&m, desc, NULL);

	if (r != MK_OK)
		return r;
	mk_put_map(w, manifest_root.count + 5);
	write_fields(w, &manifest_root, &m->pub);
	write_list(w, &manifest_topic, "subscribes", m->subscribes);
	write_list(w, &manifest_topic, "publishes", m->publishes);
	write_list(w, &manifest_method, "methods", m->pub.methods);
	write_options(w, "options", m->pub.options);
	write_texts(w, "capabilities", m->pub.capabilities);
	mk_manifest_free(&m->pub);
	return w->error;
}

/* ------------------------------------------------------------- reading -- */

/* Absent and nil are NULL. */
static mk_result
read_text(struct manifest *m, const mk_val *v, uint32_t max, const char **out, mk_err *err)
{
	const char *s;
	size_t len;

	*out = NULL;
	if (v == NULL || mk_is_nil(v))
		return MK_OK;
	if (!mk_get_str(v, &s, &len))
		return mk_err_set(err, MK_EFORMAT, "not a string");
	return manifest_text(m, s, len, max, out, err);
}

static mk_result
read_field(struct manifest *m, const struct field *d, const mk_val *v, char *to, mk_err *err)
{
	const char *text;
	uint16_t u16;
	uint32_t u32;
	int64_t i64;
	bool flag;
	mk_result r;

	if (d->kind == FIELD_TEXT) {
		r = read_text(m, v, d->max, &text, err);
		if (r == MK_OK)
			memcpy(to, &text, sizeof(text));
		return r;
	}
	if (v == NULL)
		return MK_OK;
	if (d->kind == FIELD_U16 && mk_get_u32(v, &u32) && u32 <= UINT16_MAX) {
		u16 = (uint16_t)u32;
		memcpy(to, &u16, sizeof(u16));
	} else if (d->kind == FIELD_U32 && mk_get_u32(v, &u32)) {
		memcpy(to, &u32, sizeof(u32));
	} else if (d->kind == FIELD_I64 && mk_get_i64(v, &i64)) {
		memcpy(to, &i64, sizeof(i64));
	} else if (d->kind == FIELD_BOOL && mk_get_bool(v, &flag)) {
		memcpy(to, &flag, sizeof(flag));
	} else {
		return mk_err_set(err, MK_EFORMAT, "wrong type or range");
	}
	return MK_OK;
}

static mk_result
read_fields(struct manifest *m, const struct fields *f, const mk_val *map, void *entry, mk_err *err)
{
	char *to = entry;

	if (!mk_is_map(map))
		return mk_err_set(err, MK_EFORMAT, "not a map");
	for (uint32_t i = 0; i < f->count; i++) {
		const struct field *d = &f->list[i];
		mk_result r = read_field(m, d, mk_find(map, d->key), to + d->offset, err);

		if (r != MK_OK)
			return manifest_in(d->key, r, err);
	}
	return MK_OK;
}

/* A list of maps whose first member is a name, which must be there. */
static mk_result
read_list(struct manifest *m, const struct fields *f, const mk_val *array, uint32_t max, void *out,
	  mk_err *err)
{
	uint32_t count = mk_count(array);
	char *to;
	mk_result r;

	if (array != NULL && !mk_is_array(array))
		return mk_err_set(err, MK_EFORMAT, "not an array");
	r = manifest_list(m, count, max, f->size, &to, err);
	for (uint32_t i = 0; r == MK_OK && i < count; i++) {
		const char *name = NULL;

		r = read_fields(m, f, mk_at(array, i), to + i * f->size, err);
		memcpy(&name, to + i * f->size, sizeof(name));
		if (r == MK_OK && name == NULL)
			r = mk_err_set(err, MK_EFORMAT, "no name");
		if (r != MK_OK)
			(void)mk_err_wrap(err, "entry %u", i);
	}
	if (r == MK_OK)
		memcpy(out, &to, sizeof(to));
	return r;
}

static mk_result
read_texts(struct manifest *m, const mk_val *array, uint32_t max, const char *const **out,
	   mk_err *err)
{
	uint32_t count = mk_count(array);
	const char **to = NULL;
	mk_result r;

	if (array != NULL && !mk_is_array(array))
		return mk_err_set(err, MK_EFORMAT, "not an array");
	r = manifest_list(m, count, max, sizeof(*to), &to, err);
	for (uint32_t i = 0; r == MK_OK && to != NULL && i < count; i++) {
		r = read_text(m, mk_at(array, i), MANIFEST_LINE_MAX, &to[i], err);
		if (r == MK_OK && to[i] == NULL)
			r = mk_err_set(err, MK_EFORMAT, "not a string");
	}
	if (r == MK_OK)
		*out = to;
	return r;
}

static mk_result
read_options(struct manifest *m, const mk_val *array, uint32_t groups, const mk_option **out,
	     mk_err *err)
{
	mk_option *to = NULL;
	mk_result r;

	if (groups > MANIFEST_GROUPS_MAX)
		return mk_err_set(err, MK_EINVAL, "more than %u groups in one another",
				  MANIFEST_GROUPS_MAX);
	r = read_list(m, &manifest_option, array, MANIFEST_OPTIONS_MAX, &to, err);
	if (r == MK_OK)
		r = manifest_add_options(m, to, err);
	for (uint32_t i = 0; r == MK_OK && to != NULL && i < mk_count(array); i++) {
		const mk_val *choices = mk_find(mk_at(array, i), "choices");
		const mk_val *sub = mk_find(mk_at(array, i), "sub");

		if (choices != NULL)
			r = read_texts(m, choices, MANIFEST_CHOICES_MAX, &to[i].choices, err);
		if (r == MK_OK && sub != NULL)
			r = read_options(m, sub, groups + 1, &to[i].sub, err);
		r = manifest_in(to[i].name, r, err);
	}
	if (r == MK_OK)
		*out = to;
	return r;
}

static mk_result
read_root(struct manifest *m, const mk_val *root, mk_err *err)
{
	mk_manifest *p = &m->pub;
	mk_result r = read_fields(m, &manifest_root, root, p, err);

	if (r == MK_OK)
		r = manifest_in("subscribes",
				read_list(m, &manifest_topic, mk_find(root, "subscribes"),
					  MANIFEST_TOPICS_MAX, &m->subscribes, err),
				err);
	if (r == MK_OK)
		r = manifest_in("publishes",
				read_list(m, &manifest_topic, mk_find(root, "publishes"),
					  MANIFEST_TOPICS_MAX, &m->publishes, err),
				err);
	if (r == MK_OK)
		r = manifest_in("methods",
				read_list(m, &manifest_method, mk_find(root, "methods"),
					  MANIFEST_METHODS_MAX, &p->methods, err),
				err);
	if (r == MK_OK)
		r = manifest_in("options",
				read_options(m, mk_find(root, "options"), 0, &p->options, err),
				err);
	if (r == MK_OK)
		r = manifest_in("capabilities",
				read_texts(m, mk_find(root, "capabilities"),
					   MANIFEST_CAPABILITIES_MAX, &p->capabilities, err),
				err);
	return r;
}

mk_result
mk_manifest_read(mk_manifest **out, const void *body, size_t len, mk_err *err)
{
	struct manifest *m = NULL;
	mk_doc doc;
	char why[128] = "";
	mk_result r;

	mk_doc_init(&doc);
	r = mk_doc_open(&doc, body, len, &manifest_limits, why, sizeof(why));
	if (r != MK_OK) {
		(void)mk_err_set(err, r, "manifest: %s", r == MK_EFORMAT ? why : mk_result_text(r));
		goto out;
	}
	m = manifest_new();
	if (m == NULL) {
		r = mk_err_set(err, MK_ENOMEM, "out of memory");
		goto out;
	}
	r = read_root(m, mk_doc_root(&doc), err);
	if (r == MK_OK)
		r = manifest_finish(m, err);
	if (r == MK_OK) {
		*out = &m->pub;
		m = NULL;
	}
out:
	if (m != NULL)
		mk_manifest_free(&m->pub);
	mk_doc_fini(&doc);
	return r;
}
