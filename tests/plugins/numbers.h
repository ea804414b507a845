/* SPDX-License-Identifier: MIT
 *
 * What the kill and durable test plugins write down: records that survive the death of the process
 * because every one is a write() of its own to a file opened with O_APPEND, `numbers` in the state
 * folder. The tests read them.
 *
 * A number is (run << 32) | count: a source begins a new run whenever it starts, so that no number
 * is ever used twice, not even by one that was killed between publishing and writing.
 */
#ifndef MK_TESTS_NUMBERS_H
#define MK_TESTS_NUMBERS_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

struct record {
	uint64_t number;
	uint64_t seq;  /* of the message; of a durable one its origin_seq */
	uint64_t note; /* its flags, and from bit 32 on: how many a gap lost, or the origin */
};

static inline int
numbers_open(const mk_host *host)
{
	char path[1100];

	(void)snprintf(path, sizeof(path), "%s/numbers", host->dir(host, MK_DIR_STATE));
	return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static inline uint64_t
numbers_count(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size / sizeof(struct record) : 0;
}

static inline bool
numbers_write(int fd, const struct record *records, size_t count)
{
	return write(fd, records, count * sizeof(*records)) == (ssize_t)(count * sizeof(*records));
}

#endif
