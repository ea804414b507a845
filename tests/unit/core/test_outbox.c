/* SPDX-License-Identifier: MIT
 *
 * The outbox: numbering, trimming, limits, threads.
 */
#define _GNU_SOURCE
#include "outbox_fixture.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "clock.h"

TestSuite(outbox, .init = setup, .fini = teardown, .timeout = 120);

/* ----------------------------------------------------------- numbering --- */

Test(outbox, a_record_comes_back_as_it_was_given)
{
	struct outbox *o = open_sized(MIB, 0);
	uint64_t number = 0, before = clock_wall_us();
	struct outbox_record r;

	cr_assert_eq(outbox_append(o, "rx/raw", 3, MK_MSG_DURABLE, "a\0b", 3, &number), MK_OK);
	cr_assert_eq(outbox_append(o, "node/x", 0, 0, NULL, 0, &number), MK_OK);
	cr_expect_eq(number, 2);
	cr_assert_eq(outbox_next(o, &r), MK_OK);
	cr_expect_eq(r.number, 1);
	cr_expect_eq(r.schema, 3);
	cr_expect_eq(r.flags, MK_MSG_DURABLE);
	cr_expect_geq(r.time_us, before);
	cr_expect_leq(r.time_us, clock_wall_us());
	cr_expect_str_eq(r.topic, "rx/raw");
	cr_expect_eq(r.len, 3);
	cr_expect_arr_eq(r.body, "a\0b", 3);
	cr_assert_eq(outbox_next(o, &r), MK_OK);
	cr_expect_str_eq(r.topic, "node/x");
	cr_expect_eq(r.len, 0);
	outbox_close(o);
}

Test(outbox, an_empty_one_has_nothing)
{
	struct outbox *o = open_small();

	cr_expect_eq(take(o), 0);
	cr_expect_eq(stats_of(o).first, 0);
	cr_expect_eq(stats_of(o).last, 0);
	cr_expect_eq(outbox_sync(o), MK_OK);
	outbox_close(o);
	outbox_close(NULL);
}

Test(outbox, records_and_numbers_survive_a_restart)
{
	struct outbox *o = open_small();

	put(o, 9);
	outbox_close(o);
	o = open_small();
	cr_expect_eq(stats_of(o).first, 1);
	cr_expect_eq(stats_of(o).last, 9);
	put(o, 4);
	expect_range(o, 1, 13);
	outbox_close(o);
}

Test(outbox, the_end_is_left_when_another_record_is_appended)
{
	struct outbox *o = open_small();

	for (uint64_t n = 1; n <= 50; n++) {
		cr_assert_eq(take(o), 0);
		put(o, 1);
		cr_assert_eq(take(o), n);
	}
	outbox_close(o);
}

Test(outbox, rewind_goes_to_the_record_after_the_number)
{
	static const uint64_t targets[] = { 0, 1, 3, 2, 4, 5, 11, 2, 18, 19, 17 };
	struct outbox *o = open_small();

	put(o, 20);
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		outbox_rewind(o, targets[i]);
		cr_expect_eq(take(o), targets[i] + 1);
	}
	outbox_rewind(o, 20);
	cr_expect_eq(take(o), 0);
	outbox_rewind(o, 22);
	put(o, 3);
	cr_expect_eq(take(o), 23);
	outbox_rewind(o, UINT64_MAX);
	cr_expect_eq(take(o), 0);
	outbox_close(o);
}

Test(outbox, what_is_out_of_bounds_is_refused)
{
	struct outbox *o = open_sized(64 * MIB, 0);
	char topic[MK_TOPIC_MAX + 2];
	uint64_t number = 77;

	memset(topic, 'a', sizeof(topic));
	topic[MK_TOPIC_MAX + 1] = '\0';
	cr_expect_eq(outbox_append(o, topic, 0, 0, "", 0, &number), MK_EINVAL);
	cr_expect_eq(outbox_append(o, "", 0, 0, "", 0, &number), MK_EINVAL);
	cr_expect_eq(outbox_append(o, NULL, 0, 0, "", 0, &number), MK_EINVAL);
	cr_expect_eq(outbox_append(o, "a", 0, 0, NULL, 1, &number), MK_EINVAL);
	cr_expect_eq(outbox_append(o, "a", 0, 0, "", MK_BODY_MAX + 1, &number), MK_ETOOBIG);
	cr_expect_eq(number, 77);
	topic[MK_TOPIC_MAX] = '\0';
	cr_expect_eq(outbox_append(o, topic, 0, 0, "", 0, &number), MK_OK);
	cr_expect_eq(number, 1);
	outbox_close(o);
}

Test(outbox, the_largest_body_fits_between_small_ones)
{
	struct outbox *o = open_sized(512 * MIB, 64 * MIB); /* all in one file */
	uint8_t *body = calloc(1, MK_BODY_MAX);
	struct outbox_record r;
	uint64_t number;

	cr_assert_not_null(body);
	body[MK_BODY_MAX - 1] = 42;
	put(o, 1);
	cr_assert_eq(take(o), 1);
	cr_assert_eq(outbox_append(o, "big", 0, 0, body, MK_BODY_MAX, &number), MK_OK);
	put(o, 1);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(outbox_next(o, &r), MK_OK);
		cr_assert_eq(r.len, MK_BODY_MAX);
		cr_expect_arr_eq(r.body, body, MK_BODY_MAX);
		cr_expect_eq(take(o), 3);
		outbox_rewind(o, 0);
		cr_expect_eq(take(o), 1);
	}
	free(body);
	outbox_close(o);
}

/* ------------------------------------------------------------- trimming --- */

Test(outbox, trimmed_records_are_gone_also_after_a_restart)
{
	struct outbox *o = open_small();

	put(o, 10);
	outbox_trim(o, 1);
	outbox_trim(o, 6); /* not a second later */
	cr_expect_eq(stats_of(o).first, 7);
	outbox_trim(o, 2); /* less than before */
	cr_expect_eq(stats_of(o).first, 7);
	expect_range(o, 7, 10);
	outbox_close(o);
	o = open_small();
	expect_range(o, 7, 10);
	outbox_rewind(o, 0);
	expect_range(o, 7, 10);
	outbox_close(o);
}

Test(outbox, trimming_moves_the_reader_forward)
{
	struct outbox *o = open_small();

	put(o, 20);
	cr_expect_eq(take(o), 1);
	outbox_trim(o, 13);
	cr_expect_eq(take(o), 14);
	outbox_trim(o, 99); /* no further than the last */
	cr_expect_eq(take(o), 0);
	put(o, 1);
	cr_expect_eq(take(o), 21);
	outbox_close(o);
}

Test(outbox, numbers_go_on_when_all_was_trimmed)
{
	struct outbox *o = open_small();

	for (uint64_t round = 1; round <= 5; round++) {
		put(o, 7);
		outbox_trim(o, 7 * round);
		cr_expect_eq(stats_of(o).first, 0);
		outbox_close(o);
		o = open_small();
		cr_expect_eq(stats_of(o).last, 7 * round);
		cr_expect_eq(take(o), 0);
	}
	outbox_close(o);
}

Test(outbox, numbers_go_on_without_the_mark)
{
	struct outbox *o = open_small();
	char path[PATH_MAX];

	put(o, 7);
	outbox_trim(o, 7);
	outbox_close(o);
	path_of(path, "mark");
	cr_assert_eq(unlink(path), 0);
	o = open_small();
	cr_expect_eq(stats_of(o).last, 7);
	put(o, 2);
	cr_expect_eq(stats_of(o).first, 8);
	expect_range(o, 8, 9);
	cr_expect_eq(stats_of(o).damaged, 0);
	outbox_close(o);
}

Test(outbox, numbers_go_on_when_only_the_mark_is_left)
{
	struct outbox *o = open_small();
	char path[PATH_MAX];

	put(o, 3);
	outbox_trim(o, 2);
	outbox_close(o);
	path_of(path, FIRST);
	cr_assert_eq(unlink(path), 0);
	o = open_small();
	cr_expect_eq(stats_of(o).last, 2);
	put(o, 1);
	expect_range(o, 3, 3);
	outbox_close(o);
}

Test(outbox, numbers_go_on_behind_a_mark_that_knows_of_more_than_the_files)
{
	struct outbox *o = open_small();
	char path[PATH_MAX];

	put(o, 3);
	outbox_trim(o, 3);
	outbox_close(o);
	path_of(path, "0000000000000004.log"); /* a power cut took the files back in time */
	unlink(path);
	path_of(path, FIRST);
	spill(path, (const uint8_t *)"", 0);
	o = open_small();
	cr_expect_eq(stats_of(o).last, 3);
	put(o, 2);
	expect_range(o, 4, 5);
	cr_expect_eq(stats_of(o).damaged, 0);
	outbox_close(o);
}

Test(outbox, a_damaged_mark_sends_again)
{
	struct outbox *o = open_small();

	put(o, 3);
	outbox_trim(o, 1);
	outbox_close(o);
	flip("mark", 8);
	o = open_small();
	expect_range(o, 1, 3);
	outbox_close(o);
}

Test(outbox, files_are_removed_when_all_of_them_is_trimmed)
{
	struct outbox *o = open_small();
	uint64_t full;

	put(o, 40);
	cr_expect_eq(files(NULL), 10);
	full = stats_of(o).bytes;
	cr_expect_eq(full, 10 * HEADER + 40 * RECORD);
	outbox_trim(o, 19);
	cr_expect_eq(files(NULL), 6);
	outbox_trim(o, 20);
	cr_expect_eq(files(NULL), 5);
	cr_expect_eq(stats_of(o).bytes, full / 2);
	outbox_trim(o, 40); /* and the last one gives way to an empty one */
	cr_expect_eq(files(NULL), 1);
	cr_expect_eq(stats_of(o).bytes, HEADER);
	put(o, 1);
	expect_range(o, 41, 41);
	outbox_close(o);
}

Test(outbox, files_that_a_crash_kept_are_removed_at_the_next_opening)
{
	static uint8_t data[HEADER + 4 * RECORD];
	struct outbox *o = open_small();
	char path[PATH_MAX];

	put(o, 10);
	path_of(path, FIRST);
	slurp(path, data, sizeof(data));
	outbox_trim(o, 5);
	outbox_close(o);
	spill(path, data, sizeof(data));
	o = open_small();
	cr_expect_eq(files(NULL), 2);
	expect_range(o, 6, 10);
	outbox_close(o);
}

/* --------------------------------------------------------------- limits --- */

Test(outbox, a_full_one_refuses_until_something_is_trimmed)
{
	struct outbox *o = open_sized(4096, 0);
	uint64_t number = 0;
	uint8_t body[32];

	fill(body, 1);
	while (outbox_append(o, "rx/raw", 0, 0, body, sizeof(body), &number) == MK_OK)
		fill(body, number + 1);
	cr_expect_gt(number, 40);
	cr_expect_eq(stats_of(o).refused, 1);
	cr_expect_leq(stats_of(o).bytes, 4096);
	cr_expect_gt(stats_of(o).bytes, 4096 - RECORD - HEADER);
	outbox_trim(o, number / 2);
	put(o, 5);
	expect_range(o, number / 2 + 1, number + 5);
	outbox_close(o);
}

Test(outbox, room_comes_back_when_a_record_as_large_as_the_limit_is_trimmed)
{
	struct outbox *o = open_sized(4096, 0);
	static uint8_t body[4000];
	uint64_t number;

	for (uint64_t n = 1; n <= 10; n++) {
		cr_assert_eq(outbox_append(o, "a", 0, 0, body, sizeof(body), &number), MK_OK);
		cr_assert_eq(outbox_append(o, "a", 0, 0, body, sizeof(body), &number), MK_EFULL);
		outbox_trim(o, n);
	}
	outbox_close(o);
}

Test(outbox, a_limit_lowered_below_what_is_there_only_refuses)
{
	struct outbox *o = open_small();
	uint64_t number;

	put(o, 20);
	outbox_close(o);
	o = open_sized(500, 0);
	cr_expect_eq(outbox_append(o, "a", 0, 0, "", 0, &number), MK_EFULL);
	expect_range(o, 1, 20);
	outbox_trim(o, 20);
	cr_expect_eq(outbox_append(o, "a", 0, 0, "", 0, &number), MK_OK);
	outbox_close(o);
}

static void
limit_file_size(rlim_t bytes)
{
	struct rlimit limit = { bytes, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(outbox, a_full_disk_leaves_nothing_half_written)
{
	struct outbox *o = open_sized(MIB, 0);
	struct stat st;
	char path[PATH_MAX];
	uint64_t number = 77;

	put(o, 2);
	limit_file_size(HEADER + 2 * RECORD + 10);
	cr_expect_eq(outbox_append(o, "rx/raw", 0, 0, "0123456789", 10, &number), MK_EFULL);
	cr_expect_eq(number, 77);
	cr_expect_eq(stats_of(o).refused, 1);
	path_of(path, FIRST);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq((uint64_t)st.st_size, HEADER + 2 * RECORD);
	limit_file_size(RLIM_INFINITY);
	put(o, 1);
	expect_range(o, 1, 3);
	outbox_close(o);
}

Test(outbox, a_segment_that_cannot_be_begun_is_tried_again)
{
	static uint8_t body[4000];
	struct outbox *o = open_sized(4096, 0);
	uint64_t number;

	cr_assert_eq(outbox_append(o, "a", 0, 0, body, sizeof(body), &number), MK_OK);
	limit_file_size(8); /* not even a header */
	outbox_trim(o, 1);
	limit_file_size(RLIM_INFINITY);
	cr_expect_eq(files(NULL), 1);
	cr_expect_eq(outbox_append(o, "a", 0, 0, body, sizeof(body), &number), MK_OK);
	cr_expect_eq(number, 2);
	outbox_close(o);
}

Test(outbox, an_empty_file_behind_the_last_records_hides_none)
{
	struct outbox *o = open_sized(MIB, 0);
	char path[PATH_MAX];

	put(o, 5);
	outbox_close(o);
	path_of(path, "0000000000000003.log");
	spill(path, (const uint8_t *)"MKOUT", 5);
	o = open_sized(MIB, 0);
	put(o, 1);
	expect_range(o, 1, 6);
	outbox_close(o);
	path_of(path, "0000000000000009.log"); /* but its number is not forgotten */
	spill(path, (const uint8_t *)"", 0);
	o = open_sized(MIB, 0);
	cr_expect_eq(stats_of(o).last, 8);
	outbox_close(o);
}

/* From now on ftruncate fails in this process. */
static void
forbid_ftruncate(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the system call's number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ftruncate, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 5),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { .len = 4, .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == -1)
		cr_skip_test("no seccomp here");
}

Test(outbox, a_file_that_cannot_be_cut_back_is_left_for_a_new_one)
{
	struct outbox *o = open_sized(MIB, 0);
	uint64_t number;

	put(o, 2);
	forbid_ftruncate();
	limit_file_size(HEADER + 2 * RECORD + 50);
	cr_expect_eq(outbox_append(o, "rx/raw", 0, 0, "0123456789", 10, &number), MK_EFULL);
	limit_file_size(HEADER + 10); /* also the first record of a new one */
	cr_expect_eq(outbox_append(o, "rx/raw", 0, 0, "0123456789", 10, &number), MK_EFULL);
	limit_file_size(RLIM_INFINITY);
	put(o, 2);
	expect_range(o, 1, 4);
	cr_expect_eq(files(NULL), 2);
	cr_expect_eq(stats_of(o).bytes, 2 * HEADER + 4 * RECORD);
	outbox_close(o);
	o = open_sized(MIB, 0);
	expect_range(o, 1, 4);
	cr_expect_eq(stats_of(o).damaged, 0);
	outbox_close(o);
}

Test(outbox, sync_covers_all_files)
{
	struct outbox *o = open_small();

	put(o, 11);
	cr_expect_eq(stats_of(o).unsynced, 11);
	cr_expect_eq(outbox_sync(o), MK_OK);
	cr_expect_eq(stats_of(o).unsynced, 0);
	put(o, 2);
	cr_expect_eq(stats_of(o).unsynced, 2);
	outbox_trim(o, 13);
	cr_expect_eq(stats_of(o).unsynced, 0);
	outbox_close(o);
}

/* -------------------------------------------------------------- threads --- */

enum { THREADED = 20000 };

struct shared {
	struct outbox *o;
	atomic_bool done;
};

static void *
append_all(void *arg)
{
	struct shared *shared = arg;

	put(shared->o, THREADED);
	return NULL;
}

static void *
sync_often(void *arg)
{
	struct shared *shared = arg;

	while (!atomic_load(&shared->done))
		cr_assert_eq(outbox_sync(shared->o), MK_OK);
	return NULL;
}

Test(outbox, threads_can_append_read_trim_and_sync_at_once)
{
	struct shared shared = { .o = open_sized(64 * MIB, 16384) };
	pthread_t appender, syncer;

	cr_assert_eq(pthread_create(&appender, NULL, append_all, &shared), 0);
	cr_assert_eq(pthread_create(&syncer, NULL, sync_often, &shared), 0);
	for (uint64_t expected = 1; expected <= THREADED;) {
		uint64_t n = take(shared.o);

		if (n == 0)
			continue;
		cr_assert_eq(n, expected);
		if (++expected % 64 == 0)
			outbox_trim(shared.o, n - 10);
	}
	atomic_store(&shared.done, true);
	pthread_join(appender, NULL);
	pthread_join(syncer, NULL);
	cr_expect_eq(stats_of(shared.o).damaged, 0);
	outbox_close(shared.o);
}
