/* SPDX-License-Identifier: MIT
 *
 * subpath-detail: the packets whose path has one certain run of hops: when, how strong, heard by whom,
 * and on which whole paths. Which run is part of the filter of the view (an_query.run).
 */
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "render.h"
#include "subpaths.h"
#include "top.h"

#define PARENTS 15u
#define OBSERVERS 10u

enum detail_kind { DETAIL_HOUR = 1, DETAIL_FIRST, DETAIL_LAST, DETAIL_OBSERVER };

struct detail_parent { /* a whole path, and how many packets took it */
	uint32_t *hops;
	uint32_t count;
	int64_t packets;
};

struct detail_counts {
	struct bag bag;
	int64_t packets, snr_n, snr_sum, rssi_n, rssi_sum;
	struct detail_parent *parents;
	uint32_t parent_count, parent_cap;
	struct bag parent_of; /* by hash of the hops: place + 1 */
};

static bool
detail_has(const struct an_packet *p, const struct view *v)
{
	for (uint32_t i = 0; i + v->run_count <= p->hop_count; i++) {
		if (memcmp(p->hops + i, v->run, v->run_count * sizeof(*v->run)) == 0)
			return true;
	}
	return false;
}

static bool
detail_parent(struct detail_counts *c, const struct an_packet *p, int sign)
{
	uint64_t hash = p->hop_count;
	struct detail_parent *parent;
	uint32_t place;

	for (uint32_t i = 0; i < p->hop_count; i++)
		hash = hops_mix(hash * 3 + p->hops[i]);
	hash |= 1;
	place = (uint32_t)bag_get(&c->parent_of, hash);
	if (place == 0) {
		if (c->parent_count == c->parent_cap) {
			uint32_t cap = c->parent_cap == 0 ? 16 : c->parent_cap * 2;

			parent = realloc(c->parents, cap * sizeof(*parent));
			if (parent == NULL)
				return false;
			c->parents = parent;
			c->parent_cap = cap;
		}
		parent = &c->parents[c->parent_count];
		*parent = (struct detail_parent){ .count = p->hop_count };
		parent->hops = malloc(p->hop_count * sizeof(*p->hops));
		if (parent->hops == NULL || !bag_add(&c->parent_of, hash, c->parent_count + 1)) {
			free(parent->hops);
			return false;
		}
		memcpy(parent->hops, p->hops, p->hop_count * sizeof(*p->hops));
		place = ++c->parent_count;
	}
	c->parents[place - 1].packets += sign;
	return true;
}

static bool
detail_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct detail_counts *c = counts;
	uint32_t hour = p->first / 3600, second = p->first % 3600;

	if (p->hop_count < view->run_count || !detail_has(p, view))
		return true;
	c->packets += sign;
	c->snr_n += p->snr != AN_NO_SNR ? sign : 0;
	c->snr_sum += p->snr != AN_NO_SNR ? sign * p->snr : 0;
	c->rssi_n += p->rssi != AN_NO_RSSI ? sign : 0;
	c->rssi_sum -= p->rssi != AN_NO_RSSI ? sign * (int64_t)p->rssi : 0;
	return bag_add(&c->bag, (uint64_t)DETAIL_HOUR << 32 | hour, sign) &&
	       bag_raise(&c->bag, (uint64_t)DETAIL_FIRST << 32 | hour, 3600 - (int64_t)second) &&
	       bag_raise(&c->bag, (uint64_t)DETAIL_LAST << 32 | hour, second + 1) &&
	       (p->shown == AN_NO_OBSERVER ||
		bag_add(&c->bag, (uint64_t)DETAIL_OBSERVER << 32 | p->shown, sign)) &&
	       detail_parent(c, p, sign);
}

static void
detail_fini(void *counts)
{
	struct detail_counts *c = counts;

	for (uint32_t i = 0; i < c->parent_count; i++)
		free(c->parents[i].hops);
	free(c->parents);
	bag_fini(&c->bag);
	bag_fini(&c->parent_of);
}

static size_t
detail_bytes(const void *counts)
{
	const struct detail_counts *c = counts;

	return bag_bytes(&c->bag) + bag_bytes(&c->parent_of) + c->parent_cap * sizeof(*c->parents) +
	       c->parent_count * 48u;
}

static const struct view_class detail_class = {
	.name = "subpath-detail",
	.size = sizeof(struct detail_counts),
	.add = detail_add,
	.fini = detail_fini,
	.bytes = detail_bytes,
	.no_window = true,
	.no_place = true,
};

/* ---------------------------------------------------------------- answer -- */

struct observer {
	const char *name, *id;
	int64_t count;
};

static int
observer_compare(const void *a, const void *b)
{
	const struct observer *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void
detail_observers(struct json *j, const struct frame *f, const struct detail_counts *c)
{
	struct observer best[OBSERVERS];
	struct top top = { best, sizeof(best[0]), OBSERVERS, 0, observer_compare };
	struct bag_item item;
	uint32_t at = 0;

	while (bag_next(&c->bag, &at, &item)) {
		const struct an_observer *o;
		struct observer one;

		if (item.key >> 32 != DETAIL_OBSERVER)
			continue;
		o = &f->observers[item.key & 0xffff];
		one = (struct observer){ o->name, o->id, item.n };
		one.name = one.name == NULL || one.name[0] == '\0' ? o->id : one.name;
		top_put(&top, &one);
	}
	js_karray(j, "observers");
	for (uint32_t i = 0; i < top.count; i++) {
		js_object(j);
		js_kstr(j, "name", best[i].name);
		js_kint(j, "count", best[i].count);
		js_object_end(j);
	}
	js_array_end(j);
}

static int
parent_compare(const void *a, const void *b)
{
	const struct detail_parent *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	for (uint32_t i = 0; i < x->count && i < y->count; i++) {
		if (x->hops[i] != y->hops[i])
			return x->hops[i] < y->hops[i] ? -1 : 1;
	}
	return (x->count > y->count) - (x->count < y->count);
}

static void
detail_parents(struct json *j, struct frame *f, const struct an_query *q,
	       const struct detail_counts *c)
{
	struct detail_parent best[PARENTS];
	struct top top = { best, sizeof(best[0]), PARENTS, 0, parent_compare };

	for (uint32_t i = 0; i < c->parent_count; i++) {
		bool shown = c->parents[i].packets > 0;

		for (uint32_t k = 0; shown && q->hidden_count > 0 && k < c->parents[i].count; k++)
			shown = !query_hides(q, frame_hop(f, c->parents[i].hops[k], NULL));
		if (shown)
			top_put(&top, &c->parents[i]);
	}
	js_karray(j, "parentPaths");
	for (uint32_t i = 0; i < top.count; i++) {
		js_object(j);
		subpath_text(j, "path", f, best[i].hops, best[i].count, true);
		js_kint(j, "count", best[i].packets);
		js_object_end(j);
	}
	js_array_end(j);
}

static void
detail_nodes(struct json *j, struct frame *f, const struct an_query *q, char *const *texts)
{
	js_karray(j, "nodes");
	for (uint32_t i = 0; i < q->run_count; i++) {
		uint32_t id = frame_hop(f, q->run[i], NULL);
		const struct hops_node *n;
		const char *name;

		id = query_hides(q, id) ? HOPS_NONE : id;
		n = hops_nodes_get(&f->nodes, id);
		name = frame_name(f, id);
		js_object(j);
		js_kstr(j, "hop", texts[i]);
		js_kstr(j, "name", name == NULL || name[0] == '\0' ? texts[i] : name);
		js_key(j, "lat");
		n != NULL && n->has_gps ? js_num(j, n->lat) : js_null(j);
		js_key(j, "lon");
		n != NULL && n->has_gps ? js_num(j, n->lon) : js_null(j);
		render_kpubkey(j, "pubkey", f, id);
		js_object_end(j);
	}
	js_array_end(j);
}

static void
detail_times(struct json *j, const struct detail_counts *c)
{
	int64_t hours[24] = { 0 }, first = 0, last = 0;
	struct bag_item item;
	uint32_t at = 0;

	while (bag_next(&c->bag, &at, &item)) {
		int64_t hour = (int64_t)(item.key & 0xffffffff), from, to;
		uint64_t low = item.key & 0xffffffff;

		if (item.key >> 32 != DETAIL_HOUR || item.n <= 0)
			continue;
		hours[hour % 24] += item.n;
		from = (hour + 1) * 3600 - bag_get(&c->bag, (uint64_t)DETAIL_FIRST << 32 | low);
		to = hour * 3600 + bag_get(&c->bag, (uint64_t)DETAIL_LAST << 32 | low) - 1;
		first = first == 0 || from < first ? from : first;
		last = to > last ? to : last;
	}
	if (first == 0) {
		js_kstr(j, "firstSeen", "");
		js_kstr(j, "lastSeen", "");
	} else {
		render_ktime(j, "firstSeen", first);
		render_ktime(j, "lastSeen", last);
	}
	js_karray(j, "hourDistribution");
	for (int i = 0; i < 24; i++)
		js_int(j, hours[i]);
	js_array_end(j);
}

static void
detail_mean(struct json *j, const char *key, int64_t sum, int64_t n, double scale)
{
	js_key(j, key);
	n > 0 ? js_num(j, (double)sum / scale / (double)n) : js_null(j);
}

static uint32_t
detail_answer(struct frame *f, const struct an_query *q, char *const *texts, struct json *j)
{
	const struct detail_counts *c = frame_view(f, &detail_class, q);

	if (c == NULL)
		return render_error(j, 503, "out of memory");
	js_object(j);
	js_karray(j, "hops");
	for (uint32_t i = 0; i < q->run_count; i++)
		js_str(j, texts[i]);
	js_array_end(j);
	detail_nodes(j, f, q, texts);
	js_kint(j, "totalMatches", c->packets);
	detail_times(j, c);
	js_kobject(j, "signal");
	detail_mean(j, "avgSnr", c->snr_sum, c->snr_n, 4);
	detail_mean(j, "avgRssi", c->rssi_sum, c->rssi_n, 1);
	js_kint(j, "samples", c->snr_n);
	js_object_end(j);
	detail_parents(j, f, q, c);
	detail_observers(j, f, c);
	js_object_end(j);
	return 200;
}

uint32_t
subpath_detail(void *self, const struct an_query *asked, struct json *j)
{
	struct an_query q = *asked;
	char text[1024], *texts[HOPS_PATH_MAX], *at = text;
	uint32_t run[HOPS_PATH_MAX];

	if (!query_text(asked, "hops", text, sizeof(text)))
		text[0] = '\0';
	while (*at != '\0' && q.run_count < HOPS_PATH_MAX) {
		char *end = at + strcspn(at, ",");
		bool more = *end == ',';

		*end = '\0';
		if (end > at) {
			/* A hop that no packet has matches none. */
			run[q.run_count] = hops_token_read(at, (size_t)(end - at));
			texts[q.run_count++] = at;
		}
		at = end + more;
	}
	if (q.run_count < 2)
		return render_error(j, 200, "Need at least 2 hops");
	q.run = run;
	return detail_answer(((struct subpaths *)self)->frame, &q, texts, j);
}
