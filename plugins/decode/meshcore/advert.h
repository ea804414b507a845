/* SPDX-License-Identifier: MIT
 *
 * Adverts: what a node says about itself.
 */
#ifndef MC_ADVERT_H
#define MC_ADVERT_H

#include "crypto.h"

#define MC_ADVERT_MIN 100u    /* key, time, signature */
#define MC_ADVERT_DATA_MAX 32 /* firmware reads and signs no more */
#define MC_NAME_MAX 32u       /* bytes */
#define MC_ROLE_TEXT 12u

#define MC_ADVERT_LOCATION 0x10u
#define MC_ADVERT_FEAT1 0x20u
#define MC_ADVERT_FEAT2 0x40u
#define MC_ADVERT_NAME 0x80u

enum mc_node_type {
	MC_NODE_NONE,
	MC_NODE_COMPANION,
	MC_NODE_REPEATER,
	MC_NODE_ROOM,
	MC_NODE_SENSOR
};

struct mc_advert {
	const uint8_t *key;       /* MC_KEY_SIZE bytes in the payload */
	const uint8_t *signature; /* MC_SIGNATURE_SIZE */
	const uint8_t *data;      /* what is signed besides key and time */
	uint8_t data_len;         /* at most MC_ADVERT_DATA_MAX */
	uint32_t time;            /* Unix time by the node's clock */
	bool has_flags, has_location, has_feat1, has_feat2, has_battery, has_temperature;
	uint8_t flags;
	int32_t lat_e6, lon_e6;
	uint16_t feat1, feat2;
	uint16_t battery_mv;
	int16_t temperature_centi;
	char name[MC_NAME_MAX + 1]; /* clean UTF-8; "" if there is none */
};

/* False if it is shorter than MC_ADVERT_MIN. */
bool mc_advert_parse(struct mc_advert *a, const uint8_t *payload, size_t len);
/* Did the node itself say this? */
enum mc_check mc_advert_verify(const struct mc_advert *a);
/* "repeater", "type-7". Returns out. */
const char *mc_advert_role(const struct mc_advert *a, char out[MC_ROLE_TEXT]);
/* Why it must not become a node: "invalid key", "invalid position". NULL if it may. */
const char *mc_advert_fault(const struct mc_advert *a);

#endif
