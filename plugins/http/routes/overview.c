/* SPDX-License-Identifier: MIT
 *
 * /api/overview: what an operator wants to know first, in one answer. Does data flow, what is broken,
 * what has changed within a day, how are my nodes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/when.h"
#include "alerts.h"
#include "flow.h"
#include "overview.h"
#include "packet.h"

#define DAY_S 86400
#define ALERTS_SHOWN 20u
#define ITEMS_SHOWN 5u
#define RECENT_SHOWN 6u
#define LINK_LEAST 5u /* packets, for a link to be missed */

/* -------------------------------------------------------------------- flow -- */

static void
over_brokers(const struct over *o)
{
	uint32_t total, connected = 0;
	mk_doc doc;
	const mk_val *items = mk_find(http_last(o->h, "mqtt/sources", &doc), "items");

	total = mk_is_array(items) ? mk_count(items) : 0;
	for (uint32_t i = 0; i < total; i++) {
		bool is = false;

		mk_get_bool(mk_find(mk_at(items, i), "connected"), &is);
		connected += is;
	}
	mk_doc_fini(&doc);
	js_kobject(o->out, "brokers");
	js_kuint(o->out, "connected", connected);
	js_kuint(o->out, "total", total);
	js_object_end(o->out);
}

static bool
over_brings_packets(const mk_val *item)
{
	const mk_val *topics = mk_find(item, "publishes");
	char text[32] = "";

	mk_copy_str(mk_find(item, "plugin"), text, sizeof(text));
	if (strcmp(text, "mqtt") == 0 || strcmp(text, "http") == 0)
		return false;
	mk_copy_str(mk_find(item, "state"), text, sizeof(text));
	if (strcmp(text, "running") != 0)
		return false;
	for (uint32_t i = 0; mk_is_array(topics) && i < mk_count(topics); i++)
		if (mk_copy_str(mk_at(topics, i), text, sizeof(text)) &&
		    strcmp(text, "rx/raw") == 0)
			return true;
	return false;
}

/* Those that are no brokers. */
static void
over_sources(const struct over *o)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(o->h, "core/plugins", &doc), "items");

	js_karray(o->out, "sources");
	for (uint32_t i = 0; mk_is_array(items) && i < mk_count(items); i++)
		if (over_brings_packets(mk_at(items, i)))
			js_val(o->out, mk_find(mk_at(items, i), "name"));
	js_array_end(o->out);
	mk_doc_fini(&doc);
}

void
over_known(struct json *out, const char *key, double v)
{
	js_key(out, key);
	if (v < 0)
		js_null(out);
	else
		js_num(out, v);
}

static void
over_flow(const struct over *o)
{
	const struct flow *f = &o->h->flow;
	int64_t minute = o->now_s / 60, last = atomic_load(&f->last_us);
	uint64_t part = (uint64_t)(60 - o->now_s % 60);

	js_kobject(o->out, "flow");
	over_brokers(o);
	over_sources(o);
	over_known(o->out, "last_packet_at", last == 0 ? -1 : (double)last / 1e6);
	js_kuint(o->out, "last_minute",
		 flow_sum(f, minute, 1) + flow_sum(f, minute - 1, 1) * part / 60);
	js_knum(o->out, "per_minute", (double)flow_sum(f, minute - 15, 15) / 15);
	over_known(o->out, "usual_per_minute", flow_usual(f, minute));
	over_known(o->out, "lag_p95_ms", flow_lag_ms(f));
	js_karray(o->out, "sparkline");
	for (int64_t m = minute - 59; m <= minute; m++)
		js_uint(o->out, flow_sum(f, m, 1));
	js_array_end(o->out);
	js_object_end(o->out);
}

static void
over_alerts(const struct over *o)
{
	struct alert *list = calloc(ALERTS_MAX, sizeof(*list));
	uint32_t total = 0;
	uint32_t n = list == NULL ? 0 : alerts_find(o->h, o->set, o->now_s, list, &total);
	char id[128];

	js_karray(o->out, "alerts");
	for (uint32_t i = 0; i < n && i < ALERTS_SHOWN; i++) {
		const struct alert *a = &list[i];

		(void)snprintf(id, sizeof(id), "%s:%s", a->kind, a->ref);
		js_object(o->out);
		js_kstr(o->out, "id", id);
		js_kstr(o->out, "level", a->bad ? "bad" : "warn");
		js_kstr(o->out, "text", a->text);
		js_kstr(o->out, "kind", a->kind);
		js_kstr(o->out, "ref", a->ref);
		js_key(o->out, "since");
		if (a->since == 0)
			js_null(o->out);
		else
			js_int(o->out, a->since);
		js_object_end(o->out);
	}
	js_array_end(o->out);
	js_kuint(o->out, "alerts_total", total);
	js_kint(o->out, "checked_at", o->now_s);
	free(list);
}

/* ----------------------------------------------------------------- changes -- */

struct group { /* of changes; the newest ones are shown */
	uint32_t total, kept;
	struct {
		int64_t at;
		uint32_t node, other;
	} items[ITEMS_SHOWN];
};

static void
group_add(struct group *g, int64_t at, uint32_t node, uint32_t other)
{
	uint32_t i;

	g->total++;
	if (g->kept < ITEMS_SHOWN)
		i = g->kept++;
	else if (at > g->items[ITEMS_SHOWN - 1].at)
		i = ITEMS_SHOWN - 1;
	else
		return;
	for (; i > 0 && g->items[i - 1].at < at; i--)
		g->items[i] = g->items[i - 1];
	g->items[i].at = at;
	g->items[i].node = node;
	g->items[i].other = other;
}

const char *
over_name(const struct over *o, uint32_t node)
{
	const struct read_node *n = read_node(o->h->read, node);

	return n->name == NULL || n->name[0] == '\0' ? n->key : n->name;
}

static void
over_item(const struct over *o, const char *key, const char *name, int64_t at, const char *text)
{
	js_object(o->out);
	js_kstr(o->out, "key", key);
	js_kstr(o->out, "name", name);
	js_kint(o->out, "at", at);
	js_kstr(o->out, "text", text);
	js_object_end(o->out);
}

static void
over_group(const struct over *o, const char *kind, const struct group *g)
{
	char text[160];

	if (g->total == 0)
		return;
	js_object(o->out);
	js_kstr(o->out, "kind", kind);
	js_kuint(o->out, "total", g->total);
	js_karray(o->out, "items");
	for (uint32_t i = 0; i < g->kept; i++) {
		uint32_t node = g->items[i].node, other = g->items[i].other;
		const char *role = read_node(o->h->read, node)->role;

		if (other != READ_NONE)
			(void)snprintf(text, sizeof(text), "%.64s - %.64s", over_name(o, node),
				       over_name(o, other));
		else
			(void)snprintf(text, sizeof(text), "%s", role == NULL ? "" : role);
		over_item(o, read_node(o->h->read, node)->key, over_name(o, node), g->items[i].at,
			  text);
	}
	js_array_end(o->out);
	js_object_end(o->out);
}

/* A new relay whose key begins like that of another one: two bytes of it, since with one byte nearly
 * everybody does. */
static uint32_t
over_collides(const struct over *o, uint32_t node)
{
	uint32_t found[16];
	uint32_t n = read_node_prefix(o->h->read, read_node(o->h->read, node)->key, 4, found, 16);

	for (uint32_t i = 0; i < n && i < 16; i++)
		if (found[i] != node && over_is_infra(read_node(o->h->read, found[i])))
			return found[i];
	return READ_NONE;
}

static void
over_nodes(const struct over *o)
{
	struct group fresh = { 0 }, lost = { 0 }, collisions = { 0 };

	for (uint32_t i = 0; i < read_node_count(o->h->read); i++) {
		const struct read_node *n = read_node(o->h->read, i);
		int64_t silent = over_is_infra(n) ? o->set->infra_silent_s : o->set->node_silent_s;
		int64_t first;
		uint32_t other;

		if (!n->known || n->hidden)
			continue;
		if (n->last_seen_s != READ_NULL && n->last_seen_s <= o->now_s - silent &&
		    n->last_seen_s > o->now_s - silent - DAY_S)
			group_add(&lost, n->last_seen_s + silent, i, READ_NONE);
		if (!n->active || n->first_seen == NULL ||
		    !when_parse(n->first_seen, &first, NULL) || first < o->now_s - DAY_S)
			continue;
		group_add(&fresh, first, i, READ_NONE);
		other = over_is_infra(n) ? over_collides(o, i) : READ_NONE;
		if (other != READ_NONE)
			group_add(&collisions, first, i, other);
	}
	over_group(o, "new_node", &fresh);
	over_group(o, "lost_node", &lost);
	over_group(o, "collision", &collisions);
}

static void
over_links(const struct over *o)
{
	const struct hops_graph *g = read_graph(o->h->read);
	struct group fresh = { 0 }, lost = { 0 };
	bool old = false; /* without a past everything would be new */

	for (uint32_t i = 0; g != NULL && i < g->count; i++) {
		const struct hops_edge *e = &g->edges[i];
		uint32_t a = read_from_hops(o->h->read, e->a);
		uint32_t b = e->b == HOPS_NONE ? READ_NONE : read_from_hops(o->h->read, e->b);

		if (a == READ_NONE || b == READ_NONE || read_node(o->h->read, a)->hidden ||
		    read_node(o->h->read, b)->hidden)
			continue;
		old = old || e->t.first <= o->now_s - DAY_S;
		if (e->t.first > o->now_s - DAY_S)
			group_add(&fresh, e->t.first, a, b);
		else if (e->t.count >= LINK_LEAST && e->t.last <= o->now_s - DAY_S &&
			 e->t.last > o->now_s - 2 * DAY_S)
			group_add(&lost, e->t.last + DAY_S, a, b);
	}
	if (old)
		over_group(o, "new_link", &fresh);
	over_group(o, "lost_link", &lost);
}

/* Of one kind, as they were noted, the newest first. */
static void
over_noted(const struct over *o, const char *kind)
{
	const struct flow *f = &o->h->flow;
	uint32_t have = f->change_count < FLOW_CHANGES ? f->change_count : FLOW_CHANGES;
	uint32_t total = 0, shown = 0;

	for (uint32_t i = 0; i < have; i++)
		total +=
		    strcmp(f->changes[i].kind, kind) == 0 && f->changes[i].at > o->now_s - DAY_S;
	if (total == 0)
		return;
	js_object(o->out);
	js_kstr(o->out, "kind", kind);
	js_kuint(o->out, "total", total);
	js_karray(o->out, "items");
	for (uint32_t i = 1; i <= have && shown < ITEMS_SHOWN; i++) {
		const struct flow_change *c = &f->changes[(f->change_count - i) % FLOW_CHANGES];

		if (strcmp(c->kind, kind) != 0 || c->at <= o->now_s - DAY_S)
			continue;
		over_item(o, c->key, c->name[0] == '\0' ? c->key : c->name, c->at, c->text);
		shown++;
	}
	js_array_end(o->out);
	js_object_end(o->out);
}

static void
over_changes(const struct over *o)
{
	js_karray(o->out, "changes");
	if (o->state.ready) { /* tables and snapshots are enough for it */
		over_nodes(o);
		over_links(o);
	}
	over_noted(o, "multibyte");
	over_noted(o, "firmware");
	js_array_end(o->out);
}

/* ------------------------------------------------------------------ totals -- */

static void
over_totals(const struct over *o)
{
	uint32_t nodes = 0, active = 0, observers = 0, online = 0;
	int64_t seen;

	for (uint32_t i = 0; i < read_node_count(o->h->read); i++) {
		const struct read_node *n = read_node(o->h->read, i);

		nodes += n->known && n->active && !n->hidden;
		active += n->known && n->active && !n->hidden && n->last_seen_s != READ_NULL &&
			  n->last_seen_s > o->now_s - DAY_S;
	}
	for (uint32_t i = 0; i < read_observer_count(o->h->read); i++) {
		const struct read_observer *r = read_observer(o->h->read, i);

		observers += !r->hidden && !r->inactive;
		online += !r->hidden && !r->inactive && r->last_seen != NULL &&
			  when_parse(r->last_seen, &seen, NULL) &&
			  seen > o->now_s - o->set->observer_online_s;
	}
	js_kobject(o->out, "totals");
	js_kuint(o->out, "nodes", nodes);
	js_kuint(o->out, "nodes_active", active);
	js_kuint(o->out, "observers", observers);
	js_kuint(o->out, "observers_active", online);
	js_kuint(o->out, "packets", o->state.tx);
	js_kuint(o->out, "observations", o->state.obs);
	js_kuint(o->out, "observations_24h", read_recent(o->h->read, READ_NONE, o->now_s, DAY_S));
	js_object_end(o->out);
}

static void
over_jobs(const struct over *o)
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(o->h, "backfill/progress", &doc), "items");

	js_karray(o->out, "jobs");
	for (uint32_t i = 0; mk_is_array(items) && i < mk_count(items); i++) {
		char state[16] = "";

		mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state));
		if (strcmp(state, "done") != 0)
			js_val(o->out, mk_at(items, i));
	}
	js_array_end(o->out);
	mk_doc_fini(&doc);
}

/* ----------------------------------------------------------------- packets -- */

static bool
over_packet(void *arg, const struct read_packet *p)
{
	const struct over *o = arg;
	const struct read_obs *shown = packet_shown(p);
	const struct read_observer *by = shown == NULL || shown->observer == READ_NONE
					     ? NULL
					     : read_observer(o->h->read, shown->observer);

	js_object(o->out);
	js_kint(o->out, "id", p->id);
	js_kstr(o->out, "hash", p->hash);
	js_kint(o->out, "type", p->type);
	js_key(o->out, "from_name");
	js_str(o->out, p->from == READ_NONE || read_node(o->h->read, p->from)->hidden
			   ? NULL
			   : over_name(o, p->from));
	js_kuint(o->out, "hops", shown == NULL ? 0 : shown->count);
	js_kint(o->out, "at", p->latest == READ_NULL ? p->first_s : p->latest);
	js_kstr(o->out, "observer_name", by == NULL || by->hidden ? NULL : by->name);
	js_kuint(o->out, "observations", p->obs_count);
	js_object_end(o->out);
	return true;
}

/* The last ones, from memory alone: an overview waits for nobody. */
static void
over_recent(struct over *o, struct read_scratch *s)
{
	uint32_t end = read_packet_end(o->h->read), begin = read_packet_begin(o->h->read);

	js_karray(o->out, "recent");
	for (uint32_t i = 0; i < RECENT_SHOWN && end - begin > i; i++) {
		const struct read_packet *p = read_packet_at(o->h->read, s, end - 1 - i);

		if (p != NULL)
			(void)over_packet(o, p);
	}
	js_array_end(o->out);
}

static void
overview(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	const mk_host *host = h->host;
	struct over o = { .h = h, .set = request_settings(rq), .out = out };
	struct read_scratch *s = read_scratch_new(h->read);

	if (s == NULL) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	o.now_s = (int64_t)(host->wall_us(host) / 1000000);
	read_get_state(h->read, &o.state);
	js_object(out);
	js_kint(out, "at", o.now_s);
	js_kuint(out, "uptime_s", (host->now_us(host) - h->started_us) / 1000000);
	/* Until it is, no observer is said to be silent, and what is counted of packets is too little. */
	js_kbool(out, "warm", o.state.warm);
	js_knum(out, "progress", o.state.progress);
	over_flow(&o);
	over_alerts(&o);
	over_changes(&o);
	over_totals(&o);
	over_jobs(&o);
	read_scratch_skip(s, READ_SKIP_JSON);
	over_recent(&o, s);
	over_pins(&o, s, request_text(rq, "pins"));
	js_object_end(out);
	read_scratch_free(s);
}

/* clang-format off */
static const struct route_param overview_params[] = {
	{ .name = "pins", .type = PARAM_TEXT, .max = 1400,
	  .help = "keys of nodes to be shown in a row each, with commas between, at most 20" },
	{ .name = NULL },
};

const struct route overview_routes[] = {
	{ .method = "GET", .pattern = "/api/overview", .handle = overview, .params = overview_params,
	  .reads = MODEL_PACKETS | MODEL_NODES | MODEL_OBSERVERS | MODEL_GRAPH | MODEL_RELAYS |
		   MODEL_WARM | MODEL_PLUGINS | MODEL_STATS | MODEL_MQTT | MODEL_STORAGE |
		   MODEL_SNAPSHOTS,
	  .max_age_s = 2, .cost = 1, .summary = "does data flow, what is broken, what has changed",
	  .answer = "{at, warm, progress, flow, alerts, changes, totals, jobs, recent, pins}" },
	{ .method = NULL },
};
/* clang-format on */
