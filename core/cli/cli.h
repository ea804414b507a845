/* SPDX-License-Identifier: MIT
 *
 * The frame around the commands of `meshkern`.
 *
 * To add a command, write cmd_<name>.c with a `const struct command command_<name>` and add one
 * row to COMMANDS below. Parsing, --help, --json and the exit status come from the row.
 */
#ifndef MK_CLI_CLI_H
#define MK_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses; 0 is success. */
#define CLI_FAILED 1      /* the daemon, or the work itself, said no */
#define CLI_USAGE 2       /* wrong arguments, or a configuration that is wrong */
#define CLI_UNREACHABLE 3 /* no daemon at the control address */

#define CLI_FLAGS_MAX 6

struct cli;

struct flag {
	const char *name; /* "--from" */
	const char *arg;  /* "SEQ", or NULL if it takes none */
	const char *help;
};

struct command {
	const char *name;    /* one word, or two: "plugin new" */
	const char *usage;   /* arguments as --help shows them */
	const char *summary; /* one line */
	const char *help;    /* paragraphs, wrapped by hand at 78 columns */
	struct flag flags[CLI_FLAGS_MAX];
	uint32_t min_args, max_args;
	int (*run)(const struct cli *cli); /* returns the exit status */
};

#define COMMANDS(X)         \
	X(status)           \
	X(plugins)          \
	X(enable)           \
	X(disable)          \
	X(restart)          \
	X(reset)            \
	X(reload)           \
	X(stats)            \
	X(tail)             \
	X(replay)           \
	X(call)             \
	X(backfills)        \
	X(decode)           \
	X(plugin_new)       \
	X(plugin_inspect)   \
	X(plugin_list)      \
	X(config_check)     \
	X(config_reference) \
	X(import)           \
	X(import_config)

#define COMMAND_DECLARE(id) extern const struct command command_##id;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

/* What was asked for. Everything is borrowed from argv. */
struct cli {
	const struct command *command;
	const char *values[CLI_FLAGS_MAX]; /* of command->flags; "" for those without a value */
	const char **args;
	uint32_t arg_count;
	const char *config;  /* -c, or NULL */
	const char *control; /* --control, or NULL */
	bool json;
	bool help;
	bool colour;    /* standard output is a terminal that wants it */
	uint32_t width; /* of that terminal; 0: do not cut */
};

/* ------------------------------------------------------------- main.c --- */

/* The value of a flag of the command; NULL if it was not given. */
const char *cli_value(const struct cli *cli, const char *flag);
/* A decimal number. False, after saying so, if it is none. */
bool cli_number(const struct cli *cli, const char *flag, uint64_t *out);

/* help.c: the manual to standard output: of `command`, of the group whose first word is
 * `group`, or of the program. */
void help_print(const struct command *command, const char *group);
const struct command *const *help_commands(void); /* the table, NULL-terminated */

/* ------------------------------------------------------------ system.c -- */

/* "meshkern: ..." to standard error with control characters made visible. Returns `status`. */
int cli_say(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* realloc that ends the program when memory is out: nothing here outlives a command. [owned] */
void *cli_alloc(void *old, size_t size);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* [owned] */
/* A whole regular file, NUL-terminated, of at most `max` bytes; NULL and errno. [owned] */
char *cli_read_file(const char *path, size_t max, size_t *len);

/* The configuration as text and tree, without judging its meaning: even a broken one must lead
 * to the daemon that can say what is wrong with it. */
struct config {
	const char *file;
	char *dir;                /* relative paths in it start here */
	struct mk_values *values; /* what can be read of it: only the daemon insists on all */
};
/* The file that -c names, or the first usual one that exists; NULL if there is none. */
const char *config_find(const struct cli *cli);
/* 0, or an exit status after saying what is wrong. Call config_close in either case. */
int config_open(struct config *c, const struct cli *cli);
void config_close(struct config *c);
/* `path` as seen from the configuration's folder. [owned] */
char *config_path(const struct config *c, const char *path);

#endif
