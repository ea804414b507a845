/* SPDX-License-Identifier: MIT
 *
 * Who hears whom: the neighbors of a node, and all links together.
 */
#include "who.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_SCORE 0.1 /* of a link that is told */

static void
graph_put_snr(struct json *out, const struct hops_tally *t)
{
	double mean = 0;
	bool has = hops_snr(t, &mean);

	put_real(out, "avg_snr", has, mean);
}

/* ------------------------------------------------------------------ neighbors
 * -- */

struct neighbor {
	const struct hops_edge *edge;
	struct hops_tally t;
	struct hops_seen seen;
	uint32_t node; /* READ_NONE: not certain */
	double score;
	bool gone; /* it is told with another one */
};

struct neighbors {
	struct read *r;
	struct neighbor *list;
	uint32_t count, cap;
};

static bool
neighbors_add(struct neighbors *n, const struct neighbor *entry)
{
	if (n->count == n->cap) {
		uint32_t cap = n->cap == 0 ? 32 : 2 * n->cap;
		struct neighbor *grown = realloc(n->list, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		n->list = grown;
		n->cap = cap;
	}
	n->list[n->count++] = *entry;
	return true;
}

static bool
neighbors_is_shown(const struct neighbors *n, uint32_t node)
{
	const struct read_node *other = node == READ_NONE ? NULL : read_node(n->r, node);

	return other == NULL || !other->hidden;
}

/* What is not certain, but begins like exactly one neighbor that is, is told
 * with it. */
static void
neighbors_merge(struct neighbors *n)
{
	for (uint32_t i = 0; i < n->count; i++) {
		struct neighbor *open = &n->list[i], *match = NULL;
		char prefix[HOPS_TOKEN_TEXT];
		uint32_t matches = 0;

		if (open->node != READ_NONE)
			continue;
		hops_token_text(open->edge->token, prefix);
		for (uint32_t k = 0; k < n->count; k++) {
			struct neighbor *e = &n->list[k];

			if (e->node == READ_NONE ||
			    strncmp(read_node(n->r, e->node)->key, prefix, strlen(prefix)) != 0)
				continue;
			match = e;
			matches++;
		}
		if (matches == 1) {
			uint32_t first = match->t.first;

			hops_tally_merge(&match->t, &open->t, false);
			match->t.first = first;
			for (size_t k = 0; k < HOPS_OBSERVERS_MAX / 64; k++)
				match->seen.bits[k] |= open->seen.bits[k];
			open->gone = true;
		}
	}
}

static int
neighbors_compare(const void *a, const void *b)
{
	const struct neighbor *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? 1 : -1;
	if (x->t.count != y->t.count)
		return x->t.count < y->t.count ? 1 : -1;
	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->edge->token < y->edge->token ? -1 : x->edge->token > y->edge->token;
}

static void
neighbors_put_candidates(struct json *out, const struct neighbors *n, uint32_t known,
			 uint32_t token)
{
	const struct hops_candidate *list = NULL;
	uint32_t count = hops_token_candidates(read_hops(n->r), token, &list);
	bool any = false;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t node = read_from_hops(n->r, list[i].id);

		if (node == READ_NONE || node == known || !who_is_there(read_node(n->r, node)))
			continue;
		if (!any)
			js_karray(out, "candidates");
		any = true;
		js_object(out);
		js_kstr(out, "pubkey", read_node(n->r, node)->key);
		js_kstr(out, "name", who_name(n->r, node));
		js_kstr(out, "role", who_role(n->r, node));
		js_object_end(out);
	}
	if (any)
		js_array_end(out);
	else
		js_kbool(out, "unresolved", true);
}

static void
neighbors_put_modes(struct json *out, const struct hops_tally *t)
{
	static const char *const names[] = { "0", "1", "2", "3" };

	js_kobject(out, "counts_by_mode");
	for (uint32_t i = 0; i < 4; i++)
		if (t->modes[i] > 0)
			js_kuint(out, names[i], t->modes[i]);
	js_object_end(out);
}

static void
neighbors_put_distance(struct json *out, const struct neighbors *n, uint32_t a, uint32_t b)
{
	const struct hops_node *x = hops_nodes_get(read_hops(n->r), read_to_hops(n->r, a));
	const struct hops_node *y = hops_nodes_get(read_hops(n->r), read_to_hops(n->r, b));

	if (x != NULL && y != NULL && x->has_gps && y->has_gps)
		js_knum(out, "distance_km", hops_distance_km(x, y));
}

static const char *
graph_or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void
neighbors_put(struct json *out, const struct neighbors *n, uint32_t known, const struct neighbor *e)
{
	bool open = e->node == READ_NONE;
	char prefix[HOPS_TOKEN_TEXT] = "";

	if (open)
		hops_token_text(e->edge->token, prefix);
	js_object(out);
	js_kstr(out, "pubkey", open ? NULL : read_node(n->r, e->node)->key);
	js_kstr(out, "prefix", prefix);
	js_kstr(out, "name", graph_or_null(who_name(n->r, e->node)));
	js_kstr(out, "role", graph_or_null(who_role(n->r, e->node)));
	js_kuint(out, "count", e->t.count);
	neighbors_put_modes(out, &e->t);
	js_knum(out, "score", e->score);
	put_time(out, "first_seen", e->t.first);
	put_time(out, "last_seen", e->t.last);
	graph_put_snr(out, &e->t);
	if (!open)
		neighbors_put_distance(out, n, known, e->node);
	put_watchers(out, n->r, &e->seen);
	js_kbool(out, "ambiguous", open);
	if (open)
		neighbors_put_candidates(out, n, known, e->edge->token);
	js_object_end(out);
}

/* False: out of memory. */
static bool
neighbors_collect(struct neighbors *n, uint32_t node, const struct request *rq, uint64_t *total)
{
	uint32_t id = read_to_hops(n->r, node);
	uint64_t least = (uint64_t)request_int(rq, "min_count");
	bool ambiguous = request_bool(rq, "include_ambiguous");
	double min_score = request_real(rq, "min_score");
	int64_t now = who_now(rq);

	for (const struct hops_edge *e = NULL;
	     id != HOPS_NONE && (e = hops_graph_next(read_graph(n->r), id, e)) != NULL;) {
		uint32_t other = hops_edge_other(e, id);
		struct neighbor entry = { .edge = e, .t = e->t, .score = hops_score(&e->t, now) };

		hops_graph_seen(read_graph(n->r), e, &entry.seen);
		entry.node = other == HOPS_NONE ? READ_NONE : read_from_hops(n->r, other);
		if (e->t.count < least || entry.score < min_score ||
		    (other == HOPS_NONE && !ambiguous) || !neighbors_is_shown(n, entry.node))
			continue;
		*total += e->t.count;
		if (!neighbors_add(n, &entry))
			return false;
	}
	return true;
}

static void
neighbors_show(struct request *rq, struct json *out)
{
	struct neighbors n = { .r = who_read(rq) };
	const char *key = request_arg(rq, 0);
	uint32_t node = read_node_find(n.r, key, strlen(key));
	uint64_t total = 0;
	char lower[65] = "";

	if (!who_is_ready(rq))
		return;
	if (node != READ_NONE && read_node(n.r, node)->hidden) {
		request_fail(rq, 404, "Not found");
		return;
	}
	if (node != READ_NONE && !neighbors_collect(&n, node, rq, &total)) {
		free(n.list);
		request_fail(rq, 500, "out of memory");
		return;
	}
	neighbors_merge(&n);
	if (n.count > 1)
		qsort(n.list, n.count, sizeof(*n.list), neighbors_compare);
	for (size_t i = 0; i < 64 && key[i] != '\0'; i++)
		lower[i] = (char)(key[i] >= 'A' && key[i] <= 'Z' ? key[i] + 32 : key[i]);
	js_object(out);
	js_kstr(out, "node", node == READ_NONE ? lower : read_node(n.r, node)->key);
	js_karray(out, "neighbors");
	for (uint32_t i = 0; i < n.count; i++)
		if (!n.list[i].gone)
			neighbors_put(out, &n, node, &n.list[i]);
	js_array_end(out);
	js_kuint(out, "total_observations", total);
	js_object_end(out);
	free(n.list);
}

/* -------------------------------------------------------------- neighbor-graph
 * -- */

struct links {
	struct read *r;
	const struct hops_edge **list;
	uint32_t *degree; /* by node; UINT32_MAX: it is on no link */
	uint32_t count, nodes, open;
	struct hops_seen seen; /* observers that count */
};

static bool
links_observers(struct links *l, const char *regions)
{
	const struct hops_graph *g = read_graph(l->r);
	bool any = packet_region(regions) == NULL;

	for (uint32_t i = 0; i < read_observer_count(l->r) && !any; i++) {
		const struct read_observer *o = read_observer(l->r, i);

		uint32_t node = read_node_find(l->r, o->id, strlen(o->id));

		if (!who_in_regions(regions, o->region) || node == READ_NONE)
			continue;
		for (uint32_t k = 0; k < g->observer_count; k++)
			if (g->observers[k] == read_to_hops(l->r, node))
				hops_seen_put(&l->seen, k);
	}
	return any;
}

static bool
links_was_seen(const struct links *l, const struct hops_edge *e)
{
	struct hops_seen seen;

	hops_graph_seen(read_graph(l->r), e, &seen);
	for (uint32_t i = 0; i < HOPS_OBSERVERS_MAX / 64; i++)
		if ((l->seen.bits[i] & seen.bits[i]) != 0)
			return true;
	return false;
}

static bool
links_has_role(const struct links *l, uint32_t id, const char *role)
{
	return id != HOPS_NONE && strcmp(who_role(l->r, read_from_hops(l->r, id)), role) == 0;
}

static bool
links_is_hidden(const struct links *l, uint32_t id)
{
	const struct read_node *n =
	    id == HOPS_NONE ? NULL : read_node(l->r, read_from_hops(l->r, id));

	return n != NULL && n->hidden;
}

static void
links_count_end(struct links *l, uint32_t id)
{
	uint32_t node = id == HOPS_NONE ? READ_NONE : read_from_hops(l->r, id);

	if (node == READ_NONE)
		return;
	l->nodes += l->degree[node] == 0;
	l->degree[node]++;
}

static void
links_collect(struct links *l, const struct request *rq)
{
	const struct hops_graph *g = read_graph(l->r);
	const char *role = request_text(rq, "role");
	bool anywhere = links_observers(l, request_text(rq, "region"));
	uint64_t least = (uint64_t)request_int(rq, "min_count");
	const char *score = request_text(rq, "min_score");
	char *rest = NULL;
	double min_score = score == NULL ? 0 : strtod(score, &rest);
	int64_t now = who_now(rq);

	if (score == NULL || rest == score || *rest != '\0')
		min_score = LEAST_SCORE;
	for (uint32_t i = 0; i < g->count; i++) {
		const struct hops_edge *e = &g->edges[i];

		if (e->t.count < least || hops_score(&e->t, now) < min_score ||
		    links_is_hidden(l, e->a) || links_is_hidden(l, e->b) ||
		    (!anywhere && !links_was_seen(l, e)))
			continue;
		if (role != NULL && role[0] != '\0' && !links_has_role(l, e->a, role) &&
		    !links_has_role(l, e->b, role))
			continue;
		l->list[l->count++] = e;
		l->open += e->b == HOPS_NONE;
		links_count_end(l, e->a);
		links_count_end(l, e->b);
	}
}

static int
links_compare(const void *a, const void *b)
{
	const struct hops_edge *x = *(const struct hops_edge *const *)a;
	const struct hops_edge *y = *(const struct hops_edge *const *)b;

	if (x->t.count != y->t.count)
		return x->t.count < y->t.count ? 1 : -1;
	return x < y ? -1 : x > y;
}

static void
links_put_edge(struct json *out, const struct links *l, const struct hops_edge *e, int64_t now)
{
	char target[8 + HOPS_TOKEN_TEXT] = "prefix:";

	js_object(out);
	js_kstr(out, "source", read_node(l->r, read_from_hops(l->r, e->a))->key);
	if (e->b == HOPS_NONE)
		hops_token_text(e->token, target + 7);
	js_kstr(out, "target",
		e->b == HOPS_NONE ? target : read_node(l->r, read_from_hops(l->r, e->b))->key);
	js_kuint(out, "weight", e->t.count);
	js_knum(out, "score", hops_score(&e->t, now));
	js_kbool(out, "bidirectional", e->t.ab > 0 && e->t.ab < e->t.count);
	graph_put_snr(out, &e->t);
	js_kbool(out, "ambiguous", e->b == HOPS_NONE);
	js_object_end(out);
}

static void
links_put(struct json *out, const struct links *l, int64_t now)
{
	js_object(out);
	js_karray(out, "nodes");
	for (uint32_t i = 0; i < read_node_count(l->r); i++) {
		if (l->degree[i] == 0)
			continue;
		js_object(out);
		js_kstr(out, "pubkey", read_node(l->r, i)->key);
		js_kstr(out, "name", who_name(l->r, i));
		js_kstr(out, "role", who_role(l->r, i));
		js_kuint(out, "neighbor_count", l->degree[i]);
		js_object_end(out);
	}
	js_array_end(out);
	js_karray(out, "edges");
	for (uint32_t i = 0; i < l->count; i++)
		links_put_edge(out, l, l->list[i], now);
	js_array_end(out);
	js_kobject(out, "stats");
	js_kuint(out, "total_nodes", l->nodes);
	js_kuint(out, "total_edges", l->count);
	js_kuint(out, "ambiguous_edges", l->open);
	js_knum(out, "avg_cluster_size", l->nodes == 0 ? 0 : 2.0 * l->count / l->nodes);
	js_kuint(out, "rejected_edges_geo_far", read_graph(l->r)->too_far);
	js_object_end(out);
	js_object_end(out);
}

static void
links_show(struct request *rq, struct json *out)
{
	struct links l = { .r = who_read(rq) };

	if (!who_is_ready(rq))
		return;
	l.list = calloc(read_graph(l.r)->count + 1u, sizeof(const struct hops_edge *));
	l.degree = calloc(read_node_count(l.r) + 1u, sizeof(*l.degree));
	if (l.list == NULL || l.degree == NULL) {
		request_fail(rq, 500, "out of memory");
	} else {
		links_collect(&l, rq);
		if (l.count > 1)
			qsort(l.list, l.count, sizeof(const struct hops_edge *), links_compare);
		links_put(out, &l, who_now(rq));
	}
	free(l.list);
	free(l.degree);
}

/* clang-format off */
static const struct route_param neighbor_params[] = {
	{ "min_count", PARAM_INT, .dflt = 1, .max = INT32_MAX, .help = "heard at least so often" },
	{ "min_score", PARAM_FLOAT, .max = 1, .help = "0..1" },
	{ "include_ambiguous", PARAM_BOOL, .dflt = 1, .help = "also who is not certain" },
	{ .name = NULL },
};

static const struct route_param link_params[] = {
	{ "min_count", PARAM_INT, .dflt = 5, .max = INT32_MAX, .help = "heard at least so often" },
	{ "min_score", PARAM_TEXT, .help = "0..1, default 0.1" },
	{ "region", PARAM_TEXT, .help = "seen by observers there, as SJC,OAK" },
	{ "role", PARAM_TEXT, .help = "of one end or both" },
	{ .name = NULL },
};

const struct route graph_routes[] = {
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/neighbors", .handle = neighbors_show,
	  .params = neighbor_params, .reads = MODEL_GRAPH | MODEL_NODES, .max_age_s = 5,
	  .stale_s = 300, .summary = "whom a node hears, or who hears it",
	  .answer = "{node, neighbors, total_observations}" },
	{ .method = "GET", .pattern = "/api/analytics/neighbor-graph", .handle = links_show,
	  .params = link_params, .reads = MODEL_GRAPH | MODEL_NODES, .max_age_s = 15,
	  .stale_s = 300, .cost = 2, .summary = "who hears whom",
	  .answer = "{nodes, edges, stats}" },
	{ .method = NULL },
};
/* clang-format on */
