/* SPDX-License-Identifier: MIT
 *
 * One segment file of an outbox: its format, making one, reading one.
 *
 *   <number, 16 hex digits>.log: header, then records
 *   a record: head, topic, NUL, body
 *
 * Integers have the machine's byte order, because the files stay where they
 * were written; another order looks like another version. The salt is random
 * and begins every CRC-32, so that neither bytes inside a body nor what an
 * older file left on the disk can pass for a record.
 *
 * No locks: the outbox has one around all of this.
 */
#ifndef MK_HOST_OUTBOX_SEGMENT_H
#define MK_HOST_OUTBOX_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/plugin.h>

/* Nobody gets here in 4,000 years at two million records a second; that a
 * number in a file is lower is what spares sums of them overflow checks. */
#define SEGMENT_NUMBER_MAX (1ull << 58)

struct segment_header {
	char magic[8];
	uint32_t version;
	uint32_t salt;
};

struct segment_head {
	uint32_t crc; /* of all that follows it in the record */
	uint32_t body_len;
	uint64_t number;
	uint64_t time_us;
	uint32_t schema;
	uint32_t flags;
	uint32_t topic_len;
	uint32_t reserved;
};

struct segment_record {
	struct segment_head head;
	uint64_t size;
	const uint8_t *bytes; /* [borrowed] until the next read, which may fail */
};

/* An open segment and a window of its bytes. All zero but for fd = -1 is one
 * that was never opened. */
struct segment_reader {
	int fd;
	uint32_t salt;
	uint64_t size;    /* bytes of it that may be read; the owner raises it */
	uint64_t checked; /* bytes whose CRC was computed, ever */
	uint8_t *window;  /* owned; closing leaves it */
	uint64_t at;      /* where in the file it begins */
	size_t len;
	size_t cap;
};

/* The number in a segment's name, 0 if it is not one. */
uint64_t segment_parse_name(const char *name);
/* openat by number, 0600 and close-on-exec; -1 and errno. */
int segment_open(int dir_fd, uint64_t first, int flags);
/* True also if there is none; else errno. */
bool segment_remove(int dir_fd, uint64_t first);
/* A file with a header only, open for appending; -1 and errno. One of that
 * name is overwritten. */
int segment_create(int dir_fd, uint64_t first, uint32_t *salt);

uint64_t segment_record_size(const struct segment_head *head);
/* `record` is head, topic and NUL in one piece. */
uint32_t segment_crc(uint32_t salt, const void *record, size_t record_len, const void *body,
		     size_t body_len);

/* MK_EFORMAT: not there, or not a segment (the file may be open nevertheless).
 * MK_EABI: of another version. MK_EIO: the disk does not give it. MK_ENOMEM,
 * MK_EUNAVAIL: try again later. */
mk_result segment_read_open(struct segment_reader *r, int dir_fd, uint64_t first, uint64_t size);
void segment_read_close(struct segment_reader *r);
void segment_read_free(struct segment_reader *r);

/* The sound record at `pos` if its number is from lo to hi - 1. MK_EFORMAT:
 * there is none. MK_EIO, MK_ENOMEM as above. */
mk_result segment_read(struct segment_reader *r, uint64_t pos, uint64_t lo, uint64_t hi,
		       struct segment_record *record);
/* *pos is where record `number` should have been: go on to the next sound one,
 * with a number below `limit`. Linear in the bytes between. MK_ENOENT: none. */
mk_result segment_resync(struct segment_reader *r, uint64_t *pos, uint64_t number, uint64_t limit,
			 struct segment_record *record);
/* Where the records end (what follows was cut off by a crash), and the number
 * after the last of them, *next, which must come as that of the first. */
mk_result segment_scan(struct segment_reader *r, uint64_t *end, uint64_t *next);

#endif
