/* SPDX-License-Identifier: MIT
 *
 * meshkern tail, replay, call: messages of the bus, and questions to its plugins.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

#include "talk.h"
#include "frame.h"
#include "json.h"
#include "text.h"

static void
message_flags(mk_writer *w, uint32_t flags)
{
	static const char *const names[] = { "replayed", "gap", "retained", "delta", "durable" };
	uint32_t count = 0;

	for (uint32_t i = 0; i < 32; i++)
		count += flags >> i & 1;
	mk_kv_array(w, "flags", count);
	for (uint32_t i = 0; i < 32; i++) {
		char bit[16];

		/* A newer daemon may have flags that this program does not know. */
		snprintf(bit, sizeof(bit), "bit%u", i);
		if ((flags >> i & 1) != 0)
			mk_put_str(w, i < sizeof(names) / sizeof(names[0]) ? names[i] : bit);
	}
}

/* One line. The header is written as a map, whose closing brace gives way to the body: together
 * they could be nested deeper than one document may be. */
static bool
message_print(const mk_msg *msg)
{
	bool durable = (msg->flags & MK_MSG_DURABLE) != 0, good = false;
	char head[2048];
	int64_t len;
	mk_writer w;

	mk_writer_init(&w, sizeof(head));
	mk_put_map(&w, durable ? 8 : 7);
	mk_kv_str(&w, "topic", msg->topic);
	mk_kv_u64(&w, "epoch", msg->epoch);
	mk_kv_u64(&w, "seq", msg->seq);
	mk_kv_str(&w, "time", text_time(msg->time_us).s);
	mk_kv_str(&w, "origin", msg->origin);
	if (durable)
		mk_kv_u64(&w, "origin_seq", msg->origin_seq);
	mk_kv_u64(&w, "schema", msg->schema);
	message_flags(&w, msg->flags);
	len = mk_writer_end(&w) == MK_OK ? mk_to_json(w.data, w.len, head, sizeof(head)) : -1;
	mk_writer_fini(&w);
	if (len > 0 && (size_t)len < sizeof(head)) {
		printf("%.*s,\"body\":", (int)len - 1, head);
		good = json_print(stdout, msg->body, msg->body_len);
		puts("}");
	}
	return good;
}

/* Prints the frames of one answer, at most *left of them. */
static int
bus_print(const struct talk *c, mk_doc *doc, uint64_t *left)
{
	const mk_val *list = mk_find(c->data, "frames");
	uint64_t lost;

	if (mk_get_u64(mk_find(c->data, "lost"), &lost))
		printf("{\"lost\":%" PRIu64 "}\n", lost);
	for (uint32_t i = 0; i < mk_count(list) && *left > 0; i++, (*left)--) {
		const uint8_t *data = NULL;
		size_t len = 0;
		struct frame frame;
		mk_err err = { MK_EFORMAT, "not a message" };

		if (!mk_get_bin(mk_at(list, i), &data, &len) ||
		    frame_parse(&frame, doc, data, len, &err) != MK_OK ||
		    !message_print(&frame.msg))
			return cli_say(CLI_FAILED, "the daemon sent what is malformed: %s",
				       err.text);
	}
	/* Whoever reads the lines wants them now, and a closed pipe must end us now. */
	return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* Sends the request that was begun and prints what comes until the end or the count. */
static int
bus_stream(struct talk *c, const char *what, uint64_t wait_us, uint64_t left)
{
	mk_doc doc;
	int rc = talk_send(c);

	mk_doc_init(&doc);
	c->more = true;
	while (rc == 0 && c->more && left > 0) {
		rc = talk_next(c, wait_us);
		if (rc == 0)
			rc = talk_verdict(c, what);
		if (rc == 0)
			rc = bus_print(c, &doc, &left);
	}
	mk_doc_fini(&doc);
	return rc;
}

static bool
bus_count(const struct cli *cli, uint64_t *out)
{
	return cli_value(cli, "--count") == NULL || cli_number(cli, "--count", out);
}

static int
tail_run(const struct cli *cli)
{
	uint64_t left = UINT64_MAX;
	struct talk c;
	int rc;

	if (!bus_count(cli, &left))
		return CLI_USAGE;
	for (uint32_t i = 0; i < cli->arg_count; i++)
		if (!mk_topic_valid(cli->args[i], true))
			return cli_say(CLI_USAGE, "\"%s\" is no topic", cli->args[i]);
	rc = talk_open(&c, cli);
	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "tail", 2);

		mk_kv_array(w, "topics", cli->arg_count);
		for (uint32_t i = 0; i < cli->arg_count; i++)
			mk_put_str(w, cli->args[i]);
		mk_kv_bool(w, "retained", cli_value(cli, "--retained") != NULL);
		rc = bus_stream(&c, "tail", TALK_FOREVER, left);
	}
	talk_close(&c);
	return rc;
}

#define MESSAGE_HELP                                                                               \
	"A line is one JSON object: topic, epoch, seq (dense in a topic and an epoch), time\n"     \
	"(when the bus took it), origin (the plugin), origin_seq (of durable topics), schema,\n"   \
	"flags (replayed, gap, retained, delta, durable) and body. Binaries in a body are\n"       \
	"{\"$bin\": \"<hex>\"}. With the flag gap it is no message: body.lost messages from seq\n" \
	"on are gone.\n"

const struct command command_tail = {
	.name = "tail",
	.usage = "[TOPIC...] [--retained] [--count N]",
	.summary = "show bus messages as they come, one JSON object a line",
	.help =
	    "A topic is exact, rx/raw, or a subtree, rx/; without one everything is shown. Ends\n"
	    "with the daemon, after --count, or when interrupted.\n\n" MESSAGE_HELP
	    "\nA line {\"lost\": N} says that N messages came faster than they were read.\n",
	.flags = { { "--retained", NULL, "first the last value of each retained topic" },
		   { "--count", "N", "end after N messages" } },
	.max_args = 1000,
	.run = tail_run,
};

static int
replay_run(const struct cli *cli)
{
	uint64_t from = 0, count = 0;
	struct talk c;
	int rc;

	if (cli_value(cli, "--from") == NULL)
		return cli_say(CLI_USAGE, "replay needs --from SEQ: `meshkern stats` shows what "
					  "there is");
	if (!cli_number(cli, "--from", &from) || !bus_count(cli, &count))
		return CLI_USAGE;
	if (!mk_topic_valid(cli->args[0], false))
		return cli_say(CLI_USAGE, "\"%s\" is no topic", cli->args[0]);
	if (count == 0 && cli_value(cli, "--count") != NULL)
		return 0;
	rc = talk_open(&c, cli);
	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "replay", 3);

		mk_kv_str(w, "topic", cli->args[0]);
		mk_kv_u64(w, "from", from);
		mk_kv_u64(w, "n", count);
		rc = bus_stream(&c, cli->args[0], TALK_QUERY_US, UINT64_MAX);
	}
	talk_close(&c);
	return rc;
}

const struct command command_replay = {
	.name = "replay",
	.usage = "TOPIC --from SEQ [--count N]",
	.summary = "show earlier messages of a topic again",
	.help =
	    "As far back as the daemon still has them; what it no longer has is shown as a gap.\n"
	    "`meshkern stats` shows the oldest and the last number of each topic. For a retained\n"
	    "topic, --from 0 shows its present value.\n\n" MESSAGE_HELP,
	.flags = { { "--from", "SEQ", "the first sequence number" },
		   { "--count", "N", "at most N messages; otherwise all to the last" } },
	.min_args = 1,
	.max_args = 1,
	.run = replay_run,
};

/* The body of the call: the argument, standard input for "-", or nothing. */
static int
call_body(const struct cli *cli, mk_writer *w)
{
	const char *text = cli->arg_count > 1 ? cli->args[1] : "{}";
	size_t len = strlen(text), n = 1;
	char *input = NULL;
	mk_err err;
	mk_result rc;

	if (strcmp(text, "-") == 0) {
		for (len = 0; n > 0 && len <= MK_BODY_MAX; len += n) {
			input = cli_alloc(input, len + 65536);
			n = fread(input + len, 1, 65536, stdin);
		}
		text = input;
	}
	if (len > MK_BODY_MAX)
		rc = mk_err_set(&err, MK_ETOOBIG, "it is longer than 16 MiB");
	else
		rc = json_parse(text, len, w, &err);
	free(input);
	return rc == MK_OK ? 0 : cli_say(CLI_USAGE, "JSON-BODY: %s", err.text);
}

static int
call_ask(const struct cli *cli, const mk_writer *body, uint64_t timeout_us)
{
	const uint8_t *data;
	size_t len;
	struct talk c;
	int rc = talk_open(&c, cli);

	if (rc == 0) {
		mk_writer *w = talk_begin(&c, "call", 3);

		mk_kv_str(w, "method", cli->args[0]);
		mk_kv_bin(w, "body", body->data, body->len);
		mk_kv_u64(w, "timeout_us", timeout_us);
		rc = talk_send(&c);
	}
	if (rc == 0)
		rc = talk_next(&c, timeout_us + TALK_QUERY_US);
	if (rc == 0)
		rc = talk_verdict(&c, cli->args[0]);
	if (rc == 0 && mk_get_bin(mk_find(c.data, "body"), &data, &len) && len > 0) {
		if (!json_print(stdout, data, len))
			rc = cli_say(CLI_FAILED, "%s: the answer is malformed", cli->args[0]);
		else
			putchar('\n');
	} else if (rc == 0) {
		puts("{}");
	}
	talk_close(&c);
	return rc;
}

static int
call_run(const struct cli *cli)
{
	uint64_t seconds = 10;
	mk_writer body;
	int rc;

	if (cli_value(cli, "--timeout") != NULL && !cli_number(cli, "--timeout", &seconds))
		return CLI_USAGE;
	if (seconds == 0 || seconds > 86400)
		return cli_say(CLI_USAGE, "--timeout is 1 to 86400 seconds");
	if (!mk_topic_valid(cli->args[0], false))
		return cli_say(CLI_USAGE, "\"%s\" is no method", cli->args[0]);
	mk_writer_init(&body, MK_BODY_MAX);
	rc = call_body(cli, &body);
	if (rc == 0)
		rc = call_ask(cli, &body, seconds * 1000000);
	mk_writer_fini(&body);
	return rc;
}

const struct command command_call = {
	.name = "call",
	.usage = "METHOD [JSON-BODY] [--timeout SECONDS]",
	.summary = "ask a plugin, or the core, and print its answer",
	.help =
	    "The body is a JSON object, - to read it from standard input, or nothing for {}.\n"
	    "{\"$bin\": \"<hex>\"} in it becomes a binary. The answer is printed as one line of\n"
	    "JSON. `meshkern plugin inspect` shows the methods of a plugin.\n",
	.flags = { { "--timeout", "SECONDS", "how long to wait for the answer; 10" } },
	.min_args = 1,
	.max_args = 2,
	.run = call_run,
};
