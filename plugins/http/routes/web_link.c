/* SPDX-License-Identifier: MIT
 *
 * What speaks for a link between two nodes, for the page Network: in which packets of the last days
 * one was heard by the other, each way, by whom that was observed, and how one knows that the hops
 * are these two. Looked at are the packets in memory that one of them certainly has to do with.
 */
#include <stdlib.h>
#include <string.h>

#include <hops/resolve.h>

#include "packet.h"
#include "who.h"

#define DAY_S 86400
#define DAYS_MAX 90
#define SAMPLES 20u
#define ADVERT 4
#define TRACE 9
#define FLOOD_MAX 1 /* route types up to here collect their path on the way */
#define TRANSPORT_DIRECT 3
#define SENT 2 /* direction of an observation: the observer's own */

/* How an end is known, the surest first. */
enum how { HOW_NAMED, HOW_UNIQUE, HOW_NEIGHBOR, HOW_PLACE, HOW_OPEN, HOW_NOT };
static const char *const how_texts[HOW_NOT] = { "named", "unique", "neighbor", "geography",
						"open" };

struct end {
	uint32_t node, id; /* ours, and of the resolver (HOPS_NONE: it has none) */
	uint8_t key[3];
	uint32_t candidates[4]; /* relays that begin so, by bytes; 0: it is none of them */
	enum how guess[4];      /* of a hop of so many bytes that is not certain */
};

struct touch { /* one heard the other, in one observation */
	enum how how;
	uint32_t bytes; /* of the hops; 0: there was none */
	bool at_end;    /* by the observer itself */
};

struct tally {
	uint32_t seen[2]; /* number of the packet that was counted last + 1, each way */
	uint64_t packets[2], snr_n[2];
	double snr[2];
	int64_t last;
};

struct evidence {
	struct read *r;
	struct end end[2];
	int64_t now, first_day; /* Unix seconds */
	uint32_t days;
	uint64_t by_day[DAYS_MAX + 1][2], packets[2], how[HOW_NOT][4];
	struct tally *observers; /* by number */
	struct json *out;        /* samples go here while packets are looked at */
	uint32_t samples;
};

/* ------------------------------------------------------------------ the ends -- */

/* Several relays begin so: is it this one, beside `other`? */
static enum how
end_guess(const struct evidence *v, const struct end *e, const struct end *other, size_t bytes)
{
	struct hops_question q = { .hop = read_node(v->r, e->node)->key,
				   .len = 2 * bytes,
				   .context = &other->id,
				   .context_count = other->id == HOPS_NONE ? 0 : 1,
				   .graph = read_graph(v->r),
				   .now = v->now };
	struct hops_answer a = hops_resolve(read_hops(v->r), &q);

	if (a.id != e->id)
		return HOW_OPEN;
	return a.method == HOPS_AFFINITY ? HOW_NEIGHBOR
	       : a.method == HOPS_GEO    ? HOW_PLACE
					 : HOW_OPEN;
}

static void
end_init(const struct evidence *v, struct end *e, const struct end *other)
{
	const char *key = read_node(v->r, e->node)->key;

	for (size_t bytes = 1; bytes <= 3 && e->id != HOPS_NONE; bytes++) {
		const struct hops_candidate *list = NULL;
		uint32_t n = hops_candidates(read_hops(v->r), key, 2 * bytes, &list);

		e->key[bytes - 1] = (uint8_t)(hops_token_read(key + 2 * (bytes - 1), 2) & 0xff);
		for (uint32_t i = 0; i < n; i++)
			if (list[i].id == e->id)
				e->candidates[bytes] = n;
		e->guess[bytes] = n == 1 ? HOW_UNIQUE : end_guess(v, e, other, bytes);
	}
}

/* How one knows that hop `i` is this end; HOW_NOT: it is somebody else. */
static enum how
end_of_hop(const struct end *e, const struct read_obs *o, uint32_t i)
{
	uint32_t node = o->resolved == NULL ? READ_NONE : o->resolved[i];
	uint32_t size = o->hop_size;

	if (size < 1 || size > 3 || e->candidates[size] == 0 ||
	    (node != READ_NONE && node != e->node))
		return HOW_NOT;
	if (node == e->node)
		return e->candidates[size] == 1 ? HOW_UNIQUE : HOW_NEIGHBOR;
	return memcmp(o->path + (size_t)i * size, e->key, size) == 0 ? e->guess[size] : HOW_NOT;
}

/* ------------------------------------------------------------------ packets -- */

/* A pair is one of the ends and the other. Who they are: a hop, or (hop NO_HOP) the node itself. */
#define NO_HOP UINT32_MAX

struct place {
	uint32_t hop, node;
};

static enum how
place_is(const struct end *e, const struct read_obs *o, const struct place *p)
{
	if (p->hop != NO_HOP)
		return end_of_hop(e, o, p->hop);
	return p->node == e->node ? HOW_NAMED : HOW_NOT;
}

/* Each way (0: a was heard by b) the surer of what is there already and of `from` heard by `to`. */
static void
touch_find(const struct evidence *v, const struct read_obs *o, const struct place *from,
	   const struct place *to, bool at_end, struct touch best[2])
{
	for (uint32_t way = 0; way < 2; way++) {
		enum how a = place_is(&v->end[way], o, from), b = place_is(&v->end[1 - way], o, to);
		enum how how = a > b ? a : b;

		if (how == HOW_NOT || how > best[way].how)
			continue;
		best[way] = (struct touch){ .how = how, .at_end = at_end };
		if (from->hop != NO_HOP || to->hop != NO_HOP)
			best[way].bytes = o->hop_size;
	}
}

/* A contact that was shared by hand names somebody who did not send it. */
static bool
packet_is_shared(const struct read_packet *p, const struct read_obs *o)
{
	static const uint8_t zero[4];

	return p->route == TRANSPORT_DIRECT && o->count == 0 && p->raw_len > 5 &&
	       memcmp(p->raw + 1, zero, sizeof(zero)) == 0;
}

/* As the plugin neighbors takes an observation for evidence (its links.c). */
static void
obs_touch(const struct evidence *v, const struct read_packet *p, const struct read_obs *o,
	  struct touch best[2])
{
	struct place from = { NO_HOP, READ_NONE }, to = { NO_HOP, READ_NONE };
	bool heard = o->observer != READ_NONE && o->direction != SENT;

	if (o->count > 0 && (p->route < 0 || p->route > FLOOD_MAX || p->type == TRACE))
		return;
	if (p->type == ADVERT && !packet_is_shared(p, o))
		from.node = p->from;
	for (uint32_t i = 0; i < o->count; i++) {
		struct place hop = { i, READ_NONE };

		touch_find(v, o, &from, &hop, false, best);
		from = hop;
	}
	if (heard) {
		to.node = read_observer(v->r, o->observer)->node;
		touch_find(v, o, &from, &to, true, best);
	}
}

static void
evidence_sample(struct evidence *v, const struct read_packet *p, const struct read_obs *o,
		uint32_t way, const struct touch *t)
{
	const struct read_observer *who =
	    o->observer == READ_NONE ? NULL : read_observer(v->r, o->observer);

	v->samples++;
	js_object(v->out);
	js_kstr(v->out, "hash", p->hash);
	js_kint(v->out, "at", o->at);
	js_kint(v->out, "type", p->type);
	js_kbool(v->out, "ab", way == 0);
	js_kstr(v->out, "how", how_texts[t->how]);
	js_kuint(v->out, "bytes", t->bytes);
	js_kstr(v->out, "observer", who == NULL || who->hidden ? NULL : who->id);
	put_real(v->out, "snr", t->at_end && o->has_snr, o->snr);
	js_object_end(v->out);
}

static void
evidence_observer(struct evidence *v, uint32_t packet, const struct read_obs *o, uint32_t way,
		  const struct touch *t)
{
	struct tally *y = &v->observers[o->observer];

	if (y->seen[way] != packet + 1) {
		y->seen[way] = packet + 1;
		y->packets[way]++;
	}
	if (t->at_end && o->has_snr) {
		y->snr[way] += o->snr;
		y->snr_n[way]++;
	}
	if (o->at > y->last)
		y->last = o->at;
}

/* A packet counts once each way, with the surest of its observations. */
static void
evidence_packet(struct evidence *v, uint32_t number, const struct read_packet *p)
{
	struct touch best[2] = { { .how = HOW_NOT }, { .how = HOW_NOT } };
	const struct read_obs *of[2] = { NULL, NULL };

	for (uint32_t i = 0; i < p->obs_count; i++) {
		struct touch now[2] = { { .how = HOW_NOT }, { .how = HOW_NOT } };
		const struct read_obs *o = &p->obs[i];

		if (o->at < v->first_day || o->at >= v->first_day + v->days * (int64_t)DAY_S)
			continue;
		obs_touch(v, p, o, now);
		for (uint32_t way = 0; way < 2; way++) {
			if (now[way].how < HOW_OPEN && o->observer != READ_NONE)
				evidence_observer(v, number, o, way, &now[way]);
			if (now[way].how >= best[way].how)
				continue;
			best[way] = now[way];
			of[way] = o;
		}
	}
	for (uint32_t way = 0; way < 2; way++) {
		if (of[way] == NULL)
			continue;
		v->how[best[way].how][best[way].bytes & 3]++;
		if (best[way].how == HOW_OPEN)
			continue;
		v->packets[way]++;
		v->by_day[(of[way]->at - v->first_day) / DAY_S][way]++;
		if (v->samples < SAMPLES)
			evidence_sample(v, p, of[way], way, &best[way]);
	}
}

/* All packets that one of the two has to do with, newest first. */
static void
evidence_look(struct evidence *v, struct read_scratch *s)
{
	uint32_t n[2];
	const uint32_t *list[2];

	for (int k = 0; k < 2; k++)
		list[k] = read_node_packets(v->r, v->end[k].node, &n[k]);
	while (n[0] > 0 || n[1] > 0) {
		uint32_t a = n[0] > 0 ? list[0][n[0] - 1] : 0, b = n[1] > 0 ? list[1][n[1] - 1] : 0;
		bool first = n[0] > 0 && (n[1] == 0 || a >= b);
		uint32_t number = first ? a : b;
		const struct read_packet *p = read_packet_at(v->r, s, number);

		while (n[0] > 0 && list[0][n[0] - 1] == number)
			n[0]--;
		while (n[1] > 0 && list[1][n[1] - 1] == number)
			n[1]--;
		if (p != NULL && p->latest != READ_NULL && p->latest >= v->first_day)
			evidence_packet(v, number, p);
	}
}

/* ------------------------------------------------------------------ the answer -- */

static void
put_both(struct json *out, uint64_t ab, uint64_t ba)
{
	js_kuint(out, "ab", ab);
	js_kuint(out, "ba", ba);
}

static void
evidence_put_observers(const struct evidence *v)
{
	static const char *const snr[2][2] = { { "snr_ab", "snr_ab_n" }, { "snr_ba", "snr_ba_n" } };

	js_karray(v->out, "observers");
	for (uint32_t i = 0; i < read_observer_count(v->r); i++) {
		const struct tally *y = &v->observers[i];
		const struct read_observer *o = read_observer(v->r, i);

		if (y->packets[0] + y->packets[1] == 0 || o->hidden)
			continue;
		js_object(v->out);
		js_kstr(v->out, "id", o->id);
		js_kstr(v->out, "name", o->name);
		put_both(v->out, y->packets[0], y->packets[1]);
		js_kint(v->out, "last", y->last);
		for (int way = 0; way < 2; way++) {
			put_real(v->out, snr[way][0], y->snr_n[way] > 0,
				 y->snr_n[way] > 0 ? y->snr[way] / (double)y->snr_n[way] : 0);
			js_kuint(v->out, snr[way][1], y->snr_n[way]);
		}
		js_object_end(v->out);
	}
	js_array_end(v->out);
}

static void
evidence_put_rest(const struct evidence *v)
{
	struct read_state state;

	read_get_state(v->r, &state);
	js_array_end(v->out); /* samples */
	js_kint(v->out, "from", v->first_day);
	js_kstr(v->out, "oldest", state.complete ? NULL : state.oldest);
	js_kobject(v->out, "packets");
	put_both(v->out, v->packets[0], v->packets[1]);
	js_object_end(v->out);
	js_karray(v->out, "days");
	for (uint32_t i = 0; i < v->days; i++) {
		js_object(v->out);
		put_both(v->out, v->by_day[i][0], v->by_day[i][1]);
		js_object_end(v->out);
	}
	js_array_end(v->out);
	js_karray(v->out, "how");
	for (uint32_t how = 0; how < HOW_NOT; how++) {
		for (uint32_t bytes = 0; bytes < 4; bytes++) {
			if (v->how[how][bytes] == 0)
				continue;
			js_object(v->out);
			js_kstr(v->out, "how", how_texts[how]);
			js_kuint(v->out, "bytes", bytes);
			js_kuint(v->out, "packets", v->how[how][bytes]);
			js_object_end(v->out);
		}
	}
	js_array_end(v->out);
	js_karray(v->out, "alike");
	for (int k = 0; k < 2; k++) {
		js_array(v->out);
		for (int bytes = 1; bytes <= 3; bytes++)
			js_uint(v->out, v->end[k].candidates[bytes]);
		js_array_end(v->out);
	}
	js_array_end(v->out);
	evidence_put_observers(v);
}

/* The node of a key that is listed; else the request has failed. */
static bool
link_end(struct request *rq, const char *name, struct end *e)
{
	const struct read *r = who_read(rq);
	const char *key = request_text(rq, name);

	e->node = read_node_find(r, key, strlen(key));
	if (e->node == READ_NONE || !who_is_there(read_node(r, e->node))) {
		request_fail(rq, 404, "Not found");
		return false;
	}
	e->id = read_to_hops(r, e->node);
	return true;
}

static void
link_show(struct request *rq, struct json *out)
{
	struct evidence *v;
	struct read_scratch *s;
	struct end a = { 0 }, b = { 0 };

	if (!who_is_warm(rq) || !link_end(rq, "a", &a) || !link_end(rq, "b", &b))
		return;
	v = calloc(1, sizeof(*v));
	s = read_scratch_new(who_read(rq));
	if (v != NULL)
		v->observers =
		    calloc(read_observer_count(who_read(rq)) + 1u, sizeof(*v->observers));
	if (v == NULL || s == NULL || v->observers == NULL) {
		request_fail(rq, 500, "out of memory");
	} else {
		v->r = who_read(rq);
		v->out = out;
		v->now = who_now(rq);
		v->days = (uint32_t)request_int(rq, "days");
		v->first_day = (v->now / DAY_S - v->days + 1) * DAY_S;
		v->end[0] = a;
		v->end[1] = b;
		for (int k = 0; k < 2; k++)
			end_init(v, &v->end[k], &v->end[1 - k]);
		read_scratch_skip(s, READ_SKIP_JSON);
		js_object(out);
		js_karray(out, "samples");
		evidence_look(v, s);
		evidence_put_rest(v);
		js_object_end(out);
	}
	read_scratch_free(s);
	if (v != NULL)
		free(v->observers);
	free(v);
}

/* clang-format off */
static const struct route_param link_params[] = {
	{ .name = "a", .type = PARAM_TEXT, .min = 1, .max = 64, .error = "a is missing", .help = "key of a node" },
	{ .name = "b", .type = PARAM_TEXT, .min = 1, .max = 64, .error = "b is missing", .help = "key of another node" },
	{ .name = "days", .type = PARAM_INT, .dflt = 7, .min = 1, .max = DAYS_MAX,
	  .help = "so many days in UTC, today included" },
	{ .name = NULL },
};

const struct route web_link_routes[] = {
	{ .method = "GET", .pattern = "/api/web/link", .handle = link_show, .params = link_params,
	  .reads = MODEL_PACKETS | MODEL_NODES | MODEL_OBSERVERS | MODEL_GRAPH, .max_age_s = 30, .cost = 20,
	  .summary = "what speaks for a link: packets by day, by observer, and how its ends are known",
	  .answer = "{from, oldest, packets: {ab, ba}, days: [{ab, ba}], how: [{how, bytes, packets}], alike, observers, samples}" },
	{ .method = NULL },
};
/* clang-format on */
