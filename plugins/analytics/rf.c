/* SPDX-License-Identifier: MIT
 *
 * rf: signals, sizes, types and times of packets. Signals are counted by what radios can measure, a
 * counter for each pair of SNR and RSSI and type, so every figure of them is exact. A window goes by
 * when a packet was heard first; with a region its copies from elsewhere do not count.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "modules.h"
#include "render.h"

#define SIZES 512u
#define SCATTER 500u

struct rf_counts {
	struct bag signals; /* by rf_signal() */
	struct bag hours;   /* by rf_hour() */
	uint32_t sizes[SIZES];
	uint32_t types[16];
	int64_t packets, heard;
	int64_t last; /* the newest copy ever counted */
};

enum rf_hour { RF_PACKETS = 1, RF_SNR_N, RF_SNR_SUM, RF_FIRST };

struct rf {
	struct frame *frame;
};

static uint64_t
rf_signal(uint8_t type, int8_t snr, uint8_t rssi)
{
	return 1u << 24 | (uint64_t)(type & 15) << 16 | (uint64_t)(uint8_t)(snr + 128) << 8 | rssi;
}

static uint64_t
rf_hour(uint32_t at, enum rf_hour what)
{
	return (uint64_t)(at / 3600) << 3 | what;
}

static bool
rf_add(void *counts, const struct view *view, const struct an_packet *p, int sign)
{
	struct rf_counts *c = counts;
	int64_t snr_n = 0, snr_sum = 0;
	bool ok = true;

	for (uint32_t i = 0; i < p->heard_count; i++) {
		const struct an_heard *h = &p->heard[i];

		if (view->in_region != NULL &&
		    (h->observer >= view->in_region_count || view->in_region[h->observer] == 0))
			continue;
		c->heard += sign;
		if (h->snr == AN_NO_SNR && h->rssi == AN_NO_RSSI)
			continue;
		snr_n += h->snr != AN_NO_SNR;
		snr_sum += h->snr != AN_NO_SNR ? h->snr : 0;
		ok &= bag_add(&c->signals, rf_signal(p->type, h->snr, h->rssi), sign);
	}
	c->packets += sign;
	c->types[p->type & 15] += (uint32_t)sign;
	c->sizes[p->bytes < SIZES ? p->bytes : SIZES - 1] += (uint32_t)sign;
	c->last = (int64_t)p->last > c->last ? (int64_t)p->last : c->last;
	ok &= bag_add(&c->hours, rf_hour(p->first, RF_PACKETS), sign) &&
	      bag_raise(&c->hours, rf_hour(p->first, RF_FIRST), 3600 - p->first % 3600);
	if (snr_n > 0)
		ok &= bag_add(&c->hours, rf_hour(p->first, RF_SNR_N), sign * snr_n) &&
		      bag_add(&c->hours, rf_hour(p->first, RF_SNR_SUM), sign * snr_sum);
	return ok;
}

static void
rf_fini(void *counts)
{
	struct rf_counts *c = counts;

	bag_fini(&c->signals);
	bag_fini(&c->hours);
}

static size_t
rf_bytes(const void *counts)
{
	const struct rf_counts *c = counts;

	return bag_bytes(&c->signals) + bag_bytes(&c->hours);
}

static const struct view_class rf_class = {
	.name = "rf",
	.size = sizeof(struct rf_counts),
	.add = rf_add,
	.fini = rf_fini,
	.bytes = rf_bytes,
};

/* --------------------------------------------------------------- figures -- */

struct rf_signals {         /* counts by value */
	uint64_t snr[256];  /* by quarters of a dB, from -128 on */
	uint64_t rssi[256]; /* by dBm, from -255 on */
	struct {
		uint64_t n;
		int64_t sum;
		int8_t min, max;
	} types[16];
	uint64_t pairs; /* that have both */
	uint32_t both[256][256];
};

static struct rf_signals *
rf_gather(const struct bag *signals)
{
	struct rf_signals *s = calloc(1, sizeof(*s));
	struct bag_item item;
	uint32_t at = 0;

	while (s != NULL && bag_next(signals, &at, &item)) {
		uint64_t key = item.key, n = item.n > 0 ? (uint64_t)item.n : 0;
		int8_t snr = (int8_t)((int)(key >> 8 & 255) - 128);
		uint8_t rssi = (uint8_t)key, type = key >> 16 & 15;

		if (rssi != AN_NO_RSSI)
			s->rssi[255 - rssi] += n;
		if (snr == AN_NO_SNR)
			continue;
		s->snr[(int)snr + 128] += n;
		if (rssi != AN_NO_RSSI) {
			s->pairs += n;
			s->both[(int)snr + 128][255 - rssi] += (uint32_t)n;
		}
		if (s->types[type].n == 0 || snr < s->types[type].min)
			s->types[type].min = snr;
		if (s->types[type].n == 0 || snr > s->types[type].max)
			s->types[type].max = snr;
		s->types[type].n += n;
		s->types[type].sum += (int64_t)n * snr;
	}
	return s;
}

static void
rf_figures(struct json *j, const char *key, const uint64_t counts[256], double first, double step)
{
	uint64_t n = 0, before = 0;
	double sum = 0, squares = 0, mean, median = 0, min = 0, max = 0;

	for (int i = 0; i < 256; i++) {
		double v = first + step * i;

		min = n == 0 && counts[i] > 0 ? v : min;
		max = counts[i] > 0 ? v : max;
		n += counts[i];
		sum += v * (double)counts[i];
	}
	mean = n == 0 ? 0 : sum / (double)n;
	for (int i = 0; i < 256; i++) {
		double v = first + step * i;

		squares += (v - mean) * (v - mean) * (double)counts[i];
		if (before <= n / 2 && n / 2 < before + counts[i])
			median = v;
		before += counts[i];
	}
	js_kobject(j, key);
	js_knum(j, "min", min);
	js_knum(j, "max", max);
	js_knum(j, "avg", mean);
	js_knum(j, "median", median);
	js_knum(j, "stddev", n == 0 ? 0 : sqrt(squares / (double)n));
	js_object_end(j);
}

static void
rf_type_name(struct json *j, unsigned type)
{
	js_key(j, "name");
	if (render_type(type) != NULL)
		js_str(j, render_type(type));
	else
		js_printf(j, "\"UNK(%u)\"", type);
}

struct rf_rank {
	uint64_t n;
	uint32_t type;
};

static int
rf_rank_compare(const void *a, const void *b)
{
	const struct rf_rank *x = a, *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return (x->type > y->type) - (x->type < y->type);
}

static void
rf_types(struct json *j, const struct rf_counts *c, const struct rf_signals *s)
{
	struct rf_rank all[16], measured[16];

	for (uint32_t i = 0; i < 16; i++) {
		all[i] = (struct rf_rank){ c->types[i], i };
		measured[i] = (struct rf_rank){ s->types[i].n, i };
	}
	qsort(all, 16, sizeof(all[0]), rf_rank_compare);
	qsort(measured, 16, sizeof(measured[0]), rf_rank_compare);
	js_karray(j, "payloadTypes");
	for (int i = 0; i < 16 && all[i].n > 0; i++) {
		js_object(j);
		js_kuint(j, "type", all[i].type);
		rf_type_name(j, all[i].type);
		js_kuint(j, "count", all[i].n);
		js_object_end(j);
	}
	js_array_end(j);
	js_karray(j, "snrByType");
	for (int i = 0; i < 16 && measured[i].n > 0; i++) {
		uint32_t t = measured[i].type;

		js_object(j);
		rf_type_name(j, t);
		js_kuint(j, "count", s->types[t].n);
		js_knum(j, "avg", (double)s->types[t].sum / 4 / (double)s->types[t].n);
		js_knum(j, "min", s->types[t].min / 4.0);
		js_knum(j, "max", s->types[t].max / 4.0);
		js_object_end(j);
	}
	js_array_end(j);
}

/* ---------------------------------------------------------------- answer -- */

static void
rf_hours(struct json *j, const struct rf_counts *c)
{
	uint32_t count;
	struct bag_item *hours = bag_sorted(&c->hours, &count);
	int64_t first = 0;

	js_karray(j, "packetsPerHour");
	for (uint32_t i = 0; i < count; i++) {
		int64_t hour = (int64_t)(hours[i].key >> 3);

		if ((hours[i].key & 7) != RF_PACKETS)
			continue;
		if (first == 0)
			first =
			    (hour + 1) * 3600 - bag_get(&c->hours, (uint64_t)hour << 3 | RF_FIRST);
		js_object(j);
		render_khour(j, "hour", hour);
		js_kint(j, "count", hours[i].n);
		js_object_end(j);
	}
	js_array_end(j);
	js_karray(j, "signalOverTime");
	for (uint32_t i = 0; i < count; i++) {
		uint64_t hour = hours[i].key >> 3;

		if ((hours[i].key & 7) != RF_SNR_N)
			continue;
		js_object(j);
		render_khour(j, "hour", (int64_t)hour);
		js_kint(j, "count", hours[i].n);
		js_knum(j, "avgSnr",
			(double)bag_get(&c->hours, hour << 3 | RF_SNR_SUM) / 4 /
			    (double)hours[i].n);
		js_object_end(j);
	}
	js_array_end(j);
	js_knum(j, "timeSpanHours", first == 0 ? 0 : (double)(c->last - first) / 3600);
	free(hours);
}

/* At most SCATTER points, evenly over all pairs as they are ordered by SNR and RSSI. */
static void
rf_scatter(struct json *j, const struct rf_signals *s)
{
	uint64_t step = s->pairs > SCATTER ? (s->pairs + SCATTER - 1) / SCATTER : 1;
	uint64_t seen = 0, next = 0;

	js_karray(j, "scatterData");
	for (int i = 0; i < 256 * 256; i++) {
		seen += s->both[i / 256][i % 256];
		for (; next < seen; next += step) {
			js_object(j);
			js_knum(j, "snr", (i / 256 - 128) / 4.0);
			js_knum(j, "rssi", i % 256 - 255);
			js_object_end(j);
		}
	}
	js_array_end(j);
}

static void
rf_sizes(struct json *j, const struct rf_counts *c)
{
	uint64_t counts[SIZES], n = 0, sum = 0, min = 0, max = 0;

	for (uint32_t i = 0; i < SIZES; i++) {
		counts[i] = i == 0 ? 0 : c->sizes[i]; /* 0: not known */
		min = n == 0 && counts[i] > 0 ? i : min;
		max = counts[i] > 0 ? i : max;
		n += counts[i];
		sum += counts[i] * i;
	}
	js_key(j, "packetSizes");
	render_histogram(j, counts, SIZES, 0, 1, 25);
	js_kuint(j, "minPacketSize", min);
	js_kuint(j, "maxPacketSize", max);
	js_kuint(j, "avgPacketSize", n == 0 ? 0 : sum / n);
}

static uint32_t
rf_answer(void *self, const struct an_query *q, struct json *j)
{
	struct rf *rf = self;
	const struct rf_counts *c = frame_view(rf->frame, &rf_class, q);
	struct rf_signals *s = c == NULL ? NULL : rf_gather(&c->signals);
	uint64_t measured = 0;

	if (s == NULL)
		return render_error(j, 503, "out of memory");
	for (int i = 0; i < 16; i++)
		measured += s->types[i].n;
	js_object(j);
	js_kuint(j, "totalPackets", measured);
	js_kint(j, "totalAllPackets", c->heard);
	js_kint(j, "totalTransmissions", c->packets);
	rf_figures(j, "snr", s->snr, -32, 0.25);
	rf_figures(j, "rssi", s->rssi, -255, 1);
	js_key(j, "snrValues");
	render_histogram(j, s->snr, 256, -32, 0.25, 20);
	js_key(j, "rssiValues");
	render_histogram(j, s->rssi, 256, -255, 1, 20);
	rf_sizes(j, c);
	rf_hours(j, c);
	rf_types(j, c, s);
	rf_scatter(j, s);
	js_object_end(j);
	free(s);
	return 200;
}

/* ------------------------------------------------------------------ life -- */

static mk_result
rf_create(struct frame *f, void **self)
{
	struct rf *rf = calloc(1, sizeof(*rf));

	if (rf == NULL)
		return MK_ENOMEM;
	rf->frame = f;
	*self = rf;
	return MK_OK;
}

static const struct an_method rf_methods[] = { { "rf", rf_answer }, { NULL, NULL } };

const struct an_module rf_module = {
	.name = "rf",
	.create = rf_create,
	.destroy = free,
	.methods = rf_methods,
};
