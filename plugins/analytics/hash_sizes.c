/* SPDX-License-Identifier: MIT
 *
 * Hash sizes: of packets by their paths, of nodes by their adverts. With a region, a node belongs to
 * its home: where most of its adverts without hops were heard; one whose home is not known belongs
 * wherever it was heard.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hashes.h"
#include "render.h"
#include "top.h"

#define HOPS_SHOWN 50u

struct sizes {
	const struct hashes *h;
	const struct an_query *q;
	const struct hashes_counts *counts;
	struct json *j;
	uint8_t *homes; /* by id: 0 not known, 1 elsewhere, 2 in the region */
	bool by_home;
};

/* ----------------------------------------------------------------- homes -- */

struct home {
	uint32_t id;
	const char *region;
	int64_t count;
};

static int
home_compare(const void *a, const void *b)
{
	const struct home *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->region, y->region);
}

static bool
sizes_region_has(const struct sizes *s, const char *region)
{
	const struct frame *f = s->h->frame;

	for (uint32_t i = 0; i < f->observer_count; i++) {
		if (s->q->in_region[i] != 0 && strcmp(f->observers[i].region, region) == 0)
			return true;
	}
	return false;
}

/* The region with most adverts; of several the first by name. */
static void
sizes_find_homes(struct sizes *s)
{
	const struct frame *f = s->h->frame;
	struct home *list = calloc(s->h->homes.used + 1u, sizeof(*list));
	struct bag_item item;
	uint32_t at = 0, n = 0;

	s->homes = calloc(f->nodes.ids.count + 1u, 1);
	while (list != NULL && s->homes != NULL && bag_next(&s->h->homes, &at, &item)) {
		const char *region = f->observers[item.key & 0xffff].region;

		if (region[0] != '\0' && item.n > 0)
			list[n++] = (struct home){ (uint32_t)(item.key >> 16) - 1, region, item.n };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), home_compare);
	for (uint32_t i = 0; i < n;) {
		const struct home *best = NULL;
		uint32_t id = list[i].id;
		int64_t most = 0, sum;

		for (uint32_t k = i; i < n && list[i].id == id; k = i) {
			for (sum = 0; i < n && list[i].id == id &&
				      strcmp(list[i].region, list[k].region) == 0;
			     i++)
				sum += list[i].count;
			best = sum > most ? &list[k] : best;
			most = sum > most ? sum : most;
		}
		s->homes[id] = best != NULL && sizes_region_has(s, best->region) ? 2 : 1;
		s->by_home = true;
	}
	free(list);
}

/* ----------------------------------------------------------------- nodes -- */

struct sized {
	const char *key, *name, *role;
	uint32_t id;
	uint8_t size;
	int64_t packets;
};

static int
sized_compare(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets > y->packets ? -1 : 1;
	return strcmp(x->key, y->key);
}

/* How many adverts of a node count; 0: it is not part of the answer. */
static int64_t
sizes_packets(const struct sizes *s, uint32_t id)
{
	const struct hashes_node *n = &s->h->at[id];
	uint8_t home = s->homes == NULL ? 0 : s->homes[id];

	if (query_hides(s->q, id) || home == 1 ||
	    (s->q->area && (id >= s->q->in_area_count || s->q->in_area[id] == 0)))
		return 0;
	if (home == 2)
		return n->packets;
	return bag_get(&s->counts->bag, HASHES_KEY(HASHES_NODE, id, 0));
}

static void
sizes_nodes(const struct sizes *s)
{
	struct sized *list = calloc(s->h->cap + 1u, sizeof(*list));
	const struct frame *f = s->h->frame;
	int64_t relays[4] = { 0 };
	struct json *j = s->j;
	uint32_t n = 0;

	for (uint32_t id = 0; list != NULL && id < s->h->cap; id++) {
		const struct hashes_node *node = &s->h->at[id];
		struct sized one = { .key = frame_key(f, id),
				     .name = frame_name(f, id),
				     .role = frame_role(f, id),
				     .id = id };

		one.packets = node->packets == 0 ? 0 : sizes_packets(s, id);
		if (one.packets <= 0)
			continue;
		one.size = node->count == 0 ? 0 : node->adverts[node->count - 1].size;
		relays[one.size] += one.role != NULL && strstr(one.role, "repeater") != NULL;
		if (one.size > 1)
			list[n++] = one;
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), sized_compare);
	js_kobject(j, "distributionByRepeaters");
	if (relays[0] > 0)
		js_kint(j, "0", relays[0]);
	js_kint(j, "1", relays[1]);
	js_kint(j, "2", relays[2]);
	js_kint(j, "3", relays[3]);
	js_object_end(j);
	js_karray(j, "multiByteNodes");
	for (uint32_t i = 0; i < n; i++) {
		js_object(j);
		js_kstr(j, "name", list[i].name == NULL ? "" : list[i].name);
		js_kuint(j, "hashSize", list[i].size);
		js_kint(j, "packets", list[i].packets);
		render_ktime(j, "lastSeen", s->h->at[list[i].id].last);
		js_kstr(j, "pubkey", list[i].key);
		js_kstr(j, "role", list[i].role == NULL ? "" : list[i].role);
		js_object_end(j);
	}
	js_array_end(j);
	free(list);
}

/* ---------------------------------------------------------------- packets -- */

static void
sizes_three(struct json *j, const int64_t counts[4])
{
	js_kint(j, "1", counts[1]);
	js_kint(j, "2", counts[2]);
	js_kint(j, "3", counts[3]);
}

static void
sizes_hours(struct json *j, const struct bag *bag)
{
	uint32_t n;
	struct bag_item *list = bag_sorted(bag, &n);
	int64_t counts[4] = { 0 };

	js_karray(j, "hourly");
	for (uint32_t i = 0; i < n; i++) {
		uint64_t hour = list[i].key >> 8;

		if (list[i].key >> 56 != HASHES_HOUR)
			continue;
		counts[list[i].key & 3] = list[i].n;
		if (i + 1 < n && list[i + 1].key >> 8 == hour)
			continue;
		js_object(j);
		render_khour(j, "hour", (int64_t)(hour & 0xffffffff));
		sizes_three(j, counts);
		js_object_end(j);
		memset(counts, 0, sizeof(counts));
	}
	js_array_end(j);
	free(list);
}

struct hop {
	uint32_t token;
	int64_t count;
};

static int
hop_compare(const void *a, const void *b)
{
	const struct hop *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

static void
sizes_hops(const struct sizes *s)
{
	struct hop best[HOPS_SHOWN];
	struct top top = { best, sizeof(best[0]), HOPS_SHOWN, 0, hop_compare };
	struct json *j = s->j;
	struct bag_item item;
	uint32_t at = 0;

	while (bag_next(&s->counts->bag, &at, &item)) {
		struct hop one = { (uint32_t)(item.key >> 8), item.n };

		if (item.key >> 56 == HASHES_TOKEN &&
		    !query_hides(s->q, frame_hop(s->h->frame, one.token, NULL)))
			top_put(&top, &one);
	}
	js_karray(j, "topHops");
	for (uint32_t i = 0; i < top.count; i++) {
		uint32_t id = frame_hop(s->h->frame, best[i].token, NULL);

		js_object(j);
		render_ktoken(j, "hex", best[i].token);
		js_kuint(j, "size", HOPS_TOKEN_SIZE(best[i].token));
		js_kint(j, "count", best[i].count);
		render_kname(j, "name", s->h->frame, id);
		render_kpubkey(j, "pubkey", s->h->frame, id);
		js_object_end(j);
	}
	js_array_end(j);
}

/* ------------------------------------------------------------- capability -- */

struct capable {
	const char *key, *name;
	uint32_t id;
	struct an_capability c;
};

static int
capable_compare(const void *a, const void *b)
{
	const struct capable *x = a, *y = b;
	int order;

	if (x->c.sup != y->c.sup)
		return x->c.sup > y->c.sup ? -1 : 1;
	order = strcasecmp(x->name, y->name);
	return order != 0 ? order : strcmp(x->key, y->key);
}

/* Who can do multi-byte paths does not depend on any filter. */
static void
sizes_capability(const struct sizes *s)
{
	static const char *const texts[] = { "unknown", "suspected", "confirmed" };
	static const char *const evidence[] = { "", "path", "advert" };
	const struct frame *f = s->h->frame;
	struct capable *list = calloc(f->node_cap + 1u, sizeof(*list));
	struct json *j = s->j;
	uint32_t n = 0;

	for (uint32_t id = 0; list != NULL && id < f->node_cap; id++) {
		const struct hops_node *node = hops_nodes_get(&f->nodes, id);
		const char *name = frame_name(f, id);

		if (node != NULL && node->there && !query_hides(s->q, id))
			list[n++] = (struct capable){ frame_key(f, id), name == NULL ? "" : name,
						      id, f->node[id].capability };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), capable_compare);
	js_karray(j, "multiByteCapability");
	for (uint32_t i = 0; i < n; i++) {
		const struct an_capability *c = &list[i].c;
		const char *role = frame_role(f, list[i].id);

		js_object(j);
		js_kstr(j, "pubkey", list[i].key);
		js_kstr(j, "name", list[i].name);
		js_kstr(j, "role", role == NULL ? "" : role);
		js_kstr(j, "status", texts[c->sup]);
		js_kstr(j, "evidence", evidence[c->sup]);
		js_kuint(j, "maxHashSize", c->size == 0 ? 1 : c->size);
		render_ktime(j, "lastSeen", f->node[list[i].id].last_seen);
		js_object_end(j);
	}
	js_array_end(j);
	free(list);
}

uint32_t
hashes_sizes(void *self, const struct an_query *q, struct json *j)
{
	struct sizes s = { .h = self, .q = q, .j = j };
	int64_t counts[4] = { 0 };

	s.counts = hashes_view(s.h, q);
	if (s.counts == NULL)
		return render_error(j, 503, "out of memory");
	if (q->region)
		sizes_find_homes(&s);
	for (uint32_t i = 1; i <= 3; i++)
		counts[i] = bag_get(&s.counts->bag, HASHES_KEY(HASHES_SIZE, 0, i));
	js_object(j);
	js_kint(j, "total", counts[1] + counts[2] + counts[3]);
	js_kobject(j, "distribution");
	sizes_three(j, counts);
	js_object_end(j);
	sizes_hours(j, &s.counts->bag);
	sizes_nodes(&s);
	sizes_hops(&s);
	js_kstr(j, "attributionMethod", q->region && s.by_home ? "repeater" : "observer");
	sizes_capability(&s);
	js_object_end(j);
	free(s.homes);
	return 200;
}
