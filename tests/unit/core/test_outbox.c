/* SPDX-License-Identifier: MIT
 *
 * The outbox: numbering, limits, and what a crash or a bad disk leave of it.
 */
#define _GNU_SOURCE
#include "outbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "clock.h"
#include "log.h"

#define MIB ((uint64_t)1 << 20)
#define HEADER 16u
#define HEAD 40u
/* put() writes bodies of 32 bytes to the topic "rx/raw". */
#define RECORD (HEAD + sizeof("rx/raw") + 32)

static char dir[64];
static mk_err err;

static void
setup(void)
{
	snprintf(dir, sizeof(dir), P_tmpdir "/test_outbox.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
}

static void
path_of(char *path, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

/* Calls each(path) for every file there is; returns how many are segments. */
static unsigned
files(void (*each)(const char *path))
{
	DIR *d = opendir(dir);
	unsigned segments = 0;
	struct dirent *entry;

	cr_assert_not_null(d);
	while ((entry = readdir(d)) != NULL) {
		char path[PATH_MAX];

		path_of(path, entry->d_name);
		segments += strstr(entry->d_name, ".log") != NULL;
		if (each != NULL && entry->d_name[0] != '.')
			each(path);
	}
	closedir(d);
	return segments;
}

static void
remove_file(const char *path)
{
	cr_expect_eq(remove(path), 0);
}

static void
teardown(void)
{
	files(remove_file);
	cr_expect_eq(rmdir(dir), 0);
}

TestSuite(outbox, .init = setup, .fini = teardown, .timeout = 10);

static struct outbox *
open_sized(uint64_t max_bytes, uint64_t segment_bytes)
{
	struct outbox *o;

	cr_assert_eq(outbox_open(&o, dir, max_bytes, segment_bytes, &err), MK_OK, "%s", err.text);
	return o;
}

static struct outbox *
open_small(void)
{
	return open_sized(64 * MIB, HEADER + 4 * RECORD); /* four records a segment */
}

static void
fill(uint8_t body[32], uint64_t seed)
{
	for (size_t i = 0; i < 32; i++)
		body[i] = (uint8_t)(seed * 31 + i);
}

/* Append n records whose content follows from their number. */
static void
put(struct outbox *o, unsigned n)
{
	struct outbox_stats stats;
	uint64_t number = 0;
	uint8_t body[32];

	for (unsigned i = 0; i < n; i++) {
		outbox_get_stats(o, &stats);
		fill(body, stats.last + 1);
		cr_assert_eq(outbox_append(o, "rx/raw", 7, 9, body, sizeof(body), &number), MK_OK);
		cr_assert_eq(number, stats.last + 1);
	}
}

/* The number of the next record, after its content was checked; 0: none. */
static uint64_t
take(struct outbox *o)
{
	struct outbox_record r;
	mk_result rc = outbox_next(o, &r);
	uint8_t body[32];

	if (rc == MK_ENOENT)
		return 0;
	cr_assert_eq(rc, MK_OK, "%s", mk_result_name(rc));
	fill(body, r.number);
	cr_assert_str_eq(r.topic, "rx/raw");
	cr_assert_eq(r.len, sizeof(body));
	cr_assert_arr_eq(r.body, body, sizeof(body));
	return r.number;
}

static struct outbox_stats
stats_of(struct outbox *o)
{
	struct outbox_stats stats;

	outbox_get_stats(o, &stats);
	return stats;
}

static void
expect_range(struct outbox *o, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++)
		cr_assert_eq(take(o), n);
	cr_assert_eq(take(o), 0);
}

static size_t
slurp(const char *path, uint8_t *data, size_t cap)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	cr_assert_not_null(f, "%s", path);
	n = fread(data, 1, cap, f);
	fclose(f);
	return n;
}

static void
spill(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void
flip(const char *name, long at)
{
	char path[PATH_MAX];
	FILE *f;
	int c;

	path_of(path, name);
	f = fopen(path, "r+b");
	cr_assert_not_null(f);
	cr_assert_eq(fseek(f, at, SEEK_SET), 0);
	c = fgetc(f);
	cr_assert_eq(fseek(f, at, SEEK_SET), 0);
	cr_assert_neq(fputc(c ^ 0x10, f), EOF);
	fclose(f);
}

#define FIRST "0000000000000001.log"

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

/* --------------------------------------------------------------- damage --- */

Test(outbox, a_cut_off_last_record_is_dropped)
{
	static uint8_t data[HEADER + 3 * RECORD];
	char path[PATH_MAX];
	struct outbox *o = open_sized(MIB, 0);

	put(o, 3);
	outbox_close(o);
	path_of(path, FIRST);
	cr_assert_eq(slurp(path, data, sizeof(data)), sizeof(data));
	for (size_t len = sizeof(data) - RECORD; len < sizeof(data); len++) {
		spill(path, data, len);
		o = open_sized(MIB, 0);
		cr_assert_eq(stats_of(o).last, 2, "cut to %zu", len);
		cr_assert_eq(stats_of(o).bytes, HEADER + 2 * RECORD);
		put(o, 2);
		expect_range(o, 1, 4);
		cr_assert_eq(stats_of(o).damaged, 0);
		outbox_close(o);
	}
}

Test(outbox, a_file_cut_off_in_its_header_is_begun_again)
{
	char path[PATH_MAX];
	struct outbox *o = open_small();

	put(o, 5);
	outbox_close(o);
	path_of(path, "0000000000000005.log");
	for (long len = 0; len < (long)HEADER; len++) {
		cr_assert_eq(truncate(path, len), 0);
		o = open_small();
		cr_assert_eq(stats_of(o).last, 4);
		put(o, 1);
		expect_range(o, 1, 5);
		outbox_close(o);
	}
}

/* Ten records in three files, one byte of which is wrong. */
static void
expect_little_lost(const char *name, long at, uint64_t in_file)
{
	struct outbox *o = open_small();
	uint64_t last = stats_of(o).last, seen = 0, previous = 0, n;

	cr_assert_geq(last, 9);
	while ((n = take(o)) != 0) {
		cr_assert_gt(n, previous);
		previous = n;
		seen++;
	}
	cr_assert_eq(seen + stats_of(o).damaged, last, "%s at %ld", name, at);
	cr_assert_geq(seen, at < (long)HEADER ? 10 - in_file : 9, "%s at %ld", name, at);
	outbox_rewind(o, 0); /* what is lost is counted once */
	while (take(o) != 0)
		;
	cr_assert_eq(seen + stats_of(o).damaged, last);
	put(o, 1);
	cr_assert_eq(take(o), last + 1);
	outbox_close(o);
}

Test(outbox, a_wrong_byte_anywhere_costs_one_record)
{
	static const char *const names[] = { FIRST, "0000000000000005.log",
					     "0000000000000009.log" };
	static uint8_t data[3][HEADER + 4 * RECORD];
	struct outbox *o = open_small();
	char path[3][PATH_MAX];
	size_t len[3];

	put(o, 10);
	outbox_close(o);
	for (size_t i = 0; i < 3; i++) {
		path_of(path[i], names[i]);
		len[i] = slurp(path[i], data[i], sizeof(data[i]));
	}
	for (size_t i = 0; i < 3; i++) {
		for (size_t at = 0; at < len[i]; at++) {
			if (at >= 8 && at < 12)
				continue; /* the version */
			flip(names[i], (long)at);
			expect_little_lost(names[i], (long)at, (len[i] - HEADER) / RECORD);
			for (size_t k = 0; k < 3; k++) /* put() may have begun a file */
				spill(path[k], data[k], len[k]);
		}
	}
}

Test(outbox, damage_before_the_last_record_gives_no_number_twice)
{
	struct outbox *o = open_sized(MIB, 0);

	put(o, 5);
	outbox_close(o);
	flip(FIRST, (long)(HEADER + 2 * RECORD + 4)); /* the length of the third */
	o = open_sized(MIB, 0);
	cr_expect_eq(stats_of(o).last, 5);
	cr_expect_eq(take(o), 1);
	cr_expect_eq(take(o), 2);
	cr_expect_eq(take(o), 4);
	cr_expect_eq(take(o), 5);
	cr_expect_eq(stats_of(o).damaged, 1);
	outbox_close(o);
}

Test(outbox, a_last_record_that_rotted_keeps_its_number)
{
	struct outbox *o = open_sized(MIB, 0);

	put(o, 5);
	outbox_close(o);
	flip(FIRST, (long)(HEADER + 5 * RECORD - 1));
	o = open_sized(MIB, 0);
	put(o, 1);
	for (uint64_t n = 1; n <= 4; n++)
		cr_expect_eq(take(o), n);
	cr_expect_eq(take(o), 6);
	cr_expect_eq(stats_of(o).damaged, 1);
	outbox_close(o);
}

Test(outbox, a_missing_file_is_counted)
{
	struct outbox *o = open_small();
	char path[PATH_MAX];

	put(o, 12);
	path_of(path, "0000000000000005.log");
	cr_assert_eq(unlink(path), 0);
	for (uint64_t n = 1; n <= 4; n++)
		cr_expect_eq(take(o), n);
	cr_expect_eq(take(o), 9);
	cr_expect_eq(stats_of(o).damaged, 4);
	outbox_trim(o, 11); /* nothing to remove is removed */
	cr_expect_eq(files(NULL), 1);
	outbox_close(o);
}

Test(outbox, bytes_in_a_body_do_not_pass_for_a_record)
{
	static uint8_t data[HEADER + 2 * RECORD];
	struct outbox *o = open_sized(MIB, 0);
	char path[PATH_MAX];
	uint64_t number;

	put(o, 2);
	outbox_close(o);
	path_of(path, FIRST);
	slurp(path, data, sizeof(data));
	cr_assert_eq(unlink(path), 0);

	o = open_sized(MIB, 0); /* the second record of before, inside the new first one */
	cr_assert_eq(outbox_append(o, "a", 0, 0, data + HEADER + RECORD, RECORD, &number), MK_OK);
	cr_assert_eq(number, 1);
	outbox_close(o);
	flip(FIRST, (long)HEADER + 4);
	o = open_sized(MIB, 0);
	cr_expect_eq(take(o), 0);
	outbox_close(o);
}

/* -------------------------------------------------------------- opening --- */

Test(outbox, a_later_version_is_refused_and_left_alone)
{
	static uint8_t before[HEADER + RECORD], after[HEADER + RECORD];
	struct outbox *o = open_sized(MIB, 0);
	char path[PATH_MAX];

	put(o, 1);
	outbox_close(o);
	flip(FIRST, 8);
	path_of(path, FIRST);
	slurp(path, before, sizeof(before));
	cr_expect_eq(outbox_open(&o, dir, MIB, 0, &err), MK_EABI);
	cr_expect_null(o);
	cr_expect_not_null(strstr(err.text, dir));
	cr_expect_not_null(strstr(err.text, "version"));
	cr_expect_eq(slurp(path, after, sizeof(after)), sizeof(after));
	cr_expect_arr_eq(before, after, sizeof(after));
}

Test(outbox, files_of_others_are_ignored)
{
	static const char *const names[] = { "readme.txt",           "1.log",
					     "0000000000000000.log", "ffffffffffffffff.log",
					     "000000000000000A.log", "0000000000000002.log.bak" };
	struct outbox *o;
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(path, names[i]);
		spill(path, (const uint8_t *)"hello", 5);
	}
	path_of(path, "0000000000000009.log");
	cr_assert_eq(mkdir(path, 0700), 0);
	path_of(path, "000000000000000b.log");
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	o = open_small();
	put(o, 6);
	expect_range(o, 1, 6);
	outbox_trim(o, 6);
	outbox_close(o);
	cr_expect_eq(files(NULL), 8);
}

Test(outbox, a_segment_of_garbage_is_damage)
{
	struct outbox *o;
	char path[PATH_MAX];

	path_of(path, "0000000000000005.log");
	spill(path, (const uint8_t *)"this is a text and not a segment", 32);
	o = open_small();
	cr_expect_eq(take(o), 0);
	cr_expect_eq(stats_of(o).damaged, 1);
	put(o, 1);
	cr_expect_eq(take(o), 6);
	cr_expect_eq(files(NULL), 2);
	outbox_close(o);
}

Test(outbox, only_one_process_may_have_it)
{
	struct outbox *o = open_small(), *second;
	char pid[32];

	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	cr_expect_eq(outbox_open(&second, dir, MIB, 0, &err), MK_EEXIST);
	cr_expect_null(second);
	cr_expect_not_null(strstr(err.text, pid), "%s", err.text);
	outbox_close(o);
	outbox_close(open_small());
}

Test(outbox, a_directory_that_cannot_be_is_an_error)
{
	struct outbox *o;
	char path[PATH_MAX];

	path_of(path, "file");
	spill(path, (const uint8_t *)"", 0);
	cr_expect_neq(outbox_open(&o, path, MIB, 0, &err), MK_OK);
	cr_expect_not_null(strstr(err.text, path));
	path_of(path, "no/where");
	cr_expect_eq(outbox_open(&o, path, MIB, 0, &err), MK_ENOENT);
	cr_expect_null(o);
}

Test(outbox, a_directory_without_permission_is_an_error)
{
	struct outbox *o;

	cr_assert_eq(chmod(dir, 0500), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(outbox_open(&o, dir, MIB, 0, &err), MK_EDENIED);
	cr_expect_null(o);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	cr_assert_eq(chmod(dir, 0700), 0);
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
