/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command.h"
#include "frame.h"

#define CLIENTS_MAX 32u
#define REQUEST_MAX (16u << 20) /* bytes */
#define OUT_HIGH (256u << 10)   /* a stream waits above this, its reader is slower */
#define FRAMES_MAX 256u         /* frames in one answer of a stream */
#define TOPICS_MAX_TAIL 16u

struct stream_state { /* tail or replay */
	bool on, ends;
	uint32_t id;
	uint64_t left; /* replay: messages still wanted */
	struct reader reader;
	uint32_t topic_count; /* tail: 0 = everything */
	char topics[TOPICS_MAX_TAIL][MK_TOPIC_MAX + 1];
};

struct client {
	struct control *ctl;
	uint64_t serial; /* tells it from a later client in the same slot */
	int fd;          /* -1: free slot */
	struct loop_watch *watch;
	uint8_t *in;
	size_t in_len, in_cap;
	struct wire_out out;
	size_t out_at;
	struct stream_state stream;
};

struct control {
	struct core *core;
	int fd;
	char path[108];
	struct loop_watch *watch;
	uint64_t serial;
	struct client clients[CLIENTS_MAX];
	mk_writer writer, scratch;
	struct wire_out frame, frames;
};

struct control_call { /* an answer that comes later */
	struct control *ctl;
	uint64_t serial;
	uint32_t slot, id;
};

static void
client_close(struct client *k)
{
	loop_unwatch(k->watch);
	close(k->fd);
	free(k->in);
	wire_fini(&k->out);
	*k = (struct client){ .ctl = k->ctl, .fd = -1 };
}

static size_t
client_waiting(const struct client *k)
{
	return k->out.len - k->out_at;
}

static void
client_flush(struct client *k)
{
	while (k->out_at < k->out.len) {
		ssize_t n = send(k->fd, k->out.data + k->out_at, k->out.len - k->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && errno == EAGAIN)
			break;
		if (n <= 0) {
			client_close(k);
			return;
		}
		k->out_at += (size_t)n;
	}
	if (client_waiting(k) == 0) {
		wire_clear(&k->out);
		k->out_at = 0;
	} else if (k->out_at > OUT_HIGH) { /* a slow reader may never take all of it */
		wire_drop(&k->out, k->out_at);
		k->out_at = 0;
	}
	/* Who does not read its answers asks no more. */
	loop_watch_events(k->watch, (client_waiting(k) < OUT_HIGH ? LOOP_READ : 0) |
					(client_waiting(k) > 0 ? LOOP_WRITE : 0));
}

/* The map in ctl->writer, as one answer. */
static void
client_send(struct client *k)
{
	mk_writer *w = &k->ctl->writer;

	if (mk_writer_end(w) != MK_OK)
		return;
	k->out.failed = false;
	wire_u32(&k->out, (uint32_t)w->len);
	wire_rest(&k->out, w->data, w->len);
	if (k->out.failed)
		client_close(k);
	else
		client_flush(k);
}

static void
client_answer(struct client *k, uint32_t id, mk_result result, const char *error,
	      const uint8_t *data, size_t len)
{
	mk_writer *w = &k->ctl->writer;

	mk_writer_reset(w);
	mk_put_map(w, 4);
	mk_kv_u64(w, "id", id);
	mk_kv_i64(w, "result", result);
	mk_kv_str(w, "error", error);
	mk_put_str(w, "data");
	if (len > 0)
		mk_put_raw(w, data, len);
	else
		mk_put_map(w, 0);
	if (mk_writer_end(w) != MK_OK)
		client_answer(k, id, MK_EFORMAT, "the answer could not be written", NULL, 0);
	else
		client_send(k);
}

/* ---------------------------------------------------------- later answers -- */

static struct control_call *
call_new(struct client *k, uint32_t id)
{
	struct control_call *call = malloc(sizeof(*call));

	if (call != NULL)
		*call = (struct control_call){ .ctl = k->ctl,
					       .serial = k->serial,
					       .slot = (uint32_t)(k - k->ctl->clients),
					       .id = id };
	return call;
}

static void
call_end(struct control_call *call, mk_result result, const char *error, const uint8_t *data,
	 size_t len)
{
	struct client *k = &call->ctl->clients[call->slot];

	if (k->fd != -1 && k->serial == call->serial)
		client_answer(k, call->id, result, error, data, len);
	free(call);
}

static void
control_on_command(void *arg, mk_result result, const char *error, const mk_writer *body)
{
	call_end(arg, result, error, body != NULL ? body->data : NULL,
		 body != NULL ? body->len : 0);
}

static void
control_on_reply(void *arg, mk_result result, const char *error, const uint8_t *body, uint32_t len)
{
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 1);
	mk_kv_bin(&w, "body", body, len);
	call_end(arg, result, error, w.data, w.len);
	mk_writer_fini(&w);
}

static void
control_call(struct client *k, uint32_t id, const mk_val *request)
{
	struct core *c = k->ctl->core;
	struct control_call *call = call_new(k, id);
	uint64_t timeout = c->plan->settings->call_timeout_us, hub_id;
	const uint8_t *body = (const uint8_t *)"\x80";
	size_t len = 1;
	char method[MK_TOPIC_MAX + 1];
	mk_result rc = MK_EINVAL;

	if (call == NULL)
		return;
	mk_get_u64(mk_find(request, "timeout_us"), &timeout);
	mk_get_bin(mk_find(request, "body"), &body, &len);
	if (mk_copy_str(mk_find(request, "method"), method, sizeof(method)) &&
	    mk_validate(body, len, NULL, NULL, 0) == MK_OK)
		rc = hub_ask(c->hub, method, body, (uint32_t)len, timeout, control_on_reply, call,
			     &hub_id);
	if (rc != MK_OK)
		call_end(call, rc, mk_result_text(rc), NULL, 0);
}

/* ---------------------------------------------------------------- streams -- */

static bool
stream_wants(void *arg, const char *topic)
{
	const struct stream_state *s = arg;

	for (uint32_t i = 0; i < s->topic_count; i++) {
		size_t len = strlen(s->topics[i]);

		if (strncmp(s->topics[i], topic, len) == 0 &&
		    (topic[len] == '\0' || len == 0 || s->topics[i][len - 1] == '/'))
			return true;
	}
	return s->topic_count == 0;
}

static void
stream_put(struct client *k, struct wire_out *frames, const mk_msg *m)
{
	if (frame_write(&k->ctl->frame, &k->ctl->scratch, "", m) != MK_OK)
		return;
	wire_begin(frames, 0);
	wire_rest(frames, k->ctl->frame.data, k->ctl->frame.len);
	wire_end(frames);
}

static void
stream_put_entry(struct client *k, struct wire_out *frames, const struct entry *e, uint32_t flags)
{
	mk_msg m = { .flags = e->flags | flags,
		     .topic = e->topic->name,
		     .origin = e->origin,
		     .epoch = k->ctl->core->hub->stream.epoch,
		     .seq = e->seq,
		     .time_us = e->time_us,
		     .origin_seq = e->origin_seq,
		     .schema = e->schema,
		     .body = e->body,
		     .body_len = e->len };

	stream_put(k, frames, &m);
}

static void
stream_put_gap(struct client *k, struct wire_out *frames, const struct reader_item *gap)
{
	uint8_t body[16];
	mk_writer w;
	mk_msg m = { .flags = MK_MSG_GAP,
		     .topic = gap->topic->name,
		     .origin = "core",
		     .epoch = k->ctl->core->hub->stream.epoch,
		     .seq = gap->seq };

	mk_writer_init(&w, sizeof(body));
	mk_put_map(&w, 1);
	mk_kv_u64(&w, "lost", gap->lost);
	m.body = w.data;
	m.body_len = (uint32_t)w.len;
	if (mk_writer_end(&w) == MK_OK)
		stream_put(k, frames, &m);
	mk_writer_fini(&w);
}

/* One answer with the `count` frames that were put, and forget them. */
static void
stream_send(struct client *k, struct wire_out *frames, uint32_t count, bool more)
{
	mk_writer *w = &k->ctl->writer;
	struct wire_in in = { .p = frames->data, .end = frames->data + frames->len }, frame;
	uint8_t kind;

	mk_writer_reset(w);
	mk_put_map(w, 5);
	mk_kv_u64(w, "id", k->stream.id);
	mk_kv_i64(w, "result", MK_OK);
	mk_kv_str(w, "error", "");
	mk_kv_bool(w, "more", more);
	mk_kv_map(w, "data", 1);
	mk_kv_array(w, "frames", count);
	while (wire_next(&in, &kind, &frame))
		mk_put_bin(w, frame.p, (size_t)(frame.end - frame.p));
	wire_clear(frames);
	client_send(k);
}

static void
stream_pump(struct client *k)
{
	struct stream_state *s = &k->stream;
	enum reader_found found = READER_NOTHING;
	struct reader_item item;

	while (k->fd != -1 && s->on && client_waiting(k) < OUT_HIGH) {
		struct wire_out *frames = &k->ctl->frames;
		uint32_t n = 0;

		while (n < FRAMES_MAX && frames->len < OUT_HIGH && s->left > 0 &&
		       (found = reader_peek(&s->reader, &item)) != READER_NOTHING) {
			if (found == READER_ENTRY)
				stream_put_entry(k, frames, item.entry,
						 s->ends ? MK_MSG_REPLAYED : 0);
			else
				stream_put_gap(k, frames, &item);
			reader_pass(&s->reader, found, &item);
			s->left -= s->ends;
			n++;
		}
		found = s->left == 0 ? READER_NOTHING : found;
		if (s->ends && found == READER_NOTHING)
			s->on = false;
		if (n > 0 || !s->on)
			stream_send(k, frames, n, s->on);
		if (n == 0)
			break;
	}
}

static void
control_tail(struct client *k, uint32_t id, const mk_val *request)
{
	struct stream_state *s = &k->stream;
	const mk_val *topics = mk_find(request, "topics");
	struct hub *h = k->ctl->core->hub;
	bool retained = false;

	*s = (struct stream_state){ .id = id, .left = UINT64_MAX };
	while (s->topic_count < TOPICS_MAX_TAIL &&
	       mk_copy_str(mk_at(topics, s->topic_count), s->topics[s->topic_count],
			   sizeof(s->topics[0])))
		s->topic_count++;
	if (s->topic_count < mk_count(topics)) {
		client_answer(k, id, MK_EINVAL, "\"topics\" are names, at most 16", NULL, 0);
		return;
	}
	s->on = true;
	reader_init(&s->reader, &h->stream, stream_wants, s);
	if (mk_get_bool(mk_find(request, "retained"), &retained) && retained) {
		for (uint32_t i = 0; i < h->stream.topics.count; i++) {
			struct topic *t = h->stream.topics.at[i];
			struct wire_out *frames = &k->ctl->frames;

			for (uint32_t j = 0; stream_wants(s, t->name) && j < t->kept_count; j++)
				stream_put_entry(k, frames, t->kept[j], MK_MSG_RETAINED);
			if (frames->len > 0)
				stream_send(k, frames, t->kept_count, true);
		}
	}
	stream_pump(k);
}

static void
control_replay(struct client *k, uint32_t id, const mk_val *request)
{
	struct stream_state *s = &k->stream;
	struct hub *h = k->ctl->core->hub;
	struct topic *t;
	uint64_t from = 1, n = 0;

	*s = (struct stream_state){ .id = id, .ends = true, .topic_count = 1 };
	mk_get_u64(mk_find(request, "from"), &from);
	mk_get_u64(mk_find(request, "n"), &n);
	if (!mk_copy_str(mk_find(request, "topic"), s->topics[0], sizeof(s->topics[0])) ||
	    (t = topics_find(&h->stream.topics, s->topics[0])) == NULL) {
		client_answer(k, id, MK_ENOENT, "no such topic since the daemon started", NULL, 0);
		return;
	}
	s->on = true;
	s->left = n == 0 ? UINT64_MAX : n;
	reader_init(&s->reader, &h->stream, stream_wants, s);
	reader_from_start(&s->reader);
	s->reader.next[t->id] = from == 0 ? 1 : from;
	stream_pump(k);
}

/* --------------------------------------------------------------- requests -- */

static void
client_request(struct client *k, const uint8_t *data, size_t len)
{
	char what[32], why[128];
	struct control_call *call;
	uint32_t id = 0;
	const mk_val *root;
	mk_doc doc;

	mk_doc_init(&doc);
	if (mk_doc_open(&doc, data, len, NULL, why, sizeof(why)) != MK_OK) {
		client_answer(k, 0, MK_EFORMAT, why, NULL, 0);
		mk_doc_fini(&doc);
		return;
	}
	root = mk_doc_root(&doc);
	mk_get_u32(mk_find(root, "id"), &id);
	if (!mk_copy_str(mk_find(root, "do"), what, sizeof(what)))
		client_answer(k, id, MK_EINVAL, "\"do\" is missing", NULL, 0);
	else if (strcmp(what, "tail") == 0)
		control_tail(k, id, root);
	else if (strcmp(what, "replay") == 0)
		control_replay(k, id, root);
	else if (strcmp(what, "call") == 0)
		control_call(k, id, root);
	else if ((call = call_new(k, id)) != NULL)
		command_run(k->ctl->core, what, root, true, control_on_command, call);
	mk_doc_fini(&doc);
}

static bool
client_room(struct client *k)
{
	size_t cap = k->in_cap == 0 ? 4096 : k->in_cap * 2;
	uint8_t *in;

	if (k->in_len < k->in_cap)
		return true;
	if (cap > REQUEST_MAX && k->in_cap < REQUEST_MAX + 4)
		cap = REQUEST_MAX + 4;
	in = cap > REQUEST_MAX + 4 ? NULL : realloc(k->in, cap);
	if (in == NULL)
		return false;
	k->in = in;
	k->in_cap = cap;
	return true;
}

/* The requests that are there, unless too many answers wait. */
static void
client_serve(struct client *k)
{
	size_t at = 0;

	while (k->in_len - at >= 4 && client_waiting(k) < OUT_HIGH) {
		const uint8_t *p = k->in + at;
		size_t len =
		    (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

		if (len > REQUEST_MAX) {
			client_close(k);
			return;
		}
		if (k->in_len - at < 4 + len)
			break;
		client_request(k, p + 4, len);
		if (k->fd == -1)
			return;
		at += 4 + len;
	}
	k->in_len -= at;
	if (at == 0)
		return;
	memmove(k->in, k->in + at, k->in_len);
	/* A command begins something, and this round of plugins and bus is over. */
	loop_hurry(k->ctl->core->loop);
}

static void
client_on_ready(void *arg, uint32_t events)
{
	struct client *k = arg;
	ssize_t n = 0;

	if ((events & LOOP_WRITE) != 0)
		client_flush(k);
	if (k->fd == -1 || (events & (LOOP_READ | LOOP_ERROR)) == 0)
		return;
	if (client_room(k))
		n = recv(k->fd, k->in + k->in_len, k->in_cap - k->in_len, MSG_DONTWAIT);
	if (n > 0)
		k->in_len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		client_close(k);
}

static void
control_on_accept(void *arg, uint32_t events)
{
	struct control *ctl = arg;
	int fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *k = ctl->clients;

	(void)events;
	if (fd == -1)
		return;
	while (k < ctl->clients + CLIENTS_MAX && k->fd != -1)
		k++;
	if (k == ctl->clients + CLIENTS_MAX) {
		log_warn("control", "too many clients, one was turned away");
		close(fd);
		return;
	}
	*k = (struct client){ .ctl = ctl, .fd = fd, .serial = ++ctl->serial };
	k->watch = loop_watch(ctl->core->loop, fd, LOOP_READ, client_on_ready, k);
	if (k->watch == NULL)
		client_close(k);
}

void
control_pump(struct control *ctl)
{
	for (struct client *k = ctl->clients; k < ctl->clients + CLIENTS_MAX; k++) {
		client_serve(k);
		if (k->stream.on)
			stream_pump(k);
	}
}

mk_result
control_lock(const char *run_dir, mk_err *err)
{
	char path[1024], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1)
		return mk_err_errno(err, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		ssize_t n = read(fd, text, sizeof(text) - 1);

		close(fd);
		return mk_err_set(err, MK_EEXIST,
				  "%s: another meshkernd is running here (pid %.*s)", run_dir,
				  n > 0 ? (int)strcspn(text, "\n") : 1, n > 0 ? text : "?");
	}
	/* Never closed: the lock lives as long as the process. */
	snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) == -1 || write(fd, text, strlen(text)) == -1)
		return mk_err_errno(err, "write %s", path);
	return MK_OK;
}

mk_result
control_new(struct control **out, struct core *c, const char *run_dir, mk_err *err)
{
	struct control *ctl = calloc(1, sizeof(*ctl));
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int rv;

	if (ctl == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	ctl->core = c;
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		ctl->clients[i] = (struct client){ .ctl = ctl, .fd = -1 };
	mk_writer_init(&ctl->writer, 4 * (size_t)MK_BODY_MAX);
	mk_writer_init(&ctl->scratch, 4096);
	*out = ctl;
	ctl->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->fd == -1)
		return mk_err_errno(err, "control socket");
	if ((size_t)snprintf(ctl->path, sizeof(ctl->path), "%s/control.sock", run_dir) >=
	    sizeof(ctl->path))
		return mk_err_set(err, MK_ETOOBIG, "data_dir is too long for %s", ctl->path);
	memcpy(address.sun_path, ctl->path, sizeof(ctl->path));
	(void)unlink(ctl->path);
	mask = umask(0177);
	rv = bind(ctl->fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rv == -1 || listen(ctl->fd, 8) == -1)
		return mk_err_errno(err, "%s", ctl->path);
	ctl->watch = loop_watch(c->loop, ctl->fd, LOOP_READ, control_on_accept, ctl);
	return ctl->watch == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
}

void
control_free(struct control *ctl)
{
	if (ctl == NULL)
		return;
	for (uint32_t i = 0; i < CLIENTS_MAX; i++)
		if (ctl->clients[i].fd != -1)
			client_close(&ctl->clients[i]);
	loop_unwatch(ctl->watch);
	if (ctl->fd != -1)
		close(ctl->fd);
	if (ctl->path[0] != '\0')
		(void)unlink(ctl->path);
	mk_writer_fini(&ctl->writer);
	mk_writer_fini(&ctl->scratch);
	wire_fini(&ctl->frame);
	wire_fini(&ctl->frames);
	free(ctl);
}
