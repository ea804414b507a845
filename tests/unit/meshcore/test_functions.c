/* SPDX-License-Identifier: MIT
 *
 * Keys, transport codes, time on air, areas, distances and roles against known results.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>
#include <jansson.h>

#include <meshcore/advert.h>
#include <meshcore/airtime.h>
#include <meshcore/geo.h>
#include <meshcore/hex.h>
#include <meshcore/keys.h>
#include <meshcore/scope.h>

TestSuite(functions, .timeout = 120);

static const char *
text(json_t *map, const char *key)
{
	return json_string_value(json_object_get(map, key));
}

static double
number(json_t *map, const char *key)
{
	return json_number_value(json_object_get(map, key));
}

static void
check_key(const char *name, json_t *in, json_t *want)
{
	struct mc_keys ring;
	char digits[33];

	mc_keys_init(&ring);
	if (text(in, "psk_hex") != NULL)
		cr_assert_eq(mc_keys_set(&ring, name, text(in, "psk_hex")), MC_KEY_SET);
	else
		cr_assert_eq(mc_keys_add_hashtag(&ring, text(in, "channel_name")), MC_KEY_SET);
	cr_expect_str_eq(ring.at[0]->name, name);
	cr_expect_str_eq(mc_hex_lower(ring.at[0]->secret, 16, digits), text(want, "key"));
	snprintf(digits, sizeof(digits), "%02X", ring.at[0]->hash);
	cr_expect_str_eq(digits, text(want, "channel_hash"), "%s", name);
	mc_keys_fini(&ring);
}

static void
check_code(const char *name, json_t *in, json_t *want)
{
	uint8_t key[16], payload[256], code[2];
	struct mc_region region;
	size_t key_len, len;
	char digits[5];

	cr_assert(mc_hex_decode(text(in, "region_key"), 32, key, sizeof(key), &key_len));
	cr_assert(mc_hex_decode(text(in, "payload_hex"), strlen(text(in, "payload_hex")), payload,
				sizeof(payload), &len));
	mc_region_init(&region, key);
	mc_region_code(&region, (uint8_t)number(in, "payload_type"), payload, len, code);
	cr_expect_str_eq(mc_hex_upper(code, 2, digits), text(want, "code1_wire"), "%s", name);
	cr_expect_eq(code[0] | code[1] << 8, (int)number(want, "code_u16"));
}

static void
check_airtime(const char *name, json_t *in, json_t *want)
{
	struct mc_radio radio = {
		.bandwidth_hz = number(in, "bw_khz") * 1000,
		.spreading_factor = (int32_t)number(in, "sf"),
		.coding_rate = (int32_t)number(in, "cr"),
		.preamble = (int32_t)number(in, "preamble"),
	};
	double ns = (double)mc_airtime_ns(&radio, (int64_t)number(in, "payload_bytes"));

	cr_expect_leq(fabs(ns - number(want, "ns")), number(want, "tolerance_ns"), "%s", name);
}

static void
check_area(const char *name, json_t *in, json_t *want)
{
	json_t *polygon = json_object_get(in, "polygon");
	struct mc_point points[16];
	struct mc_area area = { .points = points, .count = (uint32_t)json_array_size(polygon) };
	double lat = number(in, "lat"), lon = number(in, "lon");

	for (size_t i = 0; i < area.count; i++) {
		json_t *p = json_array_get(polygon, i);

		points[i].lat = json_number_value(json_array_get(p, 0));
		points[i].lon = json_number_value(json_array_get(p, 1));
	}
	cr_expect_eq(mc_polygon_contains(points, area.count, lat, lon),
		     json_is_true(json_object_get(want, "in_polygon")), "%s", name);
	cr_expect_eq(mc_area_contains(&area, lat, lon),
		     json_is_true(json_object_get(want, "pass_buffer0")), "%s", name);
	area.buffer_km = 20;
	cr_expect_eq(mc_area_contains(&area, lat, lon),
		     json_is_true(json_object_get(want, "pass_buffer20km")), "%s", name);
}

static void
check_distance(const char *name, json_t *in, json_t *want)
{
	double km = mc_distance_km(number(in, "lat1"), number(in, "lon1"), number(in, "lat2"),
				   number(in, "lon2"));

	cr_expect_leq(fabs(km - number(want, "km")), number(want, "tolerance_km"), "%s", name);
}

static void
check_role(const char *name, json_t *in, json_t *want)
{
	json_t *type = json_object_get(in, "type");
	struct mc_advert a = { .has_flags = !json_is_null(type),
			       .flags = (uint8_t)json_integer_value(type) };
	char role[MC_ROLE_TEXT];

	cr_expect_str_eq(mc_advert_role(&a, role), text(want, "role"), "%s", name);
}

Test(functions, all_have_the_expected_results)
{
	static const struct {
		const char *kind;
		void (*check)(const char *name, json_t *in, json_t *want);
	} checks[] = {
		{ "channel_key", check_key },     { "transport_code", check_code },
		{ "time_on_air", check_airtime }, { "geo_filter", check_area },
		{ "haversine", check_distance },  { "advert_role", check_role },
	};
	FILE *in = fopen(TEST_DATA "/vectors_misc.jsonl", "r");
	uint32_t lines = 0, done = 0;
	char line[4096];

	cr_assert_not_null(in);
	for (; fgets(line, sizeof(line), in) != NULL; lines++) {
		json_t *root = json_loads(line, 0, NULL);

		cr_assert_not_null(root);
		for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
			if (strcmp(text(root, "kind"), checks[i].kind) != 0)
				continue;
			checks[i].check(text(root, "name"), json_object_get(root, "input"),
					json_object_get(root, "expect"));
			done++;
		}
		json_decref(root);
	}
	fclose(in);
	cr_expect_eq(lines, 55);
	cr_expect_eq(done, 55);
}

Test(functions, an_area_without_limits_contains_everything)
{
	struct mc_area area = { 0 };

	cr_expect(mc_area_contains(&area, 89, 179));
}

Test(functions, a_box_includes_its_sides)
{
	struct mc_area area = { .has_box = true, .lat_min = 50, .lat_max = 51, .lon_max = 4 };

	cr_expect(mc_area_contains(&area, 50, 4));
	cr_expect(mc_area_contains(&area, 51, 0.5));
	cr_expect_not(mc_area_contains(&area, 51.1, 0.5));
	cr_expect_not(mc_area_contains(&area, 50.5, -0.1));
}

Test(functions, the_buffer_goes_around_the_edge_that_closes_the_polygon)
{
	struct mc_point points[] = { { 50, 4 }, { 51, 4 }, { 51, 5 }, { 50, 5 } };
	struct mc_area area = { .points = points, .count = 4, .buffer_km = 10 };

	cr_expect(mc_area_contains(&area, 49.95, 4.5));
	cr_expect_not(mc_area_contains(&area, 49.8, 4.5));
}

Test(functions, a_point_is_two_numbers_within_the_earth)
{
	struct mc_point p = { 1, 2 };

	cr_assert(mc_point_parse(" 50.5, -4.25 ", &p));
	cr_expect(p.lat == 50.5 && p.lon == -4.25);
	cr_expect_not(mc_point_parse("50.5", &p));
	cr_expect_not(mc_point_parse("50.5;4", &p));
	cr_expect_not(mc_point_parse("91,4", &p));
	cr_expect_not(mc_point_parse("nan,4", &p));
	cr_expect_not(mc_point_parse("50,4,3", &p));
	cr_expect(p.lat == 50.5 && p.lon == -4.25);
}

Test(functions, an_impossible_frame_takes_no_time)
{
	cr_expect_eq(mc_airtime_ns(&mc_radio_default, -1), 0);
	cr_expect_gt(mc_airtime_ns(&mc_radio_default, 255), 0);
	cr_expect_eq(mc_radio_preamble(8), 32);
	cr_expect_eq(mc_radio_preamble(9), 16);
}
