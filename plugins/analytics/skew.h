/* SPDX-License-Identifier: MIT
 *
 * Clocks: of nodes by the times in their adverts, of observers by how their receptions lie beside
 * those of others. Every advert keeps its few samples; what they mean is kept per node and made
 * again when they change.
 */
#ifndef ANALYTICS_SKEW_H
#define ANALYTICS_SKEW_H

#include "clock.h"
#include "frame.h"

extern const struct an_module skew_module;

/* The module of a frame, NULL if it is not among them. */
struct skew *skew_of(const struct frame *f);
/* What is known of a node's clock. False: nothing. */
bool skew_verdict(struct skew *s, uint32_t id, struct clock_verdict *out);
bool skew_is_known(struct skew *s, uint32_t id);
/* For who asks for all nodes. False: more of them have changed than one answer has time for; some
 * more are known when the frame asks again (FRAME_LATER). */
bool skew_settle(struct skew *s);
/* The value {pubkey, meanSkewSec, …}; `full` with samples and evidence. False: nothing is known, and
 * nothing was written. */
bool skew_write(struct skew *s, uint32_t id, bool full, struct json *out);

#endif
