/* SPDX-License-Identifier: MIT
 *
 * The method decode/packet: see call.h. [plugin]
 */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "meshcore/hash.h"
#include "meshcore/hex.h"
#include "meshcore/object.h"

#include "items.h"

#define CALL_KEYS_MAX 256u

static mk_result
call_frame(const mk_val *raw, uint8_t *buf, size_t cap, struct mc_frame *f, mk_err *err)
{
	const uint8_t *data = NULL;
	const char *hex = NULL;
	size_t len = 0, digits = 0;
	enum mc_reject reject = MC_GOOD;

	if (mk_get_str(raw, &hex, &digits)) {
		if (!mc_hex_decode(hex, digits, buf, cap, &len))
			reject = MC_BAD_HEX;
		data = buf;
	} else if (!mk_get_bin(raw, &data, &len)) {
		return mk_err_set(err, MK_EINVAL, "raw: expected the packet, binary or as hex");
	}
	if (reject == MC_GOOD)
		reject = mc_frame_parse(f, data, len);
	if (reject != MC_GOOD)
		return mk_err_set(err, MK_EFORMAT, "%s", mc_reject_text(reject));
	return MK_OK;
}

static mk_result
call_keys(const mk_val *map, struct mc_keys *ring, mk_err *err)
{
	char name[MC_CHANNEL_NAME_MAX + 1], hex[65];

	if (!mk_is_map(map) || mk_count(map) > CALL_KEYS_MAX)
		return mk_err_set(err, MK_EINVAL, "keys: expected a map of at most %u keys",
				  CALL_KEYS_MAX);
	for (uint32_t i = 0; i < mk_count(map); i++) {
		if (!mk_copy_str(mk_key_at(map, i), name, sizeof(name)) ||
		    !mk_copy_str(mk_val_at(map, i), hex, sizeof(hex)))
			return mk_err_set(err, MK_EINVAL, "keys: expected names and hex digits");
		switch (mc_keys_set(ring, name, hex)) {
		case MC_KEY_SET:
		case MC_KEY_KEPT:
			break;
		case MC_KEY_FULL:
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		default:
			return mk_err_set(err, MK_EINVAL, "keys: %s: not 32 or 64 hex digits",
					  name);
		}
	}
	return MK_OK;
}

static void
put_header(mk_writer *w, const struct mc_frame *f)
{
	mk_kv_map(w, "header", 5);
	mk_kv_u64(w, "routeType", f->route);
	mk_kv_str(w, "routeTypeName", mc_route_name(f->route));
	mk_kv_u64(w, "payloadType", f->type);
	mk_kv_str(w, "payloadTypeName", mc_type_name(f->type));
	mk_kv_u64(w, "payloadVersion", f->version);
}

static void
put_codes(mk_writer *w, const struct mc_frame *f)
{
	char code[5];

	if (!f->has_codes) {
		mk_kv_nil(w, "transportCodes");
		return;
	}
	mk_kv_map(w, "transportCodes", 2);
	mk_kv_str(w, "code1", mc_hex_upper(f->codes[0], 2, code));
	mk_kv_str(w, "code2", mc_hex_upper(f->codes[1], 2, code));
}

static void
put_path(mk_writer *w, const struct mc_frame *f)
{
	struct mc_hops hops = mc_frame_hops(f);

	mk_kv_map(w, "path", 3u + (hops.completed >= 0));
	mk_kv_u64(w, "hashSize", hops.size);
	mk_kv_u64(w, "hashCount", hops.count);
	mk_put_str(w, "hops");
	items_put_path(w, &hops);
	if (hops.completed >= 0)
		mk_kv_i64(w, "hopsCompleted", hops.completed);
}

static void
put_result(mk_writer *w, const struct mc_frame *f, const struct mc_object *o)
{
	char text[2 * MC_FRAME_MAX + 1], hash_text[MC_HASH_TEXT];
	uint8_t hash[MC_HASH_SIZE];
	/* The path byte and all before it; the path and the payload follow each other. */
	size_t head = f->has_codes ? 6 : 2;

	mc_hash(f, hash);
	mk_put_map(w, 6u + (o->anomaly != NULL));
	put_header(w, f);
	put_codes(w, f);
	put_path(w, f);
	mk_put_str(w, "json");
	mk_put_strn(w, o->json, o->json_len);
	mk_kv_str(w, "raw",
		  mc_hex_upper(f->path - head, head + f->path_len + f->payload_len, text));
	mk_kv_str(w, "hash", mc_hex_lower(hash, sizeof(hash), hash_text));
	if (o->anomaly != NULL)
		mk_kv_str(w, "anomaly", o->anomaly);
}

mk_result
call_packet(const struct config *config, const mk_val *body, mk_writer *w, mk_err *err)
{
	const mk_val *keys = mk_find(body, "keys");
	struct mc_decoder how = { &config->keys, true };
	uint8_t buf[2 * MC_FRAME_MAX]; /* too long is told apart from no hex */
	struct mc_frame frame;
	struct mc_keys ring;
	struct mc_object *o;
	mk_result r;

	mc_keys_init(&ring);
	r = call_frame(mk_find(body, "raw"), buf, sizeof(buf), &frame, err);
	if (r == MK_OK && keys != NULL && !mk_is_nil(keys)) {
		r = call_keys(keys, &ring, err);
		how.keys = &ring;
	}
	o = r == MK_OK ? malloc(sizeof(*o)) : NULL;
	if (r == MK_OK && (o == NULL || !mc_object_decode(o, &frame, &how)))
		r = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (r == MK_OK) {
		put_result(w, &frame, o);
		r = mk_writer_end(w);
		if (r != MK_OK)
			(void)mk_err_set(err, r, "the result cannot be written");
	}
	free(o);
	mc_keys_fini(&ring);
	return r;
}
