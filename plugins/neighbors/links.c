/* SPDX-License-Identifier: MIT */
#include "links.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_SLOTS (1u << 18)
#define WINDOW_SLOTS_MAX (1u << 22)
#define WINDOW_ID_BITS 20u /* of an entry; the others are the key's, enough to be of one link */
#define WINDOW_ID_MASK ((1u << WINDOW_ID_BITS) - 1)
#define WINDOW_STALE (1u << (WINDOW_ID_BITS - 1)) /* what is older than this must be gone */
#define COUNT_MAX INT32_MAX
#define SNR_LIMIT 200 /* dB; no radio says more, and a sum must not overflow */

mk_result
links_init(struct links *l, struct hops_nodes *nodes, int64_t max_age, uint32_t max)
{
	*l = (struct links){ .nodes = nodes, .max_age = max_age, .max = max };
	l->window = calloc(WINDOW_SLOTS, sizeof(*l->window));
	if (l->window == NULL)
		return MK_ENOMEM;
	l->window_slots = WINDOW_SLOTS;
	return MK_OK;
}

void
links_fini(struct links *l)
{
	free(l->at);
	hops_sets_fini(&l->sets);
	free(l->slots);
	free(l->window);
	free(l->bits);
	*l = (struct links){ 0 };
}

void
links_clear(struct links *l)
{
	l->count = l->observer_count = l->window_used = 0;
	l->cursor = 0;
	hops_sets_fini(&l->sets);
	memset(l->window, 0, l->window_slots * sizeof(*l->window));
	if (l->slots != NULL)
		memset(l->slots, 0, l->slot_count * sizeof(*l->slots));
	if (l->bits != NULL)
		memset(l->bits, 0, l->bits_cap * sizeof(*l->bits));
}

/* ------------------------------------------------------------ the table -- */

static uint32_t
links_slot(const struct links *l, uint32_t from, uint32_t to)
{
	uint32_t mask = l->slot_count - 1;
	uint32_t i = (uint32_t)hops_mix((uint64_t)from << 32 | to) & mask;

	for (; l->slots[i] != 0; i = (i + 1) & mask) {
		const struct links_row *k = &l->at[l->slots[i] - 1];

		if (k->from == from && k->to == to)
			break;
	}
	return i;
}

static void
links_index(struct links *l)
{
	memset(l->slots, 0, l->slot_count * sizeof(*l->slots));
	for (uint32_t i = 0; i < l->count; i++)
		l->slots[links_slot(l, l->at[i].from, l->at[i].to)] = i + 1;
}

/* Up to three quarters of the slots are used. */
static bool
links_grow_slots(struct links *l)
{
	uint32_t count = l->slot_count == 0 ? 2048 : l->slot_count * 2;
	uint32_t *slots;

	if (l->count < l->slot_count / 4 * 3)
		return true;
	slots = malloc(count * sizeof(*slots));
	if (slots == NULL)
		return false;
	free(l->slots);
	l->slots = slots;
	l->slot_count = count;
	links_index(l);
	return true;
}

/* By a quarter: there are a hundred thousand. */
static bool
links_grow(struct links *l)
{
	uint32_t cap = l->cap == 0 ? 1024 : l->cap + l->cap / 4;
	struct links_row *at;

	if (l->count < l->cap)
		return links_grow_slots(l);
	at = realloc(l->at, cap * sizeof(*at));
	if (at == NULL)
		return false;
	l->at = at;
	l->cap = cap;
	return links_grow_slots(l);
}

struct links_row *
links_put(struct links *l, uint32_t from, uint32_t to)
{
	uint32_t slot;

	if (l->count > 0) {
		slot = links_slot(l, from, to);
		if (l->slots[slot] != 0)
			return &l->at[l->slots[slot] - 1];
	}
	if (l->count >= l->max || !links_grow(l)) {
		l->counts.refused++;
		return NULL;
	}
	slot = links_slot(l, from, to);
	l->at[l->count] = (struct links_row){ .from = from, .to = to };
	hops_sets_empty(&l->sets, l->count);
	l->slots[slot] = ++l->count;
	return &l->at[l->count - 1];
}

void
links_set_seen(struct links *l, const struct links_row *k, const struct hops_seen *seen)
{
	hops_sets_empty(&l->sets, (uint32_t)(k - l->at));
	if (!hops_sets_merge(&l->sets, l->cap, (uint32_t)(k - l->at), seen))
		l->counts.refused++;
}

uint32_t
links_observer(struct links *l, uint32_t id)
{
	if (id >= l->bits_cap) {
		uint32_t cap = l->bits_cap == 0 ? 256 : l->bits_cap;
		uint16_t *bits;

		while (id >= cap)
			cap *= 2;
		bits = realloc(l->bits, cap * sizeof(*bits));
		if (bits == NULL)
			return HOPS_OBSERVERS_MAX - 1;
		memset(bits + l->bits_cap, 0, (cap - l->bits_cap) * sizeof(*bits));
		l->bits = bits;
		l->bits_cap = cap;
	}
	if (l->bits[id] == 0) {
		if (l->observer_count == HOPS_OBSERVERS_MAX - 1)
			return HOPS_OBSERVERS_MAX - 1;
		l->observers[l->observer_count++] = id;
		l->bits[id] = (uint16_t)l->observer_count;
	}
	return l->bits[id] - 1u;
}

/* ----------------------------------------------------------- the window -- */

/* An entry is the high bits of a key, and the low ones of an observation. 44 bits of key in at most
 * two million entries take one packet for another once in ten million. */
static uint64_t *
links_window_slot(const struct links *l, uint64_t key)
{
	uint32_t mask = l->window_slots - 1, i = (uint32_t)(key >> 24) & mask;

	while (l->window[i] != 0 && ((l->window[i] ^ key) & ~(uint64_t)WINDOW_ID_MASK) != 0)
		i = (i + 1) & mask;
	return &l->window[i];
}

/* How many observations lie between an entry and `now`; those after it are far away, too. */
static uint32_t
links_window_age(uint64_t entry, uint32_t now)
{
	return (now - (uint32_t)entry) & WINDOW_ID_MASK;
}

/* Too far for the low bits of numbers to be compared much longer; up or down, as they come. */
static bool
links_is_far(uint32_t id, uint32_t swept)
{
	uint32_t up = id - swept;

	return up >= WINDOW_STALE && up <= UINT32_MAX - WINDOW_STALE;
}

/* Three quarters full: keep what is still within the window, in a table that is half full then. If
 * it may not grow any more, half of the window has to do. */
static void
links_window_sweep(struct links *l, uint32_t now)
{
	uint64_t *old = l->window;
	uint32_t slots = l->window_slots, live = 0, reach = LINKS_WINDOW;

	l->window_swept = now;
	for (uint32_t i = 0; i < slots; i++)
		live += old[i] != 0 && links_window_age(old[i], now) < reach;
	if (live > slots / 2) {
		if (slots < WINDOW_SLOTS_MAX) {
			slots *= 2;
		} else {
			reach /= 2;
			l->counts.crowded++;
		}
	}
	l->window = calloc(slots, sizeof(*l->window));
	if (l->window == NULL) {
		/* Without memory nothing is remembered rather than nothing counted. */
		l->window = old;
		memset(old, 0, l->window_slots * sizeof(*old));
		l->window_used = 0;
		l->counts.crowded++;
		return;
	}
	uint32_t old_slots = l->window_slots;

	l->window_slots = slots;
	l->window_used = 0;
	for (uint32_t i = 0; i < old_slots; i++) {
		if (old[i] == 0 || links_window_age(old[i], now) >= reach)
			continue;
		*links_window_slot(l, old[i]) = old[i];
		l->window_used++;
	}
	free(old);
}

/* Is this the first time that a packet touches a link, as far as the window goes? */
static bool
links_is_first(struct links *l, uint32_t from, uint32_t to, const struct hops_obs *o)
{
	uint64_t key = hops_mix(((uint64_t)from << 32 | to) ^ hops_mix(o->tx + 1));
	uint32_t id = (uint32_t)o->id;
	uint64_t *seen;
	bool first;

	key |= (uint64_t)1 << WINDOW_ID_BITS; /* never 0 */
	if (links_is_far(id, l->window_swept) || l->window_used > l->window_slots / 4 * 3)
		links_window_sweep(l, id);
	seen = links_window_slot(l, key);
	first = *seen == 0 || links_window_age(*seen, id) >= LINKS_WINDOW;
	l->window_used += *seen == 0;
	*seen = (key & ~(uint64_t)WINDOW_ID_MASK) | (id & WINDOW_ID_MASK);
	return first;
}

/* ---------------------------------------------------------- observations -- */

struct links_touch {
	const struct hops_obs *o;
	uint32_t at;       /* when */
	uint32_t observer; /* the place of its bit */
	bool again;        /* only the window */
};

/* `to` heard `from`; `heard` if the signal is that of this link. */
static void
links_touch(struct links *l, const struct links_touch *t, uint32_t from, uint32_t to, bool heard)
{
	const struct hops_obs *o = t->o;
	bool first = links_is_first(l, from, to, o);
	struct links_row *k;

	if (t->again)
		return;
	k = links_put(l, from, to);
	if (k == NULL)
		return;
	if (k->count > 0 && (int64_t)t->at - k->last > l->max_age) {
		*k = (struct links_row){ .from = from, .to = to };
		hops_sets_empty(&l->sets, (uint32_t)(k - l->at));
	}
	if (k->count == 0)
		k->first = k->last = t->at;
	if ((first || k->count == 0) && k->count < COUNT_MAX)
		k->count++;
	k->first = t->at < k->first ? t->at : k->first;
	k->last = t->at > k->last ? t->at : k->last;
	if (!hops_sets_put(&l->sets, l->cap, (uint32_t)(k - l->at), t->observer))
		l->counts.refused++;
	if (heard && o->has_snr && fabsf(o->snr) <= SNR_LIMIT && k->snr_n < COUNT_MAX) {
		k->snr_sum += lroundf(o->snr * 100);
		k->snr_n++;
	}
	k->changed = true;
}

/* The hops of a flood were heard one by the next, and the last one by the observer. The originator
 * is known only of an advert. A direct packet carries the way that it has yet to go, a trace the one
 * it shall take: neither tells who was heard. */
static void
links_take_flood(struct links *l, const struct links_touch *t, uint32_t from, uint32_t observer)
{
	const struct hops_obs *o = t->o;

	if (from != HOPS_NONE)
		links_touch(l, t, from, o->hops[0] | LINKS_TOKEN, false);
	for (uint32_t i = 0; i + 1 < o->count; i++) {
		if (o->hops[i] != o->hops[i + 1])
			links_touch(l, t, o->hops[i] | LINKS_TOKEN, o->hops[i + 1] | LINKS_TOKEN,
				    false);
	}
	if (observer != HOPS_NONE && !o->sent)
		links_touch(l, t, o->hops[o->count - 1] | LINKS_TOKEN, observer, true);
}

static uint32_t
links_id(struct links *l, const char *text, uint32_t len)
{
	uint32_t id;

	if (text == NULL || hops_nodes_put(l->nodes, text, len, &id) == NULL)
		return HOPS_NONE;
	return id;
}

void
links_take(struct links *l, const struct hops_obs *o, bool again)
{
	struct links_touch t = { .o = o, .at = hops_clamp(o->at), .again = again };
	uint32_t from = HOPS_NONE, observer;

	if (!again && o->id <= l->cursor) {
		l->counts.repeated++;
		return;
	}
	if (!again) {
		l->cursor = o->id;
		l->counts.observations++;
	}
	observer = links_id(l, o->observer, o->observer_len);
	if (o->type == HOPS_TYPE_ADVERT && !o->shared)
		from = links_id(l, o->from, o->from_len);
	if (observer != HOPS_NONE)
		t.observer = links_observer(l, observer);
	else
		t.observer = HOPS_OBSERVERS_MAX - 1;
	if (o->type != HOPS_TYPE_TRACE && o->count > 0 && hops_obs_is_flood(o))
		links_take_flood(l, &t, from, observer);
	else if (o->count == 0 && from != HOPS_NONE && observer != HOPS_NONE && from != observer &&
		 !o->sent)
		links_touch(l, &t, from, observer, true);
	else if (!again)
		l->counts.barren++;
}

void
links_prune(struct links *l, int64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		if (now - l->at[i].last > l->max_age)
			continue;
		if (kept < i)
			hops_sets_move(&l->sets, i, kept);
		l->at[kept++] = l->at[i];
	}
	if (kept == l->count)
		return;
	l->count = kept;
	links_index(l);
}

void
links_settled(struct links *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		l->at[i].changed = false;
}

size_t
links_memory(const struct links *l)
{
	return l->cap * sizeof(*l->at) + hops_sets_memory(&l->sets) +
	       l->slot_count * sizeof(*l->slots) + l->window_slots * sizeof(*l->window) +
	       l->bits_cap * sizeof(*l->bits);
}
