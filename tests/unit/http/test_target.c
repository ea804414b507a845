/* SPDX-License-Identifier: MIT */
#include <string.h>

#include <criterion/criterion.h>
#include <http/server/target.h>

TestSuite(target, .timeout = 120);

static struct target t;

static enum target_result
parse(const char *text)
{
	return target_parse(&t, text, strlen(text));
}

Test(target, segments_and_query_are_decoded)
{
	cr_assert_eq(parse("/api/n%C3%A4/x%2fy?a=1%202+3&b&c==&a=9&&"), TARGET_GOOD);
	cr_assert_eq(t.segments, 3);
	cr_expect_str_eq(t.segment[1], "n\xc3\xa4");
	cr_expect_str_eq(t.segment[2], "x/y");
	cr_expect_str_eq(target_find(&t, "a"), "1 2 3");
	cr_expect_str_eq(target_find(&t, "b"), "");
	cr_expect_str_eq(target_find(&t, "c"), "=");
	cr_expect_null(target_find(&t, "d"));
	cr_expect_eq(t.pairs, 4);
}

Test(target, the_root_has_no_segments)
{
	cr_expect_eq(parse("/"), TARGET_GOOD);
	cr_expect_eq(t.segments, 0);
	cr_expect_eq(parse("/?a=1"), TARGET_GOOD);
	cr_expect_eq(parse("/a/"), TARGET_GOOD);
	cr_expect_eq(t.segments, 2);
	cr_expect_str_eq(t.segment[1], "");
	cr_expect_eq(parse("http://host:1/a?b=1"), TARGET_GOOD);
	cr_expect_str_eq(t.segment[0], "a");
	cr_expect_eq(parse("*"), TARGET_GOOD);
}

Test(target, what_is_malformed_is_refused)
{
	static const char *const bad[] = {
		"",        "a",          "?",       "http://",  "http://host", "/%",
		"/%4",     "/%zz",       "/%00",    "/a%0ab",   "/\x01",       "/\xff",
		"/%c0%ae", "/%ed%a0%80", "/..%5c",  "/a\\b",    "/%2e%2e",     "/%2e",
		"/.%2E/a", "/a?%",       "/a?b=%f", "/a?b=%ff", "/a?b=%00",    "/a?\x7f"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(parse(bad[i]), TARGET_BAD, "%s", bad[i]);
}

Test(target, empty_and_dot_segments_are_cleaned_away)
{
	static const char *const pairs[][2] = {
		{ "//", "/" },
		{ "//a", "/a" },
		{ "/a//b?x=//", "/a/b?x=//" },
		{ "/./a", "/a" },
		{ "/a/.", "/a/" },
		{ "/a/../b", "/b" },
		{ "/../../etc/passwd", "/etc/passwd" },
		{ "/a/b/..", "/a/" },
		{ "/..", "/" },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		cr_expect_eq(parse(pairs[i][0]), TARGET_UNCLEAN, "%s", pairs[i][0]);
		cr_expect_str_eq(t.text, pairs[i][1]);
	}
	cr_expect_eq(parse("//a\xe4"), TARGET_BAD);
}

Test(target, everything_is_bounded)
{
	char text[TARGET_MAX + 2];

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	cr_expect_eq(target_parse(&t, text, TARGET_MAX + 1), TARGET_LONG);
	cr_expect_eq(target_parse(&t, text, TARGET_MAX), TARGET_GOOD);
	for (size_t i = 0; i < sizeof(text); i += 2)
		text[i] = '/';
	cr_expect_eq(target_parse(&t, text, 100), TARGET_BAD);
	memcpy(text, "/?", 2);
	for (size_t i = 2; i < sizeof(text); i++)
		text[i] = i % 2 == 0 ? 'a' : '&';
	cr_expect_eq(target_parse(&t, text, 2 + 2 * TARGET_PAIRS), TARGET_GOOD);
	cr_expect_eq(target_parse(&t, text, 4 + 2 * TARGET_PAIRS), TARGET_BAD);
}
