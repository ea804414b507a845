/* SPDX-License-Identifier: MIT
 *
 * Writes down every number that it hears, and every gap, before on_msg returns.
 */
#include <stdlib.h>
#include <time.h>

#include "numbers.h"

struct sink {
	const mk_host *host;
	int fd;
	uint64_t heard;
	mk_doc doc;
};

static mk_result
sink_create(const mk_host *host, void **self)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	s->fd = -1;
	mk_doc_init(&s->doc);
	*self = s;
	return MK_OK;
}

static void
sink_destroy(void *self)
{
	struct sink *s = self;

	if (s->fd != -1)
		close(s->fd);
	mk_doc_fini(&s->doc);
	free(s);
}

static mk_result
sink_start(void *self)
{
	struct sink *s = self;

	s->fd = numbers_open(s->host);
	return s->fd == -1 ? MK_EIO : MK_OK;
}

/* Slow work, if that is asked for. */
static void
sink_work(const struct sink *s)
{
	int64_t us = s->host->opt_int(s->host, "work");
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	if (us > 0)
		(void)nanosleep(&t, NULL);
}

/* Take nothing for a while, if that is asked for, after every thousandth message. */
static void
sink_rest(struct sink *s)
{
	int64_t us = s->host->opt_int(s->host, "hold");

	if (us == 0 || ++s->heard % 1000 != 0)
		return;
	if (s->host->hold(s->host, true) != MK_OK ||
	    s->host->timer(s->host, 1, (uint64_t)us, 0) != MK_OK)
		abort();
	s->host->count(s->host, "holds", 1);
}

static void
sink_on_timer(void *self, uint32_t id)
{
	struct sink *s = self;

	(void)id;
	s->host->hold(s->host, false);
}

static void
sink_on_msg(void *self, const mk_msg *msg)
{
	struct sink *s = self;
	struct record r = { .seq = msg->seq, .note = msg->flags | msg->lost << 32 };

	if ((msg->flags & MK_MSG_GAP) == 0) {
		if (mk_doc_open(&s->doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_OK)
			mk_get_u64(mk_find(mk_doc_root(&s->doc), "n"), &r.number);
		mk_doc_close(&s->doc);
	}
	sink_work(s);
	if (!numbers_write(s->fd, &r, 1))
		abort();
	sink_rest(s);
}

static const mk_topic sink_topics[] = {
	{ .name = "kill/number", .help = "what is written down" },
	{ .name = NULL },
};

/* clang-format off */
static const mk_option sink_options[] = {
	{ .name = "work", .type = MK_OPT_DURATION, .max = 10000000, .dflt = "0us",
	  .help = "how long a message takes" },
	{ .name = "hold", .type = MK_OPT_DURATION, .max = 10000000, .dflt = "0us",
	  .help = "how long it holds messages back after every thousand of them" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "kill-sink",
	.version = "1.0.0",
	.summary = "Writes down the numbers that it hears",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = sink_topics,
	.options = sink_options,
	.create = sink_create,
	.start = sink_start,
	.on_msg = sink_on_msg,
	.on_timer = sink_on_timer,
	.destroy = sink_destroy,
};
