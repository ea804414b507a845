/* SPDX-License-Identifier: MIT
 *
 * Packets into bytes; packed.h says how they look.
 */
#define _GNU_SOURCE
#include "packed.h"

#include <stdlib.h>
#include <string.h>

#include "when.h"

#define BESIDE_MAX 64u                  /* hops that are looked at for one */
#define OBS_MAX (64u + 255u * (8 + 10)) /* bytes of an observation */

static bool
pack_append(struct tx *t, const uint8_t *data, size_t len)
{
	uint64_t need = (uint64_t)t->len + len;
	uint8_t *bytes = t->bytes;

	if (need > UINT32_MAX / 2)
		return false;
	if (bytes == NULL || pack_cap((uint32_t)need) != pack_cap(t->len))
		bytes = realloc(bytes, pack_cap((uint32_t)need));
	if (bytes == NULL)
		return false;
	memcpy(bytes + t->len, data, len);
	t->bytes = bytes;
	t->len = (uint32_t)need;
	return true;
}

static void
pack_bytes(uint8_t **to, const void *data, size_t len)
{
	if (len > 0)
		memcpy(*to, data, len);
	*to += len;
}

static void
pack_uint(uint8_t **to, uint64_t v)
{
	for (; v > 127; v >>= 7)
		*(*to)++ = (uint8_t)(v | 128);
	*(*to)++ = (uint8_t)v;
}

static void
pack_int(uint8_t **to, int64_t v)
{
	pack_uint(to, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* ----------------------------------------------------------------- objects --
 */

static const char decrypted_no[] = "\"no_key\"", decrypted_failed[] = "\"decryption_failed\"";
static const char after_signature[] = ",\"flags\"", verified[] = ",\"signatureValid\":true";

/* `text` with `by` in the place of the first `what`, or in front of it. Returns
 * the length, 0 if `what` is not there. */
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

size_t
pack_decode(const uint8_t *raw, size_t raw_len, enum object how, char out[JSON_MAX])
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
	char made[JSON_MAX];
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

/* ------------------------------------------------------------------- heads --
 */

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
pack_text(uint8_t **to, bool has, const char *text)
{
	if (has)
		pack_bytes(to, text, strlen(text) + 1);
}

bool
pack_tx(struct tx *t, const struct read_packet *p)
{
	enum object how = pack_object(p);
	char first[WHEN_TEXT];
	uint8_t flags = 0, *head, *to;
	size_t need = 32 + p->raw_len + strlen(p->first_seen) + sizeof(p->hash);
	bool good;

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
	head = to = malloc(need);
	if (head == NULL)
		return false;
	*to++ = (uint8_t)(flags | (unsigned)how << TX_JSON);
	pack_uint(&to, p->raw_len);
	pack_bytes(&to, p->raw, p->raw_len);
	pack_text(&to, (flags & TX_ODD_TIME) != 0, p->first_seen);
	pack_text(&to, (flags & TX_ODD_HASH) != 0, p->hash);
	pack_text(&to, p->channel != NULL, p->channel);
	pack_text(&to, p->scope != NULL, p->scope);
	if (how == OBJECT_TEXT) {
		pack_uint(&to, p->json_len);
		pack_bytes(&to, p->json, p->json_len);
		*to++ = '\0';
	}
	good = pack_append(t, head, (size_t)(to - head));
	t->obs_at = t->len;
	free(head);
	return good;
}

/* ------------------------------------------------------------ observations --
 */

static unsigned
pack_real_form(bool has, double v, double scale, double low, double high)
{
	double scaled = v * scale;

	if (!has)
		return REAL_NONE;
	return scaled >= low && scaled <= high && (double)(int)scaled == scaled ? REAL_BYTE
										: REAL_DOUBLE;
}

/* Those from `kept` on. */
static void
pack_hops(uint8_t **to, const struct read_obs *o, uint32_t kept, const struct heads *heads)
{
	for (uint32_t i = kept; i < o->count; i++) {
		const uint8_t *hop = o->path + (size_t)i * o->hop_size;
		uint32_t node = o->resolved == NULL ? READ_NONE : o->resolved[i];
		uint64_t head = node < heads->count ? heads->at[node] : 0, begin = 0;

		if (o->resolved == NULL) {
			pack_bytes(to, hop, o->hop_size);
			continue;
		}
		for (uint32_t k = 0; k < o->hop_size; k++)
			begin = begin << 8 | hop[k];
		if (node == READ_NONE || head == 0 || head >> (64 - 8 * o->hop_size) != begin) {
			pack_uint(to, node == READ_NONE ? 0 : 1);
			pack_bytes(to, hop, o->hop_size);
			if (node == READ_NONE)
				continue;
		}
		pack_uint(to, (uint64_t)node + 2);
	}
}

/* `from`: the number of the last of `kept` hops, or 0. */
static void
pack_path(uint8_t **to, const struct read_obs *o, uint32_t from, uint32_t kept,
	  const struct heads *heads)
{
	uint32_t count = (uint32_t)o->count - kept;
	uint32_t size = o->hop_size <= PATH_SIZE_MAX ? o->hop_size : 0;

	if (o->count == 0) {
		*(*to)++ = 0;
		return;
	}
	*(*to)++ = (uint8_t)((count < PATH_HOPS ? count : PATH_HOPS) | size << PATH_SIZE |
			     (from != 0 ? PATH_CONTINUES : 0));
	if (count >= PATH_HOPS)
		pack_uint(to, count);
	if (size == 0)
		*(*to)++ = o->hop_size;
	if (from != 0)
		pack_uint(to, from);
	pack_hops(to, o, kept, heads);
}

/* An observation in at most OBS_MAX bytes; `id` and `at` are those of the first
 * one. */
static void
pack_one(uint8_t **to, const struct read_obs *o, int64_t id, int64_t at, uint32_t from,
	 uint32_t kept, const struct heads *heads)
{
	unsigned snr = pack_real_form(o->has_snr, o->snr, 4, -128, 127);
	unsigned rssi = pack_real_form(o->has_rssi, o->rssi, -1, 0, 255);
	unsigned flags = o->direction & OBS_DIRECTION;

	flags |= o->has_path ? OBS_PATH : 0;
	flags |= o->resolved != NULL ? OBS_RESOLVED : 0;
	*(*to)++ = (uint8_t)(flags | snr << OBS_SNR | rssi << OBS_RSSI);
	pack_int(to, (int64_t)((uint64_t)o->id - (uint64_t)id));
	pack_int(to, (int64_t)((uint64_t)o->at - (uint64_t)at));
	pack_uint(to, (uint32_t)(o->observer + 1));
	if (snr == REAL_BYTE)
		*(*to)++ = (uint8_t)(int8_t)(o->snr * 4);
	else if (snr == REAL_DOUBLE)
		pack_bytes(to, &o->snr, sizeof(o->snr));
	if (rssi == REAL_BYTE)
		*(*to)++ = (uint8_t)-o->rssi;
	else if (rssi == REAL_DOUBLE)
		pack_bytes(to, &o->rssi, sizeof(o->rssi));
	if (o->has_path)
		pack_path(to, o, from, kept, heads);
}

bool
pack_obs(struct tx *t, const struct read_obs *o, const struct heads *heads)
{
	uint8_t bytes[OBS_MAX], *to = bytes;
	int64_t id = 0, at = 0;

	if (t->len > t->obs_at)
		pack_base(t, &id, &at);
	pack_one(&to, o, id, at, 0, 0, heads);
	return pack_append(t, bytes, (size_t)(to - bytes));
}

/* ---------------------------------------------------------------- settling --
 */

/* The ways of a packet as a tree of hops, by number; 0 is where all begin. */
struct ways {
	struct way {
		uint32_t obs;         /* one that takes it */
		uint32_t first, next; /* the first that follows, the next beside it */
	} * at;
	uint32_t count, cap;
};

static bool
ways_same(const struct read_obs *a, const struct read_obs *b, uint32_t hop)
{
	return a->hop_size == b->hop_size && (a->resolved == NULL) == (b->resolved == NULL) &&
	       (a->resolved == NULL || a->resolved[hop] == b->resolved[hop]) &&
	       memcmp(a->path + (size_t)hop * a->hop_size, b->path + (size_t)hop * a->hop_size,
		      a->hop_size) == 0;
}

/* How many hops of `o` were told before; the number of the last of them into
 * *from. */
static uint32_t
ways_find(const struct ways *w, const struct read_obs *all, const struct read_obs *o,
	  uint32_t *from)
{
	uint32_t kept = 0, next = w->at[0].first, looked = 0;

	*from = 0;
	while (kept < o->count && next != 0 && looked++ < BESIDE_MAX) {
		if (!ways_same(&all[w->at[next].obs], o, kept)) {
			next = w->at[next].next;
			continue;
		}
		kept++;
		looked = 0;
		*from = next;
		next = w->at[next].first;
	}
	/* It must not take more room than it saves. */
	if (*from >> 7 * (kept < 4 ? kept : 4) != 0)
		*from = kept = 0;
	return kept;
}

/* Hops from `kept` on, of observation `i`. False: out of memory. */
static bool
ways_add(struct ways *w, uint32_t i, const struct read_obs *o, uint32_t kept, uint32_t from)
{
	if (!unpacked_room((void **)&w->at, &w->cap, (size_t)w->count + o->count, sizeof(*w->at)))
		return false;
	for (; kept < o->count; kept++) {
		uint32_t number = w->count++;

		w->at[number] = (struct way){ .obs = i };
		if (o->hop_size > PATH_SIZE_MAX)
			continue;
		w->at[number].next = w->at[from].first;
		w->at[from].first = number;
		from = number;
	}
	return true;
}

/* Observations of `u` behind *to. */
static bool
pack_settled(uint8_t **to, const struct unpacked *u, const struct heads *heads)
{
	struct ways w = { 0 };
	bool good = unpacked_room((void **)&w.at, &w.cap, 64, sizeof(*w.at));

	if (good)
		w.at[w.count++] = (struct way){ 0 };
	for (uint32_t i = 0; good && i < u->p.obs_count; i++) {
		const struct read_obs *o = &u->obs[i], *first = &u->obs[0];
		uint32_t from = 0, kept = 0;

		if (o->hop_size <= PATH_SIZE_MAX)
			kept = ways_find(&w, u->obs, o, &from);
		pack_one(to, o, i == 0 ? 0 : first->id, i == 0 ? 0 : first->at, from, kept, heads);
		good = ways_add(&w, i, o, kept, from);
	}
	free(w.at);
	return good;
}

uint32_t
pack_settle(struct unpacked *u, const struct tx *t, const struct heads *heads, uint8_t **out,
	    uint32_t *cap)
{
	uint8_t *to;

	/* What is continued takes no more room than what is repeated. */
	if (!unpacked_room((void **)out, cap, (size_t)t->len + OBS_MAX, 1) ||
	    !unpack_tx(u, t, heads, READ_SKIP_JSON))
		return 0;
	to = *out;
	pack_bytes(&to, t->bytes, t->obs_at);
	return pack_settled(&to, u, heads) ? (uint32_t)(to - *out) : 0;
}
