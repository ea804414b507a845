/* SPDX-License-Identifier: MIT
 *
 * Numbers, times and bytes as observers write them.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "value.h"

TestSuite(value, .timeout = 120);

#define NOW_US 1795243306500000ull /* 2026-11-21T06:41:46.5Z */
#define NOW 1795243306

static bool
number(const char *json, double *out)
{
	json_t *v = json_loads(json, JSON_DECODE_ANY, NULL);
	bool good = value_number(v, out);

	json_decref(v);
	return good;
}

Test(value, a_number_may_be_a_string_with_one_unit)
{
	static const struct {
		const char *json;
		double want;
	} cases[] = { { "5", 5 },
		      { "-7.25", -7.25 },
		      { "\"-110dBm\"", -110 },
		      { "\" 5.5 dB \"", 5.5 },
		      { "\"500m\"", 500 },
		      { "\"3KM\"", 3 },
		      { "\"12 mi\"", 12 },
		      { "\"1e3mw\"", 1000 },
		      { "\"+4\"", 4 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double got = 1e99;

		cr_expect(number(cases[i].json, &got), "%s", cases[i].json);
		cr_expect_float_eq(got, cases[i].want, 1e-9, "%s", cases[i].json);
	}
}

Test(value, what_is_no_finite_number_is_absent)
{
	static const char *const cases[] = { "true",      "null",     "{}",          "[1]",
					     "\"\"",      "\"dB\"",   "\"NaN\"",     "\"inf\"",
					     "\"1e999\"", "\"0x10\"", "\"5 dB dB\"", "\"1 2\"",
					     "\"--1\"" };
	double got;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_not(number(cases[i], &got), "%s", cases[i]);
	cr_expect_not(value_number(NULL, &got));
}

Test(value, integers_are_rounded_half_away_from_zero)
{
	json_t *half = json_real(-3500.5), *huge = json_real(1e17);
	int64_t n = 0;

	cr_expect(value_integer(half, &n));
	cr_expect_eq(n, -3501);
	cr_expect_not(value_integer(huge, &n));
	json_decref(half);
	json_decref(huge);
}

Test(value, a_switch_has_many_words)
{
	static const struct {
		const char *json;
		int want; /* -1: none */
	} cases[] = { { "true", 1 },      { "\" ON \"", 1 }, { "\"yes\"", 1 }, { "2", 1 },
		      { "\"False\"", 0 }, { "0", 0 },        { "\"no\"", 0 },  { "\"maybe\"", -1 },
		      { "null", -1 },     { "[]", -1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *v = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		bool on = false, good = value_switch(v, &on);

		cr_expect_eq(good ? (int)on : -1, cases[i].want, "%s", cases[i].json);
		json_decref(v);
	}
}

static struct value_time
at(const char *text)
{
	return value_time(text, strlen(text), NOW_US);
}

Test(value, a_time_with_a_zone_is_taken_unless_it_lies_ahead)
{
	cr_expect_eq(at("2026-11-21T06:40:00Z").seconds, NOW - 106);
	cr_expect_eq(at("2026-11-21T07:40:00.123+01:00").seconds, NOW - 106);
	cr_expect_eq(at("2026-11-20T22:10:00-08:30").seconds, NOW - 106);
	cr_expect_eq(at("2026-11-21T06:50:00Z").seconds, NOW);
	cr_expect_not(at("2026-11-21T03:00:00Z").is_skewed);
	cr_expect_eq(at("2026-11-21T03:00:00Z").seconds, NOW - 13306);
}

Test(value, a_clock_without_a_zone_that_is_off_is_told)
{
	struct value_time t = at("2026-11-20T22:41:46.5");

	cr_expect(t.is_skewed);
	cr_expect_eq(t.skew, -8 * 3600);
	cr_expect_eq(t.seconds, NOW);
	t = at("2026-11-21T09:41:46");
	cr_expect(t.is_skewed);
	cr_expect_eq(t.skew, 3 * 3600);
	t = at("2026-11-21T06:27:00");
	cr_expect_not(t.is_skewed);
	cr_expect_eq(t.seconds, NOW - 886);
}

Test(value, a_time_that_cannot_be_is_now)
{
	static const char *const cases[] = {
		"",
		"yesterday",
		"2026-11-21 06:40:00",
		"2026-11-21T06:40:00+0100",
		"2026-11-21T06:40:00.Z",
		"2026-11-21T06:40:00Z ",
		"2026-02-30T06:40:00Z",
		"2026-11-21T24:40:00Z",
		"2026-11-21T20:42:00",  /* more than 14 h ahead */
		"2026-10-20T06:40:00Z", /* more than 30 days ago */
		"1970-01-01T00:00:00",
		"9999-12-31T23:59:59Z",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(at(cases[i]).seconds, NOW, "%s", cases[i]);
		cr_expect_not(at(cases[i]).is_skewed, "%s", cases[i]);
	}
	cr_expect_eq(value_time(NULL, 0, NOW_US).seconds, NOW);
}

Test(value, hex_may_be_spaced_and_must_be_even)
{
	uint8_t out[4];

	cr_expect_eq(value_hex("15 0a\r\nFF\t", 10, out, 4), 3);
	cr_expect(memcmp(out, "\x15\x0a\xff", 3) == 0);
	cr_expect_eq(value_hex("150", 3, out, 4), 0);
	cr_expect_eq(value_hex("1g", 2, out, 4), 0);
	cr_expect_eq(value_hex(" ", 1, out, 4), 0);
	cr_expect_eq(value_hex("0102030405", 10, out, 4), 0);
	cr_expect_eq(value_hex("01020304", 8, out, 4), 4);
}

Test(value, text_is_cleaned_and_cut_between_characters)
{
	char out[8];

	cr_expect_eq(value_clean("a\nb\x7f\xc2\x85z", 7, out, sizeof(out)), 6);
	cr_expect_str_eq(out, "a?b??z");
	cr_expect_eq(value_clean("12345\xe2\x82\xac", 8, out, sizeof(out)), 5);
	cr_expect_str_eq(out, "12345");
	cr_expect_eq(value_clean("1234\xe2\x82\xac", 7, out, sizeof(out)), 7);
	cr_expect_eq(value_clean("1234567\xc3\xa4", 9, out, sizeof(out)), 7);
	cr_expect_str_eq(out, "1234567");
	cr_expect_eq(value_clean("", 0, out, sizeof(out)), 0);
}
