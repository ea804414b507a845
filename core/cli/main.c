/* SPDX-License-Identifier: MIT
 *
 * meshkern, the operator's tool: finds the command, reads its options, runs it.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"

/* What the first words have led to so far. */
struct parse {
	struct cli *cli;
	char **argv;
	int argc, at;
	const char *group; /* "plugin", and the second word is to come */
	bool words_only;   /* after "--" */
	bool version;
};

const char *
cli_value(const struct cli *cli, const char *flag)
{
	for (size_t i = 0; i < CLI_FLAGS_MAX && cli->command->flags[i].name != NULL; i++)
		if (strcmp(cli->command->flags[i].name, flag) == 0)
			return cli->values[i];
	return NULL;
}

bool
cli_number(const struct cli *cli, const char *flag, uint64_t *out)
{
	const char *s = cli_value(cli, flag);
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end != '\0' || errno != 0) {
		(void)cli_say(CLI_USAGE, "%s takes a number, not \"%s\"", flag, s);
		return false;
	}
	*out = v;
	return true;
}

static int
parse_command(struct parse *p, const char *word)
{
	char *name =
	    p->group == NULL ? cli_format("%s", word) : cli_format("%s %s", p->group, word);
	size_t len = strlen(name);
	bool group = false;

	for (const struct command *const *c = help_commands(); *c != NULL; c++) {
		if (strcmp((*c)->name, name) == 0)
			p->cli->command = *c;
		group |= strncmp((*c)->name, name, len) == 0 && (*c)->name[len] == ' ';
	}
	if (p->cli->command == NULL && group)
		p->group = word;
	else if (p->cli->command == NULL)
		(void)cli_say(0, "there is no command \"%s\": see `meshkern --help`", name);
	free(name);
	return p->cli->command != NULL || group ? 0 : CLI_USAGE;
}

static int
parse_word(struct parse *p, const char *word)
{
	struct cli *cli = p->cli;

	if (cli->command == NULL && p->group == NULL && strcmp(word, "help") == 0) {
		cli->help = true;
		return 0;
	}
	if (cli->command == NULL)
		return parse_command(p, word);
	cli->args[cli->arg_count++] = word;
	return 0;
}

/* The value of a flag: behind its '=', or the next word. NULL after saying that it is missing. */
static const char *
parse_value(struct parse *p, const char *flag, const char *equals)
{
	if (equals != NULL)
		return equals + 1;
	if (p->at + 1 < p->argc)
		return p->argv[++p->at];
	(void)cli_say(CLI_USAGE, "%s needs a value", flag);
	return NULL;
}

static int
parse_command_flag(struct parse *p, const char *word, size_t len, const char *equals)
{
	const struct command *command = p->cli->command;
	const char **value;
	size_t i = 0;

	while (command != NULL && i < CLI_FLAGS_MAX && command->flags[i].name != NULL &&
	       (strncmp(command->flags[i].name, word, len) != 0 ||
		command->flags[i].name[len] != '\0'))
		i++;
	if (command == NULL || i == CLI_FLAGS_MAX || command->flags[i].name == NULL)
		return cli_say(CLI_USAGE, "unknown option %.*s: see `meshkern %s%s--help`",
			       (int)len, word, command == NULL ? "" : command->name,
			       command == NULL ? "" : " ");
	value = &p->cli->values[i];
	if (*value != NULL)
		return cli_say(CLI_USAGE, "%s is given twice", command->flags[i].name);
	if (command->flags[i].arg != NULL) {
		*value = parse_value(p, command->flags[i].name, equals);
		return *value == NULL ? CLI_USAGE : 0;
	}
	*value = "";
	return equals == NULL ? 0 : cli_say(CLI_USAGE, "%.*s takes no value", (int)len, word);
}

static int
parse_flag(struct parse *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
	const char **value = NULL;

	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		p->cli->help = true;
	else if (strcmp(word, "--json") == 0)
		p->cli->json = true;
	else if (strcmp(word, "--version") == 0)
		p->version = true;
	else if (strcmp(word, "-c") == 0 || (len == 8 && strncmp(word, "--config", 8) == 0))
		value = &p->cli->config;
	else if (len == 9 && strncmp(word, "--control", 9) == 0)
		value = &p->cli->control;
	else
		return parse_command_flag(p, word, len, equals);
	if (value != NULL)
		*value = parse_value(p, word, equals);
	return value != NULL && *value == NULL ? CLI_USAGE : 0;
}

static int
parse_all(struct parse *p)
{
	const struct command *command;
	int rc = 0;

	for (p->at = 1; p->at < p->argc && rc == 0; p->at++) {
		const char *word = p->argv[p->at];

		if (!p->words_only && strcmp(word, "--") == 0)
			p->words_only = true;
		else if (!p->words_only && word[0] == '-' && word[1] != '\0')
			rc = parse_flag(p, word);
		else
			rc = parse_word(p, word);
	}
	command = p->cli->command;
	if (rc != 0 || p->cli->help || p->version)
		return rc;
	if (command == NULL)
		return cli_say(CLI_USAGE, "which command? See `meshkern %s%s--help`",
			       p->group == NULL ? "" : p->group, p->group == NULL ? "" : " ");
	if (p->cli->arg_count < command->min_args || p->cli->arg_count > command->max_args)
		return cli_say(CLI_USAGE, "usage: meshkern %s %s", command->name, command->usage);
	return 0;
}

static void
look_at_terminal(struct cli *cli)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return;
	cli->colour =
	    (no_color == NULL || no_color[0] == '\0') && term != NULL && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		cli->width = size.ws_col;
}

int
main(int argc, char **argv)
{
	struct cli cli = { 0 };
	struct parse p = { .cli = &cli, .argv = argv, .argc = argc };
	int rc;

	setlocale(LC_CTYPE, "");
	look_at_terminal(&cli);
	cli.args = cli_alloc(NULL, ((size_t)argc + 1) * sizeof(*cli.args));
	rc = parse_all(&p);
	if (rc == 0 && p.version)
		puts("meshkern " CLI_VERSION);
	else if (rc == 0 && cli.help)
		help_print(cli.command, p.group);
	else if (rc == 0 && cli.command != NULL)
		rc = cli.command->run(&cli);
	free(cli.args);
	if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0)
		rc = cli_say(CLI_FAILED, "cannot write the output: %s", strerror(errno));
	return rc;
}
