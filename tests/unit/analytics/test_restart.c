/* SPDX-License-Identifier: MIT
 *
 * Restarts in the middle of traffic: who read the first part out of the database answers every
 * question with the same bytes as who was there all the time.
 */
#include "world.h"

#include <analytics/modules.h>

#define PACKETS 420u
#define STEPS (PACKETS * 4) /* observations */
#define STEP_S 150          /* so that it takes three days */

static const struct {
	const char *method, *args;
} questions[] = {
	{ "rf", "{}" },
	{ "rf", "{\"window\": \"24h\", \"region\": \"SJC\"}" },
	{ "topology", "{}" },
	{ "topology", "{\"window\": \"24h\"}" },
	{ "channels", "{\"region\": \"OAK\"}" },
	{ "relay-airtime-share", "{\"window\": \"24h\"}" },
	{ "scope-stats", "{}" },
	{ "hash-sizes", "{}" },
	{ "hash-collisions", "{}" },
	{ "distance", "{}" },
	{ "subpaths", "{}" },
	{ "subpaths-bulk", "{\"groups\": \"2-2:50,3-8:50\"}" },
	{ "subpath-detail", "{\"hops\": \"aa,bb\"}" },
	{ "node", "{\"key\": \"aa11\", \"days\": 7}" },
	{ "node", "{\"key\": \"cc33\", \"days\": 1}" },
	{ "observer", "{\"key\": \"OBS1\", \"days\": 1}" },
	{ "observer", "{\"key\": \"OBS2\", \"days\": 7}" },
	{ "observer", "{\"key\": \"OBS3\", \"days\": 30}" },
	{ "reach", "{\"key\": \"bb22\", \"days\": 1}" },
	{ "reach", "{\"key\": \"aa11\", \"days\": 30}" },
	{ "roles", "{}" },
	{ "node-clock-skew", "{\"key\": \"bb22\"}" },
	{ "nodes-clock-skew", "{}" },
	{ "observers-clock-skew", "{}" },
	{ "damaged-copies", "{}" },
};

static const char *const keys[] = { "aa11", "bb22", "cc33", "dd44", "ee55", "aa66" };

TestSuite(restart, .timeout = 120);

static void
people(struct world *at)
{
	for (size_t i = 0; i < 6; i++)
		world_node(at, keys[i], i == 4 ? "companion" : "repeater", 50 + 0.1 * (double)i, 4);
	world_observer(at, "OBS1", "SJC");
	world_observer(at, "OBS2", "OAK");
	world_observer(at, "OBS3", "SJC");
}

static uint64_t
draw(uint64_t what, uint64_t of, uint64_t below)
{
	return hops_mix(of * 64 + what + 1) % below;
}

/* The i-th observation. Copies of packets come mixed with others, some of them hours late. */
static void
traffic(struct world *at, uint32_t i)
{
	static const char *const observers[] = { "OBS1", "OBS2", "OBS3" };
	static const char *const paths[] = { "AA",    "AA,BB",       "BB,CC,DD", "CC",
					     "DD,EE", "AA,BB,CC,DD", "",         "EE,AA,BB" };
	static const uint8_t types[] = { 2, 4, 5, 4, 1 };
	uint64_t tx = i / 4 + 1 - (draw(0, i, 9) == 0 ? draw(1, i, i / 4 + 1) : 0);
	uint8_t type = types[tx % 5], payload[40];
	/* Every 30th packet is another one with a wrong bit. */
	uint64_t text = tx % 30 == 0 ? tx - 5 : tx;
	int64_t when;
	char json[160];

	for (uint32_t k = 0; k < sizeof(payload); k++)
		payload[k] = (uint8_t)draw(2 + k, text, 256);
	payload[37] ^= (uint8_t)(text != tx);
	at->now = WORLD_NOW - (int64_t)(STEPS - i) * STEP_S;
	when = at->now - (int64_t)draw(52, i, 5);
	if (text != tx)
		when = WORLD_NOW - (int64_t)(STEPS - (text - 1) * 4) * STEP_S + 20;
	(void)snprintf(json, sizeof(json),
		       "{\"channelHash\": %u, \"channel\": \"#c\", \"sender\": \"s%u\", "
		       "\"text\": \"hello\", \"timestamp\": %lld}",
		       (unsigned)(tx % 3), (unsigned)(tx % 7),
		       (long long)(at->now + (int64_t)(tx % 4) * 400 - 2));
	world_hear(at, (struct heard){ .tx = tx,
				       .observer = observers[draw(50, i, 3)],
				       .path = paths[draw(51, i, text != tx ? 4 : 8)],
				       .at = when,
				       .type = type,
				       .route = tx % 7 == 0 ? 0 : 1,
				       .scope = tx % 14 == 0 ? "#x" : NULL,
				       .from = type == 4 ? keys[tx % 6] : NULL,
				       .json = json,
				       .snr = (double)(i % 40) / 4 - 5.125,
				       .rssi = -60.0 - i % 30,
				       .payload = payload,
				       .payload_len = sizeof(payload) });
}

static void
span(struct world *at, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		traffic(at, i);
		if (!at->stored && i % 24 == 0) {
			frame_on_tick(&at->frame, at->now);
			world_run_posts(at);
		}
		if (!at->stored && i % 203 == 0)
			json_decref(world_ask(at, "topology", "{\"window\": \"24h\"}", 200));
	}
}

static void
read_history(struct world *at, uint32_t to)
{
	at->stored = true;
	span(at, 0, to);
	at->stored = false;
	frame_on_live(&at->frame);
	world_run_posts(at);
}

static void
expect_same(struct world *a, struct world *b, uint32_t point)
{
	frame_on_live(&a->frame);
	frame_on_live(&b->frame);
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		json_t *x = world_ask(a, questions[i].method, questions[i].args, 200);
		json_t *y = world_ask(b, questions[i].method, questions[i].args, 200);
		char *one = json_dumps(x, JSON_COMPACT), *other = json_dumps(y, JSON_COMPACT);

		cr_expect_str_eq(one, other, "%s %s, restarted at %u", questions[i].method,
				 questions[i].args, (unsigned)point);
		free(one);
		free(other);
		json_decref(x);
		json_decref(y);
	}
}

Test(restart, wherever_it_happens_no_answer_is_another_one)
{
	static struct world whole, again;
	json_t *v;

	world_init(&whole, analytics_modules);
	people(&whole);
	span(&whole, 0, STEPS);
	v = world_ask(&whole, "damaged-copies", "{}", 200);
	cr_expect_gt(json_integer_value(world_at(v, "summary.copies")), 5);
	json_decref(v);
	for (uint32_t run = 0; run < 12; run++) {
		uint32_t point = run == 0 ? STEPS : (uint32_t)draw(60, run, STEPS);

		world_init(&again, analytics_modules);
		people(&again);
		read_history(&again, point);
		span(&again, point, STEPS);
		expect_same(&whole, &again, point);
		world_fini(&again);
	}
	world_fini(&whole);
}

/* The bus lost something: what is missing is read behind what was counted already. */
Test(restart, a_gap_in_between_changes_no_answer)
{
	static struct world whole, again;

	world_init(&whole, analytics_modules);
	world_init(&again, analytics_modules);
	people(&whole);
	people(&again);
	span(&whole, 0, STEPS);
	span(&again, 0, STEPS / 3);
	again.stored = true;
	span(&again, STEPS / 3, STEPS / 2);
	again.stored = false;
	frame_on_live(&again.frame);
	span(&again, STEPS / 2, STEPS);
	expect_same(&whole, &again, STEPS / 3);
	world_fini(&again);
	world_fini(&whole);
}
