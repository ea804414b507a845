/* SPDX-License-Identifier: MIT
 *
 * The primitives of MeshCore: see crypto.h.
 */
/* SHA256_CTX lives in place, copies by assignment and cannot fail. EVP_MD_CTX, its successor, is on
 * the heap; every keyed hash of a ring would need one and a way to free it. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto.h"

#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#define SHA256_BLOCK 64u

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct mc_sha), "mc_sha is too small");

static SHA256_CTX *
sha_ctx(struct mc_sha *s)
{
	return (SHA256_CTX *)(void *)s->state;
}

void
mc_sha_init(struct mc_sha *s)
{
	SHA256_Init(sha_ctx(s));
}

void
mc_sha_add(struct mc_sha *s, const void *data, size_t len)
{
	SHA256_Update(sha_ctx(s), data, len);
}

void
mc_sha_end(struct mc_sha *s, uint8_t out[MC_SHA256_SIZE])
{
	SHA256_Final(out, sha_ctx(s));
}

void
mc_sha256(const void *data, size_t len, uint8_t out[MC_SHA256_SIZE])
{
	struct mc_sha s;

	mc_sha_init(&s);
	mc_sha_add(&s, data, len);
	mc_sha_end(&s, out);
}

static void
hmac_pad(struct mc_sha *s, const uint8_t key[SHA256_BLOCK], uint8_t pad)
{
	uint8_t block[SHA256_BLOCK];

	for (size_t i = 0; i < SHA256_BLOCK; i++)
		block[i] = key[i] ^ pad;
	mc_sha_init(s);
	mc_sha_add(s, block, sizeof(block));
}

void
mc_hmac_init(struct mc_hmac *h, const void *key, size_t key_len)
{
	uint8_t block[SHA256_BLOCK] = { 0 };

	memcpy(block, key, key_len < sizeof(block) ? key_len : sizeof(block));
	hmac_pad(&h->inner, block, 0x36);
	hmac_pad(&h->outer, block, 0x5C);
}

void
mc_hmac(const struct mc_hmac *h, const void *a, size_t a_len, const void *b, size_t b_len,
	uint8_t out[MC_SHA256_SIZE])
{
	struct mc_sha s = h->inner;
	uint8_t digest[MC_SHA256_SIZE];

	mc_sha_add(&s, a, a_len);
	mc_sha_add(&s, b, b_len);
	mc_sha_end(&s, digest);
	s = h->outer;
	mc_sha_add(&s, digest, sizeof(digest));
	mc_sha_end(&s, out);
}

static bool
aes_run(const uint8_t key[MC_AES_SIZE], const uint8_t *in, size_t len, uint8_t *out, int encrypt)
{
	EVP_CIPHER_CTX *ctx;
	int n = 0;
	bool good;

	if (len % MC_AES_SIZE != 0 || len > 65536)
		return false;
	ctx = EVP_CIPHER_CTX_new();
	good = ctx != NULL &&
	       EVP_CipherInit_ex(ctx, EVP_aes_128_ecb(), NULL, key, NULL, encrypt) == 1 &&
	       EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
	       EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len;
	EVP_CIPHER_CTX_free(ctx);
	return good;
}

bool
mc_aes_decrypt(const uint8_t key[MC_AES_SIZE], const uint8_t *in, size_t len, uint8_t *out)
{
	return aes_run(key, in, len, out, 0);
}

bool
mc_aes_encrypt(const uint8_t key[MC_AES_SIZE], const uint8_t *in, size_t len, uint8_t *out)
{
	return aes_run(key, in, len, out, 1);
}

static enum mc_check
ed25519_verify(const uint8_t key[MC_KEY_SIZE], const void *message, size_t len,
	       const uint8_t signature[MC_SIGNATURE_SIZE])
{
	/* The key is not looked at before it is used, so up to there only memory can be short. */
	EVP_PKEY *k = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, MC_KEY_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	enum mc_check result = MC_NO_MEMORY;

	if (k != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1)
		result = EVP_DigestVerify(ctx, signature, MC_SIGNATURE_SIZE, message, len) == 1
			     ? MC_RIGHT
			     : MC_WRONG;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return result;
}

enum mc_check
mc_ed25519_verify(const uint8_t key[MC_KEY_SIZE], const void *message, size_t len,
		  const uint8_t signature[MC_SIGNATURE_SIZE])
{
	enum mc_check first = ed25519_verify(key, message, len, signature);

	/* OpenSSL does not tell an allocation that failed on the way from a wrong signature, and a
	 * node would lose its advert for that. Wrong ones are rare: ask again. */
	return first == MC_WRONG ? ed25519_verify(key, message, len, signature) : first;
}

bool
mc_ed25519_sign(const uint8_t seed[MC_KEY_SIZE], const void *message, size_t len,
		uint8_t signature[MC_SIGNATURE_SIZE])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, MC_KEY_SIZE);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t n = MC_SIGNATURE_SIZE;
	bool good = k != NULL && ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
		    EVP_DigestSign(ctx, signature, &n, message, len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return good;
}

bool
mc_ed25519_public(const uint8_t seed[MC_KEY_SIZE], uint8_t key[MC_KEY_SIZE])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, MC_KEY_SIZE);
	size_t n = MC_KEY_SIZE;
	bool good = k != NULL && EVP_PKEY_get_raw_public_key(k, key, &n) == 1;

	EVP_PKEY_free(k);
	return good;
}

bool
mc_random(void *out, size_t len)
{
	return len <= 65536 && RAND_bytes(out, (int)len) == 1;
}
