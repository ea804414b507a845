/* SPDX-License-Identifier: MIT */
#include "bus_past.h"

#include <stdlib.h>
#include <string.h>

#define MINUTES 60u
#define LAGS 720u  /* samples: an hour of them */
#define BEATS 361u /* the same, of 10 s each */
#define BEAT_S 10u
#define SPANS 145u /* of 10 minutes, the same: a day */
#define SPAN_S 600u
#define DAY_US 86400000000u
#define FRESH_US 15000000u /* a daemon younger than that: its totals are of this time */
#define BEHIND_MS 1000u
#define BACK_US 10000000u
#define LEAST_US 4000000u /* of a minute, for a rate */

/* How a plugin was in a span of 10 s; the worst of it counts. In the answer they are digits. */
enum beat {
	BEAT_UNKNOWN,
	BEAT_OFF,
	BEAT_IDLE,
	BEAT_BUSY,
	BEAT_BEHIND,
	BEAT_LOST,
	BEAT_DOWN, /* it is to run, and does not */
	BEAT_STARTED
};

struct past_topic {
	char name[MK_TOPIC_MAX + 1];
	uint64_t seq;
	uint32_t minutes[MINUTES]; /* messages, by minute of Unix time */
};

struct past_instance {
	char name[MK_ID_MAX + 1];
	bool known, seen; /* by core/plugins; in this core/stats */
	uint64_t out, lost, restarts, crashes;
	uint32_t lag_count, lags[LAGS], lags_ms[LAGS]; /* rings */
	uint64_t most, most_us;                        /* since this process began */
	uint64_t gap_us;                               /* the last loss; 0: none */
	uint8_t state; /* BEAT_OFF, BEAT_IDLE (running), BEAT_DOWN, BEAT_STARTED */
	uint8_t beats[BEATS];
	uint16_t restarted[SPANS], crashed[SPANS];
};

struct bus_past {
	uint64_t since_us, at_us, uptime_us; /* of core/stats: the first, the last */
	uint64_t clock_us;                   /* the last message */
	struct past_topic *topics;
	struct past_instance *instances;
	uint32_t topic_count, instance_count;
	uint64_t refused; /* there were too many */
};

struct bus_past *
bus_past_new(void)
{
	return calloc(1, sizeof(struct bus_past));
}

void
bus_past_free(struct bus_past *p)
{
	if (p == NULL)
		return;
	free(p->topics);
	free(p->instances);
	free(p);
}

/* Room for one more of `size`; full at 0, 1, 2, 4, ... */
static bool
past_room(void **at, uint32_t count, uint32_t most, size_t size)
{
	void *all;

	if (count == most)
		return false;
	if ((count & (count - 1)) != 0)
		return true;
	all = realloc(*at, (count == 0 ? 1 : 2 * (size_t)count) * size);
	if (all == NULL)
		return false;
	*at = all;
	return true;
}

static struct past_topic *
past_topic(struct bus_past *p, const char *name)
{
	void *all = p->topics;
	struct past_topic *t;

	for (uint32_t i = 0; i < p->topic_count; i++)
		if (strcmp(p->topics[i].name, name) == 0)
			return &p->topics[i];
	if (!past_room(&all, p->topic_count, PAST_TOPICS, sizeof(*t))) {
		p->refused++;
		return NULL;
	}
	p->topics = all;
	t = &p->topics[p->topic_count++];
	*t = (struct past_topic){ 0 };
	memcpy(t->name, name, strlen(name) + 1);
	/* It was not there at the last look, so all of it is new; at the first look nobody knows. */
	t->seq = p->at_us == 0 && p->uptime_us > FRESH_US ? UINT64_MAX : 0;
	return t;
}

static struct past_instance *
past_instance(struct bus_past *p, const char *name)
{
	void *all = p->instances;
	struct past_instance *x;

	for (uint32_t i = 0; i < p->instance_count; i++)
		if (strcmp(p->instances[i].name, name) == 0)
			return &p->instances[i];
	if (!past_room(&all, p->instance_count, PAST_INSTANCES, sizeof(*x))) {
		p->refused++;
		return NULL;
	}
	p->instances = all;
	x = &p->instances[p->instance_count++];
	*x = (struct past_instance){ .state = BEAT_IDLE };
	memcpy(x->name, name, strlen(name) + 1);
	x->out = x->lost = UINT64_MAX;
	return x;
}

/* Places between the last look and this one become empty. */
static void
past_forget(struct bus_past *p, uint64_t from_us, uint64_t to_us)
{
	uint64_t from = from_us / 1000000, to = to_us / 1000000;

	for (uint64_t m = from / 60 + 1, n = 0; m <= to / 60 && n < MINUTES; m++, n++)
		for (uint32_t i = 0; i < p->topic_count; i++)
			p->topics[i].minutes[m % MINUTES] = 0;
	for (uint32_t i = 0; i < p->instance_count; i++) {
		struct past_instance *x = &p->instances[i];

		for (uint64_t b = from / BEAT_S + 1, n = 0; b <= to / BEAT_S && n < BEATS; b++, n++)
			x->beats[b % BEATS] = BEAT_UNKNOWN;
		for (uint64_t s = from / SPAN_S + 1, n = 0; s <= to / SPAN_S && n < SPANS; s++, n++)
			x->restarted[s % SPANS] = x->crashed[s % SPANS] = 0;
	}
}

/* Before anything is counted. */
static void
past_advance(struct bus_past *p, uint64_t at_us)
{
	if (p->clock_us > at_us) { /* the clock was set back: what is newer than now is nonsense */
		past_forget(p, 0, SPANS * (uint64_t)SPAN_S * 1000000);
		p->since_us = p->at_us = at_us;
	} else {
		past_forget(p, p->clock_us, at_us);
	}
	p->clock_us = at_us;
}

static void
past_beat(struct past_instance *x, uint64_t at_us, uint8_t beat)
{
	uint8_t *cell = &x->beats[at_us / 1000000 / BEAT_S % BEATS];

	*cell = *cell > beat ? *cell : beat;
}

static void
past_count_topic(struct bus_past *p, uint64_t at_us, const mk_val *item)
{
	char name[MK_TOPIC_MAX + 1];
	struct past_topic *t;
	uint64_t seq;

	if (!mk_copy_str(mk_find(item, "name"), name, sizeof(name)) ||
	    !mk_get_u64(mk_find(item, "seq"), &seq))
		return;
	t = past_topic(p, name);
	if (t != NULL && seq > t->seq)
		t->minutes[at_us / 60000000 % MINUTES] += (uint32_t)(seq - t->seq);
	if (t != NULL)
		t->seq = seq;
}

/* For how long what waits has waited, about: by what was taken since the last look. */
static uint32_t
past_wait(const struct past_instance *x, uint64_t lag, uint64_t taken, uint64_t passed_us)
{
	uint64_t before = x->lag_count == 0 ? 0 : x->lags_ms[(x->lag_count - 1) % LAGS];
	uint64_t ms = lag == 0     ? 0
		      : taken == 0 ? before + passed_us / 1000
				   : lag * (passed_us / 1000) / taken;

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void
past_count_instance(struct bus_past *p, uint64_t at_us, const mk_val *item)
{
	uint64_t out = 0, lost = 0, lag = 0, taken,
		 passed_us = p->at_us == 0 ? 0 : at_us - p->at_us;
	char name[MK_ID_MAX + 1];
	struct past_instance *x;
	bool gap;
	uint32_t ms;

	if (!mk_copy_str(mk_find(item, "name"), name, sizeof(name)))
		return;
	x = past_instance(p, name);
	if (x == NULL)
		return;
	mk_get_u64(mk_find(item, "out"), &out);
	mk_get_u64(mk_find(item, "lost"), &lost);
	mk_get_u64(mk_find(item, "lag"), &lag);
	taken = out > x->out ? out - x->out : 0;
	gap = lost > x->lost;
	ms = past_wait(x, lag, taken, x->out == UINT64_MAX ? 0 : passed_us);
	if (x->state != BEAT_OFF) {
		x->lags[x->lag_count % LAGS] = lag > UINT32_MAX ? UINT32_MAX : (uint32_t)lag;
		x->lags_ms[x->lag_count++ % LAGS] = ms;
	}
	if (x->state != BEAT_OFF && lag > x->most) {
		x->most = lag;
		x->most_us = at_us;
	}
	x->gap_us = gap ? at_us : x->gap_us;
	past_beat(x, at_us, x->state);
	if (x->state == BEAT_IDLE)
		past_beat(x, at_us,
			  gap              ? BEAT_LOST
			  : ms > BEHIND_MS ? BEAT_BEHIND
			  : taken > 0      ? BEAT_BUSY
					   : BEAT_IDLE);
	x->out = out;
	x->lost = lost;
	x->seen = true;
}

static void
past_stats(struct bus_past *p, uint64_t at_us, const mk_val *root)
{
	const mk_val *topics = mk_find(root, "topics"), *instances = mk_find(root, "instances");
	uint32_t kept = 0;

	mk_get_u64(mk_find(root, "uptime_us"), &p->uptime_us);
	past_advance(p, at_us);
	if (p->at_us == 0)
		p->since_us = at_us;
	for (uint32_t i = 0; i < p->instance_count; i++)
		p->instances[i].seen = false;
	for (uint32_t i = 0; i < mk_count(topics); i++)
		past_count_topic(p, at_us, mk_at(topics, i));
	for (uint32_t i = 0; i < mk_count(instances); i++)
		past_count_instance(p, at_us, mk_at(instances, i));
	/* A reload may have taken some away. */
	for (uint32_t i = 0; i < p->instance_count; i++)
		if (p->instances[i].seen)
			p->instances[kept++] = p->instances[i];
	p->instance_count = kept;
	p->at_us = at_us;
}

/* at_us 0: it was so before, and nobody knows since when. */
static void
past_plugin(struct bus_past *p, uint64_t at_us, const mk_val *item)
{
	uint64_t restarts = 0, crashes = 0;
	char name[MK_ID_MAX + 1], state[16] = "";
	struct past_instance *x;
	uint32_t span = (uint32_t)(at_us / 1000000 / SPAN_S % SPANS);

	if (!mk_copy_str(mk_find(item, "name"), name, sizeof(name)))
		return;
	x = past_instance(p, name);
	if (x == NULL)
		return;
	mk_get_u64(mk_find(item, "restarts"), &restarts);
	mk_get_u64(mk_find(item, "crashes"), &crashes);
	mk_copy_str(mk_find(item, "state"), state, sizeof(state));
	x->state = strcmp(state, "running") == 0                                      ? BEAT_IDLE
		   : strcmp(state, "starting") == 0                                   ? BEAT_STARTED
		   : strcmp(state, "disabled") == 0 || strcmp(state, "draining") == 0 ? BEAT_OFF
										      : BEAT_DOWN;
	if (x->known && restarts > x->restarts)
		x->restarted[span] = (uint16_t)(x->restarted[span] + (restarts - x->restarts));
	if (x->known && crashes > x->crashes)
		x->crashed[span] = (uint16_t)(x->crashed[span] + (crashes - x->crashes));
	if (at_us != 0)
		past_beat(x, at_us,
			  x->known && (restarts > x->restarts || crashes > x->crashes)
			      ? BEAT_STARTED
			      : x->state);
	x->known = true;
	x->restarts = restarts;
	x->crashes = crashes;
}

void
bus_past_note(struct bus_past *p, const struct event *e)
{
	bool stats = strcmp(e->topic, "core/stats") == 0, old = (e->flags & MK_MSG_RETAINED) != 0;
	/* A clock that is corrected by a little stands still for that time. */
	uint64_t at_us = e->time_us < p->clock_us && e->time_us + BACK_US > p->clock_us
			     ? p->clock_us
			     : e->time_us;
	const mk_val *items;
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, e->body, e->len, NULL, NULL, 0) == MK_OK) {
		items = mk_find(mk_doc_root(&doc), "items");
		if (stats)
			past_stats(p, at_us, mk_doc_root(&doc));
		else if (!old)
			past_advance(p, at_us);
		for (uint32_t i = 0; !stats && i < mk_count(items); i++)
			past_plugin(p, old ? 0 : at_us, mk_at(items, i));
	}
	mk_doc_fini(&doc);
}

/* ------------------------------------------------------------------ answer -- */

static int
past_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
past_quantiles(struct json *out, const char *name, const uint32_t *values, uint32_t count)
{
	uint32_t sorted[LAGS], n = count < LAGS ? count : LAGS;

	js_kobject(out, name);
	if (n > 0) {
		memcpy(sorted, values, n * sizeof(sorted[0]));
		qsort(sorted, n, sizeof(sorted[0]), past_compare);
		js_kuint(out, "p50", sorted[n / 2]);
		js_kuint(out, "p95", sorted[n * 95 / 100]);
		js_kuint(out, "max", sorted[n - 1]);
	}
	js_object_end(out);
}

/* Messages a second in each of the last 60 minutes, as far as it was looked at; null: too little of it. */
static void
past_write_topic(const struct bus_past *p, const struct past_topic *t, struct json *out)
{
	uint64_t now = p->at_us / 60000000;

	js_object(out);
	js_kstr(out, "name", t->name);
	js_karray(out, "per_second");
	for (uint64_t m = now < MINUTES ? 0 : now - MINUTES + 1; m <= now; m++) {
		uint64_t from = m * 60000000, to = from + 60000000;

		from = from > p->since_us ? from : p->since_us;
		to = to < p->at_us ? to : p->at_us;
		if (from + LEAST_US > to)
			js_null(out);
		else
			js_num(out, (double)(t->minutes[m % MINUTES] * (uint64_t)100000000 /
					     (to - from)) /
					100);
	}
	js_array_end(out);
	js_object_end(out);
}

static void
past_write_instance(const struct bus_past *p, const struct past_instance *x, struct json *out)
{
	uint64_t now = p->at_us / 1000000 / BEAT_S, restarts = 0, crashes = 0;
	/* All of them were in these 24 hours, also what nobody saw. */
	bool young = p->uptime_us < DAY_US;
	char beats[BEATS];

	for (uint32_t i = 0; i < SPANS; i++) {
		restarts += x->restarted[i];
		crashes += x->crashed[i];
	}
	for (uint32_t i = 0; i < BEATS - 1; i++)
		beats[i] = (char)('0' + x->beats[(now + 2 + i) % BEATS]);
	js_object(out);
	js_kstr(out, "name", x->name);
	past_quantiles(out, "lag", x->lags, x->lag_count);
	past_quantiles(out, "lag_ms", x->lags_ms, x->lag_count);
	js_kuint(out, "most", x->most);
	js_kuint(out, "most_us", x->most_us);
	js_kuint(out, "gap_us", x->gap_us);
	js_kuint(out, "restarts_24h", young ? x->restarts : restarts);
	js_kuint(out, "crashes_24h", young ? x->crashes : crashes);
	js_key(out, "beats");
	js_strn(out, beats, BEATS - 1);
	js_object_end(out);
}

void
bus_past_write(const struct bus_past *p, struct json *out)
{
	js_object(out);
	js_kuint(out, "at_us", p->at_us);
	js_kuint(out, "since_us", p->since_us);
	js_kuint(out, "beat_seconds", BEAT_S);
	/* False: the restarts are of this time only. */
	js_kbool(out, "day", p->uptime_us < DAY_US || p->at_us - p->since_us >= DAY_US);
	js_karray(out, "topics");
	for (uint32_t i = 0; i < p->topic_count; i++)
		past_write_topic(p, &p->topics[i], out);
	js_array_end(out);
	js_karray(out, "instances");
	for (uint32_t i = 0; i < p->instance_count; i++)
		past_write_instance(p, &p->instances[i], out);
	js_array_end(out);
	js_kuint(out, "refused", p->refused);
	js_object_end(out);
}
