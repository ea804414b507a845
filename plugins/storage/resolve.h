/* SPDX-License-Identifier: MIT
 *
 * Which nodes the hops of a path are, for the column resolved_path: the resolver that everybody has
 * (hops/resolve.h), over the active nodes and the graph of neighbor_edges. Both are read before the
 * first message is taken and kept up to date with the rows.
 */
#ifndef STORAGE_RESOLVE_H
#define STORAGE_RESOLVE_H

#include "db.h"
#include "item.h"

struct resolve;

mk_result resolve_new(struct resolve **out);
void resolve_free(struct resolve *r);
/* Forget everything, and read nodes, observers and neighbor_edges. */
mk_result resolve_load(struct resolve *r, struct db *db, mk_err *err);
/* A row of `nodes`, as it is now. */
mk_result resolve_node(struct resolve *r, struct text key, struct text role);
bool resolve_has(const struct resolve *r, const uint8_t key[ITEM_KEY]);
void resolve_remove(struct resolve *r, struct text key);
/* An observer, as it is now: does it say that it forwards nothing? */
mk_result resolve_observer(struct resolve *r, struct text id, bool listener);
mk_result resolve_edge(struct resolve *r, struct text a, struct text b);
size_t resolve_nodes(const struct resolve *r);
size_t resolve_edges(const struct resolve *r);
size_t resolve_memory(const struct resolve *r); /* bytes */

struct hop { /* first bytes of a key */
	uint8_t bytes[8];
	uint8_t len; /* 1 2 3 4 6 8; others never resolve */
};

/* The key in hex, or NULL, of each hop. `from` (may be NULL) is who sent the packet. True if any was
 * found. Keys are borrowed for as long as `r` lives. */
bool resolve_path(struct resolve *r, const uint8_t *from, const struct hop *hops, size_t count,
		  const char **keys);
/* As it is stored: ["KEY",null]. */
#define RESOLVE_TEXT (ITEM_HOPS * (KEY_CHARS + 3) + 3)
void resolve_text(const char *const *keys, size_t count, char json[RESOLVE_TEXT]);

#endif
