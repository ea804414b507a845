/* SPDX-License-Identifier: MIT
 *
 * The bus hub: takes messages from publishers, gives each its place in the order of its topic,
 * keeps the recent ones, and brings them to every subscriber at the subscriber's own pace.
 *
 * DOC: How nothing is lost silently
 *
 *   publisher --WIRE_PUB, within its credit--> hub: stamp, ring --WIRE_MSG, within a window--> seat
 *
 *   - A seat is an instance's place at the bus. It outlives the process that sits on it: it
 *     remembers what was acknowledged, and whoever sits down next goes on from there.
 *   - Towards a seat, a bundle is sent only when the earlier ones were received (a window), so
 *     the publish socket never overflows. What the window does not let through stays in the ring.
 *   - A full ring whose oldest reliable message is not yet acknowledged takes credit away from
 *     publishers, except from the seats that hold it up: they need credit to get on. After
 *     push_back_us the laggard loses its hold and hears a GAP; one dead subscriber cannot stop
 *     the system.
 *   - A publisher of a durable topic numbers its messages; the hub drops numbers that it has
 *     seen, so a restarted publisher may send again without harm. `storage/committed` says what
 *     the outbox may forget. If a subscriber hears a GAP in a durable topic, its publishers are
 *     told to send again what is not committed.
 *
 * Everything here runs on the core thread. No plugin code ever does.
 */
#ifndef MK_CORE_HUB_H
#define MK_CORE_HUB_H

#include <meshkern/codec.h>
#include <meshkern/err.h>
#include <meshkern/manifest.h>

#include "bus_link.h"
#include "log.h"
#include "loop.h"
#include "rate.h"
#include "reader.h"
#include "wire.h"

#define HUB_COMMITTED "storage/committed"
#define SEAT_CONTROL_MAX (64u << 20) /* more than this waits: it reads no more */
#define SEAT_SKIPS 16u               /* more are forgotten, the oldest first */
#define HUB_FRAME_MAX ((size_t)MK_BODY_MAX + (1u << 20)) /* a bundle, with room for overhead */

struct hub;
struct seat;

/* What the hub tells its owner; all on the core thread, `owner` is the seat's. */
struct hub_events {
	/* None of these may attach or detach a seat: do that when the round is over. */
	void (*state)(void *owner, uint8_t state, mk_result result, const char *text);
	void (*number)(void *owner, const char *name, int64_t value);
	void (*outbox)(void *owner, const uint64_t stats[6]);
	void (*misbehaved)(void *owner, const char *text);
	void (*lost_link)(void *owner); /* the peer has gone */
	/* A call to "core/..."; answer with hub_answer. */
	void (*core_call)(void *arg, struct seat *caller, uint64_t call, const char *method,
			  const uint8_t *body, uint32_t len);
	void *arg; /* for core_call */
};

struct hub_config {
	uint64_t ring_messages, ring_bytes, push_back_us;
	uint64_t call_timeout_us; /* of calls that do not say */
};

struct seat {
	struct hub *hub;
	struct seat *next;
	void *owner;
	char name[MK_ID_MAX + 1];
	const mk_manifest *manifest; /* borrowed; NULL until declared */
	struct rate rate;            /* of messages that it may publish; per_second 0 = any */
	bool trusted;                /* bodies were validated by our own code */

	struct reader sent;   /* what it was sent */
	struct reader acked;  /* what it has dealt with */
	uint64_t done;        /* order up to which it has */
	uint64_t handled;     /* order up to which it may have, as soon as it says so */
	uint64_t sent_order;  /* of the last message ever sent to it */
	uint64_t sent_before; /* the same when the present process sat down */
	bool waited_for;      /* its unacknowledged messages stay in the ring */
	bool laggard;         /* lost that for being too slow */
	bool retained_due;    /* joiner: send the retained values first */
	bool draining;        /* no message beyond stop_order, then WIRE_STOP */
	bool said_stop;
	bool told_gap; /* what was lost is in `sent`, but not in `acked` */
	uint64_t stop_order;
	uint64_t skip[SEAT_SKIPS]; /* orders that go to nobody who sits here any more */
	uint32_t skip_count;

	struct link *out, *in;
	bool here, started, running;
	uint64_t bundles_sent, bundles_received, bytes_unreceived;
	uint32_t bundle_len[32]; /* of those under way, by number */
	struct wire_out control; /* records to go out before messages */
	struct wire_out bundle;

	uint64_t credit, credit_bytes; /* given in all */
	uint64_t used, used_bytes;
	uint64_t first, admitted; /* lowest and highest outbox number of this epoch; 0 = none */
	uint64_t committed;       /* highest that is on disk */
	uint64_t rewound_us;
	uint32_t topics, calls; /* that it has made, and that are open */
	struct rate core_calls;
	bool rewind_due;   /* messages of its durable topics did not get through */
	uint64_t again_to; /* it is sending again, up to this number; 0 = is not */

	/* counters, since the daemon started */
	uint64_t in_messages, out_messages, refused, duplicates, gaps, lost, throttled;
	struct log_limit throttle_log, log_limit;
};

struct hub_call { /* a call under way */
	uint64_t id, caller_id, deadline_us;
	struct seat *caller; /* NULL: the core's own, answered through `fn` */
	struct seat *callee; /* NULL: the core */
	void (*fn)(void *arg, mk_result result, const char *error, const uint8_t *body,
		   uint32_t len);
	void *arg;
	char method[MK_TOPIC_MAX + 1];
};

#define HUB_CALLS_MAX 1024u

struct hub {
	struct loop *loop;
	struct hub_config config;
	struct hub_events events;
	struct stream stream;
	struct seat *seats;
	struct hub_call *calls; /* HUB_CALLS_MAX slots; id 0 = free */
	uint32_t call_count;
	uint64_t call_next;
	struct loop_timer *tick; /* runs while something waits for time */
	bool ticking;            /* it is set */
	struct loop_timer *heads;
	bool dirty;           /* there is something to bring to seats */
	uint64_t heads_order; /* stream.order when core/heads was sent last */
	uint64_t heads_us;
	uint64_t committed_order; /* of the last message that said what is committed */
	uint64_t over_us;         /* since when a ring is over its limits, 0 = is not */
	uint64_t pushed_back_us;  /* altogether */
	uint64_t published, refused, call_timeouts;
	mk_doc doc;
	mk_writer writer;
	struct log_limit complaint;
	void (*watch_entry)(void *arg, const struct entry *e); /* outside subscribers */
	void *watch_arg;
};

mk_result hub_new(struct hub **out, struct loop *loop, const struct hub_config *config,
		  const struct hub_events *events, mk_err *err);
void hub_free(struct hub *h);

/* One message into the stream. `from` is NULL for the core's own. */
mk_result hub_admit(struct hub *h, struct seat *from, const char *topic, uint32_t flags,
		    uint32_t schema, uint64_t number, const void *body, uint32_t len);
/* The core publishes; topics core/... are latest unless `retained`. */
void hub_say(struct hub *h, const char *topic, bool retained, const mk_writer *body);
/* After the loop's round: bring what is new to whoever may have it. */
void hub_pump(struct hub *h);
/* A subscriber lost durable messages: who published them sends again. */
void hub_rewind(struct hub *h, const struct topic *t);
/* True if `e` may not leave the ring yet because of `by`. */
bool hub_is_held(struct seat *by, const struct entry *e);
/* May this seat publish more right now? */
bool hub_gives_credit(struct hub *h, struct seat *s);
void hub_need_tick(struct hub *h);

/* Calls. `result` of hub_ask other than MK_OK means that `fn` is not called. */
mk_result hub_ask(struct hub *h, const char *method, const void *body, uint32_t len,
		  uint64_t timeout_us,
		  void (*fn)(void *arg, mk_result result, const char *error, const uint8_t *body,
			     uint32_t len),
		  void *arg, uint64_t *id);
void hub_forget_ask(struct hub *h, uint64_t id); /* the asker has gone */
void hub_answer(struct hub *h, uint64_t call, mk_result result, const char *error, const void *body,
		uint32_t len);
void hub_on_ask(struct seat *s, uint64_t id, uint64_t timeout_us, const char *method,
		const uint8_t *body, uint32_t len);
void hub_on_answer(struct seat *s, uint64_t id, mk_result result, const char *error,
		   const uint8_t *body, uint32_t len);
void hub_drop_calls_of(struct seat *s);
void hub_expire_calls(struct hub *h, uint64_t now_us);

/* ---------------------------------------------------------------- seats -- */

/* A new seat waits for everything from the start of the epoch if `from_start`, else from now. */
struct seat *seat_new(struct hub *h, const char *name, void *owner, bool from_start);
void seat_free(struct seat *s); /* takes NULL */
/* What it may publish, subscribe to and answer. `manifest` stays until the next call. */
void seat_declare(struct seat *s, const mk_manifest *manifest, uint64_t rate, bool trusted);
/* Sit down: two sockets to which nobody has come yet; [taken]. */
mk_result seat_attach(struct seat *s, struct link *out, struct link *in, mk_err *err);
/* Get up; the place stays. What was not acknowledged will be sent again. */
void seat_detach(struct seat *s);
/* Nobody is connected, and what they sent was read. */
bool seat_is_quiet(const struct seat *s);
/* Nobody will come for now: nothing is kept for it beyond what the ring keeps anyway. */
void seat_park(struct seat *s, bool parked);
/* Let it finish what it was sent (`all`: everything up to now), then stop. What remains is sent to
 * whoever sits down next. */
void seat_drain(struct seat *s, bool all);
void seat_reconfigure(struct seat *s, const void *values, uint32_t len);
/* The last word to whoever sits there: it closes its sockets. */
void seat_bye(struct seat *s);
/* Everything up to `order` is dealt with, as its vitals say. */
void seat_done(struct seat *s, uint64_t order);
/* This one message is not brought again; what came before it is still due. */
void seat_skip(struct seat *s, uint64_t order);
bool seat_skips(const struct seat *s, uint64_t order);
/* The message, borrowed; NULL if it is gone. */
const struct entry *seat_find(const struct seat *s, uint64_t order);
/* Is it a valid map, as far as it must be checked? Else `why` says what is wrong. */
bool seat_accepts(const struct seat *s, const void *body, uint32_t len, char why[128]);
/* A record of u64 fields for whoever sits there. */
void seat_tell(struct seat *s, uint8_t kind, uint32_t count, const uint64_t *numbers);
void seat_pump(struct seat *s);
/* Send what credit allows it now. */
void seat_give_credit(struct seat *s);
void seat_flush(struct seat *s);

#endif
