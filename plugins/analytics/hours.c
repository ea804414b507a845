/* SPDX-License-Identifier: MIT */
#include "hours.h"

#include <stdlib.h>
#include <string.h>

/* A packed hour: its length, the hour, which counts of types and of signals are
 * not 0, and then the numbers, seven bits to a byte and the lowest first: all,
 * and those counts. */
#define HEAD 11u
#define NUMBER_MAX 5u
#define PACKED_MAX (HEAD + NUMBER_MAX + 3u * (HOURS_TYPES + HOURS_SIGNALS))
#define ROOM 64u

_Static_assert(PACKED_MAX <= UINT8_MAX, "the length has one byte");

static uint8_t *
hour_put(uint8_t *to, uint32_t n)
{
	for (; n >= 128; n >>= 7)
		*to++ = (uint8_t)(n | 128);
	*to++ = (uint8_t)n;
	return to;
}

static const uint8_t *
hour_take(const uint8_t *from, uint32_t *n)
{
	*n = 0;
	for (uint32_t shift = 0;; shift += 7) {
		*n |= (uint32_t)(*from & 127) << shift;
		if ((*from++ & 128) == 0)
			return from;
	}
}

static uint32_t
hour_pack(const struct hour *h, uint8_t out[PACKED_MAX])
{
	uint16_t types = 0;
	uint32_t signals = 0;
	uint8_t *to = hour_put(out + HEAD, h->count);

	for (uint32_t i = 0; i < HOURS_TYPES; i++) {
		if (h->types[i] == 0)
			continue;
		types = (uint16_t)(types | 1u << i);
		to = hour_put(to, h->types[i]);
	}
	for (uint32_t i = 0; i < HOURS_SIGNALS; i++) {
		if (h->signals[i] == 0)
			continue;
		signals |= UINT32_C(1) << i;
		to = hour_put(to, h->signals[i]);
	}
	out[0] = (uint8_t)(to - out);
	memcpy(out + 1, &h->at, 4);
	memcpy(out + 5, &types, 2);
	memcpy(out + 7, &signals, 4);
	return out[0];
}

static uint32_t
hour_at(const uint8_t *packed)
{
	uint32_t at;

	memcpy(&at, packed + 1, 4);
	return at;
}

static void
hour_unpack(const uint8_t *packed, struct hour *h)
{
	const uint8_t *from = packed + HEAD;
	uint32_t signals, n;
	uint16_t types;

	memcpy(&types, packed + 5, 2);
	memcpy(&signals, packed + 7, 4);
	*h = (struct hour){ .at = hour_at(packed) };
	from = hour_take(from, &h->count);
	for (uint32_t i = 0; i < HOURS_TYPES; i++) {
		if ((types >> i & 1) == 0)
			continue;
		from = hour_take(from, &n);
		h->types[i] = (uint16_t)n;
	}
	for (uint32_t i = 0; i < HOURS_SIGNALS; i++) {
		if ((signals >> i & 1) == 0)
			continue;
		from = hour_take(from, &n);
		h->signals[i] = (uint16_t)n;
	}
}

/* Where an hour is among the packed ones, or belongs. Nearly always at the end.
 */
static uint32_t
hours_place(const struct hours *h, uint32_t at)
{
	uint32_t i = 0;

	if (h->packed_count == 0 || at > h->last)
		return h->len;
	while (i < h->len && hour_at(h->packed + i) < at)
		i += h->packed[i];
	return i;
}

static bool
hours_store(struct hours *h, const struct hour *hour)
{
	uint8_t packed[PACKED_MAX], *grown;
	uint32_t len = hour_pack(hour, packed), place = hours_place(h, hour->at), cap;

	if (hour->count == 0)
		return true;
	if (h->len + len > h->cap) {
		cap = h->len + len + ROOM + h->len / 8;
		grown = realloc(h->packed, cap);
		if (grown == NULL)
			return false;
		h->packed = grown;
		h->cap = cap;
	}
	h->last = place == h->len ? hour->at : h->last;
	memmove(h->packed + place + len, h->packed + place, h->len - place);
	memcpy(h->packed + place, packed, len);
	h->len += len;
	h->packed_count++;
	return true;
}

/* Out of the packed ones, if it is there. */
static void
hours_load(struct hours *h, uint32_t at, struct hour *out)
{
	uint32_t place = hours_place(h, at), len;

	*out = (struct hour){ .at = at };
	if (place == h->len || hour_at(h->packed + place) != at)
		return;
	hour_unpack(h->packed + place, out);
	len = h->packed[place];
	h->len -= len;
	memmove(h->packed + place, h->packed + place + len, h->len - place);
	h->packed_count--;
}

struct hour *
hours_get(struct hours *h, uint32_t at)
{
	uint32_t other = h->newest ^ 1u;

	if (h->plain_count > 0 && h->plain[h->newest].at == at)
		return &h->plain[h->newest];
	if (h->plain_count < HOURS_PLAIN)
		other = h->plain_count++;
	else if (h->plain[other].at == at)
		return &h->plain[h->newest = other];
	else if (!hours_store(h, &h->plain[other]))
		return NULL;
	hours_load(h, at, &h->plain[other]);
	return &h->plain[h->newest = other];
}

void
hours_expire(struct hours *h, uint32_t before)
{
	uint32_t i = 0;

	for (; i < h->len && hour_at(h->packed + i) < before; i += h->packed[i])
		h->packed_count--;
	h->len -= i;
	if (i > 0)
		memmove(h->packed, h->packed + i, h->len);
	for (i = 0; i < h->plain_count; i++) {
		if (h->plain[i].at < before)
			h->plain[i] = (struct hour){ .at = h->plain[i].at };
	}
}

/* Insertion: they are sorted but for the plain ones. */
static void
hours_settle(struct hour *list, uint32_t count, const struct hour *one)
{
	for (; count > 0 && list[count - 1].at > one->at; count--)
		list[count] = list[count - 1];
	list[count] = *one;
}

struct hour *
hours_list(const struct hours *h, uint32_t since, uint32_t *count)
{
	struct hour *list = malloc((h->packed_count + HOURS_PLAIN + 1u) * sizeof(*list));
	uint32_t n = 0;

	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; i < h->len; i += h->packed[i]) {
		if (hour_at(h->packed + i) >= since)
			hour_unpack(h->packed + i, &list[n++]);
	}
	for (uint32_t i = 0; i < h->plain_count; i++) {
		if (h->plain[i].at >= since && h->plain[i].count > 0)
			hours_settle(list, n++, &h->plain[i]);
	}
	*count = n;
	return list;
}

void
hours_fini(struct hours *h)
{
	free(h->packed);
	*h = (struct hours){ 0 };
}

size_t
hours_bytes(const struct hours *h)
{
	return h->cap;
}
