/* SPDX-License-Identifier: MIT
 *
 * What the hub keeps: topics, messages (entries) and the rings that hold the recent ones for
 * replay. Core thread only. Entries are counted references, because a retained topic holds its
 * last value beyond the ring.
 */
#ifndef MK_CORE_RING_H
#define MK_CORE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/plugin.h>

#define TOPICS_MAX 512u           /* topics of one daemon */
#define KEPT_MAX 256u             /* deltas kept on top of a retained base */
#define KEPT_BYTES_MAX (8u << 20) /* the same, in bytes; the base does not count */
#define ENTRY_HOLLOW (1u << 31)   /* a place in a ring whose message is gone */

struct topic;

struct entry {
	uint32_t refs;
	uint32_t flags; /* MK_MSG_DELTA, MK_MSG_DURABLE, ENTRY_HOLLOW */
	uint32_t schema;
	uint32_t len;
	uint64_t order; /* the hub's order of all messages, from 1 */
	uint64_t seq;   /* within the topic, from 1 */
	uint64_t time_us;
	uint64_t origin_seq, origin_first;
	struct topic *topic;
	char origin[MK_ID_MAX + 1];
	uint8_t body[];
};

struct topic {
	char name[MK_TOPIC_MAX + 1];
	uint32_t id;    /* index in the table */
	uint32_t flags; /* MK_TOPIC_RELIABLE, DURABLE, RETAINED */
	uint32_t schema_min, schema_max;
	uint64_t seq;                     /* last one given */
	uint64_t first;                   /* oldest one in the ring; seq + 1 when there is none */
	uint64_t bytes;                   /* of bodies, ever */
	struct entry *kept[1 + KEPT_MAX]; /* retained: a base and its deltas */
	uint32_t kept_count;
	uint64_t kept_bytes; /* of the deltas */
	uint64_t kept_lost;  /* deltas that did not fit: the chain ends before them */
};

struct topics {
	struct topic *at[TOPICS_MAX];
	uint32_t count;
	struct topic *buckets[TOPICS_MAX * 2]; /* open addressing by name */
};

struct ring {
	struct entry **slots; /* a power of two, grows beyond max_messages only in need */
	uint64_t capacity;
	uint64_t base; /* position of the oldest entry; positions never repeat */
	uint64_t count;
	uint64_t bytes; /* of bodies */
	uint64_t max_messages, max_bytes;
	uint64_t evicted, hollow; /* entries gone for age; those whose message went before */
};

struct topic *topics_find(const struct topics *t, const char *name);
/* NULL: the table is full, or out of memory. */
struct topic *topics_add(struct topics *t, const char *name, uint32_t flags);
void topics_fini(struct topics *t);
/* Class of a topic in words: "latest", "reliable", ... */
const char *topic_class(const struct topic *t);
/* Keep a message as the retained value of its topic, or as a delta on it. */
void topic_keep(struct topic *t, struct entry *e);

/* One reference; the body is uninitialised. NULL: out of memory. */
struct entry *entry_new(uint32_t len);
void entry_unref(struct entry *e);

bool ring_init(struct ring *r, uint64_t max_messages, uint64_t max_bytes);
void ring_fini(struct ring *r);
/* Takes the reference. False: out of memory, nothing taken. */
bool ring_push(struct ring *r, struct entry *e);
bool ring_is_over(const struct ring *r); /* its limits */
/* The oldest; NULL when empty. */
struct entry *ring_front(const struct ring *r);
/* Only the place of this one stays; who comes by finds it missing. */
void ring_hollow(struct ring *r, struct entry *e);
/* Drop the oldest. */
void ring_evict(struct ring *r);
/* Position must be in [base, base + count). */
struct entry *ring_at(const struct ring *r, uint64_t position);
/* Position of the first entry with an order above `order`. */
uint64_t ring_after(const struct ring *r, uint64_t order);

#endif
