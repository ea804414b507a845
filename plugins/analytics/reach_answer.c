/* SPDX-License-Identifier: MIT
 *
 * Reach of one node, as JSON.
 */
#include "reach_impl.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "render.h"

struct partner {
	uint32_t id;
	const char *key;
	uint64_t we_hear, they_hear, direct;
	int64_t snr_sum;
	uint64_t snr_count;
};

struct asked {
	struct reach *r;
	const struct an_query *q;
	uint32_t id;
	uint16_t since, now; /* hours */
	uint32_t tokens[3], token_count;
	uint64_t observations;
	struct partner *partners;
	uint32_t count, cap;
};

static uint32_t
asked_who(const struct asked *a, uint32_t end)
{
	const struct hops_candidate *c;

	if (end & REACH_NODE)
		return end & ~REACH_NODE;
	if (end == REACH_NOBODY)
		return HOPS_NONE;
	return hops_token_candidates(&a->r->frame->nodes, end, &c) == 1 ? c->id : HOPS_NONE;
}

static struct partner *
asked_partner(struct asked *a, uint32_t end)
{
	uint32_t id = asked_who(a, end);

	if (id == HOPS_NONE || id == a->id || query_hides(a->q, id))
		return NULL;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->partners[i].id == id)
			return &a->partners[i];
	if (!grow_to(&a->partners, &a->cap, a->count + 1, sizeof(*a->partners)))
		return NULL;
	a->partners[a->count] = (struct partner){ .id = id, .key = frame_key(a->r->frame, id) };
	return &a->partners[a->count++];
}

/* Clocks of the past may be ahead of ours by a little. */
static uint64_t
asked_sum(const struct asked *a, const struct link *link, struct partner *heard)
{
	uint64_t sum = link_sum(link, a->since, (uint16_t)(a->now - a->since + 48));

	if (heard != NULL && sum > 0) {
		heard->snr_sum += link->snr_sum;
		heard->snr_count += link->snr_count;
	}
	return sum;
}

static void
asked_out(struct asked *a, const struct link *link)
{
	bool observer = (link->to & REACH_NODE) != 0;
	struct partner *p;
	uint64_t count;

	if (link->to == REACH_AGAIN) {
		a->observations -= asked_sum(a, link, NULL);
		return;
	}
	p = asked_partner(a, link->to);
	count = asked_sum(a, link, observer ? p : NULL);
	a->observations += count;
	if (p != NULL) {
		p->they_hear += count;
		p->direct += observer ? count : 0;
	}
}

/* Looking at all links takes a third of a millisecond; an index by their ends took a megabyte. */
static void
asked_links(struct asked *a)
{
	for (uint32_t i = 0; i < a->r->count; i++) {
		const struct link *link = &a->r->links[i];

		for (uint32_t k = 0; k < a->token_count; k++) {
			struct partner *p;

			if (link->from == a->tokens[k])
				asked_out(a, link);
			if (link->to != a->tokens[k])
				continue;
			p = asked_partner(a, link->from);
			if (p != NULL)
				p->we_hear += asked_sum(a, link, NULL);
		}
	}
}

/* The tokens that nobody else's key begins with. */
static void
asked_tokens(struct asked *a, const char *key)
{
	const struct hops_candidate *c;

	for (size_t size = 1; size <= 3 && strlen(key) >= 2 * size; size++) {
		uint32_t token = hops_token_read(key, 2 * size);

		if (hops_token_candidates(&a->r->frame->nodes, token, &c) == 1 && c->id == a->id)
			a->tokens[a->token_count++] = token;
	}
}

static int
partner_compare(const void *x, const void *y)
{
	const struct partner *a = x, *b = y;
	uint64_t low_a = a->we_hear < a->they_hear ? a->we_hear : a->they_hear;
	uint64_t low_b = b->we_hear < b->they_hear ? b->we_hear : b->they_hear;
	uint64_t sum_a = a->we_hear + a->they_hear, sum_b = b->we_hear + b->they_hear;

	/* The smaller one is 0 if it is no link both ways, so those come last by themselves. */
	if (low_a != low_b)
		return low_a > low_b ? -1 : 1;
	if (sum_a != sum_b)
		return sum_a > sum_b ? -1 : 1;
	return strcmp(a->key, b->key);
}

static int
partner_compare_direct(const void *x, const void *y)
{
	const struct partner *a = x, *b = y;

	if (a->direct != b->direct)
		return a->direct > b->direct ? -1 : 1;
	return strcmp(a->key, b->key);
}

static const char *
asked_name(const struct frame *f, uint32_t id)
{
	const char *name = frame_name(f, id);

	if (name == NULL && id < f->observer_of_cap && f->observer_of[id] != 0)
		name = f->observers[f->observer_of[id] - 1].name;
	return name;
}

static void
asked_write_place(const struct asked *a, uint32_t id, struct json *out)
{
	const struct hops_node *node = hops_nodes_get(&a->r->frame->nodes, id);

	js_key(out, "lat");
	if (node != NULL && node->has_gps)
		js_num(out, node->lat);
	else
		js_null(out);
	js_key(out, "lon");
	if (node != NULL && node->has_gps)
		js_num(out, node->lon);
	else
		js_null(out);
}

static void
asked_write_distance(const struct asked *a, uint32_t id, struct json *out)
{
	const struct hops_node *us = hops_nodes_get(&a->r->frame->nodes, a->id);
	const struct hops_node *them = hops_nodes_get(&a->r->frame->nodes, id);

	js_key(out, "distance_km");
	if (us != NULL && them != NULL && us->has_gps && them->has_gps)
		js_num(out, hops_distance_km(us, them));
	else
		js_null(out);
}

static void
asked_write_importance(const struct asked *a, struct json *out)
{
	const struct hops_graph *g = &a->r->frame->graph;
	uint32_t ours = a->id < g->head_count ? g->heads[a->id].degree : 0, rank = 1, with = 0;
	uint32_t both = 0, direct = 0;

	for (uint32_t i = 0; i < g->head_count; i++) {
		with += g->heads[i].degree > 0;
		rank += g->heads[i].degree > ours;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		both += a->partners[i].we_hear > 0 && a->partners[i].they_hear > 0;
		direct += a->partners[i].direct > 0;
	}
	js_kobject(out, "importance");
	js_kuint(out, "neighbor_degree", ours);
	js_kuint(out, "degree_rank", ours > 0 ? rank : 0);
	js_kuint(out, "nodes_with_edges", with);
	js_kuint(out, "relay_observations", a->observations);
	js_kuint(out, "bidirectional_links", both);
	js_kuint(out, "direct_observers", direct);
	js_object_end(out);
}

static void
asked_write_direct(const struct asked *a, struct json *out)
{
	js_karray(out, "direct_observers");
	for (uint32_t i = 0; i < a->count && a->partners[i].direct > 0; i++) {
		const struct partner *p = &a->partners[i];

		js_object(out);
		js_kstr(out, "pubkey", frame_key(a->r->frame, p->id));
		js_kstr(out, "name", asked_name(a->r->frame, p->id));
		js_kuint(out, "count", p->direct);
		js_key(out, "avg_snr");
		if (p->snr_count > 0)
			js_num(out, (double)p->snr_sum / 4 / (double)p->snr_count);
		else
			js_null(out);
		asked_write_place(a, p->id, out);
		asked_write_distance(a, p->id, out);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
asked_write_links(const struct asked *a, struct json *out)
{
	js_karray(out, "links");
	for (uint32_t i = 0; i < a->count; i++) {
		const struct partner *p = &a->partners[i];
		const char *role = frame_role(a->r->frame, p->id);

		if (p->we_hear + p->they_hear == 0)
			continue;
		js_object(out);
		js_kstr(out, "pubkey", frame_key(a->r->frame, p->id));
		js_kstr(out, "name", asked_name(a->r->frame, p->id));
		js_kstr(out, "role", role != NULL ? role : "observer");
		asked_write_place(a, p->id, out);
		js_kuint(out, "we_hear", p->we_hear);
		js_kuint(out, "they_hear", p->they_hear);
		js_kuint(out, "bottleneck", p->we_hear < p->they_hear ? p->we_hear : p->they_hear);
		js_kbool(out, "bidir", p->we_hear > 0 && p->they_hear > 0);
		asked_write_distance(a, p->id, out);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
asked_write_node(const struct asked *a, const char *key, int64_t days, struct json *out)
{
	const struct frame *f = a->r->frame;
	char text[HOPS_TOKEN_TEXT];

	js_kobject(out, "node");
	js_kstr(out, "pubkey", key);
	js_kstr(out, "name", frame_name(f, a->id));
	js_kstr(out, "role", frame_role(f, a->id));
	asked_write_place(a, a->id, out);
	render_ktime(out, "first_seen", a->id < f->node_cap ? f->node[a->id].first_seen : 0);
	js_object_end(out);
	js_kobject(out, "window");
	js_kint(out, "days", days);
	render_ktime(out, "since", a->q->now - days * 24 * REACH_HOUR_S);
	js_object_end(out);
	js_karray(out, "reliable_tokens");
	for (uint32_t i = 0; i < a->token_count; i++) {
		hops_token_text(a->tokens[i], text);
		for (char *c = text; *c != '\0'; c++)
			*c = (char)(*c >= 'a' ? *c - 'a' + 'A' : *c);
		js_str(out, text);
	}
	js_array_end(out);
}

static uint32_t
reach_answer(void *self, const struct an_query *q, struct json *out)
{
	struct reach *r = self;
	int64_t days = query_int(q, "days", 7);
	struct asked a = { .r = r, .q = q };
	const struct hops_node *node;
	char key[HOPS_ID_MAX + 1];

	a.id = query_text(q, "key", key, sizeof(key))
		   ? hops_ids_find(&r->frame->nodes.ids, key, strlen(key))
		   : HOPS_NONE;
	node = a.id != HOPS_NONE ? hops_nodes_get(&r->frame->nodes, a.id) : NULL;
	if (node == NULL || !node->there || query_hides(q, a.id))
		return render_error(out, 404, "Not found");
	days = days < 1 ? 1 : days > REACH_DAYS_MAX ? REACH_DAYS_MAX : days;
	a.since = (uint16_t)((q->now - days * 24 * REACH_HOUR_S) / REACH_HOUR_S);
	if (days > 1)
		a.since = (uint16_t)(a.since / REACH_LONG_HOURS * REACH_LONG_HOURS);
	a.now = (uint16_t)(q->now / REACH_HOUR_S);
	asked_tokens(&a, frame_key(r->frame, a.id));
	asked_links(&a);
	js_object(out);
	asked_write_node(&a, frame_key(r->frame, a.id), days, out);
	asked_write_importance(&a, out);
	if (a.count > 0)
		qsort(a.partners, a.count, sizeof(*a.partners), partner_compare_direct);
	asked_write_direct(&a, out);
	if (a.count > 0)
		qsort(a.partners, a.count, sizeof(*a.partners), partner_compare);
	asked_write_links(&a, out);
	js_object_end(out);
	free(a.partners);
	return 200;
}

const struct an_method reach_methods[] = {
	{ "reach", reach_answer },
	{ NULL, NULL },
};
