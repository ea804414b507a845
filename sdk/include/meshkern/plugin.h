/* SPDX-License-Identifier: MIT
 *
 * The meshkern plugin interface.
 *
 * A plugin is a shared object that exports one symbol, the descriptor
 * `mk_plugin_v1`. Everything else reaches the plugin through the host table
 * that `create` receives. Read this file from top to bottom once; it is the
 * whole contract.
 *
 * Thread tags. Every function says where it may be called:
 *   [plugin]  the instance's own thread. All callbacks run there, one at a
 *             time, so a plugin needs no locks for its own state.
 *   [any]     any thread the plugin started with host->spawn, and [plugin].
 *   [probe]   a throw-away process, before the plugin is started.
 * A [plugin] function called elsewhere does nothing and returns MK_ETHREAD.
 *
 * Ownership. Whatever a function receives is borrowed until it returns, and
 * whatever it hands over is copied, unless a comment says otherwise. No memory
 * is ever freed on the other side of this interface.
 *
 * Growth. The major version is in the symbol's name. Within a major version
 * structures only grow at the end; `struct_size` tells how much of one the
 * other side knows, and MK_HAS() asks for a field.
 *
 * Interface history (append, never rewrite):
 *   1.0  first version
 *   1.1  mk_msg.origin_first, mk_host.hold, MK_PUB_SCHEMA
 */
#ifndef MK_SDK_PLUGIN_H
#define MK_SDK_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MK_ABI_MAJOR 1u
#define MK_ABI_MINOR 1u

#define MK_EXPORT __attribute__((visibility("default")))

/* True when `p` (a structure with struct_size) is new enough for `field`. */
#define MK_HAS(p, field)     \
	((p)->struct_size >= \
	 (size_t)((const char *)&(p)->field - (const char *)(p)) + sizeof((p)->field))

/* ------------------------------------------------------------- results -- */

/* 0 or negative. The table is the only place where a result is defined. */
#define MK_RESULT_MAP(X)                                      \
	X(MK_OK, 0, "success")                                \
	X(MK_EINVAL, -1, "invalid argument")                  \
	X(MK_ENOMEM, -2, "out of memory")                     \
	X(MK_EAGAIN, -3, "busy, try again")                   \
	X(MK_ETHREAD, -4, "called from the wrong thread")     \
	X(MK_EDENIED, -5, "not declared or not granted")      \
	X(MK_ENOENT, -6, "does not exist")                    \
	X(MK_EEXIST, -7, "exists already")                    \
	X(MK_ETIMEDOUT, -8, "timed out")                      \
	X(MK_EUNAVAIL, -9, "not available")                   \
	X(MK_ETOOBIG, -10, "too large")                       \
	X(MK_EFORMAT, -11, "malformed")                       \
	X(MK_EFULL, -12, "full")                              \
	X(MK_EIO, -13, "input or output failed")              \
	X(MK_EABI, -14, "incompatible interface version")     \
	X(MK_ERESTART, -15, "needs a restart to take effect") \
	X(MK_ESTATE, -16, "not possible in this state")       \
	X(MK_ELOST, -17, "messages were lost")

enum {
#define MK_RESULT_ENUM(name, value, text) name = (value),
	MK_RESULT_MAP(MK_RESULT_ENUM)
#undef MK_RESULT_ENUM
};
typedef int32_t mk_result;

/* "success", "out of memory", ...; never NULL. [any] */
const char *mk_result_text(mk_result result);
/* "MK_OK", "MK_ENOMEM", ...; never NULL. [any] */
const char *mk_result_name(mk_result result);

/* ------------------------------------------------------------ messages -- */

#define MK_TOPIC_MAX 63         /* bytes of [a-z0-9._-] and '/' */
#define MK_ID_MAX 31            /* bytes of [a-z0-9-], letter first */
#define MK_BODY_DEFAULT 65536u  /* bytes, when a topic gives no max_body */
#define MK_BODY_MAX (16u << 20) /* bytes, the most a topic may ask for */

/* mk_msg.flags */
#define MK_MSG_REPLAYED (1u << 0) /* may have been delivered before */
#define MK_MSG_GAP (1u << 1)      /* `lost` messages from `seq` on are gone */
#define MK_MSG_RETAINED (1u << 2) /* sent because you joined, not news */
#define MK_MSG_DELTA (1u << 3)    /* changes the last message without DELTA */
#define MK_MSG_DURABLE (1u << 4)  /* origin_seq is valid */

typedef struct mk_msg {
	uint32_t struct_size;
	uint32_t flags;
	const char *topic;
	const char *origin;  /* the instance that published it */
	uint64_t epoch;      /* changes whenever the bus starts anew */
	uint64_t seq;        /* dense per topic within an epoch, from 1 */
	uint64_t time_us;    /* when the bus took it, Unix time */
	uint64_t origin_seq; /* dense per origin over restarts (DURABLE) */
	uint64_t lost;       /* with MK_MSG_GAP: how many */
	uint32_t schema;     /* version of the body's schema */
	uint32_t body_len;
	const void *body; /* one validated msgpack map; NULL with MK_MSG_GAP */
	/* since 1.1: the lowest origin_seq of this origin in this epoch; what is below it was
	 * committed before. Numbers of different epochs cannot be compared (DURABLE). */
	uint64_t origin_first;
} mk_msg;

/* mk_topic.flags; the class of a topic belongs to its publishers, who must
 * agree. No class flag means "latest": newest wins, gaps are counted. */
#define MK_TOPIC_RELIABLE (1u << 0) /* replayed, or an explicit gap */
#define MK_TOPIC_DURABLE (1u << 1)  /* reliable, and kept by the publisher */
#define MK_TOPIC_RETAINED (1u << 2) /* the last value goes to whoever joins */
/* for subscriptions */
#define MK_TOPIC_MANUAL_ACK (1u << 8) /* done when host->ack says so, not */
				      /* when on_msg returns */

/* One entry of a manifest. The name is a topic, or a subtree if it ends in
 * '/': "node/" is every topic that begins so. Where several entries cover a
 * topic, the one with the longest name counts. */
typedef struct mk_topic {
	const char *name;
	uint32_t flags;
	uint32_t max_body;   /* publishing; 0 = MK_BODY_DEFAULT */
	uint32_t schema_min; /* lowest body schema understood or sent */
	uint32_t schema_max; /* highest; 0 = same as schema_min */
	const char *help;
} mk_topic;

/* host->publish flags */
#define MK_PUB_DELTA (1u << 0) /* retained topics: adds to the last value */
/* since 1.1: the schema of this body, 1 to 65535, where it is not the topic's schema_max: for who
 * publishes for others */
#define MK_PUB_SCHEMA(version) ((uint32_t)(version) << 16)
#define MK_PUB_SCHEMA_OF(flags) ((flags) >> 16) /* 0: not given */

/* -------------------------------------------------------- call / reply -- */

typedef struct mk_call {
	uint32_t struct_size;
	uint32_t flags;
	uint64_t id;        /* for host->reply */
	const char *name;   /* the method, "decode/packet" */
	const char *caller; /* instance id, or "core" */
	const void *body;   /* one msgpack map */
	uint32_t body_len;
} mk_call;

typedef struct mk_reply {
	uint32_t struct_size;
	mk_result result;  /* MK_ETIMEDOUT and MK_EUNAVAIL come from the bus */
	uint64_t id;       /* what host->call gave */
	const char *name;  /* the method that was called */
	const char *error; /* text when result is not MK_OK, else "" */
	const void *body;  /* one msgpack map, NULL when there is none */
	uint32_t body_len;
} mk_reply;

/* A method the plugin answers in on_call. */
typedef struct mk_method {
	const char *name; /* like a topic name */
	const char *help;
} mk_method;

/* ------------------------------------------------------------- options -- */

/* mk_option.type */
#define MK_OPT_BOOL 1u
#define MK_OPT_INT 2u      /* min..max */
#define MK_OPT_FLOAT 3u    /* min..max */
#define MK_OPT_STRING 4u   /* length min..max; max 0 = 4096 */
#define MK_OPT_ENUM 5u     /* one of `choices`, a NULL-terminated list */
#define MK_OPT_DURATION 6u /* "250ms" "5s" "2h" "7d" -> µs; min..max in µs */
#define MK_OPT_SIZE 7u     /* "64KiB" "2GiB" -> bytes; min..max in bytes */
#define MK_OPT_LIST 8u     /* of strings; count min..max; max 0 = 1024 */
#define MK_OPT_GROUP 9u    /* a map whose keys are `sub` */
#define MK_OPT_GROUPS 10u  /* a list of maps; count min..max; keys `sub` */

/* mk_option.flags */
#define MK_OPT_REQUIRED (1u << 0)
#define MK_OPT_LIVE (1u << 1)   /* reconfigure() takes it without restart */
#define MK_OPT_SECRET (1u << 2) /* never logged; warns on a readable file */
#define MK_OPT_MAIN (1u << 3)   /* in `sub`: a scalar alone means this option */

/* The table generates the checks, the defaults and the reference page. */
typedef struct mk_option {
	const char *name;
	const char *dflt; /* as it would stand in YAML; NULL = unset */
	const char *help;
	int64_t min;
	int64_t max;
	uint32_t type;
	uint32_t flags;
	const char *const *choices;
	const struct mk_option *sub; /* ends with a NULL name */
} mk_option;

/* --------------------------------------------------------------- host --- */

/* log levels */
#define MK_LOG_ERROR 0
#define MK_LOG_WARN 1
#define MK_LOG_INFO 2
#define MK_LOG_DEBUG 3

/* host->watch_fd events */
#define MK_FD_READ (1u << 0)
#define MK_FD_WRITE (1u << 1)
#define MK_FD_ERROR (1u << 2) /* reported, need not be asked for */

/* host->dir kinds */
#define MK_DIR_STATE 0 /* the instance's own, writable, kept over restarts */
#define MK_DIR_DATA 1  /* data_dir; writable only with storage.write */
#define MK_DIR_RUN 2   /* the instance's own, writable, emptied at start */

typedef struct mk_host mk_host;
struct mk_host {
	uint32_t struct_size;
	uint16_t abi_major;
	uint16_t abi_minor;
	void *impl; /* the host's own */

	/* One line without newline; key=value pairs at the end. [any] */
	void (*log)(const mk_host *, int32_t level, const char *line);

	/* Queue one message. The body is one msgpack map.
	 * MK_EAGAIN: the queue is full; nothing was taken; try again later
	 * (counted as refused). For a DURABLE topic MK_OK means that it is in
	 * the outbox file and survives a crash; MK_EFULL that the outbox has
	 * reached its limit. MK_EDENIED, MK_ETOOBIG, MK_EFORMAT: yours. [any] */
	mk_result (*publish)(const mk_host *, const char *topic, const void *body, uint32_t len,
			     uint32_t flags);

	/* MANUAL_ACK topics: everything up to seq is dealt with. MK_EDENIED:
	 * not such a topic; MK_EINVAL: of another epoch. [plugin] */
	mk_result (*ack)(const mk_host *, const char *topic, uint64_t epoch, uint64_t seq);

	/* Ask another plugin, or the core ("core/..."). The answer comes to
	 * on_reply exactly once, unless stop() comes first. timeout_us 0 is the
	 * configured time-out; id may be NULL. [plugin] */
	mk_result (*call)(const mk_host *, const char *method, const void *body, uint32_t len,
			  uint64_t timeout_us, uint64_t *id);
	/* Answer a call, at any time before its caller's time-out. [any] */
	mk_result (*reply)(const mk_host *, uint64_t id, mk_result result, const char *error,
			   const void *body, uint32_t len);

	/* on_timer(id) after `after_us`, then every `every_us` if that is not
	 * 0. Setting an id again replaces it; after_us = UINT64_MAX stops it. [plugin] */
	mk_result (*timer)(const mk_host *, uint32_t id, uint64_t after_us, uint64_t every_us);
	/* on_fd(fd, events) while any of `events` holds; 0 stops. Sockets,
	 * pipes and the like; a regular file is MK_EINVAL. [plugin] */
	mk_result (*watch_fd)(const mk_host *, int32_t fd, uint32_t events);
	/* A helper thread. `fn` must return soon after stop() was called; the
	 * host joins it and reports one that stays. [plugin] */
	mk_result (*spawn)(const mk_host *, const char *name, void (*fn)(void *), void *arg);
	/* Run fn(arg) on the plugin's thread. What is posted before stop()
	 * returns runs before destroy(). [any] */
	mk_result (*post)(const mk_host *, void (*fn)(void *), void *arg);

	/* Options by path: "listen", "sources[0].broker". A value is valid
	 * until reconfigure() or destroy(). Unset, or called on another
	 * thread: NULL, 0. Of an ENUM opt_str gives the word, opt_int its
	 * index in `choices`. [plugin] */
	const char *(*opt_str)(const mk_host *, const char *path);
	int64_t (*opt_int)(const mk_host *, const char *path);    /* BOOL, INT, */
	double (*opt_float)(const mk_host *, const char *path);   /* DURATION, SIZE */
	uint32_t (*opt_count)(const mk_host *, const char *path); /* lists */

	/* Monotonic, and Unix time. Under test both are the test's. [any] */
	uint64_t (*now_us)(const mk_host *);
	uint64_t (*wall_us)(const mk_host *);

	/* Absolute path without trailing slash, valid until destroy. [any] */
	const char *(*dir)(const mk_host *, uint32_t kind);
	/* The instance's name in the configuration. [any] */
	const char *(*name)(const mk_host *);

	/* A number shown in statistics and /metrics: a gauge is set, a
	 * counter is added to. Names like option names, up to 64. [any] */
	mk_result (*gauge)(const mk_host *, const char *name, int64_t value);
	mk_result (*count)(const mk_host *, const char *name, int64_t add);

	/* Optional parts by id, "mk.something/1"; NULL if absent. [any] */
	const void *(*extension)(const mk_host *, const char *id);

	/* since 1.1: while held, on_msg, on_call and on_reply are not called: what comes waits at
	 * the bus, and nothing is lost by that. Timers, descriptors and posts go on, and stop()
	 * comes through; what waits then comes to the next instance. [plugin] */
	mk_result (*hold)(const mk_host *, bool on);
};

/* --------------------------------------------------------- descriptor --- */

/* mk_plugin_desc.flags */
#define MK_PLUGIN_SINGLE (1u << 0) /* only one instance may be configured */

/* Capabilities a plugin may request; the configuration grants them.
 *   storage.read   open the database read-only
 *   storage.write  the database directory is writable (one instance only)
 *   net            sockets of its own
 *   exec           start other programs
 *   core.control   calls to core/... that change something
 */

typedef struct mk_plugin_desc {
	uint32_t struct_size;
	uint16_t abi_major;
	uint16_t abi_minor;
	uint32_t min_host_minor; /* the lowest host this works with */
	uint32_t flags;
	uint32_t topic_size;  /* sizeof(mk_topic), set by MK_PLUGIN_HEAD */
	uint32_t option_size; /* sizeof(mk_option) */
	uint32_t method_size; /* sizeof(mk_method) */
	uint32_t reserved;

	const char *id;      /* "rainmap" */
	const char *version; /* semver of the plugin */
	const char *summary; /* one line */
	const char *license; /* SPDX */
	const char *author;
	const char *url;

	const mk_topic *subscribes; /* tables end with a NULL name, or NULL */
	const mk_topic *publishes;
	const mk_method *methods;
	const mk_option *options;
	const char *const *capabilities; /* NULL-terminated, or NULL */

	/* Check relations between options; pure: of the host only the opt_
	 * functions are there. On failure write a sentence that names the
	 * option. Optional. [probe] */
	mk_result (*check)(const mk_host *config, char *why, uint32_t why_len);

	/* Make an instance; on failure leave nothing behind. [plugin] */
	mk_result (*create)(const mk_host *host, void **self);
	/* Begin: open files and sockets, set timers. Messages come only after
	 * it succeeded; after a failure only destroy() follows. Optional.
	 * [plugin] */
	mk_result (*start)(void *self);
	void (*on_msg)(void *self, const mk_msg *msg);          /* [plugin] */
	void (*on_call)(void *self, const mk_call *call);       /* [plugin] */
	void (*on_reply)(void *self, const mk_reply *reply);    /* [plugin] */
	void (*on_timer)(void *self, uint32_t id);              /* [plugin] */
	void (*on_fd)(void *self, int32_t fd, uint32_t events); /* [plugin] */
	/* LIVE options have new values. MK_ERESTART: restart me. [plugin] */
	mk_result (*reconfigure)(void *self);
	/* The last callback but destroy: finish, flush, publish the last
	 * words. No message follows. A deadline runs. Optional. [plugin] */
	void (*stop)(void *self);
	void (*destroy)(void *self); /* free everything [plugin] */
	/* Optional parts of the plugin by id, or NULL. [plugin] */
	const void *(*extension)(void *self, const char *id);
} mk_plugin_desc;

/* The first fields of every descriptor. */
#define MK_PLUGIN_HEAD                                                    \
	.struct_size = sizeof(mk_plugin_desc), .abi_major = MK_ABI_MAJOR, \
	.abi_minor = MK_ABI_MINOR, .topic_size = sizeof(mk_topic),        \
	.option_size = sizeof(mk_option), .method_size = sizeof(mk_method)

/* What the plugin defines:
 *   MK_EXPORT const mk_plugin_desc mk_plugin_v1 = { MK_PLUGIN_HEAD, ... }; */
extern MK_EXPORT const mk_plugin_desc mk_plugin_v1;

#ifdef __cplusplus
}
#endif
#endif
