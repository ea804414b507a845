/* SPDX-License-Identifier: MIT
 *
 * A packet as bytes, so that a million and a half of observations fit into memory.
 *
 *   flags, raw bytes, then what the flags name: first_seen, hash, channel, scope, object
 *   for each observation: flags, id, time, observer, signal, path
 *
 * A hop that begins like the key of the node it is resolved to is only the number of that node. The
 * object is mostly what decoding the bytes again makes, so it is not kept then.
 */
#define _GNU_SOURCE
#include "impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <meshcore/object.h>

#include "when.h"

#define TX_ODD_TIME 1u /* first_seen as text */
#define TX_ODD_HASH 2u
#define TX_CHANNEL 4u
#define TX_SCOPE 8u
#define TX_LOWER 16u /* raw_hex was in lower case */
#define TX_JSON 5u   /* the bits of enum object from here on */

enum object {
	OBJECT_NULL,
	OBJECT_TEXT,     /* as it is */
	OBJECT_AGAIN,    /* what decoding makes */
	OBJECT_FAILED,   /* the same, but decryption was tried */
	OBJECT_VERIFIED, /* the same, and the signature is good */
};

#define OBS_DIRECTION 3u
#define OBS_PATH 4u
#define OBS_RESOLVED 8u
#define OBS_SNR 4u  /* two bits from here: none, quarters of a dB in a byte, a double */
#define OBS_RSSI 6u /* two bits: none, minus a byte, a double */

enum { REAL_NONE, REAL_BYTE, REAL_DOUBLE };

/* ---------------------------------------------------------------- writing -- */

static bool
pack_room(struct tx *t, size_t more)
{
	size_t need = t->len + more, cap;
	uint8_t *bytes;

	if (need <= t->cap)
		return true;
	cap = need + need / 16 + 8;
	bytes = cap > UINT32_MAX ? NULL : realloc(t->bytes, cap);
	if (bytes == NULL)
		return false;
	t->bytes = bytes;
	t->cap = (uint32_t)cap;
	return true;
}

static void
pack_bytes(struct tx *t, const void *data, size_t len)
{
	if (len > 0)
		memcpy(t->bytes + t->len, data, len);
	t->len += (uint32_t)len;
}

static void
pack_uint(struct tx *t, uint64_t v)
{
	for (; v > 127; v >>= 7)
		t->bytes[t->len++] = (uint8_t)(v | 128);
	t->bytes[t->len++] = (uint8_t)v;
}

static void
pack_int(struct tx *t, int64_t v)
{
	pack_uint(t, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

static const char decrypted_no[] = "\"no_key\"", decrypted_failed[] = "\"decryption_failed\"";
static const char after_signature[] = ",\"flags\"", verified[] = ",\"signatureValid\":true";

/* `text` with `by` in the place of the first `what`, or in front of it. Returns the length, 0 if
 * `what` is not there. */
static size_t
pack_patch(char *out, const char *text, size_t len, const char *what, const char *by, bool replace)
{
	size_t by_len = strlen(by), skip = replace ? strlen(what) : 0;
	const char *at = strstr(text, what);
	size_t before;

	if (at == NULL)
		return 0;
	before = (size_t)(at - text);
	memcpy(out, text, before);
	memcpy(out + before, by, by_len);
	memcpy(out + before + by_len, at + skip, len - before - skip);
	len += by_len - skip;
	out[len] = '\0';
	return len;
}

/* The object that is made of the bytes, into `out`; 0: none. */
static size_t
pack_decode(const uint8_t *raw, size_t raw_len, enum object how,
	    char out[MC_JSON_MAX + sizeof(verified)])
{
	struct mc_decoder plain = { 0 };
	struct mc_object o;
	struct mc_frame f;

	if (mc_frame_parse(&f, raw, raw_len) != MC_GOOD || !mc_object_decode(&o, &f, &plain) ||
	    o.json_len >= sizeof(o.json))
		return 0;
	o.json[o.json_len] = '\0';
	if (how == OBJECT_FAILED)
		return pack_patch(out, o.json, o.json_len, decrypted_no, decrypted_failed, true);
	if (how == OBJECT_VERIFIED)
		return pack_patch(out, o.json, o.json_len, after_signature, verified, false);
	memcpy(out, o.json, o.json_len + 1);
	return o.json_len;
}

static enum object
pack_object(const struct read_packet *p)
{
	char made[MC_JSON_MAX + sizeof(verified)];
	enum object how = OBJECT_AGAIN;

	if (p->json == NULL)
		return OBJECT_NULL;
	if (memmem(p->json, p->json_len, decrypted_failed, sizeof(decrypted_failed) - 1) != NULL)
		how = OBJECT_FAILED;
	else if (p->type == MC_ADVERT &&
		 memmem(p->json, p->json_len, verified, sizeof(verified) - 1) != NULL)
		how = OBJECT_VERIFIED;
	else if (p->type == MC_GRP_TXT &&
		 memmem(p->json, p->json_len, decrypted_no, sizeof(decrypted_no) - 1) == NULL)
		return OBJECT_TEXT; /* decrypted: only who has the key can do that again */
	if (p->raw_len == 0 || p->json_len >= sizeof(made) ||
	    pack_decode(p->raw, p->raw_len, how, made) != p->json_len ||
	    memcmp(made, p->json, p->json_len) != 0)
		return OBJECT_TEXT;
	return how;
}

bool
pack_hash(const char *text, uint64_t *out)
{
	uint64_t hash = 0;
	size_t i;

	for (i = 0; i < 16; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			hash = hash << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			hash = hash << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = hash;
	return text[16] == '\0';
}

static void
pack_text(struct tx *t, bool has, const char *text)
{
	if (has)
		pack_bytes(t, text, strlen(text) + 1);
}

bool
pack_tx(struct tx *t, const struct read_packet *p)
{
	enum object how = pack_object(p);
	char first[WHEN_TEXT];
	uint8_t flags = 0;
	size_t need = 32 + p->raw_len + strlen(p->first_seen) + sizeof(p->hash);

	when_text(p->first_s, "Z", first);
	if (strcmp(first, p->first_seen) != 0)
		flags |= TX_ODD_TIME;
	t->odd_hash = !pack_hash(p->hash, &t->hash);
	if (t->odd_hash)
		flags |= TX_ODD_HASH;
	if (p->channel != NULL)
		flags |= TX_CHANNEL;
	if (p->scope != NULL)
		flags |= TX_SCOPE;
	if (p->raw_lower)
		flags |= TX_LOWER;
	need += p->channel == NULL ? 0 : strlen(p->channel) + 1;
	need += p->scope == NULL ? 0 : strlen(p->scope) + 1;
	need += how == OBJECT_TEXT ? p->json_len + 1 : 0;
	if (!pack_room(t, need))
		return false;
	t->bytes[t->len++] = (uint8_t)(flags | (unsigned)how << TX_JSON);
	pack_uint(t, p->raw_len);
	pack_bytes(t, p->raw, p->raw_len);
	pack_text(t, (flags & TX_ODD_TIME) != 0, p->first_seen);
	pack_text(t, (flags & TX_ODD_HASH) != 0, p->hash);
	pack_text(t, p->channel != NULL, p->channel);
	pack_text(t, p->scope != NULL, p->scope);
	if (how == OBJECT_TEXT) {
		pack_uint(t, p->json_len);
		pack_bytes(t, p->json, p->json_len);
		t->bytes[t->len++] = '\0';
	}
	t->obs_at = t->len;
	return true;
}

static unsigned
pack_real_form(bool has, double v, double scale, double low, double high)
{
	double scaled = v * scale;

	if (!has)
		return REAL_NONE;
	return scaled >= low && scaled <= high && (double)(int)scaled == scaled ? REAL_BYTE
										: REAL_DOUBLE;
}

static void
pack_hops(struct tx *t, const struct read_obs *o, const struct heads *heads)
{
	for (uint32_t i = 0; i < o->count; i++) {
		const uint8_t *hop = o->path + (size_t)i * o->hop_size;
		uint32_t node = o->resolved == NULL ? READ_NONE : o->resolved[i];
		uint64_t head = node < heads->count ? heads->at[node] : 0, begin = 0;

		if (o->resolved == NULL) {
			pack_bytes(t, hop, o->hop_size);
			continue;
		}
		for (uint32_t k = 0; k < o->hop_size; k++)
			begin = begin << 8 | hop[k];
		if (node == READ_NONE || head == 0 || head >> (64 - 8 * o->hop_size) != begin) {
			pack_uint(t, node == READ_NONE ? 0 : 1);
			pack_bytes(t, hop, o->hop_size);
			if (node == READ_NONE)
				continue;
		}
		pack_uint(t, (uint64_t)node + 2);
	}
}

/* The first observation stands for what the others are told relative to. */
static void pack_base(const struct tx *t, int64_t *id, int64_t *at);

bool
pack_obs(struct tx *t, const struct read_obs *o, const struct heads *heads)
{
	unsigned snr = pack_real_form(o->has_snr, o->snr, 4, -128, 127);
	unsigned rssi = pack_real_form(o->has_rssi, o->rssi, -1, 0, 255);
	unsigned flags = o->direction & OBS_DIRECTION;
	int64_t id = 0, at = 0;

	if (!pack_room(t, 64 + (size_t)o->count * (o->hop_size + 10u)))
		return false;
	if (t->len > t->obs_at)
		pack_base(t, &id, &at);
	flags |= o->has_path ? OBS_PATH : 0;
	flags |= o->resolved != NULL ? OBS_RESOLVED : 0;
	t->bytes[t->len++] = (uint8_t)(flags | snr << OBS_SNR | rssi << OBS_RSSI);
	pack_int(t, (int64_t)((uint64_t)o->id - (uint64_t)id));
	pack_int(t, (int64_t)((uint64_t)o->at - (uint64_t)at));
	pack_uint(t, (uint32_t)(o->observer + 1));
	if (snr == REAL_BYTE)
		t->bytes[t->len++] = (uint8_t)(int8_t)(o->snr * 4);
	else if (snr == REAL_DOUBLE)
		pack_bytes(t, &o->snr, sizeof(o->snr));
	if (rssi == REAL_BYTE)
		t->bytes[t->len++] = (uint8_t)-o->rssi;
	else if (rssi == REAL_DOUBLE)
		pack_bytes(t, &o->rssi, sizeof(o->rssi));
	if (!o->has_path)
		return true;
	pack_uint(t, o->count);
	if (o->count == 0)
		return true;
	t->bytes[t->len++] = o->hop_size;
	pack_hops(t, o, heads);
	return true;
}

/* ---------------------------------------------------------------- reading -- */

static uint64_t
unpack_uint(const uint8_t **p)
{
	uint64_t v = 0;
	unsigned shift = 0;

	for (; **p > 127; (*p)++, shift += 7)
		v |= (uint64_t)(**p & 127) << shift;
	return v | (uint64_t) * (*p)++ << shift;
}

static int64_t
unpack_int(const uint8_t **p)
{
	uint64_t v = unpack_uint(p);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

static void
pack_base(const struct tx *t, int64_t *id, int64_t *at)
{
	const uint8_t *p = t->bytes + t->obs_at + 1;

	*id = unpack_int(&p);
	*at = unpack_int(&p);
}

static double
unpack_real(const uint8_t **p, unsigned form, bool negative)
{
	double v = 0;

	if (form == REAL_BYTE)
		return negative ? -(double)*(*p)++ : (double)(int8_t) * (*p)++ / 4;
	if (form == REAL_DOUBLE) {
		memcpy(&v, *p, sizeof(v));
		*p += sizeof(v);
	}
	return v;
}

struct cursor { /* while a packet is unpacked */
	const uint8_t *p;
	int64_t id, at;
	bool based;
};

/* Hops into `hops` and `nodes`, which may both be NULL: then they are passed over. */
static void
unpack_hops(struct cursor *c, const struct read_obs *o, bool resolved, const struct heads *heads,
	    uint8_t *hops, uint32_t *nodes)
{
	for (uint32_t i = 0; i < o->count; i++) {
		uint64_t code = resolved ? unpack_uint(&c->p) : 0;
		uint32_t node = code < 2 ? READ_NONE : (uint32_t)(code - 2);
		uint64_t head = node < heads->count ? heads->at[node] : 0;

		for (uint32_t k = 0; hops != NULL && k < o->hop_size; k++)
			*hops++ = (uint8_t)(code < 2 ? c->p[k] : head >> (56 - 8 * k));
		if (code < 2)
			c->p += o->hop_size;
		if (code == 1)
			node = (uint32_t)(unpack_uint(&c->p) - 2);
		if (nodes != NULL)
			nodes[i] = node;
	}
}

/* One observation without its hops; *resolved says how they are told. */
static void
unpack_obs(struct cursor *c, struct read_obs *o, bool *resolved)
{
	uint8_t flags = *c->p++;

	o->id = (int64_t)((uint64_t)unpack_int(&c->p) + (uint64_t)c->id);
	o->at = (int64_t)((uint64_t)unpack_int(&c->p) + (uint64_t)c->at);
	if (!c->based) {
		c->id = o->id;
		c->at = o->at;
		c->based = true;
	}
	o->observer = (uint32_t)unpack_uint(&c->p) - 1;
	o->has_snr = (flags >> OBS_SNR & 3) != REAL_NONE;
	o->snr = unpack_real(&c->p, flags >> OBS_SNR & 3, false);
	o->has_rssi = (flags >> OBS_RSSI & 3) != REAL_NONE;
	o->rssi = unpack_real(&c->p, flags >> OBS_RSSI & 3, true);
	o->direction = flags & OBS_DIRECTION;
	o->has_path = (flags & OBS_PATH) != 0;
	o->count = o->has_path ? (uint8_t)unpack_uint(&c->p) : 0;
	o->hop_size = o->count > 0 ? *c->p++ : 0;
	o->path = NULL;
	o->resolved = NULL;
	*resolved = (flags & OBS_RESOLVED) != 0;
}

bool
unpacked_room(void **at, uint32_t *cap, size_t need, size_t size)
{
	void *grown;
	size_t room = need + need / 2 + 16;

	if (need <= *cap)
		return true;
	grown = room > UINT32_MAX ? NULL : realloc(*at, room * size);
	if (grown == NULL)
		return false;
	*at = grown;
	*cap = (uint32_t)room;
	return true;
}

static bool
unpack_all_obs(struct unpacked *u, const struct tx *t, const struct heads *heads)
{
	struct cursor c = { .p = t->bytes + t->obs_at };
	uint32_t hops = 0, nodes = 0;

	/* A hop takes at least a byte here, and no more than 8 of the key there. */
	if (!unpacked_room((void **)&u->obs, &u->obs_cap, t->obs_count, sizeof(*u->obs)) ||
	    !unpacked_room((void **)&u->hops, &u->hops_cap, (size_t)(t->len - t->obs_at) * 8, 1) ||
	    !unpacked_room((void **)&u->nodes, &u->nodes_cap, t->len - t->obs_at,
			   sizeof(*u->nodes)))
		return false;
	for (uint32_t i = 0; i < t->obs_count; i++) {
		struct read_obs *o = &u->obs[i];
		bool resolved;

		unpack_obs(&c, o, &resolved);
		o->path = u->hops + hops;
		o->resolved = resolved && o->count > 0 ? u->nodes + nodes : NULL;
		unpack_hops(&c, o, resolved, heads, u->hops + hops, u->nodes + nodes);
		hops += (uint32_t)o->count * o->hop_size;
		nodes += o->count;
	}
	return true;
}

static const char *
unpack_text(const uint8_t **p, bool has)
{
	const char *text = (const char *)*p;

	if (!has)
		return NULL;
	*p += strlen(text) + 1;
	return text;
}

static bool
unpack_object(struct unpacked *u, const uint8_t *p, enum object how)
{
	if (how == OBJECT_NULL)
		return true;
	if (how == OBJECT_TEXT) {
		u->p.json_len = unpack_uint(&p);
		u->p.json = (const char *)p;
		return true;
	}
	if (u->json == NULL)
		u->json = malloc(MC_JSON_MAX + sizeof(verified));
	if (u->json == NULL)
		return false;
	u->p.json_len = pack_decode(u->p.raw, u->p.raw_len, how, u->json);
	u->p.json = u->json;
	return u->p.json_len > 0;
}

static const uint8_t *
unpack_head(struct unpacked *u, const struct tx *t)
{
	struct read_packet *p = &u->p;
	const uint8_t *at = t->bytes;
	uint8_t flags = *at++;
	const char *text;

	*p = (struct read_packet){ .id = t->id,
				   .first_s = t->first_s,
				   .route = t->route,
				   .type = t->type,
				   .from = t->from,
				   .obs_count = t->obs_count,
				   .shown = t->obs_count > 0 ? t->shown : READ_NONE,
				   .latest = t->obs_count > 0 ? t->latest : READ_NULL };
	p->raw_len = (uint32_t)unpack_uint(&at);
	p->raw = at;
	at += p->raw_len;
	p->raw_lower = (flags & TX_LOWER) != 0;
	p->first_seen = unpack_text(&at, (flags & TX_ODD_TIME) != 0);
	if (p->first_seen == NULL) {
		when_text(t->first_s, "Z", u->first_seen);
		p->first_seen = u->first_seen;
	}
	text = unpack_text(&at, (flags & TX_ODD_HASH) != 0);
	for (int i = 0; text == NULL && i < 16; i++)
		p->hash[i] = "0123456789abcdef"[t->hash >> (60 - 4 * i) & 15];
	if (text != NULL)
		(void)snprintf(p->hash, sizeof(p->hash), "%s", text);
	p->channel = unpack_text(&at, (flags & TX_CHANNEL) != 0);
	p->scope = unpack_text(&at, (flags & TX_SCOPE) != 0);
	return at;
}

bool
unpack_tx(struct unpacked *u, const struct tx *t, const struct heads *heads, uint32_t skip)
{
	const uint8_t *at = unpack_head(u, t);

	if ((skip & READ_SKIP_JSON) == 0 && !unpack_object(u, at, t->bytes[0] >> TX_JSON))
		return false;
	if ((skip & READ_SKIP_OBS) == 0) {
		if (!unpack_all_obs(u, t, heads))
			return false;
		u->p.obs = u->obs;
	}
	return true;
}

void
unpacked_fini(struct unpacked *u)
{
	free(u->obs);
	free(u->hops);
	free(u->nodes);
	free(u->json);
}

bool
unpack_each_obs(const struct tx *t, bool (*fn)(void *arg, const struct read_obs *o), void *arg)
{
	static const struct heads none = { NULL, 0 };
	struct cursor c = { .p = t->bytes + t->obs_at };

	for (uint32_t i = 0; i < t->obs_count; i++) {
		struct read_obs o;
		bool resolved;

		unpack_obs(&c, &o, &resolved);
		unpack_hops(&c, &o, resolved, &none, NULL, NULL);
		if (!fn(arg, &o))
			return false;
	}
	return true;
}
