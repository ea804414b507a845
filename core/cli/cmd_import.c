/* SPDX-License-Identifier: MIT
 *
 * meshkern import: a CoreScope database becomes one of ours. The work is done by the storage
 * plugin's library.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <meshkern/options.h>
#include <storage/import.h>

#include "clock.h"
#include "show.h"
#include "text.h"

#include "cli.h"

/* Set by signals: the import then removes what it has made. */
static atomic_bool import_cancel;

struct import_line {
	bool terminal;
	uint64_t shown_us;
	char what[64];
};

static void
on_signal(int number)
{
	(void)number;
	atomic_store(&import_cancel, true);
}

static uint64_t
on_now(void *arg)
{
	(void)arg;
	return clock_now_us();
}

static uint64_t
on_wall(void *arg)
{
	(void)arg;
	return clock_wall_us();
}

/* One line that is written over, ten times a second. */
static void
on_progress(void *arg, const char *what, int64_t done, int64_t total)
{
	struct import_line *line = arg;
	uint64_t now_us = clock_now_us();

	if (!line->terminal || (strcmp(line->what, what) == 0 && now_us - line->shown_us < 100000))
		return;
	line->shown_us = now_us;
	(void)snprintf(line->what, sizeof(line->what), "%s", what);
	if (total > 0)
		fprintf(stderr, "\r\033[K%s: %d %%", what, (int)(100 * done / total));
	else
		fprintf(stderr, "\r\033[K%s", what);
}

/* [owned], or NULL after saying so. */
static char *
import_target(const struct cli *cli)
{
	const char *told = cli_value(cli, "--to"), *data_dir;
	char *dir, *target = NULL;
	struct config c;

	if (told != NULL)
		return cli_format("%s", told);
	if (config_open(&c, cli) == 0) {
		data_dir = mk_values_str(c.values, "data_dir");
		dir = config_path(&c, data_dir != NULL ? data_dir : "");
		target = cli_format("%s/meshkern.db", dir);
		free(dir);
	}
	config_close(&c);
	return target;
}

static int
import_show(const struct cli *cli, const char *target, const struct import_report *r,
	    uint64_t spent_us)
{
	mk_writer w;

	mk_writer_init(&w, MK_BODY_MAX);
	mk_put_map(&w, 5);
	show_kv(&w, "database", target);
	mk_kv_u64(&w, "bytes", (uint64_t)r->bytes);
	mk_kv_u64(&w, "took_us", spent_us);
	mk_kv_u64(&w, "orphans", (uint64_t)r->orphans);
	mk_kv_array(&w, "tables", r->count);
	for (uint32_t i = 0; i < r->count; i++) {
		const struct import_table *t = &r->tables[i];

		mk_put_map(&w, 4);
		show_kv(&w, "table", t->name);
		mk_kv_u64(&w, "source", (uint64_t)t->source);
		mk_kv_u64(&w, "imported", (uint64_t)t->imported);
		mk_kv_u64(&w, "merged",
			  t->imported < t->source ? (uint64_t)(t->source - t->imported) : 0);
	}
	return show_written(cli, &w);
}

static int
import_command(const struct cli *cli)
{
	char *target = import_target(cli);
	struct import_line line = { .terminal = isatty(STDERR_FILENO) == 1 && !cli->json };
	struct sigaction action = { .sa_handler = on_signal };
	struct import_options options = {
		.from = cli->args[0],
		.to = target,
		.vacuum = cli_value(cli, "--vacuum") != NULL,
		.now_us = on_now,
		.wall_us = on_wall,
		.on_progress = on_progress,
		.arg = &line,
		.cancel = &import_cancel,
	};
	uint64_t start_us = clock_now_us();
	struct import_report report;
	mk_err err = { .text = "" };
	mk_result rc;

	if (target == NULL)
		return CLI_USAGE;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	rc = import_run(&options, &report, &err);
	if (line.what[0] != '\0')
		fprintf(stderr, "\r\033[K");
	if (rc == MK_OK)
		(void)import_show(cli, target, &report, clock_now_us() - start_us);
	else
		(void)cli_say(CLI_FAILED, "nothing was imported: %s", err.text);
	free(target);
	return rc == MK_OK ? 0 : CLI_FAILED;
}

const struct command command_import = {
	.name = "import",
	.usage = "FILE [--to DATABASE] [--vacuum]",
	.summary = "take over a CoreScope database",
	.help =
	    "Copies FILE, which may be in use and stays as it is, to a new database, brings that\n"
	    "to the current schema, repairs old rows, and checks it. It appears complete or not\n"
	    "at all, and nothing is ever replaced. Without --to it is meshkern.db in the data_dir\n"
	    "of the configuration.\n\n"
	    "In the table, `merged` counts rows that were there twice or could not be used.\n",
	.flags = { { "--to", "DATABASE", "the new file" },
		   { "--vacuum", NULL, "make it anew, so that space can be given back later" } },
	.min_args = 1,
	.max_args = 1,
	.run = import_command,
};
