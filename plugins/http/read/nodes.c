/* SPDX-License-Identifier: MIT
 *
 * Keys and their numbers, which are those of the resolver, and what is kept in order for readers.
 */
#include "impl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

uint64_t
nodes_head(const char *key)
{
	uint64_t head = 0;

	for (int i = 0; i < 16; i++) {
		char c = key[i];

		if (c >= '0' && c <= '9')
			head = head << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			head = head << 4 | (uint64_t)(c - 'a' + 10);
		else
			return 0;
	}
	return head;
}

struct heads
nodes_heads(const struct read *r)
{
	return (struct heads){ r->heads, r->node_count };
}

static bool
nodes_grow(struct read *r, uint32_t count)
{
	uint32_t cap = r->node_cap == 0 ? 1024 : r->node_cap;
	struct read_node *nodes;
	struct node_more *more;
	uint64_t *heads;

	while (cap < count)
		cap *= 2;
	if (cap == r->node_cap)
		return true;
	nodes = realloc(r->nodes, cap * sizeof(*nodes));
	r->nodes = nodes != NULL ? nodes : r->nodes;
	more = realloc(r->more, cap * sizeof(*more));
	r->more = more != NULL ? more : r->more;
	heads = realloc(r->heads, cap * sizeof(*heads));
	r->heads = heads != NULL ? heads : r->heads;
	if (nodes == NULL || more == NULL || heads == NULL)
		return false;
	r->node_cap = cap;
	return true;
}

bool
nodes_sync(struct read *r)
{
	if (!nodes_grow(r, r->hops.ids.count))
		return false;
	for (; r->node_count < r->hops.ids.count; r->node_count++) {
		const char *key = r->hops.ids.text[r->node_count];
		struct read_node *n = &r->nodes[r->node_count];
		size_t len = strlen(key);

		*n = (struct read_node){ .last_seen_s = READ_NULL,
					 .advert_count = READ_NULL,
					 .battery_mv = READ_NULL };
		memcpy(n->key, key, len < sizeof(n->key) ? len : sizeof(n->key) - 1);
		r->more[r->node_count] = (struct node_more){ 0 };
		r->heads[r->node_count] = nodes_head(key);
	}
	return true;
}

uint32_t
nodes_put(struct read *r, const char *key, size_t len)
{
	uint32_t node = hops_ids_find(&r->hops.ids, key, len);

	if (node == HOPS_NONE && r->hops.ids.count >= READ_NODES_MAX) {
		r->refused++;
		return READ_NONE;
	}
	if (node == HOPS_NONE && hops_nodes_put(&r->hops, key, len, &node) == NULL)
		return READ_NONE;
	return nodes_sync(r) && node < r->node_count ? node : READ_NONE;
}

/* ------------------------------------------------------------------ order -- */

struct nodes_key {
	const char *key;
	uint32_t node;
};

static int
nodes_compare(const void *a, const void *b)
{
	return strcmp(((const struct nodes_key *)a)->key, ((const struct nodes_key *)b)->key);
}

static bool
nodes_sort(struct read *r)
{
	struct nodes_key *keys = malloc((r->node_count + 1) * sizeof(*keys));
	uint32_t count = 0;

	if (keys != NULL && r->sorted_cap < r->node_count) {
		uint32_t *sorted = realloc(r->sorted, r->node_cap * sizeof(*sorted));

		if (sorted != NULL) {
			r->sorted = sorted;
			r->sorted_cap = r->node_cap;
		}
	}
	if (keys == NULL || r->sorted_cap < r->node_count) {
		free(keys);
		return false;
	}
	for (uint32_t i = 0; i < r->node_count; i++)
		if (r->nodes[i].active && !r->nodes[i].hidden)
			keys[count++] = (struct nodes_key){ r->nodes[i].key, i };
	if (count > 1)
		qsort(keys, count, sizeof(*keys), nodes_compare);
	for (uint32_t i = 0; i < count; i++)
		r->sorted[i] = keys[i].node;
	r->sorted_count = count;
	free(keys);
	return true;
}

void
nodes_settle(struct read *r)
{
	const struct hops_candidate *first;

	if (r->hops.stale)
		(void)hops_candidates(&r->hops, "00", 2, &first);
	if (r->sorted_stale)
		r->sorted_stale = !nodes_sort(r);
	for (uint32_t i = 0; r->joined_stale && i < r->observer_count; i++) {
		struct read_observer *o = &r->observers[i];
		uint32_t node = hops_ids_find(&r->hops.ids, o->id, strlen(o->id));

		o->node = node < r->node_count && r->nodes[node].known ? node : READ_NONE;
	}
	r->joined_stale = false;
}

static bool
nodes_is_listed(const char *const *list, const char *text)
{
	size_t len = strlen(text);

	for (; list != NULL && *list != NULL; list++) {
		const char *s = *list;
		size_t n;

		while (isspace((unsigned char)*s))
			s++;
		for (n = strlen(s); n > 0 && isspace((unsigned char)s[n - 1]);)
			n--;
		if (n == len && n > 0 && strncasecmp(s, text, n) == 0)
			return true;
	}
	return false;
}

static bool
nodes_is_prefixed(const char *const *list, const char *name)
{
	for (; list != NULL && *list != NULL; list++)
		if (**list != '\0' && strncmp(name, *list, strlen(*list)) == 0)
			return true;
	return false;
}

void
nodes_hide_one(struct read *r, struct read_node *n)
{
	bool hidden = nodes_is_listed(r->config.node_blacklist, n->key) ||
		      (n->name != NULL && nodes_is_prefixed(r->config.hidden_prefixes, n->name));

	r->sorted_stale |= hidden != n->hidden;
	n->hidden = hidden;
}

void
nodes_hide_observer(struct read *r, struct read_observer *o)
{
	o->hidden = nodes_is_listed(r->config.observer_blacklist, o->id);
}

void
nodes_hide(struct read *r)
{
	for (uint32_t i = 0; i < r->node_count; i++)
		nodes_hide_one(r, &r->nodes[i]);
	for (uint32_t i = 0; i < r->observer_count; i++)
		nodes_hide_observer(r, &r->observers[i]);
}

void
nodes_fini(struct read *r)
{
	for (uint32_t i = 0; i < r->node_count; i++) {
		free(r->more[i].texts);
		free(r->more[i].scopes);
	}
	free(r->nodes);
	free(r->more);
	free(r->heads);
	free(r->sorted);
	hops_nodes_fini(&r->hops);
	hops_graph_fini(&r->graph);
}

/* ---------------------------------------------------------------- reading -- */

uint32_t
read_node_count(const struct read *r)
{
	return r->node_count;
}

const struct read_node *
read_node(const struct read *r, uint32_t node)
{
	return node < r->node_count ? &r->nodes[node] : NULL;
}

uint32_t
read_node_find(const struct read *r, const char *key, size_t len)
{
	uint32_t node = hops_ids_find(&r->hops.ids, key, len);

	return node < r->node_count ? node : READ_NONE;
}

uint32_t
read_node_prefix(const struct read *r, const char *prefix, size_t len, uint32_t *out, uint32_t max)
{
	uint32_t low = 0, high = r->sorted_count, n = 0;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strncasecmp(r->nodes[r->sorted[middle]].key, prefix, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->sorted_count; low++, n++) {
		if (strncasecmp(r->nodes[r->sorted[low]].key, prefix, len) != 0)
			break;
		if (n < max)
			out[n] = r->sorted[low];
	}
	return n;
}

bool
read_mbcap(const struct read *r, uint32_t node, struct read_mbcap *out)
{
	if (node >= r->node_count || !r->more[node].has_mbcap)
		return false;
	*out = r->more[node].mbcap;
	return true;
}

bool
read_relay(const struct read *r, uint32_t node, struct read_relay *out)
{
	if (node >= r->node_count || !r->more[node].has_relay)
		return false;
	*out = r->more[node].relay;
	return true;
}

const struct hops_graph *
read_graph(const struct read *r)
{
	return &r->graph;
}

struct hops_nodes *
read_hops(const struct read *r)
{
	/* The resolver sorts its candidates when they changed, which nodes_settle() has it do, so it
	 * changes nothing for readers. */
	return (struct hops_nodes *)(uintptr_t)&r->hops;
}

uint32_t
read_from_hops(const struct read *r, uint32_t hops_id)
{
	return hops_id < r->node_count ? hops_id : READ_NONE;
}

uint32_t
read_to_hops(const struct read *r, uint32_t node)
{
	return node < r->node_count ? node : HOPS_NONE;
}
