/* SPDX-License-Identifier: MIT
 *
 * From a plugin's descriptor to a manifest. The plugin may be older or newer:
 * of each of its structures only the members are read that it says it has.
 */
#include "manifest_impl.h"

#include <string.h>

/* The end of the descriptor of interface 1.0. */
#define DESC_SIZE_MIN (offsetof(mk_plugin_desc, extension) + sizeof(void (*)(void)))
#define STRIDE_MAX 4096u

static mk_result
desc_text(struct manifest *m, const char *s, const char *what, uint32_t max, const char **out,
	  mk_err *err)
{
	*out = NULL;
	if (s == NULL)
		return MK_OK;
	return manifest_in(what, manifest_text(m, s, strnlen(s, (size_t)max + 1), max, out, err),
			   err);
}

static const char *
entry_pointer(const char *entry, size_t offset)
{
	const char *p;

	memcpy(&p, entry + offset, sizeof(p));
	return p;
}

/* Copy what lies within `stride`; the rest of `to` stays zero. */
static mk_result
desc_fields(struct manifest *m, const struct fields *f, char *to, const char *from, size_t stride,
	    mk_err *err)
{
	static const size_t sizes[] = {
		[FIELD_TEXT] = sizeof(char *),  [FIELD_U16] = sizeof(uint16_t),
		[FIELD_U32] = sizeof(uint32_t), [FIELD_I64] = sizeof(int64_t),
		[FIELD_BOOL] = sizeof(bool),
	};

	for (uint32_t i = 0; i < f->count; i++) {
		const struct field *d = &f->list[i];
		const char *text;
		mk_result r;

		if (d->offset + sizes[d->kind] > stride)
			continue;
		if (d->kind != FIELD_TEXT) {
			memcpy(to + d->offset, from + d->offset, sizes[d->kind]);
			continue;
		}
		r = desc_text(m, entry_pointer(from, d->offset), d->key, d->max, &text, err);
		if (r != MK_OK)
			return r;
		memcpy(to + d->offset, &text, sizeof(text));
	}
	return MK_OK;
}

/* A list whose entries begin with their name and end with a NULL name. */
static mk_result
desc_list(struct manifest *m, const struct fields *f, const void *list, uint32_t stride,
	  uint32_t max, void *out, mk_err *err)
{
	const char *from = list;
	uint32_t count = 0;
	char *to;
	mk_result r;

	if (list != NULL && (stride < sizeof(char *) || stride > STRIDE_MAX))
		return mk_err_set(err, MK_EABI, "entries of %u bytes", stride);
	while (from != NULL && count <= max && entry_pointer(from + count * stride, 0) != NULL)
		count++;
	r = manifest_list(m, count, max, f->size, &to, err);
	for (uint32_t i = 0; r == MK_OK && i < count; i++) {
		r = desc_fields(m, f, to + i * f->size, from + i * stride, stride, err);
		if (r != MK_OK)
			(void)mk_err_wrap(err, "entry %u", i);
	}
	if (r == MK_OK)
		memcpy(out, &to, sizeof(to));
	return r;
}

static mk_result
desc_texts(struct manifest *m, const char *const *list, uint32_t max, const char *const **out,
	   mk_err *err)
{
	const char **to;
	uint32_t count = 0;
	mk_result r;

	while (list != NULL && count <= max && list[count] != NULL)
		count++;
	r = manifest_list(m, count, max, sizeof(*to), &to, err);
	for (uint32_t i = 0; r == MK_OK && i < count; i++)
		r = desc_text(m, list[i], "entry", MANIFEST_LINE_MAX, &to[i], err);
	if (r == MK_OK)
		*out = to;
	return r;
}

static mk_result
desc_options(struct manifest *m, const void *list, uint32_t stride, uint32_t groups,
	     const mk_option **out, mk_err *err)
{
	const char *from = list;
	mk_option *to = NULL;
	mk_result r;

	if (groups > MANIFEST_GROUPS_MAX)
		return mk_err_set(err, MK_EINVAL, "more than %u groups in one another",
				  MANIFEST_GROUPS_MAX);
	r = desc_list(m, &manifest_option, list, stride, MANIFEST_OPTIONS_MAX, &to, err);
	if (r == MK_OK)
		r = manifest_add_options(m, to, err);
	for (mk_option *o = to; r == MK_OK && o != NULL && o->name != NULL; o++, from += stride) {
		const char *const *choices = NULL;
		const void *sub = NULL;

		if (stride >= offsetof(mk_option, choices) + sizeof(choices))
			memcpy(&choices, from + offsetof(mk_option, choices), sizeof(choices));
		if (stride >= offsetof(mk_option, sub) + sizeof(sub))
			memcpy(&sub, from + offsetof(mk_option, sub), sizeof(sub));
		if (choices != NULL)
			r = desc_texts(m, choices, MANIFEST_CHOICES_MAX, &o->choices, err);
		if (r == MK_OK && sub != NULL)
			r = desc_options(m, sub, stride, groups + 1, &o->sub, err);
		r = manifest_in(o->name, r, err);
	}
	if (r == MK_OK)
		*out = to;
	return r;
}

static mk_result
desc_root(struct manifest *m, const mk_plugin_desc *d, mk_err *err)
{
	mk_manifest *p = &m->pub;
	const struct {
		const char *text;
		const char *what;
		const char **out;
		uint32_t max;
	} texts[] = {
		{ d->id, "id", &p->id, MANIFEST_NAME_MAX },
		{ d->version, "version", &p->version, MANIFEST_NAME_MAX },
		{ d->summary, "summary", &p->summary, MANIFEST_LINE_MAX },
		{ d->license, "license", &p->license, MANIFEST_LINE_MAX },
		{ d->author, "author", &p->author, MANIFEST_LINE_MAX },
		{ d->url, "url", &p->url, MANIFEST_LINE_MAX },
	};
	mk_result r = MK_OK;

	for (size_t i = 0; r == MK_OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = desc_text(m, texts[i].text, texts[i].what, texts[i].max, texts[i].out, err);
	p->abi_major = d->abi_major;
	p->abi_minor = d->abi_minor;
	p->min_host_minor = d->min_host_minor;
	p->flags = d->flags;
	p->has_check = d->check != NULL;
	p->has_reconfigure = d->reconfigure != NULL;
	p->has_on_msg = d->on_msg != NULL;
	p->has_on_call = d->on_call != NULL;
	return r;
}

static mk_result
desc_lists(struct manifest *m, const mk_plugin_desc *d, mk_err *err)
{
	mk_manifest *p = &m->pub;
	mk_result r;

	r = manifest_in("subscribes",
			desc_list(m, &manifest_topic, d->subscribes, d->topic_size,
				  MANIFEST_TOPICS_MAX, &m->subscribes, err),
			err);
	if (r == MK_OK)
		r = manifest_in("publishes",
				desc_list(m, &manifest_topic, d->publishes, d->topic_size,
					  MANIFEST_TOPICS_MAX, &m->publishes, err),
				err);
	if (r == MK_OK)
		r = manifest_in("methods",
				desc_list(m, &manifest_method, d->methods, d->method_size,
					  MANIFEST_METHODS_MAX, &p->methods, err),
				err);
	if (r == MK_OK)
		r = manifest_in("options",
				desc_options(m, d->options, d->option_size, 0, &p->options, err),
				err);
	if (r == MK_OK)
		r = manifest_in("capabilities",
				desc_texts(m, d->capabilities, MANIFEST_CAPABILITIES_MAX,
					   &p->capabilities, err),
				err);
	return r;
}

mk_result
manifest_from_desc(struct manifest **out, const mk_plugin_desc *desc, mk_err *err)
{
	struct manifest *m;
	mk_result r;

	if (desc == NULL || desc->struct_size < DESC_SIZE_MIN)
		return mk_err_set(err, MK_EABI, "the descriptor is too small");
	if (desc->abi_major != MK_ABI_MAJOR)
		return mk_err_set(err, MK_EABI, "made for interface %u.%u, this is %u.%u",
				  desc->abi_major, desc->abi_minor, MK_ABI_MAJOR, MK_ABI_MINOR);
	if (desc->create == NULL || desc->destroy == NULL)
		return mk_err_set(err, MK_EINVAL, "create or destroy is missing");
	m = manifest_new();
	if (m == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	r = desc_root(m, desc, err);
	if (r == MK_OK)
		r = desc_lists(m, desc, err);
	if (r != MK_OK) {
		mk_manifest_free(&m->pub);
		return r;
	}
	*out = m;
	return MK_OK;
}

mk_result
mk_desc_check(const mk_plugin_desc *desc, mk_err *err)
{
	struct manifest *m = NULL;
	mk_result r = manifest_from_desc(&m, desc, err);

	if (r != MK_OK)
		return r;
	r = manifest_finish(m, err);
	mk_manifest_free(&m->pub);
	return r;
}
