/* SPDX-License-Identifier: MIT
 *
 * Keys of channels.
 *
 * A ring is filled from the lowest priority to the highest; a name that is set again replaces the
 * earlier key. Lookups go from the highest to the lowest, so they are deterministic.
 */
#ifndef MC_KEYS_H
#define MC_KEYS_H

#include "crypto.h"

#define MC_CHANNEL_NAME_MAX 64u /* bytes */
#define MC_KEYS_MAX 4096u       /* of a ring */
#define MC_PUBLIC_KEY_HEX "8b3387e9c5cdea6ac9e5edbaa115cd72"

struct mc_key {
	char name[MC_CHANNEL_NAME_MAX + 1];
	uint8_t secret[32]; /* a key of 16 bytes is followed by zeros */
	uint8_t hash;       /* the byte that packets of the channel carry */
	bool respelt;       /* the name was another spelling of "Public" */
	struct mc_hmac mac;
};

struct mc_keys {
	struct mc_key **at; /* lowest priority first */
	uint32_t count, cap;
};

enum mc_key_result { MC_KEY_SET, MC_KEY_KEPT, MC_KEY_BAD_NAME, MC_KEY_BAD, MC_KEY_FULL };

/* A key by itself: 16 or 32 bytes. */
void mc_key_init(struct mc_key *k, const uint8_t *secret, size_t len);
/* Of the hashtag `name`, which begins with '#'. */
void mc_key_hashtag(const char *name, uint8_t key[16]);

void mc_keys_init(struct mc_keys *ring);
void mc_keys_fini(struct mc_keys *ring);
/* 32 or 64 hex digits. Any spelling of "public" becomes "Public", but does not replace one.
 * MC_KEY_FULL: the ring, or memory. */
enum mc_key_result mc_keys_set(struct mc_keys *ring, const char *name, const char *hex);
/* A hashtag channel; '#' is put in front if it is missing. */
enum mc_key_result mc_keys_add_hashtag(struct mc_keys *ring, const char *name);
/* The channel that every radio has. */
enum mc_key_result mc_keys_add_public(struct mc_keys *ring);

/* All keys in the order in which they are to be tried for a channel hash: those with this hash
 * first. *at starts at 0; NULL at the end. */
const struct mc_key *mc_keys_next(const struct mc_keys *ring, uint8_t hash, uint32_t *at);

#endif
