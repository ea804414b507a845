/* SPDX-License-Identifier: MIT
 *
 * distance: how far apart hops are that packets took one after another. Who hops are is decided for
 * two of them together (distance_decide), and stays decided until nodes or the graph have changed
 * enough to do it again; then everything is counted anew.
 */
#include "distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "top.h"

#define FARTHEST_KM 300.0 /* farther apart are no neighbours on a path */
#define EVIDENCE_RATIO 3.0
#define AGAIN_S 300       /* seconds between two decisions anew */
#define ORIGIN (1u << 31) /* of a memo's key: the first end is an id, not a token */

static struct distance *
distance_of(const struct view *view)
{
	return view->class->context;
}

/* ----------------------------------------------------------------- links -- */

static double
distance_weight(const struct hops_graph *g, uint32_t a, uint32_t b, int64_t now)
{
	const struct hops_edge *e = hops_graph_find(g, a, b, 0);

	return e == NULL ? 0 : hops_score(&e->t, now) * hops_confidence(&e->t);
}

/* The two candidates that are known to be neighbours, and much better known than any others. */
static void
distance_evident(const struct distance *d, const struct hops_candidate *as, uint32_t na,
		 const struct hops_candidate *bs, uint32_t nb, struct link *l)
{
	double best = 0, second = 0;

	for (uint32_t i = 0; i < na; i++) {
		for (uint32_t k = 0; k < nb; k++) {
			double w =
			    distance_weight(&d->frame->graph, as[i].id, bs[k].id, d->frame->newest);

			if (w > best) {
				second = best;
				best = w;
				l->a = as[i].id;
				l->b = bs[k].id;
			} else if (w > second) {
				second = w;
			}
		}
	}
	if (best == 0 || best < EVIDENCE_RATIO * second)
		l->a = l->b = HOPS_NONE;
}

static void
distance_decide(const struct distance *d, uint32_t a, uint32_t b, struct link *l)
{
	struct frame *f = d->frame;
	struct hops_candidate origin = { NULL, a & ~ORIGIN };
	const struct hops_candidate *as = &origin, *bs = NULL;
	const struct hops_node *x, *y;
	uint32_t na = 1, nb;

	l->a = l->b = HOPS_NONE;
	l->km = -1;
	if ((a & ORIGIN) == 0)
		na = hops_token_candidates(&f->nodes, a, &as);
	nb = hops_token_candidates(&f->nodes, b, &bs);
	if (na == 1 && nb == 1) {
		l->a = as[0].id;
		l->b = bs[0].id;
	} else if (na > 0 && nb > 0) {
		distance_evident(d, as, na, bs, nb, l);
	}
	x = hops_nodes_get(&f->nodes, l->a);
	y = hops_nodes_get(&f->nodes, l->b);
	if (x != NULL && y != NULL && x->has_gps && y->has_gps && l->a != l->b)
		l->km = (float)hops_distance_km(x, y);
}

static uint32_t
memo_probe(const struct link *memo, uint32_t size, uint64_t key)
{
	uint32_t i = (uint32_t)((hops_mix(key) >> 32) * size >> 32);

	while (memo[i].key != 0 && memo[i].key != key)
		i = i + 1 == size ? 0 : i + 1;
	return i;
}

static bool
memo_grow(struct distance *d)
{
	uint32_t size = d->size == 0 ? 1024 : d->size * 2;
	struct link *memo;

	if (d->count < d->size / 4 * 3)
		return true;
	memo = calloc(size, sizeof(*memo));
	if (memo == NULL)
		return false;
	for (uint32_t i = 0; i < d->size; i++) {
		if (d->memo[i].key != 0)
			memo[memo_probe(memo, size, d->memo[i].key)] = d->memo[i];
	}
	free(d->memo);
	d->memo = memo;
	d->size = size;
	return true;
}

/* NULL: out of memory. */
static const struct link *
distance_tokens(struct distance *d, uint32_t a, uint32_t b)
{
	uint64_t key;
	struct link *l;

	/* Two tokens are the same link either way. */
	if ((a & ORIGIN) == 0 && a > b) {
		uint32_t c = a;

		a = b;
		b = c;
	}
	key = (uint64_t)a << 32 | b;
	if (!memo_grow(d))
		return NULL;
	l = &d->memo[memo_probe(d->memo, d->size, key)];
	if (l->key == 0) {
		l->key = key;
		d->count++;
		distance_decide(d, a, b, l);
	}
	return l;
}

static bool
link_counts(const struct link *l)
{
	return l->km >= 0 && (double)l->km <= FARTHEST_KM;
}

/* ---------------------------------------------------------------- counts -- */

uint64_t
distance_pair(uint32_t a, uint32_t b)
{
	return 1ull << 60 | (uint64_t)(a < b ? a : b) << 24 | (a < b ? b : a);
}

const struct link *
distance_link(struct distance *d, const struct an_packet *p, uint32_t i, bool *ok)
{
	const struct link *l;

	if (i == 0 && p->from == HOPS_NONE)
		return NULL;
	l = distance_tokens(d, i == 0 ? p->from | ORIGIN : p->hops[i - 1], p->hops[i]);
	*ok &= l != NULL;
	return l != NULL && link_counts(l) ? l : NULL;
}

static int
path_compare(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	if (x->km != y->km)
		return x->km > y->km ? -1 : 1;
	return (x->tx > y->tx) - (x->tx < y->tx);
}

static void
paths_keep(struct distance_counts *c, const struct path *path)
{
	struct top top = { c->best, sizeof(c->best[0]), DISTANCE_PATHS_KEPT, c->best_count,
			   path_compare };

	c->more |= c->best_count == DISTANCE_PATHS_KEPT;
	top_put(&top, path);
	c->best_count = top.count;
}

static void
paths_forget(struct distance_counts *c, uint32_t slot)
{
	for (uint32_t i = 0; i < c->best_count; i++) {
		if (c->best[i].slot != slot)
			continue;
		c->best_count--;
		memmove(&c->best[i], &c->best[i + 1], (c->best_count - i) * sizeof(c->best[0]));
		return;
	}
}

static bool
distance_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct distance *d = distance_of(view);
	struct distance_counts *c = counts;
	struct path path = { .tx = p->tx, .slot = p->slot };
	uint64_t hour = (uint64_t)(p->first / 3600) << 2;
	bool ok = true;

	for (uint32_t i = 0; i < p->hop_count; i++) {
		const struct link *l = distance_link(d, p, i, &ok);
		uint64_t key;

		if (l == NULL)
			continue;
		key = distance_pair(l->a, l->b);
		path.hops++;
		path.km += (double)l->km;
		ok &= bag_add(&c->pairs, key, sign) &&
		      bag_raise(&c->newest, key, (int64_t)p->first - DISTANCE_EPOCH);
	}
	if (path.hops == 0)
		return ok;
	c->hops += sign * (int64_t)path.hops;
	c->paths += sign;
	if (sign > 0)
		paths_keep(c, &path);
	else
		paths_forget(c, p->slot);
	return ok && bag_add(&c->hours, hour | 1, sign * (int64_t)path.hops) &&
	       bag_add(&c->hours, hour | 2, sign * llround(path.km * 100));
}

static void
distance_fini(void *counts)
{
	struct distance_counts *c = counts;

	bag_fini(&c->pairs);
	bag_fini(&c->newest);
	bag_fini(&c->hours);
}

static size_t
distance_view_bytes(const void *counts)
{
	const struct distance_counts *c = counts;

	return bag_bytes(&c->pairs) + bag_bytes(&c->newest) + bag_bytes(&c->hours);
}

/* ------------------------------------------------------------------ life -- */

/* Decide anew, and count by that. */
static void
distance_again(struct distance *d)
{
	d->graph_changed = false;
	d->nodes_at = d->frame->nodes.changes;
	frame_forget(d->frame, &d->class);
	free(d->memo);
	d->memo = NULL;
	d->size = d->count = 0;
	frame_view(d->frame, &d->class, NULL);
}

static void
distance_on_graph(void *self)
{
	((struct distance *)self)->graph_changed = true;
}

static void
distance_on_live(void *self)
{
	distance_again(self);
}

static void
distance_on_tick(void *self, int64_t now)
{
	struct distance *d = self;

	if (now - d->asked_again < AGAIN_S ||
	    (!d->graph_changed && d->nodes_at == d->frame->nodes.changes))
		return;
	d->asked_again = now;
	distance_again(d);
}

static void
distance_destroy(void *self)
{
	free(((struct distance *)self)->memo);
	free(self);
}

static size_t
distance_bytes(const void *self)
{
	return ((const struct distance *)self)->size * sizeof(struct link);
}

static mk_result
distance_create(struct frame *f, void **self)
{
	struct distance *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return MK_ENOMEM;
	d->frame = f;
	d->class = (struct view_class){ .name = "distance",
					.size = sizeof(struct distance_counts),
					.context = d,
					.add = distance_add,
					.fini = distance_fini,
					.bytes = distance_view_bytes,
					.no_window = true };
	/* Its view begins when everything is known: until then, who hops are changes all the time. */
	*self = d;
	return MK_OK;
}

static const struct an_method distance_methods[] = { { "distance", distance_answer },
						     { NULL, NULL } };

const struct an_module distance_module = {
	.name = "distance",
	.create = distance_create,
	.destroy = distance_destroy,
	.on_live = distance_on_live,
	.on_graph = distance_on_graph,
	.on_tick = distance_on_tick,
	.bytes = distance_bytes,
	.methods = distance_methods,
};
