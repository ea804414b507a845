/* SPDX-License-Identifier: MIT
 *
 * Whether a request may become a WebSocket: what its headers say. Knows no connection, so that
 * anything can be given to it.
 */
#ifndef MK_HTTP_HANDSHAKE_H
#define MK_HTTP_HANDSHAKE_H

#include <stdbool.h>

#define HANDSHAKE_ACCEPT 29u /* 28 characters and the end */

struct handshake { /* headers; NULL: not there */
	const char *upgrade, *connection, *version, *key, *origin, *host;
};

/* Is it in a list as of Connection, in whatever case? `list` may be NULL. */
bool handshake_has_token(const char *list, const char *token);
/* 0: yes, with `accept`; else the status of the answer and its text. `origins`, ending with NULL, may
 * come from elsewhere; "*" does not count here. */
unsigned handshake_check(const struct handshake *h, const char *const *origins,
			 char accept[HANDSHAKE_ACCEPT], const char **why);

#endif
