/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include "impl.h"

bool
read_packet_numbers(const struct read *r, uint32_t i, struct read_brief_packet *out)
{
	struct unpacked u = { 0 };
	const struct tx *t;
	uint32_t ms = 0;
	int64_t at;

	if (i < r->store.begin || i - r->store.begin >= r->store.count)
		return false;
	t = &r->store.txs[i - r->store.begin];
	/* Without observations and object nothing is allocated. */
	(void)unpack_tx(&u, t, &(struct heads){ NULL, 0 }, READ_SKIP_JSON | READ_SKIP_OBS);
	if (u.p.first_seen != u.first_seen && !when_parse(u.p.first_seen, &at, &ms))
		ms = 0;
	*out = (struct read_brief_packet){ .id = t->id,
					   .first_ms = t->first_s * 1000 + ms,
					   .latest = u.p.latest,
					   .type = t->type,
					   .route = t->route,
					   .hops = t->shown_hops,
					   .hop_size = t->shown_size,
					   .observations = t->obs_count,
					   .observers = t->observers,
					   .size = u.p.raw_len,
					   .snr = t->best_snr,
					   .rssi = t->best_rssi,
					   .observer =
					       t->obs_count > 0 ? t->shown_observer : READ_NONE,
					   .from = t->from,
					   .last_hop = t->last_hop,
					   .channel = u.p.channel,
					   .scope = u.p.scope };
	for (int k = 0; k < 8 && !t->odd_hash; k++)
		out->hash[k] = (uint8_t)(t->hash >> (56 - 8 * k));
	return true;
}

uint32_t
read_row_count(const struct read *r)
{
	return r->row_count;
}

uint32_t
read_row_node(const struct read *r, uint32_t row)
{
	return row < r->row_count ? r->rows[row] : READ_NONE;
}

uint32_t
read_node_row(const struct read *r, uint32_t node)
{
	return node < r->node_count ? r->more[node].row - 1 : READ_NONE;
}
