/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <string.h>

static bool
filter_equals(const mk_val *v, const json_t *wanted)
{
	const char *s;
	size_t len;
	int64_t i;
	double d;
	bool b;

	if (json_is_string(wanted))
		return mk_get_str(v, &s, &len) && len == json_string_length(wanted) &&
		       memcmp(s, json_string_value(wanted), len) == 0;
	if (json_is_integer(wanted) && mk_get_i64(v, &i))
		return i == json_integer_value(wanted);
	if (json_is_number(wanted))
		return mk_get_f64(v, &d) && !(d < json_number_value(wanted)) &&
		       !(d > json_number_value(wanted));
	return json_is_boolean(wanted) && mk_get_bool(v, &b) && b == json_is_true(wanted);
}

/* A value equals one of those wanted; of an array, one of its elements does. */
static bool
filter_has(const mk_val *v, const json_t *wanted)
{
	if (mk_is_array(v)) {
		for (uint32_t i = 0; i < mk_count(v); i++)
			if (!mk_is_array(mk_at(v, i)) && filter_has(mk_at(v, i), wanted))
				return true;
		return false;
	}
	if (!json_is_array(wanted))
		return filter_equals(v, wanted);
	for (size_t i = 0; i < json_array_size(wanted); i++)
		if (filter_equals(v, json_array_get(wanted, i)))
			return true;
	return false;
}

static const mk_val *
filter_field(const mk_val *item, const char *path)
{
	char key[128];

	for (;;) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(key))
			return NULL;
		memcpy(key, path, len);
		key[len] = '\0';
		item = mk_find(item, key);
		if (path[len] == '\0')
			return item;
		path += len + 1;
	}
}

bool
filter_takes(json_t *filter, const mk_val *item)
{
	const char *key;
	json_t *wanted;

	json_object_foreach(filter, key, wanted)
	{
		if (!filter_has(filter_field(item, key), wanted))
			return false;
	}
	return true;
}

bool
filter_is_good(const json_t *filter)
{
	const char *key;
	json_t *value;

	if (filter == NULL)
		return true;
	if (!json_is_object(filter) || json_object_size(filter) > FILTER_FIELDS)
		return false;
	json_object_foreach((json_t *)(uintptr_t)filter, key, value)
	{
		if (json_is_object(value) || json_is_null(value))
			return false;
		for (size_t i = 0; i < json_array_size(value); i++)
			if (json_is_object(json_array_get(value, i)) ||
			    json_is_array(json_array_get(value, i)))
				return false;
	}
	return true;
}
