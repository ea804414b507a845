/* SPDX-License-Identifier: MIT
 *
 * Packets out of bytes; packed.h says how they look.
 */
#include "packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "when.h"

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

void
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
	uint32_t follow, from; /* of the path of an observation: hops that are told,
                            and from which on */
	bool based, resolved;
};

/* The hops that follow into `hops` and `nodes`, which may both be NULL: then
 * they are passed over. */
static void
unpack_hops(struct cursor *c, uint32_t count, uint32_t size, const struct heads *heads,
	    uint8_t *hops, uint32_t *nodes)
{
	for (uint32_t i = 0; i < count; i++) {
		uint64_t code = c->resolved ? unpack_uint(&c->p) : 0;
		uint32_t node = code < 2 ? READ_NONE : (uint32_t)(code - 2);
		uint64_t head = node < heads->count ? heads->at[node] : 0;

		for (uint32_t k = 0; hops != NULL && k < size; k++)
			*hops++ = (uint8_t)(code < 2 ? c->p[k] : head >> (56 - 8 * k));
		if (code < 2)
			c->p += size;
		if (code == 1)
			node = (uint32_t)(unpack_uint(&c->p) - 2);
		if (nodes != NULL)
			nodes[i] = node;
	}
}

/* How a path begins: hops that follow, and which they continue. */
static void
unpack_path(struct cursor *c, struct read_obs *o)
{
	uint8_t byte = *c->p++;

	c->follow = byte & PATH_HOPS;
	c->from = 0;
	if (c->follow == PATH_HOPS)
		c->follow = (uint32_t)unpack_uint(&c->p);
	o->hop_size = byte >> PATH_SIZE & PATH_SIZE_MAX;
	if (o->hop_size == 0 && c->follow > 0)
		o->hop_size = *c->p++;
	if ((byte & PATH_CONTINUES) != 0)
		c->from = (uint32_t)unpack_uint(&c->p);
	o->count = (uint8_t)c->follow;
}

/* One observation up to the hops that are told: `count` is only how many those
 * are. */
static void
unpack_obs(struct cursor *c, struct read_obs *o)
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
	o->count = o->hop_size = 0;
	o->path = NULL;
	o->resolved = NULL;
	c->resolved = (flags & OBS_RESOLVED) != 0;
	c->follow = c->from = 0;
	if (o->has_path)
		unpack_path(c, o);
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

/* The hops of `o`, at `at` in the memory of `u`; `told` are there so far.
 * False: out of memory. */
static bool
unpack_way(struct unpacked *u, struct cursor *c, struct read_obs *o, struct place at, uint32_t told,
	   const struct heads *heads)
{
	const struct place *from = c->from == 0 ? NULL : &u->places[c->from - 1];
	uint32_t kept = from == NULL ? 0 : from->count, all = kept + c->follow;
	uint32_t size = o->hop_size;

	if (!unpacked_room((void **)&u->hops, &u->hops_cap, at.hop + (size_t)all * size, 1) ||
	    !unpacked_room((void **)&u->nodes, &u->nodes_cap, (size_t)at.node + all,
			   sizeof(*u->nodes)))
		return false;
	if (kept > 0) {
		memcpy(u->hops + at.hop, u->hops + from->hop, (size_t)kept * size);
		memcpy(u->nodes + at.node, u->nodes + from->node, kept * sizeof(*u->nodes));
	}
	unpack_hops(c, c->follow, size, heads, u->hops + at.hop + (size_t)kept * size,
		    u->nodes + at.node + kept);
	if (!unpacked_room((void **)&u->places, &u->places_cap, (size_t)told + c->follow,
			   sizeof(*u->places)))
		return false;
	for (uint32_t k = kept; k < all; k++) {
		at.count = (uint8_t)(k + 1);
		u->places[told + k - kept] = at;
	}
	o->count = (uint8_t)all;
	return true;
}

static bool
unpack_all_obs(struct unpacked *u, const struct tx *t, const struct heads *heads)
{
	struct cursor c = { .p = t->bytes + t->obs_at };
	struct place at = { 0 };
	uint32_t told = 0;

	if (!unpacked_room((void **)&u->obs, &u->obs_cap, t->obs_count, sizeof(*u->obs)))
		return false;
	for (uint32_t i = 0; i < t->obs_count; i++) {
		struct read_obs *o = &u->obs[i];

		unpack_obs(&c, o);
		if (!unpack_way(u, &c, o, at, told, heads))
			return false;
		o->resolved = c.resolved && o->count > 0 ? u->nodes : NULL;
		at.hop += (uint32_t)o->count * o->hop_size;
		at.node += o->count;
		told += c.follow;
	}
	unpacked_point(u, t->obs_count);
	return true;
}

void
unpacked_point(struct unpacked *u, uint32_t count)
{
	uint32_t hop = 0, node = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct read_obs *o = &u->obs[i];

		o->path = u->hops + hop;
		o->resolved = o->resolved == NULL ? NULL : u->nodes + node;
		hop += (uint32_t)o->count * o->hop_size;
		node += o->count;
	}
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
		u->json = malloc(JSON_MAX);
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
	free(u->places);
	free(u->json);
}

bool
unpack_each_obs(const struct tx *t, bool (*fn)(void *arg, const struct read_obs *o), void *arg)
{
	static const struct heads none = { NULL, 0 };
	struct cursor c = { .p = t->bytes + t->obs_at };

	for (uint32_t i = 0; i < t->obs_count; i++) {
		struct read_obs o;

		unpack_obs(&c, &o);
		unpack_hops(&c, c.follow, o.hop_size, &none, NULL, NULL);
		if (!fn(arg, &o))
			return false;
	}
	return true;
}
