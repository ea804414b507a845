/* SPDX-License-Identifier: MIT
 *
 * Decoded payloads. Some twenty observers hear every packet, so nearly every payload was decoded a
 * moment ago, and a signature alone costs a hundred microseconds to verify.
 *
 * A slot holds the last payload whose hash leads to it. What is in the cache was made under one
 * configuration: clear it when that changes.
 */
#ifndef DECODE_CACHE_H
#define DECODE_CACHE_H

#include "meshcore/hash.h"
#include "meshcore/object.h"

#include "config.h"

#define CACHE_SLOTS 4096u /* a power of 2; a few megabytes when all are used */

struct decoded {                         /* what does not depend on how the payload came here */
	uint8_t payload[MC_PAYLOAD_MAX]; /* the pointers below are into this */
	uint8_t type, payload_len;
	char hash[MC_HASH_TEXT];
	bool has_advert, bad_signature, foreign;
	const char *refused; /* why the advert must not become a node, or NULL */
	const uint8_t *sender;
	struct mc_advert advert;
	uint8_t scope_code[2]; /* the last code that was looked up, and */
	const char *scope;     /* what it means; NULL: none was */
	char channel[MC_CHANNEL_TEXT];
	size_t json_len;
	char json[];
};

struct cache {
	const struct config *config; /* borrowed */
	struct decoded **slots;
	struct decoded *odd; /* the last one that is not kept */
	struct mc_object object;
	uint64_t hits, misses;
};

mk_result cache_init(struct cache *c, const struct config *config);
void cache_clear(struct cache *c);
void cache_fini(struct cache *c);

/* Valid until the next call. NULL: out of memory. */
struct decoded *cache_decode(struct cache *c, const struct mc_frame *f);
/* As mc_scope_name. `d` is the frame's. */
const char *cache_scope(struct cache *c, struct decoded *d, const struct mc_frame *f);

#endif
