/* SPDX-License-Identifier: MIT
 *
 * Views that are made in steps: what happens between the steps counts as if all had been done at
 * once.
 */
#include "world.h"

#include <analytics/modules.h>

#define MANY 9000u /* packets: more than one step */

static const struct an_module *const modules[] = { &rf_module, &topology_module, &subpaths_module,
						   &channels_module, NULL };
static struct world w;

static void
view_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "OBS1", "SJC");
	world_observer(&w, "OBS2", "OAK");
}

static void
view_teardown(void)
{
	world_fini(&w);
}

TestSuite(view, .init = view_setup, .fini = view_teardown, .timeout = 120);

static void
hear(uint64_t tx, int64_t at)
{
	static const char *const paths[] = { "AA", "AA,BB", "BB,CC,DD", "CC,DD" };

	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = tx % 3 == 0 ? "OBS2" : "OBS1",
				       .type = 5,
				       .route = 1,
				       .path = paths[tx % 4],
				       .at = at,
				       .snr = 4,
				       .rssi = -90 });
}

static void
hear_many(void)
{
	for (uint64_t tx = 1; tx <= MANY; tx++)
		hear(tx, w.now - (int64_t)(MANY - tx) * 60);
	frame_flush(&w.frame);
}

/* Begins with an answer that has to wait. */
static void
begin(const char *method, const char *args)
{
	json_t *in = json_loads(args, 0, NULL);
	struct json text;
	mk_writer body;
	mk_doc doc;

	mk_writer_init(&body, 0);
	mk_doc_init(&doc);
	js_init(&text, 1 << 20);
	world_put(&body, in);
	cr_assert_eq(mk_doc_open(&doc, body.data, body.len, NULL, NULL, 0), MK_OK);
	cr_expect_eq(frame_answer(&w.frame, method, mk_doc_root(&doc), &text), FRAME_LATER);
	cr_expect_eq(text.len, 0);
	mk_doc_close(&doc);
	mk_doc_fini(&doc);
	mk_writer_fini(&body);
	js_fini(&text);
	json_decref(in);
}

/* An answer, and the one of a view that is made anew now that nothing changes. */
static void
expect_exact(const char *method, const char *args)
{
	json_t *v = world_ask(&w, method, args, 200), *again;
	size_t bytes = w.frame.view_bytes;
	static unsigned asked;
	char other[64];
	uint64_t made;

	/* One that was never asked for takes the place of all others. */
	w.frame.view_bytes = 0;
	(void)snprintf(other, sizeof(other), "{\"to\": \"2026-05-17T18:00:%02uZ\"}", asked++ % 60);
	json_decref(world_ask(&w, "rf", other, 200));
	w.frame.view_bytes = bytes;
	made = w.frame.counts.views_made;
	again = world_ask(&w, method, args, 200);
	cr_expect_eq(w.frame.counts.views_made, made + 1);
	cr_expect(json_equal(v, again), "%s", method);
	json_decref(v);
	json_decref(again);
}

Test(view, what_is_heard_while_it_is_made_counts_once)
{
	static const char *const methods[] = { "rf", "topology", "subpaths", "channels" };

	hear_many();
	for (size_t i = 0; i < 4; i++) {
		begin(methods[i], "{\"region\": \"SJC\"}");
		cr_expect(frame_is_making(&w.frame));
		/* Others, one more copy of an early one, and one that is heard to be a copy. */
		for (uint64_t tx = 1; tx <= 50; tx++)
			hear((i + 1) * 100000 + tx, w.now);
		world_hear(&w, (struct heard){ .tx = 7,
					       .observer = "OBS1",
					       .type = 5,
					       .route = 1,
					       .path = "AA,BB,CC,DD,EE",
					       .at = w.now });
		frame_set_copy(&w.frame, frame_find(&w.frame, 11 + i), true);
		frame_set_copy(&w.frame, frame_find(&w.frame, MANY - 11 - i), true);
		expect_exact(methods[i], "{\"region\": \"SJC\"}");
	}
}

Test(view, what_is_forgotten_while_it_is_made_is_not_in_it)
{
	hear_many();
	begin("rf", "{\"region\": \"SJC\"}");
	w.frame.keep = (int64_t)MANY * 30;
	frame_on_tick(&w.frame, w.now);
	cr_expect_lt(w.frame.packet_count, MANY);
	hear(200000, w.now); /* in the place of one that went */
	expect_exact("rf", "{\"region\": \"SJC\"}");
}

Test(view, a_window_that_nobody_asked_for_all_day_catches_up)
{
	hear_many();
	json_decref(world_ask(&w, "topology", "{\"window\": \"7d\"}", 200));
	w.now += 3 * 86400;
	begin("topology", "{\"window\": \"7d\"}");
	hear(300000, w.now);
	expect_exact("topology", "{\"window\": \"7d\"}");
}

Test(view, one_is_made_after_the_other)
{
	json_t *v;

	hear_many();
	json_decref(world_ask(&w, "rf", "{}", 200));
	begin("rf", "{\"region\": \"SJC\"}");
	begin("rf", "{\"region\": \"OAK\"}");
	begin("rf", "{\"region\": \"OAK\"}");
	cr_expect_eq(w.frame.view_count, 2, "the one without a filter, and the first");
	/* What is there already, or is little, does not wait. */
	json_decref(world_ask(&w, "rf", "{}", 200));
	cr_expect(frame_is_making(&w.frame));
	json_decref(world_ask(&w, "rf", "{\"window\": \"1h\"}", 200));
	cr_expect(frame_is_making(&w.frame));
	v = world_ask(&w, "rf", "{\"region\": \"OAK\"}", 200);
	world_expect(v, "totalTransmissions", "3000");
	json_decref(v);
}
