/* SPDX-License-Identifier: MIT
 *
 * A WebSocket client of /api/events: frames as the server's library takes them apart, texts as
 * requests, and messages of the bus in between. Whatever comes out is JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <wslay/wslay.h>

#include <http/server/events.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const topics[] = { "core/", "packet/stored", "snapshot/", NULL };

struct client {
	const uint8_t *data;
	size_t size;
	struct events *events;
	bool dead;
};

static ssize_t
on_recv(wslay_event_context_ptr ws, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct client *c = arg;

	(void)flags;
	len = len < c->size ? len : c->size;
	if (len == 0) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	memcpy(buf, c->data, len);
	c->data += len;
	c->size -= len;
	return (ssize_t)len;
}

static ssize_t
on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags, void *arg)
{
	(void)ws;
	(void)data;
	(void)flags;
	(void)arg;
	return (ssize_t)len;
}

static void
on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
	struct client *c = arg;

	(void)ws;
	if (m->opcode == WSLAY_TEXT_FRAME)
		c->dead |= !events_read(c->events, (const char *)m->msg, m->msg_length);
}

static void
drain(struct events *e)
{
	const char *text;
	size_t len;

	for (int i = 0; i < 1000 && events_next(e, &text, &len); i++) {
		json_t *parsed = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

		if (!json_is_string(json_object_get(parsed, "type")))
			abort();
		json_decref(parsed);
	}
}

/* Some messages, with gaps. */
static void
fill(struct ring *ring, struct retained *retained, uint64_t from)
{
	static const char *const names[] = { "packet/stored", "snapshot/a", "core/heads" };
	mk_writer w;

	mk_writer_init(&w, 0);
	for (uint64_t i = 0; i < 30; i++) {
		mk_msg msg = { .struct_size = sizeof(msg), .topic = names[i % 3], .epoch = 1 };
		struct event *e;

		mk_writer_reset(&w);
		mk_put_map(&w, 2);
		mk_kv_array(&w, "items", 2);
		for (int k = 0; k < 2; k++) {
			mk_put_map(&w, 2);
			mk_kv_u64(&w, "type", i % 5);
			mk_kv_str(&w, "observer", k == 0 ? "a" : "b");
		}
		mk_kv_map(&w, "heads", 1);
		mk_kv_u64(&w, "packet/stored", from + i);
		msg.seq = from + i;
		msg.flags = i % 3 == 1 && i > 5 ? MK_MSG_DELTA : 0;
		msg.body = w.data;
		msg.body_len = (uint32_t)w.len;
		e = event_new(&msg);
		if (e == NULL)
			abort();
		if (i % 3 == 1)
			retained_put(retained, e);
		ring_put(ring, e);
	}
	mk_writer_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wslay_event_callbacks callbacks = { .recv_callback = on_recv,
								.send_callback = on_send,
								.on_msg_recv_callback =
								    on_message };
	struct ring *ring = ring_new(64, 16384);
	struct retained retained;
	struct model model;
	struct client c = { .data = data + (size > 0), .size = size - (size > 0) };
	wslay_event_context_ptr ws;

	retained_init(&retained);
	if (ring == NULL || model_init(&model) != MK_OK)
		abort();
	fill(ring, &retained, 1);
	c.events = events_new(FORM_EVENT, ring, &retained, &model, topics);
	if (c.events == NULL || wslay_event_context_server_init(&ws, &callbacks, &c) != 0)
		abort();
	wslay_event_config_set_max_recv_msg_length(ws, EVENTS_MESSAGE_MAX);
	/* The first byte decides between a text alone and frames. */
	if (size > 0 && data[0] < 0x80)
		events_read(c.events, (const char *)data + 1, size - 1);
	else
		(void)wslay_event_recv(ws);
	drain(c.events);
	fill(ring, &retained, 100);
	drain(c.events);
	wslay_event_context_free(ws);
	events_free(c.events);
	ring_free(ring);
	retained_fini(&retained);
	model_fini(&model);
	return 0;
}
