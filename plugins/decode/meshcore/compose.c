/* SPDX-License-Identifier: MIT
 *
 * Making packets: see compose.h.
 */
#include "compose.h"

#include <string.h>

#include "bytes.h"
#include "utf8.h"

#define TEXT_MAX 160u /* bytes of "sender: message" that firmware sends */
#define DATA_MAX 165u /* bytes of a GRP_DATA */

bool
mc_identity_init(struct mc_identity *id, const uint8_t seed[MC_KEY_SIZE])
{
	memcpy(id->seed, seed, MC_KEY_SIZE);
	return mc_ed25519_public(seed, id->key);
}

size_t
mc_compose_frame(const struct mc_parts *p, uint8_t out[MC_FRAME_MAX])
{
	size_t path = (size_t)p->hash_size * p->hops, at = 0;

	if (p->hash_size < 1 || p->hash_size > 3 || p->hops > MC_HOPS_MAX || path > MC_PATH_MAX ||
	    p->payload_len > MC_PAYLOAD_MAX || p->route > 3 || p->type > 15)
		return 0;
	out[at++] = (uint8_t)(p->type << 2 | p->route);
	if (p->route == MC_TRANSPORT_FLOOD || p->route == MC_TRANSPORT_DIRECT) {
		memset(out + at, 0, 4);
		if (p->codes != NULL)
			memcpy(out + at, p->codes, 4);
		at += 4;
	}
	out[at++] = (uint8_t)((p->hash_size - 1) << 6 | p->hops);
	if (path > 0)
		memcpy(out + at, p->path, path);
	at += path;
	if (p->payload_len > 0)
		memcpy(out + at, p->payload, p->payload_len);
	return at + p->payload_len;
}

/* What is signed besides key and time. */
static size_t
compose_advert_data(const struct mc_advert *a, uint8_t *data)
{
	size_t at = 1, name = strlen(a->name);

	data[0] = a->flags & 15;
	if (a->has_location) {
		data[0] |= MC_ADVERT_LOCATION;
		mc_put_u32(data + at, (uint32_t)a->lat_e6);
		mc_put_u32(data + at + 4, (uint32_t)a->lon_e6);
		at += 8;
	}
	if (a->has_feat1) {
		data[0] |= MC_ADVERT_FEAT1;
		mc_put_u16(data + at, a->feat1);
		at += 2;
	}
	if (a->has_feat2) {
		data[0] |= MC_ADVERT_FEAT2;
		mc_put_u16(data + at, a->feat2);
		at += 2;
	}
	if (name > 0) {
		data[0] |= MC_ADVERT_NAME;
		name = mc_utf8_cut((const uint8_t *)a->name, name, MC_ADVERT_DATA_MAX - at);
		memcpy(data + at, a->name, name);
		at += name;
	}
	return at;
}

size_t
mc_compose_advert(const struct mc_identity *id, const struct mc_advert *a,
		  uint8_t out[MC_PAYLOAD_MAX])
{
	uint8_t message[MC_KEY_SIZE + 4 + MC_ADVERT_DATA_MAX];
	size_t head = MC_KEY_SIZE + 4, len = compose_advert_data(a, message + head);

	memcpy(message, id->key, MC_KEY_SIZE);
	mc_put_u32(message + MC_KEY_SIZE, a->time);
	if (!mc_ed25519_sign(id->seed, message, head + len, out + head))
		return 0;
	memcpy(out, message, head);
	memcpy(out + MC_ADVERT_MIN, message + head, len);
	return MC_ADVERT_MIN + len;
}

/* MAC and ciphertext of a text that is filled up with zeros. 0: it is too long. */
static size_t
compose_sealed(const struct mc_key *key, const void *plain, size_t len, uint8_t *out, size_t cap)
{
	uint8_t padded[MC_PAYLOAD_MAX + MC_AES_SIZE] = { 0 };
	size_t whole = (len + MC_AES_SIZE - 1) / MC_AES_SIZE * MC_AES_SIZE;

	if (len == 0 || len > MC_PAYLOAD_MAX || MC_MAC_SIZE + whole > cap)
		return 0;
	memcpy(padded, plain, len);
	if (!mc_aes_encrypt(key->secret, padded, whole, out + MC_MAC_SIZE))
		return 0;
	mc_group_mac(key, out + MC_MAC_SIZE, whole, out);
	return MC_MAC_SIZE + whole;
}

static size_t
compose_group(const struct mc_key *key, const void *plain, size_t len, uint8_t out[MC_PAYLOAD_MAX])
{
	size_t sealed = compose_sealed(key, plain, len, out + 1, MC_PAYLOAD_MAX - 1);

	out[0] = key->hash;
	return sealed == 0 ? 0 : 1 + sealed;
}

size_t
mc_compose_group_text(const struct mc_key *key, uint32_t time, const char *sender,
		      const char *message, uint8_t out[MC_PAYLOAD_MAX])
{
	size_t name = strlen(sender), len = strlen(message);
	uint8_t plain[5 + TEXT_MAX];

	if (name + 2 > TEXT_MAX)
		return 0;
	len = mc_utf8_cut((const uint8_t *)message, len, TEXT_MAX - name - 2);
	mc_put_u32(plain, time);
	plain[4] = 0;
	memcpy(plain + 5, sender, name);
	memcpy(plain + 5 + name, ": ", 2);
	memcpy(plain + 7 + name, message, len);
	return compose_group(key, plain, 7 + name + len, out);
}

size_t
mc_compose_group_data(const struct mc_key *key, uint16_t data_type, const void *data, size_t len,
		      uint8_t out[MC_PAYLOAD_MAX])
{
	uint8_t plain[3 + DATA_MAX];

	if (len > DATA_MAX)
		return 0;
	mc_put_u16(plain, data_type);
	plain[2] = (uint8_t)len;
	if (len > 0)
		memcpy(plain + 3, data, len);
	return compose_group(key, plain, 3 + len, out);
}

size_t
mc_compose_peer(const struct mc_key *shared, uint8_t dest, uint8_t src, const void *plain,
		size_t len, uint8_t out[MC_PAYLOAD_MAX])
{
	size_t sealed = compose_sealed(shared, plain, len, out + 2, MC_PAYLOAD_MAX - 2);

	out[0] = dest;
	out[1] = src;
	return sealed == 0 ? 0 : 2 + sealed;
}

size_t
mc_compose_anon_req(const struct mc_key *shared, uint8_t dest, const uint8_t key[MC_KEY_SIZE],
		    const void *plain, size_t len, uint8_t out[MC_PAYLOAD_MAX])
{
	size_t head = 1 + MC_KEY_SIZE;
	size_t sealed = compose_sealed(shared, plain, len, out + head, MC_PAYLOAD_MAX - head);

	out[0] = dest;
	memcpy(out + 1, key, MC_KEY_SIZE);
	return sealed == 0 ? 0 : head + sealed;
}

void
mc_ack_code(uint32_t time, uint8_t flags, const char *text, size_t len,
	    const uint8_t sender[MC_KEY_SIZE], uint8_t code[4])
{
	uint8_t head[5], digest[MC_SHA256_SIZE];
	struct mc_sha s;

	mc_put_u32(head, time);
	head[4] = flags;
	mc_sha_init(&s);
	mc_sha_add(&s, head, sizeof(head));
	mc_sha_add(&s, text, len);
	mc_sha_add(&s, sender, MC_KEY_SIZE);
	mc_sha_end(&s, digest);
	memcpy(code, digest, 4);
}

static size_t
compose_ack(const uint8_t code[4], const uint8_t extra[2], uint8_t *out)
{
	memcpy(out, code, 4);
	if (extra == NULL)
		return 4;
	memcpy(out + 4, extra, 2);
	return 6;
}

size_t
mc_compose_ack(const uint8_t code[4], const uint8_t extra[2], uint8_t out[MC_PAYLOAD_MAX])
{
	return compose_ack(code, extra, out);
}

size_t
mc_compose_multipart_ack(uint8_t remaining, const uint8_t code[4], const uint8_t extra[2],
			 uint8_t out[MC_PAYLOAD_MAX])
{
	if (remaining > 15)
		return 0;
	out[0] = (uint8_t)(remaining << 4 | MC_ACK);
	return 1 + compose_ack(code, extra, out + 1);
}

size_t
mc_compose_trace(uint32_t tag, uint32_t auth, uint8_t hop_size, const uint8_t *route,
		 size_t route_len, uint8_t out[MC_PAYLOAD_MAX])
{
	uint8_t flags = 0;

	while (flags < 3 && 1 << flags != hop_size)
		flags++;
	if (1 << flags != hop_size || route_len > MC_PAYLOAD_MAX - MC_TRACE_ROUTE ||
	    route_len % hop_size != 0)
		return 0;
	mc_put_u32(out, tag);
	mc_put_u32(out + 4, auth);
	out[8] = flags;
	if (route_len > 0)
		memcpy(out + MC_TRACE_ROUTE, route, route_len);
	return MC_TRACE_ROUTE + route_len;
}

size_t
mc_compose_discover_req(uint8_t filter, uint32_t tag, uint8_t out[MC_PAYLOAD_MAX])
{
	out[0] = 0x80;
	out[1] = filter;
	mc_put_u32(out + 2, tag);
	return 6;
}

size_t
mc_compose_discover_resp(uint8_t node_type, int8_t snr, uint32_t tag, const uint8_t *key,
			 size_t key_len, uint8_t out[MC_PAYLOAD_MAX])
{
	if (node_type > 15 || (key_len != 8 && key_len != MC_KEY_SIZE))
		return 0;
	out[0] = (uint8_t)(0x90 | node_type);
	out[1] = (uint8_t)snr;
	mc_put_u32(out + 2, tag);
	memcpy(out + 6, key, key_len);
	return 6 + key_len;
}
