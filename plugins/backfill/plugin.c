/* SPDX-License-Identifier: MIT
 *
 * backfill: brings an old database up to date without anybody noticing. storage knows how and does
 * one short step at a time; this plugin says which, when, and how long it may take, and publishes
 * how far it is. If it ends at any moment, nothing is lost but the pace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

#define SECOND_US UINT64_C(1000000)
#define STEP_TIMEOUT_US (60 * SECOND_US) /* storage may be waiting for a disk */
#define PAUSE_MAX_US (5 * SECOND_US)
#define AGAIN_US 100000u /* until the bus is asked again whether it takes what it refused */
#define HERE_US (3 * SECOND_US)
#define FORWARDED 16u

enum { TIMER_STEP, TIMER_TELL, TIMER_HERE };

struct forwarded { /* a call that storage answers */
	uint64_t asked, call;
	char name[sizeof(((struct plan_item *)NULL)->name)], what[16];
};

struct backfill {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct plan plan;
	char asked[sizeof(((struct plan_item *)NULL)->name)]; /* "": no step is under way */
	uint64_t asked_id;
	uint64_t not_before_us; /* the pause after a step */
	struct forwarded forwarded[FORWARDED];
	mk_writer body, told; /* what is to be published, and what was */
	uint64_t told_us;
};

/* ------------------------------------------------------------------------ progress -- */

/* States at once, numbers once a second; nothing that was said already. */
static void
backfill_tell(struct backfill *b, bool now)
{
	const mk_host *h = b->host;
	uint64_t at = h->now_us(h);

	if (!now && at < b->told_us + SECOND_US) {
		h->timer(h, TIMER_TELL, b->told_us + SECOND_US - at, 0);
		return;
	}
	mk_writer_reset(&b->body);
	plan_write(&b->plan, &b->body);
	if (mk_writer_end(&b->body) != MK_OK ||
	    (b->body.len == b->told.len && b->told.len > 0 &&
	     memcmp(b->body.data, b->told.data, b->body.len) == 0))
		return;
	if (h->publish(h, "backfill/progress", b->body.data, (uint32_t)b->body.len, 0) != MK_OK) {
		h->timer(h, TIMER_TELL, AGAIN_US, 0);
		return;
	}
	b->told_us = at;
	mk_writer_reset(&b->told);
	mk_put_raw(&b->told, b->body.data, b->body.len);
}

/* ----------------------------------------------------------------------------- steps -- */

static void
backfill_ask(struct backfill *b, struct plan_item *item)
{
	const mk_host *h = b->host;
	mk_result rc;
	mk_writer w;

	mk_writer_init(&w, 512);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "name", item->name);
	mk_kv_u64(&w, "hold_us", (uint64_t)h->opt_int(h, "hold"));
	rc = h->call(h, "storage/step", w.data, (uint32_t)w.len, STEP_TIMEOUT_US, &b->asked_id);
	mk_writer_fini(&w);
	if (rc != MK_OK) {
		plan_failed(item, h->now_us(h), mk_result_text(rc));
		h->timer(h, TIMER_STEP, item->retry_us, 0);
		return;
	}
	(void)snprintf(b->asked, sizeof(b->asked), "%s", item->name);
}

static void
backfill_go(struct backfill *b)
{
	const mk_host *h = b->host;
	uint64_t now = h->now_us(h), wait_us;
	struct plan_item *item;

	if (b->asked[0] != '\0')
		return;
	if (now < b->not_before_us) {
		h->timer(h, TIMER_STEP, b->not_before_us - now, 0);
		return;
	}
	item = plan_next(&b->plan, now, &wait_us);
	if (item != NULL)
		backfill_ask(b, item);
	else
		h->timer(h, TIMER_STEP, wait_us, 0);
}

/* While there is work that nobody is to do now, storage hears that somebody will. */
static void
backfill_is_here(struct backfill *b)
{
	static const uint8_t empty[] = { 0x80 };
	bool open = false;
	uint64_t id;

	for (uint32_t i = 0; i < b->plan.count && !open; i++)
		open = strcmp(b->plan.items[i].kind, "backfill") == 0 &&
		       strcmp(b->plan.items[i].state, "done") != 0;
	if (open && b->asked[0] == '\0')
		(void)b->host->call(b->host, "storage/step", empty, sizeof(empty), 0, &id);
}

/* A step is followed by a pause in proportion to it: long, if ingest wants the time, short, if
 * nobody else does. */
static void
backfill_pause(struct backfill *b, struct plan_item *item, const mk_val *body)
{
	const mk_host *h = b->host;
	uint64_t held = 0, share, pause;
	bool busy = false;

	(void)mk_get_u64(mk_find(body, "held_us"), &held);
	(void)mk_get_bool(mk_find(body, "busy"), &busy);
	share = (uint64_t)h->opt_int(h, busy ? "busy_share" : "share");
	pause = held / share * (100 - share);
	pause = pause > PAUSE_MAX_US ? PAUSE_MAX_US : pause;
	b->not_before_us = h->now_us(h) + pause;
	plan_stepped(item, h->now_us(h), h->wall_us(h), busy);
	h->count(h, "steps", 1);
	h->count(h, "yields", busy);
	h->gauge(h, "held_us", (int64_t)held);
}

/* Its first step in this process, or from the start again. */
static void
backfill_log_begin(struct backfill *b, const struct plan_item *item)
{
	char line[200];

	(void)snprintf(line, sizeof(line), "backfill %s: %s  rows=%lld of=%lld", item->name,
		       item->attempts > 1 ? "begins again" : "begins", (long long)item->done,
		       (long long)item->total);
	b->host->log(b->host, MK_LOG_INFO, line);
}

static void
backfill_log(struct backfill *b, const struct plan_item *item)
{
	bool failed = strcmp(item->state, "failed") == 0;
	char line[600];

	(void)snprintf(line, sizeof(line),
		       "backfill %s: %s%s%.380s  rows=%lld skipped=%lld longest_us=%llu",
		       item->name, item->state, failed ? ": " : "", failed ? item->error : "",
		       (long long)item->done, (long long)item->skipped,
		       (unsigned long long)item->longest_us);
	b->host->log(b->host, failed ? MK_LOG_WARN : MK_LOG_INFO, line);
}

static void
backfill_stepped(struct backfill *b, const mk_reply *reply)
{
	struct plan_item *item = plan_find(&b->plan, b->asked);
	char before[sizeof(item->state)] = "";
	bool over = false;
	uint64_t began_us;
	mk_doc doc;

	b->asked[0] = '\0';
	if (item == NULL)
		return; /* storage has begun anew since, without it */
	began_us = item->pace.began_us;
	memcpy(before, item->state, sizeof(before));
	mk_doc_init(&doc);
	if (reply->result == MK_OK &&
	    mk_doc_open(&doc, reply->body, reply->body_len, NULL, NULL, 0) == MK_OK &&
	    plan_take(&b->plan, mk_doc_root(&doc))) {
		backfill_pause(b, item, mk_doc_root(&doc));
		if (item->pace.began_us != began_us)
			backfill_log_begin(b, item);
		over = strcmp(item->state, "done") == 0 || strcmp(item->state, "failed") == 0;
	} else {
		plan_failed(item, b->host->now_us(b->host),
			    reply->error[0] != '\0' ? reply->error
						    : "an answer that makes no sense");
	}
	mk_doc_fini(&doc);
	if (over)
		backfill_log(b, item);
	backfill_tell(b, reply->result != MK_OK || strcmp(before, item->state) != 0);
}

/* ------------------------------------------------------------------------ callbacks -- */

static mk_result
backfill_create(const mk_host *host, void **self)
{
	struct backfill *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return MK_ENOMEM;
	b->host = host;
	mk_writer_init(&b->body, MK_BODY_DEFAULT);
	mk_writer_init(&b->told, MK_BODY_DEFAULT);
	*self = b;
	return MK_OK;
}

static mk_result
backfill_start(void *self)
{
	struct backfill *b = self;

	return b->host->timer(b->host, TIMER_HERE, HERE_US, HERE_US);
}

static void
backfill_on_msg(void *self, const mk_msg *msg)
{
	struct backfill *b = self;
	mk_doc doc;

	if ((msg->flags & MK_MSG_GAP) != 0)
		return; /* the next one has everything */
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK ||
	    !plan_read(&b->plan, mk_doc_root(&doc)))
		b->host->count(b->host, "refused", 1);
	mk_doc_fini(&doc);
	backfill_tell(b, false);
	backfill_go(b);
}

static void
backfill_remember(struct forwarded *f, const mk_call *call)
{
	mk_doc doc;

	f->call = call->id;
	f->name[0] = f->what[0] = '\0';
	mk_doc_init(&doc);
	if (mk_doc_open(&doc, call->body, call->body_len, NULL, NULL, 0) == MK_OK) {
		mk_copy_str(mk_find(mk_doc_root(&doc), "name"), f->name, sizeof(f->name));
		mk_copy_str(mk_find(mk_doc_root(&doc), "do"), f->what, sizeof(f->what));
	}
	mk_doc_fini(&doc);
}

/* Storage has done what the operator wanted. */
static void
backfill_obeyed(struct backfill *b, const struct forwarded *f)
{
	struct plan_item *item = plan_find(&b->plan, f->name);
	char line[160];

	if (item == NULL)
		return;
	item->pace.retried = item->pace.retried || strcmp(f->what, "retry") == 0;
	(void)snprintf(line, sizeof(line), "backfill %s: %s, by the operator", f->name, f->what);
	b->host->log(b->host, MK_LOG_INFO, line);
}

static void
backfill_forward(struct backfill *b, const mk_call *call)
{
	const mk_host *h = b->host;
	struct forwarded *f = b->forwarded;
	mk_result rc;

	while (f < b->forwarded + FORWARDED && f->call != 0)
		f++;
	rc = f == b->forwarded + FORWARDED
		 ? MK_EAGAIN
		 : h->call(h, "storage/backfill", call->body, call->body_len, 0, &f->asked);
	if (rc == MK_OK)
		backfill_remember(f, call);
	else
		(void)h->reply(h, call->id, rc, mk_result_text(rc), NULL, 0);
}

static void
backfill_on_call(void *self, const mk_call *call)
{
	struct backfill *b = self;
	mk_result rc;

	if (strcmp(call->name, "backfill/control") == 0) {
		backfill_forward(b, call);
		return;
	}
	mk_writer_reset(&b->body);
	plan_write(&b->plan, &b->body);
	rc = mk_writer_end(&b->body);
	(void)b->host->reply(b->host, call->id, rc, mk_result_text(rc), b->body.data,
			     (uint32_t)b->body.len);
}

static void
backfill_on_reply(void *self, const mk_reply *reply)
{
	struct backfill *b = self;

	for (uint32_t i = 0; i < FORWARDED; i++) {
		struct forwarded *f = &b->forwarded[i];

		if (f->call == 0 || f->asked != reply->id)
			continue;
		(void)b->host->reply(b->host, f->call, reply->result, reply->error, reply->body,
				     reply->body_len);
		f->call = 0;
		if (reply->result == MK_OK)
			backfill_obeyed(b, f);
		return;
	}
	if (b->asked[0] != '\0' && reply->id == b->asked_id)
		backfill_stepped(b, reply);
	backfill_go(b);
}

static void
backfill_on_timer(void *self, uint32_t id)
{
	struct backfill *b = self;

	if (id == TIMER_TELL)
		backfill_tell(b, false);
	else if (id == TIMER_HERE)
		backfill_is_here(b);
	else
		backfill_go(b);
}

static mk_result
backfill_reconfigure(void *self)
{
	(void)self; /* every step looks at the options anew */
	return MK_OK;
}

static void
backfill_destroy(void *self)
{
	struct backfill *b = self;

	mk_writer_fini(&b->body);
	mk_writer_fini(&b->told);
	free(b);
}

/* clang-format off */
static const mk_topic subscribes[] = {
	{ .name = "storage/backfills", .help = "what there is to do" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "backfill/progress", .flags = MK_TOPIC_RELIABLE | MK_TOPIC_RETAINED,
	  .help = "work on old rows, and how far it is" },
	{ .name = NULL },
};

static const mk_method methods[] = {
	{ .name = "backfill/list", .help = "what backfill/progress says, now" },
	{ .name = "backfill/control", .help = "name, do: pause, resume, retry" },
	{ .name = NULL },
};

static const mk_option options[] = {
	{ .name = "hold", .help = "what a step may take, in which nothing else is written",
	  .type = MK_OPT_DURATION, .min = 1000, .max = 100000, .dflt = "10ms",
	  .flags = MK_OPT_LIVE },
	{ .name = "share", .help = "percent of the time for steps while no packets come",
	  .type = MK_OPT_INT, .min = 1, .max = 100, .dflt = "80", .flags = MK_OPT_LIVE },
	{ .name = "busy_share", .help = "percent of the time for steps while packets come",
	  .type = MK_OPT_INT, .min = 1, .max = 100, .dflt = "25", .flags = MK_OPT_LIVE },
	{ .name = NULL },
};
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.min_host_minor = 1,
	.flags = MK_PLUGIN_SINGLE,
	.id = "backfill",
	.version = "1.0.0",
	.summary = "Plans and paces the work on old rows",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.methods = methods,
	.options = options,
	.create = backfill_create,
	.start = backfill_start,
	.on_msg = backfill_on_msg,
	.on_call = backfill_on_call,
	.on_reply = backfill_on_reply,
	.on_timer = backfill_on_timer,
	.reconfigure = backfill_reconfigure,
	.destroy = backfill_destroy,
};
