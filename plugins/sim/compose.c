/* SPDX-License-Identifier: MIT
 *
 * What only the sender of a packet can make; see compose.h.
 */
#include "compose.h"

#include <string.h>

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <meshcore/bytes.h>

/* u = (1 + y) / (1 - y) modulo 2^255 - 19, where y is the key without its sign bit. */
static bool
compose_montgomery(const uint8_t key[32], uint8_t out[32])
{
	uint8_t little[32];
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p, *y, *over, *under;
	bool good;

	if (ctx == NULL)
		return false;
	memcpy(little, key, sizeof(little));
	little[31] &= 0x7f;
	BN_CTX_start(ctx);
	p = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	over = BN_CTX_get(ctx);
	under = BN_CTX_get(ctx); /* NULL if one of them is */
	good = under != NULL && BN_set_bit(p, 255) && BN_sub_word(p, 19) &&
	       BN_lebin2bn(little, sizeof(little), y) != NULL && BN_copy(over, y) != NULL &&
	       BN_add_word(over, 1) && BN_mod_sub(under, BN_value_one(), y, p, ctx) &&
	       BN_mod_inverse(under, under, p, ctx) != NULL &&
	       BN_mod_mul(over, over, under, p, ctx) && BN_bn2lebinpad(over, out, 32) == 32;
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return good;
}

bool
compose_secret(const uint8_t seed[32], const uint8_t peer[32], uint8_t secret[32])
{
	uint8_t scalar[64], point[32];
	EVP_PKEY *mine = NULL, *theirs = NULL;
	EVP_PKEY_CTX *ctx = NULL;
	size_t len = 32;
	bool good;

	if (EVP_Q_digest(NULL, "SHA512", NULL, seed, 32, scalar, NULL) != 1 ||
	    !compose_montgomery(peer, point))
		return false;
	mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, scalar, 32);
	theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, 32);
	ctx = mine == NULL ? NULL : EVP_PKEY_CTX_new(mine, NULL);
	good = ctx != NULL && theirs != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
	       EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
	       EVP_PKEY_derive(ctx, secret, &len) == 1;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(mine);
	return good;
}

size_t
compose_telemetry(const struct mc_identity *id, uint8_t *payload, size_t len, uint16_t battery_mv,
		  int16_t temperature_centi)
{
	uint8_t text[36 + MC_ADVERT_DATA_MAX];
	size_t data = len - MC_ADVERT_MIN;

	if (len < MC_ADVERT_MIN || data + 5 > MC_ADVERT_DATA_MAX)
		return 0;
	payload[len] = 0; /* ends the name */
	mc_put_u16(payload + len + 1, battery_mv);
	mc_put_u16(payload + len + 3, (uint16_t)temperature_centi);
	data += 5;
	memcpy(text, payload, 36); /* key and time */
	memcpy(text + 36, payload + MC_ADVERT_MIN, data);
	return mc_ed25519_sign(id->seed, text, 36 + data, payload + 36) ? len + 5 : 0;
}
