/* SPDX-License-Identifier: MIT
 *
 * The plugin: an instance, its messages and calls.
 *
 *   rx/raw, rx/client -> packet/decoded, client/heard, one message for each
 *   storage/committed -> acknowledgements of the former
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include <meshkern/plugin.h>

mk_result decode_check(const mk_host *config, char *why, uint32_t why_len);
mk_result decode_create(const mk_host *host, void **self);
mk_result decode_start(void *self);
void decode_on_msg(void *self, const mk_msg *msg);
void decode_on_call(void *self, const mk_call *call);
void decode_on_timer(void *self, uint32_t id);
mk_result decode_reconfigure(void *self);
void decode_stop(void *self);
void decode_destroy(void *self);

#endif
