/* SPDX-License-Identifier: MIT
 *
 * One request, as the handler of a route sees it. All functions are for the thread that runs the
 * handler; texts are borrowed until the answer is sent.
 */
#ifndef MK_HTTP_REQUEST_H
#define MK_HTTP_REQUEST_H

#include <meshkern/codec.h>

#include "route.h"
#include "settings.h"

/* What the program gave to httpd_new(). */
void *request_context(const struct request *rq);
const mk_host *request_host(const struct request *rq);
/* The options, as they were when the request came. */
const struct settings *request_settings(const struct request *rq);
/* The i-th parameter of the path, decoded; never empty. */
const char *request_arg(const struct request *rq, uint32_t i);
/* Parameters of the query by the names in the route's table. */
const char *request_text(const struct request *rq, const char *name); /* NULL: not given */
int64_t request_int(const struct request *rq, const char *name);
double request_real(const struct request *rq, const char *name);
bool request_bool(const struct request *rq, const char *name);
const void *request_body(const struct request *rq, size_t *len);
/* A header of the request, or NULL. */
const char *request_header(const struct request *rq, const char *name);

/* The answer is {"error": text}; whatever was written is dropped. The text must not repeat what the
 * client sent. */
void request_fail(struct request *rq, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void request_set_status(struct request *rq, unsigned status); /* instead of 200 */
void request_set_type(struct request *rq, const char *type);  /* of the route's; a literal */
/* At most four, each name once; `name` must be a literal, the value is copied (127 bytes). */
void request_set_header(struct request *rq, const char *name, const char *value);

/* Ask another plugin or the core. The handler returns, and `fn` writes the answer when there is one:
 * on the same thread, and in any case. The body of a reply is NULL unless result is MK_OK. */
typedef void request_reply(struct request *rq, mk_result result, const char *error,
			   const mk_val *body, struct json *out);
void request_call(struct request *rq, const char *method, const mk_writer *body,
		  uint64_t timeout_us, request_reply *fn);
/* Publishes a message; `fn` gets what the plugin's thread has to say to `key` (httpd_tell()) because of
 * it, or MK_ETIMEDOUT. */
void request_publish(struct request *rq, const char *topic, const mk_writer *body, const char *key,
		     uint64_t timeout_us, request_reply *fn);
/* This cannot be answered yet: the handler returns, and is called again when the plugin's thread tells
 * `key`. After `timeout_us`, from the first time on, the answer is 503. */
void request_again(struct request *rq, const char *key, uint64_t timeout_us);
/* A copy of a text that lives as long as the request, from one reply to the next. */
void request_keep(struct request *rq, const char *text, size_t len);
const char *request_kept(const struct request *rq); /* NULL: none */
/* Something that takes long: `run` makes a file on a thread of its own, and gives up when `stop`
 * becomes true; `fn` then sends it, or says what went wrong. `arg` must outlive everything. */
typedef mk_result request_job(void *arg, const _Atomic bool *stop, int *fd, mk_err *err);
void request_run(struct request *rq, request_job *run, void *arg, request_reply *fn);
void request_send_file(struct request *rq, const char *type); /* `type` is a literal */
/* A number of the handler's own, for when its call is replied to. */
void request_set_note(struct request *rq, uint64_t note);
uint64_t request_note(const struct request *rq);
/* The status that fits the result of a call, and its text as the error. */
void request_fail_call(struct request *rq, mk_result result, const char *error);

#endif
