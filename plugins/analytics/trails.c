/* SPDX-License-Identifier: MIT */
#include "trails.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "table.h"

void
trails_init(struct trails *t, struct frame *f)
{
	*t = (struct trails){ .frame = f, .graph_now = 1 };
}

void
trails_fini(struct trails *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		free(t->at[i].at);
		free(t->at[i].scopes);
	}
	free(t->at);
	free(t->slots);
	free(t->order);
	*t = (struct trails){ 0 };
}

size_t
trails_bytes(const struct trails *t)
{
	return t->bytes + t->cap * sizeof(*t->at) + t->slot_count * sizeof(*t->slots) +
	       t->order_cap * sizeof(*t->order);
}

/* ---------------------------------------------------------------- trails -- */

static uint32_t
trails_slot(const struct trails *t, uint32_t before, uint32_t token)
{
	uint32_t mask = t->slot_count - 1;
	uint32_t i = (uint32_t)hops_mix((uint64_t)before << 32 | token) & mask;

	while (t->slots[i] != 0 &&
	       (t->at[t->slots[i] - 1].before != before || t->at[t->slots[i] - 1].token != token))
		i = (i + 1) & mask;
	return i;
}

static bool
trails_more_slots(struct trails *t)
{
	uint32_t count = t->slot_count == 0 ? 1024 : t->slot_count * 2;
	uint32_t *slots;

	if (t->count * 2 < t->slot_count)
		return true;
	slots = calloc(count, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(t->slots);
	t->slots = slots;
	t->slot_count = count;
	for (uint32_t i = 0; i < t->count; i++)
		t->slots[trails_slot(t, t->at[i].before, t->at[i].token)] = i + 1;
	return true;
}

static struct trail *
trails_put(struct trails *t, uint32_t before, uint32_t token)
{
	uint32_t slot;

	if (!trails_more_slots(t) || !grow_to(&t->at, &t->cap, t->count + 1, sizeof(*t->at)))
		return NULL;
	slot = trails_slot(t, before, token);
	if (t->slots[slot] == 0 && t->count == TRAILS_MAX)
		return NULL;
	if (t->slots[slot] == 0) {
		t->at[t->count] =
		    (struct trail){ .before = before, .token = token, .id = HOPS_NONE };
		t->slots[slot] = ++t->count;
	}
	return &t->at[t->slots[slot] - 1];
}

static bool
trail_is_before(const struct an_packet *a, const struct an_packet *b)
{
	return a->first != b->first ? a->first < b->first : a->tx < b->tx;
}

const struct an_packet *
trail_packet(const struct trails *t, const struct trail *trail, uint32_t place)
{
	return table_at(t->frame, trail->at[place]);
}

/* The place of a packet, or where it belongs. */
static uint32_t
trail_place(const struct trails *t, const struct trail *trail, const struct an_packet *p)
{
	uint32_t low = trail->begin, high = trail->end;

	/* Nearly always it is the newest. */
	if (low < high && trail_is_before(trail_packet(t, trail, high - 1), p))
		return high;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (trail_is_before(trail_packet(t, trail, middle), p))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
trail_add(struct trails *t, struct trail *trail, const struct an_packet *p)
{
	size_t had = grow_room(trail->cap * sizeof(*trail->at));
	uint32_t place;

	if (trail->end == trail->cap && trail->begin > trail->cap / 4) {
		memmove(trail->at, trail->at + trail->begin,
			(trail->end - trail->begin) * sizeof(*trail->at));
		trail->end -= trail->begin;
		trail->begin = 0;
	}
	if (!grow_to(&trail->at, &trail->cap, trail->end + 1, sizeof(*trail->at)))
		return false;
	t->bytes += grow_room(trail->cap * sizeof(*trail->at)) - had;
	place = trail_place(t, trail, p);
	memmove(&trail->at[place + 1], &trail->at[place],
		(trail->end - place) * sizeof(*trail->at));
	trail->at[place] = p->slot;
	trail->end++;
	return true;
}

static bool
trail_remove(const struct trails *t, struct trail *trail, const struct an_packet *p)
{
	uint32_t place = trail_place(t, trail, p);

	if (place == trail->end || trail->at[place] != p->slot)
		return false;
	if (place == trail->begin) {
		trail->begin++;
		return true;
	}
	trail->end--;
	memmove(&trail->at[place], &trail->at[place + 1],
		(trail->end - place) * sizeof(*trail->at));
	return true;
}

/* Room for one more. */
static bool
trail_grow_scopes(struct trails *t, struct trail *trail)
{
	struct trail_scopes *scopes = trail->scopes;
	uint16_t count = scopes == NULL ? 0 : scopes->count;
	uint16_t cap = (uint16_t)(count == 0 ? 2 : count + count / 2);

	if (scopes != NULL && count < scopes->cap)
		return true;
	if (count == TRAIL_SCOPES_MAX)
		return false;
	scopes = realloc(scopes, sizeof(*scopes) + cap * sizeof(scopes->at[0]));
	if (scopes == NULL)
		return false;
	t->bytes += sizeof(scopes->at[0]) * (size_t)(cap - count);
	scopes->count = count;
	scopes->cap = cap;
	trail->scopes = scopes;
	return true;
}

static void
trail_scope(struct trails *t, struct trail *trail, uint16_t scope, int sign)
{
	uint16_t i = 0, count = trail->scopes == NULL ? 0 : trail->scopes->count;

	while (i < count && trail->scopes->at[i].scope != scope)
		i++;
	if (i == count) {
		if (sign < 0 || !trail_grow_scopes(t, trail))
			return;
		trail->scopes->at[trail->scopes->count++] = (struct trail_scope){ scope, 0 };
	}
	trail->scopes->at[i].count += (uint32_t)sign;
	if (trail->scopes->at[i].count == 0)
		trail->scopes->at[i] = trail->scopes->at[--trail->scopes->count];
}

static void
trails_one(struct trails *t, const struct an_packet *p, uint32_t before, uint32_t token, int sign)
{
	struct trail *trail = trails_put(t, before, token);
	bool done =
	    trail != NULL && (sign > 0 ? trail_add(t, trail, p) : trail_remove(t, trail, p));

	if (!done)
		t->lost++;
	if (!done || p->type == HOPS_TYPE_ADVERT)
		return;
	trail->relayed += (uint32_t)sign;
	if (p->scope > 1)
		trail_scope(t, trail, p->scope, sign);
}

static bool
trails_repeats(const struct an_packet *p, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (p->hops[k] == p->hops[i])
			return true;
	return false;
}

void
trails_fold(struct trails *t, const struct an_packet *p, int sign)
{
	bool flood = p->route == HOPS_ROUTE_FLOOD || p->route == HOPS_ROUTE_TFLOOD;
	uint32_t before = 0;

	t->total += (uint64_t)(int64_t)sign;
	if (p->type != HOPS_TYPE_ADVERT)
		t->relayed += (uint64_t)(int64_t)sign;
	if (p->from != HOPS_NONE) {
		trails_one(t, p, TRAIL_FROM | p->from, 0, sign);
		before = flood ? TRAIL_FROM | p->from : 0;
	}
	for (uint32_t i = 0; i < p->hop_count; before = p->hops[i++])
		if (!trails_repeats(p, i))
			trails_one(t, p, before, p->hops[i], sign);
}

/* ------------------------------------------------------------------- who -- */

void
trails_on_graph(struct trails *t)
{
	t->graph_now++;
}

static uint32_t
trails_anchor(struct trails *t, uint32_t before)
{
	const struct hops_candidate *c;

	if (before == 0)
		return HOPS_NONE;
	if (before & TRAIL_FROM)
		return before & ~TRAIL_FROM;
	return hops_token_candidates(&t->frame->nodes, before, &c) == 1 ? c->id : HOPS_NONE;
}

/* The only candidate, or the only one that is a neighbour of whoever came before. */
static uint32_t
trails_who(struct trails *t, const struct trail *trail)
{
	uint32_t anchor, count, found = HOPS_NONE;
	const struct hops_candidate *c;

	if (trail->token == 0)
		return trail->before & ~TRAIL_FROM;
	anchor = trails_anchor(t, trail->before);
	count = hops_token_candidates(&t->frame->nodes, trail->token, &c);
	if (count == 1)
		return c->id == anchor ? HOPS_NONE : c->id;
	for (uint32_t i = 0; anchor != HOPS_NONE && i < count; i++) {
		if (c[i].id == anchor ||
		    hops_graph_find(&t->frame->graph, anchor, c[i].id, 0) == NULL)
			continue;
		if (found != HOPS_NONE)
			return HOPS_NONE;
		found = c[i].id;
	}
	return found;
}

/* Sorted by counting, so that it takes as long as there are trails and nodes. */
static bool
trails_sort(struct trails *t)
{
	uint32_t ids = t->frame->nodes.ids.count, *from = calloc((size_t)ids + 1, sizeof(*from));

	if (from == NULL || !grow_to(&t->order, &t->order_cap, t->count, sizeof(*t->order))) {
		free(from);
		return false;
	}
	for (uint32_t i = 0; i < t->count; i++)
		if (t->at[i].id < ids)
			from[t->at[i].id + 1]++;
	for (uint32_t i = 0; i < ids; i++)
		from[i + 1] += from[i];
	t->order_count = from[ids];
	for (uint32_t i = 0; i < t->count; i++)
		if (t->at[i].id < ids)
			t->order[from[t->at[i].id]++] = i;
	free(from);
	return true;
}

/* Trails that nobody takes any more make room once they are the most. */
static void
trails_compact(struct trails *t)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->count; i++)
		kept += t->at[i].begin < t->at[i].end;
	if (kept * 2 >= t->count || t->count < 1024)
		return;
	memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
	kept = 0;
	for (uint32_t i = 0; i < t->count; i++) {
		if (t->at[i].begin < t->at[i].end) {
			t->at[kept++] = t->at[i];
			continue;
		}
		t->bytes -= grow_room(t->at[i].cap * sizeof(*t->at[i].at));
		if (t->at[i].scopes != NULL)
			t->bytes -= t->at[i].scopes->cap * sizeof(t->at[i].scopes->at[0]);
		free(t->at[i].at);
		free(t->at[i].scopes);
	}
	t->count = kept;
	for (uint32_t i = 0; i < kept; i++)
		t->slots[trails_slot(t, t->at[i].before, t->at[i].token)] = i + 1;
}

void
trails_refresh(struct trails *t)
{
	uint64_t people = t->frame->nodes.changes;
	bool same = t->people == people && t->graph == t->graph_now;

	if (!same)
		trails_compact(t);
	if (same && t->resolved == t->count)
		return;
	for (uint32_t i = same ? t->resolved : 0; i < t->count; i++)
		t->at[i].id = trails_who(t, &t->at[i]);
	if (!trails_sort(t))
		return;
	t->people = people;
	t->graph = t->graph_now;
	t->resolved = t->count;
}

uint32_t
trails_of(const struct trails *t, uint32_t id, uint32_t *first)
{
	uint32_t low = 0, high = t->order_count, count = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (t->at[t->order[middle]].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	while (low + count < t->order_count && t->at[t->order[low + count]].id == id)
		count++;
	return count;
}

uint32_t
trail_lower(const struct trails *t, const struct trail *trail, int64_t since)
{
	uint32_t low = trail->begin, high = trail->end;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (trail_packet(t, trail, middle)->first < since)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int
trails_compare(const void *x, const void *y)
{
	const struct an_packet *a = *(const struct an_packet *const *)x;
	const struct an_packet *b = *(const struct an_packet *const *)y;

	if (a == b)
		return 0;
	return trail_is_before(a, b) ? -1 : 1;
}

uint32_t
trails_packets(struct trails *t, uint32_t id, int64_t since, const struct an_packet ***out)
{
	const struct an_packet **list = NULL;
	uint32_t first, count = trails_of(t, id, &first), n = 0, cap = 0, kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct trail *trail = &t->at[t->order[first + i]];
		uint32_t from = trail_lower(t, trail, since);

		if (from == trail->end)
			continue;
		if (!grow_to(&list, &cap, n + trail->end - from, sizeof(*list))) {
			free(list);
			return 0;
		}
		for (; from < trail->end; from++)
			list[n++] = trail_packet(t, trail, from);
	}
	if (n > 0)
		qsort(list, n, sizeof(*list), trails_compare);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || list[i] != list[kept - 1])
			list[kept++] = list[i];
	if (kept > 0)
		*out = list;
	return kept;
}
