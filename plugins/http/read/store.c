/* SPDX-License-Identifier: MIT
 *
 * The packets in memory: those with the highest ids, in the order of ids,
 * without holes. They have numbers, which grow and are never given again; lists
 * say which of them a node or an observer has to do with.
 */
#include "impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_BYTES 16u         /* what the heap takes for a piece besides what is in it */
#define EVICT_PART 32u         /* so much of all goes at once */
#define BLOCK_BYTES (1u << 20) /* the pages of it that nobody has written take no memory */
#define GROWING 512u           /* so many of the newest packets are expected to grow */
#define CHANGED_MAX 256u       /* of the others; then they are settled again */

/* ------------------------------------------------------------------ lists --
 */

static bool
list_add(struct list *l, uint32_t number, bool *news, uint64_t *bytes)
{
	uint32_t low = l->count, high = l->count;

	*news = false;
	/* It is mostly among the last. */
	for (uint32_t step = 1; low > 0 && number <= l->at[low - 1]; step *= 2) {
		high = low;
		low -= step < low ? step : low;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (l->at[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < l->count && l->at[low] == number)
		return true;
	if (l->count == l->cap) {
		uint32_t cap = l->cap < 4 ? 4 : l->cap + l->cap / 8 + 1;
		uint32_t *at = realloc(l->at, cap * sizeof(*at));

		if (at == NULL)
			return false;
		*bytes += (cap - l->cap) * sizeof(*at);
		l->at = at;
		l->cap = cap;
	}
	memmove(l->at + low + 1, l->at + low, (l->count - low) * sizeof(*l->at));
	l->at[low] = number;
	l->count++;
	*news = true;
	return true;
}

static void
list_drop(struct list *l, uint32_t begin, uint64_t *bytes)
{
	uint32_t gone = 0;

	while (gone < l->count && l->at[gone] < begin)
		gone++;
	if (gone == 0)
		return;
	l->count -= gone;
	memmove(l->at, l->at + gone, l->count * sizeof(*l->at));
	if (l->count == 0) {
		*bytes -= l->cap * sizeof(*l->at);
		free(l->at);
		*l = (struct list){ 0 };
	} else if (l->cap / 2 > l->count) {
		uint32_t *at = realloc(l->at, l->count * sizeof(*at));

		*bytes -= at == NULL ? 0 : (l->cap - l->count) * sizeof(*at);
		l->cap = at == NULL ? l->cap : l->count;
		l->at = at == NULL ? l->at : at;
	}
}

static struct list *
lists_get(struct list **lists, uint32_t *cap, uint32_t i, uint64_t *bytes)
{
	uint32_t wanted = *cap == 0 ? 256 : *cap;
	struct list *grown;

	while (wanted <= i)
		wanted *= 2;
	if (wanted == *cap)
		return &(*lists)[i];
	grown = realloc(*lists, wanted * sizeof(*grown));
	if (grown == NULL)
		return NULL;
	memset(grown + *cap, 0, (wanted - *cap) * sizeof(*grown));
	*bytes += (wanted - *cap) * sizeof(*grown);
	*lists = grown;
	*cap = wanted;
	return &grown[i];
}

/* ----------------------------------------------------------------- hashes --
 */

static uint64_t
store_hash(const struct tx *t)
{
	return hops_mix(t->odd_hash ? (uint64_t)t->id : t->hash);
}

static void
store_index(struct store *s, uint32_t i)
{
	uint32_t mask = s->slot_count - 1, slot = (uint32_t)store_hash(&s->txs[i]) & mask;

	while (s->by_hash[slot] != 0)
		slot = (slot + 1) & mask;
	s->by_hash[slot] = i + 1;
}

static bool
store_reindex(struct store *s, uint32_t slots)
{
	uint32_t *by_hash = slots == s->slot_count ? s->by_hash : malloc(slots * sizeof(*by_hash));

	if (by_hash == NULL)
		return false;
	if (by_hash != s->by_hash) {
		free(s->by_hash);
		s->bytes += ((uint64_t)slots - s->slot_count) * sizeof(*by_hash);
		s->by_hash = by_hash;
		s->slot_count = slots;
	}
	memset(by_hash, 0, slots * sizeof(*by_hash));
	for (uint32_t i = 0; i < s->count; i++)
		store_index(s, i);
	return true;
}

struct tx *
store_find_hash(const struct store *s, uint64_t hash)
{
	uint32_t mask = s->slot_count - 1, slot = (uint32_t)hops_mix(hash) & mask;

	if (s->count == 0)
		return NULL;
	for (; s->by_hash[slot] != 0; slot = (slot + 1) & mask) {
		struct tx *t = &s->txs[s->by_hash[slot] - 1];

		if (!t->odd_hash && t->hash == hash)
			return t;
	}
	return NULL;
}

/* ------------------------------------------------------------------- ids -- */

/* The first that has this id or a higher one. */
uint32_t
store_lower(const struct store *s, int64_t id)
{
	uint32_t low = 0, high = s->count;

	/* Ids are mostly dense. */
	if (s->count > 0 && id >= s->txs[0].id && (uint64_t)(id - s->txs[0].id) < s->count &&
	    s->txs[id - s->txs[0].id].id == id)
		return (uint32_t)(id - s->txs[0].id);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->txs[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct tx *
store_find_id(const struct store *s, int64_t id)
{
	uint32_t i = store_lower(s, id);

	return i < s->count && s->txs[i].id == id ? &s->txs[i] : NULL;
}

uint32_t
store_number(const struct store *s, const struct tx *t)
{
	return s->begin + (uint32_t)(t - s->txs);
}

/* ----------------------------------------------------------------- blocks --
 */

/* Room in the newest block, or in one more. */
static uint8_t *
block_put(struct store *s, const uint8_t *data, uint32_t len)
{
	struct block *b = s->newest;
	uint32_t cap = BLOCK_BYTES - (uint32_t)sizeof(*b);
	uint8_t *at;

	if (b == NULL || b->cap - b->len < len) {
		cap = len > cap ? len : cap;
		b = malloc(sizeof(*b) + cap);
		if (b == NULL)
			return NULL;
		*b = (struct block){ .cap = cap };
		*(s->newest == NULL ? &s->oldest : &s->newest->next) = b;
		s->newest = b;
	}
	at = b->bytes + b->len;
	memcpy(at, data, len);
	b->len += len;
	s->bytes += len;
	return at;
}

static bool
block_has(const struct block *b, const struct tx *t)
{
	return t->settled && t->bytes >= b->bytes && t->bytes < b->bytes + b->len;
}

static void
block_free(struct store *s, struct block *b)
{
	struct block **at = &s->oldest, *older = NULL;

	for (; *at != b; at = &(*at)->next)
		older = *at;
	*at = b->next;
	if (s->newest == b)
		s->newest = older;
	free(b);
}

/* What is left of a block goes into the newest one. */
static void
block_empty(struct store *s, struct block *b)
{
	for (uint32_t i = 0; i < s->count && b != s->newest; i++) {
		struct tx *t = &s->txs[i];
		uint8_t *at = block_has(b, t) ? block_put(s, t->bytes, t->len) : t->bytes;

		if (at == NULL)
			return;
		if (at == t->bytes)
			continue;
		s->bytes -= t->len;
		b->gone += t->len;
		t->bytes = at;
	}
	if (b->gone == b->len)
		block_free(s, b);
}

/* The bytes that were a packet's are not needed any more. */
static void
store_release(struct store *s, const struct tx *t, bool compact)
{
	struct block *b = s->oldest;

	if (!t->settled) {
		s->bytes -= t->bytes == NULL ? 0 : pack_cap(t->len) + HEAP_BYTES;
		free(t->bytes);
		return;
	}
	while (!block_has(b, t))
		b = b->next;
	b->gone += t->len;
	s->bytes -= t->len;
	if (b->gone == b->len)
		block_free(s, b);
	else if (compact && b->gone > b->len / 2 && b != s->newest)
		block_empty(s, b);
}

static void
store_settle_one(struct store *s, struct tx *t, const struct heads *heads)
{
	uint32_t len = t->settled ? 0 : pack_settle(&s->work, t, heads, &s->room, &s->room_cap);
	uint8_t *at = len == 0 ? NULL : block_put(s, s->room, len);

	if (at == NULL) /* without memory it stays as it is */
		return;
	store_release(s, t, false);
	t->bytes = at;
	t->len = len;
	t->settled = true;
}

/* Packets that are `GROWING` or more before number `i` of the store are not
 * expected to grow. */
static void
store_settle(struct store *s, uint32_t i, const struct heads *heads)
{
	while (i >= GROWING && s->settled <= i - GROWING)
		store_settle_one(s, &s->txs[s->settled++], heads);
	if (s->changed <= CHANGED_MAX)
		return;
	s->changed = 0;
	for (uint32_t k = 0; k < s->settled; k++)
		store_settle_one(s, &s->txs[k], heads);
}

/* One that has to grow gets bytes of its own again. */
static bool
store_loosen(struct store *s, struct tx *t)
{
	struct tx old = *t;
	uint8_t *own = t->settled ? malloc(pack_cap(t->len)) : NULL;

	if (!t->settled)
		return true;
	if (own == NULL)
		return false;
	memcpy(own, t->bytes, t->len);
	t->bytes = own;
	t->settled = false;
	s->bytes += pack_cap(t->len) + HEAP_BYTES;
	s->changed++;
	store_release(s, &old, true);
	return true;
}

/* ---------------------------------------------------------------- changes --
 */

static bool
store_grow(struct store *s)
{
	uint32_t cap = s->cap == 0 ? 1024 : s->cap + s->cap / 16 + 512;
	struct tx *txs;

	if (s->count < s->cap)
		return true;
	if ((s->slot_count < cap + cap / 3 &&
	     !store_reindex(s, s->slot_count == 0 ? 4096 : s->slot_count * 2)))
		return false;
	txs = realloc(s->txs, cap * sizeof(*txs));
	if (txs == NULL)
		return false;
	s->bytes += (cap - s->cap) * sizeof(*txs);
	s->txs = txs;
	s->cap = cap;
	return true;
}

static bool
store_relate(struct store *s, const struct tx *t, uint32_t node)
{
	struct list *l;
	bool news;

	if (node == READ_NONE)
		return true;
	l = lists_get(&s->by_node, &s->node_cap, node, &s->bytes);
	return l != NULL && list_add(l, store_number(s, t), &news, &s->bytes);
}

struct tx *
store_add(struct store *s, const struct read_packet *p)
{
	struct tx *t;

	if (!store_grow(s))
		return NULL;
	t = &s->txs[s->count];
	*t = (struct tx){ .id = p->id,
			  .first_s = p->first_s,
			  .from = p->from,
			  .best_snr = INT16_MIN,
			  .best_rssi = INT16_MIN,
			  .type = (int8_t)p->type,
			  .route = (int8_t)p->route };
	if (!pack_tx(t, p)) {
		free(t->bytes);
		return NULL;
	}
	s->bytes += pack_cap(t->len) + HEAP_BYTES;
	store_index(s, s->count++);
	return store_relate(s, t, p->from) ? t : NULL;
}

static uint32_t
store_clamp(int64_t at)
{
	return at < 0 ? 0 : at > UINT32_MAX ? UINT32_MAX : (uint32_t)at;
}

static int16_t
store_small(double v)
{
	return v <= -32767 ? -32767 : v >= 32767 ? 32767 : (int16_t)(v < 0 ? v - 0.5 : v + 0.5);
}

static uint32_t
store_last_hop(const struct read_obs *o)
{
	uint32_t token = 0;

	if (o->count == 0 || o->hop_size > 3)
		return 0;
	for (uint32_t k = 0; k < o->hop_size; k++)
		token = token << 8 | o->path[(o->count - 1u) * o->hop_size + k];
	return HOPS_TOKEN(o->hop_size, token);
}

static bool
store_put_obs(struct store *s, struct tx *t, const struct read_obs *o, const struct heads *heads)
{
	uint32_t at = store_clamp(o->at), cap = pack_cap(t->len);
	struct list *l;
	bool news;

	if (!pack_obs(t, o, heads))
		return false;
	s->bytes += pack_cap(t->len) - cap;
	if (t->obs_count == 0 || o->count > t->shown_hops) {
		t->shown = t->obs_count;
		t->shown_hops = o->count;
		t->shown_observer = o->observer;
		t->shown_snr = o->has_snr ? (float)o->snr : NAN;
		t->shown_rssi = o->has_rssi ? (float)o->rssi : NAN;
		t->shown_size = o->hop_size;
		t->last_hop = store_last_hop(o);
	}
	if (o->has_snr && store_small(o->snr * 100) > t->best_snr)
		t->best_snr = store_small(o->snr * 100);
	if (o->has_rssi && store_small(o->rssi) > t->best_rssi)
		t->best_rssi = store_small(o->rssi);
	t->oldest = t->obs_count == 0 || at < t->oldest ? at : t->oldest;
	t->latest = t->obs_count == 0 || at > t->latest ? at : t->latest;
	t->obs_count++;
	s->obs_count++;
	for (uint32_t i = 0; o->resolved != NULL && i < o->count; i++)
		if (!store_relate(s, t, o->resolved[i]))
			return false;
	if (o->observer == READ_NONE)
		return true;
	l = lists_get(&s->by_observer, &s->observer_cap, o->observer, &s->bytes);
	if (l == NULL || !list_add(l, store_number(s, t), &news, &s->bytes))
		return false;
	t->observers = (uint16_t)(t->observers + (news && t->observers < UINT16_MAX));
	return true;
}

bool
store_add_obs(struct store *s, struct tx *t, const struct read_obs *o, const struct heads *heads)
{
	if (!store_loosen(s, t) || !store_put_obs(s, t, o, heads))
		return false;
	store_settle(s, (uint32_t)(t - s->txs), heads);
	return true;
}

bool
store_replace(struct store *s, struct tx *t, const struct read_packet *p, const struct heads *heads)
{
	struct tx old = *t;
	bool good;

	t->bytes = NULL;
	t->len = t->obs_count = 0;
	t->settled = false;
	t->first_s = p->first_s;
	good = pack_tx(t, p);
	s->bytes += good ? pack_cap(t->len) + HEAP_BYTES : 0;
	s->obs_count -= old.obs_count;
	for (uint32_t i = 0; good && i < p->obs_count; i++)
		good = store_put_obs(s, t, &p->obs[i], heads);
	if (!good) { /* as it was */
		s->obs_count += (uint64_t)old.obs_count - t->obs_count;
		store_release(s, t, false);
		*t = old;
		return false;
	}
	s->changed += old.settled;
	store_release(s, &old, true);
	return true;
}

void
store_clear(struct store *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (!s->txs[i].settled)
			free(s->txs[i].bytes);
	while (s->oldest != NULL) {
		struct block *b = s->oldest;

		s->oldest = b->next;
		free(b);
	}
	unpacked_fini(&s->work);
	free(s->room);
	for (uint32_t i = 0; i < s->node_cap; i++)
		free(s->by_node[i].at);
	for (uint32_t i = 0; i < s->observer_cap; i++)
		free(s->by_observer[i].at);
	free(s->txs);
	free(s->by_hash);
	free(s->by_node);
	free(s->by_observer);
	*s = (struct store){ .begin = s->begin + s->count, .evicted = s->evicted };
}

/* What was room for those that are gone. */
static void
store_shrink(struct store *s)
{
	uint32_t cap = s->count + s->count / 8 + 16, slots = s->slot_count;
	struct tx *txs;

	while (slots > 4096 && slots / 8 > s->count)
		slots /= 2;
	(void)store_reindex(s, slots);
	txs = s->cap > cap + cap / 4 ? realloc(s->txs, cap * sizeof(*txs)) : NULL;
	if (txs == NULL)
		return;
	s->bytes -= (s->cap - cap) * sizeof(*txs);
	s->txs = txs;
	s->cap = cap;
}

void
store_evict(struct store *s, uint64_t max_bytes)
{
	while (s->bytes > max_bytes && s->count > 1) {
		uint32_t n = s->count / EVICT_PART + 1;

		for (uint32_t i = 0; i < n; i++) {
			s->obs_count -= s->txs[i].obs_count;
			store_release(s, &s->txs[i], false);
		}
		s->evicted += n;
		s->begin += n;
		s->count -= n;
		s->settled -= n < s->settled ? n : s->settled;
		memmove(s->txs, s->txs + n, s->count * sizeof(*s->txs));
		store_shrink(s);
		for (uint32_t i = 0; i < s->node_cap; i++)
			list_drop(&s->by_node[i], s->begin, &s->bytes);
		for (uint32_t i = 0; i < s->observer_cap; i++)
			list_drop(&s->by_observer[i], s->begin, &s->bytes);
	}
}
