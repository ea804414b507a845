/* SPDX-License-Identifier: MIT
 *
 * Regions: which of those we know a packet was limited to.
 */
#ifndef MC_SCOPE_H
#define MC_SCOPE_H

#include "frame.h"
#include "keys.h"

#define MC_REGIONS_MAX 256u

struct mc_region {
	char name[MC_CHANNEL_NAME_MAX + 1]; /* with '#' */
	struct mc_hmac mac;
};

struct mc_regions {
	struct mc_region *at; /* in the order in which they are tried */
	uint32_t count, cap;
};

void mc_regions_init(struct mc_regions *r);
void mc_regions_fini(struct mc_regions *r);
/* '#' is put in front if it is missing; a name that is there already is kept. */
enum mc_key_result mc_regions_add(struct mc_regions *r, const char *name);

void mc_region_init(struct mc_region *r, const uint8_t key[16]);
/* The transport code of a packet in a region, as it goes over the air. */
void mc_region_code(const struct mc_region *r, uint8_t type, const uint8_t *payload, size_t len,
		    uint8_t code[2]);
/* NULL: the packet is not limited to a region. "": to one that we do not know. */
const char *mc_scope_name(const struct mc_regions *r, const struct mc_frame *f);

#endif
