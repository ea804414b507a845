/* SPDX-License-Identifier: MIT
 *
 * Nodes: the list and what is found in it.
 */
#include "who.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_S 3600
#define DAY_S 86400
#define FOUND_MAX 10u

/* ------------------------------------------------------------------- list --
 */

struct nodes_filter {
	const char *role, *search, *before;
	int64_t heard_after;         /* READ_NULL: any time */
	const uint8_t *heard_in;     /* bits of nodes; NULL: anywhere */
	const uint8_t *area;         /* the same */
	const struct mc_area *shown; /* others are not listed, unless they are marked as foreign */
};

static char
nodes_lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* As SQL's LIKE has it: only the case of ASCII makes no difference. */
static bool
nodes_begins(const char *text, const char *part)
{
	for (; *part != '\0'; text++, part++)
		if (nodes_lower(*text) != nodes_lower(*part))
			return false;
	return true;
}

static bool
nodes_contains(const char *text, const char *part)
{
	if (text == NULL)
		return false;
	for (; *text != '\0'; text++)
		if (nodes_begins(text, part))
			return true;
	return *part == '\0';
}

static bool
nodes_wanted(const void *arg, const struct who_ref *ref)
{
	const struct nodes_filter *f = arg;
	const struct read_node *n = ref->node;

	if (f->role != NULL && (n->role == NULL || strcmp(n->role, f->role) != 0))
		return false;
	if (f->search != NULL && !nodes_contains(n->name, f->search))
		return false;
	if (f->before != NULL && (n->first_seen == NULL || strcmp(n->first_seen, f->before) > 0))
		return false;
	if (f->heard_after != READ_NULL &&
	    (n->last_seen_s == READ_NULL || n->last_seen_s <= f->heard_after))
		return false;
	if (f->heard_in != NULL && !who_bit(f->heard_in, ref->id))
		return false;
	if (f->area != NULL && !who_bit(f->area, ref->id))
		return false;
	return f->shown == NULL || n->foreign || !n->has_lat || !n->has_lon ||
	       mc_area_contains(f->shown, n->lat, n->lon);
}

static const char *
nodes_text(struct request *rq, const char *name)
{
	const char *text = request_text(rq, name);

	return text == NULL || text[0] == '\0' ? NULL : text;
}

static void
nodes_counts(struct json *out, const struct read *r)
{
	static const char *const roles[] = { "repeater", "room", "companion", "sensor" };
	static const char *const names[] = { "repeaters", "rooms", "companions", "sensors" };
	uint32_t counts[4] = { 0 };

	for (uint32_t i = 0; i < read_node_count(r); i++) {
		const struct read_node *n = read_node(r, i);

		for (uint32_t k = 0; who_is_there(n) && n->role != NULL && k < 4; k++)
			counts[k] += strcmp(n->role, roles[k]) == 0;
	}
	js_kobject(out, "counts");
	for (uint32_t k = 0; k < 4; k++)
		js_kuint(out, names[k], counts[k]);
	js_object_end(out);
}

static const char *const heard_choices[] = { "", "1h", "6h", "24h", "7d", "30d", NULL };
static const char *const sort_choices[] = { "lastSeen", "name", "packetCount", NULL };

static void
nodes_list(struct request *rq, struct json *out)
{
	static const int64_t heard[] = { 0, HOUR_S, 6 * HOUR_S, DAY_S, 7 * DAY_S, 30 * DAY_S };
	struct http *h = request_context(rq);
	int64_t now = who_now(rq), window = heard[request_int(rq, "lastHeard")];
	uint64_t from = (uint64_t)request_int(rq, "offset");
	uint64_t limit = (uint64_t)request_int(rq, "limit");
	const char *regions = request_text(rq, "region");
	bool failed = false;
	uint8_t *heard_in = NULL, *area = packet_area(rq, request_text(rq, "area"), &failed);
	struct nodes_filter f = { .role = nodes_text(rq, "role"),
				  .search = nodes_text(rq, "search"),
				  .before = nodes_text(rq, "before"),
				  .heard_after = window == 0 ? READ_NULL : now - window,
				  .area = area,
				  .shown = &h->area };
	struct who_list list = { 0 };

	if (!who_is_ready(rq))
		goto done;
	if (packet_region(regions) != NULL) {
		f.heard_in = heard_in = who_of_regions(rq, regions, true);
		if (heard_in == NULL)
			goto done;
	}
	if (failed || !who_collect(h->read, &list, nodes_wanted, &f)) {
		request_fail(rq, 500, "out of memory");
		goto done;
	}
	who_sort(&list, (enum who_order)request_int(rq, "sortBy"));
	js_object(out);
	js_karray(out, "nodes");
	for (uint64_t i = from; i < list.count && i - from < limit; i++) {
		js_object(out);
		put_node_more(out, h->read, list.at[i].id, now);
		js_object_end(out);
	}
	js_array_end(out);
	js_kuint(out, "total", list.count);
	nodes_counts(out, h->read);
	js_object_end(out);
done:
	free(list.at);
	free(heard_in);
	free(area);
}

/* ----------------------------------------------------------------- search --
 */

static bool
nodes_found(const void *arg, const struct who_ref *ref)
{
	return nodes_contains(ref->node->name, arg) || nodes_begins(ref->node->key, arg);
}

static void
nodes_search(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	const char *text = request_text(rq, "q");
	struct who_list list = { 0 };
	char q[256];
	size_t len;

	if (!who_is_ready(rq))
		return;
	text = text == NULL ? "" : text + strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (len > 0 && len < sizeof(q)) { /* no name is as long */
		memcpy(q, text, len);
		q[len] = '\0';
		if (!who_collect(h->read, &list, nodes_found, q)) {
			request_fail(rq, 500, "out of memory");
			return;
		}
		who_sort(&list, ORDER_LAST_SEEN);
	}
	js_object(out);
	js_karray(out, "nodes");
	for (uint32_t i = 0; i < list.count && i < FOUND_MAX; i++) {
		js_object(out);
		put_node(out, list.at[i].node);
		js_kstr(out, "hash_size", NULL);
		js_kbool(out, "hash_size_inconsistent", false);
		js_object_end(out);
	}
	js_array_end(out);
	js_object_end(out);
	free(list.at);
}

/* --------------------------------------------------------- network status --
 */

struct nodes_role {
	const char *role;
	uint32_t count;
};

/* Roles are few: four, and what adverts of unknown kinds make. */
static void
nodes_count_role(struct nodes_role *roles, uint32_t *count, uint32_t max, const char *role)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (strcmp(roles[i].role, role) == 0) {
			roles[i].count++;
			return;
		}
	}
	if (*count < max)
		roles[(*count)++] = (struct nodes_role){ role, 1 };
}

static void
nodes_status(struct request *rq, struct json *out)
{
	const struct settings *set = request_settings(rq);
	struct http *h = request_context(rq);
	int64_t now = who_now(rq);
	struct nodes_role roles[32];
	uint32_t role_count = 0, total = 0, active = 0, degraded = 0, silent = 0;

	if (!who_is_ready(rq))
		return;
	for (uint32_t i = 0; i < read_node_count(h->read); i++) {
		const struct read_node *n = read_node(h->read, i);
		const char *role;
		bool infra;
		int64_t age;

		if (!who_is_there(n))
			continue;
		role = n->role == NULL ? "unknown" : n->role;
		infra = strcmp(role, "repeater") == 0 || strcmp(role, "room") == 0;
		age = n->last_seen_s == READ_NULL ? INT64_MAX / 2 : now - n->last_seen_s;
		total++;
		nodes_count_role(roles, &role_count, 32, role);
		if (age < set->degraded_s[infra])
			active++;
		else if (age < set->silent_s[infra])
			degraded++;
		else
			silent++;
	}
	js_object(out);
	js_kuint(out, "total", total);
	js_kuint(out, "active", active);
	js_kuint(out, "degraded", degraded);
	js_kuint(out, "silent", silent);
	js_kobject(out, "roleCounts");
	for (uint32_t i = 0; i < role_count; i++)
		js_kuint(out, roles[i].role, roles[i].count);
	js_object_end(out);
	js_object_end(out);
}

/* ---------------------------------------------------------------- resolve --
 */

static void
nodes_resolve(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	const char *prefix = request_text(rq, "prefix");
	char lower[65];
	uint32_t node = READ_NONE, found;
	size_t len;

	prefix = prefix == NULL ? "" : prefix;
	len = strlen(prefix);
	if (!who_is_hex(prefix, 0)) {
		request_fail(rq, 400, "prefix must be hex");
		return;
	}
	if (len < 4 || len > 64) {
		request_fail(rq, 400,
			     len < 4 ? "prefix must be at least 4 hex chars"
				     : "prefix must be at most 64 hex chars");
		return;
	}
	for (size_t i = 0; i <= len; i++)
		lower[i] = nodes_lower(prefix[i]);
	if (!who_is_ready(rq))
		return;
	found = read_node_prefix(h->read, lower, len, &node, 1);
	js_object(out);
	js_kstr(out, "prefix", lower);
	if (found == 1) {
		js_kstr(out, "pubkey", read_node(h->read, node)->key);
		js_kstr(out, "name", who_name(h->read, node));
	}
	js_kbool(out, "ambiguous", found > 1);
	js_object_end(out);
}

/* clang-format off */
static const struct route_param list_params[] = {
	{ "limit", PARAM_LIMIT, .dflt = 50, .max = 100000, .list = LIST_NODES, .help = "at most so many" },
	{ "offset", PARAM_INT, .max = INT32_MAX, .help = "leave out so many first" },
	{ "role", PARAM_TEXT, .help = "repeater, companion, room, sensor, ..." },
	{ "search", PARAM_TEXT, .help = "part of the name" },
	{ "before", PARAM_TEXT, .help = "first seen until then" },
	{ "lastHeard", PARAM_ENUM, .choices = heard_choices, .help = "seen within that time" },
	{ "sortBy", PARAM_ENUM, .choices = sort_choices, .help = "newest, by name, most adverts" },
	{ "region", PARAM_TEXT, .help = "an advert was heard by observers there, as SJC,OAK" },
	{ "area", PARAM_TEXT, .help = "position in a configured area" },
	{ .name = NULL },
};

static const struct route_param search_params[] = {
	{ "q", PARAM_TEXT, .help = "part of the name, or beginning of the key" },
	{ .name = NULL },
};

static const struct route_param resolve_params[] = {
	{ "prefix", PARAM_TEXT, .help = "4 to 64 hex digits" },
	{ .name = NULL },
};

#define NODE_PARTS (MODEL_NODES | MODEL_MBCAP | MODEL_RELAYS | MODEL_AREA | MODEL_WARM)

const struct route node_routes[] = {
	{ .method = "GET", .pattern = "/api/nodes", .handle = nodes_list, .params = list_params,
	  .reads = NODE_PARTS, .max_age_s = 2, .stale_s = 30, .summary = "nodes, newest first",
	  .answer = "{nodes: [node], total, counts}" },
	{ .method = "GET", .pattern = "/api/nodes/search", .handle = nodes_search,
	  .params = search_params, .reads = MODEL_NODES, .max_age_s = 1,
	  .summary = "at most ten nodes", .answer = "{nodes: [node]}" },
	{ .method = "GET", .pattern = "/api/nodes/network-status", .handle = nodes_status,
	  .reads = MODEL_NODES, .max_age_s = 1, .stale_s = 10,
	  .summary = "how many nodes are active, degraded, silent" },
	{ .method = "GET", .pattern = "/api/nodes/resolve", .handle = nodes_resolve,
	  .params = resolve_params, .flags = ROUTE_PLAIN_ERRORS, .reads = MODEL_NODES,
	  .summary = "the node whose key begins so", .answer = "{prefix, pubkey?, name?, ambiguous}" },
	{ .method = NULL },
};
/* clang-format on */
