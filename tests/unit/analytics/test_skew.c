/* SPDX-License-Identifier: MIT
 *
 * Clocks of nodes and observers, from adverts to answers.
 */
#include "world.h"

#include <analytics/people.h>
#include <analytics/relays.h>
#include <analytics/skew.h>

static const struct an_module *const modules[] = { &relays_module, &skew_module, &people_module,
						   NULL };
static struct world w;

static void
skew_setup(void)
{
	world_init(&w, modules);
	world_node(&w, "aa11", "Repeater", 0, 0);
	world_node(&w, "bb22", "companion", 50, 4);
}

static void
skew_teardown(void)
{
	world_fini(&w);
}

TestSuite(skew, .init = skew_setup, .fini = skew_teardown, .timeout = 120);

static void
skew_advert(uint64_t tx, const char *from, const char *observer, int64_t at, int64_t claim)
{
	char json[64];

	(void)snprintf(json, sizeof(json), "{\"timestamp\":%lld}", (long long)claim);
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = observer,
				       .at = at,
				       .type = HOPS_TYPE_ADVERT,
				       .route = 1,
				       .from = from,
				       .json = json });
}

static void
skew_live(void)
{
	frame_on_live(&w.frame);
	frame_on_tick(&w.frame, w.now);
}

Test(skew, a_node_that_nobody_heard_has_none)
{
	json_decref(world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 404));
	json_decref(world_ask(&w, "node-clock-skew", "{\"key\":\"nobody\"}", 404));
}

Test(skew, thirty_seconds_behind_are_thirty)
{
	json_t *v;

	skew_advert(1, "aa11", "O1", w.now, w.now - 30);
	skew_live();
	v = world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 200);
	world_expect(v, "pubkey", "\"aa11\"");
	world_expect(v, "medianSkewSec", "-30");
	world_expect(v, "recentMedianSkewSec", "-30");
	world_expect(v, "severity", "\"ok\"");
	world_expect(v, "sampleCount", "1");
	world_expect(v, "calibrated", "false");
	world_expect(v, "samples", "[{\"ts\":1779041700,\"skew\":-30}]");
	world_expect(v, "recentHashEvidence.0.hash", "\"0000000000000001\"");
	world_expect(v, "recentHashEvidence.0.observers.0.observerID", "\"O1\"");
	world_expect(v, "calibrationSummary.uncalibratedSamples", "1");
	json_decref(v);
}

Test(skew, observers_are_calibrated_against_each_other)
{
	json_t *v;

	skew_advert(1, "aa11", "O1", w.now, w.now + 60);
	skew_advert(1, "aa11", "O2", w.now, w.now + 60);
	skew_advert(1, "aa11", "O3", w.now + 30, w.now + 60);
	skew_live();
	v = world_ask(&w, "observers-clock-skew", "{}", 200);
	world_expect(v, "0", "{\"observerID\":\"O3\",\"offsetSec\":30,\"samples\":1}");
	world_expect(v, "1", "{\"observerID\":\"O1\",\"offsetSec\":0,\"samples\":1}");
	json_decref(v);
	v = world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 200);
	world_expect(v, "medianSkewSec", "60");
	world_expect(v, "calibrated", "true");
	json_decref(v);
}

Test(skew, two_observers_meet_in_the_middle)
{
	json_t *v;

	skew_advert(1, "aa11", "O1", w.now, w.now + 60);
	skew_advert(1, "aa11", "O2", w.now + 10, w.now + 60);
	skew_live();
	v = world_ask(&w, "observers-clock-skew", "{}", 200);
	world_expect(v, "0.offsetSec", "-5");
	world_expect(v, "1.offsetSec", "5");
	json_decref(v);
	v = world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 200);
	world_expect(v, "medianSkewSec", "55");
	json_decref(v);
}

Test(skew, the_order_of_copies_does_not_matter)
{
	static const uint32_t orders[2][4] = { { 0, 1, 2, 3 }, { 3, 1, 0, 2 } };
	char *texts[2];

	for (int k = 0; k < 2; k++) {
		json_t *v;

		world_fini(&w);
		skew_setup();
		for (uint32_t i = 1; i <= 4; i++) {
			char id[8];

			(void)snprintf(id, sizeof(id), "O%u", i);
			world_observer(&w, id, "SJC");
		}
		for (uint32_t i = 0; i < 4; i++) {
			uint32_t n = orders[k][i];
			char id[8];

			(void)snprintf(id, sizeof(id), "O%u", n + 1);
			skew_advert(1, "aa11", id, w.now + n * n, w.now);
		}
		skew_live();
		v = world_ask(&w, "observers-clock-skew", "{}", 200);
		texts[k] = json_dumps(v, 0);
		json_decref(v);
	}
	cr_expect_str_eq(texts[0], texts[1]);
	free(texts[0]);
	free(texts[1]);
}

Test(skew, local_time_all_day_is_critical)
{
	json_t *v;

	for (uint32_t i = 0; i < 12; i++)
		skew_advert(i + 1, "aa11", "O1", w.now - 7200 * i, w.now - 7200 * i + 7200);
	skew_live();
	v = world_ask(&w, "nodes-clock-skew", "{}", 200);
	cr_expect_eq(json_array_size(v), 1);
	world_expect(v, "0.severity", "\"critical\"");
	world_expect(v, "0.recentMedianSkewSec", "7200");
	world_expect(v, "0.nodeName", "\"aa11\"");
	cr_expect_null(world_at(v, "0.samples"));
	json_decref(v);
	v = world_ask(&w, "roles", "{}", 200);
	world_expect(v, "totalNodes", "2");
	world_expect(v, "roles.1.role", "\"repeater\"");
	world_expect(v, "roles.1.criticalCount", "1");
	world_expect(v, "roles.1.medianAbsSkewSec", "7200");
	world_expect(v, "roles.0.withSkew", "0");
	json_decref(v);
}

Test(skew, more_nodes_than_one_answer_has_time_for_are_all_judged)
{
	char key[16];
	json_t *v;

	for (uint32_t i = 0; i < 1500; i++) {
		(void)snprintf(key, sizeof(key), "%08x", 0x10000000u + i);
		world_node(&w, key, "repeater", 0, 0);
		skew_advert(i + 1, key, "O1", w.now, w.now + 7);
	}
	skew_live();
	v = world_ask(&w, "roles", "{}", 200);
	world_expect(v, "roles.0.okCount", "1500");
	json_decref(v);
	v = world_ask(&w, "nodes-clock-skew", "{}", 200);
	cr_expect_eq(json_array_size(v), 1500);
	json_decref(v);
}

Test(skew, what_a_clock_cannot_have_said_is_no_sample)
{
	skew_advert(1, "aa11", "O1", w.now, 1000);
	skew_advert(2, "aa11", "O1", w.now, 4102444801);
	skew_live();
	json_decref(world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 404));
}

Test(skew, what_is_forgotten_leaves_nothing)
{
	json_t *v;

	skew_advert(1, "aa11", "O1", w.now, w.now + 60);
	skew_advert(1, "aa11", "O2", w.now + 10, w.now + 60);
	w.now += 40 * 86400;
	skew_advert(2, "bb22", "O1", w.now, w.now);
	skew_live();
	json_decref(world_ask(&w, "node-clock-skew", "{\"key\":\"aa11\"}", 404));
	v = world_ask(&w, "observers-clock-skew", "{}", 200);
	cr_expect_eq(json_array_size(v), 0);
	json_decref(v);
}

Test(skew, hidden_nodes_and_those_outside_are_not_shown)
{
	json_t *v;

	skew_advert(1, "aa11", "O1", w.now, w.now);
	skew_advert(2, "bb22", "O1", w.now, w.now);
	skew_live();
	v = world_ask(&w, "nodes-clock-skew", "{}", 200);
	cr_expect_eq(json_array_size(v), 2);
	json_decref(v);
	v = world_ask(&w, "nodes-clock-skew", "{\"hidden\": [\"bb22\"]}", 200);
	cr_expect_eq(json_array_size(v), 1);
	world_expect(v, "0.pubkey", "\"aa11\"");
	json_decref(v);
	v = world_ask(&w, "nodes-clock-skew",
		      "{\"area\": {\"polygon\": [[49, 3], [51, 3], [51, 5], [49, 5]]}}", 200);
	cr_expect_eq(json_array_size(v), 1);
	world_expect(v, "0.pubkey", "\"bb22\"");
	json_decref(v);
	json_decref(
	    world_ask(&w, "node-clock-skew", "{\"key\": \"bb22\", \"hidden\": [\"bb22\"]}", 404));
}
