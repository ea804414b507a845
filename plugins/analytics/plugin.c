/* SPDX-License-Identifier: MIT
 *
 * analytics: what the history says, counted as it comes in and answered from the counts. The frame
 * (frame.h) keeps packets and who there is, modules count and answer. Writes nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "held.h"
#include "modules.h"

#define TICK_US 1000000u
#define TICKS_LONG 10u /* every tenth one is the modules' */
#define ANSWER_MAX (15u << 20)
#define HELD_US 15000000u /* an answer may wait so long for counts that are being made */
#define PREFIX "analytics/"

enum { TIMER_FEED, TIMER_TICK };

struct plugin {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct frame frame;
	struct feed feed;
	struct json json;
	mk_writer body;
	mk_doc doc;
	struct held held;
	bool steps; /* plugin_step is posted */
	bool made;  /* there is something that those who are held may have waited for */
	uint32_t ticks;
	uint64_t began_us; /* to read the history */
};

/* -------------------------------------------------------------- the feed -- */

static uint64_t
plugin_cursor(void *arg)
{
	return ((struct plugin *)arg)->frame.cursor;
}

static void
plugin_on_obs(void *arg, const struct hops_obs *o, bool again)
{
	if (!again)
		frame_on_obs(&((struct plugin *)arg)->frame, o);
}

static void
plugin_on_passed(void *arg, uint64_t id)
{
	struct plugin *p = arg;

	p->frame.cursor = id > p->frame.cursor ? id : p->frame.cursor;
}

/* There is none: reading the history takes about a second, and is exact. */
static void
plugin_on_snapshot(void *arg, const mk_val *body, bool delta)
{
	(void)arg;
	(void)body;
	(void)delta;
}

static void
plugin_on_other(void *arg)
{
	struct plugin *p = arg;

	if (frame_clear(&p->frame) != MK_OK)
		p->host->log(p->host, MK_LOG_ERROR, "out of memory, some answers are missing");
}

static void
plugin_on_people(void *arg)
{
	frame_on_people(&((struct plugin *)arg)->frame);
}

static void
plugin_on_person(void *arg, const struct history_person *person)
{
	frame_on_person(&((struct plugin *)arg)->frame, person);
}

static void
plugin_measure(struct plugin *p)
{
	const struct frame *f = &p->frame;
	const mk_host *h = p->host;

	h->gauge(h, "packets", f->packet_count);
	h->gauge(h, "observations", (int64_t)f->counts.observations);
	h->gauge(h, "observers", f->observer_count);
	h->gauge(h, "late", (int64_t)f->counts.late);
	h->gauge(h, "gone", (int64_t)f->counts.gone);
	h->gauge(h, "refused", (int64_t)(f->counts.refused + f->nodes.ids.refused));
	h->gauge(h, "malformed", (int64_t)p->feed.counts.malformed);
	h->gauge(h, "readings", (int64_t)p->feed.counts.readings);
	h->gauge(h, "cursor", (int64_t)f->cursor);
	h->gauge(h, "folds", (int64_t)f->counts.folds);
	h->gauge(h, "views", f->view_count);
	h->gauge(h, "views_made", (int64_t)f->counts.views_made);
	h->gauge(h, "held", p->held.count);
	h->gauge(h, "memory_bytes", (int64_t)frame_bytes(f));
}

static void
plugin_on_live(void *arg)
{
	struct plugin *p = arg;
	char line[128];

	frame_on_live(&p->frame);
	plugin_measure(p);
	snprintf(line, sizeof(line), "history is read packets=%u observations=%llu took_ms=%llu",
		 p->frame.packet_count, (unsigned long long)p->frame.counts.observations,
		 (unsigned long long)(p->host->now_us(p->host) - p->began_us) / 1000);
	p->host->log(p->host, MK_LOG_INFO, line);
}

static const struct feed_calls feed_calls = {
	.cursor = plugin_cursor,
	.on_obs = plugin_on_obs,
	.on_passed = plugin_on_passed,
	.on_snapshot = plugin_on_snapshot,
	.on_other = plugin_on_other,
	.on_live = plugin_on_live,
	.on_people = plugin_on_people,
	.on_person = plugin_on_person,
};

/* ------------------------------------------------------------- callbacks -- */

static mk_result
plugin_configure(struct plugin *p)
{
	const mk_host *h = p->host;
	struct frame *f = &p->frame;

	f->keep = h->opt_int(h, "keep") / 1000000;
	f->max_packets = (uint32_t)h->opt_int(h, "max_packets");
	f->view_bytes = (size_t)h->opt_int(h, "view_memory");
	f->count_copies = h->opt_int(h, "copies") == 0;
	f->lora = (struct lora){ .freq_hz = h->opt_int(h, "lora.freq_hz"),
				 .bw_khz = h->opt_float(h, "lora.bw_khz"),
				 .sf = (int)h->opt_int(h, "lora.sf"),
				 .cr = (int)h->opt_int(h, "lora.cr"),
				 .preamble = (int)h->opt_int(h, "lora.preamble") };
	return MK_OK;
}

static mk_result
plugin_create(const mk_host *host, void **self)
{
	struct plugin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return MK_ENOMEM;
	p->host = host;
	if (frame_init(&p->frame, host, analytics_modules) != MK_OK) {
		free(p);
		return MK_ENOMEM;
	}
	plugin_configure(p);
	p->feed = (struct feed){ .host = host,
				 .nodes = &p->frame.nodes,
				 .calls = &feed_calls,
				 .arg = p,
				 .snapshot = "snapshot/analytics",
				 .timer = TIMER_FEED,
				 .whole = true };
	feed_init(&p->feed);
	p->frame.database = p->feed.database;
	mk_writer_init(&p->body, 0);
	mk_doc_init(&p->doc);
	js_init(&p->json, ANSWER_MAX);
	*self = p;
	return MK_OK;
}

static mk_result
plugin_start(void *self)
{
	struct plugin *p = self;

	p->began_us = p->host->now_us(p->host);
	return p->host->timer(p->host, TIMER_TICK, TICK_US, TICK_US);
}

static void
plugin_on_other_snapshot(struct plugin *p, const mk_msg *msg)
{
	if ((msg->flags & MK_MSG_GAP) != 0)
		return; /* the next base repairs it */
	if (mk_doc_open(&p->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK)
		return;
	if (strcmp(msg->topic, "snapshot/mbcap") == 0)
		frame_on_capability(&p->frame, mk_doc_root(&p->doc),
				    (msg->flags & MK_MSG_DELTA) != 0);
	else
		frame_on_graph(&p->frame, mk_doc_root(&p->doc), (msg->flags & MK_MSG_DELTA) != 0);
	mk_doc_close(&p->doc);
}

static void
plugin_on_msg(void *self, const mk_msg *msg)
{
	struct plugin *p = self;

	if (strncmp(msg->topic, "snapshot/", 9) == 0)
		plugin_on_other_snapshot(p, msg);
	else
		feed_on_msg(&p->feed, msg);
}

static void
plugin_warming_up(struct json *j)
{
	js_object(j);
	js_kstr(j, "error", "analytics warming up");
	js_kint(j, "retry_after_s", 5);
	js_object_end(j);
}

static void
plugin_reply(struct plugin *p, uint64_t id, uint32_t status)
{
	if (status == 0 || p->json.failed) {
		p->host->reply(p->host, id, status == 0 ? MK_ENOENT : MK_ENOMEM,
			       status == 0 ? "nobody answers that" : "the answer is too large",
			       NULL, 0);
		return;
	}
	mk_writer_reset(&p->body);
	mk_put_map(&p->body, 2);
	mk_kv_u64(&p->body, "status", status);
	mk_put_str(&p->body, "json");
	mk_put_strn(&p->body, p->json.data, p->json.len);
	if (mk_writer_end(&p->body) == MK_OK)
		p->host->reply(p->host, id, MK_OK, NULL, p->body.data, (uint32_t)p->body.len);
	else
		p->host->reply(p->host, id, MK_ENOMEM, "the answer is too large", NULL, 0);
}

/* Arguments are a map, as docs/events.md says; the reply is {"status", "json"}. False: `patient`,
 * and it has to wait. */
static bool
plugin_answer(struct plugin *p, uint64_t id, const char *name, const void *body, uint32_t len,
	      bool patient)
{
	uint32_t status = FRAME_LATER;

	if (mk_doc_open(&p->doc, body, len, NULL, NULL, 0) != MK_OK) {
		p->host->reply(p->host, id, MK_EFORMAT, "no map of arguments", NULL, 0);
		return true;
	}
	js_reset(&p->json);
	if (p->frame.live)
		status =
		    frame_answer(&p->frame, name + strlen(PREFIX), mk_doc_root(&p->doc), &p->json);
	mk_doc_close(&p->doc);
	if (status == FRAME_LATER) {
		if (p->frame.live && patient)
			return false;
		plugin_warming_up(&p->json);
		status = 503;
	}
	plugin_reply(p, id, status);
	return true;
}

static bool
plugin_answer_held(void *arg, const struct held_call *call)
{
	struct plugin *p = arg;

	return plugin_answer(p, call->id, call->name, call->body, call->len,
			     p->host->now_us(p->host) < call->until_us);
}

static void plugin_go_on(struct plugin *p);

static void
plugin_step(void *arg)
{
	struct plugin *p = arg;

	p->steps = false;
	if (p->made)
		held_try(&p->held, plugin_answer_held, p);
	p->made = !p->made && (frame_step(&p->frame) || !frame_is_making(&p->frame));
	plugin_go_on(p);
}

/* What is to be made is made between other things: each step is posted anew. */
static void
plugin_go_on(struct plugin *p)
{
	if (!p->steps && (p->held.count > 0 || frame_is_making(&p->frame)))
		p->steps = p->host->post(p->host, plugin_step, p) == MK_OK;
}

static void
plugin_on_call(void *self, const mk_call *call)
{
	struct plugin *p = self;

	if (plugin_answer(p, call->id, call->name, call->body, call->body_len, true))
		return;
	if (!held_put(&p->held, call, p->host->now_us(p->host) + HELD_US))
		plugin_answer(p, call->id, call->name, call->body, call->body_len, false);
	plugin_go_on(p);
}

static void
plugin_on_timer(void *self, uint32_t id)
{
	struct plugin *p = self;

	if (id == TIMER_FEED) {
		feed_on_timer(&p->feed);
		return;
	}
	if (!p->frame.live)
		return;
	frame_flush(&p->frame);
	if (++p->ticks % TICKS_LONG == 0) {
		frame_on_tick(&p->frame, (int64_t)(p->host->wall_us(p->host) / 1000000));
		plugin_measure(p);
	}
	plugin_go_on(p);
}

static mk_result
plugin_reconfigure(void *self)
{
	return plugin_configure(self);
}

static void
plugin_stop(void *self)
{
	feed_stop(&((struct plugin *)self)->feed);
}

static void
plugin_destroy(void *self)
{
	struct plugin *p = self;

	feed_fini(&p->feed);
	held_fini(&p->held);
	frame_fini(&p->frame);
	mk_writer_fini(&p->body);
	mk_doc_fini(&p->doc);
	js_fini(&p->json);
	free(p);
}

/* clang-format off */
static const mk_topic subscribes[] = {
	FEED_TOPICS,
	{ .name = "snapshot/neighbors", .help = "who hears whom" },
	{ .name = "snapshot/mbcap", .help = "who can do multi-byte paths" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "snapshot/relays", .help = "what nodes do for others, and what they are worth",
	  .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED, .max_body = MK_BODY_MAX },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "analytics/rf", .help = "signals, sizes, types and times of packets" },
	{ .name = "analytics/topology", .help = "which hops packets take" },
	{ .name = "analytics/channels", .help = "how much is said where, by whom and when" },
	{ .name = "analytics/relay-airtime-share", .help = "which types of packets take the air" },
	{ .name = "analytics/hash-sizes", .help = "bytes of hops, of packets and of nodes" },
	{ .name = "analytics/hash-collisions", .help = "repeaters whose keys begin alike" },
	{ .name = "analytics/subpaths", .help = "runs of hops that packets take again and again" },
	{ .name = "analytics/subpaths-bulk", .help = "the same for several lengths" },
	{ .name = "analytics/subpath-detail", .help = "the packets that took one run of hops" },
	{ .name = "analytics/distance", .help = "how far apart hops are" },
	{ .name = "analytics/scope-stats", .help = "packets that are for one region only" },
	{ .name = "analytics/node", .help = "what a node had to do with, when, and how it was heard" },
	{ .name = "analytics/observer", .help = "what an observer received" },
	{ .name = "analytics/reach", .help = "who hears a relay, and whom it hears" },
	{ .name = "analytics/roles", .help = "how many nodes of each role, and their clocks" },
	{ .name = "analytics/node-clock-skew", .help = "the clock of a node, with evidence" },
	{ .name = "analytics/nodes-clock-skew", .help = "the clocks of all nodes" },
	{ .name = "analytics/observers-clock-skew", .help = "how far observers are behind others" },
	{ .name = "analytics/rx-coverage", .help = "where phones heard whom, as cells of a map" },
	{ .name = "analytics/node-rx-coverage", .help = "where phones heard a node" },
	{ .name = "analytics/rx-leaderboard", .help = "the phones that have been to most places" },
	{ .name = "analytics/damaged-copies", .help = "packets that are others with wrong bits" },
	{ .name = NULL },
};

static const char *const capabilities[] = { "storage.read", NULL };

static const mk_option lora_options[] = {
	{ .name = "freq_hz", .help = "centre frequency, for display", .type = MK_OPT_INT,
	  .min = 1, .max = 10000000000, .dflt = "869600000", .flags = MK_OPT_LIVE },
	{ .name = "bw_khz", .help = "bandwidth", .type = MK_OPT_FLOAT,
	  .min = 1, .max = 1000, .dflt = "62.5", .flags = MK_OPT_LIVE },
	{ .name = "sf", .help = "spreading factor", .type = MK_OPT_INT,
	  .min = 6, .max = 12, .dflt = "8", .flags = MK_OPT_LIVE },
	{ .name = "cr", .help = "coding rate, 5 for 4/5", .type = MK_OPT_INT,
	  .min = 5, .max = 8, .dflt = "5", .flags = MK_OPT_LIVE },
	{ .name = "preamble", .help = "symbols of the preamble", .type = MK_OPT_INT,
	  .min = 1, .max = 1024, .dflt = "32", .flags = MK_OPT_LIVE },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "keep", .help = "packets that were heard so long before the newest one are forgotten",
	  .type = MK_OPT_DURATION, .min = 3600000000, .max = 31536000000000, .dflt = "30d",
	  .flags = MK_OPT_LIVE },
	{ .name = "max_packets", .help = "more are not kept, the oldest go first",
	  .type = MK_OPT_INT, .min = 1000, .max = 10000000, .dflt = "1000000", .flags = MK_OPT_LIVE },
	{ .name = "view_memory", .help = "for counts of what is asked for, with filters and without",
	  .type = MK_OPT_SIZE, .min = 1048576, .max = 1073741824, .dflt = "12MiB",
	  .flags = MK_OPT_LIVE },
	{ .name = "copies", .help = "look for damaged copies; without, they count as packets",
	  .type = MK_OPT_BOOL, .dflt = "true" },
	{ .name = "lora", .help = "the radios' settings, for the time on air",
	  .type = MK_OPT_GROUP, .sub = lora_options },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "analytics",
	.version = "1.0.0",
	.summary = "Counts what the mesh does",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.capabilities = capabilities,
	.create = plugin_create,
	.start = plugin_start,
	.on_msg = plugin_on_msg,
	.on_call = plugin_on_call,
	.on_timer = plugin_on_timer,
	.reconfigure = plugin_reconfigure,
	.stop = plugin_stop,
	.destroy = plugin_destroy,
};
