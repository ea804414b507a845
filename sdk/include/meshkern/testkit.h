/* SPDX-License-Identifier: MIT
 *
 * Test a plugin without a daemon: one instance on a fake host, with a fake
 * clock and a fake bus, deterministic, in the test's own thread.
 *
 *   mk_tk *tk = mk_tk_new(&mk_plugin_v1, "interval: 5s");
 *   cr_assert_eq(mk_tk_start(tk), MK_OK);
 *   mk_tk_send(tk, "rx/raw", &writer);
 *   mk_tk_advance(tk, 5000000);
 *   cr_assert_eq(mk_tk_published(tk, "snapshot/rain"), 1);
 *   cr_assert_eq(mk_tk_free(tk), 0);
 */
#ifndef MK_SDK_TESTKIT_H
#define MK_SDK_TESTKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <meshkern/codec.h>
#include <meshkern/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mk_tk mk_tk;

/* `config` is the plugin's own configuration as YAML text (NULL = defaults).
 * Never NULL: if something is wrong, mk_tk_start says so and mk_tk_error has
 * the text. */
mk_tk *mk_tk_new(const mk_plugin_desc *desc, const char *config);
/* stop and destroy if needed, then the number of things left behind:
 * allocations, file descriptors, threads; timers and watches that were set when
 * nothing could come of them (in stop(), or in a create() that failed). The
 * report goes to stderr and mk_tk_leaks() of the kit before the next mk_tk_new.
 * Descriptors and threads belong to the process: they are compared with those
 * before the first create() when the last of several kits is freed, and what
 * the test opened itself in between has to be closed by then. */
uint32_t mk_tk_free(mk_tk *tk);
const char *mk_tk_leaks(void);
const char *mk_tk_error(const mk_tk *tk);

/* --- life --- */
mk_result mk_tk_check(mk_tk *tk);  /* the descriptor and check() */
mk_result mk_tk_create(mk_tk *tk); /* create() only */
/* check, create and start. After mk_tk_stop it is a restart: the old instance
 * is destroyed, and the folders are those of before. */
mk_result mk_tk_start(mk_tk *tk);
void mk_tk_stop(mk_tk *tk);
/* MK_ERESTART if an option that is not LIVE changes, or the plugin says so; the
 * next mk_tk_start has the new values then. */
mk_result mk_tk_reconfigure(mk_tk *tk, const char *config);
/* The folder that host->dir gives. Removed by mk_tk_free. */
const char *mk_tk_dir(mk_tk *tk, uint32_t kind);

/* --- the bus --- */
/* Deliver one message: topic, sequence and time are filled in, the body is a
 * copy that is poisoned when on_msg has returned. MK_EDENIED if the plugin
 * does not subscribe to it, MK_EAGAIN while it holds messages back. With MK_MSG_REPLAYED the last sequence of the topic
 * comes again. */
mk_result mk_tk_send(mk_tk *tk, const char *topic, const mk_writer *body);
mk_result mk_tk_send_raw(mk_tk *tk, const char *topic, const void *body, size_t len,
			 uint32_t flags);
mk_result mk_tk_send_gap(mk_tk *tk, const char *topic, uint64_t lost);
/* What it published on a topic (NULL: on any): how many, and the i-th. */
uint32_t mk_tk_published(const mk_tk *tk, const char *topic);
const void *mk_tk_body(const mk_tk *tk, const char *topic, uint32_t i, size_t *len);
/* The i-th body as JSON; valid until the next call. NULL if there is none. */
const char *mk_tk_json(mk_tk *tk, const char *topic, uint32_t i);
void mk_tk_forget(mk_tk *tk); /* clear what was published and logged */
/* Highest sequence acknowledged on a topic, by ack() or by returning. */
uint64_t mk_tk_acked(const mk_tk *tk, const char *topic);
/* Everything `from` published and `to` subscribes to and has not had yet. */
uint32_t mk_tk_route(mk_tk *from, mk_tk *to);
/* One call to a method of the plugin. The reply may come later, after more
 * events: then MK_EAGAIN, and mk_tk_reply() tells. */
mk_result mk_tk_call(mk_tk *tk, const char *method, const mk_writer *body);
const mk_reply *mk_tk_reply(const mk_tk *tk); /* NULL: none yet */
/* Calls the plugin makes: answer the oldest one; MK_ENOENT if none is open. */
mk_result mk_tk_answer(mk_tk *tk, mk_result result, const char *error, const mk_writer *body);
const char *mk_tk_asked(const mk_tk *tk); /* method of the oldest, or NULL */
const char *mk_tk_asked_json(mk_tk *tk);  /* its body; valid until the next call */

/* --- time, descriptors, threads --- */
/* Move the clock; timers fire in order, at their own times. */
void mk_tk_advance(mk_tk *tk, uint64_t us);
void mk_tk_set_wall(mk_tk *tk, uint64_t unix_us); /* jumps, also backwards */
/* Serve watched descriptors and posted functions until nothing is ready, or
 * at most `real_ms` of real time. Returns how many callbacks ran. */
uint32_t mk_tk_poll(mk_tk *tk, uint32_t real_ms);

/* --- trouble --- */
/* The next `times` publishes return `result` and take nothing. */
void mk_tk_publish_fails(mk_tk *tk, mk_result result, uint32_t times);
/* The n-th allocation from now on fails (1 = the next one), once; 0 = off.
 * Returns false where allocations cannot be counted (sanitizer builds). */
bool mk_tk_fail_alloc(mk_tk *tk, uint32_t n);
bool mk_tk_alloc_failed(const mk_tk *tk); /* it has come to that */

/* --- what it said --- */
uint32_t mk_tk_logged(const mk_tk *tk, int32_t level); /* lines at that level */
bool mk_tk_log_has(const mk_tk *tk, const char *text);
int64_t mk_tk_number(const mk_tk *tk, const char *name); /* gauge or counter */
/* Rules the plugin broke: wrong thread, undeclared topic, malformed body,
 * callback over 100 ms. mk_tk_misbehaved_text lists them, a line each, which
 * begins with the kind: "thread: ", "publish: ", "slow: ", "other: ". */
uint32_t mk_tk_misbehaved(const mk_tk *tk);
const char *mk_tk_misbehaved_text(const mk_tk *tk);

#ifdef __cplusplus
}
#endif
#endif
