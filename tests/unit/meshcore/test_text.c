/* SPDX-License-Identifier: MIT
 *
 * Hex digits, UTF-8 and JSON.
 */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshcore/hex.h>
#include <meshcore/json.h>
#include <meshcore/utf8.h>

TestSuite(text, .timeout = 120);

Test(text, hex_takes_either_case_and_white_space_anywhere)
{
	uint8_t out[4];
	size_t len = 0;

	cr_assert(mc_hex_decode(" 0\tA f\r\nF", 9, out, sizeof(out), &len));
	cr_expect_eq(len, 2);
	cr_expect_arr_eq(out, ((uint8_t[]){ 0x0A, 0xFF }), 2);
	cr_assert(mc_hex_decode("", 0, out, sizeof(out), &len));
	cr_expect_eq(len, 0);
}

Test(text, hex_refuses_other_characters_odd_digits_and_too_much)
{
	uint8_t out[2];
	size_t len;

	cr_expect_not(mc_hex_decode("0g", 2, out, sizeof(out), &len));
	cr_expect_not(mc_hex_decode("123", 3, out, sizeof(out), &len));
	cr_expect_not(mc_hex_decode("112233", 6, out, sizeof(out), &len));
	cr_expect_not(mc_hex_decode("1\0", 2, out, sizeof(out), &len));
	cr_expect(mc_hex_decode("1122 ", 5, out, sizeof(out), &len));
}

static size_t
next(const char *s, uint32_t *c)
{
	return mc_utf8_next((const uint8_t *)s, strlen(s), c);
}

Test(text, utf8_is_read_strictly)
{
	uint32_t c = 0;

	cr_expect(next("\x7F", &c) == 1 && c == 0x7F);
	cr_expect(next("\xC2\x80", &c) == 2 && c == 0x80);
	cr_expect(next("\xEF\xBF\xBD", &c) == 3 && c == 0xFFFD);
	cr_expect(next("\xF4\x8F\xBF\xBF", &c) == 4 && c == 0x10FFFF);
	cr_expect_eq(next("\x80", &c), 0);
	cr_expect_eq(next("\xC1\xBF", &c), 0, "overlong");
	cr_expect_eq(next("\xE0\x9F\xBF", &c), 0, "overlong");
	cr_expect_eq(next("\xED\xA0\x80", &c), 0, "surrogate");
	cr_expect_eq(next("\xF4\x90\x80\x80", &c), 0, "too large");
	cr_expect_eq(next("\xF0\x9F\x8C", &c), 0, "cut off");
	cr_expect_eq(next("", &c), 0);
}

Test(text, utf8_is_written_as_it_was_read)
{
	uint8_t out[4];
	uint32_t back = 0;

	for (uint32_t c = 0; c <= 0x10FFFF; c += c < 0x900 ? 1 : 61) {
		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		cr_assert_eq(mc_utf8_next(out, mc_utf8_put(c, out), &back), mc_utf8_put(c, out));
		cr_assert_eq(back, c);
	}
}

Test(text, a_cut_leaves_whole_characters)
{
	const uint8_t *tree = (const uint8_t *)"ab\xF0\x9F\x8C\xB3";

	cr_expect_eq(mc_utf8_cut(tree, 6, 6), 6);
	cr_expect_eq(mc_utf8_cut(tree, 6, 5), 2);
	cr_expect_eq(mc_utf8_cut(tree, 6, 3), 2);
	cr_expect_eq(mc_utf8_cut(tree, 6, 2), 2);
	cr_expect_eq(mc_utf8_cut(tree, 6, 0), 0);
}

Test(text, json_has_its_commas_and_shortest_numbers)
{
	char buf[256];
	struct mc_json j;

	mc_json_init(&j, buf, sizeof(buf));
	mc_json_open(&j, NULL, '{');
	mc_json_open(&j, "list", '[');
	mc_json_fixed(&j, NULL, 1175, 2);
	mc_json_fixed(&j, NULL, -25, 2);
	mc_json_fixed(&j, NULL, -200, 2);
	mc_json_fixed(&j, NULL, 37658604, 6);
	mc_json_fixed(&j, NULL, 0, 6);
	mc_json_close(&j, ']');
	mc_json_open(&j, "empty", '{');
	mc_json_close(&j, '}');
	mc_json_int(&j, "least", INT64_MIN);
	mc_json_double(&j, "tenth", 0.1);
	mc_json_double(&j, "whole", 1700000000.0);
	mc_json_double(&j, "none", NAN);
	mc_json_bool(&j, "yes", true);
	mc_json_close(&j, '}');
	cr_expect_not(j.full);
	cr_expect_str_eq(buf, "{\"list\":[11.75,-0.25,-2,37.658604,0],\"empty\":{},"
			      "\"least\":-9223372036854775808,\"tenth\":0.1,"
			      "\"whole\":1700000000,\"none\":null,\"yes\":true}");
}

Test(text, json_strings_are_safe_in_pages_and_valid)
{
	static const char s[] = "a\"\\\n\r\t\x01<>&\xE2\x80\xA8\xC3\xA9\x7F\xFF\xF0\x9F\x8C";
	char buf[256];
	struct mc_json j;

	mc_json_init(&j, buf, sizeof(buf));
	mc_json_str(&j, NULL, s, sizeof(s) - 1);
	cr_expect_str_eq(buf, "\"a\\\"\\\\\\n\\r\\t\\u0001\\u003c\\u003e\\u0026\\u2028\xC3\xA9\x7F"
			      "\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

Test(text, json_that_does_not_fit_is_cut_and_says_so)
{
	char buf[64];

	for (size_t cap = 1; cap <= sizeof(buf); cap++) {
		struct mc_json j;

		memset(buf, 'x', sizeof(buf));
		mc_json_init(&j, buf, cap);
		mc_json_open(&j, NULL, '{');
		mc_json_hex(&j, "hex", "\xAB\xCD\xEF", 3);
		mc_json_str(&j, "text", "<&>", 3);
		mc_json_close(&j, '}');
		cr_expect_eq(j.full,
			     cap <= strlen("{'hex':'abcdef','text':'\\u003c\\u0026\\u003e'}"));
		cr_expect_lt(j.len, cap);
		cr_expect_eq(buf[j.len], '\0');
		cr_expect(cap == sizeof(buf) || buf[cap] == 'x');
	}
}
