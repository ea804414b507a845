/* SPDX-License-Identifier: MIT */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

#include <hops/resolve.h>

struct resolve {
	struct hops_nodes nodes;
	struct hops_graph graph;
	size_t active; /* nodes that are there */
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
	hops_graph_fini(&r->graph);
	hops_nodes_fini(&r->nodes);
	*r = (struct resolve){ 0 };
}

void
resolve_free(struct resolve *r)
{
	if (r != NULL)
		resolve_clear(r);
	free(r);
}

/* ----------------------------------------------------------- who there is -- */

static mk_result
resolve_set(struct resolve *r, struct text key, const struct hops_node *now)
{
	uint32_t id = hops_ids_find(&r->nodes.ids, key.s, key.len);
	const struct hops_node *old = id == HOPS_NONE ? NULL : hops_nodes_get(&r->nodes, id);
	bool was = old != NULL && old->there;
	mk_result rc = hops_nodes_set(&r->nodes, key.s, key.len, now);

	if (rc == MK_OK)
		r->active = r->active - was + now->there;
	return rc;
}

mk_result
resolve_node(struct resolve *r, struct text key, struct text role)
{
	struct hops_node now = { .there = true };
	uint8_t bytes[ITEM_KEY];

	if (!item_unhex(key, bytes, ITEM_KEY))
		return MK_OK; /* of an old database; no hop begins so */
	now.relays = role.s != NULL && hops_role_relays(role.s, role.len);
	return resolve_set(r, key, &now);
}

void
resolve_remove(struct resolve *r, struct text key)
{
	static const struct hops_node nobody;

	if (hops_ids_find(&r->nodes.ids, key.s, key.len) != HOPS_NONE)
		(void)resolve_set(r, key,
				  &nobody); /* no memory is needed for a name that is known */
}

mk_result
resolve_observer(struct resolve *r, struct text id, bool listener)
{
	/* An id that is no key is nobody's hop. */
	if (id.len != KEY_CHARS)
		return MK_OK;
	return hops_nodes_set_listener(&r->nodes, id.s, id.len, listener);
}

static uint32_t
resolve_id(const struct resolve *r, const uint8_t *key)
{
	char hex[KEY_CHARS + 1];

	item_hex(key, ITEM_KEY, false, hex);
	return hops_ids_find(&r->nodes.ids, hex, KEY_CHARS);
}

bool
resolve_has(const struct resolve *r, const uint8_t key[ITEM_KEY])
{
	uint32_t id = resolve_id(r, key);
	const struct hops_node *node = id == HOPS_NONE ? NULL : hops_nodes_get(&r->nodes, id);

	return node != NULL && node->there;
}

mk_result
resolve_edge(struct resolve *r, struct text a, struct text b)
{
	uint32_t x = hops_ids_put(&r->nodes.ids, a.s, a.len);
	uint32_t y = hops_ids_put(&r->nodes.ids, b.s, b.len);

	if (x == y)
		return MK_OK;
	return x == HOPS_NONE || y == HOPS_NONE || hops_graph_put(&r->graph, x, y, 0) == NULL
		   ? MK_ENOMEM
		   : MK_OK;
}

size_t
resolve_nodes(const struct resolve *r)
{
	return r->active;
}

size_t
resolve_edges(const struct resolve *r)
{
	return r->graph.count;
}

size_t
resolve_memory(const struct resolve *r)
{
	return sizeof(*r) + hops_nodes_memory(&r->nodes) + hops_graph_memory(&r->graph);
}

/* ------------------------------------------------------------ loading -- */

static struct text
resolve_column(sqlite3_stmt *row, int column)
{
	const char *s = (const char *)sqlite3_column_text(row, column);

	return (struct text){ s, s == NULL ? 0 : (size_t)sqlite3_column_bytes(row, column) };
}

/* `fn` for each row; what it refuses is no key, and can wait for a better one. */
static mk_result
resolve_rows(struct resolve *r, struct db *db, const char *sql,
	     mk_result (*fn)(struct resolve *r, struct text a, struct text b), mk_err *err)
{
	sqlite3_stmt *row;
	mk_result rc = db_stmt(db, sql, &row, err);

	while (rc == MK_OK && (rc = db_step(db, row, err)) == MK_OK)
		if (sqlite3_column_type(row, 0) != SQLITE_NULL)
			(void)fn(r, resolve_column(row, 0), resolve_column(row, 1));
	return rc == MK_ENOENT ? MK_OK : rc;
}

static mk_result
resolve_listener(struct resolve *r, struct text id, struct text none)
{
	(void)none;
	return resolve_observer(r, id, true);
}

mk_result
resolve_load(struct resolve *r, struct db *db, mk_err *err)
{
	mk_result rc;

	resolve_clear(r);
	rc = resolve_rows(r, db, "SELECT public_key, role FROM nodes ORDER BY public_key",
			  resolve_node, err);
	if (rc == MK_OK)
		rc = resolve_rows(r, db,
				  "SELECT id, NULL FROM observers WHERE coalesce(can_relay, 1) = 0 "
				  "AND coalesce(inactive, 0) = 0",
				  resolve_listener, err);
	if (rc == MK_OK)
		rc = resolve_rows(r, db, "SELECT node_a, node_b FROM neighbor_edges", resolve_edge,
				  err);
	return rc;
}

/* ------------------------------------------------------------ walking -- */

/* The hops of a trace may be longer than a token: there only one node begins so, or none. */
static uint32_t
resolve_long(struct resolve *r, const struct hop *hop)
{
	const struct hops_candidate *list = NULL;
	char hex[2 * sizeof(hop->bytes) + 1];

	if (hop->len == 5 || hop->len == 7 || hop->len > sizeof(hop->bytes))
		return HOPS_NONE;
	item_hex(hop->bytes, hop->len, false, hex);
	return hops_candidates(&r->nodes, hex, 2u * hop->len, &list) == 1 ? list[0].id : HOPS_NONE;
}

bool
resolve_path(struct resolve *r, const uint8_t *from, const struct hop *hops, size_t count,
	     const char **keys)
{
	uint32_t tokens[ITEM_HOPS] = { 0 }, ids[ITEM_HOPS],
		 n = count < ITEM_HOPS ? (uint32_t)count : ITEM_HOPS;
	bool any = false;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t value = 0;

		for (uint8_t k = 0; k < hops[i].len && hops[i].len <= 3; k++)
			value = value << 8 | hops[i].bytes[k];
		tokens[i] = hops[i].len <= 3 ? HOPS_TOKEN(hops[i].len, value) : 0;
	}
	(void)hops_resolve_path(&r->nodes, &r->graph,
				from == NULL ? HOPS_NONE : resolve_id(r, from), tokens, n, ids);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = hops[i].len > 3 ? resolve_long(r, &hops[i]) : ids[i];

		keys[i] = id == HOPS_NONE ? NULL : r->nodes.ids.text[id];
		any = any || keys[i] != NULL;
	}
	return any;
}

void
resolve_text(const char *const *keys, size_t count, char json[RESOLVE_TEXT])
{
	*json++ = '[';
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			*json++ = ',';
		if (keys[i] == NULL) {
			memcpy(json, "null", 4);
			json += 4;
			continue;
		}
		*json++ = '"';
		memcpy(json, keys[i], KEY_CHARS);
		json += KEY_CHARS;
		*json++ = '"';
	}
	memcpy(json, "]", 2);
}
