/* SPDX-License-Identifier: MIT
 *
 * Observers: what they said of themselves, over time. Counters become rates
 * between samples.
 */
#include "who.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hops/time.h>

#include "../read/metrics.h"

#define DAY_S 86400
#define WINDOW_MAX_S (366 * DAY_S)
#define SAMPLES_MAX 50000u /* of one observer */
#define SUMMARY_MAX 20000u /* of each */
#define SUMMARY_ALL 200000u

/* ----------------------------------------------------------------- one of them
 * -- */

struct metrics {
	struct json *out;
	int64_t bucket, now;             /* seconds */
	struct read_metric held, before; /* the newest of its bucket; what was told last */
	char held_at[40];
	int64_t held_s, before_s;
	bool has_held, has_before;
	mk_arena arena;
	const char **reboots;
	uint32_t reboot_count, reboot_cap;
	bool failed;
};

static bool
metrics_fell(int64_t before, int64_t now)
{
	return before != READ_NULL && now != READ_NULL && now < before;
}

static double
metrics_round(double v)
{
	return floor(v * 100 + 0.5) / 100;
}

/* A part of the time between two samples, in percent. */
static void
metrics_put_share(struct json *out, const char *key, bool valid, int64_t before, int64_t now,
		  int64_t seconds)
{
	double v = 0;

	valid = valid && before != READ_NULL && now != READ_NULL;
	if (valid)
		v = (double)(now - before) / (double)seconds * 100;
	put_real(out, key, valid, metrics_round(v > 100 ? 100 : v));
}

static void
metrics_put_errors(struct json *out, bool valid, const struct read_metric *a,
		   const struct read_metric *b)
{
	int64_t errors, good;

	valid = valid && a->recv_errors != READ_NULL && b->recv_errors != READ_NULL &&
		a->packets_recv != READ_NULL && b->packets_recv != READ_NULL;
	errors = valid ? b->recv_errors - a->recv_errors : 0;
	good = valid ? b->packets_recv - a->packets_recv : 0;
	valid = valid && errors + good > 0;
	put_real(out, "recv_error_rate", valid,
		 valid ? metrics_round((double)errors / (double)(errors + good) * 100) : 0);
}

static void
metrics_note_reboot(struct metrics *m)
{
	if (m->reboot_count == m->reboot_cap) {
		uint32_t cap = m->reboot_cap == 0 ? 16 : 2 * m->reboot_cap;
		const char **grown = realloc(m->reboots, cap * sizeof(*grown));

		m->failed = m->failed || grown == NULL;
		if (grown == NULL)
			return;
		m->reboots = grown;
		m->reboot_cap = cap;
	}
	m->reboots[m->reboot_count] = mk_arena_dup(&m->arena, m->held_at, strlen(m->held_at));
	m->failed = m->failed || m->reboots[m->reboot_count] == NULL;
	m->reboot_count += !m->failed;
}

/* The sample that is held is the last one of its bucket. */
static void
metrics_flush(struct metrics *m)
{
	const struct read_metric *a = &m->before, *b = &m->held;
	int64_t seconds = m->held_s - m->before_s;
	bool follows = m->has_before && seconds > 0, rebooted, valid;

	if (!m->has_held)
		return;
	rebooted = follows && (metrics_fell(a->tx_air_secs, b->tx_air_secs) ||
			       metrics_fell(a->rx_air_secs, b->rx_air_secs) ||
			       metrics_fell(a->packets_recv, b->packets_recv) ||
			       metrics_fell(a->recv_errors, b->recv_errors));
	valid = follows && !rebooted && seconds <= 2 * m->bucket;
	js_object(m->out);
	js_kstr(m->out, "timestamp", m->held_at);
	put_real(m->out, "noise_floor", b->has_noise_floor, b->noise_floor);
	put_int(m->out, "battery_mv", b->battery_mv);
	metrics_put_share(m->out, "tx_airtime_pct", valid, a->tx_air_secs, b->tx_air_secs, seconds);
	metrics_put_share(m->out, "rx_airtime_pct", valid, a->rx_air_secs, b->rx_air_secs, seconds);
	metrics_put_errors(m->out, valid, a, b);
	if (rebooted) {
		js_kbool(m->out, "is_reboot_sample", true);
		metrics_note_reboot(m);
	}
	js_object_end(m->out);
	m->before = m->held;
	m->before_s = m->held_s;
	m->has_before = true;
	m->has_held = false;
}

static bool
metrics_sample(void *arg, const struct read_metric *sample)
{
	struct metrics *m = arg;
	int64_t at;

	if (!hops_time_read(sample->at, strlen(sample->at), &at))
		return true;
	if (m->has_held && at / m->bucket != m->held_s / m->bucket)
		metrics_flush(m);
	m->held = *sample;
	m->held.at = NULL;
	who_past(m->now, sample->at, m->held_at);
	m->held_s = at;
	m->has_held = true;
	return !m->failed;
}

static void
metrics_show(struct request *rq, struct json *out)
{
	static const int64_t buckets[] = { 300, 3600, DAY_S };
	static const char *const names[] = { "5m", "1h", "1d" };
	struct read *r = who_read(rq);
	const char *resolution = request_text(rq, "resolution"), *since, *until;
	const char *id = request_arg(rq, 0);
	uint32_t observer = read_observer_find(r, id, strlen(id)), k = 0;
	struct read_metrics_query q = { .observer = id, .max = SAMPLES_MAX };
	struct metrics m = { .out = out, .now = who_now(rq) };
	mk_err err = { 0 };
	mk_result rc = MK_OK;

	while (resolution != NULL && resolution[0] != '\0' && k < 3 &&
	       strcmp(resolution, names[k]) != 0)
		k++;
	if (k == 3) {
		request_fail(rq, 400, "invalid resolution. Must be 5m, 1h, or 1d");
		return;
	}
	since = request_text(rq, "since");
	until = request_text(rq, "until");
	m.bucket = buckets[k];
	hops_time_write(m.now - DAY_S, q.since);
	if (since != NULL && since[0] != '\0')
		(void)snprintf(q.since, sizeof(q.since), "%s", since);
	(void)snprintf(q.until, sizeof(q.until), "%s", until == NULL ? "" : until);
	if (!who_is_ready(rq))
		return;
	js_object(out);
	js_kstr(out, "observer_id", id);
	js_kstr(out, "observer_name",
		observer == READ_NONE ? NULL : read_observer(r, observer)->name);
	js_karray(out, "metrics");
	if (observer == READ_NONE || !read_observer(r, observer)->hidden)
		rc = read_metrics(r, &q, metrics_sample, &m, &err);
	if (rc == MK_OK)
		metrics_flush(&m);
	js_array_end(out);
	js_karray(out, "reboots");
	for (uint32_t i = 0; i < m.reboot_count; i++)
		js_str(out, m.reboots[i]);
	js_array_end(out);
	js_object_end(out);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
	else if (m.failed)
		request_fail(rq, 500, "out of memory");
	free(m.reboots);
	mk_arena_fini(&m.arena);
}

/* ----------------------------------------------------------------------
 * summary -- */

struct summary {
	uint32_t observer, count, noise_count, values_cap;
	double current, sum, max;
	int64_t battery_mv;
	double *values; /* of the noise floor, NaN: none */
	bool has_current, failed;
};

static bool
summary_sample(void *arg, const struct read_metric *m)
{
	struct summary *s = arg;

	if (s->count == s->values_cap) {
		uint32_t cap = s->values_cap == 0 ? 64 : 2 * s->values_cap;
		double *grown = realloc(s->values, cap * sizeof(*grown));

		s->failed = grown == NULL;
		if (s->failed)
			return false;
		s->values = grown;
		s->values_cap = cap;
	}
	s->values[s->count++] = m->has_noise_floor ? m->noise_floor : (double)NAN;
	s->battery_mv = m->battery_mv;
	s->has_current = m->has_noise_floor;
	s->current = m->noise_floor;
	if (m->has_noise_floor) {
		s->max = s->noise_count == 0 || m->noise_floor > s->max ? m->noise_floor : s->max;
		s->sum += m->noise_floor;
		s->noise_count++;
	}
	return true;
}

static int
summary_compare(const void *a, const void *b)
{
	const struct summary *x = a, *y = b;

	if ((x->noise_count > 0) != (y->noise_count > 0))
		return x->noise_count > 0 ? -1 : 1;
	if (x->noise_count > 0 && x->max != y->max)
		return x->max < y->max ? 1 : -1;
	return x->observer < y->observer ? -1 : x->observer > y->observer;
}

static void
summary_put(struct json *out, const struct read *r, const struct summary *s)
{
	const struct read_observer *o = read_observer(r, s->observer);
	bool some = s->noise_count > 0;

	js_object(out);
	js_kstr(out, "observer_id", o->id);
	js_kstr(out, "observer_name", o->name);
	if (o->iata != NULL && o->iata[0] != '\0')
		js_kstr(out, "iata", o->iata);
	put_real(out, "current_noise_floor", s->has_current, s->current);
	put_real(out, "avg_noise_floor_24h", some, some ? s->sum / s->noise_count : 0);
	put_real(out, "max_noise_floor_24h", some, s->max);
	put_int(out, "battery_mv", s->battery_mv);
	js_kuint(out, "sample_count", s->count);
	js_karray(out, "sparkline");
	for (uint32_t i = 0; i < s->count; i++)
		js_num(out, s->values[i]);
	js_array_end(out);
	js_object_end(out);
}

/* "7d", or hours, minutes and seconds, "1h30m"; 0: anything else. */
static int64_t
summary_window(const char *text)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	int64_t total = 0;

	while (*text != '\0') {
		char *end;
		double v = strtod(text, &end);
		size_t k = 0;

		if (end == text || !(v >= 0 && v <= WINDOW_MAX_S) || *text == '+')
			return 0;
		while (k < 4 && units[k].unit != *end)
			k++;
		if (k == 4)
			return 0;
		total += (int64_t)(v * (double)units[k].seconds);
		if (total > WINDOW_MAX_S)
			return 0;
		text = end + 1;
	}
	return total;
}

static void
metrics_summary(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	const char *text = request_text(rq, "window"), *regions = request_text(rq, "region");
	bool any = packet_region(regions) == NULL;
	int64_t window = text == NULL || text[0] == '\0' ? DAY_S : summary_window(text);
	uint32_t n = read_observer_count(r), count = 0, all = 0;
	struct summary *list;
	mk_err err = { 0 };
	mk_result rc = MK_OK;

	if (window == 0) {
		request_fail(rq, 400, "invalid window");
		return;
	}
	if (!who_is_ready(rq))
		return;
	list = calloc(n + 1, sizeof(*list));
	if (list == NULL)
		rc = MK_ENOMEM;
	for (uint32_t i = 0; rc == MK_OK && i < n && all < SUMMARY_ALL; i++) {
		const struct read_observer *o = read_observer(r, i);
		struct read_metrics_query q = { .observer = o->id, .max = SUMMARY_MAX };
		struct summary *s = &list[count];

		if (o->id[0] == '\0' || o->hidden || !(any || who_in_regions(regions, o->region)))
			continue;
		hops_time_write(who_now(rq) - window, q.since);
		*s = (struct summary){ .observer = i, .battery_mv = READ_NULL };
		rc = read_metrics(r, &q, summary_sample, s, &err);
		rc = s->failed ? MK_ENOMEM : rc;
		all += s->count;
		count += s->count > 0 || s->values != NULL;
	}
	if (rc == MK_OK && count > 1)
		qsort(list, count, sizeof(*list), summary_compare);
	js_object(out);
	js_karray(out, "observers");
	for (uint32_t i = 0; i < count; i++) {
		if (rc == MK_OK)
			summary_put(out, r, &list[i]);
		free(list[i].values);
	}
	js_array_end(out);
	js_object_end(out);
	free(list);
	if (rc != MK_OK)
		packet_fail(rq, rc, &err);
}

/* clang-format off */
static const struct route_param metrics_params[] = {
	{ "since", PARAM_TEXT, .max = 39, .help = "from then on; default: the last 24 hours" },
	{ "until", PARAM_TEXT, .max = 39, .help = "until then" },
	{ "resolution", PARAM_TEXT, .help = "5m, 1h or 1d: the last sample of each" },
	{ .name = NULL },
};

static const struct route_param summary_params[] = {
	{ "window", PARAM_TEXT, .help = "7d, 36h, 90m; default: 24h" },
	{ "region", PARAM_TEXT, .help = "observers there, as SJC,OAK" },
	{ .name = NULL },
};

const struct route observer_metrics_routes[] = {
	{ .method = "GET", .pattern = "/api/observers/{id}/metrics", .handle = metrics_show,
	  .params = metrics_params, .reads = MODEL_OBSERVERS, .max_age_s = 15, .stale_s = 60,
	  .cost = 1, .summary = "noise, battery, air time of an observer",
	  .answer = "{observer_id, observer_name, reboots, metrics}" },
	{ .method = "GET", .pattern = "/api/observers/metrics/summary", .handle = metrics_summary,
	  .params = summary_params, .reads = MODEL_OBSERVERS, .max_age_s = 60, .stale_s = 120,
	  .cost = 5, .summary = "noise of all observers", .answer = "{observers}" },
	{ .method = NULL },
};
/* clang-format on */
