/* SPDX-License-Identifier: MIT
 *
 * The fake bus: messages to the plugin, what it publishes, and calls both
 * ways. Nothing is queued: a message is delivered before mk_tk_send returns,
 * and what is published is only recorded.
 */
#include "kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool
tk_is_map(const void *body, size_t len)
{
	const uint8_t *p = body;

	if (p == NULL || len == 0 || mk_validate(p, len, NULL, NULL, 0) != MK_OK)
		return false;
	return (p[0] & 0xf0) == 0x80 || p[0] == 0xde || p[0] == 0xdf;
}

/* The declaration that covers a topic; the longest, if several do. */
static const mk_topic *
bus_declared(const mk_topic *table, const char *topic)
{
	const mk_topic *best = NULL;

	for (; table->name != NULL; table++) {
		if (mk_topic_covers(table->name, topic) &&
		    (best == NULL || strlen(table->name) > strlen(best->name)))
			best = table;
	}
	return best;
}

/* ----------------------------------------------------------- publishing -- */

mk_result
tk_publish(mk_tk *tk, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	const mk_topic *declared = NULL;
	mk_result r = MK_OK;

	if (topic != NULL && mk_topic_valid(topic, false))
		declared = bus_declared(tk->manifest->publishes, topic);
	if (declared == NULL) {
		tk_misbehaved(tk, "publish", "\"%.64s\" is not a declared topic",
			      topic != NULL ? topic : "(null)");
		return MK_EDENIED;
	}
	if (len > declared->max_body) {
		tk_misbehaved(tk, "publish", "%s: a body of %u bytes, declared are %u", topic, len,
			      declared->max_body);
		return MK_ETOOBIG;
	}
	if (!tk_is_map(body, len)) {
		tk_misbehaved(tk, "publish", "%s: the body is not one msgpack map", topic);
		return MK_EFORMAT;
	}
	if ((flags & 0xffffu & ~MK_PUB_DELTA) != 0 ||
	    (flags != 0 && (declared->flags & MK_TOPIC_RETAINED) == 0)) {
		tk_misbehaved(tk, "publish", "%s: flags 0x%x do not fit the topic", topic, flags);
		return MK_EINVAL;
	}
	pthread_mutex_lock(&tk->lock);
	if (tk->fail_left > 0) {
		tk->fail_left--;
		r = tk->fail_result;
	} else {
		*TK_PUSH(&tk->published) = (struct tk_record){
			.topic = tk_copy(topic),
			.body = tk_memdup(body, len),
			.len = len,
			.schema = MK_PUB_SCHEMA_OF(flags) != 0 ? MK_PUB_SCHEMA_OF(flags)
							       : declared->schema_max,
			.flags = (flags & MK_PUB_DELTA ? MK_MSG_DELTA : 0) |
				 (declared->flags & MK_TOPIC_DURABLE ? MK_MSG_DURABLE : 0),
		};
	}
	pthread_mutex_unlock(&tk->lock);
	return r;
}

void
mk_tk_publish_fails(mk_tk *tk, mk_result result, uint32_t times)
{
	pthread_mutex_lock(&tk->lock);
	tk->fail_result = result;
	tk->fail_left = times;
	pthread_mutex_unlock(&tk->lock);
}

static const struct tk_record *
bus_record(const mk_tk *tk, const char *topic, uint32_t i)
{
	for (size_t k = 0; k < tk->published.count; k++) {
		const struct tk_record *r = &tk->published.items[k];

		if ((topic == NULL || strcmp(topic, r->topic) == 0) && i-- == 0)
			return r;
	}
	return NULL;
}

uint32_t
mk_tk_published(const mk_tk *tk, const char *topic)
{
	uint32_t count = 0;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	for (size_t i = 0; i < tk->published.count; i++)
		count += topic == NULL || strcmp(topic, tk->published.items[i].topic) == 0;
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return count;
}

const void *
mk_tk_body(const mk_tk *tk, const char *topic, uint32_t i, size_t *len)
{
	const struct tk_record *r;
	const void *body = NULL;

	pthread_mutex_lock(&tk_mutable(tk)->lock);
	r = bus_record(tk, topic, i);
	if (r != NULL) {
		body = r->body;
		*len = r->len;
	}
	pthread_mutex_unlock(&tk_mutable(tk)->lock);
	return body;
}

const char *
tk_json(mk_tk *tk, const void *body, size_t len)
{
	int64_t need = mk_to_json(body, len, NULL, 0);

	if (need < 0)
		return NULL;
	free(tk->json);
	tk->json = malloc((size_t)need + 1);
	if (tk->json == NULL)
		abort();
	mk_to_json(body, len, tk->json, (size_t)need + 1);
	return tk->json;
}

const char *
mk_tk_json(mk_tk *tk, const char *topic, uint32_t i)
{
	size_t len = 0;
	const void *body = mk_tk_body(tk, topic, i, &len);

	return body != NULL ? tk_json(tk, body, len) : NULL;
}

void
mk_tk_forget(mk_tk *tk)
{
	pthread_mutex_lock(&tk->lock);
	for (size_t i = 0; i < tk->published.count; i++) {
		free(tk->published.items[i].topic);
		free(tk->published.items[i].body);
	}
	for (size_t i = 0; i < tk->logs.count; i++)
		free(tk->logs.items[i].text);
	tk->forgotten += tk->published.count;
	free(tk->published.items);
	free(tk->logs.items);
	memset(&tk->published, 0, sizeof(tk->published));
	memset(&tk->logs, 0, sizeof(tk->logs));
	memset(tk->log_counts, 0, sizeof(tk->log_counts));
	pthread_mutex_unlock(&tk->lock);
}

/* ------------------------------------------------------------ delivering -- */

static struct tk_topic *
bus_topic(mk_tk *tk, const char *name)
{
	struct tk_topic *t;

	for (size_t i = 0; i < tk->topics.count; i++) {
		if (strcmp(tk->topics.items[i].name, name) == 0)
			return &tk->topics.items[i];
	}
	t = TK_PUSH(&tk->topics);
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

/* Deliver `m`, whose sequence and time are filled in here. A REPLAYED message
 * comes again with the last sequence of its topic; a gap takes `lost` of them. */
static mk_result
bus_deliver(mk_tk *tk, mk_msg *m)
{
	const mk_topic *sub;
	struct tk_topic *t;
	struct tk_loan loan;
	struct tk_entry e;
	const char *topic = m->topic;
	uint64_t last;

	if (tk->state != TK_RUNNING)
		return MK_ESTATE;
	if (tk->held)
		return MK_EAGAIN;
	if (m->topic == NULL || !mk_topic_valid(m->topic, false))
		return MK_EINVAL;
	sub = bus_declared(tk->manifest->subscribes, m->topic);
	if (sub == NULL)
		return MK_EDENIED;
	t = bus_topic(tk, m->topic);
	last = t->seq + (m->flags & MK_MSG_GAP ? m->lost : 1);
	m->seq = t->seq + 1;
	if (m->flags & MK_MSG_REPLAYED && t->seq > 0)
		last = m->seq = t->seq;
	t->seq = last;
	m->struct_size = sizeof(*m);
	m->epoch = 1;
	m->time_us = tk->wall_us;
	m->origin_seq = m->flags & MK_MSG_DURABLE ? m->seq : 0;
	m->origin_first = m->flags & MK_MSG_DURABLE ? 1 : 0;
	m->schema = m->schema != 0 ? m->schema : sub->schema_max;
	loan = tk_lend(m->body, m->body_len, m->topic, m->origin);
	m->topic = loan.first;
	m->origin = loan.second;
	m->body = loan.body;
	memcpy(loan.head, m, sizeof(*m));
	e = tk_enter(tk, "on_msg", true);
	tk->desc->on_msg(tk->self, loan.head);
	tk_leave(&e);
	tk_give_back(&loan);
	t = bus_topic(tk, topic); /* ack() may have moved it */
	if ((sub->flags & MK_TOPIC_MANUAL_ACK) == 0 && last > t->acked)
		t->acked = last;
	return MK_OK;
}

mk_result
tk_send(mk_tk *tk, const char *topic, const void *body, size_t len, uint32_t flags, uint32_t schema)
{
	mk_msg m = { .topic = topic, .origin = "test", .flags = flags, .schema = schema };

	if ((flags & MK_MSG_GAP) != 0)
		return MK_EINVAL; /* has no body: mk_tk_send_gap */
	if (len > MK_BODY_MAX)
		return MK_ETOOBIG;
	if (!tk_is_map(body, len))
		return MK_EFORMAT; /* the bus would not have taken it */
	m.body = body;
	m.body_len = (uint32_t)len;
	return bus_deliver(tk, &m);
}

mk_result
mk_tk_send_raw(mk_tk *tk, const char *topic, const void *body, size_t len, uint32_t flags)
{
	return tk_send(tk, topic, body, len, flags, 0);
}

mk_result
mk_tk_send(mk_tk *tk, const char *topic, const mk_writer *body)
{
	mk_result r = mk_writer_end(body);

	return r == MK_OK ? tk_send(tk, topic, body->data, body->len, 0, 0) : r;
}

mk_result
mk_tk_send_gap(mk_tk *tk, const char *topic, uint64_t lost)
{
	mk_msg m = { .topic = topic, .origin = "test", .flags = MK_MSG_GAP, .lost = lost };

	return lost == 0 ? MK_EINVAL : bus_deliver(tk, &m);
}

uint32_t
mk_tk_route(mk_tk *from, mk_tk *to)
{
	struct tk_source *source = NULL;
	uint64_t next;
	uint32_t count = 0;

	for (size_t i = 0; i < to->sources.count && source == NULL; i++) {
		if (to->sources.items[i].from == from->id)
			source = &to->sources.items[i];
	}
	if (source == NULL) {
		source = TK_PUSH(&to->sources);
		source->from = from->id;
	}
	next = source->next > from->forgotten ? source->next : from->forgotten;
	for (; next < from->forgotten + from->published.count; next++) {
		const struct tk_record *r = &from->published.items[next - from->forgotten];
		mk_msg m = { .topic = r->topic,
			     .origin = from->name,
			     .body = r->body,
			     .body_len = r->len,
			     .flags = r->flags,
			     .schema = r->schema };

		count += bus_deliver(to, &m) == MK_OK;
	}
	source->next = next;
	return count;
}

mk_result
tk_ack(mk_tk *tk, const char *topic, uint64_t epoch, uint64_t seq)
{
	const mk_topic *sub = NULL;
	struct tk_topic *t;

	if (topic != NULL && mk_topic_valid(topic, false))
		sub = bus_declared(tk->manifest->subscribes, topic);
	if (sub == NULL || (sub->flags & MK_TOPIC_MANUAL_ACK) == 0) {
		tk_misbehaved(tk, "other", "ack: \"%.64s\" is not subscribed with MANUAL_ACK",
			      topic != NULL ? topic : "(null)");
		return MK_EDENIED;
	}
	t = bus_topic(tk, topic);
	if (epoch != 1 || seq > t->seq) {
		tk_misbehaved(tk, "other", "ack: %s %llu/%llu was never delivered", topic,
			      (unsigned long long)epoch, (unsigned long long)seq);
		return MK_EINVAL;
	}
	t->acked = seq > t->acked ? seq : t->acked;
	return MK_OK;
}

uint64_t
mk_tk_acked(const mk_tk *tk, const char *topic)
{
	for (size_t i = 0; i < tk->topics.count; i++) {
		if (strcmp(tk->topics.items[i].name, topic) == 0)
			return tk->topics.items[i].acked;
	}
	return 0;
}
