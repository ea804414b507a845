/* SPDX-License-Identifier: MIT
 *
 * What the tests of rings and readers share: one stream, filled the way the hub fills it.
 */
#ifndef MK_TESTS_STREAM_FIXTURE_H
#define MK_TESTS_STREAM_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "reader.h"

/* Each test is a process, each file a program: there is one of these. */
static struct stream stream;

static inline void
setup(void)
{
	cr_assert(ring_init(&stream.rings[RING_LATEST], 1u << 20, UINT64_MAX));
	cr_assert(ring_init(&stream.rings[RING_RELIABLE], 1u << 20, UINT64_MAX));
}

static inline void
teardown(void)
{
	ring_fini(&stream.rings[RING_LATEST]);
	ring_fini(&stream.rings[RING_RELIABLE]);
	topics_fini(&stream.topics);
}

static inline struct topic *
topic(const char *name, uint32_t flags)
{
	struct topic *t = topics_add(&stream.topics, name, flags);

	cr_assert_not_null(t, "%s", name);
	return t;
}

static inline struct ring *
ring_of(const struct topic *t)
{
	return &stream.rings[(t->flags & MK_TOPIC_RELIABLE) != 0];
}

/* One message of a topic at the end of its ring, which keeps the reference. */
static inline struct entry *
put_flagged(struct topic *t, uint32_t len, uint32_t flags)
{
	struct entry *e = entry_new(len);

	cr_assert_not_null(e);
	e->topic = t;
	e->flags = flags;
	e->order = ++stream.order;
	e->seq = ++t->seq;
	cr_assert(ring_push(ring_of(t), e));
	return e;
}

static inline struct entry *
put(struct topic *t)
{
	return put_flagged(t, 1, 0);
}

#endif
