/* SPDX-License-Identifier: MIT
 *
 * Option tables themselves: which are refused, and what is generated of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshkern/options.h>

TestSuite(options_table, .timeout = 120);

static const char *const modes[] = { "fast", "safe", NULL };
static const char *const twice[] = { "a", "a", NULL };

static const mk_option sub[] = {
	{ .name = "a",
	  .type = MK_OPT_INT,
	  .flags = MK_OPT_MAIN | MK_OPT_REQUIRED,
	  .min = 1,
	  .max = 9 },
	{ .name = "b", .type = MK_OPT_STRING, .dflt = "x" },
	{ .name = NULL },
};

static const mk_option good[] = {
	{ .name = "id", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED, .help = "name|id" },
	{ .name = "bool", .type = MK_OPT_BOOL, .dflt = "on", .help = "switch" },
	{ .name = "int", .type = MK_OPT_INT, .min = -5, .help = "up to 0" },
	{ .name = "real", .type = MK_OPT_FLOAT, .max = 1, .flags = MK_OPT_SECRET },
	{ .name = "mode", .type = MK_OPT_ENUM, .choices = modes, .flags = MK_OPT_LIVE },
	{ .name = "time", .type = MK_OPT_DURATION, .min = 100000, .dflt = "5s" },
	{ .name = "size", .type = MK_OPT_SIZE, .max = 4096 },
	{ .name = "list", .type = MK_OPT_LIST, .min = 1, .dflt = "[ x, \"y: z\" ]" },
	{ .name = "some", .type = MK_OPT_LIST, .choices = modes },
	{ .name = "group", .type = MK_OPT_GROUP, .sub = sub, .help = "a group" },
	{ .name = "groups", .type = MK_OPT_GROUPS, .sub = sub, .dflt = "[ 3, { a: 4, b: y } ]" },
	{ .name = NULL },
};

Test(options_table, a_good_table_is_valid)
{
	mk_err err = { 0 };

	cr_expect_eq(mk_options_valid(good, &err), MK_OK, "%s", err.text);
	cr_expect_eq(mk_options_valid(NULL, NULL), MK_OK);
}

static void
refuse(mk_option o, const char *text)
{
	const mk_option table[] = { o, { .name = NULL } };
	mk_err err = { 0 };

	cr_expect_eq(mk_options_valid(table, &err), MK_EINVAL, "%s", text);
	cr_expect_str_eq(err.text, text);
}

#define REFUSE(text, ...) refuse((mk_option){ __VA_ARGS__ }, text)

Test(options_table, names_are_short_lower_case_words)
{
	REFUSE("option : a name is 1 to 31 of a-z, 0-9 and _, letter first", .name = "",
	       .type = MK_OPT_INT);
	REFUSE("option aB: a name is 1 to 31 of a-z, 0-9 and _, letter first", .name = "aB",
	       .type = MK_OPT_INT);
	REFUSE("option a.b: a name is 1 to 31 of a-z, 0-9 and _, letter first", .name = "a.b",
	       .type = MK_OPT_INT);
	REFUSE("option 1a: a name is 1 to 31 of a-z, 0-9 and _, letter first", .name = "1a",
	       .type = MK_OPT_INT);
	REFUSE(
	    "option a2345678901234567890123456789012: a name is 1 to 31 of a-z, 0-9 and _, letter "
	    "first",
	    .name = "a2345678901234567890123456789012", .type = MK_OPT_INT);
}

Test(options_table, types_flags_and_parts_must_fit)
{
	REFUSE("option a: unknown type", .name = "a");
	REFUSE("option a: unknown type", .name = "a", .type = MK_OPT_TREE);
	REFUSE("option a: unknown flag", .name = "a", .type = MK_OPT_INT, .flags = 1u << 9);
	REFUSE("option a: required, and yet has a default", .name = "a", .type = MK_OPT_INT,
	       .flags = MK_OPT_REQUIRED, .dflt = "1");
	REFUSE("option a: MAIN is for a scalar in a group", .name = "a", .type = MK_OPT_INT,
	       .flags = MK_OPT_MAIN);
	REFUSE("option a: sub: a group needs it; others have none", .name = "a",
	       .type = MK_OPT_GROUP);
	REFUSE("option a: sub: a group needs it; others have none", .name = "a", .type = MK_OPT_INT,
	       .sub = sub);
	REFUSE("option a: a group without options", .name = "a", .type = MK_OPT_GROUP,
	       .sub = sub + 2);
	REFUSE("option a: a group has no default; its options have", .name = "a",
	       .type = MK_OPT_GROUP, .sub = sub, .dflt = "{}");
}

Test(options_table, choices_are_for_those_that_choose)
{
	static const char text[] =
	    "option a: choices: an ENUM needs some, all different, a LIST may have them";

	REFUSE(text, .name = "a", .type = MK_OPT_ENUM);
	REFUSE(text, .name = "a", .type = MK_OPT_ENUM, .choices = modes + 2);
	REFUSE(text, .name = "a", .type = MK_OPT_ENUM, .choices = twice);
	REFUSE(text, .name = "a", .type = MK_OPT_INT, .choices = modes);
}

Test(options_table, ranges_must_be_possible)
{
	static const char text[] = "option a: min and max do not make a range";

	REFUSE(text, .name = "a", .type = MK_OPT_INT, .min = 2, .max = 1);
	REFUSE(text, .name = "a", .type = MK_OPT_BOOL, .max = 1);
	REFUSE(text, .name = "a", .type = MK_OPT_DURATION, .min = -1);
	REFUSE(text, .name = "a", .type = MK_OPT_STRING, .min = 5000);
	REFUSE(text, .name = "a", .type = MK_OPT_LIST, .min = 2000);
	REFUSE(text, .name = "a", .type = MK_OPT_GROUP, .sub = sub, .max = 1);
}

Test(options_table, defaults_pass_their_own_check)
{
	REFUSE("option a: its default: 12 is above the maximum 9", .name = "a", .type = MK_OPT_INT,
	       .max = 9, .dflt = "12");
	REFUSE("option a: its default: has no value", .name = "a", .type = MK_OPT_STRING,
	       .dflt = "");
	REFUSE("option a: its default: \"[ x\" is not one YAML value", .name = "a",
	       .type = MK_OPT_LIST, .dflt = "[ x");
	REFUSE("option a: its default: \"x\\x0ab: y\" is not one YAML value", .name = "a",
	       .type = MK_OPT_STRING, .dflt = "x\nb: y");
	REFUSE("option a[1].a: its default: 10 is above the maximum 9", .name = "a",
	       .type = MK_OPT_GROUPS, .sub = sub, .dflt = "[ 1, 10 ]");
}

Test(options_table, names_are_unique_and_inner_faults_have_their_place)
{
	static const mk_option same[] = { { .name = "a", .type = MK_OPT_INT },
					  { .name = "a", .type = MK_OPT_BOOL },
					  { .name = NULL } };
	static const mk_option mains[] = {
		{ .name = "a", .type = MK_OPT_INT, .flags = MK_OPT_MAIN },
		{ .name = "b", .type = MK_OPT_INT, .flags = MK_OPT_MAIN },
		{ .name = NULL },
	};
	mk_err err;

	cr_expect_eq(mk_options_valid(same, &err), MK_EINVAL);
	cr_expect_str_eq(err.text, "option a: is there twice");
	REFUSE("in g: option a: is there twice", .name = "g", .type = MK_OPT_GROUP, .sub = same);
	REFUSE("in g: option b: a second MAIN in its group", .name = "g", .type = MK_OPT_GROUPS,
	       .sub = mains);
}

Test(options_table, a_table_that_contains_itself_is_refused)
{
	static const mk_option loop[] = {
		{ .name = "a", .type = MK_OPT_GROUP, .sub = loop },
		{ .name = NULL },
	};
	mk_err err;

	cr_expect_eq(mk_options_valid(loop, &err), MK_EINVAL);
	cr_expect(strstr(err.text, "groups are nested too deep") != NULL);
}

Test(options_table, more_than_512_options_are_refused)
{
	static mk_option many[514];
	static char names[513][8];
	mk_err err;

	for (size_t i = 0; i < 513; i++) {
		snprintf(names[i], sizeof(names[i]), "o%zu", i);
		many[i] = (mk_option){ .name = names[i], .type = MK_OPT_BOOL };
	}
	cr_expect_eq(mk_options_valid(many, &err), MK_EINVAL);
	cr_expect_str_eq(err.text, "more than 512 options");
	many[512].name = NULL;
	cr_expect_eq(mk_options_valid(many, &err), MK_OK);
}

/* ------------------------------------------------------------- generated -- */

static char *
print(void (*what)(const mk_option *, FILE *), const mk_option *table)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	what(table, out);
	fclose(out);
	return text;
}

Test(options_table, the_reference_has_a_row_for_each_option)
{
	static const char head[] = "| option | type | default | meaning |\n|---|---|---|---|\n";
	char *text = print(mk_options_markdown, good);

	cr_expect_eq(strncmp(text, head, strlen(head)), 0);
	cr_expect(strstr(text, "| `id` | string | required | name\\|id |\n") != NULL);
	cr_expect(strstr(text, "| `int` | whole number, -5 to 0 |  | up to 0 |\n") != NULL);
	cr_expect(strstr(text, "| `real` | number, 0 to 1 |  |  (secret) |\n") != NULL);
	cr_expect(
	    strstr(text, "| `mode` | one of fast, safe |  |  (changes without restart) |\n") !=
	    NULL);
	cr_expect(strstr(text, "| `time` | duration, at least 100ms | `5s` |  |\n") != NULL);
	cr_expect(strstr(text, "| `size` | size, 0 to 4KiB |  |  |\n") != NULL);
	cr_expect(strstr(text, "| `groups[].b` | string | `x` |  |\n") != NULL);
	free(text);
}

static void
sample_at_zero(const mk_option *table, FILE *out)
{
	mk_options_sample(table, 0, out);
}

/* Read the sample as a configuration. */
static mk_values *
read_sample(const char *text)
{
	mk_problems *problems = mk_problems_new("sample");
	mk_yaml *y = mk_yaml_load(text, strlen(text), problems);
	mk_values *v;

	cr_assert(y != NULL, "%s\n%s", mk_problems_line(problems, 0), text);
	v = mk_options_read(good, mk_yaml_root(y), "", problems);
	cr_assert_eq(mk_problems_count(problems), 0, "%s\n%s", mk_problems_line(problems, 0), text);
	mk_yaml_free(y);
	mk_problems_free(problems);
	return v;
}

Test(options_table, the_sample_as_it_stands_means_the_defaults)
{
	char *text = print(sample_at_zero, good);
	mk_problems *problems = mk_problems_new("none");
	mk_values *v = read_sample(text);
	mk_values *defaults = mk_options_read(good, NULL, "", problems);

	cr_expect_eq(mk_values_diff(good, v, defaults, NULL, NULL, NULL), 1, "all but the id");
	mk_values_free(defaults);
	mk_values_free(v);
	mk_problems_free(problems);
	free(text);
}

Test(options_table, the_sample_without_comment_marks_is_a_configuration)
{
	char *text = print(sample_at_zero, good);
	char *to = text;
	mk_values *v;

	for (const char *from = text; *from != '\0'; from++) /* '#' yes, "# help" no */
		if (*from != '#' || from[1] == ' ')
			*to++ = *from;
	*to = '\0';
	v = read_sample(text);
	cr_expect_eq(mk_values_count(v, "groups"), 1);
	cr_expect(mk_values_has(v, "group"));
	mk_values_free(v);
	free(text);
}

Test(options_table, the_sample_is_indented_as_asked)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	mk_options_sample(sub, 4, out);
	fclose(out);
	cr_expect_str_eq(text, "    #  (whole number, 1 to 9, required)\n"
			       "    a: 1\n"
			       "    #  (string)\n"
			       "    #b: x\n");
	free(text);
}
