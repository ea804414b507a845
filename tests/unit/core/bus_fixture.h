/* SPDX-License-Identifier: MIT
 *
 * What the tests of the bus share: a hub on a loop, a clock that can be put forward, and peers that
 * sit at the hub over real inproc sockets but speak the records by hand. Everything happens on
 * one thread: settle() runs the loop until nothing is on the way any more.
 */
#ifndef MK_TESTS_BUS_FIXTURE_H
#define MK_TESTS_BUS_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"
#include "hub.h"

#define SECOND 1000000u

/* ------------------------------------------------------------------ clock -- */

/* Each test is a process, each file a program: there is one of each of these. */
static uint64_t clock_ahead_us;
static uint64_t clock_stopped_us; /* 0: it runs */

static inline uint64_t
clock_real_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_now_us(void)
{
	return (clock_stopped_us != 0 ? clock_stopped_us : clock_real_us(CLOCK_MONOTONIC)) +
	       clock_ahead_us;
}

uint64_t
clock_wall_us(void)
{
	return clock_real_us(CLOCK_REALTIME) + clock_ahead_us;
}

/* From here on only later() makes time pass, however slow the machine is. */
static inline void
stop_clock(void)
{
	clock_stopped_us = clock_real_us(CLOCK_MONOTONIC);
}

/* ------------------------------------------------------------------ peers -- */

struct record { /* one that a peer received, but CREDIT */
	struct record *next;
	uint8_t kind;
	size_t len;
	uint8_t data[];
};

struct peer { /* an instance, as the hub sees it */
	struct peer *next;
	struct seat *seat;
	mk_manifest *manifest;
	struct link *sub, *push; /* NULL: nobody sits there */
	struct loop_watch *watch;
	unsigned generation;
	struct wire_out out;
	struct record *first, **last;
	struct wire_in at; /* the record that next_record gave last */
	struct record *given;
	uint64_t bundles, order; /* received */
	uint64_t admitted;       /* what START said */
	uint64_t credit, credit_bytes, used, used_bytes;
	bool started;
	bool silent; /* acknowledges nothing */
	/* what the hub told its owner */
	uint8_t state;
	mk_result result;
	int64_t number;
	uint64_t outbox[6];
	unsigned misbehaved, lost_links;
	char text[256]; /* of the last state or misbehaviour */
};

static struct loop *loop;
static struct loop_timer *guard;
static struct hub *hub;
static struct peer *peers;
static uint64_t traffic; /* bundles received and acknowledged by peers */

static struct { /* the last call to core/... */
	struct seat *caller;
	uint64_t id;
	char method[MK_TOPIC_MAX + 1];
	uint32_t len;
} core_call;

static inline void
peer_flush(struct peer *p)
{
	if (p->push != NULL && p->out.len > 0 &&
	    link_send(p->push, p->out.data, p->out.len) == MK_OK)
		wire_clear(&p->out);
}

/* `handled` may be ahead of `done`: what waits for an acknowledgement by hand. */
static inline void
peer_ack_by_hand(struct peer *p, uint64_t bundles, uint64_t done, uint64_t handled)
{
	wire_begin(&p->out, WIRE_ACK);
	wire_u64(&p->out, bundles);
	wire_u64(&p->out, done);
	wire_u64(&p->out, handled);
	wire_end(&p->out);
	traffic++;
}

static inline void
peer_ack(struct peer *p, uint64_t bundles, uint64_t order)
{
	peer_ack_by_hand(p, bundles, order, order);
}

static inline void
peer_on_record(struct peer *p, uint8_t kind, struct wire_in *r)
{
	size_t len = (size_t)(r->end - r->p);
	struct record *record;

	if (kind == WIRE_CREDIT) {
		p->credit = wire_get_u64(r);
		p->credit_bytes = wire_get_u64(r);
		return;
	}
	record = malloc(sizeof(*record) + len);
	cr_assert_not_null(record);
	*record = (struct record){ .kind = kind, .len = len };
	memcpy(record->data, r->p, len);
	*p->last = record;
	p->last = &record->next;
	p->started = p->started || kind == WIRE_START;
	if (kind == WIRE_MSG && wire_get_u64(r) != 0)
		memcpy(&p->order, record->data, sizeof(p->order));
}

static inline void
peer_on_sub(void *arg, uint32_t events)
{
	struct peer *p = arg;
	const uint8_t *data;
	size_t len;

	(void)events;
	while ((data = link_receive(p->sub, &len)) != NULL) {
		struct wire_in bundle = { .p = data, .end = data + len }, r;
		uint8_t kind;

		while (wire_next(&bundle, &kind, &r))
			peer_on_record(p, kind, &r);
		cr_assert_not(bundle.bad);
		p->bundles++;
		traffic++;
		if (!p->silent)
			peer_ack(p, p->bundles, p->order);
	}
}

/* One round of the loop, as the daemon does it. Never waits long. */
static inline void
round_once(void)
{
	loop_timer_set(guard, clock_now_us() + 1000);
	loop_round(loop);
	hub_pump(hub);
	for (struct peer *p = peers; p != NULL; p = p->next)
		peer_flush(p);
}

#define UNTIL(condition)                                                      \
	do {                                                                  \
		uint64_t by_us = clock_real_us(CLOCK_MONOTONIC) + 5 * SECOND; \
		while (!(condition)) {                                        \
			cr_assert(clock_real_us(CLOCK_MONOTONIC) < by_us,     \
				  "waiting in vain for " #condition);         \
			round_once();                                         \
		}                                                             \
	} while (0)

/* Wait until everything that anyone has sent has arrived and been dealt with. A number goes through
 * the same socket as all the rest, so what was sent before it is there once it is. */
static inline void
settle(void)
{
	static int64_t mark;
	uint64_t before;

	do {
		before = traffic;
		mark++;
		for (struct peer *p = peers; p != NULL; p = p->next) {
			if (p->push == NULL)
				continue;
			wire_begin(&p->out, WIRE_NUMBER);
			wire_u64(&p->out, (uint64_t)mark);
			wire_str(&p->out, "mark");
			wire_end(&p->out);
			UNTIL(p->number == mark);
		}
		hub->dirty = true;
		hub_pump(hub);
		for (struct peer *p = peers; p != NULL; p = p->next)
			UNTIL(p->sub == NULL || p->bundles == p->seat->bundles_sent);
	} while (traffic != before || hub->dirty);
}

/* Put the clock forward and let happen what is due then. */
static inline void
later(uint64_t us)
{
	clock_ahead_us += us;
	round_once();
	settle();
}

/* ------------------------------------------------------------ declaring -- */

struct spec { /* topics separated by spaces; publishing, with :r :d :t (retained) or :rt behind */
	const char *publishes, *subscribes, *methods;
	const char *const *capabilities;
};

#define SPEC_MAX 8

static inline uint32_t
spec_flags(const char *letters)
{
	return (strchr(letters, 'r') != NULL ? MK_TOPIC_RELIABLE : 0) |
	       (strchr(letters, 'd') != NULL ? MK_TOPIC_DURABLE : 0) |
	       (strchr(letters, 't') != NULL ? MK_TOPIC_RETAINED : 0);
}

/* The words of `text` as a table; their memory is `words`. */
static inline void
spec_topics(const char *text, char words[SPEC_MAX][80], mk_topic table[SPEC_MAX + 1])
{
	size_t n = 0;

	memset(table, 0, (SPEC_MAX + 1) * sizeof(table[0]));
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, " ");

		cr_assert(n < SPEC_MAX && len < 80);
		memcpy(words[n], text, len);
		words[n][len] = '\0';
		if (strchr(words[n], ':') != NULL) {
			table[n].flags = spec_flags(strchr(words[n], ':'));
			*strchr(words[n], ':') = '\0';
		}
		table[n].name = words[n];
		table[n].max_body = 2u << 20;
		n++;
		text += len + strspn(text + len, " ");
	}
}

static inline void
spec_nothing(void *self)
{
	(void)self;
}

static inline mk_result
spec_create(const mk_host *h, void **self)
{
	(void)h, (void)self;
	return MK_OK;
}

static inline void
spec_on_msg(void *self, const mk_msg *m)
{
	(void)self, (void)m;
}

static inline void
spec_on_call(void *self, const mk_call *c)
{
	(void)self, (void)c;
}

static inline mk_manifest *
manifest_of(struct spec spec)
{
	char words[3][SPEC_MAX][80];
	mk_topic publishes[SPEC_MAX + 1], subscribes[SPEC_MAX + 1], names[SPEC_MAX + 1];
	mk_method methods[SPEC_MAX + 1] = { 0 };
	mk_plugin_desc desc = { MK_PLUGIN_HEAD,
				.id = "peer",
				.version = "1.0.0",
				.summary = "test",
				.license = "MIT",
				.author = "test",
				.url = "",
				.publishes = publishes,
				.subscribes = subscribes,
				.methods = methods,
				.capabilities = spec.capabilities,
				.create = spec_create,
				.destroy = spec_nothing,
				.on_msg = spec_on_msg,
				.on_call = spec_on_call };
	mk_manifest *m = NULL;
	mk_err err = { 0 };
	mk_writer w;

	spec_topics(spec.publishes, words[0], publishes);
	spec_topics(spec.subscribes, words[1], subscribes);
	spec_topics(spec.methods, words[2], names);
	for (size_t i = 0; i < SPEC_MAX; i++) {
		subscribes[i].max_body = 0;
		methods[i].name = names[i].name;
	}
	mk_writer_init(&w, 0);
	cr_assert_eq(mk_desc_check(&desc, &err), MK_OK, "%s", err.text);
	cr_assert_eq(mk_manifest_write(&desc, &w), MK_OK);
	cr_assert_eq(mk_manifest_read(&m, w.data, w.len, &err), MK_OK, "%s", err.text);
	mk_writer_fini(&w);
	return m;
}

static inline void
declare(struct peer *p, struct spec spec)
{
	mk_manifest *before = p->manifest;

	p->manifest = manifest_of(spec);
	seat_declare(p->seat, p->manifest, 0, false);
	mk_manifest_free(before);
}

/* A seat that is waited for, as the daemon makes it; nobody sits there yet. */
static inline struct peer *
peer_new(const char *name, struct spec spec)
{
	struct peer *p = calloc(1, sizeof(*p));

	cr_assert_not_null(p);
	p->last = &p->first;
	p->next = peers;
	peers = p;
	p->seat = seat_new(hub, name, p, false);
	cr_assert_not_null(p->seat);
	seat_park(p->seat, false);
	declare(p, spec);
	return p;
}

/* The fields of the next record that the peer received; it has to be of that kind. */
static inline struct wire_in *
next_record(struct peer *p, uint8_t kind)
{
	free(p->given);
	p->given = p->first;
	cr_assert_not_null(p->given, "%s has no record of kind %d", p->seat->name, kind);
	p->first = p->given->next;
	if (p->first == NULL)
		p->last = &p->first;
	cr_assert_eq(p->given->kind, kind, "%s has a record of kind %d, expected %d", p->seat->name,
		     p->given->kind, kind);
	p->at = (struct wire_in){ .p = p->given->data, .end = p->given->data + p->given->len };
	return &p->at;
}

static inline void
forget_records(struct peer *p)
{
	while (p->first != NULL)
		next_record(p, p->first->kind);
}

/* ---------------------------------------------------------- coming, going -- */

static inline void
peer_state(struct peer *p, uint8_t state)
{
	wire_begin(&p->out, WIRE_STATE);
	wire_u8(&p->out, state);
	wire_u32(&p->out, 0);
	wire_end(&p->out);
}

/* Both sockets are through; nothing was said yet. */
static inline void
connect_only(struct peer *p)
{
	struct link *out, *in;
	char url_out[64], url_in[64];
	mk_err err = { 0 };

	snprintf(url_out, sizeof(url_out), "inproc://%s.%u.out", p->seat->name, ++p->generation);
	snprintf(url_in, sizeof(url_in), "inproc://%s.%u.in", p->seat->name, p->generation);
	cr_assert_eq(link_open(&out, LINK_PUB, 64, HUB_FRAME_MAX, &err), MK_OK, "%s", err.text);
	cr_assert_eq(link_open(&in, LINK_PULL, 64, HUB_FRAME_MAX, &err), MK_OK);
	cr_assert_eq(link_listen(out, &(struct link_address){ .url = url_out }, &err), MK_OK);
	cr_assert_eq(link_listen(in, &(struct link_address){ .url = url_in }, &err), MK_OK);
	cr_assert_eq(seat_attach(p->seat, out, in, &err), MK_OK, "%s", err.text);
	cr_assert_eq(link_open(&p->sub, LINK_SUB, 256, 0, &err), MK_OK);
	cr_assert_eq(link_open(&p->push, LINK_PUSH, 64, 0, &err), MK_OK);
	p->watch = loop_watch(loop, link_fd(p->sub), LOOP_READ, peer_on_sub, p);
	cr_assert_not_null(p->watch);
	cr_assert_eq(link_dial(p->sub, url_out, &err), MK_OK);
	cr_assert_eq(link_dial(p->push, url_in, &err), MK_OK);
	UNTIL(link_peers(p->push) == 1 && link_peers(out) == 1);
}

/* A process sits down and runs. */
static inline void
join(struct peer *p)
{
	struct wire_in *r;

	p->bundles = p->order = 0;
	p->credit = p->credit_bytes = p->used = p->used_bytes = 0;
	p->started = false;
	forget_records(p);
	connect_only(p);
	peer_state(p, WIRE_STATE_HERE);
	UNTIL(p->started);
	r = next_record(p, WIRE_START);
	cr_assert_eq(wire_get_u64(r), hub->stream.epoch);
	p->admitted = wire_get_u64(r);
	cr_assert(!r->bad && r->p == r->end);
	peer_state(p, WIRE_STATE_RUNNING);
	settle();
}

static inline struct peer *
peer_joined(const char *name, const char *publishes, const char *subscribes)
{
	struct peer *p =
	    peer_new(name, (struct spec){ .publishes = publishes, .subscribes = subscribes });

	join(p);
	return p;
}

/* The process ends without a word, but with nothing on the way: nng may not come back from closing
 * a socket that receives. */
static inline void
leave(struct peer *p)
{
	settle();
	loop_unwatch(p->watch);
	link_close(p->sub);
	link_close(p->push);
	p->sub = p->push = NULL;
	seat_detach(p->seat);
	wire_clear(&p->out);
}

/* ----------------------------------------------------------- publishing -- */

/* {"n": n}, 8 bytes; [borrowed] until the next. */
static inline const uint8_t *
body_of(uint32_t n)
{
	static uint8_t body[8] = { 0x81, 0xa1, 'n', 0xce };

	for (int i = 0; i < 4; i++)
		body[4 + i] = (uint8_t)(n >> (24 - 8 * i));
	return body;
}

static inline void
send_record(struct peer *p, uint32_t flags, uint64_t number, const char *topic, const void *body,
	    size_t len)
{
	size_t before = p->out.len;

	wire_begin(&p->out, WIRE_PUB);
	wire_u32(&p->out, flags);
	wire_u32(&p->out, 1);
	wire_u64(&p->out, number);
	wire_str(&p->out, topic);
	wire_rest(&p->out, body, len);
	cr_assert(wire_end(&p->out));
	p->used++;
	p->used_bytes += p->out.len - before - 5;
}

/* A message that its credit allows. */
static inline void
publish_as(struct peer *p, uint32_t flags, uint64_t number, const char *topic)
{
	UNTIL(p->credit > p->used && p->credit_bytes > p->used_bytes);
	send_record(p, flags, number, topic, body_of((uint32_t)p->used), 8);
}

static inline void
publish(struct peer *p, const char *topic)
{
	publish_as(p, 0, 0, topic);
}

/* So many, and wait until the hub has them. */
static inline void
publish_many(struct peer *p, const char *topic, uint32_t n)
{
	while (n-- > 0)
		publish(p, topic);
	settle();
}

/* {"n": bin} of about `len` bytes. */
static inline void
publish_large(struct peer *p, const char *topic, size_t len)
{
	uint8_t *body = calloc(1, len + 8);

	cr_assert_not_null(body);
	memcpy(body, "\x81\xa1n\xc6", 4);
	for (int i = 0; i < 4; i++)
		body[4 + i] = (uint8_t)(len >> (24 - 8 * i));
	UNTIL(p->credit > p->used && p->credit_bytes > p->used_bytes);
	send_record(p, 0, 0, topic, body, len + 8);
	settle();
	free(body);
}

/* ------------------------------------------------------------ expecting -- */

static inline struct wire_msg
expect_msg(struct peer *p, const char *topic, uint64_t seq, uint32_t flags)
{
	struct wire_msg m;

	cr_assert(wire_get_msg(next_record(p, WIRE_MSG), &m));
	cr_assert_str_eq(m.topic, topic);
	cr_assert_eq(m.seq, seq, "%s %d, expected %d", topic, (int)m.seq, (int)seq);
	cr_assert_eq(m.flags, flags, "%s %d has the flags %u", topic, (int)seq, m.flags);
	return m;
}

static inline void
expect_msgs(struct peer *p, const char *topic, uint64_t from, uint64_t to)
{
	while (from <= to)
		expect_msg(p, topic, from++, 0);
}

static inline void
expect_gap(struct peer *p, const char *topic, uint64_t seq, uint64_t lost)
{
	struct wire_in *r = next_record(p, WIRE_GAP);

	cr_assert_str_eq(wire_get_str(r), topic);
	cr_assert_eq(wire_get_u64(r), hub->stream.epoch);
	cr_assert_eq(wire_get_u64(r), seq);
	cr_assert_eq(wire_get_u64(r), lost);
	cr_assert(!r->bad && r->p == r->end);
}

static inline void
expect_nothing(const struct peer *p)
{
	cr_assert_null(p->first, "%s has a record of kind %d", p->seat->name, p->first->kind);
}

/* -------------------------------------------------------------- the hub -- */

static inline void
on_state(void *owner, uint8_t state, mk_result result, const char *text)
{
	struct peer *p = owner;

	p->state = state;
	p->result = result;
	snprintf(p->text, sizeof(p->text), "%s", text);
}

static inline void
on_number(void *owner, const char *name, int64_t value)
{
	(void)name;
	((struct peer *)owner)->number = value;
}

static inline void
on_outbox(void *owner, const uint64_t stats[6])
{
	memcpy(((struct peer *)owner)->outbox, stats, sizeof(((struct peer *)owner)->outbox));
}

static inline void
on_misbehaved(void *owner, const char *text)
{
	struct peer *p = owner;

	p->misbehaved++;
	snprintf(p->text, sizeof(p->text), "%s", text);
}

static inline void
on_lost_link(void *owner)
{
	((struct peer *)owner)->lost_links++;
}

static inline void
on_core_call(void *arg, struct seat *caller, uint64_t call, const char *method, const uint8_t *body,
	     uint32_t len)
{
	(void)arg, (void)body;
	core_call.caller = caller;
	core_call.id = call;
	core_call.len = len;
	snprintf(core_call.method, sizeof(core_call.method), "%s", method);
}

static inline void
on_guard(void *arg)
{
	(void)arg;
}

static inline void
hub_with(const struct hub_config *config)
{
	static const struct hub_events events = { .state = on_state,
						  .number = on_number,
						  .outbox = on_outbox,
						  .misbehaved = on_misbehaved,
						  .lost_link = on_lost_link,
						  .core_call = on_core_call };
	mk_err err = { 0 };

	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
	cr_assert_eq(loop_new(&loop, &err), MK_OK, "%s", err.text);
	guard = loop_timer_new(loop, on_guard, NULL);
	cr_assert_eq(hub_new(&hub, loop, config, &events, &err), MK_OK, "%s", err.text);
}

static inline void
teardown(void)
{
	for (struct peer *p = peers; p != NULL; p = p->next)
		if (p->push != NULL)
			leave(p);
	while (peers != NULL) {
		struct peer *p = peers;

		peers = p->next;
		forget_records(p);
		free(p->given);
		seat_free(p->seat);
		mk_manifest_free(p->manifest);
		wire_fini(&p->out);
		free(p);
	}
	hub_free(hub);
	loop_timer_free(guard);
	loop_free(loop);
}

#endif
