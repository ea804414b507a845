/* SPDX-License-Identifier: MIT
 *
 * A server at a unix socket for programs of the same user: messages of u32 length (little-endian)
 * and that many bytes, both ways. One thread, that of the loop.
 *
 * Who does not read its answers is asked for no more requests, and keeps nobody else waiting.
 */
#ifndef MK_HOST_SERVER_H
#define MK_HOST_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/err.h>

#include "loop.h"

#define SERVER_CLIENTS 32u               /* more are turned away */
#define SERVER_MESSAGE_MAX (16u << 20)   /* bytes of a request; who sends more is thrown out */
#define SERVER_WAITING_HIGH (256u << 10) /* bytes: above, a client gets no new requests served */

struct server;

/* `client` is a number that never repeats; modulo SERVER_CLIENTS it is one of those that are here.
 * `data` is [borrowed] until the function returns. */
typedef void server_message(void *arg, uint64_t client, const uint8_t *data, size_t len);

/* Mode 0600, in place of what is at the path. */
mk_result server_new(struct server **out, struct loop *loop, const char *path, server_message *fn,
		     void *arg, mk_err *err);
void server_free(struct server *s); /* takes NULL; removes the socket */
/* Bring the requests that were read. True if there was one. */
bool server_serve(struct server *s);
bool server_has(const struct server *s, uint64_t client);
/* It takes more: it is here, and does not leave too much unread. */
bool server_has_room(const struct server *s, uint64_t client);
/* Nothing happens if the client has gone. */
void server_send(struct server *s, uint64_t client, const void *data, size_t len);

#endif
