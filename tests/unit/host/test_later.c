/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include <pthread.h>
#include <semaphore.h>

#include "later.h"

TestSuite(later, .timeout = 120);

#define ITEMS 50

struct item {
	struct later later;
	int number;
};

static sem_t go, done;
static int order[2 * ITEMS], count;
static pthread_t worker;

static void
note(void *arg)
{
	struct item *item = arg;

	if (count == 0)
		sem_wait(&go);
	worker = pthread_self();
	order[count++] = item->number;
	sem_post(&done);
}

Test(later, what_is_given_is_done_in_order_and_nobody_waits_for_it)
{
	static struct item items[2 * ITEMS];

	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	for (int i = 0; i < ITEMS; i++) {
		items[i].number = i;
		later_do(&items[i].later, note, &items[i]); /* the first waits for us */
	}
	sem_post(&go);
	for (int i = 0; i < ITEMS; i++)
		sem_wait(&done);
	/* Whether the thread is still there or must be started again. */
	for (int i = ITEMS; i < 2 * ITEMS; i++) {
		items[i].number = i;
		later_do(&items[i].later, note, &items[i]);
		sem_wait(&done);
	}
	for (int i = 0; i < 2 * ITEMS; i++)
		cr_expect_eq(order[i], i);
	cr_expect_not(pthread_equal(worker, pthread_self()));
}
