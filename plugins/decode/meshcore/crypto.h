/* SPDX-License-Identifier: MIT
 *
 * The primitives that MeshCore uses, over OpenSSL. The only file that knows that library.
 *
 * [any]; nothing is shared between calls but what OpenSSL guards itself. False means that memory is
 * out, unless a comment says otherwise.
 */
#ifndef MC_CRYPTO_H
#define MC_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_SHA256_SIZE 32u
#define MC_KEY_SIZE 32u       /* Ed25519, public; also the seed of a private one */
#define MC_SIGNATURE_SIZE 64u /* Ed25519 */
#define MC_AES_SIZE 16u       /* AES-128, key and block */

void mc_sha256(const void *data, size_t len, uint8_t out[MC_SHA256_SIZE]);

/* SHA-256 in parts. */
struct mc_sha {
	uint64_t state[16]; /* room and alignment for OpenSSL's own structure */
};
void mc_sha_init(struct mc_sha *s);
void mc_sha_add(struct mc_sha *s, const void *data, size_t len);
void mc_sha_end(struct mc_sha *s, uint8_t out[MC_SHA256_SIZE]);

/* HMAC-SHA256 with a key that is used again and again: both pads are hashed once. */
struct mc_hmac {
	struct mc_sha inner, outer;
};
void mc_hmac_init(struct mc_hmac *h, const void *key, size_t key_len); /* at most 64 bytes */
/* The MAC of a || b. */
void mc_hmac(const struct mc_hmac *h, const void *a, size_t a_len, const void *b, size_t b_len,
	     uint8_t out[MC_SHA256_SIZE]);

/* Whole blocks, no padding, in == out allowed. False also if len is not a multiple of 16. */
bool mc_aes_decrypt(const uint8_t key[MC_AES_SIZE], const uint8_t *in, size_t len, uint8_t *out);
bool mc_aes_encrypt(const uint8_t key[MC_AES_SIZE], const uint8_t *in, size_t len, uint8_t *out);

enum mc_check { MC_WRONG, MC_RIGHT, MC_NO_MEMORY };

/* Plain Ed25519: is this a signature of that message by that key? */
enum mc_check mc_ed25519_verify(const uint8_t key[MC_KEY_SIZE], const void *message, size_t len,
				const uint8_t signature[MC_SIGNATURE_SIZE]);
bool mc_ed25519_sign(const uint8_t seed[MC_KEY_SIZE], const void *message, size_t len,
		     uint8_t signature[MC_SIGNATURE_SIZE]);
/* The public key of a seed. A key pair is made by filling a seed with random bytes. */
bool mc_ed25519_public(const uint8_t seed[MC_KEY_SIZE], uint8_t key[MC_KEY_SIZE]);
bool mc_random(void *out, size_t len);

#endif
