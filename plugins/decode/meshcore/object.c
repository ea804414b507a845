/* SPDX-License-Identifier: MIT
 *
 * From a packet to its object: see object.h. One function for each type of payload; the order of
 * the keys is that of the stored objects, so that equal packets have equal texts.
 */
#include "object.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bytes.h"
#include "group.h"
#include "hex.h"
#include "json.h"

#define ACK_MAX 6u /* bytes of an acknowledgement that mean something */

struct work {
	struct mc_object *o;
	struct mc_json j;
	const struct mc_frame *f;
	const struct mc_decoder *how;
	const uint8_t *p; /* payload */
	size_t len;
};

static void
put_text(struct work *w, const char *key, const char *s)
{
	mc_json_str(&w->j, key, s, strlen(s));
}

/* The rest of the payload as hex digits, unless it is empty. */
static void
put_rest(struct work *w, const char *key, size_t from)
{
	if (from < w->len)
		mc_json_hex(&w->j, key, w->p + from, w->len - from);
}

/* Always true, for callers that end with it. */
static bool
put_error(struct work *w, const char *text)
{
	put_text(w, "type", mc_type_name(w->f->type));
	put_rest(w, "raw", 0);
	put_text(w, "error", text);
	w->o->failed = true;
	return true;
}

/* Is the payload long enough? If not, the object that says so is written. */
static bool
is_short(struct work *w, size_t least)
{
	return w->len < least && put_error(w, "too short");
}

/* REQ, RESPONSE, TXT_MSG, PATH: only the two who share the secret can read more. */
static bool
write_peer(struct work *w)
{
	if (is_short(w, 4))
		return true;
	put_text(w, "type", mc_type_name(w->f->type));
	mc_json_hex(&w->j, "destHash", w->p, 1);
	mc_json_hex(&w->j, "srcHash", w->p + 1, 1);
	mc_json_hex(&w->j, "mac", w->p + 2, MC_MAC_SIZE);
	put_rest(w, w->f->type == MC_PATH ? "pathData" : "encryptedData", 4);
	return true;
}

/* Shown as the number that it is in firmware. */
static void
put_ack_code(struct work *w, const char *key, const uint8_t *p)
{
	const uint8_t reversed[] = { p[3], p[2], p[1], p[0] };

	mc_json_hex(&w->j, key, reversed, sizeof(reversed));
}

static bool
write_ack(struct work *w)
{
	if (is_short(w, 4))
		return true;
	put_text(w, "type", "ACK");
	put_ack_code(w, "extraHash", w->p);
	mc_json_int(&w->j, "ackLen", w->len < ACK_MAX ? (int64_t)w->len : (int64_t)ACK_MAX);
	if (w->len > 4)
		mc_json_int(&w->j, "ackAttempt", w->p[4]);
	if (w->len > 5)
		mc_json_int(&w->j, "ackRand", w->p[5]);
	return true;
}

static void
put_advert_time(struct work *w, uint32_t seconds)
{
	char text[40];
	time_t t = (time_t)seconds;
	struct tm tm;

	/* With 32 bits neither can fail. */
	if (gmtime_r(&t, &tm) != NULL &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &tm) > 0)
		put_text(w, "timestampISO", text);
}

static void
put_advert_flags(struct work *w, uint8_t flags)
{
	uint8_t type = flags & 15;

	mc_json_open(&w->j, "flags", '{');
	mc_json_int(&w->j, "raw", flags);
	mc_json_int(&w->j, "type", type);
	mc_json_bool(&w->j, "chat", type == MC_NODE_COMPANION);
	mc_json_bool(&w->j, "repeater", type == MC_NODE_REPEATER);
	mc_json_bool(&w->j, "room", type == MC_NODE_ROOM);
	mc_json_bool(&w->j, "sensor", type == MC_NODE_SENSOR);
	mc_json_bool(&w->j, "hasLocation", (flags & MC_ADVERT_LOCATION) != 0);
	mc_json_bool(&w->j, "hasFeat1", (flags & MC_ADVERT_FEAT1) != 0);
	mc_json_bool(&w->j, "hasFeat2", (flags & MC_ADVERT_FEAT2) != 0);
	mc_json_bool(&w->j, "hasName", (flags & MC_ADVERT_NAME) != 0);
	mc_json_close(&w->j, '}');
}

static void
put_advert_data(struct work *w, const struct mc_advert *a)
{
	if (a->has_flags)
		put_advert_flags(w, a->flags);
	if (a->has_location) {
		mc_json_fixed(&w->j, "lat", a->lat_e6, 6);
		mc_json_fixed(&w->j, "lon", a->lon_e6, 6);
	}
	if (a->name[0] != '\0')
		put_text(w, "name", a->name);
	if (a->has_feat1)
		mc_json_int(&w->j, "feat1", a->feat1);
	if (a->has_feat2)
		mc_json_int(&w->j, "feat2", a->feat2);
	if (a->has_battery)
		mc_json_int(&w->j, "battery_mv", a->battery_mv);
	if (a->has_temperature)
		mc_json_fixed(&w->j, "temperature_c", a->temperature_centi, 2);
}

static bool
write_advert(struct work *w)
{
	struct mc_advert *a = &w->o->advert;
	enum mc_check check = MC_RIGHT;

	if (!mc_advert_parse(a, w->p, w->len))
		return put_error(w, "too short for advert");
	if (w->how->verify)
		check = mc_advert_verify(a);
	if (check == MC_NO_MEMORY)
		return false;
	w->o->has_advert = true;
	w->o->signature_valid = check == MC_RIGHT;
	put_text(w, "type", "ADVERT");
	mc_json_hex(&w->j, "pubKey", a->key, MC_KEY_SIZE);
	if (a->time != 0)
		mc_json_int(&w->j, "timestamp", a->time);
	put_advert_time(w, a->time);
	mc_json_hex(&w->j, "signature", a->signature, MC_SIGNATURE_SIZE);
	if (w->how->verify)
		mc_json_bool(&w->j, "signatureValid", w->o->signature_valid);
	put_advert_data(w, a);
	return true;
}

static void
put_channel_hash(struct work *w, const char *status)
{
	mc_json_int(&w->j, "channelHash", w->p[0]);
	mc_json_hex_upper(&w->j, "channelHashHex", w->p, 1);
	put_text(w, "decryptionStatus", status);
}

static void
put_group_text(struct work *w, const struct mc_group *g)
{
	struct mc_text parts;
	uint32_t time = mc_get_u32(g->plain);
	size_t len;
	const char *text = mc_group_text(g, &len);

	mc_text_split(text, len, &parts);
	if (parts.sender_len > 0 && parts.message_len == 0)
		len = 0; /* a name and nothing said */
	if (len > 0)
		mc_json_str(&w->j, "text", text, len);
	if (parts.sender_len > 0)
		mc_json_str(&w->j, "sender", parts.sender, parts.sender_len);
	if (time != 0)
		mc_json_int(&w->j, "sender_timestamp", time);
}

static void
put_group_data(struct work *w, const struct mc_group *g)
{
	size_t len = g->plain[2];

	mc_json_int(&w->j, "dataType", mc_get_u16(g->plain));
	mc_json_int(&w->j, "dataLen", (int64_t)len);
	if (len > g->len - 3)
		put_text(w, "error", "inner data_len exceeds buffer");
	else if (len > 0)
		mc_json_hex(&w->j, "decryptedBlob", g->plain + 3, len);
}

static void
write_group_closed(struct work *w, bool tried)
{
	put_text(w, "type", mc_type_name(w->f->type));
	mc_json_hex(&w->j, "mac", w->p + 1, MC_MAC_SIZE);
	put_rest(w, "encryptedData", 3);
	put_channel_hash(w, tried ? "decryption_failed" : "no_key");
	if (w->f->type == MC_GRP_TXT) {
		memcpy(w->o->channel, "enc_", 4);
		mc_hex_upper(w->p, 1, w->o->channel + 4);
	}
}

static bool
write_group(struct work *w)
{
	bool is_text = w->f->type == MC_GRP_TXT, tried;
	enum mc_check check = MC_WRONG;
	struct mc_group g;

	if (is_short(w, 3))
		return true;
	tried = w->how->keys != NULL && w->how->keys->count > 0 && w->len >= 3 + 5;
	if (tried)
		check = mc_group_decrypt(&g, w->f->type, w->p, w->len, w->how->keys);
	if (check == MC_NO_MEMORY)
		return false;
	if (check == MC_WRONG) {
		write_group_closed(w, tried);
		return true;
	}
	w->o->decrypted = true;
	put_text(w, "type", is_text ? "CHAN" : "GRP_DATA");
	put_channel_hash(w, "decrypted");
	put_text(w, "channel", g.key->name);
	if (is_text) {
		memcpy(w->o->channel, g.key->name, sizeof(g.key->name));
		put_group_text(w, &g);
	} else {
		put_group_data(w, &g);
	}
	return true;
}

static bool
write_anon_req(struct work *w)
{
	if (is_short(w, 35))
		return true;
	w->o->sender = w->p + 1;
	put_text(w, "type", "ANON_REQ");
	mc_json_hex(&w->j, "destHash", w->p, 1);
	mc_json_hex(&w->j, "mac", w->p + 33, MC_MAC_SIZE);
	put_rest(w, "encryptedData", 35);
	mc_json_hex(&w->j, "ephemeralPubKey", w->p + 1, MC_KEY_SIZE);
	return true;
}

/* Where other packets have their path, a trace has a byte for each hop that is done: how well it
 * heard the one before, in quarters of a dB. */
static void
put_trace_snr(struct work *w)
{
	if (w->f->hops == 0 || w->f->hash_size != 1)
		return;
	mc_json_open(&w->j, "snrValues", '[');
	for (size_t i = 0; i < w->f->hops; i++)
		mc_json_fixed(&w->j, NULL, (int8_t)w->f->path[i] * 25, 2);
	mc_json_close(&w->j, ']');
}

static bool
write_trace(struct work *w)
{
	if (is_short(w, MC_TRACE_ROUTE)) {
		w->o->anomaly = "trace_payload_error";
		return true;
	}
	put_text(w, "type", "TRACE");
	put_rest(w, "pathData", MC_TRACE_ROUTE);
	if (w->len > MC_TRACE_ROUTE) {
		put_trace_snr(w);
		if (mc_frame_is_flood(w->f))
			w->o->anomaly = "trace_not_direct";
	}
	if (mc_get_u32(w->p) != 0)
		mc_json_int(&w->j, "tag", mc_get_u32(w->p));
	if (mc_get_u32(w->p + 4) != 0)
		mc_json_int(&w->j, "authCode", mc_get_u32(w->p + 4));
	mc_json_int(&w->j, "traceFlags", w->p[8]);
	return true;
}

static bool
write_multipart(struct work *w)
{
	size_t inner;

	if (is_short(w, 1))
		return true;
	inner = w->len - 1;
	put_text(w, "type", "MULTIPART");
	mc_json_int(&w->j, "remaining", w->p[0] >> 4);
	mc_json_int(&w->j, "innerType", w->p[0] & 15);
	put_text(w, "innerTypeName", mc_type_name(w->p[0] & 15));
	if ((w->p[0] & 15) != MC_ACK || inner < 4) {
		put_rest(w, "innerPayload", 1);
		return true;
	}
	put_ack_code(w, "innerAckCrc", w->p + 1);
	mc_json_int(&w->j, "innerAckLen", inner < ACK_MAX ? (int64_t)inner : (int64_t)ACK_MAX);
	if (inner > 4)
		mc_json_int(&w->j, "innerAckAttempt", w->p[5]);
	if (inner > 5)
		mc_json_int(&w->j, "innerAckRand", w->p[6]);
	return true;
}

static void
put_discover_req(struct work *w)
{
	put_text(w, "ctrlSubtype", "DISCOVER_REQ");
	if (w->len >= 6) {
		mc_json_int(&w->j, "ctrlFilter", w->p[1]);
		mc_json_int(&w->j, "ctrlTag", mc_get_u32(w->p + 2));
	}
	if (w->len >= 10)
		mc_json_int(&w->j, "ctrlSince", mc_get_u32(w->p + 6));
}

static void
put_discover_resp(struct work *w)
{
	size_t key = w->len > 6 ? w->len - 6 : 0;

	put_text(w, "ctrlSubtype", "DISCOVER_RESP");
	if (w->len >= 6)
		mc_json_int(&w->j, "ctrlTag", mc_get_u32(w->p + 2));
	mc_json_int(&w->j, "ctrlNodeType", w->p[0] & 15);
	if (w->len >= 6)
		mc_json_int(&w->j, "ctrlSNR", (int8_t)w->p[1]);
	if (key >= MC_KEY_SIZE)
		w->o->sender = w->p + 6;
	if (key >= 8)
		mc_json_hex(&w->j, "ctrlPubKey", w->p + 6, key >= MC_KEY_SIZE ? MC_KEY_SIZE : 8);
}

static bool
write_control(struct work *w)
{
	if (is_short(w, 1))
		return true;
	put_text(w, "type", "CONTROL");
	put_rest(w, "raw", 0);
	mc_json_hex(&w->j, "ctrlFlags", w->p, 1);
	mc_json_bool(&w->j, "ctrlZeroHop", (w->p[0] & 0x80) != 0);
	mc_json_int(&w->j, "ctrlLength", (int64_t)w->len);
	if ((w->p[0] & 0xF0) == 0x80)
		put_discover_req(w);
	else if ((w->p[0] & 0xF0) == 0x90)
		put_discover_resp(w);
	else
		put_text(w, "ctrlSubtype", "UNKNOWN");
	return true;
}

static bool
write_raw(struct work *w)
{
	put_text(w, "type", mc_type_name(w->f->type));
	put_rest(w, "raw", 0);
	if (w->f->type != MC_RAW_CUSTOM)
		return true; /* a type that nobody has defined */
	mc_json_int(&w->j, "rawLength", (int64_t)w->len);
	if (w->len > 0)
		mc_json_hex_upper(&w->j, "firstByteTag", w->p, 1);
	return true;
}

bool
mc_object_decode(struct mc_object *o, const struct mc_frame *f, const struct mc_decoder *how)
{
	static bool (*const writers[16])(struct work *) = {
		write_peer,   write_peer,  write_peer,      write_ack,
		write_advert, write_group, write_group,     write_anon_req,
		write_peer,   write_trace, write_multipart, write_control,
		write_raw,    write_raw,   write_raw,       write_raw,
	};
	struct work w = { .o = o, .f = f, .how = how, .p = f->payload, .len = f->payload_len };

	o->failed = o->has_advert = o->decrypted = false;
	o->signature_valid = true;
	o->sender = NULL;
	o->anomaly = NULL;
	o->channel[0] = '\0';
	mc_json_init(&w.j, o->json, sizeof(o->json));
	mc_json_open(&w.j, NULL, '{');
	if (!writers[f->type & 15](&w))
		return false;
	mc_json_close(&w.j, '}');
	o->json_len = w.j.len;
	return true;
}

const char *
mc_object_refusal(const struct mc_object *o)
{
	const char *fault;

	if (!o->has_advert)
		return NULL;
	fault = mc_advert_fault(&o->advert);
	if (fault == NULL && !o->signature_valid)
		fault = "invalid signature";
	return fault;
}
