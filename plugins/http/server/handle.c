/* SPDX-License-Identifier: MIT
 *
 * From MHD's callbacks to a route's handler and back. A worker's thread.
 *
 * The first call of handle_access for a request only looks at it: an answer that is queued then makes
 * MHD close the connection, which costs six times as much as keeping it, and is what somebody who
 * sends a body that nobody wants deserves.
 */
#include "server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISCARD_MAX (1u << 20) /* of a body that is too long; then the connection is closed */

/* ------------------------------------------------------------- the head -- */

/* Behind proxies that are believed: the last address that is none of them. */
static struct peer_key
handle_client(const struct request *rq)
{
	const struct settings *set = rq->settings;
	struct peer_key key = rq->conn->peer;
	const char *list = answer_header(rq, "X-Forwarded-For");
	size_t end = list == NULL ? 0 : strlen(list);
	char text[64];

	for (;;) {
		struct peer_key next;
		bool proxy = false;
		size_t from, to;

		for (uint32_t i = 0; i < set->proxy_count; i++)
			proxy = proxy || memcmp(&set->proxies[i], &key, sizeof(key)) == 0;
		if (!proxy || end == 0)
			return key;
		for (from = end; from > 0 && list[from - 1] != ','; from--)
			;
		to = end;
		end = from == 0 ? 0 : from - 1;
		while (from < to && list[from] == ' ')
			from++;
		while (from < to && list[to - 1] == ' ')
			to--;
		if (to - from >= sizeof(text))
			return key;
		memcpy(text, list + from, to - from);
		text[to - from] = '\0';
		if (!peer_parse(text, &next))
			return key;
		key = next;
	}
}

/* All bytes are looked at, whatever they are. */
static bool
handle_key_is(const char *given, const char *key)
{
	size_t len = strlen(key), given_len = strlen(given);
	unsigned char differ = len != given_len;

	for (size_t i = 0; i < len; i++)
		differ |= (unsigned char)(key[i] ^ given[given_len == 0 ? 0 : i % given_len]);
	return differ == 0;
}

unsigned
handle_key(const struct settings *s, const char *given)
{
	if (s->api_key == NULL)
		return 403;
	if (given == NULL || !handle_key_is(given, s->api_key))
		return 401;
	return s->key_weak ? 403 : 0;
}

static void
handle_check_key(struct request *rq)
{
	unsigned status = handle_key(rq->settings, answer_header(rq, "X-API-Key"));

	if (rq->settings->api_key == NULL)
		request_fail(rq, status,
			     "write endpoints disabled \xe2\x80\x94 set api_key in the "
			     "configuration of the http plugin");
	else if (status != 0)
		request_fail(rq, status, status == 401 ? "unauthorized" : "forbidden");
}

static void
handle_check_budget(struct request *rq)
{
	struct httpd *s = rq->conn->worker->server;
	char seconds[16];
	uint32_t wait;

	if (rq->route->cost == 0)
		return;
	wait = peers_spend(s->peers, rq->client, rq->route->cost, rq->settings->budget_per_second,
			   rq->settings->budget_burst, rq->conn->worker->now_us);
	if (wait == 0)
		return;
	httpd_count(&s->limited);
	(void)snprintf(seconds, sizeof(seconds), "%u", wait);
	request_set_header(rq, "Retry-After", seconds);
	request_fail(rq, 429, "too many requests of this kind");
}

static void
handle_check_params(struct request *rq)
{
	struct param_value v;

	for (const struct route_param *p = rq->route->params; p != NULL && p->name != NULL; p++) {
		if (route_param_read(p, target_find(&rq->target, p->name), &v))
			continue;
		request_fail(rq, 400, "%s", p->error);
		return;
	}
}

static void
handle_check_body(struct request *rq)
{
	const char *length = answer_header(rq, "Content-Length");
	unsigned long long n = length == NULL ? 0 : strtoull(length, NULL, 10);

	if (n > rq->route->body_max)
		request_fail(rq, 413, "body too large");
}

static bool
handle_is_api(const struct request *rq)
{
	return rq->target.segments > 0 && strcmp(rq->target.segment[0], "api") == 0;
}

/* Everything that can be said without the body. */
static void
handle_head(struct request *rq)
{
	struct httpd *s = rq->conn->worker->server;
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(rq->conn->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	rq->client = handle_client(rq);
	if (info != NULL && info->header_size > HEAD_MAX) {
		request_fail(rq, 431, "headers too large");
		return;
	}
	router_find(s->router, rq->method, &rq->target, &rq->match);
	rq->route = rq->match.route;
	if (rq->route != NULL) {
		if ((rq->route->flags & ROUTE_KEY) != 0)
			handle_check_key(rq);
		if (!rq->failed)
			handle_check_body(rq);
		if (!rq->failed)
			handle_check_params(rq);
	} else if (strcmp(rq->method, "OPTIONS") == 0 || sockets_wanted(rq)) {
		return;
	} else if (rq->match.allow[0] != '\0') {
		request_set_header(rq, "Allow", rq->match.allow);
		request_fail(rq, 405, "method not allowed");
	} else if (handle_is_api(rq)) {
		request_fail(rq, 404, "not found");
	} else if (!rq->head && strcmp(rq->method, "GET") != 0) {
		request_set_header(rq, "Allow", "GET, HEAD");
		request_fail(rq, 405, "method not allowed");
	}
}

/* ----------------------------------------------------------- the answer -- */

/* An OPTIONS request that answer_queue has not answered as CORS has it. */
static enum MHD_Result
handle_options(struct request *rq)
{
	const char *origin = answer_header(rq, "Origin");
	bool listed = rq->settings->any_origin || rq->settings->origins[0] == NULL;

	for (const char *const *o = rq->settings->origins; origin != NULL && *o != NULL; o++)
		listed = listed || strcmp(*o, origin) == 0;
	if (origin != NULL && !listed)
		return answer_empty(rq, 403);
	request_set_header(rq, "Allow", rq->match.allow[0] != '\0' ? rq->match.allow : "GET, HEAD");
	return answer_empty(rq, 204);
}

static enum MHD_Result
handle_page(struct request *rq)
{
	struct httpd *s = rq->conn->worker->server;
	struct folder *folder = rq->conn->listener->compat ? s->compat : s->web;

	if (folder != NULL)
		return folder_answer(folder, rq);
	if (rq->target.segments > 0 || s->config.page == NULL || rq->conn->listener->compat) {
		request_fail(rq, 404, "not found");
		return answer_error(rq);
	}
	js_reset(&rq->conn->worker->out);
	js_text(&rq->conn->worker->out, s->config.page, strlen(s->config.page));
	return answer_send(rq, &rq->conn->worker->out);
}

static enum MHD_Result
handle_finish(struct request *rq, struct json *out)
{
	if (rq->failed)
		return answer_error(rq);
	if (rq->file_type != NULL)
		return answer_file(rq);
	return answer_send(rq, out);
}

void
handle_again(struct request *rq, struct json *out)
{
	struct model *model = rq->conn->worker->server->config.model;

	rq->failed = false;
	rq->status = 0;
	js_reset(out);
	if (rq->route->reads != 0)
		model_read(model);
	rq->version = model_version(model, rq->route->reads);
	rq->route->handle(rq, out);
	if (rq->route->reads != 0)
		model_read_end(model);
}

static enum MHD_Result
handle_route(struct request *rq)
{
	struct worker *w = rq->conn->worker;
	bool sent = false;
	enum MHD_Result r = answer_cached(rq, &sent);

	if (sent)
		return r;
	handle_check_budget(rq); /* what is there already costs nothing */
	if (rq->failed)
		return answer_error(rq);
	handle_again(rq, &w->out);
	if (!rq->suspended)
		return handle_finish(rq, &w->out);
	MHD_suspend_connection(rq->conn->mhd);
	return MHD_YES;
}

/* The bus has replied, and MHD calls again. */
static enum MHD_Result
handle_resumed(struct request *rq)
{
	struct worker *w = rq->conn->worker;
	struct reply *reply = rq->reply;
	mk_result result = reply == NULL ? MK_EUNAVAIL : reply->result;
	request_reply *fn = rq->on_reply;

	rq->replied = false;
	js_reset(&w->out);
	if (reply != NULL && result == MK_OK && reply->len > 0 &&
	    mk_doc_open(&w->doc, reply->body, reply->len, NULL, NULL, 0) != MK_OK)
		result = MK_EFORMAT;
	fn(rq, result, reply == NULL ? "" : reply->error,
	   result == MK_OK && reply->len > 0 ? mk_doc_root(&w->doc) : NULL, &w->out);
	mk_doc_close(&w->doc);
	if (rq->suspended) {
		MHD_suspend_connection(rq->conn->mhd);
		return MHD_YES;
	}
	return handle_finish(rq, &w->out);
}

void
handle_give_up(struct request *rq)
{
	rq->suspended = false;
	rq->replied = true;
	MHD_resume_connection(rq->conn->mhd);
}

void
handle_reply(struct worker *w, struct reply *reply)
{
	struct conn *c = w->conns;

	/* Looked up, not believed: when this thread ends it does not wait for replies. */
	while (c != NULL && (c->rq == NULL || c->rq != reply->rq ||
			     c->rq->ticket != reply->ticket || !c->rq->suspended))
		c = c->next;
	if (c == NULL) {
		reply_free(reply);
		return;
	}
	reply_free(c->rq->reply);
	c->rq->reply = reply;
	handle_give_up(c->rq);
}

static enum MHD_Result
handle_run(struct request *rq)
{
	conn_phase(rq->conn, CONN_WORK, 0);
	if (rq->failed)
		return answer_error(rq);
	if (rq->route != NULL)
		return handle_route(rq);
	if (strcmp(rq->method, "OPTIONS") == 0)
		return handle_options(rq);
	if (sockets_wanted(rq))
		return sockets_upgrade(rq);
	return handle_page(rq);
}

/* ---------------------------------------------------------- MHD's calls -- */

static struct conn *
handle_conn(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

void *
handle_uri(void *worker, const char *uri, struct MHD_Connection *mhd)
{
	struct worker *w = worker;
	struct conn *c = handle_conn(mhd);
	struct request *rq;

	if (c == NULL || (rq = request_new(w, c)) == NULL)
		return NULL;
	request_free(w, c->rq); /* one that was never completed */
	c->rq = rq;
	switch (target_parse(&rq->target, uri, strlen(uri))) {
	case TARGET_GOOD:
		break;
	case TARGET_BAD:
		request_fail(rq, 400, "bad request: %s", rq->target.why);
		break;
	case TARGET_UNCLEAN:
		rq->status = 301;
		break;
	case TARGET_LONG:
		request_fail(rq, 414, "target too long");
		break;
	}
	return rq;
}

static enum MHD_Result
handle_upload(struct request *rq, const char *upload, size_t *size)
{
	size_t n = *size, room = rq->route == NULL ? 0 : rq->route->body_max;

	*size = 0;
	if (rq->failed || n > room - rq->body_len) {
		if (!rq->failed)
			request_fail(rq, 413, "body too large");
		rq->discarded += n;
		return rq->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
	}
	if (rq->body_len + n > rq->body_cap) {
		size_t cap =
		    rq->body_cap * 2 > rq->body_len + n ? rq->body_cap * 2 : rq->body_len + n;
		uint8_t *body = realloc(rq->body, cap);

		if (body == NULL)
			return MHD_NO;
		rq->body = body;
		rq->body_cap = cap;
	}
	memcpy(rq->body + rq->body_len, upload, n);
	rq->body_len += n;
	return MHD_YES;
}

enum MHD_Result
handle_access(void *worker, struct MHD_Connection *mhd, const char *url, const char *method,
	      const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct request *rq = *state;
	struct worker *w = worker;

	(void)mhd;
	(void)url;
	(void)version;
	if (rq == NULL)
		return MHD_NO; /* out of memory */
	if (!rq->begun) {
		rq->begun = true;
		rq->began_us = w->server->config.host->now_us(w->server->config.host);
		(void)snprintf(rq->method, sizeof(rq->method), "%s", method);
		rq->head = strcmp(method, "HEAD") == 0;
		httpd_count(&w->server->requests);
		conn_phase(rq->conn, CONN_BODY, rq->settings->request_us);
		if (rq->status == 0 && !rq->failed)
			handle_head(rq);
		if (rq->failed && !rq->head && strcmp(method, "GET") != 0)
			return answer_error(rq);
		return MHD_YES;
	}
	if (*upload_size > 0)
		return handle_upload(rq, upload, upload_size);
	if (rq->replied)
		return handle_resumed(rq);
	if (rq->suspended)
		return MHD_YES;
	if (rq->status == 301 && !rq->failed)
		return answer_redirect(rq, rq->target.text);
	return handle_run(rq);
}

void
handle_completed(void *worker, struct MHD_Connection *mhd, void **state,
		 enum MHD_RequestTerminationCode why)
{
	struct worker *w = worker;
	struct request *rq = *state;

	(void)mhd;
	(void)why;
	*state = NULL;
	if (rq == NULL)
		return;
	if (rq->conn->phase != CONN_SOCKET)
		conn_phase(rq->conn, CONN_HEAD, worker_idle_us(w));
	request_free(w, rq);
}
