/* SPDX-License-Identifier: MIT
 *
 * Integers as they stand in a packet: little-endian, at any address.
 */
#ifndef MC_BYTES_H
#define MC_BYTES_H

#include <stdint.h>

static inline uint16_t
mc_get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t
mc_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline int32_t
mc_get_i32(const uint8_t *p)
{
	return (int32_t)mc_get_u32(p);
}

static inline void
mc_put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void
mc_put_u32(uint8_t *p, uint32_t v)
{
	mc_put_u16(p, (uint16_t)v);
	mc_put_u16(p + 2, (uint16_t)(v >> 16));
}

#endif
