/* SPDX-License-Identifier: MIT
 *
 * scopes: how many packets are for a region only, for which, and when. By when they were heard first.
 */
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "modules.h"
#include "query.h"
#include "render.h"

#define SLOT 300 /* seconds counted together; answers add up several */

enum { SCOPE_NONE, SCOPE_UNKNOWN }; /* in an_packet.scope; what follows has a name */

struct scopes_counts {
	struct bag names; /* by scope + 1, of packets with transport codes */
	struct bag times; /* by slot of time << 1 | scoped; these, too */
	int64_t others;   /* without transport codes */
};

struct scopes {
	struct frame *frame;
};

static bool
scopes_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct scopes_counts *c = counts;

	(void)view;
	if (p->route != HOPS_ROUTE_TFLOOD && p->route != HOPS_ROUTE_TDIRECT) {
		c->others += sign;
		return true;
	}
	return bag_add(&c->names, p->scope + 1u, sign) &&
	       bag_add(&c->times, (uint64_t)(p->first / SLOT) << 1 | (p->scope != SCOPE_NONE),
		       sign);
}

static void
scopes_fini(void *counts)
{
	struct scopes_counts *c = counts;

	bag_fini(&c->names);
	bag_fini(&c->times);
}

static size_t
scopes_bytes(const void *counts)
{
	const struct scopes_counts *c = counts;

	return bag_bytes(&c->names) + bag_bytes(&c->times);
}

static const struct view_class scopes_class = {
	.name = "scopes",
	.size = sizeof(struct scopes_counts),
	.add = scopes_add,
	.fini = scopes_fini,
	.bytes = scopes_bytes,
	.no_place = true,
};

struct scope {
	const char *name;
	int64_t count;
};

static int
scope_compare(const void *a, const void *b)
{
	const struct scope *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void
scopes_names(struct json *j, const struct frame *f, const struct scopes_counts *c)
{
	struct scope *list = calloc(c->names.used + 1u, sizeof(*list));
	struct bag_item item;
	uint32_t at = 0, n = 0;

	while (list != NULL && bag_next(&c->names, &at, &item)) {
		if (item.key > SCOPE_UNKNOWN + 1u)
			list[n++] = (struct scope){ f->scopes.text[item.key - 1], item.n };
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), scope_compare);
	js_karray(j, "byRegion");
	for (uint32_t i = 0; i < n; i++) {
		js_object(j);
		js_kstr(j, "name", list[i].name);
		js_kint(j, "count", list[i].count);
		js_object_end(j);
	}
	js_array_end(j);
	free(list);
}

static void
scopes_times(struct json *j, const struct scopes_counts *c, int64_t seconds)
{
	uint32_t n;
	struct bag_item *list = bag_sorted(&c->times, &n);

	js_karray(j, "timeSeries");
	for (uint32_t i = 0; i < n;) {
		int64_t start = (int64_t)(list[i].key >> 1) * SLOT / seconds, counts[2] = { 0 };

		for (; i < n && (int64_t)(list[i].key >> 1) * SLOT / seconds == start; i++)
			counts[list[i].key & 1] += list[i].n;
		js_object(j);
		render_ktime(j, "t", start * seconds);
		js_kint(j, "scoped", counts[1]);
		js_kint(j, "unscoped", counts[0]);
		js_object_end(j);
	}
	js_array_end(j);
	free(list);
}

static uint32_t
scopes_answer(void *self, const struct an_query *asked, struct json *j)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} windows[] = { { "1h", 300 }, { "24h", 3600 }, { "7d", 21600 } };
	struct frame *f = ((struct scopes *)self)->frame;
	struct an_query q = *asked;
	const struct scopes_counts *c;
	char window[16] = "24h";
	int64_t unscoped, scoped = 0, seconds = 0;
	struct bag_item item;
	uint32_t at = 0;

	query_text(asked, "window", window, sizeof(window));
	if (window[0] == '\0')
		memcpy(window, "24h", 4);
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		seconds = strcmp(window, windows[i].text) == 0 ? windows[i].seconds : seconds;
	if (seconds == 0 || !query_set_window(&q, window))
		return render_error(j, 400, "window must be 1h, 24h, or 7d");
	c = frame_view(f, &scopes_class, &q);
	if (c == NULL)
		return render_error(j, 503, "out of memory");
	unscoped = bag_get(&c->names, SCOPE_NONE + 1u);
	while (bag_next(&c->names, &at, &item))
		scoped += item.key > SCOPE_NONE + 1u ? item.n : 0;
	js_object(j);
	js_kstr(j, "window", window);
	js_kobject(j, "summary");
	js_kint(j, "transportTotal", scoped + unscoped);
	js_kint(j, "scoped", scoped);
	js_kint(j, "unscoped", unscoped + c->others);
	js_kint(j, "unknownScope", bag_get(&c->names, SCOPE_UNKNOWN + 1u));
	js_object_end(j);
	scopes_names(j, f, c);
	scopes_times(j, c, seconds);
	js_object_end(j);
	return 200;
}

static mk_result
scopes_create(struct frame *f, void **self)
{
	struct scopes *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->frame = f;
	*self = s;
	return MK_OK;
}

static const struct an_method scopes_methods[] = { { "scope-stats", scopes_answer },
						   { NULL, NULL } };

const struct an_module scopes_module = {
	.name = "scopes",
	.create = scopes_create,
	.destroy = free,
	.methods = scopes_methods,
};
