/* SPDX-License-Identifier: MIT
 *
 * Rings of keys, regions, and cryptography.
 */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include <meshcore/compose.h>
#include <meshcore/hex.h>
#include <meshcore/keys_file.h>
#include <meshcore/object.h>
#include <meshcore/scope.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f"
#define KEY_B "ffffffffffffffffffffffffffffffff"

static struct mc_keys ring;

static void
setup(void)
{
	mc_keys_init(&ring);
}

static void
teardown(void)
{
	mc_keys_fini(&ring);
}

TestSuite(keys, .timeout = 120, .init = setup, .fini = teardown);

Test(keys, keys_that_match_the_hash_come_first_and_later_ones_before_earlier_ones)
{
	const struct mc_key *k;
	char order[16] = "";
	uint32_t at = 0;
	size_t n = 0;

	cr_assert_eq(mc_keys_set(&ring, "a", KEY_A), MC_KEY_SET);
	cr_assert_eq(mc_keys_set(&ring, "b", KEY_B), MC_KEY_SET);
	cr_assert_eq(mc_keys_set(&ring, "c", KEY_A), MC_KEY_SET);
	while ((k = mc_keys_next(&ring, ring.at[0]->hash, &at)) != NULL)
		order[n++] = k->name[0];
	cr_expect_str_eq(order, "cab");
}

Test(keys, a_name_that_is_set_again_has_the_later_key_and_its_priority)
{
	cr_assert_eq(mc_keys_set(&ring, "a", KEY_A), MC_KEY_SET);
	cr_assert_eq(mc_keys_set(&ring, "b", KEY_A), MC_KEY_SET);
	cr_assert_eq(mc_keys_set(&ring, "a", KEY_B), MC_KEY_SET);
	cr_assert_eq(ring.count, 2);
	cr_expect_str_eq(ring.at[1]->name, "a");
	cr_expect_eq(ring.at[1]->secret[0], 0xFF);
}

Test(keys, other_spellings_of_public_are_public_but_replace_nothing)
{
	cr_assert_eq(mc_keys_set(&ring, "PUBLIC", KEY_A), MC_KEY_SET);
	cr_expect_str_eq(ring.at[0]->name, "Public");
	cr_assert_eq(mc_keys_add_public(&ring), MC_KEY_SET);
	cr_expect_eq(mc_keys_set(&ring, "public", KEY_B), MC_KEY_KEPT);
	cr_assert_eq(ring.count, 1);
	cr_expect_eq(ring.at[0]->secret[0], 0x8B);
	cr_expect_eq(mc_keys_set(&ring, "#public", KEY_B), MC_KEY_SET);
	cr_expect_eq(ring.count, 2);
}

Test(keys, what_is_no_key_or_no_name_is_refused)
{
	char name[MC_CHANNEL_NAME_MAX + 2] = "";

	cr_expect_eq(mc_keys_set(&ring, "a", "00"), MC_KEY_BAD);
	cr_expect_eq(mc_keys_set(&ring, "a", KEY_A "00"), MC_KEY_BAD);
	cr_expect_eq(mc_keys_set(&ring, "a", KEY_A KEY_A "00"), MC_KEY_BAD);
	cr_expect_eq(mc_keys_set(&ring, "", KEY_A), MC_KEY_BAD_NAME);
	memset(name, 'n', MC_CHANNEL_NAME_MAX + 1);
	cr_expect_eq(mc_keys_set(&ring, name, KEY_A), MC_KEY_BAD_NAME);
	cr_expect_eq(mc_keys_add_hashtag(&ring, "#"), MC_KEY_BAD_NAME);
	name[MC_CHANNEL_NAME_MAX] = '\0';
	cr_expect_eq(mc_keys_add_hashtag(&ring, name), MC_KEY_BAD_NAME);
	cr_expect_eq(mc_keys_set(&ring, name, KEY_A), MC_KEY_SET);
	cr_expect_eq(ring.count, 1);
}

Test(keys, a_hashtag_may_be_named_without_its_sign)
{
	cr_assert_eq(mc_keys_set(&ring, "#test", KEY_A), MC_KEY_SET);
	cr_expect_eq(mc_keys_add_hashtag(&ring, "bot"), MC_KEY_SET);
	cr_expect_eq(mc_keys_add_hashtag(&ring, "test"), MC_KEY_SET);
	cr_assert_eq(ring.count, 2);
	cr_expect_str_eq(ring.at[0]->name, "#bot");
	cr_expect_str_eq(ring.at[1]->name, "#test");
	cr_expect_eq(ring.at[1]->secret[0], 0x9C, "the later one counts");
}

Test(keys, a_ring_has_a_limit)
{
	char name[16];

	for (uint32_t i = 0; i < MC_KEYS_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		cr_assert_eq(mc_keys_set(&ring, name, KEY_A), MC_KEY_SET);
	}
	cr_expect_eq(mc_keys_set(&ring, "more", KEY_A), MC_KEY_FULL);
	cr_expect_eq(mc_keys_set(&ring, "1", KEY_B), MC_KEY_SET, "replacing takes no room");
}

static bool
parse(const char *json, uint32_t *skipped, char *why)
{
	return mc_keys_parse(&ring, json, strlen(json), skipped, why, 100);
}

Test(keys, a_file_of_keys_is_read_and_what_is_no_key_skipped)
{
	uint32_t skipped = 99;
	char why[100];

	cr_assert(parse("{\"#a\": \"" KEY_A "\", \"bad\": \"zz\", \"n\": 1, \"\": \"" KEY_A "\","
			"\"caf\xC3\xA9\": \"" KEY_B "\"}",
			&skipped, why));
	cr_expect_eq(skipped, 3);
	cr_assert_eq(ring.count, 2);
	cr_expect_str_eq(ring.at[1]->name, "caf\xC3\xA9");
}

Test(keys, a_file_that_is_no_map_of_keys_is_refused_with_a_reason)
{
	static const char *const bad[] = { "", "[]", "{", "{\"a\": }", "7", "{\"a\xFF\": 1}" };
	uint32_t skipped = 99;
	char why[100];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		cr_expect_not(parse(bad[i], &skipped, why), "%s", bad[i]);
		cr_expect_neq(why[0], '\0');
	}
	cr_expect_eq(skipped, 99);
}

Test(keys, regions_are_tried_in_their_order_and_kept_once)
{
	struct mc_regions regions;
	char name[16];

	mc_regions_init(&regions);
	cr_expect_eq(mc_regions_add(&regions, "belgium"), MC_KEY_SET);
	cr_expect_eq(mc_regions_add(&regions, "#belgium"), MC_KEY_KEPT);
	cr_expect_eq(mc_regions_add(&regions, ""), MC_KEY_BAD_NAME);
	cr_expect_eq(mc_regions_add(&regions, "#"), MC_KEY_BAD_NAME);
	for (uint32_t i = 1; i < MC_REGIONS_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		cr_assert_eq(mc_regions_add(&regions, name), MC_KEY_SET);
	}
	cr_expect_eq(mc_regions_add(&regions, "more"), MC_KEY_FULL);
	cr_expect_str_eq(regions.at[0].name, "#belgium");
	mc_regions_fini(&regions);
}

Test(keys, ed25519_is_that_of_rfc_8032)
{
	uint8_t seed[32], key[32], signature[64];
	char text[129];
	size_t len;

	cr_assert(mc_hex_decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
				64, seed, sizeof(seed), &len));
	cr_assert(mc_ed25519_public(seed, key));
	cr_expect_str_eq(mc_hex_lower(key, 32, text),
			 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	cr_assert(mc_ed25519_sign(seed, "\x72", 1, signature));
	cr_expect_str_eq(
	    mc_hex_lower(signature, 64, text),
	    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e"
	    "15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	cr_expect_eq(mc_ed25519_verify(key, "\x72", 1, signature), MC_RIGHT);
	cr_expect_eq(mc_ed25519_verify(key, "\x73", 1, signature), MC_WRONG);
	memset(key, 0xFF, sizeof(key)); /* no point of the curve */
	cr_expect_eq(mc_ed25519_verify(key, "\x72", 1, signature), MC_WRONG);
}

Test(keys, hmac_is_that_of_rfc_4231)
{
	uint8_t out[32];
	struct mc_hmac h;
	char text[65];

	mc_hmac_init(&h, "Jefe", 4);
	mc_hmac(&h, "what do ya want ", 16, "for nothing?", 12, out);
	cr_expect_str_eq(mc_hex_lower(out, 32, text),
			 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

Test(keys, aes_is_that_of_fips_197)
{
	uint8_t key[16], block[16];
	char text[33];
	size_t len;

	cr_assert(mc_hex_decode("000102030405060708090a0b0c0d0e0f", 32, key, 16, &len));
	cr_assert(mc_hex_decode("00112233445566778899aabbccddeeff", 32, block, 16, &len));
	cr_assert(mc_aes_encrypt(key, block, 16, block));
	cr_expect_str_eq(mc_hex_lower(block, 16, text), "69c4e0d86a7b0430d8cdb78070b4c55a");
	cr_assert(mc_aes_decrypt(key, block, 16, block));
	cr_expect_str_eq(mc_hex_lower(block, 16, text), "00112233445566778899aabbccddeeff");
	cr_expect_not(mc_aes_decrypt(key, block, 15, block));
}
