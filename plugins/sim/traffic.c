/* SPDX-License-Identifier: MIT
 *
 * What is sent, and when. Adverts, talk and measurements come at a density that brings as many
 * receptions a second as are wanted; what follows from them (talk.c) is part of that.
 */
#include <string.h>

#include <meshcore/bytes.h>

#include "compose.h"
#include "impl.h"
#include "words.h"

#define ADVERT_GAP_US (60 * (uint64_t)SECOND) /* of one node, however dense the traffic is */
#define UP_S (12.0 * 3600)
#define DOWN_S (30.0 * 60)
#define OPENING_RATE 60    /* receptions a second until every node has said who it is, at least */
#define OPENING_FLOODS 200 /* nodes; in larger worlds the neighbours must do */
#define ALL_ROLES 0x1e

struct flow *
traffic_begin(struct sim *s, uint32_t from, uint8_t type)
{
	struct flow *f = &s->flow;

	memset(f, 0, sizeof(*f));
	f->number = ++s->packets;
	f->at_us = s->now_us;
	f->from = from;
	f->to = f->about = NOBODY;
	f->type = type;
	f->way.hash_size = s->nodes[from].hash_size;
	return f;
}

static void
traffic_send(struct sim *s)
{
	/* A payload of no bytes is one that could not be made. */
	if (s->flow.len == 0 || !flow_run(s))
		s->failed = true;
}

/* Some people limit what they send to their region. */
static uint32_t
traffic_scope(const struct sim *s, const struct node *n)
{
	uint32_t scope = n->in_scope[1] && (n->id.key[2] & 1) != 0 ? 1 : 0;

	if (n->generation < 2 || n->id.key[1] % 4 != 0 || scope >= s->scopes.count)
		return 0;
	return 1 + scope;
}

void
traffic_flood(struct sim *s)
{
	struct flow *f = &s->flow;

	f->route = MC_FLOOD;
	f->scope = f->forged ? 0 : traffic_scope(s, &s->nodes[f->from]);
	if (f->scope > 0) {
		f->route = MC_TRANSPORT_FLOOD;
		mc_region_code(&s->scopes.at[f->scope - 1], f->type, f->payload, f->len, f->codes);
	}
	traffic_send(s);
}

void
traffic_direct(struct sim *s, const struct way *way)
{
	s->flow.route = MC_DIRECT;
	if (way != NULL)
		s->flow.way = *way;
	traffic_send(s);
}

static void
traffic_advert(struct sim *s, uint32_t from, bool flood)
{
	struct node *n = &s->nodes[from];
	struct flow *f = traffic_begin(s, from, MC_ADVERT);
	struct mc_advert a = { .flags = n->role, .lat_e6 = n->lat_e6, .lon_e6 = n->lon_e6 };
	size_t len;

	a.has_location = n->says_place;
	a.time = world_clock(s, n, s->now_us);
	memcpy(a.name, n->name, strlen(n->name) + 1);
	len = mc_compose_advert(&n->id, &a, f->payload);
	if (n->role == MC_NODE_SENSOR && len > 0) {
		uint16_t battery_mv = (uint16_t)(3500 + dice_below(&s->dice, 700));
		int16_t centi = (int16_t)((int)dice_below(&s->dice, 3800) - 800);

		len = compose_telemetry(&n->id, f->payload, len, battery_mv, centi);
	}
	f->len = (uint8_t)len;
	f->about = from;
	n->advert_us = s->now_us;
	n->advert_len = f->len;
	memcpy(n->advert, f->payload, f->len);
	if (flood)
		traffic_flood(s);
	else
		traffic_direct(s, NULL);
}

/* Whose advert somebody else has: NOBODY if there is none. */
static uint32_t
traffic_known(struct sim *s, uint32_t but)
{
	uint32_t at = world_pick(s, ALL_ROLES);

	return at == but || s->nodes[at].advert_len == 0 ? NOBODY : at;
}

/* Bytes of another node's advert changed, which breaks its signature; repeaters see that. */
static bool
traffic_forge(struct sim *s)
{
	uint32_t from = world_pick(s, ALL_ROLES), whose = traffic_known(s, from);
	struct flow *f;

	if (whose == NOBODY)
		return false;
	f = traffic_begin(s, from, MC_ADVERT);
	f->len = s->nodes[whose].advert_len;
	memcpy(f->payload, s->nodes[whose].advert, f->len);
	mc_put_u32(f->payload + 32, (uint32_t)(s->now_us / SECOND));
	dice_fill(&s->dice, f->payload + 40, 4);
	f->forged = true;
	f->about = whose;
	traffic_flood(s);
	return true;
}

static void
traffic_channel(struct sim *s)
{
	/* Public, five hashtags, two private ones. */
	static const uint8_t weights[CHANNELS] = { 45, 12, 8, 8, 8, 4, 10, 5 };
	uint32_t from = world_pick(s, 1 << MC_NODE_COMPANION), kind = dice_below(&s->dice, 100);
	uint32_t channel = 0;
	struct node *n = &s->nodes[from];
	struct flow *f = traffic_begin(s, from, MC_GRP_TXT);
	char text[121];

	while (channel < CHANNELS - 1 && kind >= weights[channel])
		kind -= weights[channel++];
	if (strcmp(s->channels[channel].name, "#meteo") == 0)
		words_report(&s->dice, s->towns[n->town].name, text, sizeof(text) - 1);
	else
		words_text(&s->dice, s->towns[dice_below(&s->dice, s->town_count)].name, text,
			   sizeof(text) - 1);
	f->len = (uint8_t)mc_compose_group_text(&s->channels[channel], world_clock(s, n, s->now_us),
						n->name, text, f->payload);
	traffic_flood(s);
}

static void
traffic_group_data(struct sim *s)
{
	uint32_t from = world_pick(s, 1 << MC_NODE_COMPANION | 1 << MC_NODE_SENSOR);
	struct flow *f = traffic_begin(s, from, MC_GRP_DATA);
	uint8_t data[40];
	size_t len = 8 + dice_below(&s->dice, 32);

	dice_fill(&s->dice, data, len);
	f->len = (uint8_t)mc_compose_group_data(&s->channels[dice_below(&s->dice, CHANNELS)],
						0x0130, data, len, f->payload);
	traffic_flood(s);
}

/* A repeater that hears `at` well and is not on the way yet; NOBODY if there is none. */
static uint32_t
traffic_step(struct sim *s, uint32_t at, const struct way *way)
{
	const struct node *n = &s->nodes[at];
	uint32_t best = NOBODY, seen = 0;

	for (uint32_t i = 0; i < n->link_count; i++) {
		const struct link *l = &s->links[n->link + i];
		bool used = l->snr4 < 0 || !s->nodes[l->to].repeats;

		for (uint32_t k = 0; k < way->hops && !used; k++)
			used = way->nodes[k] == l->to;
		if (!used && dice_below(&s->dice, ++seen) == 0)
			best = l->to;
	}
	return best;
}

/* There and back: a b c b a. */
static void
traffic_trace(struct sim *s)
{
	uint32_t from = world_pick(s, 1 << MC_NODE_COMPANION | 1 << MC_NODE_REPEATER), at = from;
	uint32_t want = 1 + dice_below(&s->dice, 4), there;
	struct flow *f = traffic_begin(s, from, MC_TRACE);
	struct way *way = &f->way;
	uint8_t route[2 * 2 * 4];

	way->hash_size = dice_chance(&s->dice, 0.2) ? 2 : 1;
	while (way->hops < want && (at = traffic_step(s, at, way)) != NOBODY)
		way->nodes[way->hops++] = (uint16_t)at;
	there = way->hops;
	for (uint32_t i = 1; i < there; i++)
		way->nodes[way->hops++] = way->nodes[there - 1 - i];
	for (uint32_t i = 0; i < way->hops; i++)
		memcpy(route + i * way->hash_size, s->nodes[way->nodes[i]].id.key, way->hash_size);
	f->len = (uint8_t)mc_compose_trace((uint32_t)dice_u64(&s->dice), 0, way->hash_size, route,
					   (size_t)way->hops * way->hash_size, f->payload);
	traffic_direct(s, NULL);
}

static void
traffic_discover(struct sim *s)
{
	struct flow *f = traffic_begin(s, world_pick(s, 1 << MC_NODE_COMPANION), MC_CONTROL);

	f->tag = (uint32_t)dice_u64(&s->dice);
	f->after = AFTER_DISCOVER;
	f->len = (uint8_t)mc_compose_discover_req(1 << MC_NODE_REPEATER | 1 << MC_NODE_ROOM, f->tag,
						  f->payload);
	traffic_direct(s, NULL);
}

static void
traffic_raw(struct sim *s)
{
	struct flow *f = traffic_begin(s, world_pick(s, 1 << MC_NODE_COMPANION), MC_RAW_CUSTOM);

	f->len = (uint8_t)(8 + dice_below(&s->dice, 32));
	dice_fill(&s->dice, f->payload, f->len);
	traffic_direct(s, NULL);
}

/* Somebody hands the advert of a third node on. */
static bool
traffic_share(struct sim *s)
{
	uint32_t from = world_pick(s, 1 << MC_NODE_COMPANION), whose = traffic_known(s, from);
	struct flow *f;

	if (whose == NOBODY)
		return false;
	f = traffic_begin(s, from, MC_ADVERT);
	f->len = s->nodes[whose].advert_len;
	memcpy(f->payload, s->nodes[whose].advert, f->len);
	f->about = whose;
	f->route = MC_TRANSPORT_DIRECT;
	traffic_send(s);
	return true;
}

/* An advert of a node that has been silent for long enough; false if the choice has not. */
static bool
traffic_some_advert(struct sim *s, bool flood)
{
	uint32_t from = world_pick(s, ALL_ROLES);
	struct node *n = &s->nodes[from];

	if (n->advert_len > 0 && s->now_us - n->advert_us < ADVERT_GAP_US)
		return false;
	traffic_advert(s, from, flood);
	return true;
}

static void
traffic_something(struct sim *s)
{
	uint32_t kind = dice_below(&s->dice, 100);
	bool done = true;

	if (s->o.forged > 0 && dice_chance(&s->dice, s->o.forged) && traffic_forge(s))
		return;
	if (kind < 22)
		done = traffic_some_advert(s, kind < 14);
	else if (kind < 44)
		talk_some(s, world_pick(s, 1 << MC_NODE_COMPANION));
	else if (kind < 52)
		traffic_trace(s);
	else if (kind < 56)
		traffic_discover(s);
	else if (kind < 59)
		traffic_group_data(s);
	else if (kind < 60)
		traffic_raw(s);
	else if (kind < 62)
		done = traffic_share(s);
	else
		done = false;
	if (!done)
		traffic_channel(s);
}

/* What one deed brings, learned from those before. */
static double
traffic_learn(struct sim *s)
{
	double weight = s->deeds < 64 ? 1.0 / (double)(s->deeds + 1) : 1.0 / 64;

	s->per_deed += ((double)(s->heard - s->heard_before) - s->per_deed) * weight;
	s->heard_before = s->heard;
	s->deeds++;
	return s->per_deed > 1 ? s->per_deed : 1;
}

/* The mesh has been there before it was listened to; who is in it shall be known soon. */
static void
traffic_introduce(struct sim *s, struct intent i)
{
	double rate = s->o.rate > OPENING_RATE ? s->o.rate : OPENING_RATE;

	if (s->nodes[i.who].up)
		traffic_advert(s, i.who, s->o.nodes <= OPENING_FLOODS);
	i.at_us += (uint64_t)(traffic_learn(s) / rate * SECOND);
	if (++i.who == s->o.nodes) {
		i.deed = DO_TRAFFIC;
		i.tag = s->rates;
	}
	sim_plan(s, &i);
}

/* The next one comes so that the rate is met: by what one brought so far, and what is missing. */
static void
traffic_next(struct sim *s, struct intent i)
{
	double ahead, wait_us, each;

	if (i.tag != s->rates)
		return;
	each = traffic_learn(s);
	if (s->counted_us == 0) {
		s->counted_us = s->now_us;
		s->heard = s->heard_before = 0;
	}
	ahead = (double)s->heard / s->o.rate - (double)(s->now_us - s->counted_us) / SECOND;
	ahead = ahead > 10 ? 10 : ahead < -10 ? -10 : ahead;
	wait_us = dice_wait(&s->dice) * each / s->o.rate * SECOND * (1 + ahead / 12);
	i.at_us += (uint64_t)wait_us;
	sim_plan(s, &i);
	traffic_something(s);
}

static void
traffic_service(struct sim *s, struct intent i)
{
	struct node *n = &s->nodes[i.who];

	n->up = !n->up;
	truth_service(s, i.who);
	if (n->up)
		traffic_advert(s, i.who, true);
	i.at_us += (uint64_t)(dice_wait(&s->dice) * (n->up ? UP_S : DOWN_S) * SECOND);
	sim_plan(s, &i);
}

void
traffic_do(struct sim *s, const struct intent *i)
{
	if (i->deed == DO_TRAFFIC)
		traffic_next(s, *i);
	else if (i->deed == DO_SERVICE)
		traffic_service(s, *i);
	else
		traffic_introduce(s, *i);
}

void
traffic_open(struct sim *s)
{
	struct intent i = { .deed = DO_MOVE, .at_us = s->now_us };

	s->per_deed = 3.0 * s->o.observers;
	sim_plan(s, &i);
	i.deed = DO_INTRODUCE;
	sim_plan(s, &i);
	i.deed = DO_SERVICE;
	for (i.who = 0; i.who < s->o.nodes; i.who++) {
		double first_s = s->nodes[i.who].up ? UP_S : DOWN_S / 2;

		i.at_us = s->now_us + (uint64_t)(dice_wait(&s->dice) * first_s * SECOND);
		sim_plan(s, &i);
	}
	i.deed = DO_STATUS;
	for (i.who = 0; i.who < s->o.observers; i.who++) {
		i.at_us = s->now_us + dice_below(&s->dice, 5 * SECOND);
		sim_plan(s, &i);
	}
}
