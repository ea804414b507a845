/* SPDX-License-Identifier: MIT
 *
 * Keys lie sorted in 256 buckets by their first byte, so the nodes that share a hop's bytes are
 * neighbours in memory, and a new node moves only a bucket. Edges are a hash set of pairs; eight
 * bytes of each key stand for it, since nobody finds two keys that share so many.
 */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256u

struct bucket {
	uint8_t (*keys)[ITEM_KEY]; /* sorted */
	size_t count, cap;
};

struct edge {
	uint64_t low, high; /* low < high; both 0: a free slot */
};

struct resolve {
	struct bucket buckets[BUCKETS];
	size_t nodes;
	struct edge *edges; /* open addressing, at most half full */
	size_t edge_count, edge_cap;
};

mk_result
resolve_new(struct resolve **out)
{
	struct resolve *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return MK_ENOMEM;
	*out = r;
	return MK_OK;
}

static void
resolve_clear(struct resolve *r)
{
	for (size_t i = 0; i < BUCKETS; i++)
		free(r->buckets[i].keys);
	free(r->edges);
	*r = (struct resolve){ 0 };
}

void
resolve_free(struct resolve *r)
{
	if (r != NULL)
		resolve_clear(r);
	free(r);
}

/* The first key that is not below the `len` bytes. */
static size_t
resolve_lower(const struct bucket *b, const uint8_t *bytes, size_t len)
{
	size_t low = 0, high = b->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memcmp(b->keys[middle], bytes, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
resolve_matches(const struct bucket *b, size_t i, const uint8_t *bytes, size_t len)
{
	return i < b->count && memcmp(b->keys[i], bytes, len) == 0;
}

mk_result
resolve_add(struct resolve *r, const uint8_t key[ITEM_KEY])
{
	struct bucket *b = &r->buckets[key[0]];
	size_t at = resolve_lower(b, key, ITEM_KEY);

	if (resolve_matches(b, at, key, ITEM_KEY))
		return MK_OK;
	if (b->count == b->cap) {
		size_t cap = b->cap == 0 ? 8 : 2 * b->cap;
		uint8_t(*keys)[ITEM_KEY] = realloc(b->keys, cap * sizeof(*keys));

		if (keys == NULL)
			return MK_ENOMEM;
		b->keys = keys;
		b->cap = cap;
	}
	memmove(b->keys + at + 1, b->keys + at, (b->count - at) * sizeof(*b->keys));
	memcpy(b->keys[at], key, ITEM_KEY);
	b->count++;
	r->nodes++;
	return MK_OK;
}

bool
resolve_has(const struct resolve *r, const uint8_t key[ITEM_KEY])
{
	const struct bucket *b = &r->buckets[key[0]];

	return resolve_matches(b, resolve_lower(b, key, ITEM_KEY), key, ITEM_KEY);
}

void
resolve_remove(struct resolve *r, const uint8_t key[ITEM_KEY])
{
	struct bucket *b = &r->buckets[key[0]];
	size_t at = resolve_lower(b, key, ITEM_KEY);

	if (!resolve_matches(b, at, key, ITEM_KEY))
		return;
	b->count--;
	r->nodes--;
	memmove(b->keys + at, b->keys + at + 1, (b->count - at) * sizeof(*b->keys));
}

/* -------------------------------------------------------------- edges -- */

static struct edge
resolve_edge(const uint8_t *a, const uint8_t *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? (struct edge){ x, y } : (struct edge){ y, x };
}

/* The slot where it is or would be. */
static struct edge *
resolve_slot(struct edge *edges, size_t cap, struct edge e)
{
	uint64_t hash =
	    (e.low ^ (e.high * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);
	size_t i = (size_t)(hash >> 32) & (cap - 1);

	while ((edges[i].low | edges[i].high) != 0 &&
	       (edges[i].low != e.low || edges[i].high != e.high))
		i = (i + 1) & (cap - 1);
	return &edges[i];
}

static mk_result
resolve_grow_edges(struct resolve *r)
{
	size_t cap = r->edge_cap == 0 ? 256 : 2 * r->edge_cap;
	struct edge *edges = calloc(cap, sizeof(*edges));

	if (edges == NULL)
		return MK_ENOMEM;
	for (size_t i = 0; i < r->edge_cap; i++) {
		if ((r->edges[i].low | r->edges[i].high) != 0)
			*resolve_slot(edges, cap, r->edges[i]) = r->edges[i];
	}
	free(r->edges);
	r->edges = edges;
	r->edge_cap = cap;
	return MK_OK;
}

mk_result
resolve_add_edge(struct resolve *r, const uint8_t a[ITEM_KEY], const uint8_t b[ITEM_KEY])
{
	struct edge e = resolve_edge(a, b), *slot;

	if (e.low == e.high)
		return MK_OK;
	if (2 * (r->edge_count + 1) > r->edge_cap && resolve_grow_edges(r) != MK_OK)
		return MK_ENOMEM;
	slot = resolve_slot(r->edges, r->edge_cap, e);
	r->edge_count += (slot->low | slot->high) == 0;
	*slot = e;
	return MK_OK;
}

static bool
resolve_adjacent(const struct resolve *r, const uint8_t *a, const uint8_t *b)
{
	struct edge e = resolve_edge(a, b);

	if (r->edge_cap == 0 || e.low == e.high)
		return false;
	return resolve_slot(r->edges, r->edge_cap, e)->high != 0;
}

size_t
resolve_nodes(const struct resolve *r)
{
	return r->nodes;
}

size_t
resolve_edges(const struct resolve *r)
{
	return r->edge_count;
}

/* ------------------------------------------------------------ loading -- */

static bool
resolve_column(sqlite3_stmt *row, int column, uint8_t key[ITEM_KEY])
{
	const char *s = (const char *)sqlite3_column_text(row, column);
	struct text hex = { s, s == NULL ? 0 : (size_t)sqlite3_column_bytes(row, column) };

	return item_unhex(hex, key, ITEM_KEY);
}

mk_result
resolve_load(struct resolve *r, struct db *db, mk_err *err)
{
	sqlite3_stmt *row;
	uint8_t a[ITEM_KEY], b[ITEM_KEY];
	mk_result rc = db_stmt(db, "SELECT public_key FROM nodes ORDER BY public_key", &row, err);

	resolve_clear(r);
	while (rc == MK_OK && (rc = db_step(db, row, err)) == MK_OK) {
		if (resolve_column(row, 0, a))
			rc = resolve_add(r, a);
	}
	if (rc == MK_ENOENT)
		rc = db_stmt(db, "SELECT node_a, node_b FROM neighbor_edges", &row, err);
	while (rc == MK_OK && (rc = db_step(db, row, err)) == MK_OK) {
		if (resolve_column(row, 0, a) && resolve_column(row, 1, b))
			rc = resolve_add_edge(r, a, b);
	}
	return rc == MK_ENOENT ? MK_OK : rc;
}

/* ------------------------------------------------------------ walking -- */

static bool
resolve_was_seen(const uint8_t *const *seen, size_t count, const uint8_t *key)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(seen[i], key, ITEM_KEY) == 0)
			return true;
	return false;
}

/* The only node that the hop can be, given who came before it and who was there already. */
static const uint8_t *
resolve_hop(const struct resolve *r, const struct hop *hop, const uint8_t *anchor,
	    const uint8_t *const *seen, size_t seen_count)
{
	const struct bucket *b = &r->buckets[hop->bytes[0]];
	size_t first, i;
	const uint8_t *found = NULL;

	if (hop->len == 0 || hop->len == 5 || hop->len == 7 || hop->len > sizeof(hop->bytes))
		return NULL;
	first = resolve_lower(b, hop->bytes, hop->len);
	if (!resolve_matches(b, first, hop->bytes, hop->len))
		return NULL;
	if (!resolve_matches(b, first + 1, hop->bytes, hop->len))
		return resolve_was_seen(seen, seen_count, b->keys[first]) ? NULL : b->keys[first];
	for (i = first; anchor != NULL && resolve_matches(b, i, hop->bytes, hop->len); i++) {
		if (!resolve_adjacent(r, anchor, b->keys[i]) ||
		    resolve_was_seen(seen, seen_count, b->keys[i]))
			continue;
		if (found != NULL)
			return NULL;
		found = b->keys[i];
	}
	return found;
}

bool
resolve_path(const struct resolve *r, const uint8_t *from, const struct hop *hops, size_t count,
	     const uint8_t **keys)
{
	const uint8_t *seen[ITEM_HOPS + 1], *anchor = from;
	size_t seen_count = 0;
	bool any = false;

	if (from != NULL)
		seen[seen_count++] = from;
	for (size_t i = 0; i < count && i < ITEM_HOPS; i++) {
		keys[i] = resolve_hop(r, &hops[i], anchor, seen, seen_count);
		anchor = keys[i];
		if (anchor == NULL)
			continue;
		seen[seen_count++] = anchor;
		any = true;
	}
	return any;
}
