/* SPDX-License-Identifier: MIT
 *
 * What only the sender of a packet can make, and the library of the wire format therefore has not:
 * secrets of two nodes, and what sensors append to adverts.
 */
#ifndef SIM_COMPOSE_H
#define SIM_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshcore/compose.h>

/* What two nodes know and nobody else: X25519 over the Montgomery form of their keys. False: out of
 * memory. */
bool compose_secret(const uint8_t seed[32], const uint8_t peer[32], uint8_t secret[32]);

/* Battery and temperature behind the name of an advert of `len` bytes, signed anew; returns the new
 * length, 0 if it does not fit or memory is out. */
size_t compose_telemetry(const struct mc_identity *id, uint8_t *payload, size_t len,
			 uint16_t battery_mv, int16_t temperature_centi);

#endif
