/* SPDX-License-Identifier: MIT
 *
 * meshkern backfills: the work on old rows, and the operator's will about it.
 */
#include <stdio.h>
#include <string.h>

#include "frame.h"
#include "show.h"
#include "talk.h"

#define BACKFILLS_BODY 512

static int
backfills_show(const struct cli *cli, const mk_val *body)
{
	static const char *const keys[] = { "name",  "state",   "paused", "done",
					    "total", "rate",    "eta_s",  "longest_us",
					    "waits", "skipped", "error" };
	const mk_val *items = mk_find(body, "items");

	if (cli->json)
		return show_data(cli, body);
	if (mk_count(items) == 0)
		puts("there is nothing to bring up to date");
	show_list(cli, items, keys, sizeof(keys) / sizeof(keys[0]));
	return 0;
}

static bool
backfills_are_over(const mk_val *body)
{
	const mk_val *items = mk_find(body, "items");

	for (uint32_t i = 0; i < mk_count(items); i++) {
		char state[16] = "";

		(void)mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state));
		if (strcmp(state, "done") != 0 && strcmp(state, "failed") != 0)
			return false;
	}
	return true;
}

/* Asks the plugin; the answer's body is shown unless it is empty. */
static int
backfills_call(const struct cli *cli, const char *method, const mk_writer *body)
{
	const uint8_t *data;
	size_t len;
	struct talk c;
	mk_doc doc;
	int rc = talk_open(&c, cli);

	mk_doc_init(&doc);
	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "call", 3);

		mk_kv_str(w, "method", method);
		mk_kv_bin(w, "body", body->data, body->len);
		mk_kv_u64(w, "timeout_us", TALK_QUERY_US);
		rc = talk_send(&c);
	}
	if (rc == 0)
		rc = talk_next(&c, 2 * TALK_QUERY_US);
	if (rc == 0)
		rc = talk_verdict(&c, "backfills");
	if (rc == 0 && mk_get_bin(mk_find(c.data, "body"), &data, &len)) {
		if (mk_doc_open(&doc, data, len, NULL, NULL, 0) != MK_OK)
			rc = cli_say(CLI_FAILED, "the answer is malformed");
		else if (mk_count(mk_doc_root(&doc)) > 0)
			rc = backfills_show(cli, mk_doc_root(&doc));
	}
	mk_doc_fini(&doc);
	talk_close(&c);
	return rc;
}

/* One message of backfill/progress. */
static int
backfills_frame(const struct cli *cli, const mk_val *packed, bool *over)
{
	mk_err err = { MK_EFORMAT, "not a message" };
	const uint8_t *data = NULL;
	struct frame frame;
	mk_doc doc, body;
	size_t len = 0;
	int rc = 0;

	mk_doc_init(&doc);
	mk_doc_init(&body);
	if (!mk_get_bin(packed, &data, &len) ||
	    frame_parse(&frame, &doc, data, len, &err) != MK_OK) {
		rc = cli_say(CLI_FAILED, "the daemon sent what is malformed: %s", err.text);
	} else if ((frame.msg.flags & MK_MSG_GAP) == 0 &&
		   mk_doc_open(&body, frame.msg.body, frame.msg.body_len, NULL, NULL, 0) == MK_OK) {
		if (cli->colour && !cli->json)
			fputs("\033[H\033[2J", stdout);
		rc = backfills_show(cli, mk_doc_root(&body));
		*over = backfills_are_over(mk_doc_root(&body));
	}
	mk_doc_fini(&body);
	mk_doc_fini(&doc);
	return rc;
}

/* As it is told, until all is done or has failed. */
static int
backfills_follow(const struct cli *cli)
{
	bool over = false;
	struct talk c;
	int rc = talk_open(&c, cli);

	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "tail", 2);

		mk_kv_array(w, "topics", 1);
		mk_put_str(w, "backfill/progress");
		mk_kv_bool(w, "retained", true);
		rc = talk_send(&c);
	}
	c.more = true;
	while (rc == 0 && c.more && !over) {
		const mk_val *list;

		rc = talk_next(&c, TALK_FOREVER);
		if (rc == 0)
			rc = talk_verdict(&c, "backfills");
		list = rc == 0 ? mk_find(c.data, "frames") : NULL;
		for (uint32_t i = 0; i < mk_count(list) && rc == 0 && !over; i++)
			rc = backfills_frame(cli, mk_at(list, i), &over);
		if (fflush(stdout) != 0)
			rc = CLI_FAILED;
	}
	talk_close(&c);
	return rc;
}

static int
backfills_run(const struct cli *cli)
{
	mk_writer w;
	int rc;

	if (cli->arg_count == 1)
		return cli_say(CLI_USAGE, "%s which one? `meshkern backfills` shows them",
			       cli->args[0]);
	if (cli->arg_count == 0 && cli_value(cli, "--follow") != NULL)
		return backfills_follow(cli);
	mk_writer_init(&w, BACKFILLS_BODY);
	mk_put_map(&w, cli->arg_count);
	if (cli->arg_count == 2) {
		mk_kv_str(&w, "do", cli->args[0]);
		mk_kv_str(&w, "name", cli->args[1]);
	}
	if (mk_writer_end(&w) != MK_OK)
		rc = cli_say(CLI_USAGE, "\"%s\" is no name of a backfill", cli->args[1]);
	else
		rc = backfills_call(cli, cli->arg_count == 0 ? "backfill/list" : "backfill/control",
				    &w);
	mk_writer_fini(&w);
	return rc;
}

const struct command command_backfills = {
	.name = "backfills",
	.usage = "[pause|resume|retry NAME] [--follow]",
	.summary = "the work that brings old rows of the database up to date",
	.help =
	    "After an upgrade, old rows are brought up to date in steps of some milliseconds, "
	    "one\n"
	    "backfill after the other. Each is pending (waits may name the one that comes "
	    "first),\n"
	    "running, interrupted (goes on where it was), done, or failed (see error; nothing "
	    "of\n"
	    "the step that failed was kept). done and total count rows; skipped are those that "
	    "the\n"
	    "database refused to change; rate is rows a second, eta_s what is left in seconds,\n"
	    "longest_us the longest step of this run. What is only built as a whole, an index,\n"
	    "holds up writing as long as that says; nothing is lost meanwhile.\n\n"
	    "pause outlives restarts, until resume. retry begins one that failed, or is done, "
	    "from\n"
	    "the start.\n",
	.flags = { { "--follow", NULL, "show changes until all are done or have failed" } },
	.max_args = 2,
	.run = backfills_run,
};
