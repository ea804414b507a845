/* SPDX-License-Identifier: MIT */
#ifndef TEST_NEIGHBORS_FIXTURE_H
#define TEST_NEIGHBORS_FIXTURE_H

#include <meshkern/codec.h>

#include <neighbors/snapshot.h>

#include "../hops/fixture.h"

static struct hops_nodes n;
static struct links l;
static struct hops_graph g;
static struct solve_report report;

static inline void
begin(void)
{
	cr_assert_eq(links_init(&l, &n, 5 * 86400, 100000), MK_OK);
}

static inline void
finished(void)
{
	links_fini(&l);
	hops_graph_fini(&g);
	hops_nodes_fini(&n);
}

static inline void
solve(void)
{
	struct solve_options options = { .least = 3, .now = T0 + 1000 };

	cr_assert_eq(solve_graph(&g, &l, &options, &report), MK_OK);
}

static inline void
take(struct hops_obs o)
{
	links_take(&l, &o, false);
}

/* "a-b count" for each edge and "a-?xx count" for each open end, in order, each with a space. */
static inline const char *
told(void)
{
	static char text[64 * 160];
	char parts[64][160];
	uint32_t count = 0;
	size_t len = 0;

	solve();
	for (uint32_t i = 0; i < g.count && count < 64; i++) {
		const struct hops_edge *e = &g.edges[i];
		char token[HOPS_TOKEN_TEXT];
		uint32_t k = count;

		hops_token_text(e->token, token);
		char line[160];

		snprintf(line, sizeof(line), "%s-%s%s %u ", n.ids.text[e->a],
			 e->b == HOPS_NONE ? "?" : n.ids.text[e->b], e->b == HOPS_NONE ? token : "",
			 (unsigned)e->t.count);
		for (; k > 0 && strcmp(parts[k - 1], line) > 0; k--)
			memcpy(parts[k], parts[k - 1], sizeof(parts[k]));
		memcpy(parts[k], line, sizeof(parts[k]));
		count++;
	}
	text[0] = '\0';
	for (uint32_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", parts[i]);
	return text;
}

static inline const struct hops_tally *
between(const char *a, const char *b)
{
	struct hops_edge *e;

	solve();
	e = hops_graph_find(&g, id_of(&n, a), id_of(&n, b), 0);
	cr_assert_not_null(e, "no edge %s-%s", a, b);
	return &e->t;
}

#endif
