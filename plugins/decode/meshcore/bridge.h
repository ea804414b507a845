/* SPDX-License-Identifier: MIT
 *
 * Messages that a companion radio had decrypted and passed on without their packets.
 */
#ifndef MC_BRIDGE_H
#define MC_BRIDGE_H

#include "hash.h"
#include "json.h"

#define MC_BRIDGE_TEXT_MAX 4096u  /* bytes; a mesh carries 160 */
#define MC_BRIDGE_CHANNEL_MAX 32u /* bytes */
#define MC_BRIDGE_JSON_MAX 32768u /* enough for the longest */

struct mc_bridge {
	const char *channel; /* its index; NULL: a direct message */
	const char *text;
	size_t channel_len, text_len;
	enum { MC_BRIDGE_TIME_NONE, MC_BRIDGE_TIME_NUMBER, MC_BRIDGE_TIME_TEXT } time_kind;
	double time_number; /* what the bridge called the sender's time */
	const char *time_text;
	size_t time_len;
};

/* The object, and a hash over content and the second of `at_us`, so that the same reception has
 * the same hash whenever it is decoded. False if it is too long. */
bool mc_bridge_decode(const struct mc_bridge *b, uint64_t at_us, struct mc_json *json,
		      char hash[MC_HASH_TEXT]);

#endif
