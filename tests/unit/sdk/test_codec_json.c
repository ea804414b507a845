/* SPDX-License-Identifier: MIT
 *
 * msgpack as JSON.
 */
#include <criterion/criterion.h>

#include <string.h>

#include <meshkern/codec.h>

TestSuite(codec_json, .timeout = 120);

#define IS_JSON(bytes, text)                                                           \
	do {                                                                           \
		char buf_[512];                                                        \
		int64_t n_ = mk_to_json(bytes, sizeof(bytes) - 1, buf_, sizeof(buf_)); \
		cr_expect_eq(n_, (int64_t)strlen(text));                               \
		cr_expect_str_eq(buf_, text, "%s", buf_);                              \
	} while (0)

Test(codec_json, single_values_are_texts_too)
{
	IS_JSON("\xc0", "null");
	IS_JSON("\xc2", "false");
	IS_JSON("\xc3", "true");
	IS_JSON("\x07", "7");
	IS_JSON("\xff", "-1");
	IS_JSON("\xd0\x80", "-128");
	IS_JSON("\xd1\xff\x7f", "-129");
	IS_JSON("\xd2\x80\x00\x00\x00", "-2147483648");
	IS_JSON("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808");
	IS_JSON("\xd1\x7f\xff", "32767");
	IS_JSON("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
	IS_JSON("\xa2hi", "\"hi\"");
	IS_JSON("\xa0", "\"\"");
	IS_JSON("\xc4\x03\x00\x7f\xff", "{\"$bin\":\"007fff\"}");
	IS_JSON("\x80", "{}");
	IS_JSON("\x90", "[]");
}

Test(codec_json, containers_nest)
{
	IS_JSON("\x82\xa1"
		"a\x93\x01\x02\x80\xa1"
		"b\x81\xa1"
		"c\x90",
		"{\"a\":[1,2,{}],\"b\":{\"c\":[]}}");
	IS_JSON("\x92\x92\x90\x90\x91\x90", "[[[],[]],[[]]]");
}

Test(codec_json, strings_become_one_line_of_ascii)
{
	IS_JSON("\xa8\"\\\b\f\n\r\t/", "\"\\\"\\\\\\b\\f\\n\\r\\t/\"");
	IS_JSON("\xa3\x00\x1f\x7f", "\"\\u0000\\u001f\\u007f\"");
	IS_JSON("\xa2\xc3\xa4", "\"\\u00e4\"");
	IS_JSON("\xa3\xe2\x82\xac", "\"\\u20ac\"");
	IS_JSON("\xa4\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\"");
	IS_JSON("\xa4\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\"");
	IS_JSON("\x81\xa1\"\x01", "{\"\\\"\":1}");
}

Test(codec_json, floats_are_as_short_as_they_can_be)
{
	IS_JSON("\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1");
	IS_JSON("\xca\x3d\xcc\xcc\xcd", "0.1");
	IS_JSON("\xcb\xc0\x1d\x00\x00\x00\x00\x00\x00", "-7.25");
	IS_JSON("\xcb\x3f\xd5\x55\x55\x55\x55\x55\x55", "0.3333333333333333");
	IS_JSON("\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", "1.7976931348623157e+308");
	IS_JSON("\xcb\x40\x00\x00\x00\x00\x00\x00\x00", "2");
}

Test(codec_json, what_json_has_no_number_for_is_null)
{
	IS_JSON("\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "null");
	IS_JSON("\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null");
	IS_JSON("\xca\xff\x80\x00\x00", "null");
}

Test(codec_json, text_that_does_not_fit_is_cut_and_its_length_told)
{
	char buf[6] = "?????";

	cr_expect_eq(mk_to_json("\xa6"
				"abcdef",
				7, buf, sizeof(buf)),
		     8);
	cr_expect_str_eq(buf, "\"abcd");
	cr_expect_eq(mk_to_json("\xa6"
				"abcdef",
				7, buf, 1),
		     8);
	cr_expect_str_eq(buf, "");
	cr_expect_eq(mk_to_json("\xa6"
				"abcdef",
				7, NULL, 0),
		     8);
}

Test(codec_json, a_malformed_text_is_an_error_and_an_empty_string)
{
	char buf[8] = "old";

	cr_expect_eq(mk_to_json("\x91", 1, buf, sizeof(buf)), MK_EFORMAT);
	cr_expect_str_eq(buf, "");
	cr_expect_eq(mk_to_json(NULL, 0, NULL, 0), MK_EFORMAT);
}
