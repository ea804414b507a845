/* SPDX-License-Identifier: MIT
 *
 * What a WebSocket client is told, and what it may ask for. Knows nothing of sockets: texts come in,
 * and texts are fetched when the client can take some, so nothing piles up for one that is slow.
 *
 * /api/events, from the client, at most 4096 bytes each; "id" is repeated in the answer:
 *   {"do": "subscribe", "topic": T, "filter": {FIELD: VALUE | [VALUE...]}, "retained": true}
 *       T is a topic, or a subtree with a slash at its end. Of {"items": [...]} only those that
 *       have all of the fields come; FIELD may be a path, "advert.role". With "key": KEY, the
 *       operator's, T may be any other topic of the bus, too, as rx/raw: at most 16 of all clients,
 *       and not more than the tap gives (tap.h).
 *   {"do": "unsubscribe", "topic": T}
 *   {"do": "replay", "topic": T, "from": SEQ, "epoch": E, "n": COUNT}
 *   {"do": "ping"}
 * to the client:
 *   {"type": "hello", "topics": [what may be subscribed to], "more": others may be, with the key}
 *   {"type": "ok"|"error"|"pong", "do", "topic", "error", "id"}
 *   {"type": "message", "topic", "epoch", "seq", "time_us", "origin", "body"}, with "delta",
 *       "retained", "replayed": true where it is so
 *   {"type": "lost", "topic", "epoch", "from", "lost"}: the client was too slow, or the bus was
 *   {"type": "end", "topic", "seq"}: of a replay, and the sequence it does not cover any more
 *
 * The feed of CoreScope's clients: one text for each observation; what the client says is ignored.
 */
#ifndef MK_HTTP_EVENTS_H
#define MK_HTTP_EVENTS_H

#include "../json/json.h"
#include "model.h"
#include "retained.h"

#define EVENTS_MESSAGE_MAX 4096u
#define EVENTS_SUBSCRIPTIONS 32u
#define EVENTS_TOPICS 512u /* whose sequences are watched for one client */
#define EVENTS_ANSWERS 256u

struct events;
struct tap;

/* Topics beside those that are offered to everybody. */
struct events_more {
	struct tap *tap;
	bool (*allows)(void *arg, const char *key);
	void *arg;
};

/* `topics`: what may be subscribed to, ends with NULL; borrowed, as everything else. */
struct events *events_new(enum ring_form form, struct ring *ring, struct retained *retained,
			  struct model *model, const char *const *topics);
/* Copied; what it refers to is borrowed. Without it nothing else is offered. */
void events_offer(struct events *e, const struct events_more *more);
void events_free(struct events *e); /* takes NULL */
/* False: it asks for more than it is ready to hear. Close it. */
bool events_read(struct events *e, const char *text, size_t len);
/* The next text for the client, borrowed until the next call; false: there is none now. */
bool events_next(struct events *e, const char **text, size_t *len);
/* Messages it did not get, since the last time this was asked. */
uint64_t events_take_lost(struct events *e);

/* The texts of an entry for the feed; NULL: out of memory. */
struct frames *feed_frames(const struct event *entry);

#endif
