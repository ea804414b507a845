/* SPDX-License-Identifier: MIT */
#include "alerts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../read/read.h"
#include "../read/when.h"

#define DAY_S 86400
#define SILENT_LEAST_S 600 /* nobody is missed before that */
#define SILENT_PAUSES 10   /* of its usual pauses */
#define USUAL_LEAST 20u    /* observations a day, for pauses to be usual */
#define RESTARTS_MANY 3u
#define RELAYS_MANY 10u

struct alerts {
	const struct http *h;
	const struct settings *set;
	struct alert *out;
	uint32_t count, total;
	int64_t now_s;
};

static void alerts_add(struct alerts *a, bool bad, const char *kind, const char *ref, int64_t since,
		       uint32_t weight, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* When there are too many, the least one makes room; NULL: that would be this one. */
static struct alert *
alerts_place(struct alerts *a, bool bad, uint32_t weight)
{
	struct alert *least = &a->out[0];

	if (a->count < ALERTS_MAX)
		return &a->out[a->count++];
	for (uint32_t i = 1; i < a->count; i++)
		if (a->out[i].bad < least->bad ||
		    (a->out[i].bad == least->bad && a->out[i].weight < least->weight))
			least = &a->out[i];
	if (bad < least->bad || (bad == least->bad && weight <= least->weight))
		return NULL;
	return least;
}

static void
alerts_add(struct alerts *a, bool bad, const char *kind, const char *ref, int64_t since,
	   uint32_t weight, const char *format, ...)
{
	struct alert *at = alerts_place(a, bad, weight);
	va_list ap;

	a->total++;
	if (at == NULL)
		return;
	*at = (struct alert){ .bad = bad, .kind = kind, .since = since, .weight = weight };
	(void)snprintf(at->ref, sizeof(at->ref), "%s", ref);
	va_start(ap, format);
	(void)vsnprintf(at->text, sizeof(at->text), format, ap);
	va_end(ap);
}

void
alerts_span(int64_t seconds, char out[32])
{
	if (seconds < 120)
		(void)snprintf(out, 32, "%" PRId64 " s", seconds);
	else if (seconds < 120 * 60)
		(void)snprintf(out, 32, "%" PRId64 " min", seconds / 60);
	else if (seconds < 48 * 3600)
		(void)snprintf(out, 32, "%" PRId64 " h", seconds / 3600);
	else
		(void)snprintf(out, 32, "%" PRId64 " days", seconds / DAY_S);
}

/* ----------------------------------------------------------------- the daemon -- */

static void
alerts_storage(struct alerts *a)
{
	const struct retained_topic *t = retained_find(&a->h->retained, "storage/state");
	char state[16] = "", reason[120] = "";
	mk_doc doc;
	const mk_val *root = http_last(a->h, "storage/state", &doc);

	mk_copy_str(mk_find(root, "state"), state, sizeof(state));
	mk_copy_str(mk_find(root, "reason"), reason, sizeof(reason));
	if (root == NULL)
		alerts_add(a, true, "storage", "storage", 0, 1000,
			   "The database is not there: is the plugin storage running?");
	else if (strcmp(state, "ready") != 0)
		alerts_add(a, true, "storage", "storage",
			   t == NULL || t->base == NULL ? 0 : (int64_t)(t->base->time_us / 1000000),
			   1000, "The database waits: %s",
			   reason[0] == '\0' ? "it is being opened" : reason);
	mk_doc_fini(&doc);
}

static void
alerts_broker(struct alerts *a, const mk_val *item)
{
	char name[64] = "", verdict[24] = "", why[80] = "";
	uint64_t since = 0;

	mk_copy_str(mk_find(item, "name"), name, sizeof(name));
	mk_copy_str(mk_find(item, "verdict"), verdict, sizeof(verdict));
	mk_copy_str(mk_find(item, "last_error"), why, sizeof(why));
	if (strcmp(verdict, "disconnected") == 0) {
		mk_get_u64(mk_find(item, "last_disconnect"), &since);
		alerts_add(a, true, "broker", name, (int64_t)(since / 1000000), 500,
			   "Broker %s is not connected%s%s", name, why[0] == '\0' ? "" : ": ", why);
	} else if (strcmp(verdict, "stalled") == 0 || strcmp(verdict, "never-received") == 0) {
		mk_get_u64(mk_find(item, "last_message"), &since);
		alerts_add(a, true, "broker", name, (int64_t)(since / 1000000), 400,
			   "Broker %s is connected, but sends nothing", name);
	} else if (strcmp(verdict, "paused") == 0) {
		alerts_add(a, true, "broker", name, 0, 600,
			   "Broker %s is paused: the outbox is full", name);
	}
}

static void
alerts_plugin(struct alerts *a, const mk_val *item)
{
	char name[64] = "", state[24] = "", reason[100] = "", span[32];
	uint64_t since = 0, restarts = 0;
	bool enabled = false;

	mk_get_bool(mk_find(item, "enabled"), &enabled);
	mk_copy_str(mk_find(item, "name"), name, sizeof(name));
	mk_copy_str(mk_find(item, "state"), state, sizeof(state));
	mk_copy_str(mk_find(item, "reason"), reason, sizeof(reason));
	mk_get_u64(mk_find(item, "since_us"), &since);
	mk_get_u64(mk_find(item, "restarts"), &restarts);
	since /= 1000000;
	if (!enabled || strcmp(state, "starting") == 0)
		return;
	if (strcmp(state, "running") != 0) {
		alerts_add(a, true, "plugin", name, (int64_t)since, 800, "Plugin %s: %s%s%s", name,
			   state, reason[0] == '\0' ? "" : ", ", reason);
	} else if (restarts >= RESTARTS_MANY && a->now_s - (int64_t)since < DAY_S) {
		alerts_span(a->now_s - (int64_t)since, span);
		alerts_add(a, false, "plugin", name, (int64_t)since, (uint32_t)restarts,
			   "Plugin %s was restarted %" PRIu64 " times, the last time %s ago", name,
			   restarts, span);
	}
}

static void
alerts_list(struct alerts *a, const char *topic, void (*fn)(struct alerts *a, const mk_val *item))
{
	mk_doc doc;
	const mk_val *items = mk_find(http_last(a->h, topic, &doc), "items");

	for (uint32_t i = 0; mk_is_array(items) && i < mk_count(items); i++)
		fn(a, mk_at(items, i));
	mk_doc_fini(&doc);
}

static void
alerts_gaps(struct alerts *a)
{
	for (uint32_t i = 0; i < HTTP_GAPS; i++) {
		const struct event *e = a->h->gaps[i];
		char topic[64] = "", who[64] = "";
		uint64_t lost = 0;
		mk_doc doc;

		if (e == NULL || (int64_t)(e->time_us / 1000000) < a->now_s - DAY_S)
			continue;
		mk_doc_init(&doc);
		if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK) {
			mk_copy_str(mk_find(mk_doc_root(&doc), "topic"), topic, sizeof(topic));
			mk_copy_str(mk_find(mk_doc_root(&doc), "subscriber"), who, sizeof(who));
			mk_get_u64(mk_find(mk_doc_root(&doc), "lost"), &lost);
		}
		mk_doc_fini(&doc);
		alerts_add(a, false, "bus", topic, (int64_t)(e->time_us / 1000000), 1,
			   "%s missed %" PRIu64 " messages of %s", who, lost, topic);
	}
}

/* ------------------------------------------------------------------- the mesh -- */

static void
alerts_observer(struct alerts *a, uint32_t number)
{
	const struct read_observer *o = read_observer(a->h->read, number);
	int64_t seen, silent, pause;
	char span[32], usual[32];
	uint64_t day;

	if (o->hidden || o->inactive || o->last_seen == NULL ||
	    !when_parse(o->last_seen, &seen, NULL))
		return;
	day = read_recent(a->h->read, number, a->now_s, DAY_S);
	silent = a->now_s - seen;
	if (day < USUAL_LEAST || silent < SILENT_LEAST_S)
		return;
	pause = (DAY_S - silent) / (int64_t)day;
	if (silent < SILENT_PAUSES * pause)
		return;
	alerts_span(silent, span);
	alerts_span(pause < 1 ? 1 : pause, usual);
	alerts_add(a, silent > a->set->observer_online_s, "observer", o->id, seen,
		   (uint32_t)(day > 100000 ? 100000 : day) / 100,
		   "Observer %.64s silent for %s (normally every %s)",
		   o->name == NULL || o->name[0] == '\0' ? o->id : o->name, span, usual);
}

/* Nodes that have no other link than that to this one. */
static uint32_t
alerts_dependents(const struct http *h, uint32_t node)
{
	const struct hops_graph *g = read_graph(h->read);
	uint32_t id = read_to_hops(h->read, node), n = 0;
	const struct hops_edge *e = NULL;

	if (g == NULL || id == HOPS_NONE)
		return 0;
	while ((e = hops_graph_next(g, id, e)) != NULL) {
		uint32_t other = e->b == HOPS_NONE ? HOPS_NONE : hops_edge_other(e, id);

		n += other != HOPS_NONE && other < g->head_count && g->heads[other].degree == 1;
	}
	return n;
}

static void
alerts_node(struct alerts *a, uint32_t number)
{
	const struct read_node *n = read_node(a->h->read, number);
	struct read_relay relay = { 0 };
	int64_t seen = n->last_seen_s, silent;
	bool relays, infra;
	uint32_t alone;
	char span[32], lose[48] = "";

	infra =
	    n->role != NULL && (strcmp(n->role, "repeater") == 0 || strcmp(n->role, "room") == 0);
	if (!n->known || !n->active || n->hidden || !infra || seen == READ_NULL)
		return;
	relays = read_relay(a->h->read, number, &relay);
	seen = relays && relay.last_relayed > seen ? relay.last_relayed : seen;
	silent = a->now_s - seen;
	/* Adverts come twice a day; who relays all the time is missed sooner. */
	if (silent <
		(relays && relay.count_24h >= RELAYS_MANY ? 3 * 3600 : a->set->infra_degraded_s) ||
	    silent > a->set->infra_silent_s)
		return;
	alone = alerts_dependents(a->h, number);
	if (alone > 0)
		(void)snprintf(lose, sizeof(lose), ": %u node%s only link", alone,
			       alone == 1 ? " loses its" : "s lose their");
	alerts_span(silent, span);
	alerts_add(a, alone > 0, "node", n->key, seen, 1 + alone, "%s %.48s silent for %s%s",
		   strcmp(n->role, "room") == 0 ? "Room" : "Repeater",
		   n->name == NULL ? n->key : n->name, span, lose);
}

/* Nothing comes at all, from nobody: that is one thing, not one for each observer. */
static bool
alerts_silence(struct alerts *a)
{
	int64_t last = atomic_load(&a->h->flow.last_us) / 1000000, silent = a->now_s - last;
	double usual = flow_usual(&a->h->flow, a->now_s / 60);
	char span[32];

	if (last == 0 || usual <= 0 || silent < SILENT_LEAST_S ||
	    (double)silent < SILENT_PAUSES * 60 / usual)
		return false;
	alerts_span(silent, span);
	alerts_add(a, true, "bus", "rx/raw", last, 900,
		   "No packet from anybody for %s (normally %.3g a minute)", span, usual);
	return true;
}

static int
alerts_compare(const void *x, const void *y)
{
	const struct alert *a = x, *b = y;

	if (a->bad != b->bad)
		return a->bad ? -1 : 1;
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	if (a->since != b->since)
		return a->since > b->since ? -1 : 1;
	return strcmp(a->ref, b->ref);
}

uint32_t
alerts_find(const struct http *h, const struct settings *set, int64_t now_s, struct alert *out,
	    uint32_t *total)
{
	struct alerts a = { .h = h, .set = set, .out = out, .now_s = now_s };
	struct read_state s;
	bool silence;

	alerts_storage(&a);
	alerts_list(&a, "mqtt/sources", alerts_broker);
	alerts_list(&a, "core/plugins", alerts_plugin);
	alerts_gaps(&a);
	read_get_state(h->read, &s);
	silence = alerts_silence(&a);
	for (uint32_t i = 0; !silence && s.warm && i < read_observer_count(h->read); i++)
		alerts_observer(&a, i);
	/* Rows and snapshots are enough for these; observers need the past, which also tells whether
	 * it is all of them. */
	for (uint32_t i = 0; s.ready && i < read_node_count(h->read); i++)
		alerts_node(&a, i);
	qsort(out, a.count, sizeof(out[0]), alerts_compare);
	*total = a.total;
	return a.count;
}
