/* SPDX-License-Identifier: MIT
 *
 * Programs outside of the daemon that subscribe with any nng client: one publish socket on the
 * addresses of bus.listen, and requests for replays. Core thread only.
 *
 * A publish socket drops for who is too slow and does not say so. The sequence numbers show it,
 * and the rings answer requests: docs/events.md.
 */
#ifndef MK_CORE_OUTSIDE_H
#define MK_CORE_OUTSIDE_H

#include "hub.h"
#include "settings.h"

struct outside;

/* Listens on every address, or on none and says why. */
mk_result outside_new(struct outside **out, struct hub *h, struct loop *loop,
		      const struct listen_address *addresses, uint32_t count, mk_err *err);
void outside_free(struct outside *o); /* takes NULL */

struct outside_stats {
	uint32_t clients;
	uint64_t published, replayed, requests, refused;
};
void outside_get_stats(const struct outside *o, struct outside_stats *stats);

#endif
