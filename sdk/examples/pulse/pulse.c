/* SPDX-License-Identifier: MIT
 *
 * pulse publishes numbered beats. The example to read first; README.md says
 * what it shows.
 */
#include <stdlib.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#define BATCH_MAX 100       /* items in a message */
#define FILL_MAX 8192       /* bytes of `fill` in an item */
#define BEAT_MAX (1u << 20) /* bytes of a message: enough for the above */
#define BURST_MAX 1000      /* messages that one call may ask for */
#define STATE_EVERY 10      /* messages between two states */
#define RETRY_US 50000      /* when the bus was busy */

enum { TIMER_BEAT = 1, TIMER_RETRY = 2 };

/* All state is here: there may be several instances in one process. */
struct pulse {
	const mk_host *host; /* borrowed, valid until destroy() */
	mk_writer beat;      /* the message under way */
	uint32_t waiting;    /* items in `beat` if it was refused, else 0 */
	uint64_t sent;       /* messages */
	uint64_t number;     /* items */
	uint32_t batch;      /* items in a message */
	uint32_t fill;       /* bytes in an item */
	uint8_t zeros[FILL_MAX];
};

static mk_result
pulse_create(const mk_host *host, void **self)
{
	struct pulse *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return MK_ENOMEM;
	p->host = host;
	mk_writer_init(&p->beat, BEAT_MAX);
	*self = p;
	return MK_OK;
}

static void
pulse_destroy(void *self)
{
	struct pulse *p = self;

	mk_writer_fini(&p->beat);
	free(p);
}

/* What a newcomer gets at once, and as stop() the last words. If the bus is
 * busy it is left out: the next state says the same, and more. */
static void
pulse_publish_state(void *self)
{
	struct pulse *p = self;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 2);
	mk_kv_u64(&w, "messages", p->sent);
	mk_kv_u64(&w, "number", p->number);
	if (mk_writer_end(&w) == MK_OK)
		p->host->publish(p->host, "pulse/state", w.data, (uint32_t)w.len, 0);
	mk_writer_fini(&w);
}

/* Batches, {"items": [...]}, are much cheaper than single messages. */
static mk_result
pulse_write(struct pulse *p)
{
	mk_writer *w = &p->beat;

	mk_writer_reset(w);
	mk_put_map(w, 1);
	mk_kv_array(w, "items", p->batch);
	for (uint32_t i = 1; i <= p->batch; i++) {
		mk_put_map(w, 3);
		mk_kv_u64(w, "number", p->number + i);
		mk_kv_u64(w, "time_us", p->host->wall_us(p->host));
		mk_kv_bin(w, "fill", p->zeros, p->fill);
	}
	return mk_writer_end(w); /* one check for all of the above */
}

/* The next message, or the one that waits. A number is used up only when the
 * bus has taken it, so that readers never see a hole that is none. */
static mk_result
pulse_send(struct pulse *p)
{
	uint32_t items = p->waiting > 0 ? p->waiting : p->batch;
	mk_result r = p->waiting > 0 ? MK_OK : pulse_write(p);

	if (r == MK_OK)
		r = p->host->publish(p->host, "pulse/beat", p->beat.data, (uint32_t)p->beat.len, 0);
	p->waiting = r == MK_EAGAIN ? items : 0;
	if (r == MK_EAGAIN)
		p->host->timer(p->host, TIMER_RETRY, RETRY_US, 0);
	if (r != MK_OK)
		return r; /* if out of memory, the next beat tries again */
	p->number += items;
	p->host->count(p->host, "items", items);
	if (p->sent++ % STATE_EVERY == 0)
		pulse_publish_state(p);
	return MK_OK;
}

/* Also reconfigure(): setting the timer again replaces it. */
static mk_result
pulse_start(void *self)
{
	struct pulse *p = self;
	uint64_t interval_us = (uint64_t)p->host->opt_int(p->host, "interval");

	p->batch = (uint32_t)p->host->opt_int(p->host, "batch");
	p->fill = (uint32_t)p->host->opt_int(p->host, "body_size");
	return p->host->timer(p->host, TIMER_BEAT, interval_us, interval_us);
}

static void
pulse_on_timer(void *self, uint32_t id)
{
	struct pulse *p = self;

	if (id == TIMER_BEAT && p->waiting > 0)
		p->host->count(p->host, "skipped", 1); /* rather than a queue */
	else if (id == TIMER_BEAT || p->waiting > 0)
		pulse_send(p);
}

/* pulse/burst {"count": n} -> {"sent": n}, fewer if the bus is busy. */
static void
pulse_on_call(void *self, const mk_call *call)
{
	struct pulse *p = self;
	uint32_t count = 0, sent = 0;
	mk_writer w;
	mk_doc doc;
	mk_result r;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, call->body, call->body_len, NULL, NULL, 0) == MK_OK)
		mk_get_u32(mk_find(mk_doc_root(&doc), "count"), &count);
	mk_doc_fini(&doc);
	if (count == 0 || count > BURST_MAX) {
		p->host->reply(p->host, call->id, MK_EINVAL, "count: expected 1 to 1000", NULL, 0);
		return;
	}
	while (sent < count && pulse_send(p) == MK_OK)
		sent++;
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_u64(&w, "sent", sent);
	r = mk_writer_end(&w);
	p->host->reply(p->host, call->id, r, NULL, r ? NULL : w.data, r ? 0 : (uint32_t)w.len);
	mk_writer_fini(&w);
}

static const mk_topic publishes[] = {
	{ .name = "pulse/beat", .flags = MK_TOPIC_RELIABLE, .max_body = BEAT_MAX, .help = "beats" },
	{ .name = "pulse/state", .flags = MK_TOPIC_RETAINED, .help = "how far it is" },
	{ .name = NULL },
};

static const mk_method methods[] = { { "pulse/burst", "publish messages" }, { NULL, NULL } };

/* clang-format off */
static const mk_option options[] = { /* the host checks values against it */
	{ .name = "interval", .help = "time between two messages", .flags = MK_OPT_LIVE,
	  .type = MK_OPT_DURATION, .min = 1000, .max = 86400000000, .dflt = "1s" },
	{ .name = "batch", .help = "items in a message", .flags = MK_OPT_LIVE,
	  .type = MK_OPT_INT, .min = 1, .max = BATCH_MAX, .dflt = "1" },
	{ .name = "body_size", .help = "bytes of ballast in an item", .flags = MK_OPT_LIVE,
	  .type = MK_OPT_SIZE, .min = 0, .max = FILL_MAX, .dflt = "16B" },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "pulse",
	.version = "1.0.0",
	.summary = "Publishes numbered beats",
	.license = "MIT",
	.author = "The meshkern authors",
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.create = pulse_create,
	.start = pulse_start,
	.on_call = pulse_on_call,
	.on_timer = pulse_on_timer,
	.reconfigure = pulse_start,
	.stop = pulse_publish_state,
	.destroy = pulse_destroy,
};
