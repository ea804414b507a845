/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ring {
	pthread_mutex_t lock;
	uint64_t head, tail;
	uint32_t cap; /* a power of two */
	uint64_t bytes, max_bytes;
	struct event *at[];
};

struct event *
event_new(const mk_msg *msg)
{
	struct event *e = calloc(1, sizeof(*e) + msg->body_len);

	if (e == NULL)
		return NULL;
	atomic_init(&e->refs, 1);
	e->flags = msg->flags;
	e->epoch = msg->epoch;
	e->seq = msg->seq;
	e->time_us = msg->time_us;
	(void)snprintf(e->topic, sizeof(e->topic), "%s", msg->topic);
	(void)snprintf(e->origin, sizeof(e->origin), "%s", msg->origin == NULL ? "" : msg->origin);
	e->len = msg->body == NULL ? 0 : msg->body_len;
	if (e->len > 0)
		memcpy(e->body, msg->body, e->len);
	return e;
}

struct event *
event_ref(struct event *e)
{
	atomic_fetch_add(&e->refs, 1);
	return e;
}

void
frames_free(struct frames *f)
{
	if (f == NULL)
		return;
	free(f->ends);
	free(f->text);
	free(f);
}

void
event_unref(struct event *e)
{
	if (e == NULL || atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	for (int i = 0; i < FORMS; i++)
		frames_free(atomic_load(&e->frames[i]));
	free(e);
}

static uint64_t
event_weight(struct event *e)
{
	uint64_t weight = sizeof(*e) + e->len;

	for (int i = 0; i < FORMS; i++) {
		const struct frames *f = atomic_load(&e->frames[i]);

		if (f != NULL && f->count > 0)
			weight += f->ends[f->count - 1] + f->count * sizeof(f->ends[0]);
	}
	return weight;
}

struct ring *
ring_new(uint32_t max_entries, uint64_t max_bytes)
{
	struct ring *r = calloc(1, sizeof(*r) + max_entries * sizeof(r->at[0]));

	if (r == NULL)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->cap = max_entries;
	r->max_bytes = max_bytes;
	return r;
}

/* Under the lock. */
static void
ring_drop(struct ring *r)
{
	struct event *e = r->at[r->tail++ & (r->cap - 1)];

	if (e == NULL)
		return;
	r->bytes -= event_weight(e);
	event_unref(e);
}

/* Under the lock. */
static bool
ring_has(const struct ring *r, const struct event *e)
{
	return e->placed && e->position >= r->tail && r->at[e->position & (r->cap - 1)] == e;
}

void
ring_forget(struct ring *r, struct event *e)
{
	pthread_mutex_lock(&r->lock);
	if (ring_has(r, e)) {
		r->at[e->position & (r->cap - 1)] = NULL;
		r->bytes -= event_weight(e);
		event_unref(e);
	}
	pthread_mutex_unlock(&r->lock);
}

void
ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	while (r->tail < r->head)
		ring_drop(r);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void
ring_put(struct ring *r, struct event *e)
{
	uint64_t weight = event_weight(e);

	pthread_mutex_lock(&r->lock);
	while (r->tail < r->head &&
	       (r->head - r->tail == r->cap || r->bytes + weight > r->max_bytes))
		ring_drop(r);
	e->position = r->head++;
	e->placed = true;
	r->at[e->position & (r->cap - 1)] = e;
	r->bytes += weight;
	pthread_mutex_unlock(&r->lock);
}

uint64_t
ring_tail(struct ring *r)
{
	uint64_t tail;

	pthread_mutex_lock(&r->lock);
	tail = r->tail;
	pthread_mutex_unlock(&r->lock);
	return tail;
}

uint64_t
ring_head(struct ring *r)
{
	uint64_t head;

	pthread_mutex_lock(&r->lock);
	head = r->head;
	pthread_mutex_unlock(&r->lock);
	return head;
}

struct event *
ring_next(struct ring *r, uint64_t *at, bool *fell)
{
	struct event *e = NULL;

	pthread_mutex_lock(&r->lock);
	if (*at < r->tail) {
		*at = r->tail;
		*fell = true;
	}
	while (e == NULL && *at < r->head)
		e = r->at[(*at)++ & (r->cap - 1)];
	if (e != NULL)
		event_ref(e);
	pthread_mutex_unlock(&r->lock);
	return e;
}

const struct frames *
ring_frames(struct ring *r, struct event *e, enum ring_form form,
	    struct frames *(*make)(const struct event *e))
{
	struct frames *f = atomic_load(&e->frames[form]);
	struct frames *made;
	uint64_t before;

	if (f != NULL)
		return f;
	made = make(e);
	if (made == NULL)
		return NULL;
	/* The ring's count of bytes has to know of it, if the entry is in there still. */
	pthread_mutex_lock(&r->lock);
	before = event_weight(e);
	if (!atomic_compare_exchange_strong(&e->frames[form], &f, made)) {
		pthread_mutex_unlock(&r->lock);
		frames_free(made);
		return f;
	}
	if (ring_has(r, e))
		r->bytes += event_weight(e) - before;
	pthread_mutex_unlock(&r->lock);
	return made;
}

uint64_t
ring_bytes(struct ring *r)
{
	uint64_t bytes;

	pthread_mutex_lock(&r->lock);
	bytes = r->bytes;
	pthread_mutex_unlock(&r->lock);
	return bytes;
}
