/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <string.h>

mk_msg
stream_msg(const struct stream *s, const struct entry *e, uint32_t flags)
{
	return (mk_msg){ .flags = e->flags | flags,
			 .topic = e->topic->name,
			 .origin = e->origin,
			 .epoch = s->epoch,
			 .seq = e->seq,
			 .time_us = e->time_us,
			 .origin_seq = e->origin_seq,
			 .schema = e->schema,
			 .body = e->body,
			 .body_len = e->len };
}

void
reader_init(struct reader *r, const struct stream *s, bool (*wants)(void *, const char *),
	    void *arg)
{
	memset(r, 0, sizeof(*r));
	r->stream = s;
	r->wants = wants;
	r->arg = arg;
	for (int i = 0; i < 2; i++)
		r->position[i] = s->rings[i].base + s->rings[i].count;
	for (uint32_t i = 0; i < s->topics.count; i++)
		r->next[i] = s->topics.at[i]->seq + 1;
}

void
reader_from_start(struct reader *r)
{
	memset(r->next, 0, sizeof(r->next));
	for (int i = 0; i < 2; i++)
		r->position[i] = 0;
	r->jumped = true;
}

void
reader_rematch(struct reader *r)
{
	uint8_t was[TOPICS_MAX];

	memcpy(was, r->matches, sizeof(was));
	memset(r->matches, 0, sizeof(r->matches));
	/* What was not wanted before is not missing now. */
	for (uint32_t i = 0; i < r->stream->topics.count; i++)
		if (was[i] == 1)
			r->next[i] = r->stream->topics.at[i]->seq + 1;
}

bool
reader_matches(struct reader *r, const struct topic *t)
{
	if (r->matches[t->id] == 0)
		r->matches[t->id] = r->wants(r->arg, t->name) ? 2 : 1;
	return r->matches[t->id] == 2;
}

uint64_t
reader_next(const struct reader *r, const struct topic *t)
{
	return r->next[t->id] == 0 ? 1 : r->next[t->id];
}

/* The next wanted entry of one ring, NULL at its end. */
static struct entry *
reader_scan(struct reader *r, int which)
{
	const struct ring *ring = &r->stream->rings[which];

	if (r->position[which] < ring->base) {
		r->position[which] = ring->base;
		r->jumped = true;
	}
	for (; r->position[which] < ring->base + ring->count; r->position[which]++) {
		struct entry *e = ring_at(ring, r->position[which]);

		if ((e->flags & ENTRY_HOLLOW) == 0 && reader_matches(r, e->topic) &&
		    e->seq >= reader_next(r, e->topic))
			return e;
	}
	return NULL;
}

/* After a jump: topics whose messages are gone without a successor in the ring. */
static bool
reader_tail(struct reader *r, struct reader_item *item)
{
	for (uint32_t i = 0; i < r->stream->topics.count; i++) {
		struct topic *t = r->stream->topics.at[i];

		if (t->seq < reader_next(r, t) || !reader_matches(r, t))
			continue;
		item->topic = t;
		item->seq = reader_next(r, t);
		item->lost = t->seq + 1 - item->seq;
		return true;
	}
	r->jumped = false;
	return false;
}

enum reader_found
reader_peek(struct reader *r, struct reader_item *item)
{
	struct entry *a = reader_scan(r, RING_LATEST);
	struct entry *b = reader_scan(r, RING_RELIABLE);
	struct entry *e = a == NULL || (b != NULL && b->order < a->order) ? b : a;

	if (e == NULL)
		return r->jumped && reader_tail(r, item) ? READER_GAP : READER_NOTHING;
	item->seq = reader_next(r, e->topic);
	if (e->seq > item->seq) {
		item->topic = e->topic;
		item->lost = e->seq - item->seq;
		return READER_GAP;
	}
	item->entry = e;
	return READER_ENTRY;
}

void
reader_pass(struct reader *r, enum reader_found found, const struct reader_item *item)
{
	if (found == READER_ENTRY) {
		int which = (item->entry->topic->flags & MK_TOPIC_RELIABLE) != 0;

		r->next[item->entry->topic->id] = item->entry->seq + 1;
		r->position[which]++;
	} else if (found == READER_GAP) {
		r->next[item->topic->id] = item->seq + item->lost;
	}
}

void
reader_follow(struct reader *r, uint64_t order)
{
	for (int which = 0; which < 2; which++) {
		struct entry *e;

		while ((e = reader_scan(r, which)) != NULL && e->order <= order) {
			r->next[e->topic->id] = e->seq + 1;
			r->position[which]++;
		}
	}
}

uint64_t
reader_lag(struct reader *r)
{
	uint64_t lag = 0;

	for (uint32_t i = 0; i < r->stream->topics.count; i++) {
		const struct topic *t = r->stream->topics.at[i];

		if (t->seq >= reader_next(r, t) && reader_matches(r, t))
			lag += t->seq + 1 - reader_next(r, t);
	}
	return lag;
}
