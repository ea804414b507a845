/* SPDX-License-Identifier: MIT
 *
 * meshkern status, stats, plugins: what the daemon says of itself.
 */
#include <string.h>

#include "show.h"
#include "talk.h"

static int
status_run(const struct cli *cli)
{
	return talk_ask(cli, cli->command->name, NULL, TALK_QUERY_US, show_data);
}

const struct command command_status = {
	.name = "status",
	.usage = "",
	.summary = "is the daemon there, and is it well?",
	.help =
	    "Shows version, process, files, how many plugins are in which state, and what the\n"
	    "bus has done since the start. Refused messages were given back to a publisher that\n"
	    "was too fast; gaps were announced to a subscriber that was too slow, and lost is the\n"
	    "number of messages in them. The epoch changes at every start.\n\n"
	    "The exit status is 0 whenever the daemon answers; use --json to look for failed\n"
	    "plugins in a script.\n",
	.run = status_run,
};

const struct command command_stats = {
	.name = "stats",
	.usage = "",
	.summary = "the bus in numbers: rings, topics, traffic of each plugin",
	.help =
	    "The rings keep what slow or late subscribers may still need. A topic's seq is the\n"
	    "number of its last message, first that of the oldest one that can be replayed. Lag\n"
	    "is how many messages a plugin has still to take.\n",
	.run = status_run,
};

static int
plugins_show(const struct cli *cli, const mk_val *data)
{
	static const char *const keys[] = { "name",      "version", "state",     "since_us",
					    "isolation", "pid",     "rss_bytes", "in",
					    "out",       "lag",     "restarts",  "misbehaved",
					    "reason" };
	const mk_val *items = mk_find(data, "items");
	char name[MK_ID_MAX + 1];

	if (cli->arg_count == 0 && cli->json)
		return show_data(cli, data);
	if (cli->arg_count == 0) {
		show_list(cli, items, keys, sizeof(keys) / sizeof(keys[0]));
		return 0;
	}
	for (uint32_t i = 0; i < mk_count(items); i++)
		if (mk_copy_str(mk_find(mk_at(items, i), "name"), name, sizeof(name)) &&
		    strcmp(name, cli->args[0]) == 0)
			return show_data(cli, mk_at(items, i));
	return cli_say(CLI_FAILED, "no plugin is called \"%s\": `meshkern plugins` lists them",
		       cli->args[0]);
}

static int
plugins_run(const struct cli *cli)
{
	return talk_ask(cli, "plugins", NULL, TALK_QUERY_US, plugins_show);
}

const struct command command_plugins = {
	.name = "plugins",
	.usage = "[NAME]",
	.summary = "the plugins and their states, or everything about one",
	.help =
	    "Without a name: one line for each configured plugin. It is running, starting,\n"
	    "draining (stopping in good order), in backoff (failed, and will be started again),\n"
	    "quarantined (failed too often: see `meshkern reset`), stuck (does not return from a\n"
	    "callback) or disabled. Isolation says whether it shares the daemon's process "
	    "(inproc)\n"
	    "or has its own, in and out how many messages came from it and went to it, lag how\n"
	    "many wait for it, misbehaved how often it broke a rule.\n\n"
	    "With a name: all that is known of it, with its outbox, the callback it is in, and\n"
	    "the numbers it publishes about itself.\n",
	.max_args = 1,
	.run = plugins_run,
};
