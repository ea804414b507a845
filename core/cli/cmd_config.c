/* SPDX-License-Identifier: MIT
 *
 * meshkern config check, meshkern config reference.
 */
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "plan.h"
#include "plugin_file.h"
#include "settings.h"
#include "show.h"
#include "text.h"

static int
check_json(const struct cli *cli, const char *file, bool good, const mk_problems *problems)
{
	mk_writer w;

	mk_writer_init(&w, MK_BODY_MAX);
	mk_put_map(&w, 4);
	show_kv(&w, "file", file);
	mk_kv_u64(&w, "count", mk_problems_count(problems)); /* of lines, 100 are kept */
	mk_kv_bool(&w, "good", good);
	mk_kv_array(&w, "problems", mk_problems_lines(problems));
	for (uint32_t i = 0; i < mk_problems_lines(problems); i++)
		show_put(&w, mk_problems_line(problems, i));
	return show_written(cli, &w);
}

/* The same check as that of the daemon before it starts and before it reloads. */
static int
check_run(const struct cli *cli)
{
	const char *file = cli->arg_count > 0 ? cli->args[0] : config_find(cli);
	mk_problems *problems;
	struct plan *plan;

	if (file == NULL)
		return cli_say(CLI_USAGE, "found no configuration: name it");
	problems = mk_problems_new(file);
	if (problems == NULL)
		return cli_say(CLI_FAILED, "out of memory");
	plan = plan_prepare(file, child_builtin_dirs(), problems);
	if (cli->json)
		(void)check_json(cli, file, plan != NULL, problems);
	for (uint32_t i = 0; !cli->json && i < mk_problems_lines(problems); i++)
		text_lines(stderr, "", mk_problems_line(problems, i));
	if (!cli->json && mk_problems_count(problems) > mk_problems_lines(problems))
		fprintf(stderr, "... and %u more\n",
			mk_problems_count(problems) - mk_problems_lines(problems));
	if (!cli->json && plan != NULL)
		text_lines(stdout, "the configuration is good: ", file);
	mk_problems_free(problems);
	plan_unref(plan);
	return plan != NULL ? 0 : CLI_USAGE;
}

const struct command command_config_check = {
	.name = "config check",
	.usage = "[FILE]",
	.summary = "is the configuration good, with the options of every plugin?",
	.help =
	    "Without FILE the one of -c or the usual one. Every problem is printed as\n"
	    "FILE:LINE:COLUMN: what is wrong; then the exit status is 2. Nothing is started, but\n"
	    "each plugin file is loaded for a moment in a process of its own.\n",
	.max_args = 1,
	.run = check_run,
};

static void
reference_print(FILE *out, const struct plugin_files *list)
{
	settings_markdown(out);
	for (uint32_t i = 0; i < list->count; i++) {
		const mk_manifest *m = list->items[i].manifest;

		if (m == NULL || m->options == NULL || m->options[0].name == NULL)
			continue;
		fprintf(out, "\n## %s %s\n\n%s\n\n", m->id, m->version, m->summary);
		mk_options_markdown(m->options, out);
	}
}

static int
reference_run(const struct cli *cli)
{
	struct plugin_files list;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc = plugin_files_find(&list, cli);
	mk_writer w;

	if (out == NULL)
		return cli_say(CLI_FAILED, "out of memory");
	if (rc == 0)
		reference_print(out, &list);
	fclose(out);
	if (rc == 0 && cli->json) {
		mk_writer_init(&w, MK_BODY_MAX);
		mk_put_map(&w, 1);
		mk_kv_str(&w, "markdown", text);
		rc = show_written(cli, &w);
	}
	if (rc == 0 && !cli->json)
		text_lines(stdout, "", text);
	free(text);
	plugin_files_fini(&list);
	return rc;
}

const struct command command_config_reference = {
	.name = "config reference",
	.usage = "",
	.summary = "every option of the configuration and of the plugins, as Markdown",
	.help =
	    "First the options of the file itself, then those of each plugin on the plugin path,\n"
	    "from the tables by which they are checked: type, default, range and meaning.\n",
	.run = reference_run,
};
