/* SPDX-License-Identifier: MIT */
#include "nodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EARTH_KM 6371.0
#define RADIANS (3.14159265358979323846 / 180)

void
hops_nodes_fini(struct hops_nodes *n)
{
	free(n->at);
	free(n->list);
	hops_ids_fini(&n->ids);
	*n = (struct hops_nodes){ 0 };
}

static char
nodes_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool
hops_role_relays(const char *role, size_t len)
{
	char text[64] = "";

	len = len < sizeof(text) ? len : sizeof(text) - 1;
	for (size_t i = 0; i < len; i++)
		text[i] = nodes_lower(role[i]);
	return strstr(text, "repeater") != NULL || strstr(text, "room_server") != NULL ||
	       strcmp(text, "room") == 0;
}

bool
hops_has_gps(double lat, double lon)
{
	return lat >= -90 && lat <= 90 && lon >= -180 && lon <= 180 && (lat != 0 || lon != 0);
}

static bool
nodes_is_candidate(const struct hops_node *node)
{
	return node->there && node->relays && !node->listener;
}

struct hops_node *
hops_nodes_put(struct hops_nodes *n, const char *key, size_t len, uint32_t *id)
{
	uint32_t i = hops_ids_put(&n->ids, key, len), cap = n->cap == 0 ? 256 : n->cap;
	struct hops_node *at;

	if (i == HOPS_NONE)
		return NULL;
	while (i >= cap)
		cap *= 2;
	if (cap != n->cap) {
		at = realloc(n->at, cap * sizeof(*at));
		if (at == NULL)
			return NULL;
		memset(at + n->cap, 0, (cap - n->cap) * sizeof(*at));
		n->at = at;
		n->cap = cap;
	}
	*id = i;
	return &n->at[i];
}

const struct hops_node *
hops_nodes_get(const struct hops_nodes *n, uint32_t id)
{
	return id < n->cap && id < n->ids.count ? &n->at[id] : NULL;
}

mk_result
hops_nodes_set(struct hops_nodes *n, const char *key, size_t len, const struct hops_node *now)
{
	uint32_t id;
	struct hops_node *node = hops_nodes_put(n, key, len, &id), old;

	if (node == NULL)
		return MK_ENOMEM;
	old = *node;
	*node = *now;
	node->listener = old.listener;
	if (nodes_is_candidate(&old) != nodes_is_candidate(node))
		n->stale = true;
	if (old.there != node->there || old.relays != node->relays ||
	    old.has_gps != node->has_gps || old.lat != node->lat || old.lon != node->lon)
		n->changes++;
	return MK_OK;
}

mk_result
hops_nodes_set_listener(struct hops_nodes *n, const char *key, size_t len, bool listener)
{
	uint32_t id;
	struct hops_node *node = hops_nodes_put(n, key, len, &id);

	if (node == NULL)
		return MK_ENOMEM;
	if (node->listener != listener) {
		node->listener = listener;
		n->stale = true;
		n->changes++;
	}
	return MK_OK;
}

void
hops_nodes_clear(struct hops_nodes *n)
{
	if (n->cap > 0)
		memset(n->at, 0, n->cap * sizeof(*n->at));
	n->stale = true;
	n->changes++;
}

size_t
hops_nodes_memory(const struct hops_nodes *n)
{
	const struct hops_ids *ids = &n->ids;
	size_t sum = n->cap * sizeof(*n->at) + n->list_cap * sizeof(*n->list) +
		     ids->cap * sizeof(*ids->text) + ids->slot_count * sizeof(*ids->slots);

	for (uint32_t i = 0; i < ids->count; i++)
		sum += strlen(ids->text[i]) + 1;
	return sum;
}

static int
nodes_compare(const void *a, const void *b)
{
	const struct hops_candidate *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* Candidates change when somebody is new, goes, or takes another role: rarely enough to sort. */
static void
nodes_refresh(struct hops_nodes *n)
{
	uint32_t count = n->ids.count < n->cap ? n->ids.count : n->cap, found = 0;

	if (!n->stale)
		return;
	if (n->list_cap < count) {
		struct hops_candidate *list = realloc(n->list, n->cap * sizeof(*list));

		if (list == NULL)
			return; /* the old ones answer until there is memory */
		n->list = list;
		n->list_cap = n->cap;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (nodes_is_candidate(&n->at[i]))
			n->list[found++] = (struct hops_candidate){ n->ids.text[i], i };
	}
	n->list_count = found;
	if (found > 1)
		qsort(n->list, found, sizeof(*n->list), nodes_compare);
	n->stale = false;
}

uint32_t
hops_candidates(struct hops_nodes *n, const char *prefix, size_t len,
		const struct hops_candidate **first)
{
	char text[HOPS_ID_MAX];
	uint32_t low = 0, high, end;

	if (len < 2 || len > sizeof(text))
		return 0;
	for (size_t i = 0; i < len; i++)
		text[i] = nodes_lower(prefix[i]);
	nodes_refresh(n);
	if (n->list_count == 0)
		return 0;
	for (high = n->list_count; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (strncmp(n->list[middle].key, text, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < n->list_count && strncmp(n->list[end].key, text, len) == 0;)
		end++;
	*first = n->list + low;
	return end - low;
}

uint32_t
hops_token_candidates(struct hops_nodes *n, uint32_t token, const struct hops_candidate **first)
{
	char text[HOPS_TOKEN_TEXT];

	hops_token_text(token, text);
	return hops_candidates(n, text, strlen(text), first);
}

uint32_t
hops_token_read(const char *hex, size_t len)
{
	uint32_t value = 0;

	if (len != 2 && len != 4 && len != 6)
		return 0;
	for (size_t i = 0; i < len; i++) {
		char c = nodes_lower(hex[i]);

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else
			return 0;
	}
	return HOPS_TOKEN(len / 2, value);
}

void
hops_token_text(uint32_t token, char text[HOPS_TOKEN_TEXT])
{
	uint32_t digits = 2 * HOPS_TOKEN_SIZE(token);

	digits = digits < HOPS_TOKEN_TEXT ? digits : HOPS_TOKEN_TEXT - 1;
	for (uint32_t i = 0; i < digits; i++)
		text[i] = "0123456789abcdef"[token >> (4 * (digits - 1 - i)) & 15];
	text[digits] = '\0';
}

double
hops_distance_km(const struct hops_node *a, const struct hops_node *b)
{
	double dlat = (b->lat - a->lat) * RADIANS, dlon = (b->lon - a->lon) * RADIANS;
	double s = sin(dlat / 2), t = sin(dlon / 2);
	double h = s * s + cos(a->lat * RADIANS) * cos(b->lat * RADIANS) * t * t;

	return 2 * EARTH_KM * atan2(sqrt(h), sqrt(h < 1 ? 1 - h : 0));
}
