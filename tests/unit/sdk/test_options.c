/* SPDX-License-Identifier: MIT
 *
 * Reading a tree against an option table: values, defaults, and problems.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshkern/options.h>

TestSuite(options, .timeout = 120);

static const char *const modes[] = { "fast", "safe", NULL };

static const mk_option tls_table[] = {
	{ .name = "cert", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED },
	{ .name = "verify", .type = MK_OPT_BOOL, .dflt = "yes" },
	{ .name = NULL },
};

static const mk_option source_table[] = {
	{ .name = "broker",
	  .type = MK_OPT_STRING,
	  .min = 1,
	  .flags = MK_OPT_REQUIRED | MK_OPT_MAIN },
	{ .name = "password", .type = MK_OPT_STRING, .min = 4, .flags = MK_OPT_SECRET },
	{ .name = "port", .type = MK_OPT_INT, .min = 1, .max = 65535, .dflt = "1883" },
	{ .name = NULL },
};

static const mk_option table[] = {
	{ .name = "listen", .type = MK_OPT_STRING, .dflt = "127.0.0.1:8080", .max = 20 },
	{ .name = "greeting", .type = MK_OPT_STRING, .dflt = "\"\"" },
	{ .name = "verbose", .type = MK_OPT_BOOL },
	{ .name = "nodes", .type = MK_OPT_INT, .min = -10, .max = 100, .dflt = "60" },
	{ .name = "any", .type = MK_OPT_INT },
	{ .name = "ratio", .type = MK_OPT_FLOAT, .min = 0, .max = 1, .dflt = "0.1" },
	{ .name = "mode", .type = MK_OPT_ENUM, .choices = modes, .dflt = "safe" },
	{ .name = "interval", .type = MK_OPT_DURATION, .min = 100000, .dflt = "5s" },
	{ .name = "cache", .type = MK_OPT_SIZE, .max = 1 << 30, .dflt = "64KiB" },
	{ .name = "topics", .type = MK_OPT_LIST, .max = 3, .dflt = "[ \"meshcore/#\", b ]" },
	{ .name = "features", .type = MK_OPT_LIST, .choices = modes },
	{ .name = "tls", .type = MK_OPT_GROUP, .sub = tls_table },
	{ .name = "sources", .type = MK_OPT_GROUPS, .max = 4, .sub = source_table },
	{ .name = NULL },
};

static mk_problems *problems;

static mk_values *
read_table(const mk_option *t, const char *text)
{
	mk_values *v;
	mk_yaml *y;

	problems = mk_problems_new("f");
	y = mk_yaml_load(text, strlen(text), problems);
	cr_assert(y != NULL, "%s", mk_problems_line(problems, 0));
	v = mk_options_read(t, mk_yaml_root(y), "p", problems);
	mk_yaml_free(y); /* values must not need it any more */
	cr_assert(v != NULL);
	return v;
}

static mk_values *
read_good(const char *text)
{
	mk_values *v = read_table(table, text);

	cr_assert_eq(mk_problems_count(problems), 0, "%s", mk_problems_line(problems, 0));
	mk_problems_free(problems);
	return v;
}

/* Exactly one problem, with this line. */
static void
refuse(const char *text, const char *line)
{
	mk_values *v = read_table(table, text);

	cr_expect_eq(mk_problems_count(problems), 1, "%s", text);
	cr_expect_str_eq(mk_problems_line(problems, 0), line);
	mk_values_free(v);
	mk_problems_free(problems);
}

/* ---------------------------------------------------------------- values -- */

Test(options, an_empty_file_has_the_defaults)
{
	mk_values *v = read_good("");

	cr_expect_str_eq(mk_values_str(v, "listen"), "127.0.0.1:8080");
	cr_expect_str_eq(mk_values_str(v, "greeting"), "");
	cr_expect_not(mk_values_has(v, "verbose"));
	cr_expect_eq(mk_values_int(v, "nodes"), 60);
	cr_expect(mk_values_float(v, "ratio") > 0.0999 && mk_values_float(v, "ratio") < 0.1001);
	cr_expect_str_eq(mk_values_str(v, "mode"), "safe");
	cr_expect_eq(mk_values_int(v, "interval"), 5000000);
	cr_expect_eq(mk_values_int(v, "cache"), 65536);
	cr_expect_eq(mk_values_count(v, "topics"), 2);
	cr_expect_str_eq(mk_values_str(v, "topics[0]"), "meshcore/#");
	cr_expect_eq(mk_values_count(v, "sources"), 0);
	cr_expect_eq(mk_values_int(v, "tls.verify"), 1);
	mk_values_free(v);
}

Test(options, no_tree_at_all_means_the_defaults_too)
{
	mk_values *v;

	problems = mk_problems_new("f");
	v = mk_options_read(table, NULL, NULL, problems);
	cr_expect_eq(mk_problems_count(problems), 0);
	cr_expect_eq(mk_values_int(v, "nodes"), 60);
	mk_values_free(v);
	mk_problems_free(problems);
}

Test(options, unset_and_unknown_paths_answer_nothing)
{
	mk_values *v = read_good("");

	cr_expect(mk_values_str(v, "verbose") == NULL);
	cr_expect(mk_values_str(v, "no.such[3].path") == NULL);
	cr_expect_eq(mk_values_int(v, "any"), 0);
	cr_expect_eq(mk_values_count(v, "listen"), 0);
	cr_expect(mk_values_str(NULL, "listen") == NULL);
	mk_values_free(v);
	mk_values_free(NULL);
}

Test(options, values_are_found_by_path)
{
	mk_values *v = read_good("topics: [x, 12, \"~\"]\n"
				 "sources:\n"
				 "  - { broker: a, port: 0x10 }\n"
				 "  - broker: b\n"
				 "tls: { cert: c.pem, verify: off }\n");

	cr_expect_str_eq(mk_values_str(v, "topics[1]"), "12");
	cr_expect_str_eq(mk_values_str(v, "topics[2]"), "~");
	cr_expect_eq(mk_values_count(v, "sources"), 2);
	cr_expect_eq(mk_values_int(v, "sources[0].port"), 16);
	cr_expect_str_eq(mk_values_str(v, "sources[1].broker"), "b");
	cr_expect_eq(mk_values_int(v, "sources[1].port"), 1883);
	cr_expect(mk_values_has(v, "sources[1]"));
	cr_expect(mk_values_has(v, "tls"));
	cr_expect_eq(mk_values_int(v, "tls.verify"), 0);
	mk_values_free(v);
}

Test(options, positions_are_those_of_the_file_and_defaults_have_none)
{
	mk_values *v = read_good("topics:\n  - x\n  - y\n");
	uint32_t line = 0;
	uint32_t column = 0;

	cr_expect(mk_values_where(v, "topics[1]", &line, &column));
	cr_expect_eq(line, 3);
	cr_expect_eq(column, 5);
	cr_expect_not(mk_values_where(v, "listen", &line, &column));
	cr_expect_not(mk_values_where(v, "verbose", &line, &column));
	mk_values_free(v);
}

Test(options, booleans_have_six_words_without_quotes)
{
	static const char *const words[] = { "false", "true", "no",    "yes",
					     "off",   "on",   "False", "ON" };

	for (int i = 0; i < 8; i++) {
		char text[32];
		mk_values *v;

		snprintf(text, sizeof(text), "verbose: %s\n", words[i]);
		v = read_good(text);
		cr_expect_eq(mk_values_int(v, "verbose"), i % 2);
		cr_expect_str_eq(mk_values_str(v, "verbose"), i % 2 == 0 ? "false" : "true");
		mk_values_free(v);
	}
	refuse("verbose: \"true\"\n",
	       "f:1:10: p.verbose: \"true\" must stand without quotes: expected "
	       "true or false");
	refuse("verbose: 1\n", "f:1:10: p.verbose: expected true or false, found \"1\"");
}

static int64_t
read_int(const char *name, const char *value)
{
	char text[64];
	mk_values *v;
	int64_t number;

	snprintf(text, sizeof(text), "%s: %s\n", name, value);
	v = read_good(text);
	number = mk_values_int(v, name);
	mk_values_free(v);
	return number;
}

Test(options, whole_numbers_are_decimal_or_hexadecimal)
{
	cr_expect_eq(read_int("any", "12"), 12);
	cr_expect_eq(read_int("any", "-12"), -12);
	cr_expect_eq(read_int("any", "+7"), 7);
	cr_expect_eq(read_int("any", "0"), 0);
	cr_expect_eq(read_int("any", "0xFf"), 255);
	cr_expect_eq(read_int("any", "9223372036854775807"), INT64_MAX);
	cr_expect_eq(read_int("any", "-9223372036854775808"), INT64_MIN);
	refuse("any: 9223372036854775808\n", "f:1:6: p.any: \"9223372036854775808\" is too large: "
					     "expected a whole number");
	refuse("any: 1_000\n", "f:1:6: p.any: expected a whole number, found \"1_000\"");
	refuse("any: 1.5\n", "f:1:6: p.any: expected a whole number, found \"1.5\"");
	refuse("any: 010\n",
	       "f:1:6: p.any: \"010\" begins with 0, which could mean an octal number: "
	       "expected a whole number");
	refuse("any: \"12\"\n",
	       "f:1:6: p.any: \"12\" must stand without quotes: expected a whole number");
}

Test(options, fractions_are_decimal_and_finite)
{
	mk_values *v = read_good("ratio: 25e-2\n");

	cr_expect_str_eq(mk_values_str(v, "ratio"), "0.25");
	mk_values_free(v);
	refuse("ratio: nan\n", "f:1:8: p.ratio: expected a number, found \"nan\"");
	refuse("ratio: .inf\n", "f:1:8: p.ratio: expected a number, found \".inf\"");
	refuse("ratio: 1e999\n", "f:1:8: p.ratio: \"1e999\" is too large: expected a number");
	refuse("ratio: 1.01\n", "f:1:8: p.ratio: 1.01 is above the maximum 1");
}

Test(options, durations_have_a_unit)
{
	cr_expect_eq(read_int("interval", "100000us"), 100000);
	cr_expect_eq(read_int("interval", "100000\xc2\xb5s"), 100000);
	cr_expect_eq(read_int("interval", "250ms"), 250000);
	cr_expect_eq(read_int("interval", "\"2 m\""), 120000000);
	cr_expect_eq(read_int("interval", "7d"), INT64_C(604800000000));
	refuse("interval: 5\n",
	       "f:1:11: p.interval: \"5\" has no unit: expected a duration such as "
	       "250ms, 5s or 2h (us, ms, s, m, h, d)");
	refuse("interval: 5 sec\n",
	       "f:1:11: p.interval: expected a duration such as 250ms, 5s or 2h "
	       "(us, ms, s, m, h, d), found \"5 sec\"");
	refuse("interval: 12ms\n", "f:1:11: p.interval: 12ms is below the minimum 100ms");
	refuse("interval: 0\n", "f:1:11: p.interval: 0 is below the minimum 100ms");
	refuse("interval: 999999999999d\n",
	       "f:1:11: p.interval: \"999999999999d\" is too large: "
	       "expected a duration such as 250ms, 5s or 2h (us, ms, s, "
	       "m, h, d)");
}

Test(options, sizes_have_a_unit)
{
	cr_expect_eq(read_int("cache", "0"), 0);
	cr_expect_eq(read_int("cache", "5B"), 5);
	cr_expect_eq(read_int("cache", "2KB"), 2000);
	cr_expect_eq(read_int("cache", "128 MiB"), 128 << 20);
	cr_expect_eq(read_int("cache", "1GiB"), 1 << 30);
	refuse("cache: 2GiB\n", "f:1:8: p.cache: 2GiB is above the maximum 1GiB");
	refuse("cache: -1B\n",
	       "f:1:8: p.cache: expected a size such as 64KiB or 2GiB (B, KiB, MiB, "
	       "GiB, KB, MB, GB), found \"-1B\"");
}

Test(options, numbers_as_text_have_their_shortest_form)
{
	mk_values *v = read_good("interval: 120s\ncache: 2048KiB\nnodes: 0x10\n");

	cr_expect_str_eq(mk_values_str(v, "interval"), "2m");
	cr_expect_str_eq(mk_values_str(v, "cache"), "2MiB");
	cr_expect_str_eq(mk_values_str(v, "nodes"), "16");
	mk_values_free(v);
}

Test(options, a_string_takes_any_scalar_but_null)
{
	mk_values *v = read_good("listen: 8080\ngreeting: \"null\"\n");

	cr_expect_str_eq(mk_values_str(v, "listen"), "8080");
	cr_expect_str_eq(mk_values_str(v, "greeting"), "null");
	mk_values_free(v);
	refuse("listen: ~\n", "f:1:9: p.listen: has no value");
	refuse("listen:\n", "f:1:8: p.listen: has no value");
	refuse("listen: [a]\n", "f:1:9: p.listen: expected a string, found a list");
	refuse("listen: 123456789012345678901\n",
	       "f:1:9: p.listen: is 21 bytes long, the maximum is 20");
	refuse("sources: [ { broker: \"\" } ]\n", "f:1:22: p.sources[0].broker: must not be empty");
}

Test(options, a_single_entry_stands_for_a_list_of_one)
{
	mk_values *v = read_good("topics: x\nsources: { broker: a }\n");

	cr_expect_eq(mk_values_count(v, "topics"), 1);
	cr_expect_str_eq(mk_values_str(v, "topics[0]"), "x");
	cr_expect_str_eq(mk_values_str(v, "sources[0].broker"), "a");
	mk_values_free(v);
}

Test(options, a_scalar_may_stand_for_the_main_option_of_its_group)
{
	mk_values *v = read_good("sources: [ a, { broker: b, port: 1 } ]\n");
	uint32_t line;
	uint32_t column;

	cr_expect_str_eq(mk_values_str(v, "sources[0].broker"), "a");
	cr_expect_eq(mk_values_int(v, "sources[0].port"), 1883);
	cr_expect_str_eq(mk_values_str(v, "sources[1].broker"), "b");
	cr_expect(mk_values_where(v, "sources[0].broker", &line, &column));
	cr_expect_eq(column, 12);
	mk_values_free(v);
	v = read_good("sources: a\n");
	cr_expect_str_eq(mk_values_str(v, "sources[0].broker"), "a");
	mk_values_free(v);
	refuse("sources: [ ~ ]\n", "f:1:12: p.sources[0]: has no value");
	refuse("tls: c.pem\n", "f:1:6: p.tls: expected a map, found \"c.pem\"");
}

Test(options, lists_keep_their_counts_and_choices)
{
	mk_values *v = read_good("topics: []\nfeatures: [fast]\n");

	cr_expect(mk_values_has(v, "topics"));
	cr_expect_eq(mk_values_count(v, "topics"), 0);
	cr_expect_str_eq(mk_values_str(v, "features[0]"), "fast");
	mk_values_free(v);
	refuse("topics: [a, b, c, d]\n", "f:1:9: p.topics: has 4 entries, the maximum is 3");
	refuse("topics: [a, [b]]\n", "f:1:13: p.topics[1]: expected a string, found a list");
	refuse("topics:\n", "f:1:8: p.topics: has no value: write [] for an empty list");
	refuse("topics: {a: b}\n", "f:1:9: p.topics: expected a list, found a map");
	refuse("features: [slow]\n",
	       "f:1:12: p.features[0]: expected one of fast, safe, found \"slow\"");
}

Test(options, a_group_with_all_lines_commented_out_is_left_out)
{
	mk_values *v = read_good("tls:\n  # cert: c.pem\n");

	cr_expect_not(mk_values_has(v, "tls"));
	cr_expect_eq(mk_values_int(v, "tls.verify"), 1);
	mk_values_free(v);
}

/* -------------------------------------------------------------- problems -- */

Test(options, an_unknown_option_brings_the_nearest_name_to_mind)
{
	refuse("lisen: a\n", "f:1:1: p: unknown option \"lisen\", did you mean \"listen\"?");
	refuse("inetrval: 5s\n",
	       "f:1:1: p: unknown option \"inetrval\", did you mean \"interval\"?");
	refuse("Mode: fast\n", "f:1:1: p: unknown option \"Mode\", did you mean \"mode\"?");
	refuse("int: 5s\n", "f:1:1: p: unknown option \"int\", did you mean \"interval\"?");
	refuse("sources: [ { broker: a, prot: 1 } ]\n",
	       "f:1:25: p.sources[0]: unknown option \"prot\", did you mean \"port\"?");
	refuse("tls: { cert: a, zzz: 1 }\n",
	       "f:1:17: p.tls: unknown option \"zzz\"; known here: cert, verify");
}

Test(options, a_table_without_options_knows_none)
{
	mk_values *v = read_table(NULL, "a: 1\n");

	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:1:1: p: unknown option \"a\"; there are no options here");
	mk_values_free(v);
}

Test(options, a_missing_required_option_is_told_where_its_map_is)
{
	refuse("sources:\n  - port: 1\n",
	       "f:2:5: p.sources[0]: missing required option \"broker\"");
	refuse("tls: {}\n", "f:1:6: p.tls: missing required option \"cert\"");
}

Test(options, all_problems_are_found_in_one_pass_and_good_values_remain)
{
	mk_values *v =
	    read_table(table, "nodes: x\nmode: slow\nsources: [{}, {broker: b}]\nfoo: 1\n");

	cr_expect_eq(mk_problems_count(problems), 4);
	cr_expect_str_eq(mk_problems_line(problems, 1),
			 "f:2:7: p.mode: expected one of fast, safe, found \"slow\"");
	cr_expect_str_eq(mk_values_str(v, "sources[1].broker"), "b");
	cr_expect(mk_values_str(v, "mode") == NULL);
	mk_values_free(v);
}

Test(options, secrets_do_not_appear_in_problems)
{
	refuse("sources: [ { broker: a, password: abc } ]\n",
	       "f:1:35: p.sources[0].password: is 3 bytes long, the minimum is 4");
	refuse("sources: [ { broker: a, password: [hush] } ]\n",
	       "f:1:35: p.sources[0].password: expected a string, found a list");
}

Test(options, flags_of_a_group_hold_inside_of_it)
{
	static const mk_option sub[] = { { .name = "pin", .type = MK_OPT_INT, .max = 9 },
					 { .name = NULL } };
	static const mk_option secret[] = {
		{ .name = "keys", .type = MK_OPT_GROUP, .flags = MK_OPT_SECRET, .sub = sub },
		{ .name = NULL },
	};
	mk_values *v = read_table(secret, "keys: { pin: 1234 }\n");

	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:1:14: p.keys.pin: *** is above the maximum 9");
	mk_values_free(v);
}

Test(options, a_secret_in_a_file_that_others_can_read_is_warned_of_once)
{
	static const char text[] = "sources:\n  - {broker: a, password: hush}\n"
				   "  - {broker: b, password: hush}\n";
	mk_yaml *y;

	problems = mk_problems_new("f");
	mk_problems_set_exposed(problems);
	y = mk_yaml_load(text, strlen(text), problems);
	mk_values_free(mk_options_read(table, mk_yaml_root(y), "p", problems));
	cr_expect_eq(mk_problems_count(problems), 0);
	cr_expect_eq(mk_problems_lines(problems), 1);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:2:27: warning: a secret in a file that others can read: chmod 600 it");
	mk_yaml_free(y);
}

Test(options, the_place_may_be_unnamed)
{
	mk_yaml *y = NULL;

	problems = mk_problems_new("f");
	y = mk_yaml_load("lisen: 1\nmode: x", 16, problems);
	mk_values_free(mk_options_read(table, mk_yaml_root(y), NULL, problems));
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:2:7: mode: expected one of fast, safe, found \"x\"");
	cr_expect_str_eq(mk_problems_line(problems, 1),
			 "f:1:1: unknown option \"lisen\", did you mean \"listen\"?");
	mk_yaml_free(y);
}

Test(options, many_groups_with_defaults_are_bounded)
{
	static const mk_option inner[] = { { .name = "a", .type = MK_OPT_INT, .dflt = "1" },
					   { .name = "b", .type = MK_OPT_INT, .dflt = "1" },
					   { .name = NULL } };
	static const mk_option many[] = {
		{ .name = "m", .type = MK_OPT_GROUPS, .max = 100000, .sub = inner },
		{ .name = NULL },
	};
	char *text = malloc(200000);
	size_t len = (size_t)snprintf(text, 8, "m: [");
	mk_values *v;

	for (int i = 0; i < 30000; i++) {
		memcpy(text + len, "{},", 3);
		len += 3;
	}
	memcpy(text + len, "]", 2);
	v = read_table(many, text);
	cr_expect_eq(mk_problems_count(problems), 1);
	cr_expect_str_eq(mk_problems_line(problems, 0), "f: too many values");
	mk_values_free(v);
	free(text);
}
