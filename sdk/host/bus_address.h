/* SPDX-License-Identifier: MIT
 *
 * Addresses of the bus as people write them: ipc://PATH, tcp://HOST:PORT, tls+tcp://HOST:PORT and
 * ws://HOST:PORT/PATH. [any thread]
 */
#ifndef MK_HOST_BUS_ADDRESS_H
#define MK_HOST_BUS_ADDRESS_H

#include <stdbool.h>

#include <meshkern/arena.h>

enum bus_scheme { BUS_IPC, BUS_TCP, BUS_TLS, BUS_WS, BUS_UNKNOWN };

/* `rest` (may be NULL): what follows the "://". */
enum bus_scheme bus_scheme(const char *url, const char **rest);
/* In the form that the bus takes, with the path of an ipc address as seen from `folder`; in the
 * arena. NULL: `why` has the sentence. */
const char *bus_address(mk_arena *arena, const char *folder, const char *url, char why[512]);
/* Where replays are asked for if nobody says; NULL: nowhere, or no memory. In the arena. */
const char *bus_requests(mk_arena *arena, const char *url);
/* Only programs on this machine reach it. */
bool bus_is_local(const char *url);

#endif
