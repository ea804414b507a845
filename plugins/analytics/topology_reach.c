/* SPDX-License-Identifier: MIT
 *
 * How far away observers hear hops: all distances of one token at one observer are one item, and
 * of those the best are shown. The whole list would be megabytes with many observers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"
#include "top.h"
#include "topology.h"

#define RINGS 15u
#define SHOWN_MAX 4000u /* nodes in all rings together, and in one ring: */
#define RING_LEAST 3u
#define RING_MOST 200u
#define TOKENS_SHOWN 50u

struct heard { /* a token at an observer */
	uint32_t token, count;
	uint16_t observer;
	uint8_t near, far;
};

struct best { /* of a token over all observers */
	uint32_t token, observers;
	struct heard nearest;
};

/* Observers apart; near ones first, then those heard most. */
static int
heard_compare(const void *a, const void *b)
{
	const struct heard *x = a, *y = b;

	if (x->near != y->near)
		return x->near < y->near ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->token != y->token)
		return x->token < y->token ? -1 : 1;
	return (x->observer > y->observer) - (x->observer < y->observer);
}

/* Open addressing by observer and token. */
static struct heard *
heard_gather(const struct topology_question *t, uint32_t *count)
{
	const struct bag *bag = &t->counts->reach;
	uint32_t size = bag->used + bag->used / 2 + 16, at = 0, n = 0;
	struct heard *table = calloc(size, sizeof(*table));
	struct bag_item item;

	while (table != NULL && bag_next(bag, &at, &item)) {
		uint32_t token = (uint32_t)(item.key >> 6 & 0xfffffff);
		uint16_t observer = (uint16_t)(item.key >> 34);
		uint8_t away = item.key & 63;
		uint32_t i = (uint32_t)((hops_mix(item.key >> 6) >> 32) * size >> 32);
		struct heard *h;

		while (table[i].token != 0 &&
		       (table[i].token != token || table[i].observer != observer))
			i = i + 1 == size ? 0 : i + 1;
		h = &table[i];
		if (h->token == 0)
			*h = (struct heard){ token, 0, observer, 255, 0 };
		h->count += item.n > 0 ? (uint32_t)item.n : 0;
		h->near = away < h->near ? away : h->near;
		h->far = away > h->far ? away : h->far;
	}
	for (uint32_t i = 0; table != NULL && i < size; i++) {
		if (table[i].token != 0 && table[i].count > 0 &&
		    topology_shows(t, frame_hop(t->frame, table[i].token, NULL)))
			table[n++] = table[i];
	}
	*count = n;
	return table;
}

static void
reach_node(const struct topology_question *t, const struct heard *h)
{
	struct json *j = t->j;
	uint32_t id = frame_hop(t->frame, h->token, NULL);

	js_object(j);
	render_ktoken(j, "hop", h->token);
	render_kname(j, "name", t->frame, id);
	render_kpubkey(j, "pubkey", t->frame, id);
	js_kuint(j, "count", h->count);
	js_key(j, "distRange");
	if (h->near == h->far)
		js_null(j);
	else
		js_printf(j, "\"%u-%u\"", h->near, h->far);
	js_object_end(j);
}

/* By observer, then by ring, then by count: first into buckets of observer and ring. */
static struct heard *
heard_sort(const struct frame *f, const struct heard *list, uint32_t n)
{
	uint32_t buckets = f->observer_count * 64u, *ends = calloc(buckets + 1u, sizeof(*ends));
	struct heard *sorted = calloc(n + 1u, sizeof(*sorted));

	if (ends == NULL || sorted == NULL) {
		free(ends);
		free(sorted);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		ends[list[i].observer * 64u + list[i].near]++;
	for (uint32_t i = 1; i < buckets; i++)
		ends[i] += ends[i - 1];
	for (uint32_t i = 0; i < n; i++)
		sorted[--ends[list[i].observer * 64u + list[i].near]] = list[i];
	for (uint32_t i = 0; i < buckets; i++) {
		uint32_t end = i + 1 < buckets ? ends[i + 1] : n;

		if (end - ends[i] > 1)
			qsort(&sorted[ends[i]], end - ends[i], sizeof(*sorted), heard_compare);
	}
	free(ends);
	return sorted;
}

/* The list is by observer, then by ring, then by count. */
static void
reach_rings(const struct topology_question *t, const struct heard *list, uint32_t n,
	    uint32_t observers)
{
	uint32_t most = SHOWN_MAX / (observers * RINGS + 1), i = 0;
	struct json *j = t->j;

	most = most < RING_LEAST ? RING_LEAST : most > RING_MOST ? RING_MOST : most;
	js_kobject(j, "perObserverReach");
	while (i < n) {
		uint16_t observer = list[i].observer;
		const struct an_observer *o = &t->frame->observers[observer];

		js_kobject(j, o->id);
		js_kstr(j, "observer_name",
			o->name != NULL && o->name[0] != '\0' ? o->name : o->id);
		js_karray(j, "rings");
		while (i < n && list[i].observer == observer) {
			uint8_t ring = list[i].near;
			uint32_t shown = 0;

			if (ring <= RINGS) {
				js_object(j);
				js_kuint(j, "hops", ring);
				js_karray(j, "nodes");
			}
			for (; i < n && list[i].observer == observer && list[i].near == ring; i++) {
				if (ring <= RINGS && shown++ < most)
					reach_node(t, &list[i]);
			}
			if (ring <= RINGS) {
				js_array_end(j);
				js_object_end(j);
			}
		}
		js_array_end(j);
		js_object_end(j);
	}
	js_object_end(j);
}

static int
reach_compare_ids(const void *a, const void *b)
{
	return strcmp((*(const struct an_observer *const *)a)->id,
		      (*(const struct an_observer *const *)b)->id);
}

static uint32_t
reach_observers(const struct topology_question *t, const struct heard *list, uint32_t n)
{
	const struct frame *f = t->frame;
	const struct an_observer **who = calloc(f->observer_count + 1u, sizeof(*who));
	uint32_t count = 0;

	for (uint32_t i = 0; who != NULL && i < n; i++) {
		if (i == 0 || list[i].observer != list[i - 1].observer)
			who[count++] = &f->observers[list[i].observer];
	}
	if (count > 1)
		qsort(who, count, sizeof(const struct an_observer *), reach_compare_ids);
	js_karray(t->j, "observers");
	for (uint32_t i = 0; i < count; i++) {
		js_object(t->j);
		render_kobserver(t->j, "id", "name", f, (uint16_t)(who[i] - f->observers));
		js_object_end(t->j);
	}
	js_array_end(t->j);
	free(who);
	return count;
}

/* ---------------------------------------------------------------- tokens -- */

static int
best_compare_observers(const void *a, const void *b)
{
	const struct best *x = a, *y = b;

	if (x->observers != y->observers)
		return x->observers > y->observers ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

static int
best_compare_near(const void *a, const void *b)
{
	const struct best *x = a, *y = b;

	if (x->nearest.near != y->nearest.near)
		return x->nearest.near < y->nearest.near ? -1 : 1;
	return best_compare_observers(a, b);
}

static void
best_start(const struct topology_question *t, const struct best *b)
{
	uint32_t id = frame_hop(t->frame, b->token, NULL);

	js_object(t->j);
	render_ktoken(t->j, "hop", b->token);
	render_kname(t->j, "name", t->frame, id);
	render_kpubkey(t->j, "pubkey", t->frame, id);
}

/* All observers of one token, near ones first. */
static void
reach_observers_of(const struct topology_question *t, const struct best *b, struct heard *some)
{
	struct json *j = t->j;

	if (b->observers > 1)
		qsort(some, b->observers, sizeof(*some), heard_compare);
	best_start(t, b);
	js_karray(j, "observers");
	for (uint32_t k = 0; k < b->observers; k++) {
		js_object(j);
		render_kobserver(j, "observer_id", "observer_name", t->frame, some[k].observer);
		js_kuint(j, "minDist", some[k].near);
		js_kuint(j, "count", some[k].count);
		js_object_end(j);
	}
	js_array_end(j);
	js_object_end(j);
}

/* What was heard of the chosen tokens, of one after the other. NULL: out of memory. */
static struct heard *
reach_choose(const struct best *chosen, uint32_t count, const struct heard *list, uint32_t n)
{
	uint32_t ends[TOKENS_SHOWN], total = 0;
	uint8_t places[256] = { 0 }; /* open addressing by token; place + 1 */
	struct heard *some;

	for (uint32_t i = 0; i < count; i++) {
		uint8_t k = (uint8_t)hops_mix(chosen[i].token);

		while (places[k] != 0)
			k++;
		places[k] = (uint8_t)(i + 1);
		ends[i] = total;
		total += chosen[i].observers;
	}
	some = calloc(total + 1u, sizeof(*some));
	for (uint32_t i = 0; some != NULL && i < n; i++) {
		uint8_t k = (uint8_t)hops_mix(list[i].token);

		while (places[k] != 0 && chosen[places[k] - 1].token != list[i].token)
			k++;
		if (places[k] != 0)
			some[ends[places[k] - 1]++] = list[i];
	}
	return some;
}

static struct best *
best_gather(const struct heard *list, uint32_t n, uint32_t *size)
{
	struct best *table;

	*size = n + n / 2 + 16;
	table = calloc(*size, sizeof(*table));
	for (uint32_t i = 0; table != NULL && i < n; i++) {
		uint32_t k = (uint32_t)((hops_mix(list[i].token) >> 32) * *size >> 32);

		while (table[k].token != 0 && table[k].token != list[i].token)
			k = k + 1 == *size ? 0 : k + 1;
		if (table[k].token == 0 || heard_compare(&list[i], &table[k].nearest) < 0)
			table[k].nearest = list[i];
		table[k].token = list[i].token;
		table[k].observers++;
	}
	return table;
}

static void
reach_tokens(const struct topology_question *t, const struct heard *list, uint32_t n)
{
	struct best most[TOKENS_SHOWN], near[TOKENS_SHOWN], *table;
	struct top by_most = { most, sizeof(*most), TOKENS_SHOWN, 0, best_compare_observers };
	struct top by_near = { near, sizeof(*near), TOKENS_SHOWN, 0, best_compare_near };
	struct heard *some, *next;
	struct json *j = t->j;
	uint32_t size;

	table = best_gather(list, n, &size);
	for (uint32_t i = 0; table != NULL && i < size; i++) {
		if (table[i].token == 0)
			continue;
		if (table[i].observers > 1)
			top_put(&by_most, &table[i]);
		top_put(&by_near, &table[i]);
	}
	free(table);
	some = next = reach_choose(most, by_most.count, list, n);
	js_karray(j, "multiObsNodes");
	for (uint32_t i = 0; some != NULL && i < by_most.count; next += most[i++].observers)
		reach_observers_of(t, &most[i], next);
	js_array_end(j);
	free(some);
	js_karray(j, "bestPathList");
	for (uint32_t i = 0; i < by_near.count; i++) {
		best_start(t, &near[i]);
		js_kuint(j, "minDist", near[i].nearest.near);
		render_kobserver(j, "observer_id", "observer_name", t->frame,
				 near[i].nearest.observer);
		js_object_end(j);
	}
	js_array_end(j);
}

void
topology_reach(const struct topology_question *t)
{
	uint32_t n;
	struct heard *all = heard_gather(t, &n), *list = heard_sort(t->frame, all, n);

	if (list == NULL)
		n = 0;
	reach_rings(t, list, n, reach_observers(t, list, n));
	reach_tokens(t, list, n);
	free(all);
	free(list);
}
