/* SPDX-License-Identifier: MIT
 *
 * From topics and payloads to items, and to reasons why not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "parse.h"

#define OBSERVER "ABCDEF0123456789"
#define PACKETS "meshcore/SJC/" OBSERVER "/packets"
#define NOW_US 1795243306500000ull /* 2026-11-21T06:41:46.5Z */

static struct route_rules rules;
static struct strings iata_filter;
static struct parse_source source;
static mk_writer out;
static enum route_kind kind;

static void
setup(void)
{
	rules = (struct route_rules){ .max_payload = 4096, .max_depth = 8 };
	iata_filter = (struct strings){ 0 };
	source = (struct parse_source){ .feed = "one", .iata_filter = &iata_filter };
	mk_writer_init(&out, 0);
}

static void
teardown(void)
{
	strings_fini(&rules.iata_whitelist);
	strings_fini(&rules.observer_blacklist);
	strings_fini(&iata_filter);
	mk_writer_fini(&out);
}

TestSuite(parse, .timeout = 120, .init = setup, .fini = teardown);

static enum route_refusal
parse_bytes(const char *topic, const void *payload, size_t len, bool retained)
{
	struct parse_message m = { topic, strlen(topic), payload, len, retained, NOW_US };

	mk_writer_reset(&out);
	return parse_message(&rules, &source, &m, &kind, &out);
}

static enum route_refusal
parse(const char *topic, const char *payload)
{
	return parse_bytes(topic, payload, strlen(payload), false);
}

/* The item as JSON, or the reason. */
static const char *
result(const char *topic, const char *payload)
{
	static char json[4096];
	enum route_refusal why = parse(topic, payload);

	if (why != ROUTE_TAKEN) {
		cr_expect_eq(out.len, 0, "something was written");
		return route_refusal_name(why);
	}
	cr_assert_eq(mk_writer_end(&out), MK_OK);
	mk_to_json(out.data, out.len, json, sizeof(json));
	return json;
}

#define AT "{\"at\":1795243306500000,\"feed\":\"one\","

Test(parse, a_packet_has_all_its_fields)
{
	source.region = "ZZZ";
	cr_expect_str_eq(
	    result(PACKETS, "{\"raw\":\"15 00\\nFF\",\"SNR\":\"5.5dB\",\"RSSI\":-97,\"score\":800,"
			    "\"direction\":\"rx\",\"origin\":\"Hill\",\"other\":[1]}"),
	    AT "\"raw\":{\"$bin\":\"1500ff\"},\"region\":\"SJC\",\"observer\":\"" OBSERVER
	       "\",\"name\":\"Hill\",\"snr\":5.5,\"rssi\":-97,\"score\":800,"
	       "\"direction\":\"rx\"}");
	cr_expect_eq(kind, ROUTE_PACKET);
}

Test(parse, of_two_spellings_the_first_that_exists_counts)
{
	cr_expect_str_eq(result("m/SJC", "{\"raw\":\"15\",\"SNR\":null,\"snr\":5,\"rssi\":1}"),
			 AT "\"raw\":{\"$bin\":\"15\"},\"region\":\"SJC\",\"rssi\":1}");
}

Test(parse, of_keys_that_come_twice_the_last_counts)
{
	cr_expect_str_eq(result("m", "{\"raw\":\"zz\",\"raw\":\"15\"}"),
			 AT "\"raw\":{\"$bin\":\"15\"}}");
}

Test(parse, the_region_of_the_payload_wins_then_the_topics_then_the_sources)
{
	source.region = "SFO";
	cr_expect_not_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"region\":\"LAX\"}"), "\"region\":\"LAX\""));
	cr_expect_not_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"region\":\"\"}"), "\"region\":\"SJC\""));
	cr_expect_not_null(
	    strstr(result("m//x/packets", "{\"raw\":\"15\"}"), "\"region\":\"SFO\""));
}

Test(parse, a_clock_without_zone_that_is_off_is_told)
{
	cr_expect_not_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"timestamp\":\"2026-11-20T22:41:46\"}"),
		   "\"skew\":-28800"));
	cr_expect_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"timestamp\":\"2026-11-20T22:41:46Z\"}"),
		   "skew"));
}

Test(parse, a_status_takes_numbers_from_stats_first)
{
	cr_expect_str_eq(
	    result("meshcore/SJC/x/status",
		   "{\"battery_mv\":1,\"uptime_secs\":\"7\",\"recv_errors\":2,\"model\":\"\","
		   "\"firmware\":\"1\",\"firmware_version\":\"2\",\"client_version\":\"a\","
		   "\"clientVersion\":\"\",\"repeat\":\"on\",\"stats\":{\"battery_mv\":4100.5,"
		   "\"noise_floor\":\"-110.5\",\"recv_errors\":null}}"),
	    AT "\"region\":\"SJC\",\"observer\":\"x\",\"firmware\":\"2\","
	       "\"client_version\":\"a\",\"battery_mv\":4101,\"uptime_secs\":7,"
	       "\"noise_floor\":-110.5,\"repeat\":true}");
	cr_expect_eq(kind, ROUTE_STATUS);
	cr_expect_str_eq(result("meshcore/SJC//status", "{}"), "bad_topic");
}

Test(parse, what_a_broker_had_kept_is_marked_or_refused)
{
	cr_expect_eq(parse_bytes("meshcore/SJC/x/status", "{}", 2, true), ROUTE_TAKEN);
	cr_expect_eq(parse_bytes(PACKETS, "{\"raw\":\"15\"}", 12, true), ROUTE_RETAINED);
}

#define CLIENT "meshcore/client/ABcd/packets"
#define GPS "\"gps\":{\"lat\":\"37.5\",\"lon\":-122,\"acc_m\":\"4m\"}"

Test(parse, a_phone_tells_where_it_heard_what)
{
	rules.client_coverage = true;
	cr_expect_str_eq(
	    result(CLIENT, "{\"raw\":\"15\",\"direction\":\"RX\",\"rssi\":-97.9,\"origin\":\"P\","
			   "\"timestamp\":\"2026-11-21T06:40:00Z\"," GPS "}"),
	    AT "\"companion\":\"abcd\",\"raw\":{\"$bin\":\"15\"},\"lat\":37.5,\"lon\":-122,"
	       "\"acc_m\":4,\"name\":\"P\",\"rssi\":-97,\"rx_at\":1795243200}");
	cr_expect_eq(kind, ROUTE_CLIENT);
}

Test(parse, a_phone_must_say_where_it_was_and_that_it_received)
{
	rules.client_coverage = true;
	cr_expect_str_eq(result(CLIENT, "{\"raw\":\"15\",\"direction\":\"tx\"," GPS "}"),
			 "bad_client");
	cr_expect_str_eq(result(CLIENT, "{\"raw\":\"15\",\"direction\":\"rx\"}"), "bad_client");
	cr_expect_str_eq(result(CLIENT, "{\"raw\":\"15\",\"direction\":\"rx\","
					"\"gps\":{\"lat\":91,\"lon\":0}}"),
			 "bad_client");
	cr_expect_str_eq(result("meshcore/client/xyz/packets", "{\"raw\":\"15\"}"), "bad_topic");
}

Test(parse, phones_are_dropped_when_coverage_is_off)
{
	cr_expect_str_eq(result(CLIENT, "{\"raw\":\"15\",\"direction\":\"rx\"," GPS "}"),
			 "coverage_off");
}

Test(parse, a_bridge_delivers_what_it_has_decrypted)
{
	cr_expect_str_eq(result("meshcore/message/channel/3",
				"{\"text\":\"Ann: hi\",\"channel_idx\":4,\"snr\":1,"
				"\"sender_timestamp\":1700000000}"),
			 AT "\"bridge\":{\"kind\":\"channel\",\"channel\":\"4\","
			    "\"text\":\"Ann: hi\",\"time\":1700000000},\"snr\":1}");
	cr_expect_str_eq(result("meshcore/message/direct/9",
				"{\"text\":\"hi\",\"channel_idx\":4,\"sender_timestamp\":\"t\"}"),
			 AT "\"bridge\":{\"kind\":\"direct\",\"text\":\"hi\",\"time\":\"t\"}}");
	cr_expect_not_null(
	    strstr(result("meshcore/message/channel/3", "{\"text\":\"hi\"}"), "\"channel\":\"3\""));
	cr_expect_str_eq(result("meshcore/message/direct/9", "{\"text\":\"\"}"), "no_content");
}

Test(parse, no_list_of_regions_is_for_bridges)
{
	strings_add(&rules.iata_whitelist, "SJC");
	strings_add(&iata_filter, "SJC");
	cr_expect_eq(parse("meshcore/message/direct/9", "{\"text\":\"hi\"}"), ROUTE_TAKEN);
}

Test(parse, lists_match_without_regard_to_case)
{
	strings_add(&rules.iata_whitelist, "sjc");
	strings_add(&rules.observer_blacklist, "abcdef0123456789");
	cr_expect_str_eq(result(PACKETS, "{\"raw\":\"15\"}"), "blacklisted");
	cr_expect_eq(parse("m/SJC/x/packets", "{\"raw\":\"15\"}"), ROUTE_TAKEN);
	cr_expect_str_eq(result("m/LAX/x/packets", "{\"raw\":\"15\"}"), "region");
}

Test(parse, the_filter_of_a_source_is_for_packets_only)
{
	strings_add(&iata_filter, "LAX");
	cr_expect_str_eq(result(PACKETS, "{\"raw\":\"15\"}"), "filtered");
	cr_expect_eq(parse("meshcore/SJC/x/status", "{}"), ROUTE_TAKEN);
}

Test(parse, what_is_none_of_the_kinds_is_ignored)
{
	cr_expect_str_eq(result("meshcore/status", "{\"raw\":\"15\"}"), "no_content");
	cr_expect_str_eq(result("meshcore/events/connection", "{}"), "no_content");
	cr_expect_str_eq(result(PACKETS, "{}"), "no_content");
	cr_expect_str_eq(result(PACKETS, "{\"raw\":15}"), "no_content");
	cr_expect_str_eq(result(PACKETS, "{\"raw\":\"xyz\"}"), "bad_hex");
}

Test(parse, what_is_no_object_is_refused)
{
	static const char *const cases[] = { "", "null", "[]", "1", "{", "{}x", "{\"a\":1,}" };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(result(PACKETS, cases[i]), "not_json", "%s", cases[i]);
}

Test(parse, depth_and_length_are_bounded)
{
	static char deep[3000];
	char *large = calloc(1, 5000);

	memset(deep, '[', 1500);
	cr_expect_eq(parse_bytes(PACKETS, deep, sizeof(deep), false), ROUTE_TOO_DEEP);
	cr_expect_eq(parse_bytes(PACKETS, large, 5000, false), ROUTE_TOO_LARGE);
	cr_expect_eq(parse(PACKETS, "{\"raw\":\"15\",\"s\":\"[[[[[[[[[[[[[[\\\"[[\"}"),
		     ROUTE_TAKEN);
	free(large);
}

Test(parse, text_that_is_not_utf8_costs_a_character_and_no_message)
{
	cr_expect_not_null(strstr(result(PACKETS, "{\"raw\":\"15\",\"origin\":\"H\xfcgel\"}"),
				  "\"name\":\"H\\ufffdgel\""));
	cr_expect_not_null(strstr(result(PACKETS, "{\"raw\":\"15\",\"origin\":\"a\\ud83d!\"}"),
				  "\"name\":\"a\\ufffd!\""));
	cr_expect_not_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"origin\":\"\xff\\ud83d\\ude00\"}"),
		   "\\ud83d\\ude00"));
}

Test(parse, control_characters_do_not_get_through)
{
	cr_expect_not_null(
	    strstr(result(PACKETS, "{\"raw\":\"15\",\"origin\":\"a\\u0000\\n\\u001b[31m\"}"),
		   "\"name\":\"a???[31m\""));
	cr_expect_str_eq(result("m/S\nC/x/packets", "{\"raw\":\"15\"}"), "bad_topic");
	cr_expect_str_eq(result("m/SJC/\xff/packets", "{\"raw\":\"15\"}"), "bad_topic");
}

Test(parse, numbers_of_any_length_are_numbers)
{
	cr_expect_not_null(
	    strstr(result(PACKETS,
			  "{\"raw\":\"15\",\"len\":123456789012345678901234567890,\"SNR\":1}"),
		   "\"snr\":1"));
}

TestSuite(route, .timeout = 120);

Test(route, a_subscription_covers_topics)
{
	static const struct {
		const char *filter, *topic;
		bool want;
	} cases[] = {
		{ "meshcore/#", "meshcore/SJC/x/packets", true },
		{ "meshcore/#", "meshcore", true },
		{ "meshcore/#", "meshcor", false },
		{ "#", "a/b", true },
		{ "a/+/c", "a/b/c", true },
		{ "a/+/c", "a//c", true },
		{ "a/+/c", "a/b/d", false },
		{ "a/+", "a/b/c", false },
		{ "+", "a", true },
		{ "a/b", "a/b/c", false },
		{ "a/b/c", "a/b", false },
		{ "$share/g/a/+", "a/b", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(route_filter_covers(cases[i].filter, cases[i].topic,
						 strlen(cases[i].topic)),
			     cases[i].want, "%s %s", cases[i].filter, cases[i].topic);
}

Test(route, a_subscription_has_its_wildcards_in_the_right_places)
{
	cr_expect(route_filter_valid("meshcore/#"));
	cr_expect(route_filter_valid("+/a/+"));
	cr_expect_not(route_filter_valid(""));
	cr_expect_not(route_filter_valid("a/#/b"));
	cr_expect_not(route_filter_valid("a#"));
	cr_expect_not(route_filter_valid("a+/b"));
	cr_expect_not(route_filter_valid("\xff"));
}
