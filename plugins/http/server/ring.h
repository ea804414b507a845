/* SPDX-License-Identifier: MIT
 *
 * The last messages of the bus, for WebSocket clients. One thread puts, others read with positions
 * of their own, so a slow client costs nothing but its position: it falls out at the end, and learns
 * from the sequence numbers what it lost.
 *
 * A message is turned into text when somebody first needs it, once for all.
 */
#ifndef MK_HTTP_RING_H
#define MK_HTTP_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include <meshkern/codec.h>

enum ring_form { FORM_EVENT, FORM_FEED, FORMS };

/* Texts to send, one after the other. */
struct frames {
	uint32_t count;
	uint32_t *ends; /* of each in `text` */
	char *text;
};

struct event {
	_Atomic uint32_t refs;
	_Atomic(struct frames *) frames[FORMS];
	uint64_t position; /* the ring's, with `placed` */
	bool placed;
	uint32_t flags; /* of the message */
	uint64_t epoch, seq, time_us;
	char topic[MK_TOPIC_MAX + 1];
	char origin[MK_ID_MAX + 1];
	uint32_t len;
	uint8_t body[];
};

struct ring;

struct event *event_new(const mk_msg *msg); /* NULL: out of memory */
struct event *event_ref(struct event *e);
void event_unref(struct event *e); /* takes NULL */
void frames_free(struct frames *f);

struct ring *ring_new(uint32_t max_entries, uint64_t max_bytes);
void ring_free(struct ring *r); /* takes NULL */
/* Takes the reference. The oldest ones make room. */
void ring_put(struct ring *r, struct event *e);
/* Nobody will be brought this one any more. Its place stays; who passes it sees that it is missing. */
void ring_forget(struct ring *r, struct event *e);
/* Positions: [ring_tail, ring_head). */
uint64_t ring_tail(struct ring *r);
uint64_t ring_head(struct ring *r);
/* The entry at *at, with a reference, and *at moves on. When *at has fallen out, *at becomes the tail
 * and *fell is set. NULL: nothing new. */
struct event *ring_next(struct ring *r, uint64_t *at, bool *fell);
/* The text of an entry in a form, made by `make` if nobody has yet; NULL: out of memory. Borrowed as
 * long as the entry. */
const struct frames *ring_frames(struct ring *r, struct event *e, enum ring_form form,
				 struct frames *(*make)(const struct event *e));
uint64_t ring_bytes(struct ring *r);

#endif
