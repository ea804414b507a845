/* SPDX-License-Identifier: MIT
 *
 * What speaks for multi-byte paths of a node, for the page Network: its own adverts, and hops of two
 * bytes or more that begin like its key; how many packets, and the first and the last of each. What
 * counts is what counts for the plugin mbcap (its capability.c), as far as packets are in memory.
 */
#include <string.h>

#include <hops/resolve.h>

#include "packet.h"
#include "who.h"

#define DAY_S 86400
#define ADVERT 4
#define TRACE 9
#define FLOOD_MAX 1 /* route types up to here collect their path on the way */
#define TRANSPORT_DIRECT 3
#define CODES 4u /* bytes of transport codes, before the length of the path */

struct proof {
	uint64_t packets;
	struct {
		char hash[17];
		int64_t at;
	} first, last;
};

struct proofs {
	uint32_t node;
	uint8_t key[3];
	bool hops; /* its key is one that hops can be compared with */
	int64_t since;
	struct proof advert, path;
	uint64_t sure; /* packets whose hop can be no other node */
};

/* Bytes of a hop by the packet's own words; 0: it has none. */
static uint32_t
proof_size(const struct read_packet *p)
{
	size_t at = p->route == 0 || p->route == TRANSPORT_DIRECT ? 1 + CODES : 1;
	uint32_t size = p->raw_len > at ? (p->raw[at] >> 6) + 1u : 0;

	return size > 3 ? 0 : size;
}

static void
proof_add(struct proof *y, const struct read_packet *p, int64_t at)
{
	y->packets++;
	if (y->first.at == 0 || at < y->first.at) {
		y->first.at = at;
		memcpy(y->first.hash, p->hash, sizeof(y->first.hash));
	}
	if (at >= y->last.at) {
		y->last.at = at;
		memcpy(y->last.hash, p->hash, sizeof(y->last.hash));
	}
}

/* Is it one of the hops? *sure: nobody else can be meant. */
static bool
proof_is_hop(const struct proofs *v, const struct read_obs *o, bool *sure)
{
	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t node = o->resolved == NULL ? READ_NONE : o->resolved[i];

		if (memcmp(o->path + (size_t)i * o->hop_size, v->key, o->hop_size) != 0 ||
		    (node != READ_NONE && node != v->node))
			continue;
		*sure = node == v->node;
		return true;
	}
	return false;
}

static void
proof_packet(struct proofs *v, const struct read_packet *p)
{
	bool flood = p->route >= 0 && p->route <= FLOOD_MAX, advert = false, path = false;
	bool sure = false, one;
	int64_t at = 0;

	for (uint32_t i = 0; i < p->obs_count; i++) {
		const struct read_obs *o = &p->obs[i];

		if (o->at < v->since)
			continue;
		at = at == 0 || o->at < at ? o->at : at;
		/* A direct advert without hops says nothing: old firmware writes any size into it. */
		advert =
		    advert || (p->type == ADVERT && p->from == v->node && (flood || o->count > 0));
		if (!v->hops || !flood || p->type == TRACE || o->hop_size < 2 || o->hop_size > 3 ||
		    !proof_is_hop(v, o, &one))
			continue;
		path = true;
		sure = sure || one;
	}
	if (advert)
		proof_add(&v->advert, p, at);
	if (path)
		proof_add(&v->path, p, at);
	v->sure += sure;
}

static void
proof_put(struct json *out, const char *name, const struct proof *y)
{
	js_kobject(out, name);
	js_kuint(out, "packets", y->packets);
	for (int last = 0; last < 2; last++) {
		js_key(out, last ? "last" : "first");
		if (y->packets == 0) {
			js_null(out);
			continue;
		}
		js_object(out);
		js_kstr(out, "hash", last ? y->last.hash : y->first.hash);
		js_kint(out, "at", last ? y->last.at : y->first.at);
		js_object_end(out);
	}
	js_object_end(out);
}

/* Only the few packets that may say something are read with their observations. */
static bool
proof_may(const struct proofs *v, const struct read_packet *p)
{
	bool flood = p->route >= 0 && p->route <= FLOOD_MAX;

	return p->latest != READ_NULL && p->latest >= v->since && proof_size(p) >= 2 &&
	       ((p->type == ADVERT && p->from == v->node) ||
		(v->hops && flood && p->type != TRACE));
}

static void
proof_look(struct proofs *v, const struct read *r, struct read_scratch *brief,
	   struct read_scratch *full)
{
	read_scratch_skip(brief, READ_SKIP_JSON | READ_SKIP_OBS);
	read_scratch_skip(full, READ_SKIP_JSON);
	for (uint32_t i = read_packet_end(r); i > read_packet_begin(r); i--) {
		const struct read_packet *p = read_packet_at(r, brief, i - 1);

		if (p == NULL || !proof_may(v, p))
			continue;
		p = read_packet_at(r, full, i - 1);
		if (p != NULL)
			proof_packet(v, p);
	}
}

static void
proof_answer(const struct proofs *v, const struct read *r, struct json *out)
{
	struct read_state state;

	read_get_state(r, &state);
	js_object(out);
	js_kint(out, "from", v->since);
	js_kstr(out, "oldest", state.complete ? NULL : state.oldest);
	proof_put(out, "advert", &v->advert);
	proof_put(out, "path", &v->path);
	js_kuint(out, "sure", v->sure);
	js_object_end(out);
}

static void
proof_show(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *key = request_text(rq, "node");
	struct proofs v = { .node = read_node_find(r, key, strlen(key)),
			    .since = who_now(rq) - request_int(rq, "days") * DAY_S };
	struct read_scratch *brief, *full;

	if (!who_is_warm(rq))
		return;
	if (v.node == READ_NONE || !who_is_there(read_node(r, v.node))) {
		request_fail(rq, 404, "Not found");
		return;
	}
	key = read_node(r, v.node)->key;
	v.hops = who_is_hex(key, 2 * sizeof(v.key));
	for (size_t i = 0; v.hops && i < sizeof(v.key); i++)
		v.key[i] = (uint8_t)(hops_token_read(key + 2 * i, 2) & 0xff);
	brief = read_scratch_new(r);
	full = read_scratch_new(r);
	if (brief == NULL || full == NULL) {
		request_fail(rq, 500, "out of memory");
	} else {
		proof_look(&v, r, brief, full);
		proof_answer(&v, r, out);
	}
	read_scratch_free(brief);
	read_scratch_free(full);
}

/* ------------------------------------------------------------ everybody -- */

/* What the page wants of a body; most of one is the plugin's own state. */
static void
capable_body(struct json *out, const struct event *e)
{
	static const char *const fields[] = { "window", "nodes", "gone", "days" };
	mk_doc doc;

	mk_doc_init(&doc);
	js_object(out);
	if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			const mk_val *v = mk_find(mk_doc_root(&doc), fields[i]);

			if (v == NULL)
				continue;
			js_key(out, fields[i]);
			js_val(out, v);
		}
	}
	js_object_end(out);
	mk_doc_fini(&doc);
}

static void
capable_show(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	const struct retained_topic *t = retained_find(&h->retained, "snapshot/mbcap");

	if (t == NULL || t->base == NULL) {
		request_fail(rq, 404, "the plugin mbcap has published nothing yet");
		return;
	}
	js_object(out);
	js_key(out, "base");
	capable_body(out, t->base);
	js_karray(out, "deltas");
	for (uint32_t i = 0; i < t->count; i++)
		capable_body(out, t->deltas[i]);
	js_array_end(out);
	js_object_end(out);
}

/* clang-format off */
static const struct route_param proof_params[] = {
	{ .name = "node", .type = PARAM_TEXT, .min = 1, .max = 64, .error = "node is missing", .help = "key of a node" },
	{ .name = "days", .type = PARAM_INT, .dflt = 7, .min = 1, .max = 365, .help = "how far back" },
	{ .name = NULL },
};

const struct route web_evidence_routes[] = {
	{ .method = "GET", .pattern = "/api/web/multibyte", .handle = proof_show, .params = proof_params,
	  .reads = MODEL_PACKETS | MODEL_NODES, .max_age_s = 30, .cost = 20,
	  .summary = "packets that speak for multi-byte paths of a node: how many, the first and the last",
	  .answer = "{from, oldest, advert: {packets, first: {hash, at}, last: {hash, at}}, path: {the same}, sure}" },
	{ .method = "GET", .pattern = "/api/web/capabilities", .handle = capable_show,
	  .reads = MODEL_SNAPSHOTS, .cost = 2,
	  .summary = "snapshot/mbcap without the plugin's own state: who can do multi-byte paths, and the relays of each day",
	  .answer = "{base: {window, nodes, gone, days}, deltas: [{nodes, gone, days}]}: docs/events.md" },
	{ .method = NULL },
};
/* clang-format on */
