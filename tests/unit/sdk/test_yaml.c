/* SPDX-License-Identifier: MIT
 *
 * YAML text to trees, and what is said about text that is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshkern/options.h>

TestSuite(yaml, .timeout = 120);

static mk_problems *problems;

static void
setup(void)
{
	problems = mk_problems_new("f");
}

static mk_yaml *
load(const char *text)
{
	setup();
	return mk_yaml_load(text, strlen(text), problems);
}

/* The text must be refused, with exactly this first line. */
static void
refuse(const char *text, const char *line)
{
	mk_yaml *y = load(text);

	cr_expect(y == NULL);
	cr_expect(mk_problems_count(problems) > 0);
	cr_expect_str_eq(mk_problems_line(problems, 0), line);
	mk_problems_free(problems);
}

Test(yaml, a_tree_has_kinds_texts_and_positions_from_one)
{
	mk_yaml *y = load("name: local\nsub:\n  list: [a, \"1\"]\n");
	const mk_node *root = mk_yaml_root(y);
	const mk_node *list = mk_node_find(mk_node_find(root, "sub"), "list");

	cr_assert_eq(root->kind, MK_NODE_MAP);
	cr_expect_eq(root->count, 2);
	cr_expect_str_eq(root->keys[1]->text, "sub");
	cr_expect_str_eq(mk_node_find(root, "name")->text, "local");
	cr_assert_eq(list->kind, MK_NODE_LIST);
	cr_expect_eq(list->count, 2);
	cr_expect_eq(list->line, 3);
	cr_expect_eq(list->column, 9);
	cr_expect(list->items[0]->plain);
	cr_expect_not(list->items[1]->plain);
	cr_expect_str_eq(list->items[1]->text, "1");
	cr_expect_eq(list->items[1]->column, 13);
	mk_yaml_free(y);
	mk_problems_free(problems);
}

Test(yaml, empty_text_is_an_empty_map)
{
	static const char *const texts[] = { "", "# only a comment\n", "---\n", "~\n", "\n\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		mk_yaml *y = load(texts[i]);

		cr_assert(y != NULL, "%s", texts[i]);
		cr_expect_eq(mk_yaml_root(y)->kind, MK_NODE_MAP);
		cr_expect_eq(mk_yaml_root(y)->count, 0);
		mk_yaml_free(y);
		mk_problems_free(problems);
	}
}

Test(yaml, columns_count_characters_and_a_byte_order_mark_does_not_count)
{
	mk_yaml *y = load("\xef\xbb\xbf{ \xc3\xa4: x }\n");

	cr_assert(y != NULL);
	cr_expect_eq(mk_yaml_root(y)->items[0]->column, 6);
	mk_yaml_free(y);
	mk_problems_free(problems);
}

Test(yaml, find_takes_null_and_things_that_are_no_map)
{
	mk_yaml *y = load("a: [1]\n");

	cr_expect(mk_node_find(NULL, "a") == NULL);
	cr_expect(mk_node_find(mk_node_find(mk_yaml_root(y), "a"), "b") == NULL);
	mk_yaml_free(y);
	mk_yaml_free(NULL);
	mk_problems_free(problems);
}

Test(yaml, what_changes_the_meaning_elsewhere_is_refused_by_name)
{
	refuse("a: &x 1\n", "f:1:4: anchor \"&x\" is not supported");
	refuse("a: &x [1]\n", "f:1:4: anchor \"&x\" is not supported");
	refuse("a: &x {b: 1}\n", "f:1:4: anchor \"&x\" is not supported");
	refuse("a: *x\n", "f:1:4: alias \"*x\" is not supported");
	refuse("a: !!str 1\n", "f:1:4: tag \"!!str\" is not supported");
	refuse("a: !x [1]\n", "f:1:4: tag \"!x\" is not supported");
	refuse("<<: {a: 1}\n", "f:1:1: merge key \"<<\" is not supported");
	refuse("a: 1\n---\nb: 1\n", "f:2:1: a second document (\"---\") is not supported");
	refuse("%TAG ! tag:x,2000:\n---\na: 1\n", "f:1:1: the directive %TAG is not supported");
}

Test(yaml, quoted_merge_keys_are_ordinary_keys)
{
	mk_yaml *y = load("\"<<\": 1\n");

	cr_expect(y != NULL);
	mk_yaml_free(y);
	mk_problems_free(problems);
}

Test(yaml, all_refusals_are_found_in_one_pass)
{
	mk_yaml *y = load("a: &x 1\nb: *x\na: !t 2\n");

	cr_expect(y == NULL);
	cr_expect_eq(mk_problems_count(problems), 4);
	cr_expect_str_eq(mk_problems_line(problems, 3),
			 "f:3:1: key \"a\" is given twice, before at line 1");
	mk_problems_free(problems);
}

Test(yaml, keys_must_be_different_texts)
{
	refuse("b: 1\na: 1\nb: 2\n", "f:3:1: key \"b\" is given twice, before at line 1");
	refuse("a: {x: 1, x: 2}\n", "f:1:11: key \"x\" is given twice, before at line 1");
	refuse("? [a]\n: b\n", "f:1:3: a list cannot be a key");
	refuse("? {a: b}\n: b\n", "f:1:3: a map cannot be a key");
	refuse("\"\": b\n", "f:1:1: a key is missing before \":\"");
}

Test(yaml, the_top_must_be_a_map)
{
	refuse("- a\n", "f:1:1: expected \"key: value\" lines, found a list");
	refuse("a\n", "f:1:1: expected \"key: value\" lines, found a text");
}

Test(yaml, tabs_are_named)
{
	refuse("a:\n\tb: 1\n", "f:2:1: a tab where only spaces are allowed: indent with spaces");
	refuse("a: |\n\tb\n", "f:2:1: a tab where only spaces are allowed: indent with spaces");
}

Test(yaml, wrong_indentation_is_explained)
{
	refuse("a:\n    b: 1\n   c: 2\n",
	       "f:3:4: wrong indentation: it fits none of the lines above");
	refuse("a: 1\n  b: 2\n",
	       "f:2:4: unexpected \":\": the line is indented too far, or the line "
	       "above is not finished");
	refuse("- a\nb: 1\n",
	       "f:2:1: expected \"-\" and another list item; or the indentation is wrong");
	refuse("a: 1\n- b\n", "f:2:1: unexpected \"-\": a list item where a key was expected");
	refuse("a: - b\n", "f:1:4: unexpected \"-\": a list begins on a line of its own");
}

Test(yaml, missing_quotes_are_explained)
{
	refuse("a: b: c\n", "f:1:5: a text that contains \": \" needs quotes");
	refuse("a: @x\n", "f:1:4: a text that begins with \"@\" needs quotes");
	refuse("a: 'x' y\n",
	       "f:1:8: unexpected text after the value: quotes go around a whole value");
	refuse("a: \"\\q\"\n",
	       "f:1:5: unknown escape: in double quotes, write \\\\ for a backslash");
}

Test(yaml, what_is_not_closed_says_where_it_began)
{
	refuse("a: [1,\nb\n",
	       "f:3:1: expected \",\" or \"]\": the list is not closed (begun at line 1)");
	refuse("a: {b: 1\n",
	       "f:2:1: expected \",\" or \"}\": the map is not closed (begun at line 1)");
	refuse("a: 'x\n", "f:2:1: the quotes are not closed (begun at line 1)");
}

Test(yaml, bytes_that_are_no_text_are_found)
{
	refuse("a: 1\nb: \xff\n", "f:2:4: the file is not UTF-8 text: invalid leading UTF-8 octet");
	refuse("a: \x01\n", "f:1:4: control character 0x01 in the file");
	refuse("a: \"\\0\"\n", "f:1:4: the text contains a NUL character");
}

Test(yaml, twenty_levels_are_allowed_and_one_more_is_not)
{
	char text[64] = "a: ";
	mk_yaml *y;

	memset(text + 3, '[', 19);
	memset(text + 22, ']', 19);
	y = load(text);
	cr_expect(y != NULL);
	mk_yaml_free(y);
	mk_problems_free(problems);
	memset(text + 3, '[', 20);
	memset(text + 23, ']', 20);
	refuse(text, "f:1:23: nested more than 20 levels deep");
}

Test(yaml, more_than_a_hundred_thousand_values_are_refused)
{
	size_t len = 4;
	char *text = malloc(300000);

	setup();
	memcpy(text, "a: [", 4);
	for (int i = 0; i < 100000; i++) {
		memcpy(text + len, "b,", 2);
		len += 2;
	}
	text[len++] = ']';
	cr_expect(mk_yaml_load(text, len, problems) == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 0), "f:1:199999: more than 100000 values");
	mk_problems_free(problems);
	free(text);
}

Test(yaml, more_than_a_mebibyte_is_refused)
{
	size_t len = (1u << 20) + 1;
	char *text = malloc(len);
	mk_yaml *y;

	setup();
	memset(text, '\n', len);
	cr_expect(mk_yaml_load(text, len, problems) == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 0), "f: larger than 1048576 bytes");
	y = mk_yaml_load(text, len - 1, problems);
	cr_expect(y != NULL);
	mk_yaml_free(y);
	mk_problems_free(problems);
	free(text);
}

/* ------------------------------------------------------------ problems -- */

Test(yaml, the_first_hundred_problems_are_kept_and_all_are_counted)
{
	setup();
	for (int i = 0; i < 60; i++)
		mk_problems_warn(problems, 1, 1, "w");
	for (int i = 0; i < 120; i++)
		mk_problems_add(problems, 1, 1, "p");
	cr_expect_eq(mk_problems_count(problems), 120);
	cr_expect_eq(mk_problems_lines(problems), 100);
	cr_expect_str_eq(mk_problems_line(problems, 49), "f:1:1: warning: w");
	cr_expect_str_eq(mk_problems_line(problems, 50), "f:1:1: p");
	cr_expect_str_eq(mk_problems_line(problems, 100), "");
	mk_problems_free(problems);
	mk_problems_free(NULL);
}

Test(yaml, lines_carry_no_control_bytes_and_have_a_length)
{
	char text[3000];

	setup();
	mk_problems_add(problems, 0, 0, "a\nb\x1b[1m\x7f");
	cr_expect_str_eq(mk_problems_line(problems, 0), "f: a\\x0ab\\x1b[1m\\x7f");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[994] = '\xc3'; /* a character that the cut would split */
	text[995] = '\xa4';
	text[996] = '\xc3';
	text[997] = '\xa4';
	mk_problems_add(problems, 0, 0, "%s", text);
	cr_expect_eq(strlen(mk_problems_line(problems, 1)), strlen("f: ") + 996 + 3);
	cr_expect_str_eq(mk_problems_line(problems, 1) + 3 + 994, "\xc3\xa4...");
}
