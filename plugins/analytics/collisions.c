/* SPDX-License-Identifier: MIT
 *
 * Collisions: repeaters whose keys begin alike, as far as they use them in paths.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hashes.h"
#include "render.h"

#define LOCAL_KM 50.0
#define REGIONAL_KM 200.0
#define MEASURED_MAX 256u /* of a group; with more, distances are of these */

struct member {
	const char *key;
	const struct hops_node *node;
	uint32_t id;
	struct hashes_info info;
	bool repeater, relays; /* its role is exactly that; it forwards */
};

struct group {
	uint32_t first, count, with_coords;
	double max_km;
	int class; /* see class_texts */
};

struct collisions {
	const struct hashes *h;
	const struct an_query *q;
	struct json *j;
	struct member *list; /* by key */
	uint32_t count;
};

enum { CLASS_LOCAL, CLASS_REGIONAL, CLASS_DISTANT, CLASS_INCOMPLETE };
static const char *const class_texts[] = { "local", "regional", "distant", "incomplete" };

static int
member_compare(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static bool
collisions_takes(const struct collisions *c, const struct hashes_counts *counts, uint32_t id)
{
	const struct frame *f = c->h->frame;
	uint16_t observer =
	    id < f->observer_of_cap ? (uint16_t)(f->observer_of[id] - 1) : AN_NO_OBSERVER;

	if (query_hides(c->q, id) ||
	    (c->q->area && (id >= c->q->in_area_count || c->q->in_area[id] == 0)))
		return false;
	return !c->q->region || bag_get(&counts->bag, HASHES_KEY(HASHES_NODE, id, 0)) > 0 ||
	       (observer != AN_NO_OBSERVER && c->q->in_region[observer] != 0);
}

static bool
collisions_gather(struct collisions *c)
{
	const struct hashes_counts *counts = hashes_view(c->h, c->q);
	const struct frame *f = c->h->frame;

	c->list = calloc(f->node_cap + 1u, sizeof(*c->list));
	if (counts == NULL || c->list == NULL)
		return false;
	for (uint32_t id = 0; id < f->node_cap; id++) {
		const struct hops_node *node = hops_nodes_get(&f->nodes, id);
		const char *role = frame_role(f, id), *key = frame_key(f, id);
		struct member *m = &c->list[c->count];

		if (node == NULL || !node->there || strlen(key) < 6 ||
		    !collisions_takes(c, counts, id))
			continue;
		*m = (struct member){
			key, node, id, hashes_info(c->h, id, c->q->now), false, false
		};
		m->repeater = role != NULL && strcmp(role, "repeater") == 0;
		m->relays = node->relays;
		c->count++;
	}
	if (c->count > 1)
		qsort(c->list, c->count, sizeof(*c->list), member_compare);
	return true;
}

static void
member_render(struct json *j, const struct frame *f, const struct member *m)
{
	const char *name = frame_name(f, m->id), *role = frame_role(f, m->id);

	js_object(j);
	js_kstr(j, "public_key", m->key);
	js_kstr(j, "name", name == NULL ? "" : name);
	js_kstr(j, "role", role == NULL ? "" : role);
	js_knum(j, "lat", m->node->has_gps ? m->node->lat : 0);
	js_knum(j, "lon", m->node->has_gps ? m->node->lon : 0);
	js_kuint(j, "hash_size", m->info.size);
	js_kbool(j, "hash_size_inconsistent", m->info.inconsistent);
	if ((m->info.sizes & (m->info.sizes - 1)) != 0) {
		js_karray(j, "hash_sizes_seen");
		for (unsigned i = 1; i <= 3; i++) {
			if ((m->info.sizes >> i & 1) != 0)
				js_uint(j, i);
		}
		js_array_end(j);
	}
	js_object_end(j);
}

static bool
member_uses(const struct member *m, uint32_t bytes)
{
	return m->repeater && m->info.size == bytes;
}

/* The members of the list from `at` on that use so many bytes and begin like the first of them. */
static uint32_t
group_next(const struct collisions *c, uint32_t bytes, uint32_t *at, struct group *g)
{
	while (*at < c->count && !member_uses(&c->list[*at], bytes))
		++*at;
	*g = (struct group){ .first = *at };
	while (*at < c->count && strncmp(c->list[*at].key, c->list[g->first].key, 2 * bytes) == 0) {
		g->count += member_uses(&c->list[*at], bytes);
		++*at;
	}
	return g->count;
}

static void
group_measure(const struct collisions *c, uint32_t bytes, struct group *g)
{
	const struct hops_node *at[MEASURED_MAX];
	uint32_t n = 0;

	for (uint32_t i = g->first, k = 0; k < g->count; i++) {
		if (!member_uses(&c->list[i], bytes))
			continue;
		k++;
		if (!c->list[i].node->has_gps)
			continue;
		g->with_coords++;
		if (n < MEASURED_MAX)
			at[n++] = c->list[i].node;
	}
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = i + 1; k < n; k++) {
			double km = hops_distance_km(at[i], at[k]);

			g->max_km = km > g->max_km ? km : g->max_km;
		}
	}
	g->class = n < 2                     ? CLASS_INCOMPLETE
		   : g->max_km < LOCAL_KM    ? CLASS_LOCAL
		   : g->max_km < REGIONAL_KM ? CLASS_REGIONAL
					     : CLASS_DISTANT;
}

static int
group_compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->first > y->first) - (x->first < y->first);
}

static void
key_upper(char out[HOPS_TOKEN_TEXT], const char *key, uint32_t bytes)
{
	for (uint32_t i = 0; i < 2 * bytes; i++)
		out[i] = (char)(key[i] >= 'a' ? key[i] - 32 : key[i]);
	out[2 * bytes] = '\0';
}

static void
group_render(const struct collisions *c, uint32_t bytes, const struct group *g)
{
	struct json *j = c->j;
	char prefix[HOPS_TOKEN_TEXT];

	key_upper(prefix, c->list[g->first].key, bytes);
	js_object(j);
	js_kstr(j, "prefix", prefix);
	js_kuint(j, "byte_size", bytes);
	js_kuint(j, "appearances", g->count);
	js_karray(j, "nodes");
	for (uint32_t i = g->first, k = 0; k < g->count; i++) {
		if (!member_uses(&c->list[i], bytes))
			continue;
		member_render(j, c->h->frame, &c->list[i]);
		k++;
	}
	js_array_end(j);
	js_knum(j, "max_dist_km", g->max_km);
	js_kstr(j, "classification", class_texts[g->class]);
	js_kuint(j, "with_coords", g->with_coords);
	js_object_end(j);
}

static void
collisions_stats(const struct collisions *c, uint32_t bytes, uint32_t prefixes, uint32_t groups)
{
	double space = bytes == 1 ? 256 : bytes == 2 ? 65536 : 16777216;
	uint32_t members = 0, users = 0;
	struct json *j = c->j;

	for (uint32_t i = 0; i < c->count; i++) {
		members += member_uses(&c->list[i], bytes);
		users += c->list[i].info.size == bytes;
	}
	js_kobject(j, "stats");
	js_kuint(j, "total_nodes", c->count);
	js_kuint(j, "nodes_for_byte", members);
	js_kuint(j, "using_this_size", users);
	js_kuint(j, "unique_prefixes", prefixes);
	js_kuint(j, "collision_count", groups);
	js_knum(j, "space_size", space);
	js_knum(j, "pct_used", prefixes / space * 100);
	js_object_end(j);
}

/* Repeaters in the cell of their first byte, whatever they use. */
static void
collisions_one_byte(const struct collisions *c)
{
	struct json *j = c->j;
	uint32_t at = 0;

	js_kobject(j, "one_byte_cells");
	for (unsigned cell = 0; cell < 256; cell++) {
		char low[4], name[HOPS_TOKEN_TEXT];

		snprintf(low, sizeof(low), "%02x", cell);
		key_upper(name, low, 1);
		js_karray(j, name);
		while (at < c->count && strncmp(c->list[at].key, low, 2) < 0)
			at++;
		for (; at < c->count && strncmp(c->list[at].key, low, 2) == 0; at++) {
			if (c->list[at].repeater && c->list[at].info.size != 0)
				member_render(j, c->h->frame, &c->list[at]);
		}
		js_array_end(j);
	}
	js_object_end(j);
}

static void
collisions_cell(const struct collisions *c, uint32_t from, uint32_t to)
{
	struct json *j = c->j;
	uint32_t most = 0, groups = 0;
	struct group g;

	js_karray(j, "group_nodes");
	for (uint32_t i = from; i < to; i++) {
		if (member_uses(&c->list[i], 2))
			member_render(j, c->h->frame, &c->list[i]);
	}
	js_array_end(j);
	js_kobject(j, "two_byte_map");
	for (uint32_t at = from; at < to && group_next(c, 2, &at, &g) > 0 && g.first < to;) {
		char name[HOPS_TOKEN_TEXT];

		key_upper(name, c->list[g.first].key, 2);
		js_karray(j, name);
		for (uint32_t i = g.first; i < at; i++) {
			if (member_uses(&c->list[i], 2))
				member_render(j, c->h->frame, &c->list[i]);
		}
		js_array_end(j);
		if (g.count > 1) {
			groups++;
			most = g.count > most ? g.count : most;
		}
	}
	js_object_end(j);
	js_kuint(j, "max_collision", most);
	js_kuint(j, "collision_count", groups);
}

static void
collisions_two_bytes(const struct collisions *c)
{
	struct json *j = c->j;
	uint32_t at = 0, from;

	js_kobject(j, "two_byte_cells");
	for (unsigned cell = 0; cell < 256; cell++) {
		char low[4], name[HOPS_TOKEN_TEXT];

		snprintf(low, sizeof(low), "%02x", cell);
		key_upper(name, low, 1);
		while (at < c->count && strncmp(c->list[at].key, low, 2) < 0)
			at++;
		for (from = at; at < c->count && strncmp(c->list[at].key, low, 2) == 0;)
			at++;
		js_kobject(j, name);
		collisions_cell(c, from, at);
		js_object_end(j);
	}
	js_object_end(j);
}

static void
collisions_size(const struct collisions *c, uint32_t bytes)
{
	static const char *const names[] = { "", "1", "2", "3" };
	struct group *groups = calloc(c->count + 1u, sizeof(*groups));
	struct json *j = c->j;
	uint32_t at = 0, n = 0, prefixes = 0;

	while (groups != NULL && group_next(c, bytes, &at, &groups[n]) > 0) {
		prefixes++;
		if (groups[n].count > 1)
			group_measure(c, bytes, &groups[n++]);
	}
	if (n > 1)
		qsort(groups, n, sizeof(*groups), group_compare);
	js_kobject(j, names[bytes]);
	collisions_stats(c, bytes, prefixes, n);
	js_karray(j, "collisions");
	for (uint32_t i = 0; i < n; i++)
		group_render(c, bytes, &groups[i]);
	js_array_end(j);
	if (bytes == 1)
		collisions_one_byte(c);
	else if (bytes == 2)
		collisions_two_bytes(c);
	js_object_end(j);
	free(groups);
}

uint32_t
hashes_collisions(void *self, const struct an_query *q, struct json *j)
{
	struct collisions c = { .h = self, .q = q, .j = j };

	if (!collisions_gather(&c)) {
		free(c.list);
		return render_error(j, 503, "out of memory");
	}
	js_object(j);
	js_karray(j, "inconsistent_nodes");
	for (uint32_t i = 0; i < c.count; i++) {
		if (c.list[i].info.inconsistent && c.list[i].relays)
			member_render(j, c.h->frame, &c.list[i]);
	}
	js_array_end(j);
	js_kobject(j, "by_size");
	for (uint32_t bytes = 1; bytes <= 3; bytes++)
		collisions_size(&c, bytes);
	js_object_end(j);
	js_object_end(j);
	free(c.list);
	return 200;
}
