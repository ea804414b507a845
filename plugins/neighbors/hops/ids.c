/* SPDX-License-Identifier: MIT */
#include "ids.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

uint64_t
hops_mix(uint64_t v)
{
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93u;
	v ^= v >> 32;
	v *= 0xd6e8feb86659fd93u;
	return v ^ v >> 32;
}

/* In lower case into `out`, which has room for HOPS_ID_MAX bytes, and its hash. */
static uint64_t
ids_lower(const char *text, size_t len, char *out)
{
	uint64_t hash = len, word;
	size_t i;

	for (i = 0; i < len; i++) {
		char c = text[i];

		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	for (i = 0; i + sizeof(word) <= len; i += sizeof(word)) {
		memcpy(&word, out + i, sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	for (; i < len; i++)
		hash = (hash ^ (uint8_t)out[i]) * 0x100000001b3u;
	return hops_mix(hash);
}

/* The slot where a name is, or where it would be. */
static uint32_t
ids_slot(const struct hops_ids *ids, const char *name, size_t len, uint64_t hash)
{
	uint32_t mask = ids->slot_count - 1, i = (uint32_t)hash & mask;

	for (; ids->slots[i] != 0; i = (i + 1) & mask) {
		const char *there = ids->text[ids->slots[i] - 1];

		if (strncmp(there, name, len) == 0 && there[len] == '\0')
			break;
	}
	return i;
}

/* Room for one more name. */
static bool
ids_grow(struct hops_ids *ids)
{
	uint32_t cap = ids->cap == 0 ? 256 : ids->cap * 2;
	uint32_t *slots;
	const char **text;

	if (ids->count < ids->cap)
		return true;
	text = realloc(ids->text, cap * sizeof(*text));
	if (text == NULL)
		return false;
	ids->text = text;
	slots = calloc((size_t)cap * 2, sizeof(*slots));
	if (slots == NULL)
		return false;
	free(ids->slots);
	ids->slots = slots;
	ids->slot_count = cap * 2;
	ids->cap = cap;
	for (uint32_t i = 0; i < ids->count; i++) {
		char name[HOPS_ID_MAX];
		size_t len = strlen(text[i]);
		uint64_t hash = ids_lower(text[i], len, name);

		slots[ids_slot(ids, name, len, hash)] = i + 1;
	}
	return true;
}

uint32_t
hops_ids_put(struct hops_ids *ids, const char *text, size_t len)
{
	char name[HOPS_ID_MAX], *kept;
	uint64_t hash;
	uint32_t slot;

	if (len == 0 || len > HOPS_ID_MAX || memchr(text, '\0', len) != NULL) {
		ids->refused++;
		return HOPS_NONE;
	}
	hash = ids_lower(text, len, name);
	if (ids->count > 0) {
		slot = ids_slot(ids, name, len, hash);
		if (ids->slots[slot] != 0)
			return ids->slots[slot] - 1;
	}
	/* Messages name it, and one name that is no text would make the whole of one invalid. */
	if (ids->count >= HOPS_IDS_MAX || !mk_utf8_valid(name, len) || !ids_grow(ids) ||
	    (kept = mk_arena_dup(&ids->arena, name, len)) == NULL) {
		ids->refused++;
		return HOPS_NONE;
	}
	slot = ids_slot(ids, name, len, hash);
	ids->text[ids->count] = kept;
	ids->slots[slot] = ++ids->count;
	return ids->count - 1;
}

uint32_t
hops_ids_find(const struct hops_ids *ids, const char *text, size_t len)
{
	char name[HOPS_ID_MAX];
	uint64_t hash;
	uint32_t slot;

	if (len == 0 || len > HOPS_ID_MAX || ids->count == 0)
		return HOPS_NONE;
	hash = ids_lower(text, len, name);
	slot = ids_slot(ids, name, len, hash);
	return ids->slots[slot] == 0 ? HOPS_NONE : ids->slots[slot] - 1;
}

void
hops_ids_fini(struct hops_ids *ids)
{
	free(ids->text);
	free(ids->slots);
	mk_arena_fini(&ids->arena);
	*ids = (struct hops_ids){ 0 };
}
