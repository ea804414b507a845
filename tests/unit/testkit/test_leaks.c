/* SPDX-License-Identifier: MIT
 *
 * That the kit finds what it claims to find, and no more.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

TestSuite(leaks, .timeout = 120);

static mk_result
open_file(const mk_host *host)
{
	(void)host;
	return open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0 ? MK_OK : MK_EIO;
}

Test(leaks, an_open_descriptor_is_left_behind)
{
	mk_tk *tk = mk_tk_new(&desc, NULL);

	act.create = open_file;
	mk_tk_start(tk);
	cr_expect_eq(mk_tk_free(tk), 1);
	cr_expect(strstr(mk_tk_leaks(), "/dev/null") != NULL, "%s", mk_tk_leaks());
}

static void
set_timer(const mk_host *host)
{
	host->timer(host, 9, 1, 0);
}

Test(leaks, a_timer_set_in_stop_is_left_behind)
{
	mk_tk *tk = started(NULL);

	the_host->timer(the_host, 1, 1, 1);
	act.stop = set_timer;
	cr_expect_eq(mk_tk_free(tk), 1);
	cr_expect(strstr(mk_tk_leaks(), "timer 9") != NULL, "%s", mk_tk_leaks());
}

static sem_t never;

static void *
idle(void *arg)
{
	while (sem_wait(&never) != 0)
		continue;
	return arg;
}

static mk_result
make_thread(const mk_host *host)
{
	pthread_t thread;

	(void)host;
	return pthread_create(&thread, NULL, idle, NULL) == 0 ? MK_OK : MK_EIO;
}

Test(leaks, a_thread_that_is_not_spawned_is_left_behind)
{
	mk_tk *tk = mk_tk_new(&desc, NULL);

	sem_init(&never, 0, 0);
	act.start = make_thread;
	mk_tk_start(tk);
	cr_expect_eq(mk_tk_free(tk), 1, "%s", mk_tk_leaks());
	cr_expect(strstr(mk_tk_leaks(), "not started with spawn") != NULL, "%s", mk_tk_leaks());
}

#if COUNTS_MEMORY
static void *blocks[8];

static void
allocate(const mk_host *host, const mk_msg *m)
{
	(void)host;
	(void)m;
	blocks[0] = malloc(10);
	blocks[1] = calloc(2, 10);
	blocks[2] = realloc(NULL, 30);
	blocks[3] = strdup("forty");
	blocks[4] = aligned_alloc(64, 64);
	if (posix_memalign(&blocks[5], 64, 64) != 0)
		blocks[5] = NULL;
	blocks[6] = realloc(malloc(1), 100000);
}

Test(leaks, every_kind_of_allocation_is_counted)
{
	mk_tk *tk = started(NULL);

	act.msg = allocate;
	send(tk, "in/a");
	cr_expect_eq(mk_tk_free(tk), 7, "%s", mk_tk_leaks());
	cr_expect(strstr(mk_tk_leaks(), "memory: 30 bytes allocated in on_msg") != NULL, "%s",
		  mk_tk_leaks());
}

Test(leaks, memory_freed_outside_of_the_plugin_is_not_left_behind)
{
	mk_tk *tk = started(NULL);

	act.msg = allocate;
	send(tk, "in/a");
	for (int i = 0; i < 7; i++)
		free(blocks[i]);
	clean(tk);
}

static void
use_library(const mk_host *host, const mk_msg *m)
{
	time_t t = 0;
	struct tm tm;

	(void)host;
	(void)m;
	setenv("TZ", "Pacific/Auckland", 1);
	tzset();
	localtime_r(&t, &tm);
	note(strerror(12345) != NULL ? "ok" : "", 0);
}

Test(leaks, what_the_c_library_keeps_for_itself_does_not_count)
{
	mk_tk *tk = started(NULL);

	act.msg = use_library;
	send(tk, "in/a");
	cr_expect_str_eq(trace, "ok");
	clean(tk);
}

Test(leaks, memory_of_the_test_is_not_counted)
{
	mk_tk *tk = started(NULL);
	void *mine = malloc(100);

	clean(tk);
	free(mine);
}

static mk_result
allocate_three(const mk_host *host)
{
	(void)host;
	for (int i = 0; i < 3; i++) {
		void *p = malloc(10);

		note(p != NULL ? "ok" : "failed", 0);
		free(p);
	}
	return MK_OK;
}

Test(leaks, the_nth_allocation_fails_once)
{
	mk_tk *tk = mk_tk_new(&desc, NULL);

	act.create = allocate_three;
	cr_expect(mk_tk_fail_alloc(tk, 2));
	mk_tk_create(tk);
	cr_expect(mk_tk_alloc_failed(tk));
	cr_expect_str_eq(trace, "ok failed ok");
	clean(tk);
}
#endif
