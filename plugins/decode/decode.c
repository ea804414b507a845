/* SPDX-License-Identifier: MIT
 *
 * An instance of the plugin: see decode.h. All of it runs on the instance's thread.
 */
#include "decode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>
#include <meshkern/err.h>

#include "acks.h"
#include "area.h"
#include "call.h"
#include "items.h"

#define TIMER_PUBLISH 0u
#define RETRY_US 5000u
#define KEEP_BYTES (1u << 20) /* of memory for the next message */

static const char *const topics_in[] = { "rx/raw", "rx/client", NULL };
static const char *const topics_out[] = { "packet/decoded", "client/heard" };

/* clang-format off */
static const char *const count_names[] = {
	[COUNT_MESSAGES] = "messages",
	[COUNT_PACKETS] = "decoded",
	[COUNT_BRIDGED] = "bridged",
	[COUNT_HEARD] = "heard",
	[COUNT_UNHEARD] = "unheard",
	[COUNT_BAD_SIGNATURES] = "bad_signatures",
	[COUNT_REFUSED] = "refused_adverts",
	[COUNT_FOREIGN] = "foreign_adverts",
	[COUNT_MALFORMED] = "malformed",
	[COUNT_BRIDGE_BAD] = "rejected_bad_bridge",
#define COUNT_ROW(id, name, text) [COUNT_REJECTED + id] = "rejected_" name,
	MC_REJECT_MAP(COUNT_ROW)
#undef COUNT_ROW
};
/* clang-format on */

struct decode {
	const mk_host *host; /* borrowed, valid until destroy() */
	struct config config;
	struct cache cache;
	struct items items;
	struct acks acks;
	mk_writer body, answer;
	mk_doc doc;
	const char *waiting; /* the topic that body could not be published on yet, or NULL */
	uint64_t early, hits, misses; /* what was told of these */
};

static void decode_say(const struct decode *d, int32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void
decode_say(const struct decode *d, int32_t level, const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	d->host->log(d->host, level, line);
}

/* ------------------------------------------------------------------ life -- */

mk_result
decode_check(const mk_host *config, char *why, uint32_t why_len)
{
	struct config c;
	mk_err err;
	mk_result r = config_read(&c, config, false, &err);

	if (r != MK_OK)
		snprintf(why, why_len, "%s", err.text);
	config_fini(&c);
	return r;
}

void
decode_destroy(void *self)
{
	struct decode *d = self;

	mk_writer_fini(&d->body);
	mk_writer_fini(&d->answer);
	mk_doc_fini(&d->doc);
	acks_fini(&d->acks);
	cache_fini(&d->cache);
	config_fini(&d->config);
	free(d);
}

mk_result
decode_create(const mk_host *host, void **self)
{
	struct decode *d = calloc(1, sizeof(*d));
	mk_result r = MK_ENOMEM;

	if (d == NULL)
		return r;
	d->host = host;
	d->items.cache = &d->cache;
	mk_writer_init(&d->body, MK_BODY_MAX);
	mk_writer_init(&d->answer, MK_BODY_DEFAULT);
	mk_doc_init(&d->doc);
	r = cache_init(&d->cache, &d->config);
	if (r == MK_OK)
		r = acks_init(&d->acks, host, topics_in);
	if (r != MK_OK) {
		decode_destroy(d);
		return r;
	}
	*self = d;
	return MK_OK;
}

/* Whoever hides what is outside of it wants to know. */
static void
decode_publish_area(struct decode *d)
{
	mk_result r;
	mk_writer w;

	mk_writer_init(&w, MK_BODY_DEFAULT);
	area_put(&w, &d->config.area);
	r = mk_writer_end(&w);
	if (r == MK_OK)
		r = d->host->publish(d->host, "decode/area", w.data, (uint32_t)w.len, 0);
	if (r != MK_OK)
		decode_say(d, MK_LOG_WARN, "decode/area: %s", mk_result_text(r));
	mk_writer_fini(&w);
}

/* Takes the options as they are now, or leaves everything as it was. */
static mk_result
decode_configure(struct decode *d)
{
	struct config c;
	mk_err err = { 0 };
	mk_result r = config_read(&c, d->host, true, &err), set = MK_ENOENT;

	if (r == MK_OK) {
		set = area_load(&c, d->host->dir(d->host, MK_DIR_STATE), &err);
		if (set != MK_OK && set != MK_ENOENT) {
			r = set;
			config_fini(&c);
		}
	}

	if (r != MK_OK) {
		decode_say(d, MK_LOG_ERROR, "configuration: %s", err.text);
		return r;
	}
	cache_clear(&d->cache); /* it refers to the old one */
	config_fini(&d->config);
	d->config = c;
	if (c.skipped > 0)
		decode_say(d, MK_LOG_WARN, "channel_keys_file: entries that are no keys skipped=%u",
			   c.skipped);
	if (set == MK_OK)
		decode_say(d, MK_LOG_INFO,
			   "the area is the one that was set by decode/set_area, "
			   "not that of geo_filter file=%s/" AREA_FILE,
			   d->host->dir(d->host, MK_DIR_STATE));
	decode_publish_area(d);
	(void)d->host->gauge(d->host, "channel_keys", c.keys.count);
	(void)d->host->gauge(d->host, "regions", c.regions.count);
	return MK_OK;
}

mk_result
decode_start(void *self)
{
	return decode_configure(self);
}

mk_result
decode_reconfigure(void *self)
{
	return decode_configure(self);
}

/* --------------------------------------------------------------- publish -- */

static void
decode_count(struct decode *d)
{
	for (uint32_t i = 0; i < COUNT_MAX; i++) {
		if (d->items.counts[i] > 0)
			(void)d->host->count(d->host, count_names[i], d->items.counts[i]);
		d->items.counts[i] = 0;
	}
	if (d->cache.hits > d->hits)
		(void)d->host->count(d->host, "cache_hits", (int64_t)(d->cache.hits - d->hits));
	if (d->cache.misses > d->misses)
		(void)d->host->count(d->host, "cache_misses",
				     (int64_t)(d->cache.misses - d->misses));
	if (d->acks.early > d->early)
		(void)d->host->count(d->host, "acked_early", (int64_t)(d->acks.early - d->early));
	d->hits = d->cache.hits;
	d->misses = d->cache.misses;
	d->early = d->acks.early;
}

/* What could not be published is missed by the storage, which has it sent again. */
static void
decode_drop(struct decode *d, const char *topic, mk_result r)
{
	(void)d->host->count(d->host, "dropped", 1);
	decode_say(d, MK_LOG_ERROR, "a message was dropped topic=%s reason=\"%s\"", topic,
		   mk_result_text(r));
}

/* True when the body is on its way, or never will be. */
static bool
decode_publish(struct decode *d, const char *topic)
{
	mk_result r = d->host->publish(d->host, topic, d->body.data, (uint32_t)d->body.len, 0);

	if (r == MK_EAGAIN)
		return false;
	if (r != MK_OK)
		decode_drop(d, topic, r);
	if (d->body.cap > KEEP_BYTES) /* one large message is no reason to stay large */
		mk_writer_fini(&d->body);
	return true;
}

void
decode_on_timer(void *self, uint32_t id)
{
	struct decode *d = self;

	(void)id; /* there is only one */
	if (d->waiting == NULL || !decode_publish(d, d->waiting))
		return;
	d->waiting = NULL;
	(void)d->host->timer(d->host, TIMER_PUBLISH, UINT64_MAX, 0);
	(void)d->host->hold(d->host, false);
}

/* -------------------------------------------------------------- messages -- */

/* The first `count` items. */
static mk_result
decode_write(struct decode *d, const mk_msg *msg, uint8_t topic, const mk_val *items,
	     uint32_t count)
{
	bool durable = (msg->flags & MK_MSG_DURABLE) != 0;
	bool has_first = durable && MK_HAS(msg, origin_first);
	mk_writer *w = &d->body;
	mk_result r = MK_OK;

	memset(d->items.counts, 0, sizeof(d->items.counts));
	mk_writer_reset(w);
	mk_put_map(w, 1u + 2u * durable + has_first);
	if (durable) {
		mk_kv_str(w, "source", msg->origin);
		mk_kv_u64(w, "seq", msg->origin_seq);
	}
	if (has_first)
		mk_kv_u64(w, "first", msg->origin_first);
	mk_kv_array(w, "items", count);
	for (uint32_t i = 0; r == MK_OK && i < count; i++) {
		const mk_val *item = mk_at(items, i);

		r = topic == 0 ? items_raw(&d->items, item, msg->time_us, w)
			       : items_client(&d->items, item, msg->time_us, w);
	}
	return r != MK_OK ? r : mk_writer_end(w);
}

/* Exactly one message goes out for one that came in: its number has to be accounted for. */
static void
decode_message(struct decode *d, const mk_msg *msg, uint8_t topic)
{
	const mk_val *items;
	uint32_t count, kept;
	mk_result r;

	if (mk_doc_open(&d->doc, msg->body, msg->body_len, NULL, NULL, 0) == MK_ENOMEM) {
		decode_drop(d, topics_out[topic], MK_ENOMEM);
		return;
	}
	items = mk_find(mk_doc_root(&d->doc), "items");
	count = kept = mk_is_array(items) ? mk_count(items) : 0;
	r = decode_write(d, msg, topic, items, kept);
	while (r == MK_ETOOBIG && kept > 0) {
		/* Only a message of a great many absurdly short packets grows that much. */
		kept /= 2;
		r = decode_write(d, msg, topic, items, kept);
	}
	mk_doc_close(&d->doc);
	if (kept < count) {
		(void)d->host->count(d->host, "cut_off", (int64_t)(count - kept));
		decode_say(d, MK_LOG_ERROR, "a message was too long and lost items=%u",
			   count - kept);
	}
	d->items.counts[COUNT_MESSAGES]++;
	d->items.counts[COUNT_MALFORMED] += !mk_is_array(items);
	decode_count(d);
	if (r != MK_OK) {
		decode_drop(d, topics_out[topic], r);
	} else if (!decode_publish(d, topics_out[topic])) {
		d->waiting = topics_out[topic];
		(void)d->host->hold(d->host, true);
		(void)d->host->timer(d->host, TIMER_PUBLISH, RETRY_US, RETRY_US);
	}
}

static void
decode_committed(struct decode *d, const mk_msg *msg)
{
	const mk_val *items;
	char source[MK_ID_MAX + 1];
	uint64_t seq = 0;

	if (mk_doc_open(&d->doc, msg->body, msg->body_len, NULL, NULL, 0) != MK_OK)
		return; /* the next one says the same, and more */
	items = mk_find(mk_doc_root(&d->doc), "items");
	for (uint32_t i = 0; mk_is_array(items) && i < mk_count(items); i++) {
		const mk_val *item = mk_at(items, i);

		if (mk_copy_str(mk_find(item, "source"), source, sizeof(source)) &&
		    mk_get_u64(mk_find(item, "seq"), &seq))
			acks_commit(&d->acks, msg->epoch, source, seq);
	}
	mk_doc_close(&d->doc);
}

void
decode_on_msg(void *self, const mk_msg *msg)
{
	struct decode *d = self;
	uint8_t topic = 0;

	if ((msg->flags & MK_MSG_GAP) != 0) {
		/* The hub has what is durable sent again; commits repeat themselves. */
		(void)d->host->count(d->host, "lost", (int64_t)msg->lost);
		return;
	}
	while (topics_in[topic] != NULL && strcmp(msg->topic, topics_in[topic]) != 0)
		topic++;
	if (topics_in[topic] == NULL) {
		decode_committed(d, msg);
	} else {
		decode_message(d, msg, topic);
		acks_add(&d->acks, topic, msg);
	}
	acks_flush(&d->acks);
}

static mk_result
decode_set_area(struct decode *d, const mk_val *body, mk_err *err)
{
	mk_result r = area_save(d->host->dir(d->host, MK_DIR_STATE), body, err);

	if (r == MK_OK) {
		r = decode_configure(d);
		if (r != MK_OK)
			(void)mk_err_set(err, r, "it is saved but not in force, see the log");
	}
	area_put(&d->answer, &d->config.area);
	return r;
}

void
decode_on_call(void *self, const mk_call *call)
{
	struct decode *d = self;
	mk_err err = { MK_EFORMAT, "malformed" };
	mk_result r;

	mk_writer_reset(&d->answer);
	r = mk_doc_open(&d->doc, call->body, call->body_len, NULL, err.text, sizeof(err.text));
	if (r == MK_OK && strcmp(call->name, "decode/set_area") == 0)
		r = decode_set_area(d, mk_doc_root(&d->doc), &err);
	else if (r == MK_OK)
		r = call_packet(&d->config, mk_doc_root(&d->doc), &d->answer, &err);
	mk_doc_close(&d->doc);
	if (r == MK_OK)
		(void)d->host->reply(d->host, call->id, MK_OK, NULL, d->answer.data,
				     (uint32_t)d->answer.len);
	else
		(void)d->host->reply(d->host, call->id, r, err.text, NULL, 0);
}

void
decode_stop(void *self)
{
	struct decode *d = self;

	/* A last try: what is not taken now was not acknowledged and comes again. */
	if (d->waiting != NULL)
		(void)decode_publish(d, d->waiting);
	d->waiting = NULL;
}
