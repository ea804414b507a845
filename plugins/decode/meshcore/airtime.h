/* SPDX-License-Identifier: MIT
 *
 * How long a LoRa transmission takes.
 */
#ifndef MC_AIRTIME_H
#define MC_AIRTIME_H

#include <stdint.h>

struct mc_radio {
	double bandwidth_hz;
	int32_t spreading_factor; /* 6 to 12 */
	int32_t coding_rate;      /* 5 to 8, for 4/5 to 4/8 */
	int32_t preamble;         /* symbols; 0 or less is 8 */
};

/* 869.6 MHz, 62.5 kHz, SF 8, 4/5, as MeshCore is shipped for Europe. */
extern const struct mc_radio mc_radio_default;

/* Symbols of the preamble that MeshCore sends. */
int32_t mc_radio_preamble(int32_t spreading_factor);
/* Nanoseconds for a frame of `len` bytes; 0 if the radio is impossible. */
int64_t mc_airtime_ns(const struct mc_radio *radio, int64_t len);

#endif
