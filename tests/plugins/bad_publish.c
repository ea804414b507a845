/* SPDX-License-Identifier: MIT
 *
 * Tries to publish what it may not, once it has started, and then publishes what it was told each
 * time: bad/results {CASE: mk_result}.
 */
#include "bad.h"

#define LIMIT 1000 /* bytes of bad/small */

struct attempt {
	const char *name, *topic;
	const void *body;
	uint32_t len;
};

#define BODY(s) (s), sizeof(s) - 1

static uint8_t deep[201]; /* {"a": {"a": ... */
static uint8_t large[LIMIT + 1];

static const struct attempt attempts[] = {
	{ "undeclared", "bad/other", BODY("\x80") },
	{ "of-another", "pulse/beat", BODY("\x80") },
	{ "of-the-core", "core/plugins", BODY("\x80") },
	{ "below", "bad/small/er", BODY("\x80") },
	{ "no-name", "", BODY("\x80") },
	{ "no-text", "bad/\xff\n", BODY("\x80") },
	{ "depth", "bad/small", deep, sizeof(deep) },
	{ "array-count", "bad/small", BODY("\x81\xa1k\xdd\xff\xff\xff\xff") },
	{ "map-count", "bad/small", BODY("\xdf\xff\xff\xff\xff") },
	{ "string-length", "bad/small", BODY("\x81\xa1k\xdb\xff\xff\xff\xff") },
	{ "bin-length", "bad/small", BODY("\x81\xa1k\xc6\xff\xff\xff\xff") },
	{ "trailing", "bad/small", BODY("\x80\xc0") },
	{ "truncated", "bad/small", BODY("\x81\xa1k") },
	{ "nothing", "bad/small", NULL, 0 },
	{ "no-map", "bad/small", BODY("\x90") },
	{ "doubled-key", "bad/small", BODY("\x82\xa1k\x01\xa1k\x02") },
	{ "no-utf8", "bad/small", BODY("\x81\xa1k\xa1\xff") },
	{ "too-large", "bad/small", large, sizeof(large) },
};

static mk_result
start(void *self)
{
	struct bad *b = self;

	for (size_t i = 0; i + 3 <= sizeof(deep); i += 3)
		memcpy(deep + i, "\x81\xa1k", 3);
	memcpy(large, "\x81\xa1k\xc5\x03\xe3", 6); /* bin 16 that fills it */
	return b->host->timer(b->host, 1, 0, 0);
}

static void
on_timer(void *self, uint32_t id)
{
	const mk_host *h = ((struct bad *)self)->host;
	size_t count = sizeof(attempts) / sizeof(attempts[0]);
	mk_writer w;

	(void)id;
	mk_writer_init(&w, 0);
	mk_put_map(&w, (uint32_t)count);
	for (const struct attempt *a = attempts; a < attempts + count; a++)
		mk_kv_i64(&w, a->name, h->publish(h, a->topic, a->body, a->len, 0));
	if (mk_writer_end(&w) == MK_OK)
		h->publish(h, "bad/results", w.data, (uint32_t)w.len, 0);
	mk_writer_fini(&w);
}

static const mk_topic publishes[] = {
	{ .name = "bad/small", .flags = MK_TOPIC_RELIABLE, .max_body = LIMIT },
	{ .name = "bad/results", .flags = MK_TOPIC_RELIABLE },
	{ .name = NULL }
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD, BAD_ABOUT("bad-publish"), .publishes = publishes, .create = bad_create,
	.start = start, .on_timer = on_timer,     .destroy = free,
};
