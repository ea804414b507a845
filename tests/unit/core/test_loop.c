/* SPDX-License-Identifier: MIT
 *
 * Descriptors and timers of one thread. The time is the test's.
 */
#include "loop.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"

static uint64_t now = 1000000;

uint64_t
clock_now_us(void)
{
	return now;
}

uint64_t
clock_wall_us(void)
{
	return now;
}

static struct loop *loop;
static char said[256]; /* what ran, in order */

static void
say(const char *what)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%s%s", len > 0 ? " " : "", what);
}

static void
setup(void)
{
	mk_err err = { 0 };

	cr_assert_eq(loop_new(&loop, &err), MK_OK, "%s", err.text);
}

static void
teardown(void)
{
	loop_free(loop);
}

TestSuite(loop, .timeout = 120, .init = setup, .fini = teardown);

/* --------------------------------------------------------- descriptors -- */

struct ear { /* a watched descriptor */
	const char *name;
	int fd;
	struct loop_watch *watch;
	struct ear *victim; /* is no longer watched once this one has run */
	bool reads;
	uint32_t events;
};

static void
ear_close(struct ear *e)
{
	loop_unwatch(e->watch);
	e->watch = NULL;
	if (e->fd != -1)
		close(e->fd);
	e->fd = -1;
}

static void
ear_on_ready(void *arg, uint32_t events)
{
	struct ear *e = arg;
	uint64_t n;

	say(e->name);
	e->events = events;
	if (e->reads)
		cr_expect_eq(read(e->fd, &n, sizeof(n)), sizeof(n));
	if (e->victim != NULL)
		ear_close(e->victim);
}

/* An eventfd that is ready from the start. */
static void
ear_open(struct ear *e)
{
	e->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert_neq(e->fd, -1);
	e->watch = loop_watch(loop, e->fd, LOOP_READ, ear_on_ready, e);
	cr_assert_not_null(e->watch);
}

Test(loop, a_callback_runs_each_round_until_its_descriptor_is_quiet)
{
	struct ear a = { .name = "a" };

	ear_open(&a);
	loop_round(loop);
	loop_round(loop);
	a.reads = true;
	loop_round(loop);
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_str_eq(said, "a a a");
	cr_expect_eq(a.events, LOOP_READ);
	ear_close(&a);
}

Test(loop, a_watch_may_go_inside_its_own_callback)
{
	struct ear a = { .name = "a" };

	a.victim = &a;
	ear_open(&a);
	loop_round(loop);
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_str_eq(said, "a");
}

Test(loop, what_is_ready_in_the_same_round_does_not_run_once_it_is_gone)
{
	struct ear a = { .name = "one" }, b = { .name = "one" };

	a.victim = &b;
	b.victim = &a;
	ear_open(&a);
	ear_open(&b);
	loop_round(loop);
	cr_expect_str_eq(said, "one", "the other one was removed by it");
	ear_close(&a);
	ear_close(&b);
}

static struct ear second;

static void
on_first(void *arg, uint32_t events)
{
	struct ear *first = arg;
	int fd = first->fd;

	(void)events;
	say("first");
	ear_close(first);
	second.name = "second";
	ear_open(&second);
	cr_expect_eq(second.fd, fd, "the test wants the same number again");
}

Test(loop, a_descriptor_of_the_same_number_is_another_one)
{
	struct ear first = { .fd = eventfd(1, EFD_CLOEXEC) };

	first.watch = loop_watch(loop, first.fd, LOOP_READ, on_first, &first);
	loop_round(loop);
	cr_expect_str_eq(said, "first");
	loop_round(loop);
	cr_expect_str_eq(said, "first second");
	ear_close(&second);
}

Test(loop, what_is_asked_for_can_be_changed)
{
	struct ear a = { .name = "a" };
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	a.watch = loop_watch(loop, pair[0], LOOP_READ, ear_on_ready, &a);
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_str_eq(said, "", "there is nothing to read");
	cr_assert_eq(loop_watch_events(a.watch, LOOP_READ | LOOP_WRITE), MK_OK);
	loop_round(loop);
	cr_expect_eq(a.events, LOOP_WRITE);
	cr_assert_eq(write(pair[1], "x", 1), 1);
	loop_round(loop);
	cr_expect_eq(a.events, LOOP_READ | LOOP_WRITE);
	cr_assert_eq(loop_watch_events(a.watch, 0), MK_OK);
	said[0] = '\0';
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_str_eq(said, "");
	close(pair[1]);
	loop_round(loop);
	cr_expect(a.events & LOOP_ERROR, "the other end has gone: nobody need ask for that");
	close(pair[0]);
	cr_expect_neq(loop_watch_events(a.watch, LOOP_READ), MK_OK, "it is closed");
	loop_unwatch(a.watch);
}

Test(loop, what_cannot_be_watched_is_refused)
{
	char path[] = "/tmp/test_loop-XXXXXX";
	int file = mkstemp(path);

	cr_assert_neq(file, -1);
	cr_expect_null(loop_watch(loop, -1, LOOP_READ, ear_on_ready, NULL));
	cr_expect_null(loop_watch(loop, file, LOOP_READ, ear_on_ready, NULL));
	loop_unwatch(NULL);
	close(file);
	(void)unlink(path);
}

Test(loop, what_is_still_registered_goes_with_the_loop)
{
	struct ear a = { .name = "a" }, b = { .name = "b" };
	struct loop_timer *t = loop_timer_new(loop, NULL, NULL);

	ear_open(&a);
	ear_open(&b);
	loop_timer_set(t, now + 5);
	loop_free(loop);
	loop = NULL;
	loop_timer_free(t); /* its owner may be later than the loop's */
	close(a.fd);
	close(b.fd);
}

/* -------------------------------------------------------------- timers -- */

struct alarm {
	const char *name;
	struct loop_timer *timer;
	struct alarm *victim; /* is freed by this one */
	uint64_t again;       /* set again for then */
};

static void
alarm_on_due(void *arg)
{
	struct alarm *a = arg;

	say(a->name);
	if (a->again != 0)
		loop_timer_set(a->timer, a->again);
	if (a->victim != NULL) {
		loop_timer_free(a->victim->timer);
		a->victim->timer = NULL;
	}
}

static void
alarm_set(struct alarm *a, uint64_t due_us)
{
	if (a->timer == NULL)
		a->timer = loop_timer_new(loop, alarm_on_due, a);
	cr_assert_not_null(a->timer);
	loop_timer_set(a->timer, due_us);
}

/* A round at that time, which waits for nothing. */
static const char *
round_at(uint64_t then)
{
	now = then;
	said[0] = '\0';
	loop_hurry(loop);
	loop_round(loop);
	cr_expect_eq(loop_now_us(loop), then);
	return said;
}

Test(loop, timers_run_once_by_time_and_equal_ones_in_the_order_they_were_set)
{
	struct alarm a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" },
		     d = { .name = "d" };

	alarm_set(&a, now + 30);
	alarm_set(&b, now + 10);
	alarm_set(&c, now + 30);
	alarm_set(&d, now + 20);
	cr_expect_str_eq(round_at(1000009), "");
	cr_expect_str_eq(round_at(1000020), "b d");
	cr_expect_str_eq(round_at(1000030), "a c");
	cr_expect_str_eq(round_at(2000000), "");
	loop_timer_free(a.timer);
	loop_timer_free(b.timer);
	loop_timer_free(c.timer);
	loop_timer_free(d.timer);
}

Test(loop, a_timer_that_is_set_again_is_moved)
{
	struct alarm a = { .name = "a" }, b = { .name = "b" };

	alarm_set(&a, now + 10);
	alarm_set(&b, now + 20);
	alarm_set(&a, now + 30);
	cr_expect_str_eq(round_at(1000020), "b");
	alarm_set(&a, UINT64_MAX);
	cr_expect_str_eq(round_at(UINT64_MAX), "", "it is idle");
	loop_timer_free(a.timer);
	loop_timer_free(b.timer);
}

Test(loop, a_timer_may_be_freed_by_itself_and_by_another)
{
	struct alarm a = { .name = "a" }, b = { .name = "b" }, c = { .name = "c" };

	a.victim = &b;
	c.victim = &c;
	alarm_set(&a, now + 10);
	alarm_set(&b, now + 10);
	alarm_set(&c, now + 10);
	cr_expect_str_eq(round_at(1000010), "a c");
	loop_timer_free(a.timer);
	loop_timer_free(NULL);
}

Test(loop, a_timer_that_is_always_due_keeps_nobody_from_running)
{
	struct alarm a = { .name = "a", .again = 1 }, b = { .name = "b" };
	struct ear e = { .name = "e" };

	alarm_set(&a, now);
	alarm_set(&b, now + 1);
	ear_open(&e);
	cr_expect_str_eq(round_at(1000000), "e a");
	cr_expect_str_eq(round_at(1000001), "e b a");
	cr_expect_str_eq(round_at(1000001), "e", "not twice at one time");
	cr_expect_str_eq(round_at(1000002), "e a");
	loop_timer_free(a.timer);
	loop_timer_free(b.timer);
	ear_close(&e);
}

Test(loop, a_round_waits_no_longer_than_for_the_next_timer)
{
	struct alarm a = { .name = "a" };

	alarm_set(&a, now + 1); /* the clock stands still: real time has to end the wait */
	loop_round(loop);
	cr_expect_str_eq(said, "", "not due by the clock");
	now++;
	loop_round(loop);
	cr_expect_str_eq(said, "a");
	loop_timer_free(a.timer);
}

Test(loop, work_that_is_left_makes_the_next_round_hurry_and_only_that)
{
	struct alarm far = { .name = "far" };
	struct ear e = { .name = "e" };

	alarm_set(&far, now + UINT32_MAX * UINT64_C(1000000));
	loop_hurry(loop);
	loop_round(loop); /* would wait for ages */
	ear_open(&e);
	loop_round(loop);
	cr_expect_str_eq(said, "e");
	loop_timer_free(far.timer);
	ear_close(&e);
}
