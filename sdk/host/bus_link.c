/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "bus_link.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/supplemental/tls/tls.h>

#include "later.h"

struct link {
	nng_socket socket;
	enum link_kind kind;
	nng_aio *aio; /* for every operation: nng's own calls make and destroy one each time */
	nng_msg *msg; /* what link_receive lent out */
	int fd;       /* nng's own, or -1 */
	int peers_fd;
	_Atomic uint32_t peers;                 /* written by nng's threads */
	_Atomic uint64_t pid;                   /* who may connect, 0 = any */
	_Atomic int member;                     /* with pid: the one pipe that was let in */
	struct loop_watch *watch, *peers_watch; /* of link_watch */
	void (*on_ready)(void *arg);
	void (*on_peers)(void *arg);
	void *arg;
	nng_listener *listeners;
	uint32_t listener_count;
	bool stays; /* until the process ends */
	struct later end;
};

static mk_result
link_error(mk_err *err, int rv, const char *what)
{
	mk_result code = MK_EIO;

	if (rv == NNG_ENOMEM)
		code = MK_ENOMEM;
	else if (rv == NNG_EADDRINUSE)
		code = MK_EEXIST;
	else if (rv == NNG_EPERM)
		code = MK_EDENIED;
	else if (rv == NNG_EAGAIN || rv == NNG_ETIMEDOUT)
		code = MK_EAGAIN;
	return mk_err_set(err, code, "%s: %s", what, nng_strerror(rv));
}

static bool
link_may_join(struct link *k, nng_pipe pipe, uint64_t expected)
{
	uint64_t pid = 0;
	int nobody = 0;

	return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 && pid == expected &&
	       atomic_compare_exchange_strong(&k->member, &nobody, nng_pipe_id(pipe));
}

/* Runs on a thread of nng: atomics and one write only, no call back into the socket. A pipe that
 * is refused in ADD_PRE still comes by with REM_POST. */
static void
link_on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct link *k = arg;
	uint64_t expected = atomic_load_explicit(&k->pid, memory_order_acquire);
	uint64_t one = 1;
	int id = nng_pipe_id(pipe);

	if (event == NNG_PIPE_EV_ADD_PRE) {
		if (expected != 0 && !link_may_join(k, pipe, expected))
			nng_pipe_close(pipe);
		return;
	}
	if (event == NNG_PIPE_EV_REM_POST && expected != 0 &&
	    !atomic_compare_exchange_strong(&k->member, &id, 0))
		return;
	if (event == NNG_PIPE_EV_ADD_POST)
		atomic_fetch_add_explicit(&k->peers, 1, memory_order_release);
	else
		atomic_fetch_sub_explicit(&k->peers, 1, memory_order_release);
	/* The counter cannot overflow; EAGAIN would mean that it is readable anyway. */
	if (write(k->peers_fd, &one, sizeof(one)) == -1)
		return;
}

static int
link_configure(struct link *k, uint32_t buffer, size_t max_bytes)
{
	int rv = nng_aio_alloc(&k->aio, NULL, NULL);

	/* Never waits, so there is nothing to expire or to cancel, where #1523 is. */
	if (rv == 0)
		nng_aio_set_timeout(k->aio, NNG_DURATION_ZERO);
	/* PULL has no buffer of its own, and PUSH takes one since 1.5. */
	if (rv == 0 && (k->kind == LINK_PUB || k->kind == LINK_PUSH))
		rv = nng_socket_set_int(k->socket, NNG_OPT_SENDBUF, (int)buffer);
	if (rv == 0 && k->kind == LINK_SUB)
		rv = nng_socket_set_int(k->socket, NNG_OPT_RECVBUF, (int)buffer);
	if (rv == 0 && k->kind == LINK_SUB)
		rv = nng_socket_set(k->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
	if (rv == 0)
		rv = nng_socket_set_size(k->socket, NNG_OPT_RECVMAXSZ, max_bytes);
	/* Without these a dialer that came first waits up to a second (random back-off). */
	if (rv == 0)
		rv = nng_socket_set_ms(k->socket, NNG_OPT_RECONNMINT, 5);
	if (rv == 0)
		rv = nng_socket_set_ms(k->socket, NNG_OPT_RECONNMAXT, 50);
	for (int e = NNG_PIPE_EV_ADD_PRE; rv == 0 && e <= NNG_PIPE_EV_REM_POST; e++)
		rv = nng_pipe_notify(k->socket, (nng_pipe_ev)e, link_on_pipe, k);
	if (rv == 0 && k->kind == LINK_SUB)
		rv = nng_socket_get_int(k->socket, NNG_OPT_RECVFD, &k->fd);
	if (rv == 0 && k->kind == LINK_PULL)
		rv = nng_socket_get_int(k->socket, NNG_OPT_RECVFD, &k->fd);
	return rv;
}

mk_result
link_open(struct link **out, enum link_kind kind, uint32_t buffer, size_t max_bytes, mk_err *err)
{
	static int (*const open_fn[])(nng_socket *) = {
		[LINK_PUB] = nng_pub0_open,
		[LINK_SUB] = nng_sub0_open,
		[LINK_PUSH] = nng_push0_open,
		[LINK_PULL] = nng_pull0_open,
	};
	struct link *k = calloc(1, sizeof(*k));
	int rv;

	*out = NULL;
	if (k == NULL)
		return mk_err_set(err, MK_ENOMEM, "bus socket: out of memory");
	k->kind = kind;
	k->fd = -1;
	k->peers_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (k->peers_fd == -1) {
		mk_err_errno(err, "bus socket");
		free(k);
		return MK_EIO;
	}
	rv = open_fn[kind](&k->socket);
	if (rv != 0) {
		close(k->peers_fd);
		free(k);
		return link_error(err, rv, "bus socket");
	}
	rv = link_configure(k, buffer, max_bytes);
	if (rv != 0) {
		link_close(k);
		return link_error(err, rv, "bus socket options");
	}
	*out = k;
	return MK_OK;
}

static void
link_end(void *arg)
{
	struct link *k = arg;

	/* Pipe callbacks have ended when this returns. */
	nng_close(k->socket);
	nng_aio_free(k->aio);
	close(k->peers_fd);
	free(k->listeners);
	free(k);
}

void
link_close(struct link *k)
{
	if (k == NULL)
		return;
	loop_unwatch(k->watch);
	loop_unwatch(k->peers_watch);
	k->watch = k->peers_watch = NULL;
	if (k->msg != NULL)
		nng_msg_free(k->msg);
	k->msg = NULL;
	if (k->stays)
		return;
	/* Addresses are free at once. This does not wait. */
	for (uint32_t i = 0; i < k->listener_count; i++)
		nng_listener_close(k->listeners[i]);
	later_do(&k->end, link_end, k);
}

void
link_expect_pid(struct link *k, uint64_t pid)
{
	atomic_store_explicit(&k->pid, pid, memory_order_release);
}

static int
link_set_tls(nng_listener listener, const struct link_address *a)
{
	int rv = nng_listener_set_string(listener, NNG_OPT_TLS_CERT_KEY_FILE, a->cert);

	if (rv == 0 && a->ca != NULL)
		rv = nng_listener_set_string(listener, NNG_OPT_TLS_CA_FILE, a->ca);
	/* A server asks nobody for a certificate unless told to. */
	if (rv == 0 && a->ca != NULL)
		rv = nng_listener_set_int(listener, NNG_OPT_TLS_AUTH_MODE,
					  NNG_TLS_AUTH_MODE_REQUIRED);
	return rv;
}

mk_result
link_listen(struct link *k, const struct link_address *a, mk_err *err)
{
	nng_listener listener,
	    *more = realloc(k->listeners, (k->listener_count + 1) * sizeof(*more));
	int rv;

	if (more == NULL)
		return mk_err_set(err, MK_ENOMEM, "bus socket: out of memory");
	k->listeners = more;
	rv = nng_listener_create(&listener, k->socket, a->url);
	if (rv != 0)
		return link_error(err, rv, a->url);
	if (strncmp(a->url, "ipc:", 4) == 0 && a->mode != 0)
		rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, (int)a->mode);
	if (rv == 0 && strncmp(a->url, "tls+tcp:", 8) == 0)
		rv = link_set_tls(listener, a);
	if (rv == 0)
		rv = nng_listener_start(listener, 0);
	if (rv != 0) {
		nng_listener_close(listener);
		return link_error(err, rv, a->url);
	}
	k->listeners[k->listener_count++] = listener;
	k->stays = k->stays || strncmp(a->url, "ws:", 3) == 0;
	return MK_OK;
}

mk_result
link_dial(struct link *k, const char *url, mk_err *err)
{
	int rv = nng_dial(k->socket, url, NULL, NNG_FLAG_NONBLOCK);

	return rv != 0 ? link_error(err, rv, url) : MK_OK;
}

uint32_t
link_peers(const struct link *k)
{
	return atomic_load_explicit(&k->peers, memory_order_acquire);
}

int
link_peers_fd(const struct link *k)
{
	return k->peers_fd;
}

void
link_peers_seen(struct link *k)
{
	uint64_t n;

	if (read(k->peers_fd, &n, sizeof(n)) == -1)
		return; /* was quiet already */
}

static void
link_on_ready(void *arg, uint32_t events)
{
	struct link *k = arg;

	(void)events;
	k->on_ready(k->arg);
}

static void
link_on_peers(void *arg, uint32_t events)
{
	struct link *k = arg;

	(void)events;
	link_peers_seen(k);
	k->on_peers(k->arg);
}

mk_result
link_watch(struct link *k, struct loop *loop, void (*on_ready)(void *), void (*on_peers)(void *),
	   void *arg)
{
	k->on_ready = on_ready;
	k->on_peers = on_peers;
	k->arg = arg;
	if (on_ready != NULL)
		k->watch = loop_watch(loop, k->fd, LOOP_READ, link_on_ready, k);
	if (on_peers != NULL)
		k->peers_watch = loop_watch(loop, k->peers_fd, LOOP_READ, link_on_peers, k);
	return (on_ready != NULL && k->watch == NULL) ||
		       (on_peers != NULL && k->peers_watch == NULL)
		   ? MK_ENOMEM
		   : MK_OK;
}

mk_result
link_send(struct link *k, const void *data, size_t len)
{
	nng_msg *msg;
	int rv = nng_msg_alloc(&msg, len);

	if (rv != 0)
		return MK_ENOMEM;
	memcpy(nng_msg_body(msg), data, len);
	nng_aio_set_msg(k->aio, msg);
	nng_send_aio(k->socket, k->aio);
	nng_aio_wait(k->aio);
	rv = nng_aio_result(k->aio);
	if (rv != 0) {
		nng_msg_free(msg);
		return rv == NNG_EAGAIN || rv == NNG_ETIMEDOUT ? MK_EAGAIN : MK_EIO;
	}
	return MK_OK;
}

int
link_fd(const struct link *k)
{
	return k->fd;
}

const uint8_t *
link_receive(struct link *k, size_t *len)
{
	if (k->msg != NULL)
		nng_msg_free(k->msg);
	k->msg = NULL;
	nng_recv_aio(k->socket, k->aio);
	nng_aio_wait(k->aio);
	if (nng_aio_result(k->aio) != 0)
		return NULL;
	k->msg = nng_aio_get_msg(k->aio);
	*len = nng_msg_len(k->msg);
	return nng_msg_body(k->msg);
}
