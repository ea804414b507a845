/* SPDX-License-Identifier: MIT
 *
 * Stands for decode and storage in the tests of mqtt: keeps the number of every packet, commits in
 * groups, and tells the publisher up to where it need not keep anything.
 *
 * Record: number = bytes 10 to 13 of the packet, or what kind of item it is (SINK_STATUS, ...);
 * seq = origin_seq.
 */
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#define COMMIT_US 20000u
#define PENDING_MAX 65536u
#define TOPICS 3u
#define SINK_OTHER (1ull << 40) /* plus the index of the topic */

struct sink {
	const mk_host *host;
	int fd;
	uint64_t mark, told; /* all up to here has been heard; and told */
	uint8_t *have;       /* numbers behind the mark, by distance */
	size_t have_len;
	uint32_t count;
	struct record pending[PENDING_MAX];
	uint64_t epoch, seq[TOPICS];
	mk_doc doc;
	mk_writer body;
};

static const char *const topics[TOPICS] = { "rx/raw", "rx/status", "rx/client" };

static mk_result
sink_create(const mk_host *host, void **self)
{
	struct sink *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	s->fd = -1;
	mk_doc_init(&s->doc);
	mk_writer_init(&s->body, 0);
	*self = s;
	return MK_OK;
}

static void
sink_destroy(void *self)
{
	struct sink *s = self;

	if (s->fd != -1)
		close(s->fd);
	free(s->have);
	mk_doc_fini(&s->doc);
	mk_writer_fini(&s->body);
	free(s);
}

static mk_result
sink_start(void *self)
{
	struct sink *s = self;

	s->fd = numbers_open(s->host);
	if (s->fd == -1 || s->host->hold(s->host, s->host->opt_int(s->host, "hold") != 0) != MK_OK)
		return MK_EIO;
	return s->host->timer(s->host, 1, COMMIT_US, COMMIT_US);
}

static mk_result
sink_reconfigure(void *self)
{
	struct sink *s = self;

	return s->host->hold(s->host, s->host->opt_int(s->host, "hold") != 0);
}

static void
sink_commit(void *self)
{
	struct sink *s = self;

	if (s->count > 0 && !numbers_write(s->fd, s->pending, s->count))
		abort();
	s->count = 0;
	for (uint32_t i = 0; i < TOPICS; i++)
		if (s->seq[i] > 0)
			s->host->ack(s->host, topics[i], s->epoch, s->seq[i]);
	if (s->mark == s->told)
		return;
	mk_writer_reset(&s->body);
	mk_put_map(&s->body, 1);
	mk_kv_array(&s->body, "items", 1);
	mk_put_map(&s->body, 2);
	mk_kv_str(&s->body, "source", "mqtt");
	mk_kv_u64(&s->body, "seq", s->mark);
	if (mk_writer_end(&s->body) == MK_OK &&
	    s->host->publish(s->host, "storage/committed", s->body.data, (uint32_t)s->body.len,
			     0) == MK_OK)
		s->told = s->mark;
}

static void
sink_on_timer(void *self, uint32_t id)
{
	(void)id;
	sink_commit(self);
}

/* The mark moves over what was heard without a hole. */
static void
sink_mark(struct sink *s, uint64_t number)
{
	size_t run = 0, at = (size_t)(number - s->mark);

	if (number <= s->mark)
		return;
	if (at >= s->have_len) {
		s->have = realloc(s->have, at * 2 + 4096);
		if (s->have == NULL)
			abort();
		memset(s->have + s->have_len, 0, at * 2 + 4096 - s->have_len);
		s->have_len = at * 2 + 4096;
	}
	s->have[at] = 1;
	while (run + 1 < s->have_len && s->have[run + 1] != 0)
		run++;
	memmove(s->have, s->have + run, s->have_len - run);
	memset(s->have + s->have_len - run, 0, run);
	s->mark += run;
}

static void
sink_keep(struct sink *s, const mk_val *item, uint32_t topic, uint64_t seq)
{
	struct record r = { .number = SINK_OTHER + topic, .seq = seq, .note = topic };
	const uint8_t *raw;
	size_t len;

	if (topic == 0 && mk_get_bin(mk_find(item, "raw"), &raw, &len) && len >= 14)
		r.number = (uint64_t)raw[10] << 24 | (uint64_t)raw[11] << 16 |
			   (uint64_t)raw[12] << 8 | raw[13];
	s->pending[s->count++] = r;
	if (s->count == PENDING_MAX)
		sink_commit(s);
}

static void
sink_on_msg(void *self, const mk_msg *msg)
{
	struct sink *s = self;
	const mk_val *items;
	uint32_t topic = 0;

	if ((msg->flags & MK_MSG_GAP) != 0) {
		s->host->count(s->host, "gaps", 1);
		return;
	}
	while (topic < TOPICS - 1 && strcmp(topics[topic], msg->topic) != 0)
		topic++;
	if (msg->epoch != s->epoch) {
		s->epoch = msg->epoch;
		s->mark = s->told = msg->origin_first - 1;
		if (s->have_len > 0)
			memset(s->have, 0, s->have_len);
	}
	s->seq[topic] = msg->seq;
	if (mk_doc_open(&s->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK)
		abort();
	items = mk_find(mk_doc_root(&s->doc), "items");
	for (uint32_t i = 0; i < mk_count(items); i++)
		sink_keep(s, mk_at(items, i), topic, msg->origin_seq);
	s->host->count(s->host, "items", mk_count(items));
	mk_doc_close(&s->doc);
	sink_mark(s, msg->origin_seq);
}

static const mk_topic sink_subscribes[] = {
	{ .name = "rx/raw", .flags = MK_TOPIC_MANUAL_ACK, .help = "kept" },
	{ .name = "rx/status", .flags = MK_TOPIC_MANUAL_ACK, .help = "kept" },
	{ .name = "rx/client", .flags = MK_TOPIC_MANUAL_ACK, .help = "kept" },
	{ .name = NULL },
};

static const mk_topic sink_publishes[] = {
	{ .name = "storage/committed", .flags = MK_TOPIC_RELIABLE, .help = "what is on disk" },
	{ .name = NULL },
};

static const mk_option sink_options[] = {
	{ .name = "hold",
	  .type = MK_OPT_BOOL,
	  .flags = MK_OPT_LIVE,
	  .dflt = "false",
	  .help = "take nothing" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "mqtt-sink",
	.version = "1.0.0",
	.summary = "Keeps the numbers of packets on disk",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = sink_subscribes,
	.publishes = sink_publishes,
	.options = sink_options,
	.create = sink_create,
	.start = sink_start,
	.on_msg = sink_on_msg,
	.on_timer = sink_on_timer,
	.reconfigure = sink_reconfigure,
	.stop = sink_commit,
	.destroy = sink_destroy,
};
