/* SPDX-License-Identifier: MIT
 *
 * The files inbox-0 and inbox-1. A record is u32 length, u32 CRC-32 of what follows, u8 topic, and
 * the item, in the byte order of the machine: nobody else ever reads it. Nothing is synced, as the
 * outbox is not either at that moment: the page cache survives the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "inbox.h"

#define HEAD 9u
#define ITEM_MAX (1u << 20)
#define FILE_MAX (1u << 30) /* what is longer was not written by us */

/* ------------------------------------------------------------- records -- */

/* The length of the good record at `at`, with its head; 0 if there is none. */
static size_t
record_length(const struct inbox_half *h, size_t at)
{
	uint32_t len, crc;

	if (h->len - at < HEAD)
		return 0;
	memcpy(&len, h->data + at, 4);
	memcpy(&crc, h->data + at + 4, 4);
	if (len > ITEM_MAX || len > h->len - at - HEAD || h->data[at + 8] >= INBOX_TOPICS ||
	    crc32(0, h->data + at + 8, len + 1) != crc)
		return 0;
	return HEAD + len;
}

bool
inbox_next(const struct inbox_half *h, size_t *at, struct inbox_item *out)
{
	uint32_t len;

	if (*at >= h->len)
		return false;
	memcpy(&len, h->data + *at, 4);
	out->topic = h->data[*at + 8];
	out->data = h->data + *at + HEAD;
	out->len = len;
	*at += HEAD + len;
	return true;
}

/* --------------------------------------------------------------- halves -- */

static bool
half_grow(struct inbox_half *h, size_t more)
{
	size_t cap = h->cap == 0 ? 65536 : h->cap;
	uint8_t *data;

	while (cap < h->len + more)
		cap *= 2;
	if (cap == h->cap)
		return true;
	data = realloc(h->data, cap);
	if (data == NULL)
		return false;
	h->data = data;
	h->cap = cap;
	return true;
}

/* If that fails, records that are in the outbox are published again by the next process. */
static void
half_cut(const struct inbox_half *h)
{
	if (ftruncate(h->fd, (off_t)h->len) == -1)
		return;
}

/* All bytes or none. */
static bool
half_write(const struct inbox_half *h, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pwrite(h->fd, h->data + h->len + done, len - done, (off_t)(h->len + done));

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			half_cut(h);
			return false;
		}
		done += (size_t)n;
	}
	return true;
}

static mk_result
half_append(struct inbox_half *h, uint32_t topic, const void *item, uint32_t len)
{
	uint8_t *to;
	uint32_t crc;

	if (!half_grow(h, HEAD + len))
		return MK_ENOMEM;
	to = h->data + h->len;
	to[8] = (uint8_t)topic;
	memcpy(to + HEAD, item, len);
	crc = (uint32_t)crc32(0, to + 8, len + 1);
	memcpy(to, &len, 4);
	memcpy(to + 4, &crc, 4);
	if (!half_write(h, HEAD + len))
		return MK_EIO;
	h->len += HEAD + len;
	return MK_OK;
}

static mk_result
half_read(struct inbox_half *h, size_t size, mk_err *err)
{
	if (!half_grow(h, size))
		return mk_err_set(err, MK_ENOMEM, "%zu bytes", size);
	while (h->len < size) {
		ssize_t n = pread(h->fd, h->data + h->len, size - h->len, (off_t)h->len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return mk_err_set(err, MK_EIO, "read: %s", strerror(errno));
		if (n == 0)
			break;
		h->len += (size_t)n;
	}
	return MK_OK;
}

/* Keeps the good records from the start on. What is behind them was being written when the process
 * was killed, and so was not acknowledged. */
static mk_result
half_open(struct inbox_half *h, const char *path, uint32_t *damaged, mk_err *err)
{
	struct stat st;
	size_t good = 0, n;
	mk_result rc;

	h->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (h->fd == -1 || fstat(h->fd, &st) == -1)
		return mk_err_set(err, MK_EIO, "%s: %s", path, strerror(errno));
	if (st.st_size > (off_t)FILE_MAX)
		return mk_err_set(err, MK_ETOOBIG, "%s: %lld bytes", path, (long long)st.st_size);
	rc = half_read(h, (size_t)st.st_size, err);
	if (rc != MK_OK)
		return rc;
	while ((n = record_length(h, good)) > 0)
		good += n;
	*damaged += good < h->len;
	h->len = good;
	if (good < (size_t)st.st_size && ftruncate(h->fd, (off_t)good) == -1)
		return mk_err_set(err, MK_EIO, "%s: %s", path, strerror(errno));
	return MK_OK;
}

/* ---------------------------------------------------------------- inbox -- */

mk_result
inbox_open(struct inbox *b, const char *dir, size_t limit, mk_err *err)
{
	mk_result rc = MK_OK;

	*b = (struct inbox){ .half = { { .fd = -1 }, { .fd = -1 } }, .limit = limit };
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->room, NULL);
	for (uint32_t i = 0; i < 2 && rc == MK_OK; i++) {
		char path[4096];

		if (snprintf(path, sizeof(path), "%s/inbox-%u", dir, i) >= (int)sizeof(path))
			rc = mk_err_set(err, MK_ETOOBIG, "%s: too long", dir);
		else
			rc = half_open(&b->half[i], path, &b->damaged, err);
	}
	if (rc != MK_OK)
		inbox_close(b);
	return rc;
}

void
inbox_close(struct inbox *b)
{
	for (uint32_t i = 0; i < 2; i++) {
		if (b->half[i].fd != -1)
			close(b->half[i].fd);
		free(b->half[i].data);
		b->half[i] = (struct inbox_half){ .fd = -1 };
	}
	pthread_cond_destroy(&b->room);
	pthread_mutex_destroy(&b->lock);
}

/* Whoever waits here keeps Paho from reading on, which is how a broker is told to wait. Nobody tells
 * when a disk has room again, so inbox_wake() comes now and then. The lock is held over the write: it
 * goes to the page cache, and the halves must not change places during it. */
mk_result
inbox_put(struct inbox *b, uint32_t topic, const void *item, uint32_t len)
{
	mk_result rc;

	if (len > ITEM_MAX)
		return MK_ETOOBIG;
	pthread_mutex_lock(&b->lock);
	for (;;) {
		bool full = b->half[0].len + b->half[1].len + HEAD + len > b->limit;

		rc = MK_EFULL;
		if (!full || b->closing)
			rc = half_append(&b->half[b->filling], topic, item, len);
		if (rc == MK_OK || b->closing)
			break;
		pthread_cond_wait(&b->room, &b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

void
inbox_end(struct inbox *b)
{
	pthread_mutex_lock(&b->lock);
	b->closing = true;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

void
inbox_wake(struct inbox *b)
{
	pthread_mutex_lock(&b->lock);
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

void
inbox_set_limit(struct inbox *b, size_t limit)
{
	pthread_mutex_lock(&b->lock);
	b->limit = limit;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

size_t
inbox_bytes(struct inbox *b)
{
	size_t n;

	pthread_mutex_lock(&b->lock);
	n = b->half[0].len + b->half[1].len;
	pthread_mutex_unlock(&b->lock);
	return n;
}

const struct inbox_half *
inbox_take(struct inbox *b)
{
	const struct inbox_half *h;

	pthread_mutex_lock(&b->lock);
	if (b->half[!b->filling].len == 0)
		b->filling = !b->filling;
	h = &b->half[!b->filling];
	pthread_mutex_unlock(&b->lock);
	return h->len > 0 ? h : NULL;
}

void
inbox_done(struct inbox *b)
{
	struct inbox_half *h;

	pthread_mutex_lock(&b->lock);
	h = &b->half[!b->filling];
	h->len = 0;
	half_cut(h);
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}
