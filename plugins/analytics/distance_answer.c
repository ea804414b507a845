/* SPDX-License-Identifier: MIT
 *
 * distance: the answer. Kilometres are from where nodes are now.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "distance.h"
#include "render.h"
#include "table.h"

#define PAIRS 20u
#define PATHS 20u
#define BINS 25u

struct pair {
	uint32_t a, b; /* a comes before b by key */
	const char *keys[2];
	int64_t packets;
	double km;
	int type; /* see type_texts */
};

static const char *const type_texts[] = { "R\u2194R", "C\u2194R", "C\u2194C" };

struct reading {
	struct distance *d;
	const struct an_query *q;
	const struct distance_counts *counts;
	struct json *j;
	struct pair *pairs; /* by distance, the nearest first */
	uint32_t count;
	int64_t hops;
};

static int
pair_compare(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->km != y->km)
		return x->km < y->km ? -1 : 1;
	/* The list is read from its end. */
	return strcmp(x->keys[0], y->keys[0]) != 0 ? strcmp(y->keys[0], x->keys[0])
						   : strcmp(y->keys[1], x->keys[1]);
}

static bool
pair_repeats(const struct frame *f, uint32_t id)
{
	const char *role = frame_role(f, id);

	return role != NULL && strstr(role, "repeater") != NULL;
}

static bool
reading_init(struct reading *r)
{
	const struct bag *bag = &r->counts->pairs;
	const struct frame *f = r->d->frame;
	struct bag_item item;
	uint32_t at = 0;

	r->pairs = calloc(bag->used + 1u, sizeof(*r->pairs));
	while (r->pairs != NULL && bag_next(bag, &at, &item)) {
		struct pair p = { .a = item.key >> 24 & 0xffffff,
				  .b = item.key & 0xffffff,
				  .packets = item.n };
		const struct hops_node *x = hops_nodes_get(&f->nodes, p.a);
		const struct hops_node *y = hops_nodes_get(&f->nodes, p.b);

		if (query_hides(r->q, p.a) || query_hides(r->q, p.b) || !x->has_gps || !y->has_gps)
			continue;
		p.km = hops_distance_km(x, y);
		p.keys[0] = frame_key(f, p.a);
		p.keys[1] = frame_key(f, p.b);
		if (strcmp(p.keys[0], p.keys[1]) > 0)
			p = (struct pair){ p.b, p.a, { p.keys[1], p.keys[0] }, p.packets, p.km, 0 };
		p.type = !pair_repeats(f, p.a) + !pair_repeats(f, p.b);
		r->hops += p.packets;
		r->pairs[r->count++] = p;
	}
	if (r->count > 1)
		qsort(r->pairs, r->count, sizeof(*r->pairs), pair_compare);
	return r->pairs != NULL;
}

static void
reading_ends(const struct reading *r, uint32_t a, uint32_t b, double km)
{
	const struct frame *f = r->d->frame;

	js_key(r->j, "fromName");
	js_str(r->j, frame_name(f, a) == NULL ? frame_key(f, a) : frame_name(f, a));
	render_kpubkey(r->j, "fromPk", f, a);
	js_key(r->j, "toName");
	js_str(r->j, frame_name(f, b) == NULL ? frame_key(f, b) : frame_name(f, b));
	render_kpubkey(r->j, "toPk", f, b);
	js_knum(r->j, "dist", render_round(km, 2));
}

struct wanted { /* the newest packet that took a link */
	struct distance *d;
	uint64_t key;
	const struct an_packet *found;
};

static void
reading_look(void *arg, const struct an_packet *p)
{
	struct wanted *w = arg;
	uint32_t ids[HOPS_PATH_MAX + 1];

	if (w->found != NULL || !p->counted || !distance_chain(w->d, p, ids))
		return;
	for (uint32_t i = 0; i < p->hop_count; i++) {
		if (ids[i] != HOPS_NONE && ids[i + 1] != HOPS_NONE &&
		    distance_pair(ids[i], ids[i + 1]) == w->key)
			w->found = p;
	}
}

static void
reading_pairs(const struct reading *r)
{
	struct json *j = r->j;
	struct frame *f = r->d->frame;

	js_karray(j, "topHops");
	for (uint32_t i = r->count; i > 0 && i + PAIRS > r->count; i--) {
		const struct pair *p = &r->pairs[i - 1];
		struct wanted w = { r->d, distance_pair(p->a, p->b), NULL };
		const struct hops_edge *e = hops_graph_find(&f->graph, p->a, p->b, 0);
		int64_t newest = bag_get(&r->counts->newest, w.key) + DISTANCE_EPOCH;
		double snr;

		frame_each(f, newest, newest, reading_look, &w);
		js_object(j);
		reading_ends(r, p->a, p->b, p->km);
		js_kstr(j, "type", type_texts[p->type]);
		for (int k = 0; k < 2; k++) {
			js_key(j, k == 0 ? "bestSnr" : "medianSnr");
			if (e != NULL && hops_snr(&e->t, &snr))
				js_num(j, render_round(snr, 2));
			else
				js_null(j);
		}
		js_kint(j, "obsCount", p->packets);
		js_key(j, "hash");
		if (w.found != NULL)
			js_hex(j, w.found->hash, 8, false);
		else
			js_null(j);
		render_ktime(j, "timestamp", newest);
		js_object_end(j);
	}
	js_array_end(j);
}

static void
reading_path(const struct reading *r, const struct path *path)
{
	const struct an_packet *p = table_at(r->d->frame, path->slot);
	uint32_t ids[HOPS_PATH_MAX + 1];
	struct json *j = r->j;
	bool ok = distance_chain(r->d, p, ids);
	double km;

	js_object(j);
	render_khash(j, "hash", p->hash);
	js_knum(j, "totalDist", render_round(path->km, 2));
	js_kuint(j, "hopCount", path->hops);
	render_ktime(j, "timestamp", p->first);
	js_karray(j, "hops");
	for (uint32_t i = 0; ok && i < p->hop_count; i++) {
		if (!distance_between(r->d, ids[i], ids[i + 1], &km, &ok))
			continue;
		js_object(j);
		reading_ends(r, ids[i], ids[i + 1], km);
		js_object_end(j);
	}
	js_array_end(j);
	js_object_end(j);
}

static bool
path_hides(const struct reading *r, const struct path *path)
{
	const struct an_packet *p = table_at(r->d->frame, path->slot);
	uint32_t ids[HOPS_PATH_MAX + 1];
	bool hides = false, ok;
	double km;

	if (r->q->hidden_count == 0)
		return false;
	ok = distance_chain(r->d, p, ids);
	for (uint32_t i = 0; ok && i < p->hop_count; i++)
		hides |= distance_between(r->d, ids[i], ids[i + 1], &km, &ok) &&
			 (query_hides(r->q, ids[i]) || query_hides(r->q, ids[i + 1]));
	return hides;
}

static void
reading_paths(const struct reading *r)
{
	uint32_t shown = 0;

	js_karray(r->j, "topPaths");
	for (uint32_t i = 0; i < r->counts->best_count && shown < PATHS; i++) {
		if (path_hides(r, &r->counts->best[i]))
			continue;
		reading_path(r, &r->counts->best[i]);
		shown++;
	}
	js_array_end(r->j);
}

static void
reading_types(const struct reading *r)
{
	struct json *j = r->j;

	js_kobject(j, "catStats");
	for (int type = 0; type < 3; type++) {
		double sum = 0, median = 0, min = 0, max = 0;
		int64_t n = 0, before = 0;

		for (uint32_t i = 0; i < r->count; i++) {
			const struct pair *p = &r->pairs[i];

			if (p->type != type)
				continue;
			min = n == 0 ? p->km : min;
			max = p->km;
			n += p->packets;
			sum += p->km * (double)p->packets;
		}
		for (uint32_t i = 0; i < r->count; i++) {
			if (r->pairs[i].type != type)
				continue;
			if (before <= n / 2)
				median = r->pairs[i].km;
			before += r->pairs[i].packets;
		}
		js_kobject(j, type_texts[type]);
		js_kint(j, "count", n);
		js_knum(j, "avg", n == 0 ? 0 : render_round(sum / (double)n, 2));
		js_knum(j, "median", render_round(median, 2));
		js_knum(j, "min", render_round(min, 2));
		js_knum(j, "max", render_round(max, 2));
		js_object_end(j);
	}
	js_object_end(j);
}

static void
reading_histogram(const struct reading *r)
{
	double low, high, width;
	int64_t bins[BINS] = { 0 };
	struct json *j = r->j;

	js_key(j, "distHistogram");
	if (r->count == 0) {
		js_array(j);
		js_array_end(j);
		return;
	}
	low = r->pairs[0].km;
	high = r->pairs[r->count - 1].km;
	width = high > low ? (high - low) / BINS : 1.0 / BINS;
	for (uint32_t i = 0; i < r->count; i++) {
		double bin = floor((r->pairs[i].km - low) / width);

		bins[bin < BINS - 1 ? (uint32_t)bin : BINS - 1] += r->pairs[i].packets;
	}
	js_object(j);
	js_karray(j, "bins");
	for (uint32_t i = 0; i < BINS; i++) {
		js_object(j);
		js_knum(j, "x", render_round(low + width * i, 1));
		js_knum(j, "w", render_round(width, 1));
		js_kint(j, "count", bins[i]);
		js_object_end(j);
	}
	js_array_end(j);
	js_knum(j, "min", render_round(low, 2));
	js_knum(j, "max", render_round(high, 2));
	js_object_end(j);
}

static void
reading_hours(const struct reading *r)
{
	uint32_t n;
	struct bag_item *hours = bag_sorted(&r->counts->hours, &n);
	struct json *j = r->j;

	js_karray(j, "distOverTime");
	for (uint32_t i = 0; i < n; i++) {
		int64_t metres = bag_get(&r->counts->hours, (hours[i].key & ~3ull) | 2);

		if ((hours[i].key & 3) != 1)
			continue;
		js_object(j);
		render_khour(j, "hour", (int64_t)(hours[i].key >> 2));
		js_knum(j, "avg", render_round((double)metres / 100 / (double)hours[i].n, 2));
		js_kint(j, "count", hours[i].n);
		js_object_end(j);
	}
	js_array_end(j);
	free(hours);
}

static void
reading_summary(const struct reading *r)
{
	struct json *j = r->j;
	double sum = 0;

	for (uint32_t i = 0; i < r->count; i++)
		sum += r->pairs[i].km * (double)r->pairs[i].packets;
	js_kobject(j, "summary");
	js_kint(j, "totalHops", r->hops);
	js_kint(j, "totalPaths", r->counts->paths);
	js_knum(j, "avgDist", r->hops == 0 ? 0 : render_round(sum / (double)r->hops, 2));
	js_knum(j, "maxDist", r->count == 0 ? 0 : render_round(r->pairs[r->count - 1].km, 2));
	js_object_end(j);
}

uint32_t
distance_answer(void *self, const struct an_query *q, struct json *j)
{
	struct distance *d = self;
	struct reading r = { .d = d, .q = q, .j = j };

	r.counts = frame_view(d->frame, &d->class, q);
	/* So many of the longest paths have gone that others may be longer than those that are left. */
	if (r.counts != NULL && r.counts->more && r.counts->best_count < PATHS) {
		frame_forget(d->frame, &d->class);
		r.counts = frame_view(d->frame, &d->class, q);
	}
	if (r.counts == NULL || !reading_init(&r)) {
		free(r.pairs);
		return render_error(j, 503, "out of memory");
	}
	js_object(j);
	reading_summary(&r);
	reading_pairs(&r);
	reading_paths(&r);
	reading_types(&r);
	reading_histogram(&r);
	reading_hours(&r);
	js_object_end(j);
	free(r.pairs);
	return 200;
}
