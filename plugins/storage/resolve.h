/* SPDX-License-Identifier: MIT
 *
 * Which nodes the hops of a path are. A hop is the first bytes of a node's key; many nodes may
 * share them, and then only the neighbour of a hop that is certain can be told.
 *
 * Two sets in memory: the keys of all active nodes, and who has been seen next to whom. Both are
 * read before the first message is taken and kept up to date with the rows.
 */
#ifndef STORAGE_RESOLVE_H
#define STORAGE_RESOLVE_H

#include "db.h"
#include "item.h"

struct resolve;

mk_result resolve_new(struct resolve **out);
void resolve_free(struct resolve *r);
/* Forget everything, and read nodes and neighbor_edges. */
mk_result resolve_load(struct resolve *r, struct db *db, mk_err *err);
mk_result resolve_add(struct resolve *r, const uint8_t key[ITEM_KEY]);
bool resolve_has(const struct resolve *r, const uint8_t key[ITEM_KEY]);
void resolve_remove(struct resolve *r, const uint8_t key[ITEM_KEY]);
mk_result resolve_add_edge(struct resolve *r, const uint8_t a[ITEM_KEY], const uint8_t b[ITEM_KEY]);
size_t resolve_nodes(const struct resolve *r);
size_t resolve_edges(const struct resolve *r);

struct hop { /* first bytes of a key */
	uint8_t bytes[8];
	uint8_t len; /* 1 2 3 4 6 8; others never resolve */
};

/* One key or NULL a hop. `from` (may be NULL) is who sent the packet. True if any was found. Keys
 * are borrowed until the next change. */
bool resolve_path(const struct resolve *r, const uint8_t *from, const struct hop *hops,
		  size_t count, const uint8_t **keys);

#endif
