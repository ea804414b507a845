/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static void
use_utf8(void)
{
	setlocale(LC_CTYPE, "C.UTF-8");
}

TestSuite(text, .timeout = 120, .init = use_utf8);

static void
expect_clean(const char *in, size_t len, uint32_t columns, const char *out, uint32_t width)
{
	uint32_t w = 0;
	char *clean = text_clean(in, len, columns, &w);

	cr_expect_str_eq(clean, out);
	cr_expect_eq(w, width, "\"%s\": %u columns, expected %u", clean, w, width);
	free(clean);
}

#define CLEAN(in, columns, out, width) expect_clean((in), sizeof(in) - 1, (columns), (out), (width))

Test(text, plain_and_accented_text_stays_as_it_is)
{
	CLEAN("", 0, "", 0);
	CLEAN("plain \\ text", 0, "plain \\ text", 12);
	CLEAN("\xc3\xa9t\xc3\xa9", 0, "\xc3\xa9t\xc3\xa9", 3);
}

Test(text, wide_characters_count_as_two_columns)
{
	CLEAN("\xe6\xbc\xa2", 0, "\xe6\xbc\xa2", 2);
	CLEAN("\xe6\xbc\xa2\xe6\xbc\xa2", 3, "\xe6\xbc\xa2\xe2\x80\xa6", 3);
	CLEAN("\xe6\xbc\xa2\xe6\xbc\xa2", 2, "\xe2\x80\xa6", 1);
}

Test(text, control_bytes_and_what_is_no_character_become_hexadecimal)
{
	CLEAN("a\x1b[31m\r\n\t\x7f", 0, "a\\x1b[31m\\x0d\\x0a\\x09\\x7f", 25);
	CLEAN("a\0b", 0, "a\\x00b", 6);
	CLEAN("\xff\xc3", 0, "\\xff\\xc3", 8);
	CLEAN("\xed\xa0\x80", 0, "\\xed\\xa0\\x80", 12); /* a surrogate */
	CLEAN("\xc0\x9b", 0, "\\xc0\\x9b", 8);           /* an overlong ESC */
}

Test(text, c1_controls_marks_and_combining_characters_become_visible)
{
	CLEAN("\xc2\x9b", 0, "\\u{9b}", 6);
	CLEAN("\xe2\x80\xae", 0, "\\u{202e}", 8);
	CLEAN("e\xcc\x81", 0, "e\\u{301}", 8);
	CLEAN("\xef\xbb\xbf", 0, "\\u{feff}", 8);
}

Test(text, a_cut_text_ends_in_an_ellipsis_and_fits)
{
	CLEAN("abcdef", 6, "abcdef", 6);
	CLEAN("abcdef", 5, "abcd\xe2\x80\xa6", 5);
	CLEAN("abcdef", 1, "\xe2\x80\xa6", 1);
	CLEAN("a\x1b"
	      "b",
	      4, "a\xe2\x80\xa6", 2); /* an escape is not cut in two */
}

Test(text, in_the_c_locale_everything_is_ascii)
{
	setlocale(LC_CTYPE, "C");
	CLEAN("\xc3\xa9", 0, "\\xc3\\xa9", 8);
	CLEAN("abcdef", 5, "abcd~", 5);
}

Test(text, cleaning_twice_changes_nothing)
{
	char *once = text_clean("a\x1b\xff", 3, 0, NULL);

	expect_clean(once, strlen(once), 0, once, 9);
	free(once);
}

Test(text, sizes_have_units_and_never_four_digits)
{
	cr_expect_str_eq(text_size(0).s, "0 B");
	cr_expect_str_eq(text_size(1023).s, "1023 B");
	cr_expect_str_eq(text_size(1024).s, "1.0 KiB");
	cr_expect_str_eq(text_size((1u << 20) - 1).s, "1.0 MiB");
	cr_expect_str_eq(text_size(50541363).s, "48.2 MiB");
	cr_expect_str_eq(text_size(UINT64_MAX).s, "16.0 EiB");
}

Test(text, durations_show_two_units)
{
	cr_expect_str_eq(text_duration(0).s, "0us");
	cr_expect_str_eq(text_duration(999).s, "999us");
	cr_expect_str_eq(text_duration(350000).s, "350ms");
	cr_expect_str_eq(text_duration(999999).s, "999.9ms");
	cr_expect_str_eq(text_duration(1250000).s, "1.25s");
	cr_expect_str_eq(text_duration(59999999).s, "59.99s");
	cr_expect_str_eq(text_duration(125000000).s, "2m 5s");
	cr_expect_str_eq(text_duration(7200000000).s, "2h 0m");
	cr_expect_str_eq(text_duration(273600000000).s, "3d 4h");
	cr_expect_str_eq(text_duration(UINT64_MAX).s, "213503982d 8h");
}

Test(text, counts_have_commas)
{
	cr_expect_str_eq(text_count(0).s, "0");
	cr_expect_str_eq(text_count(999).s, "999");
	cr_expect_str_eq(text_count(1000).s, "1,000");
	cr_expect_str_eq(text_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
}

Test(text, times_are_in_utc_with_microseconds)
{
	cr_expect_str_eq(text_time(0).s, "1970-01-01T00:00:00.000000Z");
	cr_expect_str_eq(text_time(1763695631123456).s, "2025-11-21T03:27:11.123456Z");
	cr_expect_str_eq(text_time(253402300799999999).s, "9999-12-31T23:59:59.999999Z");
	cr_expect_str_eq(text_time(UINT64_MAX).s, "18446744073709551615");
}

/* The table with one row, printed for this width. [owned] */
static char *
print_table(uint32_t width, bool colour, const char *first, const char *second)
{
	static const char *const heads[] = { "NAME", ">N", "~NOTE" };
	struct table t;
	char *s = NULL;
	size_t len;
	FILE *out = open_memstream(&s, &len);

	table_init(&t, heads, 3);
	table_add(&t, TONE_BAD, first, strlen(first));
	table_add(&t, TONE_PLAIN, "12", 2);
	table_add(&t, TONE_PLAIN, second, strlen(second));
	table_print(&t, out, width, colour);
	fclose(out);
	return s;
}

static void
expect_table(uint32_t width, bool colour, const char *second, const char *expected)
{
	char *s = print_table(width, colour, "storage", second);

	cr_expect_str_eq(s, expected);
	free(s);
}

Test(text, columns_are_aligned_without_blanks_at_the_end)
{
	expect_table(0, false, "", "NAME      N  NOTE\nstorage  12  \n");
	expect_table(0, false, "x", "NAME      N  NOTE\nstorage  12  x\n");
}

Test(text, only_the_columns_that_may_are_shortened)
{
	expect_table(24, false, "a long note, too long",
		     "NAME      N  NOTE\nstorage  12  a long not\xe2\x80\xa6\n");
}

Test(text, a_line_is_cut_when_nothing_can_be_shortened)
{
	expect_table(6, false, "x", "NAME\nstora\xe2\x80\xa6\n");
}

Test(text, colour_surrounds_the_text_only)
{
	expect_table(0, true, "x",
		     "\x1b[2mNAME\x1b[0m      \x1b[2mN\x1b[0m  \x1b[2mNOTE\x1b[0m\n"
		     "\x1b[31mstorage\x1b[0m  12  x\n");
}

Test(text, a_table_without_rows_prints_nothing)
{
	static const char *const heads[] = { "NAME" };
	struct table t;
	char *s = NULL;
	size_t len;
	FILE *out = open_memstream(&s, &len);

	table_init(&t, heads, 1);
	table_print(&t, out, 0, false);
	fclose(out);
	cr_expect_eq(len, 0u);
	free(s);
}

Test(text, lines_are_cleaned_one_by_one)
{
	char *s = NULL;
	size_t len;
	FILE *out = open_memstream(&s, &len);

	text_lines(out, "  ", "a\x1b\n\nlast");
	fclose(out);
	cr_expect_str_eq(s, "  a\\x1b\n\n  last\n");
	free(s);
}
