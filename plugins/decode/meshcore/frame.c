/* SPDX-License-Identifier: MIT
 *
 * The outer form of a packet: see frame.h.
 */
#include "frame.h"

static const struct {
	const char *name, *text;
} rejects[MC_REJECTS] = {
#define MC_REJECT_ROW(id, name, text) { name, text },
	MC_REJECT_MAP(MC_REJECT_ROW)
#undef MC_REJECT_ROW
};

const char *
mc_reject_name(enum mc_reject reject)
{
	return rejects[reject].name;
}

const char *
mc_reject_text(enum mc_reject reject)
{
	return rejects[reject].text;
}

const char *
mc_route_name(uint8_t route)
{
	static const char *const names[] = { "TRANSPORT_FLOOD", "FLOOD", "DIRECT",
					     "TRANSPORT_DIRECT" };

	return names[route & 3];
}

const char *
mc_type_name(uint8_t type)
{
	static const char *const names[] = {
		"REQ",      "RESPONSE", "TXT_MSG", "ACK",   "ADVERT",    "GRP_TXT",
		"GRP_DATA", "ANON_REQ", "PATH",    "TRACE", "MULTIPART", "CONTROL",
	};

	if (type == MC_RAW_CUSTOM)
		return "RAW_CUSTOM";
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "UNKNOWN";
}

enum mc_reject
mc_frame_parse(struct mc_frame *f, const uint8_t *data, size_t len)
{
	struct mc_frame p = { 0 };
	size_t at = 1;

	if (len < 2)
		return MC_TOO_SHORT;
	p.route = data[0] & 3;
	p.type = data[0] >> 2 & 15;
	p.version = data[0] >> 6;
	p.has_codes = p.route == MC_TRANSPORT_FLOOD || p.route == MC_TRANSPORT_DIRECT;
	if (p.has_codes) {
		if (len < 5)
			return MC_TRANSPORT_SHORT;
		for (size_t i = 0; i < 4; i++)
			p.codes[i / 2][i % 2] = data[at++];
		if (len < 6)
			return MC_NO_PATH_BYTE;
	}
	p.path_byte = data[at++];
	p.hash_size = (uint8_t)((p.path_byte >> 6) + 1);
	p.hops = p.path_byte & 63;
	if (p.hash_size == 4 || p.hash_size * p.hops > (int)MC_PATH_MAX)
		return MC_BAD_PATH_BYTE;
	p.path_len = (uint8_t)(p.hash_size * p.hops);
	if (p.path_len > len - at)
		return MC_PATH_OVERRUN;
	p.path = data + at;
	p.payload = p.path + p.path_len;
	if (len - at - p.path_len > MC_PAYLOAD_MAX)
		return MC_PAYLOAD_TOO_BIG;
	p.payload_len = (uint8_t)(len - at - p.path_len);
	if (p.version != 0)
		return MC_VERSION;
	*f = p;
	return MC_GOOD;
}

bool
mc_frame_is_flood(const struct mc_frame *f)
{
	return f->route == MC_TRANSPORT_FLOOD || f->route == MC_FLOOD;
}

bool
mc_frame_is_scoped(const struct mc_frame *f)
{
	return f->has_codes && (f->codes[0][0] | f->codes[0][1]) != 0;
}

bool
mc_frame_is_shared(const struct mc_frame *f)
{
	return f->type == MC_ADVERT && f->route == MC_TRANSPORT_DIRECT && f->hops == 0 &&
	       (f->codes[0][0] | f->codes[0][1] | f->codes[1][0] | f->codes[1][1]) == 0;
}

static struct mc_hops
frame_trace_hops(const struct mc_frame *f)
{
	struct mc_hops h = { .at = f->payload, .completed = -1 };
	size_t route;

	if (f->payload_len < MC_TRACE_ROUTE)
		return h;
	route = f->payload_len - MC_TRACE_ROUTE;
	h.at = f->payload + MC_TRACE_ROUTE;
	h.size = (uint8_t)(1 << (f->payload[MC_TRACE_ROUTE - 1] & 3));
	h.count = (uint8_t)(route / h.size);
	if (route > 0)
		h.completed = f->hops;
	return h;
}

struct mc_hops
mc_frame_hops(const struct mc_frame *f)
{
	struct mc_hops h = { f->path, f->hops, f->hash_size, -1 };

	if (f->type == MC_TRACE)
		return frame_trace_hops(f);
	/* Firmware sends a zero there, whatever the size it uses. */
	if (!mc_frame_is_flood(f) && f->hops == 0)
		h.size = 0;
	return h;
}
