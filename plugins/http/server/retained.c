/* SPDX-License-Identifier: MIT */
#include "retained.h"

#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

void
retained_init(struct retained *r)
{
	*r = (struct retained){ 0 };
}

static void
retained_drop_deltas(struct retained_topic *t)
{
	for (uint32_t i = 0; i < t->count; i++)
		event_unref(t->deltas[i]);
	t->count = 0;
	t->bytes = 0;
}

void
retained_fini(struct retained *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		retained_drop_deltas(&r->topics[i]);
		free(r->topics[i].deltas);
		event_unref(r->topics[i].base);
		event_unref(r->topics[i].before);
	}
	free(r->topics);
	*r = (struct retained){ 0 };
}

const struct retained_topic *
retained_find(const struct retained *r, const char *topic)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(r->topics[i].name, topic) == 0)
			return &r->topics[i];
	return NULL;
}

static struct retained_topic *
retained_topic(struct retained *r, const char *topic)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(r->topics[i].name, topic) == 0)
			return &r->topics[i];
	if (r->count == RETAINED_TOPICS)
		return NULL;
	if (r->count == r->cap) {
		uint32_t cap = r->cap == 0 ? 16 : r->cap * 2;
		struct retained_topic *topics = realloc(r->topics, cap * sizeof(*topics));

		if (topics == NULL)
			return NULL;
		r->topics = topics;
		r->cap = cap;
	}
	memset(&r->topics[r->count], 0, sizeof(r->topics[0]));
	memcpy(r->topics[r->count].name, topic, strlen(topic) + 1);
	return &r->topics[r->count++];
}

static bool
retained_grow(struct retained_topic *t)
{
	uint32_t cap = t->cap == 0 ? 16 : t->cap * 2;
	struct event **deltas;

	if (t->count < t->cap)
		return true;
	deltas = realloc(t->deltas, cap * sizeof(struct event *));
	if (deltas == NULL)
		return false;
	t->deltas = deltas;
	t->cap = cap;
	return true;
}

static void
retained_supersede(struct retained *r, struct retained_topic *t)
{
	bool large = t->base != NULL && t->base->len >= RETAINED_LARGE;

	for (uint32_t i = 0; i < t->count && large && r->ring != NULL; i++)
		ring_forget(r->ring, t->deltas[i]);
	retained_drop_deltas(t);
	event_unref(t->before);
	t->before = large ? NULL : t->base;
	if (!large)
		return;
	if (r->ring != NULL)
		ring_forget(r->ring, t->base);
	event_unref(t->base);
}

void
retained_put(struct retained *r, struct event *e)
{
	struct retained_topic *t = retained_topic(r, e->topic);

	if (t == NULL) {
		r->refused++;
		return;
	}
	if ((e->flags & MK_MSG_DELTA) == 0) {
		retained_supersede(r, t);
		t->base = event_ref(e);
		t->incomplete = false;
		return;
	}
	if (t->base == NULL || e->epoch != t->base->epoch || e->seq <= t->base->seq ||
	    (t->count > 0 && e->seq <= t->deltas[t->count - 1]->seq)) {
		t->incomplete = t->incomplete || t->base == NULL;
		return; /* it is there already, or of nothing */
	}
	if (t->count == RETAINED_DELTAS || t->bytes + e->len > RETAINED_BYTES ||
	    !retained_grow(t)) {
		r->refused++;
		t->incomplete = true;
		return;
	}
	t->deltas[t->count++] = event_ref(e);
	t->bytes += e->len;
}

void
retained_gap(struct retained *r, const char *topic)
{
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(r->topics[i].name, topic) == 0)
			r->topics[i].incomplete = true;
}

struct event *
retained_step(const struct retained *r, const char *pattern, struct retained_cursor *c)
{
	for (; c->topic < r->count; c->topic++, c->item = 0) {
		const struct retained_topic *t = &r->topics[c->topic];

		if (t->base == NULL || !mk_topic_covers(pattern, t->name))
			continue;
		if (c->item > 0 && c->base_seq != t->base->seq)
			c->item = 0;
		if (c->item == 0) {
			c->item = 1;
			c->base_seq = t->base->seq;
			return event_ref(t->base);
		}
		if (c->item - 1 < t->count)
			return event_ref(t->deltas[c->item++ - 1]);
	}
	return NULL;
}
