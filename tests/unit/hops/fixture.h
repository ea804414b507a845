/* SPDX-License-Identifier: MIT
 *
 * Nodes, observations and edges in short, for tests of hops, neighbors and mbcap.
 */
#ifndef TEST_HOPS_FIXTURE_H
#define TEST_HOPS_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <hops/obs.h>
#include <hops/resolve.h>

#define NOWHERE 0, 0  /* no position */
#define T0 1767225600 /* 2026-01-01 */

static inline uint32_t
node(struct hops_nodes *n, const char *key, const char *role, double lat, double lon)
{
	struct hops_node now = { .there = true,
				 .relays = hops_role_relays(role, strlen(role)),
				 .has_gps = hops_has_gps(lat, lon),
				 .lat = lat,
				 .lon = lon };

	cr_assert_eq(hops_nodes_set(n, key, strlen(key), &now), MK_OK);
	return hops_ids_find(&n->ids, key, strlen(key));
}

static inline uint32_t
id_of(struct hops_nodes *n, const char *key)
{
	uint32_t id;

	cr_assert_not_null(hops_nodes_put(n, key, strlen(key), &id));
	return id;
}

/* A flood with the hops of "b1,a2b2"; `from` NULL: not an advert. */
static inline struct hops_obs
observed(uint64_t id, uint64_t tx, const char *observer, const char *from, const char *hops)
{
	struct hops_obs o = { .id = id,
			      .tx = tx,
			      .at = T0 + (int64_t)tx,
			      .observer = observer,
			      .observer_len = (uint32_t)strlen(observer),
			      .from = from,
			      .from_len = from == NULL ? 0 : (uint32_t)strlen(from),
			      .route = HOPS_ROUTE_FLOOD,
			      .type = from == NULL ? 5 : HOPS_TYPE_ADVERT,
			      .size = 1 };

	while (*hops != '\0') {
		size_t len = strcspn(hops, ",");

		o.size = (uint8_t)(len / 2);
		o.hops[o.count++] = hops_token_read(hops, len);
		cr_assert_neq(o.hops[o.count - 1], 0);
		hops += len + (hops[len] == ',');
	}
	return o;
}

/* So many sightings by so many observers. */
static inline struct hops_edge *
edge(struct hops_graph *g, struct hops_nodes *n, const char *a, const char *b, uint32_t count,
     uint32_t observers, uint32_t last)
{
	bool turned = strcmp(a, b) > 0;
	struct hops_edge *e =
	    hops_graph_put(g, id_of(n, turned ? b : a), id_of(n, turned ? a : b), 0);

	cr_assert_not_null(e);
	e->t.count = e->t.modes[1] = count;
	e->t.first = e->t.last = last;
	cr_assert(
	    hops_graph_see(g, e,
			   &(struct hops_seen){ .bits = { ((uint64_t)1 << observers) - 1 } }));
	return e;
}

#endif
