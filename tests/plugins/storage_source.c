/* SPDX-License-Identifier: MIT
 *
 * Hears packets that nobody sent: `limit` messages on rx/raw with `items` packets each, every one
 * another. Number n of them comes from observer n modulo 7. Its snapshot says how many there were.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#define EVERY_US 10000u
#define AT_US UINT64_C(1795244400000000)

struct source {
	const mk_host *host;
	mk_writer body;
	uint64_t messages, packets;
	uint64_t told; /* of them in the snapshot */
	bool based;
};

static mk_result
source_create(const mk_host *host, void **self)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = host;
	mk_writer_init(&s->body, 0);
	*self = s;
	return MK_OK;
}

static void
source_destroy(void *self)
{
	struct source *s = self;

	mk_writer_fini(&s->body);
	free(s);
}

static mk_result
source_start(void *self)
{
	struct source *s = self;

	return s->host->timer(s->host, 0, EVERY_US, EVERY_US);
}

static void
source_put(struct source *s, uint64_t n)
{
	/* A group text, flooded, without hops: channel, MAC, and 32 bytes that nobody can read. */
	uint8_t raw[37] = { 0x15, 0x00, 0x11, 0xaa, 0xbb };
	char observer[] = "OBSERVER-0";
	mk_writer *w = &s->body;

	memcpy(raw + 5, &n, sizeof(n));
	observer[9] = (char)('0' + n % 7);
	mk_put_map(w, 7);
	mk_kv_u64(w, "at", AT_US + n * 1000);
	mk_kv_str(w, "feed", "test");
	mk_kv_str(w, "region", "TST");
	mk_kv_str(w, "observer", observer);
	mk_kv_str(w, "name", observer);
	mk_kv_bin(w, "raw", raw, sizeof(raw));
	mk_kv_f64(w, "snr", 1.5);
}

static bool
source_hear(struct source *s, uint32_t items)
{
	mk_writer_reset(&s->body);
	mk_put_map(&s->body, 1);
	mk_kv_array(&s->body, "items", items);
	for (uint32_t i = 0; i < items; i++)
		source_put(s, s->packets + i);
	if (mk_writer_end(&s->body) != MK_OK)
		abort();
	if (s->host->publish(s->host, "rx/raw", s->body.data, (uint32_t)s->body.len, 0) != MK_OK)
		return false;
	s->messages++;
	s->packets += items;
	return true;
}

static void
source_on_timer(void *self, uint32_t id)
{
	struct source *s = self;
	const mk_host *h = s->host;
	uint64_t limit = (uint64_t)h->opt_int(h, "limit");

	(void)id;
	for (int64_t n = 0; n < h->opt_int(h, "burst") && s->messages < limit; n++)
		if (!source_hear(s, (uint32_t)h->opt_int(h, "items")))
			break;
	h->gauge(h, "packets", (int64_t)s->packets);
	if (s->based && s->told == s->packets)
		return;
	mk_writer_reset(&s->body);
	mk_put_map(&s->body, 1);
	mk_kv_u64(&s->body, "packets", s->packets);
	if (h->publish(h, "snapshot/source", s->body.data, (uint32_t)s->body.len,
		       s->based ? MK_PUB_DELTA : 0) != MK_OK)
		return;
	s->based = true;
	s->told = s->packets;
}

/* clang-format off */
static const mk_topic publishes[] = {
	{ .name = "rx/raw", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_DURABLE, .max_body = 1u << 20 },
	{ .name = "snapshot/source", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED,
	  .schema_min = 4, .schema_max = 4 },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "limit", .type = MK_OPT_INT, .max = 1000000000, .dflt = "0",
	  .help = "messages in all" },
	{ .name = "items", .type = MK_OPT_INT, .min = 1, .max = 5000, .dflt = "10",
	  .help = "packets of a message" },
	{ .name = "burst", .type = MK_OPT_INT, .min = 1, .max = 1000, .dflt = "4",
	  .help = "messages in a hundredth of a second" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "storage-source",
	.version = "1.0.0",
	.summary = "Hears packets that nobody sent",
	.publishes = publishes,
	.options = options,
	.create = source_create,
	.start = source_start,
	.on_timer = source_on_timer,
	.destroy = source_destroy,
};
