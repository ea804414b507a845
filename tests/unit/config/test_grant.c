/* SPDX-License-Identifier: MIT
 *
 * What a plugin asks for, against what the configuration allows.
 */
#include "grant.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

static const char *const none[] = { NULL };

/* A plugin of others, which the configuration says nothing about. */
static struct plugin_settings
third_party(void)
{
	return (struct plugin_settings){
		.name = "rain",
		.plugin = "rainmap",
		.grant = none,
		.publish = none,
		.subscribe = none,
		.line = 14,
		.column = 3,
	};
}

static struct plugin_settings
builtin(const char *plugin)
{
	struct plugin_settings s = third_party();

	s.builtin = true;
	s.plugin = plugin;
	return s;
}

TestSuite(grant, .timeout = 120);

/* ----------------------------------------------------------- capabilities -- */

Test(grant, a_capability_needs_a_grant)
{
	static const char *const list[] = { "net", "storage.read", NULL };
	struct plugin_settings s = third_party();

	cr_expect_not(grant_capability(&s, "net"));
	s.grant = list;
	cr_expect(grant_capability(&s, "net"));
	cr_expect(grant_capability(&s, "storage.read"));
	cr_expect_not(grant_capability(&s, "storage.write"));
	cr_expect_not(grant_capability(&s, "exec"));
}

Test(grant, what_comes_with_the_daemon_has_what_it_needs_and_no_more)
{
	struct plugin_settings s = builtin("storage");

	cr_expect(grant_capability(&s, "storage.write"));
	cr_expect_not(grant_capability(&s, "net"));
	s = builtin("http");
	cr_expect(grant_capability(&s, "net"));
	cr_expect(grant_capability(&s, "core.control"));
	cr_expect_not(grant_capability(&s, "storage.write"));
	cr_expect_not(grant_capability(&s, "exec"));
	s = builtin("no-such");
	cr_expect_not(grant_capability(&s, "net"));
}

Test(grant, a_name_alone_does_not_make_a_plugin_of_ours)
{
	struct plugin_settings s = third_party();

	s.name = s.plugin = "storage";
	cr_expect_not(grant_capability(&s, "storage.write"));
	cr_expect_not(grant_capability(&s, "storage.read"));
}

Test(grant, an_instance_under_another_name_has_what_its_plugin_has)
{
	struct plugin_settings s = builtin("mqtt");

	s.name = "second-broker";
	cr_expect(grant_capability(&s, "net"));
	s.plugin = "rainmap";
	s.name = "mqtt";
	cr_expect_not(grant_capability(&s, "net"));
}

/* ----------------------------------------------------------------- topics -- */

Test(grant, a_plugin_of_others_publishes_below_its_name_and_as_its_snapshot)
{
	struct plugin_settings s = third_party();

	cr_expect(grant_publish(&s, "rain/cell"));
	cr_expect(grant_publish(&s, "rain/"), "all below its name");
	cr_expect(grant_publish(&s, "snapshot/rain"));
	cr_expect_not(grant_publish(&s, "rain"));
	cr_expect_not(grant_publish(&s, "rainmap/cell"), "the instance's name counts");
	cr_expect_not(grant_publish(&s, "raincoat"));
	cr_expect_not(grant_publish(&s, "snapshot/rainmap"));
	cr_expect_not(grant_publish(&s, "snapshot/rain/more"));
	cr_expect_not(grant_publish(&s, "snapshot/"));
	cr_expect_not(grant_publish(&s, "rx/raw"));
}

Test(grant, what_comes_with_the_daemon_publishes_what_it_declares)
{
	struct plugin_settings s = builtin("decode");

	cr_expect(grant_publish(&s, "packet/decoded"));
	cr_expect(grant_publish(&s, "anything/else"));
}

Test(grant, a_list_says_all_there_is_to_publish)
{
	static const char *const list[] = { "rx/raw", "weather/", NULL };
	struct plugin_settings s = third_party();

	s.has_publish = true;
	s.publish = list;
	for (int i = 0; i < 2; i++) {
		cr_expect(grant_publish(&s, "rx/raw"));
		cr_expect(grant_publish(&s, "weather/wind/gusts"));
		cr_expect_not(grant_publish(&s, "rx/"), "it is more than rx/raw");
		cr_expect_not(grant_publish(&s, "rx/raw/more"));
		cr_expect_not(grant_publish(&s, "rain/cell"));
		cr_expect_not(grant_publish(&s, "snapshot/rain"));
		s.builtin = true; /* no less for ours */
	}
	s.publish = none;
	cr_expect_not(grant_publish(&s, "rx/raw"), "an empty list: nothing");
}

Test(grant, nobody_publishes_what_is_the_cores_own)
{
	static const char *const list[] = { "core/", "core/stats", NULL };
	struct plugin_settings s = builtin("http");

	cr_expect_not(grant_publish(&s, "core/stats"));
	s.has_publish = true;
	s.publish = list;
	cr_expect_not(grant_publish(&s, "core/stats"));
	cr_expect_not(grant_publish(&s, "core/"));
	s = third_party();
	s.name = "core";
	cr_expect_not(grant_publish(&s, "core/stats"));
}

Test(grant, everyone_subscribes_to_what_it_declares_unless_a_list_says_otherwise)
{
	static const char *const list[] = { "rx/raw", "packet/", NULL };
	struct plugin_settings s = third_party();

	cr_expect(grant_subscribe(&s, "rx/raw"));
	cr_expect(grant_subscribe(&s, "core/"));
	s.has_subscribe = true;
	s.subscribe = list;
	cr_expect(grant_subscribe(&s, "rx/raw"));
	cr_expect(grant_subscribe(&s, "packet/"));
	cr_expect(grant_subscribe(&s, "packet/stored"));
	cr_expect_not(grant_subscribe(&s, "rx/"), "it is more than rx/raw");
	cr_expect_not(grant_subscribe(&s, "core/stats"));
	s.subscribe = none;
	cr_expect_not(grant_subscribe(&s, "rx/raw"));
}

/* --------------------------------------------------------------- problems -- */

static const mk_topic topics[] = { { .name = "rx/raw" }, { .name = "rain/cell" }, { 0 } };
static const char *const wanted[] = { "net", "exec", NULL };

Test(grant, everything_that_is_not_granted_is_a_problem_that_says_how_to_grant_it)
{
	static const char *const granted[] = { "exec", NULL };
	struct plugin_settings s = third_party();
	mk_manifest m = { .publishes = topics, .subscribes = topics, .capabilities = wanted };
	mk_problems *problems = mk_problems_new("meshkern.yaml");

	s.grant = granted;
	s.has_subscribe = true;
	grant_check(&s, &m, problems);
	cr_assert_eq(mk_problems_count(problems), 4);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "meshkern.yaml:14:3: plugins.rain: needs the capability net; to allow it, "
			 "add \"grant: [net]\"");
	cr_expect_str_eq(mk_problems_line(problems, 1),
			 "meshkern.yaml:14:3: plugins.rain: publishes rx/raw; to allow it, add it "
			 "to \"publish: [rx/raw]\"");
	cr_expect_str_eq(mk_problems_line(problems, 2),
			 "meshkern.yaml:14:3: plugins.rain: subscribes to rx/raw; to allow it, add "
			 "it to \"subscribe: [rx/raw]\"");
	cr_expect_not_null(strstr(mk_problems_line(problems, 3), "rain/cell"));
	mk_problems_free(problems);
}

Test(grant, what_asks_for_nothing_else_has_no_problem)
{
	struct plugin_settings s = third_party();
	mk_manifest m = { .publishes = topics + 1, .subscribes = topics, .capabilities = none };
	mk_problems *problems = mk_problems_new("meshkern.yaml");

	grant_check(&s, &m, problems);
	cr_expect_eq(mk_problems_count(problems), 0);
	mk_problems_free(problems);
}

/* The same through a real file: the position is that of the plugin's key. */
Test(grant, the_problem_names_the_line_of_the_plugin_in_the_file)
{
	static const char text[] = "meshkern: 1\n"
				   "plugins:\n"
				   "  other: { enabled: false }\n"
				   "  rain:\n"
				   "    enabled: false\n"
				   "    path: ./rain.so\n";
	mk_manifest m = { .publishes = topics + 2,
			  .subscribes = topics + 2,
			  .capabilities = wanted };
	mk_problems *problems = mk_problems_new("meshkern.yaml");
	struct settings *s =
	    settings_parse("meshkern.yaml", text, sizeof(text) - 1, NULL, problems);

	cr_assert_not_null(s, "%s", mk_problems_line(problems, 0));
	grant_check(&s->plugins[1], &m, problems);
	cr_assert_eq(mk_problems_count(problems), 2);
	cr_expect_eq(strncmp(mk_problems_line(problems, 0),
			     "meshkern.yaml:4:3: plugins.rain: ", 33),
		     0, "%s", mk_problems_line(problems, 0));
	settings_free(s);
	mk_problems_free(problems);
}
