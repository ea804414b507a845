/* SPDX-License-Identifier: MIT
 *
 * The outbox: what a crash or a bad disk leaves of it, and what it opens.
 */
#define _GNU_SOURCE
#include "outbox_fixture.h"

#include <sys/stat.h>

TestSuite(outbox_damage, .init = setup, .fini = teardown, .timeout = 120);

static mk_err err;

/* --------------------------------------------------------------- damage --- */

Test(outbox_damage, a_cut_off_last_record_is_dropped)
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

Test(outbox_damage, a_file_cut_off_in_its_header_is_begun_again)
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

Test(outbox_damage, a_wrong_byte_anywhere_costs_one_record)
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

Test(outbox_damage, damage_before_the_last_record_gives_no_number_twice)
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

Test(outbox_damage, a_last_record_that_rotted_keeps_its_number)
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

Test(outbox_damage, a_missing_file_is_counted)
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

Test(outbox_damage, bytes_in_a_body_do_not_pass_for_a_record)
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

Test(outbox_damage, a_later_version_is_refused_and_left_alone)
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

Test(outbox_damage, files_of_others_are_ignored)
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

Test(outbox_damage, a_segment_of_garbage_is_damage)
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

Test(outbox_damage, only_one_process_may_have_it)
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

Test(outbox_damage, a_directory_that_cannot_be_is_an_error)
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

Test(outbox_damage, a_directory_without_permission_is_an_error)
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
