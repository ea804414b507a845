/* SPDX-License-Identifier: MIT
 *
 * The wire format on any bytes: frame, hash, path, scope, object, JSON. The first byte chooses which
 * keys there are and whether signatures are looked at; the rest is the packet. What is a packet must
 * be one again when it is composed from its parts, and its object must be balanced, printable JSON.
 */
#include <stdlib.h>
#include <string.h>

#include <meshcore/compose.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>
#include <meshcore/scope.h>
#include <meshcore/utf8.h>

#define WITH_KEYS 1u
#define WITH_SIGNATURES 2u
#define SEALED 4u /* the rest is what is said on a channel */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mc_keys keys;
static struct mc_regions regions;

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static void
setup(void)
{
	if (keys.count > 0)
		return;
	require(mc_keys_add_public(&keys) == MC_KEY_SET);
	require(mc_keys_add_hashtag(&keys, "test") == MC_KEY_SET);
	require(mc_keys_add_hashtag(&keys, "<\xE2\x80\xA8>") == MC_KEY_SET);
	require(mc_regions_add(&regions, "test") == MC_KEY_SET);
}

/* UTF-8 on one line, brackets in pairs, and no number or string that JSON does not know. */
static void
check_json(const char *json, size_t len)
{
	bool in_string = false;
	int depth = 0;

	require(strlen(json) == len && json[0] == '{' && json[len - 1] == '}');
	for (size_t i = 0, n; i < len; i += n) {
		uint32_t c = 0;

		n = mc_utf8_next((const uint8_t *)json + i, len - i, &c);
		require(n > 0 && c >= 0x20 && c != '<' && c != '>' && c != '&');
		if (in_string && c == '\\') {
			require(strchr("\"\\nrtu", json[i + 1]) != NULL);
			n++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (!in_string) {
			require(strchr("{}[],:-.0123456789truefalse", (int)c) != NULL);
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
			require(depth >= 0);
		}
	}
	require(!in_string && depth == 0);
}

static void
check_again(const struct mc_frame *f, const uint8_t *data, size_t size)
{
	struct mc_parts parts = {
		.route = f->route,
		.type = f->type,
		.hash_size = f->hash_size,
		.hops = f->hops,
		.codes = f->codes[0],
		.path = f->path,
		.payload = f->payload,
		.payload_len = f->payload_len,
	};
	uint8_t raw[MC_FRAME_MAX];

	require(mc_compose_frame(&parts, raw) == size && memcmp(raw, data, size) == 0);
}

static void
check_packet(uint8_t how_to, const uint8_t *data, size_t size)
{
	static struct mc_object object;
	struct mc_decoder how = { (how_to & WITH_KEYS) != 0 ? &keys : NULL,
				  (how_to & WITH_SIGNATURES) != 0 };
	char stored[MC_HASH_TEXT], text[MC_HASH_TEXT], hex[2 * MC_FRAME_MAX + 1];
	uint8_t hash[MC_HASH_SIZE];
	struct mc_frame f;
	struct mc_hops hops;

	if (mc_frame_parse(&f, data, size) != MC_GOOD)
		return;
	require(f.path + f.path_len == f.payload && f.payload + f.payload_len == data + size);
	mc_hash(&f, hash);
	mc_hash_stored(mc_hex_upper(data, size, hex), stored);
	require(strcmp(mc_hex_lower(hash, sizeof(hash), text), stored) == 0);
	hops = mc_frame_hops(&f);
	require(hops.at + hops.count * hops.size <= data + size);
	(void)mc_scope_name(&regions, &f);
	require(mc_object_decode(&object, &f, &how));
	check_json(object.json, object.json_len);
	require(object.sender == NULL || object.sender + MC_KEY_SIZE <= data + size);
	require(!object.has_advert || strlen(object.advert.name) <= MC_NAME_MAX);
	(void)mc_object_refusal(&object);
	check_again(&f, data, size);
}

/* Fuzzers do not find ciphertexts: encrypt what they find. */
static void
check_sealed(uint8_t how_to, const uint8_t *data, size_t size)
{
	uint8_t plain[MC_PLAIN_MAX] = { 0 }, raw[MC_FRAME_MAX] = { MC_GRP_TXT << 2 | MC_FLOOD, 0 };
	size_t len = (size + MC_AES_SIZE - 1) / MC_AES_SIZE * MC_AES_SIZE;
	const struct mc_key *key = keys.at[how_to / 8 % 3];

	if (len == 0 || len > sizeof(plain))
		return;
	memcpy(plain, data, size);
	if (how_to >= 128)
		raw[0] = MC_GRP_DATA << 2 | MC_FLOOD;
	raw[2] = key->hash;
	require(mc_aes_encrypt(key->secret, plain, len, raw + 5));
	mc_group_mac(key, raw + 5, len, raw + 3);
	check_packet(how_to, raw, 5 + len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	setup();
	if (size == 0)
		return 0;
	if ((data[0] & SEALED) != 0)
		check_sealed(data[0], data + 1, size - 1);
	else
		check_packet(data[0], data + 1, size - 1);
	return 0;
}
