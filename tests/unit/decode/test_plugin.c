/* SPDX-License-Identifier: MIT
 *
 * What the plugin promises about its messages.
 */
#include "decode_fixture.h"

TestSuite(plugin, .timeout = 120);

Test(plugin, a_packet_goes_out_with_what_came_in_and_what_is_in_it)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", RAW_PATH_HEX);
	cr_assert_eq(mk_tk_published(tk, "packet/decoded"), 1);
	cr_expect_str_eq(
	    mk_tk_json(tk, "packet/decoded", 0),
	    "{\"source\":\"test\",\"seq\":1,\"first\":1,\"items\":[{\"at\":1774805580000000,"
	    "\"raw\":{\"$bin\":\"0942aabbccddd69fd7a5a7475db07337749ae61fa53a4788e976\"},"
	    "\"observer\":\"obs\",\"hash\":\"b1f07307cbc01ce5\",\"route\":1,\"type\":2,"
	    "\"version\":0,\"hash_size\":2,\"path\":[\"AABB\",\"CCDD\"],\"json\":"
	    "\"{\\\"type\\\":\\\"TXT_MSG\\\",\\\"destHash\\\":\\\"d6\\\",\\\"srcHash\\\":"
	    "\\\"9f\\\","
	    "\\\"mac\\\":\\\"d7a5\\\",\\\"encryptedData\\\":"
	    "\\\"a7475db07337749ae61fa53a4788e976\\\"}"
	    "\"}]}");
	finished(tk);
}

Test(plugin, an_advert_says_which_node_it_is_of)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", advert_hex(MC_TRANSPORT_DIRECT, 50850450, 4000000));
	cr_expect(said(tk, "packet/decoded", 0, "\"codes\":[\"0000\",\"0000\"]"));
	cr_expect(said(tk, "packet/decoded", 0, "\"shared\":true"));
	cr_expect(said(tk, "packet/decoded", 0,
		       "\"advert\":{\"name\":\"Node\",\"role\":\"repeater\",\"lat\":50.85045,"
		       "\"lon\":4,\"time\":1774805580}"));
	cr_expect(said(tk, "packet/decoded", 0, "\"from\":\""));
	cr_expect_not(said(tk, "packet/decoded", 0, "refused"));
	cr_expect_not(said(tk, "packet/decoded", 0, "scope"));
	finished(tk);
}

Test(plugin, what_is_no_packet_is_passed_on_with_the_reason)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", "0A");
	send_hex(tk, "rx/raw", "4A00D69FD7A5A7");
	cr_expect(said(tk, "packet/decoded", 0, "\"rejected\":\"too_short\"}]}"));
	cr_expect(said(tk, "packet/decoded", 1, "\"rejected\":\"version\"}]}"));
	cr_expect_eq(mk_tk_number(tk, "rejected_too_short"), 1);
	cr_expect_eq(mk_tk_number(tk, "rejected_version"), 1);
	cr_expect_eq(mk_tk_number(tk, "decoded"), 0);
	finished(tk);
}

Test(plugin, a_message_of_several_items_is_answered_with_one)
{
	mk_tk *tk = started(NULL);
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 3);
	mk_put_map(&w, 1);
	put_hex(&w, RAW_HEX);
	mk_put_map(&w, 0);
	mk_put_map(&w, 1);
	put_hex(&w, RAW_HEX);
	send_body(tk, "rx/raw", &w);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 1);
	cr_expect(said(tk, "packet/decoded", 0, "\"rejected\":\"no_packet\""));
	cr_expect_eq(mk_tk_number(tk, "decoded"), 2);
	cr_expect_eq(mk_tk_number(tk, "malformed"), 1);
	finished(tk);
}

Test(plugin, bodies_without_sense_are_accounted_for_with_an_empty_message)
{
	static const char *const bodies[] = {
		"\x80",                  /* {} */
		"\x81\xA5items\x01",     /* {"items": 1} */
		"\x81\xA5items\x80",     /* {"items": {}} */
		"\x81\xA5items\x91\x01", /* {"items": [1]} */
	};
	mk_tk *tk = started(NULL);

	for (uint32_t i = 0; i < 4; i++) {
		size_t len = i == 0 ? 1 : strlen(bodies[i]);

		cr_assert_eq(mk_tk_send_raw(tk, "rx/raw", bodies[i], len, MK_MSG_DURABLE), MK_OK);
		cr_assert_eq(mk_tk_send_raw(tk, "rx/client", bodies[i], len, MK_MSG_DURABLE),
			     MK_OK);
	}
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 4);
	cr_expect_eq(mk_tk_published(tk, "client/heard"), 4);
	cr_expect(said(tk, "packet/decoded", 0, "\"seq\":1,\"first\":1,\"items\":[]}"));
	cr_expect(said(tk, "packet/decoded", 3, "\"rejected\":\"no_packet\""));
	finished(tk);
}

Test(plugin, fields_of_the_wrong_type_are_left_out_and_a_missing_time_is_that_of_the_bus)
{
	mk_tk *tk = started(NULL);
	mk_writer w;

	mk_tk_set_wall(tk, 1700000000000000);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 8);
	mk_kv_str(&w, "at", "yesterday");
	mk_kv_u64(&w, "observer", 7);
	mk_kv_str(&w, "name", "");
	mk_kv_str(&w, "snr", "good");
	mk_kv_f64(&w, "score", 1.0 / 0.0);
	mk_kv_i64(&w, "rssi", -90);
	mk_kv_str(&w, "unknown", "x");
	put_hex(&w, "0A00D69FD7A5A7");
	send_body(tk, "rx/raw", &w);
	cr_expect(said(tk, "packet/decoded", 0,
		       "[{\"at\":1700000000000000,\"raw\":{\"$bin\":\"0a00d69fd7a5a7\"},"
		       "\"rssi\":-90,\"hash\""),
		  "%s", mk_tk_json(tk, "packet/decoded", 0));
	finished(tk);
}

static void
send_bridge(mk_tk *tk, const char *kind, const char *channel, const char *text)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "items", 1);
	mk_put_map(&w, 2);
	mk_kv_u64(&w, "at", 1774805580000000);
	mk_kv_map(&w, "bridge", channel != NULL ? 4 : 3);
	mk_kv_str(&w, "kind", kind);
	if (channel != NULL)
		mk_kv_str(&w, "channel", channel);
	mk_kv_str(&w, "text", text);
	mk_kv_u64(&w, "time", 1700000000);
	send_body(tk, "rx/raw", &w);
}

Test(plugin, messages_of_bridges_become_objects_of_their_own)
{
	mk_tk *tk = started(NULL);

	send_bridge(tk, "channel", "3", "Ann: hi");
	send_bridge(tk, "direct", NULL, "Ann: hi");
	cr_expect(said(tk, "packet/decoded", 0,
		       "\"route\":1,\"type\":5,\"version\":0,\"hash_size\":0,\"path\":[],"));
	cr_expect(said(tk, "packet/decoded", 0, "\"channel\":\"ch3\"}]}"));
	cr_expect(
	    said(tk, "packet/decoded", 0, "\"bridge\":{\"kind\":\"channel\",\"channel\":\"3\""));
	cr_expect(said(tk, "packet/decoded", 0, "\\\"sender_timestamp\\\":1700000000"));
	cr_expect(said(tk, "packet/decoded", 1, "\"type\":2,"));
	cr_expect(said(tk, "packet/decoded", 1, "\\\"type\\\":\\\"DM\\\"}\"}]}"));
	cr_expect_eq(mk_tk_number(tk, "bridged"), 2);
	finished(tk);
}

Test(plugin, a_bridge_without_text_channel_or_known_kind_is_rejected)
{
	mk_tk *tk = started(NULL);

	send_bridge(tk, "channel", "3", "");
	send_bridge(tk, "channel", NULL, "hi");
	send_bridge(tk, "smoke", "3", "hi");
	for (uint32_t i = 0; i < 3; i++)
		cr_expect(said(tk, "packet/decoded", i, "\"rejected\":\"bad_bridge\"}]}"));
	cr_expect_eq(mk_tk_number(tk, "rejected_bad_bridge"), 3);
	finished(tk);
}

Test(plugin, the_same_reception_has_the_same_hash_whenever_it_is_decoded)
{
	mk_tk *tk = started(NULL);
	char first[1024];

	send_bridge(tk, "channel", "3", "Ann: hi");
	snprintf(first, sizeof(first), "%s", strstr(mk_tk_json(tk, "packet/decoded", 0), "hash"));
	mk_tk_advance(tk, 86400000000);
	send_bridge(tk, "channel", "3", "Ann: hi");
	cr_expect_str_eq(strstr(mk_tk_json(tk, "packet/decoded", 1), "hash"), first);
	finished(tk);
}

/* ----------------------------------------------------------------- phones -- */

Test(plugin, a_phone_heard_the_last_forwarder_of_a_flood)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/client", RAW_PATH_HEX);
	cr_expect_str_eq(
	    mk_tk_json(tk, "client/heard", 0),
	    "{\"source\":\"test\",\"seq\":1,\"first\":1,\"items\":[{"
	    "\"at\":1774805580000000,\"heard\":\"ccdd\",\"bytes\":2,\"src\":\"rxlog\"}]}");
	finished(tk);
}

Test(plugin, a_phone_heard_the_node_whose_advert_has_no_path)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/client", advert_hex(MC_FLOOD, 1, 1));
	cr_expect(said(tk, "client/heard", 0, "\"bytes\":32,\"src\":\"advert\"}]}"));
	finished(tk);
}

Test(plugin, whom_a_phone_heard_is_not_guessed)
{
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "0A42AABBCCDDD69FD7A5A7", "not_attributable" },       /* direct, with a path */
		{ "0900D69FD7A5A7", "not_attributable" },               /* no path, no advert */
		{ "0902AABBD69FD7A5A7", "prefix_too_short" },           /* hops of one byte */
		{ "2541AABB010000000200000000AA", "not_attributable" }, /* a trace */
		{ "0A", "too_short" },
	};
	mk_tk *tk = started(NULL);
	char part[64], forged[2 * MC_FRAME_MAX + 1];

	for (uint32_t i = 0; i < 5; i++) {
		send_hex(tk, "rx/client", cases[i].hex);
		snprintf(part, sizeof(part), "\"rejected\":\"%s\"}]}", cases[i].why);
		cr_expect(said(tk, "client/heard", i, part), "%s: %s", cases[i].hex,
			  mk_tk_json(tk, "client/heard", i));
	}
	send_hex(tk, "rx/client", advert_hex(MC_TRANSPORT_DIRECT, 1, 1));
	cr_expect(said(tk, "client/heard", 5, "\"rejected\":\"not_attributable\""), "shared");
	snprintf(forged, sizeof(forged), "%s", advert_hex(MC_FLOOD, 1, 1));
	forged[strlen(forged) - 1] ^= 1;
	send_hex(tk, "rx/client", forged);
	cr_expect(said(tk, "client/heard", 6, "\"rejected\":\"invalid signature\""));
	cr_expect_eq(mk_tk_number(tk, "unheard"), 7);
	finished(tk);
}

/* ------------------------------------------------------- acknowledgements -- */

Test(plugin, a_message_is_acknowledged_when_it_is_committed)
{
	mk_tk *tk = started(NULL);

	for (int i = 0; i < 3; i++)
		send_hex(tk, "rx/raw", RAW_HEX);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 0);
	send_committed(tk, "other", 3);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 0);
	send_committed(tk, "test", 2);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 2);
	send_committed(tk, "test", 1);
	send_committed(tk, "test", 9);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 3);
	finished(tk);
}

Test(plugin, topics_are_acknowledged_each_for_itself)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", RAW_HEX);
	send_hex(tk, "rx/client", RAW_HEX);
	send_hex(tk, "rx/client", RAW_HEX);
	send_committed(tk, "test", 1);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 1);
	cr_expect_eq(mk_tk_acked(tk, "rx/client"), 1);
	finished(tk);
}

Test(plugin, a_message_without_a_number_waits_for_nothing)
{
	mk_tk *tk = started(NULL);

	cr_assert_eq(mk_tk_send_raw(tk, "rx/raw", "\x80", 1, 0), MK_OK);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 1);
	cr_expect_str_eq(mk_tk_json(tk, "packet/decoded", 0), "{\"items\":[]}");
	finished(tk);
}

Test(plugin, what_comes_again_after_the_commit_is_acknowledged_at_once)
{
	mk_tk *tk = started(NULL);

	send_committed(tk, "test", 5);
	send_hex(tk, "rx/raw", RAW_HEX);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 1);
	finished(tk);
}

Test(plugin, without_a_storage_the_oldest_are_acknowledged_before_nothing_is_delivered_any_more)
{
	mk_tk *tk = started(NULL);

	for (int i = 0; i < 8192; i++)
		cr_assert_eq(mk_tk_send_raw(tk, "rx/raw", "\x80", 1, MK_MSG_DURABLE), MK_OK);
	cr_expect_leq(mk_tk_acked(tk, "rx/raw"), 1);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(mk_tk_send_raw(tk, "rx/raw", "\x80", 1, MK_MSG_DURABLE), MK_OK);
	cr_expect_geq(mk_tk_acked(tk, "rx/raw"), 100);
	cr_expect_geq(mk_tk_number(tk, "acked_early"), 100);
	finished(tk);
}

Test(plugin, commits_of_others_do_not_fill_what_the_host_delivers_behind_a_message_for_ever)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", RAW_HEX);
	for (uint64_t i = 1; i < 8192; i++)
		send_committed(tk, "other", i);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 1);
	send_hex(tk, "rx/raw", RAW_HEX);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 1);
	cr_expect_eq(mk_tk_number(tk, "acked_early"), 1);
	finished(tk);
}

Test(plugin, gaps_are_counted_and_malformed_commits_ignored)
{
	mk_tk *tk = started(NULL);

	send_hex(tk, "rx/raw", RAW_HEX);
	cr_assert_eq(mk_tk_send_gap(tk, "rx/raw", 7), MK_OK);
	cr_assert_eq(mk_tk_send_raw(tk, "storage/committed", "\x81\xA5items\x93\x01\x80\xC0", 11,
				    0),
		     MK_OK);
	cr_expect_eq(mk_tk_number(tk, "lost"), 7);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 1);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 0);
	finished(tk);
}

/* ---------------------------------------------------------------- trouble -- */

Test(plugin, a_busy_bus_delays_a_message_and_holds_back_the_next)
{
	mk_tk *tk = started(NULL);

	mk_tk_publish_fails(tk, MK_EAGAIN, 3);
	send_hex(tk, "rx/raw", RAW_HEX);
	cr_expect_eq(mk_tk_send_raw(tk, "rx/raw", "\x80", 1, MK_MSG_DURABLE), MK_EAGAIN);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 0);
	mk_tk_advance(tk, 100000);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 1);
	cr_expect_eq(mk_tk_send_raw(tk, "rx/raw", "\x80", 1, MK_MSG_DURABLE), MK_OK);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 2);
	cr_expect_eq(mk_tk_number(tk, "dropped"), 0);
	finished(tk);
}

Test(plugin, what_the_bus_refuses_for_good_is_dropped_and_not_acknowledged)
{
	mk_tk *tk = started(NULL);

	mk_tk_publish_fails(tk, MK_EDENIED, 1);
	send_hex(tk, "rx/raw", RAW_HEX);
	cr_expect_eq(mk_tk_number(tk, "dropped"), 1);
	cr_expect_eq(mk_tk_logged(tk, MK_LOG_ERROR), 1);
	cr_expect_eq(mk_tk_acked(tk, "rx/raw"), 0);
	finished(tk);
}

Test(plugin, a_message_that_is_being_held_back_goes_out_when_it_stops)
{
	mk_tk *tk = started(NULL);

	mk_tk_publish_fails(tk, MK_EAGAIN, 1);
	send_hex(tk, "rx/raw", RAW_HEX);
	mk_tk_stop(tk);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 1);
	finished(tk);
}

Test(plugin, a_message_that_grows_beyond_all_limits_is_cut_and_counted)
{
	static uint8_t body[1 << 20];
	const uint8_t item[] = { 0x81, 0xA3, 'r', 'a', 'w', 0xC4, 3, 0x2D, 0, 0x80 };
	uint32_t count = (sizeof(body) - 16) / sizeof(item);
	mk_tk *tk = started(NULL);
	size_t len = 0;

	memcpy(body, "\x81\xA5items\xDD", 8);
	for (size_t i = 0; i < 4; i++)
		body[8 + i] = (uint8_t)(count >> (24 - 8 * i));
	for (uint32_t i = 0; i < count; i++)
		memcpy(body + 12 + i * sizeof(item), item, sizeof(item));
	len = 12 + count * sizeof(item);
	cr_assert_eq(mk_tk_send_raw(tk, "rx/raw", body, len, MK_MSG_DURABLE), MK_OK);
	cr_expect_eq(mk_tk_published(tk, "packet/decoded"), 1);
	cr_expect_gt(mk_tk_number(tk, "cut_off"), 0);
	cr_expect_eq(mk_tk_number(tk, "cut_off") + mk_tk_number(tk, "decoded"), count);
	cr_expect_eq(mk_tk_free(tk), 0, "%s", mk_tk_leaks()); /* it may have been slow */
}

/* Each allocation fails once: a message comes out right or not at all, and the next one is good. */
Test(plugin, when_memory_is_short_a_message_is_right_or_missing)
{
	for (uint32_t n = 1; n < 60; n++) {
		mk_tk *tk = started("hash_channels: [test]");
		const char *hex = n % 2 ? RAW_PATH_HEX : advert_hex(MC_FLOOD, 1, 1);
		uint32_t out;

		if (!mk_tk_fail_alloc(tk, n)) {
			mk_tk_free(tk);
			cr_skip("allocations cannot be counted here");
		}
		send_hex(tk, "rx/raw", hex);
		mk_tk_fail_alloc(tk, 0);
		out = mk_tk_published(tk, "packet/decoded");
		cr_expect_eq(out + mk_tk_number(tk, "dropped"), 1);
		send_hex(tk, "rx/raw", hex);
		cr_assert_eq(mk_tk_published(tk, "packet/decoded"), out + 1);
		cr_expect_not(said(tk, "packet/decoded", out, "\"refused\":"));
		finished(tk);
	}
}
