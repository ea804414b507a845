/* SPDX-License-Identifier: MIT
 *
 * What there is to say about single nodes, and about all of a role: from the packets a node has to do
 * with (trails.h) and from its clock (skew.h). Keeps nothing of its own.
 */
#include "people.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "grow.h"
#include "relays.h"
#include "render.h"
#include "skew.h"

#define HOUR_S 3600
#define DAYS_MAX 365
#define TREND_MAX 5000u /* points, the newest */
#define HOPS_SHOWN 5u   /* 0, 1, 2, 3, 4 and more */

static mk_result
people_create(struct frame *f, void **self)
{
	*self = f;
	return MK_OK;
}

static void
people_destroy(void *self)
{
	(void)self;
}

/* --------------------------------------------------------------- one node -- */

struct coverage { /* of a node by an observer */
	const struct an_observer *observer;
	uint64_t packets, snr_count, rssi_count;
	int64_t snr_sum, rssi_sum; /* quarters of a dB, dBm without its sign */
	uint32_t first, last;
};

struct story { /* of a node */
	const struct frame *frame;
	const struct an_packet **packets; /* oldest first */
	uint32_t count;
	int64_t days;
	uint32_t types[16], hops[HOPS_SHOWN], heat[7][24];
	uint32_t forwarded, far; /* packets with a hop; with two */
	struct coverage *coverage;
	uint32_t coverage_count, coverage_cap;
	uint32_t hour_count;
	int64_t silence, silence_from; /* seconds */
	double snr_mean, snr_sd;
	uint32_t snr_count;
};

static void
story_cover(struct story *s, const struct an_packet *p)
{
	const struct an_observer *o;
	struct coverage *c;
	uint32_t i = 0;

	if (p->shown >= s->frame->observer_count)
		return;
	o = &s->frame->observers[p->shown];
	while (i < s->coverage_count && s->coverage[i].observer != o)
		i++;
	if (i == s->coverage_count) {
		if (!grow_to(&s->coverage, &s->coverage_cap, i + 1, sizeof(*s->coverage)))
			return;
		s->coverage[s->coverage_count++] =
		    (struct coverage){ .observer = o, .first = p->first };
	}
	c = &s->coverage[i];
	c->packets++;
	c->last = p->first;
	if (p->snr != AN_NO_SNR) {
		c->snr_sum += p->snr;
		c->snr_count++;
	}
	if (p->rssi != AN_NO_RSSI) {
		c->rssi_sum += p->rssi;
		c->rssi_count++;
	}
}

static void
story_add(struct story *s, const struct an_packet *p)
{
	int64_t hour = p->first / HOUR_S;

	s->types[p->type & 15]++;
	s->hops[p->hop_count < HOPS_SHOWN ? p->hop_count : HOPS_SHOWN - 1]++;
	s->forwarded += p->hop_count > 0;
	s->far += p->hop_count > 1;
	s->heat[(hour / 24 + 4) % 7][hour % 24]++; /* 1970 began on a Thursday */
	story_cover(s, p);
}

static void
story_hours(struct story *s)
{
	int64_t before = -1;

	for (uint32_t i = 0; i < s->count; i++) {
		int64_t hour = s->packets[i]->first / HOUR_S;

		if (hour == before)
			continue;
		s->hour_count++;
		if (before >= 0 && (hour - before) * HOUR_S > s->silence) {
			s->silence = (hour - before) * HOUR_S;
			s->silence_from = before * HOUR_S;
		}
		before = hour;
	}
}

static void
story_signal(struct story *s)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		if (s->packets[i]->snr == AN_NO_SNR)
			continue;
		sum += s->packets[i]->snr / 4.0;
		s->snr_count++;
	}
	if (s->snr_count == 0)
		return;
	s->snr_mean = sum / s->snr_count;
	for (uint32_t i = 0; i < s->count; i++) {
		double off = s->packets[i]->snr / 4.0 - s->snr_mean;

		squares += s->packets[i]->snr == AN_NO_SNR ? 0 : off * off;
	}
	s->snr_sd = sqrt(squares / s->snr_count);
}

const char *
people_grade(double mean, double sd)
{
	if (mean > 15)
		return sd < 2 ? "A" : "A-";
	if (mean > 12 && sd < 3)
		return "B+";
	if (mean > 8)
		return "B";
	return mean > 3 ? "C" : "D";
}

static int
coverage_compare(const void *x, const void *y)
{
	const struct coverage *a = x, *b = y;

	if (a->packets != b->packets)
		return a->packets > b->packets ? -1 : 1;
	return strcmp(a->observer->id, b->observer->id);
}

static void
story_write_mean(struct json *out, const char *key, int64_t sum, uint64_t count, double unit)
{
	js_key(out, key);
	if (count > 0)
		js_num(out, (double)sum * unit / (double)count);
	else
		js_null(out);
}

static void
story_write_timeline(const struct story *s, struct json *out)
{
	js_karray(out, "activityTimeline");
	for (uint32_t i = 0, n; i < s->count; i += n) {
		int64_t hour = s->packets[i]->first / HOUR_S;

		for (n = 1; i + n < s->count && s->packets[i + n]->first / HOUR_S == hour;)
			n++;
		js_object(out);
		render_ktime(out, "bucket", hour * HOUR_S);
		js_kuint(out, "count", n);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
story_write_trend(const struct story *s, struct json *out)
{
	uint32_t skip = s->snr_count > TREND_MAX ? s->snr_count - TREND_MAX : 0;

	js_karray(out, "snrTrend");
	for (uint32_t i = 0; i < s->count; i++) {
		const struct an_packet *p = s->packets[i];
		const struct an_observer *o =
		    p->shown < s->frame->observer_count ? &s->frame->observers[p->shown] : NULL;

		if (p->snr == AN_NO_SNR || (skip > 0 && skip-- > 0))
			continue;
		js_object(out);
		render_ktime(out, "timestamp", p->first);
		js_knum(out, "snr", p->snr / 4.0);
		js_key(out, "rssi");
		if (p->rssi != AN_NO_RSSI)
			js_int(out, -(int64_t)p->rssi);
		else
			js_null(out);
		js_kstr(out, "observer_id", o != NULL ? o->id : NULL);
		js_kstr(out, "observer_name", o != NULL ? o->name : NULL);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
story_write_types(const struct story *s, struct json *out)
{
	js_karray(out, "packetTypeBreakdown");
	for (uint32_t i = 0; i < 16; i++) {
		if (s->types[i] == 0)
			continue;
		js_object(out);
		js_kuint(out, "payload_type", i);
		js_kuint(out, "count", s->types[i]);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
story_write_coverage(struct story *s, struct json *out)
{
	if (s->coverage_count > 0)
		qsort(s->coverage, s->coverage_count, sizeof(*s->coverage), coverage_compare);
	js_karray(out, "observerCoverage");
	for (uint32_t i = 0; i < s->coverage_count; i++) {
		const struct coverage *c = &s->coverage[i];

		js_object(out);
		js_kstr(out, "observer_id", c->observer->id);
		js_kstr(out, "observer_name", c->observer->name);
		js_kuint(out, "packetCount", c->packets);
		story_write_mean(out, "avgSnr", c->snr_sum, c->snr_count, 0.25);
		story_write_mean(out, "avgRssi", c->rssi_sum, c->rssi_count, -1);
		render_ktime(out, "firstSeen", c->first);
		render_ktime(out, "lastSeen", c->last);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
story_write_hops(const struct story *s, struct json *out)
{
	static const char *const names[HOPS_SHOWN] = { "0", "1", "2", "3", "4+" };

	js_karray(out, "hopDistribution");
	for (uint32_t i = 0; i < HOPS_SHOWN; i++) {
		if (s->hops[i] == 0)
			continue;
		js_object(out);
		js_kstr(out, "hops", names[i]);
		js_kuint(out, "count", s->hops[i]);
		js_object_end(out);
	}
	js_array_end(out);
	/* Who talked with whom is encrypted; CoreScope's list is always empty, too. */
	js_karray(out, "peerInteractions");
	js_array_end(out);
	js_karray(out, "uptimeHeatmap");
	for (int64_t day = 0; day < 7; day++) {
		for (int64_t hour = 0; hour < 24; hour++) {
			if (s->heat[day][hour] == 0)
				continue;
			js_object(out);
			js_kint(out, "dayOfWeek", day);
			js_kint(out, "hour", hour);
			js_kuint(out, "count", s->heat[day][hour]);
			js_object_end(out);
		}
	}
	js_array_end(out);
}

static void
story_write_stats(const struct story *s, struct json *out)
{
	double hours = 24.0 * (double)s->days;

	js_kobject(out, "computedStats");
	js_knum(out, "availabilityPct", render_round(fmin(100, 100 * s->hour_count / hours), 1));
	js_kint(out, "longestSilenceMs", s->silence * 1000);
	render_ktime(out, "longestSilenceStart", s->silence_from);
	js_kstr(out, "signalGrade", people_grade(s->snr_mean, s->snr_sd));
	js_knum(out, "snrMean", render_round(s->snr_mean, 1));
	js_knum(out, "snrStdDev", render_round(s->snr_sd, 1));
	js_knum(out, "relayPct",
		s->forwarded > 0 ? render_round(100.0 * s->far / s->forwarded, 1) : 0);
	js_kuint(out, "totalPackets", s->count);
	js_kuint(out, "uniqueObservers", s->coverage_count);
	js_kuint(out, "uniquePeers", 0);
	js_knum(out, "avgPacketsPerDay", render_round((double)s->count / (double)s->days, 1));
	js_object_end(out);
}

/* The object without `node`, which the one who asks knows better. */
static uint32_t
people_answer_node(void *self, const struct an_query *q, struct json *out)
{
	struct frame *f = self;
	struct trails *trails = relays_trails(f);
	struct skew *skew = skew_of(f);
	int64_t days = query_int(q, "days", 7);
	struct story s = { .frame = f };
	uint32_t id = HOPS_NONE;
	char key[HOPS_ID_MAX + 1];

	if (query_text(q, "key", key, sizeof(key)))
		id = hops_ids_find(&f->nodes.ids, key, strlen(key));
	s.days = days < 1 ? 1 : days > DAYS_MAX ? DAYS_MAX : days;
	if (trails != NULL && id != HOPS_NONE)
		s.count = trails_packets(trails, id, q->now - s.days * 24 * HOUR_S + 1, &s.packets);
	for (uint32_t i = 0; i < s.count; i++)
		story_add(&s, s.packets[i]);
	story_hours(&s);
	story_signal(&s);
	js_object(out);
	js_kobject(out, "timeRange");
	render_ktime(out, "from", q->now - s.days * 24 * HOUR_S);
	render_ktime(out, "to", q->now);
	js_kint(out, "days", s.days);
	js_object_end(out);
	story_write_timeline(&s, out);
	story_write_trend(&s, out);
	story_write_types(&s, out);
	story_write_coverage(&s, out);
	story_write_hops(&s, out);
	story_write_stats(&s, out);
	if (skew != NULL && id != HOPS_NONE && skew_is_known(skew, id)) {
		js_key(out, "clockSkew");
		skew_write(skew, id, true, out);
	}
	js_object_end(out);
	free(s.packets);
	free(s.coverage);
	return 200;
}

/* ------------------------------------------------------------------ roles -- */

struct role {
	const char *name;
	uint32_t nodes, with_skew;
	uint32_t severities[CLOCK_BIMODAL + 1];
	double *skews;
	uint32_t cap;
};

static struct role *
roles_put(struct role **roles, uint32_t *count, uint32_t *cap, const char *name)
{
	for (uint32_t i = 0; i < *count; i++)
		if (strcmp((*roles)[i].name, name) == 0)
			return &(*roles)[i];
	if (!grow_to(roles, cap, *count + 1, sizeof(**roles)))
		return NULL;
	(*roles)[*count] = (struct role){ .name = name };
	return &(*roles)[(*count)++];
}

static void
role_add(struct role *role, struct skew *skew, uint32_t id)
{
	struct clock_verdict v;
	double off;

	role->nodes++;
	if (skew == NULL || !skew_verdict(skew, id, &v) ||
	    !grow_to(&role->skews, &role->cap, role->with_skew + 1, sizeof(*role->skews)))
		return;
	off = fabs(render_round(v.recent, 1));
	role->skews[role->with_skew++] = off > 0 ? off : fabs(v.last);
	role->severities[v.severity]++;
}

static int
role_compare(const void *x, const void *y)
{
	const struct role *a = x, *b = y;

	if (a->nodes != b->nodes)
		return a->nodes > b->nodes ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void
role_write(const struct role *role, struct json *out)
{
	double mean = 0;

	for (uint32_t i = 0; i < role->with_skew; i++)
		mean += role->skews[i] / role->with_skew;
	js_object(out);
	js_kstr(out, "role", role->name);
	js_kuint(out, "nodeCount", role->nodes);
	js_kuint(out, "withSkew", role->with_skew);
	js_knum(out, "meanAbsSkewSec", render_round(mean, 2));
	js_knum(out, "medianAbsSkewSec",
		render_round(clock_median(role->skews, role->with_skew), 2));
	js_kuint(out, "okCount", role->severities[CLOCK_OK]);
	js_kuint(out, "warningCount", role->severities[CLOCK_WARNING]);
	js_kuint(out, "criticalCount", role->severities[CLOCK_CRITICAL]);
	js_kuint(out, "absurdCount", role->severities[CLOCK_ABSURD]);
	js_kuint(out, "noClockCount", role->severities[CLOCK_NONE]);
	js_object_end(out);
}

static uint32_t
people_answer_roles(void *self, const struct an_query *q, struct json *out)
{
	struct frame *f = self;
	struct skew *skew = skew_of(f);
	struct role *roles = NULL, *role;
	uint32_t count = 0, cap = 0, total = 0;

	(void)q;
	if (skew != NULL && !skew_settle(skew))
		return 503;
	for (uint32_t id = 0; id < f->nodes.ids.count; id++) {
		const struct hops_node *node = hops_nodes_get(&f->nodes, id);
		const char *name = frame_role(f, id);

		if (node == NULL || !node->there)
			continue;
		total++;
		role = roles_put(&roles, &count, &cap,
				 name == NULL || *name == '\0' ? "unknown" : name);
		if (role != NULL)
			role_add(role, skew, id);
	}
	if (count > 0)
		qsort(roles, count, sizeof(*roles), role_compare);
	js_object(out);
	js_kuint(out, "totalNodes", total);
	js_karray(out, "roles");
	for (uint32_t i = 0; i < count; i++) {
		role_write(&roles[i], out);
		free(roles[i].skews);
	}
	js_array_end(out);
	js_object_end(out);
	free(roles);
	return 200;
}

static const struct an_method methods[] = {
	{ "node", people_answer_node },
	{ "roles", people_answer_roles },
	{ NULL, NULL },
};

const struct an_module people_module = {
	.name = "people",
	.create = people_create,
	.destroy = people_destroy,
	.methods = methods,
};
