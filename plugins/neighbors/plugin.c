/* SPDX-License-Identifier: MIT
 *
 * neighbors: who hears whom. Gathers evidence from every observation (links.h), makes the graph of it
 * (solve.h), and publishes that as snapshot/neighbors. Writes nothing: storage keeps the snapshot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <feed/feed.h>

#include "snapshot.h"

#define RETRY_US 1000000u

enum { TIMER_FEED, TIMER_CYCLE };

struct neighbors {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct hops_nodes nodes;
	struct links links;
	struct feed feed;
	struct hops_graph graphs[2]; /* what was shown last, and the next one */
	int shown;                   /* which of them */
	struct snapshot_order order; /* of what was published or read last */
	bool has_base;               /* this instance has published one */
	bool due;                    /* a timer runs that will publish */
	uint64_t settled;            /* nodes.changes when the last graph was made */
	uint64_t seen;               /* observations by then */
	mk_writer body;
};

/* -------------------------------------------------------------- the feed -- */

static uint64_t
neighbors_cursor(void *arg)
{
	return ((struct neighbors *)arg)->links.cursor;
}

static void
neighbors_on_obs(void *arg, const struct hops_obs *o, bool again)
{
	links_take(&((struct neighbors *)arg)->links, o, again);
}

static void
neighbors_on_passed(void *arg, uint64_t id)
{
	struct neighbors *n = arg;

	n->links.cursor = id > n->links.cursor ? id : n->links.cursor;
}

static void
neighbors_on_snapshot(void *arg, const mk_val *body, bool delta)
{
	struct neighbors *n = arg;
	mk_result rc = snapshot_read(&n->links, &n->order, body, delta);
	char line[128];

	if (rc == MK_OK || rc == MK_EEXIST)
		return;
	n->host->count(n->host, "refused_snapshots", 1);
	snprintf(line, sizeof(line), "a stored snapshot is of no use reason=\"%s\"",
		 rc == MK_ESTATE ? "a delta is missing" : mk_result_text(rc));
	n->host->log(n->host, MK_LOG_WARN, line);
}

static void
neighbors_on_other(void *arg)
{
	links_clear(&((struct neighbors *)arg)->links);
}

static void
neighbors_schedule(struct neighbors *n, uint64_t after_us)
{
	if (!n->due)
		n->due = n->host->timer(n->host, TIMER_CYCLE, after_us, 0) == MK_OK;
}

static void
neighbors_on_live(void *arg)
{
	neighbors_schedule(arg, 0);
}

static const struct feed_calls feed_calls = {
	.cursor = neighbors_cursor,
	.on_obs = neighbors_on_obs,
	.on_passed = neighbors_on_passed,
	.on_snapshot = neighbors_on_snapshot,
	.on_other = neighbors_on_other,
	.on_live = neighbors_on_live,
};

/* ------------------------------------------------------------- the cycle -- */

static int64_t
neighbors_now(const struct neighbors *n)
{
	return (int64_t)(n->host->wall_us(n->host) / 1000000);
}

static void
neighbors_measure(struct neighbors *n, const struct solve_report *r, uint64_t took_us)
{
	const struct hops_graph *g = &n->graphs[n->shown];
	const struct links_counts *c = &n->links.counts;
	const mk_host *h = n->host;

	h->gauge(h, "links", n->links.count);
	h->gauge(h, "edges", g->count - g->open);
	h->gauge(h, "open_ends", g->open);
	h->gauge(h, "too_far", (int64_t)g->too_far);
	h->gauge(h, "by_likelihood", r->by_likelihood);
	h->gauge(h, "by_neighbors", r->by_neighbors);
	h->gauge(h, "pairs", r->pairs);
	h->gauge(h, "observations", (int64_t)c->observations);
	h->gauge(h, "barren", (int64_t)c->barren);
	h->gauge(h, "refused", (int64_t)(c->refused + n->nodes.ids.refused));
	h->gauge(h, "crowded", (int64_t)c->crowded);
	h->gauge(h, "malformed", (int64_t)n->feed.counts.malformed);
	h->gauge(h, "readings", (int64_t)n->feed.counts.readings);
	h->gauge(h, "cursor", (int64_t)n->links.cursor);
	h->gauge(h, "memory_bytes",
		 (int64_t)(links_memory(&n->links) + hops_graph_memory(g) +
			   hops_nodes_memory(&n->nodes) + n->body.cap));
	h->gauge(h, "cycle_us", (int64_t)took_us);
}

/* What was not taken is in the next one: `shown` is only what the bus has. */
static mk_result
neighbors_publish(struct neighbors *n, const struct hops_graph *graph)
{
	uint64_t wall_us = n->host->wall_us(n->host);
	bool base =
	    !n->has_base || n->order.n + 1 >= (uint64_t)n->host->opt_int(n->host, "base_every");
	struct snapshot_input in = {
		.links = &n->links,
		.graph = graph,
		.shown = base ? NULL : &n->graphs[n->shown],
		.order = { n->order.serial, n->order.n + 1 },
		.at = (int64_t)(wall_us / 1000000),
	};
	mk_result rc;

	if (base) {
		in.order.serial = wall_us > n->order.serial ? wall_us : n->order.serial + 1;
		in.order.n = 0;
	}
	rc = snapshot_write(&n->body, &in);
	if (rc == MK_OK)
		rc = n->host->publish(n->host, "snapshot/neighbors", n->body.data,
				      (uint32_t)n->body.len, base ? 0 : MK_PUB_DELTA);
	if (rc != MK_OK)
		return rc;
	n->order = in.order;
	n->has_base = true;
	links_settled(&n->links);
	n->host->gauge(n->host, "body_bytes", (int64_t)n->body.len);
	mk_writer_fini(&n->body); /* megabytes of a base */
	return MK_OK;
}

static void
neighbors_cycle(struct neighbors *n)
{
	struct solve_options options = { .max_km = n->host->opt_float(n->host, "max_km"),
					 .least = (uint64_t)n->host->opt_int(n->host, "sightings"),
					 .now = neighbors_now(n) };
	uint64_t began_us = n->host->now_us(n->host);
	struct hops_graph *next = &n->graphs[!n->shown];
	struct solve_report report;
	char line[128];
	mk_result rc;

	links_prune(&n->links, options.now);
	n->settled = n->nodes.changes;
	n->seen = n->links.counts.observations;
	rc = solve_graph(next, &n->links, &options, &report);
	if (rc == MK_OK && n->has_base && snapshot_is_same(next, &n->graphs[n->shown])) {
		hops_graph_fini(next);
		goto out;
	}
	if (rc == MK_OK)
		rc = neighbors_publish(n, next);
	if (rc == MK_OK) {
		hops_graph_fini(&n->graphs[n->shown]);
		n->shown = !n->shown;
		goto out;
	}
	hops_graph_fini(next);
	n->host->count(n->host, "unpublished", 1);
	n->has_base = n->has_base && rc == MK_EAGAIN; /* a delta too large is told as a base */
	if (rc != MK_EAGAIN) {
		snprintf(line, sizeof(line), "cannot publish the graph reason=\"%s\"",
			 mk_result_text(rc));
		n->host->log(n->host, MK_LOG_ERROR, line);
	}
	neighbors_schedule(n, rc == MK_EAGAIN ? RETRY_US
					      : (uint64_t)n->host->opt_int(n->host, "interval"));
	return;
out:
	neighbors_measure(n, &report, n->host->now_us(n->host) - began_us);
	neighbors_schedule(n, (uint64_t)n->host->opt_int(n->host, "interval"));
}

/* ------------------------------------------------------------- callbacks -- */

static void
neighbors_configure(struct neighbors *n)
{
	n->links.max_age = n->host->opt_int(n->host, "max_age") / 1000000;
	n->links.max = (uint32_t)n->host->opt_int(n->host, "max_links");
}

static mk_result
neighbors_create(const mk_host *host, void **self)
{
	struct neighbors *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return MK_ENOMEM;
	n->host = host;
	if (links_init(&n->links, &n->nodes, 0, 0) != MK_OK) {
		free(n);
		return MK_ENOMEM;
	}
	neighbors_configure(n);
	n->feed = (struct feed){ .host = host,
				 .nodes = &n->nodes,
				 .calls = &feed_calls,
				 .arg = n,
				 .snapshot = "snapshot/neighbors",
				 .window = LINKS_WINDOW,
				 .timer = TIMER_FEED };
	feed_init(&n->feed);
	mk_writer_init(&n->body, 0);
	*self = n;
	return MK_OK;
}

static void
neighbors_on_msg(void *self, const mk_msg *msg)
{
	feed_on_msg(&((struct neighbors *)self)->feed, msg);
}

static void
neighbors_on_timer(void *self, uint32_t id)
{
	struct neighbors *n = self;

	if (id == TIMER_FEED) {
		feed_on_timer(&n->feed);
		return;
	}
	n->due = false;
	if (n->feed.state == FEED_LIVE)
		neighbors_cycle(n);
}

/* neighbors/refresh: a cycle now. However often it is asked for meanwhile, it is one. */
static void
neighbors_on_call(void *self, const mk_call *call)
{
	struct neighbors *n = self;

	n->due = false;
	neighbors_schedule(n, 0);
	n->host->reply(n->host, call->id, MK_OK, NULL, NULL, 0);
}

static mk_result
neighbors_reconfigure(void *self)
{
	neighbors_configure(self);
	return MK_OK;
}

/* The last words, unless everything is said, or not everything is known. */
static void
neighbors_stop(void *self)
{
	struct neighbors *n = self;
	bool news = n->links.counts.observations != n->seen || n->nodes.changes != n->settled;

	if (n->feed.state == FEED_LIVE && news)
		neighbors_cycle(n);
	feed_stop(&n->feed);
}

static void
neighbors_destroy(void *self)
{
	struct neighbors *n = self;

	feed_fini(&n->feed);
	links_fini(&n->links);
	hops_nodes_fini(&n->nodes);
	hops_graph_fini(&n->graphs[0]);
	hops_graph_fini(&n->graphs[1]);
	mk_writer_fini(&n->body);
	free(n);
}

/* clang-format off */
static const mk_topic subscribes[] = {
	FEED_TOPICS,
	{ .name = "snapshot/neighbors", .help = "the last one of an earlier run" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "snapshot/neighbors", .help = "who hears whom",
	  .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED, .max_body = MK_BODY_MAX },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "neighbors/refresh", .help = "make and publish the graph now" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "storage.read", NULL };

static const mk_option options[] = {
	{ .name = "interval", .help = "publish what changed this often", .type = MK_OPT_DURATION,
	  .min = 100000, .max = 3600000000, .dflt = "60s", .flags = MK_OPT_LIVE },
	{ .name = "base_every", .help = "of so many publications one is complete",
	  .type = MK_OPT_INT, .min = 1, .max = 200, .dflt = "10", .flags = MK_OPT_LIVE },
	{ .name = "max_age", .help = "forget links that nobody has seen for this long",
	  .type = MK_OPT_DURATION, .min = 60000000, .max = 31536000000000, .dflt = "5d",
	  .flags = MK_OPT_LIVE },
	{ .name = "max_km", .help = "no link is longer; 0 is 500, negative is off",
	  .type = MK_OPT_FLOAT, .min = -1, .max = 20000, .dflt = "500", .flags = MK_OPT_LIVE },
	{ .name = "sightings", .help = "packets that decide an ambiguous hop where distances do not",
	  .type = MK_OPT_INT, .min = 1, .max = 1000, .dflt = "3", .flags = MK_OPT_LIVE },
	{ .name = "max_links", .help = "kinds of evidence that are kept; more are refused",
	  .type = MK_OPT_INT, .min = 1000, .max = 4000000, .dflt = "200000", .flags = MK_OPT_LIVE },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "neighbors",
	.version = "1.0.0",
	.summary = "Finds out who hears whom",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.capabilities = capabilities,
	.create = neighbors_create,
	.on_msg = neighbors_on_msg,
	.on_call = neighbors_on_call,
	.on_timer = neighbors_on_timer,
	.reconfigure = neighbors_reconfigure,
	.stop = neighbors_stop,
	.destroy = neighbors_destroy,
};
