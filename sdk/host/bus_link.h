/* SPDX-License-Identifier: MIT
 *
 * The bus adapter: the only file that knows nng, and only the part of nng 1.5.2 that is safe.
 *
 * Debian's nng crashes when a receive with a time-out or a cancel meets a message (#1523, fixed
 * in 1.6.0), overflows the heap when a receive buffer shrinks, and leaks on cancel. So here:
 * pub, sub, push and pull only; options before start; receiving only by polling the descriptor
 * and a non-blocking call; sockets are closed after the last call of the thread that used them.
 *
 * And a socket is only closed when nothing is on the way to it: a receive that is re-armed while
 * the socket closes can be lost, and then nng_close() waits for ever, and nng's reaper with it
 * (seen after 5 to 40 closes under a flood). The records STOP, STOPPED, BYE see to that.
 *
 * That reaper is one for all sockets of the process, and is up to 0.1 s with every WebSocket that a
 * stranger leaves. So nobody waits for the end of a socket; and one that listens for WebSockets has
 * none before the process, because its handler may be freed while somebody is at the door.
 */
#ifndef MK_HOST_BUS_LINK_H
#define MK_HOST_BUS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/err.h>

#include "loop.h"

enum link_kind { LINK_PUB, LINK_SUB, LINK_PUSH, LINK_PULL };

struct link; /* one socket; one thread */

struct link_address {
	const char *url;
	uint32_t mode;    /* ipc: file mode */
	const char *cert; /* tls+tcp: PEM file with certificate and key */
	const char *ca;   /* tls+tcp: client certificates of this CA are required */
};

/* `buffer` messages each way; `max_bytes` bounds what a peer may send. A SUB receives all that
 * its peer publishes. */
mk_result link_open(struct link **out, enum link_kind kind, uint32_t buffer, size_t max_bytes,
		    mk_err *err);
void link_close(struct link *k); /* takes NULL; does not wait */

/* Only the process `pid` may connect (ipc). Before listening; 0 = any. May be set later while
 * nothing is connected. */
void link_expect_pid(struct link *k, uint64_t pid);
mk_result link_listen(struct link *k, const struct link_address *address, mk_err *err);
/* Keeps trying in the background until there is a listener. */
mk_result link_dial(struct link *k, const char *url, mk_err *err);

/* Connected peers now, and since the beginning. [any thread] */
uint32_t link_peers(const struct link *k);
/* Readable when link_peers changed; link_peers_seen() quiets it. */
int link_peers_fd(const struct link *k);
void link_peers_seen(struct link *k);

/* PUSH: MK_EAGAIN when no peer takes it. PUB: always takes it; a peer that is `buffer` messages
 * behind loses the oldest, so callers count what is under way. */
mk_result link_send(struct link *k, const void *data, size_t len);

/* From now on tell `arg`, on the loop, when messages have come (SUB, PULL; NULL: not asked for) and
 * when link_peers has changed. Ends with the link. */
mk_result link_watch(struct link *k, struct loop *loop, void (*on_ready)(void *arg),
		     void (*on_peers)(void *arg), void *arg);

/* SUB, PULL: readable when there is something. */
int link_fd(const struct link *k);
/* The next message, [borrowed] until the next receive or close; NULL when there is none. */
const uint8_t *link_receive(struct link *k, size_t *len);

#endif
