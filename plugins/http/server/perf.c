/* SPDX-License-Identifier: MIT */
#include "perf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 100u

struct perf_entry {
	_Atomic uint64_t count, total_us, max_us;
	_Atomic uint32_t samples[SAMPLES]; /* a ring, by count */
};

struct perf {
	const struct router *router;
	pthread_mutex_t lock; /* of the slow ones */
	struct perf_slow slow[PERF_SLOW];
	_Atomic uint64_t slow_count;
	uint32_t count;
	struct perf_entry entries[]; /* as the router counts; the last one: of all */
};

struct perf *
perf_new(const struct router *router)
{
	uint32_t n = router_count(router);
	struct perf *p = calloc(1, sizeof(*p) + (n + 1) * sizeof(p->entries[0]));

	if (p == NULL)
		return NULL;
	if (pthread_mutex_init(&p->lock, NULL) != 0) {
		free(p);
		return NULL;
	}
	p->router = router;
	p->count = n;
	return p;
}

void
perf_free(struct perf *p)
{
	if (p == NULL)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void
perf_add(struct perf_entry *e, uint64_t us)
{
	uint64_t n = atomic_fetch_add_explicit(&e->count, 1, memory_order_relaxed);
	uint64_t max = atomic_load_explicit(&e->max_us, memory_order_relaxed);

	atomic_fetch_add_explicit(&e->total_us, us, memory_order_relaxed);
	atomic_store_explicit(&e->samples[n % SAMPLES], us > UINT32_MAX ? UINT32_MAX : (uint32_t)us,
			      memory_order_relaxed);
	while (us > max && !atomic_compare_exchange_weak(&e->max_us, &max, us))
		;
}

void
perf_note(struct perf *p, uint32_t route, uint64_t us, unsigned status, uint64_t wall_us)
{
	perf_add(&p->entries[p->count], us);
	if (route >= p->count)
		return;
	perf_add(&p->entries[route], us);
	if (us < PERF_SLOW_US)
		return;
	pthread_mutex_lock(&p->lock);
	p->slow[p->slow_count % PERF_SLOW] = (struct perf_slow){
		.path = router_at(p->router, route)->pattern,
		.ms = (double)us / 1000,
		.at_s = wall_us / 1000000,
		.status = status,
	};
	p->slow_count++;
	pthread_mutex_unlock(&p->lock);
}

void
perf_reset(struct perf *p)
{
	for (uint32_t i = 0; i <= p->count; i++) {
		atomic_store(&p->entries[i].count, 0);
		atomic_store(&p->entries[i].total_us, 0);
		atomic_store(&p->entries[i].max_us, 0);
	}
	pthread_mutex_lock(&p->lock);
	p->slow_count = 0;
	pthread_mutex_unlock(&p->lock);
}

static int
perf_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void
perf_get(const struct perf *p, uint32_t route, struct perf_route *out)
{
	const struct perf_entry *e = &p->entries[route];
	uint64_t count = atomic_load(&e->count);
	uint32_t n = count < SAMPLES ? (uint32_t)count : SAMPLES, sorted[SAMPLES] = { 0 };

	memset(out, 0, sizeof(*out));
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++)
		sorted[i] = atomic_load_explicit(&e->samples[i], memory_order_relaxed);
	qsort(sorted, n, sizeof(sorted[0]), perf_compare);
	out->count = count;
	out->avg_ms = (double)atomic_load(&e->total_us) / (double)count / 1000;
	out->max_ms = (double)atomic_load(&e->max_us) / 1000;
	out->p50_ms = (double)sorted[n / 2] / 1000;
	out->p95_ms = (double)sorted[n * 95 / 100] / 1000;
}

void
perf_total(const struct perf *p, struct perf_route *out)
{
	perf_get(p, p->count, out);
}

uint32_t
perf_slow(struct perf *p, struct perf_slow *out, uint32_t max)
{
	uint32_t n;

	pthread_mutex_lock(&p->lock);
	n = p->slow_count < PERF_SLOW ? (uint32_t)p->slow_count : PERF_SLOW;
	n = n < max ? n : max;
	for (uint32_t i = 0; i < n; i++)
		out[i] = p->slow[(p->slow_count - 1 - i) % PERF_SLOW];
	pthread_mutex_unlock(&p->lock);
	return n;
}

uint64_t
perf_slow_count(const struct perf *p)
{
	return atomic_load(&p->slow_count);
}
