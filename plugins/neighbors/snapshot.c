/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <hops/body.h>
#include <stdlib.h>
#include <string.h>

#include "evidence.h"

/* What is written, in order. */
struct snapshot_list {
	uint32_t *at; /* indexes */
	uint32_t count;
};

struct snapshot {
	const struct snapshot_input *in;
	const struct hops_ids *ids;
	struct hops_nodes *nodes;
	uint32_t *places; /* by id: 1 + its place in the message, 0: not in it */
	uint32_t *used;   /* ids in the order of their names */
	uint32_t used_count;
	struct snapshot_list edges, links, gone;
	uint16_t sighted[HOPS_OBSERVERS_MAX]; /* bits of the observers in it, by place */
	uint32_t sighted_count;
};

static bool
snapshot_differs(const struct hops_graph *graph, uint32_t edge, const struct hops_graph *shown)
{
	const struct hops_edge *e = &graph->edges[edge];
	const struct hops_edge *old = hops_graph_find(shown, e->a, e->b, e->token);
	struct hops_seen now, before;

	if (old == NULL || old->resolved != e->resolved || old->who != e->who ||
	    memcmp(&old->t, &e->t, sizeof(e->t)) != 0)
		return true;
	hops_graph_seen(graph, e, &now);
	hops_graph_seen(shown, old, &before);
	return memcmp(&now, &before, sizeof(now)) != 0;
}

bool
snapshot_is_same(const struct hops_graph *graph, const struct hops_graph *shown)
{
	if (graph->count != shown->count)
		return false;
	for (uint32_t i = 0; i < graph->count; i++) {
		if (snapshot_differs(graph, i, shown))
			return false;
	}
	return true;
}

/* ------------------------------------------------------- what is in it -- */

static void
snapshot_use(struct snapshot *s, uint32_t id)
{
	if (id == HOPS_NONE || s->places[id] != 0)
		return;
	s->places[id] = 1;
	s->used[s->used_count++] = id;
}

static void
snapshot_use_seen(struct snapshot *s, const struct hops_seen *seen)
{
	const struct links *l = s->in->links;

	for (uint32_t i = 0; i < l->observer_count; i++) {
		if (hops_seen_has(seen, i))
			snapshot_use(s, l->observers[i]);
	}
}

static void
snapshot_use_edge(struct snapshot *s, const struct hops_edge *e)
{
	const struct hops_candidate *list = NULL;
	uint32_t n = e->b == HOPS_NONE ? hops_token_candidates(s->nodes, e->token, &list) : 0;
	struct hops_seen seen;

	snapshot_use(s, e->a);
	snapshot_use(s, e->b);
	hops_graph_seen(s->in->graph, e, &seen);
	snapshot_use_seen(s, &seen);
	for (uint32_t i = 0; i < n; i++)
		snapshot_use(s, list[i].id);
}

static mk_result
snapshot_collect(struct snapshot *s)
{
	const struct snapshot_input *in = s->in;
	const struct hops_graph *g = in->graph, *shown = in->shown;

	s->edges.at = malloc((g->count + 1) * sizeof(uint32_t));
	s->links.at = malloc((in->links->count + 1) * sizeof(uint32_t));
	s->gone.at = malloc(((shown == NULL ? 0 : shown->count) + 1) * sizeof(uint32_t));
	s->places = calloc(s->ids->count + 1, sizeof(uint32_t));
	s->used = malloc((s->ids->count + 1) * sizeof(uint32_t));
	if (s->edges.at == NULL || s->links.at == NULL || s->gone.at == NULL || s->places == NULL ||
	    s->used == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < g->count; i++) {
		if (shown != NULL && !snapshot_differs(g, i, shown))
			continue;
		s->edges.at[s->edges.count++] = i;
		snapshot_use_edge(s, &g->edges[i]);
	}
	for (uint32_t i = 0; shown != NULL && i < shown->count; i++) {
		const struct hops_edge *e = &shown->edges[i];

		if (hops_graph_find(g, e->a, e->b, e->token) != NULL)
			continue;
		s->gone.at[s->gone.count++] = i;
		snapshot_use(s, e->a);
		snapshot_use(s, e->b);
	}
	for (uint32_t i = 0; i < in->links->count; i++) {
		const struct links_row *k = &in->links->at[i];
		struct hops_seen seen;

		if (shown != NULL && !k->changed)
			continue;
		hops_sets_get(&in->links->sets, i, &seen);
		s->links.at[s->links.count++] = i;
		snapshot_use(s, (k->from & LINKS_TOKEN) != 0 ? HOPS_NONE : k->from);
		snapshot_use(s, (k->to & LINKS_TOKEN) != 0 ? HOPS_NONE : k->to);
		snapshot_use_seen(s, &seen);
	}
	return MK_OK;
}

/* qsort has no argument for the names, so what is sorted carries its key. */
struct snapshot_key {
	const char *text;
	uint64_t number;
	uint32_t index;
};

static int
snapshot_compare(const void *a, const void *b)
{
	const struct snapshot_key *x = a, *y = b;

	if (x->text != NULL)
		return strcmp(x->text, y->text);
	return (x->number > y->number) - (x->number < y->number);
}

static uint32_t
snapshot_end(const struct snapshot *s, uint32_t end)
{
	return (end & LINKS_TOKEN) != 0 ? end : s->places[end] - 1;
}

static uint64_t
snapshot_edge_key(const struct snapshot *s, const struct hops_edge *e)
{
	uint32_t b = e->b == HOPS_NONE ? e->token | LINKS_TOKEN : e->b;

	return (uint64_t)snapshot_end(s, e->a) << 32 | snapshot_end(s, b);
}

static mk_result
snapshot_sort_ids(struct snapshot *s)
{
	struct snapshot_key *keys = calloc(s->used_count + 1, sizeof(*keys));

	if (keys == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < s->used_count; i++)
		keys[i] = (struct snapshot_key){ s->ids->text[s->used[i]], 0, s->used[i] };
	qsort(keys, s->used_count, sizeof(*keys), snapshot_compare);
	for (uint32_t i = 0; i < s->used_count; i++) {
		s->used[i] = keys[i].index;
		s->places[keys[i].index] = i + 1;
	}
	free(keys);
	return MK_OK;
}

/* Each list of observers is in the order of their places then. */
static mk_result
snapshot_sort_sighted(struct snapshot *s)
{
	const struct links *l = s->in->links;
	struct snapshot_key *keys = calloc(l->observer_count + 1u, sizeof(*keys));

	if (keys == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < l->observer_count; i++) {
		if (s->places[l->observers[i]] != 0)
			keys[s->sighted_count++] =
			    (struct snapshot_key){ NULL, s->places[l->observers[i]], i };
	}
	qsort(keys, s->sighted_count, sizeof(*keys), snapshot_compare);
	for (uint32_t i = 0; i < s->sighted_count; i++)
		s->sighted[i] = (uint16_t)keys[i].index;
	free(keys);
	return MK_OK;
}

static mk_result
snapshot_sort_list(struct snapshot *s, struct snapshot_list *list)
{
	struct snapshot_key *keys = calloc(list->count + 1, sizeof(*keys));

	if (keys == NULL)
		return MK_ENOMEM;
	for (uint32_t i = 0; i < list->count; i++) {
		uint32_t at = list->at[i];
		const struct links_row *k = &s->in->links->at[at];

		keys[i].index = at;
		keys[i].number = list == &s->edges  ? snapshot_edge_key(s, &s->in->graph->edges[at])
				 : list == &s->gone ? snapshot_edge_key(s, &s->in->shown->edges[at])
						    : (uint64_t)snapshot_end(s, k->from) << 32 |
							  snapshot_end(s, k->to);
	}
	qsort(keys, list->count, sizeof(*keys), snapshot_compare);
	for (uint32_t i = 0; i < list->count; i++)
		list->at[i] = keys[i].index;
	free(keys);
	return MK_OK;
}

/* --------------------------------------------------------------- writing -- */

static void
snapshot_put_end(mk_writer *w, const struct snapshot *s, uint32_t end)
{
	char text[HOPS_TOKEN_TEXT];

	if ((end & LINKS_TOKEN) == 0) {
		mk_put_u64(w, s->places[end] - 1);
		return;
	}
	hops_token_text(end & ~LINKS_TOKEN, text);
	mk_put_str(w, text);
}

static void
snapshot_put_seen(mk_writer *w, const struct snapshot *s, const struct hops_seen *seen)
{
	const struct links *l = s->in->links;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->sighted_count; i++)
		n += hops_seen_has(seen, s->sighted[i]);
	mk_put_array(w, n);
	for (uint32_t i = 0; i < s->sighted_count; i++) {
		if (hops_seen_has(seen, s->sighted[i]))
			mk_put_u64(w, s->places[l->observers[s->sighted[i]]] - 1);
	}
}

static void
snapshot_put_edge(mk_writer *w, const struct snapshot *s, const struct hops_edge *e)
{
	const struct hops_candidate *list = NULL;
	struct hops_seen seen;
	double snr;

	mk_put_array(w, 11);
	snapshot_put_end(w, s, e->a);
	snapshot_put_end(w, s, e->b == HOPS_NONE ? e->token | LINKS_TOKEN : e->b);
	mk_put_u64(w, e->t.count);
	mk_put_u64(w, e->t.ab);
	mk_put_i64(w, e->t.first);
	mk_put_i64(w, e->t.last);
	mk_put_array(w, 4);
	for (size_t i = 0; i < 4; i++)
		mk_put_u64(w, e->t.modes[i]);
	if (hops_snr(&e->t, &snr))
		mk_put_f64(w, snr);
	else
		mk_put_nil(w);
	mk_put_u64(w, e->t.snr_n);
	hops_graph_seen(s->in->graph, e, &seen);
	snapshot_put_seen(w, s, &seen);
	if (e->b != HOPS_NONE) {
		mk_put_bool(w, e->resolved);
		return;
	}
	uint32_t n = hops_token_candidates(s->nodes, e->token, &list);

	mk_put_array(w, n);
	for (uint32_t i = 0; i < n; i++)
		mk_put_u64(w, s->places[list[i].id] - 1);
}

static void
snapshot_put_edges(mk_writer *w, const struct snapshot *s, const char *key, bool open)
{
	const struct hops_graph *g = s->in->graph;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->edges.count; i++)
		n += (g->edges[s->edges.at[i]].b == HOPS_NONE) == open;
	mk_kv_array(w, key, n);
	for (uint32_t i = 0; i < s->edges.count; i++) {
		const struct hops_edge *e = &g->edges[s->edges.at[i]];

		if ((e->b == HOPS_NONE) == open)
			snapshot_put_edge(w, s, e);
	}
}

static void
snapshot_put_gone(mk_writer *w, const struct snapshot *s)
{
	mk_kv_array(w, "gone", s->gone.count);
	for (uint32_t i = 0; i < s->gone.count; i++) {
		const struct hops_edge *e = &s->in->shown->edges[s->gone.at[i]];

		mk_put_array(w, 2);
		snapshot_put_end(w, s, e->a);
		snapshot_put_end(w, s, e->b == HOPS_NONE ? e->token | LINKS_TOKEN : e->b);
	}
}

static mk_result
snapshot_put_links(mk_writer *w, const struct snapshot *s)
{
	const struct evidence_view view = { .links = s->in->links,
					    .rows = s->links.at,
					    .count = s->links.count,
					    .places = s->places,
					    .sighted = s->sighted,
					    .sighted_count = s->sighted_count };
	uint8_t *data;
	size_t len;
	mk_result rc = evidence_write(&view, &data, &len);

	if (rc != MK_OK)
		return rc;
	mk_kv_bin(w, "evidence", data, len);
	free(data);
	return MK_OK;
}

mk_result
snapshot_write(mk_writer *w, const struct snapshot_input *in)
{
	struct snapshot s = { .in = in, .nodes = in->links->nodes, .ids = &in->links->nodes->ids };
	mk_result rc;

	rc = snapshot_collect(&s);
	if (rc == MK_OK)
		rc = snapshot_sort_ids(&s);
	if (rc == MK_OK)
		rc = snapshot_sort_sighted(&s);
	if (rc == MK_OK)
		rc = snapshot_sort_list(&s, &s.edges);
	if (rc == MK_OK)
		rc = snapshot_sort_list(&s, &s.links);
	if (rc == MK_OK)
		rc = snapshot_sort_list(&s, &s.gone);
	if (rc != MK_OK)
		goto out;
	mk_writer_reset(w);
	mk_put_map(w, in->shown == NULL ? 10 : 11);
	mk_kv_u64(w, "v", HOPS_BODY_VERSION);
	mk_kv_u64(w, "serial", in->order.serial);
	mk_kv_u64(w, "n", in->order.n);
	mk_kv_u64(w, "cursor", in->links->cursor);
	mk_kv_i64(w, "at", in->at);
	mk_kv_u64(w, "far", in->graph->too_far);
	mk_kv_array(w, "ids", s.used_count);
	for (uint32_t i = 0; i < s.used_count; i++)
		mk_put_str(w, s.ids->text[s.used[i]]);
	snapshot_put_edges(w, &s, "edges", false);
	snapshot_put_edges(w, &s, "open", true);
	if (in->shown != NULL)
		snapshot_put_gone(w, &s);
	rc = snapshot_put_links(w, &s);
	if (rc == MK_OK)
		rc = mk_writer_end(w);
out:
	free(s.edges.at);
	free(s.links.at);
	free(s.gone.at);
	free(s.places);
	free(s.used);
	return rc;
}

/* --------------------------------------------------------------- reading -- */

static mk_result
snapshot_read_ids(struct links *l, const mk_val *list, uint32_t *ids)
{
	struct hops_node *node;
	const char *text;
	size_t len;

	for (uint32_t i = 0; i < mk_count(list); i++) {
		if (!mk_get_str(mk_at(list, i), &text, &len))
			return MK_EFORMAT;
		node = hops_nodes_put(l->nodes, text, len, &ids[i]);
		if (node == NULL)
			return len == 0 || len > HOPS_ID_MAX ? MK_EFORMAT : MK_ENOMEM;
	}
	return MK_OK;
}

mk_result
snapshot_read(struct links *links, struct snapshot_order *order, const mk_val *body, bool delta)
{
	const mk_val *names = mk_find(body, "ids");
	struct snapshot_order now;
	const uint8_t *bin;
	uint32_t *ids;
	uint64_t v, cursor;
	size_t len;
	mk_result rc;

	if (!mk_get_u64(mk_find(body, "v"), &v) || v != HOPS_BODY_VERSION ||
	    !mk_get_u64(mk_find(body, "serial"), &now.serial) ||
	    !mk_get_u64(mk_find(body, "n"), &now.n) || (now.n == 0) == delta ||
	    !mk_get_u64(mk_find(body, "cursor"), &cursor) || !mk_is_array(names))
		return MK_EFORMAT;
	if (delta && (now.serial != order->serial || now.n != order->n + 1))
		return MK_ESTATE;
	if (cursor < links->cursor || (!delta && cursor == links->cursor))
		return MK_EEXIST;
	if (!mk_get_bin(mk_find(body, "evidence"), &bin, &len))
		return MK_EFORMAT;
	ids = malloc((mk_count(names) + 1) * sizeof(*ids));
	rc = ids == NULL ? MK_ENOMEM : snapshot_read_ids(links, names, ids);
	if (rc == MK_OK)
		rc = evidence_read(links, bin, len, ids, mk_count(names), !delta);
	if (rc == MK_OK) {
		links->cursor = cursor;
		*order = now;
	}
	free(ids);
	return rc;
}
