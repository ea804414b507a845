/* SPDX-License-Identifier: MIT
 *
 * How long a LoRa transmission takes: see airtime.h. The formula is Semtech's, for packets with
 * explicit header and CRC.
 */
#include "airtime.h"

const struct mc_radio mc_radio_default = { 62500, 8, 5, 32 };

int32_t
mc_radio_preamble(int32_t spreading_factor)
{
	return spreading_factor <= 8 ? 32 : 16;
}

int64_t
mc_airtime_ns(const struct mc_radio *radio, int64_t len)
{
	int64_t sf = radio->spreading_factor, slow, bits, per_symbol, symbols = 8;
	int32_t preamble = radio->preamble > 0 ? radio->preamble : 8;
	double symbol_s;

	if (len < 0 || len > 65535 || sf < 6 || sf > 12 || !(radio->bandwidth_hz > 0) ||
	    radio->coding_rate < 5 || radio->coding_rate > 8)
		return 0;
	symbol_s = (double)(1 << sf) / radio->bandwidth_hz;
	slow = symbol_s >= 0.016; /* low data rate optimisation */
	bits = 8 * len - 4 * sf + 44;
	per_symbol = 4 * (sf - 2 * slow);
	if (bits > 0)
		symbols += (bits + per_symbol - 1) / per_symbol * radio->coding_rate;
	return (int64_t)((preamble + 4.25 + (double)symbols) * symbol_s * 1e9);
}
