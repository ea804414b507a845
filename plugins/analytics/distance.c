/* SPDX-License-Identifier: MIT
 *
 * distance: how far apart nodes are that packets went between. Who the hops are is decided along the
 * path (distance_chain), and stays decided until nodes or the graph have changed and some time has
 * passed; then everything is decided and counted anew.
 */
#include "distance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "modules.h"
#include "top.h"

#define AGAIN_S 300 /* seconds between two decisions anew */

static struct distance *
distance_of(const struct view *view)
{
	return view->class->context;
}

/* ---------------------------------------------------------------- counts -- */

uint64_t
distance_pair(uint32_t a, uint32_t b)
{
	return 1ull << 60 | (uint64_t)(a < b ? a : b) << 24 | (a < b ? b : a);
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
	uint32_t ids[HOPS_PATH_MAX + 1];
	bool ok = distance_chain(d, p, ids);

	for (uint32_t i = 0; i < p->hop_count; i++) {
		uint64_t key;
		double km;

		if (!distance_between(d, ids[i], ids[i + 1], &km, &ok))
			continue;
		key = distance_pair(ids[i], ids[i + 1]);
		path.hops++;
		path.km += km;
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
	distance_decide_again(d);
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
	return distance_memo_bytes(self);
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
