/* SPDX-License-Identifier: MIT
 *
 * What the graph of links knows, in all detail: for whoever wants to see why a
 * hop was resolved so.
 */
#include "who.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <hops/resolve.h>

#define SHOWN_MAX 1000u /* links, and resolutions, that are told one by one */
#define LEAST 3u        /* sightings that decide anything */
#define INFINITE 999.0

struct affinity {
	struct read *r;
	struct json *out;
	const char *prefix;
	uint32_t node; /* READ_NONE: any */
	bool nobody;   /* the node that was asked for is not known */
	int64_t now;
	uint32_t edges, open, unresolved, resolved;
	double confidence;
};

static double
affinity_round(double v)
{
	return floor(v * 1000 + 0.5) / 1000;
}

static const struct read_node *
affinity_end(const struct affinity *a, uint32_t id)
{
	uint32_t node = id == HOPS_NONE ? READ_NONE : read_from_hops(a->r, id);

	return node == READ_NONE ? NULL : read_node(a->r, node);
}

static bool
affinity_begins(const struct affinity *a, uint32_t id)
{
	const struct read_node *n = affinity_end(a, id);

	return n != NULL && strncmp(n->key, a->prefix, strlen(a->prefix)) == 0;
}

static bool
affinity_wanted(const struct affinity *a, const struct hops_edge *e)
{
	const struct read_node *x = affinity_end(a, e->a), *y = affinity_end(a, e->b);
	char token[HOPS_TOKEN_TEXT] = "";

	if (a->nobody || x == NULL || x->hidden || (y != NULL && y->hidden))
		return false;
	if (a->node != READ_NONE && read_from_hops(a->r, e->a) != a->node &&
	    (e->b == HOPS_NONE || read_from_hops(a->r, e->b) != a->node))
		return false;
	if (e->b == HOPS_NONE)
		hops_token_text(e->token, token);
	return a->prefix[0] == '\0' || strcmp(token, a->prefix) == 0 ||
	       (e->b != HOPS_NONE && (affinity_begins(a, e->a) || affinity_begins(a, e->b)));
}

static void
affinity_name(struct affinity *a, const char *key, uint32_t id)
{
	const char *name = id == HOPS_NONE ? "" : who_name(a->r, read_from_hops(a->r, id));

	if (name[0] != '\0')
		js_kstr(a->out, key, name);
}

static void
affinity_put_edge(struct affinity *a, const struct hops_edge *e)
{
	const struct hops_candidate *list = NULL;
	bool open = e->b == HOPS_NONE;
	uint32_t n = open ? hops_token_candidates(read_hops(a->r), e->token, &list) : 0;
	char token[HOPS_TOKEN_TEXT] = "";
	struct hops_seen seen;
	double snr;

	if (open)
		hops_token_text(e->token, token);
	js_object(a->out);
	js_kstr(a->out, "nodeA", affinity_end(a, e->a)->key);
	affinity_name(a, "nodeAName", e->a);
	js_kstr(a->out, "nodeB", open ? "" : affinity_end(a, e->b)->key);
	affinity_name(a, "nodeBName", e->b);
	js_kstr(a->out, "prefix", token);
	js_kuint(a->out, "weight", e->t.count);
	js_kuint(a->out, "observationCount", e->t.count);
	put_time(a->out, "lastSeen", e->t.last);
	put_time(a->out, "firstSeen", e->t.first);
	js_knum(a->out, "score", affinity_round(hops_score(&e->t, a->now)));
	if (!open)
		js_knum(a->out, "jaccard",
			affinity_round(hops_jaccard(read_graph(a->r), e->a, e->b)));
	if (hops_snr(&e->t, &snr))
		js_knum(a->out, "avgSnr", snr);
	hops_graph_seen(read_graph(a->r), e, &seen);
	put_watchers(a->out, a->r, &seen);
	js_kbool(a->out, "ambiguous", open);
	if (open && n == 0)
		js_kbool(a->out, "unresolved", true);
	if (e->resolved)
		js_kbool(a->out, "resolved", true);
	js_object_end(a->out);
}

static void
affinity_count(struct affinity *a, const struct hops_edge *e)
{
	const struct hops_candidate *list = NULL;
	bool open = e->b == HOPS_NONE;

	a->edges++;
	a->open += open;
	a->unresolved += open && hops_token_candidates(read_hops(a->r), e->token, &list) == 0;
	a->resolved += e->resolved;
	a->confidence += hops_confidence(&e->t);
}

/* ----------------------------------------------------------------- resolutions
 * -- */

static void
affinity_put_candidates(struct affinity *a, const struct hops_edge *e, double *best, double *second,
			uint32_t *best_id)
{
	const struct hops_candidate *list = NULL;
	uint32_t n = hops_token_candidates(read_hops(a->r), e->token, &list);

	js_karray(a->out, "candidates");
	for (uint32_t i = 0; i < n; i++) {
		const struct read_node *node = affinity_end(a, list[i].id);
		const struct hops_edge *link =
		    hops_graph_find(read_graph(a->r), e->a, list[i].id, 0);
		double jaccard = hops_jaccard(read_graph(a->r), e->a, list[i].id);

		if (list[i].id == e->a || !who_is_there(node))
			continue;
		js_object(a->out);
		js_kstr(a->out, "pubkey", node->key);
		affinity_name(a, "name", list[i].id);
		js_knum(a->out, "score",
			affinity_round(link == NULL ? 0 : hops_score(&link->t, a->now)));
		js_knum(a->out, "jaccard", affinity_round(jaccard));
		js_object_end(a->out);
		if (jaccard > *best) {
			*second = *best;
			*best = jaccard;
			*best_id = list[i].id;
		} else if (jaccard > *second) {
			*second = jaccard;
		}
	}
	js_array_end(a->out);
}

static void
affinity_put_open(struct affinity *a, const struct hops_edge *e)
{
	char token[HOPS_TOKEN_TEXT];
	struct hops_question q = { .hop = token,
				   .context = &e->a,
				   .context_count = 1,
				   .graph = read_graph(a->r),
				   .now = a->now };
	double best = 0, second = 0;
	uint32_t best_id = HOPS_NONE;

	hops_token_text(e->token, token);
	q.len = strlen(token);
	js_object(a->out);
	js_kstr(a->out, "prefix", token);
	js_kstr(a->out, "knownNode", affinity_end(a, e->a)->key);
	affinity_name(a, "knownNodeName", e->a);
	affinity_put_candidates(a, e, &best, &second, &best_id);
	if (best_id != HOPS_NONE) {
		js_kstr(a->out, "chosen", affinity_end(a, best_id)->key);
		affinity_name(a, "chosenName", best_id);
	}
	js_knum(a->out, "chosenScore", affinity_round(hops_score(&e->t, a->now)));
	js_knum(a->out, "chosenJaccard", affinity_round(best));
	js_kstr(a->out, "confidence", "AMBIGUOUS");
	js_knum(a->out, "ratio",
		second > 0 ? affinity_round(best / second)
		: best > 0 ? INFINITE
			   : 0);
	js_kuint(a->out, "thresholdApplied", LEAST);
	js_kstr(a->out, "method", "ambiguous");
	js_kstr(a->out, "tier", hops_method_text(hops_resolve(read_hops(a->r), &q).method));
	js_object_end(a->out);
}

static void
affinity_put_resolved(struct affinity *a, const struct hops_edge *e)
{
	double score = affinity_round(hops_score(&e->t, a->now));

	js_object(a->out);
	js_kstr(a->out, "prefix", "");
	js_kstr(a->out, "knownNode", affinity_end(a, e->a)->key);
	affinity_name(a, "knownNodeName", e->a);
	js_kstr(a->out, "chosen", affinity_end(a, e->b)->key);
	affinity_name(a, "chosenName", e->b);
	js_knum(a->out, "chosenScore", score);
	js_knum(a->out, "chosenJaccard",
		affinity_round(hops_jaccard(read_graph(a->r), e->a, e->b)));
	js_kstr(a->out, "confidence", "HIGH");
	js_karray(a->out, "candidates");
	js_array_end(a->out);
	js_knum(a->out, "ratio", INFINITE);
	js_kuint(a->out, "thresholdApplied", LEAST);
	js_kstr(a->out, "method", "auto-resolved");
	js_kstr(a->out, "tier", hops_method_text(HOPS_AFFINITY));
	js_object_end(a->out);
}

/* ----------------------------------------------------------------------- stats
 * -- */

/* Of the one-byte prefixes on links, how many were seen often enough, in
 * percent. */
static double
affinity_coverage(const struct affinity *a)
{
	const struct hops_graph *g = read_graph(a->r);
	uint64_t counts[256] = { 0 };
	uint32_t seen = 0, enough = 0;

	for (uint32_t i = 0; i < g->count; i++) {
		const struct hops_edge *e = &g->edges[i];
		const uint32_t ends[2] = { e->a, e->b };

		if (e->b == HOPS_NONE)
			counts[e->token >> (8 * HOPS_TOKEN_SIZE(e->token) - 8) & 255] += e->t.count;
		for (uint32_t k = 0; k < 2 && e->b != HOPS_NONE; k++) {
			const struct read_node *n = affinity_end(a, ends[k]);
			uint32_t token = n == NULL ? 0 : hops_token_read(n->key, 2);

			if (token != 0)
				counts[token & 255] += e->t.count;
		}
	}
	for (uint32_t i = 0; i < 256; i++) {
		seen += counts[i] > 0;
		enough += counts[i] >= LEAST;
	}
	return seen == 0 ? 0 : floor(enough * 1000.0 / seen + 0.5) / 10;
}

static void
affinity_put_stats(struct affinity *a)
{
	const struct hops_graph *g = read_graph(a->r);
	uint32_t nodes = 0;

	for (uint32_t i = 0; i < g->head_count; i++)
		nodes += g->heads[i].first != HOPS_NONE;
	js_kobject(a->out, "stats");
	js_kuint(a->out, "totalEdges", a->edges);
	js_kuint(a->out, "totalNodes", nodes);
	js_kuint(a->out, "resolvedCount", a->resolved);
	js_kuint(a->out, "ambiguousCount", a->open - a->unresolved);
	js_kuint(a->out, "unresolvedCount", a->unresolved);
	js_knum(a->out, "avgConfidence",
		a->edges == 0 ? 0 : affinity_round(a->confidence / a->edges));
	js_knum(a->out, "coldStartCoverage", affinity_coverage(a));
	js_kstr(a->out, "cacheAge", "0.0s");
	put_time(a->out, "lastRebuild", a->now);
	js_object_end(a->out);
}

static int
affinity_compare(const void *x, const void *y)
{
	const struct hops_edge *a = *(const struct hops_edge *const *)x;
	const struct hops_edge *b = *(const struct hops_edge *const *)y;

	if (a->t.count != b->t.count)
		return a->t.count < b->t.count ? 1 : -1;
	return a < b ? -1 : a > b;
}

static void
affinity_show(struct request *rq, struct json *out)
{
	struct affinity a = { .r = who_read(rq), .out = out, .now = who_now(rq) };
	const struct hops_graph *g = read_graph(a.r);
	const struct hops_edge **list;
	const char *prefix = request_text(rq, "prefix"), *key = request_text(rq, "node");
	char lower[7] = "";
	uint32_t n = 0;

	if (!who_is_ready(rq))
		return;
	list = calloc(g->count + 1u, sizeof(const struct hops_edge *));
	if (list == NULL) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	for (size_t i = 0; prefix != NULL && i < 6 && prefix[i] != '\0'; i++)
		lower[i] =
		    (char)(prefix[i] >= 'A' && prefix[i] <= 'F' ? prefix[i] + 32 : prefix[i]);
	a.prefix = lower;
	a.node = key == NULL ? READ_NONE : read_node_find(a.r, key, strlen(key));
	a.nobody = key != NULL && key[0] != '\0' && a.node == READ_NONE;
	for (uint32_t i = 0; i < g->count; i++)
		if (affinity_wanted(&a, &g->edges[i]))
			list[n++] = &g->edges[i];
	if (n > 1)
		qsort(list, n, sizeof(const struct hops_edge *), affinity_compare);
	js_object(out);
	js_karray(out, "edges");
	for (uint32_t i = 0; i < n; i++) {
		if (i < SHOWN_MAX)
			affinity_put_edge(&a, list[i]);
		affinity_count(&a, list[i]);
	}
	js_array_end(out);
	js_karray(out, "resolutions");
	for (uint32_t i = 0, shown = 0; i < n && shown < SHOWN_MAX; i++) {
		shown += list[i]->b == HOPS_NONE || list[i]->resolved;
		if (list[i]->b == HOPS_NONE)
			affinity_put_open(&a, list[i]);
		else if (list[i]->resolved)
			affinity_put_resolved(&a, list[i]);
	}
	js_array_end(out);
	affinity_put_stats(&a);
	js_object_end(out);
	free(list);
}

/* clang-format off */
static const struct route_param affinity_params[] = {
	{ "prefix", PARAM_TEXT, .help = "links of hops that begin so" },
	{ "node", PARAM_TEXT, .help = "links of this node" },
	{ .name = NULL },
};

const struct route affinity_routes[] = {
	{ .method = "GET", .pattern = "/api/debug/affinity", .handle = affinity_show,
	  .params = affinity_params, .flags = ROUTE_KEY, .reads = MODEL_GRAPH | MODEL_NODES,
	  .max_age_s = 5, .stale_s = 60, .summary = "links, and how hops are resolved with them",
	  .answer = "{edges, resolutions, stats}" },
	{ .method = NULL },
};
/* clang-format on */
