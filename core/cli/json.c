/* SPDX-License-Identifier: MIT
 *
 * JSON for the command line. See json.h.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli.h"

#define JSON_DEPTH_MAX 16 /* that of the codec */

bool
json_print(FILE *out, const void *data, size_t len)
{
	int64_t need = mk_to_json(data, len, NULL, 0);
	char *buf;

	if (need < 0)
		return false;
	buf = cli_alloc(NULL, (size_t)need + 1);
	mk_to_json(data, len, buf, (size_t)need + 1);
	fwrite(buf, 1, (size_t)need, out);
	free(buf);
	return true;
}

static void
value_write(mk_writer *w, const mk_val *v)
{
	const char *s;
	const uint8_t *data;
	size_t len;
	uint64_t u;
	int64_t i;
	double f;
	bool b;

	if (mk_get_bool(v, &b))
		mk_put_bool(w, b);
	else if (mk_get_u64(v, &u))
		mk_put_u64(w, u);
	else if (mk_get_i64(v, &i))
		mk_put_i64(w, i);
	else if (mk_get_f64(v, &f))
		mk_put_f64(w, f);
	else if (mk_get_str(v, &s, &len))
		mk_put_strn(w, s, len);
	else if (mk_get_bin(v, &data, &len))
		mk_put_bin(w, data, len);
	else if (mk_is_map(v))
		mk_put_map(w, mk_count(v));
	else if (mk_is_array(v))
		mk_put_array(w, mk_count(v));
	else
		mk_put_nil(w);
	for (uint32_t k = 0; (mk_is_map(v) || mk_is_array(v)) && k < mk_count(v); k++) {
		if (mk_is_map(v))
			value_write(w, mk_key_at(v, k));
		value_write(w, mk_is_map(v) ? mk_val_at(v, k) : mk_at(v, k));
	}
}

bool
json_print_value(FILE *out, const mk_val *value)
{
	mk_writer w;
	bool done;

	mk_writer_init(&w, 2 * MK_BODY_MAX); /* numbers may come in longer forms than needed */
	value_write(&w, value);
	done = mk_writer_end(&w) == MK_OK && json_print(out, w.data, w.len);
	mk_writer_fini(&w);
	return done;
}

static int
hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, c | 0x20);

	return at == NULL ? -1 : (int)(at - digits);
}

/* {"$bin": "00ff"}, the form in which binaries are printed. */
static bool
json_convert_binary(const json_t *v, mk_writer *w)
{
	const json_t *hex = json_object_size(v) == 1 ? json_object_get(v, "$bin") : NULL;
	const char *s = json_string_value(hex);
	size_t len = json_string_length(hex);
	uint8_t *bytes;
	bool good = s != NULL && len % 2 == 0;

	if (!good)
		return false;
	bytes = cli_alloc(NULL, len / 2);
	for (size_t i = 0; good && i < len; i += 2) {
		int high = hex_digit(s[i]), low = hex_digit(s[i + 1]);

		good = high >= 0 && low >= 0;
		bytes[i / 2] = (uint8_t)(good ? high << 4 | low : 0);
	}
	if (good)
		mk_put_bin(w, bytes, len / 2);
	free(bytes);
	return good;
}

static bool
json_convert(json_t *v, mk_writer *w, uint32_t depth)
{
	const char *key;
	json_t *item;
	size_t i;

	if (depth > JSON_DEPTH_MAX)
		return false;
	if (json_is_object(v)) {
		if (depth > 1 && json_convert_binary(v, w))
			return true;
		mk_put_map(w, (uint32_t)json_object_size(v));
		json_object_foreach(v, key, item)
		{
			mk_put_str(w, key);
			if (!json_convert(item, w, depth + 1))
				return false;
		}
	} else if (json_is_array(v)) {
		mk_put_array(w, (uint32_t)json_array_size(v));
		json_array_foreach(v, i, item) if (!json_convert(item, w, depth + 1)) return false;
	} else if (json_is_string(v)) {
		mk_put_strn(w, json_string_value(v), json_string_length(v));
	} else if (json_is_integer(v)) {
		mk_put_i64(w, json_integer_value(v));
	} else if (json_is_real(v)) {
		mk_put_f64(w, json_real_value(v));
	} else if (json_is_boolean(v)) {
		mk_put_bool(w, json_is_true(v));
	} else {
		mk_put_nil(w);
	}
	return true;
}

mk_result
json_parse(const char *text, size_t len, mk_writer *w, mk_err *err)
{
	json_error_t e;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
	char why[160];
	mk_result rc;
	bool shallow;

	if (root == NULL)
		return mk_err_set(err, MK_EFORMAT, "JSON line %d, column %d: %s", e.line, e.column,
				  e.text);
	if (!json_is_object(root)) {
		json_decref(root);
		return mk_err_set(err, MK_EFORMAT, "the body must be a JSON object");
	}
	shallow = json_convert(root, w, 1);
	json_decref(root);
	if (!shallow)
		return mk_err_set(err, MK_EFORMAT, "nested more than %d deep", JSON_DEPTH_MAX);
	rc = mk_writer_end(w);
	if (rc != MK_OK)
		return mk_err_set(err, rc, "the body is too large: %s", mk_result_text(rc));
	rc = mk_validate(w->data, w->len, NULL, why, sizeof(why));
	return rc == MK_OK ? MK_OK : mk_err_set(err, rc, "%s", why);
}
