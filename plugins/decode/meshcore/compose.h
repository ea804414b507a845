/* SPDX-License-Identifier: MIT
 *
 * Making packets, for simulations and tests: the counterpart of the decoder.
 *
 * Every function writes a payload (or a whole frame) and returns its length; 0 if the parts do not
 * fit or memory is out.
 */
#ifndef MC_COMPOSE_H
#define MC_COMPOSE_H

#include "advert.h"
#include "frame.h"
#include "group.h"

struct mc_identity {
	uint8_t seed[MC_KEY_SIZE];
	uint8_t key[MC_KEY_SIZE]; /* public */
};

bool mc_identity_init(struct mc_identity *id, const uint8_t seed[MC_KEY_SIZE]);

/* `codes`: 4 bytes of transport codes in wire order, for routes that have them, else NULL (zeros
 * there). `path`: hops * hash_size bytes. */
struct mc_parts {
	uint8_t route, type, hash_size, hops;
	const uint8_t *codes;
	const uint8_t *path;
	const uint8_t *payload;
	size_t payload_len;
};
size_t mc_compose_frame(const struct mc_parts *p, uint8_t out[MC_FRAME_MAX]);

/* Signed by `id`. Of `a` count flags (the type; the bits for location, features and name come from
 * what is set), has_location, lat_e6, lon_e6, has_feat1, feat1, has_feat2, feat2, name, time. A
 * name that does not fit is cut at a character. */
size_t mc_compose_advert(const struct mc_identity *id, const struct mc_advert *a,
			 uint8_t out[MC_PAYLOAD_MAX]);

/* Text of a channel, "sender: message"; the message is cut at a character to what a packet holds. */
size_t mc_compose_group_text(const struct mc_key *key, uint32_t time, const char *sender,
			     const char *message, uint8_t out[MC_PAYLOAD_MAX]);
size_t mc_compose_group_data(const struct mc_key *key, uint16_t data_type, const void *data,
			     size_t len, uint8_t out[MC_PAYLOAD_MAX]);

/* REQ, RESPONSE, TXT_MSG, PATH: one byte of either key, then `plain` encrypted with the secret that
 * the two share. */
size_t mc_compose_peer(const struct mc_key *shared, uint8_t dest, uint8_t src, const void *plain,
		       size_t len, uint8_t out[MC_PAYLOAD_MAX]);
size_t mc_compose_anon_req(const struct mc_key *shared, uint8_t dest,
			   const uint8_t key[MC_KEY_SIZE], const void *plain, size_t len,
			   uint8_t out[MC_PAYLOAD_MAX]);

/* The code of a text: what its receiver sends back. */
void mc_ack_code(uint32_t time, uint8_t flags, const char *text, size_t len,
		 const uint8_t sender[MC_KEY_SIZE], uint8_t code[4]);
/* `extra`: attempt and a random byte, or NULL. */
size_t mc_compose_ack(const uint8_t code[4], const uint8_t extra[2], uint8_t out[MC_PAYLOAD_MAX]);
size_t mc_compose_multipart_ack(uint8_t remaining, const uint8_t code[4], const uint8_t extra[2],
				uint8_t out[MC_PAYLOAD_MAX]);

/* `hop_size` is 1, 2, 4 or 8. The SNR of the hops that are done stands in the path of the frame. */
size_t mc_compose_trace(uint32_t tag, uint32_t auth, uint8_t hop_size, const uint8_t *route,
			size_t route_len, uint8_t out[MC_PAYLOAD_MAX]);

size_t mc_compose_discover_req(uint8_t filter, uint32_t tag, uint8_t out[MC_PAYLOAD_MAX]);
/* snr in quarters of a dB; key_len 32 or 8. */
size_t mc_compose_discover_resp(uint8_t node_type, int8_t snr, uint32_t tag, const uint8_t *key,
				size_t key_len, uint8_t out[MC_PAYLOAD_MAX]);

#endif
