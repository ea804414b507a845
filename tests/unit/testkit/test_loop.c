/* SPDX-License-Identifier: MIT
 *
 * Time, descriptors and helper threads.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <fcntl.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

TestSuite(loop, .timeout = 120);

static void
note_timer(const mk_host *host, uint32_t id)
{
	note("%lld", id);
	note("%lld", (long long)host->now_us(host) - 1000000);
}

Test(loop, timers_fire_in_order_at_their_own_times)
{
	mk_tk *tk = started(NULL);

	act.timer = note_timer;
	the_host->timer(the_host, 1, 30, 0);
	the_host->timer(the_host, 2, 10, 20);
	the_host->timer(the_host, 3, 30, 0);
	mk_tk_advance(tk, 50);
	cr_expect_str_eq(trace, "2 10 1 30 3 30 2 30 2 50");
	clean(tk);
}

Test(loop, a_timer_can_be_replaced_and_stopped)
{
	mk_tk *tk = started(NULL);

	act.timer = note_timer;
	the_host->timer(the_host, 1, 10, 10);
	the_host->timer(the_host, 1, 25, 0);
	the_host->timer(the_host, 2, 10, 0);
	the_host->timer(the_host, 2, UINT64_MAX, 0);
	mk_tk_advance(tk, 100);
	cr_expect_str_eq(trace, "1 25");
	clean(tk);
}

static void
again_at_once(const mk_host *host, uint32_t id)
{
	host->timer(host, id, 0, 0);
}

Test(loop, a_timer_that_never_lets_time_pass_is_reported)
{
	mk_tk *tk = started(NULL);

	act.timer = again_at_once;
	the_host->timer(the_host, 1, 0, 0);
	mk_tk_advance(tk, 1);
	broke(tk, "no time passed");
	mk_tk_free(tk);
}

Test(loop, wall_time_goes_with_the_clock_and_jumps_when_told)
{
	mk_tk *tk = started(NULL);
	uint64_t before_us = the_host->now_us(the_host);

	mk_tk_set_wall(tk, 5000);
	mk_tk_advance(tk, 7);
	cr_expect_eq(the_host->wall_us(the_host), 5007);
	cr_expect_eq(the_host->now_us(the_host), before_us + 7);
	clean(tk);
}

static int64_t
own_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
burn(const mk_host *host, uint32_t id)
{
	int64_t until = own_cpu_us() + 150000;

	(void)host;
	(void)id;
	while (own_cpu_us() < until)
		;
}

Test(loop, a_callback_over_100_ms_is_reported)
{
	mk_tk *tk = started(NULL);

	act.timer = burn;
	the_host->timer(the_host, 1, 1, 0);
	mk_tk_advance(tk, 1);
	broke(tk, "slow: on_timer took");
	mk_tk_free(tk);
}

static void
drain(const mk_host *host, int32_t fd, uint32_t events)
{
	char byte;

	(void)host;
	note("%lld", events);
	cr_expect_eq(read(fd, &byte, 1), 1);
}

Test(loop, a_descriptor_is_reported_while_it_is_ready)
{
	mk_tk *tk = started(NULL);
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	act.fd = drain;
	cr_expect_eq(the_host->watch_fd(the_host, ends[0], MK_FD_READ), MK_OK);
	cr_expect_eq(mk_tk_poll(tk, 0), 0);
	cr_assert_eq(write(ends[1], "ab", 2), 2);
	cr_expect_eq(mk_tk_poll(tk, 0), 2);
	cr_expect_eq(the_host->watch_fd(the_host, ends[0], 0), MK_OK);
	cr_assert_eq(write(ends[1], "c", 1), 1);
	cr_expect_eq(mk_tk_poll(tk, 0), 0);
	close(ends[0]);
	close(ends[1]);
	cr_expect_str_eq(trace, "1 1");
	clean(tk);
}

Test(loop, a_descriptor_closed_while_watched_is_reported)
{
	mk_tk *tk = started(NULL);
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	the_host->watch_fd(the_host, ends[0], MK_FD_READ);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(mk_tk_poll(tk, 0), 0);
	broke(tk, "closed while it was watched");
	mk_tk_free(tk);
}

static sem_t may_end;

static void
wait_for_end(void *arg)
{
	(void)arg;
	while (sem_wait(&may_end) != 0)
		continue;
}

static void
let_end(const mk_host *host)
{
	(void)host;
	sem_post(&may_end);
}

Test(loop, helper_threads_are_joined_at_stop)
{
	mk_tk *tk = started(NULL);

	sem_init(&may_end, 0, 0);
	act.stop = let_end;
	cr_expect_eq(the_host->spawn(the_host, "helper", wait_for_end, NULL), MK_OK);
	clean(tk);
}

static void
note_destroy(const mk_host *host)
{
	(void)host;
	note("destroy", 0);
}

Test(loop, a_helper_thread_that_stays_is_named)
{
	mk_tk *tk = started(NULL);

	sem_init(&may_end, 0, 0);
	act.destroy = note_destroy;
	the_host->spawn(the_host, "stays", wait_for_end, NULL);
	cr_expect_eq(mk_tk_free(tk), 1);
	cr_expect(strstr(mk_tk_leaks(), "thread stays: still runs") != NULL, "%s", mk_tk_leaks());
	cr_expect_str_eq(trace, "", "what a thread still uses is not destroyed");
}

static void
noted(void *arg)
{
	note(arg, 0);
}

static void
use_host(void *arg)
{
	static char posted[] = "posted";

	(void)arg;
	cr_expect_eq(publish(the_host, "out/a"), MK_OK);
	cr_expect_eq(the_host->count(the_host, "from_thread", 2), MK_OK);
	cr_expect_eq(the_host->post(the_host, noted, posted), MK_OK);
}

Test(loop, helper_threads_may_publish_count_and_post)
{
	mk_tk *tk = started(NULL);

	the_host->spawn(the_host, "helper", use_host, NULL);
	cr_expect_eq(mk_tk_poll(tk, 5000), 1);
	cr_expect_str_eq(trace, "posted");
	cr_expect_eq(mk_tk_published(tk, "out/a"), 1);
	cr_expect_eq(mk_tk_number(tk, "from_thread"), 2);
	clean(tk);
}

Test(loop, what_threads_post_at_last_still_runs)
{
	mk_tk *tk = started(NULL);

	the_host->spawn(the_host, "helper", use_host, NULL);
	mk_tk_stop(tk);
	cr_expect_str_eq(trace, "posted");
	clean(tk);
}

static void
set_timer_in_thread(void *arg)
{
	(void)arg;
	cr_expect_eq(the_host->timer(the_host, 1, 1, 0), MK_ETHREAD);
	cr_expect_null(the_host->opt_str(the_host, "path"));
}

Test(loop, plugin_functions_on_another_thread_do_nothing_and_are_reported)
{
	mk_tk *tk = started(NULL);

	act.timer = note_timer;
	the_host->spawn(the_host, "helper", set_timer_in_thread, NULL);
	mk_tk_stop(tk);
	cr_expect_eq(mk_tk_misbehaved(tk), 2);
	cr_expect(strstr(mk_tk_misbehaved_text(tk), "thread: timer was called") != NULL);
	cr_expect_str_eq(trace, "");
	cr_expect_eq(mk_tk_free(tk), 0);
}

static const mk_host *other_host;

static void
ack_elsewhere(const mk_host *host, const mk_msg *m)
{
	(void)host;
	cr_expect_eq(other_host->ack(other_host, m->topic, 1, 1), MK_ETHREAD);
}

Test(loop, the_host_of_another_instance_is_the_wrong_thread)
{
	mk_tk *one = started(NULL);
	mk_tk *two;

	other_host = the_host;
	two = started(NULL);
	act.msg = ack_elsewhere;
	send(two, "in/manual");
	broke(one, "thread: ack");
	mk_tk_free(one);
	clean(two);
}
