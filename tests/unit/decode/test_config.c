/* SPDX-License-Identifier: MIT
 *
 * What the options do, when they change, and the method decode/packet.
 */
#include "decode_fixture.h"

#include <unistd.h>

TestSuite(config, .timeout = 120);

#define SECRET "000102030405060708090a0b0c0d0e0f"

/* A text on the channel of a key. */
static const char *
text_hex(const struct mc_key *key)
{
	static char hex[2 * MC_FRAME_MAX + 1];
	uint8_t payload[MC_PAYLOAD_MAX], raw[MC_FRAME_MAX];
	struct mc_parts parts = {
		.route = MC_FLOOD, .type = MC_GRP_TXT, .hash_size = 1, .payload = payload
	};

	parts.payload_len = mc_compose_group_text(key, 1700000000, "Ann", "hi", payload);
	return mc_hex_lower(raw, mc_compose_frame(&parts, raw), hex);
}

static const char *
secret_hex(void)
{
	uint8_t secret[16];
	struct mc_key key;

	for (uint8_t i = 0; i < 16; i++)
		secret[i] = i;
	mc_key_init(&key, secret, sizeof(secret));
	return text_hex(&key);
}

static const char *
hashtag_hex(const char *name)
{
	uint8_t secret[16];
	struct mc_key key;

	mc_key_hashtag(name, secret);
	mc_key_init(&key, secret, sizeof(secret));
	return text_hex(&key);
}

Test(config, texts_are_readable_on_public_hashtag_and_configured_channels)
{
	mk_tk *tk = started("hash_channels: [test, '#bot']\n"
			    "channel_keys: [{name: club, key: " SECRET "}]\n");

	send_hex(tk, "rx/raw", hashtag_hex("#test"));
	send_hex(tk, "rx/raw", hashtag_hex("#bot"));
	send_hex(tk, "rx/raw", secret_hex());
	send_hex(tk, "rx/raw", hashtag_hex("#other"));
	cr_expect(said(tk, "packet/decoded", 0, "\"channel\":\"#test\""));
	cr_expect(said(tk, "packet/decoded", 1, "\"channel\":\"#bot\""));
	cr_expect(said(tk, "packet/decoded", 2, "\"channel\":\"club\""));
	cr_expect(said(tk, "packet/decoded", 3, "\"channel\":\"enc_"));
	cr_expect_eq(mk_tk_number(tk, "channel_keys"), 4);
	finished(tk);
}

Test(config, what_was_decoded_without_a_key_is_decoded_again_when_it_is_there)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", secret_hex());
	send_hex(tk, "rx/raw", secret_hex());
	cr_expect_eq(mk_tk_number(tk, "cache_hits"), 1);
	cr_expect_eq(mk_tk_number(tk, "cache_misses"), 1);
	cr_assert_eq(mk_tk_reconfigure(tk, "channel_keys: [{name: club, key: " SECRET "}]"), MK_OK);
	send_hex(tk, "rx/raw", secret_hex());
	cr_expect(said(tk, "packet/decoded", 1, "decryption_failed"));
	cr_expect(said(tk, "packet/decoded", 2, "\"channel\":\"club\""));
	finished(tk);
}

Test(config, a_trace_is_not_mistaken_for_the_same_trace_one_hop_further)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", "2601F4010000000200000000AABB");
	send_hex(tk, "rx/raw", "2601F8010000000200000000AABB");
	cr_expect(said(tk, "packet/decoded", 0, "\\\"snrValues\\\":[-3]"));
	cr_expect(said(tk, "packet/decoded", 1, "\\\"snrValues\\\":[-2]"));
	finished(tk);
}

static void
write_keys(mk_tk *tk, const char *name, const char *text)
{
	char path[512];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", mk_tk_dir(tk, MK_DIR_DATA), name);
	out = fopen(path, "w");
	cr_assert_not_null(out);
	fputs(text, out);
	fclose(out);
}

Test(config, a_file_of_keys_is_read_from_the_data_folder_and_loses_against_options)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, "channel_keys_file: keys.json\n"
					     "channel_keys: [{name: club, key: " SECRET "}]");

	write_keys(tk, "keys.json",
		   "{\"club\": \"ffffffffffffffffffffffffffffffff\","
		   "\"file\": \"ffffffffffffffffffffffffffffffff\", \"bad\": 1}");
	cr_assert_eq(mk_tk_start(tk), MK_OK, "%s", mk_tk_error(tk));
	cr_expect_eq(mk_tk_number(tk, "channel_keys"), 3);
	cr_expect(mk_tk_log_has(tk, "skipped=1"));
	send_hex(tk, "rx/raw", secret_hex());
	cr_expect(said(tk, "packet/decoded", 0, "\"channel\":\"club\""));
	finished(tk);
}

Test(config, without_its_file_it_does_not_start_and_says_why)
{
	mk_tk *tk = mk_tk_new(&mk_plugin_v1, "channel_keys_file: missing.json");

	cr_expect_eq(mk_tk_start(tk), MK_ENOENT);
	cr_expect(mk_tk_log_has(tk, "missing.json"));
	finished(tk);
	tk = mk_tk_new(&mk_plugin_v1, "channel_keys_file: keys.json");
	write_keys(tk, "keys.json", "[]");
	cr_expect_eq(mk_tk_start(tk), MK_EFORMAT);
	finished(tk);
	tk = mk_tk_new(&mk_plugin_v1, "channel_keys_file: .");
	cr_expect_eq(mk_tk_start(tk), MK_EFORMAT);
	finished(tk);
}

Test(config, a_file_that_vanished_leaves_the_old_keys_at_a_reload)
{
	mk_tk *tk = started("channel_keys: [{name: club, key: " SECRET "}]");

	cr_expect_neq(mk_tk_reconfigure(tk, "channel_keys_file: missing.json"), MK_OK);
	send_hex(tk, "rx/raw", secret_hex());
	cr_expect(said(tk, "packet/decoded", 0, "\"channel\":\"club\""));
	finished(tk);
}

Test(config, values_that_make_no_sense_are_refused_by_name)
{
	static const struct {
		const char *yaml, *why;
	} cases[] = {
		{ "channel_keys: [{name: a, key: 'zz0102030405060708090a0b0c0d0e0f'}]",
		  "channel_keys[0]" },
		{ "hash_channels: [ok, '#']", "hash_channels[1]" },
		{ "hash_regions: ['']", "hash_regions[0]" },
		{ "geo_filter: {polygon: ['1,2', '3,4']}", "geo_filter.polygon" },
		{ "geo_filter: {polygon: ['1,2', '3,4', '5;6']}", "geo_filter.polygon[2]" },
		{ "geo_filter: {lat_min: 1, lat_max: 2, lon_min: 3}", "geo_filter" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mk_tk *tk = mk_tk_new(&mk_plugin_v1, cases[i].yaml);

		cr_expect_neq(mk_tk_check(tk), MK_OK, "%s", cases[i].yaml);
		cr_expect(strstr(mk_tk_error(tk), cases[i].why) != NULL, "%s", mk_tk_error(tk));
		finished(tk);
	}
}

Test(config, a_wrong_signature_refuses_an_advert_unless_nobody_asks)
{
	mk_tk *tk = started(NULL);
	char forged[2 * MC_FRAME_MAX + 1];

	snprintf(forged, sizeof(forged), "%s", advert_hex(MC_FLOOD, 1, 1));
	forged[strlen(forged) - 1] ^= 1;
	send_hex(tk, "rx/raw", forged);
	cr_expect(said(tk, "packet/decoded", 0, "\"refused\":\"invalid signature\"}]}"));
	cr_expect_eq(mk_tk_number(tk, "bad_signatures"), 1);
	cr_assert_eq(mk_tk_reconfigure(tk, "validate_signatures: false"), MK_OK);
	send_hex(tk, "rx/raw", forged);
	cr_expect_not(said(tk, "packet/decoded", 1, "refused"));
	cr_expect_not(said(tk, "packet/decoded", 1, "signatureValid"));
	finished(tk);
}

Test(config, an_advert_from_elsewhere_is_marked_or_refused)
{
	mk_tk *tk = started("geo_filter: {lat_min: 50, lat_max: 51, lon_min: 4, lon_max: 5}");

	send_hex(tk, "rx/raw", advert_hex(MC_FLOOD, 50500000, 4500000));
	send_hex(tk, "rx/raw", advert_hex(MC_FLOOD, 52000000, 4500000));
	cr_expect_not(said(tk, "packet/decoded", 0, "foreign"));
	cr_expect(said(tk, "packet/decoded", 1, "\"foreign\":true"));
	cr_expect_not(said(tk, "packet/decoded", 1, "refused"));
	cr_assert_eq(mk_tk_reconfigure(tk,
				       "foreign_adverts: drop\n"
				       "geo_filter: {polygon: ['50,4', '51,4', '51,5', '50,5']}"),
		     MK_OK);
	send_hex(tk, "rx/raw", advert_hex(MC_FLOOD, 50500000, 4500000));
	send_hex(tk, "rx/raw", advert_hex(MC_FLOOD, 52000000, 4500000));
	cr_expect_not(said(tk, "packet/decoded", 2, "foreign"));
	cr_expect(said(tk, "packet/decoded", 3, "\"refused\":\"foreign\"}]}"));
	cr_expect_eq(mk_tk_number(tk, "foreign_adverts"), 2);
	finished(tk);
}

Test(config, an_impossible_position_refuses_an_advert)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", advert_hex(MC_FLOOD, 90000001, 0));
	cr_expect(said(tk, "packet/decoded", 0, "\"refused\":\"invalid position\"}]}"));
	finished(tk);
}

Test(config, scopes_have_the_names_of_the_configured_regions)
{
	mk_tk *tk = started("hash_regions: [belgium, test]");

	send_hex(tk, "rx/raw", "142AB500000068656C6C6F");
	send_hex(tk, "rx/raw", "142AB600000068656C6C6F");
	send_hex(tk, "rx/raw",
		 "1500"
		 "68656C6C6F");
	cr_expect(said(tk, "packet/decoded", 0, "\"scope\":\"#test\""));
	cr_expect(said(tk, "packet/decoded", 1, "\"scope\":\"\""));
	cr_expect_not(said(tk, "packet/decoded", 2, "scope"));
	cr_expect_eq(mk_tk_number(tk, "cache_hits"), 2, "the payload is the same");
	finished(tk);
}

/* ------------------------------------------------------------------ calls -- */

static mk_result
call(mk_tk *tk, const char *hex, const char *name, const char *key)
{
	mk_writer w;
	mk_result r;

	mk_writer_init(&w, 0);
	mk_put_map(&w, name != NULL ? 2 : 1);
	mk_kv_str(&w, "raw", hex);
	if (name != NULL) {
		mk_kv_map(&w, "keys", 1);
		mk_kv_str(&w, name, key);
	}
	cr_assert_eq(mk_writer_end(&w), MK_OK);
	r = mk_tk_call(tk, "decode/packet", &w);
	mk_writer_fini(&w);
	return r;
}

static const char *
answer(mk_tk *tk)
{
	static char json[8192];
	const mk_reply *reply = mk_tk_reply(tk);

	if (reply == NULL || reply->body == NULL ||
	    mk_to_json(reply->body, reply->body_len, json, sizeof(json)) < 0)
		return "";
	return json;
}

Test(config, whoever_asks_gets_a_packet_decoded)
{
	mk_tk *tk = started(NULL);

	cr_assert_eq(call(tk, "26 01 f4 01000000 02000000 00 aabb", NULL, NULL), MK_OK);
	cr_expect_str_eq(answer(tk),
			 "{\"header\":{\"routeType\":2,\"routeTypeName\":\"DIRECT\","
			 "\"payloadType\":9,\"payloadTypeName\":\"TRACE\",\"payloadVersion\":0},"
			 "\"transportCodes\":null,\"path\":{\"hashSize\":1,\"hashCount\":2,"
			 "\"hops\":[\"AA\",\"BB\"],\"hopsCompleted\":1},\"json\":\"{"
			 "\\\"type\\\":\\\"TRACE\\\",\\\"pathData\\\":\\\"aabb\\\","
			 "\\\"snrValues\\\":[-3],\\\"tag\\\":1,\\\"authCode\\\":2,"
			 "\\\"traceFlags\\\":0}\",\"raw\":\"2601F4010000000200000000AABB\","
			 "\"hash\":\"fe5075996641533c\"}");
	cr_assert_eq(call(tk, "142AB500000068656C6C6F", NULL, NULL), MK_OK);
	cr_expect(strstr(answer(tk), "{\"code1\":\"2AB5\",\"code2\":\"0000\"}") != NULL);
	finished(tk);
}

Test(config, keys_of_a_call_are_used_in_place_of_the_configured_ones)
{
	mk_tk *tk = started("hash_channels: [test]");

	cr_assert_eq(call(tk, secret_hex(), "mine", SECRET), MK_OK);
	cr_expect(strstr(answer(tk), "\\\"channel\\\":\\\"mine\\\"") != NULL);
	cr_assert_eq(call(tk, hashtag_hex("#test"), NULL, NULL), MK_OK);
	cr_expect(strstr(answer(tk), "\\\"channel\\\":\\\"#test\\\"") != NULL);
	cr_assert_eq(call(tk, hashtag_hex("#test"), "mine", SECRET), MK_OK);
	cr_expect(strstr(answer(tk), "decryption_failed") != NULL);
	finished(tk);
}

Test(config, a_call_that_cannot_be_answered_says_why)
{
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "zz", "invalid hex" },
		{ "0A", "too short" },
		{ "1400", "transport codes" },
		{ "14AABBCCDD", "path" },
		{ "120AAAAAAAAAAA", "path length exceeds buffer" },
		{ "4A00D69FD7A5A7", "version" },
	};
	mk_tk *tk = started(NULL);
	mk_writer w;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(call(tk, cases[i].hex, NULL, NULL), MK_EFORMAT);
		cr_expect(strstr(mk_tk_reply(tk)->error, cases[i].why) != NULL, "%s",
			  mk_tk_reply(tk)->error);
	}
	cr_expect_eq(call(tk, RAW_HEX, "mine", "short"), MK_EINVAL);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 0);
	cr_expect_eq(mk_tk_call(tk, "decode/packet", &w), MK_EINVAL);
	mk_writer_fini(&w);
	finished(tk);
}
