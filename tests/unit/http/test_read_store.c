/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>
#include <http/read/impl.h>

TestSuite(read_store, .timeout = 120);

static const struct heads heads = { NULL, 0 };

/* A packet of 100 bytes with that id, and observations by `first` and the next one. */
static struct tx *
add(struct store *s, int64_t id, uint32_t observer, uint32_t node)
{
	static const uint8_t raw[100];
	uint32_t nodes[1] = { node };
	struct read_packet p = { .id = id,
				 .first_seen = "2026-11-21T06:43:00Z",
				 .first_s = 1795243380,
				 .raw = raw,
				 .raw_len = sizeof(raw),
				 .from = READ_NONE,
				 .type = 4 };
	struct read_obs o = { .id = id * 10,
			      .at = 1795243380 + id,
			      .observer = observer,
			      .has_path = true,
			      .hop_size = 1,
			      .count = 1,
			      .path = raw,
			      .resolved = nodes };
	struct tx *t;

	(void)snprintf(p.hash, sizeof(p.hash), "%016llx", (unsigned long long)id);
	t = store_add(s, &p);
	cr_assert_not_null(t);
	cr_assert(store_add_obs(s, t, &o, &heads));
	o.id++;
	o.observer++;
	o.count = 0;
	o.resolved = NULL;
	cr_assert(store_add_obs(s, t, &o, &heads));
	return t;
}

Test(read_store, packets_are_found_by_id_and_hash)
{
	struct store s = { 0 };

	for (int64_t id = -50; id < 5000; id += 1 + (id > 1000 ? 6 : 0))
		(void)add(&s, id, 0, 0);
	cr_expect_eq(store_find_id(&s, -50)->id, -50);
	cr_expect_eq(store_find_id(&s, 999)->id, 999);
	cr_expect_null(store_find_id(&s, 5001));
	cr_expect_null(store_find_id(&s, 1003));
	cr_expect_eq(store_find_hash(&s, 999)->id, 999);
	cr_expect_null(store_find_hash(&s, 5001));
	cr_expect_eq(s.txs[store_lower(&s, 1002)].id, 1008);
	store_clear(&s);
}

Test(read_store, the_displayed_one_has_the_most_hops_and_comes_first)
{
	static const uint8_t hops[3] = { 1, 2, 3 };
	struct store s = { 0 };
	struct tx *t = add(&s, 1, 0, 0);
	struct read_obs o = {
		.id = 20, .at = 1, .observer = 7, .has_path = true, .hop_size = 1, .path = hops
	};

	cr_expect_eq(t->shown, 0);
	o.count = 3;
	cr_assert(store_add_obs(&s, t, &o, &heads));
	cr_expect_eq(t->shown, 2);
	cr_expect_eq(t->last_hop, HOPS_TOKEN(1, 3));
	cr_assert(store_add_obs(&s, t, &o, &heads));
	cr_expect_eq(t->shown, 2, "the first of those with as many");
	cr_expect_eq(t->observers, 3);
	cr_expect_eq(t->oldest, 1);
	store_clear(&s);
}

Test(read_store, the_oldest_go_and_numbers_stay)
{
	struct store s = { 0 };
	uint32_t number;
	uint64_t full;

	for (int64_t id = 1; id <= 3200; id++)
		(void)add(&s, id, (uint32_t)(id % 10), (uint32_t)(id % 7));
	full = s.bytes;
	number = store_number(&s, store_find_id(&s, 3000));
	store_evict(&s, full * 3 / 4);
	cr_expect_leq(s.bytes, full * 3 / 4);
	cr_expect_gt(s.count, 1000);
	cr_expect_eq(s.evicted, 3200 - s.count);
	cr_expect_eq(s.obs_count, 2 * s.count);
	cr_expect_null(store_find_id(&s, 1));
	cr_expect_null(store_find_hash(&s, 1));
	cr_expect_eq(store_number(&s, store_find_id(&s, 3000)), number);
	cr_expect_eq(store_find_hash(&s, 3000)->id, 3000);
	for (uint32_t i = 0; i < 7; i++) {
		cr_assert_gt(s.by_node[i].count, 0);
		cr_expect_geq(s.by_node[i].at[0], s.begin);
		for (uint32_t k = 1; k < s.by_node[i].count; k++)
			cr_assert_lt(s.by_node[i].at[k - 1], s.by_node[i].at[k]);
	}
	(void)add(&s, 4000, 0, 0);
	cr_expect_eq(store_number(&s, store_find_id(&s, 4000)), 3200);
	store_clear(&s);
	cr_expect_eq(s.begin, 3201);
	cr_expect_eq(s.bytes, 0);
}

Test(read_store, a_late_observation_relates_a_packet_once)
{
	static const uint8_t hop[1] = { 1 };
	uint32_t node[1] = { 5 };
	struct store s = { 0 };
	struct read_obs o = { .id = 999,
			      .at = 1,
			      .observer = 50,
			      .has_path = true,
			      .hop_size = 1,
			      .count = 1,
			      .path = hop,
			      .resolved = node };

	for (int64_t id = 1; id <= 10; id++)
		(void)add(&s, id, 0, 0);
	for (int i = 0; i < 3; i++)
		cr_assert(store_add_obs(&s, store_find_id(&s, 4), &o, &heads));
	cr_assert(store_add_obs(&s, store_find_id(&s, 2), &o, &heads));
	cr_expect_eq(s.by_node[5].count, 2);
	cr_expect_eq(s.by_node[5].at[0], 1);
	cr_expect_eq(s.by_observer[50].count, 2);
	cr_expect_eq(s.by_observer[50].at[1], 3);
	store_clear(&s);
}

static uint64_t
bytes_of_packets(const struct store *s)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < s->count; i++)
		bytes += s->txs[i].len;
	return bytes;
}

/* Older packets have no room to grow, until somebody adds to them. */
Test(read_store, what_has_settled_can_grow_again)
{
	struct store s = { 0 };
	uint64_t seed = 3;
	uint32_t more[4000] = { 0 };

	for (int64_t id = 1; id <= 4000; id++)
		(void)add(&s, id, (uint32_t)(id % 9), 0);
	cr_expect(s.txs[0].settled);
	cr_expect_not(s.txs[3999].settled);
	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t at = (uint32_t)(hops_mix(seed++) % 4000);
		struct read_obs o = { .id = 100000 + i, .at = 5, .observer = READ_NONE };

		cr_assert(store_add_obs(&s, &s.txs[at], &o, &heads));
		more[at]++;
	}
	for (uint32_t i = 0; i < 4000; i++) {
		struct unpacked u = { 0 };

		cr_assert(unpack_tx(&u, &s.txs[i], &heads, 0));
		cr_assert_eq(u.p.id, i + 1);
		cr_assert_eq(u.p.obs_count, 2 + more[i]);
		cr_expect_eq(u.obs[0].id, 10 * (i + 1));
		cr_expect_eq(u.obs[0].count, 1);
		unpacked_fini(&u);
	}
	cr_expect_lt(bytes_of_packets(&s), s.bytes);
	/* What was left behind is given back. */
	uint64_t room = 0;
	for (const struct block *b = s.oldest; b != NULL; b = b->next)
		room += b->len;
	cr_expect_lt(room, 2 * bytes_of_packets(&s) + (1u << 20), "%llu", (unsigned long long)room);
	store_evict(&s, s.bytes / 4);
	cr_expect_lt(s.count, 2000);
	cr_expect_eq(s.txs[s.count - 1].id, 4000);
	store_clear(&s);
}

Test(read_store, what_is_replaced_keeps_its_place_and_its_size)
{
	struct store s = { 0 };
	struct tx *t = add(&s, 1, 0, 0);
	struct unpacked u = { 0 };
	uint64_t bytes = s.bytes;

	(void)add(&s, 2, 0, 0);
	t = store_find_id(&s, 1);
	bytes = s.bytes;
	cr_assert(unpack_tx(&u, t, &heads, 0));
	u.p.first_s = 5;
	u.p.first_seen = "1970-01-01T00:00:05Z";
	cr_assert(store_replace(&s, t, &u.p, &heads));
	unpacked_fini(&u);
	u = (struct unpacked){ 0 };
	cr_assert(unpack_tx(&u, store_find_id(&s, 1), &heads, 0));
	cr_expect_str_eq(u.p.first_seen, "1970-01-01T00:00:05Z");
	cr_expect_eq(u.p.obs_count, 2);
	cr_expect_eq(u.p.obs[1].observer, 1);
	cr_expect_eq(s.obs_count, 4);
	cr_expect_eq(t->observers, 2);
	cr_expect_leq(s.bytes, bytes + 32);
	unpacked_fini(&u);
	store_clear(&s);
}
