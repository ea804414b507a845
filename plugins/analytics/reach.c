/* SPDX-License-Identifier: MIT */
#include "reach_impl.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define FINE_HOURS 26u /* so long each hour counts for itself */
#define SIGNALS 1000u  /* of a link: its mean is over the last ones */

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
		free(r->links[i].slots);
	free(r->links);
	free(r->slots);
	free(r->ends);
	free(r);
}

static size_t
reach_bytes(const void *self)
{
	const struct reach *r = self;

	return sizeof(*r) + r->bytes + r->cap * sizeof(*r->links) +
	       r->slot_count * sizeof(*r->slots) + r->end_count * sizeof(*r->ends);
}

/* ----------------------------------------------------------------- links -- */

static uint32_t
reach_slot(const struct reach *r, uint32_t from, uint32_t to)
{
	uint32_t mask = r->slot_count - 1;
	uint32_t i = (uint32_t)hops_mix((uint64_t)from << 32 | to) & mask;

	while (r->slots[i] != 0 &&
	       (r->links[r->slots[i] - 1].from != from || r->links[r->slots[i] - 1].to != to))
		i = (i + 1) & mask;
	return i;
}

struct end *
reach_end(const struct reach *r, uint32_t key)
{
	uint32_t mask = r->end_count - 1, i = (uint32_t)hops_mix(key) & mask;

	while (r->ends[i].key != 0 && r->ends[i].key != key)
		i = (i + 1) & mask;
	return &r->ends[i];
}

static void
reach_join(struct reach *r, uint32_t at)
{
	struct link *link = &r->links[at];
	uint32_t keys[2] = { link->from, link->to };

	r->slots[reach_slot(r, link->from, link->to)] = at + 1;
	for (int k = 0; k < 2; k++) {
		struct end *end = reach_end(r, keys[k]);

		if (end->key == 0) {
			*end = (struct end){ keys[k], REACH_NO_LINK, REACH_NO_LINK };
			r->end_used++;
		}
		if (k == 0) {
			link->next_from = end->out;
			end->out = at;
		} else {
			link->next_to = end->in;
			end->in = at;
		}
	}
}

/* The tables anew, with room for more. */
static bool
reach_index(struct reach *r)
{
	uint32_t size = 1024, end_size = 1024, *slots;
	struct end *ends;

	while (size < r->count * 3)
		size *= 2;
	while (end_size < r->end_used * 3)
		end_size *= 2;
	slots = calloc(size, sizeof(*slots));
	ends = calloc(end_size, sizeof(*ends));
	if (slots == NULL || ends == NULL) {
		free(slots);
		free(ends);
		return false;
	}
	free(r->slots);
	free(r->ends);
	r->slots = slots;
	r->ends = ends;
	r->slot_count = size;
	r->end_count = end_size;
	r->end_used = 0;
	for (uint32_t i = 0; i < r->count; i++)
		reach_join(r, i);
	return true;
}

static struct link *
reach_put(struct reach *r, uint32_t from, uint32_t to)
{
	uint32_t slot;

	if ((r->count * 3 >= r->slot_count * 2 || r->end_used * 3 >= r->end_count * 2) &&
	    !reach_index(r))
		return NULL;
	slot = r->slots[reach_slot(r, from, to)];
	if (slot != 0)
		return &r->links[slot - 1];
	if (r->count == REACH_LINKS_MAX ||
	    !grow_to(&r->links, &r->cap, r->count + 1, sizeof(*r->links)))
		return NULL;
	r->links[r->count] = (struct link){ .from = from, .to = to };
	reach_join(r, r->count);
	return &r->links[r->count++];
}

/* Nearly always it is the last hour or a new one. */
static uint32_t
link_slot(const struct link *link, uint16_t hour)
{
	uint32_t i = link->slot_count;

	while (i > 0 && i + 4 > link->slot_count &&
	       (link->slots[i - 1].hour != hour || link->slots[i - 1].count == UINT16_MAX))
		i--;
	return i > 0 && link->slots[i - 1].hour == hour && link->slots[i - 1].count < UINT16_MAX
		   ? i - 1
		   : link->slot_count;
}

/* Hours beyond the last day become longer, those beyond the longest window go. True: some are left. */
static bool
link_age(struct link *link, uint16_t now)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < link->slot_count; k++) {
		struct slot slot = link->slots[k];
		int16_t age = (int16_t)(now - slot.hour); /* negative: it came out of order */

		if (age > (int)(REACH_DAYS_MAX * 24 + REACH_LONG_HOURS))
			continue;
		if (age > (int)FINE_HOURS)
			slot.hour = (uint16_t)(slot.hour / REACH_LONG_HOURS * REACH_LONG_HOURS);
		if (n > 0 && link->slots[n - 1].hour == slot.hour &&
		    link->slots[n - 1].count + slot.count <= UINT16_MAX)
			link->slots[n - 1].count =
			    (uint16_t)(link->slots[n - 1].count + slot.count);
		else
			link->slots[n++] = slot;
	}
	link->slot_count = n;
	return n > 0;
}

static bool
reach_count_hour(struct reach *r, struct link *link, uint16_t hour)
{
	uint32_t at = link_slot(link, hour), cap = link->slot_cap;

	if (at == link->slot_count && at == cap && cap > 0) {
		(void)link_age(link, hour);
		at = link->slot_count;
	}
	if (at == link->slot_count) {
		if (!grow_to(&link->slots, &link->slot_cap, at + 1, sizeof(*link->slots)))
			return false;
		r->bytes += (link->slot_cap - cap) * sizeof(*link->slots);
		link->slots[link->slot_count++] = (struct slot){ hour, 0 };
	}
	link->slots[at].count++;
	return true;
}

static void
reach_count(struct reach *r, uint32_t from, uint32_t to, uint16_t hour, const float *snr)
{
	struct link *link = reach_put(r, from, to);

	if (link == NULL || !reach_count_hour(r, link, hour)) {
		r->lost++;
		return;
	}
	if (snr == NULL || !(*snr > -1000 && *snr < 1000))
		return;
	if (link->snr_count == SIGNALS) { /* the past counts half */
		link->snr_sum /= 2;
		link->snr_count /= 2;
	}
	link->snr_sum += (int32_t)(*snr * 4);
	link->snr_count++;
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
	uint16_t hour = (uint16_t)(o->at / REACH_HOUR_S), observer = AN_NO_OBSERVER;

	if (p->copy || o->count == 0 || !hops_obs_is_flood(o) || p->type == HOPS_TYPE_TRACE)
		return;
	if (p->from != HOPS_NONE)
		reach_count(r, REACH_NODE | p->from, o->hops[0], hour, NULL);
	for (uint32_t i = 0; i + 1 < o->count; i++)
		reach_count(r, o->hops[i], o->hops[i + 1], hour, NULL);
	for (uint32_t i = 1; i < o->count; i++)
		if (reach_repeats(o, i))
			reach_count(r, o->hops[i], REACH_AGAIN, hour, NULL);
	if (p->heard_count > 0)
		observer = p->heard[p->heard_count - 1].observer;
	reach_count(r, o->hops[o->count - 1],
		    observer != AN_NO_OBSERVER ? REACH_NODE | r->frame->observers[observer].node
					       : REACH_NOBODY,
		    hour, o->has_snr ? &o->snr : NULL);
}

/* Once an hour. */
static void
reach_on_tick(void *self, int64_t now)
{
	struct reach *r = self;
	uint16_t hour = (uint16_t)(now / REACH_HOUR_S);
	uint32_t kept = 0;

	if (hour == r->swept || r->count == 0)
		return;
	r->swept = hour;
	for (uint32_t i = 0; i < r->count; i++) {
		struct link *link = &r->links[i];
		uint32_t cap = link->slot_cap, fit;
		bool stays = link_age(link, hour);

		if (!stays) {
			r->bytes -= cap * sizeof(*link->slots);
			free(link->slots);
			continue;
		}
		fit = link->slot_count + 4;
		if (fit * 2 < cap) {
			struct slot *slots = realloc(link->slots, fit * sizeof(*slots));

			if (slots != NULL) {
				link->slots = slots;
				link->slot_cap = fit;
				r->bytes -= (cap - fit) * sizeof(*slots);
			}
		}
		r->links[kept++] = *link;
	}
	if (kept == r->count)
		return;
	r->count = kept;
	if (!reach_index(r))
		r->count = 0, r->lost += kept;
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
