/* SPDX-License-Identifier: MIT */
#include "hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

#define TICK_US 5000u           /* push-back, rate limits and call deadlines are this precise */
#define HEADS_US 1000000u       /* core/heads at most this often when something changed */
#define HEADS_IDLE_US 10000000u /* and this often when nothing did */
#define TOPICS_EACH 128u        /* of one publisher, so that others find room for theirs */
#define LARGE (64u << 10)  /* a retained value that leaves the ring when there is a newer one */
#define REWIND_US 1000000u /* a publisher is not told to send again more often */

/* True: some publisher has to wait for its turn. */
static bool
hub_send_rewinds(struct hub *h)
{
	uint64_t now = loop_now_us(h->loop);
	bool left = false;

	for (struct seat *s = h->seats; s != NULL; s = s->next) {
		if (!s->rewind_due || !s->running)
			continue;
		if (now - s->rewound_us < REWIND_US) {
			left = true;
			continue;
		}
		s->rewind_due = false;
		s->rewound_us = now;
		s->again_to = s->admitted;
		seat_tell(s, WIRE_REWIND, 1, &s->committed);
		log_info("bus", "%s sends again what is not committed  after=%llu", s->name,
			 (unsigned long long)s->committed);
	}
	return left;
}

static void
hub_on_tick(void *arg)
{
	struct hub *h = arg;
	uint64_t now = loop_now_us(h->loop);
	bool again = h->call_count > 0 || h->over_us != 0;

	h->ticking = false;
	hub_expire_calls(h, now);
	again = hub_send_rewinds(h) || again;
	for (struct seat *s = h->seats; s != NULL; s = s->next) {
		if (s->rate.per_second > 0 && s->running)
			seat_give_credit(s);
		again = again || (s->rate.per_second > 0 && s->credit - s->used == 0 && s->running);
	}
	h->dirty = true;
	if (again)
		hub_need_tick(h);
}

void
hub_need_tick(struct hub *h)
{
	if (!h->ticking)
		loop_timer_set(h->tick, loop_now_us(h->loop) + TICK_US);
	h->ticking = true;
}

/* The last sequence of every topic: shows a subscriber that it missed the last message. */
static void
hub_on_heads(void *arg)
{
	struct hub *h = arg;
	uint64_t now = loop_now_us(h->loop);

	loop_timer_set(h->heads, now + HEADS_US);
	if (h->stream.order == h->heads_order && now - h->heads_us < HEADS_IDLE_US)
		return;
	mk_writer_reset(&h->writer);
	mk_put_map(&h->writer, 1);
	mk_kv_map(&h->writer, "heads", h->stream.topics.count);
	for (uint32_t i = 0; i < h->stream.topics.count; i++)
		mk_kv_u64(&h->writer, h->stream.topics.at[i]->name, h->stream.topics.at[i]->seq);
	hub_say(h, "core/heads", true, &h->writer);
	h->heads_order = h->stream.order;
	h->heads_us = now;
}

mk_result
hub_new(struct hub **out, struct loop *loop, const struct hub_config *config,
	const struct hub_events *events, mk_err *err)
{
	struct hub *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return mk_err_set(err, MK_ENOMEM, "bus: out of memory");
	h->loop = loop;
	h->config = *config;
	h->events = *events;
	h->stream.epoch = clock_wall_us();
	mk_doc_init(&h->doc);
	mk_writer_init(&h->writer, 0);
	h->calls = calloc(HUB_CALLS_MAX, sizeof(*h->calls));
	h->tick = loop_timer_new(loop, hub_on_tick, h);
	h->heads = loop_timer_new(loop, hub_on_heads, h);
	if (h->calls == NULL || h->tick == NULL || h->heads == NULL ||
	    !ring_init(&h->stream.rings[RING_LATEST], config->ring_messages, config->ring_bytes) ||
	    !ring_init(&h->stream.rings[RING_RELIABLE], config->ring_messages,
		       config->ring_bytes)) {
		hub_free(h);
		return mk_err_set(err, MK_ENOMEM, "bus: out of memory");
	}
	loop_timer_set(h->heads, loop_now_us(loop) + HEADS_US);
	*out = h;
	return MK_OK;
}

void
hub_free(struct hub *h)
{
	if (h == NULL)
		return;
	while (h->seats != NULL)
		seat_free(h->seats);
	for (int i = 0; i < 2; i++)
		ring_fini(&h->stream.rings[i]);
	topics_fini(&h->stream.topics);
	loop_timer_free(h->tick);
	loop_timer_free(h->heads);
	mk_doc_fini(&h->doc);
	mk_writer_fini(&h->writer);
	free(h->calls);
	free(h);
}

/* ----------------------------------------------------------- back-pressure -- */

bool
hub_is_held(struct seat *by, const struct entry *e)
{
	return by->waited_for && !by->laggard && by->done < e->order && by->manifest != NULL &&
	       reader_matches(&by->sent, e->topic) && !seat_skips(by, e->order);
}

static struct seat *
hub_holder(struct hub *h, const struct entry *e)
{
	struct seat *s = h->seats;

	while (s != NULL && !hub_is_held(s, e))
		s = s->next;
	return s;
}

/* Who is behind for too long waits no longer: it will hear a GAP. */
static void
hub_give_up_on(struct hub *h, const struct entry *e)
{
	struct seat *s;

	while ((s = hub_holder(h, e)) != NULL) {
		s->laggard = true;
		log_warn("bus", "%s is too slow, others wait for it no longer  topic=%s lag=%llu",
			 s->name, e->topic->name, (unsigned long long)reader_lag(&s->sent));
	}
}

static void
hub_trim_ring(struct hub *h, int which)
{
	struct ring *ring = &h->stream.rings[which];
	bool reliable = which == RING_RELIABLE;
	uint64_t now = loop_now_us(h->loop);

	while (ring_is_over(ring)) {
		struct entry *e = ring_front(ring);

		if (reliable && hub_holder(h, e) != NULL) {
			if (h->over_us == 0) {
				h->over_us = now;
				hub_need_tick(h);
			}
			if (now - h->over_us < h->config.push_back_us)
				return;
			hub_give_up_on(h, e);
		}
		ring_evict(ring);
	}
	if (reliable && h->over_us != 0) {
		h->pushed_back_us += now - h->over_us;
		h->over_us = 0;
	}
}

bool
hub_gives_credit(struct hub *h, struct seat *s)
{
	struct entry *e = ring_front(&h->stream.rings[RING_RELIABLE]);

	/* Who holds it up needs to publish to get on, also as far as the word that it is committed,
	 * but not if it only waits for a commit; and who commits is what that one waits for. */
	return h->over_us == 0 ||
	       (e != NULL && hub_is_held(s, e) &&
		(s->handled < e->order || s->handled < h->committed_order)) ||
	       mk_topic_lookup(s->manifest->publishes, HUB_COMMITTED) != NULL;
}

/* ----------------------------------------------------------- publishing -- */

static mk_result
hub_refuse(struct hub *h, struct seat *from, mk_result why, const char *topic, const char *text)
{
	char line[256];

	h->refused++;
	from->refused++;
	snprintf(line, sizeof(line), "message on %.*s refused: %s", MK_TOPIC_MAX, topic, text);
	h->events.misbehaved(from->owner, line);
	return why;
}

/* The topic, made on its first message. */
static struct topic *
hub_topic(struct hub *h, struct seat *from, const char *name, const mk_topic *declared,
	  uint32_t core_flags)
{
	struct topic *t = topics_find(&h->stream.topics, name);
	uint32_t flags = declared != NULL ? declared->flags : core_flags;

	if (t != NULL)
		return t;
	if (from != NULL && from->topics == TOPICS_EACH)
		return NULL;
	if ((flags & MK_TOPIC_DURABLE) != 0)
		flags |= MK_TOPIC_RELIABLE;
	t = topics_add(&h->stream.topics, name, flags);
	if (t != NULL && from != NULL) {
		t->schema_min = declared->schema_min;
		t->schema_max = declared->schema_max;
		from->topics++;
	}
	return t;
}

static mk_result
hub_check(struct hub *h, struct seat *from, const char *topic, const void *body, uint32_t len,
	  const mk_topic **declared)
{
	char why[128];

	if (!mk_topic_valid(topic, false))
		return hub_refuse(h, from, MK_EINVAL, "?", "not a topic name");
	*declared = mk_topic_lookup(from->manifest->publishes, topic);
	if (*declared == NULL)
		return hub_refuse(h, from, MK_EDENIED, topic, "not declared or not granted");
	if (len > (*declared)->max_body)
		return hub_refuse(h, from, MK_ETOOBIG, topic, "body above the declared max_body");
	return seat_accepts(from, body, len, why) ? MK_OK
						  : hub_refuse(h, from, MK_EFORMAT, topic, why);
}

/* What is on disk need not be kept by who published it. */
static void
hub_on_committed(struct hub *h, const void *body, uint32_t len)
{
	const mk_val *items;

	if (mk_doc_open(&h->doc, body, len, NULL, NULL, 0) != MK_OK)
		return;
	items = mk_find(mk_doc_root(&h->doc), "items");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		char source[MK_ID_MAX + 1];
		uint64_t number;
		bool again = false;

		if (!mk_copy_str(mk_find(mk_at(items, i), "source"), source, sizeof(source)) ||
		    !mk_get_u64(mk_find(mk_at(items, i), "seq"), &number))
			continue;
		mk_get_bool(mk_find(mk_at(items, i), "again"), &again);
		for (struct seat *s = h->seats; s != NULL; s = s->next) {
			if (strcmp(s->name, source) != 0)
				continue;
			if (again) {
				s->rewind_due = true;
				hub_need_tick(h);
			}
			if (number <= s->committed)
				continue;
			s->committed = number;
			if (s->started) /* else it is told when it starts */
				seat_tell(s, WIRE_TRIM, 1, &number);
		}
	}
	mk_doc_close(&h->doc);
}

/* A newer value comes: who joins gets that, and what everybody has need not take megabytes. */
static void
hub_supersede(struct hub *h, const struct topic *t)
{
	struct ring *ring = &h->stream.rings[(t->flags & MK_TOPIC_RELIABLE) != 0];

	for (uint32_t i = 0; i < t->kept_count && t->kept[0]->len >= LARGE; i++)
		if (hub_holder(h, t->kept[i]) == NULL)
			ring_hollow(ring, t->kept[i]);
}

mk_result
hub_admit(struct hub *h, struct seat *from, const char *topic, uint32_t flags, uint32_t schema,
	  uint64_t number, const void *body, uint32_t len)
{
	const mk_topic *declared = NULL;
	struct topic *t;
	struct entry *e;
	mk_result rc;

	if (from != NULL) {
		rc = hub_check(h, from, topic, body, len, &declared);
		if (rc != MK_OK)
			return rc;
		if (number != 0 && number <= from->admitted && (flags & WIRE_PUB_AGAIN) == 0) {
			from->duplicates++;
			return MK_EEXIST;
		}
	}
	t = hub_topic(h, from, topic, declared,
		      (flags & MK_MSG_RETAINED) != 0 ? MK_TOPIC_RETAINED : 0);
	e = t == NULL ? NULL : entry_new(len);
	if (e == NULL)
		return from == NULL ? MK_ENOMEM
				    : hub_refuse(h, from, MK_EFULL, topic,
						 t == NULL ? "too many topics" : "out of memory");
	memcpy(e->body, body, len);
	e->topic = t;
	e->order = h->stream.order + 1;
	e->seq = t->seq + 1;
	e->time_us = clock_wall_us();
	e->schema = schema;
	e->origin_seq = number;
	if (number != 0 && from->first == 0)
		from->first = number;
	e->origin_first = number != 0 ? from->first : 0;
	e->flags = (flags & MK_PUB_DELTA) != 0 ? MK_MSG_DELTA : 0;
	if (number != 0)
		e->flags |= MK_MSG_DURABLE;
	memcpy(e->origin, from != NULL ? from->name : "core",
	       from != NULL ? sizeof(from->name) : 5);
	if (!ring_push(&h->stream.rings[(t->flags & MK_TOPIC_RELIABLE) != 0], e)) {
		entry_unref(e);
		return from == NULL ? MK_ENOMEM
				    : hub_refuse(h, from, MK_ENOMEM, topic, "out of memory");
	}
	h->stream.order++;
	t->seq++;
	t->bytes += len;
	h->published++;
	h->dirty = true;
	if (number > 0 && from->admitted < number)
		from->admitted = number;
	if ((flags & WIRE_PUB_AGAIN) != 0 && number >= from->again_to)
		from->again_to = 0;
	if ((e->flags & MK_MSG_DELTA) == 0)
		hub_supersede(h, t);
	if ((t->flags & MK_TOPIC_RETAINED) != 0)
		topic_keep(t, e);
	if (h->watch_entry != NULL)
		h->watch_entry(h->watch_arg, e);
	if (strcmp(topic, HUB_COMMITTED) == 0) {
		h->committed_order = e->order;
		hub_on_committed(h, body, len);
	}
	hub_trim_ring(h, (t->flags & MK_TOPIC_RELIABLE) != 0);
	return MK_OK;
}

void
hub_say(struct hub *h, const char *topic, bool retained, const mk_writer *body)
{
	if (mk_writer_end(body) == MK_OK)
		hub_admit(h, NULL, topic, retained ? MK_MSG_RETAINED : 0, 1, 0, body->data,
			  (uint32_t)body->len);
}

void
hub_rewind(struct hub *h, const struct topic *t)
{
	for (struct seat *s = h->seats; s != NULL; s = s->next)
		if (s->manifest != NULL && mk_topic_lookup(s->manifest->publishes, t->name) != NULL)
			s->rewind_due = true;
	if (hub_send_rewinds(h))
		hub_need_tick(h);
}

void
hub_pump(struct hub *h)
{
	/* Bringing messages may make new ones (credit, gap reports), but not for ever. */
	for (int round = 0; round < 4 && h->dirty; round++) {
		h->dirty = false;
		if (h->over_us != 0)
			hub_trim_ring(h, RING_RELIABLE);
		for (struct seat *s = h->seats; s != NULL; s = s->next)
			seat_pump(s);
	}
	if (h->dirty)
		loop_hurry(h->loop);
}
