/* SPDX-License-Identifier: MIT
 *
 * Keys of channels: see keys.h.
 */
#include "keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hex.h"

void
mc_key_init(struct mc_key *k, const uint8_t *secret, size_t len)
{
	uint8_t digest[MC_SHA256_SIZE];
	bool is_long = false;

	memset(k, 0, sizeof(*k));
	memcpy(k->secret, secret, len < sizeof(k->secret) ? len : sizeof(k->secret));
	for (size_t i = 16; i < sizeof(k->secret); i++)
		is_long = is_long || k->secret[i] != 0;
	mc_sha256(k->secret, is_long ? 32 : 16, digest);
	k->hash = digest[0];
	mc_hmac_init(&k->mac, k->secret, sizeof(k->secret));
}

void
mc_key_hashtag(const char *name, uint8_t key[16])
{
	uint8_t digest[MC_SHA256_SIZE];

	mc_sha256(name, strlen(name), digest);
	memcpy(key, digest, 16);
}

void
mc_keys_init(struct mc_keys *ring)
{
	*ring = (struct mc_keys){ 0 };
}

void
mc_keys_fini(struct mc_keys *ring)
{
	for (uint32_t i = 0; i < ring->count; i++)
		free(ring->at[i]);
	free(ring->at);
	mc_keys_init(ring);
}

static uint32_t
keys_find(const struct mc_keys *ring, const char *name)
{
	uint32_t i = 0;

	while (i < ring->count && strcmp(ring->at[i]->name, name) != 0)
		i++;
	return i;
}

/* Goes to the end, the place of the highest priority. */
static enum mc_key_result
keys_put(struct mc_keys *ring, const struct mc_key *k)
{
	uint32_t i = keys_find(ring, k->name);
	struct mc_key *slot;

	if (i < ring->count) {
		if (k->respelt)
			return MC_KEY_KEPT;
		slot = ring->at[i];
		memmove(ring->at + i, ring->at + i + 1,
			(ring->count - i - 1) * sizeof(ring->at[0]));
		ring->at[ring->count - 1] = slot;
		*slot = *k;
		return MC_KEY_SET;
	}
	if (ring->count == MC_KEYS_MAX)
		return MC_KEY_FULL;
	if (ring->count == ring->cap) {
		uint32_t cap = ring->cap == 0 ? 16 : 2 * ring->cap;
		struct mc_key **at = realloc(ring->at, cap * sizeof(struct mc_key *));

		if (at == NULL)
			return MC_KEY_FULL;
		ring->at = at;
		ring->cap = cap;
	}
	slot = malloc(sizeof(*slot));
	if (slot == NULL)
		return MC_KEY_FULL;
	*slot = *k;
	ring->at[ring->count++] = slot;
	return MC_KEY_SET;
}

static bool
keys_name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= MC_CHANNEL_NAME_MAX;
}

enum mc_key_result
mc_keys_set(struct mc_keys *ring, const char *name, const char *hex)
{
	uint8_t secret[32];
	struct mc_key k;
	size_t len;

	if (!keys_name_is_good(name))
		return MC_KEY_BAD_NAME;
	if (!mc_hex_decode(hex, strlen(hex), secret, sizeof(secret), &len) ||
	    (len != 16 && len != 32))
		return MC_KEY_BAD;
	mc_key_init(&k, secret, len);
	k.respelt = strcasecmp(name, "Public") == 0 && strcmp(name, "Public") != 0;
	name = k.respelt ? "Public" : name;
	memcpy(k.name, name, strlen(name) + 1);
	return keys_put(ring, &k);
}

enum mc_key_result
mc_keys_add_hashtag(struct mc_keys *ring, const char *name)
{
	char tag[MC_CHANNEL_NAME_MAX + 2] = "#";
	uint8_t secret[16];
	struct mc_key k;

	if (!keys_name_is_good(name))
		return MC_KEY_BAD_NAME;
	memcpy(tag + (name[0] != '#'), name, strlen(name) + 1);
	if (!keys_name_is_good(tag) || tag[1] == '\0')
		return MC_KEY_BAD_NAME;
	mc_key_hashtag(tag, secret);
	mc_key_init(&k, secret, sizeof(secret));
	memcpy(k.name, tag, strlen(tag) + 1);
	return keys_put(ring, &k);
}

enum mc_key_result
mc_keys_add_public(struct mc_keys *ring)
{
	return mc_keys_set(ring, "Public", MC_PUBLIC_KEY_HEX);
}

const struct mc_key *
mc_keys_next(const struct mc_keys *ring, uint8_t hash, uint32_t *at)
{
	/* The first pass over the ring takes those that match, the second the others. */
	while (*at < 2 * ring->count) {
		uint32_t i = *at % ring->count;
		bool wants = *at < ring->count;
		const struct mc_key *k = ring->at[ring->count - 1 - i];

		(*at)++;
		if ((k->hash == hash) == wants)
			return k;
	}
	return NULL;
}
