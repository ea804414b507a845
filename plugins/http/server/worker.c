/* SPDX-License-Identifier: MIT
 *
 * One thread of the server: its loop, the connections it accepts, their deadlines.
 */
#define _GNU_SOURCE
#include "server_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define ACCEPTS_AT_ONCE 16

/* ---------------------------------------------------------- connections -- */

void
conn_phase(struct conn *c, enum conn_phase phase, uint64_t us)
{
	c->phase = phase;
	c->deadline_us = us == 0 ? 0 : c->worker->now_us + us;
}

/* When most of the connections are in use, idle ones have less time. */
uint64_t
worker_idle_us(const struct worker *w)
{
	bool crowded = atomic_load(&w->server->connections) > w->settings->connections / 4 * 3;

	return crowded && w->settings->idle_us > 5000000 ? 5000000 : w->settings->idle_us;
}

static void
worker_on_connection(void *arg, struct MHD_Connection *mhd, void **context,
		     enum MHD_ConnectionNotificationCode code)
{
	struct worker *w = arg;
	struct conn *c = code == MHD_CONNECTION_NOTIFY_STARTED ? w->adding : *context;

	if (c == NULL)
		return;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		w->adding = NULL;
		c->mhd = mhd;
		c->next = w->conns;
		if (w->conns != NULL)
			w->conns->prev = c;
		w->conns = c;
		*context = c;
		conn_phase(c, CONN_HEAD, worker_idle_us(w));
		return;
	}
	*(c->prev == NULL ? &w->conns : &c->prev->next) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	request_free(w, c->rq);
	peers_disconnect(w->server->peers, c->peer);
	atomic_fetch_sub(&w->server->connections, 1);
	atomic_fetch_sub(&w->load, 1);
	free(c);
}

/* What was counted when it was accepted is given back. */
static void
worker_let_go(struct worker *w, int fd, struct peer_key peer)
{
	close(fd);
	peers_disconnect(w->server->peers, peer);
	atomic_fetch_sub(&w->server->connections, 1);
	atomic_fetch_sub(&w->load, 1);
}

static void
worker_add(struct worker *w, const struct arrival *a)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		worker_let_go(w, a->fd, a->peer);
		return;
	}
	c->worker = w;
	c->listener = a->listener;
	c->peer = a->peer;
	c->fd = a->fd;
	w->adding = c;
	w->run = true;
	if (MHD_add_connection(w->mhd[a->listener->tls], a->fd,
			       (const struct sockaddr *)&a->address, a->len) == MHD_YES)
		return;
	/* MHD has closed the socket. Unless it had come as far as telling, the rest is ours. */
	if (w->adding != NULL) {
		w->adding = NULL;
		peers_disconnect(w->server->peers, a->peer);
		atomic_fetch_sub(&w->server->connections, 1);
		atomic_fetch_sub(&w->load, 1);
		free(c);
	}
}

/* A last word, if the socket takes it at once. */
static void
worker_refuse(struct worker *w, int fd, const struct listener *l)
{
	static const char text[] = "HTTP/1.1 503 Service Unavailable\r\n"
				   "Content-Type: application/json\r\n"
				   "Content-Length: 33\r\nRetry-After: 5\r\n"
				   "Connection: close\r\n\r\n"
				   "{\"error\":\"too many connections\"}\n";

	if (!l->tls)
		(void)!send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
	httpd_count(&w->server->refused);
}

/* Whoever waits in the queue of the socket would wake us up again and again: with the descriptor that
 * is kept for this the first of them is taken, and closed. */
static void
worker_no_descriptors(struct worker *w, const struct listener *l)
{
	int fd;

	httpd_count(&w->server->refused);
	if (w->reserve == -1)
		return;
	close(w->reserve);
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1)
		close(fd);
	w->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static bool
worker_is_proxy(const struct worker *w, struct peer_key peer)
{
	for (uint32_t i = 0; i < w->settings->proxy_count; i++)
		if (memcmp(&w->settings->proxies[i], &peer, sizeof(peer)) == 0)
			return true;
	return false;
}

/* Who has the fewest connections. */
static struct worker *
worker_choose(struct worker *w)
{
	struct worker *best = w;

	for (uint32_t i = 0; i < w->server->worker_count; i++)
		if (atomic_load(&w->server->workers[i].load) < atomic_load(&best->load))
			best = &w->server->workers[i];
	return best;
}

static void
worker_hand_over(struct worker *w, const struct arrival *a)
{
	struct arrival *copy = malloc(sizeof(*copy));
	bool closed = true;

	if (copy != NULL) {
		*copy = *a;
		pthread_mutex_lock(&w->lock);
		closed = w->closed;
		if (!closed) {
			copy->next = w->arrivals;
			w->arrivals = copy;
		}
		pthread_mutex_unlock(&w->lock);
	}
	if (closed) {
		free(copy);
		worker_let_go(w, a->fd, a->peer);
		return;
	}
	worker_poke(w);
}

static void
worker_accept(struct worker *w, const struct listener *l)
{
	struct httpd *s = w->server;

	for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
		struct arrival a = { .listener = l, .len = sizeof(a.address) };
		struct worker *to;
		uint32_t most;
		int yes = 1;

		a.fd = accept4(l->fd, (struct sockaddr *)&a.address, &a.len,
			       SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (a.fd == -1) {
			if (errno == EMFILE || errno == ENFILE)
				worker_no_descriptors(w, l);
			return;
		}
		a.peer = peer_key((const struct sockaddr *)&a.address);
		most = worker_is_proxy(w, a.peer) ? UINT32_MAX : w->settings->per_address;
		if (atomic_fetch_add(&s->connections, 1) >= w->settings->connections ||
		    !peers_connect(s->peers, a.peer, most)) {
			atomic_fetch_sub(&s->connections, 1);
			worker_refuse(w, a.fd, l);
			continue;
		}
		(void)setsockopt(a.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		httpd_count(&s->accepted);
		to = worker_choose(w);
		atomic_fetch_add(&to->load, 1);
		if (to == w)
			worker_add(w, &a);
		else
			worker_hand_over(to, &a);
	}
}

/* Whoever takes too long is cut off: MHD then finds the end of the stream and cleans up. */
static void
worker_deadlines(struct worker *w)
{
	for (struct conn *c = w->conns; c != NULL; c = c->next) {
		if (c->deadline_us == 0 || w->now_us < c->deadline_us)
			continue;
		if (c->phase != CONN_HEAD || c->rq != NULL)
			httpd_count(&w->server->timeouts);
		shutdown(c->fd, SHUT_RDWR);
		c->deadline_us = 0;
		w->run = true;
	}
}

/* ----------------------------------------------------------------- loop -- */

void
worker_poke(struct worker *w)
{
	uint64_t one = 1;

	(void)!write(w->wake, &one, sizeof(one));
}

static void
worker_inbox(struct worker *w)
{
	struct arrival *arrivals;
	struct reply *replies;
	uint64_t n;

	(void)!read(w->wake, &n, sizeof(n));
	pthread_mutex_lock(&w->lock);
	arrivals = w->arrivals;
	replies = w->replies;
	w->arrivals = NULL;
	w->replies = NULL;
	pthread_mutex_unlock(&w->lock);
	while (arrivals != NULL) {
		struct arrival *a = arrivals;

		arrivals = a->next;
		worker_add(w, a);
		free(a);
	}
	while (replies != NULL) {
		struct reply *r = replies;

		replies = r->next;
		handle_reply(w, r);
		w->run = true;
	}
}

/* The settings of now. Requests have their own reference. */
static void
worker_refresh(struct worker *w)
{
	struct httpd *s = w->server;
	struct settings *old = w->settings;

	if (w->settings_version == atomic_load(&s->settings_version))
		return;
	pthread_mutex_lock(&s->settings_lock);
	w->settings = http_settings_ref(s->settings);
	w->settings_version = atomic_load(&s->settings_version);
	pthread_mutex_unlock(&s->settings_lock);
	http_settings_unref(old);
}

static void
worker_run_mhd(struct worker *w)
{
	MHD_UNSIGNED_LONG_LONG ms;

	w->run = false;
	for (int i = 0; i < 2; i++) {
		if (w->mhd[i] == NULL)
			continue;
		MHD_run(w->mhd[i]);
		w->run = w->run || (MHD_get_timeout(w->mhd[i], &ms) == MHD_YES && ms == 0);
	}
}

static void
worker_round(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(w->epoll, events, EVENTS_AT_ONCE, w->run ? 0 : TICK_MS);
	bool run = w->run, woken = false, tick;

	w->now_us = w->server->config.host->now_us(w->server->config.host);
	worker_refresh(w);
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;

		switch (watch->kind) {
		case WATCH_MHD:
			run = true;
			break;
		case WATCH_WAKE:
			woken = true;
			worker_inbox(w);
			break;
		case WATCH_LISTEN:
			worker_accept(w, (const struct listener *)(const void *)watch);
			break;
		case WATCH_CLIENT:
			sockets_event(w, watch, events[i].events);
			break;
		}
	}
	tick = w->now_us - w->tick_us >= TICK_MS * 1000u;
	if (tick) {
		w->tick_us = w->now_us;
		worker_deadlines(w);
	}
	if (run || w->run)
		worker_run_mhd(w);
	if (woken || tick)
		sockets_pump(w, tick);
}

/* Nothing new comes in; what is suspended is answered, so that MHD can close everything. */
static void
worker_end(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->closed = true;
	pthread_mutex_unlock(&w->lock);
	worker_inbox(w);
	sockets_close(w);
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		if (c->rq != NULL && c->rq->suspended)
			handle_give_up(c->rq);
	worker_run_mhd(w);
	for (int i = 0; i < 2; i++) {
		if (w->mhd[i] != NULL)
			MHD_stop_daemon(w->mhd[i]);
		w->mhd[i] = NULL;
	}
}

void
worker_run(void *worker)
{
	struct worker *w = worker;
	sigset_t pipe;

	/* sendfile() has no MSG_NOSIGNAL. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	w->now_us = w->server->config.host->now_us(w->server->config.host);
	while (!atomic_load(&w->server->stopping))
		worker_round(w);
	worker_end(w);
}

/* --------------------------------------------------------------- making -- */

/* Our own decoding is stricter, and looks at the target before MHD has cut it up. */
static size_t
worker_unescape(void *arg, struct MHD_Connection *mhd, char *text)
{
	(void)arg;
	(void)mhd;
	return strlen(text);
}

__attribute__((format(printf, 2, 0))) static void
worker_mhd_log(void *arg, const char *format, va_list args)
{
	const struct worker *w = arg;
	char line[256];

	/* Broken clients are ordinary. */
	(void)vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\r\n")] = '\0';
	httpd_log(w->server, MK_LOG_DEBUG, "mhd: %s", line);
}

static struct MHD_Daemon *
worker_mhd(struct worker *w, const char *cert, const char *key)
{
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE |
			 MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			 (cert != NULL ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		  (void *)(uintptr_t) "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(flags, 0, NULL, NULL, handle_access, w, MHD_OPTION_EXTERNAL_LOGGER,
				worker_mhd_log, w, MHD_OPTION_NOTIFY_CONNECTION,
				worker_on_connection, w, MHD_OPTION_NOTIFY_COMPLETED,
				handle_completed, w, MHD_OPTION_URI_LOG_CALLBACK, handle_uri, w,
				MHD_OPTION_UNESCAPE_CALLBACK, worker_unescape, w,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
				MHD_OPTION_CONNECTION_LIMIT, 65536u, MHD_OPTION_CONNECTION_TIMEOUT,
				0u, MHD_OPTION_ARRAY, cert != NULL ? tls : &tls[3], MHD_OPTION_END);
}

static bool
worker_watch(struct worker *w, int fd, struct watch *watch, uint32_t events)
{
	struct epoll_event e = { .events = events, .data = { .ptr = watch } };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

static mk_result
worker_fill(struct worker *w, const char *cert, const char *key)
{
	struct httpd *s = w->server;
	bool good = true, tls = false;

	for (uint32_t i = 0; i < s->listener_count; i++) {
		struct listener *l = &s->listeners[i];

		tls = tls || l->tls;
		good = good && worker_watch(w, l->fd, &l->watch, EPOLLIN | EPOLLEXCLUSIVE);
	}
	good = good && worker_watch(w, w->wake, &w->wake_watch, EPOLLIN);
	w->mhd[0] = worker_mhd(w, NULL, NULL);
	if (tls)
		w->mhd[1] = worker_mhd(w, cert, key);
	if (!good || w->mhd[0] == NULL || (tls && w->mhd[1] == NULL))
		return MK_EUNAVAIL;
	for (int i = 0; i < 1 + tls; i++) {
		const union MHD_DaemonInfo *info =
		    MHD_get_daemon_info(w->mhd[i], MHD_DAEMON_INFO_EPOLL_FD);

		if (info == NULL || !worker_watch(w, info->epoll_fd, &w->mhd_watch, EPOLLIN))
			return MK_EUNAVAIL;
	}
	return MK_OK;
}

mk_result
worker_init(struct worker *w, struct httpd *s, const char *cert, const char *key)
{
	mk_result rc = MK_ENOMEM;

	w->server = s;
	w->wake_watch.kind = WATCH_WAKE;
	w->mhd_watch.kind = WATCH_MHD;
	w->settings = http_settings_ref(s->settings);
	w->settings_version = atomic_load(&s->settings_version);
	pthread_mutex_init(&w->lock, NULL);
	js_init(&w->out, ANSWER_MAX);
	mk_doc_init(&w->doc);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
	w->gzip = gzip_new();
	w->sockets = sockets_new(w);
	if (w->gzip != NULL && w->sockets != NULL && w->epoll != -1 && w->wake != -1)
		rc = worker_fill(w, cert, key);
	if (rc != MK_OK)
		worker_fini(w);
	return rc;
}

void
worker_fini(struct worker *w)
{
	for (int i = 0; i < 2; i++)
		if (w->mhd[i] != NULL)
			MHD_stop_daemon(w->mhd[i]); /* the thread was never started */
	while (w->arrivals != NULL) {
		struct arrival *a = w->arrivals;

		w->arrivals = a->next;
		close(a->fd);
		free(a);
	}
	while (w->replies != NULL) {
		struct reply *r = w->replies;

		w->replies = r->next;
		reply_free(r);
	}
	while (w->spare != NULL) {
		struct request *rq = w->spare;

		w->spare = rq->next;
		free(rq->body);
		free(rq);
	}
	sockets_free(w->sockets);
	gzip_free(w->gzip);
	js_fini(&w->out);
	mk_doc_fini(&w->doc);
	if (w->reserve != -1)
		close(w->reserve);
	if (w->wake != -1)
		close(w->wake);
	if (w->epoll != -1)
		close(w->epoll);
	http_settings_unref(w->settings);
	pthread_mutex_destroy(&w->lock);
	*w = (struct worker){ 0 };
}
