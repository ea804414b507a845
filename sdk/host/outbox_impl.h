/* SPDX-License-Identifier: MIT
 *
 * The outbox as its two files share it: outbox_open.c makes one out of a
 * directory, outbox.c uses it.
 */
#ifndef MK_HOST_OUTBOX_IMPL_H
#define MK_HOST_OUTBOX_IMPL_H

#include <pthread.h>
#include <stdbool.h>

#include "log.h"
#include "outbox.h"
#include "outbox_segment.h"

#define OUTBOX_HEADER_BYTES sizeof(struct segment_header)

struct segment {
	uint64_t first;    /* its name: the lowest number it can have */
	uint64_t size;     /* header and whole records */
	uint64_t lost_to;  /* damage below this number is counted already */
	uint64_t unsynced; /* records since its last fdatasync */
};

/* Where outbox_next reads. */
struct cursor {
	struct segment_reader file;
	uint64_t first;  /* the segment it is on, 0 = none */
	uint64_t pos;    /* of the next record in it */
	uint64_t number; /* which that should be */
	uint64_t wanted; /* records below are passed over */
};

struct outbox {
	pthread_mutex_t sync_lock; /* one outbox_sync at a time; taken first */
	pthread_mutex_t lock;      /* guards the rest; not held over fdatasync */
	int dir_fd;
	int lock_fd;
	int mark_fd;
	int fd;                   /* the last segment; -1 = begin a new one */
	uint32_t salt;            /* of the last segment */
	bool dir_changed;         /* a segment was made since the last sync */
	bool mark_changed;        /* `trimmed` is not in the file yet */
	uint64_t mark_time_us;    /* when it was written last */
	struct segment *segments; /* ascending */
	size_t count;
	size_t cap;
	uint64_t next;    /* number of the next record */
	uint64_t trimmed; /* up to here nothing is needed */
	uint64_t segment_bytes;
	uint64_t max_bytes;
	uint64_t bytes;
	uint64_t refused;
	uint64_t damaged;
	struct log_limit warnings;
	struct cursor cursor;
	char name[128]; /* the end of the directory's path, for the log */
};

/* The last segment; there must be one. */
static inline struct segment *
outbox_last(const struct outbox *o)
{
	return &o->segments[o->count - 1];
}

/* outbox.c; the callers hold the lock, or nobody else knows the outbox yet. */

/* errno to the log, not often. MK_EFULL or MK_EIO by errno. */
mk_result outbox_warn(struct outbox *o, const char *what);
bool outbox_push(struct outbox *o, uint64_t first, uint64_t size);
void outbox_recycle(struct outbox *o);
void outbox_leave_segment(struct cursor *c);

/* outbox_open.c */

void outbox_save_mark(struct outbox *o);
/* Close *fd, unless it is -1, which it becomes. */
void outbox_close_fd(int *fd);

#endif
