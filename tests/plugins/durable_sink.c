/* SPDX-License-Identifier: MIT
 *
 * Keeps durable numbers as a database would: commits in groups, acknowledges what is on disk, tells
 * the publishers what they need not keep, and knows after a restart what it has already.
 */
#include <stdlib.h>
#include <string.h>

#include "numbers.h"

#define COMMIT_US 50000u
#define ORIGINS_MAX 8u
#define PENDING_MAX 16384u

struct origin {
	const char *name;
	uint8_t *have; /* by origin_seq */
	size_t cap;
	uint64_t contiguous, told;
};

struct sink {
	const mk_host *host;
	int fd;
	uint32_t origin_count;
	struct origin origins[ORIGINS_MAX];
	struct record pending[PENDING_MAX];
	uint32_t count;
	uint64_t epoch, seq; /* the last message that was heard */
	mk_doc doc;
	mk_writer body;
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
	for (uint32_t i = 0; i < s->origin_count; i++)
		free(s->origins[i].have);
	mk_doc_fini(&s->doc);
	mk_writer_fini(&s->body);
	free(s);
}

/* False: it is there already. */
static bool
origin_add(struct origin *o, uint64_t seq)
{
	if (seq >= o->cap) {
		size_t cap = seq * 2 + 65536;
		uint8_t *have = realloc(o->have, cap);

		if (have == NULL)
			abort();
		memset(have + o->cap, 0, cap - o->cap);
		o->have = have;
		o->cap = cap;
	}
	if (o->have[seq] != 0)
		return false;
	o->have[seq] = 1;
	while (o->contiguous + 1 < o->cap && o->have[o->contiguous + 1] != 0)
		o->contiguous++;
	return true;
}

static mk_result
sink_start(void *self)
{
	struct sink *s = self;
	struct record r;

	s->origin_count = s->host->opt_count(s->host, "origins");
	for (uint32_t i = 0; i < s->origin_count; i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "origins[%u]", i);
		s->origins[i].name = s->host->opt_str(s->host, path);
	}
	s->fd = numbers_open(s->host);
	if (s->fd == -1)
		return MK_EIO;
	while (read(s->fd, &r, sizeof(r)) == (ssize_t)sizeof(r))
		origin_add(&s->origins[r.note >> 32], r.seq);
	return s->host->timer(s->host, 1, COMMIT_US, COMMIT_US);
}

static void
sink_tell(struct sink *s)
{
	mk_writer_reset(&s->body);
	mk_put_map(&s->body, 1);
	mk_kv_array(&s->body, "items", s->origin_count);
	for (uint32_t i = 0; i < s->origin_count; i++) {
		mk_put_map(&s->body, 2);
		mk_kv_str(&s->body, "source", s->origins[i].name);
		mk_kv_u64(&s->body, "seq", s->origins[i].contiguous);
	}
	if (mk_writer_end(&s->body) != MK_OK ||
	    s->host->publish(s->host, "storage/committed", s->body.data, (uint32_t)s->body.len,
			     0) != MK_OK)
		return; /* the next commit says the same, and more */
	for (uint32_t i = 0; i < s->origin_count; i++)
		s->origins[i].told = s->origins[i].contiguous;
}

static void
sink_commit(void *self)
{
	struct sink *s = self;
	bool is_news = false;

	if (s->count > 0 && (!numbers_write(s->fd, s->pending, s->count) || fdatasync(s->fd) == -1))
		abort();
	s->count = 0;
	s->host->ack(s->host, "durable/number", s->epoch, s->seq);
	for (uint32_t i = 0; i < s->origin_count; i++)
		is_news = is_news || s->origins[i].contiguous > s->origins[i].told;
	if (is_news)
		sink_tell(s);
}

static void
sink_on_timer(void *self, uint32_t id)
{
	(void)id;
	sink_commit(self);
}

static void
sink_on_msg(void *self, const mk_msg *msg)
{
	struct sink *s = self;
	struct record r = { .seq = msg->origin_seq };
	uint32_t i = 0;

	s->epoch = msg->epoch;
	if ((msg->flags & MK_MSG_GAP) != 0) {
		s->host->count(s->host, "gaps", 1);
		s->host->count(s->host, "lost", (int64_t)msg->lost);
		return;
	}
	s->seq = msg->seq;
	while (i < s->origin_count && strcmp(s->origins[i].name, msg->origin) != 0)
		i++;
	if (i == s->origin_count || (msg->flags & MK_MSG_DURABLE) == 0)
		abort();
	if (!origin_add(&s->origins[i], r.seq)) {
		s->host->count(s->host, "duplicates", 1);
		return;
	}
	if (mk_doc_open(&s->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK ||
	    !mk_get_u64(mk_find(mk_doc_root(&s->doc), "n"), &r.number))
		abort();
	mk_doc_close(&s->doc);
	r.note = msg->flags | (uint64_t)i << 32;
	s->pending[s->count++] = r;
	if (s->count == PENDING_MAX)
		sink_commit(s);
}

static const mk_topic sink_subscribes[] = {
	{ .name = "durable/number", .flags = MK_TOPIC_MANUAL_ACK, .help = "what is kept" },
	{ .name = NULL },
};

static const mk_topic sink_publishes[] = {
	{ .name = "storage/committed", .flags = MK_TOPIC_RELIABLE, .help = "what is on disk" },
	{ .name = NULL },
};

/* clang-format off */
static const mk_option sink_options[] = {
	{ .name = "origins", .type = MK_OPT_LIST, .max = ORIGINS_MAX, .dflt = "[source]",
	  .help = "instances that publish" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "durable-sink",
	.version = "1.0.0",
	.summary = "Keeps durable numbers on disk",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = sink_subscribes,
	.publishes = sink_publishes,
	.options = sink_options,
	.create = sink_create,
	.start = sink_start,
	.on_msg = sink_on_msg,
	.on_timer = sink_on_timer,
	.stop = sink_commit,
	.destroy = sink_destroy,
};
