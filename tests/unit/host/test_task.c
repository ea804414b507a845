/* SPDX-License-Identifier: MIT
 *
 * Work on a thread, and its end on the loop.
 */
#include "task.h"

#include <semaphore.h>

#include <criterion/criterion.h>

struct work {
	struct task task;
	sem_t go;
	pthread_t worker;
	int done, on_loop;
};

static struct loop *loop;

static void
setup(void)
{
	cr_assert_eq(loop_new(&loop, NULL), MK_OK);
}

static void
teardown(void)
{
	loop_free(loop);
}

TestSuite(task, .timeout = 120, .init = setup, .fini = teardown);

static void
work(void *arg)
{
	struct work *w = arg;

	w->worker = pthread_self();
	sem_wait(&w->go);
}

static void
done(void *arg)
{
	struct work *w = arg;

	w->done++;
	w->on_loop = !pthread_equal(pthread_self(), w->worker);
}

static void
start(struct work *w)
{
	sem_init(&w->go, 0, 0);
	cr_assert_eq(task_start(&w->task, loop, work, done, w), MK_OK);
}

Test(task, its_end_comes_to_the_loop)
{
	struct work w = { 0 };

	start(&w);
	cr_expect(task_is_live(&w.task));
	cr_expect(task_is_busy(&w.task));
	sem_post(&w.go);
	while (w.done == 0)
		loop_round(loop);
	cr_expect(w.on_loop);
	cr_expect_not(task_is_live(&w.task));
	cr_expect_not(task_is_busy(&w.task));
}

Test(task, it_can_be_waited_for_and_ends_once)
{
	struct work w = { 0 };

	start(&w);
	sem_post(&w.go);
	task_finish(&w.task);
	cr_expect_eq(w.done, 1);
	task_finish(&w.task);
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_eq(w.done, 1);
}

Test(task, one_that_was_never_begun_is_over)
{
	struct task t = { 0 };

	cr_expect_not(task_is_live(&t));
	task_finish(&t);
}
