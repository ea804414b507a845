/* SPDX-License-Identifier: MIT
 *
 * What two to four observers heard of the same packets, for the page Observers: how many packets each
 * set of them heard, and by how much one hears better than another what both heard. Counted are the
 * packets in memory.
 */
#include <string.h>

#include "packet.h"
#include "who.h"

#define COMPARE_MAX 4u
#define HOUR_S 3600

struct compare {
	uint32_t observers[COMPARE_MAX], count;
	uint64_t sets[1u << COMPARE_MAX], packets;
	struct {
		double difference; /* sum over packets, dB */
		uint64_t n;
	} pairs[COMPARE_MAX][COMPARE_MAX];
};

/* The observers in "ID~ID": false if one is not there, or it is not two to four. */
static bool
compare_read(struct compare *c, const struct read *r, const char *ids)
{
	while (*ids != '\0') {
		size_t len = strcspn(ids, "~");
		uint32_t o = read_observer_find(r, ids, len);

		if (o == READ_NONE || read_observer(r, o)->hidden || c->count == COMPARE_MAX)
			return false;
		for (uint32_t i = 0; i < c->count; i++)
			if (c->observers[i] == o)
				return false;
		c->observers[c->count++] = o;
		ids += len + (ids[len] == '~');
	}
	return c->count >= 2;
}

static bool
compare_packet(void *arg, const struct read_packet *p)
{
	struct compare *c = arg;
	double snr[COMPARE_MAX] = { 0 };
	uint32_t heard = 0, measured = 0;

	for (uint32_t k = 0; k < p->obs_count; k++) {
		const struct read_obs *o = &p->obs[k];

		for (uint32_t i = 0; i < c->count; i++) {
			if (o->observer != c->observers[i])
				continue;
			heard |= 1u << i;
			if (o->has_snr && ((measured >> i & 1) == 0 || o->snr > snr[i])) {
				snr[i] = o->snr;
				measured |= 1u << i;
			}
		}
	}
	c->sets[heard]++;
	c->packets++;
	for (uint32_t a = 0; a < c->count; a++) {
		for (uint32_t b = a + 1; b < c->count; b++) {
			if ((measured >> a & measured >> b & 1) == 0)
				continue;
			c->pairs[a][b].difference += snr[a] - snr[b];
			c->pairs[a][b].n++;
		}
	}
	return true;
}

/* Packets that all of `mask` heard, whoever else did. */
static uint64_t
compare_heard(const struct compare *c, uint32_t mask)
{
	uint64_t n = 0;

	for (uint32_t set = 0; set < 1u << c->count; set++)
		n += (set & mask) == mask ? c->sets[set] : 0;
	return n;
}

static void
compare_put_pairs(const struct compare *c, struct json *out)
{
	js_karray(out, "pairs");
	for (uint32_t a = 0; a < c->count; a++) {
		for (uint32_t b = a + 1; b < c->count; b++) {
			uint64_t n = c->pairs[a][b].n;

			js_object(out);
			js_kuint(out, "a", a);
			js_kuint(out, "b", b);
			js_kuint(out, "both", compare_heard(c, 1u << a | 1u << b));
			put_real(out, "snr_difference", n > 0,
				 n > 0 ? c->pairs[a][b].difference / (double)n : 0);
			js_kuint(out, "n", n);
			js_object_end(out);
		}
	}
	js_array_end(out);
}

static void
compare_put(const struct compare *c, const struct read *r, struct json *out)
{
	js_object(out);
	js_kuint(out, "packets", c->packets);
	js_karray(out, "observers");
	for (uint32_t i = 0; i < c->count; i++) {
		js_object(out);
		js_kstr(out, "id", read_observer(r, c->observers[i])->id);
		js_kuint(out, "packets", compare_heard(c, 1u << i));
		js_kuint(out, "only", c->sets[1u << i]);
		js_object_end(out);
	}
	js_array_end(out);
	js_karray(out, "sets");
	for (uint32_t set = 1; set < 1u << c->count; set++) {
		if (c->sets[set] == 0)
			continue;
		js_object(out);
		js_kuint(out, "mask", set);
		js_kuint(out, "packets", c->sets[set]);
		js_object_end(out);
	}
	js_array_end(out);
	compare_put_pairs(c, out);
	js_object_end(out);
}

static void
compare_get(struct request *rq, struct json *out)
{
	struct read *r = who_read(rq);
	struct compare c = { 0 };
	struct read_filter filter;
	struct read_scratch *s;
	mk_err err = { 0 };

	if (!who_is_warm(rq))
		return;
	if (!compare_read(&c, r, request_text(rq, "ids"))) {
		request_fail(rq, 400,
			     "ids: two to four observers that are known, with ~ between them");
		return;
	}
	s = read_scratch_new(r);
	who_filter(&filter);
	filter.observers = c.observers;
	filter.observer_count = c.count;
	filter.since = who_now(rq) - request_int(rq, "hours") * HOUR_S;
	if (s == NULL || read_packets(r, s, &filter, false, 0, UINT64_MAX, compare_packet, &c, NULL,
				      &err) != MK_OK)
		request_fail(rq, 500, "the packets cannot be read");
	else
		compare_put(&c, r, out);
	read_scratch_free(s);
}

/* clang-format off */
static const struct route_param compare_params[] = {
	{ .name = "ids", .type = PARAM_TEXT, .min = 1, .max = 1024, .error = "ids is missing",
	  .help = "two to four ids of observers, with ~ between them" },
	{ .name = "hours", .type = PARAM_INT, .dflt = 24, .min = 1, .max = 720, .help = "how far back" },
	{ .name = NULL },
};

const struct route web_compare_routes[] = {
	{ .method = "GET", .pattern = "/api/web/compare", .handle = compare_get,
	  .params = compare_params, .reads = MODEL_PACKETS | MODEL_OBSERVERS, .max_age_s = 30, .cost = 50,
	  .summary = "what observers heard of the same packets",
	  .answer = "{packets, observers: [{id, packets, only}], sets: [{mask, packets}], pairs: [{a, b, both, snr_difference, n}]}" },
	{ .method = NULL },
};
/* clang-format on */
