/* SPDX-License-Identifier: MIT
 *
 * The method decode/packet: one packet, decoded in full, for whoever asks.
 */
#ifndef DECODE_CALL_H
#define DECODE_CALL_H

#include <meshkern/codec.h>
#include <meshkern/err.h>

#include "config.h"

/* `body` is {"raw": binary or hex digits, "keys": {name: hex} in place of the configured ones}. The
 * reply is written to w. */
mk_result call_packet(const struct config *config, const mk_val *body, mk_writer *w, mk_err *err);

#endif
