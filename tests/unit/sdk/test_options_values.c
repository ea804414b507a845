/* SPDX-License-Identifier: MIT
 *
 * Values over a process border, and what differs between two sets of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshkern/options.h>

TestSuite(options_values, .timeout = 120);

static const mk_option tls_table[] = {
	{ .name = "cert", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED },
	{ .name = "verify", .type = MK_OPT_BOOL, .dflt = "yes" },
	{ .name = NULL },
};

static const mk_option source_table[] = {
	{ .name = "broker", .type = MK_OPT_STRING, .flags = MK_OPT_REQUIRED },
	{ .name = "password", .type = MK_OPT_STRING, .flags = MK_OPT_SECRET },
	{ .name = "topics", .type = MK_OPT_LIST },
	{ .name = NULL },
};

static const mk_option table[] = {
	{ .name = "listen", .type = MK_OPT_STRING, .dflt = "a" },
	{ .name = "ratio", .type = MK_OPT_FLOAT },
	{ .name = "nodes", .type = MK_OPT_INT, .flags = MK_OPT_LIVE },
	{ .name = "interval", .type = MK_OPT_DURATION, .flags = MK_OPT_LIVE, .dflt = "5s" },
	{ .name = "cache", .type = MK_OPT_SIZE },
	{ .name = "topics", .type = MK_OPT_LIST, .flags = MK_OPT_LIVE },
	{ .name = "tls", .type = MK_OPT_GROUP, .sub = tls_table },
	{ .name = "sources", .type = MK_OPT_GROUPS, .sub = source_table },
	{ .name = NULL },
};

static mk_values *
values_of(const char *text)
{
	mk_problems *problems = mk_problems_new("f");
	mk_yaml *y = mk_yaml_load(text, strlen(text), problems);
	mk_values *v = mk_options_read(table, mk_yaml_root(y), "", problems);

	cr_assert_eq(mk_problems_count(problems), 0, "%s", mk_problems_line(problems, 0));
	mk_yaml_free(y);
	mk_problems_free(problems);
	return v;
}

/* ------------------------------------------------------------------ diff -- */

static char seen[2048];

static void
see(void *arg, const char *path, const char *old_text, const char *new_text, bool is_live)
{
	size_t len = strlen(seen);

	cr_expect_eq(arg, (void *)seen);
	snprintf(seen + len, sizeof(seen) - len, "%s: %s -> %s%s\n", path,
		 old_text != NULL ? old_text : "(none)", new_text != NULL ? new_text : "(none)",
		 is_live ? " live" : "");
}

/* The differences as lines, and whether all of them are live. */
static void
expect_diff(const char *a_text, const char *b_text, const char *lines, bool expect_live)
{
	mk_values *a = values_of(a_text);
	mk_values *b = values_of(b_text);
	bool live = true;
	uint32_t count = 0;

	seen[0] = '\0';
	for (const char *c = lines; *c != '\0'; c++)
		count += *c == '\n';
	cr_expect_eq(mk_values_diff(table, a, b, &live, see, seen), count);
	cr_expect_str_eq(seen, lines);
	cr_expect_eq(live, expect_live);
	mk_values_free(a);
	mk_values_free(b);
}

Test(options_values, the_same_values_do_not_differ)
{
	expect_diff("interval: 60s\ntopics: x\n", "interval: 1m\ntopics: [x]\n", "", true);
	expect_diff("", "listen: a\ninterval: 5s\n", "", true);
	expect_diff("tls: {cert: c}\n", "tls: {cert: c, verify: true}\n", "", true);
}

Test(options_values, changed_values_are_told_with_old_and_new)
{
	expect_diff("nodes: 1\n", "nodes: 2\ninterval: 2s\n",
		    "nodes: 1 -> 2 live\ninterval: 5s -> 2s live\n", true);
	expect_diff("", "listen: b\ninterval: 2s\n", "listen: a -> b\ninterval: 5s -> 2s live\n",
		    false);
	expect_diff("", "cache: 4KiB\n", "cache: (none) -> 4KiB\n", false);
	expect_diff("ratio: 0.5\n", "", "ratio: 0.5 -> (none)\n", false);
}

Test(options_values, a_list_is_compared_as_a_whole)
{
	expect_diff("topics: [a, b]\n", "topics: [b]\n", "topics: [a, b] -> [b] live\n", true);
	expect_diff("topics: [a, b]\n", "topics: [b, a]\n", "topics: [a, b] -> [b, a] live\n",
		    true);
	expect_diff("topics: [\"a, b\"]\n", "topics: [a, b]\n", "topics: [a, b] -> [a, b] live\n",
		    true);
	expect_diff("", "topics: []\n", "topics: (none) -> [] live\n", true);
}

Test(options_values, entries_of_groups_differ_by_option_and_appear_and_vanish_whole)
{
	expect_diff("sources: [{broker: a}]\n", "sources: [{broker: b, topics: [x]}]\n",
		    "sources[0].broker: a -> b\nsources[0].topics: (none) -> [x]\n", false);
	expect_diff("sources: [{broker: a}]\n",
		    "sources: [{broker: a}, {broker: b, topics: [x, y]}]\n",
		    "sources[1]: (none) -> {broker: b, topics: [x, y]}\n", false);
	expect_diff("sources: [{broker: a}]\n", "", "sources[0]: {broker: a} -> (none)\n", false);
}

Test(options_values, secrets_are_told_as_stars)
{
	expect_diff("sources: [{broker: a, password: hush}]\n",
		    "sources: [{broker: a, password: other}, {broker: b, password: p}]\n",
		    "sources[0].password: *** -> ***\n"
		    "sources[1]: (none) -> {broker: b, password: ***}\n",
		    false);
}

Test(options_values, a_group_that_appears_differs_in_its_options)
{
	expect_diff("", "tls: {cert: c, verify: no}\n",
		    "tls.cert: (none) -> c\ntls.verify: true -> false\n", false);
}

Test(options_values, a_side_may_be_missing_and_nobody_need_listen)
{
	mk_values *v = values_of("nodes: 1\n");
	bool live = true;

	cr_expect_eq(mk_values_diff(table, NULL, v, &live, NULL, NULL), 4);
	cr_expect_not(live);
	cr_expect_eq(mk_values_diff(table, v, NULL, NULL, NULL, NULL), 4);
	cr_expect_eq(mk_values_diff(table, NULL, NULL, NULL, NULL, NULL), 0);
	mk_values_free(v);
}

/* -------------------------------------------------------------- the wire -- */

static mk_values *
over_the_wire(const mk_values *v, const mk_option *receiver, mk_problems *problems)
{
	mk_writer w;
	mk_values *back;

	mk_writer_init(&w, 0);
	cr_assert_eq(mk_values_write(v, &w), MK_OK);
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	back = mk_values_read(receiver, w.data, w.len, problems);
	mk_writer_fini(&w);
	return back;
}

Test(options_values, everything_survives_the_wire)
{
	mk_problems *problems = mk_problems_new("w");
	mk_values *v =
	    values_of("listen: \"null\"\nratio: 0.1\nnodes: -7\ninterval: 1500us\n"
		      "cache: 3000B\ntopics: [\"\", \"~\", 1]\ntls: {cert: c}\n"
		      "sources: [{broker: a, password: hush, topics: []}, {broker: b}]\n");
	mk_values *back = over_the_wire(v, table, problems);

	cr_assert(back != NULL, "%s", mk_problems_line(problems, 0));
	cr_expect_eq(mk_values_diff(table, v, back, NULL, NULL, NULL), 0);
	cr_expect_str_eq(mk_values_str(back, "listen"), "null");
	cr_expect_eq(mk_values_int(back, "interval"), 1500);
	cr_expect_str_eq(mk_values_str(back, "sources[0].password"), "hush");
	cr_expect(mk_values_has(back, "tls"));
	mk_values_free(back);
	mk_values_free(v);
	mk_problems_free(problems);
}

Test(options_values, a_negative_zero_is_zero)
{
	mk_values *v = values_of("ratio: -0.0\n");

	cr_expect_str_eq(mk_values_str(v, "ratio"), "0");
	mk_values_free(v);
}

Test(options_values, a_group_left_out_is_left_out_on_the_wire)
{
	mk_problems *problems = mk_problems_new("w");
	mk_values *v = values_of("");
	mk_values *back = over_the_wire(v, table, problems);

	cr_assert(back != NULL, "%s", mk_problems_line(problems, 0));
	cr_expect_not(mk_values_has(back, "tls"));
	cr_expect_eq(mk_values_int(back, "tls.verify"), 1);
	mk_values_free(back);
	mk_values_free(v);
	mk_problems_free(problems);
}

Test(options_values, the_receiver_checks_against_its_own_table)
{
	static const mk_option other[] = {
		{ .name = "listen", .type = MK_OPT_INT },
		{ .name = "interval", .type = MK_OPT_DURATION, .max = 1000000 },
		{ .name = NULL },
	};
	mk_problems *problems = mk_problems_new("w");
	mk_values *v = values_of("");

	cr_expect(over_the_wire(v, other, problems) == NULL);
	cr_expect_eq(mk_problems_count(problems), 2);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "w: listen: \"a\" must stand without quotes: "
			 "expected a whole number");
	cr_expect_str_eq(mk_problems_line(problems, 1), "w: interval: 5s is above the maximum 1s");
	mk_values_free(v);
	mk_problems_free(problems);
}

static void
refuse_bytes(const void *bytes, size_t len, const char *line)
{
	mk_problems *problems = mk_problems_new("w");

	cr_expect(mk_values_read(table, bytes, len, problems) == NULL);
	cr_expect_eq(mk_problems_count(problems), 1);
	cr_expect_str_eq(mk_problems_line(problems, 0), line);
	mk_problems_free(problems);
}

Test(options_values, bytes_that_are_no_values_are_refused)
{
	refuse_bytes("\x90", 1, "w: expected a map, found a list");
	refuse_bytes("\x81\xa6listen\xc4\x01x", 11,
		     "w: a value is of a type that options do not have");
	refuse_bytes("\x81\xa6listen\xa1\x00", 10, "w: a text contains a NUL character");
	refuse_bytes("\x81\xa6listen\xc0", 9, "w: listen: has no value");
}

Test(options_values, malformed_bytes_are_refused_with_a_reason)
{
	mk_problems *problems = mk_problems_new("w");

	cr_expect(mk_values_read(table, "\xdd\xff\xff\xff\xff", 5, problems) == NULL);
	cr_expect_eq(strncmp(mk_problems_line(problems, 0), "w: malformed values: ", 21), 0);
	cr_expect_gt(strlen(mk_problems_line(problems, 0)), 21);
	mk_problems_free(problems);
}

Test(options_values, a_writer_that_is_too_small_says_so)
{
	mk_values *v = values_of("");
	mk_writer w;

	mk_writer_init(&w, 8);
	cr_expect_neq(mk_values_write(v, &w), MK_OK);
	mk_writer_fini(&w);
	mk_values_free(v);
}
