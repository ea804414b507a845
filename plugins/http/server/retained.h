/* SPDX-License-Identifier: MIT
 *
 * The last values of topics: of retained ones a base and the deltas since, of some others the last
 * message and the one before. Under the model's lock: the plugin's thread writes, others read.
 */
#ifndef MK_HTTP_RETAINED_H
#define MK_HTTP_RETAINED_H

#include "ring.h"

#define RETAINED_TOPICS 512u
#define RETAINED_DELTAS 4096u
#define RETAINED_BYTES (16u << 20) /* of the deltas of one topic */
#define RETAINED_LARGE (64u << 10) /* a value that is dropped as soon as there is a newer one */

struct retained_topic {
	char name[MK_TOPIC_MAX + 1];
	struct event *base;   /* the last whole one; NULL until there is one */
	struct event *before; /* the whole one before it, unless it is large */
	struct event **deltas;
	uint32_t count, cap;
	uint64_t bytes;
	bool incomplete; /* deltas are missing: too many, or lost on the way */
};

struct retained {
	struct retained_topic *topics;
	uint32_t count, cap;
	uint64_t refused;  /* topics and deltas that were too many */
	struct ring *ring; /* NULL, or where large ones that a newer one supersedes are forgotten */
};

void retained_init(struct retained *r);
void retained_fini(struct retained *r);
/* Keeps a reference of its own. */
void retained_put(struct retained *r, struct event *e);
void retained_gap(struct retained *r, const char *topic); /* messages of it are lost */
const struct retained_topic *retained_find(const struct retained *r, const char *topic);

/* One after the other, although the values change meanwhile: a topic whose base was replaced is begun
 * again. */
struct retained_cursor {
	uint32_t topic, item;
	uint64_t base_seq;
};
/* The next value of a topic that `pattern` covers, with a reference; NULL: that was the last. */
struct event *retained_step(const struct retained *r, const char *pattern,
			    struct retained_cursor *c);

#endif
