/* SPDX-License-Identifier: MIT
 *
 * Clocks, as JSON.
 */
#include "skew_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "render.h"
#include "table.h"

#define EVIDENCE_MAX 10u

/* The newest adverts with samples, newest first. */
static uint32_t
skew_newest(const struct person *person, const struct advert **out, uint32_t max)
{
	uint32_t n = 0;

	for (const struct advert *a = person->newest; a != NULL; a = a->older) {
		uint32_t i = n;

		if (a->count == 0 || (n == max && a->latest <= out[n - 1]->latest))
			continue;
		for (i = n < max ? n++ : n - 1; i > 0 && out[i - 1]->latest < a->latest; i--)
			out[i] = out[i - 1];
		out[i] = a;
	}
	return n;
}

static void
skew_write_hash(const struct skew *s, const struct advert *a, struct json *out)
{
	const struct an_packet *p = table_at(s->frame, a->slot);

	js_key(out, "hash");
	js_hex(out, p->hash, sizeof(p->hash), false);
}

static void
skew_write_bad(struct skew *s, const struct person *person, struct json *out)
{
	const struct advert *recent[CLOCK_RECENT];
	uint32_t n = skew_newest(person, recent, CLOCK_RECENT);
	bool any = false;

	for (uint32_t i = n; i > 0; i--) {
		const struct advert *a = recent[i - 1];
		double skew = skew_of_advert(s, a);

		if (recent[0]->latest - a->latest > CLOCK_RECENT_S || fabs(skew) <= CLOCK_HOUR ||
		    fabs(skew) > CLOCK_DAY)
			continue;
		if (!any)
			js_karray(out, "recentBadSamples");
		any = true;
		js_object(out);
		skew_write_hash(s, a, out);
		js_kint(out, "advertTS", a->claim);
		js_knum(out, "skewSec", render_round(skew, 1));
		js_object_end(out);
	}
	if (any)
		js_array_end(out);
}

static void
skew_write_sample(struct skew *s, const struct advert *a, const struct sample *sample,
		  struct json *out)
{
	const struct calibration *c = skew_calibration(s, sample->observer);
	const struct an_observer *o = &s->frame->observers[sample->observer];
	double raw = skew_raw(a, sample);

	js_object(out);
	js_kstr(out, "observerID", o->id);
	js_kstr(out, "observerName", o->name != NULL ? o->name : "");
	js_knum(out, "rawSkewSec", render_round(raw, 1));
	js_knum(out, "correctedSkewSec", render_round(raw + c->offset, 1));
	js_knum(out, "observerOffsetSec", render_round(c->offset, 1));
	js_kbool(out, "calibrated", c->is);
	js_object_end(out);
}

static void
skew_write_evidence(struct skew *s, const struct person *person, struct json *out)
{
	const struct advert *recent[EVIDENCE_MAX];
	uint32_t n = skew_newest(person, recent, EVIDENCE_MAX);

	js_karray(out, "recentHashEvidence");
	for (uint32_t i = 0; i < n; i++) {
		double skew = skew_of_advert(s, recent[i]);

		js_object(out);
		skew_write_hash(s, recent[i], out);
		js_karray(out, "observers");
		for (uint32_t k = 0; k < recent[i]->count; k++)
			skew_write_sample(s, recent[i], &recent[i]->samples[k], out);
		js_array_end(out);
		js_knum(out, "medianCorrectedSkewSec",
			fabs(skew) > CLOCK_DAY ? 0 : render_round(skew, 1));
		js_kint(out, "timestamp", recent[i]->latest);
		js_object_end(out);
	}
	js_array_end(out);
}

static void
skew_write_full(struct skew *s, const struct person *person, struct json *out)
{
	uint32_t n = skew_points(s, person);

	js_karray(out, "samples");
	for (uint32_t i = 0; i < n; i++) {
		js_object(out);
		js_kint(out, "ts", s->points[i].at);
		js_knum(out, "skew", render_round(s->points[i].skew, 1));
		js_object_end(out);
	}
	js_array_end(out);
	skew_write_evidence(s, person, out);
	js_kobject(out, "calibrationSummary");
	js_kuint(out, "totalSamples", person->samples);
	js_kuint(out, "calibratedSamples", person->sure);
	js_kuint(out, "uncalibratedSamples", person->samples - person->sure);
	js_object_end(out);
}

bool
skew_write(struct skew *s, uint32_t id, bool full, struct json *out)
{
	const struct person *person = skew_person(s, id);
	const struct clock_verdict *v = person != NULL ? &person->verdict : NULL;
	const struct advert *newest;

	if (person == NULL || skew_newest(person, &newest, 1) == 0)
		return false;
	js_object(out);
	js_kstr(out, "pubkey", frame_key(s->frame, id));
	js_knum(out, "meanSkewSec", render_round(v->mean, 1));
	js_knum(out, "medianSkewSec", render_round(v->median, 1));
	js_knum(out, "lastSkewSec", render_round(v->last, 1));
	js_knum(out, "recentMedianSkewSec", render_round(v->recent, 1));
	js_knum(out, "driftPerDaySec", render_round(v->drift, 2));
	js_kstr(out, "severity", clock_severity_text(v->severity));
	js_kuint(out, "sampleCount", person->samples);
	js_kbool(out, "calibrated", person->sure > 0);
	js_kint(out, "lastAdvertTS", newest->claim);
	js_kint(out, "lastObservedTS", newest->latest);
	js_knum(out, "goodFraction", render_round(v->good, 2));
	js_kuint(out, "recentBadSampleCount", v->bad);
	if (v->bad > 0)
		skew_write_bad(s, person, out);
	js_kuint(out, "recentSampleCount", v->considered);
	if (full)
		skew_write_full(s, person, out);
	else {
		const char *name = frame_name(s->frame, id), *role = frame_role(s->frame, id);

		if (name != NULL)
			js_kstr(out, "nodeName", name);
		if (role != NULL)
			js_kstr(out, "nodeRole", role);
	}
	js_object_end(out);
	return true;
}

static uint32_t
skew_answer_node(void *self, const struct an_query *q, struct json *out)
{
	struct skew *s = self;
	char key[HOPS_ID_MAX + 1];
	uint32_t id = HOPS_NONE;

	if (query_text(q, "key", key, sizeof(key)))
		id = hops_ids_find(&s->frame->nodes.ids, key, strlen(key));
	if (id != HOPS_NONE && !query_hides(q, id) && skew_write(s, id, true, out))
		return 200;
	return render_error(out, 404, "No clock skew data for this node");
}

static uint32_t
skew_answer_nodes(void *self, const struct an_query *q, struct json *out)
{
	struct skew *s = self;

	if (!skew_settle(s))
		return 503;
	js_array(out);
	for (uint32_t id = 0; id < s->people_cap; id++) {
		const struct hops_node *node = hops_nodes_get(&s->frame->nodes, id);

		if (node == NULL || !node->there || query_hides(q, id) ||
		    (q->area && (id >= q->in_area_count || !q->in_area[id])))
			continue;
		skew_write(s, id, false, out);
	}
	js_array_end(out);
	return 200;
}

struct skew_row {
	const struct an_observer *observer;
	const struct calibration *calibration;
};

static int
skew_compare_rows(const void *x, const void *y)
{
	const struct skew_row *a = x, *b = y;
	double off_a = fabs(a->calibration->offset), off_b = fabs(b->calibration->offset);

	if (off_a < off_b || off_a > off_b)
		return off_a > off_b ? -1 : 1;
	return strcmp(a->observer->id, b->observer->id);
}

static uint32_t
skew_answer_observers(void *self, const struct an_query *q, struct json *out)
{
	struct skew *s = self;
	struct skew_row *rows = calloc((size_t)s->observer_cap + 1, sizeof(*rows));
	uint32_t n = 0;

	(void)q;
	for (uint32_t i = 0; rows != NULL && i < s->observer_cap && i < s->frame->observer_count;
	     i++)
		if (s->observers[i].is)
			rows[n++] = (struct skew_row){ &s->frame->observers[i], &s->observers[i] };
	if (n > 0)
		qsort(rows, n, sizeof(*rows), skew_compare_rows);
	js_array(out);
	for (uint32_t i = 0; i < n; i++) {
		js_object(out);
		js_kstr(out, "observerID", rows[i].observer->id);
		js_knum(out, "offsetSec", render_round(rows[i].calibration->offset, 1));
		js_kuint(out, "samples", rows[i].calibration->samples);
		js_object_end(out);
	}
	js_array_end(out);
	free(rows);
	return 200;
}

const struct an_method skew_methods[] = {
	{ "node-clock-skew", skew_answer_node },
	{ "nodes-clock-skew", skew_answer_nodes },
	{ "observers-clock-skew", skew_answer_observers },
	{ NULL, NULL },
};
