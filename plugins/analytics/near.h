/* SPDX-License-Identifier: MIT
 *
 * Are two packets the same one, of which one was damaged on the way? They have the same length and
 * the same fields that can be read, and few of their other bits differ.
 */
#ifndef ANALYTICS_NEAR_H
#define ANALYTICS_NEAR_H

#include <stdbool.h>
#include <stdint.h>

#define NEAR_PAYLOAD_MAX 255u

struct near_packet {
	uint8_t type; /* of the payload */
	uint8_t len;  /* of the payload */
	const uint8_t *payload;
};

struct near_difference {
	uint16_t bits;        /* that differ */
	uint16_t first, last; /* the first and the last of them, from the start of the payload */
};

/* The payload of a packet as it is on the air. False: it is cut off. */
bool near_read(struct near_packet *p, const uint8_t *raw, uint32_t len);
/* So many bits of a packet of that type and length can be wrong and it is recognised still, so that
 * among the packets of some minutes no two are taken for each other by chance. 0: packets of that
 * type are alike without being damaged, or too short. */
uint32_t near_limit(const struct near_packet *p);
/* They are the same but for some bits, at most near_limit(). */
bool near_same(const struct near_packet *a, const struct near_packet *b,
	       struct near_difference *out);

#endif
