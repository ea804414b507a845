/* SPDX-License-Identifier: MIT
 *
 * Scenarios of the specification that go through several modules.
 */
#include "world.h"

#include <analytics/copies.h>
#include <analytics/hashes.h>
#include <analytics/modules.h>
#include <analytics/observing.h>
#include <analytics/people.h>
#include <analytics/reach.h>
#include <analytics/relays.h>
#include <analytics/skew.h>

#define TEXT 2
#define ADVERT 4
#define CHANNEL 5
#define FLOOD 1

static const struct an_module *const modules[] = { &rf_module,       &topology_module,
						   &distance_module, &channels_module,
						   &hashes_module,   &subpaths_module,
						   &relays_module,   &skew_module,
						   &people_module,   &observing_module,
						   &reach_module,    &airtime_module,
						   &scopes_module,   NULL };
static const struct an_module *const with_copies[] = {
	&copies_module,    &rf_module,       &topology_module, &distance_module, &channels_module,
	&hashes_module,    &subpaths_module, &relays_module,   &skew_module,     &people_module,
	&observing_module, &reach_module,    &airtime_module,  &scopes_module,   NULL
};
static struct world w;
static uint64_t next;

static void
scenarios_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "OBS1", "SJC");
	world_observer(&w, "OBS2", "OAK");
	world_node(&w, "aa1122", "repeater", 50, 4);
	world_node(&w, "bb2233", "repeater", 50.1, 4);
	world_node(&w, "cc3344", "repeater", 50.2, 4);
	next = 1;
}

static void
scenarios_teardown(void)
{
	world_fini(&w);
}

TestSuite(scenarios, .init = scenarios_setup, .fini = scenarios_teardown, .timeout = 120);

/* Of each kind something, with all that an answer could name. */
static void
traffic(struct world *to, uint32_t count, bool at_once)
{
	static const char *const from[] = { "aa1122", "bb2233", "cc3344" };
	static const uint8_t types[] = { TEXT, ADVERT, CHANNEL };
	static const char *const paths[] = { "AA,BB", "AA11,BB22,CC33", "BB,CC,AA", "CC" };
	char json[128];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t tx = i / 3 + 1;

		(void)snprintf(json, sizeof(json),
			       "{\"channelHash\": 9, \"sender\": \"s%u\", \"text\": \"x\","
			       " \"timestamp\": %lld}",
			       tx % 4, (long long)(to->now + tx));
		world_hear(to, (struct heard){ .tx = tx,
					       .observer = i % 2 == 0 ? "OBS1" : "OBS2",
					       .type = types[tx % 3],
					       .route = FLOOD,
					       .path = paths[i % 4],
					       .from = types[tx % 3] == ADVERT ? from[tx / 3 % 3]
									       : NULL,
					       .json = json,
					       .snr = 4,
					       .rssi = -90 });
		if (!at_once)
			frame_flush(&to->frame);
	}
}

static const char *const methods[] = { "rf",
				       "topology",
				       "distance",
				       "channels",
				       "hash-sizes",
				       "hash-collisions",
				       "subpaths",
				       "roles",
				       "nodes-clock-skew",
				       "observers-clock-skew" };

Test(scenarios, s3_one_after_the_other_is_the_same_as_all_at_once)
{
	static struct world other;

	world_init(&other, modules);
	world_observer(&other, "OBS1", "SJC");
	world_observer(&other, "OBS2", "OAK");
	world_node(&other, "aa1122", "repeater", 50, 4);
	world_node(&other, "bb2233", "repeater", 50.1, 4);
	world_node(&other, "cc3344", "repeater", 50.2, 4);
	traffic(&w, 1000, true);
	traffic(&other, 1000, false);
	frame_on_live(&w.frame);
	frame_on_live(&other.frame);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		json_t *x = world_ask(&w, methods[i], "{}", 200);
		json_t *y = world_ask(&other, methods[i], "{}", 200);

		cr_expect(json_equal(x, y), "%s", methods[i]);
		json_decref(x);
		json_decref(y);
	}
	world_fini(&other);
}

Test(scenarios, s13_a_region_that_nobody_is_in_has_nothing)
{
	static const struct {
		const char *method, *path, *nothing;
	} t[] = { { "rf", "totalTransmissions", "0" },
		  { "rf", "snr.max", "0" },
		  { "topology", "topRepeaters", "[]" },
		  { "topology", "hopDistribution", "[]" },
		  { "distance", "topHops", "[]" },
		  { "distance", "summary.totalHops", "0" },
		  { "channels", "channels", "[]" },
		  { "hash-sizes", "total", "0" },
		  { "hash-sizes", "multiByteNodes", "[]" },
		  { "hash-collisions", "by_size.1.stats.total_nodes", "0" },
		  { "subpaths", "totalPaths", "0" },
		  { "subpaths", "subpaths", "[]" } };

	traffic(&w, 90, true);
	frame_on_live(&w.frame);
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		json_t *v = world_ask(&w, t[i].method, "{\"region\": \"XYZ\"}", 200);
		json_t *all = world_ask(&w, t[i].method, "{}", 200);
		char *text = json_dumps(world_at(all, t[i].path), JSON_ENCODE_ANY);

		world_expect(v, t[i].path, t[i].nothing);
		cr_expect_str_neq(text, t[i].nothing, "%s %s", t[i].method, t[i].path);
		free(text);
		json_decref(v);
		json_decref(all);
	}
}

Test(scenarios, s13_a_region_that_cannot_be_read_is_no_missing_filter)
{
	char args[1400];
	json_t *v;

	traffic(&w, 9, true);
	(void)snprintf(args, sizeof(args), "{\"region\": \"%01200d\"}", 1);
	v = world_ask(&w, "rf", args, 200);
	world_expect(v, "totalTransmissions", "0");
	json_decref(v);
	v = world_ask(&w, "rf", "{\"region\": 7}", 200);
	world_expect(v, "totalTransmissions", "0");
	json_decref(v);
	v = world_ask(&w, "rf", "{\"region\": \"\"}", 200);
	world_expect(v, "totalTransmissions", "3");
	json_decref(v);
}

Test(scenarios, s15_hidden_nodes_are_named_nowhere)
{
	static const char *const asked[][2] = {
		{ "topology", "{\"hidden\": [\"bb2233\"]}" },
		{ "subpaths", "{\"hidden\": [\"bb2233\"]}" },
		{ "subpaths-bulk", "{\"hidden\": [\"bb2233\"], \"groups\": \"2-8:50\"}" },
		{ "subpath-detail", "{\"hidden\": [\"bb2233\"], \"hops\": \"aa,bb\"}" },
		{ "distance", "{\"hidden\": [\"bb2233\"]}" },
		{ "hash-sizes", "{\"hidden\": [\"bb2233\"]}" },
		{ "hash-collisions", "{\"hidden\": [\"bb2233\"]}" },
		{ "nodes-clock-skew", "{\"hidden\": [\"bb2233\"]}" },
		{ "reach", "{\"hidden\": [\"bb2233\"], \"key\": \"aa1122\"}" },
		{ "node", "{\"hidden\": [\"bb2233\"], \"key\": \"aa1122\"}" }
	};

	traffic(&w, 90, true);
	frame_on_live(&w.frame);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		json_t *v = world_ask(&w, asked[i][0], asked[i][1], 200);
		char *text = json_dumps(v, 0);

		cr_expect_null(strstr(text, "bb2233"), "%s: %s", asked[i][0], text);
		free(text);
		json_decref(v);
	}
}

Test(scenarios, s11_a_day_later_and_a_week_later)
{
	struct relay_activity a;
	uint32_t id = hops_ids_find(&w.frame.nodes.ids, "aa1122", 6);
	struct hashes_info info;

	world_hear(&w,
		   (struct heard){
		       .tx = 1, .observer = "OBS1", .type = TEXT, .route = FLOOD, .path = "AA" });
	world_hear(&w, (struct heard){ .tx = 2,
				       .observer = "OBS1",
				       .type = ADVERT,
				       .route = FLOOD,
				       .path = "BBCC",
				       .from = "aa1122" });
	frame_flush(&w.frame);
	w.now += 86400;
	relay_activity(relays_trails(&w.frame), id, w.now, &a);
	cr_expect_eq(a.in_24h, 0);
	cr_expect_eq(a.last, w.now - 86400);
	info = hashes_info(w.frame.modules[4].self, id, w.now);
	cr_expect_eq(info.size, 2);
	w.now += 7 * 86400;
	info = hashes_info(w.frame.modules[4].self, id, w.now);
	cr_expect_eq(info.size, 0);
}

Test(scenarios, re5_a_companion_has_no_tokens_though_nobody_else_begins_so)
{
	json_t *v;

	world_node(&w, "eeff0000", "companion", 0, 0);
	world_node(&w, "ee110000", "repeater", 0, 0);
	v = world_ask(&w, "reach", "{\"key\": \"eeff0000\"}", 200);
	world_expect(v, "reliable_tokens", "[]");
	json_decref(v);
}

Test(scenarios, area_nobody_without_a_position_is_inside)
{
	static const char around[] = "{\"area\": {\"polygon\": [[-1,-1],[1,-1],[1,1],[-1,1]]}}";
	json_t *v;

	world_node(&w, "dd44", "repeater", 0, 0);
	world_hear(&w, (struct heard){ .tx = 1,
				       .observer = "OBS1",
				       .type = ADVERT,
				       .route = FLOOD,
				       .path = "AA",
				       .from = "dd44" });
	v = world_ask(&w, "rf", around, 200);
	world_expect(v, "totalTransmissions", "0");
	json_decref(v);
	world_node(&w, "dd44", "repeater", 0.5, 0.5);
	v = world_ask(&w, "rf", around, 200);
	world_expect(v, "totalTransmissions", "1");
	json_decref(v);
}

/* ----------------------------------------------------------------- copies -- */

static uint8_t payload[70];

static void
hear_text(struct world *to, uint64_t tx, const char *observer, const char *path, uint8_t wrong)
{
	uint8_t bytes[sizeof(payload)];

	memcpy(bytes, payload, sizeof(bytes));
	bytes[60] ^= wrong;
	world_hear(to, (struct heard){ .tx = tx,
				       .observer = observer,
				       .type = TEXT,
				       .route = FLOOD,
				       .path = path,
				       .snr = 4,
				       .rssi = -90,
				       .payload = bytes,
				       .payload_len = sizeof(bytes) });
}

/* A mesh that sent one message, which some of its observers heard damaged, and one that did not. */
static void
two_meshes(struct world *other, bool copy_first)
{
	struct world *both[2] = { &w, other };

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 151 + 7);
	world_fini(&w);
	for (int i = 0; i < 2; i++) {
		world_init(both[i], with_copies);
		world_observer(both[i], "OBS1", "SJC");
		world_observer(both[i], "OBS2", "OAK");
		world_node(both[i], "aa1122", "repeater", 50, 4);
		world_node(both[i], "bb2233", "repeater", 50.1, 4);
		world_node(both[i], "cc3344", "repeater", 50.2, 4);
		if (i == 0 && copy_first)
			hear_text(both[i], 2, "OBS2", "AA,BB,CC", 0x14);
		hear_text(both[i], 1, "OBS1", "AA", 0);
		hear_text(both[i], 1, "OBS2", "BB", 0);
		if (i == 0 && !copy_first)
			hear_text(both[i], 2, "OBS2", "AA,BB,CC", 0x14);
		frame_on_live(&both[i]->frame);
	}
	cr_assert(frame_find(&w.frame, 2)->copy);
}

static void
expect_equal(struct world *other, const char *method, const char *args)
{
	json_t *x = world_ask(&w, method, args, 200), *y = world_ask(other, method, args, 200);
	char *text = json_dumps(x, 0);

	cr_expect(json_equal(x, y), "%s: %s", method, text);
	free(text);
	json_decref(x);
	json_decref(y);
}

Test(scenarios, a_damaged_copy_is_in_no_answer_but_its_own)
{
	static struct world other;

	two_meshes(&other, false);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		expect_equal(&other, methods[i], "{}");
	expect_equal(&other, "relay-airtime-share", "{}");
	expect_equal(&other, "scope-stats", "{}");
	expect_equal(&other, "reach", "{\"key\": \"bb2233\"}");
	expect_equal(&other, "node", "{\"key\": \"bb2233\"}");
	expect_equal(&other, "observer", "{\"key\": \"OBS2\"}");
	world_fini(&other);
}

/* Reach and what an observer received are counted as it is heard, and stay. */
Test(scenarios, a_damaged_copy_that_comes_first_leaves_the_counts_again)
{
	static struct world other;

	two_meshes(&other, true);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		expect_equal(&other, methods[i], "{}");
	expect_equal(&other, "relay-airtime-share", "{}");
	expect_equal(&other, "scope-stats", "{}");
	expect_equal(&other, "node", "{\"key\": \"bb2233\"}");
	world_fini(&other);
}
