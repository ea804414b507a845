/* SPDX-License-Identifier: MIT
 *
 * mbcap: which nodes can do multi-byte paths. Gathers evidence from every observation
 * (capability.h) and publishes what it means as snapshot/mbcap. Writes nothing: storage keeps it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feed/feed.h>

#include "snapshot.h"

#define RETRY_US 1000000u

enum { TIMER_FEED, TIMER_CYCLE };

struct plugin {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct hops_nodes nodes;
	struct mbcap mbcap;
	struct feed feed;
	struct mbcap_view shown;  /* what the bus has */
	struct mbcap_order order; /* of what was published or read last */
	bool has_base;            /* this instance has published one */
	bool due;                 /* a timer runs that will publish */
	uint64_t seen;            /* observations when it last did */
	int64_t day;              /* of the last publication: each day has one, for the trend */
	mk_writer body;
};

/* -------------------------------------------------------------- the feed -- */

static uint64_t
plugin_cursor(void *arg)
{
	return ((struct plugin *)arg)->mbcap.cursor;
}

static void
plugin_on_obs(void *arg, const struct hops_obs *o, bool again)
{
	if (!again)
		mbcap_take(&((struct plugin *)arg)->mbcap, o);
}

static void
plugin_on_passed(void *arg, uint64_t id)
{
	struct plugin *p = arg;

	p->mbcap.cursor = id > p->mbcap.cursor ? id : p->mbcap.cursor;
}

static void
plugin_on_snapshot(void *arg, const mk_val *body, bool delta)
{
	struct plugin *p = arg;
	mk_result rc = mbcap_read(&p->mbcap, &p->order, body, delta);
	char line[128];

	if (rc == MK_OK || rc == MK_EEXIST)
		return;
	p->host->count(p->host, "refused_snapshots", 1);
	snprintf(line, sizeof(line), "a stored snapshot is of no use reason=\"%s\"",
		 rc == MK_ESTATE ? "a delta is missing" : mk_result_text(rc));
	p->host->log(p->host, MK_LOG_WARN, line);
}

static void
plugin_on_other(void *arg)
{
	mbcap_clear(&((struct plugin *)arg)->mbcap);
}

static void
plugin_schedule(struct plugin *p, uint64_t after_us)
{
	if (!p->due)
		p->due = p->host->timer(p->host, TIMER_CYCLE, after_us, 0) == MK_OK;
}

static void
plugin_on_live(void *arg)
{
	plugin_schedule(arg, 0);
}

static const struct feed_calls feed_calls = {
	.cursor = plugin_cursor,
	.on_obs = plugin_on_obs,
	.on_passed = plugin_on_passed,
	.on_snapshot = plugin_on_snapshot,
	.on_other = plugin_on_other,
	.on_live = plugin_on_live,
};

/* ------------------------------------------------------------- the cycle -- */

static mk_result
plugin_publish(struct plugin *p, const struct mbcap_view *view)
{
	uint64_t wall_us = p->host->wall_us(p->host);
	bool base =
	    !p->has_base || p->order.n + 1 >= (uint64_t)p->host->opt_int(p->host, "base_every");
	struct mbcap_order order = { p->order.serial, p->order.n + 1 };
	mk_result rc;

	if (base) {
		order.serial = wall_us > p->order.serial ? wall_us : p->order.serial + 1;
		order.n = 0;
	}
	rc = mbcap_write(&p->body, &p->mbcap, view, base ? NULL : &p->shown, order,
			 (int64_t)(wall_us / 1000000));
	if (rc == MK_OK)
		rc = p->host->publish(p->host, "snapshot/mbcap", p->body.data,
				      (uint32_t)p->body.len, base ? 0 : MK_PUB_DELTA);
	if (rc != MK_OK)
		return rc;
	p->order = order;
	p->has_base = true;
	p->day = (int64_t)(wall_us / 1000000) / MBCAP_DAY_S;
	mbcap_settled(&p->mbcap);
	p->host->gauge(p->host, "body_bytes", (int64_t)p->body.len);
	return MK_OK;
}

static void
plugin_measure(const struct plugin *p, uint64_t took_us)
{
	const mk_host *h = p->host;
	int64_t sups[3] = { 0 };

	for (uint32_t i = 0; i < p->shown.count; i++) {
		if (p->shown.there[i])
			sups[p->shown.at[i].sup]++;
	}
	h->gauge(h, "confirmed", sups[MBCAP_CONFIRMED]);
	h->gauge(h, "suspected", sups[MBCAP_SUSPECTED]);
	h->gauge(h, "unknown", sups[MBCAP_UNKNOWN]);
	h->gauge(h, "prefixes", p->mbcap.token_count);
	h->gauge(h, "observations", (int64_t)p->mbcap.observations);
	h->gauge(h, "refused", (int64_t)(p->mbcap.refused + p->nodes.ids.refused));
	h->gauge(h, "malformed", (int64_t)p->feed.counts.malformed);
	h->gauge(h, "readings", (int64_t)p->feed.counts.readings);
	h->gauge(h, "cursor", (int64_t)p->mbcap.cursor);
	h->gauge(h, "memory_bytes", (int64_t)mbcap_memory(&p->mbcap));
	h->gauge(h, "cycle_us", (int64_t)took_us);
}

static void
plugin_cycle(struct plugin *p)
{
	uint64_t began_us = p->host->now_us(p->host);
	int64_t now = (int64_t)(p->host->wall_us(p->host) / 1000000);
	struct mbcap_view view = { 0 };
	char line[128];
	mk_result rc;

	p->seen = p->mbcap.observations;
	mbcap_prune(&p->mbcap, now);
	rc = mbcap_view_make(&view, &p->mbcap, now);
	if (rc == MK_OK)
		mbcap_view_note(&view, &p->mbcap, now);
	if (rc == MK_OK &&
	    (!p->has_base || p->day != now / MBCAP_DAY_S || !mbcap_view_same(&view, &p->shown)))
		rc = plugin_publish(p, &view);
	if (rc == MK_OK) {
		mbcap_view_free(&p->shown);
		p->shown = view;
		plugin_measure(p, p->host->now_us(p->host) - began_us);
		plugin_schedule(p, (uint64_t)p->host->opt_int(p->host, "interval"));
		return;
	}
	mbcap_view_free(&view);
	p->host->count(p->host, "unpublished", 1);
	if (rc != MK_EAGAIN) {
		snprintf(line, sizeof(line), "cannot publish the capabilities reason=\"%s\"",
			 mk_result_text(rc));
		p->host->log(p->host, MK_LOG_ERROR, line);
	}
	plugin_schedule(p, rc == MK_EAGAIN ? RETRY_US
					   : (uint64_t)p->host->opt_int(p->host, "interval"));
}

/* ------------------------------------------------------------- callbacks -- */

static mk_result
plugin_create(const mk_host *host, void **self)
{
	struct plugin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return MK_ENOMEM;
	p->host = host;
	if (mbcap_init(&p->mbcap, &p->nodes, host->opt_int(host, "window") / 1000000) != MK_OK) {
		free(p);
		return MK_ENOMEM;
	}
	p->feed = (struct feed){ .host = host,
				 .nodes = &p->nodes,
				 .calls = &feed_calls,
				 .arg = p,
				 .snapshot = "snapshot/mbcap",
				 .timer = TIMER_FEED };
	feed_init(&p->feed);
	mk_writer_init(&p->body, 0);
	*self = p;
	return MK_OK;
}

static void
plugin_on_msg(void *self, const mk_msg *msg)
{
	feed_on_msg(&((struct plugin *)self)->feed, msg);
}

static void
plugin_on_timer(void *self, uint32_t id)
{
	struct plugin *p = self;

	if (id == TIMER_FEED) {
		feed_on_timer(&p->feed);
		return;
	}
	p->due = false;
	if (p->feed.state == FEED_LIVE)
		plugin_cycle(p);
}

/* mbcap/refresh: a cycle now. However often it is asked for meanwhile, it is one. */
static void
plugin_on_call(void *self, const mk_call *call)
{
	struct plugin *p = self;

	p->due = false;
	plugin_schedule(p, 0);
	p->host->reply(p->host, call->id, MK_OK, NULL, NULL, 0);
}

static mk_result
plugin_reconfigure(void *self)
{
	struct plugin *p = self;

	p->mbcap.window = p->host->opt_int(p->host, "window") / 1000000;
	return MK_OK;
}

static void
plugin_stop(void *self)
{
	struct plugin *p = self;

	if (p->feed.state == FEED_LIVE && p->mbcap.observations != p->seen)
		plugin_cycle(p);
	feed_stop(&p->feed);
}

static void
plugin_destroy(void *self)
{
	struct plugin *p = self;

	feed_fini(&p->feed);
	mbcap_fini(&p->mbcap);
	mbcap_view_free(&p->shown);
	hops_nodes_fini(&p->nodes);
	mk_writer_fini(&p->body);
	free(p);
}

/* clang-format off */
static const mk_topic subscribes[] = {
	FEED_TOPICS,
	{ .name = "snapshot/mbcap", .help = "the last one of an earlier run" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "snapshot/mbcap", .help = "who can do multi-byte paths",
	  .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED, .max_body = MK_BODY_MAX },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "mbcap/refresh", .help = "judge and publish the capabilities now" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "storage.read", NULL };

static const mk_option options[] = {
	{ .name = "interval", .help = "publish what changed this often", .type = MK_OPT_DURATION,
	  .min = 100000, .max = 3600000000, .dflt = "60s", .flags = MK_OPT_LIVE },
	{ .name = "base_every", .help = "of so many publications one is complete",
	  .type = MK_OPT_INT, .min = 1, .max = 200, .dflt = "10", .flags = MK_OPT_LIVE },
	{ .name = "window", .help = "how long evidence counts", .type = MK_OPT_DURATION,
	  .min = 60000000, .max = 31536000000000, .dflt = "7d", .flags = MK_OPT_LIVE },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "mbcap",
	.version = "1.0.0",
	.summary = "Finds out who can do multi-byte paths",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.capabilities = capabilities,
	.create = plugin_create,
	.on_msg = plugin_on_msg,
	.on_call = plugin_on_call,
	.on_timer = plugin_on_timer,
	.reconfigure = plugin_reconfigure,
	.stop = plugin_stop,
	.destroy = plugin_destroy,
};
