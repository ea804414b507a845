/* SPDX-License-Identifier: MIT
 *
 * Messages without packets: see bridge.h.
 */
#include "bridge.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto.h"
#include "hex.h"

/* "name: message", by the rule of bridges, which is looser than that of packets. */
static size_t
bridge_sender(const struct mc_bridge *b)
{
	for (size_t i = 0; i + 1 < b->text_len && i < 50; i++)
		if (b->text[i] == ':' && b->text[i + 1] == ' ')
			return i;
	return 0;
}

static void
bridge_hash(const struct mc_bridge *b, uint64_t at_us, char hash[MC_HASH_TEXT])
{
	time_t seconds = (time_t)(at_us / 1000000);
	uint8_t digest[MC_SHA256_SIZE];
	char time[40] = "";
	struct mc_sha s;
	struct tm tm;

	/* A year beyond all calendars gives an empty text, the same whenever it is asked. */
	if (gmtime_r(&seconds, &tm) != NULL &&
	    strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		time[0] = '\0';
	mc_sha_init(&s);
	mc_sha_add(&s, b->channel != NULL ? "ch:" : "dm:", 3);
	if (b->channel != NULL) {
		mc_sha_add(&s, b->channel, b->channel_len);
		mc_sha_add(&s, ":", 1);
	}
	mc_sha_add(&s, b->text, b->text_len);
	mc_sha_add(&s, ":", 1);
	mc_sha_add(&s, time, strlen(time));
	mc_sha_end(&s, digest);
	mc_hex_lower(digest, MC_HASH_SIZE, hash);
}

bool
mc_bridge_decode(const struct mc_bridge *b, uint64_t at_us, struct mc_json *json,
		 char hash[MC_HASH_TEXT])
{
	char channel[2 + MC_BRIDGE_CHANNEL_MAX] = "ch";

	if (b->text_len > MC_BRIDGE_TEXT_MAX || b->time_len > MC_BRIDGE_TEXT_MAX / 16 ||
	    (b->channel != NULL && b->channel_len > MC_BRIDGE_CHANNEL_MAX))
		return false;
	mc_json_open(json, NULL, '{');
	if (b->channel != NULL) {
		memcpy(channel + 2, b->channel, b->channel_len);
		mc_json_str(json, "channel", channel, 2 + b->channel_len);
	}
	mc_json_str(json, "sender", b->text, bridge_sender(b));
	if (b->time_kind == MC_BRIDGE_TIME_NUMBER)
		mc_json_double(json, "sender_timestamp", b->time_number);
	else if (b->time_kind == MC_BRIDGE_TIME_TEXT)
		mc_json_str(json, "sender_timestamp", b->time_text, b->time_len);
	mc_json_str(json, "text", b->text, b->text_len);
	mc_json_raw(json, "type", b->channel != NULL ? "\"CHAN\"" : "\"DM\"",
		    b->channel != NULL ? 6 : 4);
	mc_json_close(json, '}');
	bridge_hash(b, at_us, hash);
	return !json->full;
}
