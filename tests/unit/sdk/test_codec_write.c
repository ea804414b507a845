/* SPDX-License-Identifier: MIT
 *
 * Writing msgpack: the bytes, the limit, and texts that are not complete.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

TestSuite(codec_write, .timeout = 120);

static mk_writer w;

#define WROTE(bytes)                                                        \
	do {                                                                \
		cr_expect_eq(mk_writer_end(&w), MK_OK);                     \
		cr_expect_eq(w.len, sizeof(bytes) - 1, "%zu bytes", w.len); \
		cr_expect_eq(memcmp(w.data, bytes, sizeof(bytes) - 1), 0);  \
		mk_writer_fini(&w);                                         \
	} while (0)

#define FAILED(result)                                                                            \
	do {                                                                                      \
		cr_expect_eq(mk_writer_end(&w), result, "%s", mk_result_name(mk_writer_end(&w))); \
		mk_writer_fini(&w);                                                               \
	} while (0)

Test(codec_write, every_kind_of_value_is_written_in_its_shortest_form)
{
	mk_writer_init(&w, 0);
	mk_put_array(&w, 14);
	mk_put_nil(&w);
	mk_put_bool(&w, true);
	mk_put_bool(&w, false);
	mk_put_i64(&w, -1);
	mk_put_i64(&w, -129);
	mk_put_i64(&w, INT64_MIN);
	mk_put_u64(&w, 127);
	mk_put_u64(&w, 256);
	mk_put_u64(&w, UINT64_MAX);
	mk_put_f64(&w, 1.5);
	mk_put_str(&w, "ab");
	mk_put_str(&w, NULL);
	mk_put_strn(&w, "a\0b", 3);
	mk_put_bin(&w, "\xff", 1);
	WROTE("\x9e\xc0\xc3\xc2\xff\xd1\xff\x7f\xd3\x80\x00\x00\x00\x00\x00\x00\x00\x7f\xcd\x01\x00"
	      "\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00\xa2"
	      "ab\xc0\xa3"
	      "a\0b\xc4\x01\xff");
}

Test(codec_write, key_and_value_are_written_in_one_call)
{
	mk_writer_init(&w, 0);
	mk_put_map(&w, 9);
	mk_kv_nil(&w, "a");
	mk_kv_bool(&w, "b", true);
	mk_kv_i64(&w, "c", -1);
	mk_kv_u64(&w, "d", 1);
	mk_kv_f64(&w, "e", 0.5);
	mk_kv_str(&w, "f", "x");
	mk_kv_bin(&w, "g", "y", 1);
	mk_kv_map(&w, "h", 0);
	mk_kv_array(&w, "i", 0);
	WROTE("\x89\xa1"
	      "a\xc0\xa1"
	      "b\xc3\xa1"
	      "c\xff\xa1"
	      "d\x01\xa1"
	      "e\xcb\x3f\xe0\x00\x00\x00\x00\x00\x00\xa1"
	      "f\xa1x\xa1g\xc4\x01y\xa1h\x80\xa1i\x90");
}

Test(codec_write, empty_strings_and_binaries_need_no_pointer)
{
	mk_writer_init(&w, 0);
	mk_put_array(&w, 2);
	mk_put_strn(&w, NULL, 0);
	mk_put_bin(&w, NULL, 0);
	WROTE("\x92\xa0\xc4\x00");
}

Test(codec_write, nothing_is_not_a_text)
{
	mk_writer_init(&w, 0);
	FAILED(MK_ESTATE);
}

Test(codec_write, a_map_or_array_that_lacks_values_is_incomplete)
{
	mk_writer_init(&w, 0);
	mk_put_array(&w, 2);
	mk_put_nil(&w);
	FAILED(MK_ESTATE);
	mk_put_map(&w, 1);
	mk_put_str(&w, "key");
	FAILED(MK_ESTATE);
	mk_put_map(&w, 2);
	mk_kv_array(&w, "a", 1);
	mk_put_nil(&w);
	FAILED(MK_ESTATE);
}

Test(codec_write, a_value_after_the_end_is_an_error)
{
	mk_writer_init(&w, 0);
	mk_put_nil(&w);
	mk_put_nil(&w);
	FAILED(MK_EINVAL);
	mk_put_array(&w, 1);
	mk_put_array(&w, 0);
	mk_put_nil(&w);
	FAILED(MK_EINVAL);
}

Test(codec_write, keys_must_be_strings_of_at_most_127_bytes)
{
	char key[129];

	memset(key, 'k', sizeof(key));
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_put_u64(&w, 1);
	FAILED(MK_EINVAL);
	mk_put_map(&w, 1);
	mk_put_str(&w, NULL);
	FAILED(MK_EINVAL);
	mk_put_map(&w, 1);
	mk_put_strn(&w, key, 128);
	FAILED(MK_EINVAL);
	mk_put_map(&w, 1);
	mk_put_raw(&w, "\xa1k", 2);
	FAILED(MK_EINVAL);
	mk_put_map(&w, 1);
	mk_put_strn(&w, key, 127);
	mk_put_strn(&w, key, 128);
	FAILED(MK_OK);
}

Test(codec_write, strings_must_be_utf8)
{
	mk_writer_init(&w, 0);
	mk_put_str(&w, "\xff");
	FAILED(MK_EFORMAT);
	mk_put_str(&w, "\xc3\xa4");
	FAILED(MK_OK);
}

Test(codec_write, sixteen_levels_can_be_open)
{
	mk_writer_init(&w, 0);
	for (int i = 0; i < 16; i++)
		mk_put_array(&w, 1);
	mk_put_nil(&w);
	cr_expect_eq(mk_writer_end(&w), MK_OK);
	cr_expect_eq(mk_validate(w.data, w.len, NULL, NULL, 0), MK_OK);
	mk_writer_reset(&w);
	for (int i = 0; i < 17; i++)
		mk_put_array(&w, i < 16);
	FAILED(MK_EINVAL);
}

Test(codec_write, the_limit_holds_to_the_byte)
{
	mk_writer_init(&w, 5);
	mk_put_str(&w, "abcd");
	cr_expect_eq(mk_writer_end(&w), MK_OK);
	mk_writer_reset(&w);
	mk_put_str(&w, "abcde");
	FAILED(MK_ETOOBIG);
	mk_put_array(&w, 1);
	mk_put_u64(&w, 1000);
	mk_put_nil(&w);
	FAILED(MK_EINVAL);
}

Test(codec_write, containers_that_cannot_fit_are_refused_at_once)
{
	mk_writer_init(&w, 0);
	mk_put_map(&w, UINT32_MAX);
	FAILED(MK_ETOOBIG);
	mk_put_array(&w, UINT32_MAX);
	FAILED(MK_ETOOBIG);
}

Test(codec_write, memory_stays_within_the_limit)
{
	mk_writer_init(&w, 1000);
	mk_put_array(&w, 900);
	for (int i = 0; i < 900; i++)
		mk_put_nil(&w);
	cr_expect_eq(mk_writer_end(&w), MK_OK);
	cr_expect_leq(w.cap, 1000);
	mk_writer_fini(&w);
}

Test(codec_write, the_first_error_stays)
{
	mk_writer_init(&w, 10);
	mk_put_array(&w, 2);
	mk_put_str(&w, "\xff");
	mk_put_str(&w, "far too long for ten bytes");
	FAILED(MK_EFORMAT);
}

Test(codec_write, a_reset_writer_starts_anew)
{
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_put_nil(&w);
	mk_writer_reset(&w);
	mk_put_nil(&w);
	WROTE("\xc0");
}

Test(codec_write, raw_text_is_validated)
{
	mk_writer_init(&w, 0);
	mk_put_array(&w, 2);
	mk_put_raw(&w, "\x81\xa1k\x01", 4);
	mk_put_nil(&w);
	WROTE("\x92\x81\xa1k\x01\xc0");
	mk_put_raw(&w, "\x81\xa1k", 3);
	FAILED(MK_EFORMAT);
	mk_put_raw(&w, "\xc0\xc0", 2);
	FAILED(MK_EFORMAT);
	mk_put_raw(&w, "", 0);
	FAILED(MK_EFORMAT);
}

Test(codec_write, raw_text_counts_for_the_depth)
{
	mk_writer_init(&w, 0);
	for (int i = 0; i < 15; i++)
		mk_put_array(&w, 1);
	mk_put_raw(&w, "\x90", 1);
	FAILED(MK_OK);
	for (int i = 0; i < 15; i++)
		mk_put_array(&w, 1);
	mk_put_raw(&w, "\x91\x90", 2);
	FAILED(MK_EFORMAT);
}

Test(codec_write, a_writer_can_be_used_after_fini)
{
	mk_writer_init(&w, 100);
	mk_put_nil(&w);
	mk_writer_fini(&w);
	cr_expect_null(w.data);
	mk_put_nil(&w);
	WROTE("\xc0");
}
