/* SPDX-License-Identifier: MIT
 *
 * The codec on any bytes. The first byte chooses:
 *   even  the rest is a message: what mk_validate lets through must open, keep
 *         its promises, print as JSON, and be written again to an equal text;
 *   odd   the rest are calls of the writer: what mk_writer_end calls complete
 *         must be valid, except for doubled keys.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
check_keys(const mk_val *map)
{
	const char *a = NULL;
	const char *b = NULL;
	size_t a_len = 0;
	size_t b_len = 0;

	for (uint32_t i = 0; i < mk_count(map) && i < 200; i++) {
		require(mk_get_str(mk_key_at(map, i), &a, &a_len) && a_len <= 127);
		for (uint32_t j = 0; j < i; j++) {
			require(mk_get_str(mk_key_at(map, j), &b, &b_len));
			require(a_len != b_len || memcmp(a, b, a_len) != 0);
		}
		if (memchr(a, '\0', a_len) == NULL) {
			char key[128];

			require(mk_copy_str(mk_key_at(map, i), key, sizeof(key)));
			require(mk_find(map, key) == mk_val_at(map, i));
		}
	}
}

static void
copy_scalar(const mk_val *v, mk_writer *w)
{
	const uint8_t *data;
	const char *s;
	uint64_t u;
	int64_t i;
	double d;
	size_t len;
	bool b;

	if (mk_get_str(v, &s, &len)) {
		require(mk_utf8_valid(s, len));
		mk_put_strn(w, s, len);
	} else if (mk_get_bin(v, &data, &len)) {
		mk_put_bin(w, data, len);
	} else if (mk_get_bool(v, &b)) {
		mk_put_bool(w, b);
	} else if (mk_get_u64(v, &u)) {
		mk_put_u64(w, u);
	} else if (mk_get_i64(v, &i)) {
		mk_put_i64(w, i);
	} else if (mk_get_f64(v, &d)) {
		mk_put_f64(w, d);
	} else {
		require(mk_is_nil(v));
		mk_put_nil(w);
	}
}

static void
copy_value(const mk_val *v, mk_writer *w)
{
	if (mk_is_map(v)) {
		check_keys(v);
		mk_put_map(w, mk_count(v));
		for (uint32_t i = 0; i < mk_count(v); i++) {
			copy_scalar(mk_key_at(v, i), w);
			copy_value(mk_val_at(v, i), w);
		}
	} else if (mk_is_array(v)) {
		mk_put_array(w, mk_count(v));
		for (uint32_t i = 0; i < mk_count(v); i++)
			copy_value(mk_at(v, i), w);
	} else {
		copy_scalar(v, w);
	}
}

static void
check_json(const uint8_t *data, size_t size)
{
	int64_t len = mk_to_json(data, size, NULL, 0);
	char *text;

	require(len > 0);
	text = malloc((size_t)len + 1);
	require(text != NULL);
	require(mk_to_json(data, size, text, (size_t)len + 1) == len);
	require(strlen(text) == (size_t)len);
	for (int64_t i = 0; i < len; i++)
		require(text[i] >= 0x20 && text[i] < 0x7f);
	free(text);
}

static void
read_message(const uint8_t *data, size_t size)
{
	char why[80] = "";
	mk_writer first;
	mk_writer second;
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_validate(data, size, NULL, why, sizeof(why)) != MK_OK) {
		require(why[0] != '\0');
		require(mk_doc_open(&doc, data, size, NULL, NULL, 0) == MK_EFORMAT);
		require(mk_to_json(data, size, NULL, 0) == MK_EFORMAT);
		mk_doc_fini(&doc);
		return;
	}
	mk_writer_init(&first, UINT32_MAX);
	mk_writer_init(&second, UINT32_MAX);
	require(mk_doc_open(&doc, data, size, NULL, NULL, 0) == MK_OK);
	copy_value(mk_doc_root(&doc), &first);
	require(mk_writer_end(&first) == MK_OK);
	require(mk_doc_open(&doc, first.data, first.len, NULL, NULL, 0) == MK_OK);
	copy_value(mk_doc_root(&doc), &second);
	require(mk_writer_end(&second) == MK_OK && second.len == first.len);
	require(memcmp(first.data, second.data, first.len) == 0);
	check_json(data, size);
	mk_writer_fini(&first);
	mk_writer_fini(&second);
	mk_doc_fini(&doc);
}

static void
call_writer(const uint8_t *data, size_t size)
{
	char why[80] = "";
	mk_writer w;

	mk_writer_init(&w, 300);
	for (size_t i = 0; i + 1 < size; i += 2) {
		size_t left = size - i - 2;
		size_t len = data[i + 1] < left ? data[i + 1] : left;

		switch (data[i] % 9) {
		case 0:
			mk_put_map(&w, data[i + 1] % 5);
			break;
		case 1:
			mk_put_array(&w, data[i + 1] % 5);
			break;
		case 2:
			mk_put_strn(&w, (const char *)data + i + 2, len);
			break;
		case 3:
			mk_put_bin(&w, data + i + 2, len);
			break;
		case 4:
			mk_put_raw(&w, data + i + 2, len);
			break;
		case 5:
			mk_kv_u64(&w, "key", (uint64_t)data[i + 1] << (data[i] % 56));
			break;
		case 6:
			mk_put_i64(&w, -(int64_t)data[i + 1] * 1000);
			break;
		case 7:
			mk_put_f64(&w, data[i + 1] / 7.0);
			break;
		default:
			mk_put_bool(&w, data[i + 1] % 2 == 0);
			break;
		}
	}
	if (mk_writer_end(&w) == MK_OK &&
	    mk_validate(w.data, w.len, NULL, why, sizeof(why)) != MK_OK)
		require(strstr(why, "is twice in its map") != NULL);
	require(w.len <= 300);
	mk_writer_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		read_message(data + 1, size - 1);
	else
		call_writer(data + 1, size - 1);
	return 0;
}
