/* SPDX-License-Identifier: MIT */
#include "skew_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define SETTLED_MAX 512u     /* nodes that one answer judges */
#define CLAIM_MIN 1577836800 /* 2020; who says less or more than 2100 has not been set */
#define CLAIM_MAX 4102444800
#define FEW 64u           /* samples that are sorted by insertion */
#define ADVERTS_MAX 1000u /* of one node; the oldest go first */

static mk_result
skew_create(struct frame *f, void **self)
{
	struct skew *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->frame = f;
	*self = s;
	return MK_OK;
}

static void
skew_destroy(void *self)
{
	struct skew *s = self;

	for (uint32_t i = 0; i < s->people_cap; i++) {
		while (s->people[i].newest != NULL) {
			struct advert *a = s->people[i].newest;

			s->people[i].newest = a->older;
			free(a->samples);
			free(a);
		}
	}
	for (uint32_t i = 0; i < s->observer_cap; i++)
		free(s->observers[i].at);
	free(s->people);
	free(s->observers);
	free(s->points);
	free(s->values);
	free(s->afters);
	free(s);
}

static size_t
skew_bytes(const void *self)
{
	const struct skew *s = self;

	return sizeof(*s) + s->bytes + s->people_cap * sizeof(*s->people) +
	       s->observer_cap * sizeof(*s->observers) + s->point_cap * sizeof(*s->points) +
	       s->value_cap * sizeof(*s->values) + s->after_cap * sizeof(*s->afters);
}

struct skew *
skew_of(const struct frame *f)
{
	for (uint32_t i = 0; i < f->module_count; i++)
		if (f->modules[i].class == &skew_module)
			return f->modules[i].self;
	return NULL;
}

/* ---------------------------------------------------------- calibration -- */

static void
calibration_add(struct skew *s, uint16_t observer, int32_t halves, int sign)
{
	struct calibration *c;
	uint32_t low = 0, high, cap;

	if (!grow_to(&s->observers, &s->observer_cap, observer + 1u, sizeof(*s->observers)))
		return;
	c = &s->observers[observer];
	high = c->count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (c->at[middle].halves < halves)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == c->count || c->at[low].halves != halves) {
		cap = c->cap;
		if (sign < 0 || !grow_to(&c->at, &c->cap, c->count + 1, sizeof(*c->at)))
			return;
		s->bytes += (c->cap - cap) * sizeof(*c->at);
		memmove(&c->at[low + 1], &c->at[low], (c->count - low) * sizeof(*c->at));
		c->at[low] = (struct deviation){ halves, 0 };
		c->count++;
	}
	c->at[low].count += (uint32_t)sign;
	c->samples += (uint64_t)(int64_t)sign;
	if (c->at[low].count > 0)
		return;
	c->count--;
	memmove(&c->at[low], &c->at[low + 1], (c->count - low) * sizeof(*c->at));
}

/* The value at a place in the order of all. */
static double
calibration_at(const struct calibration *c, uint64_t place)
{
	uint32_t i = 0;

	for (; i + 1 < c->count && place >= c->at[i].count; i++)
		place -= c->at[i].count;
	return c->at[i].halves / 2.0;
}

static double
calibration_offset(const struct calibration *c)
{
	if (c->samples == 0)
		return 0;
	return (calibration_at(c, (c->samples - 1) / 2) + calibration_at(c, c->samples / 2)) / 2;
}

/* What `a` says about its observers, into the calibration or out of it. */
static void
skew_deviate(struct skew *s, const struct advert *a, int sign)
{
	if (a->count < 2)
		return;
	for (uint32_t i = 0; i < a->count; i++)
		calibration_add(s, a->samples[i].observer,
				sample_after(&a->samples[i]) * 2 - a->halves, sign);
}

/* New offsets take effect for everybody at once, so they are looked at only now and then. */
static void
skew_calibrate(struct skew *s)
{
	bool changed = false;

	for (uint32_t i = 0; i < s->observer_cap; i++) {
		struct calibration *c = &s->observers[i];
		double offset = calibration_offset(c);

		changed |= c->is != (c->samples > 0) || offset < c->offset || offset > c->offset;
		c->is = c->samples > 0;
		c->offset = offset;
	}
	for (uint32_t i = 0; changed && i < s->people_cap; i++)
		s->people[i].stale = true;
}

/* -------------------------------------------------------------- samples -- */

static struct advert *
skew_find(const struct skew *s, const struct an_packet *p)
{
	struct advert *a = p->from < s->people_cap ? s->people[p->from].newest : NULL;

	while (a != NULL && a->slot != p->slot)
		a = a->older;
	return a;
}

static void
skew_drop(struct skew *s, struct advert *a)
{
	skew_deviate(s, a, -1);
	s->bytes -= sizeof(*a) + a->cap * sizeof(*a->samples);
	free(a->samples);
	free(a);
}

static void
skew_forget(struct skew *s, uint32_t id, uint32_t slot)
{
	struct advert **at = &s->people[id].newest;

	while (*at != NULL && (*at)->slot != slot)
		at = &(*at)->older;
	if (*at != NULL) {
		struct advert *a = *at;

		*at = a->older;
		s->people[id].count -= a->count > 0;
		s->people[id].stale = true;
		skew_drop(s, a);
	}
}

/* A node with a clock that jumps can fill the memory; nothing needs more than the newest. */
static void
skew_limit(struct skew *s, uint32_t id)
{
	struct advert **at = &s->people[id].newest;
	uint32_t count = 0;

	if (s->people[id].count <= ADVERTS_MAX)
		return;
	for (; *at != NULL && count < ADVERTS_MAX; at = &(*at)->older)
		count++;
	while (*at != NULL) {
		struct advert *a = *at;

		*at = a->older;
		s->people[id].count -= a->count > 0;
		skew_drop(s, a);
	}
}

static void
skew_on_packet(void *self, struct an_packet *p, const struct an_news *news)
{
	struct skew *s = self;
	const json_t *claim = NULL;
	struct advert *a;

	if (p->type == HOPS_TYPE_ADVERT && p->from != HOPS_NONE)
		claim = json_object_get(frame_json(s->frame, news), "timestamp");
	if (!json_is_integer(claim) || json_integer_value(claim) < CLAIM_MIN ||
	    json_integer_value(claim) > CLAIM_MAX)
		return;
	a = calloc(1, sizeof(*a));
	if (a == NULL || !grow_to(&s->people, &s->people_cap, p->from + 1, sizeof(*s->people))) {
		free(a);
		s->lost++;
		return;
	}
	a->slot = p->slot;
	a->claim = (uint32_t)json_integer_value(claim);
	a->older = s->people[p->from].newest;
	s->people[p->from].newest = a;
	s->bytes += sizeof(*a);
	skew_limit(s, p->from);
}

static int
skew_compare_after(const void *x, const void *y)
{
	int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;

	return (a > b) - (a < b);
}

/* Twice the median. A few copies come in nearly in the order of time, so that is one pass. */
static int32_t
skew_middle(struct skew *s, const struct advert *a)
{
	uint32_t n = a->count;

	if (!grow_to(&s->afters, &s->after_cap, n, sizeof(*s->afters)))
		return a->halves;
	for (uint32_t i = 0; i < n; i++) {
		int32_t after = sample_after(&a->samples[i]);
		uint32_t k = i;

		for (; k > 0 && n <= FEW && s->afters[k - 1] > after; k--)
			s->afters[k] = s->afters[k - 1];
		s->afters[k] = after;
	}
	if (n > FEW)
		qsort(s->afters, n, sizeof(*s->afters), skew_compare_after);
	return s->afters[(n - 1) / 2] + s->afters[n / 2];
}

static bool
skew_grow(struct skew *s, struct advert *a)
{
	uint32_t cap = a->cap;
	bool ok = a->count < UINT16_MAX / 2 &&
		  grow_to(&a->samples, &cap, a->count + 1u, sizeof(*a->samples));

	s->bytes += (cap - a->cap) * sizeof(*a->samples);
	a->cap = (uint16_t)cap;
	return ok;
}

static void
skew_on_obs(void *self, const struct an_packet *p, const struct hops_obs *o)
{
	struct skew *s = self;
	struct advert *a =
	    p->type == HOPS_TYPE_ADVERT && p->heard_count > 0 ? skew_find(s, p) : NULL;
	uint16_t observer = a != NULL ? p->heard[p->heard_count - 1].observer : AN_NO_OBSERVER;
	int32_t middle, after;

	if (a == NULL || observer == AN_NO_OBSERVER || o->at < CLAIM_MIN || o->at > CLAIM_MAX)
		return;
	if (!skew_grow(s, a)) {
		s->lost++;
		return;
	}
	if (a->count == 0) {
		a->first = a->latest = (uint32_t)o->at;
		s->people[p->from].count++;
	}
	/* Within these bounds a difference fits. */
	if (llabs(o->at - a->first) > INT32_MAX / 4)
		return;
	after = (int32_t)(o->at - a->first);
	a->latest = o->at > a->latest ? (uint32_t)o->at : a->latest;
	a->samples[a->count++] = (struct sample){ observer, (uint16_t)(after & 65535),
						  (int16_t)((after - (after & 65535)) / 65536) };
	middle = skew_middle(s, a);
	a->count--;
	if (a->count >= 2 && middle == a->halves) {
		a->count++;
		calibration_add(s, observer, after * 2 - middle, 1);
	} else {
		skew_deviate(s, a, -1);
		a->count++;
		a->halves = middle;
		skew_deviate(s, a, 1);
	}
	s->people[p->from].stale = true;
}

static void
skew_on_gone(void *self, const struct an_packet *p)
{
	struct skew *s = self;

	if (p->type == HOPS_TYPE_ADVERT && p->from < s->people_cap)
		skew_forget(s, p->from, p->slot);
}

static void
skew_on_live(void *self)
{
	skew_calibrate(self);
}

/* ------------------------------------------------------------- verdicts -- */

const struct calibration *
skew_calibration(const struct skew *s, uint16_t observer)
{
	static const struct calibration none;

	return observer < s->observer_cap ? &s->observers[observer] : &none;
}

double
skew_raw(const struct advert *a, const struct sample *sample)
{
	return (double)((int64_t)a->claim - a->first - sample_after(sample));
}

double
skew_of_advert(struct skew *s, const struct advert *a)
{
	if (!grow_to(&s->values, &s->value_cap, a->count, sizeof(*s->values)))
		return skew_raw(a, &a->samples[0]);
	for (uint32_t i = 0; i < a->count; i++)
		s->values[i] = skew_raw(a, &a->samples[i]) +
			       skew_calibration(s, a->samples[i].observer)->offset;
	return clock_median(s->values, a->count);
}

static int
skew_compare(const void *x, const void *y)
{
	const struct clock_point *a = x, *b = y;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return a->skew < b->skew ? -1 : a->skew > b->skew;
}

uint32_t
skew_points(struct skew *s, const struct person *person)
{
	uint32_t n = 0;

	if (!grow_to(&s->points, &s->point_cap, person->count, sizeof(*s->points)))
		return 0;
	for (const struct advert *a = person->newest; a != NULL && n < person->count; a = a->older)
		if (a->count > 0)
			s->points[n++] = (struct clock_point){ a->latest, skew_of_advert(s, a) };
	qsort(s->points, n, sizeof(*s->points), skew_compare);
	return n;
}

struct person *
skew_person(struct skew *s, uint32_t id)
{
	struct person *person = id < s->people_cap ? &s->people[id] : NULL;
	uint32_t n;

	if (person == NULL || person->count == 0)
		return NULL;
	if (person->stale) {
		n = skew_points(s, person);
		if (n == 0)
			return NULL;
		person->verdict = clock_judge(s->points, n);
		person->samples = person->sure = 0;
		for (const struct advert *a = person->newest; a != NULL; a = a->older) {
			person->samples += a->count;
			for (uint32_t i = 0; i < a->count; i++)
				person->sure += skew_calibration(s, a->samples[i].observer)->is;
		}
		person->stale = false;
	}
	return person;
}

bool
skew_is_known(struct skew *s, uint32_t id)
{
	return skew_person(s, id) != NULL;
}

bool
skew_settle(struct skew *s)
{
	uint32_t judged = 0;

	for (uint32_t id = 0; id < s->people_cap; id++) {
		if (!s->people[id].stale || s->people[id].count == 0)
			continue;
		if (judged++ == SETTLED_MAX) {
			s->frame->later = true;
			return false;
		}
		skew_person(s, id);
	}
	return true;
}

bool
skew_verdict(struct skew *s, uint32_t id, struct clock_verdict *out)
{
	const struct person *person = skew_person(s, id);

	if (person != NULL)
		*out = person->verdict;
	return person != NULL;
}

static void
skew_on_tick(void *self, int64_t now)
{
	struct skew *s = self;

	(void)now;
	skew_calibrate(s);
	for (uint32_t id = 0; id < s->people_cap; id++)
		skew_person(s, id);
}

const struct an_module skew_module = {
	.name = "skew",
	.create = skew_create,
	.destroy = skew_destroy,
	.on_packet = skew_on_packet,
	.on_obs = skew_on_obs,
	.on_gone = skew_on_gone,
	.on_live = skew_on_live,
	.on_tick = skew_on_tick,
	.bytes = skew_bytes,
	.methods = skew_methods,
};
