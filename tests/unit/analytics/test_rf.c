/* SPDX-License-Identifier: MIT
 *
 * Signals, sizes and types of packets, and how long they are on the air.
 */
#include "world.h"

#include <analytics/airtime.h>
#include <analytics/modules.h>
#include <analytics/render.h>

static const struct an_module *const modules[] = { &rf_module, &airtime_module, &scopes_module,
						   NULL };
static struct world w;

static void
rf_setup(void)
{
	world_init(&w, modules);
	world_observer(&w, "OBS1", "SJC");
	world_observer(&w, "OBS2", " oak ");
}

static void
rf_teardown(void)
{
	world_fini(&w);
}

TestSuite(rf, .init = rf_setup, .fini = rf_teardown, .timeout = 120);

static void
hear(uint64_t tx, const char *observer, double snr, double rssi)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = observer,
				       .type = 5,
				       .route = 1,
				       .path = "AA",
				       .snr = snr,
				       .rssi = rssi });
}

Test(rf, negative_numbers_are_rounded_away_from_zero)
{
	cr_expect_eq(render_round(-0.8, 1), -0.8);
	cr_expect_eq(render_round(-60, 1), -60);
	cr_expect_eq(render_round(-20, 1), -20);
	cr_expect_eq(render_round(55.05, 1), 55.1);
}

Test(rf, figures_follow_from_the_counts)
{
	json_t *v;

	hear(1, "OBS1", 4, -90);
	hear(1, "OBS2", -2.25, -100);
	hear(2, "OBS1", 1, -90);
	hear(3, "OBS1", 3, -80);
	hear(4, "OBS1", 0, 0);
	v = world_ask(&w, "rf", "{}", 200);
	world_expect(v, "totalPackets", "4");
	world_expect(v, "totalAllPackets", "5");
	world_expect(v, "totalTransmissions", "4");
	world_expect(v, "snr.min", "-2.25");
	world_expect(v, "snr.max", "4");
	world_expect(v, "snr.median", "3"); /* the upper one of -2.25, 1, 3, 4 */
	world_expect(v, "snr.avg", "1.4375");
	world_expect(v, "rssi.median", "-90");
	world_expect(v, "snrByType.0.count", "4");
	world_expect(v, "payloadTypes.0", "{\"type\":5,\"name\":\"GRP_TXT\",\"count\":4}");
	world_expect(v, "packetsPerHour", "[{\"hour\":\"2026-05-17T18\",\"count\":4}]");
	json_decref(v);
}

Test(rf, zero_and_ten_are_in_the_first_and_the_last_bin)
{
	json_t *v;

	hear(1, "OBS1", 10, -10);
	hear(2, "OBS1", 0.01, -10); /* to the nearest quarter of a dB: 0 */
	v = world_ask(&w, "rf", "{}", 200);
	world_expect(v, "snrValues.bins.0.w", "0.5");
	world_expect(v, "snrValues.bins.0.count", "1");
	world_expect(v, "snrValues.bins.19.count", "1");
	world_expect(v, "rssiValues.bins.0", "{\"x\":-10,\"w\":0.05,\"count\":2}");
	world_expect(v, "rssiValues.min", "-10");
	world_expect(v, "rssiValues.max", "-10");
	json_decref(v);
}

Test(rf, nothing_gives_zeros_and_empty_lists)
{
	json_t *v = world_ask(&w, "rf", "{}", 200);

	world_expect(v, "snr", "{\"min\":0,\"max\":0,\"avg\":0,\"median\":0,\"stddev\":0}");
	world_expect(v, "packetSizes", "{\"bins\":[],\"min\":0,\"max\":0}");
	world_expect(v, "timeSpanHours", "0");
	world_expect(v, "scatterData", "[]");
	json_decref(v);
}

Test(rf, no_more_than_500_points_are_scattered)
{
	json_t *v;

	for (uint64_t i = 0; i < 999; i++)
		hear(i + 1, "OBS1", (double)(i % 80) / 4 - 9.8, -40.0 - (double)(i % 60));
	v = world_ask(&w, "rf", "{}", 200);
	cr_expect_eq(json_array_size(world_at(v, "scatterData")), 500);
	json_decref(v);
}

Test(rf, with_a_region_copies_from_elsewhere_do_not_count)
{
	json_t *v;

	hear(1, "OBS1", 4, -90);
	hear(1, "OBS2", 8, -80);
	hear(2, "OBS2", 2, -80);
	v = world_ask(&w, "rf", "{\"region\": \"OAK\"}", 200);
	world_expect(v, "totalAllPackets", "2");
	world_expect(v, "snr.avg", "5");
	json_decref(v);
	v = world_ask(&w, "rf", "{\"region\": \"XXX\"}", 200);
	world_expect(v, "totalAllPackets", "0");
	json_decref(v);
	v = world_ask(&w, "rf", "{\"region\": \"all, \"}", 200);
	world_expect(v, "totalAllPackets", "3");
	json_decref(v);
}

/* ---------------------------------------------------------------- airtime -- */

static void
expect_ms(struct lora lora, int bytes, double ms)
{
	cr_expect_float_eq((double)airtime_ns(&lora, bytes) / 1e6, ms, 1e-9, "%d bytes", bytes);
}

Test(rf, time_on_air_is_that_of_the_formula)
{
	static const struct lora usual = { 869600000, 62.5, 8, 5, 32 };

	expect_ms(usual, 0, 201.728);
	expect_ms(usual, 8, 242.688);
	expect_ms(usual, 10, 242.688);
	expect_ms(usual, 16, 283.648);
	expect_ms(usual, 32, 365.568);
	expect_ms(usual, 64, 529.408);
	expect_ms(usual, 120, 816.128);
	expect_ms(usual, 200, 1225.728);
	expect_ms(usual, 255, 1512.448);
	expect_ms((struct lora){ 1, 125, 11, 5, 16 }, 8, 626.688);
	expect_ms((struct lora){ 1, 250, 10, 5, 16 }, 50, 340.992);
	expect_ms((struct lora){ 1, 125, 12, 8, 0 }, 20, 1712.128);
	expect_ms((struct lora){ 1, 125, 13, 8, 0 }, 20, 0);
}

static void
send(uint64_t tx, uint8_t type, uint32_t bytes, const char *path)
{
	static const uint8_t zeros[256];
	uint32_t head = path == NULL ? 2 : 3;

	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = "OBS1",
				       .type = type,
				       .route = 1,
				       .path = path,
				       .payload = zeros,
				       .payload_len = bytes - head });
}

Test(rf, a_large_packet_takes_more_of_the_air)
{
	json_t *v;

	send(1, 4, 200, "AA");
	send(2, 3, 10, "AA");
	v = world_ask(&w, "relay-airtime-share", "{}", 200);
	world_expect(v, "rows.0.payload_type", "\"ADVERT\"");
	cr_expect_float_eq(json_number_value(world_at(v, "rows.0.airtime_pct")), 83.4754, 5e-3);
	cr_expect_float_eq(json_number_value(world_at(v, "rows.1.airtime_pct")), 16.5246, 5e-3);
	json_decref(v);
}

Test(rf, who_is_not_relayed_takes_nothing)
{
	json_t *v;

	send(1, 4, 100, "A1");
	for (const char *const *path =
		 (const char *const[]){ "A2,A3", "A4", "A5,A6", "A7,A8", NULL };
	     *path != NULL; path++)
		send(1, 4, 100, *path);
	for (uint64_t i = 0; i < 1000; i++)
		send(10 + i, 3, 10, NULL);
	v = world_ask(&w, "relay-airtime-share", "{}", 200);
	world_expect(v, "rows.0.airtime_pct", "100");
	cr_expect_float_eq(json_number_value(world_at(v, "rows.0.count_pct")), 0.0999, 1e-4);
	world_expect(v, "rows.1.airtime_pct", "0");
	cr_expect_eq(json_integer_value(world_at(v, "rows.0.score")),
		     8 * airtime_ns(&w.frame.lora, 100));
	json_decref(v);
}

/* ----------------------------------------------------------------- scopes -- */

static void
scoped(uint64_t tx, uint8_t route, const char *scope, int64_t ago)
{
	world_hear(&w, (struct heard){ .tx = tx,
				       .observer = "OBS1",
				       .type = 5,
				       .route = route,
				       .scope = scope,
				       .at = w.now - ago });
}

Test(rf, scopes_are_those_of_packets_with_transport_codes)
{
	json_t *v;

	scoped(1, 0, "#b", 10);
	scoped(2, 3, "#a", 20);
	scoped(3, 0, "", 30);
	scoped(4, 0, NULL, 40);
	scoped(5, 1, NULL, 50);
	scoped(6, 0, "#a", 2 * 86400);
	v = world_ask(&w, "scope-stats", "{}", 200);
	world_expect(v, "window", "\"24h\"");
	world_expect(v, "summary",
		     "{\"transportTotal\":4,\"scoped\":3,\"unscoped\":2,\"unknownScope\":1}");
	world_expect(v, "byRegion",
		     "[{\"name\":\"#a\",\"count\":1},{\"name\":\"#b\",\"count\":1}]");
	world_expect(v, "timeSeries.0",
		     "{\"t\":\"2026-05-17T18:00:00Z\",\"scoped\":3,\"unscoped\":1}");
	json_decref(v);
	v = world_ask(&w, "scope-stats", "{\"window\": \"7d\"}", 200);
	world_expect(v, "byRegion.0", "{\"name\":\"#a\",\"count\":2}");
	json_decref(v);
	json_decref(world_ask(&w, "scope-stats", "{\"window\": \"30d\"}", 400));
}
