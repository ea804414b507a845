/* SPDX-License-Identifier: MIT
 *
 * The outbox's directory:
 *
 *   lock                  held by the process that has it open; its pid
 *   mark                  the highest trimmed number
 *   <first number>.log    segments (outbox_segment.h); other files are ignored
 *
 *   - append: one writev at the end of the last segment; a new one is begun
 *     when it is large enough. The kernel has the record when writev returns,
 *     so a killed process loses nothing; outbox_sync is against power cuts
 *   - next: reads through a window, which append extends when the reader
 *     follows closely, so that there is nothing to read at all
 *   - trim: a number in memory; segments wholly below it are unlinked, and it
 *     goes to `mark` about once a second
 *
 * What can fail:
 *   - a crash cuts a record off: it is at the end of the last segment, so
 *     opening reads that one from start to end; of the others only the name
 *   - damage elsewhere is met by the reader, which goes on at the next sound
 *     record and counts the numbers in between
 *   - a write fails in the middle: the file is cut back; if not even that
 *     works it is left alone and the next record begins a new segment
 */
#include "outbox_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"

#define MARK_PERIOD_US 1000000u
#define WARNINGS 3 /* a minute, of one outbox */

/* errno to the log, since append and trim have no mk_err; not often, because a
 * full disk must not be filled by its log. */
mk_result
outbox_warn(struct outbox *o, const char *what)
{
	int error = errno;
	uint32_t left_out;

	if (log_allowed(&o->warnings, WARNINGS, &left_out))
		log_warn("outbox", "%s: %s: %s  left_out=%u", o->name, what, strerror(error),
			 left_out);
	return error == ENOSPC || error == EDQUOT || error == EFBIG ? MK_EFULL : MK_EIO;
}

static void
mark_save_if_due(struct outbox *o)
{
	if (o->mark_changed && clock_now_us() - o->mark_time_us >= MARK_PERIOD_US)
		outbox_save_mark(o);
}

/* ----------------------------------------------------------- segments --- */

void
outbox_leave_segment(struct cursor *c)
{
	segment_read_close(&c->file);
	c->first = 0;
}

bool
outbox_push(struct outbox *o, uint64_t first, uint64_t size)
{
	if (o->count == o->cap) {
		size_t cap = o->cap == 0 ? 16 : 2 * o->cap;
		struct segment *grown = realloc(o->segments, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		o->segments = grown;
		o->cap = cap;
	}
	o->segments[o->count++] = (struct segment){ .first = first, .size = size };
	o->bytes += size;
	return true;
}

/* The segment where `number` would be, and the first number behind it. */
static struct segment *
segments_find(const struct outbox *o, uint64_t number, uint64_t *limit)
{
	size_t lo = 0;
	size_t hi = o->count;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->segments[mid].first <= number)
			lo = mid;
		else
			hi = mid;
	}
	*limit = hi < o->count ? o->segments[hi].first : o->next;
	return &o->segments[lo];
}

/* A new last segment; the old one stays as it is. */
static mk_result
segments_begin(struct outbox *o)
{
	uint32_t salt;
	/* It overwrites one of that name, which then has no record. */
	int fd = segment_create(o->dir_fd, o->next, &salt);

	if (fd == -1)
		return outbox_warn(o, "begin a segment");
	if (o->count > 0 && outbox_last(o)->first == o->next)
		o->bytes -= o->segments[--o->count].size;
	if (!outbox_push(o, o->next, OUTBOX_HEADER_BYTES)) {
		close(fd);
		return MK_ENOMEM;
	}
	outbox_close_fd(&o->fd);
	o->fd = fd;
	o->salt = salt;
	o->dir_changed = true;
	if (o->mark_changed)
		outbox_save_mark(o);
	return MK_OK;
}

static bool
segments_drop_first(struct outbox *o)
{
	if (!segment_remove(o->dir_fd, o->segments[0].first)) {
		outbox_warn(o, "remove a segment");
		return false;
	}
	if (o->cursor.first == o->segments[0].first)
		outbox_leave_segment(&o->cursor); /* or its blocks would stay taken */
	o->bytes -= o->segments[0].size;
	o->count--;
	memmove(o->segments, o->segments + 1, o->count * sizeof(*o->segments));
	return true;
}

/* Remove what is trimmed as a whole. The last segment stays, because its name
 * keeps the numbering; if it is large it first gives way to an empty one. */
void
outbox_recycle(struct outbox *o)
{
	if (o->count > 0 && o->trimmed + 1 == o->next &&
	    outbox_last(o)->size > OUTBOX_HEADER_BYTES + o->segment_bytes / 8)
		(void)segments_begin(o);
	while (o->count > 1 && o->segments[1].first <= o->trimmed + 1 && segments_drop_first(o))
		;
}

/* ----------------------------------------------------------- appending --- */

/* See to it that the last segment can take `size` bytes. */
static mk_result
append_prepare(struct outbox *o, uint64_t size)
{
	for (int attempt = 0; attempt < 2 && o->next < SEGMENT_NUMBER_MAX; attempt++) {
		bool begin = o->fd == -1 || (outbox_last(o)->size > OUTBOX_HEADER_BYTES &&
					     outbox_last(o)->size + size > o->segment_bytes);
		uint64_t need = size + (begin ? OUTBOX_HEADER_BYTES : 0);

		if (o->bytes <= o->max_bytes && need <= o->max_bytes - o->bytes)
			return begin ? segments_begin(o) : MK_OK;
		outbox_recycle(o); /* in case it failed when that was trimmed */
	}
	return MK_EFULL;
}

/* Write head and body, or leave the segment as it was. */
static mk_result
append_write(struct outbox *o, struct iovec head, struct iovec body)
{
	struct iovec parts[2] = { head, body };
	struct iovec *part = parts;
	struct iovec *end = parts + (body.iov_len > 0 ? 2 : 1);
	mk_result rc;

	while (part < end) {
		ssize_t n = writev(o->fd, part, (int)(end - part));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		for (; part < end && (size_t)n >= part->iov_len; part++)
			n -= (ssize_t)part->iov_len;
		if (part < end) {
			part->iov_base = (uint8_t *)part->iov_base + n;
			part->iov_len -= (size_t)n;
		}
	}
	if (part == end)
		return MK_OK;
	rc = outbox_warn(o, "append");
	if (ftruncate(o->fd, (off_t)outbox_last(o)->size) == -1)
		outbox_close_fd(&o->fd);
	return rc;
}

/* The record is in the file: account for it, and hand it to a reader whose
 * window ends right before it. */
static void
append_done(struct outbox *o, struct iovec head, struct iovec body)
{
	struct segment *s = outbox_last(o);
	struct segment_reader *r = &o->cursor.file;
	size_t size = head.iov_len + body.iov_len;

	if (o->cursor.first == s->first && r->at + r->len == s->size && size <= r->cap - r->len) {
		memcpy(r->window + r->len, head.iov_base, head.iov_len);
		if (body.iov_len > 0)
			memcpy(r->window + r->len + head.iov_len, body.iov_base, body.iov_len);
		r->len += size;
	}
	s->size += size;
	s->unsynced++;
	o->bytes += size;
	o->next++;
}

mk_result
outbox_append(struct outbox *o, const char *topic, uint32_t schema, uint32_t flags,
	      const void *body, uint32_t len, uint64_t *number)
{
	struct {
		struct segment_head head;
		char topic[MK_TOPIC_MAX + 1];
	} record;
	size_t topic_len = topic == NULL ? 0 : strlen(topic);
	struct iovec head = { &record, sizeof(record.head) + topic_len + 1 };
	/* writev only reads it, whatever the type says. */
	struct iovec rest = { (void *)(uintptr_t)body, len };
	mk_result rc;

	if (topic_len == 0 || topic_len > MK_TOPIC_MAX || (body == NULL && len > 0))
		return MK_EINVAL;
	if (len > MK_BODY_MAX)
		return MK_ETOOBIG;
	record.head = (struct segment_head){ .body_len = len,
					     .time_us = clock_wall_us(),
					     .schema = schema,
					     .flags = flags,
					     .topic_len = (uint32_t)topic_len };
	memcpy(record.topic, topic, topic_len + 1);

	pthread_mutex_lock(&o->lock);
	rc = append_prepare(o, head.iov_len + len);
	if (rc == MK_OK) {
		record.head.number = o->next;
		record.head.crc = segment_crc(o->salt, &record, head.iov_len, body, len);
		rc = append_write(o, head, rest);
	}
	if (rc == MK_OK) {
		*number = o->next;
		append_done(o, head, rest);
	} else if (rc == MK_EFULL) {
		o->refused++;
	}
	pthread_mutex_unlock(&o->lock);
	return rc;
}

/* ------------------------------------------------------------- syncing --- */

/* The first segment from `first` on that has something to sync. */
static struct segment *
segments_unsynced(const struct outbox *o, uint64_t first)
{
	for (size_t i = 0; i < o->count; i++) {
		if (o->segments[i].first >= first && o->segments[i].unsynced > 0)
			return &o->segments[i];
	}
	return NULL;
}

/* Sync the segment's records so far. Called with the lock, which is let go
 * meanwhile: appending goes on. */
static mk_result
sync_segment(struct outbox *o, uint64_t first, uint64_t count)
{
	int fd = segment_open(o->dir_fd, first, O_RDONLY);
	struct segment *s;
	int error;

	pthread_mutex_unlock(&o->lock);
	error = fd != -1 && fdatasync(fd) == 0 ? 0 : errno;
	outbox_close_fd(&fd);
	pthread_mutex_lock(&o->lock);
	if (error != 0) {
		errno = error;
		return outbox_warn(o, "sync");
	}
	s = segments_unsynced(o, first);
	if (s != NULL && s->first == first) /* not trimmed meanwhile */
		s->unsynced -= count;
	return MK_OK;
}

mk_result
outbox_sync(struct outbox *o)
{
	mk_result rc = MK_OK;
	struct segment *s;
	bool dir_changed;

	pthread_mutex_lock(&o->sync_lock);
	pthread_mutex_lock(&o->lock);
	mark_save_if_due(o);
	dir_changed = o->dir_changed;
	o->dir_changed = false;
	for (uint64_t first = 0; rc == MK_OK && (s = segments_unsynced(o, first)) != NULL;) {
		first = s->first + 1;
		rc = sync_segment(o, s->first, s->unsynced);
	}
	if (dir_changed) {
		pthread_mutex_unlock(&o->lock);
		if (rc == MK_OK && fsync(o->dir_fd) == -1)
			rc = MK_EIO;
		pthread_mutex_lock(&o->lock);
		o->dir_changed |= rc != MK_OK;
	}
	pthread_mutex_unlock(&o->lock);
	pthread_mutex_unlock(&o->sync_lock);
	return rc;
}

/* ------------------------------------------------------------- reading --- */

/* Records from .. to - 1 are damaged; those not needed are not missed. */
static void
next_lost(struct outbox *o, struct segment *s, uint64_t from, uint64_t to)
{
	uint32_t left_out;

	if (from < s->lost_to)
		from = s->lost_to;
	if (from <= o->trimmed)
		from = o->trimmed + 1;
	if (from >= to)
		return;
	s->lost_to = to;
	o->damaged += to - from;
	if (log_allowed(&o->warnings, WARNINGS, &left_out))
		log_warn("outbox", "%s: damaged  first=%llu count=%llu total=%llu left_out=%u",
			 o->name, (unsigned long long)from, (unsigned long long)(to - from),
			 (unsigned long long)o->damaged, left_out);
}

/* Put the cursor at the start of a segment, unless it is on it. */
static mk_result
next_open(struct outbox *o, const struct segment *s)
{
	struct cursor *c = &o->cursor;
	mk_result rc;

	if (c->first == s->first)
		return MK_OK;
	outbox_leave_segment(c);
	rc = segment_read_open(&c->file, o->dir_fd, s->first, s->size);
	if (rc != MK_OK)
		return rc;
	c->first = s->first;
	c->number = s->first;
	c->pos = OUTBOX_HEADER_BYTES;
	return MK_OK;
}

/* One step towards the wanted record. MK_EAGAIN: not there yet. */
static mk_result
next_step(struct outbox *o, struct segment_record *record)
{
	struct cursor *c = &o->cursor;
	uint64_t limit;
	struct segment *s = segments_find(o, c->wanted, &limit);
	mk_result rc = next_open(o, s);
	uint64_t from = rc == MK_OK ? c->number : s->first;
	uint64_t to = limit;

	if (rc == MK_OK) {
		c->file.size = s->size;
		rc = segment_read(&c->file, c->pos, from, from + 1, record);
		if (rc == MK_OK) {
			c->pos += record->size;
			c->number++;
			return from < c->wanted ? MK_EAGAIN : MK_OK;
		}
		if (rc == MK_EFORMAT)
			rc = segment_resync(&c->file, &c->pos, from, limit, record);
		if (rc == MK_OK)
			to = record->head.number;
	}
	if (rc == MK_ENOMEM || rc == MK_EUNAVAIL)
		return rc; /* the next call may do better */
	if (rc != MK_OK) { /* none to be had in this segment */
		c->wanted = limit;
		c->pos = s->size;
	}
	c->number = to;
	next_lost(o, s, from, to);
	return MK_EAGAIN;
}

mk_result
outbox_next(struct outbox *o, struct outbox_record *record)
{
	struct cursor *c = &o->cursor;
	struct segment_record r;
	mk_result rc = MK_EAGAIN;

	pthread_mutex_lock(&o->lock);
	while (rc == MK_EAGAIN) {
		if (c->wanted <= o->trimmed)
			c->wanted = o->trimmed + 1;
		rc = c->wanted < o->next ? next_step(o, &r) : MK_ENOENT;
	}
	if (rc == MK_OK) {
		c->wanted = r.head.number + 1;
		*record = (struct outbox_record){ .number = r.head.number,
						  .time_us = r.head.time_us,
						  .schema = r.head.schema,
						  .flags = r.head.flags,
						  .topic = (const char *)r.bytes + sizeof(r.head),
						  .body = r.bytes + r.size - r.head.body_len,
						  .len = r.head.body_len };
	} else if (rc == MK_ENOENT && c->pos == c->file.at + c->file.len) {
		c->file.at = c->pos; /* all of the window is free for what is appended */
		c->file.len = 0;
	}
	pthread_mutex_unlock(&o->lock);
	return rc;
}

void
outbox_rewind(struct outbox *o, uint64_t after)
{
	struct cursor *c = &o->cursor;

	pthread_mutex_lock(&o->lock);
	c->wanted = after < SEGMENT_NUMBER_MAX ? after + 1 : SEGMENT_NUMBER_MAX;
	if (c->wanted < c->number)
		outbox_leave_segment(c); /* a segment is read from its start */
	pthread_mutex_unlock(&o->lock);
}

void
outbox_trim(struct outbox *o, uint64_t number)
{
	pthread_mutex_lock(&o->lock);
	if (number >= o->next)
		number = o->next - 1;
	if (number > o->trimmed) {
		o->trimmed = number;
		o->mark_changed = true;
		outbox_recycle(o);
		mark_save_if_due(o);
	}
	pthread_mutex_unlock(&o->lock);
}

void
outbox_get_stats(struct outbox *o, struct outbox_stats *stats)
{
	struct outbox_stats now = { .max_bytes = o->max_bytes };

	pthread_mutex_lock(&o->lock);
	now.first = o->trimmed + 1 < o->next ? o->trimmed + 1 : 0;
	now.last = o->next - 1;
	now.bytes = o->bytes;
	now.refused = o->refused;
	now.damaged = o->damaged;
	for (size_t i = 0; i < o->count; i++)
		now.unsynced += o->segments[i].unsynced;
	pthread_mutex_unlock(&o->lock);
	*stats = now;
}
