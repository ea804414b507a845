/* SPDX-License-Identifier: MIT
 *
 * Decoded payloads: see cache.h. [plugin]
 */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#include "meshcore/bytes.h"
#include "meshcore/hex.h"

mk_result
cache_init(struct cache *c, const struct config *config)
{
	memset(c, 0, sizeof(*c));
	c->config = config;
	c->slots = calloc(CACHE_SLOTS, sizeof(struct decoded *));
	return c->slots != NULL ? MK_OK : MK_ENOMEM;
}

void
cache_clear(struct cache *c)
{
	for (uint32_t i = 0; c->slots != NULL && i < CACHE_SLOTS; i++) {
		free(c->slots[i]);
		c->slots[i] = NULL;
	}
	free(c->odd);
	c->odd = NULL;
}

void
cache_fini(struct cache *c)
{
	cache_clear(c);
	free(c->slots);
	c->slots = NULL;
}

static void
decoded_judge(struct decoded *d, const struct mc_object *o, const struct config *config)
{
	const struct mc_advert *a = &d->advert;

	d->refused = mc_object_refusal(o);
	d->bad_signature = !o->signature_valid;
	d->foreign =
	    a->has_location && !mc_area_contains(&config->area, a->lat_e6 / 1e6, a->lon_e6 / 1e6);
	if (d->refused == NULL && d->foreign && config->drop_foreign)
		d->refused = "foreign";
}

/* [owned] */
static struct decoded *
cache_make(struct cache *c, const struct mc_frame *f, const uint8_t hash[MC_HASH_SIZE])
{
	struct mc_decoder how = { &c->config->keys, c->config->verify };
	struct mc_object *o = &c->object;
	struct decoded *d;

	if (!mc_object_decode(o, f, &how))
		return NULL;
	d = malloc(sizeof(*d) + o->json_len + 1);
	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof(*d));
	memcpy(d->payload, f->payload, f->payload_len);
	d->type = f->type;
	d->payload_len = f->payload_len;
	mc_hex_lower(hash, MC_HASH_SIZE, d->hash);
	memcpy(d->channel, o->channel, sizeof(d->channel));
	d->json_len = o->json_len;
	memcpy(d->json, o->json, o->json_len + 1);
	if (o->sender != NULL)
		d->sender = d->payload + (o->sender - f->payload);
	d->has_advert = o->has_advert;
	if (o->has_advert) {
		d->advert = o->advert;
		d->advert.key = d->payload; /* the first field; the others are not needed here */
		d->advert.signature = d->advert.data = NULL;
		decoded_judge(d, o, c->config);
	}
	return d;
}

struct decoded *
cache_decode(struct cache *c, const struct mc_frame *f)
{
	uint8_t hash[MC_HASH_SIZE];
	struct decoded **slot, *d;

	mc_hash(f, hash);
	/* The object of a trace has what stands in the path, which is not a part of the payload. */
	slot = f->type == MC_TRACE ? &c->odd : &c->slots[mc_get_u32(hash) % CACHE_SLOTS];
	d = *slot;
	if (f->type != MC_TRACE && d != NULL && d->type == f->type &&
	    d->payload_len == f->payload_len &&
	    memcmp(d->payload, f->payload, f->payload_len) == 0) {
		c->hits++;
		return d;
	}
	c->misses++;
	d = cache_make(c, f, hash);
	if (d == NULL)
		return NULL;
	free(*slot);
	*slot = d;
	return d;
}

const char *
cache_scope(struct cache *c, struct decoded *d, const struct mc_frame *f)
{
	if (!mc_frame_is_scoped(f))
		return NULL;
	if (d->scope == NULL || memcmp(d->scope_code, f->codes[0], sizeof(d->scope_code)) != 0) {
		memcpy(d->scope_code, f->codes[0], sizeof(d->scope_code));
		d->scope = mc_scope_name(&c->config->regions, f);
	}
	return d->scope;
}
