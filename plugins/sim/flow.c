/* SPDX-License-Identifier: MIT
 *
 * How a packet goes through the mesh, transmission by transmission, as the firmware does it: floods
 * whose path grows and which nobody forwards twice, direct routes that shrink, traces that collect
 * what each hop measured. All of it is calculated at once; receptions are queued for their time.
 */
#include <string.h>

#include <meshcore/airtime.h>
#include <meshcore/hash.h>

#include "impl.h"

static uint64_t
flow_airtime_us(const struct sim *s, uint32_t len)
{
	return (uint64_t)((double)(mc_airtime_ns(&mc_radio_default, len) / 1000) * s->spread);
}

static bool
flow_is_flood(const struct flow *f)
{
	return f->route == MC_FLOOD || f->route == MC_TRANSPORT_FLOOD;
}

static void
flow_frame(const struct flow *f, const struct sent *t, uint8_t *raw, uint16_t *len)
{
	/* A direct packet without hops does not say their size; a trace has SNRs there. */
	bool sized = f->type != MC_TRACE && (t->hops > 0 || flow_is_flood(f));
	struct mc_parts parts = { .route = f->route,
				  .type = f->type,
				  .hash_size = sized ? f->way.hash_size : 1,
				  .hops = t->hops,
				  .codes = f->codes,
				  .path = t->path,
				  .payload = f->payload,
				  .payload_len = f->len };

	*len = (uint16_t)mc_compose_frame(&parts, raw);
	for (uint32_t i = 0; i < t->wrong_count; i++)
		raw[*len - f->len + t->wrong[i] / 8u] ^= (uint8_t)(1 << t->wrong[i] % 8);
}

/* A relay gets some bits wrong in what it sends on, in nine of ten cases near the end, as in what was
 * seen in the air. */
static void
flow_spoil(struct sim *s, struct sent *t)
{
	uint32_t bits = s->flow.len * 8u, from = 0, count;

	if (!dice_chance(&s->dice, s->o.spoiled) || bits == 0)
		return;
	if (dice_chance(&s->dice, 0.9))
		from = bits - (bits + 9) / 10;
	count = 1 + dice_below(&s->dice, WRONG_MAX / 2);
	for (; count > 0 && t->wrong_count < WRONG_MAX; count--)
		t->wrong[t->wrong_count++] = (uint16_t)(from + dice_below(&s->dice, bits - from));
}

static void
flow_hash(const struct flow *f, uint8_t hops, uint8_t hash[8])
{
	struct mc_frame frame = { .route = f->route,
				  .type = f->type,
				  .path_byte = hops,
				  .hash_size = 1,
				  .hops = hops,
				  .payload = f->payload,
				  .payload_len = f->len };

	mc_hash(&frame, hash);
}

/* The prefixes of the hops that are left. */
static void
flow_route(const struct sim *s, struct sent *t)
{
	const struct flow *f = &s->flow;

	t->hops = (uint8_t)(f->way.hops - t->done);
	t->bytes = (uint8_t)(t->hops * f->way.hash_size);
	for (uint32_t i = 0; i < t->hops; i++)
		memcpy(t->path + i * f->way.hash_size, s->nodes[f->way.nodes[t->done + i]].id.key,
		       f->way.hash_size);
}

/* Plan another transmission of the flow, a copy of `model`. */
static void
flow_plan(struct sim *s, const struct sent *model)
{
	if (s->sent_count == s->sent_cap)
		return;
	s->sent[s->sent_count] = *model;
	if (!heap_put(&s->hops, model->at_us, s->order++, s->sent_count++))
		s->failed = true;
}

static bool
flow_is_next(const struct sim *s, uint32_t node, uint32_t hop)
{
	const struct flow *f = &s->flow;

	/* Whoever has that prefix, meant or not. */
	return s->nodes[node].repeats &&
	       memcmp(s->nodes[node].id.key, s->nodes[f->way.nodes[hop]].id.key,
		      f->way.hash_size) == 0;
}

/* Does this node pass a flood on, and how does the path look then? */
static bool
flow_floods(const struct sim *s, const struct node *n, struct sent *next)
{
	const struct flow *f = &s->flow;

	if (!n->repeats || f->forged || next->hops >= n->max_hops || next->hops >= MC_HOPS_MAX ||
	    next->bytes + f->way.hash_size > 64)
		return false;
	if (f->way.hash_size > 1 && n->generation == 0)
		return false; /* takes the size bits for a path that is too long */
	if (f->scope > 0 && !n->in_scope[f->scope - 1])
		return false;
	memcpy(next->path + next->bytes, n->id.key, f->way.hash_size);
	next->bytes = (uint8_t)(next->bytes + f->way.hash_size);
	next->hops++;
	return true;
}

/* Node `to` has received transmission `from` for the first time. */
static void
flow_hear(struct sim *s, uint32_t from, uint32_t to, uint64_t at_us, int32_t snr4)
{
	struct flow *f = &s->flow;
	struct sent next = s->sent[from];
	bool forwards = false;

	if (f->type == MC_TRACE) {
		forwards = next.hops < f->way.hops && flow_is_next(s, to, next.hops);
		if (next.hops == f->way.hops)
			f->reached |= to == f->from;
		if (forwards)
			next.path[next.hops++] = (uint8_t)snr4;
		next.bytes = next.hops;
	} else if (flow_is_flood(f)) {
		if (to == f->to) {
			if (next.wrong_count == 0) /* else its MAC is wrong */
				talk_arrived(s, &s->sent[from], to, at_us, snr4);
		} else {
			forwards = flow_floods(s, &s->nodes[to], &next);
			if (forwards && s->o.spoiled > 0)
				flow_spoil(s, &next);
		}
	} else if (next.done < f->way.hops) {
		forwards = flow_is_next(s, to, next.done);
		next.done = (uint8_t)(next.done + forwards);
		flow_route(s, &next);
	} else if (to == f->to || f->after == AFTER_DISCOVER) {
		talk_arrived(s, &s->sent[from], to, at_us, snr4);
	}
	if (!forwards)
		return;
	next.node = to;
	next.parent = from;
	next.at_us = at_us + sim_pause(s, 5 * 170000);
	flow_plan(s, &next);
}

static void
flow_report(struct sim *s, const struct sim_event *like, uint32_t node, uint64_t at_us,
	    int32_t snr4)
{
	uint32_t who = s->nodes[node].observer;
	struct observer *o = &s->observers[who];
	uint32_t copies = 1 + (uint32_t)(s->o.repeated > 0 && dice_chance(&s->dice, s->o.repeated));
	bool damaged = s->o.damaged > 0 && dice_chance(&s->dice, s->o.damaged);
	uint32_t bit = dice_below(&s->dice, like->len * 8u);

	at_us += sim_pause(s, 300000);
	for (uint32_t i = 0; i < copies; i++) {
		struct sim_event *e = sim_event_new(s);

		if (e == NULL)
			return;
		*e = *like;
		e->at_us = at_us + i * 1000;
		e->who = who;
		e->snr4 = snr4;
		e->rssi = (int32_t)s->nodes[node].noise_dbm + snr4 / 4;
		e->repeated = i > 0;
		e->damaged = damaged || like->damaged;
		if (damaged)
			e->raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
		sim_event_put(s, e);
	}
	o->vitals.received++;
	o->vitals.errors += damaged;
	s->heard += copies;
}

static void
flow_phones(struct sim *s, const struct sim_event *like, uint32_t node, uint64_t at_us)
{
	for (uint32_t i = 0; i < s->phone_count; i++) {
		struct phone *p = &s->phones[i];
		struct sim_event *e;
		int32_t snr4;

		if (p->snr4[node] < SNR_LIMIT4 - 40 || !links_heard(s, p->snr4[node], &snr4))
			continue;
		e = sim_event_new(s);
		if (e == NULL)
			return;
		*e = *like;
		e->kind = SIM_CLIENT;
		e->at_us = at_us + sim_pause(s, 300000);
		e->who = i;
		e->snr4 = snr4;
		e->rssi = -116 + snr4 / 4;
		e->lat_e6 = (int32_t)((s->o.lat + p->y_km / 111.195) * 1e6);
		e->lon_e6 = (int32_t)((s->o.lon + p->x_km / s->km_lon) * 1e6);
		e->acc_m = 3 + (int32_t)dice_below(&s->dice, 30);
		sim_event_put(s, e);
	}
}

static void
flow_transmit(struct sim *s, uint32_t index)
{
	const struct flow *f = &s->flow;
	const struct sent t = s->sent[index]; /* a copy: others are added while it is used */
	const struct node *n = &s->nodes[t.node];
	/* Who has had it: the number of the packet, for traces with the hops so far, because they
	 * pass the same nodes twice. */
	uint64_t stamp = f->number << 7 | (f->type == MC_TRACE ? t.hops + 1u : 0);
	struct sim_event like = { .kind = SIM_RECEPTION, .packet = f->number, .forged = f->forged };
	uint64_t airtime_us, end_us;

	flow_frame(f, &t, like.raw, &like.len);
	flow_hash(f, t.hops, like.hash);
	like.damaged = t.wrong_count > 0;
	airtime_us = flow_airtime_us(s, like.len);
	end_us = t.at_us + airtime_us;
	truth_sent(s, index, like.hash, end_us);
	if (n->observer != NOBODY) {
		s->observers[n->observer].vitals.sent++;
		s->observers[n->observer].tx_us += airtime_us;
	}
	for (uint32_t i = 0; i < n->link_count; i++) {
		struct link l = s->links[n->link + i];
		struct node *other = &s->nodes[l.to];
		int32_t snr4;

		if (!other->up || !links_heard(s, l.snr4, &snr4))
			continue;
		if (other->observer != NOBODY) {
			s->observers[other->observer].rx_us += airtime_us;
			truth_heard(s, l.to, snr4);
			flow_report(s, &like, l.to, end_us, snr4);
		}
		if (other->seen == stamp || (l.to == f->from && f->type != MC_TRACE))
			continue;
		other->seen = stamp;
		flow_hear(s, index, l.to, end_us, snr4);
	}
	truth_done(s);
	flow_phones(s, &like, t.node, end_us);
}

bool
flow_run(struct sim *s)
{
	struct flow *f = &s->flow;
	struct sent first = { .at_us = f->at_us, .node = f->from, .parent = NOBODY };

	if (f->route == MC_DIRECT && f->type != MC_TRACE)
		flow_route(s, &first);
	s->sent_count = 0;
	truth_packet(s);
	flow_plan(s, &first);
	while (s->hops.count > 0 && !s->failed)
		flow_transmit(s, heap_take(&s->hops));
	return !s->failed;
}
