/* SPDX-License-Identifier: MIT
 *
 * Where phones heard whom.
 */
#include "world.h"

#include <analytics/coverage.h>

#define A "aa00000000000000000000000000000000000000000000000000000000000001"
#define B "bb00000000000000000000000000000000000000000000000000000000000002"
#define BOX "\"bbox\":\"50,3,52,5\""

static const struct an_module *const modules[] = { &coverage_module, NULL };
static struct world w;

static void
coverage_setup(void)
{
	world_init(&w, modules);
	world_node(&w, A, "repeater", 0, 0);
	world_node(&w, B, "repeater", 0, 0);
}

static void
coverage_teardown(void)
{
	world_fini(&w);
}

TestSuite(coverage, .init = coverage_setup, .fini = coverage_teardown, .timeout = 120);

/* `snr` 0: none. */
static void
hear(const char *client, const char *heard, double lat, double lon, double snr, int64_t ago)
{
	static int64_t id;
	struct reception_row row = { ++id, w.now - ago, client, heard,
				     lat,  lon,         snr,    snr < 0 || snr > 0 };
	struct client_row name = { "phone1", "Ann" };
	struct receptions_chunk chunk = {
		.rows = &row, .count = 1, .clients = &name, .client_count = 1, .end = true
	};

	coverage_take(w.frame.modules[0].self, &chunk);
}

Test(coverage, a_cell_has_the_best_signal)
{
	json_t *v;

	hear("phone1", A, 51.05, 3.72, -12, 60);
	hear("phone1", A, 51.0501, 3.7201, -6, 30);
	v = world_ask(&w, "rx-coverage", "{" BOX ",\"z\":9}", 200);
	world_expect(v, "type", "\"FeatureCollection\"");
	cr_expect_eq(json_array_size(world_at(v, "features")), 1);
	world_expect(v, "features.0.properties.cell", "\"9:-461:1033\"");
	world_expect(v, "features.0.properties.count", "2");
	world_expect(v, "features.0.properties.best_snr", "-6");
	world_expect(v, "features.0.properties.has_sig", "true");
	world_expect(v, "features.0.properties.nodes.0.count", "2");
	cr_expect_eq(json_array_size(world_at(v, "features.0.geometry.coordinates.0")), 7);
	world_expect(v, "features.0.geometry.coordinates.0.0", "[3.7296602,51.0517544]");
	json_decref(v);
}

Test(coverage, who_was_heard_best_lately_comes_first)
{
	json_t *v;

	hear("phone1", "ddbb", 51.05, 3.72, -4, 60);
	hear("phone1", "ddbb", 51.05, 3.72, -10, 30);
	hear("phone1", "ccdd", 51.05, 3.72, -6, 20);
	hear("phone1", "eeff", 51.05, 3.72, 0, 10);
	v = world_ask(&w, "rx-coverage", "{" BOX ",\"z\":9}", 200);
	world_expect(v, "features.0.properties.nodes",
		     "[{\"prefix\":\"ccdd\",\"snr\":-6,\"count\":1},"
		     "{\"prefix\":\"ddbb\",\"snr\":-10,\"count\":2},"
		     "{\"prefix\":\"eeff\",\"snr\":null,\"count\":1}]");
	json_decref(v);
}

Test(coverage, a_prefix_and_the_key_of_one_node_are_one)
{
	json_t *v;

	hear("phone1", "aa00", 51.05, 3.72, -4, 60);
	hear("phone1", A, 51.05, 3.72, -5, 30);
	v = world_ask(&w, "rx-coverage", "{" BOX ",\"z\":9}", 200);
	world_expect(v, "features.0.properties.nodes",
		     "[{\"prefix\":\"" A "\",\"name\":\"" A "\",\"snr\":-5,\"count\":2}]");
	json_decref(v);
	v = world_ask(&w, "node-rx-coverage", "{" BOX ",\"key\":\"" A "\"}", 200);
	world_expect(v, "mobile_receptions", "2");
	world_expect(v, "mobile_clients", "1");
	json_decref(v);
	v = world_ask(&w, "node-rx-coverage", "{" BOX ",\"key\":\"" B "\"}", 200);
	world_expect(v, "features", "[]");
	cr_expect_null(world_at(v, "mobile_receptions"));
	json_decref(v);
}

Test(coverage, box_and_days_limit_it)
{
	json_t *v;

	hear("phone1", A, 10, 10, -4, 60);
	hear("phone1", A, 51.05, 3.72, -4, 8 * 86400);
	v = world_ask(&w, "rx-coverage", "{" BOX "}", 200);
	world_expect(v, "features", "[]");
	json_decref(v);
	v = world_ask(&w, "rx-coverage", "{" BOX ",\"days\":30}", 200);
	cr_expect_eq(json_array_size(world_at(v, "features")), 1);
	json_decref(v);
	json_decref(world_ask(&w, "rx-coverage", "{\"bbox\":\"1,2\"}", 400));
}

Test(coverage, a_place_that_few_have_been_to_is_worth_more)
{
	json_t *v;

	hear("phone1", A, 51.05, 3.72, -4, 60);
	hear("phone1", A, 51.25, 3.72, -4, 60);
	hear("phone2", A, 51.25, 3.72, -4, 60);
	v = world_ask(&w, "rx-leaderboard", "{}", 200);
	world_expect(v, "observers.0",
		     "{\"pubkey\":\"phone1\",\"name\":\"Ann\",\"receptions\":2,\"nodes\":1,"
		     "\"cells\":2,\"score\":1.5}");
	world_expect(v, "observers.1.score", "0.5");
	json_decref(v);
}

Test(coverage, nonsense_is_refused)
{
	json_t *v;

	hear("phone1", "a", 51.05, 3.72, -4, 60);
	hear("phone1", A, 951.05, 3.72, -4, 60);
	v = world_ask(&w, "rx-leaderboard", "{}", 200);
	world_expect(v, "observers", "[]");
	json_decref(v);
}
