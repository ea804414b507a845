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
#include "outbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <zlib.h>

#include "clock.h"
#include "log.h"
#include "outbox_segment.h"

#define MARK_MAGIC "MKTRIMMD"
#define MARK_PERIOD_US 1000000u
#define SEGMENT_DEFAULT (8u << 20)
#define HEADER_BYTES sizeof(struct segment_header)
#define WARNINGS 3 /* a minute, of one outbox */

struct mark {
	char magic[8];
	uint64_t trimmed;
	uint32_t crc; /* of what stands before it */
	uint32_t reserved;
};

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

/* errno to the log, since append and trim have no mk_err; not often, because a
 * full disk must not be filled by its log. */
static mk_result
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
outbox_close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

/* -------------------------------------------------------------- mark --- */

static uint32_t
mark_crc(const struct mark *mark)
{
	return (uint32_t)crc32_z(0, (const uint8_t *)mark, offsetof(struct mark, crc));
}

static void
mark_save(struct outbox *o)
{
	struct mark mark = { .magic = MARK_MAGIC, .trimmed = o->trimmed };

	mark.crc = mark_crc(&mark);
	o->mark_time_us = clock_now_us();
	if (pwrite(o->mark_fd, &mark, sizeof(mark), 0) == (ssize_t)sizeof(mark))
		o->mark_changed = false;
	else
		outbox_warn(o, "write the mark");
}

static void
mark_save_if_due(struct outbox *o)
{
	if (o->mark_changed && clock_now_us() - o->mark_time_us >= MARK_PERIOD_US)
		mark_save(o);
}

/* A mark that is damaged is none: too much is sent again. */
static void
mark_load(struct outbox *o)
{
	struct mark mark;
	ssize_t n = pread(o->mark_fd, &mark, sizeof(mark), 0);

	if (n == (ssize_t)sizeof(mark) && memcmp(mark.magic, MARK_MAGIC, sizeof(mark.magic)) == 0 &&
	    mark.crc == mark_crc(&mark) && mark.trimmed < SEGMENT_NUMBER_MAX)
		o->trimmed = mark.trimmed;
	else if (n != 0)
		log_warn("outbox", "%s: the mark is damaged, records may be sent again", o->name);
}

/* ----------------------------------------------------------- segments --- */

static void
cursor_close(struct cursor *c)
{
	segment_read_close(&c->file);
	c->first = 0;
}

static bool
segments_push(struct outbox *o, uint64_t first, uint64_t size)
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

static struct segment *
segments_last(const struct outbox *o)
{
	return &o->segments[o->count - 1];
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
	if (o->count > 0 && segments_last(o)->first == o->next)
		o->bytes -= o->segments[--o->count].size;
	if (!segments_push(o, o->next, HEADER_BYTES)) {
		close(fd);
		return MK_ENOMEM;
	}
	outbox_close_fd(&o->fd);
	o->fd = fd;
	o->salt = salt;
	o->dir_changed = true;
	if (o->mark_changed)
		mark_save(o);
	return MK_OK;
}

static bool
segments_drop_first(struct outbox *o)
{
	char name[SEGMENT_NAME_BYTES];

	segment_name(name, o->segments[0].first);
	if (unlinkat(o->dir_fd, name, 0) == -1 && errno != ENOENT) {
		outbox_warn(o, "remove a segment");
		return false;
	}
	if (o->cursor.first == o->segments[0].first)
		cursor_close(&o->cursor); /* or its blocks would stay taken */
	o->bytes -= o->segments[0].size;
	o->count--;
	memmove(o->segments, o->segments + 1, o->count * sizeof(*o->segments));
	return true;
}

/* Remove what is trimmed as a whole. The last segment stays, because its name
 * keeps the numbering; if it is large it first gives way to an empty one. */
static void
segments_recycle(struct outbox *o)
{
	if (o->count > 0 && o->trimmed + 1 == o->next &&
	    segments_last(o)->size > HEADER_BYTES + o->segment_bytes / 8)
		(void)segments_begin(o);
	while (o->count > 1 && o->segments[1].first <= o->trimmed + 1 && segments_drop_first(o))
		;
}

/* ------------------------------------------------------------- opening --- */

static mk_result
open_lock(struct outbox *o, mk_err *err)
{
	char pid[24] = "";

	o->lock_fd = openat(o->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (o->lock_fd == -1)
		return mk_err_errno(err, "open the lock file");
	if (flock(o->lock_fd, LOCK_EX | LOCK_NB) == -1) {
		if (errno != EWOULDBLOCK)
			return mk_err_errno(err, "lock");
		if (pread(o->lock_fd, pid, sizeof(pid) - 1, 0) > 0)
			pid[strspn(pid, "0123456789")] = '\0';
		return mk_err_set(err, MK_EEXIST, "in use by process %s", pid);
	}
	/* The pid is for that message only: a full disk does not matter. */
	if (ftruncate(o->lock_fd, 0) == 0)
		(void)dprintf(o->lock_fd, "%ld\n", (long)getpid());
	return MK_OK;
}

static int
segment_compare(const void *a, const void *b)
{
	const struct segment *x = a;
	const struct segment *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static mk_result
open_list(struct outbox *o, mk_err *err)
{
	int fd = openat(o->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	mk_result rc = MK_OK;
	struct dirent *entry;

	if (dir == NULL) {
		rc = mk_err_errno(err, "list the directory");
		outbox_close_fd(&fd);
		return rc;
	}
	while (rc == MK_OK && (entry = readdir(dir)) != NULL) {
		uint64_t first = segment_parse_name(entry->d_name);
		struct stat st;

		if (first != 0 &&
		    fstatat(o->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && !segments_push(o, first, (uint64_t)st.st_size))
			rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	closedir(dir);
	if (o->count > 1)
		qsort(o->segments, o->count, sizeof(*o->segments), segment_compare);
	return rc;
}

/* Go on where the last segment ends. */
static mk_result
open_last(struct outbox *o, mk_err *err)
{
	struct segment *s = segments_last(o);
	struct segment_reader *r = &o->cursor.file;
	mk_result opened = segment_read_open(r, o->dir_fd, s->first, s->size);
	mk_result rc = opened == MK_EFORMAT ? MK_OK : opened;
	uint64_t end = s->size;

	o->next = s->first;
	if (rc == MK_EABI)
		return mk_err_set(err, rc, "the files are of another version or machine");
	if (rc == MK_OK && s->size >= HEADER_BYTES)
		rc = segment_scan(r, &end, &o->next);
	if (rc != MK_OK)
		return mk_err_set(err, rc, "read %016llx.log: %s", (unsigned long long)s->first,
				  mk_result_text(rc));
	if (opened != MK_OK) {
		/* Never the same name for other records; but a crash before
		 * the header was written left none. */
		if (s->size >= HEADER_BYTES && o->next == s->first)
			o->next++;
		return MK_OK;
	}
	o->salt = r->salt;
	o->fd = segment_open(o->dir_fd, s->first, O_WRONLY | O_APPEND);
	if (end == s->size)
		return MK_OK;
	log_info("outbox", "%s: the end was cut off by a crash  segment=%016llx bytes=%llu",
		 o->name, (unsigned long long)s->first, (unsigned long long)(s->size - end));
	if (o->fd != -1 && ftruncate(o->fd, (off_t)end) == -1)
		outbox_close_fd(&o->fd);
	o->bytes -= s->size - end;
	s->size = end;
	return MK_OK;
}

static mk_result
open_segments(struct outbox *o, mk_err *err)
{
	mk_result rc;

	mark_load(o);
	rc = open_list(o, err);
	if (rc != MK_OK)
		return rc;
	/* The mark may be older than the last removal. */
	if (o->count > 0 && o->segments[0].first > o->trimmed + 1)
		o->trimmed = o->segments[0].first - 1;
	if (o->count > 0)
		rc = open_last(o, err);
	cursor_close(&o->cursor);
	if (rc != MK_OK)
		return rc;
	if (o->next <= o->trimmed) { /* new, or a power cut left more of the mark */
		o->next = o->trimmed + 1;
		outbox_close_fd(&o->fd);
	}
	segments_recycle(o);
	return MK_OK;
}

mk_result
outbox_open(struct outbox **out, const char *dir, uint64_t max_bytes, uint64_t segment_bytes,
	    mk_err *err)
{
	struct outbox *o = calloc(1, sizeof(*o));
	size_t len = strlen(dir);
	mk_result rc;

	*out = NULL;
	if (o == NULL)
		return mk_err_set(err, MK_ENOMEM, "outbox %s: out of memory", dir);
	pthread_mutex_init(&o->sync_lock, NULL);
	pthread_mutex_init(&o->lock, NULL);
	o->lock_fd = o->mark_fd = o->fd = o->cursor.file.fd = -1;
	o->max_bytes = max_bytes;
	o->segment_bytes = segment_bytes == 0 ? SEGMENT_DEFAULT : segment_bytes;
	if (o->segment_bytes > max_bytes / 8) /* or trimming could not make room */
		o->segment_bytes = max_bytes / 8;
	snprintf(o->name, sizeof(o->name), "%s",
		 len < sizeof(o->name) ? dir : dir + len - sizeof(o->name) + 1);

	o->dir_fd = -1;
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		o->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = o->dir_fd == -1 ? mk_err_errno(err, "open the directory") : open_lock(o, err);
	if (rc == MK_OK) {
		o->mark_fd = openat(o->dir_fd, "mark", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (o->mark_fd == -1)
			rc = mk_err_errno(err, "open the mark");
	}
	if (rc == MK_OK)
		rc = open_segments(o, err);
	if (rc != MK_OK) {
		outbox_close(o);
		mk_err_wrap(err, "outbox %s", dir);
		return rc;
	}
	*out = o;
	return MK_OK;
}

void
outbox_close(struct outbox *o)
{
	if (o == NULL)
		return;
	if (o->mark_changed)
		mark_save(o);
	segment_read_free(&o->cursor.file);
	outbox_close_fd(&o->fd);
	outbox_close_fd(&o->mark_fd);
	outbox_close_fd(&o->lock_fd);
	outbox_close_fd(&o->dir_fd);
	pthread_mutex_destroy(&o->lock);
	pthread_mutex_destroy(&o->sync_lock);
	free(o->segments);
	free(o);
}

/* ----------------------------------------------------------- appending --- */

/* See to it that the last segment can take `size` bytes. */
static mk_result
append_prepare(struct outbox *o, uint64_t size)
{
	for (int attempt = 0; attempt < 2 && o->next < SEGMENT_NUMBER_MAX; attempt++) {
		bool begin = o->fd == -1 || (segments_last(o)->size > HEADER_BYTES &&
					     segments_last(o)->size + size > o->segment_bytes);
		uint64_t need = size + (begin ? HEADER_BYTES : 0);

		if (o->bytes <= o->max_bytes && need <= o->max_bytes - o->bytes)
			return begin ? segments_begin(o) : MK_OK;
		segments_recycle(o); /* in case it failed when that was trimmed */
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
	if (ftruncate(o->fd, (off_t)segments_last(o)->size) == -1)
		outbox_close_fd(&o->fd);
	return rc;
}

/* The record is in the file: account for it, and hand it to a reader whose
 * window ends right before it. */
static void
append_done(struct outbox *o, struct iovec head, struct iovec body)
{
	struct segment *s = segments_last(o);
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
	mk_result rc;

	pthread_mutex_unlock(&o->lock);
	rc = fd != -1 && fdatasync(fd) == 0 ? MK_OK : MK_EIO;
	outbox_close_fd(&fd);
	pthread_mutex_lock(&o->lock);
	s = segments_unsynced(o, first);
	if (rc == MK_OK && s != NULL && s->first == first) /* not trimmed meanwhile */
		s->unsynced -= count;
	return rc;
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
	if (from < s->lost_to)
		from = s->lost_to;
	if (from <= o->trimmed)
		from = o->trimmed + 1;
	if (from >= to)
		return;
	s->lost_to = to;
	o->damaged += to - from;
	log_warn("outbox", "%s: records are damaged  segment=%016llx from=%llu count=%llu", o->name,
		 (unsigned long long)s->first, (unsigned long long)from,
		 (unsigned long long)(to - from));
}

/* Put the cursor at the start of a segment, unless it is on it. */
static mk_result
next_open(struct outbox *o, const struct segment *s)
{
	struct cursor *c = &o->cursor;
	mk_result rc;

	if (c->first == s->first)
		return MK_OK;
	cursor_close(c);
	rc = segment_read_open(&c->file, o->dir_fd, s->first, s->size);
	if (rc != MK_OK)
		return rc;
	c->first = s->first;
	c->number = s->first;
	c->pos = HEADER_BYTES;
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
		cursor_close(c); /* a segment is read from its start */
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
		segments_recycle(o);
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
