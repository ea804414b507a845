/* SPDX-License-Identifier: MIT
 *
 * Regions: see scope.h.
 */
#include "scope.h"

#include <stdlib.h>
#include <string.h>

void
mc_regions_init(struct mc_regions *r)
{
	*r = (struct mc_regions){ 0 };
}

void
mc_regions_fini(struct mc_regions *r)
{
	free(r->at);
	mc_regions_init(r);
}

void
mc_region_init(struct mc_region *r, const uint8_t key[16])
{
	memset(r, 0, sizeof(*r));
	mc_hmac_init(&r->mac, key, 16);
}

enum mc_key_result
mc_regions_add(struct mc_regions *r, const char *name)
{
	size_t len = strlen(name), hash = name[0] != '#';
	char tag[MC_CHANNEL_NAME_MAX + 2] = "#";
	uint8_t key[16];

	if (len == 0 || len + hash > MC_CHANNEL_NAME_MAX || strcmp(name, "#") == 0)
		return MC_KEY_BAD_NAME;
	memcpy(tag + hash, name, len + 1);
	for (uint32_t i = 0; i < r->count; i++)
		if (strcmp(r->at[i].name, tag) == 0)
			return MC_KEY_KEPT;
	if (r->count == MC_REGIONS_MAX)
		return MC_KEY_FULL;
	if (r->count == r->cap) {
		uint32_t cap = r->cap == 0 ? 8 : 2 * r->cap;
		struct mc_region *at = realloc(r->at, cap * sizeof(*at));

		if (at == NULL)
			return MC_KEY_FULL;
		r->at = at;
		r->cap = cap;
	}
	mc_key_hashtag(tag, key);
	mc_region_init(&r->at[r->count], key);
	memcpy(r->at[r->count++].name, tag, len + hash + 1);
	return MC_KEY_SET;
}

void
mc_region_code(const struct mc_region *r, uint8_t type, const uint8_t *payload, size_t len,
	       uint8_t code[2])
{
	uint8_t mac[MC_SHA256_SIZE];

	mc_hmac(&r->mac, &type, 1, payload, len, mac);
	memcpy(code, mac, 2);
	/* All zeros and all ones are reserved. */
	if (code[0] == 0 && code[1] == 0)
		code[0] = 1;
	else if (code[0] == 0xFF && code[1] == 0xFF)
		code[0] = 0xFE;
}

const char *
mc_scope_name(const struct mc_regions *r, const struct mc_frame *f)
{
	uint8_t code[2];

	if (!mc_frame_is_scoped(f))
		return NULL;
	for (uint32_t i = 0; i < r->count && f->payload_len > 0; i++) {
		mc_region_code(&r->at[i], f->type, f->payload, f->payload_len, code);
		if (memcmp(code, f->codes[0], sizeof(code)) == 0)
			return r->at[i].name;
	}
	return "";
}
