/* SPDX-License-Identifier: MIT
 *
 * Reach: the examples of the specification.
 */
#include "world.h"

#include <analytics/reach.h>

#define TEXT 2
#define US "01fa326b"

static const struct an_module *const modules[] = { &reach_module, NULL };
static struct world w;

static void
reach_setup(void)
{
	world_init(&w, modules);
	world_node(&w, US, "repeater", 50, 4);
	world_node(&w, "01880000", "repeater", 0, 0);
	world_node(&w, "aa112233", "repeater", 51, 4);
	world_node(&w, "bb112233", "repeater", 0, 0);
	world_node(&w, "cc112233", "repeater", 0, 0);
	world_node(&w, "dd112233", "companion", 0, 0);
}

static void
reach_teardown(void)
{
	world_fini(&w);
}

TestSuite(reach, .init = reach_setup, .fini = reach_teardown, .timeout = 120);

static json_t *
ask(void)
{
	return world_ask(&w, "reach", "{\"key\":\"" US "\",\"days\":7}", 200);
}

/* we_hear and they_hear of a partner; -1: it is not there. */
static json_int_t
link_of(json_t *v, const char *key, const char *field)
{
	json_t *link;
	size_t i;

	json_array_foreach(json_object_get(v, "links"), i,
			   link) if (strcmp(json_string_value(json_object_get(link, "pubkey")),
					    key) ==
				     0) return json_integer_value(json_object_get(link, field));
	return -1;
}

static void
hear(uint8_t type, uint8_t route, const char *path, const char *from, const char *observer,
     double snr)
{
	static uint64_t tx = 100;

	world_hear(&w, (struct heard){ .tx = tx++,
				       .observer = observer,
				       .type = type,
				       .route = route,
				       .path = path,
				       .from = from,
				       .snr = snr });
}

Test(reach, tokens_that_a_sibling_shares_are_not_reliable)
{
	json_t *v = ask();

	world_expect(v, "reliable_tokens", "[\"01FA\",\"01FA32\"]");
	json_decref(v);
	world_node(&w, "01fa9900", "repeater", 0, 0);
	v = ask();
	world_expect(v, "reliable_tokens", "[\"01FA32\"]");
	json_decref(v);
	v = world_ask(&w, "reach", "{\"key\":\"dd112233\"}", 200);
	world_expect(v, "reliable_tokens", "[]");
	json_decref(v);
	json_decref(world_ask(&w, "reach", "{\"key\":\"ee\"}", 404));
}

Test(reach, the_hop_before_is_heard_and_the_one_behind_hears)
{
	json_t *v;

	hear(TEXT, 1, "AA,01FA,BB", NULL, "obsx", 0);
	v = ask();
	cr_expect_eq(link_of(v, "aa112233", "we_hear"), 1);
	cr_expect_eq(link_of(v, "aa112233", "they_hear"), 0);
	cr_expect_eq(link_of(v, "bb112233", "they_hear"), 1);
	world_expect(v, "importance.relay_observations", "1");
	world_expect(v, "importance.bidirectional_links", "0");
	json_decref(v);
}

Test(reach, a_path_that_has_us_twice_is_one_observation)
{
	json_t *v;

	hear(TEXT, 1, "AA,01FA,BB,01FA", NULL, NULL, 0);
	v = ask();
	cr_expect_eq(link_of(v, "bb112233", "they_hear"), 1);
	cr_expect_eq(link_of(v, "bb112233", "we_hear"), 1);
	world_expect(v, "importance.relay_observations", "1");
	json_decref(v);
}

Test(reach, an_observer_behind_us_hears_us)
{
	json_t *v;

	hear(TEXT, 1, "AA,01FA", NULL, "OBSX", 4);
	v = ask();
	cr_expect_eq(link_of(v, "obsx", "they_hear"), 1);
	world_expect(v, "direct_observers.0.pubkey", "\"obsx\"");
	world_expect(v, "direct_observers.0.avg_snr", "4");
	world_expect(v, "direct_observers.0.count", "1");
	json_decref(v);
}

Test(reach, only_of_an_advert_the_originator_is_known)
{
	json_t *v;

	hear(HOPS_TYPE_ADVERT, 1, "01FA,CC", "dd112233", "obsx", 0);
	v = ask();
	cr_expect_eq(link_of(v, "dd112233", "we_hear"), 1);
	cr_expect_eq(link_of(v, "cc112233", "they_hear"), 1);
	json_decref(v);
	hear(TEXT, 1, "01FA,CC", NULL, "obsx", 0);
	v = ask();
	cr_expect_eq(link_of(v, "dd112233", "we_hear"), 1);
	cr_expect_eq(link_of(v, "cc112233", "they_hear"), 2);
	json_decref(v);
}

Test(reach, a_route_still_to_go_says_nothing)
{
	json_t *v;

	hear(TEXT, 2, "AA,01FA", NULL, "obsx", 0);
	hear(HOPS_TYPE_TRACE, 1, "AA,01FA", NULL, "obsx", 0);
	v = ask();
	world_expect(v, "links", "[]");
	world_expect(v, "importance.relay_observations", "0");
	json_decref(v);
}

Test(reach, links_both_ways_come_first_with_their_distance)
{
	json_t *v;

	for (int i = 0; i < 9; i++)
		hear(TEXT, 1, "BB,01FA", NULL, NULL, 0);
	hear(TEXT, 1, "AA,01FA", NULL, NULL, 0);
	hear(TEXT, 1, "01FA,AA", NULL, NULL, 0);
	v = ask();
	world_expect(v, "links.0.pubkey", "\"aa112233\"");
	world_expect(v, "links.0.bidir", "true");
	world_expect(v, "links.0.bottleneck", "1");
	cr_expect_float_eq(json_real_value(world_at(v, "links.0.distance_km")), 111.19, .1);
	world_expect(v, "links.1.pubkey", "\"bb112233\"");
	world_expect(v, "links.1.we_hear", "9");
	world_expect(v, "links.1.distance_km", "null");
	json_decref(v);
}

Test(reach, what_is_older_than_the_window_does_not_count)
{
	json_t *v;

	hear(TEXT, 1, "AA,01FA", NULL, NULL, 0);
	w.now += 8 * 86400;
	hear(TEXT, 1, "BB,01FA", NULL, NULL, 0);
	v = ask();
	cr_expect_eq(link_of(v, "aa112233", "we_hear"), -1);
	cr_expect_eq(link_of(v, "bb112233", "we_hear"), 1);
	json_decref(v);
	v = world_ask(&w, "reach", "{\"key\":\"" US "\",\"days\":30}", 200);
	cr_expect_eq(link_of(v, "aa112233", "we_hear"), 1);
	json_decref(v);
	w.now += 31 * 86400;
	frame_on_live(&w.frame);
	frame_on_tick(&w.frame, w.now);
	v = world_ask(&w, "reach", "{\"key\":\"" US "\",\"days\":30}", 200);
	world_expect(v, "links", "[]");
	json_decref(v);
}
