/* SPDX-License-Identifier: MIT
 *
 * topology: which hops packets take, next to which others, and how far away each observer hears
 * them. The path of a packet is that of its longest copy.
 */
#include "topology.h"

#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "render.h"
#include "top.h"

#define REPEATERS 20u
#define PAIRS 15u
#define HOPS_SHOWN 25u
#define SNR_HOPS_SHOWN 20u
#define WEEK 604800

struct topology {
	struct frame *frame;
};

static bool
topology_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct topology_counts *c = counts;
	uint32_t n = p->hop_count;
	bool ok = true;

	(void)view;
	if (n == 0)
		return true;
	ok &= bag_add(&c->some, topology_key(TOPOLOGY_HOPS, n), sign);
	if (p->snr != AN_NO_SNR)
		ok &= bag_add(&c->some, topology_key(TOPOLOGY_SNR_N, n), sign) &&
		      bag_add(&c->some, topology_key(TOPOLOGY_SNR, n), sign * p->snr);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t a = p->hops[i], b = i + 1 < n ? p->hops[i + 1] : 0;

		ok &= bag_add(&c->some, topology_key(TOPOLOGY_TOKEN, a), sign);
		if (b != 0)
			ok &= bag_add(&c->pairs, (uint64_t)(a < b ? a : b) << 32 | (a < b ? b : a),
				      sign);
		if (p->shown != AN_NO_OBSERVER)
			ok &= bag_add(&c->reach, topology_reach_key(p->shown, a, n - i), sign);
	}
	return ok;
}

static void
topology_fini(void *counts)
{
	struct topology_counts *c = counts;

	bag_fini(&c->some);
	bag_fini(&c->pairs);
	bag_fini(&c->reach);
}

static size_t
topology_bytes(const void *counts)
{
	const struct topology_counts *c = counts;

	return bag_bytes(&c->some) + bag_bytes(&c->pairs) + bag_bytes(&c->reach);
}

static const struct view_class topology_class = {
	.name = "topology",
	.size = sizeof(struct topology_counts),
	.add = topology_add,
	.fini = topology_fini,
	.bytes = topology_bytes,
	.area_by_hops = true,
};

bool
topology_shows(const struct topology_question *t, uint32_t id)
{
	if (t->q->area && (id >= t->q->in_area_count || t->q->in_area[id] == 0))
		return false;
	return !query_hides(t->q, id);
}

/* --------------------------------------------------------------- lengths -- */

static void
topology_lengths(const struct topology_question *t)
{
	int64_t counts[64], n = 0, sum = 0, before = 0;
	int64_t median = 0, max = 0;
	struct json *j = t->j;

	for (uint32_t i = 0; i < 64; i++) {
		counts[i] = bag_get(&t->counts->some, topology_key(TOPOLOGY_HOPS, i));
		n += counts[i];
		sum += counts[i] * i;
		max = counts[i] > 0 ? i : max;
	}
	for (uint32_t i = 0; i < 64; before += counts[i++]) {
		if (before <= n / 2 && n / 2 < before + counts[i])
			median = i;
	}
	js_knum(j, "avgHops", n == 0 ? 0 : (double)sum / (double)n);
	js_kint(j, "medianHops", median);
	js_kint(j, "maxHops", max);
	js_karray(j, "hopDistribution");
	for (uint32_t i = 0; i <= HOPS_SHOWN; i++) {
		if (counts[i] == 0)
			continue;
		js_object(j);
		js_kuint(j, "hops", i);
		js_kint(j, "count", counts[i]);
		js_object_end(j);
	}
	js_array_end(j);
	js_karray(j, "hopsVsSnr");
	for (uint32_t i = 0; i <= SNR_HOPS_SHOWN; i++) {
		int64_t k = bag_get(&t->counts->some, topology_key(TOPOLOGY_SNR_N, i));
		int64_t snr = bag_get(&t->counts->some, topology_key(TOPOLOGY_SNR, i));

		if (k <= 0)
			continue;
		js_object(j);
		js_kuint(j, "hops", i);
		js_kint(j, "count", k);
		js_knum(j, "avgSnr", (double)snr / 4 / (double)k);
		js_object_end(j);
	}
	js_array_end(j);
}

/* ---------------------------------------------------------------- tokens -- */

/* Tokens of one node are one entry, shown under the longest of them; what may be several nodes
 * stands for itself. */
struct entry {
	uint64_t who; /* of one end or of two, see topology_end; 0 is none */
	uint32_t token[2], id[2];
	int64_t count;
};

struct entries { /* open addressing by `who` */
	struct entry *list;
	uint32_t size;
};

static uint64_t
topology_end(const struct topology_question *t, uint32_t token, uint32_t *shown)
{
	bool sure = false;

	*shown = frame_hop(t->frame, token, &sure);
	/* Ids are below 2^20, tokens are above 2^24. */
	return sure ? *shown + 1u : token;
}

static int
entry_compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	if (x->token[0] != y->token[0])
		return x->token[0] < y->token[0] ? -1 : 1;
	return (x->token[1] > y->token[1]) - (x->token[1] < y->token[1]);
}

/* The longest token has the highest value. */
static void
entries_add(struct entries *e, const struct entry *one)
{
	uint32_t i = (uint32_t)((hops_mix(one->who) >> 32) * e->size >> 32);
	struct entry *to;

	while (e->list[i].who != 0 && e->list[i].who != one->who)
		i = i + 1 == e->size ? 0 : i + 1;
	to = &e->list[i];
	if (to->who == 0) {
		*to = *one;
		return;
	}
	to->count += one->count;
	for (int k = 0; k < 2; k++)
		to->token[k] = one->token[k] > to->token[k] ? one->token[k] : to->token[k];
}

static uint32_t
entries_best(const struct entries *e, struct entry *best, uint32_t most)
{
	struct top top = { best, sizeof(*best), most, 0, entry_compare };

	for (uint32_t i = 0; e->list != NULL && i < e->size; i++) {
		if (e->list[i].who != 0 && e->list[i].count > 0)
			top_put(&top, &e->list[i]);
	}
	return top.count;
}

static struct entries
entries_new(const struct bag *bag)
{
	struct entries e = { .size = bag->used + bag->used / 2 + 16 };

	e.list = calloc(e.size, sizeof(*e.list));
	return e;
}

static void
topology_repeaters(const struct topology_question *t)
{
	struct entries entries = entries_new(&t->counts->some);
	struct entry best[REPEATERS], e;
	struct json *j = t->j;
	struct bag_item item;
	uint32_t at = 0, n;

	while (entries.list != NULL && bag_next(&t->counts->some, &at, &item)) {
		if (item.key >> 32 != TOPOLOGY_TOKEN)
			continue;
		e = (struct entry){ .token = { (uint32_t)item.key, 0 }, .count = item.n };
		e.who = topology_end(t, e.token[0], &e.id[0]);
		if (topology_shows(t, e.id[0]))
			entries_add(&entries, &e);
	}
	n = entries_best(&entries, best, REPEATERS);
	js_karray(j, "topRepeaters");
	for (uint32_t i = 0; i < n; i++) {
		js_object(j);
		render_ktoken(j, "hop", best[i].token[0]);
		js_kint(j, "count", best[i].count);
		render_kname(j, "name", t->frame, best[i].id[0]);
		render_kpubkey(j, "pubkey", t->frame, best[i].id[0]);
		js_object_end(j);
	}
	js_array_end(j);
	free(entries.list);
}

static void
topology_pair_entry(const struct topology_question *t, struct entry *e, const struct bag_item *item)
{
	uint64_t ends[2];

	*e = (struct entry){ .token = { (uint32_t)(item->key >> 32), (uint32_t)item->key },
			     .count = item->n };
	ends[0] = topology_end(t, e->token[0], &e->id[0]);
	ends[1] = topology_end(t, e->token[1], &e->id[1]);
	if (ends[0] > ends[1]) {
		struct entry turned = { .token = { e->token[1], e->token[0] },
					.id = { e->id[1], e->id[0] },
					.count = e->count };

		*e = turned;
		e->who = ends[1] << 32 | ends[0];
	} else {
		e->who = ends[0] << 32 | ends[1];
	}
}

static void
topology_pairs(const struct topology_question *t)
{
	struct entries entries = entries_new(&t->counts->pairs);
	struct entry best[PAIRS], e;
	struct json *j = t->j;
	struct bag_item item;
	uint32_t at = 0, n;

	while (entries.list != NULL && bag_next(&t->counts->pairs, &at, &item)) {
		topology_pair_entry(t, &e, &item);
		if (topology_shows(t, e.id[0]) && topology_shows(t, e.id[1]))
			entries_add(&entries, &e);
	}
	n = entries_best(&entries, best, PAIRS);
	js_karray(j, "topPairs");
	for (uint32_t i = 0; i < n; i++) {
		int a = best[i].token[0] > best[i].token[1], b = !a;

		js_object(j);
		render_ktoken(j, "hopA", best[i].token[a]);
		render_ktoken(j, "hopB", best[i].token[b]);
		js_kint(j, "count", best[i].count);
		render_kname(j, "nameA", t->frame, best[i].id[a]);
		render_kname(j, "nameB", t->frame, best[i].id[b]);
		render_kpubkey(j, "pubkeyA", t->frame, best[i].id[a]);
		render_kpubkey(j, "pubkeyB", t->frame, best[i].id[b]);
		js_object_end(j);
	}
	js_array_end(j);
	free(entries.list);
}

/* ---------------------------------------------------------------- answer -- */

static uint32_t
topology_nodes(const struct frame *f, int64_t now)
{
	uint32_t count = 0;

	for (uint32_t id = 0; id < f->node_cap; id++) {
		const struct hops_node *n = hops_nodes_get(&f->nodes, id);

		count += n != NULL && n->there && f->node[id].last_seen >= now - WEEK;
	}
	return count;
}

static uint32_t
topology_answer(void *self, const struct an_query *q, struct json *j)
{
	struct topology *t = self;
	struct topology_question question = { t->frame, q, NULL, j };

	question.counts = frame_view(t->frame, &topology_class, q);
	if (question.counts == NULL)
		return render_error(j, 503, "out of memory");
	js_object(j);
	js_kuint(j, "uniqueNodes", topology_nodes(t->frame, q->now));
	topology_lengths(&question);
	topology_repeaters(&question);
	topology_pairs(&question);
	topology_reach(&question);
	js_object_end(j);
	return 200;
}

static mk_result
topology_create(struct frame *f, void **self)
{
	struct topology *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return MK_ENOMEM;
	t->frame = f;
	*self = t;
	return MK_OK;
}

static const struct an_method topology_methods[] = { { "topology", topology_answer },
						     { NULL, NULL } };

const struct an_module topology_module = {
	.name = "topology",
	.create = topology_create,
	.destroy = free,
	.methods = topology_methods,
};
