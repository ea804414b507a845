/* SPDX-License-Identifier: MIT
 *
 * One instance's place at the hub: bringing messages to it, taking messages from it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub.h"

#define WINDOW 16u                /* bundles of messages under way */
#define WINDOW_BYTES (1u << 20)   /* of them, unless one alone is larger */
#define BUNDLE_BYTES (256u << 10) /* a bundle is closed at this size */
#define CONTROL_WINDOW 24u        /* control may go beyond WINDOW; fewer than bundle_len */
#define CREDIT 1024u              /* messages a publisher may be ahead */
#define CREDIT_BYTES (1u << 20)   /* the same in bytes */
#define RECEIVE_ROUND 32          /* bundles taken from one seat before the next is served */
#define GAP_LINES 60u             /* the same, of everyone's gaps together */

static bool
seat_wants(void *arg, const char *topic)
{
	const struct seat *s = arg;

	return s->manifest != NULL && mk_topic_lookup(s->manifest->subscribes, topic) != NULL;
}

struct seat *
seat_new(struct hub *h, const char *name, void *owner, bool from_start)
{
	struct seat *s = calloc(1, sizeof(*s));
	struct seat **p;

	if (s == NULL)
		return NULL;
	s->hub = h;
	s->owner = owner;
	snprintf(s->name, sizeof(s->name), "%s", name);
	reader_init(&s->sent, &h->stream, seat_wants, s);
	if (from_start)
		reader_from_start(&s->sent);
	else
		s->done = h->stream.order;
	s->acked = s->sent;
	for (p = &h->seats; *p != NULL; p = &(*p)->next)
		;
	*p = s;
	return s;
}

void
seat_free(struct seat *s)
{
	struct seat **p;

	if (s == NULL)
		return;
	seat_detach(s);
	for (p = &s->hub->seats; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	wire_fini(&s->control);
	wire_fini(&s->bundle);
	free(s);
}

void
seat_declare(struct seat *s, const mk_manifest *manifest, uint64_t rate, bool trusted)
{
	/* What the old manifest did not want is not missing, even if nothing has asked yet. */
	for (uint32_t i = 0; s->manifest != NULL && i < s->hub->stream.topics.count; i++) {
		reader_matches(&s->sent, s->hub->stream.topics.at[i]);
		reader_matches(&s->acked, s->hub->stream.topics.at[i]);
	}
	s->manifest = manifest;
	s->rate.per_second = rate;
	s->rate.burst = rate < 10 ? 1 : rate / 10; /* a tenth of a second */
	s->trusted = trusted;
	reader_rematch(&s->sent);
	reader_rematch(&s->acked);
}

void
seat_park(struct seat *s, bool parked)
{
	s->waited_for = !parked;
	s->hub->dirty = true;
}

bool
seat_accepts(const struct seat *s, const void *body, uint32_t len, char why[128])
{
	if (s->trusted)
		return true;
	if (mk_validate(body, len, NULL, why, 128) != MK_OK)
		return false;
	snprintf(why, 128, "body is not a map");
	return mk_begins_map(body, len);
}

void
seat_tell(struct seat *s, uint8_t kind, uint32_t count, const uint64_t *numbers)
{
	wire_numbers(&s->control, kind, count, numbers);
	s->hub->dirty = true;
}

const struct entry *
seat_find(const struct seat *s, uint64_t order)
{
	for (int which = 0; which < 2; which++) {
		const struct ring *ring = &s->hub->stream.rings[which];
		uint64_t position = ring_after(ring, order - 1);

		if (position < ring->base + ring->count && ring_at(ring, position)->order == order)
			return ring_at(ring, position);
	}
	return NULL;
}

void
seat_bye(struct seat *s)
{
	seat_tell(s, WIRE_BYE, 0, NULL);
	seat_flush(s);
}

void
seat_drain(struct seat *s, bool all)
{
	s->draining = true;
	s->stop_order = all ? s->hub->stream.order : s->sent_order;
	s->hub->dirty = true;
}

void
seat_reconfigure(struct seat *s, const void *values, uint32_t len)
{
	wire_begin(&s->control, WIRE_OPTIONS);
	wire_rest(&s->control, values, len);
	wire_end(&s->control);
	s->hub->dirty = true;
}

void
seat_done(struct seat *s, uint64_t order)
{
	if (order <= s->done || order > s->hub->stream.order)
		return;
	s->done = order;
	reader_follow(&s->acked, order);
}

void
seat_skip(struct seat *s, uint64_t order)
{
	s->skip[s->skip_count++ % SEAT_SKIPS] = order;
}

bool
seat_skips(const struct seat *s, uint64_t order)
{
	for (uint32_t i = 0; i < s->skip_count && i < SEAT_SKIPS; i++)
		if (s->skip[i] == order)
			return true;
	return false;
}

/* --------------------------------------------------------------- sending -- */

static bool
seat_send(struct seat *s, struct wire_out *w)
{
	if (link_send(s->out, w->data, w->len) != MK_OK)
		return false;
	s->bundle_len[s->bundles_sent % 32] = (uint32_t)w->len;
	s->bundles_sent++;
	s->bytes_unreceived += w->len;
	wire_clear(w);
	return true;
}

void
seat_flush(struct seat *s)
{
	if (s->control.len == 0 || s->out == NULL || link_peers(s->out) == 0)
		return;
	if (s->bundles_sent - s->bundles_received < CONTROL_WINDOW) {
		seat_send(s, &s->control);
	} else if (s->control.len > SEAT_CONTROL_MAX) {
		s->hub->events.misbehaved(s->owner, "does not take what it is sent");
		s->hub->events.lost_link(s->owner);
	}
}

static void
seat_throttle(struct seat *s)
{
	uint32_t left_out;

	s->throttled++;
	if (log_allowed(&s->throttle_log, 1, &left_out))
		log_warn("bus", "%s publishes as fast as its limit allows  rate=%llu left_out=%u",
			 s->name, (unsigned long long)s->rate.per_second, left_out);
}

void
seat_give_credit(struct seat *s)
{
	uint64_t want = s->used + CREDIT, bytes = s->used_bytes + CREDIT_BYTES;

	/* Rarely, in large steps: each grant costs a record. */
	if (!s->running || !hub_gives_credit(s->hub, s) ||
	    (s->credit >= s->used + CREDIT / 2 &&
	     s->credit_bytes >= s->used_bytes + CREDIT_BYTES / 2))
		return;
	if (s->rate.per_second > 0) {
		uint64_t most = s->credit + rate_has(&s->rate, loop_now_us(s->hub->loop));

		if (want > most && s->credit == s->used && s->used > 0)
			seat_throttle(s);
		want = want < most ? want : most;
		if (want <= s->credit && s->credit == s->used) {
			hub_need_tick(s->hub);
			return;
		}
	}
	if (want > s->credit) {
		if (s->rate.per_second > 0)
			rate_take(&s->rate, want - s->credit);
		s->credit = want;
	} else if (bytes <= s->credit_bytes) {
		return;
	}
	s->credit_bytes = bytes;
	seat_tell(s, WIRE_CREDIT, 2, (const uint64_t[]){ s->credit, s->credit_bytes });
}

static void
seat_put(struct seat *s, struct wire_out *w, const struct entry *e, uint64_t order, uint32_t flags)
{
	struct wire_msg m = {
		.order = order,
		.epoch = s->hub->stream.epoch,
		.seq = e->seq,
		.time_us = e->time_us,
		.origin_seq = e->origin_seq,
		.origin_first = e->origin_first,
		.flags = e->flags | flags,
		.schema = e->schema,
		.topic = e->topic->name,
		.origin = e->origin,
		.body = e->body,
		.len = e->len,
	};

	wire_msg(w, &m);
	s->out_messages++;
}

static void
seat_put_gap(struct seat *s, struct wire_out *w, const struct topic *t, uint64_t seq, uint64_t lost)
{
	wire_begin(w, WIRE_GAP);
	wire_str(w, t->name);
	wire_u64(w, s->hub->stream.epoch);
	wire_u64(w, seq);
	wire_u64(w, lost);
	wire_end(w);
}

/* Tell the world, but not about the core's own topics: that would never end. */
static void
seat_report_gap(struct seat *s, const struct reader_item *gap)
{
	struct hub *h = s->hub;
	uint32_t left_out;

	s->gaps++;
	s->lost += gap->lost;
	if ((gap->topic->flags & MK_TOPIC_DURABLE) != 0)
		hub_rewind(h, gap->topic);
	if (strncmp(gap->topic->name, "core/", 5) == 0)
		return;
	if ((gap->topic->flags & MK_TOPIC_RELIABLE) != 0 &&
	    log_allowed(&h->complaint, GAP_LINES, &left_out))
		log_warn("bus", "gap  plugin=%s topic=%s from=%llu lost=%llu left_out=%u", s->name,
			 gap->topic->name, (unsigned long long)gap->seq,
			 (unsigned long long)gap->lost, left_out);
	mk_writer_reset(&h->writer);
	mk_put_map(&h->writer, 4);
	mk_kv_str(&h->writer, "subscriber", s->name);
	mk_kv_str(&h->writer, "topic", gap->topic->name);
	mk_kv_u64(&h->writer, "from", gap->seq);
	mk_kv_u64(&h->writer, "lost", gap->lost);
	hub_say(h, "core/gap", false, &h->writer);
}

static void
seat_lose(struct seat *s, struct wire_out *w, const struct reader_item *gap)
{
	reader_pass(&s->sent, READER_GAP, gap);
	s->told_gap = true;
	seat_put_gap(s, w, gap->topic, gap->seq, gap->lost);
}

/* What is kept of a topic, as far as it does not come through the ring. */
static void
seat_put_kept(struct seat *s, struct topic *t)
{
	struct reader_item item = { .topic = t };

	for (uint32_t k = 0; k < t->kept_count; k++) {
		struct entry *e = t->kept[k];

		item.seq = reader_next(&s->sent, t);
		item.lost = e->seq - item.seq;
		if (e->seq >= item.seq && e->seq >= t->first)
			return;
		if (e->seq > item.seq) {
			seat_lose(s, &s->control, &item);
			seat_report_gap(s, &item);
		}
		seat_put(s, &s->control, e, 0, MK_MSG_RETAINED);
		if (e->seq >= item.seq) {
			item.lost++; /* it came, out of turn */
			reader_pass(&s->sent, READER_GAP, &item);
			s->told_gap = true;
		}
	}
	/* Deltas that the chain had no room for. */
	item.seq = t->kept[t->kept_count - 1]->seq + 1;
	if (reader_next(&s->sent, t) > item.seq)
		seat_put_gap(s, &s->control, t, item.seq, reader_next(&s->sent, t) - item.seq);
}

static void
seat_put_retained(struct seat *s)
{
	struct topics *topics = &s->hub->stream.topics;

	s->retained_due = false;
	for (uint32_t i = 0; i < topics->count; i++)
		if (topics->at[i]->kept_count > 0 && reader_matches(&s->sent, topics->at[i]))
			seat_put_kept(s, topics->at[i]);
}

/* Fill one bundle with what comes next. False: there is nothing. */
static bool
seat_fill(struct seat *s)
{
	struct reader_item item, gap = { 0 };
	enum reader_found found;

	while (s->bundle.len < BUNDLE_BYTES &&
	       (found = reader_peek(&s->sent, &item)) != READER_NOTHING) {
		/* The report takes a place in a ring: not that of the message that comes next. */
		if (found == READER_GAP) {
			if (gap.lost > 0)
				seat_report_gap(s, &gap);
			seat_lose(s, &s->bundle, &item);
			gap = item;
			continue;
		}
		if (s->draining && item.entry->order > s->stop_order)
			break;
		if (!seat_skips(s, item.entry->order)) {
			seat_put(s, &s->bundle, item.entry, item.entry->order,
				 item.entry->order <= s->sent_before ? MK_MSG_REPLAYED : 0);
			if (s->bundle.failed)
				break; /* no memory: it stays in the ring, for the next time */
		}
		s->sent_order = item.entry->order;
		reader_pass(&s->sent, found, &item);
	}
	if (gap.lost > 0)
		seat_report_gap(s, &gap);
	return s->bundle.len > 0;
}

void
seat_pump(struct seat *s)
{
	if (s->out == NULL || link_peers(s->out) == 0)
		return;
	if (s->running && s->retained_due)
		seat_put_retained(s);
	seat_flush(s);
	while (s->running && !s->said_stop && s->control.len == 0 &&
	       s->bundles_sent - s->bundles_received < WINDOW &&
	       (s->bytes_unreceived < WINDOW_BYTES || s->bundles_sent == s->bundles_received)) {
		if (!seat_fill(s)) {
			if (s->draining) {
				s->said_stop = true;
				seat_tell(s, WIRE_STOP, 0, NULL);
				seat_flush(s);
			}
			break;
		}
		if (!seat_send(s, &s->bundle))
			break;
	}
	if (s->running)
		seat_give_credit(s);
	seat_flush(s);
}

/* ------------------------------------------------------------- receiving -- */

static void
seat_on_state(struct seat *s, struct wire_in *r)
{
	uint8_t state = wire_get_u8(r);
	mk_result result = (mk_result)wire_get_u32(r);
	char text[256];

	wire_get_text(r, text, sizeof(text));
	if (r->bad)
		return;
	if (state == WIRE_STATE_HERE) {
		s->here = true;
		return;
	}
	if (state == WIRE_STATE_RUNNING) {
		s->running = true;
		s->retained_due = true;
		s->hub->dirty = true;
		if (s->rewind_due)
			hub_need_tick(s->hub);
	} else if (state == WIRE_STATE_STOPPED || state == WIRE_STATE_FAILED) {
		s->running = false;
	}
	s->hub->events.state(s->owner, state, result, text);
}

static void
seat_on_publish(struct seat *s, struct wire_in *r)
{
	uint64_t bytes = (uint64_t)(r->end - r->p);
	uint32_t flags = wire_get_u32(r);
	uint32_t schema = wire_get_u32(r);
	uint64_t number = wire_get_u64(r);
	const char *topic = wire_get_str(r);
	uint32_t len;
	const uint8_t *body = wire_get_rest(r, &len);

	if (r->bad || s->manifest == NULL)
		return;
	if (s->used >= s->credit || s->used_bytes >= s->credit_bytes) {
		s->refused++;
		s->hub->refused++;
		s->hub->events.misbehaved(s->owner, "published beyond its credit");
		return;
	}
	s->used++;
	s->used_bytes += bytes;
	s->in_messages++;
	hub_admit(s->hub, s, topic, flags, schema, number, body, len);
}

static void
seat_on_ack(struct seat *s, struct wire_in *r)
{
	uint64_t received = wire_get_u64(r), done = wire_get_u64(r), handled = wire_get_u64(r);

	if (r->bad || received > s->bundles_sent || done > s->sent_order ||
	    handled > s->sent_order) {
		r->bad = true;
		return;
	}
	for (; s->bundles_received < received; s->bundles_received++)
		s->bytes_unreceived -= s->bundle_len[s->bundles_received % 32];
	seat_done(s, done);
	s->handled = handled;
	/* All that it was sent is dealt with, and what it heard of losses, too. */
	if (s->told_gap && s->bundles_received == s->bundles_sent && s->done >= s->sent_order &&
	    s->bundle.len == 0 && s->control.len == 0) {
		s->acked = s->sent;
		s->told_gap = false;
	}
	if (s->laggard && reader_lag(&s->acked) < s->hub->config.ring_messages / 2) {
		s->laggard = false;
		log_info("bus", "%s has caught up", s->name);
	}
	s->hub->dirty = true;
}

static void
seat_on_outbox(struct seat *s, struct wire_in *r)
{
	uint64_t stats[6];

	for (int i = 0; i < 6; i++)
		stats[i] = wire_get_u64(r);
	if (!r->bad)
		s->hub->events.outbox(s->owner, stats);
}

static void
seat_on_log(struct seat *s, struct wire_in *r)
{
	uint8_t level = wire_get_u8(r);
	char area[MK_ID_MAX + 8];
	uint32_t len;
	const uint8_t *p = wire_get_rest(r, &len);

	snprintf(area, sizeof(area), "plugin %s", s->name);
	if (p != NULL)
		log_plugin(&s->log_limit, level, area, (const char *)p, len);
}

static void
seat_on_misbehaved(struct seat *s, struct wire_in *r)
{
	char text[256];

	wire_get_text(r, text, sizeof(text));
	s->hub->events.misbehaved(s->owner, text);
}

static void
seat_on_number(struct seat *s, struct wire_in *r)
{
	int64_t value = (int64_t)wire_get_u64(r);
	const char *name = wire_get_str(r);

	r->bad = r->bad || !wire_name_valid(name);
	if (!r->bad)
		s->hub->events.number(s->owner, name, value);
}

static void
seat_on_ask(struct seat *s, struct wire_in *r)
{
	uint64_t id = wire_get_u64(r), timeout = wire_get_u64(r);
	const char *method = wire_get_str(r);
	uint32_t len;
	const uint8_t *body = wire_get_rest(r, &len);

	if (!r->bad)
		hub_on_ask(s, id, timeout, method, body, len);
}

static void
seat_on_answer(struct seat *s, struct wire_in *r)
{
	uint64_t id = wire_get_u64(r);
	mk_result result = (mk_result)wire_get_u32(r);
	const char *error = wire_get_str(r);
	uint32_t len;
	const uint8_t *body = wire_get_rest(r, &len);

	if (!r->bad)
		hub_on_answer(s, id, result, error, body, len);
}

static void
seat_on_record(struct seat *s, uint8_t kind, struct wire_in *r)
{
	static void (*const handlers[])(struct seat *, struct wire_in *) = {
		[WIRE_STATE] = seat_on_state,   [WIRE_PUB] = seat_on_publish,
		[WIRE_ACK] = seat_on_ack,       [WIRE_ASK] = seat_on_ask,
		[WIRE_ANSWER] = seat_on_answer, [WIRE_LOG] = seat_on_log,
		[WIRE_NUMBER] = seat_on_number, [WIRE_MISBEHAVED] = seat_on_misbehaved,
		[WIRE_OUTBOX] = seat_on_outbox,
	};

	if (kind < sizeof(handlers) / sizeof(handlers[0]) && handlers[kind] != NULL)
		handlers[kind](s, r);
	else
		r->bad = true;
}

/* Start as soon as both sockets are through: a publish socket would swallow it before. */
static void
seat_start(struct seat *s)
{
	if (s->started || !s->here || s->out == NULL || link_peers(s->out) == 0)
		return;
	s->started = true;
	seat_tell(s, WIRE_START, 2, (const uint64_t[]){ s->hub->stream.epoch, s->admitted });
	if (s->committed > 0)
		seat_tell(s, WIRE_TRIM, 1, &s->committed);
	seat_flush(s);
}

static void
seat_on_in(void *arg)
{
	struct seat *s = arg;
	const uint8_t *data;
	size_t len;

	for (int i = 0; i < RECEIVE_ROUND; i++) {
		struct wire_in bundle, record;
		uint8_t kind;

		data = link_receive(s->in, &len);
		if (data == NULL)
			break;
		bundle = (struct wire_in){ .p = data, .end = data + len };
		while (wire_next(&bundle, &kind, &record)) {
			seat_on_record(s, kind, &record);
			bundle.bad = bundle.bad || record.bad;
		}
		if (bundle.bad)
			s->hub->events.misbehaved(s->owner, "sent a malformed record");
	}
	seat_start(s);
	s->hub->dirty = true;
}

/* Also wakes the loop, for seat_is_quiet. */
static void
seat_on_peers(void *arg)
{
	struct seat *s = arg;

	if (s->started && (link_peers(s->out) == 0 || link_peers(s->in) == 0))
		s->hub->events.lost_link(s->owner);
	else
		seat_start(s);
}

bool
seat_is_quiet(const struct seat *s)
{
	return s->in == NULL || (link_peers(s->in) == 0 && link_peers(s->out) == 0);
}

mk_result
seat_attach(struct seat *s, struct link *out, struct link *in, mk_err *err)
{
	s->out = out;
	s->in = in;
	s->sent = s->acked;
	s->sent_before = s->sent_order;
	s->handled = 0;
	s->here = s->started = s->running = s->draining = s->said_stop = false;
	s->bundles_sent = s->bundles_received = s->bytes_unreceived = 0;
	/* Whoever sat here before may have ended in the middle of it. */
	s->rewind_due = s->rewind_due || s->again_to > s->committed;
	s->credit = s->credit_bytes = s->used = s->used_bytes = s->rate.saved = 0;
	s->rate.at_us = loop_now_us(s->hub->loop);
	if (link_watch(in, s->hub->loop, seat_on_in, seat_on_peers, s) != MK_OK ||
	    link_watch(out, s->hub->loop, NULL, seat_on_peers, s) != MK_OK) {
		seat_detach(s);
		return mk_err_set(err, MK_ENOMEM, "bus: out of memory");
	}
	return MK_OK;
}

void
seat_detach(struct seat *s)
{
	link_close(s->out);
	link_close(s->in);
	s->out = s->in = NULL;
	s->running = s->started = s->here = false;
	wire_clear(&s->control);
	wire_clear(&s->bundle);
	hub_drop_calls_of(s);
}
