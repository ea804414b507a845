/* SPDX-License-Identifier: MIT */
#include "fixture.h"

TestSuite(nodes, .timeout = 120);

static struct hops_nodes n;

static uint32_t
candidates(const char *prefix)
{
	const struct hops_candidate *list;

	return hops_candidates(&n, prefix, strlen(prefix), &list);
}

Test(nodes, names_are_kept_once_whatever_their_case)
{
	struct hops_ids ids = { 0 };
	uint32_t a = hops_ids_put(&ids, "ABcd", 4);

	cr_expect_eq(hops_ids_put(&ids, "abCD", 4), a);
	cr_expect_eq(hops_ids_find(&ids, "abcd", 4), a);
	cr_expect_str_eq(ids.text[a], "abcd");
	cr_expect_eq(hops_ids_find(&ids, "abc", 3), HOPS_NONE);
	cr_expect_eq(hops_ids_put(&ids, "a\0b", 3), HOPS_NONE);
	cr_expect_eq(hops_ids_put(&ids, "", 0), HOPS_NONE);
	cr_expect_eq(hops_ids_put(&ids, "\xc3(", 2), HOPS_NONE, "no UTF-8");
	cr_expect_eq(ids.refused, 3);
	hops_ids_fini(&ids);
}

Test(nodes, ten_thousand_names_are_found_again)
{
	struct hops_ids ids = { 0 };
	char name[32];

	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "node-%u", i * 7919);
		cr_assert_eq(hops_ids_put(&ids, name, strlen(name)), i);
	}
	for (uint32_t i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "NODE-%u", i * 7919);
		cr_assert_eq(hops_ids_find(&ids, name, strlen(name)), i);
	}
	hops_ids_fini(&ids);
}

Test(nodes, repeaters_and_rooms_are_candidates_and_others_are_not)
{
	node(&n, "a1aa", "Repeater", NOWHERE);
	node(&n, "a1bb", "room", NOWHERE);
	node(&n, "a1cc", "room_server", NOWHERE);
	node(&n, "a1dd", "companion", NOWHERE);
	node(&n, "a1ee", "sensor", NOWHERE);
	node(&n, "a1ff", "bathroom", NOWHERE);
	cr_expect_eq(candidates("A1"), 3);
	cr_expect_eq(candidates("a1b"), 1);
	cr_expect_eq(candidates("a1dd"), 0);
	cr_expect_eq(candidates("a"), 0);
	hops_nodes_fini(&n);
}

/* T-NR */
Test(nodes, a_listener_is_no_candidate)
{
	struct hops_question q = { .hop = "a1bbbbbb", .len = 8 };

	node(&n, "a1aaaaaa", "repeater", NOWHERE);
	node(&n, "a1bbbbbb", "repeater", NOWHERE);
	cr_expect_eq(hops_resolve(&n, &q).id, id_of(&n, "a1bbbbbb"));
	hops_nodes_set_listener(&n, "A1BBBBBB", 8, true);
	cr_expect_eq(hops_resolve(&n, &q).method, HOPS_NO_MATCH);
	q.hop = "a1aaaaaa";
	cr_expect_eq(hops_resolve(&n, &q).id, id_of(&n, "a1aaaaaa"));
	hops_nodes_set_listener(&n, "a1bbbbbb", 8, false);
	cr_expect_eq(candidates("a1"), 2);
	hops_nodes_fini(&n);
}

Test(nodes, who_is_gone_is_no_candidate)
{
	struct hops_node gone = { 0 };

	node(&n, "a1aa", "repeater", NOWHERE);
	cr_expect_eq(candidates("a1"), 1);
	hops_nodes_set(&n, "a1aa", 4, &gone);
	cr_expect_eq(candidates("a1"), 0);
	hops_nodes_fini(&n);
}

Test(nodes, only_what_changes_an_answer_counts_as_a_change)
{
	struct hops_node now = { .there = true, .relays = true };
	uint64_t before;

	hops_nodes_set(&n, "a1aa", 4, &now);
	before = n.changes;
	now.adverts = 17;
	hops_nodes_set(&n, "a1aa", 4, &now);
	cr_expect_eq(n.changes, before);
	now.has_gps = true;
	hops_nodes_set(&n, "a1aa", 4, &now);
	cr_expect_eq(n.changes, before + 1);
	hops_nodes_fini(&n);
}

Test(nodes, tokens_are_of_one_to_three_bytes)
{
	char text[HOPS_TOKEN_TEXT];

	hops_token_text(hops_token_read("00A1", 4), text);
	cr_expect_str_eq(text, "00a1");
	cr_expect_neq(hops_token_read("a1", 2), hops_token_read("00a1", 4));
	cr_expect_eq(hops_token_read("a", 1), 0);
	cr_expect_eq(hops_token_read("a1b2c3d4", 8), 0);
	cr_expect_eq(hops_token_read("g1", 2), 0);
}

/* T-GEO1 */
Test(nodes, distances_are_those_of_the_sphere)
{
	static const double t[][5] = { { 37.77, -122.41, 52.52, 13.40, 9105.156 },
				       { 37.77, -122.41, 37.34, -121.89, 66.237 },
				       { 35.30, -120.70, 37.00, -120.50, 189.882 },
				       { 51.5074, -0.1278, 51.52, -0.12, 1.5014 } };

	for (size_t i = 0; i < 4; i++) {
		struct hops_node a = { .lat = t[i][0], .lon = t[i][1] };
		struct hops_node b = { .lat = t[i][2], .lon = t[i][3] };

		cr_expect_float_eq(hops_distance_km(&a, &b), t[i][4], 0.001);
	}
	cr_expect_not(hops_has_gps(0, 0));
	cr_expect_not(hops_has_gps(91, 0));
	cr_expect(hops_has_gps(0, 1));
}

Test(nodes, an_observation_of_the_database_is_read_like_one_of_the_bus)
{
	struct hops_obs o = { 0 };

	/* T-WIRE, T-PB */
	cr_expect(hops_obs_head(&o, "0902ABCD", 8));
	cr_expect(hops_obs_is_flood(&o) && o.type == 2 && o.size == 1);
	cr_expect(hops_obs_head(&o, "140011223301FF", 14));
	cr_expect(o.route == HOPS_ROUTE_TFLOOD && o.type == 5 && o.size == 1);
	cr_expect(hops_obs_head(&o, "0A00", 4));
	cr_expect(o.route == HOPS_ROUTE_DIRECT && !hops_obs_is_flood(&o));
	cr_expect(hops_obs_head(&o, "0181", 4) && o.size == 3);
	cr_expect(hops_obs_head(&o, "0140", 4) && o.size == 2);
	cr_expect(hops_obs_head(&o, "01c1", 4) && o.size == 4);
	cr_expect_not(hops_obs_head(&o, "01", 2));
	cr_expect_not(hops_obs_head(&o, "01zz", 4));
	cr_expect_not(hops_obs_head(&o, "0400112233", 10));
	cr_expect(hops_obs_path(&o, "[\"7D1D\",\"DA2A\"]", 15));
	cr_expect_eq(o.count, 2);
	cr_expect_eq(o.hops[1], HOPS_TOKEN(2, 0xda2a));
	cr_expect(hops_obs_path(&o, "[]", 2) && o.count == 0);
	cr_expect_not(hops_obs_path(&o, "[\"7D1D\",\"DA", 11));
	cr_expect_not(hops_obs_path(&o, "[\"7D1D\",\"xy\"]", 13));
	cr_expect_eq(o.count, 0);
}

Test(nodes, a_shared_contact_is_recognised)
{
	struct hops_obs o = { 0 };

	cr_expect(hops_obs_head(&o, "130000000000", 12) && o.shared);
	cr_expect(hops_obs_head(&o, "130000000100", 12) && !o.shared);
	cr_expect(hops_obs_head(&o, "1200", 4) && !o.shared);
}
