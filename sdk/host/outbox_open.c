/* SPDX-License-Identifier: MIT
 *
 * Opening an outbox: the lock, the mark, and where the last segment ends.
 */
#include "outbox_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "clock.h"

#define MARK_MAGIC "MKTRIMMD"
#define SEGMENT_DEFAULT (8u << 20)

struct mark {
	char magic[8];
	uint64_t trimmed;
	uint32_t crc; /* of what stands before it */
	uint32_t reserved;
};

void
outbox_close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static uint32_t
mark_crc(const struct mark *mark)
{
	return (uint32_t)crc32_z(0, (const uint8_t *)mark, offsetof(struct mark, crc));
}

void
outbox_save_mark(struct outbox *o)
{
	struct mark mark = { .magic = MARK_MAGIC, .trimmed = o->trimmed };

	mark.crc = mark_crc(&mark);
	o->mark_time_us = clock_now_us();
	if (pwrite(o->mark_fd, &mark, sizeof(mark), 0) == (ssize_t)sizeof(mark))
		o->mark_changed = false;
	else
		outbox_warn(o, "write the mark");
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
	/* A segment overlooked would be numbers given twice: no error is ignored. */
	while (rc == MK_OK && (errno = 0, entry = readdir(dir)) != NULL) {
		uint64_t first = segment_parse_name(entry->d_name);
		struct stat st;

		if (first == 0)
			continue;
		if (fstatat(o->dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			rc = mk_err_errno(err, "%s", entry->d_name);
		else if (S_ISREG(st.st_mode) && !outbox_push(o, first, (uint64_t)st.st_size))
			rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	if (rc == MK_OK && errno != 0)
		rc = mk_err_errno(err, "list the directory");
	closedir(dir);
	if (o->count > 1)
		qsort(o->segments, o->count, sizeof(*o->segments), segment_compare);
	return rc;
}

/* Go on where the last segment ends. */
static mk_result
open_last(struct outbox *o, mk_err *err)
{
	struct segment *s = outbox_last(o);
	struct segment_reader *r = &o->cursor.file;
	mk_result opened = segment_read_open(r, o->dir_fd, s->first, s->size);
	mk_result rc = opened;
	uint64_t end;

	o->next = s->first;
	if (rc == MK_EABI)
		return mk_err_set(err, rc, "the files are of another version or machine");
	if (rc == MK_OK || rc == MK_EFORMAT)
		rc = segment_scan(r, &end, &o->next);
	if (rc != MK_OK)
		return mk_err_set(err, rc, "read %016llx.log: %s", (unsigned long long)s->first,
				  mk_result_text(rc));
	if (opened != MK_OK) { /* a header that rotted */
		if (o->next == s->first)
			o->next++; /* or its name would be used again */
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
	uint64_t next;
	mk_result rc;

	mark_load(o);
	rc = open_list(o, err);
	if (rc != MK_OK)
		return rc;
	/* The mark may be older than the last removal. */
	if (o->count > 0 && o->segments[0].first > o->trimmed + 1)
		o->trimmed = o->segments[0].first - 1;
	next = o->trimmed + 1;
	/* The crash came before the header: no record, but the name still counts. */
	while (o->count > 0 && outbox_last(o)->size < OUTBOX_HEADER_BYTES) {
		next = outbox_last(o)->first > next ? outbox_last(o)->first : next;
		if (!segment_remove(o->dir_fd, outbox_last(o)->first))
			return mk_err_errno(err, "remove an empty segment");
		o->bytes -= o->segments[--o->count].size;
	}
	if (o->count > 0)
		rc = open_last(o, err);
	outbox_leave_segment(&o->cursor);
	if (rc != MK_OK)
		return rc;
	if (o->next < next) { /* new, or a power cut took more of the segments */
		o->next = next;
		outbox_close_fd(&o->fd);
	}
	outbox_recycle(o);
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
		outbox_save_mark(o);
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
