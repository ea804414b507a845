/* SPDX-License-Identifier: MIT */
#include "near.h"

#include <stddef.h>
#include <string.h>

#include <hops/obs.h>

#define SURE_REST 16u /* bytes that are enciphered */

enum {
	TYPE_REQUEST,
	TYPE_RESPONSE,
	TYPE_TEXT,
	TYPE_ACK,
	TYPE_ADVERT,
	TYPE_GROUP_TEXT,
	TYPE_GROUP_DATA,
	TYPE_ANONYMOUS,
	TYPE_PATH,
	TYPE_MULTIPART = 10
};

bool
near_read(struct near_packet *p, const uint8_t *raw, uint32_t len)
{
	uint32_t at = 1, route = len > 0 ? raw[0] & 3u : 0;

	if (route == HOPS_ROUTE_TFLOOD || route == HOPS_ROUTE_TDIRECT)
		at += 4;
	if (len <= at)
		return false;
	at += 1 + (raw[at] & 63u) * ((raw[at] >> 6) + 1u);
	if (len <= at || len - at > NEAR_PAYLOAD_MAX)
		return false;
	p->type = raw[0] >> 2 & 15;
	p->len = (uint8_t)(len - at);
	p->payload = raw + at;
	return true;
}

/* The bytes at the start that say between whom, on which channel, of whom. */
static uint32_t
near_clear(uint8_t type)
{
	switch (type) {
	case TYPE_REQUEST:
	case TYPE_RESPONSE:
	case TYPE_TEXT:
	case TYPE_PATH:
		return 2;
	case TYPE_GROUP_TEXT:
	case TYPE_GROUP_DATA:
	case TYPE_MULTIPART: /* how many parts follow; it differs in each of them */
		return 1;
	case TYPE_ANONYMOUS:
		return 33;
	case TYPE_ADVERT:
		return 32;
	default:
		return 0;
	}
}

/* Ciphers of different texts differ in half of the bits of at least one block and of the MAC; that 16
 * of 128 are enough has a chance of 10^-18. In 32 bits there is less room: one bit has 10^-8. */
uint32_t
near_limit(const struct near_packet *p)
{
	uint32_t clear = near_clear(p->type), rest = p->len > clear ? p->len - clear : 0;

	if (p->type > TYPE_PATH && p->type != TYPE_MULTIPART)
		return 0; /* traces, announcements and raw data are alike by nature */
	if (rest < 4)
		return 0;
	if (rest < 8)
		return 1;
	return rest < SURE_REST ? 6 : 16;
}

static uint32_t
near_bit(uint8_t differing, bool last)
{
	uint32_t bit = 0;

	if (last) {
		while ((differing & 1u << bit) == 0)
			bit++;
		return 7 - bit;
	}
	while ((differing & 0x80u >> bit) == 0)
		bit++;
	return bit;
}

bool
near_same(const struct near_packet *a, const struct near_packet *b, struct near_difference *out)
{
	uint32_t clear = near_clear(a->type), limit = near_limit(a), bits = 0;
	uint32_t first = 0, last = 0, i = 0;

	if (a->type != b->type || a->len != b->len || limit == 0)
		return false;
	/* Ciphers that are nearly the same are of the same keys: what can be read was damaged, too. In
	 * little room, and where it counts parts, it has to be the same. */
	if ((a->len - clear < SURE_REST || a->type == TYPE_MULTIPART) &&
	    memcmp(a->payload, b->payload, clear) != 0)
		return false;
	for (i = 0; i < clear; i++)
		bits += (uint32_t)__builtin_popcount((unsigned)(a->payload[i] ^ b->payload[i]));
	/* Most pairs are refused after the first eight bytes. */
	for (; i + 8 <= a->len && bits <= limit; i += 8) {
		uint64_t x, y;

		memcpy(&x, a->payload + i, 8);
		memcpy(&y, b->payload + i, 8);
		bits += (uint32_t)__builtin_popcountll(x ^ y);
	}
	for (; i < a->len && bits <= limit; i++)
		bits += (uint32_t)__builtin_popcount((unsigned)(a->payload[i] ^ b->payload[i]));
	if (bits > limit || bits == 0)
		return false;
	for (i = a->len; i-- > 0;) {
		uint8_t differing = a->payload[i] ^ b->payload[i];

		if (differing == 0)
			continue;
		first = i * 8 + near_bit(differing, false);
		last = last > 0 ? last : i * 8 + near_bit(differing, true);
	}
	*out = (struct near_difference){ (uint16_t)bits, (uint16_t)first, (uint16_t)last };
	return true;
}
