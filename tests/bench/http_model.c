/* SPDX-License-Identifier: MIT
 *
 * Who answers a request that reads the model, while the plugin's thread changes it a thousand times
 * a second for 100 us? Two threads ask as fast as they can; a question reads for 5 us, one in 500
 * for 5 ms.
 *
 *   handover   the plugin's thread answers, the asking one waits for it
 *   mutex      one lock for all
 *   readers    a read-write lock as it comes: readers pass a writer that waits
 *   writers    the same, but the writer goes first: what model.c does
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "figures.h"

#define ASKERS 2
#define RUN_US 1000000u
#define RUNS 3
#define SAMPLES 1000000u
#define TABLE 65536u

enum how { HANDOVER, MUTEX, READERS, WRITERS, HOWS };

struct asker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool waits;
	uint32_t read_us, count;
	uint32_t *samples;
};

static enum how how;
static pthread_rwlock_t rwlock;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
static struct asker askers[ASKERS];
static _Atomic bool stopping;
static uint32_t table[TABLE];
static _Atomic uint64_t sink;

static uint64_t
bench_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
bench_read(uint32_t us)
{
	uint64_t end = bench_now_us() + us, sum = 0;

	for (uint32_t i = 0; bench_now_us() < end; i += 64)
		sum += table[i % TABLE];
	atomic_fetch_add(&sink, sum);
}

static void
bench_lock(bool write)
{
	if (how == MUTEX)
		pthread_mutex_lock(&mutex);
	else if (how != HANDOVER)
		(void)(write ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_rdlock(&rwlock));
}

static void
bench_unlock(void)
{
	if (how == MUTEX)
		pthread_mutex_unlock(&mutex);
	else if (how != HANDOVER)
		pthread_rwlock_unlock(&rwlock);
}

static void
asker_wait(struct asker *a)
{
	pthread_mutex_lock(&mutex);
	a->waits = true;
	pthread_cond_signal(&asked);
	while (a->waits && !atomic_load(&stopping))
		pthread_cond_wait(&a->answered, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void *
asker_run(void *arg)
{
	struct asker *a = arg;

	for (uint32_t i = 0; !atomic_load(&stopping) && a->count < SAMPLES; i++) {
		uint64_t began = bench_now_us();

		a->read_us = i % 500 == 499 ? 5000 : 5;
		if (how == HANDOVER) {
			asker_wait(a);
		} else {
			bench_lock(false);
			bench_read(a->read_us);
			bench_unlock();
		}
		a->samples[a->count++] = (uint32_t)(bench_now_us() - began);
	}
	return NULL;
}

/* Answers who waits, until it is time for the next change. */
static void
writer_answer(uint64_t until_us)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mutex);
	while (bench_now_us() < until_us) {
		bool any = false;

		for (int i = 0; i < ASKERS; i++) {
			if (!askers[i].waits)
				continue;
			any = true;
			pthread_mutex_unlock(&mutex);
			bench_read(askers[i].read_us);
			pthread_mutex_lock(&mutex);
			askers[i].waits = false;
			pthread_cond_signal(&askers[i].answered);
		}
		if (!any)
			pthread_cond_timedwait(&asked, &mutex, &t);
	}
	pthread_mutex_unlock(&mutex);
}

static uint32_t
writer_run(uint32_t *waits)
{
	uint64_t end = bench_now_us() + RUN_US;
	uint32_t n = 0;

	while (bench_now_us() < end && n < RUN_US / 1000) {
		uint64_t began = bench_now_us();

		if (how == HANDOVER)
			writer_answer(began + 900);
		else
			nanosleep(&(struct timespec){ 0, 900000 }, NULL);
		began = bench_now_us();
		bench_lock(true);
		waits[n++] = (uint32_t)(bench_now_us() - began);
		table[n % TABLE] = n;
		bench_read(100);
		bench_unlock();
	}
	return n;
}

static int
bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
bench_run(struct figure *f)
{
	static uint32_t samples[ASKERS * SAMPLES], waits[RUN_US / 1000];
	uint32_t changes, count = 0;

	atomic_store(&stopping, false);
	for (int i = 0; i < ASKERS; i++) {
		askers[i].count = 0;
		askers[i].waits = false;
		askers[i].samples = samples + (size_t)i * SAMPLES;
		pthread_cond_init(&askers[i].answered, NULL);
		pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]);
	}
	changes = writer_run(waits);
	pthread_mutex_lock(&mutex);
	atomic_store(&stopping, true);
	for (int i = 0; i < ASKERS; i++)
		pthread_cond_signal(&askers[i].answered);
	pthread_mutex_unlock(&mutex);
	for (int i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		memmove(samples + count, askers[i].samples, askers[i].count * sizeof(samples[0]));
		count += askers[i].count;
	}
	qsort(samples, count, sizeof(samples[0]), bench_compare);
	qsort(waits, changes, sizeof(waits[0]), bench_compare);
	figure_add(&f[0], "reads_per_s", "1/s", count * 1e6 / RUN_US);
	figure_add(&f[1], "read_p99", "us", samples[(uint64_t)count * 99 / 100]);
	figure_add(&f[2], "changes_per_s", "1/s", changes * 1e6 / RUN_US);
	figure_add(&f[3], "change_waits_p99", "us", waits[changes * 99 / 100]);
}

int
main(void)
{
	static const char *const names[] = { "handover", "mutex", "readers", "writers" };

	for (int i = 0; i < HOWS; i++) {
		struct figure figures[4] = { 0 };
		pthread_rwlockattr_t attr;

		how = (enum how)i;
		pthread_rwlockattr_init(&attr);
		if (how == WRITERS)
			pthread_rwlockattr_setkind_np(&attr,
						      PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
		pthread_rwlock_init(&rwlock, &attr);
		for (int k = 0; k < RUNS; k++)
			bench_run(figures);
		for (int k = 0; k < 4; k++)
			figure_print(&figures[k], "http_model", names[i]);
		pthread_rwlock_destroy(&rwlock);
		pthread_rwlockattr_destroy(&attr);
	}
	return 0;
}
