/* SPDX-License-Identifier: MIT
 *
 * meshkern.yaml as a checked structure.
 */
#include "settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

static char folder[] = "/tmp/settings-XXXXXX";
static mk_problems *problems;

static void
path_of(char *out, size_t cap, const char *name)
{
	snprintf(out, cap, "%s/%s", folder, name);
}

static void
write_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	FILE *f;

	path_of(path, sizeof(path), name);
	f = fopen(path, "w");
	cr_assert(f != NULL);
	fputs(text, f);
	fclose(f);
	cr_assert_eq(chmod(path, mode), 0);
}

static void
set_up(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	problems = mk_problems_new("f");
	write_file("tally.so", "", 0600);
	write_file("rain.so", "", 0600);
}

static void
tear_down(void)
{
	static const char *const names[] = { "tally.so", "rain.so", "c.pem", "f" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(path, sizeof(path), names[i]);
		(void)unlink(path);
	}
	cr_expect_eq(rmdir(folder), 0);
	mk_problems_free(problems);
}

TestSuite(settings, .timeout = 120, .init = set_up, .fini = tear_down);

/* The text after "meshkern: 1", which every file needs. */
static struct settings *
parse(const char *text)
{
	const char *const dirs[] = { folder, NULL };
	char file[128];
	char all[8192];

	mk_problems_free(problems);
	problems = mk_problems_new("f");
	path_of(file, sizeof(file), "f");
	snprintf(all, sizeof(all), "meshkern: 1\n%s", text);
	return settings_parse(file, all, strlen(all), dirs, problems);
}

static struct settings *
parse_good(const char *text)
{
	struct settings *s = parse(text);

	cr_assert(s != NULL, "%s", mk_problems_line(problems, 0));
	return s;
}

/* The test's folder has another name each time. */
static const char *
short_folder(const char *line)
{
	static char text[1024];
	size_t len = 0;

	while (*line != '\0' && len < sizeof(text) - 5) {
		bool is_folder = strncmp(line, folder, strlen(folder)) == 0;

		len += (size_t)snprintf(text + len, 5, "%.*s", is_folder ? 4 : 1,
					is_folder ? "$DIR" : line);
		line += is_folder ? strlen(folder) : 1;
	}
	text[len] = '\0';
	return text;
}

/* Exactly one problem, with this line; the test's folder shows as $DIR. */
static void
refuse(const char *text, const char *line)
{
	cr_expect(parse(text) == NULL);
	cr_expect_eq(mk_problems_count(problems), 1, "%s", text);
	cr_expect_str_eq(short_folder(mk_problems_line(problems, 0)), line);
}

static void
warn(const char *text, const char *line)
{
	struct settings *s = parse_good(text);

	cr_expect_eq(mk_problems_lines(problems), 1, "%s", text);
	cr_expect_str_eq(short_folder(mk_problems_line(problems, 0)), line);
	settings_free(s);
}

static void
expect_path(const char *path, const char *expected)
{
	cr_assert(path != NULL);
	cr_expect_str_eq(short_folder(path), expected);
}

/* ----------------------------------------------------------------- daemon -- */

Test(settings, a_file_with_only_its_version_has_all_defaults)
{
	struct settings *s = parse_good("");

	expect_path(s->data_dir, "$DIR/data");
	expect_path(s->run_dir, "$DIR/data/run");
	cr_expect_eq(s->log_level, MK_LOG_INFO);
	cr_expect_eq(s->log_format, LOG_TEXT);
	cr_expect_eq(s->listen_count, 0);
	cr_expect_eq(s->ring_messages, 65536);
	cr_expect_eq(s->ring_bytes, 16u << 20);
	cr_expect_eq(s->push_back_us, 5000000);
	cr_expect_eq(s->call_timeout_us, 5000000);
	cr_expect_eq(s->plugin_count, 0);
	settings_free(s);
	settings_free(NULL);
}

Test(settings, what_the_file_says_is_taken)
{
	struct settings *s =
	    parse_good("data_dir: /var/lib//./mesh/\n"
		       "log: { level: debug, format: json }\n"
		       "bus: { ring: { messages: 100, bytes: 2MiB }, push_back: 1s,\n"
		       "       call_timeout: 2s }\n");

	cr_expect_str_eq(s->data_dir, "/var/lib/mesh");
	cr_expect_str_eq(s->run_dir, "/var/lib/mesh/run");
	cr_expect_eq(s->log_level, MK_LOG_DEBUG);
	cr_expect_eq(s->log_format, LOG_JSON);
	cr_expect_eq(s->ring_messages, 100);
	cr_expect_eq(s->ring_bytes, 2u << 20);
	cr_expect_eq(s->push_back_us, 1000000);
	cr_expect_eq(s->call_timeout_us, 2000000);
	settings_free(s);
}

Test(settings, the_version_must_be_there_and_known)
{
	cr_expect(settings_parse("f", "log: {}\n", 8, NULL, problems) == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:1:1: missing required option \"meshkern\"");
	cr_expect(settings_parse("f", "meshkern: 2\n", 12, NULL, problems) == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 1), "f:1:11: meshkern: format version 2 is not "
							"known, this program reads 1");
}

Test(settings, unknown_keys_are_refused_at_their_place)
{
	refuse("plugin: {}\n", "f:2:1: unknown option \"plugin\", did you mean \"plugins\"?");
	refuse("bus: { listn: x }\n",
	       "f:2:8: bus: unknown option \"listn\", did you mean \"listen\"?");
	refuse("plugins:\n  tally: { enable: no }\n",
	       "f:3:12: plugins.tally: unknown option \"enable\", did you mean \"enabled\"?");
}

Test(settings, all_problems_of_a_file_are_found_at_once)
{
	cr_expect(parse("log: { level: loud }\nbus: { listen: x }\nplugins: { A: {}, no: {} }\n") ==
		  NULL);
	cr_expect_eq(mk_problems_count(problems), 4);
}

Test(settings, a_name_without_folder_is_in_the_working_directory)
{
	struct settings *s = settings_parse("f", "meshkern: 1\n", 12, NULL, problems);
	char cwd[1024];

	cr_assert(s != NULL);
	cr_assert(getcwd(cwd, sizeof(cwd)) != NULL);
	cr_expect_eq(strncmp(s->data_dir, cwd, strlen(cwd)), 0);
	cr_expect_str_eq(s->data_dir + strlen(cwd), "/data");
	settings_free(s);
}

/* -------------------------------------------------------------------- bus -- */

Test(settings, addresses_may_be_texts_or_maps)
{
	struct settings *s =
	    parse_good("bus:\n  listen:\n    - \"ipc://./run/bus.ipc\"\n"
		       "    - { url: \"ws://127.0.0.1:80/bus\" }\n"
		       "    - { url: \"tcp://127.0.0.1:1\", requests: \"tcp://[::1]:2\" }\n"
		       "    - { url: \"ipc:///tmp/x\", mode: 0660, requests: \"ipc://y\" }\n"
		       "    - ws://localhost:81\n");

	cr_assert_eq(s->listen_count, 5);
	expect_path(s->listen[0].url, "ipc://$DIR/run/bus.ipc");
	expect_path(s->listen[0].requests, "ipc://$DIR/run/bus.ipc.in");
	cr_expect_eq(s->listen[0].mode, 0600);
	cr_expect_str_eq(s->listen[1].requests, "ws://127.0.0.1:80/bus/in");
	cr_expect_str_eq(s->listen[2].requests, "tcp://[::1]:2");
	cr_expect_eq(s->listen[3].mode, 0660);
	expect_path(s->listen[3].requests, "ipc://$DIR/y");
	cr_expect_str_eq(s->listen[4].requests, "ws://localhost:81/in");
	settings_free(s);
	s = parse_good("bus: { listen: \"tcp://127.0.0.1:1\" }\n");
	cr_assert_eq(s->listen_count, 1);
	cr_expect(s->listen[0].requests == NULL);
	settings_free(s);
}

Test(settings, addresses_that_cannot_work_are_refused)
{
	refuse("bus: { listen: \"udp://x:1\" }\n",
	       "f:2:16: bus.listen[0].url: \"udp://x:1\" is no address; they begin with ipc://, "
	       "tcp://, tls+tcp:// or ws://");
	refuse("bus: { listen: \"tcp://127.0.0.1\" }\n",
	       "f:2:16: bus.listen[0].url: \"tcp://127.0.0.1\" needs a host and a port from 1 to "
	       "65535");
	refuse(
	    "bus: { listen: \"tcp://127.0.0.1:65536\" }\n",
	    "f:2:16: bus.listen[0].url: \"tcp://127.0.0.1:65536\" needs a host and a port from 1 "
	    "to 65535");
	refuse(
	    "bus: { listen: \"ws://localhost:80/a b\" }\n",
	    "f:2:16: bus.listen[0].url: \"ws://localhost:80/a b\" needs a host and a port from 1 "
	    "to 65535");
	refuse("bus: { listen: \"ipc://\" }\n",
	       "f:2:16: bus.listen[0].url: \"ipc://\" needs a path");
	refuse("bus: { listen: { url: \"ipc://a\", mode: 999 } }\n",
	       "f:2:40: bus.listen[0].mode: \"999\" is no file mode such as 0600 or 0660");
	refuse("bus: { listen: { url: \"tcp://127.0.0.1:1\", mode: 0600 } }\n",
	       "f:2:50: bus.listen[0].mode: only for ipc://");
	refuse("bus: { listen: { url: \"ws://127.0.0.1:1\", ca: x } }\n",
	       "f:2:47: bus.listen[0].ca: only for tls+tcp://");
	refuse("bus: { listen: [ \"ipc://a\", \"ipc://a.in\" ] }\n",
	       "f:2:29: bus.listen[1]: the address is used twice");
	refuse("bus: { listen: { url: \"ipc://a\", requests: \"ipc://./a\" } }\n",
	       "f:2:16: bus.listen[0]: the address is used twice");
}

Test(settings, a_socket_path_longer_than_107_bytes_is_refused_with_its_requests)
{
	char text[256];
	struct settings *s;
	int fill = 104 - (int)strlen(folder) - 1;

	snprintf(text, sizeof(text), "bus: { listen: \"ipc://%0*d\" }\n", fill, 0);
	s = parse_good(text);
	cr_expect_eq(strlen(s->listen[0].requests), strlen("ipc://") + 107);
	settings_free(s);
	snprintf(text, sizeof(text), "bus: { listen: \"ipc://%0*d\" }\n", fill + 1, 0);
	cr_expect(parse(text) == NULL);
	cr_expect(
	    strstr(mk_problems_line(problems, 0),
		   "f:2:16: bus.listen[0].url: the path is 108 bytes long, a unix socket takes "
		   "at most 107: ") != NULL);
}

Test(settings, tls_needs_a_certificate_that_can_be_read)
{
	struct settings *s;

	refuse("bus: { listen: \"tls+tcp://127.0.0.1:1\" }\n",
	       "f:2:16: bus.listen[0].url: tls+tcp:// needs cert:, a PEM file with certificate and "
	       "key");
	refuse("bus: { listen: { url: \"tls+tcp://127.0.0.1:1\", cert: c.pem } }\n",
	       "f:2:54: bus.listen[0].cert: cannot read $DIR/c.pem");
	refuse("bus: { listen: { url: \"tls+tcp://127.0.0.1:1\", cert: . } }\n",
	       "f:2:54: bus.listen[0].cert: $DIR is not a file");
	write_file("c.pem", "", 0640);
	s = parse_good("bus: { listen: { url: \"tls+tcp://*:1\", cert: c.pem, ca: ./c.pem } }\n");
	cr_expect_eq(mk_problems_lines(problems), 0);
	expect_path(s->listen[0].cert, "$DIR/c.pem");
	expect_path(s->listen[0].ca, "$DIR/c.pem");
	cr_expect(s->listen[0].requests == NULL);
	settings_free(s);
	write_file("c.pem", "", 0644);
	warn(
	    "bus: { listen: { url: \"tls+tcp://*:1\", cert: c.pem } }\n",
	    "f:2:46: warning: bus.listen[0].cert: others can read the key in $DIR/c.pem: chmod 640 "
	    "it");
}

Test(settings, an_open_bus_beyond_this_machine_is_warned_of)
{
	warn("bus: { listen: \"tcp://0.0.0.0:1\" }\n",
	     "f:2:16: warning: bus.listen[0].url: everyone who reaches 0.0.0.0:1 can read the bus; "
	     "tls+tcp:// with ca: asks who it is");
}

/* ---------------------------------------------------------------- plugins -- */

Test(settings, a_plugin_of_ours_has_no_limits_and_runs_inside)
{
	struct settings *s = parse_good("plugins:\n  tally:\n");
	const struct plugin_settings *p = &s->plugins[0];

	cr_assert_eq(s->plugin_count, 1);
	cr_expect_str_eq(p->name, "tally");
	cr_expect_str_eq(p->plugin, "tally");
	expect_path(p->path, "$DIR/tally.so");
	cr_expect(p->enabled);
	cr_expect(p->builtin);
	cr_expect_eq(p->isolation, ISOLATION_INPROC);
	cr_expect(p->grant[0] == NULL);
	cr_expect_not(p->has_publish);
	cr_expect_not(p->has_subscribe);
	cr_expect(p->read_paths[0] == NULL);
	cr_expect_eq(p->memory_bytes + p->cpu_seconds + p->files + p->rate, 0);
	cr_expect_eq(p->create_us, 5000000);
	cr_expect_eq(p->start_us, 10000000);
	cr_expect_eq(p->stop_us, 5000000);
	cr_expect_eq(p->stuck_us, 30000000);
	cr_expect_eq(p->outbox_bytes, 1u << 30);
	cr_expect_eq(p->outbox_sync_us, 200000);
	cr_expect_eq(p->line, 3);
	cr_expect_eq(p->column, 3);
	cr_expect_eq(p->config->count, 0);
	cr_expect_eq(p->config->line, 3);
	settings_free(s);
}

Test(settings, a_plugin_of_others_has_limits_and_a_process)
{
	struct settings *s = parse_good("plugins: { x: { plugin: rain, path: ./rain.so } }\n");
	const struct plugin_settings *p = &s->plugins[0];

	cr_expect_str_eq(p->plugin, "rain");
	expect_path(p->path, "$DIR/rain.so");
	cr_expect_not(p->builtin);
	cr_expect_eq(p->isolation, ISOLATION_PROCESS);
	cr_expect_eq(p->memory_bytes, 256u << 20);
	cr_expect_eq(p->cpu_seconds, 0);
	cr_expect_eq(p->files, 1024);
	cr_expect_eq(p->rate, 20000);
	settings_free(s);
}

Test(settings, everything_about_a_plugin_can_be_said)
{
	struct settings *s =
	    parse_good("plugins:\n  tally:\n    enabled: on\n    isolation: process\n"
		       "    grant: [net, storage.read]\n    publish: []\n    subscribe: rx/\n"
		       "    allow: { read: [., /etc], write: out }\n"
		       "    limits: { memory: 0, cpu: 1500ms, files: 9, rate: 8 }\n"
		       "    deadlines: { create: 1s, start: 2s, stop: 3s, stuck: 4s }\n"
		       "    outbox: { size: 1MiB, sync: 0 }\n    config: { a: 1 }\n");
	const struct plugin_settings *p = &s->plugins[0];

	cr_expect_eq(p->isolation, ISOLATION_PROCESS);
	cr_expect_str_eq(p->grant[1], "storage.read");
	cr_expect(p->grant[2] == NULL);
	cr_expect(p->has_publish);
	cr_expect(p->publish[0] == NULL);
	cr_expect_str_eq(p->subscribe[0], "rx/");
	expect_path(p->read_paths[0], "$DIR");
	cr_expect_str_eq(p->read_paths[1], "/etc");
	expect_path(p->write_paths[0], "$DIR/out");
	cr_expect_eq(p->memory_bytes, 0);
	cr_expect_eq(p->cpu_seconds, 2, "rounded up");
	cr_expect_eq(p->files, 9);
	cr_expect_eq(p->rate, 8);
	cr_expect_eq(p->create_us, 1000000);
	cr_expect_eq(p->stuck_us, 4000000);
	cr_expect_eq(p->outbox_bytes, 1u << 20);
	cr_expect_eq(p->outbox_sync_us, 0);
	cr_expect_str_eq(mk_node_find(p->config, "a")->text, "1");
	cr_expect_eq(mk_problems_lines(problems), 0);
	settings_free(s);
}

Test(settings, a_plugin_is_found_on_the_plugin_path_first)
{
	struct settings *s = parse_good("plugin_path: /nowhere\nplugins: { tally: {} }\n");

	expect_path(s->plugins[0].path, "$DIR/tally.so");
	settings_free(s);
	refuse("plugin_path: [ /nowhere, there ]\nplugins:\n  hail: {}\n",
	       "f:4:3: plugins.hail: hail.so is not in /nowhere, $DIR/there, $DIR; path: or "
	       "plugin_path: can tell where it is");
}

Test(settings, a_disabled_plugin_may_be_missing)
{
	struct settings *s = parse_good("plugins: { hail: { enabled: no }, snow: { enabled: no,\n"
					"  path: snow.so } }\n");

	cr_expect(s->plugins[0].path == NULL);
	cr_expect_not(s->plugins[0].enabled);
	expect_path(s->plugins[1].path, "$DIR/snow.so");
	settings_free(s);
	refuse("plugins: { snow: { path: snow.so } }\n",
	       "f:2:26: plugins.snow.path: there is no file $DIR/snow.so");
}

Test(settings, names_topics_and_capabilities_are_checked)
{
	refuse("plugins: { Tally: {} }\n",
	       "f:2:12: plugins: \"Tally\" is no name: 1 to 31 of a-z, 0-9 and -, letter first");
	refuse("plugins: { tally: { plugin: ../x } }\n",
	       "f:2:29: plugins.tally.plugin: \"../x\" is no name of a plugin");
	refuse("plugins: { tally: { publish: [a/b, \"c d\"] } }\n",
	       "f:2:36: plugins.tally.publish[1]: \"c d\" is no topic: 1 to 63 of a-z, 0-9, '.', "
	       "'_', '-' and '/'; a '/' at the end means all below");
	refuse("plugins: { tally: { grant: [root] } }\n",
	       "f:2:29: plugins.tally.grant[0]: expected one of storage.read, storage.write, net, "
	       "exec, core.control, found \"root\"");
	refuse("plugins: { tally: { config: [a] } }\n",
	       "f:2:29: plugins.tally.config: expected a map, found a list");
	refuse("plugins: { tally: { config: on } }\n",
	       "f:2:29: plugins.tally.config: expected a map, found \"on\"");
	refuse("plugins: [ tally ]\n", "f:2:10: plugins: expected a map, found a list");
}

Test(settings, only_one_enabled_plugin_may_write_to_the_storage)
{
	struct settings *s;

	refuse(
	    "plugins:\n  tally: { grant: storage.write }\n"
	    "  rain: { grant: storage.write }\n",
	    "f:4:3: plugins.rain: storage.write is granted to plugins.tally already, and only one "
	    "may write");
	s = parse_good("plugins:\n  tally: { grant: storage.write }\n"
		       "  rain: { grant: storage.write, enabled: no }\n");
	settings_free(s);
}

Test(settings, limits_that_need_a_process_are_warned_of_without_one)
{
	warn("plugins: { tally: { limits: { memory: 1MiB, rate: 5 } } }\n",
	     "f:2:39: warning: plugins.tally.limits.memory: has no effect without isolation: "
	     "process");
}

Test(settings, sixty_four_plugins_are_the_most)
{
	char text[4096] = "plugins:\n";
	size_t len = strlen(text);
	struct settings *s;

	for (int i = 0; i < 64; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"  p%d: { plugin: tally }\n", i);
	s = parse_good(text);
	cr_expect_eq(s->plugin_count, 64);
	settings_free(s);
	snprintf(text + len, sizeof(text) - len, "  more: { plugin: tally }\n");
	refuse(text, "f:67:3: plugins: 65 are too many, the maximum is 64");
}

/* ------------------------------------------------------------------- file -- */

static struct settings *
load(const char *name)
{
	const char *const dirs[] = { folder, NULL };
	char path[128];

	path_of(path, sizeof(path), name);
	return settings_load(path, dirs, problems);
}

Test(settings, a_file_is_loaded)
{
	struct settings *s;

	write_file("f", "meshkern: 1\nplugins: { tally: {} }\n", 0600);
	s = load("f");
	cr_assert(s != NULL);
	expect_path(s->file, "$DIR/f");
	expect_path(s->data_dir, "$DIR/data");
	settings_free(s);
}

Test(settings, a_secret_in_a_file_that_others_can_read_is_warned_of)
{
	static const mk_option table[] = {
		{ .name = "token", .type = MK_OPT_STRING, .flags = MK_OPT_SECRET },
		{ .name = NULL },
	};
	struct settings *s;

	write_file("f", "meshkern: 1\nplugins: { tally: { config: { token: t } } }\n", 0640);
	s = load("f");
	cr_assert(s != NULL);
	mk_values_free(mk_options_read(table, s->plugins[0].config, "p", problems));
	cr_expect_eq(mk_problems_count(problems), 0);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f:2:38: warning: a secret in a file that others can read: chmod 600 it");
	settings_free(s);
}

Test(settings, a_file_that_cannot_be_read_says_why)
{
	cr_expect(load("f") == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 0),
			 "f: cannot read: No such file or directory");
	cr_expect(load(".") == NULL);
	cr_expect_str_eq(mk_problems_line(problems, 1), "f: cannot read: Is a directory");
}

Test(settings, the_shipped_configuration_is_good_but_for_plugins_not_built_here)
{
	const char *const dirs[] = { folder, NULL };
	const char *source = getenv("MK_SOURCE_DIR");
	char path[1024];
	struct settings *s;

	if (source == NULL)
		cr_skip_test("MK_SOURCE_DIR is not set");
	snprintf(path, sizeof(path), "%s/meshkern.yaml", source);
	s = settings_load(path, dirs, problems);
	for (uint32_t i = 0; i < mk_problems_lines(problems); i++)
		cr_expect(strstr(mk_problems_line(problems, i), ".so is not in") != NULL, "%s",
			  mk_problems_line(problems, i));
	settings_free(s);
}

Test(settings, the_reference_covers_file_and_plugins)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	settings_markdown(out);
	fclose(out);
	cr_expect(strstr(text, "| `bus.listen[].url` |") != NULL);
	cr_expect(strstr(text, "| `limits.memory` |") != NULL);
	cr_expect(strstr(text, "\nmeshkern: 1\n") != NULL);
	free(text);
}
