/* SPDX-License-Identifier: MIT
 *
 * Segment files. Reading goes through a window, a few records or hundreds for
 * one system call. A map would save the copy, but a file that someone cuts
 * short, or a bad disk, would then be a SIGBUS instead of an error.
 */
#include "outbox_segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <zlib.h>

#include "clock.h"

#define SEGMENT_MAGIC "MKOUTBOX"
#define SEGMENT_VERSION 1u
#define WINDOW_BYTES ((size_t)256 << 10)
#define RECORD_MIN (sizeof(struct segment_head) + 2) /* a topic of one byte, no body */
/* How much a resync may check: bodies made to look like many overlapping
 * records must not cost the square of their length. */
#define RESYNC_BYTES ((uint64_t)64 << 20)

static_assert(sizeof(struct segment_header) == 16 && sizeof(struct segment_head) == 40,
	      "the file format has no padding");

static void
segment_name(char name[24], uint64_t first)
{
	snprintf(name, 24, "%016llx.log", (unsigned long long)first);
}

uint64_t
segment_parse_name(const char *name)
{
	uint64_t first;

	if (strspn(name, "0123456789abcdef") != 16 || strcmp(name + 16, ".log") != 0)
		return 0;
	first = strtoull(name, NULL, 16);
	return first < SEGMENT_NUMBER_MAX ? first : 0;
}

int
segment_open(int dir_fd, uint64_t first, int flags)
{
	char name[24];

	segment_name(name, first);
	return openat(dir_fd, name, flags | O_CLOEXEC, 0600);
}

bool
segment_remove(int dir_fd, uint64_t first)
{
	char name[24];

	segment_name(name, first);
	return unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT;
}

int
segment_create(int dir_fd, uint64_t first, uint32_t *salt)
{
	struct segment_header header = { .magic = SEGMENT_MAGIC, .version = SEGMENT_VERSION };
	int fd = segment_open(dir_fd, first, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
	int error;

	if (fd == -1)
		return -1;
	if (getrandom(&header.salt, sizeof(header.salt), 0) != (ssize_t)sizeof(header.salt))
		header.salt = (uint32_t)clock_now_us();
	errno = ENOSPC; /* what a short write means */
	if (write(fd, &header, sizeof(header)) == (ssize_t)sizeof(header)) {
		*salt = header.salt;
		return fd;
	}
	error = errno;
	close(fd);
	segment_remove(dir_fd, first); /* nothing may be behind the segment before */
	errno = error;
	return -1;
}

uint64_t
segment_record_size(const struct segment_head *head)
{
	return sizeof(*head) + (uint64_t)head->topic_len + 1 + head->body_len;
}

uint32_t
segment_crc(uint32_t salt, const void *record, size_t record_len, const void *body, size_t body_len)
{
	const uint8_t *p = record;
	uLong crc = crc32_z(salt, p + sizeof(uint32_t), record_len - sizeof(uint32_t));

	return (uint32_t)(body_len == 0 ? crc : crc32_z(crc, body, body_len));
}

mk_result
segment_read_open(struct segment_reader *r, int dir_fd, uint64_t first, uint64_t size)
{
	struct segment_header header;
	ssize_t n;

	segment_read_close(r);
	r->fd = segment_open(dir_fd, first, O_RDONLY);
	if (r->fd == -1)
		return errno == ENOENT ? MK_EFORMAT : MK_EUNAVAIL;
	r->size = size;
	r->at = r->len = 0;
	n = pread(r->fd, &header, sizeof(header), 0);
	if (n < 0)
		return MK_EIO;
	if (n < (ssize_t)sizeof(header))
		return MK_EFORMAT;
	r->salt = header.salt; /* also if the rest is damaged: segment_scan wants it */
	if (memcmp(header.magic, SEGMENT_MAGIC, sizeof(header.magic)) != 0)
		return MK_EFORMAT;
	return header.version == SEGMENT_VERSION ? MK_OK : MK_EABI;
}

void
segment_read_close(struct segment_reader *r)
{
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
}

void
segment_read_free(struct segment_reader *r)
{
	segment_read_close(r);
	free(r->window);
	r->window = NULL;
}

/* Read the window anew, from `pos` on, with room for at least `need` bytes. */
static mk_result
window_fill(struct segment_reader *r, uint64_t pos, size_t need)
{
	size_t cap = need > WINDOW_BYTES ? need : WINDOW_BYTES;

	if (r->cap != cap) { /* too small, or not as large as it once had to be */
		free(r->window);
		r->cap = r->len = 0;
		r->window = malloc(cap);
		if (r->window == NULL)
			return MK_ENOMEM;
		r->cap = cap;
	}
	r->at = pos;
	r->len = 0;
	while (r->len < cap && pos + r->len < r->size) {
		uint64_t left = r->size - pos - r->len;
		size_t want = left < cap - r->len ? (size_t)left : cap - r->len;
		ssize_t n = pread(r->fd, r->window + r->len, want, (off_t)(pos + r->len));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return r->len < need ? MK_EIO : MK_OK;
		r->len += (size_t)n;
	}
	return MK_OK;
}

/* The bytes from pos to pos + need. MK_EFORMAT: the file has not so many. */
static mk_result
window_get(struct segment_reader *r, uint64_t pos, uint64_t need, const uint8_t **bytes)
{
	mk_result rc = MK_OK;

	if (r->size < need || pos > r->size - need)
		return MK_EFORMAT;
	if (pos < r->at || pos + need > r->at + r->len)
		rc = window_fill(r, pos, (size_t)need);
	if (rc == MK_OK)
		*bytes = r->window + (pos - r->at);
	return rc;
}

/* What could be the head of a record with a number from lo to hi - 1. */
static mk_result
head_get(struct segment_reader *r, uint64_t pos, uint64_t lo, uint64_t hi, struct segment_head *h)
{
	const uint8_t *bytes;
	mk_result rc = window_get(r, pos, sizeof(*h), &bytes);

	if (rc != MK_OK)
		return rc;
	memcpy(h, bytes, sizeof(*h));
	return h->number >= lo && h->number < hi && h->topic_len > 0 &&
		       h->topic_len <= MK_TOPIC_MAX && h->body_len <= MK_BODY_MAX
		   ? MK_OK
		   : MK_EFORMAT;
}

mk_result
segment_read(struct segment_reader *r, uint64_t pos, uint64_t lo, uint64_t hi,
	     struct segment_record *record)
{
	struct segment_record found;
	mk_result rc = head_get(r, pos, lo, hi, &found.head);

	if (rc != MK_OK)
		return rc;
	found.size = segment_record_size(&found.head);
	rc = window_get(r, pos, found.size, &found.bytes);
	if (rc != MK_OK)
		return rc;
	r->checked += found.size;
	if (segment_crc(r->salt, found.bytes, (size_t)found.size, NULL, 0) != found.head.crc ||
	    found.bytes[sizeof(found.head) + found.head.topic_len] != '\0')
		return MK_EFORMAT;
	*record = found;
	return MK_OK;
}

mk_result
segment_resync(struct segment_reader *r, uint64_t *pos, uint64_t number, uint64_t limit,
	       struct segment_record *record)
{
	uint64_t enough = r->checked + RESYNC_BYTES;

	for (uint64_t at = *pos; at < r->size && r->checked < enough; at++) {
		/* No more numbers are missing than the bytes between could hold. */
		uint64_t hi = number + (at - *pos) / RECORD_MIN + 1;
		mk_result rc = segment_read(r, at, number + 1, hi < limit ? hi : limit, record);

		if (rc == MK_OK)
			*pos = at;
		if (rc != MK_EFORMAT)
			return rc;
	}
	return MK_ENOENT;
}

mk_result
segment_scan(struct segment_reader *r, uint64_t *end, uint64_t *next)
{
	uint64_t pos = sizeof(struct segment_header);
	uint64_t number = *next;
	struct segment_record record;
	struct segment_head h;
	mk_result rc;

	for (;;) {
		rc = segment_read(r, pos, number, number + 1, &record);
		if (rc == MK_EFORMAT) /* damage, or the end? */
			rc = segment_resync(r, &pos, number, UINT64_MAX, &record);
		if (rc != MK_OK)
			break;
		pos += record.size;
		number = record.head.number + 1;
	}
	if (rc != MK_ENOENT)
		return rc;
	/* A last record that is wrong but whole was not cut off by a crash, it
	 * rotted: its number is used up. */
	while (head_get(r, pos, number, number + 1, &h) == MK_OK &&
	       segment_record_size(&h) <= r->size - pos) {
		pos += segment_record_size(&h);
		number++;
	}
	*end = pos;
	*next = number;
	return MK_OK;
}
