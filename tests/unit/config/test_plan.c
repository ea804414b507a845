/* SPDX-License-Identifier: MIT
 *
 * A configuration as a whole: every file is looked at, every fault is found, and nothing is read of
 * what is disabled. The plugins are real ones, loaded by the real meshkern-host.
 */
#define _GNU_SOURCE
#include "plan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "child.h"

static char folder[] = "/tmp/test_plan-XXXXXX", file[64];
static mk_problems *problems;
static struct plan *plan;

/* The host is started from the folder of the program, which here is that of the tests. */
static void
setup(void)
{
	char link[PATH_MAX + 32];

	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	cr_assert_not_null(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/m.yaml", folder);
	snprintf(link, sizeof(link), "%s/meshkern-host", child_exe_dir());
	cr_assert(symlink("../bin/meshkern-host", link) == 0 || errno == EEXIST);
	if (access(link, X_OK) != 0)
		cr_skip_test("meshkern-host is not built");
	problems = mk_problems_new("f");
}

static void
teardown(void)
{
	static const char *const names[] = { "m.yaml", "text.so", "cut.so", "empty.so" };
	char path[96];

	plan_unref(plan);
	mk_problems_free(problems);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	cr_expect_eq(rmdir(folder), 0);
}

TestSuite(plan, .timeout = 120, .init = setup, .fini = teardown);

static void
write_bytes(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
	cr_assert_eq(chmod(path, 0600), 0);
}

/* The plan of `plugins`, in which PLUGINS/ stands for the folder of the test plugins and HERE/ for
 * that of the file. */
static struct plan *
prepare(const char *plugins)
{
	char text[16384] = "meshkern: 1\nplugins:\n";
	size_t len = strlen(text);

	for (const char *p = plugins; *p != '\0';) {
		if (strncmp(p, "PLUGINS/", 8) == 0) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s/plugins/",
						child_exe_dir());
			p += 8;
		} else if (strncmp(p, "HERE/", 5) == 0) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s/", folder);
			p += 5;
		} else {
			text[len++] = *p++;
		}
		cr_assert_lt(len, sizeof(text) - 1);
	}
	write_bytes(file, text, len);
	plan_unref(plan);
	mk_problems_free(problems);
	problems = mk_problems_new("f");
	plan = plan_prepare(file, NULL, problems);
	return plan;
}

/* One problem that begins and goes on like this. */
static void
expect_problem(uint32_t i, const char *begins, const char *has)
{
	const char *line = i < mk_problems_lines(problems) ? mk_problems_line(problems, i) : "";

	cr_expect_eq(strncmp(line, begins, strlen(begins)), 0, "%u: %s", i, line);
	cr_expect_not_null(strstr(line, has), "%u: %s", i, line);
}

static void
expect_only_problem(const char *plugins, const char *begins, const char *has)
{
	cr_expect_null(prepare(plugins), "%s", plugins);
	cr_expect_eq(mk_problems_count(problems), 1, "%s", plugins);
	expect_problem(0, begins, has);
}

#define ONE "PLUGINS/plan_one.so, publish: [ one/ ], grant: [ net ]"
#define TWO "PLUGINS/plan_two.so, publish: [ one/ ], grant: [ storage.write ]"

/* -------------------------------------------------------------- the file -- */

Test(plan, a_file_that_cannot_be_read_is_a_problem)
{
	plan = plan_prepare("/nowhere/m.yaml", NULL, problems);
	cr_expect_null(plan);
	expect_problem(0, "f: ", "No such file");
}

Test(plan, a_file_that_is_no_yaml_is_a_problem)
{
	write_bytes(file, "plugins: [", 10);
	plan = plan_prepare(file, NULL, problems);
	cr_expect_null(plan);
	cr_expect_geq(mk_problems_count(problems), 1);
}

Test(plan, a_file_without_plugins_is_a_plan)
{
	cr_assert_not_null(prepare(""));
	cr_expect_eq(plan->settings->plugin_count, 0);
	cr_expect_null(plan_find(plan, "one"));
	cr_expect_eq(plan_ref(plan), plan);
	plan_unref(plan);
}

/* ------------------------------------------------------------ good plugins -- */

Test(plan, a_plugin_is_read_with_its_manifest_its_options_and_their_defaults)
{
	const struct plan_item *item;

	cr_assert_not_null(prepare("  one: { plugin: plan-one, path: " ONE " }\n"), "%s",
			   mk_problems_line(problems, 0));
	item = plan_find(plan, "one");
	cr_assert_not_null(item);
	cr_expect_str_eq(item->manifest->id, "plan-one");
	cr_expect_str_eq(item->manifest->publishes[1].name, "one/note");
	cr_expect_eq(item->manifest->publishes[1].schema_max, 3);
	cr_expect(item->manifest->has_check);
	cr_expect_eq(mk_values_int(item->values, "count"), 3);
	cr_expect_eq(mk_validate(item->body, item->len, NULL, NULL, 0), MK_OK);
	cr_expect_eq(mk_validate(item->told, item->told_len, NULL, NULL, 0), MK_OK);
	cr_expect_neq(item->file_mark, 0);
	cr_expect_null(plan_find(plan, "plan-one"), "it goes by the name of the instance");
}

Test(plan, its_options_are_those_of_the_file)
{
	cr_assert_not_null(
	    prepare("  one: { plugin: plan-one, path: " ONE ", config: { count: 8 } }\n"));
	cr_expect_eq(mk_values_int(plan_find(plan, "one")->values, "count"), 8);
}

/* What plan_write_options says of an option of the plugin `one`: "VALUE LINE". */
static void
expect_told(const char *name, const char *expected)
{
	char key[64], value[64], text[96] = "";
	mk_writer w;
	mk_doc doc;
	const mk_val *list;
	uint64_t line = 99;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	plan_write_options(plan, &w, "options");
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	mk_doc_init(&doc);
	cr_assert_eq(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0), MK_OK);
	list = mk_find(mk_find(mk_doc_root(&doc), "options"), "one");
	for (uint32_t i = 0; i < mk_count(list); i++) {
		const mk_val *o = mk_at(list, i);

		if (!mk_copy_str(mk_find(o, "name"), key, sizeof(key)) || strcmp(key, name) != 0)
			continue;
		cr_assert(mk_copy_str(mk_find(o, "value"), value, sizeof(value)));
		cr_assert(mk_get_u64(mk_find(o, "line"), &line));
		snprintf(text, sizeof(text), "%s %llu", value, (unsigned long long)line);
	}
	cr_expect_str_eq(text, expected);
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
}

Test(plan, options_are_told_with_where_they_come_from)
{
	cr_assert_not_null(prepare("  one: { plugin: plan-one, path: " ONE " }\n"));
	expect_told("count", "3 0");
	cr_assert_not_null(
	    prepare("  one: { plugin: plan-one, path: " ONE ", config: { count: 8 } }\n"));
	expect_told("count", "8 3");
}

/* ------------------------------------------------------------- bad plugins -- */

Test(plan, a_file_that_is_no_plugin_is_a_problem_with_its_place)
{
	static const uint8_t elf[] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\76\0\1\0\0\0";
	char path[96];

	snprintf(path, sizeof(path), "%s/text.so", folder);
	write_bytes(path, "not a plugin\n", 13);
	snprintf(path, sizeof(path), "%s/cut.so", folder);
	write_bytes(path, elf, sizeof(elf) - 1);
	snprintf(path, sizeof(path), "%s/empty.so", folder);
	write_bytes(path, "", 0);
	cr_expect_null(prepare("  text: { path: HERE/text.so }\n"
			       "  cut: { path: HERE/cut.so }\n"
			       "  empty: { path: HERE/empty.so }\n"
			       "  none: { path: HERE/none.so }\n"));
	cr_expect_eq(mk_problems_count(problems), 1, "where no file is, none is read");
	expect_problem(0, "f:6:17: plugins.none.path: there is no file ", "none.so");
	cr_expect_null(prepare("  text: { path: HERE/text.so }\n"
			       "  cut: { path: HERE/cut.so }\n"
			       "  empty: { path: HERE/empty.so }\n"));
	cr_expect_eq(mk_problems_count(problems), 3);
	expect_problem(0, "f:3:3: plugins.text: ", "text.so");
	expect_problem(1, "f:4:3: plugins.cut: ", "cut.so");
	expect_problem(2, "f:5:3: plugins.empty: ", "empty.so");
}

Test(plan, what_a_file_does_when_it_is_loaded_is_told)
{
	cr_expect_null(prepare("  symbol: { plugin: bad-symbol, path: PLUGINS/bad_symbol.so }\n"
			       "  major: { plugin: bad-major, path: PLUGINS/bad_major.so }\n"
			       "  crash: { plugin: bad-constructor, path: "
			       "PLUGINS/bad_constructor.so }\n"
			       "  one: { plugin: plan-one, path: " ONE " }\n"));
	cr_expect_eq(mk_problems_count(problems), 3);
	expect_problem(0, "f:3:3: plugins.symbol: ", "mk_plugin_v1");
	expect_problem(1, "f:4:3: plugins.major: ", "interface 2.0");
	expect_problem(2, "f:5:3: plugins.crash: ", "bad_constructor.so");
}

Test(plan, a_file_is_the_plugin_that_the_configuration_says)
{
	expect_only_problem("  one: { path: " ONE " }\n", "f:3:3: plugins.one: ",
			    "is the plugin plan-one; to run it under another name, add \"plugin: "
			    "plan-one\"");
}

Test(plan, what_is_not_granted_is_a_problem)
{
	cr_expect_null(prepare("  uno: { plugin: plan-one, path: PLUGINS/plan_one.so }\n"));
	cr_expect_eq(mk_problems_count(problems), 3);
	expect_problem(0, "f:3:3: plugins.uno: ", "grant: [net]");
	expect_problem(1, "f:3:3: plugins.uno: ", "publish: [one/state]");
	expect_problem(2, "f:3:3: plugins.uno: ", "publish: [one/note]");
}

Test(plan, options_are_checked_by_the_table_and_by_the_plugin)
{
	expect_only_problem("  one:\n"
			    "    plugin: plan-one\n"
			    "    path: " ONE "\n"
			    "    config: { count: 12 }\n",
			    "", "");
	expect_only_problem("  one: { plugin: plan-one, path: " ONE ",\n"
			    "         config: { count: 12 } }\n",
			    "f:4:", "plugins.one.config.count: ");
	expect_only_problem("  one: { plugin: plan-one, path: " ONE ", config: { count: 7 } }\n",
			    "f:3:3: plugins.one: config: ", "seven is one too many");
}

/* ------------------------------------------------------- going together -- */

Test(plan, plugins_that_do_not_go_together_are_found)
{
	cr_expect_null(prepare("  one: { plugin: plan-one, path: " ONE " }\n"
			       "  two: { plugin: plan-two, path: " TWO " }\n"));
	cr_expect_eq(mk_problems_count(problems), 3);
	expect_problem(0, "f:4:3: plugins.two: ",
		       "publishes one/state with another delivery class than plugins.one");
	expect_problem(1, "f:4:3: plugins.two: ",
		       "understands schema 4 to 4 of one/note, but plugins.one publishes 2 to 3");
	expect_problem(2, "f:4:3: plugins.two: ", "answers one/get, and so does plugins.one");
}

Test(plan, a_plugin_that_may_run_once_runs_once)
{
	cr_expect_null(prepare("  one: { plugin: plan-one, path: " ONE " }\n"
			       "  other: { plugin: plan-one, path: " ONE " }\n"));
	expect_problem(0, "f:4:3: plugins.other: ",
		       "plan-one may run only once, and plugins.one does");
	expect_problem(1, "f:4:3: plugins.other: ", "answers one/get");
}

/* -------------------------------------------------------------- disabled -- */

Test(plan, nothing_is_read_of_what_is_disabled)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/text.so", folder);
	write_bytes(path, "not a plugin\n", 13);
	cr_assert_not_null(prepare("  text: { enabled: false, path: HERE/text.so }\n"
				   "  none: { enabled: false, path: HERE/none.so }\n"
				   "  lost: { enabled: false }\n"
				   "  one: { plugin: plan-one, path: " ONE " }\n"
				   "  two: { enabled: false, plugin: plan-two, path: " TWO " }\n"),
			   "%s", mk_problems_line(problems, 0));
	cr_expect_null(plan_find(plan, "text")->manifest);
	cr_expect_null(plan_find(plan, "two")->manifest);
	cr_expect_null(plan_find(plan, "two")->values);
	cr_expect_not_null(plan_find(plan, "one")->manifest);
}

/* Completes it twice: a second attempt is no better than the first. */
static void
expect_incomplete(const char *name, const char *has)
{
	struct plan_item *item = plan_find(plan, name);

	for (int i = 0; i < 2; i++) {
		mk_err err = { 0 };

		cr_expect_eq(plan_complete(plan, item, &err), MK_EINVAL, "%s", name);
		cr_expect_not_null(strstr(err.text, has), "%s", err.text);
		cr_expect_null(item->manifest);
		cr_expect_null(item->values);
		cr_expect_null(item->body);
	}
}

Test(plan, what_is_enabled_later_is_read_then)
{
	struct plan_item *item;

	cr_assert_not_null(prepare("  one: { enabled: false, plugin: plan-one, path: " ONE " }\n"));
	item = plan_find(plan, "one");
	cr_expect_eq(plan_complete(plan, item, NULL), MK_OK);
	cr_assert_not_null(item->manifest);
	cr_expect_eq(mk_values_int(item->values, "count"), 3);
	cr_expect_eq(plan_complete(plan, item, NULL), MK_OK, "once is enough");
}

Test(plan, what_cannot_be_enabled_stays_as_it_was)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/text.so", folder);
	write_bytes(path, "not a plugin\n", 13);
	cr_assert_not_null(prepare(
	    "  text: { enabled: false, path: HERE/text.so }\n"
	    "  none: { enabled: false, path: HERE/none.so }\n"
	    "  lost: { enabled: false }\n"
	    "  ungranted: { enabled: false, plugin: plan-one, path: PLUGINS/plan_one.so }\n"
	    "  wrong: { enabled: false, plugin: plan-one, path: " ONE ", config: { count: 10 } }\n"
	    "  checked: { enabled: false, plugin: plan-one, path: " ONE
	    ", config: { count: 7 } }\n"));
	expect_incomplete("text", "text.so");
	expect_incomplete("none", "none.so");
	expect_incomplete("lost", "its file was not found");
	expect_incomplete("ungranted", "needs the capability net");
	expect_incomplete("wrong", "count");
	expect_incomplete("checked", "seven is one too many");
}

Test(plan, what_does_not_go_together_with_the_others_is_not_enabled_later)
{
	cr_assert_not_null(prepare("  one: { plugin: plan-one, path: " ONE " }\n"
				   "  two: { enabled: false, plugin: plan-two, path: " TWO " }\n"
				   "  other: { enabled: false, plugin: plan-one, path: " ONE
				   " }\n"),
			   "%s", mk_problems_line(problems, 0));
	expect_incomplete("two", "another delivery class");
	expect_incomplete("other", "may run only once");
}
