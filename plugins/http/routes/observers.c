/* SPDX-License-Identifier: MIT
 *
 * Observers: the list, one of them.
 */
#include "who.h"

#include <stdlib.h>
#include <string.h>

#include <hops/time.h>

#define HOUR_S 3600
#define DAY_S 86400

static void
observer_put_clock(struct json *out, const struct read_observer *o, int64_t now)
{
	const char *at = o->clock_last_naive_at;
	int64_t last;
	bool recent = at != NULL && hops_time_read(at, strlen(at), &last) && now - last < DAY_S;

	js_kbool(out, "clock_naive", recent);
	put_int(out, "clock_skew_seconds", recent ? o->clock_skew_seconds : READ_NULL);
	js_kint(out, "clock_skew_count_24h",
		recent && o->clock_skew_count_24h != READ_NULL ? o->clock_skew_count_24h : 0);
	js_kstr(out, "clock_last_naive_at", recent ? at : NULL);
}

static void
observer_put(struct json *out, const struct read *r, uint32_t observer, int64_t now)
{
	const struct read_observer *o = read_observer(r, observer);
	const struct read_node *n = o->node == READ_NONE ? NULL : read_node(r, o->node);

	n = who_is_there(n) ? n : NULL;
	js_object(out);
	js_kstr(out, "id", o->id);
	js_kstr(out, "name", o->name);
	js_kstr(out, "iata", o->iata);
	js_kstr(out, "last_seen", o->last_seen);
	js_kstr(out, "first_seen", o->first_seen);
	js_kint(out, "packet_count", o->packet_count == READ_NULL ? 0 : o->packet_count);
	js_kstr(out, "model", o->model);
	js_kstr(out, "firmware", o->firmware);
	js_kstr(out, "client_version", o->client_version);
	js_kstr(out, "radio", o->radio);
	put_int(out, "battery_mv", o->battery_mv);
	put_int(out, "uptime_secs", o->uptime_secs);
	put_real(out, "noise_floor", o->has_noise_floor, o->noise_floor);
	js_kstr(out, "last_packet_at", o->last_packet_at);
	js_kuint(out, "packetsLastHour", read_recent(r, observer, now, HOUR_S));
	put_place(out, n);
	js_kstr(out, "nodeRole", n == NULL ? NULL : n->role);
	observer_put_clock(out, o, now);
	if (o->can_relay_seen)
		js_kbool(out, "can_relay", o->can_relay);
	js_object_end(out);
}

struct observer_ref {
	const struct read_observer *o;
	uint32_t id;
};

static int
observer_compare(const void *a, const void *b)
{
	const struct observer_ref *x = a, *y = b;
	const char *s = x->o->last_seen == NULL ? "" : x->o->last_seen;
	const char *t = y->o->last_seen == NULL ? "" : y->o->last_seen;
	int c = strcmp(t, s);

	return c != 0 ? c : strcmp(x->o->id, y->o->id);
}

static void
observers_list(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	uint32_t n = read_observer_count(r), count = 0;
	struct observer_ref *list;
	int64_t now = who_now(rq);

	if (!who_is_ready(rq))
		return;
	list = calloc(n + 1, sizeof(*list));
	if (list == NULL) {
		request_fail(rq, 500, "out of memory");
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct read_observer *o = read_observer(r, i);

		if (o->id[0] != '\0' && !o->inactive && !o->hidden)
			list[count++] = (struct observer_ref){ o, i };
	}
	if (count > 1)
		qsort(list, count, sizeof(*list), observer_compare);
	js_object(out);
	js_karray(out, "observers");
	for (uint32_t i = 0; i < count; i++)
		observer_put(out, r, list[i].id, now);
	js_array_end(out);
	put_time(out, "server_time", now);
	js_object_end(out);
	free(list);
}

static void
observers_one(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *id = request_arg(rq, 0);
	uint32_t observer = read_observer_find(r, id, strlen(id));

	if (!who_is_ready(rq))
		return;
	if (observer == READ_NONE || read_observer(r, observer)->hidden)
		request_fail(rq, 404, "Observer not found");
	else
		observer_put(out, r, observer, who_now(rq));
}

/* clang-format off */
const struct route observer_routes[] = {
	{ .method = "GET", .pattern = "/api/observers", .handle = observers_list,
	  .reads = MODEL_OBSERVERS | MODEL_NODES, .max_age_s = 2, .stale_s = 15,
	  .summary = "observers, newest first", .answer = "{observers: [observer], server_time}" },
	{ .method = "GET", .pattern = "/api/observers/{id}", .handle = observers_one,
	  .reads = MODEL_OBSERVERS | MODEL_NODES, .max_age_s = 1, .stale_s = 15,
	  .summary = "an observer" },
	{ .method = NULL },
};
/* clang-format on */
