/* SPDX-License-Identifier: MIT
 *
 * Does not come back from the callback that its option names, or only after a while.
 */
#include "bad.h"

static void
block(const mk_host *host, const char *where)
{
	uint64_t us = (uint64_t)host->opt_int(host, "time");

	if (!bad_is(host, where))
		return;
	if (us > 0)
		bad_sleep(us);
	if (us > 0)
		return;
	for (;;)
		if (!host->opt_int(host, "busy"))
			bad_sleep(1000000);
}

static mk_result
create(const mk_host *host, void **self)
{
	block(host, "create");
	return host->opt_int(host, "refuse") ? MK_EIO : bad_create(host, self);
}

static mk_result
start(void *self)
{
	block(((struct bad *)self)->host, "start");
	return MK_OK;
}

static void
on_msg(void *self, const mk_msg *msg)
{
	struct bad *b = self;

	/* Only once: who moves again stays well. */
	if (b->count++ == 0)
		block(b->host, "message");
	bad_publish(b->host, "bad/seen", "seq", msg->seq);
}

static void
stop(void *self)
{
	block(((struct bad *)self)->host, "stop");
}

static void
destroy(void *self)
{
	block(((struct bad *)self)->host, "destroy");
	free(self);
}

static const mk_topic subscribes[] = { { .name = "pulse/beat" }, { .name = NULL } };
static const mk_topic publishes[] = { { .name = "bad/seen", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const char *const places[] = { "create", "start", "message", "stop", "destroy", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = places, .flags = MK_OPT_REQUIRED },
	{ .name = "time", .type = MK_OPT_DURATION, .max = 60000000, .dflt = "0s" },
	{ .name = "refuse", .type = MK_OPT_BOOL, .dflt = "false" },
	{ .name = "busy", .type = MK_OPT_BOOL, .dflt = "false" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,         BAD_ABOUT("bad-block"), .subscribes = subscribes,
	.publishes = publishes, .options = options,     .create = create,
	.start = start,         .on_msg = on_msg,       .stop = stop,
	.destroy = destroy,
};
