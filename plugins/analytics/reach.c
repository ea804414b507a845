/* SPDX-License-Identifier: MIT */
#include "reach_impl.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define FINE_HOURS 26u /* so long each hour counts for itself */
#define SIGNALS 1000u  /* of a link: its mean is over the last ones */
/* Hours of one link that are told apart at all, with those that come twice because there were more
 * than 65535 in them. */
#define SLOTS_MAX 1024u
#define SLOT_BYTES 6u /* at most */

static mk_result
reach_create(struct frame *f, void **self)
{
	struct reach *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MK_ENOMEM;
	r->frame = f;
	*self = r;
	return MK_OK;
}

static void
reach_destroy(void *self)
{
	struct reach *r = self;

	for (uint32_t i = 0; i < r->count; i++)
		free(r->links[i].past);
	free(r->links);
	free(r->slots);
	free(r);
}

static size_t
reach_bytes(const void *self)
{
	const struct reach *r = self;

	return sizeof(*r) + r->bytes + r->cap * sizeof(*r->links) +
	       r->slot_count * sizeof(*r->slots);
}

/* ------------------------------------------------------------------ past -- */

/* The past of a link is, for each hour of it in the order of time, how much later than the one before
 * it is, and the count, as numbers of seven bits to a byte, the lowest first. There are a million of
 * these, and nearly all have two bytes. */
struct slot {
	uint16_t hour, count;
};

static bool
past_resize(struct reach *r, struct link *link, uint32_t len)
{
	size_t had = grow_room(link->len), room = grow_room(len);
	uint8_t *past = link->past;

	if (room == 0) {
		free(past);
		past = NULL;
	} else if (room != had) {
		past = realloc(past, room);
		if (past == NULL)
			return false;
	}
	link->past = past;
	link->len = (uint16_t)len;
	r->bytes += room - had;
	return true;
}

static uint32_t
past_put(uint8_t *to, uint16_t n)
{
	uint32_t len = 0;

	for (; n >= 128; n = (uint16_t)(n >> 7))
		to[len++] = (uint8_t)(n | 128);
	to[len++] = (uint8_t)n;
	return len;
}

static uint16_t
past_take(const struct link *link, uint32_t *at)
{
	uint32_t n = 0, shift = 0;

	for (; link->past[*at] & 128; shift += 7)
		n |= (uint32_t)(link->past[(*at)++] & 127) << shift;
	n |= (uint32_t)link->past[(*at)++] << shift;
	return (uint16_t)n;
}

/* The next slot behind `slot`. */
static void
past_next(const struct link *link, uint32_t *at, struct slot *slot)
{
	slot->hour = (uint16_t)(slot->hour + past_take(link, at));
	slot->count = past_take(link, at);
}

uint64_t
link_sum(const struct link *link, uint16_t since, uint16_t span)
{
	struct slot slot = { 0 };
	uint64_t sum = (uint16_t)(link->hour - since) <= span ? link->count : 0;

	for (uint32_t at = 0; at < link->len;) {
		past_next(link, &at, &slot);
		if ((uint16_t)(slot.hour - since) <= span)
			sum += slot.count;
	}
	return sum;
}

/* In the order of time; those of one hour become one. */
static uint32_t
slots_settle(struct slot *slots, uint32_t n, struct slot one)
{
	uint32_t i = n;

	while (i > 0 && (int16_t)(slots[i - 1].hour - one.hour) > 0)
		i--;
	if (i > 0 && slots[i - 1].hour == one.hour &&
	    slots[i - 1].count + one.count <= UINT16_MAX) {
		slots[i - 1].count = (uint16_t)(slots[i - 1].count + one.count);
		return n;
	}
	memmove(&slots[i + 1], &slots[i], (n - i) * sizeof(*slots));
	slots[i] = one;
	return n + 1;
}

/* Hours beyond the last day become longer, those beyond the longest window go. */
static uint32_t
slots_age(struct slot *slots, uint32_t n, struct slot one, uint16_t now)
{
	int16_t age = (int16_t)(now - one.hour); /* negative: it came out of order */

	if (one.count == 0 || n == SLOTS_MAX || age > (int)(REACH_DAYS_MAX * 24 + REACH_LONG_HOURS))
		return n;
	if (age > (int)FINE_HOURS)
		one.hour = (uint16_t)(one.hour / REACH_LONG_HOURS * REACH_LONG_HOURS);
	return slots_settle(slots, n, one);
}

/* The past, with what was counted until now, is packed anew. */
static bool
link_age(struct reach *r, struct link *link, uint16_t now)
{
	struct slot slots[SLOTS_MAX], slot = { 0 };
	uint8_t packed[SLOTS_MAX * SLOT_BYTES];
	uint32_t n = 0, len = 0;
	uint16_t before = 0;

	for (uint32_t at = 0; at < link->len;) {
		past_next(link, &at, &slot);
		n = slots_age(slots, n, slot, now);
	}
	n = slots_age(slots, n, (struct slot){ link->hour, link->count }, now);
	for (uint32_t i = 0; i < n; i++) {
		len += past_put(packed + len, (uint16_t)(slots[i].hour - before));
		len += past_put(packed + len, slots[i].count);
		before = slots[i].hour;
	}
	if (!past_resize(r, link, len))
		return false;
	if (len > 0)
		memcpy(link->past, packed, len);
	link->last = before;
	link->count = 0;
	return true;
}

/* Another hour begins. */
static bool
link_turn(struct reach *r, struct link *link, uint16_t hour)
{
	uint8_t packed[SLOT_BYTES];
	uint32_t len, old = link->len;

	if (link->count > 0) {
		len = past_put(packed, (uint16_t)(link->hour - (old == 0 ? 0 : link->last)));
		len += past_put(packed + len, link->count);
		/* What is old goes only when there is no room without. */
		if (grow_room(old + len) != grow_room(old) && old > 0) {
			if (!link_age(r, link, hour))
				return false;
		} else if (old > 0 && (int16_t)(link->hour - link->last) <= 0) {
			if (!link_age(r, link, hour))
				return false;
		} else {
			if (!past_resize(r, link, old + len))
				return false;
			memcpy(link->past + old, packed, len);
			link->last = link->hour;
		}
	}
	link->hour = hour;
	link->count = 0;
	return true;
}

/* ----------------------------------------------------------------- links -- */

/* A slot has the place of a link + 1 in its lowest bits, and in the others some of the hash, so that
 * links that are not meant need not be looked at: that is what took most of the time. */
#define PLACE_BITS 19u

_Static_assert(REACH_LINKS_MAX < 1u << PLACE_BITS, "places fit");

static uint64_t
reach_hash(uint32_t from, uint32_t to)
{
	return hops_mix((uint64_t)from << 32 | to);
}

static uint32_t
reach_home(const struct reach *r, uint64_t hash)
{
	return (uint32_t)((hash >> 32) * r->slot_count >> 32);
}

static uint32_t
reach_place(uint32_t slot)
{
	return (slot & ((1u << PLACE_BITS) - 1)) - 1;
}

static uint32_t
reach_slot(const struct reach *r, uint32_t from, uint32_t to, uint64_t hash)
{
	uint32_t i = reach_home(r, hash), slot;

	for (; (slot = r->slots[i]) != 0; i = i + 1 == r->slot_count ? 0 : i + 1) {
		const struct link *link = &r->links[reach_place(slot)];

		if (slot >> PLACE_BITS == ((uint32_t)hash >> PLACE_BITS) && link->from == from &&
		    link->to == to)
			break;
	}
	return i;
}

static uint32_t
reach_slot_of(uint32_t place, uint64_t hash)
{
	return (uint32_t)hash >> PLACE_BITS << PLACE_BITS | (place + 1);
}

/* The table anew, with room for more. */
static bool
reach_index(struct reach *r)
{
	uint32_t size = r->count + r->count / 2 + r->count / 8 + 1024;
	uint32_t *slots = calloc(size, sizeof(*slots));

	if (slots == NULL)
		return false;
	free(r->slots);
	r->slots = slots;
	r->slot_count = size;
	for (uint32_t i = 0; i < r->count; i++) {
		uint64_t hash = reach_hash(r->links[i].from, r->links[i].to);

		slots[reach_slot(r, r->links[i].from, r->links[i].to, hash)] =
		    reach_slot_of(i, hash);
	}
	return true;
}

static struct link *
reach_put(struct reach *r, uint32_t from, uint32_t to, uint64_t hash)
{
	uint32_t slot;

	if (r->count >= r->slot_count / 4 * 3 && !reach_index(r))
		return NULL;
	slot = reach_slot(r, from, to, hash);
	if (r->slots[slot] != 0)
		return &r->links[reach_place(r->slots[slot])];
	if (r->count == REACH_LINKS_MAX ||
	    !grow_to(&r->links, &r->cap, r->count + 1, sizeof(*r->links)))
		return NULL;
	r->links[r->count] = (struct link){ .from = from, .to = to };
	r->slots[slot] = reach_slot_of(r->count, hash);
	return &r->links[r->count++];
}

struct heard_link { /* what an observation says */
	uint32_t from, to;
	uint64_t hash;
	const float *snr; /* NULL: none */
};

struct heard_links {
	struct heard_link at[2 * HOPS_PATH_MAX + 2];
	uint32_t count;
};

static void
reach_say(struct heard_links *links, uint32_t from, uint32_t to, const float *snr)
{
	links->at[links->count++] = (struct heard_link){ from, to, reach_hash(from, to), snr };
}

static void
reach_count(struct reach *r, const struct heard_link *heard, uint16_t hour)
{
	struct link *link = reach_put(r, heard->from, heard->to, heard->hash);
	const float *snr = heard->snr;

	if (link == NULL ||
	    ((link->hour != hour || link->count == UINT16_MAX) && !link_turn(r, link, hour))) {
		r->lost++;
		return;
	}
	link->count++;
	if (snr == NULL || !(*snr > -1000 && *snr < 1000))
		return;
	if (link->snr_count == SIGNALS) { /* the past counts half */
		link->snr_sum /= 2;
		link->snr_count /= 2;
	}
	link->snr_sum += (int32_t)(*snr * 4);
	link->snr_count++;
}

/* Links lie all over the memory, so all of them are fetched before the first one is needed. */
static void
reach_count_all(struct reach *r, const struct heard_links *links, uint16_t hour)
{
	for (uint32_t i = 0; r->count > 0 && i < links->count; i++)
		__builtin_prefetch(&r->slots[reach_home(r, links->at[i].hash)]);
	for (uint32_t i = 0; r->count > 0 && i < links->count; i++) {
		uint32_t slot = r->slots[reach_home(r, links->at[i].hash)];

		if (slot != 0)
			__builtin_prefetch(&r->links[reach_place(slot)]);
	}
	for (uint32_t i = 0; i < links->count; i++)
		reach_count(r, &links->at[i], hour);
}

static bool
reach_repeats(const struct hops_obs *o, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (o->hops[k] == o->hops[i])
			return true;
	return false;
}

/* Route types tell whether the path is where the packet was: only that of a flood is. */
static void
reach_on_obs(void *self, const struct an_packet *p, const struct hops_obs *o)
{
	struct reach *r = self;
	uint16_t observer = AN_NO_OBSERVER;
	struct heard_links links;

	if (p->copy || o->count == 0 || !hops_obs_is_flood(o) || p->type == HOPS_TYPE_TRACE)
		return;
	links.count = 0;
	if (p->from != HOPS_NONE)
		reach_say(&links, REACH_NODE | p->from, o->hops[0], NULL);
	for (uint32_t i = 0; i + 1 < o->count; i++)
		reach_say(&links, o->hops[i], o->hops[i + 1], NULL);
	for (uint32_t i = 1; i < o->count; i++)
		if (reach_repeats(o, i))
			reach_say(&links, o->hops[i], REACH_AGAIN, NULL);
	if (p->heard_count > 0)
		observer = p->heard[p->heard_count - 1].observer;
	reach_say(&links, o->hops[o->count - 1],
		  observer != AN_NO_OBSERVER ? REACH_NODE | r->frame->observers[observer].node
					     : REACH_NOBODY,
		  o->has_snr ? &o->snr : NULL);
	reach_count_all(r, &links, (uint16_t)(o->at / REACH_HOUR_S));
}

/* Twice a day: what is older than any question reaches is not counted anyway, and looking at all links
 * takes some milliseconds. */
static void
reach_on_tick(void *self, int64_t now)
{
	struct reach *r = self;
	uint16_t hour = (uint16_t)(now / REACH_HOUR_S);
	uint32_t kept = 0;

	if (hour / REACH_LONG_HOURS == r->swept || r->count == 0)
		return;
	r->swept = hour / REACH_LONG_HOURS;
	for (uint32_t i = 0; i < r->count; i++) {
		struct link *link = &r->links[i];

		/* Without memory it stays as it is. */
		if (link_age(r, link, hour) && link->len == 0)
			continue;
		r->links[kept++] = *link;
	}
	if (kept == r->count)
		return;
	r->count = kept;
	if (reach_index(r))
		return;
	r->lost += kept;
	while (r->count > 0)
		free(r->links[--r->count].past);
	r->bytes = 0;
}

const struct an_module reach_module = {
	.name = "reach",
	.create = reach_create,
	.destroy = reach_destroy,
	.on_obs = reach_on_obs,
	.on_tick = reach_on_tick,
	.bytes = reach_bytes,
	.methods = reach_methods,
};
