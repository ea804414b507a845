/* SPDX-License-Identifier: MIT
 *
 * Nodes: how well they are heard. Counted are the packets that a node sent or
 * passed on, as far as they are in memory; of each packet the observation that
 * is displayed counts.
 */
#include "who.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../read/brief.h"

#define DAY_S 86400
#define RECENT_MAX 20u

struct health_observer {
	uint32_t observer, packets, snr_count, rssi_count;
	double snr, rssi; /* sums */
};

struct health {
	int64_t midnight, last;
	uint64_t packets, observations, today, hops, hop_count, snr_count;
	double snr;
	struct health_observer *observers; /* by number; then those that there are */
	uint32_t observer_count;
};

static bool
health_init(struct health *h, const struct read *r, int64_t now)
{
	*h = (struct health){ .midnight = now - now % DAY_S, .last = READ_NULL };
	h->observer_count = read_observer_count(r);
	h->observers = calloc(h->observer_count + 1, sizeof(*h->observers));
	return h->observers != NULL;
}

static void
health_reset(struct health *h, const struct read *r)
{
	struct health_observer *observers = h->observers;

	*h = (struct health){ .midnight = h->midnight, .last = READ_NULL, .observers = observers };
	h->observer_count = read_observer_count(r);
	memset(observers, 0, h->observer_count * sizeof(*observers));
}

static void
health_add(struct health *h, const struct read_brief *p)
{
	struct health_observer *o;

	h->packets++;
	h->observations += p->obs_count;
	h->today += p->first_s >= h->midnight;
	if (p->first_s > h->last)
		h->last = p->first_s;
	if (p->hops > 0) {
		h->hops += p->hops;
		h->hop_count++;
	}
	if (p->has_snr) {
		h->snr += p->snr;
		h->snr_count++;
	}
	if (p->observer >= h->observer_count)
		return;
	o = &h->observers[p->observer];
	o->packets++;
	if (p->has_snr) {
		o->snr += p->snr;
		o->snr_count++;
	}
	if (p->has_rssi) {
		o->rssi += p->rssi;
		o->rssi_count++;
	}
}

static void
health_count(struct health *h, const struct read *r, uint32_t node)
{
	struct read_brief p;
	uint32_t count;
	const uint32_t *at = read_node_packets(r, node, &count);

	for (uint32_t i = 0; i < count; i++)
		if (read_brief(r, at[i], &p))
			health_add(h, &p);
}

static int
health_compare(const void *a, const void *b)
{
	const struct health_observer *x = a, *y = b;

	if (x->packets != y->packets)
		return x->packets < y->packets ? 1 : -1;
	return x->observer < y->observer ? -1 : x->observer > y->observer;
}

static void
health_put_observer(struct json *out, const struct read *r, const struct health_observer *row,
		    bool relays)
{
	const struct read_observer *o = read_observer(r, row->observer);

	js_object(out);
	js_kstr(out, "observer_id", o->id);
	js_kstr(out, "observer_name", o->name == NULL ? "" : o->name);
	js_kstr(out, "iata", o->iata);
	put_real(out, "avgSnr", row->snr_count > 0, row->snr / row->snr_count);
	put_real(out, "avgRssi", row->rssi_count > 0, row->rssi / row->rssi_count);
	js_kuint(out, "packetCount", row->packets);
	if (relays) {
		js_key(out, "can_relay");
		if (o->can_relay_seen)
			js_bool(out, o->can_relay);
		else
			js_null(out);
	}
	js_object_end(out);
}

/* Sorts the observers: afterwards nothing can be added. */
static void
health_put_observers(struct json *out, const struct read *r, struct health *h, bool relays)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < h->observer_count; i++) {
		const struct read_observer *o = read_observer(r, i);

		if (h->observers[i].packets == 0 || o->hidden || o->id[0] == '\0')
			continue;
		h->observers[found] = h->observers[i];
		h->observers[found++].observer = i;
	}
	if (found > 1)
		qsort(h->observers, found, sizeof(*h->observers), health_compare);
	js_karray(out, "observers");
	for (uint32_t i = 0; i < found; i++)
		health_put_observer(out, r, &h->observers[i], relays);
	js_array_end(out);
}

static void
health_put_stats(struct json *out, const struct health *h, bool hops)
{
	js_kobject(out, "stats");
	js_kuint(out, "totalTransmissions", h->packets);
	js_kuint(out, "totalObservations", h->observations);
	js_kuint(out, "totalPackets", h->packets);
	js_kuint(out, "packetsToday", h->today);
	put_real(out, "avgSnr", h->snr_count > 0, h->snr / (double)h->snr_count);
	if (hops)
		js_kuint(out, "avgHops",
			 h->hop_count == 0 ? 0 : (h->hops + h->hop_count / 2) / h->hop_count);
	if (h->last == READ_NULL)
		js_kstr(out, "lastHeard", NULL);
	else
		put_time(out, "lastHeard", h->last);
	js_object_end(out);
}

/* ---------------------------------------------------------------- one node --
 */

static void
health_recent(struct request *rq, struct json *out, uint32_t node)
{
	struct read *r = who_read(rq);
	struct read_scratch *s = read_scratch_new(r);
	uint32_t count;
	const uint32_t *at = read_node_packets(r, node, &count);

	js_karray(out, "recentPackets");
	for (uint32_t i = 0; s != NULL && i < count && i < RECENT_MAX; i++) {
		const struct read_packet *p = read_packet_at(r, s, at[count - 1 - i]);

		if (p != NULL)
			packet_put(out, r, p, 0);
	}
	js_array_end(out);
	if (s == NULL)
		request_fail(rq, 500, "out of memory");
	read_scratch_free(s);
}

static void
health_one(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *key = request_arg(rq, 0);
	uint32_t node = read_node_find(r, key, strlen(key)), count = 0;
	const struct read_node *n = node == READ_NONE ? NULL : read_node(r, node);
	struct health h;

	if (n != NULL && !n->hidden)
		(void)read_node_packets(r, node, &count);
	if (!who_is_warm(rq))
		return;
	if (n == NULL || n->hidden || (count == 0 && !who_is_there(n))) {
		request_fail(rq, 404, "Not found");
		return;
	}
	if (!health_init(&h, r, who_now(rq))) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	health_count(&h, r, node);
	js_object(out);
	js_kobject(out, "node");
	if (who_is_there(n)) {
		put_node(out, n);
		js_kstr(out, "hash_size", NULL);
		js_kbool(out, "hash_size_inconsistent", false);
	} else {
		js_kstr(out, "public_key", n->key);
		js_kstr(out, "name", "Unknown");
		js_kstr(out, "role", "unknown");
	}
	js_object_end(out);
	health_put_stats(out, &h, true);
	health_put_observers(out, r, &h, true);
	health_recent(rq, out, node);
	js_object_end(out);
	free(h.observers);
}

/* --------------------------------------------------------------- many nodes --
 */

static bool
health_in_area(const void *arg, const struct who_ref *ref)
{
	return arg == NULL || who_bit(arg, ref->id);
}

static void
health_bulk(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *regions = request_text(rq, "region");
	bool failed = false;
	uint8_t *area = packet_area(rq, request_text(rq, "area"), &failed);
	uint32_t limit = area != NULL ? UINT32_MAX : (uint32_t)request_int(rq, "limit"), n = 0;
	struct who_list list = { 0 };
	struct health h = { 0 };
	uint8_t *heard_in = NULL;

	if (!who_is_warm(rq))
		goto done;
	if (packet_region(regions) != NULL) {
		heard_in = who_of_regions(rq, regions, false);
		if (heard_in == NULL)
			goto done;
	}
	if (failed || !who_collect(r, &list, health_in_area, area) ||
	    !health_init(&h, r, who_now(rq))) {
		request_fail(rq, 500, "out of memory");
		goto done;
	}
	who_sort(&list, ORDER_LAST_SEEN);
	js_array(out);
	for (uint32_t i = 0; i < list.count && n < limit; i++) {
		const struct who_ref *ref = &list.at[i];

		if (heard_in != NULL && !who_bit(heard_in, ref->id))
			continue;
		n++;
		health_reset(&h, r);
		health_count(&h, r, ref->id);
		js_object(out);
		js_kstr(out, "public_key", ref->node->key);
		js_kstr(out, "name", ref->node->name);
		js_kstr(out, "role", ref->node->role);
		put_place(out, ref->node);
		health_put_stats(out, &h, false);
		health_put_observers(out, r, &h, false);
		js_object_end(out);
	}
	js_array_end(out);
done:
	free(h.observers);
	free(list.at);
	free(heard_in);
	free(area);
}

/* clang-format off */
static const struct route_param bulk_params[] = {
	{ "limit", PARAM_LIMIT, .dflt = 50, .max = 10000, .list = LIST_HEALTH,
	  .help = "at most so many; with an area all that are in it" },
	{ "region", PARAM_TEXT, .help = "heard by observers there, as SJC,OAK" },
	{ "area", PARAM_TEXT, .help = "position in a configured area" },
	{ .name = NULL },
};

#define HEALTH_PARTS (MODEL_NODES | MODEL_OBSERVERS | MODEL_PACKETS | MODEL_WARM)

const struct route node_health_routes[] = {
	{ .method = "GET", .pattern = "/api/nodes/{pubkey}/health", .handle = health_one,
	  .reads = HEALTH_PARTS, .max_age_s = 5, .stale_s = 60, .cost = 1,
	  .summary = "who hears a node, and how well",
	  .answer = "{node, observers, stats, recentPackets}" },
	{ .method = "GET", .pattern = "/api/nodes/bulk-health", .handle = health_bulk,
	  .params = bulk_params, .reads = HEALTH_PARTS, .max_age_s = 15, .stale_s = 60, .cost = 5,
	  .summary = "the same of many nodes" },
	{ .method = NULL },
};
/* clang-format on */
