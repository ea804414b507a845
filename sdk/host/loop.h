/* SPDX-License-Identifier: MIT
 *
 * The core's event loop: descriptors and timers of one thread over epoll. The instance runtime
 * uses the same loop on its own thread.
 */
#ifndef MK_HOST_LOOP_H
#define MK_HOST_LOOP_H

#include <stdint.h>

#include <meshkern/err.h>

struct loop;
struct loop_watch; /* one watched descriptor */
struct loop_timer;

#define LOOP_READ 1u
#define LOOP_WRITE 2u
#define LOOP_ERROR 4u

mk_result loop_new(struct loop **out, mk_err *err);
void loop_free(struct loop *l); /* everything still registered is dropped */

/* `fn` runs while the descriptor is ready (level-triggered). The watch may be removed inside any
 * callback, also its own. */
struct loop_watch *loop_watch(struct loop *l, int fd, uint32_t events,
			      void (*fn)(void *arg, uint32_t events), void *arg);
mk_result loop_watch_events(struct loop_watch *w, uint32_t events);
void loop_unwatch(struct loop_watch *w); /* takes NULL */

/* A timer is made idle; set it with loop_timer_set. UINT64_MAX = idle. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t due_us); /* monotonic, once */
void loop_timer_free(struct loop_timer *t);                 /* takes NULL */

/* One round: wait for something, but not beyond the next timer, and run it. */
void loop_round(struct loop *l);
/* The next round does not wait: there is work left. */
void loop_hurry(struct loop *l);
/* The time at the start of this round. */
uint64_t loop_now_us(const struct loop *l);

#endif
