/* SPDX-License-Identifier: MIT
 *
 * One plugin instance at work: its thread, its callbacks, its side of the bus. The same code runs
 * on a thread of the daemon (inproc) and as the main thread of meshkern-host (process).
 *
 * DOC: The instance's loop
 *
 *   bundles from the hub --> what cannot wait (credit, trim) is done at once
 *                        --> the rest is queued, and delivered one record after the other
 *   callbacks publish    --> queue, bounded --> sent as the hub's credit allows
 *                            or, for durable topics, the outbox file --> sent as credit allows
 *
 * While the publish queue is more than half full no further message is delivered to the plugin:
 * a plugin that publishes a little per message never finds its queue full.
 */
#ifndef MK_HOST_INST_H
#define MK_HOST_INST_H

#include <pthread.h>

#include <meshkern/manifest.h>
#include <meshkern/options.h>

#include "bus_link.h"
#include "log.h"
#include "loop.h"
#include "outbox.h"
#include "vitals.h"
#include "wire.h"

struct inst_config {
	const char *name;
	const mk_plugin_desc *desc;
	const uint8_t *values; /* its options, as mk_values_write wrote them */
	size_t values_len;     /* 0: all defaults */
	const char *url_out;   /* the hub publishes here */
	const char *url_in;    /* and pulls here */
	const char *state_dir, *data_dir, *run_dir, *outbox_dir; /* absolute */
	uint64_t outbox_bytes, outbox_sync_us;
	struct vitals *vitals;
	bool local_log; /* this process has the log; else lines go over the bus */
};

/* Runs from "here I am" to the hub's BYE. What the plugin did wrong is reported to the hub; the
 * result is only about the connection itself. */
mk_result inst_run(const struct inst_config *config, mk_err *err);

/* ------------------------------------------------- shared by inst*.c only -- */

#define INST_TIMERS 64u
#define INST_WATCHES 256u
#define INST_THREADS 16u
#define INST_NUMBERS 64u
#define INST_POSTS 65536u /* posted functions waiting */
#define INST_QUEUE 8192u  /* messages waiting for credit */
#define INST_QUEUE_BYTES (8u << 20)
#define INST_LOG_BYTES (1u << 20) /* log lines waiting; beyond, they are counted as lost */
#define INST_UNACKED 65536u       /* messages with manual ack under way */

struct inst;

struct inst_bundle { /* records waiting for delivery */
	struct inst_bundle *next;
	size_t len;
	struct wire_in at;
	uint8_t data[];
};

struct inst_timer {
	struct inst *inst;
	struct loop_timer *timer; /* NULL: free slot */
	uint32_t id;
	uint64_t every_us;
	uint64_t due_us;
};

struct inst_watch {
	struct inst *inst;
	struct loop_watch *watch; /* NULL: free slot */
	int fd;
};

struct inst_thread {
	struct inst *inst;
	pthread_t thread;
	void (*fn)(void *);
	void *arg;
	char name[16];
	uint64_t cpu_us;    /* what it had used when it ended */
	_Atomic bool ended; /* `fn` has returned */
	bool used;
};

struct inst_post {
	struct inst_post *next;
	void (*fn)(void *);
	void *arg;
};

struct inst_number {
	char name[MK_ID_MAX + 1];
	int64_t value;
	bool changed;
};

struct inst_unacked { /* delivered, not dealt with */
	uint64_t order, seq;
	int32_t topic; /* index into manual, -1: dealt with */
};

struct inst_manual {
	char topic[MK_TOPIC_MAX + 1];
	uint64_t acked;
};

struct inst {
	struct inst_config config;
	mk_host host;
	mk_manifest *manifest; /* the descriptor, its tables in our sizes */
	mk_values *values;
	void *self; /* the plugin's */
	struct loop *loop;
	struct link *sub, *push;
	struct loop_watch *sub_watch, *wake_watch;
	struct loop_timer *flush_timer, *sync_timer, *report_timer;
	int wake_fd;
	char thread_name[16];
	bool started, stopping, stopped, bye;
	bool held;      /* the plugin wants no messages now */
	bool stop_seen; /* WIRE_STOP has arrived, and waits for its turn */
	uint64_t
	    leave_by;   /* stopped: when it says so, whatever the hub has not taken; 0 = it has */
	char left[256]; /* what the plugin left behind */

	struct inst_bundle *first, **last; /* to be delivered */
	uint64_t bundles, bundles_told;    /* received and finished */
	uint64_t bytes_untold, ack_us;     /* since the last acknowledgement, and when that was */
	uint64_t epoch;
	uint64_t done, done_told;
	/* Delivered, and what the plugin published meanwhile is on its way: nothing more will come of
	 * it, but with manual ack it is not done yet. */
	uint64_t delivered, handled, handled_told;
	struct inst_unacked *unacked; /* ring of INST_UNACKED, only with manual topics */
	uint32_t unacked_first, unacked_count;
	struct inst_manual manual[64];
	uint32_t manual_count;

	struct outbox *outbox; /* NULL: no durable topic */
	uint64_t again_until;  /* outbox numbers that are sent again on request */
	bool report_armed;
	uint64_t call_next;

	struct inst_timer timers[INST_TIMERS];
	struct inst_watch watches[INST_WATCHES];
	struct inst_thread threads[INST_THREADS];
	uint64_t cpu_left_us; /* of threads that have made room for others */
	bool posted_here;     /* by the instance's own thread, in this round */

	pthread_mutex_t lock;  /* guards what follows; a leaf, never held over a callback */
	struct wire_out ready; /* records that need no credit */
	size_t log_waiting;    /* bytes of log lines in it */
	struct log_limit log_limit;
	struct wire_out queue; /* WIRE_PUB records */
	size_t queue_at;       /* sent up to here */
	uint32_t queued;
	struct wire_out bundle;
	uint64_t credit, credit_bytes, used, used_bytes;
	bool woken, report_due;
	struct inst_post *posts, **posts_last;
	uint32_t post_count;
	struct inst_number numbers[INST_NUMBERS];
	uint32_t number_count;
};

void inst_host_init(struct inst *in);
void inst_enter(struct inst *in, enum vitals_callback callback);
void inst_leave(struct inst *in);
bool inst_is_here(const struct inst *in); /* is this the instance's own thread? */
void inst_wake(struct inst *in);          /* [any]; lock held */
/* Send what may be sent. Instance thread. */
void inst_flush(struct inst *in);
void inst_say_state(struct inst *in, uint8_t state, mk_result result, const char *text);
void inst_say_ack(struct inst *in); /* when it is time for one */
/* A message was delivered: from now on it is done, or waits for its ack. */
void inst_handed_over(struct inst *in, const struct wire_msg *m);
/* False: not a topic that is acknowledged by hand. */
bool inst_ack(struct inst *in, const char *topic, uint64_t seq);
/* Report a broken rule to the hub. [any] */
void inst_misbehaved(struct inst *in, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Close what the plugin left open; a sentence about it in `text`, "" if there was nothing. */
void inst_host_fini(struct inst *in, char *text, size_t cap);
void inst_join(struct inst *in, char *text, size_t cap);
void inst_run_posts(struct inst *in);

#endif
