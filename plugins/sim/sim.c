/* SPDX-License-Identifier: MIT
 *
 * Time: what will happen, what was heard, and in which order both come.
 */
#include <stdlib.h>
#include <string.h>

#include "impl.h"

/* Receptions that wait for their time: what the pauses between transmissions are shortened for. */
#define PENDING_AIM 3000
#define FLIGHT_S 1.5 /* how long a packet is under way without that */

static const char *const default_regions[] = { "OST", "BRU", "ANR", "LGG", NULL };
static const char *const default_scopes[] = { "belgium", "vlaanderen", NULL };

const struct sim_options sim_defaults = {
	.seed = 1,
	.start_us = 1767225600000000, /* 2026 */
	.nodes = 60,
	.observers = 12,
	.phones = 3,
	.rate = 5,
	.lat = 50.95,
	.lon = 4.35,
	.regions = default_regions,
	.scopes = default_scopes,
	.damaged = 0.002,
	.repeated = 0.01,
	.forged = 0.005,
};

bool
heap_put(struct heap *h, uint64_t at_us, uint64_t order, uint32_t index)
{
	uint32_t at = h->count;
	struct slot slot = { at_us, order, index };

	if (h->count == h->cap) {
		uint32_t cap = h->cap == 0 ? 64 : h->cap * 2;
		struct slot *more = realloc(h->slots, cap * sizeof(*more));

		if (more == NULL)
			return false;
		h->slots = more;
		h->cap = cap;
	}
	h->count++;
	for (; at > 0; at = (at - 1) / 2) {
		const struct slot *up = &h->slots[(at - 1) / 2];

		if (up->at_us < at_us || (up->at_us == at_us && up->order < order))
			break;
		h->slots[at] = *up;
	}
	h->slots[at] = slot;
	return true;
}

static bool
heap_before(const struct slot *a, const struct slot *b)
{
	return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

uint32_t
heap_take(struct heap *h)
{
	uint32_t first = h->slots[0].index, at = 0;
	struct slot last = h->slots[--h->count];

	for (;;) {
		uint32_t down = 2 * at + 1;

		if (down + 1 < h->count && heap_before(&h->slots[down + 1], &h->slots[down]))
			down++;
		if (down >= h->count || !heap_before(&h->slots[down], &last))
			break;
		h->slots[at] = h->slots[down];
		at = down;
	}
	h->slots[at] = last;
	return first;
}

/* A free item; NOBODY: out of memory. */
static uint32_t
pool_take(struct pool *p)
{
	if (p->free_count == 0) {
		uint32_t cap = p->cap == 0 ? 64 : p->cap * 2;
		void *items = realloc(p->items, (size_t)cap * p->size);
		uint32_t *free_list;

		if (items == NULL)
			return NOBODY;
		p->items = items;
		free_list = realloc(p->free_list, cap * sizeof(*free_list));
		if (free_list == NULL)
			return NOBODY;
		p->free_list = free_list;
		for (uint32_t i = cap; i > p->cap; i--)
			p->free_list[p->free_count++] = i - 1;
		p->cap = cap;
	}
	return p->free_list[--p->free_count];
}

static void
pool_give(struct pool *p, uint32_t index)
{
	p->free_list[p->free_count++] = index;
}

void
sim_plan(struct sim *s, const struct intent *i)
{
	uint32_t at = pool_take(&s->intents);

	if (at == NOBODY || !heap_put(&s->due, i->at_us, s->order++, at))
		s->failed = true;
	else
		((struct intent *)s->intents.items)[at] = *i;
}

struct sim_event *
sim_event_new(struct sim *s)
{
	s->making = pool_take(&s->pending);
	if (s->making == NOBODY) {
		s->failed = true;
		return NULL;
	}
	return &((struct sim_event *)s->pending.items)[s->making];
}

void
sim_event_put(struct sim *s, const struct sim_event *e)
{
	if (!heap_put(&s->events, e->at_us, s->order++, s->making))
		s->failed = true;
}

uint64_t
sim_pause(struct sim *s, uint32_t most_us)
{
	return (uint64_t)((double)dice_below(&s->dice, most_us) * s->spread);
}

static void
sim_status(struct sim *s, uint32_t who)
{
	struct observer *o = &s->observers[who];
	const struct node *n = &s->nodes[o->node];
	struct sim_event *e = n->up ? sim_event_new(s) : NULL;

	if (e == NULL)
		return;
	memset(e, 0, sizeof(*e));
	e->kind = SIM_STATUS;
	e->at_us = s->now_us;
	e->who = who;
	o->vitals.uptime_s = (uint32_t)((o->up_us + s->now_us - s->o.start_us) / SECOND);
	o->vitals.tx_air_s = (uint32_t)(o->tx_us / SECOND);
	o->vitals.rx_air_s = (uint32_t)(o->rx_us / SECOND);
	o->vitals.noise_dbm = (int32_t)n->noise_dbm + (int32_t)dice_below(&s->dice, 3) - 1;
	if (o->vitals.battery_mv > 3300 && dice_chance(&s->dice, 0.05))
		o->vitals.battery_mv--;
	e->vitals = o->vitals;
	sim_event_put(s, e);
}

static void
sim_move(struct sim *s)
{
	for (uint32_t i = 0; i < s->phone_count; i++) {
		struct phone *p = &s->phones[i];

		p->way += p->step;
		if (p->way >= 1) {
			p->way = 0;
			p->from = p->to;
			p->to = dice_below(&s->dice, s->town_count);
		}
		links_phone(s, p);
	}
	links_drift(s);
}

static void
sim_do(struct sim *s)
{
	uint32_t at = heap_take(&s->due);
	struct intent i = ((struct intent *)s->intents.items)[at];
	bool again = i.deed == DO_STATUS || i.deed == DO_MOVE;

	pool_give(&s->intents, at);
	s->now_us = i.at_us;
	if (i.deed == DO_STATUS)
		sim_status(s, i.who);
	else if (i.deed == DO_MOVE)
		sim_move(s);
	else if (i.deed < DO_RETRY)
		traffic_do(s, &i);
	else
		talk_do(s, &i);
	if (!again)
		return;
	i.at_us += (i.deed == DO_STATUS ? 60 : 10) * (uint64_t)SECOND;
	sim_plan(s, &i);
}

const struct sim_event *
sim_next(struct sim *s)
{
	if (s->given != NOBODY)
		pool_give(&s->pending, s->given);
	s->given = NOBODY;
	/* What is done now is heard later. */
	while (!s->failed &&
	       (s->events.count == 0 ||
		(s->due.count > 0 && s->due.slots[0].at_us <= s->events.slots[0].at_us)))
		sim_do(s);
	if (s->failed)
		return NULL;
	s->given = heap_take(&s->events);
	return &((struct sim_event *)s->pending.items)[s->given];
}

void
sim_shift(struct sim *s, int64_t us)
{
	uint64_t by = (uint64_t)us; /* wraps around, as it shall */

	for (uint32_t i = 0; i < s->due.count; i++) {
		s->due.slots[i].at_us += by;
		((struct intent *)s->intents.items)[s->due.slots[i].index].at_us += by;
	}
	for (uint32_t i = 0; i < s->events.count; i++) {
		s->events.slots[i].at_us += by;
		((struct sim_event *)s->pending.items)[s->events.slots[i].index].at_us += by;
	}
	if (s->given != NOBODY)
		((struct sim_event *)s->pending.items)[s->given].at_us += by;
	if (s->counted_us > 0)
		s->counted_us += by;
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		struct node *n = &s->nodes[i];

		n->said_s = us < 0 ? 0 : n->said_s;
		n->advert_us = n->advert_len > 0 ? n->advert_us + by : 0;
	}
	s->now_us += by;
	s->o.start_us += by;
}

mk_result
sim_set_rate(struct sim *s, double rate)
{
	double pending = rate * FLIGHT_S;

	if (!(rate >= 1 && rate <= SIM_RATE_MAX))
		return MK_EINVAL;
	s->o.rate = rate;
	s->spread = pending > PENDING_AIM ? PENDING_AIM / pending : 1;
	if (s->counted_us > 0) {
		struct intent i = { .deed = DO_TRAFFIC, .at_us = s->now_us };

		/* The next deed of the old rate may be minutes away. */
		if (s->given != NOBODY)
			i.at_us = ((struct sim_event *)s->pending.items)[s->given].at_us;
		i.tag = ++s->rates;
		sim_plan(s, &i);
		s->counted_us = 0;
	}
	return MK_OK;
}

static mk_result
sim_regions(struct sim *s, mk_err *err)
{
	const char *const *at = s->o.regions;

	while (at[s->region_count] != NULL)
		s->region_count++;
	s->regions = calloc(s->region_count + 1, sizeof(*s->regions));
	if (s->regions == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < s->region_count; i++)
		snprintf(s->regions[i], sizeof(*s->regions), "%s", at[i]);
	for (at = s->o.scopes; *at != NULL; at++) {
		if (mc_regions_add(&s->scopes, *at) == MC_KEY_FULL)
			return mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	return MK_OK;
}

static void
sim_channels(struct sim *s)
{
	static const uint8_t public_key[] = { 0x8b, 0x33, 0x87, 0xe9, 0xc5, 0xcd, 0xea, 0x6a,
					      0xc9, 0xe5, 0xed, 0xba, 0xa1, 0x15, 0xcd, 0x72 };
	static const char *const names[CHANNELS] = { "Public", "#test",  "#bot",    "#chat",
						     "#meteo", "#solar", "private", "private" };
	uint8_t key[16];

	for (uint32_t i = 0; i < CHANNELS; i++) {
		memcpy(key, public_key, sizeof(key));
		if (names[i][0] == '#')
			mc_key_hashtag(names[i], key);
		else if (i > 0)
			dice_fill(&s->dice, key, sizeof(key));
		mc_key_init(&s->channels[i], key, sizeof(key));
		snprintf(s->channels[i].name, sizeof(s->channels[i].name), "%s", names[i]);
	}
}

mk_result
sim_check(const struct sim_options *o, mk_err *err)
{
	if (o->nodes < 2 || o->nodes > SIM_NODES_MAX)
		return mk_err_set(err, MK_EINVAL, "nodes: expected 2 to %d", SIM_NODES_MAX);
	if (o->observers < 1 || o->observers > SIM_OBSERVERS_MAX || o->observers > o->nodes)
		return mk_err_set(err, MK_EINVAL,
				  "observers: expected 1 to %d, and no more than nodes",
				  SIM_OBSERVERS_MAX);
	if (o->phones > SIM_PHONES_MAX)
		return mk_err_set(err, MK_EINVAL, "phones: expected 0 to %d", SIM_PHONES_MAX);
	if (!(o->rate >= 1 && o->rate <= SIM_RATE_MAX))
		return mk_err_set(err, MK_EINVAL, "rate: expected 1 to %d", SIM_RATE_MAX);
	if (!(o->lat >= -80 && o->lat <= 80 && o->lon >= -177 && o->lon <= 177))
		return mk_err_set(err, MK_EINVAL,
				  "latitude: expected -80 to 80; longitude: -177 to 177");
	if (o->regions == NULL || o->regions[0] == NULL)
		return mk_err_set(err, MK_EINVAL, "regions: expected one or more");
	for (uint32_t i = 0; o->regions[i] != NULL; i++) {
		size_t len = strspn(o->regions[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

		if (len < 1 || len >= REGION_SIZE || o->regions[i][len] != '\0')
			return mk_err_set(
			    err, MK_EINVAL,
			    "regions: expected 1 to %d capitals and digits, not \"%s\"",
			    REGION_SIZE - 1, o->regions[i]);
	}
	for (uint32_t i = 0; o->scopes[i] != NULL; i++) {
		if (i == SCOPES_MAX || o->scopes[i][0] == '\0' ||
		    strlen(o->scopes[i]) >= MC_CHANNEL_NAME_MAX)
			return mk_err_set(err, MK_EINVAL, "scopes: expected up to %d names",
					  SCOPES_MAX);
	}
	return MK_OK;
}

mk_result
sim_new(const struct sim_options *options, struct sim **out, mk_err *err)
{
	struct sim *s;
	mk_result r = sim_check(options, err);

	if (r != MK_OK)
		return r;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	s->o = *options;
	s->given = s->making = NOBODY;
	s->now_us = s->o.start_us;
	sim_set_rate(s, s->o.rate);
	s->km_lon = 111.195 * dice_cos(s->o.lat * 0.017453292519943295);
	s->intents.size = sizeof(struct intent);
	s->pending.size = sizeof(struct sim_event);
	s->sent_cap = s->o.nodes + 64 * MC_HOPS_MAX;
	s->sent = calloc(s->sent_cap, sizeof(*s->sent));
	mc_regions_init(&s->scopes);
	dice_init(&s->dice, s->o.seed, 1);
	r = s->sent == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : sim_regions(s, err);
	if (r == MK_OK)
		r = world_make(s, err);
	if (r == MK_OK)
		r = links_make(s, err);
	if (r != MK_OK) {
		sim_free(s);
		return r;
	}
	s->o.regions = s->o.scopes = NULL; /* the caller's */
	sim_channels(s);
	/* The same seed makes the same mesh; what happens in it does not repeat at every start. */
	dice_init(&s->dice, s->o.seed ^ s->o.start_us * 0x9e3779b97f4a7c15u, 2);
	traffic_open(s);
	*out = s;
	return MK_OK;
}

void
sim_free(struct sim *s)
{
	if (s == NULL)
		return;
	world_free(s);
	mc_regions_fini(&s->scopes);
	free(s->regions);
	free(s->links);
	free(s->sent);
	free(s->hops.slots);
	free(s->due.slots);
	free(s->events.slots);
	free(s->intents.items);
	free(s->intents.free_list);
	free(s->pending.items);
	free(s->pending.free_list);
	free(s);
}

uint32_t
sim_observers(const struct sim *s)
{
	return s->o.observers;
}

const struct sim_party *
sim_observer(const struct sim *s, uint32_t i)
{
	return &s->observers[i].party;
}

uint32_t
sim_phones(const struct sim *s)
{
	return s->phone_count;
}

const struct sim_party *
sim_phone(const struct sim *s, uint32_t i)
{
	return &s->phones[i].party;
}
