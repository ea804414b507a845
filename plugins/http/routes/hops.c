/* SPDX-License-Identifier: MIT
 *
 * Which nodes the hops of a path are, and how one packet came to each observer.
 */
#include "who.h"

#include <stdlib.h>
#include <string.h>

#include <hops/resolve.h>

#include "../read/when.h"

#define HOPS_ASKED_MAX 512u
#define HOP_MAX 64u
#define SHOWN_MAX 256u /* candidates for one hop */

/* ---------------------------------------------------------------- resolve-hops
 * -- */

struct resolve {
	struct read *r;
	struct json *out;
	int64_t now;
	uint32_t context[2], context_count;
};

static void
resolve_candidates(const struct resolve *z, const char *key, const uint32_t *list, uint32_t n)
{
	js_karray(z->out, key);
	for (uint32_t i = 0; i < n; i++) {
		const struct read_node *node = read_node(z->r, list[i]);
		uint32_t id = read_to_hops(z->r, list[i]);
		double score = 0;

		for (uint32_t k = 0; k < z->context_count; k++) {
			const struct hops_edge *e =
			    hops_graph_find(read_graph(z->r), z->context[k], id, 0);
			double s = e == NULL ? 0 : hops_score(&e->t, z->now);

			score = s > score ? s : score;
		}
		js_object(z->out);
		js_kstr(z->out, "name", node->name);
		js_kstr(z->out, "pubkey", node->key);
		put_place(z->out, node);
		put_real(z->out, "affinityScore", score > 0 && n > 1, score);
		js_object_end(z->out);
	}
	js_array_end(z->out);
}

static void
resolve_hop(const struct resolve *z, const char *hop, size_t len)
{
	struct hops_question q = { .hop = hop,
				   .len = len,
				   .context = z->context,
				   .context_count = z->context_count,
				   .graph = read_graph(z->r),
				   .now = z->now };
	const struct hops_candidate *all = NULL;
	uint32_t list[SHOWN_MAX], n = 0, found = hops_candidates(read_hops(z->r), hop, len, &all);
	struct hops_answer answer = { HOPS_NONE, HOPS_NO_MATCH, 0 };
	const char *confidence = hops_method_text(HOPS_NO_MATCH);
	uint32_t best = READ_NONE;

	for (uint32_t i = 0; i < found && n < SHOWN_MAX; i++) {
		uint32_t node = read_from_hops(z->r, all[i].id);

		if (node != READ_NONE && who_is_there(read_node(z->r, node)))
			list[n++] = node;
	}
	if (n == 1) {
		best = list[0];
		confidence = hops_method_text(HOPS_UNIQUE);
	} else if (n > 1) {
		answer = hops_resolve(read_hops(z->r), &q);
		best = read_from_hops(z->r, answer.id);
		confidence = hops_method_text(answer.method);
		if (best == READ_NONE || !who_is_there(read_node(z->r, best))) {
			best = list[0];
			confidence = "ambiguous";
		}
	}
	js_object(z->out);
	js_kstr(z->out, "name", best == READ_NONE ? NULL : read_node(z->r, best)->name);
	if (best != READ_NONE)
		js_kstr(z->out, "pubkey", read_node(z->r, best)->key);
	if (n > 1)
		js_kbool(z->out, "ambiguous", true);
	resolve_candidates(z, "candidates", list, n);
	resolve_candidates(z, "conflicts", list, n > 1 ? n : 0);
	if (n > 1 && answer.method == HOPS_AFFINITY)
		js_kstr(z->out, "bestCandidate", read_node(z->r, best)->key);
	js_kstr(z->out, "confidence", confidence);
	js_object_end(z->out);
}

static void
resolve_context(struct resolve *z, const char *key)
{
	uint32_t node = key == NULL ? READ_NONE : read_node_find(z->r, key, strlen(key));
	uint32_t id = node == READ_NONE ? HOPS_NONE : read_to_hops(z->r, node);

	if (id != HOPS_NONE)
		z->context[z->context_count++] = id;
}

/* Was this hop asked for before? A key comes only once in an answer. */
static bool
resolve_again(const char *hops, const char *at, size_t len)
{
	for (const char *p = hops; p < at; p += strcspn(p, ",") + 1)
		if (strcspn(p, ",") == len && memcmp(p, at, len) == 0)
			return true;
	return false;
}

static void
resolve_hops(struct request *rq, struct json *out)
{
	struct resolve z = { .r = who_read(rq), .out = out, .now = who_now(rq) };
	const char *hops = request_text(rq, "hops");
	uint32_t asked = 0;
	char hop[HOP_MAX + 1];

	if (!who_is_ready(rq))
		return;
	resolve_context(&z, request_text(rq, "from_node"));
	resolve_context(&z, request_text(rq, "observer"));
	js_object(out);
	js_kobject(out, "resolved");
	for (const char *at = hops; at != NULL && *at != '\0';) {
		size_t len = strcspn(at, ",");

		if (len > 0 && len <= HOP_MAX && !resolve_again(hops, at, len)) {
			if (asked++ == HOPS_ASKED_MAX) {
				request_fail(rq, 400, "too many hops (max %u)", HOPS_ASKED_MAX);
				return;
			}
			memcpy(hop, at, len);
			hop[len] = '\0';
			js_key(out, hop);
			resolve_hop(&z, hop, len);
		}
		at += len + (at[len] == ',');
	}
	js_object_end(out);
	js_object_end(out);
}

/* ---------------------------------------------------------------------- traces
 * -- */

static int
traces_compare(const void *a, const void *b)
{
	const struct read_obs *x = *(const struct read_obs *const *)a;
	const struct read_obs *y = *(const struct read_obs *const *)b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

static void
traces_put(struct json *out, const struct read *r, const struct read_packet *p, bool *failed)
{
	char time[WHEN_TEXT];
	const struct read_obs **list = calloc(p->obs_count + 1u, sizeof(struct read_obs *));

	*failed = list == NULL;
	if (list == NULL)
		return;
	for (uint32_t i = 0; i < p->obs_count; i++)
		list[i] = &p->obs[i];
	if (p->obs_count > 1)
		qsort(list, p->obs_count, sizeof(struct read_obs *), traces_compare);
	for (uint32_t i = 0; i < p->obs_count; i++) {
		const struct read_obs *o = list[i];
		const struct read_observer *who =
		    o->observer == READ_NONE ? NULL : read_observer(r, o->observer);

		js_object(out);
		js_kstr(out, "observer", who == NULL ? NULL : who->id);
		js_kstr(out, "observer_name", who == NULL ? NULL : who->name);
		when_text(o->at, ".000Z", time);
		js_kstr(out, "time", time);
		put_real(out, "snr", o->has_snr, o->snr);
		put_real(out, "rssi", o->has_rssi, o->rssi);
		js_key(out, "path_json");
		packet_put_path(out, o);
		js_object_end(out);
	}
	free(list);
}

static void
traces_show(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	struct read_scratch *s;
	const char *given = request_arg(rq, 0);
	const struct read_packet *p = NULL;
	char hash[17] = "";
	bool failed;

	if (!who_is_ready(rq))
		return;
	s = read_scratch_new(r);
	failed = s == NULL;
	for (size_t i = 0; i < 16 && given[i] != '\0'; i++)
		hash[i] = (char)(given[i] >= 'A' && given[i] <= 'Z' ? given[i] + 32 : given[i]);
	if (s != NULL)
		read_scratch_skip(s, READ_SKIP_JSON);
	if (s != NULL && strlen(given) == 16)
		p = read_packet_by_hash(r, s, hash, 16);
	js_object(out);
	js_karray(out, "traces");
	if (p != NULL)
		traces_put(out, r, p, &failed);
	js_array_end(out);
	js_object_end(out);
	if (failed)
		request_fail(rq, 500, "out of memory");
	read_scratch_free(s);
}

/* clang-format off */
static const struct route_param resolve_params[] = {
	{ "hops", PARAM_TEXT, .max = 8192, .help = "beginnings of keys in hex, with commas" },
	{ "from_node", PARAM_TEXT, .help = "key of who sent it" },
	{ "observer", PARAM_TEXT, .help = "who heard it" },
	{ .name = NULL },
};

const struct route hop_routes[] = {
	{ .method = "GET", .pattern = "/api/resolve-hops", .handle = resolve_hops,
	  .params = resolve_params, .reads = MODEL_NODES | MODEL_GRAPH, .max_age_s = 10, .cost = 1,
	  .stale_s = 60, .summary = "which nodes hops can be",
	  .answer = "{resolved: {hop: {name, pubkey?, ambiguous?, candidates, conflicts, confidence}}}" },
	{ .method = "GET", .pattern = "/api/traces/{hash}", .handle = traces_show,
	  .reads = MODEL_PACKETS | MODEL_OBSERVERS | MODEL_WARM,
	  .summary = "all observations of a packet by time", .answer = "{traces}" },
	{ .method = NULL },
};
/* clang-format on */
