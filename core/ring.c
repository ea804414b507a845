/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <stdlib.h>
#include <string.h>

#include <meshkern/manifest.h>

#define BUCKETS (TOPICS_MAX * 2)

static struct topic *const *
topics_slot(const struct topics *t, const char *name)
{
	uint32_t i = mk_topic_hash(name) % BUCKETS; /* never more than half full */

	while (t->buckets[i] != NULL && strcmp(t->buckets[i]->name, name) != 0)
		i = (i + 1) % BUCKETS;
	return &t->buckets[i];
}

struct topic *
topics_find(const struct topics *t, const char *name)
{
	return *topics_slot(t, name);
}

struct topic *
topics_add(struct topics *t, const char *name, uint32_t flags)
{
	size_t slot = (size_t)(topics_slot(t, name) - t->buckets);
	struct topic *topic;

	if (t->count == TOPICS_MAX || strlen(name) > MK_TOPIC_MAX)
		return NULL;
	topic = calloc(1, sizeof(*topic));
	if (topic == NULL)
		return NULL;
	memcpy(topic->name, name, strlen(name) + 1);
	topic->flags = flags;
	topic->first = 1;
	topic->id = t->count;
	t->at[t->count++] = topic;
	t->buckets[slot] = topic;
	return topic;
}

static void
topic_forget(struct topic *t)
{
	for (uint32_t i = 0; i < t->kept_count; i++)
		entry_unref(t->kept[i]);
	t->kept_count = 0;
	t->kept_bytes = 0;
	t->kept_lost = 0;
}

void
topics_fini(struct topics *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		topic_forget(t->at[i]);
		free(t->at[i]);
	}
	*t = (struct topics){ 0 };
}

const char *
topic_class(const struct topic *t)
{
	if ((t->flags & MK_TOPIC_DURABLE) != 0)
		return "durable";
	if ((t->flags & MK_TOPIC_RELIABLE) != 0)
		return (t->flags & MK_TOPIC_RETAINED) != 0 ? "reliable retained" : "reliable";
	return (t->flags & MK_TOPIC_RETAINED) != 0 ? "retained" : "latest";
}

void
topic_keep(struct topic *t, struct entry *e)
{
	bool delta = (e->flags & MK_MSG_DELTA) != 0;

	if (!delta) {
		topic_forget(t);
	} else if (t->kept_lost > 0 || t->kept_count == 0 || t->kept_count > KEPT_MAX ||
		   t->kept_bytes + e->len > KEPT_BYTES_MAX) {
		/* Who joins now gets the base and a gap; the next base heals it. */
		t->kept_lost++;
		return;
	}
	if (delta)
		t->kept_bytes += e->len;
	e->refs++;
	t->kept[t->kept_count++] = e;
}

struct entry *
entry_new(uint32_t len)
{
	struct entry *e = malloc(sizeof(*e) + len);

	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->refs = 1;
	e->len = len;
	return e;
}

void
entry_unref(struct entry *e)
{
	if (--e->refs == 0)
		free(e);
}

bool
ring_init(struct ring *r, uint64_t max_messages, uint64_t max_bytes)
{
	*r =
	    (struct ring){ .max_messages = max_messages, .max_bytes = max_bytes, .capacity = 1024 };
	r->slots = malloc(r->capacity * sizeof(*r->slots));
	return r->slots != NULL;
}

void
ring_fini(struct ring *r)
{
	while (r->count > 0)
		ring_evict(r);
	free(r->slots);
	*r = (struct ring){ 0 };
}

static bool
ring_grow(struct ring *r)
{
	uint64_t capacity = r->capacity * 2;
	struct entry **slots = malloc(capacity * sizeof(*slots));

	if (slots == NULL)
		return false;
	for (uint64_t i = 0; i < r->count; i++)
		slots[(r->base + i) & (capacity - 1)] = r->slots[(r->base + i) & (r->capacity - 1)];
	free(r->slots);
	r->slots = slots;
	r->capacity = capacity;
	return true;
}

bool
ring_push(struct ring *r, struct entry *e)
{
	if (r->count == r->capacity && !ring_grow(r))
		return false;
	r->slots[(r->base + r->count) & (r->capacity - 1)] = e;
	r->count++;
	r->bytes += e->len;
	return true;
}

bool
ring_is_over(const struct ring *r)
{
	/* One message always fits, however large. */
	return r->count > 1 && (r->count > r->max_messages || r->bytes > r->max_bytes);
}

struct entry *
ring_front(const struct ring *r)
{
	return r->count == 0 ? NULL : ring_at(r, r->base);
}

void
ring_evict(struct ring *r)
{
	struct entry *e = ring_front(r);

	e->topic->first = e->seq + 1;
	r->bytes -= e->len;
	r->base++;
	r->count--;
	r->evicted++;
	entry_unref(e);
}

void
ring_hollow(struct ring *r, struct entry *e)
{
	uint64_t at = ring_after(r, e->order - 1);
	bool has = at < r->base + r->count && ring_at(r, at) == e;
	struct entry *shell = has ? entry_new(0) : NULL;

	if (shell == NULL)
		return;
	*shell = *e;
	shell->refs = 1;
	shell->len = 0;
	shell->flags = ENTRY_HOLLOW;
	r->slots[at & (r->capacity - 1)] = shell;
	r->bytes -= e->len;
	r->hollow++;
	entry_unref(e);
}

struct entry *
ring_at(const struct ring *r, uint64_t position)
{
	return r->slots[position & (r->capacity - 1)];
}

uint64_t
ring_after(const struct ring *r, uint64_t order)
{
	uint64_t lo = r->base, hi = r->base + r->count;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		if (ring_at(r, mid)->order <= order)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}
