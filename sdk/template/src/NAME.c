/* SPDX-License-Identifier: MIT
 *
 * @NAME@ counts what comes on @IN@ and publishes the sums on @OUT@. Replace
 * the counting by what your plugin is for; the rest can stay.
 */
#include <stdbool.h>
#include <stdlib.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

enum { TIMER_PUBLISH = 1 };

struct plugin {
	const mk_host *host; /* borrowed, valid until destroy() */
	mk_doc doc;          /* the message being read */
	mk_writer body;      /* the message being written */
	uint64_t messages, items, lost;
	bool changed; /* since the last publication */
};

static mk_result
plugin_create(const mk_host *host, void **self)
{
	struct plugin *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return MK_ENOMEM;
	p->host = host;
	mk_doc_init(&p->doc);
	mk_writer_init(&p->body, 0);
	*self = p;
	return MK_OK;
}

static void
plugin_destroy(void *self)
{
	struct plugin *p = self;

	mk_doc_fini(&p->doc);
	mk_writer_fini(&p->body);
	free(p);
}

/* Also reconfigure(): setting a timer again replaces it. */
static mk_result
plugin_start(void *self)
{
	struct plugin *p = self;
	uint64_t interval_us = (uint64_t)p->host->opt_int(p->host, "interval");

	return p->host->timer(p->host, TIMER_PUBLISH, interval_us, interval_us);
}

static void
plugin_on_msg(void *self, const mk_msg *msg)
{
	struct plugin *p = self;
	const mk_val *items;

	p->changed = true;
	if ((msg->flags & MK_MSG_GAP) != 0) { /* has no body */
		p->lost += msg->lost;
		return;
	}
	if (mk_doc_open(&p->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK)
		return; /* the bus has checked it: memory is out */
	items = mk_find(mk_doc_root(&p->doc), "items");
	p->items += items != NULL ? mk_count(items) : 1;
	p->messages++;
	mk_doc_close(&p->doc);
}

static void
plugin_publish(struct plugin *p)
{
	mk_writer *w = &p->body;
	mk_result r;

	if (!p->changed)
		return;
	mk_writer_reset(w);
	mk_put_map(w, 3);
	mk_kv_u64(w, "messages", p->messages);
	mk_kv_u64(w, "items", p->items);
	mk_kv_u64(w, "lost", p->lost);
	r = mk_writer_end(w); /* one check for all of the above */
	if (r == MK_OK)
		r = p->host->publish(p->host, "@OUT@", w->data, (uint32_t)w->len, 0);
	/* A busy bus (MK_EAGAIN) has not taken it: the next timer tries again. */
	p->changed = r != MK_OK;
}

static void
plugin_on_timer(void *self, uint32_t id)
{
	(void)id; /* there is only one */
	plugin_publish(self);
}

static void
plugin_stop(void *self)
{
	plugin_publish(self); /* the last words */
}

static const mk_topic subscribes[] = {
	{ .name = "@IN@", .help = "what is counted" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "@OUT@", .flags = MK_TOPIC_RETAINED, .help = "the sums" },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "interval",
	  .type = MK_OPT_DURATION,
	  .flags = MK_OPT_LIVE,
	  .dflt = "5s",
	  .min = 10000,
	  .max = 86400000000,
	  .help = "publish at most this often" },
	{ .name = NULL },
};

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.id = "@NAME@",
	.version = "0.1.0",
	.summary = "Counts what comes on @IN@",
	.license = "MIT",
	.author = "@AUTHOR@",
	.subscribes = subscribes,
	.publishes = publishes,
	.options = options,
	.create = plugin_create,
	.start = plugin_start,
	.on_msg = plugin_on_msg,
	.on_timer = plugin_on_timer,
	.reconfigure = plugin_start,
	.stop = plugin_stop,
	.destroy = plugin_destroy,
};
