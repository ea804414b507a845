/* SPDX-License-Identifier: MIT
 *
 * What the tests of the outbox share: a directory of its own for each, and
 * records whose content follows from their number.
 */
#ifndef MK_TESTS_OUTBOX_FIXTURE_H
#define MK_TESTS_OUTBOX_FIXTURE_H

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "log.h"
#include "outbox.h"

#define MIB ((uint64_t)1 << 20)
#define HEADER 16u
#define HEAD 40u
/* put() writes bodies of 32 bytes to the topic "rx/raw". */
#define RECORD (HEAD + sizeof("rx/raw") + 32)

/* Each test is a process, each file a program: there is one of these. */
static char dir[64];

static inline void
setup(void)
{
	snprintf(dir, sizeof(dir), P_tmpdir "/test_outbox.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	log_init(-1, MK_LOG_ERROR, LOG_TEXT);
}

static inline void
path_of(char *path, const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", dir, name);
}

/* Calls each(path) for every file there is; returns how many are segments. */
static inline unsigned
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

static inline void
remove_file(const char *path)
{
	cr_expect_eq(remove(path), 0);
}

static inline void
teardown(void)
{
	files(remove_file);
	cr_expect_eq(rmdir(dir), 0);
}

static inline struct outbox *
open_sized(uint64_t max_bytes, uint64_t segment_bytes)
{
	struct outbox *o;
	mk_err err = { 0 };

	cr_assert_eq(outbox_open(&o, dir, max_bytes, segment_bytes, &err), MK_OK, "%s", err.text);
	return o;
}

static inline struct outbox *
open_small(void)
{
	return open_sized(64 * MIB, HEADER + 4 * RECORD); /* four records a segment */
}

static inline void
fill(uint8_t body[32], uint64_t seed)
{
	for (size_t i = 0; i < 32; i++)
		body[i] = (uint8_t)(seed * 31 + i);
}

/* Append n records whose content follows from their number. */
static inline void
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
static inline uint64_t
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

static inline struct outbox_stats
stats_of(struct outbox *o)
{
	struct outbox_stats stats;

	outbox_get_stats(o, &stats);
	return stats;
}

static inline void
expect_range(struct outbox *o, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n <= to; n++)
		cr_assert_eq(take(o), n);
	cr_assert_eq(take(o), 0);
}

static inline size_t
slurp(const char *path, uint8_t *data, size_t cap)
{
	FILE *f = fopen(path, "rb");
	size_t n;

	cr_assert_not_null(f, "%s", path);
	n = fread(data, 1, cap, f);
	fclose(f);
	return n;
}

static inline void
spill(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "wb");

	cr_assert_not_null(f, "%s", path);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

static inline void
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

/* The name of the first segment. */
#define FIRST "0000000000000001.log"

#endif
