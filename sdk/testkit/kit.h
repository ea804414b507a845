/* SPDX-License-Identifier: MIT
 *
 * What the files of the test kit share. testkit.h is what the tests see.
 *
 *   alloc.c  whose memory is it        host.c  the mk_host that plugins call
 *   kit.c    one instance's life       bus.c   messages
 *   loop.c   time, descriptors, posts, threads          call.c  calls, both ways
 *   leaks.c  what was left behind      body.c  borrowed bodies, poisoned later
 *   said.c   log, numbers, broken rules
 *
 * Everything belongs to the test's thread, except what is marked `locked`.
 */
#ifndef MK_TESTKIT_KIT_H
#define MK_TESTKIT_KIT_H

#include <pthread.h>
#include <stdatomic.h>

#include <meshkern/manifest.h>
#include <meshkern/options.h>
#include <meshkern/testkit.h>

#include "alloc.h"

#define TK_LINES_MAX 200    /* kept lines of log and of broken rules */
#define TK_TIMERS_MAX 1024  /* and watches, open calls */
#define TK_THREADS_MAX 64   /* helper threads of one instance */
#define TK_NUMBERS_MAX 256  /* gauges and counters */
#define TK_SLOW_US 100000   /* a callback longer than this is reported */
#define TK_JOIN_MS 2000     /* a helper thread has this long after stop() */
#define TK_STORM 100000     /* callbacks at one instant of the fake clock */
#define TK_CALL_US 5000000u /* time-out of a call that gives none */

enum tk_state { TK_NEW, TK_CREATED, TK_RUNNING, TK_STOPPED, TK_STUCK };

struct tk_record { /* one published message */
	char *topic;
	uint8_t *body;
	uint32_t len, flags, schema;
};

struct tk_line {
	int32_t level;
	char *text;
};

struct tk_topic { /* one topic of the fake bus, as this instance sees it */
	char name[MK_TOPIC_MAX + 1];
	uint64_t seq, acked;
};

struct tk_source { /* how far mk_tk_route has come */
	uint32_t from;
	uint64_t next;
};

struct tk_timer {
	uint64_t due_us, every_us;
	uint64_t order; /* of setting, when two are due at once */
	uint32_t id;
};

struct tk_watch {
	int32_t fd;
	uint32_t events;
};

struct tk_post {
	void (*fn)(void *);
	void *arg;
	struct tk_post *next;
};

struct tk_thread {
	mk_tk *tk;
	pthread_t thread;
	char name[32];
	void (*fn)(void *);
	void *arg;
	_Atomic int32_t tid;
	bool joined;
};

struct tk_call {
	uint64_t id, due_us;
	char method[MK_TOPIC_MAX + 1];
	uint8_t *body;
	uint32_t len;
};

struct tk_number {
	char name[65];
	int64_t value;
};

/* A growing array: items, how many, room for how many. */
#define TK_LIST(type)              \
	struct {                   \
		type *items;       \
		size_t count, cap; \
	}
/* Room for one more at the end, zeroed. */
#define TK_PUSH(list)                                                                            \
	(tk_room((void **)&(list)->items, &(list)->count, &(list)->cap, sizeof(*(list)->items)), \
	 &(list)->items[(list)->count - 1])
#define TK_REMOVE(list, i)                                  \
	memmove(&(list)->items[i], &(list)->items[(i) + 1], \
		((--(list)->count) - (i)) * sizeof(*(list)->items))

struct mk_tk {
	const mk_plugin_desc *desc;
	mk_manifest *manifest;
	mk_host host;
	pthread_t thread; /* the test's; the only one for [plugin] functions */
	uint32_t id;      /* owner of its allocations */
	char name[MK_ID_MAX + 8];
	char error[512];
	mk_result broken; /* descriptor or configuration is bad */
	enum tk_state state;
	bool in_check, in_stop, in_destroy;
	bool held;     /* it wants no messages now */
	bool baseline; /* counts among those that share the leak baseline */
	void *self;
	mk_values *values; /* what the option getters read */
	mk_values *next;   /* configuration for the next create, or NULL */
	char dirs[4][64];  /* root, then by MK_DIR_*; locked */
	uint32_t left;     /* things left behind so far, and their lines */
	char left_text[2048];
	int sched_fd; /* how long the thread had to wait for a processor */

	pthread_mutex_t lock;     /* guards what is `locked`; a leaf */
	uint64_t now_us, wall_us; /* locked */

	TK_LIST(struct tk_record) published; /* locked */
	uint64_t forgotten;                  /* records before published[0]; locked */
	mk_result fail_result;               /* of the next fail_left publishes; locked */
	uint32_t fail_left;
	TK_LIST(struct tk_line) logs;      /* locked */
	uint32_t log_counts[4];            /* locked */
	TK_LIST(struct tk_number) numbers; /* locked */
	TK_LIST(char *) broken_rules;      /* locked */
	uint32_t broken_count;             /* locked */
	char *broken_text;                 /* the lines joined, for the test */
	char *json;                        /* of mk_tk_json and mk_tk_asked_json */

	TK_LIST(struct tk_topic) topics;
	TK_LIST(struct tk_source) sources;
	TK_LIST(struct tk_call) asked; /* calls of the plugin, oldest first */
	uint64_t ask_id;
	TK_LIST(uint64_t) open_calls; /* to the plugin, not answered yet; locked */
	uint64_t call_id;             /* the newest; locked */
	char call_method[MK_TOPIC_MAX + 1];
	mk_reply reply; /* to the newest; locked until replied is set */
	_Atomic bool replied;
	char *reply_error;
	uint8_t *reply_body;

	TK_LIST(struct tk_timer) timers;
	uint64_t timer_order;
	TK_LIST(struct tk_watch) watches;
	struct tk_post *posts, **posts_end; /* locked */
	int wake[2];                        /* a pipe: posts of other threads */
	TK_LIST(struct tk_thread *) threads;
	uint64_t callbacks; /* how many ran */
};

/* For getters that lock, or keep a joined text. */
static inline mk_tk *
tk_mutable(const mk_tk *tk)
{
	return (mk_tk *)(uintptr_t)tk;
}

/* kit.c */
void tk_room(void **items, size_t *count, size_t *cap, size_t size);
char *tk_copy(const char *text);
void *tk_memdup(const void *data, size_t len);
/* Run plugin code: enter, call, leave. A callback that must be short is timed. */
struct tk_entry {
	mk_tk *tk, *outer;
	struct alloc_scope scope;
	const char *name;
	uint64_t started_us, waited_us;
	bool timed;
};
struct tk_entry tk_enter(mk_tk *tk, const char *name, bool timed);
void tk_leave(const struct tk_entry *e);
/* Is this the thread for [plugin] functions? If not, that is noted. */
bool tk_on_thread(mk_tk *tk, const char *function);
uint64_t tk_real_us(void);
/* Poke whoever waits in mk_tk_poll. [any] */
void tk_wake(mk_tk *tk);

/* said.c */
/* A broken rule: "KIND: text"; kinds: thread, publish, slow, other. [any] */
void tk_misbehaved(mk_tk *tk, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* host.c */
void tk_host_init(mk_tk *tk);
void tk_dirs_begin(mk_tk *tk); /* before create(): the run folder is emptied */
void tk_dirs_remove(mk_tk *tk);

/* bus.c */
bool tk_is_map(const void *body, size_t len);
mk_result tk_publish(mk_tk *tk, const char *topic, const void *body, uint32_t len, uint32_t flags);
mk_result tk_ack(mk_tk *tk, const char *topic, uint64_t epoch, uint64_t seq);
/* mk_tk_send_raw with the schema; 0 = the newest the plugin understands. */
mk_result tk_send(mk_tk *tk, const char *topic, const void *body, size_t len, uint32_t flags,
		  uint32_t schema);

/* The JSON of a body, kept until the next. */
const char *tk_json(mk_tk *tk, const void *body, size_t len);

/* call.c */
mk_result tk_ask(mk_tk *tk, const char *method, const void *body, uint32_t len, uint64_t timeout_us,
		 uint64_t *id);
mk_result tk_reply(mk_tk *tk, uint64_t id, mk_result result, const char *error, const void *body,
		   uint32_t len);
/* The i-th call of the plugin is over: tell it. */
void tk_answer(mk_tk *tk, size_t i, mk_result result, const char *error, const void *body,
	       uint32_t len);
void tk_calls_clear(mk_tk *tk); /* calls that are open are forgotten */
void tk_calls_fini(mk_tk *tk);

/* loop.c */
mk_result tk_timer(mk_tk *tk, uint32_t id, uint64_t after_us, uint64_t every_us);
mk_result tk_watch(mk_tk *tk, int32_t fd, uint32_t events);
mk_result tk_spawn(mk_tk *tk, const char *name, void (*fn)(void *), void *arg);
mk_result tk_post(mk_tk *tk, void (*fn)(void *), void *arg);
uint32_t tk_run_posts(mk_tk *tk);
/* Join what ends in time. False: one stays, and is named in the report. */
bool tk_join(mk_tk *tk);
void tk_loop_clear(mk_tk *tk);

/* leaks.c */
/* Before the first create() of the first kit, and after the last destroy():
 * descriptors and threads are the process's, so they are only compared while
 * no other kit is at work. */
void tk_leaks_begin(mk_tk *tk);
uint32_t tk_leaks_end(mk_tk *tk);
void tk_leak(mk_tk *tk, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tk_leaks_reset(void);

/* body.c: copies that a callback borrows. They end at a page that cannot be
 * read, and cannot be read themselves once they are given back; the newest 64
 * stay that way. */
struct tk_loan {
	void *head; /* place for the mk_msg, mk_call or mk_reply */
	const void *body;
	const char *first, *second;
	size_t size;
};
struct tk_loan tk_lend(const void *body, size_t body_len, const char *first, const char *second);
void tk_give_back(struct tk_loan *loan);
/* Does this address belong to something that is or was lent? For the message
 * that goes with a crash; async-signal-safe. */
bool tk_was_lent(const void *address);

#endif
