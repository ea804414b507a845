/* SPDX-License-Identifier: MIT
 *
 * Damaged copies, as JSON: how many there are, which relays they come from, and the newest ones.
 */
#include "copies_impl.h"

#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "relays.h"
#include "render.h"

#define LIMIT 50
#define LIMIT_MAX 500
#define TAIL 0.9 /* of the payload */
#define FEW_BITS 6

struct blame { /* by id, or by token where it is not certain who that is */
	uint32_t id, token;
	uint32_t damaged; /* copies that it may have damaged */
	double share;     /* each divided by how many may have done it */
	uint64_t carried; /* packets that came through it undamaged */
};

struct tally {
	const struct damaged **rows; /* newest first */
	uint32_t count, tail, few, received;
	uint32_t types[16], judges[4];
	struct blame *blames;
	uint32_t blame_count, blame_cap;
	uint32_t *by_observer;
};

static bool
tally_takes(const struct copies *c, const struct an_query *q, const struct damaged *d)
{
	if (d->at < q->since || d->at > q->until)
		return false;
	return !q->region ||
	       (d->observer < c->frame->observer_count && q->in_region[d->observer] != 0);
}

static void
tally_blame(struct tally *t, struct frame *f, uint32_t token, double share)
{
	bool sure = false;
	uint32_t id = frame_hop(f, token, &sure), i = 0;

	if (!sure)
		id = HOPS_NONE;
	while (i < t->blame_count &&
	       (id != HOPS_NONE ? t->blames[i].id != id
				: t->blames[i].id != HOPS_NONE || t->blames[i].token != token))
		i++;
	if (i == t->blame_count) {
		if (!grow_to(&t->blames, &t->blame_cap, i + 1, sizeof(*t->blames)))
			return;
		t->blames[t->blame_count++] = (struct blame){ .id = id, .token = token };
	}
	t->blames[i].damaged++;
	t->blames[i].share += share;
}

static void
tally_add(struct tally *t, struct frame *f, const struct damaged *d)
{
	t->rows[t->count++] = d;
	t->tail += d->difference.first >= TAIL * d->payload_bits;
	t->few += d->difference.bits <= FEW_BITS;
	t->received += d->reception;
	t->types[d->type & 15]++;
	t->judges[d->judge]++;
	if (d->reception && d->observer < f->observer_count)
		t->by_observer[d->observer]++;
	for (uint32_t i = 0; i < d->suspect_count; i++)
		tally_blame(t, f, d->suspects[i], 1.0 / d->suspect_count);
}

/* How many packets of the window went over it; damaged copies are not among them. */
static void
tally_carried(struct tally *t, const struct frame *f, const struct an_query *q)
{
	const struct trails *trails = relays_trails(f);
	uint32_t first, count;

	for (uint32_t i = 0; trails != NULL && i < t->blame_count; i++) {
		struct blame *b = &t->blames[i];

		count = b->id != HOPS_NONE ? trails_of(trails, b->id, &first) : 0;
		for (uint32_t k = 0; k < count; k++) {
			const struct trail *trail = &trails->at[trails->order[first + k]];

			if (trail->token != 0)
				b->carried +=
				    trail_lower(trails, trail,
						q->until == INT64_MAX ? INT64_MAX : q->until + 1) -
				    trail_lower(trails, trail, q->since);
		}
	}
}

static int
blame_compare(const void *x, const void *y)
{
	const struct blame *a = x, *b = y;

	if (a->share < b->share || a->share > b->share)
		return a->share > b->share ? -1 : 1;
	return a->token < b->token ? -1 : a->token > b->token;
}

static void
tally_write_relays(struct tally *t, const struct frame *f, const struct an_query *q,
		   struct json *out)
{
	if (t->blame_count > 0)
		qsort(t->blames, t->blame_count, sizeof(*t->blames), blame_compare);
	js_karray(out, "relays");
	for (uint32_t i = 0; i < t->blame_count; i++) {
		const struct blame *b = &t->blames[i];

		if (b->id != HOPS_NONE && query_hides(q, b->id))
			continue;
		js_object(out);
		render_ktoken(out, "hop", b->token);
		render_kname(out, "name", f, b->id);
		render_kpubkey(out, "pubkey", f, b->id);
		js_kuint(out, "damaged", b->damaged);
		js_knum(out, "blame", render_round(b->share, 2));
		if (b->id != HOPS_NONE) {
			js_kuint(out, "carried", b->carried);
			js_knum(out, "rate",
				render_round(b->share / (b->share + (double)b->carried), 4));
		}
		js_object_end(out);
	}
	js_array_end(out);
}

static void
tally_write_observers(const struct tally *t, const struct frame *f, struct json *out)
{
	js_karray(out, "observers");
	for (uint32_t i = 0; i < f->observer_count; i++) {
		if (t->by_observer[i] == 0)
			continue;
		js_object(out);
		js_kstr(out, "observer_id", f->observers[i].id);
		js_kstr(out, "observer_name", f->observers[i].name);
		js_kuint(out, "damaged", t->by_observer[i]);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
tally_write_copy(const struct damaged *d, struct json *out)
{
	static const char *const judges[] = {
#define COPIES_JUDGE_TEXT(name, text) text,
		COPIES_JUDGE_MAP(COPIES_JUDGE_TEXT)
#undef COPIES_JUDGE_TEXT
	};

	js_object(out);
	render_khash(out, "hash", d->hash);
	render_khash(out, "original", d->original);
	js_kint(out, "payload_type", d->type);
	render_ktime(out, "timestamp", d->at);
	js_kint(out, "bits", d->difference.bits);
	js_kint(out, "first_bit", d->difference.first);
	js_kint(out, "last_bit", d->difference.last);
	js_kint(out, "payload_bits", d->payload_bits);
	js_kint(out, "hops", d->hops);
	js_kint(out, "original_hops", d->original_hops);
	js_kstr(out, "judge", judges[d->judge]);
	js_karray(out, "suspects");
	for (uint32_t i = 0; i < d->suspect_count; i++) {
		char token[HOPS_TOKEN_TEXT];

		hops_token_text(d->suspects[i], token);
		js_str(out, token);
	}
	js_array_end(out);
	js_object_end(out);
}

static void
copies_count_packet(void *arg, const struct an_packet *p)
{
	(void)p;
	++*(uint64_t *)arg;
}

static void
tally_write(struct tally *t, struct copies *c, const struct an_query *q, struct json *out)
{
	int64_t limit = query_int(q, "limit", LIMIT);
	uint64_t packets = 0;

	limit = limit < 1 ? LIMIT : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	if (!q->region)
		frame_each(c->frame, q->since, q->until, copies_count_packet, &packets);
	js_object(out);
	js_kstr(out, "window", q->window);
	js_kobject(out, "summary");
	js_kuint(out, "copies", t->count);
	if (!q->region) {
		js_kuint(out, "packets", packets);
		js_knum(out, "share",
			packets > 0 ? render_round((double)t->count / (double)packets, 4) : 0);
	}
	js_kuint(out, "inTail", t->tail);
	js_kuint(out, "fewBits", t->few);
	js_kuint(out, "atReception", t->received);
	js_kobject(out, "judgedBy");
	js_kuint(out, "mac", t->judges[JUDGE_MAC]);
	js_kuint(out, "observers", t->judges[JUDGE_OBSERVERS]);
	js_kuint(out, "path", t->judges[JUDGE_PATH]);
	js_kuint(out, "order", t->judges[JUDGE_ORDER]);
	js_object_end(out);
	js_kuint(out, "notCompared", c->crowded);
	js_kuint(out, "forgotten", c->forgotten);
	js_object_end(out);
	js_karray(out, "byType");
	for (uint32_t i = 0; i < 16; i++) {
		if (t->types[i] == 0)
			continue;
		js_object(out);
		js_kuint(out, "type", i);
		js_kstr(out, "name", render_type(i));
		js_kuint(out, "count", t->types[i]);
		js_object_end(out);
	}
	js_array_end(out);
	tally_write_relays(t, c->frame, q, out);
	tally_write_observers(t, c->frame, out);
	js_karray(out, "copies");
	for (uint32_t i = 0; i < t->count && i < limit; i++)
		tally_write_copy(t->rows[i], out);
	js_array_end(out);
	js_object_end(out);
}

static uint32_t
copies_answer(void *self, const struct an_query *q, struct json *out)
{
	struct copies *c = self;
	struct tally t = { 0 };
	uint32_t status = 200;

	t.rows = calloc((size_t)c->damaged_count + 1, sizeof(const struct damaged *));
	t.by_observer = calloc((size_t)c->frame->observer_count + 1, sizeof(*t.by_observer));
	if (t.rows == NULL || t.by_observer == NULL) {
		status = render_error(out, 500, "out of memory");
	} else {
		for (uint32_t i = c->damaged_count; i > 0; i--)
			if (tally_takes(c, q, &c->damaged[i - 1]))
				tally_add(&t, c->frame, &c->damaged[i - 1]);
		tally_carried(&t, c->frame, q);
		tally_write(&t, c, q, out);
	}
	free(t.rows);
	free(t.by_observer);
	free(t.blames);
	return status;
}

const struct an_method copies_methods[] = {
	{ "damaged-copies", copies_answer },
	{ NULL, NULL },
};
