/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <stdlib.h>
#include <string.h>

#define CONTENTION_US 100000u
#define COUNT_ONE(name) +1

void
stats_time(struct stats *s, enum stats_part part, uint64_t wait_us, uint64_t hold_us)
{
	struct stats_perf *p = &s->perf[part];
	uint32_t wait = wait_us > UINT32_MAX ? UINT32_MAX : (uint32_t)wait_us;
	uint32_t hold = hold_us > UINT32_MAX ? UINT32_MAX : (uint32_t)hold_us;

	p->wait_us[p->count % STATS_SAMPLES] = wait;
	p->hold_us[p->count % STATS_SAMPLES] = hold;
	p->wait_max_us = wait > p->wait_max_us ? wait : p->wait_max_us;
	p->hold_max_us = hold > p->hold_max_us ? hold : p->hold_max_us;
	p->contention += wait > CONTENTION_US;
	p->count++;
}

static int
stats_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
stats_put_times(mk_writer *w, const uint32_t *samples, size_t n, uint32_t max,
		const char *const names[4])
{
	static const uint32_t percent[3] = { 50, 95, 99 };
	uint32_t sorted[STATS_SAMPLES];

	memcpy(sorted, samples, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), stats_compare);
	for (size_t i = 0; i < 3; i++) /* the nearest rank */
		mk_kv_f64(w, names[i],
			  n == 0 ? 0 : sorted[(percent[i] * (n - 1) + 50) / 100] / 1e3);
	mk_kv_f64(w, names[3], max / 1e3);
}

static void
stats_put_perf(mk_writer *w, const char *name, const struct stats_perf *p)
{
	static const char *const wait[] = { "wait_ms_p50", "wait_ms_p95", "wait_ms_p99",
					    "wait_ms_max" };
	static const char *const hold[] = { "hold_ms_p50", "hold_ms_p95", "hold_ms_p99",
					    "hold_ms_max" };
	size_t n = p->count < STATS_SAMPLES ? (size_t)p->count : STATS_SAMPLES;

	mk_kv_map(w, name, 10);
	mk_kv_u64(w, "count", p->count);
	mk_kv_u64(w, "contention_total", p->contention);
	stats_put_times(w, p->wait_us, n, p->wait_max_us, wait);
	stats_put_times(w, p->hold_us, n, p->hold_max_us, hold);
}

mk_result
stats_write(const struct stats *s, mk_writer *w)
{
	mk_put_map(w, 0 STATS_COUNTERS(COUNT_ONE) + 2);
#define PUT_COUNTER(name) mk_kv_u64(w, #name, s->name);
	STATS_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
	mk_kv_f64(w, "rows_per_commit",
		  s->wal_commits == 0 ? 0 : (double)s->rows / (double)s->wal_commits);
	mk_kv_map(w, "writer_perf", STATS_PART_COUNT);
#define PUT_PERF(name) stats_put_perf(w, #name, &s->perf[STATS_##name]);
	STATS_PARTS(PUT_PERF)
#undef PUT_PERF
	return mk_writer_end(w);
}
