/* SPDX-License-Identifier: MIT
 *
 * The frame: what counts, windows that move on, what is forgotten, and that neither the order of
 * observations nor a restart changes an answer.
 */
#include "world.h"

#include <analytics/bag.h>
#include <analytics/modules.h>
#include <hops/time.h>

static const struct an_module *const modules[] = {
	&rf_module,       &topology_module, &channels_module,
	&airtime_module,  &scopes_module,   &hashes_module,
	&distance_module, &subpaths_module, NULL
};
static const char *const methods[] = {
	"rf",          "topology",   "channels",        "relay-airtime-share",
	"scope-stats", "hash-sizes", "hash-collisions", "distance",
	"subpaths"
};
static const char *const filters[] = { "{}", "{\"window\": \"1h\"}",
				       "{\"region\": \"SJC\", \"window\": \"24h\"}",
				       "{\"from\": \"2026-05-17T17:00:00Z\"}" };
static const char *const keys[] = { "aa11", "bb22", "cc33", "dd44", "ee55" };
static struct world w;

TestSuite(frame, .timeout = 120);

static void
people(struct world *at)
{
	for (size_t i = 0; i < 5; i++)
		world_node(at, keys[i], "repeater", 50 + 0.1 * (double)i, 4);
	world_observer(at, "OBS1", "SJC");
	world_observer(at, "OBS2", "OAK");
	world_observer(at, "OBS3", "SJC");
}

/* The i-th observation of some traffic; packets have up to four copies. */
static void
traffic(struct world *at, uint32_t i, int64_t began)
{
	static const char *const observers[] = { "OBS1", "OBS2", "OBS3" };
	static const char *const paths[] = { "AA",    "AA,BB",       "BB,CC,DD", "CC",
					     "DD,EE", "AA,BB,CC,DD", "",         "EE,AA" };
	static const uint8_t types[] = { 2, 4, 5, 4, 1 };
	uint32_t tx = i / 4 + 1;

	at->now = began + i * 20;
	world_hear(at, (struct heard){
			   .tx = tx,
			   .observer = observers[i % 3],
			   .path = paths[hops_mix(i) % 8],
			   .type = types[tx % 5],
			   .route = tx % 7 == 0 ? 0 : 1,
			   .scope = tx % 14 == 0 ? "#x" : NULL,
			   .from = types[tx % 5] == 4 ? keys[tx % 5] : NULL,
			   .json = "{\"channelHash\": 9, \"channel\": \"ch9\"}",
			   .snr = (double)(i % 40) / 4 - 5.125,
			   .rssi = -60.0 - i % 30,
		       });
}

static void
expect_same(struct world *a, struct world *b)
{
	frame_on_live(&a->frame);
	frame_on_live(&b->frame);
	for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
		for (size_t k = 0; k < sizeof(filters) / sizeof(filters[0]); k++) {
			const char *filter =
			    strcmp(methods[m], "scope-stats") == 0 ? "{}" : filters[k];
			json_t *x = world_ask(a, methods[m], filter, 200);
			json_t *y = world_ask(b, methods[m], filter, 200);

			cr_expect(json_equal(x, y), "%s %s", methods[m], filter);
			json_decref(x);
			json_decref(y);
		}
	}
}

Test(frame, a_restart_in_the_middle_changes_no_answer)
{
	static struct world again;
	int64_t began = WORLD_NOW - 4 * 3600;

	world_init(&w, modules);
	world_init(&again, modules);
	people(&w);
	people(&again);
	/* One was there all the time, and was asked now and then. */
	for (uint32_t i = 0; i < 600; i++) {
		traffic(&w, i, began);
		if (i % 97 == 0)
			json_decref(world_ask(&w, "topology", "{\"window\": \"1h\"}", 200));
		if (i % 50 == 0)
			frame_on_tick(&w.frame, w.now);
	}
	/* The other one read the first half, and within a packet, out of the database. */
	again.stored = true;
	for (uint32_t i = 0; i < 301; i++)
		traffic(&again, i, began);
	frame_on_live(&again.frame);
	again.stored = false;
	for (uint32_t i = 301; i < 600; i++)
		traffic(&again, i, began);
	expect_same(&w, &again);
	world_fini(&again);
	world_fini(&w);
}

Test(frame, the_order_of_packets_changes_no_answer)
{
	static struct world other;

	world_init(&w, modules);
	world_init(&other, modules);
	people(&w);
	people(&other);
	w.stored = other.stored = true;
	for (uint32_t i = 0; i < 400; i++)
		traffic(&w, i, WORLD_NOW - 3 * 3600);
	/* Copies of one packet stay in their order: of equal ones, the first is shown. */
	for (uint32_t tx = 100; tx > 0; tx--) {
		for (uint32_t k = 0; k < 4; k++)
			traffic(&other, (tx - 1) * 4 + k, WORLD_NOW - 3 * 3600);
	}
	other.now = w.now = WORLD_NOW;
	expect_same(&w, &other);
	world_fini(&other);
	world_fini(&w);
}

static int64_t
packets(const char *filter)
{
	json_t *v = world_ask(&w, "rf", filter, 200);
	int64_t n = json_integer_value(world_at(v, "totalTransmissions"));

	json_decref(v);
	return n;
}

static void
heard(uint64_t tx, int64_t at)
{
	world_hear(&w,
		   (struct heard){ .tx = tx, .observer = "OBS1", .type = 2, .route = 1, .at = at });
}

Test(frame, a_window_moves_on_with_the_clock)
{
	world_init(&w, modules);
	heard(1, w.now - 3500);
	heard(2, w.now - 100);
	cr_expect_eq(packets("{\"window\": \"1h\"}"), 2);
	w.now += 100;
	cr_expect_eq(packets("{\"window\": \"1h\"}"), 2, "its bounds are within");
	w.now++;
	cr_expect_eq(packets("{\"window\": \"1h\"}"), 1);
	heard(3, w.now);
	cr_expect_eq(packets("{\"window\": \"1h\"}"), 2);
	cr_expect_eq(packets("{}"), 3);
	cr_expect_eq(packets("{\"window\": \"bogus\"}"), 3);
	world_fini(&w);
}

Test(frame, from_and_to_go_before_a_window)
{
	world_init(&w, modules);
	for (int i = 0; i < 10; i++)
		heard((uint64_t)i + 1, w.now - 600 * i);
	cr_expect_eq(packets(
			 "{\"from\": \"2026-05-17T17:45:00Z\", \"to\": \"2026-05-17T18:05:00Z\","
			 " \"window\": \"1h\"}"),
		     3);
	cr_expect_eq(packets("{\"to\": \"2026-05-17T17:45:00+00:00\"}"), 7);
	cr_expect_eq(packets("{\"from\": \"yesterday\"}"), 10);
	world_fini(&w);
}

Test(frame, what_is_older_than_is_kept_is_forgotten)
{
	world_init(&w, modules);
	w.frame.keep = 3600;
	heard(1, w.now - 4000);
	heard(2, w.now - 10);
	frame_on_tick(&w.frame, w.now);
	cr_expect_eq(w.frame.packet_count, 1);
	cr_expect_eq(packets("{}"), 1);
	cr_expect_null(frame_find(&w.frame, 1));
	heard(1, w.now - 4000);
	cr_expect_eq(w.frame.counts.late, 1);
	world_fini(&w);
}

Test(frame, more_packets_than_may_be_kept_push_out_the_oldest)
{
	world_init(&w, modules);
	w.frame.max_packets = 50;
	for (uint64_t i = 0; i < 200; i++)
		heard(i + 1, w.now - 1000 + (int64_t)i);
	frame_on_tick(&w.frame, w.now);
	cr_expect_eq(w.frame.packet_count, 50);
	cr_expect_not_null(frame_find(&w.frame, 200));
	cr_expect_eq(packets("{}"), 50);
	world_fini(&w);
}

Test(frame, a_damaged_copy_counts_nowhere)
{
	world_init(&w, modules);
	heard(1, w.now);
	heard(2, w.now);
	cr_expect_eq(packets("{}"), 2);
	frame_set_copy(&w.frame, frame_find(&w.frame, 2), true);
	cr_expect_eq(packets("{}"), 1);
	frame_set_copy(&w.frame, frame_find(&w.frame, 2), false);
	cr_expect_eq(packets("{}"), 2);
	world_fini(&w);
}

Test(frame, an_area_has_who_sent_or_who_heard)
{
	static const char area[] =
	    "{\"area\": {\"latMin\": 49.9, \"latMax\": 50.15, \"lonMin\": 3.0,"
	    " \"lonMax\": 5.0}}";

	world_init(&w, modules);
	people(&w);
	world_observer(&w, "AA11", "SJC"); /* the observer is a node, too */
	world_hear(&w, (struct heard){
			   .tx = 1, .observer = "OBS1", .type = 4, .route = 1, .from = "bb22" });
	world_hear(&w, (struct heard){
			   .tx = 2, .observer = "AA11", .type = 4, .route = 1, .from = "ee55" });
	world_hear(&w, (struct heard){ .tx = 3, .observer = "AA11", .type = 2, .route = 1 });
	world_hear(&w, (struct heard){ .tx = 4, .observer = "OBS1", .type = 2, .route = 1 });
	cr_expect_eq(packets(area), 2);
	cr_expect_eq(packets("{\"area\": {\"polygon\": [[1.0, 1.0], [2.0, 1.0], [2.0, 2.0]]}}"), 0);
	world_fini(&w);
}

Test(frame, views_that_nobody_asks_for_give_their_memory_away)
{
	char filter[96];

	world_init(&w, modules);
	w.frame.view_bytes = 40000;
	for (uint64_t i = 0; i < 100; i++)
		heard(i + 1, w.now - (int64_t)i);
	for (int i = 0; i < 200; i++) {
		(void)snprintf(filter, sizeof(filter), "{\"from\": \"2026-05-17T18:%02d:%02dZ\"}",
			       i % 15, i / 15);
		w.now++;
		packets(filter);
	}
	cr_expect_lt(w.frame.view_count, 40);
	cr_expect_eq(packets("{}"), 100);
	world_fini(&w);
}

Test(frame, an_answer_of_nobody_is_none)
{
	world_init(&w, modules);
	cr_expect_eq(frame_answer(&w.frame, "nothing", NULL, NULL), 0);
	world_fini(&w);
}

Test(frame, a_database_that_is_another_one_begins_anew)
{
	world_init(&w, modules);
	heard(1, w.now);
	cr_expect_eq(frame_clear(&w.frame), MK_OK);
	cr_expect_eq(packets("{}"), 0);
	heard(1, w.now);
	cr_expect_eq(packets("{}"), 1);
	world_fini(&w);
}

/* -------------------------------------------------------------------- bag -- */

Test(frame, a_bag_counts_like_an_array)
{
	static int64_t truth[500];
	struct bag bag = { 0 };
	struct bag_item item;
	uint32_t at = 0, n;
	uint64_t state = 1;

	for (int i = 0; i < 20000; i++) {
		uint32_t key = (uint32_t)((state = hops_mix(state + 1)) % 499) + 1;
		int64_t by = (int64_t)(state >> 40) % 7 - 3;

		truth[key] += by;
		cr_assert(bag_add(&bag, (uint64_t)key << 33 | key, by));
	}
	for (uint32_t key = 1; key < 500; key++)
		cr_assert_eq(bag_get(&bag, (uint64_t)key << 33 | key), truth[key]);
	while (bag_next(&bag, &at, &item))
		truth[item.key & 0xffff] -= item.n;
	for (uint32_t key = 1; key < 500; key++)
		cr_assert_eq(truth[key], 0);
	free(bag_sorted(&bag, &n));
	cr_expect_leq(n, 499);
	bag_fini(&bag);
}

Test(frame, times_are_read_and_written)
{
	char text[HOPS_TIME_TEXT];
	int64_t at = 0;

	cr_expect(hops_time_read("2026-05-17T18:15:00Z", 20, &at));
	cr_expect_eq(at, WORLD_NOW);
	cr_expect(hops_time_read("2026-05-17 18:15:00", 19, &at));
	cr_expect_eq(at, WORLD_NOW);
	cr_expect(hops_time_read("2026-05-17T20:15:00.123+02:00", 29, &at));
	cr_expect_eq(at, WORLD_NOW);
	cr_expect_not(hops_time_read("2026-13-17T18:15:00Z", 20, &at));
	cr_expect_not(hops_time_read("2026-05-17T18:15", 16, &at));
	for (int64_t t = -100; t < 60000; t += 7) {
		hops_time_write(t * 86400 + 12345, text);
		cr_assert(hops_time_read(text, strlen(text), &at));
		cr_assert_eq(at, t * 86400 + 12345);
	}
}
