/* SPDX-License-Identifier: MIT
 *
 * Calls whose answers need counts that are being made. They wait here in the order in which they
 * came, and not longer than their callers do.
 */
#ifndef ANALYTICS_HELD_H
#define ANALYTICS_HELD_H

#include <meshkern/plugin.h>

#define HELD_MAX 64u

struct held_call {
	uint64_t id;
	uint64_t until_us; /* then it gets the answer that there is none yet */
	char *name;
	void *body;
	uint32_t len;
};

struct held {
	struct held_call calls[HELD_MAX];
	uint32_t count;
};

/* Keeps a copy. False: there are too many, or there is no memory. */
bool held_put(struct held *h, const mk_call *call, uint64_t until_us);
/* Tries each once: those for which `answer` is true leave. */
void held_try(struct held *h, bool (*answer)(void *arg, const struct held_call *call), void *arg);
void held_fini(struct held *h);

#endif
