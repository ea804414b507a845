/* SPDX-License-Identifier: MIT
 *
 * Which messages may be acknowledged: those that the storage has committed. What is not comes again
 * after a crash of this plugin.
 */
#ifndef DECODE_ACKS_H
#define DECODE_ACKS_H

#include <meshkern/plugin.h>

/* A message waits for so many others at most, commits included. A host stops delivering at a
 * multiple of this, and with that the very message that would let go; so what is older is
 * acknowledged early. Nothing is lost by that as long as this process lives, and if it dies, the
 * storage misses its number and asks for it. */
#define ACKS_MAX 8192u
#define ACKS_ORIGINS 32u

struct acks_wait {
	uint64_t seq, number; /* number: of its origin; 0: it has none */
	uint64_t handled;     /* of all messages, when it came */
	uint8_t topic;
	char origin[MK_ID_MAX + 1];
};

struct acks_mark { /* what is committed of an origin */
	char origin[MK_ID_MAX + 1];
	uint64_t number;
};

struct acks {
	const mk_host *host;
	const char *const *topics; /* names by index; NULL at the end */
	struct acks_wait *ring;    /* ACKS_MAX, in the order of arrival */
	uint32_t first, count;
	struct acks_mark marks[ACKS_ORIGINS];
	uint32_t mark_count, mark_next;
	uint64_t epoch;
	uint64_t handled; /* calls of acks_flush */
	uint64_t early;   /* acknowledged before they were committed */
};

mk_result acks_init(struct acks *a, const mk_host *host, const char *const *topics);
void acks_fini(struct acks *a);

/* A message of a topic in hand; GAPs do not count. */
void acks_add(struct acks *a, uint8_t topic, const mk_msg *msg);
/* Everything of this origin up to this number is on disk. */
void acks_commit(struct acks *a, uint64_t epoch, const char *origin, uint64_t number);
/* Acknowledge what can be: once after each message, of any topic. */
void acks_flush(struct acks *a);

#endif
