/* SPDX-License-Identifier: MIT
 *
 * Requests as objects, and what handlers of routes may ask them. A worker's thread.
 */
#include "server_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPARE_BODY 65536u

struct request *
request_new(struct worker *w, struct conn *c)
{
	struct request *rq = w->spare;
	uint8_t *body = NULL;
	size_t cap = 0;

	if (rq != NULL) {
		w->spare = rq->next;
		body = rq->body;
		cap = rq->body_cap;
	} else {
		rq = malloc(sizeof(*rq));
	}
	if (rq == NULL)
		return NULL;
	memset(rq, 0,
	       offsetof(struct request, target)); /* the target is large, and set by parsing */
	rq->conn = c;
	rq->settings = http_settings_ref(w->settings);
	rq->body = body;
	rq->body_cap = cap;
	return rq;
}

void
request_free(struct worker *w, struct request *rq)
{
	if (rq == NULL)
		return;
	if (rq->conn != NULL && rq->conn->rq == rq)
		rq->conn->rq = NULL;
	http_settings_unref(rq->settings);
	reply_free(rq->reply);
	free(rq->kept);
	rq->kept = NULL;
	rq->reply = NULL;
	if (rq->body_cap > SPARE_BODY) {
		free(rq->body);
		rq->body = NULL;
		rq->body_cap = 0;
	}
	/* One spare is enough while requests are answered one after the other. */
	if (w->spare == NULL) {
		rq->next = NULL;
		w->spare = rq;
		return;
	}
	free(rq->body);
	free(rq);
}

void *
request_context(const struct request *rq)
{
	return rq->conn->worker->server->config.context;
}

const mk_host *
request_host(const struct request *rq)
{
	return rq->conn->worker->server->config.host;
}

const struct settings *
request_settings(const struct request *rq)
{
	return rq->settings;
}

const char *
request_arg(const struct request *rq, uint32_t i)
{
	return i < ROUTE_ARGS && rq->match.args[i] != NULL ? rq->match.args[i] : "";
}

/* A parameter that is not in the route's table is a bug of its author: it is not given. */
static struct param_value
request_param(const struct request *rq, const char *name)
{
	struct param_value v = { 0 };

	for (const struct route_param *p = rq->route->params; p != NULL && p->name != NULL; p++) {
		if (strcmp(p->name, name) != 0)
			continue;
		route_param_read(p, target_find(&rq->target, name), &v);
		if (p->list != LIST_NONE && v.number > rq->settings->lists[p->list])
			v.number = rq->settings->lists[p->list];
		break;
	}
	return v;
}

const char *
request_text(const struct request *rq, const char *name)
{
	return request_param(rq, name).text;
}

int64_t
request_int(const struct request *rq, const char *name)
{
	return request_param(rq, name).number;
}

double
request_real(const struct request *rq, const char *name)
{
	return request_param(rq, name).real;
}

bool
request_bool(const struct request *rq, const char *name)
{
	return request_param(rq, name).number != 0;
}

const void *
request_body(const struct request *rq, size_t *len)
{
	*len = rq->body_len;
	return rq->body_len == 0 ? (const uint8_t *)"" : rq->body;
}

const char *
request_header(const struct request *rq, const char *name)
{
	return answer_header(rq, name);
}

void
request_set_note(struct request *rq, uint64_t note)
{
	rq->note = note;
}

uint64_t
request_note(const struct request *rq)
{
	return rq->note;
}

void
request_fail(struct request *rq, unsigned status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(rq->error, sizeof(rq->error), format, args);
	va_end(args);
	rq->status = status;
	rq->failed = true;
}

void
request_set_status(struct request *rq, unsigned status)
{
	rq->status = status;
}

void
request_set_type(struct request *rq, const char *type)
{
	rq->type = type;
}

void
request_set_header(struct request *rq, const char *name, const char *value)
{
	uint32_t i = 0;

	while (i < rq->header_count && strcasecmp(rq->headers[i].name, name) != 0)
		i++;
	if (i == HEADERS_MAX)
		return;
	rq->headers[i].name = name;
	(void)snprintf(rq->headers[i].value, sizeof(rq->headers[i].value), "%s", value);
	rq->header_count += i == rq->header_count;
}

void
request_keep(struct request *rq, const char *text, size_t len)
{
	char *kept = malloc(len + 1);

	free(rq->kept);
	rq->kept = kept;
	if (kept == NULL)
		return;
	memcpy(kept, text, len);
	kept[len] = '\0';
}

const char *
request_kept(const struct request *rq)
{
	return rq->kept;
}
