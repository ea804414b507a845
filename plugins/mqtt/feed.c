/* SPDX-License-Identifier: MIT
 *
 * What to think of a broker. Pure functions.
 */
#include <string.h>

#include "feed.h"

#define SECOND 1000000u
#define BACKOFF_MOST (60ull * SECOND)
#define HOUR (3600ull * SECOND)

void
feed_rate_add(struct feed_rate *r, uint64_t now_us)
{
	uint64_t second = now_us / SECOND;

	if (second >= r->second + FEED_RATE_SECONDS)
		memset(r->buckets, 0, sizeof(r->buckets));
	else
		for (uint64_t s = r->second + 1; s <= second; s++)
			r->buckets[s % FEED_RATE_SECONDS] = 0;
	if (second > r->second)
		r->second = second;
	r->buckets[r->second % FEED_RATE_SECONDS]++;
}

uint64_t
feed_rate_sum(const struct feed_rate *r, uint64_t now_us)
{
	uint64_t now = now_us / SECOND, sum = 0;

	for (uint64_t age = 0; age < FEED_RATE_SECONDS && age <= r->second; age++)
		if (r->second - age + FEED_RATE_SECONDS > now)
			sum += r->buckets[(r->second - age) % FEED_RATE_SECONDS];
	return sum;
}

void
feed_watch_begin(struct feed_watch *w, uint64_t now_us)
{
	*w = (struct feed_watch){ .quiet_us = now_us };
}

bool
feed_watch_due(const struct feed_watch *w, uint64_t silence_us, uint64_t now_us)
{
	uint64_t interval = silence_us;

	if (w->forced == 0)
		return now_us >= w->quiet_us + silence_us;
	for (uint32_t i = 0; i < w->forced && interval < HOUR; i++)
		interval *= 2;
	if (interval > HOUR)
		interval = HOUR > silence_us ? HOUR : silence_us;
	return now_us >= w->forced_us + interval;
}

void
feed_watch_forced(struct feed_watch *w, uint64_t now_us)
{
	w->forced++;
	w->forced_us = now_us;
}

uint64_t
feed_backoff_us(uint32_t attempt, uint64_t random)
{
	uint64_t base = attempt > 6 ? BACKOFF_MOST : (uint64_t)SECOND << attempt;

	if (base > BACKOFF_MOST)
		base = BACKOFF_MOST;
	return base - base / 4 + random % (base / 2);
}

enum feed_verdict
feed_judge(const struct feed *f, bool paused, uint64_t silence_us, uint64_t now_us)
{
	if (paused)
		return FEED_PAUSED;
	if (f->watch.quiet_us != 0 && now_us >= f->watch.quiet_us + silence_us &&
	    (f->phase == FEED_UP || f->watch.forced > 0))
		return f->messages == 0 ? FEED_NEVER_RECEIVED : FEED_STALLED;
	if (f->phase == FEED_UP)
		return FEED_OK;
	return f->attempt == 0 ? FEED_IS_CONNECTING : FEED_DISCONNECTED;
}

const char *
feed_verdict_name(enum feed_verdict v)
{
	static const char *const names[] = { "ok",           "connecting",
					     "disconnected", "never-received",
					     "stalled",      "paused" };

	return names[v];
}
