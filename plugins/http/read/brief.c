/* SPDX-License-Identifier: MIT */
#include "brief.h"

#include <math.h>
#include <stdlib.h>

#include "impl.h"

bool
read_brief(const struct read *r, uint32_t i, struct read_brief *out)
{
	const struct store *s = &r->store;
	const struct tx *t;

	if (i < s->begin || i - s->begin >= s->count)
		return false;
	t = &s->txs[i - s->begin];
	*out = (struct read_brief){ .id = t->id,
				    .first_s = t->first_s,
				    .from = t->from,
				    .obs_count = t->obs_count,
				    .type = t->type,
				    .route = t->route,
				    .observer = READ_NONE };
	if (t->obs_count == 0)
		return true;
	out->observer = t->shown_observer;
	out->hops = t->shown_hops;
	out->has_snr = !isnan(t->shown_snr);
	out->has_rssi = !isnan(t->shown_rssi);
	out->snr = t->shown_snr;
	out->rssi = t->shown_rssi;
	return true;
}

uint64_t *
read_heard_in(const struct read *r, const char *regions)
{
	const struct store *s = &r->store;
	const struct read_filter f = { .region = regions };
	uint64_t *bits = calloc(s->count / 64 + 1, sizeof(*bits));

	for (uint32_t i = 0; bits != NULL && i < s->observer_cap; i++) {
		const struct list *l = &s->by_observer[i];

		if (!find_in_region(r, &f, i))
			continue;
		for (uint32_t k = 0; k < l->count; k++)
			if (l->at[k] >= s->begin)
				bits[(l->at[k] - s->begin) / 64] |= (uint64_t)1
								    << (l->at[k] - s->begin) % 64;
	}
	return bits;
}
