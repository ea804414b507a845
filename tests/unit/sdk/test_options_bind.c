/* SPDX-License-Identifier: MIT
 *
 * Values into structures by a table, and the types that only files of our own have.
 */
#include <stddef.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshkern/options.h>

struct thing {
	bool on, has_count;
	int kind;
	uint64_t count;
	const char *text, *path;
	const char *const *texts, *const *paths;
};

static const char *const kinds[] = { "small", "large", NULL };

static const mk_option table[] = {
	{ .name = "on", .type = MK_OPT_BOOL },
	{ .name = "kind", .type = MK_OPT_ENUM, .choices = kinds },
	{ .name = "count", .type = MK_OPT_INT, .max = 100 },
	{ .name = "text", .type = MK_OPT_STRING },
	{ .name = "path", .type = MK_OPT_STRING },
	{ .name = "texts", .type = MK_OPT_LIST, .flags = MK_OPT_TOPICS },
	{ .name = "paths", .type = MK_OPT_LIST },
	{ .name = NULL },
};

static const mk_option root_table[] = {
	{ .name = "things", .type = MK_OPT_MAP, .max = 2, .sub = table },
	{ .name = NULL },
};

#define MEMBER(path_, type_, member_)                                   \
	{                                                               \
		path_, MK_BIND_##type_, offsetof(struct thing, member_) \
	}
static const mk_bind binds[] = {
	MEMBER("on", BOOL, on),
	MEMBER("count", GIVEN, has_count),
	MEMBER("kind", ENUM, kind),
	MEMBER("count", U64, count),
	MEMBER("text", TEXT, text),
	MEMBER("path", PATH, path),
	MEMBER("texts", TEXTS, texts),
	MEMBER("paths", PATHS, paths),
	{ .path = NULL },
};

static mk_problems *problems;
static mk_arena arena;

static void
setup(void)
{
	problems = mk_problems_new("f");
}

static void
teardown(void)
{
	mk_problems_free(problems);
	mk_arena_fini(&arena);
}

TestSuite(bind, .timeout = 120, .init = setup, .fini = teardown);
TestSuite(map, .timeout = 120, .init = setup, .fini = teardown);

static mk_values *
read(const char *text)
{
	mk_yaml *yaml = mk_yaml_load(text, strlen(text), problems);
	mk_values *v = mk_options_read(root_table, mk_yaml_root(yaml), "", problems);

	mk_yaml_free(yaml);
	return v;
}

static struct thing
bind(const char *text, const char *base)
{
	struct thing t = { .count = 7, .text = "before" };
	mk_values *v = read(text);

	cr_assert_eq(mk_problems_count(problems), 0, "%s", mk_problems_line(problems, 0));
	cr_assert_eq(mk_values_bind(v, base, binds, &t, &arena, "/base/../x"), MK_OK);
	mk_values_free(v); /* nothing points into it */
	return t;
}

static void
refuse(const char *text, const char *line)
{
	mk_values_free(read(text));
	cr_assert_eq(mk_problems_count(problems), 1, "%s", text);
	cr_expect_str_eq(mk_problems_line(problems, 0), line);
}

Test(bind, every_type_comes_to_its_member)
{
	struct thing t = bind("things: { a: { on: yes, kind: large, count: 3, text: t, path: ./p,\n"
			      "  texts: [x, y/], paths: [/etc, q] } }\n",
			      "things.a");

	cr_expect(t.on && t.has_count);
	cr_expect_eq(t.kind, 1);
	cr_expect_eq(t.count, 3);
	cr_expect_str_eq(t.text, "t");
	cr_expect_str_eq(t.path, "/base/../x/p");
	cr_expect_str_eq(t.texts[1], "y/");
	cr_expect_null(t.texts[2]);
	cr_expect_str_eq(t.paths[0], "/etc");
	cr_expect_str_eq(t.paths[1], "/base/../x/q");
}

Test(bind, what_is_not_there_is_left_alone_but_for_lists)
{
	struct thing t = bind("things: { a: {} }\n", "things.a");

	cr_expect_not(t.has_count);
	cr_expect_eq(t.count, 7);
	cr_expect_str_eq(t.text, "before");
	cr_expect_null(t.path);
	cr_assert_not_null(t.texts);
	cr_expect_null(t.texts[0]);
}

Test(bind, a_difference_is_seen_in_each_type)
{
	struct thing a = bind("things: { a: { on: yes, kind: large, count: 3, text: t, path: p,\n"
			      "  texts: [x], paths: [q] } }\n",
			      "things.a");
	struct thing same = a, none = { .texts = NULL }, empty = bind("things: {}\n", "things.a");

	for (const mk_bind *row = binds; row->path != NULL; row++) {
		cr_expect_not(mk_bind_differs(row, &a, &same), "%s", row->path);
		cr_expect(mk_bind_differs(row, &a, &none), "%s", row->path);
		cr_expect(mk_bind_differs(row, &none, &a), "%s", row->path);
	}
	cr_expect_not(mk_bind_differs(&binds[6], &none, &empty), "NULL is an empty list");
}

Test(map, its_groups_are_values_under_their_names)
{
	mk_values *v = read("things:\n  a: { count: 1 }\n  b-2:\n");

	cr_expect_eq(mk_values_int(v, "things.a.count"), 1);
	cr_expect(mk_values_has(v, "things.a"));
	cr_expect_not(mk_values_has(v, "things.b-2"), "nothing stands in it");
	cr_expect_eq(mk_problems_count(problems), 0);
	mk_values_free(v);
	mk_values_free(read("things:\n"));
	cr_expect_eq(mk_problems_count(problems), 0, "a map may be empty");
}

Test(map, a_name_that_is_none_is_refused_where_it_stands)
{
	refuse("things:\n  A: {}\n",
	       "f:2:3: things: \"A\" is no name: 1 to 31 of a-z, 0-9 and -, letter first");
}

Test(map, too_many_names_are_refused_at_the_first_of_them)
{
	refuse("things:\n  a:\n  b:\n  c:\n", "f:4:3: things: 3 are too many, the maximum is 2");
}

Test(map, what_is_wrong_inside_carries_the_name)
{
	refuse("things: { a: { cuont: 1 } }\n",
	       "f:1:16: things.a: unknown option \"cuont\", did you mean \"count\"?");
}

Test(map, anything_else_is_no_map)
{
	refuse("things: [a]\n", "f:1:9: things: expected a map, found a list");
}

Test(map, topics_in_a_list_are_checked_one_by_one)
{
	refuse(
	    "things: { a: { texts: [x, \"Y\"] } }\n",
	    "f:1:27: things.a.texts[1]: \"Y\" is no topic: 1 to 63 of a-z, 0-9, '.', '_', '-' and "
	    "'/'; a '/' at the end means all below");
}

Test(map, it_is_not_for_tables_of_plugins)
{
	mk_err err = { 0 };

	cr_expect_eq(mk_options_valid(root_table, &err), MK_EINVAL);
	cr_expect_str_eq(err.text, "option things: unknown type");
}
