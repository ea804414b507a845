/* SPDX-License-Identifier: MIT */
#include "observing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grow.h"
#include "near.h"
#include "render.h"

#define HOUR_S 3600
#define BINS 32u       /* of 2 dB, from -32 dB on: what the signal's eight bits can say */
#define LEVELS 3u      /* how coarsely a question may want the different nodes */
#define KEYS_MAX 8192u /* different ones at a time; more are not counted */
#define ENDS_DEST 0x40000000u
#define NODE 0x80000000u

static const uint32_t level_hours[LEVELS] = { 1, 4, 24 };
static const uint32_t level_kept[LEVELS] = { 26, 8 * 24, 366 * 24 }; /* hours */

struct hour {
	uint32_t at; /* since 1970 */
	uint32_t count;
	uint16_t types[16], signals[BINS];
};

/* Who was there in some hours, as bits by number. */
struct crowd {
	uint32_t at; /* hour / hours of the level */
	uint32_t words;
	uint64_t *bits;
};

struct crowds {
	struct crowd *at; /* by time */
	uint32_t begin, count, cap;
};

struct observing {
	struct frame *frame;
	struct place {
		struct hour *hours; /* by time, from begin on */
		uint32_t begin, count, cap;
		struct crowds crowds[LEVELS];
	} * places; /* by observer */
	uint32_t cap;
	/* Whoever was there has a number: tokens of hops, ids of originators, first bytes of both
	 * ends of a message. */
	uint32_t keys[KEYS_MAX];      /* by number; 0: it is free */
	uint16_t slots[2 * KEYS_MAX]; /* open addressing by key; number + 1 */
	uint32_t key_count;           /* numbers below were given; */
	uint32_t key_free;            /* those below this are all in use */
	uint16_t *ends; /* by the packet's slot: first bytes of destination and source */
	uint32_t end_cap;
	uint32_t swept; /* hour */
	size_t bytes;
	uint64_t lost;
};

static mk_result
observing_create(struct frame *f, void **self)
{
	struct observing *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return MK_ENOMEM;
	o->frame = f;
	*self = o;
	return MK_OK;
}

static void
crowds_free(struct crowds *c)
{
	for (uint32_t i = c->begin; i < c->count; i++)
		free(c->at[i].bits);
	free(c->at);
}

static void
observing_destroy(void *self)
{
	struct observing *o = self;

	for (uint32_t i = 0; i < o->cap; i++) {
		free(o->places[i].hours);
		for (uint32_t l = 0; l < LEVELS; l++)
			crowds_free(&o->places[i].crowds[l]);
	}
	free(o->places);
	free(o->ends);
	free(o);
}

static size_t
observing_bytes(const void *self)
{
	const struct observing *o = self;

	return sizeof(*o) + o->bytes + o->cap * sizeof(*o->places) + o->end_cap * sizeof(*o->ends);
}

int
observing_bin(int quarters)
{
	/* Divisions round towards zero, so from a number that is never below it. */
	return (quarters + 32 * 4) / 8 * 2 - 32;
}

/* -------------------------------------------------------------- counting -- */

/* The place of a time among those kept, from `begin` to `count`; nearly always the last one. */
#define PLACE_OF(list, begin, count, time, place)                           \
	do {                                                                \
		(place) = (count);                                          \
		while ((place) > (begin) && (list)[(place)-1].at >= (time)) \
			(place)--;                                          \
	} while (0)

static struct hour *
place_hour(struct observing *o, struct place *p, uint32_t hour)
{
	uint32_t i, cap = p->cap;

	PLACE_OF(p->hours, p->begin, p->count, hour, i);
	if (i < p->count && p->hours[i].at == hour)
		return &p->hours[i];
	if (!grow_to(&p->hours, &p->cap, p->count + 1, sizeof(*p->hours)))
		return NULL;
	o->bytes += (p->cap - cap) * sizeof(*p->hours);
	memmove(&p->hours[i + 1], &p->hours[i], (p->count - i) * sizeof(*p->hours));
	p->hours[i] = (struct hour){ .at = hour };
	p->count++;
	return &p->hours[i];
}

static void
crowds_expire(struct observing *o, struct crowds *c, uint32_t before)
{
	for (; c->begin < c->count && c->at[c->begin].at < before; c->begin++) {
		o->bytes -= c->at[c->begin].words * sizeof(*c->at[0].bits);
		free(c->at[c->begin].bits);
	}
	if (c->begin * 2 <= c->count)
		return;
	c->count -= c->begin;
	memmove(c->at, c->at + c->begin, c->count * sizeof(*c->at));
	c->begin = 0;
}

static struct crowd *
crowds_put(struct observing *o, struct crowds *c, uint32_t at, uint32_t kept)
{
	uint32_t i, cap = c->cap;

	PLACE_OF(c->at, c->begin, c->count, at, i);
	if (i < c->count && c->at[i].at == at)
		return &c->at[i];
	if (i == c->count && i > c->begin && at > kept) {
		crowds_expire(o, c, at - kept);
		i = c->count;
	}
	if (!grow_to(&c->at, &c->cap, c->count + 1, sizeof(*c->at)))
		return NULL;
	o->bytes += (c->cap - cap) * sizeof(*c->at);
	memmove(&c->at[i + 1], &c->at[i], (c->count - i) * sizeof(*c->at));
	c->at[i] = (struct crowd){ .at = at };
	c->count++;
	return &c->at[i];
}

static uint32_t
observing_slot(const struct observing *o, uint32_t key)
{
	uint32_t i = (uint32_t)hops_mix(key) % (2 * KEYS_MAX);

	while (o->slots[i] != 0 && o->keys[o->slots[i] - 1] != key)
		i = (i + 1) % (2 * KEYS_MAX);
	return i;
}

/* The number of a key; KEYS_MAX: there are too many. */
static uint32_t
observing_number(struct observing *o, uint32_t key)
{
	uint32_t slot = observing_slot(o, key);

	if (o->slots[slot] != 0)
		return o->slots[slot] - 1u;
	while (o->key_free < KEYS_MAX && o->keys[o->key_free] != 0)
		o->key_free++;
	if (o->key_free == KEYS_MAX) {
		o->lost++;
		return KEYS_MAX;
	}
	o->keys[o->key_free] = key;
	o->slots[slot] = (uint16_t)(o->key_free + 1);
	o->key_count = o->key_free >= o->key_count ? o->key_free + 1 : o->key_count;
	return o->key_free;
}

/* Exactly as large as all that have a number need: there are thousands of these. */
static bool
crowd_room(struct observing *o, struct crowd *c, uint32_t word)
{
	uint32_t words = (o->key_count + 63) / 64;
	uint64_t *bits;

	if (word < c->words)
		return true;
	bits = realloc(c->bits, words * sizeof(*bits));
	if (bits == NULL)
		return false;
	memset(bits + c->words, 0, (words - c->words) * sizeof(*bits));
	o->bytes += (words - c->words) * sizeof(*bits);
	c->bits = bits;
	c->words = words;
	return true;
}

/* What a short bucket knows the long ones around it know, too. */
static void
crowds_add(struct observing *o, struct crowd *crowds[LEVELS], uint32_t key)
{
	uint32_t number = observing_number(o, key), word = number / 64;
	uint64_t bit = UINT64_C(1) << number % 64;

	for (uint32_t l = 0; number < KEYS_MAX && l < LEVELS; l++) {
		struct crowd *c = crowds[l];

		if (c == NULL || !crowd_room(o, c, word))
			continue;
		if (c->bits[word] & bit)
			return;
		c->bits[word] |= bit;
	}
}

static uint32_t
crowd_count(const struct crowd *c)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < c->words; i++)
		count += (uint32_t)__builtin_popcountll(c->bits[i]);
	return count;
}

static void
observing_on_packet(void *self, struct an_packet *p, const struct an_news *news)
{
	struct observing *o = self;
	struct near_packet near;

	if (!grow_to(&o->ends, &o->end_cap, p->slot + 1, sizeof(*o->ends)))
		return;
	o->ends[p->slot] = 0;
	/* Requests, responses, texts and returned paths say for whom and from whom; 7 only for whom. */
	if (near_read(&near, news->raw, news->raw_len) && near.len >= 2 &&
	    (near.type <= 2 || near.type == 7 || near.type == 8))
		o->ends[p->slot] = (uint16_t)(near.payload[0] << 8 | near.payload[1]);
}

static void
observing_crowd(struct observing *o, struct place *place, const struct an_packet *p,
		const struct hops_obs *obs)
{
	uint32_t hour = (uint32_t)(obs->at / HOUR_S);
	struct crowd *crowds[LEVELS];

	for (uint32_t l = 0; l < LEVELS; l++)
		crowds[l] = crowds_put(o, &place->crowds[l], hour / level_hours[l],
				       level_kept[l] / level_hours[l]);
	for (uint32_t i = 0; i < obs->count; i++)
		crowds_add(o, crowds, obs->hops[i]);
	if (p->from != HOPS_NONE)
		crowds_add(o, crowds, NODE | p->from);
	if (p->slot >= o->end_cap || (p->type > 2 && p->type != 7 && p->type != 8))
		return;
	crowds_add(o, crowds, ENDS_DEST | o->ends[p->slot] >> 8);
	if (p->type != 7)
		crowds_add(o, crowds, ENDS_DEST | (o->ends[p->slot] & 0xffu));
}

/* 18 packets a second for an hour are as many as it can hold. */
static void
observing_count(uint16_t *n)
{
	*n = (uint16_t)(*n + (*n < UINT16_MAX));
}

static void
observing_on_obs(void *self, const struct an_packet *p, const struct hops_obs *obs)
{
	struct observing *o = self;
	const struct an_heard *heard;
	struct place *place;
	struct hour *hour;

	if (p->copy || p->heard_count == 0 || obs->at < 0 || obs->at / HOUR_S > UINT32_MAX)
		return;
	heard = &p->heard[p->heard_count - 1];
	if (heard->observer == AN_NO_OBSERVER)
		return;
	if (!grow_to(&o->places, &o->cap, heard->observer + 1u, sizeof(*o->places)) ||
	    (hour = place_hour(o, &o->places[heard->observer], (uint32_t)(obs->at / HOUR_S))) ==
		NULL) {
		o->lost++;
		return;
	}
	place = &o->places[heard->observer];
	hour->count++;
	observing_count(&hour->types[p->type & 15]);
	if (heard->snr != AN_NO_SNR)
		observing_count(&hour->signals[(observing_bin(heard->snr) + 32) / 2]);
	observing_crowd(o, place, p, obs);
}

/* -------------------------------------------------------------- forgetting -- */

/* Numbers that are in no bucket any more can be given to others. */
static void
observing_free_numbers(struct observing *o)
{
	uint64_t used[KEYS_MAX / 64] = { 0 };

	for (uint32_t i = 0; i < o->cap * LEVELS; i++) {
		const struct crowds *c = &o->places[i / LEVELS].crowds[i % LEVELS];

		for (uint32_t k = c->begin; k < c->count; k++)
			for (uint32_t n = 0; n < c->at[k].words && n < KEYS_MAX / 64; n++)
				used[n] |= c->at[k].bits[n];
	}
	memset(o->slots, 0, sizeof(o->slots));
	for (uint32_t n = 0; n < o->key_count; n++) {
		if ((used[n / 64] >> n % 64 & 1) == 0)
			o->keys[n] = 0;
		else
			o->slots[observing_slot(o, o->keys[n])] = (uint16_t)(n + 1);
	}
	o->key_free = 0;
}

static void
observing_on_tick(void *self, int64_t now)
{
	struct observing *o = self;
	uint32_t hour = (uint32_t)(now / HOUR_S), keep = (uint32_t)(o->frame->keep / HOUR_S) + 1;

	if (hour == o->swept)
		return;
	o->swept = hour;
	for (uint32_t i = 0; i < o->cap; i++) {
		struct place *p = &o->places[i];

		while (p->begin < p->count && p->hours[p->begin].at + keep < hour)
			p->begin++;
		if (p->begin * 2 > p->count) {
			p->count -= p->begin;
			memmove(p->hours, p->hours + p->begin, p->count * sizeof(*p->hours));
			p->begin = 0;
		}
		for (uint32_t l = 0; l < LEVELS; l++) {
			uint32_t kept = level_kept[l] < keep ? level_kept[l] : keep;

			if (hour > kept)
				crowds_expire(o, &p->crowds[l], (hour - kept) / level_hours[l]);
		}
	}
	if (o->key_count > KEYS_MAX / 2)
		observing_free_numbers(o);
}

/* ---------------------------------------------------------------- answers -- */

static void
observing_label(char *out, size_t cap, uint32_t level, int64_t at)
{
	static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	unsigned hour = (unsigned)(at / HOUR_S % 24);
	time_t when = (time_t)at;
	struct tm tm;

	if (level == 0)
		(void)snprintf(out, cap, "%02u:00", hour);
	else if (level == 1)
		(void)snprintf(out, cap, "%s %02u:00", days[at / 86400 % 7], hour);
	else if (gmtime_r(&when, &tm) != NULL)
		(void)snprintf(out, cap, "%s %02d", months[tm.tm_mon % 12], tm.tm_mday);
}

static void
observing_write_point(struct json *out, uint32_t level, uint32_t bucket, uint64_t count)
{
	char label[32] = "";

	observing_label(label, sizeof(label), level, (int64_t)bucket * level_hours[level] * HOUR_S);
	js_object(out);
	js_kstr(out, "label", label);
	js_kuint(out, "count", count);
	js_object_end(out);
}

static void
observing_write_counts(const struct place *p, uint32_t level, uint32_t since, struct json *out)
{
	uint64_t types[16] = { 0 }, signals[BINS] = { 0 };
	uint32_t begin = p->begin;

	while (begin < p->count && p->hours[begin].at < since)
		begin++;
	js_karray(out, "timeline");
	for (uint32_t i = begin, n; i < p->count; i += n) {
		uint32_t bucket = p->hours[i].at / level_hours[level];
		uint64_t count = 0;

		for (n = 0; i + n < p->count && p->hours[i + n].at / level_hours[level] == bucket;
		     n++)
			count += p->hours[i + n].count;
		observing_write_point(out, level, bucket, count);
	}
	js_array_end(out);
	for (uint32_t i = begin; i < p->count; i++) {
		for (uint32_t k = 0; k < 16; k++)
			types[k] += p->hours[i].types[k];
		for (uint32_t k = 0; k < BINS; k++)
			signals[k] += p->hours[i].signals[k];
	}
	js_kobject(out, "packetTypes");
	for (uint32_t k = 0; k < 16; k++) {
		char name[4];

		(void)snprintf(name, sizeof(name), "%u", (unsigned)k);
		if (types[k] > 0)
			js_kuint(out, name, types[k]);
	}
	js_object_end(out);
	js_karray(out, "snrDistribution");
	for (int k = 0; k < (int)BINS; k++) {
		char range[24];

		if (signals[k] == 0)
			continue;
		(void)snprintf(range, sizeof(range), "%d to %d", 2 * k - 32, 2 * k - 30);
		js_object(out);
		js_kstr(out, "range", range);
		js_kuint(out, "count", signals[k]);
		js_object_end(out);
	}
	js_array_end(out);
}

/* All but the packets themselves, which the one who asks has. */
static uint32_t
observing_answer(void *self, const struct an_query *q, struct json *out)
{
	static const struct place nothing;
	const struct observing *o = self;
	const struct place *p = &nothing;
	int64_t days = query_int(q, "days", 7);
	uint32_t level, since;
	char id[HOPS_ID_MAX + 1];

	if (query_text(q, "key", id, sizeof(id))) {
		uint16_t at = frame_observer(o->frame, id, strlen(id));

		p = at < o->cap ? &o->places[at] : p;
	}
	days = days < 1 ? 1 : days > 365 ? 365 : days;
	level = days <= 1 ? 0 : days <= 7 ? 1 : 2;
	since = (uint32_t)((q->now - days * 24 * HOUR_S) / HOUR_S);
	js_object(out);
	observing_write_counts(p, level, since, out);
	js_karray(out, "nodesTimeline");
	for (uint32_t i = p->crowds[level].begin; i < p->crowds[level].count; i++) {
		const struct crowd *c = &p->crowds[level].at[i];

		if (c->at >= since / level_hours[level])
			observing_write_point(out, level, c->at, crowd_count(c));
	}
	js_array_end(out);
	js_object_end(out);
	return 200;
}

static const struct an_method methods[] = {
	{ "observer", observing_answer },
	{ NULL, NULL },
};

const struct an_module observing_module = {
	.name = "observing",
	.create = observing_create,
	.destroy = observing_destroy,
	.on_packet = observing_on_packet,
	.on_obs = observing_on_obs,
	.on_tick = observing_on_tick,
	.bytes = observing_bytes,
	.methods = methods,
};
