/* SPDX-License-Identifier: MIT
 *
 * The content hash: see hash.h.
 */
#include "hash.h"

#include <stdlib.h>
#include <string.h>

#include "crypto.h"
#include "hex.h"

static void
hash_parts(uint8_t type, uint8_t path_byte, const uint8_t *payload, size_t len,
	   uint8_t out[MC_HASH_SIZE])
{
	uint8_t head[3] = { type, path_byte, 0 }, digest[MC_SHA256_SIZE];
	struct mc_sha s;

	mc_sha_init(&s);
	/* Every step of a trace is a packet of its own. */
	mc_sha_add(&s, head, type == MC_TRACE ? 3 : 1);
	mc_sha_add(&s, payload, len);
	mc_sha_end(&s, digest);
	memcpy(out, digest, MC_HASH_SIZE);
}

void
mc_hash(const struct mc_frame *f, uint8_t out[MC_HASH_SIZE])
{
	hash_parts(f->type, f->path_byte, f->payload, f->payload_len, out);
}

void
mc_hash_text(const void *data, size_t len, char out[MC_HASH_TEXT])
{
	uint8_t digest[MC_SHA256_SIZE];

	mc_sha256(data, len, digest);
	mc_hex_lower(digest, MC_HASH_SIZE, out);
}

/* No limits, and hashes of 4 bytes in the path. */
static bool
hash_lenient(const uint8_t *data, size_t len, uint8_t out[MC_HASH_SIZE])
{
	uint8_t route;
	size_t at, path;

	if (len < 2)
		return false;
	route = data[0] & 3;
	at = route == MC_TRANSPORT_FLOOD || route == MC_TRANSPORT_DIRECT ? 5 : 1;
	if (at >= len)
		return false;
	path = (size_t)(data[at] & 63) * (size_t)((data[at] >> 6) + 1);
	if (path > len - at - 1)
		return false;
	hash_parts(data[0] >> 2 & 15, data[at], data + at + 1 + path, len - at - 1 - path, out);
	return true;
}

void
mc_hash_stored(const char *raw_hex, char out[MC_HASH_TEXT])
{
	uint8_t data[4096], hash[MC_HASH_SIZE];
	size_t text = strlen(raw_hex), len = 0;

	if (mc_hex_decode(raw_hex, text, data, sizeof(data), &len) &&
	    hash_lenient(data, len, hash)) {
		mc_hex_lower(hash, sizeof(hash), out);
		return;
	}
	if (text >= MC_HASH_TEXT)
		text = MC_HASH_TEXT - 1;
	memcpy(out, raw_hex, text);
	out[text] = '\0';
}
