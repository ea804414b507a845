/* SPDX-License-Identifier: MIT
 *
 * The outer form of a packet: header, transport codes, path, payload.
 */
#ifndef MC_FRAME_H
#define MC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MC_FRAME_MAX 255u   /* what a radio sends at once */
#define MC_PATH_MAX 64u     /* bytes */
#define MC_PAYLOAD_MAX 184u /* bytes */
#define MC_HOPS_MAX 63u
#define MC_TRACE_ROUTE 9u /* where the route begins in the payload of a trace */

enum mc_route {
	MC_TRANSPORT_FLOOD,
	MC_FLOOD,
	MC_DIRECT,
	MC_TRANSPORT_DIRECT,
};

enum mc_type {
	MC_REQ,
	MC_RESPONSE,
	MC_TXT_MSG,
	MC_ACK,
	MC_ADVERT,
	MC_GRP_TXT,
	MC_GRP_DATA,
	MC_ANON_REQ,
	MC_PATH,
	MC_TRACE,
	MC_MULTIPART,
	MC_CONTROL,
	MC_RAW_CUSTOM = 15,
};

/* Why bytes are no packet. The texts contain the words that clients of the decode interface look
 * for. */
#define MC_REJECT_MAP(X)                                                                 \
	X(MC_GOOD, "", "")                                                               \
	X(MC_BAD_HEX, "bad_hex", "invalid hex")                                          \
	X(MC_TOO_SHORT, "too_short", "packet too short, it needs two bytes at least")    \
	X(MC_TRANSPORT_SHORT, "transport_short", "packet too short for transport codes") \
	X(MC_NO_PATH_BYTE, "no_path_byte", "packet too short, no path length")           \
	X(MC_BAD_PATH_BYTE, "bad_path_byte", "invalid path length byte")                 \
	X(MC_PATH_OVERRUN, "path_overrun", "path length exceeds buffer")                 \
	X(MC_PAYLOAD_TOO_BIG, "payload_too_big", "payload is longer than 184 bytes")     \
	X(MC_VERSION, "version", "payload version is not 1: nobody knows its layout")

enum mc_reject {
#define MC_REJECT_ENUM(id, name, text) id,
	MC_REJECT_MAP(MC_REJECT_ENUM)
#undef MC_REJECT_ENUM
	    MC_REJECTS
};

/* A checked packet. The pointers are into the bytes it was parsed from. */
struct mc_frame {
	uint8_t route, type, version;
	bool has_codes;
	uint8_t codes[2][2]; /* transport codes in wire order */
	uint8_t path_byte;   /* as it stands in the packet */
	uint8_t hash_size;   /* bytes of a path element, 1 to 3 */
	uint8_t hops;        /* elements */
	uint8_t path_len;    /* bytes, hash_size * hops */
	uint8_t payload_len;
	const uint8_t *path;
	const uint8_t *payload;
};

/* MC_GOOD, or why not; the frame is untouched then. */
enum mc_reject mc_frame_parse(struct mc_frame *f, const uint8_t *data, size_t len);

const char *mc_reject_name(enum mc_reject reject); /* "path_overrun" */
const char *mc_reject_text(enum mc_reject reject); /* a phrase for people */
const char *mc_route_name(uint8_t route);          /* "TRANSPORT_FLOOD"; 0 to 3 */
const char *mc_type_name(uint8_t type);            /* "GRP_TXT", "UNKNOWN"; 0 to 15 */

/* By flooding (routes 0 and 1), with or without a region. */
bool mc_frame_is_flood(const struct mc_frame *f);
/* The advert of a third node that somebody passed on by hand. */
bool mc_frame_is_shared(const struct mc_frame *f);
/* Limited to a region: the first code is not zero. */
bool mc_frame_is_scoped(const struct mc_frame *f);

/* The path to show and to store: the forwarders, but of a trace the route that it is to take, not
 * what stands in the place of the path there. */
struct mc_hops {
	const uint8_t *at; /* count * size bytes, in the frame */
	uint8_t count;
	uint8_t size;      /* 0: the packet does not say */
	int16_t completed; /* traces with a route: hops that are done; else -1 */
};
struct mc_hops mc_frame_hops(const struct mc_frame *f);

#endif
