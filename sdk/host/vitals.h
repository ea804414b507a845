/* SPDX-License-Identifier: MIT
 *
 * What an instance is doing right now, in memory that the core sees: shared pages for a process,
 * plain ones for a thread. It outlives the process, so that a crash can be told from it: which
 * callback, which message, and how far the instance had come.
 *
 * Written by the instance's thread, read by the core at any time. Relaxed atomics: each value
 * stands for itself, but for the callback, which comes with the time that it began.
 */
#ifndef MK_HOST_VITALS_H
#define MK_HOST_VITALS_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define VITALS_CALLBACKS(X)           \
	X(NONE, "")                   \
	X(LOAD, "load")               \
	X(CREATE, "create")           \
	X(START, "start")             \
	X(MSG, "on_msg")              \
	X(CALL, "on_call")            \
	X(REPLY, "on_reply")          \
	X(TIMER, "on_timer")          \
	X(FD, "on_fd")                \
	X(POST, "posted function")    \
	X(RECONFIGURE, "reconfigure") \
	X(STOP, "stop")               \
	X(DESTROY, "destroy")

enum vitals_callback {
#define VITALS_ENUM(name, text) VITALS_##name,
	VITALS_CALLBACKS(VITALS_ENUM)
#undef VITALS_ENUM
};

struct vitals {
	_Atomic uint32_t callback; /* enum vitals_callback: where it is */
	_Atomic int32_t landlock;  /* ABI in force, 0 = none, -1 = does not apply */
	_Atomic uint64_t since_us; /* when it went there, monotonic */
	_Atomic uint64_t order;    /* of the message it has in hand, 0 = none */
	_Atomic uint64_t seq;      /* the same message within its topic */
	_Atomic uint64_t done;     /* order up to which everything is dealt with */
	_Atomic uint64_t refused;  /* publishes that found the queue full */
	_Atomic uint64_t posts_refused;
	_Atomic uint64_t log_lost;
	_Atomic uint64_t topic[8]; /* name of the message's topic, NUL-padded */
	_Atomic int32_t no_memory; /* it crashed right after an allocation had failed */
};

static inline void
vitals_enter(struct vitals *v, enum vitals_callback callback, uint64_t now_us)
{
	atomic_store_explicit(&v->since_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&v->callback, (uint32_t)callback, memory_order_release);
}

static inline void
vitals_leave(struct vitals *v)
{
	atomic_store_explicit(&v->callback, VITALS_NONE, memory_order_relaxed);
}

/* Where it is, and when it went there: at that time or, if it has moved meanwhile, later. */
static inline uint32_t
vitals_look(const struct vitals *v, uint64_t *since_us)
{
	uint32_t callback = atomic_load_explicit(&v->callback, memory_order_acquire);

	*since_us = atomic_load_explicit(&v->since_us, memory_order_relaxed);
	return callback;
}

static inline void
vitals_set_topic(struct vitals *v, const char *topic)
{
	uint64_t words[8] = { 0 };
	size_t len = strlen(topic);

	memcpy(words, topic, len < sizeof(words) ? len : sizeof(words) - 1);
	for (int i = 0; i < 8; i++)
		atomic_store_explicit(&v->topic[i], words[i], memory_order_relaxed);
}

static inline void
vitals_get_topic(const struct vitals *v, char topic[64])
{
	for (int i = 0; i < 8; i++) {
		uint64_t word = atomic_load_explicit(&v->topic[i], memory_order_relaxed);

		memcpy(topic + 8 * i, &word, 8);
	}
	topic[63] = '\0';
}

/* The callback in words. */
const char *vitals_text(uint32_t callback);
/* " in on_msg, topic rx/raw", for the end of a sentence; "" if it is in none. */
void vitals_where(const struct vitals *v, char where[128]);

#endif
