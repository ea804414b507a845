/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <json/json.h>

TestSuite(json, .timeout = 120);

static struct json out;

static const char *
text(void)
{
	js_text(&out, "", 1); /* a NUL, so that it is a string */
	cr_assert_not(out.failed);
	return out.data;
}

static const char *
number(double v)
{
	js_reset(&out);
	js_num(&out, v);
	return text();
}

static void
begin(void)
{
	js_init(&out, 1 << 20);
}

static void
end(void)
{
	js_fini(&out);
}

Test(json, puts_commas_where_they_belong, .init = begin, .fini = end)
{
	js_object(&out);
	js_kint(&out, "a", -5);
	js_karray(&out, "b");
	js_uint(&out, UINT64_MAX);
	js_int(&out, INT64_MIN);
	js_object(&out);
	js_object_end(&out);
	js_bool(&out, true);
	js_null(&out);
	js_array_end(&out);
	js_kstr(&out, "c", NULL);
	js_object_end(&out);
	cr_expect_str_eq(text(),
			 "{\"a\":-5,\"b\":[18446744073709551615,-9223372036854775808,{},true,"
			 "null],\"c\":null}");
}

Test(json, escapes_what_could_end_a_script, .init = begin, .fini = end)
{
	js_str(&out, "<a>&\"\\\n\t\x01 \xc3\xa4 \xe2\x80\xa8");
	cr_expect_str_eq(text(),
			 "\"\\u003ca\\u003e\\u0026\\\"\\\\\\n\\t\\u0001 \xc3\xa4 \\u2028\"");
}

Test(json, what_is_not_utf8_is_replaced, .init = begin, .fini = end)
{
	js_str(&out, "a\xff\xc3z\xed\xa0\x80");
	cr_expect_str_eq(text(), "\"a\\ufffd\\ufffdz\\ufffd\\ufffd\\ufffd\"");
}

Test(json, numbers_are_the_shortest_that_read_back, .init = begin, .fini = end)
{
	cr_expect_str_eq(number(0), "0");
	cr_expect_str_eq(number(-7.25), "-7.25");
	cr_expect_str_eq(number(0.1), "0.1");
	cr_expect_str_eq(number(37.422399), "37.422399");
	cr_expect_str_eq(number(1e15), "1000000000000000");
	cr_expect_str_eq(number(1e20), "100000000000000000000");
	cr_expect_str_eq(number(1e21), "1e+21");
	cr_expect_str_eq(number(1.25e-5), "0.0000125");
	cr_expect_str_eq(number(1.23456789e-5), "0.0000123456789");
	cr_expect_str_eq(number(1e-7), "1e-07");
	cr_expect_str_eq(number(NAN), "null");
	cr_expect_str_eq(number(INFINITY), "null");
}

Test(json, every_double_survives, .init = begin, .fini = end)
{
	uint64_t bits = 88172645463325252u;

	for (int i = 0; i < 100000; i++) {
		double v;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&v, &bits, 8);
		if (isfinite(v))
			cr_assert_eq(strtod(number(v), NULL), v, "%.17g", v);
		v = (double)(int64_t)(bits % 2000001) / 1000 - 1000;
		cr_assert_eq(strtod(number(v), NULL), v, "%.17g", v);
	}
}

Test(json, embeds_only_json, .init = begin, .fini = end)
{
	js_array(&out);
	js_embed(&out, "{\"a\":\"<b>\"}", 11);
	js_embed(&out, "{\"a\":", 5);
	js_embed(&out, "", 0);
	js_array_end(&out);
	cr_expect_str_eq(text(), "[{\"a\":\"\\u003cb\\u003e\"},null,null]");
}

Test(json, the_limit_is_an_error_that_stays, .fini = end)
{
	js_init(&out, 16);
	for (int i = 0; i < 10; i++)
		js_str(&out, "abcd");
	cr_expect(out.failed);
	cr_expect_leq(out.len, 16);
	js_reset(&out);
	js_str(&out, "abcd");
	cr_expect_not(out.failed);
}

Test(json, too_deep_is_an_error, .init = begin, .fini = end)
{
	for (int i = 0; i < 200; i++)
		js_array(&out);
	cr_expect(out.failed);
}

Test(json, times_are_utc, .init = begin, .fini = end)
{
	js_time_ms(&out, 1795234866852318);
	cr_expect_str_eq(text(), "\"2026-11-21T04:21:06.852Z\"");
}
