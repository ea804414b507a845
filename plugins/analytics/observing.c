/* SPDX-License-Identifier: MIT */
#include "observing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "grow.h"
#include "hours.h"
#include "near.h"
#include "render.h"

#define HOUR_S 3600
#define BINS \
	HOURS_SIGNALS  /* of 2 dB, from -32 dB on: what the signal's eight bits can \
                     say */
#define LEVELS 3u      /* how coarsely a question may want the different nodes */
#define SETS 4u        /* buckets of a level that may still get somebody new */
#define KEYS_MAX 8192u /* different ones at a time; more are not counted */
#define ENDS_DEST 0x40000000u
#define NODE 0x80000000u

static const uint32_t level_hours[LEVELS] = { 1, 4, 24 };
static const uint32_t level_kept[LEVELS] = { 26, 8 * 24, 366 * 24 }; /* hours */

/* How many different ones were there in some hours. */
struct crowd {
	uint32_t at; /* hour / hours of the level */
	uint32_t count;
};

/* Who they were, as bits by number. */
struct set {
	uint32_t at, words; /* words 0: it is free */
	uint64_t *bits;
};

/* What comes in late finds the set of its bucket gone if SETS others were used
 * since: then it is not known who was there, and nobody new is counted. The
 * sets of all buckets would be six megabytes. */
struct crowds {
	struct crowd *at; /* by time */
	uint32_t count, cap;
	struct set sets[SETS]; /* used last comes first */
};

struct observing {
	struct frame *frame;
	struct place {
		struct hours hours;
		struct crowds crowds[LEVELS];
	} * places; /* by observer */
	uint32_t cap;
	/* Whoever was there has a number: tokens of hops, ids of originators, first
   * bytes of both ends of a message. */
	uint32_t keys[KEYS_MAX];      /* by number; 0: it is free */
	uint16_t slots[2 * KEYS_MAX]; /* open addressing by key; number + 1 */
	uint32_t key_count;           /* numbers below were given; */
	uint32_t key_free;            /* those below this are all in use */
	uint16_t *ends; /* by the packet's slot: first bytes of destination and source */
	uint32_t end_cap;
	uint32_t swept; /* hour */
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
	for (uint32_t i = 0; i < SETS; i++)
		free(c->sets[i].bits);
	free(c->at);
}

static void
observing_destroy(void *self)
{
	struct observing *o = self;

	for (uint32_t i = 0; i < o->cap; i++) {
		hours_fini(&o->places[i].hours);
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
	size_t bytes = sizeof(*o) + o->cap * sizeof(*o->places) + o->end_cap * sizeof(*o->ends);

	for (uint32_t i = 0; i < o->cap; i++) {
		bytes += hours_bytes(&o->places[i].hours);
		for (uint32_t l = 0; l < LEVELS; l++) {
			const struct crowds *c = &o->places[i].crowds[l];

			bytes += c->cap * sizeof(*c->at);
			for (uint32_t k = 0; k < SETS; k++)
				bytes += c->sets[k].words * sizeof(*c->sets[k].bits);
		}
	}
	return bytes;
}

int
observing_bin(int quarters)
{
	/* Divisions round towards zero, so from a number that is never below it. */
	return (quarters + 32 * 4) / 8 * 2 - 32;
}

/* -------------------------------------------------------------- counting -- */

static void
crowds_expire(struct crowds *c, uint32_t before)
{
	uint32_t gone = 0;

	while (gone < c->count && c->at[gone].at < before)
		gone++;
	c->count -= gone;
	if (gone > 0)
		memmove(c->at, c->at + gone, c->count * sizeof(*c->at));
	for (uint32_t i = 0; i < SETS; i++) {
		if (c->sets[i].at >= before)
			continue;
		free(c->sets[i].bits);
		c->sets[i] = (struct set){ .at = c->sets[i].at };
	}
}

/* The bucket of a time, with *fresh: it was not there before. */
static struct crowd *
crowds_put(struct crowds *c, uint32_t at, uint32_t kept, bool *fresh)
{
	uint32_t i = c->count;

	/* Nearly always it is the last one. */
	while (i > 0 && c->at[i - 1].at >= at)
		i--;
	*fresh = i == c->count || c->at[i].at != at;
	if (!*fresh)
		return &c->at[i];
	if (i == c->count && i > 0 && at > kept) {
		crowds_expire(c, at - kept);
		i = c->count;
	}
	if (!grow_to(&c->at, &c->cap, c->count + 1, sizeof(*c->at)))
		return NULL;
	memmove(&c->at[i + 1], &c->at[i], (c->count - i) * sizeof(*c->at));
	c->at[i] = (struct crowd){ .at = at };
	c->count++;
	return &c->at[i];
}

/* The set of a bucket, in front of the others; NULL: it is gone, and so is
 * `crowd` full. */
static struct set *
crowds_set(struct crowds *c, uint32_t at, bool fresh)
{
	struct set set;
	uint32_t i = 0;

	while (i < SETS && (c->sets[i].at != at || c->sets[i].words == 0))
		i++;
	if (i == SETS && !fresh)
		return NULL;
	if (i == 0)
		return &c->sets[0];
	i = i == SETS ? SETS - 1 : i;
	set = c->sets[i];
	if (set.at != at && set.words > 0)
		memset(set.bits, 0, set.words * sizeof(*set.bits));
	set.at = at;
	memmove(&c->sets[1], &c->sets[0], i * sizeof(set));
	c->sets[0] = set;
	return &c->sets[0];
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

/* Exactly as large as all that have a number need: there are hundreds of these.
 */
static bool
set_room(const struct observing *o, struct set *set, uint32_t word)
{
	uint32_t words = (o->key_count + 63) / 64;
	uint64_t *bits;

	if (word < set->words)
		return true;
	bits = realloc(set->bits, words * sizeof(*bits));
	if (bits == NULL)
		return false;
	memset(bits + set->words, 0, (words - set->words) * sizeof(*bits));
	set->bits = bits;
	set->words = words;
	return true;
}

struct bucket { /* of each level the one that an observation is in */
	struct crowd *crowd;
	struct set *set;
};

/* What a short bucket knows the long ones around it know, too. */
static void
buckets_add(struct observing *o, struct bucket buckets[LEVELS], uint32_t key)
{
	uint32_t number = observing_number(o, key), word = number / 64;
	uint64_t bit = UINT64_C(1) << number % 64;

	for (uint32_t l = 0; number < KEYS_MAX && l < LEVELS; l++) {
		struct set *set = buckets[l].set;

		if (set == NULL || !set_room(o, set, word))
			continue;
		if (set->bits[word] & bit)
			return;
		set->bits[word] |= bit;
		buckets[l].crowd->count++;
	}
}

static void
observing_on_packet(void *self, struct an_packet *p, const struct an_news *news)
{
	struct observing *o = self;
	struct near_packet near;

	if (!grow_to(&o->ends, &o->end_cap, p->slot + 1, sizeof(*o->ends)))
		return;
	o->ends[p->slot] = 0;
	/* Requests, responses, texts and returned paths say for whom and from whom; 7
   * only for whom. */
	if (near_read(&near, news->raw, news->raw_len) && near.len >= 2 &&
	    (near.type <= 2 || near.type == 7 || near.type == 8))
		o->ends[p->slot] = (uint16_t)(near.payload[0] << 8 | near.payload[1]);
}

static void
observing_crowd(struct observing *o, struct place *place, const struct an_packet *p,
		const struct hops_obs *obs)
{
	uint32_t hour = (uint32_t)(obs->at / HOUR_S);
	struct bucket buckets[LEVELS] = { 0 };

	for (uint32_t l = 0; l < LEVELS; l++) {
		struct crowds *c = &place->crowds[l];
		uint32_t at = hour / level_hours[l];
		bool fresh;

		buckets[l].crowd = crowds_put(c, at, level_kept[l] / level_hours[l], &fresh);
		if (buckets[l].crowd != NULL)
			buckets[l].set = crowds_set(c, at, fresh || buckets[l].crowd->count == 0);
	}
	for (uint32_t i = 0; i < obs->count; i++)
		buckets_add(o, buckets, obs->hops[i]);
	if (p->from != HOPS_NONE)
		buckets_add(o, buckets, NODE | p->from);
	if (p->slot >= o->end_cap || (p->type > 2 && p->type != 7 && p->type != 8))
		return;
	buckets_add(o, buckets, ENDS_DEST | o->ends[p->slot] >> 8);
	if (p->type != 7)
		buckets_add(o, buckets, ENDS_DEST | (o->ends[p->slot] & 0xffu));
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
	    (hour = hours_get(&o->places[heard->observer].hours, (uint32_t)(obs->at / HOUR_S))) ==
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

/* -------------------------------------------------------------- forgetting --
 */

/* Numbers that are in no bucket any more can be given to others. */
static void
observing_free_numbers(struct observing *o)
{
	uint64_t used[KEYS_MAX / 64] = { 0 };

	for (uint32_t i = 0; i < o->cap * LEVELS * SETS; i++) {
		const struct set *set =
		    &o->places[i / SETS / LEVELS].crowds[i / SETS % LEVELS].sets[i % SETS];

		for (uint32_t n = 0; n < set->words && n < KEYS_MAX / 64; n++)
			used[n] |= set->bits[n];
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

		if (hour > keep)
			hours_expire(&p->hours, hour - keep);
		for (uint32_t l = 0; l < LEVELS; l++) {
			uint32_t kept = level_kept[l] < keep ? level_kept[l] : keep;

			if (hour > kept)
				crowds_expire(&p->crowds[l], (hour - kept) / level_hours[l]);
		}
	}
	if (o->key_count > KEYS_MAX / 2)
		observing_free_numbers(o);
}

/* ---------------------------------------------------------------- answers --
 */

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
observing_write_counts(const struct hour *hours, uint32_t hour_count, uint32_t level,
		       struct json *out)
{
	uint64_t types[HOURS_TYPES] = { 0 }, signals[BINS] = { 0 };

	js_karray(out, "timeline");
	for (uint32_t i = 0, n; i < hour_count; i += n) {
		uint32_t bucket = hours[i].at / level_hours[level];
		uint64_t count = 0;

		for (n = 0; i + n < hour_count && hours[i + n].at / level_hours[level] == bucket;
		     n++)
			count += hours[i + n].count;
		observing_write_point(out, level, bucket, count);
	}
	js_array_end(out);
	for (uint32_t i = 0; i < hour_count; i++) {
		for (uint32_t k = 0; k < HOURS_TYPES; k++)
			types[k] += hours[i].types[k];
		for (uint32_t k = 0; k < BINS; k++)
			signals[k] += hours[i].signals[k];
	}
	js_kobject(out, "packetTypes");
	for (uint32_t k = 0; k < HOURS_TYPES; k++) {
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
	uint32_t level, since, hour_count = 0;
	struct hour *hours;
	char id[HOPS_ID_MAX + 1];

	if (query_text(q, "key", id, sizeof(id))) {
		uint16_t at = frame_observer(o->frame, id, strlen(id));

		p = at < o->cap ? &o->places[at] : p;
	}
	days = days < 1 ? 1 : days > 365 ? 365 : days;
	level = days <= 1 ? 0 : days <= 7 ? 1 : 2;
	since = (uint32_t)((q->now - days * 24 * HOUR_S) / HOUR_S);
	hours = hours_list(&p->hours, since, &hour_count);
	if (hours == NULL)
		return render_error(out, 503, "out of memory");
	js_object(out);
	observing_write_counts(hours, hour_count, level, out);
	free(hours);
	js_karray(out, "nodesTimeline");
	for (uint32_t i = 0; i < p->crowds[level].count; i++) {
		const struct crowd *c = &p->crowds[level].at[i];

		if (c->at >= since / level_hours[level])
			observing_write_point(out, level, c->at, c->count);
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
