/* SPDX-License-Identifier: MIT */
#include "obs.h"

#include <string.h>

bool
hops_obs_is_flood(const struct hops_obs *o)
{
	return o->route == HOPS_ROUTE_FLOOD || o->route == HOPS_ROUTE_TFLOOD;
}

void
hops_obs_direction(struct hops_obs *o, const char *text, size_t len)
{
	o->sent = len == 2 && (text[0] | 32) == 't' && (text[1] | 32) == 'x';
}

/* A trace's hops may be of 8 bytes; nothing is made of them, so they are left out. */
static bool
obs_add_hop(struct hops_obs *o, const char *hex, size_t len)
{
	uint32_t token = hops_token_read(hex, len);

	if (token == 0 || o->count == HOPS_PATH_MAX)
		return false;
	o->hops[o->count++] = token;
	return true;
}

bool
hops_obs_path(struct hops_obs *o, const char *json, size_t len)
{
	const char *end = json + len, *close;

	o->count = 0;
	while (json < end && (json = memchr(json, '"', (size_t)(end - json))) != NULL) {
		json++;
		close = memchr(json, '"', (size_t)(end - json));
		if (close == NULL || !obs_add_hop(o, json, (size_t)(close - json))) {
			o->count = 0;
			return false;
		}
		json = close + 1;
	}
	return true;
}

static bool
obs_bytes(const char *hex, size_t count, uint8_t *out)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t token = hops_token_read(hex + 2 * i, 2);

		if (token == 0)
			return false;
		out[i] = (uint8_t)token;
	}
	return true;
}

bool
hops_obs_head(struct hops_obs *o, const char *hex, size_t len)
{
	uint8_t head[6];
	bool codes;

	if (len < 4 || !obs_bytes(hex, 2, head))
		return false;
	codes = (head[0] & 3) == HOPS_ROUTE_TFLOOD || (head[0] & 3) == HOPS_ROUTE_TDIRECT;
	if (codes && (len < 12 || !obs_bytes(hex, 6, head)))
		return false;
	o->route = head[0] & 3;
	o->type = head[0] >> 2 & 15;
	o->size = (uint8_t)((head[codes ? 5 : 1] >> 6) + 1);
	/* A contact shared by hand: an advert without hops whose transport codes are all zero. */
	o->shared = o->type == HOPS_TYPE_ADVERT && o->route == HOPS_ROUTE_TDIRECT &&
		    o->count == 0 && (head[1] | head[2] | head[3] | head[4]) == 0;
	return true;
}

static bool
obs_read_path(struct hops_obs *o, const mk_val *path)
{
	o->count = 0;
	for (uint32_t i = 0; i < mk_count(path); i++) {
		const char *hex;
		size_t len;

		if (!mk_get_str(mk_at(path, i), &hex, &len) || !obs_add_hop(o, hex, len)) {
			o->count = 0;
			return false;
		}
	}
	return true;
}

static const char *
obs_text(const mk_val *v, uint32_t *len)
{
	const char *s;
	size_t n;

	if (!mk_get_str(v, &s, &n) || n == 0 || n > HOPS_ID_MAX)
		return NULL;
	*len = (uint32_t)n;
	return s;
}

bool
hops_obs_read(struct hops_obs *o, const mk_val *item)
{
	uint64_t at;
	uint32_t route, type, size = 0;
	const char *direction;
	size_t len;
	double snr;

	*o = (struct hops_obs){ 0 };
	if (!mk_get_u64(mk_find(item, "obs"), &o->id) || !mk_get_u64(mk_find(item, "tx"), &o->tx) ||
	    !mk_get_u64(mk_find(item, "at"), &at) || !mk_get_u32(mk_find(item, "route"), &route) ||
	    route > 3 || !mk_get_u32(mk_find(item, "type"), &type) || type > 15)
		return false;
	mk_get_u32(mk_find(item, "hash_size"), &size);
	o->at = (int64_t)(at / 1000000);
	o->route = (uint8_t)route;
	o->type = (uint8_t)type;
	o->size = size > 4 ? 0 : (uint8_t)size;
	mk_get_bool(mk_find(item, "shared"), &o->shared);
	if (mk_get_str(mk_find(item, "direction"), &direction, &len))
		hops_obs_direction(o, direction, len);
	o->has_snr = mk_get_f64(mk_find(item, "snr"), &snr);
	o->snr = o->has_snr ? (float)snr : 0;
	o->observer = obs_text(mk_find(item, "observer"), &o->observer_len);
	o->from = obs_text(mk_find(item, "from"), &o->from_len);
	return obs_read_path(o, mk_find(item, "path")) || o->type == HOPS_TYPE_TRACE;
}

void
hops_obs_read_packet(struct hops_obs *o, struct hops_packet *packet, const mk_val *item)
{
	struct {
		const char *name;
		const char **text;
		uint32_t *len;
	} const texts[] = {
		{ "hash", &packet->hash, &packet->hash_len },
		{ "json", &packet->json, &packet->json_len },
		{ "channel", &packet->channel, &packet->channel_len },
		{ "scope", &packet->scope, &packet->scope_len },
	};
	double rssi;
	size_t len;

	*packet = (struct hops_packet){ .first = o->at };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (mk_get_str(mk_find(item, texts[i].name), texts[i].text, &len) &&
		    len <= UINT32_MAX)
			*texts[i].len = (uint32_t)len;
	}
	if (mk_get_bin(mk_find(item, "raw"), &packet->raw, &len))
		packet->raw_len = (uint32_t)len;
	packet->scoped = packet->scope != NULL;
	mk_get_bool(mk_find(item, "new"), &packet->fresh);
	o->has_rssi = mk_get_f64(mk_find(item, "rssi"), &rssi);
	o->rssi = o->has_rssi ? (float)rssi : 0;
	o->packet = packet;
}
