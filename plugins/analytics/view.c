/* SPDX-License-Identifier: MIT */
#include "view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define IDLE_S 900 /* so long after a question its counts are kept */

/* One step of making a view, a few milliseconds: a packet that is counted costs PUT, others 1. */
#define STEP 32768
#define PUT 16

static void
view_free(struct view *v)
{
	if (v == NULL)
		return;
	if (v->counts != NULL) {
		v->class->fini(v->counts);
		free(v->counts);
	}
	free(v->in_region);
	free(v->in_area);
	free(v->run);
	free(v);
}

static bool
view_in_area(const struct view *v, uint32_t id)
{
	return id < v->in_area_count && v->in_area[id] != 0;
}

/* Who sent it decides; where a packet does not say that, who heard it; or the hops. */
static bool
view_has_area(const struct view *v, struct frame *f, const struct an_packet *p)
{
	if (v->class->area_by_hops) {
		for (uint32_t i = 0; i < p->hop_count; i++) {
			if (view_in_area(v, frame_hop(f, p->hops[i], NULL)))
				return true;
		}
		return false;
	}
	if (p->from != HOPS_NONE)
		return view_in_area(v, p->from);
	for (uint32_t i = 0; i < p->heard_count; i++) {
		uint16_t o = p->heard[i].observer;

		if (o != AN_NO_OBSERVER && view_in_area(v, f->observers[o].node))
			return true;
	}
	return false;
}

static bool
view_has_region(const struct view *v, const struct an_packet *p)
{
	for (uint32_t i = 0; i < p->heard_count; i++) {
		if (p->heard[i].observer < v->in_region_count &&
		    v->in_region[p->heard[i].observer] != 0)
			return true;
	}
	return false;
}

static bool
view_passes(const struct view *v, struct frame *f, const struct an_packet *p)
{
	return (v->in_region == NULL || view_has_region(v, p)) &&
	       (v->in_area == NULL || view_has_area(v, f, p));
}

static bool
view_put(struct view *v, struct frame *f, const struct an_packet *p, int sign)
{
	if ((int64_t)p->first < v->since || (int64_t)p->first > v->until)
		return false;
	p = table_whole(f, p);
	if (p == NULL) {
		v->failed = true;
		return false;
	}
	if (!view_passes(v, f, p))
		return false;
	v->failed |= !v->class->add(v->counts, v, p, sign);
	return true;
}

void
frame_fold(struct frame *f, struct an_packet *packet, int sign)
{
	const struct an_packet *p = table_whole(f, packet);

	if (p == NULL) {
		f->counts.refused++;
		return;
	}
	for (uint32_t i = 0; i < f->module_count; i++) {
		if (f->modules[i].class->fold != NULL)
			f->modules[i].class->fold(f->modules[i].self, p, sign);
	}
	for (uint32_t i = 0; i < f->view_count; i++) {
		if (p->slot < f->views[i]->made)
			view_put(f->views[i], f, p, sign);
	}
	packet->counted = sign > 0;
	f->counts.folds++;
}

static void *
view_copy(const void *data, size_t size)
{
	void *copy = malloc(size + 1);

	if (copy != NULL && size > 0)
		memcpy(copy, data, size);
	return copy;
}

static void
view_shape(char out[112], const struct view_class *class, const struct an_query *q)
{
	out[0] = '\0';
	if (q != NULL)
		snprintf(out, 112, "%s%s%s%s", q->run_count > 0 ? "h" : "",
			 class->no_window ? "" : q->when,
			 class->no_place || q->where[0] == '\0' ? "" : " ",
			 class->no_place ? "" : q->where);
}

static struct view *
view_new(struct frame *f, const struct view_class *class, const struct an_query *q)
{
	struct view *v = calloc(1, sizeof(*v));
	bool region = q != NULL && q->region && !class->no_place;
	bool area = q != NULL && q->area && !class->no_place;

	if (v == NULL)
		return NULL;
	v->frame = f;
	v->class = class;
	v->since = q == NULL || class->no_window ? INT64_MIN : q->since;
	v->goal = v->since;
	v->until = q == NULL || class->no_window ? INT64_MAX : q->until;
	view_shape(v->shape, class, q);
	v->counts = calloc(1, class->size);
	if (region) {
		v->in_region = view_copy(q->in_region, f->observer_count);
		v->in_region_count = f->observer_count;
	}
	if (area) {
		v->in_area = view_copy(q->in_area, q->in_area_count);
		v->in_area_count = q->in_area_count;
	}
	if (q != NULL && q->run_count > 0) {
		v->run = view_copy(q->run, q->run_count * sizeof(*q->run));
		v->run_count = q->run_count;
	}
	if (v->counts != NULL && (v->in_region != NULL || !region) &&
	    (v->in_area != NULL || !area) && (v->run != NULL || v->run_count == 0))
		return v;
	view_free(v);
	return NULL;
}

/* What was heard from `since` on and before `until` is added, or taken away. */
static void
view_walk(struct view *v, struct frame *f, int64_t since, int64_t until, int sign)
{
	uint32_t end = until == INT64_MAX ? f->order_count : table_lower(f, until);

	for (uint32_t i = table_lower(f, since); i < end; i++) {
		const struct an_packet *p = table_at(f, f->order[i]);

		if (p->counted)
			view_put(v, f, p, sign);
	}
}

static bool
view_is_made(const struct view *v)
{
	return v->made == UINT32_MAX && v->since >= v->goal;
}

/* What a window has left is taken away, up to its new beginning, or as much as a step may. */
static void
view_advance(struct view *v, struct frame *f)
{
	uint32_t from = table_lower(f, v->since), end = table_lower(f, v->goal);
	int64_t until = v->goal;

	if (end - from > STEP / PUT) {
		until = table_at(f, f->order[from + STEP / PUT])->first;
		until = until > v->since ? until : v->since + 1;
	}
	view_walk(v, f, v->since, until, -1);
	v->since = until;
}

static void
view_step(struct view *v, struct frame *f)
{
	int32_t left = STEP;

	if (v->made == UINT32_MAX && v->since < v->goal) {
		view_advance(v, f);
		return;
	}
	for (; v->made < f->slot_count && left > 0 && !v->failed; left--) {
		const struct an_packet *p = table_at(f, v->made++);

		if (p->counted && view_put(v, f, p, 1))
			left -= PUT;
	}
	if (v->made >= f->slot_count || v->failed)
		v->made = UINT32_MAX;
}

static void
view_drop(struct frame *f, uint32_t i)
{
	view_free(f->views[i]);
	f->views[i] = f->views[--f->view_count];
}

static size_t
view_bytes(const struct view *v)
{
	return sizeof(*v) + v->class->size + v->class->bytes(v->counts) + v->in_region_count +
	       v->in_area_count;
}

/* Until they fit into their memory again: who was not asked for longest goes first, but `keep` stays,
 * and so does what is being made, because somebody waits for it. */
static void
view_make_room(struct frame *f, const struct view *keep)
{
	for (;;) {
		size_t bytes = 0;
		uint32_t oldest = f->view_count;

		for (uint32_t i = 0; i < f->view_count; i++) {
			const struct view *v = f->views[i];

			bytes += view_bytes(v);
			if (v != keep && view_is_made(v) &&
			    (oldest == f->view_count || v->used < f->views[oldest]->used))
				oldest = i;
		}
		if (oldest == f->view_count ||
		    (bytes <= f->view_bytes && f->view_count < FRAME_VIEWS_MAX))
			return;
		view_drop(f, oldest);
	}
}

static struct view *
view_find(struct frame *f, const struct view_class *class, const char *shape,
	  const struct an_query *q)
{
	uint32_t run_count = q == NULL ? 0 : q->run_count;

	for (uint32_t i = 0; i < f->view_count; i++) {
		struct view *v = f->views[i];

		if (v->class != class || strcmp(v->shape, shape) != 0 ||
		    v->run_count != run_count ||
		    (run_count > 0 && memcmp(v->run, q->run, run_count * sizeof(*v->run)) != 0))
			continue;
		if (!v->failed)
			return v;
		view_drop(f, i);
		return NULL;
	}
	return NULL;
}

bool
frame_is_making(const struct frame *f)
{
	for (uint32_t i = 0; i < f->view_count; i++) {
		if (!view_is_made(f->views[i]))
			return true;
	}
	return false;
}

/* At once if there is little to look at. Else one at a time, so that those that are being made, and
 * may not be given up, do not take more memory than there is for views. */
static struct view *
view_make(struct frame *f, const struct view_class *class, const struct an_query *q)
{
	int64_t since = q == NULL || class->no_window ? INT64_MIN : q->since;
	bool little = f->order_count - table_lower(f, since) <= STEP / PUT;
	struct view *v;

	if (!little && q != NULL && frame_is_making(f)) {
		f->later = true;
		return NULL;
	}
	view_make_room(f, NULL);
	v = f->view_count == FRAME_VIEWS_MAX ? NULL : view_new(f, class, q);
	if (v == NULL)
		return NULL;
	f->views[f->view_count++] = v;
	f->counts.views_made++;
	if (little) {
		view_walk(v, f, v->since, INT64_MAX, 1);
		v->made = UINT32_MAX;
	} else {
		view_step(v, f);
	}
	view_make_room(f, v);
	return v;
}

const void *
frame_view(struct frame *f, const struct view_class *class, const struct an_query *q)
{
	char shape[112];
	struct view *v;

	frame_flush(f);
	table_sort(f);
	view_shape(shape, class, q);
	v = view_find(f, class, shape, q);
	if (v == NULL) {
		v = view_make(f, class, q);
	} else if (view_is_made(v) && q != NULL && !class->no_window && q->since > v->since) {
		v->goal = q->since;
		view_step(v, f);
	}
	if (v == NULL)
		return NULL;
	v->used = q == NULL ? 0 : q->now;
	f->later |= !view_is_made(v);
	return v->failed || !view_is_made(v) ? NULL : v->counts;
}

bool
frame_step(struct frame *f)
{
	table_sort(f);
	for (uint32_t i = 0; i < f->view_count; i++) {
		struct view *v = f->views[i];

		if (view_is_made(v))
			continue;
		view_step(v, f);
		if (!view_is_made(v))
			return false;
		view_make_room(f, v);
		return true;
	}
	return false;
}

void
frame_forget(struct frame *f, const struct view_class *class)
{
	for (uint32_t i = f->view_count; i-- > 0;) {
		if (f->views[i]->class == class)
			view_drop(f, i);
	}
}

void
views_free(struct frame *f)
{
	while (f->view_count > 0)
		view_drop(f, f->view_count - 1);
}

void
views_expire(struct frame *f, int64_t now)
{
	for (uint32_t i = f->view_count; i-- > 0;) {
		if (view_is_made(f->views[i]) && f->views[i]->used < now - IDLE_S)
			view_drop(f, i);
	}
}

size_t
views_bytes(const struct frame *f)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < f->view_count; i++)
		bytes += view_bytes(f->views[i]);
	return bytes;
}
