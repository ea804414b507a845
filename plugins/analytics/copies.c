/* SPDX-License-Identifier: MIT */
#include "copies_impl.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"

#define COMPARED_MAX 256u /* of equal type and length, for one packet */
#define SURE_FACTOR 3u    /* so many times as many observers decide */

static mk_result
copies_create(struct frame *f, void **self)
{
	struct copies *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return MK_ENOMEM;
	c->frame = f;
	c->recent = calloc(COPIES_RECENT, sizeof(*c->recent));
	if (c->recent == NULL) {
		free(c);
		return MK_ENOMEM;
	}
	*self = c;
	return MK_OK;
}

static void
copies_destroy(void *self)
{
	struct copies *c = self;

	free(c->recent);
	free(c->number);
	free(c->damaged);
	free(c);
}

static size_t
copies_bytes(const void *self)
{
	const struct copies *c = self;

	return sizeof(*c) + COPIES_RECENT * sizeof(*c->recent) +
	       c->number_cap * sizeof(*c->number) + c->damaged_cap * sizeof(*c->damaged);
}

/* ---------------------------------------------------------- recent packets -- */

/* By its number; NULL: it has been overwritten, or there never was one. */
static struct recent *
copies_recent(struct copies *c, uint32_t number)
{
	struct recent *r = &c->recent[number % COPIES_RECENT];

	return number != 0 && r->number == number ? r : NULL;
}

static struct recent *
copies_of_packet(struct copies *c, const struct an_packet *p)
{
	struct recent *r = p->slot < c->number_cap ? copies_recent(c, c->number[p->slot]) : NULL;

	return r != NULL && r->tx == p->tx ? r : NULL;
}

static struct near_packet
copies_near(const struct recent *r)
{
	return (struct near_packet){ r->type, r->len, r->payload };
}

/* The packet that a copy is one of, through copies of copies. */
static struct recent *
copies_root(struct copies *c, struct recent *r)
{
	for (uint32_t i = 0; r != NULL && r->original != 0 && i < COPIES_RECENT; i++) {
		struct recent *next = copies_recent(c, r->original);

		if (next == NULL)
			break;
		r = next;
	}
	return r;
}

static struct recent *
copies_closest(struct copies *c, const struct recent *r, struct near_difference *out)
{
	struct near_packet near = copies_near(r);
	struct recent *best = NULL;
	uint32_t compared = 0;

	for (struct recent *other = copies_recent(c, r->before); other != NULL;
	     other = copies_recent(c, other->before)) {
		struct near_packet theirs = copies_near(other);
		struct near_difference d;

		if (other->first + COPIES_WINDOW_S < r->first)
			break;
		if (++compared > COMPARED_MAX) {
			c->crowded++;
			break;
		}
		if (near_same(&near, &theirs, &d) && (best == NULL || d.bits < out->bits)) {
			best = other;
			*out = d;
		}
	}
	return best;
}

/* ----------------------------------------------------------------- judging -- */

/* How far a packet had come where it was heard first. On a direct route the hops that are left are
 * what it has not gone yet. */
static uint32_t
copies_travelled(const struct recent *r)
{
	if (r->heard == 0)
		return UINT32_MAX;
	return r->flood ? r->fewest : HOPS_PATH_MAX - r->most;
}

/* Hops of `way` that `other` has, too, from the start. */
static uint32_t
way_common(const struct way *way, const struct way *other)
{
	uint32_t n = 0;

	while (n < way->count && n < other->count && way->hops[n] == other->hops[n])
		n++;
	return n;
}

/* Whoever damaged it, all copies came from there: a relay, or it is the only copy. */
static bool
copies_may_be_damaged(const struct recent *r)
{
	return !r->flood || r->heard <= 1 || r->common > 0;
}

/* `few` did not come the way that all of `many` have come: it was heard elsewhere, or before, and by
 * more than an observer that got it wrong. */
static bool
copies_went_elsewhere(const struct recent *few, const struct recent *many)
{
	uint32_t n;

	if (!few->flood || !many->flood || few->way_count == 0 || many->way_count == 0)
		return false;
	n = way_common(&few->ways[0], &many->ways[0]);
	return few->heard > 1 || (n < many->common && n < few->ways[0].count);
}

static bool
copies_outnumbers(const struct recent *many, const struct recent *few)
{
	return many->heard >= SURE_FACTOR && many->heard >= SURE_FACTOR * few->heard &&
	       !copies_went_elsewhere(few, many);
}

/* True: `b` is the damaged one. */
static bool
copies_judge(const struct recent *a, const struct recent *b, enum copies_judge *judge)
{
	uint32_t went_a = copies_travelled(a), went_b = copies_travelled(b);

	*judge = JUDGE_MAC;
	if (a->sure != b->sure)
		return a->sure;
	*judge = JUDGE_OBSERVERS;
	if (copies_may_be_damaged(a) != copies_may_be_damaged(b))
		return copies_may_be_damaged(b);
	if (copies_outnumbers(a, b) || copies_outnumbers(b, a))
		return a->heard > b->heard;
	*judge = JUDGE_PATH;
	if (went_a != went_b)
		return went_a < went_b;
	if (a->flood && b->flood && a->common != b->common)
		return a->common < b->common;
	*judge = JUDGE_ORDER;
	return a->number < b->number;
}

static struct damaged *
copies_damaged(struct copies *c, const struct recent *r)
{
	for (uint32_t i = c->damaged_count; i > 0; i--)
		if (c->damaged[i - 1].tx == r->tx)
			return &c->damaged[i - 1];
	return NULL;
}

static void
copies_mark(struct copies *c, const struct recent *r, bool copy)
{
	const struct an_packet *p = frame_find(c->frame, r->tx);

	if (p != NULL)
		frame_set_copy(c->frame, p, copy);
}

static void
copies_unlink(struct copies *c, struct recent *r)
{
	struct damaged *d = copies_damaged(c, r);

	r->original = 0;
	copies_mark(c, r, false);
	if (d != NULL) {
		memmove(d, d + 1, (size_t)(&c->damaged[c->damaged_count] - (d + 1)) * sizeof(*d));
		c->damaged_count--;
	}
}

/* Whoever damaged it sent it to all who heard it damaged, and lies behind those who were heard
 * sending it undamaged. */
static void
copies_suspect(struct damaged *d, const struct recent *copy, const struct recent *original)
{
	const struct way *way = &copy->ways[0];
	uint32_t common = copy->common, clean = 0;

	d->suspect_count = 0;
	d->hops = copy->fewest;
	d->original_hops = original->fewest;
	d->reception = false;
	if (copy->way_count == 0 || !copy->flood)
		return;
	for (uint32_t i = 0; i < original->way_count; i++) {
		uint32_t n = way_common(way, &original->ways[i]);

		clean = n > clean ? n : clean;
	}
	/* Heard from a relay that others heard undamaged: the observer itself got it wrong. */
	d->reception = clean >= common && copy->way_count == 1;
	for (uint32_t i = clean; i < common && d->suspect_count < COPIES_SUSPECTS; i++)
		d->suspects[d->suspect_count++] = way->hops[i];
}

static void
copies_link(struct copies *c, struct recent *original, struct recent *copy,
	    const struct near_difference *d, enum copies_judge judge)
{
	struct damaged *row = copies_damaged(c, copy);

	if (row == NULL) {
		if (c->damaged_count == COPIES_MAX) {
			c->damaged_count--;
			memmove(c->damaged, c->damaged + 1, c->damaged_count * sizeof(*c->damaged));
			c->forgotten++;
		}
		if (!grow_to(&c->damaged, &c->damaged_cap, c->damaged_count + 1,
			     sizeof(*c->damaged)))
			return;
		row = &c->damaged[c->damaged_count++];
		*row = (struct damaged){ .tx = copy->tx, .at = copy->first, .type = copy->type };
		memcpy(row->hash, copy->hash, sizeof(row->hash));
	}
	row->original_tx = original->tx;
	memcpy(row->original, original->hash, sizeof(row->original));
	row->difference = *d;
	row->payload_bits = (uint16_t)(copy->len * 8u);
	row->judge = judge;
	row->observer = copy->observer;
	copy->original = original->number;
	for (uint32_t i = 0; i < c->damaged_count; i++) {
		if (c->damaged[i].original_tx != copy->tx)
			continue; /* else it is a copy of a copy */
		c->damaged[i].original_tx = original->tx;
		memcpy(c->damaged[i].original, original->hash, sizeof(original->hash));
	}
	copies_suspect(row, copy, original);
	copies_mark(c, copy, true);
}

/* Two that are near: which is it? Both signed or both with a good MAC are none. */
static void
copies_decide(struct copies *c, struct recent *a, struct recent *b)
{
	struct near_packet near_a = copies_near(a), near_b = copies_near(b);
	struct near_difference d;
	enum copies_judge judge;

	if ((a->sure && b->sure) || !near_same(&near_a, &near_b, &d))
		return;
	if (!copies_judge(a, b, &judge)) {
		struct recent *swap = a;

		a = b;
		b = swap;
	}
	if (a->original == b->number)
		copies_unlink(c, a);
	copies_link(c, a, b, &d, judge);
}

/* ----------------------------------------------------------------- packets -- */

static bool
copies_is_sure(struct frame *f, const struct an_packet *p, const struct an_news *news)
{
	const char *status;

	if (p->type == HOPS_TYPE_ADVERT)
		return true; /* storage keeps none whose signature is wrong */
	if (news->json == NULL)
		return false;
	status = json_string_value(json_object_get(frame_json(f, news), "decryptionStatus"));
	return status != NULL && strcmp(status, "decrypted") == 0;
}

static void
copies_on_packet(void *self, struct an_packet *p, const struct an_news *news)
{
	struct copies *c = self;
	struct near_difference d;
	struct near_packet near;
	struct recent *r, *closest;

	if (c->frame->count_copies || !near_read(&near, news->raw, news->raw_len) ||
	    near_limit(&near) == 0 ||
	    !grow_to(&c->number, &c->number_cap, p->slot + 1, sizeof(*c->number)))
		return;
	if (++c->last == 0)
		c->last = 1;
	r = &c->recent[c->last % COPIES_RECENT];
	*r = (struct recent){ .tx = p->tx,
			      .number = c->last,
			      .before = c->alike[near.type & 15][near.len],
			      .first = p->first,
			      .type = near.type,
			      .len = near.len,
			      .observer = AN_NO_OBSERVER,
			      .sure = copies_is_sure(c->frame, p, news),
			      .flood =
				  p->route == HOPS_ROUTE_FLOOD || p->route == HOPS_ROUTE_TFLOOD };
	memcpy(r->hash, p->hash, sizeof(r->hash));
	memcpy(r->payload, near.payload, near.len);
	c->alike[near.type & 15][near.len] = c->last;
	c->number[p->slot] = c->last;
	closest = copies_closest(c, r, &d);
	if (closest != NULL)
		r->twin = copies_root(c, closest)->number;
}

static void
copies_hear(struct recent *r, const struct an_packet *p, const struct hops_obs *o)
{
	struct way way = { .count = o->count < COPIES_WAY ? o->count : COPIES_WAY };
	uint32_t common = way.count;
	bool known = false;

	r->fewest = r->heard == 0 || o->count < r->fewest ? o->count : r->fewest;
	r->most = o->count > r->most ? o->count : r->most;
	if (r->heard++ == 0 && p->heard_count > 0)
		r->observer = p->heard[p->heard_count - 1].observer;
	memcpy(way.hops, o->hops, way.count * sizeof(o->hops[0]));
	for (uint32_t i = 0; i < r->way_count; i++) {
		uint32_t n = way_common(&way, &r->ways[i]);

		common = n < common ? n : common;
		known |= n == way.count && n == r->ways[i].count;
	}
	r->common = (uint8_t)(r->heard == 1 || common < r->common ? common : r->common);
	if (!known && r->way_count < COPIES_WAYS)
		r->ways[r->way_count++] = way;
}

static void
copies_on_obs(void *self, const struct an_packet *p, const struct hops_obs *o)
{
	struct copies *c = self;
	struct recent *r = copies_of_packet(c, p), *other;

	if (r == NULL)
		return;
	copies_hear(r, p, o);
	other = copies_recent(c, r->original != 0 ? r->original : r->twin);
	if (other == NULL || other == r)
		return;
	other->twin = other->twin == 0 ? r->number : other->twin;
	copies_decide(c, other, r);
}

static void
copies_on_gone(void *self, const struct an_packet *p)
{
	struct copies *c = self;
	uint32_t n = 0;

	if (!p->copy)
		return;
	while (n < c->damaged_count && c->damaged[n].tx != p->tx)
		n++;
	if (n == c->damaged_count)
		return;
	c->damaged_count--;
	memmove(&c->damaged[n], &c->damaged[n + 1], (c->damaged_count - n) * sizeof(*c->damaged));
}

uint64_t
copies_original(const struct frame *f, uint64_t tx)
{
	for (uint32_t i = 0; i < f->module_count; i++) {
		const struct copies *c = f->modules[i].self;

		for (uint32_t k = 0; f->modules[i].class == &copies_module && k < c->damaged_count;
		     k++)
			if (c->damaged[k].tx == tx)
				return c->damaged[k].original_tx;
	}
	return 0;
}

const struct an_module copies_module = {
	.name = "copies",
	.create = copies_create,
	.destroy = copies_destroy,
	.on_packet = copies_on_packet,
	.on_obs = copies_on_obs,
	.on_gone = copies_on_gone,
	.bytes = copies_bytes,
	.methods = copies_methods,
};
