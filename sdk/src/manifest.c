/* SPDX-License-Identifier: MIT
 *
 * Manifests: their fields, the form of names, and the rules that hold wherever
 * a manifest comes from.
 */
#include "manifest_impl.h"

#include <meshkern/options.h>

#include <stdlib.h>
#include <string.h>

#define FIELD(type, name, kind, max)                   \
	{                                              \
#name, offsetof(type, name), kind, max \
	}
_Static_assert(offsetof(mk_topic, name) == 0 && offsetof(mk_method, name) == 0 &&
		   offsetof(mk_option, name) == 0,
	       "lists are walked by the names that their entries begin with");
#define COUNT(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))

static const struct field root_fields[] = {
	FIELD(mk_manifest, abi_major, FIELD_U16, 0),
	FIELD(mk_manifest, abi_minor, FIELD_U16, 0),
	FIELD(mk_manifest, min_host_minor, FIELD_U32, 0),
	FIELD(mk_manifest, flags, FIELD_U32, 0),
	FIELD(mk_manifest, id, FIELD_TEXT, MANIFEST_NAME_MAX),
	FIELD(mk_manifest, version, FIELD_TEXT, MANIFEST_NAME_MAX),
	FIELD(mk_manifest, summary, FIELD_TEXT, MANIFEST_LINE_MAX),
	FIELD(mk_manifest, license, FIELD_TEXT, MANIFEST_LINE_MAX),
	FIELD(mk_manifest, author, FIELD_TEXT, MANIFEST_LINE_MAX),
	FIELD(mk_manifest, url, FIELD_TEXT, MANIFEST_LINE_MAX),
	FIELD(mk_manifest, has_check, FIELD_BOOL, 0),
	FIELD(mk_manifest, has_reconfigure, FIELD_BOOL, 0),
	FIELD(mk_manifest, has_on_msg, FIELD_BOOL, 0),
	FIELD(mk_manifest, has_on_call, FIELD_BOOL, 0),
};

static const struct field topic_fields[] = {
	FIELD(mk_topic, name, FIELD_TEXT, MANIFEST_NAME_MAX),
	FIELD(mk_topic, flags, FIELD_U32, 0),
	FIELD(mk_topic, max_body, FIELD_U32, 0),
	FIELD(mk_topic, schema_min, FIELD_U32, 0),
	FIELD(mk_topic, schema_max, FIELD_U32, 0),
	FIELD(mk_topic, help, FIELD_TEXT, MANIFEST_TEXT_MAX),
};

static const struct field method_fields[] = {
	FIELD(mk_method, name, FIELD_TEXT, MANIFEST_NAME_MAX),
	FIELD(mk_method, help, FIELD_TEXT, MANIFEST_TEXT_MAX),
};

static const struct field option_fields[] = {
	FIELD(mk_option, name, FIELD_TEXT, MANIFEST_NAME_MAX),
	FIELD(mk_option, dflt, FIELD_TEXT, MANIFEST_TEXT_MAX),
	FIELD(mk_option, help, FIELD_TEXT, MANIFEST_TEXT_MAX),
	FIELD(mk_option, min, FIELD_I64, 0),
	FIELD(mk_option, max, FIELD_I64, 0),
	FIELD(mk_option, type, FIELD_U32, 0),
	FIELD(mk_option, flags, FIELD_U32, 0),
};

const struct fields manifest_root = { root_fields, COUNT(root_fields), sizeof(mk_manifest) };
const struct fields manifest_topic = { topic_fields, COUNT(topic_fields), sizeof(mk_topic) };
const struct fields manifest_method = { method_fields, COUNT(method_fields), sizeof(mk_method) };
const struct fields manifest_option = { option_fields, COUNT(option_fields), sizeof(mk_option) };

/* --------------------------------------------------------------- names -- */

static bool
char_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
char_is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* What an identifier in a version is made of. */
static bool
char_is_version(char c)
{
	return char_is_digit(c) || char_is_lower(c) || (c >= 'A' && c <= 'Z') || c == '-';
}

bool
mk_topic_valid(const char *name, bool subtree_allowed)
{
	size_t part = 0; /* bytes since the last '/' */
	size_t dots = 0;
	size_t i;

	if (name == NULL)
		return false;
	for (i = 0; name[i] != '\0'; i++) {
		char c = name[i];

		if (i == MK_TOPIC_MAX)
			return false;
		if (c == '/') {
			if (part == dots && part <= 2)
				return false;
			part = dots = 0;
			continue;
		}
		if (!char_is_digit(c) && !char_is_lower(c) && c != '.' && c != '_' && c != '-')
			return false;
		part++;
		dots += c == '.';
	}
	if (i > 0 && part == 0)
		return subtree_allowed;
	return part != dots || part > 2;
}

bool
mk_id_valid(const char *id)
{
	size_t i;

	if (id == NULL || !char_is_lower(id[0]))
		return false;
	for (i = 1; id[i] != '\0'; i++) {
		if (i == MK_ID_MAX)
			return false;
		if (!char_is_digit(id[i]) && !char_is_lower(id[i]) && id[i] != '-')
			return false;
	}
	return true;
}

bool
mk_topic_covers(const char *pattern, const char *topic)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '/')
		return strncmp(pattern, topic, len) == 0;
	return strcmp(pattern, topic) == 0;
}

/* One identifier of a version; returns what follows it, NULL if it is none. */
static const char *
version_part(const char *s, bool number)
{
	const char *start = s;
	bool digits = true;

	for (; number ? char_is_digit(*s) : char_is_version(*s); s++)
		digits = digits && char_is_digit(*s);
	if (s == start || (digits && *start == '0' && s - start > 1))
		return NULL;
	return s;
}

/* "1.2.3", "1.2.3-rc.1+build": semantic versioning 2.0. */
static bool
version_valid(const char *s)
{
	for (int i = 0; i < 3; i++) {
		s = version_part(s, true);
		if (s == NULL || (i < 2 && *s++ != '.'))
			return false;
	}
	if (*s == '-') {
		do {
			s = version_part(s + 1, false);
		} while (s != NULL && *s == '.');
	}
	if (s == NULL || *s != '+')
		return s != NULL && *s == '\0';
	do { /* build identifiers may begin with 0 */
		const char *start = ++s;

		while (char_is_version(*s))
			s++;
		if (s == start)
			return false;
	} while (*s == '.');
	return *s == '\0';
}

/* ------------------------------------------------------------- contents -- */

struct manifest *
manifest_new(void)
{
	return calloc(1, sizeof(struct manifest));
}

void
mk_manifest_free(mk_manifest *pub)
{
	struct manifest *m = (struct manifest *)pub;

	if (m == NULL)
		return;
	mk_arena_fini(&m->arena);
	free(m);
}

bool
mk_manifest_needs(const mk_manifest *m, const char *capability)
{
	const char *const *c = m->capabilities;

	while (*c != NULL && strcmp(*c, capability) != 0)
		c++;
	return *c != NULL;
}

mk_result
manifest_text(struct manifest *m, const char *s, size_t len, uint32_t max, const char **out,
	      mk_err *err)
{
	char *copy;

	if (len > max)
		return mk_err_set(err, MK_EINVAL, "longer than %u bytes", max);
	if (!mk_utf8_valid(s, len))
		return mk_err_set(err, MK_EINVAL, "not UTF-8");
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return mk_err_set(err, MK_EINVAL, "has a control character");
	}
	copy = mk_arena_dup(&m->arena, s, len);
	if (copy == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	*out = copy;
	return MK_OK;
}

uint32_t
manifest_count(const void *list, size_t size)
{
	const char *entry = list;
	uint32_t count = 0;
	const char *name;

	for (;; entry += size, count++) {
		memcpy(&name, entry, sizeof(name));
		if (name == NULL)
			return count;
	}
}

mk_result
manifest_list(struct manifest *m, size_t count, uint32_t max, size_t size, void *out, mk_err *err)
{
	void *list;

	if (count > max)
		return mk_err_set(err, MK_EINVAL, "more than %u entries", max);
	list = mk_arena_array(&m->arena, count + 1, size);
	if (list == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	memcpy(out, &list, sizeof(list));
	return MK_OK;
}

mk_result
manifest_add_options(struct manifest *m, const mk_option *list, mk_err *err)
{
	m->options += manifest_count(list, sizeof(*list));
	if (m->options > MANIFEST_OPTIONS_MAX)
		return mk_err_set(err, MK_EINVAL, "more than %u options altogether",
				  MANIFEST_OPTIONS_MAX);
	return MK_OK;
}

mk_result
manifest_in(const char *what, mk_result r, mk_err *err)
{
	if (r != MK_OK)
		(void)mk_err_wrap(err, "%s", what);
	return r;
}

/* --------------------------------------------------------------- rules -- */

static mk_result
check_interface(const mk_manifest *p, mk_err *err)
{
	if (p->abi_major != MK_ABI_MAJOR)
		return mk_err_set(err, MK_EABI, "made for interface %u.%u, this is %u.%u",
				  p->abi_major, p->abi_minor, MK_ABI_MAJOR, MK_ABI_MINOR);
	if (p->min_host_minor > MK_ABI_MINOR)
		return mk_err_set(err, MK_EABI, "needs interface %u.%u, this is %u.%u",
				  p->abi_major, p->min_host_minor, MK_ABI_MAJOR, MK_ABI_MINOR);
	if (!mk_id_valid(p->id))
		return mk_err_set(err, MK_EINVAL,
				  "id \"%s\" is not 1 to %d of a-z, 0-9 and '-', a letter first",
				  p->id, MK_ID_MAX);
	if (!version_valid(p->version))
		return mk_err_set(err, MK_EINVAL, "version \"%s\" is not like 1.2.3", p->version);
	return MK_OK;
}

static mk_result
check_topic(const mk_topic *t, bool publishes, mk_err *err)
{
	if (!mk_topic_valid(t->name, true))
		return mk_err_set(err, MK_EINVAL, "\"%s\" is no topic", t->name);
	if (t->schema_min > t->schema_max)
		return mk_err_set(err, MK_EINVAL, "%s: schema_min is above schema_max", t->name);
	if (!publishes)
		return MK_OK;
	if (mk_topic_covers("core/", t->name))
		return mk_err_set(err, MK_EINVAL, "%s: core/ is the core's own", t->name);
	if (t->max_body > MK_BODY_MAX)
		return mk_err_set(err, MK_EINVAL, "%s: max_body is above %u", t->name, MK_BODY_MAX);
	if ((t->flags & MK_TOPIC_MANUAL_ACK) != 0)
		return mk_err_set(err, MK_EINVAL, "%s: MK_TOPIC_MANUAL_ACK is for subscriptions",
				  t->name);
	return MK_OK;
}

static mk_result
check_topics(mk_topic *list, bool publishes, mk_err *err)
{
	for (mk_topic *t = list; t->name != NULL; t++) {
		mk_result r;

		if (t->schema_max == 0)
			t->schema_max = t->schema_min;
		if (publishes && t->max_body == 0)
			t->max_body = MK_BODY_DEFAULT;
		r = check_topic(t, publishes, err);
		if (r != MK_OK)
			return r;
		for (const mk_topic *o = list; o < t; o++) {
			if (strcmp(o->name, t->name) == 0)
				return mk_err_set(err, MK_EINVAL, "%s is there twice", t->name);
		}
	}
	return MK_OK;
}

static mk_result
check_methods(const mk_method *list, mk_err *err)
{
	for (const mk_method *m = list; m->name != NULL; m++) {
		if (!mk_topic_valid(m->name, false))
			return mk_err_set(err, MK_EINVAL, "\"%s\" is no method name", m->name);
		if (mk_topic_covers("core/", m->name))
			return mk_err_set(err, MK_EINVAL, "%s: core/ is the core's own", m->name);
		for (const mk_method *o = list; o < m; o++) {
			if (strcmp(o->name, m->name) == 0)
				return mk_err_set(err, MK_EINVAL, "%s is there twice", m->name);
		}
	}
	return MK_OK;
}

static mk_result
check_capabilities(const char *const *list, mk_err *err)
{
	static const char *const known[] = { "storage.read", "storage.write", "net", "exec",
					     "core.control" };

	for (const char *const *c = list; *c != NULL; c++) {
		uint32_t k = 0;

		while (k < COUNT(known) && strcmp(known[k], *c) != 0)
			k++;
		if (k == COUNT(known))
			return mk_err_set(err, MK_EINVAL, "\"%s\" is not known", *c);
		for (const char *const *o = list; o < c; o++) {
			if (strcmp(*o, *c) == 0)
				return mk_err_set(err, MK_EINVAL, "%s is there twice", *c);
		}
	}
	return MK_OK;
}

mk_result
manifest_finish(struct manifest *m, mk_err *err)
{
	mk_manifest *p = &m->pub;
	const char **texts[] = {
		&p->id, &p->version, &p->summary, &p->license, &p->author, &p->url
	};
	mk_result r;

	for (uint32_t i = 0; i < COUNT(texts); i++)
		*texts[i] = *texts[i] != NULL ? *texts[i] : "";
	p->subscribes = m->subscribes;
	p->publishes = m->publishes;
	r = check_interface(p, err);
	if (r == MK_OK)
		r = manifest_in("subscribes", check_topics(m->subscribes, false, err), err);
	if (r == MK_OK)
		r = manifest_in("publishes", check_topics(m->publishes, true, err), err);
	if (r == MK_OK)
		r = manifest_in("methods", check_methods(p->methods, err), err);
	if (r == MK_OK)
		r = mk_options_valid(p->options, err);
	if (r == MK_OK)
		r = manifest_in("capabilities", check_capabilities(p->capabilities, err), err);
	if (r != MK_OK)
		return r;
	if (p->subscribes->name != NULL && !p->has_on_msg)
		return mk_err_set(err, MK_EINVAL, "subscribes to topics, but has no on_msg");
	if (p->methods->name != NULL && !p->has_on_call)
		return mk_err_set(err, MK_EINVAL, "has methods, but no on_call");
	return MK_OK;
}

const mk_topic *
mk_topic_lookup(const mk_topic *table, const char *topic)
{
	const mk_topic *best = NULL;

	for (; table != NULL && table->name != NULL; table++)
		if (mk_topic_covers(table->name, topic) &&
		    (best == NULL || strlen(table->name) > strlen(best->name)))
			best = table;
	return best;
}

uint32_t
mk_topic_hash(const char *name)
{
	uint32_t h = 2166136261u; /* FNV-1a: they are short */

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

void
mk_kv_topics(mk_writer *w, const char *key, const mk_topic *table)
{
	uint32_t n = 0;

	while (table != NULL && table[n].name != NULL)
		n++;
	mk_kv_array(w, key, n);
	for (uint32_t i = 0; i < n; i++)
		mk_put_str(w, table[i].name);
}

bool
mk_topics_meet(const mk_topic *a, const mk_topic *b)
{
	for (; a->name != NULL; a++)
		for (const mk_topic *t = b; t->name != NULL; t++)
			if (mk_topic_covers(a->name, t->name) || mk_topic_covers(t->name, a->name))
				return true;
	return false;
}
