/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "wire.h"

struct client {
	struct server *server;
	uint64_t number; /* 0: free slot */
	int fd;
	struct loop_watch *watch;
	uint8_t *in;
	size_t in_len, in_cap;
	struct wire_out out;
	size_t out_at; /* up to here it was sent */
};

struct server {
	struct loop *loop;
	struct loop_watch *watch;
	int fd;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	server_message *fn;
	void *arg;
	uint64_t rounds; /* gives the numbers */
	struct client clients[SERVER_CLIENTS];
};

static void
client_close(struct client *k)
{
	loop_unwatch(k->watch);
	close(k->fd);
	free(k->in);
	wire_fini(&k->out);
	*k = (struct client){ .server = k->server };
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
	} else if (k->out_at > SERVER_WAITING_HIGH) { /* it may never take all of it */
		wire_drop(&k->out, k->out_at);
		k->out_at = 0;
	}
	loop_watch_events(k->watch, (client_waiting(k) < SERVER_WAITING_HIGH ? LOOP_READ : 0) |
					(client_waiting(k) > 0 ? LOOP_WRITE : 0));
}

static bool
client_room(struct client *k)
{
	size_t cap = k->in_cap == 0 ? 4096 : k->in_cap * 2;
	uint8_t *in;

	if (k->in_len < k->in_cap)
		return true;
	if (cap > SERVER_MESSAGE_MAX && k->in_cap < SERVER_MESSAGE_MAX + 4)
		cap = SERVER_MESSAGE_MAX + 4;
	in = cap > SERVER_MESSAGE_MAX + 4 ? NULL : realloc(k->in, cap);
	if (in == NULL)
		return false;
	k->in = in;
	k->in_cap = cap;
	return true;
}

/* The requests that are there, unless too many answers wait. */
static bool
client_serve(struct client *k)
{
	size_t at = 0;

	while (k->in_len - at >= 4 && client_waiting(k) < SERVER_WAITING_HIGH) {
		const uint8_t *p = k->in + at;
		size_t len =
		    (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

		if (len > SERVER_MESSAGE_MAX) {
			client_close(k);
			return at > 0;
		}
		if (k->in_len - at < 4 + len)
			break;
		k->server->fn(k->server->arg, k->number, p + 4, len);
		if (k->number == 0) /* it was closed while it was answered */
			return true;
		at += 4 + len;
	}
	k->in_len -= at;
	if (at > 0)
		memmove(k->in, k->in + at, k->in_len);
	return at > 0;
}

static void
client_on_ready(void *arg, uint32_t events)
{
	struct client *k = arg;
	ssize_t n = 0;

	if ((events & LOOP_WRITE) != 0)
		client_flush(k);
	if (k->number == 0 || (events & (LOOP_READ | LOOP_ERROR)) == 0)
		return;
	if (client_room(k))
		n = recv(k->fd, k->in + k->in_len, k->in_cap - k->in_len, MSG_DONTWAIT);
	if (n > 0)
		k->in_len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		client_close(k);
}

static void
server_on_accept(void *arg, uint32_t events)
{
	struct server *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t slot = 0;
	struct client *k;

	(void)events;
	if (fd == -1)
		return;
	while (slot < SERVER_CLIENTS && s->clients[slot].number != 0)
		slot++;
	if (slot == SERVER_CLIENTS) {
		log_warn("control", "too many clients, one was turned away");
		close(fd);
		return;
	}
	k = &s->clients[slot];
	*k =
	    (struct client){ .server = s, .fd = fd, .number = ++s->rounds * SERVER_CLIENTS + slot };
	k->watch = loop_watch(s->loop, fd, LOOP_READ, client_on_ready, k);
	if (k->watch == NULL)
		client_close(k);
}

bool
server_serve(struct server *s)
{
	bool served = false;

	for (uint32_t i = 0; i < SERVER_CLIENTS; i++)
		served = client_serve(&s->clients[i]) || served;
	return served;
}

bool
server_has(const struct server *s, uint64_t client)
{
	return client != 0 && s->clients[client % SERVER_CLIENTS].number == client;
}

bool
server_has_room(const struct server *s, uint64_t client)
{
	return server_has(s, client) &&
	       client_waiting(&s->clients[client % SERVER_CLIENTS]) < SERVER_WAITING_HIGH;
}

void
server_send(struct server *s, uint64_t client, const void *data, size_t len)
{
	struct client *k = &s->clients[client % SERVER_CLIENTS];

	if (!server_has(s, client))
		return;
	k->out.failed = false;
	wire_u32(&k->out, (uint32_t)len);
	wire_rest(&k->out, data, len);
	if (k->out.failed)
		client_close(k);
	else
		client_flush(k);
}

static mk_result
server_listen(struct server *s, const char *path, mk_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int rv;

	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd == -1)
		return mk_err_errno(err, "socket");
	if (strlen(path) >= sizeof(s->path))
		return mk_err_set(err, MK_ETOOBIG, "the path is too long for a socket: %s", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	mask = umask(0177);
	rv = bind(s->fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (rv == -1 || listen(s->fd, 8) == -1)
		return mk_err_errno(err, "%s", path);
	memcpy(s->path, path, strlen(path) + 1);
	s->watch = loop_watch(s->loop, s->fd, LOOP_READ, server_on_accept, s);
	return s->watch == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory") : MK_OK;
}

mk_result
server_new(struct server **out, struct loop *loop, const char *path, server_message *fn, void *arg,
	   mk_err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	mk_result rc;

	if (s == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	*s = (struct server){ .loop = loop, .fn = fn, .arg = arg };
	for (uint32_t i = 0; i < SERVER_CLIENTS; i++)
		s->clients[i].server = s;
	rc = server_listen(s, path, err);
	if (rc == MK_OK)
		*out = s;
	else
		server_free(s);
	return rc;
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < SERVER_CLIENTS; i++)
		if (s->clients[i].number != 0)
			client_close(&s->clients[i]);
	loop_unwatch(s->watch);
	if (s->fd != -1)
		close(s->fd);
	if (s->path[0] != '\0')
		(void)unlink(s->path);
	free(s);
}
