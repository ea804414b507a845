/* SPDX-License-Identifier: MIT */
#include "outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "frame.h"

#define QUEUE 8192u       /* messages a subscriber may be behind, the most that nng allows */
#define REPLAYS_MAX 64u   /* requests being answered at one time */
#define REPLAY_MAX 4096u  /* messages one request may ask for */
#define REPLAY_BURST 100u /* messages replayed in one tick: 20,000 a second, all together */
#define REPLAY_TICK_US 5000u
#define REQUEST_MAX 4096u /* bytes */

struct replay {
	bool open;
	char prefix[MK_ID_MAX + 3]; /* "~client/" */
	char topic[MK_TOPIC_MAX + 1];
	uint64_t from, left;
	struct reader reader;
};

struct outside {
	struct hub *hub;
	struct loop *loop;
	struct link *pub, *pull;
	struct loop_timer *timer;
	struct replay replays[REPLAYS_MAX];
	uint32_t replay_count;
	struct wire_out frame;
	mk_writer scratch;
	mk_doc doc;
	struct outside_stats stats;
};

/* What is in o->frame, if `rc` says that it was written. */
static void
outside_send(struct outside *o, mk_result rc)
{
	if (rc == MK_OK && link_send(o->pub, o->frame.data, o->frame.len) == MK_OK)
		o->stats.published++;
}

static void
outside_send_entry(struct outside *o, const char *prefix, const struct entry *e, uint32_t flags)
{
	mk_msg m = stream_msg(&o->hub->stream, e, flags);

	outside_send(o, frame_write(&o->frame, &o->scratch, prefix, &m));
}

static void
outside_on_entry(void *arg, const struct entry *e)
{
	struct outside *o = arg;

	if (link_peers(o->pub) > 0)
		outside_send_entry(o, "", e, 0);
}

/* A record of the answer itself: {"lost": n} or {"end": seq}. */
static void
outside_send_note(struct outside *o, const struct replay *r, const char *key, uint64_t value,
		  uint64_t seq, uint32_t flags)
{
	mk_msg m = { .flags = flags,
		     .topic = r->topic,
		     .origin = "core",
		     .epoch = o->hub->stream.epoch,
		     .seq = seq,
		     .time_us = clock_wall_us() };

	outside_send(o, frame_write_note(&o->frame, &o->scratch, r->prefix, &m, key, value));
}

static bool
replay_wants(void *arg, const char *topic)
{
	return strcmp(((const struct replay *)arg)->topic, topic) == 0;
}

/* One step of one answer. False: it is complete. */
static bool
replay_step(struct outside *o, struct replay *r)
{
	struct reader_item item;
	enum reader_found found = r->left == 0 ? READER_NOTHING : reader_peek(&r->reader, &item);

	if (found == READER_ENTRY) {
		outside_send_entry(o, r->prefix, item.entry, MK_MSG_REPLAYED);
		r->from = item.entry->seq + 1;
		r->left--;
	} else if (found == READER_GAP) {
		uint64_t lost = item.lost < r->left ? item.lost : r->left;

		outside_send_note(o, r, "lost", lost, item.seq, MK_MSG_GAP);
		r->from = item.seq + lost;
		r->left -= lost;
	} else {
		outside_send_note(o, r, "end", r->from, r->from, 0);
		return false;
	}
	reader_pass(&r->reader, found, &item);
	o->stats.replayed++;
	return true;
}

static void
outside_on_timer(void *arg)
{
	struct outside *o = arg;
	uint32_t left = REPLAY_BURST;

	/* Round robin, a few from each, so that a long answer does not keep others waiting. */
	while (left > 0 && o->replay_count > 0) {
		for (uint32_t i = 0; i < REPLAYS_MAX && left > 0; i++) {
			struct replay *r = &o->replays[i];

			if (!r->open)
				continue;
			left--;
			if (!replay_step(o, r)) {
				r->open = false;
				o->replay_count--;
			}
		}
	}
	if (o->replay_count > 0)
		loop_timer_set(o->timer, loop_now_us(o->loop) + REPLAY_TICK_US);
}

static void
replay_retained(struct outside *o, struct replay *r, const struct topic *t)
{
	for (uint32_t i = 0; i < t->kept_count; i++)
		outside_send_entry(o, r->prefix, t->kept[i], MK_MSG_RETAINED | MK_MSG_REPLAYED);
	if (t->kept_lost > 0)
		outside_send_note(o, r, "lost", t->kept_lost, t->seq + 1 - t->kept_lost,
				  MK_MSG_GAP);
	outside_send_note(o, r, "end", t->seq + 1, t->seq + 1, 0);
}

/* {"do": "replay", "client": ID, "topic": T, "from": seq, "n": count} */
static bool
outside_read_request(struct replay *r, const mk_val *root)
{
	char what[16], client[MK_ID_MAX + 1];

	if (!mk_copy_str(mk_find(root, "do"), what, sizeof(what)) || strcmp(what, "replay") != 0 ||
	    !mk_copy_str(mk_find(root, "client"), client, sizeof(client)) ||
	    !mk_copy_str(mk_find(root, "topic"), r->topic, sizeof(r->topic)) ||
	    !mk_get_u64(mk_find(root, "from"), &r->from) ||
	    !mk_get_u64(mk_find(root, "n"), &r->left) || !mk_topic_valid(client, false) ||
	    strchr(client, '/') != NULL || !mk_topic_valid(r->topic, false))
		return false;
	snprintf(r->prefix, sizeof(r->prefix), "~%s/", client);
	return true;
}

static bool
outside_request(struct outside *o, const mk_val *root)
{
	struct replay asked = { 0 }, *r = NULL;
	const struct topic *t;
	uint64_t have;

	if (!outside_read_request(&asked, root))
		return false;
	t = topics_find(&o->hub->stream.topics, asked.topic);
	if (t != NULL && asked.from == 0 && (t->flags & MK_TOPIC_RETAINED) != 0) {
		replay_retained(o, &asked, t);
		return true;
	}
	for (uint32_t i = 0; i < REPLAYS_MAX && r == NULL; i++)
		r = o->replays[i].open ? NULL : &o->replays[i];
	asked.from = asked.from == 0 ? 1 : asked.from;
	if (r == NULL) {
		/* Nothing of it is answered now, and the end record says so. */
		outside_send_note(o, &asked, "end", asked.from, asked.from, 0);
		return false;
	}
	*r = asked;
	/* What is not there yet is not asked for. */
	have = t == NULL || r->from > t->seq ? 0 : t->seq + 1 - r->from;
	r->left = r->left < REPLAY_MAX ? r->left : REPLAY_MAX;
	r->left = r->left < have ? r->left : have;
	reader_init(&r->reader, &o->hub->stream, replay_wants, r);
	reader_from_start(&r->reader);
	if (t != NULL)
		r->reader.next[t->id] = r->from;
	r->open = true;
	if (o->replay_count++ == 0)
		loop_timer_set(o->timer, loop_now_us(o->loop));
	return true;
}

static void
outside_on_pull(void *arg)
{
	struct outside *o = arg;
	const uint8_t *data;
	size_t len;

	while ((data = link_receive(o->pull, &len)) != NULL) {
		bool ok = mk_doc_open(&o->doc, data, len, NULL, NULL, 0) == MK_OK &&
			  outside_request(o, mk_doc_root(&o->doc));

		if (ok)
			o->stats.requests++;
		else
			o->stats.refused++;
		mk_doc_close(&o->doc);
	}
}

static mk_result
outside_listen(struct outside *o, const struct listen_address *addresses, uint32_t count,
	       mk_err *err)
{
	for (uint32_t i = 0; i < count; i++) {
		struct link_address a = { .url = addresses[i].url,
					  .mode = addresses[i].mode,
					  .cert = addresses[i].cert,
					  .ca = addresses[i].ca };
		mk_result rc = link_listen(o->pub, &a, err);

		if (rc == MK_OK && addresses[i].requests != NULL) {
			a.url = addresses[i].requests;
			rc = link_listen(o->pull, &a, err);
		}
		if (rc != MK_OK)
			return mk_err_wrap(err, "bus.listen");
	}
	return MK_OK;
}

mk_result
outside_new(struct outside **out, struct hub *h, struct loop *loop,
	    const struct listen_address *addresses, uint32_t count, mk_err *err)
{
	struct outside *o = calloc(1, sizeof(*o));
	mk_result rc;

	if (o == NULL)
		return mk_err_set(err, MK_ENOMEM, "bus: out of memory");
	o->hub = h;
	o->loop = loop;
	mk_doc_init(&o->doc);
	mk_writer_init(&o->scratch, 4096);
	rc = link_open(&o->pub, LINK_PUB, QUEUE, REQUEST_MAX, err);
	if (rc == MK_OK)
		rc = link_open(&o->pull, LINK_PULL, 128, REQUEST_MAX, err);
	if (rc == MK_OK)
		rc = outside_listen(o, addresses, count, err);
	o->timer = loop_timer_new(loop, outside_on_timer, o);
	if (rc == MK_OK &&
	    (o->timer == NULL || link_watch(o->pull, loop, outside_on_pull, NULL, o) != MK_OK))
		rc = mk_err_set(err, MK_ENOMEM, "bus: out of memory");
	if (rc != MK_OK) {
		outside_free(o);
		return rc;
	}
	h->watch_entry = outside_on_entry;
	h->watch_arg = o;
	*out = o;
	return MK_OK;
}

void
outside_free(struct outside *o)
{
	if (o == NULL)
		return;
	o->hub->watch_entry = NULL;
	loop_timer_free(o->timer);
	link_close(o->pull);
	link_close(o->pub);
	wire_fini(&o->frame);
	mk_writer_fini(&o->scratch);
	mk_doc_fini(&o->doc);
	free(o);
}

void
outside_get_stats(const struct outside *o, struct outside_stats *stats)
{
	*stats = o->stats;
	stats->clients = link_peers(o->pub);
}
