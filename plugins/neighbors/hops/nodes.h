/* SPDX-License-Identifier: MIT
 *
 * Who there is: the nodes by key, and which of them a hop of a path can be. A hop is a token, the
 * first 1 to 3 bytes of a key; its candidates are the relays whose keys begin so: repeaters and
 * rooms, without listeners, the observers that say they forward nothing.
 */
#ifndef HOPS_NODES_H
#define HOPS_NODES_H

#include <stdbool.h>

#include "ids.h"

/* A token in 32 bits: how many bytes, and the bytes. 0 is none. */
#define HOPS_TOKEN(size, value) ((uint32_t)(size) << 24 | (uint32_t)(value))
#define HOPS_TOKEN_SIZE(token) ((token) >> 24)
#define HOPS_TOKEN_TEXT 7

struct hops_node {
	double lat, lon;
	uint32_t adverts;
	bool there;    /* it is in the table `nodes` */
	bool relays;   /* its role forwards packets */
	bool listener; /* an observer that does not */
	bool has_gps;
};

struct hops_candidate {
	const char *key;
	uint32_t id;
};

struct hops_nodes {
	struct hops_ids ids;
	struct hops_node *at;        /* by id, as far as `cap` */
	struct hops_candidate *list; /* candidates by key, made again when `stale` */
	uint32_t cap, list_count, list_cap;
	bool stale;
	uint64_t changes; /* counts what can change an answer */
};

/* A zeroed one is empty. */
void hops_nodes_fini(struct hops_nodes *n);

/* "repeater", "room", "room_server" and the like, in any case. */
bool hops_role_relays(const char *role, size_t len);

/* The node of a key, made if need be; NULL: refused, or out of memory. Valid until the next call. */
struct hops_node *hops_nodes_put(struct hops_nodes *n, const char *key, size_t len, uint32_t *id);
/* NULL if nothing is known of it. */
const struct hops_node *hops_nodes_get(const struct hops_nodes *n, uint32_t id);
/* A node as it is now; `gps` false: no position. MK_ENOMEM also when the table is full. */
mk_result hops_nodes_set(struct hops_nodes *n, const char *key, size_t len,
			 const struct hops_node *now);
mk_result hops_nodes_set_listener(struct hops_nodes *n, const char *key, size_t len, bool listener);
size_t hops_nodes_memory(const struct hops_nodes *n); /* bytes, names and all */
/* Everybody is gone; ids stay. For reading the tables anew. */
void hops_nodes_clear(struct hops_nodes *n);

/* The candidates for a prefix of a key in hex, any case, 2 characters or more. */
uint32_t hops_candidates(struct hops_nodes *n, const char *prefix, size_t len,
			 const struct hops_candidate **first);
uint32_t hops_token_candidates(struct hops_nodes *n, uint32_t token,
			       const struct hops_candidate **first);

/* Two, four or six hex digits as a token, or 0. */
uint32_t hops_token_read(const char *hex, size_t len);
void hops_token_text(uint32_t token, char text[HOPS_TOKEN_TEXT]); /* lower case */

/* Kilometres between two nodes with positions. */
double hops_distance_km(const struct hops_node *a, const struct hops_node *b);
/* A position is one: both in range, and not 0,0, which means none. */
bool hops_has_gps(double lat, double lon);

#endif
