/* SPDX-License-Identifier: MIT */
#include "body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SNR_MOST 1000 /* dB; sums of it must not overflow */

static bool
body_place(const mk_val *v, uint32_t names, uint32_t *out)
{
	return mk_get_u32(v, out) && *out < names;
}

static bool
body_places(const mk_val *list, uint32_t names)
{
	uint32_t place;

	for (uint32_t i = 0; i < mk_count(list); i++) {
		if (!body_place(mk_at(list, i), names, &place))
			return false;
	}
	return mk_is_array(list);
}

bool
hops_row_read_gone(struct hops_row *row, const mk_val *v, uint32_t names)
{
	*row = (struct hops_row){ .b = HOPS_NONE };
	if (!body_place(mk_at(v, 0), names, &row->a))
		return false;
	if (body_place(mk_at(v, 1), names, &row->b))
		return row->a != row->b;
	row->b = HOPS_NONE;
	return mk_copy_str(mk_at(v, 1), row->token, sizeof(row->token)) &&
	       hops_token_read(row->token, strlen(row->token)) != 0;
}

bool
hops_row_read(struct hops_row *row, const mk_val *v, uint32_t names)
{
	const mk_val *modes = mk_at(v, 6);
	uint64_t sum = 0;

	if (!hops_row_read_gone(row, v, names) || !mk_get_u64(mk_at(v, 2), &row->count) ||
	    !mk_get_u64(mk_at(v, 3), &row->ab) || !mk_get_i64(mk_at(v, 4), &row->first) ||
	    !mk_get_i64(mk_at(v, 5), &row->last) || mk_count(modes) != 4 ||
	    !mk_get_u64(mk_at(v, 8), &row->snr_n))
		return false;
	if (row->count == 0 || row->count > INT64_MAX || row->ab > row->count ||
	    row->first > row->last || row->first < 0 || row->last > UINT32_MAX)
		return false;
	for (uint32_t i = 0; i < 4; i++) {
		if (!mk_get_u64(mk_at(modes, i), &row->modes[i]) || row->modes[i] > row->count)
			return false;
		sum += row->modes[i];
	}
	if (row->snr_n > INT64_MAX || (row->snr_n > 0 && (!mk_get_f64(mk_at(v, 7), &row->snr) ||
							  !(fabs(row->snr) <= SNR_MOST))))
		return false;
	row->observers = mk_at(v, 9);
	row->candidates = row->b == HOPS_NONE ? mk_at(v, 10) : NULL;
	if (row->b != HOPS_NONE && !mk_get_bool(mk_at(v, 10), &row->resolved))
		return false;
	return sum == row->count && body_places(row->observers, names) &&
	       (row->b != HOPS_NONE || body_places(row->candidates, names));
}

static bool
body_check(const mk_val *body)
{
	uint32_t names = mk_count(mk_find(body, "ids"));
	const mk_val *lists[2] = { mk_find(body, "edges"), mk_find(body, "open") };
	const mk_val *gone = mk_find(body, "gone");
	struct hops_row row;
	const char *s;
	size_t len;

	for (uint32_t i = 0; i < names; i++) {
		if (!mk_get_str(mk_at(mk_find(body, "ids"), i), &s, &len) || len == 0 ||
		    len > HOPS_ID_MAX)
			return false;
	}
	for (size_t l = 0; l < 2; l++) {
		for (uint32_t i = 0; i < mk_count(lists[l]); i++) {
			if (!hops_row_read(&row, mk_at(lists[l], i), names) ||
			    (row.b == HOPS_NONE) != (l == 1))
				return false;
		}
	}
	for (uint32_t i = 0; i < mk_count(gone); i++) {
		if (!hops_row_read_gone(&row, mk_at(gone, i), names))
			return false;
	}
	return mk_is_array(lists[0]) && mk_is_array(lists[1]);
}

static uint32_t
body_id(struct hops_ids *ids, const mk_val *body, uint32_t place)
{
	const char *s = NULL;
	size_t len = 0;

	if (place == HOPS_NONE || !mk_get_str(mk_at(mk_find(body, "ids"), place), &s, &len))
		return HOPS_NONE;
	return hops_ids_put(ids, s, len);
}

/* The bit of an observer; the last one stands for all that are too many. */
static uint32_t
body_bit(struct hops_graph *g, uint32_t id)
{
	uint32_t i = 0;

	while (i < g->observer_count && g->observers[i] != id)
		i++;
	if (i == HOPS_OBSERVERS_MAX)
		return HOPS_OBSERVERS_MAX - 1;
	if (i == g->observer_count)
		g->observers[g->observer_count++] = id;
	return i;
}

/* `bits`: of the ids of the body, + 1; 0 is not known yet. */
static mk_result
body_see(struct hops_graph *g, struct hops_ids *ids, const mk_val *body, struct hops_edge *e,
	 const mk_val *observers, uint16_t *bits)
{
	struct hops_seen seen = { 0 };

	hops_sets_empty(&g->sets, (uint32_t)(e - g->edges));
	for (uint32_t i = 0; i < mk_count(observers); i++) {
		uint32_t place = 0, id;

		if (!mk_get_u32(mk_at(observers, i), &place))
			return MK_EFORMAT;
		if (bits[place] == 0) {
			id = body_id(ids, body, place);
			if (id == HOPS_NONE)
				return MK_ENOMEM;
			bits[place] = (uint16_t)(body_bit(g, id) + 1);
		}
		hops_seen_put(&seen, bits[place] - 1u);
	}
	return hops_graph_see(g, e, &seen) ? MK_OK : MK_ENOMEM;
}

static mk_result
body_put(struct hops_graph *g, struct hops_ids *ids, const mk_val *body, const mk_val *v,
	 uint16_t *bits)
{
	struct hops_row row;
	struct hops_edge *e;
	uint32_t a, b;

	if (!hops_row_read(&row, v, UINT32_MAX - 1))
		return MK_EFORMAT;
	a = body_id(ids, body, row.a);
	b = body_id(ids, body, row.b);
	if (a == HOPS_NONE || (b == HOPS_NONE && row.b != HOPS_NONE))
		return MK_ENOMEM;
	e = hops_graph_put(g, a, b, hops_token_read(row.token, strlen(row.token)));
	if (e == NULL)
		return MK_ENOMEM;
	e->resolved = row.resolved;
	e->t = (struct hops_tally){ .count = hops_clamp((int64_t)row.count),
				    .ab = hops_clamp((int64_t)row.ab),
				    .first = hops_clamp(row.first),
				    .last = hops_clamp(row.last),
				    .snr_n = hops_clamp((int64_t)row.snr_n) };
	e->t.snr_sum = llround(row.snr * 100 * e->t.snr_n);
	for (size_t i = 0; i < 4; i++)
		e->t.modes[i] = hops_clamp((int64_t)row.modes[i]);
	return body_see(g, ids, body, e, row.observers, bits);
}

/* The graph without the edges that are gone: made anew, because edges know each other by place. */
static mk_result
body_drop(struct hops_graph *g, struct hops_ids *ids, const mk_val *body)
{
	const mk_val *gone = mk_find(body, "gone");
	struct hops_graph kept = { .uncurious = g->uncurious };
	struct hops_seen seen;

	for (uint32_t i = 0; i < mk_count(gone); i++) {
		struct hops_row row;
		struct hops_edge *e;

		if (!hops_row_read_gone(&row, mk_at(gone, i), UINT32_MAX - 1))
			return MK_EFORMAT;
		e = hops_graph_find(g, body_id(ids, body, row.a), body_id(ids, body, row.b),
				    hops_token_read(row.token, strlen(row.token)));
		if (e != NULL)
			e->t.count = 0;
	}
	for (uint32_t i = 0; i < g->count; i++) {
		const struct hops_edge *old = &g->edges[i];
		struct hops_edge *e;

		if (old->t.count == 0)
			continue;
		e = hops_graph_put(&kept, old->a, old->b, old->token);
		if (e == NULL) {
			hops_graph_fini(&kept);
			return MK_ENOMEM;
		}
		e->t = old->t;
		e->resolved = old->resolved;
		hops_graph_seen(g, old, &seen);
		if (!g->uncurious && !hops_graph_see(&kept, e, &seen)) {
			hops_graph_fini(&kept);
			return MK_ENOMEM;
		}
	}
	memcpy(kept.observers, g->observers, sizeof(kept.observers));
	kept.observer_count = g->observer_count;
	hops_graph_fini(g);
	*g = kept;
	return MK_OK;
}

mk_result
hops_graph_read(struct hops_graph *g, struct hops_ids *ids, const mk_val *body, bool delta)
{
	const mk_val *lists[2] = { mk_find(body, "edges"), mk_find(body, "open") };
	uint16_t *bits;
	mk_result rc = MK_OK;

	if (!body_check(body))
		return MK_EFORMAT;
	bits = calloc(mk_count(mk_find(body, "ids")) + 1u, sizeof(*bits));
	if (bits == NULL)
		return MK_ENOMEM;
	if (!delta)
		hops_graph_clear(g);
	else if (mk_count(mk_find(body, "gone")) > 0)
		rc = body_drop(g, ids, body);
	for (size_t l = 0; l < 2; l++) {
		for (uint32_t i = 0; rc == MK_OK && i < mk_count(lists[l]); i++)
			rc = body_put(g, ids, body, mk_at(lists[l], i), bits);
	}
	free(bits);
	mk_get_u64(mk_find(body, "far"), &g->too_far);
	return rc;
}
