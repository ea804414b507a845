/* SPDX-License-Identifier: MIT
 *
 * WebSocket clients: the handshake, frames by wslay, deadlines. They belong to the worker that their
 * connection belonged to, and its thread does everything.
 *
 * A client is given more only while little is waiting for it, so what it costs is bounded whatever it
 * does; one that takes nothing for STALL_US, or as long as one may say nothing, is dropped.
 */
#define _GNU_SOURCE
#include "server_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wslay/wslay.h>

#include "events.h"
#include "handshake.h"

#define QUEUE_LOW 65536u /* bytes that may wait in wslay */
#define QUEUE_MOST 256u  /* texts and answers to pings that may */
#define READ_ONCE 16384u /* of one client, before others have their turn */
#define FRAMES_ONCE 512u
#define FEED_MESSAGE_MAX 512u
#define STALL_US 30000000u
#define SEND_BUFFER 262144 /* bytes the kernel may hold for a slow client; else it is megabytes */

struct client {
	struct watch watch;
	struct client *next, *prev;
	struct worker *worker;
	struct MHD_UpgradeResponseHandle *handle;
	wslay_event_context_ptr ws;
	struct events *events;
	struct peer_key peer;
	int fd;
	uint32_t watching; /* events of epoll */
	uint64_t heard_us, progress_us, ping_us;
	size_t budget; /* bytes it may send in this round */
	char *early;   /* what came with the handshake */
	size_t early_len, early_at;
	bool dead, closing;
};

struct sockets {
	struct client *clients;
	bool more; /* some have had their share, but not all they could have */
};

/* ------------------------------------------------------------ handshake -- */

/* Which of the two a path is about, or FORMS. */
static enum ring_form
sockets_form(const struct request *rq)
{
	const struct target *t = &rq->target;

	if (t->segments == 2 && strcmp(t->segment[0], "api") == 0 &&
	    strcmp(t->segment[1], "events") == 0)
		return FORM_EVENT;
	return t->segments == 0 || (t->segments == 1 && strcmp(t->segment[0], "ws") == 0)
		   ? FORM_FEED
		   : FORMS;
}

bool
sockets_wanted(const struct request *rq)
{
	enum ring_form form = sockets_form(rq);

	if (form == FORMS || strcmp(rq->method, "GET") != 0)
		return false;
	return form == FORM_EVENT || rq->target.segments > 0 ||
	       handshake_has_token(answer_header(rq, "Upgrade"), "websocket");
}

static void sockets_on_upgrade(void *cls, struct MHD_Connection *mhd, void *state,
			       const char *early, size_t early_len, MHD_socket fd,
			       struct MHD_UpgradeResponseHandle *handle);

enum MHD_Result
sockets_upgrade(struct request *rq)
{
	struct httpd *s = rq->conn->worker->server;
	const struct handshake h = { .upgrade = answer_header(rq, "Upgrade"),
				     .connection = answer_header(rq, "Connection"),
				     .version = answer_header(rq, "Sec-WebSocket-Version"),
				     .key = answer_header(rq, "Sec-WebSocket-Key"),
				     .origin = answer_header(rq, "Origin"),
				     .host = answer_header(rq, "Host") };
	char accept[HANDSHAKE_ACCEPT];
	const char *why = "";
	unsigned status = handshake_check(&h, rq->settings->origins, accept, &why);
	struct MHD_Response *response;

	if (status != 0) {
		request_fail(rq, status, "%s", why);
		if (status == 426) {
			request_set_header(rq, "Upgrade", "websocket");
			request_set_header(rq, "Sec-WebSocket-Version", "13");
		}
	} else if (atomic_load(&s->clients) >= rq->settings->clients) {
		request_fail(rq, 503, "too many clients");
	} else if (!peers_connect(s->socket_peers, rq->client, rq->settings->clients_per_address)) {
		request_fail(rq, 503, "too many clients of one address");
	} else {
		peers_disconnect(s->socket_peers, rq->client); /* counted when it is made */
	}
	if (rq->failed) {
		httpd_count(&s->clients_refused);
		return answer_error(rq);
	}
	response = MHD_create_response_for_upgrade(sockets_on_upgrade, rq->conn->worker);
	if (response == NULL)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Upgrade", "websocket");
	(void)MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
	return answer_queue(rq, 101, response, 0);
}

/* ---------------------------------------------------------------- wslay -- */

static ssize_t
client_on_recv(wslay_event_context_ptr ws, uint8_t *buf, size_t len, int flags, void *arg)
{
	struct client *c = arg;
	size_t n = len < c->budget ? len : c->budget;
	ssize_t got;

	(void)flags;
	if (c->early_at < c->early_len) {
		n = n < c->early_len - c->early_at ? n : c->early_len - c->early_at;
		memcpy(buf, c->early + c->early_at, n);
		c->early_at += n;
		return (ssize_t)n;
	}
	if (n == 0) {
		wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
		return -1;
	}
	got = recv(c->fd, buf, n, MSG_DONTWAIT);
	if (got > 0) {
		c->budget -= (size_t)got;
		return got;
	}
	if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		c->dead = true;
	wslay_event_set_error(ws, c->dead ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static ssize_t
client_on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags, void *arg)
{
	struct client *c = arg;
	ssize_t sent =
	    send(c->fd, data, len,
		 MSG_NOSIGNAL | MSG_DONTWAIT | ((flags & WSLAY_MSG_MORE) != 0 ? MSG_MORE : 0));

	if (sent >= 0) {
		c->progress_us = c->worker->now_us;
		return sent;
	}
	if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		c->dead = true;
	wslay_event_set_error(ws, c->dead ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
	return -1;
}

static void
client_on_message(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *m,
		  void *arg)
{
	struct client *c = arg;

	c->heard_us = c->worker->now_us;
	if (m->opcode == WSLAY_TEXT_FRAME &&
	    !events_read(c->events, (const char *)m->msg, m->msg_length)) {
		static const char why[] = "too many requests at once";

		wslay_event_queue_close(ws, WSLAY_CODE_POLICY_VIOLATION, (const uint8_t *)why,
					sizeof(why) - 1);
		c->closing = true;
	}
}

/* -------------------------------------------------------------- clients -- */

static void
client_free(struct client *c)
{
	struct worker *w = c->worker;
	struct httpd *s = w->server;

	*(c->prev == NULL ? &w->sockets->clients : &c->prev->next) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	if (c->events != NULL)
		atomic_fetch_add(&s->events_lost, events_take_lost(c->events));
	events_free(c->events);
	if (c->ws != NULL)
		wslay_event_context_free(c->ws);
	free(c->early);
	MHD_upgrade_action(c->handle, MHD_UPGRADE_ACTION_CLOSE);
	peers_disconnect(s->socket_peers, c->peer);
	atomic_fetch_sub(&s->clients, 1);
	w->run = true;
	free(c);
}

/* Gives it what there is, as long as it takes it. */
static void
client_pump(struct client *c)
{
	struct worker *w = c->worker;
	uint32_t frames = 0;
	const char *text;
	size_t len;

	for (;;) {
		while (!c->closing && frames < FRAMES_ONCE &&
		       wslay_event_get_queued_msg_length(c->ws) < QUEUE_LOW &&
		       wslay_event_get_queued_msg_count(c->ws) < QUEUE_MOST / 2 &&
		       events_next(c->events, &text, &len)) {
			struct wslay_event_msg m = { WSLAY_TEXT_FRAME, (const uint8_t *)text, len };

			if (wslay_event_queue_msg(c->ws, &m) != 0) {
				c->dead = true;
				return;
			}
			frames++;
			httpd_count(&w->server->events_sent);
		}
		if (!wslay_event_want_write(c->ws))
			break;
		if (wslay_event_send(c->ws) != 0) {
			c->dead = true;
			return;
		}
		if (wslay_event_want_write(c->ws) || frames == FRAMES_ONCE)
			break;
	}
	w->sockets->more = w->sockets->more || frames == FRAMES_ONCE;
}

static void
client_watch(struct client *c)
{
	uint32_t events = (wslay_event_want_read(c->ws) ? EPOLLIN : 0u) |
			  (wslay_event_want_write(c->ws) ? EPOLLOUT : 0u);
	struct epoll_event e = { .events = events, .data = { .ptr = &c->watch } };

	if (events == c->watching)
		return;
	c->watching = events;
	if (epoll_ctl(c->worker->epoll, EPOLL_CTL_MOD, c->fd, &e) == -1)
		c->dead = true;
}

/* After anything that happened to it. It may be gone then. */
static void
client_settle(struct client *c)
{
	if (!c->dead)
		client_pump(c);
	if (!c->dead && !wslay_event_want_read(c->ws) && !wslay_event_want_write(c->ws))
		c->dead = true; /* the closing handshake is over */
	if (!c->dead)
		client_watch(c);
	if (c->dead)
		client_free(c);
}

static void
client_read(struct client *c)
{
	c->budget = READ_ONCE;
	if (wslay_event_recv(c->ws) != 0 || wslay_event_get_queued_msg_count(c->ws) > QUEUE_MOST)
		c->dead = true;
}

/* Of the settings that are in force now. */
static bool
client_allows(void *arg, const char *key)
{
	const struct client *c = arg;

	return handle_key(c->worker->settings, key) == 0;
}

static bool
client_init(struct client *c, enum ring_form form, const char *early, size_t early_len)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = client_on_recv,
		.send_callback = client_on_send,
		.on_msg_recv_callback = client_on_message,
	};
	const struct httpd_config *config = &c->worker->server->config;
	const struct events_more more = { config->tap, client_allows, c };
	struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = &c->watch } };
	int buffer = SEND_BUFFER;

	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	c->watching = EPOLLIN;
	c->events = events_new(form, config->ring, config->retained, config->model, config->topics);
	if (c->events != NULL)
		events_offer(c->events, &more);
	c->early = early_len == 0 ? NULL : malloc(early_len);
	if (c->early != NULL) {
		memcpy(c->early, early, early_len);
		c->early_len = early_len;
	}
	if (c->events == NULL || (early_len > 0 && c->early == NULL) ||
	    wslay_event_context_server_init(&c->ws, &callbacks, c) != 0)
		return false;
	wslay_event_config_set_max_recv_msg_length(c->ws, form == FORM_FEED ? FEED_MESSAGE_MAX
									    : EVENTS_MESSAGE_MAX);
	return epoll_ctl(c->worker->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void
sockets_on_upgrade(void *cls, struct MHD_Connection *mhd, void *state, const char *early,
		   size_t early_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
	struct worker *w = cls;
	struct request *rq = state;
	struct client *c = rq == NULL ? NULL : calloc(1, sizeof(*c));
	uint32_t most = w->settings->clients;

	(void)mhd;
	if (c == NULL) {
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
		return;
	}
	conn_phase(rq->conn, CONN_SOCKET, 0);
	c->watch.kind = WATCH_CLIENT;
	c->worker = w;
	c->handle = handle;
	c->peer = rq->client;
	c->fd = fd;
	c->heard_us = c->progress_us = c->ping_us = w->now_us;
	c->next = w->sockets->clients;
	if (c->next != NULL)
		c->next->prev = c;
	w->sockets->clients = c;
	if (atomic_fetch_add(&w->server->clients, 1) >= most)
		c->dead = true;
	if (!peers_connect(w->server->socket_peers, c->peer, UINT32_MAX) ||
	    !client_init(c, sockets_form(rq), early, early_len))
		c->dead = true;
	if (!c->dead && c->early_len > 0)
		client_read(c);
	client_settle(c);
}

/* --------------------------------------------------------------- rounds -- */

void
sockets_event(struct worker *w, struct watch *watch, uint32_t events)
{
	struct client *c = (struct client *)(void *)watch;

	(void)w;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		client_read(c);
	client_settle(c);
}

static void
client_tick(struct client *c)
{
	uint64_t now = c->worker->now_us, pause = c->worker->settings->ping_us;
	uint64_t silence = pause * 5 / 2, stall = silence < STALL_US ? silence : STALL_US;

	atomic_fetch_add(&c->worker->server->events_lost, events_take_lost(c->events));
	if (!wslay_event_want_write(c->ws))
		c->progress_us = now;
	if (now - c->heard_us > silence || now - c->progress_us > stall) {
		c->dead = true;
		httpd_count(&c->worker->server->clients_dropped);
	} else if (now - c->ping_us > pause) {
		struct wslay_event_msg ping = { WSLAY_PING, NULL, 0 };

		c->ping_us = now;
		(void)wslay_event_queue_msg(c->ws, &ping);
	}
}

void
sockets_pump(struct worker *w, bool tick)
{
	struct client *next;

	w->sockets->more = false;
	for (struct client *c = w->sockets->clients; c != NULL; c = next) {
		next = c->next;
		if (tick)
			client_tick(c);
		client_settle(c);
	}
	if (w->sockets->more)
		worker_poke(w);
}

void
sockets_close(struct worker *w)
{
	static const char why[] = "server shutting down";

	while (w->sockets->clients != NULL) {
		struct client *c = w->sockets->clients;

		if (!c->dead && !c->closing)
			(void)wslay_event_queue_close(c->ws, WSLAY_CODE_GOING_AWAY,
						      (const uint8_t *)why, sizeof(why) - 1);
		if (!c->dead)
			(void)wslay_event_send(c->ws);
		client_free(c);
	}
}

struct sockets *
sockets_new(struct worker *w)
{
	(void)w;
	return calloc(1, sizeof(struct sockets));
}

void
sockets_free(struct sockets *s)
{
	free(s);
}
