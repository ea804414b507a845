/* SPDX-License-Identifier: MIT
 *
 * What is composed is decoded to the same, and the decisions that vectors do not show.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshcore/bridge.h>
#include <meshcore/compose.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>
#include <meshcore/scope.h>

static struct mc_identity node;
static struct mc_keys ring;
static uint8_t payload[MC_PAYLOAD_MAX], raw[MC_FRAME_MAX];
static struct mc_frame frame;
static struct mc_object object;

static void
setup(void)
{
	static const uint8_t seed[MC_KEY_SIZE] = "a seed for the tests";

	cr_assert(mc_identity_init(&node, seed));
	mc_keys_init(&ring);
	cr_assert_eq(mc_keys_add_public(&ring), MC_KEY_SET);
}

static void
teardown(void)
{
	mc_keys_fini(&ring);
}

TestSuite(packets, .timeout = 120, .init = setup, .fini = teardown);

/* The frame of `payload` by a route without a path, and its object. */
static const char *
decoded(uint8_t route, uint8_t type, size_t len)
{
	struct mc_parts parts = {
		.route = route, .type = type, .hash_size = 1, .payload = payload, .payload_len = len
	};
	struct mc_decoder how = { &ring, true };

	cr_assert_gt(len, 0);
	len = mc_compose_frame(&parts, raw);
	cr_assert_gt(len, 0);
	cr_assert_eq(mc_frame_parse(&frame, raw, len), MC_GOOD);
	cr_assert(mc_object_decode(&object, &frame, &how));
	return object.json;
}

static bool
has(const char *json, const char *part)
{
	return strstr(json, part) != NULL;
}

Test(packets, an_advert_is_decoded_as_it_was_composed)
{
	struct mc_advert a = { .flags = MC_NODE_REPEATER,
			       .time = 1774805580,
			       .has_location = true,
			       .lat_e6 = 50850450,
			       .lon_e6 = -4348780,
			       .name = "Br\xC3\xBCssel" };
	const char *json = decoded(MC_FLOOD, MC_ADVERT, mc_compose_advert(&node, &a, payload));

	cr_expect(has(json, "\"signatureValid\":true"));
	cr_expect(has(json, "\"lat\":50.85045,\"lon\":-4.34878,\"name\":\"Br\xC3\xBCssel\"}"));
	cr_expect_null(mc_object_refusal(&object));
	cr_expect_arr_eq(object.advert.key, node.key, MC_KEY_SIZE);
}

Test(packets, an_advert_with_everything_cuts_its_name_at_a_character)
{
	struct mc_advert a = { .flags = MC_NODE_SENSOR,
			       .has_location = true,
			       .has_feat1 = true,
			       .has_feat2 = true,
			       .feat1 = 1,
			       .feat2 = 2 };

	/* 19 bytes are left: 17 letters and half of what follows. */
	snprintf(a.name, sizeof(a.name), "abcdefghijklmnopq\xF0\x9F\x8C\xB3");
	cr_expect(has(decoded(MC_FLOOD, MC_ADVERT, mc_compose_advert(&node, &a, payload)),
		      "\"name\":\"abcdefghijklmnopq\",\"feat1\":1,\"feat2\":2}"));
}

Test(packets, one_wrong_bit_makes_a_signature_wrong)
{
	struct mc_advert a = { .flags = MC_NODE_COMPANION, .name = "n" };
	size_t len = mc_compose_advert(&node, &a, payload);

	payload[len - 1] ^= 1;
	cr_expect(has(decoded(MC_FLOOD, MC_ADVERT, len), "\"signatureValid\":false"));
	cr_expect_str_eq(mc_object_refusal(&object), "invalid signature");
}

Test(packets, what_follows_the_32_bytes_of_an_advert_is_not_signed_and_not_read)
{
	struct mc_advert a = { .flags = MC_NODE_COMPANION };
	size_t len;

	memset(a.name, 'n', 27);
	memcpy(a.name + 27, "\xF0\x9F\x8C\xB3", 5);
	len = mc_compose_advert(&node, &a, payload);
	cr_assert_eq(len, MC_ADVERT_MIN + 32);
	memcpy(payload + len, "more", 4);
	cr_expect(has(decoded(MC_FLOOD, MC_ADVERT, len + 4), "nnn\xF0\x9F\x8C\xB3\"}"));
	cr_expect(object.signature_valid);
}

Test(packets, a_character_across_the_32nd_byte_is_left_out)
{
	size_t len = MC_ADVERT_MIN;

	memset(payload, 1, sizeof(payload));
	payload[len++] = MC_ADVERT_NAME | MC_NODE_COMPANION;
	memset(payload + len, 'n', 28);
	memcpy(payload + len + 28, "\xF0\x9F\x8C\xB3", 4);
	cr_expect(has(decoded(MC_FLOOD, MC_ADVERT, len + 32),
		      "\"name\":\"nnnnnnnnnnnnnnnnnnnnnnnnnnnn\"}"));
}

Test(packets, a_text_of_a_channel_is_decoded_as_it_was_composed)
{
	const char *json =
	    decoded(MC_FLOOD, MC_GRP_TXT,
		    mc_compose_group_text(ring.at[0], 1700000000, "Ann", "hi: there", payload));

	cr_expect_str_eq(json, "{\"type\":\"CHAN\",\"channelHash\":17,\"channelHashHex\":\"11\","
			       "\"decryptionStatus\":\"decrypted\",\"channel\":\"Public\","
			       "\"text\":\"Ann: hi: there\",\"sender\":\"Ann\","
			       "\"sender_timestamp\":1700000000}");
	cr_expect_str_eq(object.channel, "Public");
}

Test(packets, a_long_text_is_cut_at_a_character)
{
	char message[400];
	size_t len;

	memset(message, 'x', sizeof(message));
	memcpy(message + 154, "\xF0\x9F\x8C\xB3", 4); /* 155 bytes are left beside the name */
	message[399] = '\0';
	len = mc_compose_group_text(ring.at[0], 1, "Ann", message, payload);
	cr_expect(has(decoded(MC_FLOOD, MC_GRP_TXT, len), "xx\",\"sender\":\"Ann\""));
	cr_expect_eq(mc_compose_group_text(ring.at[0], 1, message, "hi", payload), 0);
}

Test(packets, a_long_secret_is_used_whole)
{
	struct mc_key key;
	uint8_t secret[32];

	memset(secret, 7, sizeof(secret));
	mc_key_init(&key, secret, sizeof(secret));
	cr_assert_eq(
	    mc_keys_set(&ring, "long",
			"0707070707070707070707070707070707070707070707070707070707070707"),
	    MC_KEY_SET);
	cr_expect(
	    has(decoded(MC_FLOOD, MC_GRP_TXT, mc_compose_group_text(&key, 1, "A", "b", payload)),
		"\"channel\":\"long\""));
}

Test(packets, data_of_a_channel_is_decoded_as_it_was_composed)
{
	uint8_t data[165] = { 0xAB };

	cr_expect(has(decoded(MC_FLOOD, MC_GRP_DATA,
			      mc_compose_group_data(ring.at[0], 0x1234, data, 2, payload)),
		      "\"dataType\":4660,\"dataLen\":2,\"decryptedBlob\":\"ab00\"}"));
	cr_expect(object.decrypted);
	cr_expect_str_eq(object.channel, "", "only texts have a channel");
	cr_expect_gt(mc_compose_group_data(ring.at[0], 1, data, 165, payload), 0);
	cr_expect_eq(mc_compose_group_data(ring.at[0], 1, data, 166, payload), 0);
}

Test(packets, a_trace_shows_its_route_and_the_signal_of_each_hop)
{
	uint8_t path[] = { 0xF8, 0x2F };
	struct mc_parts parts = { .route = MC_DIRECT,
				  .type = MC_TRACE,
				  .hash_size = 1,
				  .hops = 2,
				  .path = path,
				  .payload = payload };
	struct mc_decoder how = { NULL, false };
	struct mc_hops hops;
	size_t len;

	parts.payload_len =
	    mc_compose_trace(5, 0, 2, (const uint8_t *)"\xAA\xBB\xCC\xDD", 4, payload);
	len = mc_compose_frame(&parts, raw);
	cr_assert_eq(mc_frame_parse(&frame, raw, len), MC_GOOD);
	cr_assert(mc_object_decode(&object, &frame, &how));
	cr_expect_str_eq(object.json, "{\"type\":\"TRACE\",\"pathData\":\"aabbccdd\","
				      "\"snrValues\":[-2,11.75],\"tag\":5,\"traceFlags\":1}");
	hops = mc_frame_hops(&frame);
	cr_expect(hops.count == 2 && hops.size == 2 && hops.completed == 2);
	cr_expect_eq(mc_compose_trace(5, 0, 3, path, 2, payload), 0);
	cr_expect_eq(mc_compose_trace(5, 0, 4, path, 2, payload), 0);
}

Test(packets, each_step_of_a_trace_has_a_hash_of_its_own_and_other_packets_have_one)
{
	uint8_t path[] = { 1, 2 }, hash[2][MC_HASH_SIZE];
	struct mc_parts parts = { .route = MC_DIRECT,
				  .type = MC_TRACE,
				  .hash_size = 1,
				  .path = path,
				  .payload = payload,
				  .payload_len = 12 };

	for (uint8_t type = MC_PATH; type <= MC_TRACE; type++) {
		parts.type = type;
		for (uint8_t hops = 0; hops < 2; hops++) {
			parts.hops = hops;
			cr_assert_eq(mc_frame_parse(&frame, raw, mc_compose_frame(&parts, raw)),
				     MC_GOOD);
			mc_hash(&frame, hash[hops]);
		}
		cr_expect_eq(memcmp(hash[0], hash[1], MC_HASH_SIZE) == 0, type == MC_PATH);
	}
}

Test(packets, senders_of_requests_and_of_answers_to_discoveries_are_known)
{
	struct mc_key *key = ring.at[0];

	decoded(MC_DIRECT, MC_ANON_REQ, mc_compose_anon_req(key, 9, node.key, "pass", 4, payload));
	cr_assert_not_null(object.sender);
	cr_expect_arr_eq(object.sender, node.key, MC_KEY_SIZE);
	decoded(MC_DIRECT, MC_CONTROL, mc_compose_discover_resp(2, -8, 7, node.key, 32, payload));
	cr_assert_not_null(object.sender);
	cr_expect_arr_eq(object.sender, node.key, MC_KEY_SIZE);
	decoded(MC_DIRECT, MC_CONTROL, mc_compose_discover_resp(2, -8, 7, node.key, 8, payload));
	cr_expect_null(object.sender, "a prefix is no key");
	decoded(MC_DIRECT, MC_TXT_MSG, mc_compose_peer(key, 1, 2, "hi", 2, payload));
	cr_expect_null(object.sender);
}

Test(packets, acknowledgements_are_decoded_as_they_were_composed)
{
	uint8_t code[4];

	mc_ack_code(1, 0, "hi", 2, node.key, code);
	cr_expect(
	    has(decoded(MC_DIRECT, MC_ACK, mc_compose_ack(code, NULL, payload)), "\"ackLen\":4}"));
	cr_expect(
	    has(decoded(MC_DIRECT, MC_MULTIPART,
			mc_compose_multipart_ack(2, code, (const uint8_t *)"\x01\x02", payload)),
		"\"innerAckLen\":6,\"innerAckAttempt\":1,\"innerAckRand\":2}"));
	cr_expect(has(object.json, "\"remaining\":2,\"innerType\":3,\"innerTypeName\":\"ACK\""));
	cr_expect(has(decoded(MC_DIRECT, MC_CONTROL, mc_compose_discover_req(4, 9, payload)),
		      "\"ctrlFilter\":4,\"ctrlTag\":9}"));
}

Test(packets, an_advert_that_was_passed_on_by_hand_is_recognised)
{
	struct mc_advert a = { .flags = MC_NODE_COMPANION, .name = "n" };
	size_t len = mc_compose_advert(&node, &a, payload);

	decoded(MC_TRANSPORT_DIRECT, MC_ADVERT, len);
	cr_expect(mc_frame_is_shared(&frame));
	cr_expect_not(mc_frame_is_scoped(&frame));
	decoded(MC_TRANSPORT_FLOOD, MC_ADVERT, len);
	cr_expect_not(mc_frame_is_shared(&frame));
	decoded(MC_DIRECT, MC_ADVERT, len);
	cr_expect_not(mc_frame_is_shared(&frame));
}

Test(packets, a_scope_is_none_an_unknown_one_or_the_name_of_a_region)
{
	struct mc_regions regions;
	uint8_t codes[4] = { 0x2A, 0xB5 };
	struct mc_parts parts = { .type = MC_GRP_TXT,
				  .hash_size = 1,
				  .codes = codes,
				  .payload = (const uint8_t *)"hello",
				  .payload_len = 5 };

	mc_regions_init(&regions);
	cr_assert_eq(mc_regions_add(&regions, "eu"), MC_KEY_SET);
	cr_assert_eq(mc_frame_parse(&frame, raw, mc_compose_frame(&parts, raw)), MC_GOOD);
	cr_expect_str_eq(mc_scope_name(&regions, &frame), "");
	cr_assert_eq(mc_regions_add(&regions, "test"), MC_KEY_SET);
	cr_expect_str_eq(mc_scope_name(&regions, &frame), "#test");
	codes[0] = codes[1] = 0;
	cr_assert_eq(mc_frame_parse(&frame, raw, mc_compose_frame(&parts, raw)), MC_GOOD);
	cr_expect_null(mc_scope_name(&regions, &frame));
	mc_regions_fini(&regions);
}

Test(packets, parts_that_make_no_packet_are_refused)
{
	struct mc_parts parts = { .route = 1, .hash_size = 4 };

	cr_expect_eq(mc_compose_frame(&parts, raw), 0);
	parts.hash_size = 3;
	parts.hops = 22;
	cr_expect_eq(mc_compose_frame(&parts, raw), 0);
	parts.hops = 0;
	parts.payload_len = MC_PAYLOAD_MAX + 1;
	cr_expect_eq(mc_compose_frame(&parts, raw), 0);
	cr_expect_eq(mc_compose_peer(ring.at[0], 1, 2, raw, 177, payload), 0);
}

Test(packets, every_object_of_the_largest_payload_fits)
{
	struct mc_decoder how = { &ring, false };
	char name[MC_CHANNEL_NAME_MAX + 1], text[161];
	struct mc_parts parts = { .route = 1,
				  .hash_size = 1,
				  .hops = 63,
				  .path = payload,
				  .payload = payload,
				  .payload_len = MC_PAYLOAD_MAX };

	memset(payload, '<', sizeof(payload));
	for (uint8_t type = 0; type < 16; type++) {
		parts.type = type;
		cr_assert_eq(mc_frame_parse(&frame, raw, mc_compose_frame(&parts, raw)), MC_GOOD);
		cr_assert(mc_object_decode(&object, &frame, &how));
		cr_expect_eq(object.json[object.json_len - 1], '}');
	}
	memset(name, '<', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(text, '<', sizeof(text) - 1);
	text[160] = '\0';
	cr_assert_eq(mc_keys_set(&ring, name, "00000000000000000000000000000000"), MC_KEY_SET);
	decoded(MC_FLOOD, MC_GRP_TXT,
		mc_compose_group_text(ring.at[1], 1, text + 111, text, payload));
	cr_expect_eq(object.json[object.json_len - 1], '}');
}

static bool
bridged(const struct mc_bridge *b, uint64_t at_us, char *json, size_t cap, char *hash)
{
	struct mc_json j;

	mc_json_init(&j, json, cap);
	return mc_bridge_decode(b, at_us, &j, hash);
}

Test(packets, a_message_of_a_bridge_becomes_an_object_with_a_hash_of_its_second)
{
	struct mc_bridge b = { .channel = "3",
			       .channel_len = 1,
			       .text = "Ann: hi",
			       .text_len = 7,
			       .time_kind = MC_BRIDGE_TIME_NUMBER,
			       .time_number = 1700000000 };
	char json[1000], hash[3][MC_HASH_TEXT], want[MC_HASH_TEXT];

	cr_assert(bridged(&b, 1774805580000000, json, sizeof(json), hash[0]));
	cr_expect_str_eq(json, "{\"channel\":\"ch3\",\"sender\":\"Ann\","
			       "\"sender_timestamp\":1700000000,\"text\":\"Ann: hi\","
			       "\"type\":\"CHAN\"}");
	mc_hash_text("ch:3:Ann: hi:2026-03-29T17:33:00Z", 33, want);
	cr_expect_str_eq(hash[0], want);
	cr_assert(bridged(&b, 1774805580999999, json, sizeof(json), hash[1]));
	cr_expect_str_eq(hash[0], hash[1]);
	cr_assert(bridged(&b, 1774805581000000, json, sizeof(json), hash[2]));
	cr_expect_str_neq(hash[0], hash[2]);
}

Test(packets, a_direct_message_of_a_bridge_has_no_channel)
{
	struct mc_bridge b = { .text = "hi", .text_len = 2 };
	char json[1000], hash[MC_HASH_TEXT];

	cr_assert(bridged(&b, UINT64_MAX, json, sizeof(json), hash));
	cr_expect_str_eq(json, "{\"sender\":\"\",\"text\":\"hi\",\"type\":\"DM\"}");
	b.text_len = MC_BRIDGE_TEXT_MAX + 1;
	cr_expect_not(bridged(&b, 0, json, sizeof(json), hash));
}

Test(packets, the_longest_message_of_a_bridge_fits)
{
	static char json[MC_BRIDGE_JSON_MAX], text[MC_BRIDGE_TEXT_MAX];
	struct mc_bridge b = { .channel = text,
			       .channel_len = MC_BRIDGE_CHANNEL_MAX,
			       .text = text,
			       .text_len = sizeof(text),
			       .time_kind = MC_BRIDGE_TIME_TEXT,
			       .time_text = text,
			       .time_len = MC_BRIDGE_TEXT_MAX / 16 };
	char hash[MC_HASH_TEXT];

	memset(text, 1, sizeof(text));
	cr_expect(bridged(&b, 0, json, sizeof(json), hash));
}
