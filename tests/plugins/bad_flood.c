/* SPDX-License-Identifier: MIT
 *
 * Publishes, logs or sets numbers as fast as it can, and never heeds that the bus is busy.
 */
#include "bad.h"

#include <stdio.h>

#define EVERY_US 1000
#define AT_ONCE 4096
#define BODY 1024

static mk_result
start(void *self)
{
	struct bad *b = self;

	return b->host->timer(b->host, 1, EVERY_US, EVERY_US);
}

static void
flood_publish(struct bad *b)
{
	static const uint8_t ballast[BODY];
	uint64_t refused = 0;
	mk_writer w;

	mk_writer_init(&w, 0);
	for (int i = 0; i < AT_ONCE; i++) {
		mk_writer_reset(&w);
		mk_put_map(&w, 2);
		mk_kv_u64(&w, "number", b->count + 1);
		mk_kv_bin(&w, "ballast", ballast, sizeof(ballast));
		if (b->host->publish(b->host, "bad/flood", w.data, (uint32_t)w.len, 0) == MK_OK)
			b->count++;
		else
			refused++;
	}
	mk_writer_fini(&w);
	b->host->count(b->host, "refused", (int64_t)refused);
}

static void
on_timer(void *self, uint32_t id)
{
	struct bad *b = self;

	(void)id;
	if (bad_is(b->host, "bus"))
		flood_publish(b);
	for (int i = 0; i < AT_ONCE && bad_is(b->host, "log"); i++)
		b->host->log(b->host, MK_LOG_WARN, "look at me");
	for (int i = 0; i < AT_ONCE && bad_is(b->host, "output"); i++)
		(void)fputs("look at me\n", stderr);
	for (int i = 0; i < AT_ONCE && bad_is(b->host, "numbers"); i++)
		b->host->gauge(b->host, "number", i);
}

static void
stop(void *self)
{
	struct bad *b = self;
	char line[64];

	(void)snprintf(line, sizeof(line), "accepted=%llu", (unsigned long long)b->count);
	b->host->log(b->host, MK_LOG_INFO, line);
}

static const mk_topic publishes[] = { { .name = "bad/flood", .flags = MK_TOPIC_RELIABLE },
				      { .name = NULL } };
static const char *const places[] = { "bus", "log", "output", "numbers", NULL };
static const mk_option options[] = {
	{ .name = "where", .type = MK_OPT_ENUM, .choices = places, .dflt = "bus" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,       BAD_ABOUT("bad-flood"), .publishes = publishes,
	.options = options,   .create = bad_create,   .start = start,
	.on_timer = on_timer, .stop = stop,           .destroy = free,
};
