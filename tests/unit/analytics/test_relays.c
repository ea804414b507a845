/* SPDX-License-Identifier: MIT
 *
 * What nodes relay, from packets to the published snapshot.
 */
#include "world.h"

#include <analytics/relays.h>

#define TEXT 2
#define HOUR 3600

static const struct an_module *const modules[] = { &relays_module, NULL };
static struct world w;

static void
relays_setup(void)
{
	world_init(&w, modules);
	world_node(&w, "aa11", "repeater", 0, 0);
	world_node(&w, "bb22", "repeater", 0, 0);
	world_node(&w, "cc33", "repeater", 0, 0);
	world_node(&w, "cc44", "repeater", 0, 0);
}

static void
relays_teardown(void)
{
	world_fini(&w);
}

TestSuite(relays, .init = relays_setup, .fini = relays_teardown, .timeout = 120);

static struct relay_activity
activity(const char *key)
{
	struct relay_activity a;

	frame_flush(&w.frame);
	relay_activity(relays_trails(&w.frame), hops_ids_find(&w.frame.nodes.ids, key, strlen(key)),
		       w.now, &a);
	return a;
}

static void
hear(uint64_t tx, uint8_t type, uint8_t route, const char *path, int64_t ago)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = "O1",
				       .type = type,
				       .route = route,
				       .path = path,
				       .at = w.now - ago });
}

Test(relays, two_hours_ago_is_today_but_not_this_hour)
{
	hear(1, TEXT, 1, "AA11", 2 * HOUR);
	cr_expect_eq(activity("aa11").in_24h, 1);
	cr_expect_eq(activity("aa11").in_1h, 0);
	cr_expect_eq(activity("aa11").last, w.now - 2 * HOUR);
	cr_expect_eq(activity("bb22").last, 0);
}

Test(relays, two_days_ago_only_tells_when)
{
	hear(1, TEXT, 1, "AA11", 48 * HOUR);
	cr_expect_eq(activity("aa11").in_24h, 0);
	cr_expect_eq(activity("aa11").last, w.now - 48 * HOUR);
}

Test(relays, an_advert_counts_for_whom_it_is_from_and_not_for_who_relays_it)
{
	world_hear(&w, (struct heard){ .tx = 1,
				       .observer = "O1",
				       .type = HOPS_TYPE_ADVERT,
				       .route = 1,
				       .from = "bb22",
				       .path = "AA11" });
	world_hear(&w, (struct heard){ .tx = 2,
				       .observer = "O1",
				       .type = HOPS_TYPE_ADVERT,
				       .route = 2,
				       .from = "bb22" });
	cr_expect_eq(activity("aa11").last, 0);
	cr_expect_eq(activity("aa11").flood_adverts_7d, 0);
	cr_expect_eq(activity("bb22").flood_adverts_7d, 1);
}

Test(relays, a_packet_counts_once_however_many_heard_it)
{
	for (int i = 0; i < 5; i++)
		hear(1, TEXT, 1, i < 3 ? "AA" : "AA,BB", 60);
	cr_expect_eq(activity("aa11").in_1h, 1);
	cr_expect_eq(activity("bb22").in_1h, 1);
	cr_expect_eq(relays_trails(&w.frame)->relayed, 1);
}

Test(relays, only_plain_floods_are_unscoped)
{
	hear(1, TEXT, 1, "AA11", 60);
	hear(2, TEXT, 2, "AA11", 60);
	world_hear(
	    &w, (struct heard){
		    .tx = 3, .observer = "O1", .type = TEXT, .path = "AA11", .scope = "belgium" });
	cr_expect_eq(activity("aa11").in_24h, 3);
	cr_expect_eq(activity("aa11").unscoped_24h, 1);
	cr_expect_eq(activity("aa11").scope_count, 1);
	cr_expect_str_eq(w.frame.scopes.text[activity("aa11").scopes[0]], "belgium");
}

Test(relays, siblings_of_a_hop_are_not_credited)
{
	hear(1, TEXT, 1, "AA,CC", 60);
	cr_expect_eq(activity("aa11").in_1h, 1);
	cr_expect_eq(activity("cc33").in_1h, 0);
	cr_expect_eq(activity("cc44").in_1h, 0);
}

Test(relays, of_two_siblings_the_neighbour_of_the_hop_before_is_meant)
{
	uint32_t a = hops_ids_find(&w.frame.nodes.ids, "aa11", 4);
	uint32_t c = hops_ids_find(&w.frame.nodes.ids, "cc44", 4);

	hear(1, TEXT, 1, "AA,CC", 60);
	cr_assert_not_null(hops_graph_put(&w.frame.graph, a, c, 0));
	trails_on_graph(relays_trails(&w.frame));
	cr_expect_eq(activity("cc33").in_1h, 0);
	cr_expect_eq(activity("cc44").in_1h, 1);
	/* Behind the other sibling's neighbour nothing is known of it. */
	hear(2, TEXT, 1, "BB,CC", 60);
	cr_expect_eq(activity("cc44").in_1h, 1);
}

Test(relays, with_time_alone_the_counts_go_down)
{
	hear(1, TEXT, 1, "AA11", 0);
	cr_expect_eq(activity("aa11").in_24h, 1);
	w.now += 24 * HOUR;
	cr_expect_eq(activity("aa11").in_24h, 0);
	cr_expect_eq(activity("aa11").last, w.now - 24 * HOUR);
}

Test(relays, what_is_forgotten_is_not_counted)
{
	hear(1, TEXT, 1, "AA11", 0);
	frame_flush(&w.frame);
	w.now += 40 * 86400;
	hear(2, TEXT, 1, "BB22", 0);
	frame_on_live(&w.frame);
	frame_on_tick(&w.frame, w.now);
	cr_expect_eq(activity("aa11").last, 0);
	cr_expect_eq(relays_trails(&w.frame)->relayed, 1);
}

Test(relays, the_packets_of_a_node_come_in_order_and_once)
{
	const struct an_packet **list = NULL;
	uint32_t count;

	hear(3, TEXT, 1, "BB,AA", 10);
	hear(1, TEXT, 1, "AA", 30);
	hear(2, TEXT, 1, "AA11", 20);
	world_hear(&w, (struct heard){ .tx = 4,
				       .observer = "O1",
				       .type = HOPS_TYPE_ADVERT,
				       .route = 1,
				       .from = "aa11" });
	frame_flush(&w.frame);
	count = trails_packets(relays_trails(&w.frame),
			       hops_ids_find(&w.frame.nodes.ids, "aa11", 4), w.now - 25, &list);
	cr_assert_eq(count, 3);
	cr_expect_eq(list[0]->tx, 2);
	cr_expect_eq(list[1]->tx, 3);
	cr_expect_eq(list[2]->tx, 4);
	free(list);
}

/* The row of a node in what was published. */
static const mk_val *
published(mk_doc *doc, const char *key)
{
	const mk_val *nodes;
	const char *text;
	size_t len;

	cr_assert_eq(mk_doc_open(doc, w.body, w.body_len, NULL, NULL, 0), MK_OK);
	nodes = mk_find(mk_doc_root(doc), "nodes");
	for (uint32_t i = 0; i < mk_count(nodes); i++) {
		const mk_val *row = mk_at(nodes, i);

		if (mk_get_str(mk_at(row, 0), &text, &len) && len == strlen(key) &&
		    memcmp(text, key, len) == 0)
			return row;
	}
	return NULL;
}

static double
published_number(const char *key, uint32_t field)
{
	const mk_val *row;
	double v = -1;
	mk_doc doc;

	mk_doc_init(&doc);
	row = published(&doc, key);
	cr_assert_not_null(row, "%s", key);
	cr_expect_eq(mk_count(row), 12);
	cr_assert(mk_get_f64(mk_at(row, field), &v));
	mk_doc_close(&doc);
	mk_doc_fini(&doc);
	return v;
}

static void
publish(void)
{
	frame_flush(&w.frame);
	frame_on_live(&w.frame);
	world_run_posts(&w);
	frame_on_tick(&w.frame, w.now);
	world_run_posts(&w);
}

Test(relays, traffic_is_a_share_of_all_packets_but_adverts)
{
	for (uint64_t tx = 1; tx <= 4; tx++)
		hear(tx, TEXT, 1, tx == 1 ? "AA11" : "BB22", 60);
	for (uint64_t tx = 10; tx < 110; tx++)
		hear(tx, HOPS_TYPE_ADVERT, 1, "AA11", 60);
	publish();
	cr_expect_float_eq(published_number("aa11", 6), .25, 1e-9);
	cr_expect_float_eq(published_number("bb22", 6), .75, 1e-9);
	cr_expect_float_eq(published_number("bb22", 10), .2, 1e-9, "the most of all is worth 0.2");
	cr_expect_float_eq(published_number("aa11", 10), .2 / 3, 1e-9);
}

Test(relays, the_graph_gives_the_axes)
{
	uint32_t ids[3];
	const char *keys[] = { "aa11", "bb22", "cc33" };

	for (int i = 0; i < 3; i++)
		ids[i] = hops_ids_find(&w.frame.nodes.ids, keys[i], 4);
	for (int i = 0; i < 2; i++) {
		struct hops_edge *e = hops_graph_put(&w.frame.graph, ids[i], ids[i + 1], 0);

		e->t.count = 100;
		e->t.first = e->t.last = (uint32_t)w.now;
	}
	publish();
	cr_expect_float_eq(published_number("bb22", 7), 1, 1e-9);
	cr_expect_float_eq(published_number("aa11", 7), 0, 1e-9);
	cr_expect_float_eq(published_number("aa11", 8), .75, 1e-9);
	cr_expect_float_eq(published_number("bb22", 9), 1, 1e-9);
	cr_expect_float_eq(published_number("bb22", 10), .8, 1e-9);
}

Test(relays, nothing_new_is_not_published_again)
{
	uint32_t before;

	hear(1, TEXT, 1, "AA11", 2 * HOUR);
	publish();
	before = w.published;
	cr_expect_gt(before, 0);
	w.now += 120;
	frame_on_tick(&w.frame, w.now);
	cr_expect_eq(w.published, before);
	hear(2, TEXT, 1, "AA11", 0);
	frame_flush(&w.frame);
	w.now += 120;
	frame_on_tick(&w.frame, w.now);
	cr_expect_eq(w.published, before + 1);
}
