/* SPDX-License-Identifier: MIT
 *
 * Requests that need an answer from the bus: a worker suspends the connection and posts the question
 * to the plugin's thread, which alone may call; the reply goes into the worker's inbox.
 */
#include "server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pending { /* one question; on its way, then in the list of the plugin's thread */
	struct pending *next;
	struct worker *worker;
	struct request *rq; /* not to be looked into */
	uint64_t ticket, id, timeout_us;
	uint64_t until_us;             /* 0: a call; else it waits for `key` so long */
	char method[MK_TOPIC_MAX + 1]; /* or topic */
	char key[MK_TOPIC_MAX + 1];
	uint32_t len;
	uint8_t body[];
};

struct reply *
reply_new(uint32_t len)
{
	struct reply *r = calloc(1, sizeof(*r) + len);

	if (r != NULL) {
		r->fd = -1;
		r->len = len;
	}
	return r;
}

void
reply_free(struct reply *r)
{
	if (r != NULL && r->fd != -1)
		close(r->fd);
	free(r);
}

void
reply_deliver(struct worker *w, struct reply *r)
{
	bool closed;

	pthread_mutex_lock(&w->lock);
	closed = w->closed;
	if (!closed) {
		r->next = w->replies;
		w->replies = r;
	}
	pthread_mutex_unlock(&w->lock);
	worker_poke(w);
	if (closed)
		reply_free(r);
}

/* Frees the question. */
static void
calls_answer(struct pending *q, mk_result result, const char *error, const void *body, uint32_t len)
{
	struct worker *w = q->worker;
	struct reply *r = reply_new(len);

	if (r != NULL) {
		r->rq = q->rq;
		r->ticket = q->ticket;
		r->result = result;
		(void)snprintf(r->error, sizeof(r->error), "%s", error);
		if (len > 0)
			memcpy(r->body, body, len);
		reply_deliver(w, r);
	}
	atomic_fetch_sub(&w->server->calls, 1);
	free(q);
}

/* The plugin's thread. */
static void
calls_ask(void *arg)
{
	struct pending *q = arg;
	struct httpd *s = q->worker->server;
	mk_result rc = MK_EUNAVAIL;

	if (!atomic_load(&s->stopping))
		rc = s->config.host->call(s->config.host, q->method, q->body, q->len, q->timeout_us,
					  &q->id);
	if (rc != MK_OK) {
		calls_answer(q, rc, mk_result_text(rc), NULL, 0);
		return;
	}
	q->next = s->pending;
	s->pending = q;
}

void
httpd_on_reply(struct httpd *s, const mk_reply *reply)
{
	for (struct pending **at = &s->pending; *at != NULL; at = &(*at)->next) {
		struct pending *q = *at;

		if (q->id != reply->id)
			continue;
		*at = q->next;
		calls_answer(q, reply->result, reply->error == NULL ? "" : reply->error,
			     reply->body, reply->body == NULL ? 0 : reply->body_len);
		return;
	}
}

/* The plugin's thread. It waits before it publishes, so that nothing is missed. */
static void
calls_publish(void *arg)
{
	struct pending *q = arg;
	struct httpd *s = q->worker->server;
	const mk_host *host = s->config.host;
	mk_result rc = MK_EUNAVAIL;

	if (!atomic_load(&s->stopping))
		rc = host->publish(host, q->method, q->body, q->len, 0);
	if (rc != MK_OK) {
		calls_answer(q, rc, mk_result_text(rc), NULL, 0);
		return;
	}
	q->until_us = host->now_us(host) + q->timeout_us;
	q->next = s->pending;
	s->pending = q;
}

/* The plugin's thread. */
static void
calls_wait(void *arg)
{
	struct pending *q = arg;
	struct httpd *s = q->worker->server;

	if (atomic_load(&s->stopping)) {
		calls_answer(q, MK_EUNAVAIL, "", NULL, 0);
		return;
	}
	q->until_us = s->config.host->now_us(s->config.host) + q->timeout_us;
	q->next = s->pending;
	s->pending = q;
}

bool
httpd_is_waited(const struct httpd *s)
{
	for (const struct pending *q = s->pending; q != NULL; q = q->next)
		if (q->until_us != 0)
			return true;
	return false;
}

void
httpd_tell(struct httpd *s, const char *key, const void *body, uint32_t len)
{
	for (struct pending **at = &s->pending; *at != NULL;) {
		struct pending *q = *at;

		if (q->until_us == 0 || strcmp(q->key, key) != 0) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		calls_answer(q, MK_OK, "", body, len);
	}
}

void
httpd_on_timer(struct httpd *s)
{
	uint64_t now_us = s->config.host->now_us(s->config.host);

	for (struct pending **at = &s->pending; *at != NULL;) {
		struct pending *q = *at;

		if (q->until_us == 0 || q->until_us > now_us) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		calls_answer(q, MK_ETIMEDOUT, "", NULL, 0);
	}
}

void
calls_forget(struct httpd *s)
{
	while (s->pending != NULL) {
		struct pending *q = s->pending;

		s->pending = q->next;
		free(q);
	}
}

static void
calls_suspend(struct request *rq, const char *method, const char *key, const mk_writer *body,
	      uint64_t timeout_us, void (*ask)(void *pending), request_reply *fn)
{
	struct httpd *s = rq->conn->worker->server;
	struct pending *q = NULL;

	if (mk_writer_end(body) != MK_OK) {
		request_fail(rq, 500, "the question could not be written");
		return;
	}
	/* MHD must not be stopped while a request waits, and nobody would wake this one. */
	if (atomic_load(&s->stopping)) {
		request_fail(rq, 503, "stopping");
		return;
	}
	if (atomic_fetch_add(&s->calls, 1) < CALLS_MAX)
		q = calloc(1, sizeof(*q) + body->len);
	if (q == NULL) {
		atomic_fetch_sub(&s->calls, 1);
		request_fail(rq, 503, "busy");
		return;
	}
	q->worker = rq->conn->worker;
	q->rq = rq;
	q->ticket = rq->ticket = atomic_fetch_add(&s->ticket, 1) + 1;
	q->timeout_us = timeout_us;
	(void)snprintf(q->method, sizeof(q->method), "%s", method);
	(void)snprintf(q->key, sizeof(q->key), "%s", key);
	q->len = (uint32_t)body->len;
	memcpy(q->body, body->data, body->len);
	rq->on_reply = fn;
	rq->suspended = true;
	if (s->config.host->post(s->config.host, ask, q) == MK_OK)
		return;
	rq->suspended = false;
	atomic_fetch_sub(&s->calls, 1);
	free(q);
	request_fail(rq, 503, "busy");
}

void
request_call(struct request *rq, const char *method, const mk_writer *body, uint64_t timeout_us,
	     request_reply *fn)
{
	calls_suspend(rq, method, "", body, timeout_us, calls_ask, fn);
}

void
request_publish(struct request *rq, const char *topic, const mk_writer *body, const char *key,
		uint64_t timeout_us, request_reply *fn)
{
	calls_suspend(rq, topic, key, body, timeout_us, calls_publish, fn);
}

static void
calls_begin_again(struct request *rq, mk_result result, const char *error, const mk_val *body,
		  struct json *out)
{
	(void)error;
	(void)body;
	if (result == MK_OK) {
		handle_again(rq, out);
		return;
	}
	request_fail(rq, 503, "warming up");
}

void
request_again(struct request *rq, const char *key, uint64_t timeout_us)
{
	struct httpd *s = rq->conn->worker->server;
	uint64_t now_us = s->config.host->now_us(s->config.host);
	mk_writer none;

	if (rq->again_us == 0)
		rq->again_us = now_us + timeout_us;
	/* There is room for questions that are answered soon, too. */
	if (now_us >= rq->again_us || atomic_load(&s->calls) >= CALLS_MAX / 2) {
		request_fail(rq, 503, "warming up");
		return;
	}
	mk_writer_init(&none, 0);
	mk_put_map(&none, 0);
	calls_suspend(rq, "", key, &none, rq->again_us - now_us, calls_wait, calls_begin_again);
	mk_writer_fini(&none);
}

void
request_fail_call(struct request *rq, mk_result result, const char *error)
{
	static const struct {
		mk_result result;
		unsigned status;
		const char *text; /* NULL: what was said */
	} table[] = {
		{ MK_ETIMEDOUT, 504, "no answer in time" },
		{ MK_EUNAVAIL, 503, "not available now" },
		{ MK_EAGAIN, 503, NULL },
		{ MK_EFULL, 503, "busy" },
		{ MK_ENOENT, 404, NULL },
		{ MK_EINVAL, 400, NULL },
		{ MK_EFORMAT, 400, NULL },
		{ MK_ETOOBIG, 413, "too large" },
		{ MK_EDENIED, 403, "not allowed to this server" },
		{ MK_ESTATE, 409, NULL },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].result != result)
			continue;
		request_fail(rq, table[i].status, "%s",
			     table[i].text != NULL ? table[i].text
			     : error[0] != '\0'    ? error
						   : mk_result_text(result));
		return;
	}
	request_fail(rq, 500, "internal error");
}
