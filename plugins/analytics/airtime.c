/* SPDX-License-Identifier: MIT
 *
 * airtime: which types of packets take the air. A packet is sent again by every relay that any of
 * its copies passed; relays are told apart by their hashes, also where nobody knows whose they are.
 */
#include "airtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "modules.h"
#include "render.h"

struct airtime_counts {
	int64_t packets[16];
	struct bag sent; /* by type << 16 | bytes: how often such packets were sent again */
};

struct airtime {
	struct frame *frame;
};

int64_t
airtime_ns(const struct lora *lora, int bytes)
{
	double symbol, payload = 8;
	int slow, left, preamble = lora->preamble > 0 ? lora->preamble : 8;

	if (lora->sf < 6 || lora->sf > 12 || lora->bw_khz <= 0 || lora->cr < 5 || lora->cr > 8 ||
	    bytes < 0)
		return 0;
	symbol = (double)(1 << lora->sf) / (lora->bw_khz * 1000);
	slow = symbol >= 0.016;
	left = 8 * bytes - 4 * lora->sf + 44;
	if (left > 0)
		payload += ceil((double)left / (4 * (lora->sf - 2 * slow))) * lora->cr;
	return llround((preamble + 4.25 + payload) * symbol * 1e9);
}

static bool
airtime_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct airtime_counts *c = counts;
	uint32_t relays = p->more_count;

	(void)view;
	/* A hop may be in one path twice. */
	for (uint32_t i = 0; i < p->hop_count; i++) {
		uint32_t k = 0;

		while (p->hops[k] != p->hops[i])
			k++;
		relays += k == i;
	}
	c->packets[p->type & 15] += sign;
	return relays == 0 ||
	       bag_add(&c->sent, 1u << 20 | (uint32_t)(p->type & 15) << 16 | p->bytes,
		       sign * (int64_t)relays);
}

static void
airtime_fini(void *counts)
{
	bag_fini(&((struct airtime_counts *)counts)->sent);
}

static size_t
airtime_bytes(const void *counts)
{
	return bag_bytes(&((const struct airtime_counts *)counts)->sent);
}

static const struct view_class airtime_class = {
	.name = "airtime",
	.size = sizeof(struct airtime_counts),
	.add = airtime_add,
	.fini = airtime_fini,
	.bytes = airtime_bytes,
	.no_place = true,
};

struct row {
	const char *name;
	unsigned type;
	int64_t count, score;
};

static int
row_compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return strcmp(x->name, y->name) != 0 ? strcmp(x->name, y->name)
					     : (x->type > y->type) - (x->type < y->type);
}

static double
airtime_percent(int64_t part, int64_t whole)
{
	return whole == 0 ? 0 : (double)part / (double)whole * 100;
}

static void
airtime_preset(struct json *j, const struct lora *lora)
{
	js_kobject(j, "preset");
	js_kint(j, "freq_hz", lora->freq_hz);
	js_knum(j, "bw_khz", lora->bw_khz);
	js_kint(j, "sf", lora->sf);
	js_kint(j, "cr", lora->cr);
	js_kint(j, "preamble", lora->preamble);
	js_object_end(j);
}

static uint32_t
airtime_answer(void *self, const struct an_query *q, struct json *j)
{
	struct frame *f = ((struct airtime *)self)->frame;
	const struct airtime_counts *c = frame_view(f, &airtime_class, q);
	struct row rows[16];
	int64_t count = 0, score = 0;
	struct bag_item item;
	uint32_t at = 0;

	if (c == NULL)
		return render_error(j, 503, "out of memory");
	for (unsigned i = 0; i < 16; i++) {
		rows[i] = (struct row){ render_type(i), i, c->packets[i], 0 };
		rows[i].name = rows[i].name == NULL ? "UNK" : rows[i].name;
		count += c->packets[i];
	}
	while (bag_next(&c->sent, &at, &item)) {
		int64_t sum = airtime_ns(&f->lora, (int)(item.key & 0xffff)) * item.n;

		rows[item.key >> 16 & 15].score += sum;
		score += sum;
	}
	qsort(rows, 16, sizeof(rows[0]), row_compare);
	js_object(j);
	js_karray(j, "rows");
	for (int i = 0; i < 16; i++) {
		if (rows[i].count <= 0)
			continue;
		js_object(j);
		js_kstr(j, "payload_type", rows[i].name);
		js_kuint(j, "type", rows[i].type);
		js_kint(j, "count", rows[i].count);
		js_knum(j, "count_pct", airtime_percent(rows[i].count, count));
		js_kint(j, "score", rows[i].score);
		js_knum(j, "airtime_pct", airtime_percent(rows[i].score, score));
		js_object_end(j);
	}
	js_array_end(j);
	js_kint(j, "total_count", count);
	js_kint(j, "total_score", score);
	airtime_preset(j, &f->lora);
	js_kstr(j, "window", q->window);
	js_kbool(j, "cached", false);
	js_object_end(j);
	return 200;
}

static mk_result
airtime_create(struct frame *f, void **self)
{
	struct airtime *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return MK_ENOMEM;
	a->frame = f;
	*self = a;
	return MK_OK;
}

static const struct an_method airtime_methods[] = { { "relay-airtime-share", airtime_answer },
						    { NULL, NULL } };

const struct an_module airtime_module = {
	.name = "airtime",
	.create = airtime_create,
	.destroy = free,
	.methods = airtime_methods,
};
