/* SPDX-License-Identifier: MIT
 *
 * Validation of msgpack: what is let through and what is refused, and why.
 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

TestSuite(codec_check, .timeout = 120);

#define IS_VALID(bytes)                                                                         \
	do {                                                                                    \
		char why_[128] = "";                                                            \
		mk_result r_ = mk_validate(bytes, sizeof(bytes) - 1, NULL, why_, sizeof(why_)); \
		cr_expect_eq(r_, MK_OK, "%s: %s", #bytes, why_);                                \
	} while (0)

#define IS_REFUSED(bytes, text)                                                                 \
	do {                                                                                    \
		char why_[128] = "";                                                            \
		mk_result r_ = mk_validate(bytes, sizeof(bytes) - 1, NULL, why_, sizeof(why_)); \
		cr_expect_eq(r_, MK_EFORMAT, "%s", #bytes);                                     \
		cr_expect_str_eq(why_, text, "%s: %s", #bytes, why_);                           \
	} while (0)

Test(codec_check, every_type_of_value_is_valid)
{
	IS_VALID("\x00");
	IS_VALID("\x7f");
	IS_VALID("\xe0");
	IS_VALID("\xc0");
	IS_VALID("\xc2");
	IS_VALID("\xc3");
	IS_VALID("\xca\x00\x00\x00\x00");
	IS_VALID("\xcb\x00\x00\x00\x00\x00\x00\x00\x00");
	IS_VALID("\xcc\x01");
	IS_VALID("\xcd\x01\x02");
	IS_VALID("\xce\x01\x02\x03\x04");
	IS_VALID("\xcf\x01\x02\x03\x04\x05\x06\x07\x08");
	IS_VALID("\xd0\x01");
	IS_VALID("\xd1\x01\x02");
	IS_VALID("\xd2\x01\x02\x03\x04");
	IS_VALID("\xd3\x01\x02\x03\x04\x05\x06\x07\x08");
	IS_VALID("\xa0");
	IS_VALID("\xa1x");
	IS_VALID("\xd9\x01x");
	IS_VALID("\xda\x00\x01x");
	IS_VALID("\xdb\x00\x00\x00\x01x");
	IS_VALID("\xc4\x01\xff");
	IS_VALID("\xc5\x00\x01\xff");
	IS_VALID("\xc6\x00\x00\x00\x01\xff");
	IS_VALID("\x90");
	IS_VALID("\x91\x01");
	IS_VALID("\xdc\x00\x01\x01");
	IS_VALID("\xdd\x00\x00\x00\x01\x01");
	IS_VALID("\x80");
	IS_VALID("\x81\xa1k\x01");
	IS_VALID("\xde\x00\x01\xa1k\x01");
	IS_VALID("\xdf\x00\x00\x00\x01\xa1k\x01");
}

Test(codec_check, a_text_that_is_cut_off_anywhere_is_refused)
{
	static const char text[] = "\x83\xa1"
				   "a\xcd\x01\x02\xa1"
				   "b\x92\xc4\x02\x00\x01\xa3xyz\xa1"
				   "c\xcb\x01\x02\x03\x04\x05\x06\x07\x08";

	cr_assert_eq(mk_validate(text, sizeof(text) - 1, NULL, NULL, 0), MK_OK);
	for (size_t len = 0; len < sizeof(text) - 1; len++)
		cr_expect_eq(mk_validate(text, len, NULL, NULL, 0), MK_EFORMAT, "%zu", len);
	IS_REFUSED("", "cut off at 0");
	IS_REFUSED("\xcd\x01", "cut off at 0");
}

Test(codec_check, nothing_at_all_is_refused)
{
	cr_expect_eq(mk_validate(NULL, 0, NULL, NULL, 0), MK_EFORMAT);
}

Test(codec_check, five_bytes_that_promise_a_gigabyte_are_refused)
{
	IS_REFUSED("\xdd\x01\x00\x00\x00", "array of 16777216 at 0 does not fit");
	IS_REFUSED("\xdf\x01\x00\x00\x00", "map of 16777216 at 0 does not fit");
	IS_REFUSED("\xdd\xff\xff\xff\xff", "array of 4294967295 at 0 does not fit");
	IS_REFUSED("\xdb\xff\xff\xff\xffx", "string of 4294967295 at 0 does not fit");
	IS_REFUSED("\xc6\xff\xff\xff\xffx", "binary of 4294967295 at 0 does not fit");
	IS_REFUSED("\x92\x01\xdc\x00\x02\x01", "array of 2 at 2 does not fit");
	IS_REFUSED("\x82\xa1k\x01", "map of 2 at 0 does not fit");
}

Test(codec_check, bytes_after_the_end_are_refused)
{
	IS_REFUSED("\x01\x02", "1 bytes after the end at 1");
	IS_REFUSED("\x80\x80\x80", "2 bytes after the end at 1");
}

Test(codec_check, extension_types_and_the_unused_byte_are_refused)
{
	IS_REFUSED("\xc1", "byte 0xc1 at 0 is not allowed");
	IS_REFUSED("\x91\xc7\x01\x05x", "byte 0xc7 at 1 is not allowed");
	IS_REFUSED("\xc8\x00\x01\x05x", "byte 0xc8 at 0 is not allowed");
	IS_REFUSED("\xc9\x00\x00\x00\x01\x05x", "byte 0xc9 at 0 is not allowed");
	IS_REFUSED("\xd4\x05x", "byte 0xd4 at 0 is not allowed");
	IS_REFUSED("\xd5\x05xx", "byte 0xd5 at 0 is not allowed");
	IS_REFUSED("\xd6\x05xxxx", "byte 0xd6 at 0 is not allowed");
	IS_REFUSED("\xd7\x05xxxxxxxx", "byte 0xd7 at 0 is not allowed");
	IS_REFUSED("\xd8\x05xxxxxxxxxxxxxxxx", "byte 0xd8 at 0 is not allowed");
}

Test(codec_check, keys_must_be_strings)
{
	IS_REFUSED("\x81\x01\x01", "key at 1 is not a string");
	IS_REFUSED("\x81\xc4\x01k\x01", "key at 1 is not a string");
	IS_REFUSED("\x82\xa1k\x01\xc0\x01", "key at 4 is not a string");
	IS_REFUSED("\x81\x80\xc0", "key at 1 is not a string");
}

Test(codec_check, keys_have_at_most_127_bytes)
{
	char text[256] = "\x81\xd9\x7f";

	memset(text + 3, 'k', 128);
	cr_expect_eq(mk_validate(text, 131, NULL, NULL, 0), MK_OK);
	text[2] = (char)128;
	cr_expect_eq(mk_validate(text, 132, NULL, NULL, 0), MK_EFORMAT);
}

Test(codec_check, malformed_utf8_is_refused)
{
	IS_VALID("\xa2\xc3\xa4");
	IS_VALID("\xa3\xe2\x82\xac");
	IS_VALID("\xa4\xf0\x9f\x98\x80");
	IS_VALID("\xa4\xf4\x8f\xbf\xbf");
	IS_VALID("\xa3\xef\xbf\xbf");
	IS_VALID("\xa1\x00");
	IS_REFUSED("\xa1\x80", "string at 0 is not UTF-8");
	IS_REFUSED("\xa1\xff", "string at 0 is not UTF-8");
	IS_REFUSED("\xa1\xc3", "string at 0 is not UTF-8");
	IS_REFUSED("\xa2\xc0\xaf", "string at 0 is not UTF-8");
	IS_REFUSED("\xa2\xc1\xbf", "string at 0 is not UTF-8");
	IS_REFUSED("\xa3\xe0\x9f\xbf", "string at 0 is not UTF-8");
	IS_REFUSED("\xa3\xed\xa0\x80", "string at 0 is not UTF-8");
	IS_REFUSED("\xa4\xf0\x8f\xbf\xbf", "string at 0 is not UTF-8");
	IS_REFUSED("\xa4\xf4\x90\x80\x80", "string at 0 is not UTF-8");
	IS_REFUSED("\xa4\xf5\x80\x80\x80", "string at 0 is not UTF-8");
	IS_REFUSED("\x81\xa1\xff\x01", "string at 1 is not UTF-8");
	IS_VALID("\xc4\x01\xff");
}

Test(codec_check, characters_are_read_one_by_one_and_never_beyond_the_end)
{
	const char *text = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
	const uint32_t wanted[] = { 'a', 0xe4, 0x20ac, 0x1f600 };
	uint32_t c = 7;

	for (size_t i = 0, at = 0; i < 4; i++) {
		for (size_t cut = 0; cut <= i; cut++)
			cr_expect_eq(mk_utf8_next(text + at, cut, &c), 0, "%zu of %zu", cut, i);
		cr_expect_eq(mk_utf8_next(text + at, strlen(text + at), &c), i + 1);
		cr_expect_eq(c, wanted[i]);
		at += i + 1;
	}
	cr_expect_eq(mk_utf8_next("\xed\xa0\x80", 3, &c), 0);
	cr_expect_eq(c, wanted[3], "untouched");
}

/* Short and long strings take different ways through the check. */
Test(codec_check, a_malformed_byte_is_found_at_every_place_of_a_string)
{
	char text[64];

	for (size_t len = 1; len < 32; len++) {
		for (size_t bad = 0; bad < len; bad++) {
			memset(text, 'a', sizeof(text));
			text[bad] = (char)0xfe;
			cr_expect_not(mk_utf8_valid(text, len), "%zu of %zu", bad, len);
			text[bad] = 'a';
			cr_expect(mk_utf8_valid(text, len));
		}
	}
}

Test(codec_check, sixteen_levels_are_allowed_by_default_and_no_more)
{
	char text[64];

	memset(text, 0x91, sizeof(text));
	text[16] = 0;
	cr_expect_eq(mk_validate(text, 17, NULL, NULL, 0), MK_OK);
	text[16] = (char)0x91;
	text[17] = 0;
	cr_expect_eq(mk_validate(text, 18, NULL, NULL, 0), MK_EFORMAT);
	text[16] = (char)0x90;
	cr_expect_eq(mk_validate(text, 17, NULL, NULL, 0), MK_EFORMAT, "an empty one counts");
}

Test(codec_check, depth_is_bounded_whatever_the_limits_say)
{
	mk_limits limits = { .max_depth = UINT32_MAX, .max_nodes = UINT32_MAX };
	char *text = malloc(1u << 20);

	cr_assert_not_null(text);
	memset(text, 0x91, 1u << 20);
	cr_expect_eq(mk_validate(text, 1u << 20, &limits, NULL, 0), MK_EFORMAT);
	text[32] = 0;
	cr_expect_eq(mk_validate(text, 33, &limits, NULL, 0), MK_OK);
	free(text);
}

Test(codec_check, a_depth_of_zero_allows_single_values)
{
	mk_limits limits = { .max_depth = 0, .max_nodes = 10 };

	cr_expect_eq(mk_validate("\x01", 1, &limits, NULL, 0), MK_OK);
	cr_expect_eq(mk_validate("\x90", 1, &limits, NULL, 0), MK_EFORMAT);
}

Test(codec_check, values_are_counted_with_their_keys)
{
	mk_limits limits = { .max_depth = 16, .max_nodes = 5 };
	char why[64];

	cr_expect_eq(mk_validate("\x82\xa1"
				 "a\x01\xa1"
				 "b\x01",
				 7, &limits, why, sizeof(why)),
		     MK_OK);
	limits.max_nodes = 4;
	cr_expect_eq(mk_validate("\x82\xa1"
				 "a\x01\xa1"
				 "b\x01",
				 7, &limits, why, sizeof(why)),
		     MK_EFORMAT);
	cr_expect_str_eq(why, "too many values at 6");
}

Test(codec_check, the_reason_is_cut_to_its_buffer)
{
	char why[8] = "";

	cr_expect_eq(mk_validate("\xc1", 1, NULL, why, sizeof(why)), MK_EFORMAT);
	cr_expect_str_eq(why, "byte 0x");
}

/* ---------------------------------------------------------------- keys -- */

/* A map of `n` pairs with keys "k0", "k1"...; the key at `twice` is k0 again. */
static size_t
map_of(uint8_t *text, uint32_t n, uint32_t twice)
{
	size_t len = 3;

	text[0] = 0xde;
	text[1] = (uint8_t)(n >> 8);
	text[2] = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++) {
		int k = snprintf((char *)text + len + 1, 10, "k%u", i == twice ? 0 : i);

		text[len] = (uint8_t)(0xa0 + k);
		len += (size_t)k + 1;
		text[len++] = 0xc0;
	}
	return len;
}

Test(codec_check, a_key_that_is_twice_in_a_map_is_refused)
{
	IS_REFUSED("\x82\xa1"
		   "a\x01\xa1"
		   "a\x02",
		   "key at 4 is twice in its map");
	IS_REFUSED("\x82\xa0\x01\xa0\x02", "key at 3 is twice in its map");
	IS_REFUSED("\x82\xa1"
		   "a\x01\xd9\x01"
		   "a\x02",
		   "key at 4 is twice in its map");
	IS_VALID("\x82\xa1"
		 "a\x01\xa1"
		 "b\x02");
	IS_VALID("\x82\xa1"
		 "a\x01\xa2"
		 "aa\x02");
	IS_VALID("\x82\xa1"
		 "a\x01\xa2"
		 "a\x00\x02");
}

Test(codec_check, the_same_key_in_different_maps_is_fine)
{
	IS_VALID("\x92\x81\xa1"
		 "a\x01\x81\xa1"
		 "a\x01");
	IS_VALID("\x81\xa1"
		 "a\x81\xa1"
		 "a\x81\xa1"
		 "a\x01");
	IS_VALID("\x82\xa1"
		 "a\x81\xa1"
		 "b\x01\xa1"
		 "b\x01");
	IS_REFUSED("\x82\xa1"
		   "a\x81\xa1"
		   "b\x01\xa1"
		   "a\x01",
		   "key at 7 is twice in its map");
}

Test(codec_check, a_doubled_key_is_found_in_maps_of_every_size)
{
	static uint8_t text[65536];

	for (uint32_t n = 2; n <= 4096; n = n < 40 ? n + 1 : n * 2) {
		cr_expect_eq(mk_validate(text, map_of(text, n, n), NULL, NULL, 0), MK_OK, "%u", n);
		cr_expect_eq(mk_validate(text, map_of(text, n, n - 1), NULL, NULL, 0), MK_EFORMAT,
			     "%u", n);
		cr_expect_eq(mk_validate(text, map_of(text, n, n / 2), NULL, NULL, 0), MK_EFORMAT,
			     "%u", n);
	}
}

Test(codec_check, more_than_4096_keys_at_one_place_are_refused)
{
	static uint8_t text[65536];
	char why[128];

	cr_expect_eq(mk_validate(text, map_of(text, 4097, 4097), NULL, why, sizeof(why)),
		     MK_EFORMAT);
	cr_expect_str_eq(why, "map of 4097 at 0 makes more than 4096 keys");
}

/* The keys of one map must be gone when the next begins. */
Test(codec_check, large_maps_may_follow_each_other)
{
	static uint8_t text[262144];
	size_t len = 1;

	text[0] = 0x93;
	len += map_of(text + len, 4000, 4000);
	len += map_of(text + len, 100, 100);
	len += map_of(text + len, 4096, 4096);
	cr_expect_eq(mk_validate(text, len, NULL, NULL, 0), MK_OK);
}

Test(codec_check, large_maps_within_large_maps_keep_their_keys_apart)
{
	static uint8_t text[65536];
	static uint8_t inner[65536];
	size_t inner_len = map_of(inner, 100, 100);
	size_t len = map_of(text, 100, 100);

	/* The inner map is the last value; then it is followed by a doubled key. */
	memcpy(text + len - 1, inner, inner_len);
	cr_expect_eq(mk_validate(text, len - 1 + inner_len, NULL, NULL, 0), MK_OK);
	text[2] = 101;
	len += inner_len - 1;
	memcpy(text + len, "\xa3k99\xc0", 5);
	cr_expect_eq(mk_validate(text, len + 5, NULL, NULL, 0), MK_EFORMAT);
	memcpy(text + len, "\xa3kxy\xc0", 5);
	cr_expect_eq(mk_validate(text, len + 5, NULL, NULL, 0), MK_OK);
}
