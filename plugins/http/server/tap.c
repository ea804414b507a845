/* SPDX-License-Identifier: MIT
 *
 * Both ways a message is its length in 4 bytes, little-endian, and a msgpack map: core/control.h. Who
 * wants what is under the lock; the rest belongs to the plugin's thread.
 */
#define _GNU_SOURCE
#include "tap.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <meshkern/codec.h>
#include <meshkern/manifest.h>

#define ANSWER_MAX ((size_t)MK_BODY_MAX + (1u << 20))
#define READ_ONCE ((size_t)1 << 20) /* before others have their turn */
#define SEEN 128u                   /* topics whose sequences are looked at */

struct tap {
	const mk_host *host;
	const char *const *own;
	tap_message *fn;
	void *arg;
	int fd; /* -1: nobody looks, or enough came in this second */
	uint32_t budget, bytes_budget;
	uint8_t *in;
	size_t in_len, in_cap;
	mk_doc doc, frame;
	bool told; /* that it cannot be had */
	struct {
		char topic[MK_TOPIC_MAX + 1];
		uint64_t epoch, next;
	} seen[SEEN];
	uint32_t seen_count;
	pthread_mutex_t lock; /* of what follows */
	struct {
		char topic[MK_TOPIC_MAX + 2];
		uint32_t clients;
	} wanted[TAP_TOPICS];
	uint32_t wanted_count;
	bool changed, stopping;
	uint64_t messages, lost, pauses;
};

struct tap *
tap_new(const mk_host *host, const char *const *own, tap_message *fn, void *arg)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->host = host;
	t->own = own;
	t->fn = fn;
	t->arg = arg;
	t->fd = -1;
	t->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
	t->budget = TAP_PER_SECOND;
	t->bytes_budget = TAP_BYTES_PER_SECOND;
	mk_doc_init(&t->doc);
	mk_doc_init(&t->frame);
	return t;
}

static void
tap_hang_up(struct tap *t)
{
	if (t->fd == -1)
		return;
	(void)t->host->watch_fd(t->host, t->fd, 0);
	close(t->fd);
	t->fd = -1;
	/* There may have been a large message, and for most of the time nobody looks. */
	free(t->in);
	t->in = NULL;
	t->in_len = t->in_cap = 0;
	mk_doc_fini(&t->doc);
	mk_doc_fini(&t->frame);
}

void
tap_free(struct tap *t)
{
	if (t == NULL)
		return;
	if (t->fd != -1)
		close(t->fd);
	free(t->in);
	mk_doc_fini(&t->doc);
	mk_doc_fini(&t->frame);
	free(t);
}

/* ------------------------------------------------------------ connection -- */

static mk_result
tap_connect(struct tap *t)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/../../control.sock",
			 t->host->dir(t->host, MK_DIR_RUN));

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return MK_ETOOBIG;
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd == -1)
		return MK_EIO;
	if (connect(t->fd, (struct sockaddr *)&address, sizeof(address)) == -1 ||
	    t->host->watch_fd(t->host, t->fd, MK_FD_READ) != MK_OK) {
		close(t->fd);
		t->fd = -1;
		return MK_EUNAVAIL;
	}
	t->in_len = 0;
	return MK_OK;
}

static mk_result
tap_ask(struct tap *t, const struct tap_stats *want)
{
	uint8_t head[4];
	mk_result rc;
	mk_writer w;

	mk_writer_init(&w, 8192);
	mk_put_map(&w, 3);
	mk_kv_u64(&w, "id", 1);
	mk_kv_str(&w, "do", "tail");
	mk_kv_array(&w, "topics", want->count);
	for (uint32_t i = 0; i < want->count; i++)
		mk_put_str(&w, want->topics[i]);
	rc = mk_writer_end(&w);
	for (int i = 0; i < 4; i++)
		head[i] = (uint8_t)(w.len >> 8 * i);
	/* What the socket's buffer does not take at once is a daemon that is stuck. */
	if (rc == MK_OK && (send(t->fd, head, 4, MSG_NOSIGNAL | MSG_MORE) != 4 ||
			    send(t->fd, w.data, w.len, MSG_NOSIGNAL) != (ssize_t)w.len))
		rc = MK_EIO;
	mk_writer_fini(&w);
	return rc;
}

/* The daemon is asked for what is wanted now. */
static void
tap_update(struct tap *t)
{
	struct tap_stats want;
	mk_result rc = MK_OK;
	char line[160];
	bool stopping;

	pthread_mutex_lock(&t->lock);
	t->changed = false;
	stopping = t->stopping;
	pthread_mutex_unlock(&t->lock);
	tap_get_stats(t, &want);
	/* What was not asked for is nobody's loss. */
	if (want.count == 0 || t->fd != -1)
		t->seen_count = 0;
	if (want.count == 0 || stopping) {
		tap_hang_up(t);
		return;
	}
	if (t->fd == -1)
		rc = tap_connect(t);
	if (rc == MK_OK)
		rc = tap_ask(t, &want);
	if (rc == MK_OK) {
		t->told = false;
		return;
	}
	tap_hang_up(t);
	if (t->told)
		return;
	t->told = true;
	(void)snprintf(line, sizeof(line), "the daemon shows no more topics: %s",
		       mk_result_text(rc));
	t->host->log(t->host, MK_LOG_WARN, line);
}

static void
tap_posted(void *arg)
{
	struct tap *t = arg;
	bool changed;

	pthread_mutex_lock(&t->lock);
	changed = t->changed;
	pthread_mutex_unlock(&t->lock);
	if (changed && t->budget > 0)
		tap_update(t);
}

/* ---------------------------------------------------------------- wanted -- */

/* The place of a topic, or the one behind the last. Locked. */
static uint32_t
tap_place(const struct tap *t, const char *topic)
{
	uint32_t i = 0;

	while (i < t->wanted_count && strcmp(t->wanted[i].topic, topic) != 0)
		i++;
	return i;
}

/* If it cannot be posted, the timer finds it. */
static void
tap_tell(struct tap *t, bool changed)
{
	if (changed)
		(void)t->host->post(t->host, tap_posted, t);
}

bool
tap_want(struct tap *t, const char *topic)
{
	bool fresh, good = true;
	uint32_t i;

	pthread_mutex_lock(&t->lock);
	i = tap_place(t, topic);
	fresh = i == t->wanted_count;
	if (fresh && (i == TAP_TOPICS || t->stopping)) {
		good = false;
	} else if (fresh) {
		(void)snprintf(t->wanted[i].topic, sizeof(t->wanted[i].topic), "%s", topic);
		t->wanted[i].clients = 1;
		t->wanted_count++;
		t->changed = true;
	} else {
		t->wanted[i].clients++;
	}
	pthread_mutex_unlock(&t->lock);
	tap_tell(t, good && fresh);
	return good;
}

void
tap_drop(struct tap *t, const char *topic)
{
	bool last = false;
	uint32_t i;

	pthread_mutex_lock(&t->lock);
	i = tap_place(t, topic);
	if (i < t->wanted_count && --t->wanted[i].clients == 0) {
		t->wanted[i] = t->wanted[--t->wanted_count];
		t->changed = true;
		last = !t->stopping;
	}
	pthread_mutex_unlock(&t->lock);
	tap_tell(t, last);
}

void
tap_get_stats(struct tap *t, struct tap_stats *out)
{
	*out = (struct tap_stats){ 0 };
	pthread_mutex_lock(&t->lock);
	out->messages = t->messages;
	out->lost = t->lost;
	out->pauses = t->pauses;
	out->count = t->wanted_count;
	for (uint32_t i = 0; i < t->wanted_count; i++) {
		out->clients += t->wanted[i].clients;
		memcpy(out->topics[i], t->wanted[i].topic, sizeof(out->topics[i]));
	}
	pthread_mutex_unlock(&t->lock);
}

/* --------------------------------------------------------------- answers -- */

/* How many of the topic are missing before this one. */
static uint64_t
tap_missing(struct tap *t, const mk_msg *m)
{
	uint64_t missing;
	uint32_t i = 0;

	while (i < t->seen_count && strcmp(t->seen[i].topic, m->topic) != 0)
		i++;
	if (i == SEEN)
		return 0;
	if (i == t->seen_count) {
		(void)snprintf(t->seen[i].topic, sizeof(t->seen[i].topic), "%s", m->topic);
		t->seen[i].epoch = 0;
		t->seen_count++;
	}
	missing =
	    t->seen[i].epoch == m->epoch && m->seq > t->seen[i].next ? m->seq - t->seen[i].next : 0;
	t->seen[i].epoch = m->epoch;
	t->seen[i].next = m->seq + 1;
	return missing;
}

static bool
tap_is_own(const struct tap *t, const char *topic)
{
	for (const char *const *own = t->own; *own != NULL; own++)
		if (mk_topic_covers(*own, topic))
			return true;
	return false;
}

/* "topic [header, body]": docs/events.md. False: it is none. */
static bool
tap_frame(struct tap *t, const uint8_t *data, size_t len)
{
	const mk_limits limits = { mk_limits_default.max_depth + 1, mk_limits_default.max_nodes };
	const uint8_t *space = memchr(data, ' ', len < MK_TOPIC_MAX + 1 ? len : MK_TOPIC_MAX + 1);
	char topic[MK_TOPIC_MAX + 1] = "", origin[MK_ID_MAX + 1];
	mk_msg m = { .struct_size = sizeof(m), .topic = topic, .origin = origin };
	size_t n = space == NULL ? 0 : (size_t)(space - data);
	const mk_val *header;
	struct event *e;
	uint64_t missing;

	if (n == 0)
		return false;
	memcpy(topic, data, n);
	data += n + 1;
	len -= n + 1;
	if (mk_doc_open(&t->frame, data, len, &limits, NULL, 0) != MK_OK)
		return false;
	header = mk_at(mk_doc_root(&t->frame), 0);
	if (data[0] != 0x92 || !mk_get_u64(mk_at(header, 1), &m.epoch) ||
	    !mk_get_u64(mk_at(header, 2), &m.seq) || !mk_get_u64(mk_at(header, 3), &m.time_us) ||
	    !mk_copy_str(mk_at(header, 4), origin, sizeof(origin)) ||
	    !mk_get_u32(mk_at(header, 6), &m.flags) || !mk_is_map(mk_at(mk_doc_root(&t->frame), 1)))
		return false;
	/* A gap shows in the sequence of what follows it. */
	if ((m.flags & MK_MSG_GAP) != 0 || tap_is_own(t, topic))
		return true;
	n = 1 + mk_length(data + 1, len - 1); /* the array's head, and the header */
	m.body = data + n;
	m.body_len = (uint32_t)(len - n);
	missing = tap_missing(t, &m);
	e = event_new(&m);
	pthread_mutex_lock(&t->lock);
	t->messages += e != NULL;
	t->lost += missing + (e == NULL);
	pthread_mutex_unlock(&t->lock);
	if (e != NULL)
		t->fn(t->arg, e);
	return true;
}

/* False: the connection is of no use any more, or not in this second. */
static bool
tap_answer(struct tap *t, const uint8_t *data, size_t len)
{
	const mk_val *frames;
	const uint8_t *frame;
	int64_t result;
	size_t n;

	if (mk_doc_open(&t->doc, data, len, NULL, NULL, 0) != MK_OK ||
	    !mk_get_i64(mk_find(mk_doc_root(&t->doc), "result"), &result) || result != MK_OK)
		return false;
	frames = mk_find(mk_find(mk_doc_root(&t->doc), "data"), "frames");
	for (uint32_t i = 0; i < mk_count(frames); i++) {
		if (!mk_get_bin(mk_at(frames, i), &frame, &n) || !tap_frame(t, frame, n))
			return false;
		t->budget--;
		t->bytes_budget = n < t->bytes_budget ? t->bytes_budget - (uint32_t)n : 0;
		if (t->budget > 0 && t->bytes_budget > 0)
			continue;
		t->budget = 0;
		pthread_mutex_lock(&t->lock);
		t->pauses++;
		pthread_mutex_unlock(&t->lock);
		return false;
	}
	return true;
}

/* The complete answers of what was read. */
static bool
tap_answers(struct tap *t)
{
	size_t at = 0;
	bool good = true;

	while (good && t->in_len - at >= 4) {
		const uint8_t *p = t->in + at;
		size_t len =
		    (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

		if (len > ANSWER_MAX)
			return false;
		if (t->in_len - at - 4 < len)
			break;
		good = tap_answer(t, p + 4, len);
		at += 4 + len;
	}
	t->in_len -= at;
	if (at > 0)
		memmove(t->in, t->in + at, t->in_len);
	return good;
}

static bool
tap_room(struct tap *t)
{
	size_t cap = t->in_cap == 0 ? 65536 : 2 * t->in_cap;
	uint8_t *in;

	if (t->in_len < t->in_cap)
		return true;
	in = cap > 2 * ANSWER_MAX ? NULL : realloc(t->in, cap);
	if (in == NULL)
		return false;
	t->in = in;
	t->in_cap = cap;
	return true;
}

void
tap_on_fd(struct tap *t)
{
	size_t got = 0;

	while (t->fd != -1 && got < READ_ONCE) {
		ssize_t n = tap_room(t) ? recv(t->fd, t->in + t->in_len, t->in_cap - t->in_len,
					       MSG_DONTWAIT)
					: 0;

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0) {
			got += (size_t)n;
			t->in_len += (size_t)n;
		}
		if (n <= 0 || !tap_answers(t))
			tap_hang_up(t);
	}
}

void
tap_on_timer(struct tap *t)
{
	t->budget = TAP_PER_SECOND;
	t->bytes_budget = TAP_BYTES_PER_SECOND;
	pthread_mutex_lock(&t->lock);
	t->changed = t->changed || (t->fd == -1 && t->wanted_count > 0);
	pthread_mutex_unlock(&t->lock);
	tap_posted(t);
}

void
tap_stop(struct tap *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	pthread_mutex_unlock(&t->lock);
	tap_hang_up(t);
}
