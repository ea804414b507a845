/* SPDX-License-Identifier: MIT
 *
 * The manual, made from the table of commands.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define COMMAND_ROW(id) &command_##id,
static const struct command *const commands[] = { COMMANDS(COMMAND_ROW) NULL };
#undef COMMAND_ROW

static const char help_head[] =
    "NAME\n"
    "    meshkern - look into and steer a running meshkernd, and make plugins for it\n\n"
    "SYNOPSIS\n"
    "    meshkern [-c FILE | --control SOCKET] [--json] COMMAND [ARGUMENT...]\n"
    "    meshkern COMMAND --help\n\n"
    "DESCRIPTION\n"
    "    meshkernd runs plugins that exchange messages over a bus. This tool asks it how\n"
    "    they are, starts and stops them, shows the messages, and calls their methods.\n"
    "    The commands `plugin ...` and `config ...` need no running daemon.\n";

static const char help_options[] =
    "OPTIONS\n"
    "    -c, --config FILE   the daemon's configuration; its data_dir leads to the daemon\n"
    "    --control SOCKET    the control socket itself: DATA_DIR/run/control.sock\n"
    "    --json              the same data as one line of JSON, with sizes in bytes and\n"
    "                        times in microseconds (of Unix time, where it is a date)\n"
    "    -h, --help          this manual, or that of the command\n"
    "    --version           the version of this tool\n"
    "    --                  what follows is no option, even if it begins with '-'\n";

static const char help_tail[] =
    "FINDING THE DAEMON\n"
    "    The first of these that is given: --control, -c, $MESHKERN_CONTROL (a socket),\n"
    "    ./meshkern.yaml, /etc/meshkern/meshkern.yaml. The socket is open to the user of the\n"
    "    daemon and to root.\n\n"
    "EXIT STATUS\n"
    "    0   done\n"
    "    1   the daemon refused, the work failed, or a file is bad\n"
    "    2   wrong arguments, or a wrong configuration\n"
    "    3   the daemon could not be reached, or went away; the message says what to do\n\n"
    "ENVIRONMENT\n"
    "    MESHKERN_CONTROL    the control socket of the daemon\n"
    "    NO_COLOR            when set and not empty: no colours\n"
    "    LC_ALL, LANG        which characters the terminal can show\n\n"
    "NOTES\n"
    "    Colours and cut lines appear on terminals only. Characters that could steer a\n"
    "    terminal, wherever they come from, are shown as \\x1b or \\u{202e}.\n\n"
    "EXAMPLES\n"
    "    meshkern plugins                            how is everyone?\n"
    "    meshkern plugins storage                    everything about one of them\n"
    "    meshkern tail rx/ core/ | jq -r .topic      who speaks?\n"
    "    meshkern replay rx/raw --from 4711 --count 1\n"
    "    meshkern reload --dry-run                   what would the changed file do?\n"
    "    meshkern plugin new rainmap --in packet/decoded --out snapshot/rainmap\n"
    "    meshkern -c /etc/meshkern/meshkern.yaml status --json\n\n"
    "SEE ALSO\n"
    "    meshkernd --help, meshkern-conform --help\n";

const struct command *const *
help_commands(void)
{
	return commands;
}

static void
help_command(const struct command *c)
{
	printf("NAME\n    meshkern %s - %s\n\n", c->name, c->summary);
	printf("SYNOPSIS\n    meshkern %s%s%s\n\nDESCRIPTION\n", c->name,
	       c->usage[0] == '\0' ? "" : " ", c->usage);
	for (const char *line = c->help; *line != '\0';) {
		size_t len = strcspn(line, "\n");

		printf("%s%.*s\n", len == 0 ? "" : "    ", (int)len, line);
		line += len + (line[len] == '\n');
	}
	puts("\nOPTIONS");
	for (size_t i = 0; i < CLI_FLAGS_MAX && c->flags[i].name != NULL; i++) {
		const char *arg = c->flags[i].arg == NULL ? "" : c->flags[i].arg;
		int len = printf("    %s%s%s", c->flags[i].name, *arg == '\0' ? "" : " ", arg);

		printf("%*s  %s\n", len < 22 ? 22 - len : 0, "", c->flags[i].help);
	}
	puts("    -c FILE, --control SOCKET, --json, --help: see `meshkern --help`");
}

void
help_print(const struct command *command, const char *group)
{
	size_t len = group == NULL ? 0 : strlen(group);

	if (command != NULL) {
		help_command(command);
		return;
	}
	if (group == NULL)
		puts(help_head);
	puts("COMMANDS");
	for (const struct command *const *c = commands; *c != NULL; c++) {
		if (len > 0 && (strncmp((*c)->name, group, len) != 0 || (*c)->name[len] != ' '))
			continue;
		printf("    %s%s%s\n            %s\n", (*c)->name,
		       (*c)->usage[0] == '\0' ? "" : " ", (*c)->usage, (*c)->summary);
	}
	putchar('\n');
	fputs(help_options, stdout);
	if (group == NULL)
		printf("\n%s", help_tail);
}
