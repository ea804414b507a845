/* SPDX-License-Identifier: MIT
 *
 * Topics that the plugin does not subscribe to, for as long as a client of /api/events looks at them:
 * a tail over the daemon's control socket, which the capability core.control stands for. While nobody
 * looks there is no connection, so it costs nothing.
 *
 * More than TAP_PER_SECOND messages, or TAP_BYTES_PER_SECOND: it hangs up until the next second begins.
 * What was published meanwhile is missing in the sequences, which is how clients learn of it.
 */
#ifndef MK_HTTP_TAP_H
#define MK_HTTP_TAP_H

#include <meshkern/plugin.h>

#include "ring.h"

#define TAP_TOPICS 16u /* of all clients together; the daemon takes no more */
#define TAP_PER_SECOND 500u
#define TAP_BYTES_PER_SECOND (4u << 20)

struct tap;

struct tap_stats {
	uint64_t messages, lost, pauses;
	uint32_t clients, count; /* subscriptions; topics */
	char topics[TAP_TOPICS][MK_TOPIC_MAX + 2];
};

/* Takes the event. [plugin] */
typedef void tap_message(void *arg, struct event *e);

/* `own`: what comes without it, ends with NULL, borrowed. NULL: out of memory. */
struct tap *tap_new(const mk_host *host, const char *const *own, tap_message *fn, void *arg);
void tap_free(struct tap *t); /* takes NULL */
/* A client looks at a topic, or a subtree; false: there are too many. [any] */
bool tap_want(struct tap *t, const char *topic);
void tap_drop(struct tap *t, const char *topic); /* it does no more [any] */
void tap_on_fd(struct tap *t);                   /* [plugin], like what follows */
void tap_on_timer(struct tap *t);                /* every second */
void tap_stop(struct tap *t);
void tap_get_stats(struct tap *t, struct tap_stats *out); /* [any] */

#endif
