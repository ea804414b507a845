/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#define BODY_FULL (EVENTS_MAX_BODY / 4) /* another item goes into the next message */
#define BODY_HEAD 12u

struct event_body {
	struct event_body *next;
	enum event_topic topic;
	uint32_t count;
	size_t len, cap;
	uint8_t data[];
};

static const char *const topics[EVENT_TOPICS] = { "packet/stored", "node/changed",
						  "observer/changed", "storage/committed" };

void
events_init(struct events *e)
{
	*e = (struct events){ 0 };
	mk_writer_init(&e->item, EVENTS_MAX_BODY - BODY_HEAD);
	e->gathered.last = &e->gathered.first;
	e->ready.last = &e->ready.first;
}

static void
events_clear(struct event_queue *q)
{
	while (q->first != NULL) {
		struct event_body *b = q->first;

		q->first = b->next;
		free(b);
	}
	q->last = &q->first;
}

void
events_drop(struct events *e)
{
	for (size_t i = 0; i < EVENT_TOPICS; i++) {
		free(e->open[i]);
		e->open[i] = NULL;
	}
	events_clear(&e->gathered);
}

void
events_fini(struct events *e)
{
	events_drop(e);
	events_clear(&e->ready);
	mk_writer_fini(&e->item);
}

mk_writer *
events_item(struct events *e)
{
	mk_writer_reset(&e->item);
	return &e->item;
}

static void
events_queue(struct event_queue *q, struct event_body *b)
{
	*q->last = b;
	q->last = &b->next;
}

/* {"items": [count items]}: the head is written last, when the count is known. */
static void
events_close(struct events *e, enum event_topic topic, struct event_queue *q)
{
	static const uint8_t head[BODY_HEAD - 4] = { 0x81, 0xa5, 'i', 't', 'e', 'm', 's', 0xdd };
	struct event_body *b = e->open[topic];

	if (b == NULL)
		return;
	memcpy(b->data, head, sizeof(head));
	for (int i = 0; i < 4; i++)
		b->data[sizeof(head) + (size_t)i] = (uint8_t)(b->count >> (24 - 8 * i));
	events_queue(q, b);
	e->open[topic] = NULL;
}

mk_result
events_add(struct events *e, enum event_topic topic)
{
	struct event_body *b = e->open[topic];
	mk_result rc = mk_writer_end(&e->item);
	size_t len = e->item.len;

	if (rc != MK_OK)
		return rc;
	if (b != NULL && b->len + len > BODY_FULL) {
		events_close(e, topic, &e->gathered);
		b = NULL;
	}
	if (b == NULL || b->cap - b->len < len) {
		size_t cap = b == NULL ? 4096 : 2 * b->cap;
		struct event_body *grown;

		if (cap < len + (b == NULL ? BODY_HEAD : b->len))
			cap = len + (b == NULL ? BODY_HEAD : b->len);
		grown = realloc(b, sizeof(*b) + cap);
		if (grown == NULL)
			return MK_ENOMEM;
		if (b == NULL)
			*grown = (struct event_body){ .topic = topic, .len = BODY_HEAD };
		grown->cap = cap;
		e->open[topic] = b = grown;
	}
	memcpy(b->data + b->len, e->item.data, len);
	b->len += len;
	b->count++;
	return MK_OK;
}

void
events_keep(struct events *e)
{
	for (enum event_topic t = 0; t < EVENT_TOPICS; t++)
		events_close(e, t, &e->gathered);
	for (const struct event_body *b = e->gathered.first; b != NULL; b = b->next)
		e->ready_bytes += b->len;
	*e->ready.last = e->gathered.first;
	if (e->gathered.first != NULL)
		e->ready.last = e->gathered.last;
	e->gathered = (struct event_queue){ 0 };
	e->gathered.last = &e->gathered.first;
}

void
events_keep_committed(struct events *e)
{
	struct event_body *b = e->open[EVENT_COMMITTED];

	if (b == NULL)
		return;
	e->ready_bytes += b->len;
	events_close(e, EVENT_COMMITTED, &e->ready);
}

bool
events_send(struct events *e, const mk_host *host)
{
	while (e->ready.first != NULL) {
		struct event_body *b = e->ready.first;

		/* Anything but a full queue would be a fault of ours that waiting cannot cure; the
		 * host reports it. */
		if (host->publish(host, topics[b->topic], b->data, (uint32_t)b->len, 0) ==
		    MK_EAGAIN)
			return false;
		e->ready.first = b->next;
		if (e->ready.first == NULL)
			e->ready.last = &e->ready.first;
		e->ready_bytes -= b->len;
		free(b);
	}
	return true;
}

static void
events_put_many(mk_writer *w, const mk_val *v)
{
	uint32_t n = mk_count(v);

	if (mk_is_array(v)) {
		mk_put_array(w, n);
		for (uint32_t i = 0; i < n; i++)
			events_put(w, mk_at(v, i));
		return;
	}
	mk_put_map(w, n);
	for (uint32_t i = 0; i < n; i++) {
		events_put(w, mk_key_at(v, i));
		events_put(w, mk_val_at(v, i));
	}
}

void
events_put(mk_writer *w, const mk_val *v)
{
	const char *s;
	const uint8_t *bin;
	size_t len;
	uint64_t u;
	int64_t i;
	double d;
	bool b;

	if (mk_get_str(v, &s, &len))
		mk_put_strn(w, s, len);
	else if (mk_get_u64(v, &u))
		mk_put_u64(w, u);
	else if (mk_get_i64(v, &i))
		mk_put_i64(w, i);
	else if (mk_get_f64(v, &d))
		mk_put_f64(w, d);
	else if (mk_get_bool(v, &b))
		mk_put_bool(w, b);
	else if (mk_get_bin(v, &bin, &len))
		mk_put_bin(w, bin, len);
	else if (mk_is_map(v) || mk_is_array(v))
		events_put_many(w, v);
	else
		mk_put_nil(w);
}
