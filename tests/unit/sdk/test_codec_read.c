/* SPDX-License-Identifier: MIT
 *
 * Reading documents: getters, lookups, and what a document keeps.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

static mk_doc doc;

static void
set_up(void)
{
	mk_doc_init(&doc);
}

static void
tear_down(void)
{
	mk_doc_fini(&doc);
}

TestSuite(codec_read, .timeout = 120, .init = set_up, .fini = tear_down);

static const mk_val *
opened(const void *text, size_t len)
{
	char why[128] = "";

	cr_assert_eq(mk_doc_open(&doc, text, len, NULL, why, sizeof(why)), MK_OK, "%s", why);
	return mk_doc_root(&doc);
}

#define OPEN(bytes) opened(bytes, sizeof(bytes) - 1)

Test(codec_read, integers_are_read_by_value_not_by_form)
{
	int64_t i = 0;
	uint64_t u = 0;
	uint32_t n = 0;

	cr_expect(mk_get_i64(OPEN("\xd3\x00\x00\x00\x00\x00\x00\x00\x05"), &i));
	cr_expect_eq(i, 5);
	cr_expect(mk_get_u64(OPEN("\xd0\x05"), &u));
	cr_expect_eq(u, 5);
	cr_expect(mk_get_u32(OPEN("\xcf\x00\x00\x00\x00\xff\xff\xff\xff"), &n));
	cr_expect_eq(n, UINT32_MAX);
	cr_expect(mk_get_i64(OPEN("\xff"), &i));
	cr_expect_eq(i, -1);
	cr_expect(mk_get_i64(OPEN("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), &i));
	cr_expect_eq(i, INT64_MIN);
	cr_expect(mk_get_u64(OPEN("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), &u));
	cr_expect_eq(u, UINT64_MAX);
}

Test(codec_read, integers_out_of_range_leave_the_result_alone)
{
	int64_t i = 42;
	uint64_t u = 42;
	uint32_t n = 42;

	cr_expect_not(mk_get_i64(OPEN("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"), &i));
	cr_expect_not(mk_get_u64(OPEN("\xff"), &u));
	cr_expect_not(mk_get_u32(OPEN("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"), &n));
	cr_expect_not(mk_get_u32(OPEN("\xff"), &n));
	cr_expect_not(mk_get_i64(OPEN("\xcb\x40\x14\x00\x00\x00\x00\x00\x00"), &i));
	cr_expect_not(mk_get_u64(OPEN("\xa1"
				      "5"),
				 &u));
	cr_expect_eq(i, 42);
	cr_expect_eq(u, 42);
	cr_expect_eq(n, 42);
}

Test(codec_read, numbers_of_every_form_are_floats_too)
{
	double d = 0;

	cr_expect(mk_get_f64(OPEN("\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"), &d));
	cr_expect_eq(d, 1.5);
	cr_expect(mk_get_f64(OPEN("\xca\x3f\xc0\x00\x00"), &d));
	cr_expect_eq(d, 1.5);
	cr_expect(mk_get_f64(OPEN("\x07"), &d));
	cr_expect_eq(d, 7);
	cr_expect(mk_get_f64(OPEN("\xff"), &d));
	cr_expect_eq(d, -1);
	cr_expect_not(mk_get_f64(OPEN("\xc0"), &d));
	cr_expect_eq(d, -1);
}

Test(codec_read, booleans_are_only_booleans)
{
	bool b = false;

	cr_expect(mk_get_bool(OPEN("\xc3"), &b));
	cr_expect(b);
	cr_expect(mk_get_bool(OPEN("\xc2"), &b));
	cr_expect_not(b);
	cr_expect_not(mk_get_bool(OPEN("\x01"), &b));
	cr_expect_not(mk_get_bool(OPEN("\xc0"), &b));
}

Test(codec_read, strings_and_binaries_point_into_the_data)
{
	static const char text[] = "\x92\xa3"
				   "abc\xc4\x02\x01\x02";
	const mk_val *root = OPEN(text);
	const uint8_t *data = NULL;
	const char *s = NULL;
	size_t len = 0;

	cr_expect(mk_get_str(mk_at(root, 0), &s, &len));
	cr_expect_eq((const void *)s, text + 2);
	cr_expect_eq(len, 3);
	cr_expect(mk_get_bin(mk_at(root, 1), &data, &len));
	cr_expect_eq((const void *)data, text + 7);
	cr_expect_eq(len, 2);
	cr_expect_not(mk_get_bin(mk_at(root, 0), &data, &len));
	cr_expect_not(mk_get_str(mk_at(root, 1), &s, &len));
}

Test(codec_read, empty_strings_and_binaries_have_a_pointer)
{
	const mk_val *root = OPEN("\x93\xa0\xd9\x00\xc4\x00");
	const uint8_t *data = NULL;
	const char *s = NULL;
	size_t len = 1;

	for (uint32_t i = 0; i < 2; i++) {
		cr_expect(mk_get_str(mk_at(root, i), &s, &len));
		cr_expect_not_null(s);
		cr_expect_eq(len, 0);
	}
	cr_expect(mk_get_bin(mk_at(root, 2), &data, &len));
	cr_expect_not_null(data);
	cr_expect_eq(len, 0);
}

Test(codec_read, a_string_is_copied_only_if_it_fits_whole)
{
	char buf[4] = "old";

	cr_expect(mk_copy_str(OPEN("\xa3new"), buf, sizeof(buf)));
	cr_expect_str_eq(buf, "new");
	cr_expect_not(mk_copy_str(OPEN("\xa4"
				       "four"),
				  buf, sizeof(buf)));
	cr_expect_not(mk_copy_str(OPEN("\xa2"
				       "a\x00"),
				  buf, sizeof(buf)));
	cr_expect_not(mk_copy_str(OPEN("\x05"), buf, sizeof(buf)));
	cr_expect_not(mk_copy_str(OPEN("\xa0"), buf, 0));
	cr_expect_str_eq(buf, "new");
	cr_expect(mk_copy_str(OPEN("\xa0"), buf, 1));
	cr_expect_str_eq(buf, "");
}

Test(codec_read, lookups_that_find_nothing_can_be_chained)
{
	const mk_val *root = OPEN("\x81\xa1k\x91\x01");
	uint64_t u = 0;

	cr_expect(mk_get_u64(mk_at(mk_find(root, "k"), 0), &u));
	cr_expect_eq(u, 1);
	cr_expect_null(mk_at(mk_find(root, "k"), 1));
	cr_expect_null(mk_find(mk_find(mk_find(root, "x"), "y"), "z"));
	cr_expect_null(mk_find(mk_find(root, "k"), "k"));
	cr_expect_null(mk_at(root, 0));
	cr_expect_eq(mk_count(mk_find(root, "x")), 0);
	cr_expect_not(mk_get_u64(mk_at(mk_find(root, "x"), 0), &u));
	cr_expect_not(mk_is_nil(NULL) || mk_is_map(NULL) || mk_is_array(NULL) || mk_is_str(NULL));
}

Test(codec_read, keys_are_found_by_all_of_their_bytes)
{
	const mk_val *root = OPEN("\x83\xa2"
				  "ab\x01\xa1"
				  "a\x02\xa0\x03");
	uint64_t u = 0;

	cr_expect(mk_get_u64(mk_find(root, "a"), &u));
	cr_expect_eq(u, 2);
	cr_expect(mk_get_u64(mk_find(root, "ab"), &u));
	cr_expect_eq(u, 1);
	cr_expect(mk_get_u64(mk_find(root, ""), &u));
	cr_expect_eq(u, 3);
	cr_expect_null(mk_find(root, "abc"));
	cr_expect_null(mk_find(root, "b"));
}

Test(codec_read, maps_and_arrays_can_be_walked)
{
	const mk_val *root = OPEN("\x82\xa1"
				  "a\x01\xa1"
				  "b\x92\xc0\xc3");
	char key[8];

	cr_expect(mk_is_map(root));
	cr_expect_eq(mk_count(root), 2);
	cr_expect(mk_copy_str(mk_key_at(root, 1), key, sizeof(key)));
	cr_expect_str_eq(key, "b");
	cr_expect(mk_is_array(mk_val_at(root, 1)));
	cr_expect_eq(mk_count(mk_val_at(root, 1)), 2);
	cr_expect(mk_is_nil(mk_at(mk_val_at(root, 1), 0)));
	cr_expect_null(mk_key_at(root, 2));
	cr_expect_null(mk_val_at(root, 2));
	cr_expect_null(mk_key_at(mk_val_at(root, 1), 0));
	cr_expect_null(mk_val_at(mk_val_at(root, 1), 0));
	cr_expect_eq(mk_count(mk_val_at(root, 0)), 0);
}

Test(codec_read, a_malformed_text_leaves_the_document_empty)
{
	char why[64] = "";

	(void)OPEN("\x91\x01");
	cr_expect_eq(mk_doc_open(&doc, "\x91", 1, NULL, why, sizeof(why)), MK_EFORMAT);
	cr_expect_null(mk_doc_root(&doc));
	cr_expect_str_eq(why, "array of 1 at 0 does not fit");
}

Test(codec_read, limits_of_the_caller_hold)
{
	mk_limits limits = { .max_depth = 1, .max_nodes = 3 };

	cr_expect_eq(mk_doc_open(&doc, "\x92\x01\x02", 3, &limits, NULL, 0), MK_OK);
	cr_expect_eq(mk_doc_open(&doc, "\x93\x01\x02\x03", 4, &limits, NULL, 0), MK_EFORMAT);
	cr_expect_eq(mk_doc_open(&doc, "\x91\x91\x01", 3, &limits, NULL, 0), MK_EFORMAT);
}

Test(codec_read, depths_up_to_32_can_be_opened)
{
	mk_limits limits = { .max_depth = 32, .max_nodes = 100 };
	char text[33];

	memset(text, 0x91, 32);
	text[32] = 7;
	cr_expect_eq(mk_doc_open(&doc, text, sizeof(text), &limits, NULL, 0), MK_OK);
}

Test(codec_read, a_document_can_be_opened_again_and_again)
{
	static char text[200003];
	uint64_t u = 0;

	memcpy(text, "\xdc\xff\xff", 3);
	memset(text + 3, 7, 65535);
	for (int i = 0; i < 50; i++) {
		const mk_val *root = opened(text, 3 + 65535);

		cr_expect(mk_get_u64(mk_at(root, 65534), &u));
		cr_expect_eq(u, 7);
		cr_expect_eq(mk_count(OPEN("\x90")), 0);
	}
	mk_doc_close(&doc);
	cr_expect_null(mk_doc_root(&doc));
	mk_doc_close(&doc);
}

/* A value of one byte becomes one of 24 bytes. */
Test(codec_read, a_document_of_too_many_values_is_refused)
{
	size_t len = 5 + (5u << 20);
	uint8_t *text = malloc(len);

	cr_assert_not_null(text);
	memcpy(text, "\xdd\x00\x50\x00\x00", 5);
	memset(text + 5, 7, len - 5);
	cr_expect_eq(mk_validate(text, len, NULL, NULL, 0), MK_OK);
	cr_expect_eq(mk_doc_open(&doc, text, len, NULL, NULL, 0), MK_EFORMAT);
	free(text);
}
