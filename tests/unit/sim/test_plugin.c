/* SPDX-License-Identifier: MIT
 *
 * What the plugin sim promises to the bus.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <meshkern/testkit.h>

TestSuite(plugin, .timeout = 120);

static mk_tk *
started(const char *config)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, config);

	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	return tk;
}

static void
finished(mk_tk *tk)
{
	cr_expect_eq(mk_tk_misbehaved(tk), 0, "%s", mk_tk_misbehaved_text(tk));
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks());
}

/* All items of a topic, one after the other. */
static uint32_t
each(mk_tk *tk, const char *topic, void (*look)(const mk_val *item))
{
	uint32_t count = 0;
	mk_doc doc;

	mk_doc_init(&doc);
	for (uint32_t i = 0; i < mk_tk_published(tk, topic); i++) {
		const mk_val *items;
		size_t len;
		const void *body = mk_tk_body(tk, topic, i, &len);

		cr_assert_eq(mk_doc_open(&doc, body, len, NULL, NULL, 0), MK_OK);
		items = mk_find(mk_doc_root(&doc), "items");
		cr_assert_gt(mk_count(items), 0);
		for (uint32_t k = 0; k < mk_count(items); k++, count++)
			look(mk_at(items, k));
	}
	mk_doc_fini(&doc);
	return count;
}

static void
look_raw(const mk_val *item)
{
	const uint8_t *raw;
	const char *text;
	size_t len;
	double number;
	uint64_t at;

	cr_assert(mk_get_u64(mk_find(item, "at"), &at));
	cr_assert(mk_get_bin(mk_find(item, "raw"), &raw, &len) && len >= 2 && len <= 255);
	cr_assert(mk_get_f64(mk_find(item, "snr"), &number) && number >= -10 && number < 20);
	cr_assert(mk_get_f64(mk_find(item, "rssi"), &number) && number < -60 && number > -140);
	cr_assert(mk_get_str(mk_find(item, "observer"), &text, &len) && len == 64);
	cr_assert(mk_get_str(mk_find(item, "region"), &text, &len) && len == 3);
	cr_assert(mk_get_str(mk_find(item, "feed"), &text, &len) && len > 0);
}

static void
look_status(const mk_val *item)
{
	const char *text;
	size_t len;
	int64_t battery;
	bool repeat;

	cr_assert(mk_get_str(mk_find(item, "model"), &text, &len));
	cr_assert(mk_get_i64(mk_find(item, "battery_mv"), &battery) && battery > 3000);
	cr_assert(mk_get_bool(mk_find(item, "repeat"), &repeat));
}

static void
look_client(const mk_val *item)
{
	double lat;

	cr_assert(mk_get_f64(mk_find(item, "lat"), &lat) && lat > 49 && lat < 53);
	cr_assert_null(mk_find(item, "observer"));
}

Test(plugin, publishes_receptions_statuses_and_phones)
{
	mk_tk *tk = started("rate: 100");

	mk_tk_advance(tk, 60000000);
	cr_expect_gt(each(tk, "rx/raw", look_raw), 4000);
	cr_expect_geq(each(tk, "rx/status", look_status), 12);
	cr_expect_gt(each(tk, "rx/client", look_client), 0);
	cr_expect_eq(mk_tk_number(tk, "stalls"), 0);
	finished(tk);
}

Test(plugin, a_high_rate_comes_in_batches)
{
	mk_tk *tk = started("rate: 20000");

	mk_tk_advance(tk, 2000000);
	cr_expect_gt(mk_tk_number(tk, "receptions"), 25000);
	cr_expect_lt(mk_tk_published(tk, "rx/raw"), 400);
	finished(tk);
}

Test(plugin, what_the_bus_refuses_is_published_later_and_counted)
{
	static const mk_result results[] = { MK_EAGAIN, MK_EFULL };

	for (int i = 0; i < 2; i++) {
		mk_tk *tk = started("rate: 100");
		int64_t before;

		mk_tk_advance(tk, 10000000);
		before = mk_tk_number(tk, "receptions");
		mk_tk_publish_fails(tk, results[i], 20);
		mk_tk_advance(tk, 900000);
		cr_expect_eq(mk_tk_number(tk, "receptions"), before); /* it waits */
		cr_expect_gt(mk_tk_number(tk, "stalls"), 10);
		mk_tk_advance(tk, 10000000);
		cr_expect_gt(mk_tk_number(tk, "receptions"), before + 500);
		cr_expect_gt(mk_tk_number(tk, "stalled_ms"), 500);
		cr_expect_eq((int64_t)each(tk, "rx/raw", look_raw), mk_tk_number(tk, "receptions"));
		finished(tk);
	}
}

Test(plugin, the_mesh_has_the_time_of_the_host)
{
	mk_tk *tk = started("rate: 100");
	uint64_t wall = 1900000000000000, at = 0;
	const char *json, *found;

	mk_tk_advance(tk, 5000000);
	mk_tk_set_wall(tk, wall);
	mk_tk_advance(tk, 2000000);
	mk_tk_forget(tk);
	mk_tk_advance(tk, 2000000);
	json = mk_tk_json(tk, "rx/raw", 0);
	cr_assert_not_null(json);
	found = strstr(json, "\"at\":");
	cr_assert_eq(sscanf(found, "\"at\":%lu", &at), 1);
	cr_expect(at > wall + 1000000 && at < wall + 5000000, "%lu", at);
	finished(tk);
}

Test(plugin, the_rate_changes_without_a_restart)
{
	mk_tk *tk = started("rate: 1");

	mk_tk_advance(tk, 120000000);
	cr_assert_eq(mk_tk_reconfigure(tk, "rate: 1000"), MK_OK);
	mk_tk_forget(tk);
	mk_tk_advance(tk, 120000000);
	cr_expect_gt(each(tk, "rx/raw", look_raw), 20000);
	cr_expect_eq(mk_tk_reconfigure(tk, "{rate: 1000, nodes: 61}"), MK_ERESTART);
	finished(tk);
}

Test(plugin, more_observers_than_nodes_are_refused)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, "{nodes: 5, observers: 6}");

	cr_expect_neq(mk_tk_start(tk), MK_OK);
	cr_expect_not_null(strstr(mk_tk_error(tk), "observers"), "%s", mk_tk_error(tk));
	finished(tk);
}
