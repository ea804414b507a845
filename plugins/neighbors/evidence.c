/* SPDX-License-Identifier: MIT */
#include "evidence.h"

#include <stdlib.h>

#define EVIDENCE_VERSION 1
#define NUMBER_MAX 10u /* bytes of one */
#define ROW_NUMBERS 8u /* besides the observers */
#define COUNT_MAX INT32_MAX
#define SNR_MOST 20000 /* hundredths of a dB */

/* --------------------------------------------------------------- writing -- */

struct evidence_out {
	uint8_t *data;
	size_t len, cap;
};

static bool
out_room(struct evidence_out *o, size_t numbers)
{
	size_t cap = o->cap == 0 ? 4096 : o->cap;
	uint8_t *data;

	while (cap - o->len < numbers * NUMBER_MAX)
		cap *= 2;
	if (cap == o->cap)
		return true;
	data = realloc(o->data, cap);
	if (data == NULL)
		return false;
	o->data = data;
	o->cap = cap;
	return true;
}

static void
out_put(struct evidence_out *o, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		o->data[o->len++] = (uint8_t)(v | 128);
	o->data[o->len++] = (uint8_t)v;
}

static uint32_t
evidence_end(const struct evidence_view *view, uint32_t end)
{
	return (end & LINKS_TOKEN) != 0 ? end : view->places[end] - 1;
}

static bool
evidence_put_seen(struct evidence_out *o, const struct evidence_view *view, uint32_t row)
{
	struct hops_seen seen;
	uint32_t last = 0, n = 0;

	hops_sets_get(&view->links->sets, row, &seen);
	for (uint32_t i = 0; i < view->sighted_count; i++)
		n += hops_seen_has(&seen, view->sighted[i]);
	if (!out_room(o, n + 1))
		return false;
	out_put(o, n);
	for (uint32_t i = 0; i < view->sighted_count; i++) {
		uint32_t place = view->places[view->links->observers[view->sighted[i]]] - 1;

		if (!hops_seen_has(&seen, view->sighted[i]))
			continue;
		out_put(o, place - last);
		last = place;
	}
	return true;
}

mk_result
evidence_write(const struct evidence_view *view, uint8_t **data, size_t *len)
{
	struct evidence_out o = { 0 };
	uint32_t origin = UINT32_MAX, from = 0, to = 0;

	for (uint32_t i = 0; i < view->count; i++) {
		uint32_t first = view->links->at[view->rows[i]].first;

		origin = first < origin ? first : origin;
	}
	if (!out_room(&o, 3))
		return MK_ENOMEM;
	out_put(&o, EVIDENCE_VERSION);
	out_put(&o, view->count);
	out_put(&o, origin);
	for (uint32_t i = 0; i < view->count; i++) {
		const struct links_row *k = &view->links->at[view->rows[i]];
		uint32_t a = evidence_end(view, k->from), b = evidence_end(view, k->to);

		if (!out_room(&o, ROW_NUMBERS))
			goto no_memory;
		out_put(&o, a - from);
		out_put(&o, a == from ? b - to : b);
		out_put(&o, k->count);
		out_put(&o, k->first - origin);
		out_put(&o, k->last - k->first);
		out_put(&o, k->snr_n);
		if (k->snr_n > 0)
			out_put(&o, (uint64_t)k->snr_sum << 1 ^ (uint64_t)(k->snr_sum >> 63));
		if (!evidence_put_seen(&o, view, view->rows[i]))
			goto no_memory;
		from = a;
		to = b;
	}
	*data = o.data;
	*len = o.len;
	return MK_OK;
no_memory:
	free(o.data);
	return MK_ENOMEM;
}

/* --------------------------------------------------------------- reading -- */

struct evidence_in {
	const uint8_t *at, *end;
	bool bad;
};

/* 0 and bad: it is above `max`, or not all there. */
static uint64_t
in_get(struct evidence_in *in, uint64_t max)
{
	uint64_t v = 0;

	for (uint32_t shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		v |= (uint64_t)(byte & 127) << shift;
		if (byte < 128 && v <= max)
			return v;
		if (byte < 128)
			break;
	}
	in->bad = true;
	return 0;
}

struct evidence_row {
	struct links_row row;                   /* its ends as they are written */
	uint32_t observers[HOPS_OBSERVERS_MAX]; /* places */
	uint32_t observer_count;
};

static bool
evidence_is_end(uint32_t end, uint32_t names)
{
	uint32_t token = end & ~LINKS_TOKEN, size = HOPS_TOKEN_SIZE(token);

	if ((end & LINKS_TOKEN) == 0)
		return end < names;
	return size >= 1 && size <= 3 && (token & 0xffffff) >> 8 * size == 0;
}

/* One row behind the other one in `r`. */
static bool
evidence_next(struct evidence_in *in, uint32_t origin, uint32_t names, struct evidence_row *r)
{
	struct links_row *k = &r->row;
	uint32_t step = (uint32_t)in_get(in, UINT32_MAX - k->from);
	uint32_t to = (uint32_t)in_get(in, step > 0 ? UINT32_MAX : UINT32_MAX - k->to);
	uint64_t folded, last = 0;

	k->from += step;
	k->to = step > 0 ? to : k->to + to;
	k->count = (uint32_t)in_get(in, COUNT_MAX) & COUNT_MAX;
	k->first = origin + (uint32_t)in_get(in, UINT32_MAX - origin);
	k->last = k->first + (uint32_t)in_get(in, UINT32_MAX - k->first);
	k->snr_n = (uint32_t)in_get(in, COUNT_MAX);
	folded = k->snr_n == 0 ? 0 : in_get(in, 2 * (uint64_t)SNR_MOST * k->snr_n);
	k->snr_sum = (int64_t)(folded >> 1) ^ -(int64_t)(folded & 1);
	r->observer_count = (uint32_t)in_get(in, HOPS_OBSERVERS_MAX);
	for (uint32_t i = 0; i < r->observer_count && !in->bad; i++) {
		last += in_get(in, names);
		in->bad = in->bad || last >= names;
		r->observers[i] = (uint32_t)last;
	}
	return !in->bad && k->count > 0 && evidence_is_end(k->from, names) &&
	       evidence_is_end(k->to, names);
}

static void
evidence_take(struct links *l, const struct evidence_row *r, const uint32_t *ids)
{
	uint32_t from = (r->row.from & LINKS_TOKEN) != 0 ? r->row.from : ids[r->row.from];
	uint32_t to = (r->row.to & LINKS_TOKEN) != 0 ? r->row.to : ids[r->row.to];
	struct links_row *k = links_put(l, from, to);
	struct hops_seen seen = { 0 };

	if (k == NULL)
		return;
	for (uint32_t i = 0; i < r->observer_count; i++)
		hops_seen_put(&seen, links_observer(l, ids[r->observers[i]]));
	*k = r->row;
	k->from = from;
	k->to = to;
	links_set_seen(l, k, &seen);
}

mk_result
evidence_read(struct links *links, const uint8_t *data, size_t len, const uint32_t *ids,
	      uint32_t names, bool replace)
{
	struct evidence_in start = { .at = data, .end = data + len };
	bool known = in_get(&start, UINT32_MAX) == EVIDENCE_VERSION;
	uint32_t count = (uint32_t)in_get(&start, UINT32_MAX);
	uint32_t origin = (uint32_t)in_get(&start, UINT32_MAX);

	if (!known || start.bad)
		return MK_EFORMAT;
	/* First all of them are judged, so that what is malformed changes nothing. */
	for (int taking = 0; taking < 2; taking++) {
		struct evidence_in in = start;
		struct evidence_row r = { 0 };

		if (taking && replace)
			links_clear(links);
		for (uint32_t i = 0; i < count; i++) {
			if (!evidence_next(&in, origin, names, &r))
				return MK_EFORMAT;
			if (taking)
				evidence_take(links, &r, ids);
		}
		if (in.at != in.end)
			return MK_EFORMAT;
	}
	return MK_OK;
}
