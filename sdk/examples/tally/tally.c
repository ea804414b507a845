/* SPDX-License-Identifier: MIT
 *
 * tally counts what goes over the bus, by topic, and publishes the counts as
 * snapshot/tally. It shows subscriptions to subtrees, how lost messages are
 * told, and a retained snapshot that is mostly sent as small changes.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#define TOPICS_MAX 200 /* more are counted together, as one named "..." */
#define BASE_EVERY 10  /* of so many publications one has all topics */

struct row {
	char name[MK_TOPIC_MAX + 1];
	uint64_t messages, bytes, gaps, lost;
	bool changed; /* since the last publication */
};

struct tally {
	const mk_host *host; /* borrowed, valid until destroy() */
	mk_writer body;
	bool due;              /* a timer runs that will publish */
	uint32_t publications; /* since start(); decides between base and delta */
	size_t count;          /* of rows */
	struct row rows[TOPICS_MAX];
};

static mk_result
tally_create(const mk_host *host, void **self)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return MK_ENOMEM;
	t->host = host;
	mk_writer_init(&t->body, 0);
	*self = t;
	return MK_OK;
}

static void
tally_destroy(void *self)
{
	struct tally *t = self;

	mk_writer_fini(&t->body);
	free(t);
}

/* The row of a topic. The table is bounded: whoever invents topics can only
 * fill it, and its last row then stands for all others. */
static struct row *
tally_row(struct tally *t, const char *topic)
{
	struct row *r;

	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->rows[i].name, topic) == 0)
			return &t->rows[i];
	}
	if (t->count == TOPICS_MAX)
		return &t->rows[TOPICS_MAX - 1];
	r = &t->rows[t->count++];
	if (t->count == TOPICS_MAX)
		topic = "...";
	memcpy(r->name, topic, strlen(topic) + 1); /* at most MK_TOPIC_MAX */
	return r;
}

/* Many messages make one publication, at the end of an interval. */
static void
tally_schedule(struct tally *t)
{
	uint64_t after_us = (uint64_t)t->host->opt_int(t->host, "interval");

	if (!t->due)
		t->due = t->host->timer(t->host, 0, after_us, 0) == MK_OK;
}

static void
tally_on_msg(void *self, const mk_msg *msg)
{
	struct tally *t = self;
	struct row *r = tally_row(t, msg->topic);

	/* A gap stands for messages that nobody can deliver any more. It has
	 * no body. A plugin that keeps state would read it anew here. */
	if ((msg->flags & MK_MSG_GAP) != 0) {
		r->gaps++;
		r->lost += msg->lost;
		t->host->count(t->host, "lost", (int64_t)msg->lost);
	} else {
		r->messages++;
		r->bytes += msg->body_len;
	}
	r->changed = true;
	tally_schedule(t);
}

/* {"topics": {NAME: {"messages": n, "bytes": n, "gaps": n, "lost": n}}}. A
 * delta has the same form, with only the topics that changed. */
static mk_result
tally_write(struct tally *t, bool base)
{
	mk_writer *w = &t->body;
	uint32_t rows = 0;

	for (size_t i = 0; i < t->count; i++)
		rows += base || t->rows[i].changed;
	mk_writer_reset(w);
	mk_put_map(w, 1);
	mk_kv_map(w, "topics", rows);
	for (size_t i = 0; i < t->count; i++) {
		const struct row *r = &t->rows[i];

		if (!base && !r->changed)
			continue;
		mk_kv_map(w, r->name, 4);
		mk_kv_u64(w, "messages", r->messages);
		mk_kv_u64(w, "bytes", r->bytes);
		mk_kv_u64(w, "gaps", r->gaps);
		mk_kv_u64(w, "lost", r->lost);
	}
	return mk_writer_end(w); /* one check for all of the above */
}

/* What was not taken stays marked as changed, and is in the next one. */
static void
tally_publish(struct tally *t)
{
	bool base = t->publications % BASE_EVERY == 0;
	mk_result r = tally_write(t, base);

	if (r == MK_OK)
		r = t->host->publish(t->host, "snapshot/tally", t->body.data, (uint32_t)t->body.len,
				     base ? 0 : MK_PUB_DELTA);
	if (r != MK_OK)
		tally_schedule(t);
	for (size_t i = 0; r == MK_OK && i < t->count; i++)
		t->rows[i].changed = false;
	t->publications += r == MK_OK;
}

static void
tally_on_timer(void *self, uint32_t id)
{
	struct tally *t = self;

	(void)id; /* there is only one */
	t->due = false;
	tally_publish(t);
}

static void
tally_stop(void *self)
{
	struct tally *t = self;

	if (t->due)
		tally_publish(t); /* the last words */
}

/* clang-format off */
/* The configuration has to grant all of them. */
static const mk_topic subscribes[] = {
	{ .name = "pulse/", .help = "the beats of the other example" },
	{ .name = "core/", .help = "what the core tells" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "snapshot/tally", .help = "counts by topic",
	  .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "interval", .help = "publish at most this often",
	  .type = MK_OPT_DURATION, .min = 10000, .max = 86400000000, .dflt = "2s" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,           .id = "tally",
	.version = "1.0.0",       .summary = "Counts messages by topic",
	.license = "MIT",         .author = "The meshkern authors",
	.subscribes = subscribes, .publishes = publishes,
	.options = options,       .create = tally_create,
	.on_msg = tally_on_msg,   .on_timer = tally_on_timer,
	.stop = tally_stop,       .destroy = tally_destroy,
};
