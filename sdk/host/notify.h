/* SPDX-License-Identifier: MIT
 *
 * systemd's notification protocol: one datagram to $NOTIFY_SOCKET. Does
 * nothing where systemd is not the parent.
 */
#ifndef MK_HOST_NOTIFY_H
#define MK_HOST_NOTIFY_H

#include <stdint.h>

void notify_send(const char *state); /* "READY=1", "STOPPING=1\nSTATUS=..." */
uint64_t notify_watchdog_us(void);   /* interval to feed it at, 0 = none */

#endif
