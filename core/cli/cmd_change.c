/* SPDX-License-Identifier: MIT
 *
 * meshkern enable, disable, restart, reset, reload: what changes the running daemon.
 */
#include <stdio.h>

#include "show.h"
#include "talk.h"

/* The four have the same form, and their names are the methods. */
static int
change_run(const struct cli *cli)
{
	return talk_ask(cli, cli->command->name, cli->args[0], TALK_CHANGE_US, show_data);
}

const struct command command_enable = {
	.name = "enable",
	.usage = "NAME",
	.summary = "start a plugin that is configured but not running",
	.help =
	    "Returns when the plugin runs, or has failed to: then the exit status is 1 and the\n"
	    "message says why. This lasts until the daemon stops; `enabled:` in the\n"
	    "configuration decides about the next start.\n",
	.min_args = 1,
	.max_args = 1,
	.run = change_run,
};

const struct command command_disable = {
	.name = "disable",
	.usage = "NAME",
	.summary = "stop a plugin and leave it stopped",
	.help =
	    "The plugin first deals with what it has been sent, then stops. Returns when it has.\n"
	    "This lasts until the daemon stops; `enabled:` in the configuration decides about\n"
	    "the next start.\n",
	.min_args = 1,
	.max_args = 1,
	.run = change_run,
};

const struct command command_restart = {
	.name = "restart",
	.usage = "NAME",
	.summary = "stop a plugin and start it again",
	.help =
	    "It goes on where it has stopped: messages that come meanwhile wait in the ring. A\n"
	    "plugin with its own process is loaded anew from its file.\n",
	.min_args = 1,
	.max_args = 1,
	.run = change_run,
};

const struct command command_reset = {
	.name = "reset",
	.usage = "NAME",
	.summary = "forget the failures of a plugin and start it again",
	.help =
	    "A plugin that keeps crashing is given up after a while. When the cause is gone, this\n"
	    "clears its history and starts it.\n",
	.min_args = 1,
	.max_args = 1,
	.run = change_run,
};

static int
reload_show(const struct cli *cli, const struct talk *c)
{
	const mk_val *problems = mk_find(c->data, "problems"), *plan = mk_find(c->data, "plan");
	bool dry_run = cli_value(cli, "--dry-run") != NULL;
	int rc;

	if (cli->json && c->data != NULL)
		(void)show_data(cli, c->data);
	if (!cli->json) {
		show_lines(stdout, plan);
		show_lines(stdout, mk_find(c->data, "results"));
		fflush(stdout);
		show_lines(stderr, problems);
	}
	rc = talk_verdict(c, "reload");
	if (rc != 0)
		return mk_count(problems) > 0 ? CLI_USAGE : rc;
	if (!cli->json)
		puts(mk_count(plan) == 0 ? "nothing to change"
		     : dry_run           ? "nothing was done: this was a dry run"
					 : "done");
	return 0;
}

static int
reload_run(const struct cli *cli)
{
	struct talk c;
	int rc = talk_open(&c, cli);

	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "reload", 1);

		mk_kv_bool(w, "dry_run", cli_value(cli, "--dry-run") != NULL);
		rc = talk_send(&c);
	}
	if (rc == 0)
		rc = talk_next(&c, TALK_CHANGE_US);
	if (rc == 0)
		rc = reload_show(cli, &c);
	talk_close(&c);
	return rc;
}

const struct command command_reload = {
	.name = "reload",
	.usage = "[--dry-run]",
	.summary = "make the daemon follow its changed configuration file",
	.help =
	    "The whole file is checked first, with the options of every plugin. When anything is\n"
	    "wrong, all problems are printed with their positions, nothing changes, and the exit\n"
	    "status is 2. Otherwise options that can change in the running plugin do, and only "
	    "the\n"
	    "plugins that need it are restarted. Returns when that is done and prints what became\n"
	    "of each of them; one that does not run with its new configuration goes back to the\n"
	    "old one, and the exit status is 1.\n",
	.flags = { { "--dry-run", NULL, "check and print the plan, change nothing" } },
	.run = reload_run,
};
