/* SPDX-License-Identifier: MIT
 *
 * Acknowledges by hand, like a database that commits in batches of five, and crashes on one
 * message in the middle of a batch.
 */
#include "bad.h"

#define BATCH 5

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	if ((int64_t)msg->seq == b->host->opt_int(b->host, "at"))
		bad_crash();
	bad_publish(b->host, "bad/held", "seq", msg->seq);
	if (++b->count % BATCH != 0)
		return;
	bad_publish(b->host, "bad/committed", "seq", msg->seq);
	b->host->ack(b->host, msg->topic, msg->epoch, msg->seq);
}

static const mk_topic subscribes[] = { { .name = "pulse/beat", .flags = MK_TOPIC_MANUAL_ACK },
				       { .name = NULL } };
static const mk_topic publishes[] = { { .name = "bad/held", .flags = MK_TOPIC_RELIABLE },
				      { .name = "bad/committed", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const mk_option options[] = {
	{ .name = "at", .type = MK_OPT_INT, .max = INT32_MAX, .dflt = "0" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         BAD_ABOUT("bad-manual"), .subscribes = subscribes,
	.publishes = publishes, .options = options,      .create = bad_create,
	.on_msg = on_msg,       .destroy = free,
};
