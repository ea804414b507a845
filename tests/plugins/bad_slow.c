/* SPDX-License-Identifier: MIT
 *
 * Takes its time for each message of the flood. Publishes how many it has had, and how many of
 * them were not the next one.
 */
#include "bad.h"

struct slow {
	const mk_host *host;
	uint64_t count, wrong, last;
};

static mk_result
create(const mk_host *host, void **self)
{
	struct slow *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	*self = s;
	return MK_OK;
}

static mk_result
start(void *self)
{
	struct slow *s = self;

	return s->host->timer(s->host, 1, 100000, 100000);
}

static void
on_msg(void *self, const mk_msg *msg)
{
	struct slow *s = self;
	int64_t us = s->host->opt_int(s->host, "time");

	s->count++;
	s->wrong += (msg->flags & MK_MSG_GAP) != 0 || (s->last != 0 && msg->seq != s->last + 1);
	s->last = msg->seq;
	if (us > 0)
		bad_sleep((uint64_t)us);
}

static void
on_timer(void *self, uint32_t id)
{
	struct slow *s = self;

	(void)id;
	s->host->gauge(s->host, "count", (int64_t)s->count);
	s->host->gauge(s->host, "wrong", (int64_t)s->wrong);
}

static const mk_topic subscribes[] = { { .name = "bad/flood" }, { .name = NULL } };
static const mk_option options[] = {
	{ .name = "time", .type = MK_OPT_DURATION, .max = 60000000, .dflt = "0s" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,     BAD_ABOUT("bad-slow"), .subscribes = subscribes,
	.options = options, .create = create,      .start = start,
	.on_msg = on_msg,   .on_timer = on_timer,  .destroy = free,
};
