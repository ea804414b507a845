/* SPDX-License-Identifier: MIT
 *
 * Hostile files in an outbox's directory: opening, reading, trimming and going
 * on must neither crash nor break the numbering.
 *
 * The input: a byte of flags, a byte how far to trim, then files, each a byte
 * of number, two of length, content. Flag 1 takes the first 24 bytes for the
 * mark; flag 2 computes the checksums anew, so that what lies behind them is
 * reached too.
 */
#define _XOPEN_SOURCE 700 /* P_tmpdir */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "log.h"
#include "outbox.h"
#include "outbox_segment.h"

#define REQUIRE(x)               \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

enum { HAS_MARK = 1, FIX_CHECKSUMS = 2, MARK_BYTES = 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[256];

static void
remove_dir(void)
{
	(void)rmdir(dir);
}

static int
empty_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int fd;

	REQUIRE(d != NULL);
	while ((entry = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), entry->d_name, 0);
	fd = dup(dirfd(d));
	closedir(d);
	return fd;
}

static void
write_file(int dir_fd, const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	REQUIRE(fd != -1 && write(fd, data, len) == (ssize_t)len);
	close(fd);
}

/* Make what looks like a segment, and its records as far as lengths lead, sound. */
static void
fix_segment(uint8_t *data, size_t len)
{
	struct segment_header header;
	size_t pos = sizeof(header);
	struct segment_head head;

	if (len < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	memcpy(header.magic, "MKOUTBOX", sizeof(header.magic));
	header.version = 1;
	memcpy(data, &header, sizeof(header));
	while (len - pos > sizeof(head)) {
		uint64_t record;

		memcpy(&head, data + pos, sizeof(head));
		record = segment_record_size(&head);
		if (record > len - pos)
			return;
		data[pos + sizeof(head) + head.topic_len] = '\0';
		head.crc = segment_crc(header.salt, data + pos, (size_t)record, NULL, 0);
		memcpy(data + pos, &head, sizeof(head.crc));
		pos += (size_t)record;
	}
}

static size_t
write_mark(int dir_fd, const uint8_t *data, size_t len, bool fix)
{
	uint8_t mark[MARK_BYTES];
	uint32_t crc;

	if (len < sizeof(mark))
		return 0;
	memcpy(mark, data, sizeof(mark));
	if (fix) {
		memcpy(mark, "MKTRIMMD", 8);
		crc = (uint32_t)crc32(0, mark, 16);
		memcpy(mark + 16, &crc, sizeof(crc));
	}
	write_file(dir_fd, "mark", mark, sizeof(mark));
	return sizeof(mark);
}

static void
write_files(const uint8_t *data, size_t size, uint8_t flags)
{
	int dir_fd = empty_dir();

	REQUIRE(dir_fd != -1);
	if ((flags & HAS_MARK) != 0) {
		size_t n = write_mark(dir_fd, data, size, (flags & FIX_CHECKSUMS) != 0);

		data += n;
		size -= n;
	}
	while (size > 3) {
		size_t len = (size_t)(data[1] | data[2] << 8);
		char name[32];
		uint8_t *copy;

		if (len > size - 3)
			len = size - 3;
		copy = malloc(len + 1);
		REQUIRE(copy != NULL);
		memcpy(copy, data + 3, len);
		if ((flags & FIX_CHECKSUMS) != 0)
			fix_segment(copy, len);
		snprintf(name, sizeof(name), "%016x.log", data[0]);
		write_file(dir_fd, name, copy, len);
		free(copy);
		data += 3 + len;
		size -= 3 + len;
	}
	close(dir_fd);
}

/* Read it all: ascending, within bounds. Returns how many. */
static uint64_t
read_all(struct outbox *o, uint64_t *last_read)
{
	struct outbox_record r;
	struct outbox_stats stats;
	uint64_t count = 0, previous = 0;
	mk_result rc;

	outbox_get_stats(o, &stats);
	outbox_rewind(o, 0);
	while ((rc = outbox_next(o, &r)) == MK_OK) {
		unsigned sum = 0;

		REQUIRE(r.number > previous && r.number <= stats.last);
		REQUIRE(stats.first != 0 && r.number >= stats.first);
		REQUIRE(strlen(r.topic) <= MK_TOPIC_MAX && r.len <= MK_BODY_MAX);
		for (uint32_t i = 0; i < r.len; i++)
			sum += r.body[i];
		previous = r.number + (sum > UINT32_MAX); /* every byte was touched */
		count++;
	}
	REQUIRE(rc == MK_ENOENT);
	*last_read = previous;
	return count;
}

static void
use(struct outbox *o, uint8_t trim)
{
	struct outbox_stats before, after;
	uint64_t count, number = 0, last_read;

	count = read_all(o, &last_read);
	outbox_get_stats(o, &before);
	if (before.first != 0) /* what is not there was counted, once */
		REQUIRE(count + before.damaged == before.last - before.first + 1);
	REQUIRE(read_all(o, &last_read) == count);
	outbox_get_stats(o, &after);
	REQUIRE(after.damaged == before.damaged);
	outbox_trim(o, trim);
	if (before.last >= SEGMENT_NUMBER_MAX - 1) /* the files claim that all are used up */
		return;
	REQUIRE(outbox_append(o, "rx/raw", 1, 2, "body", 4, &number) == MK_OK);
	REQUIRE(number == before.last + 1);
	(void)read_all(o, &last_read);
	REQUIRE(last_read == number);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outbox_stats stats;
	struct outbox *o;
	uint64_t last;
	mk_err err;

	if (dir[0] == '\0') {
		const char *tmp = getenv("TMPDIR");

		log_init(-1, MK_LOG_ERROR, LOG_TEXT);
		snprintf(dir, sizeof(dir), "%s/fuzz_outbox.XXXXXX", tmp == NULL ? P_tmpdir : tmp);
		REQUIRE(mkdtemp(dir) != NULL);
		atexit(remove_dir);
	}
	if (size < 2)
		return 0;
	write_files(data + 2, size - 2, data[0]);
	if (outbox_open(&o, dir, 1u << 20, 4096, &err) == MK_OK) {
		use(o, data[1]);
		outbox_get_stats(o, &stats);
		last = stats.last;
		outbox_close(o);
		REQUIRE(outbox_open(&o, dir, 1u << 20, 4096, &err) == MK_OK);
		outbox_get_stats(o, &stats);
		REQUIRE(stats.last == last); /* the record of use() ends the last file */
		outbox_close(o);
	} else {
		REQUIRE(o == NULL && err.text[0] != '\0');
	}
	close(empty_dir());
	return 0;
}
