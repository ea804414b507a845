/* SPDX-License-Identifier: MIT
 *
 * Answers: headers, ETag, gzip, cache, errors. A worker's thread.
 */
#include "server_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SLOWEST 4096u     /* bytes a second; who takes less is cut off */
#define SEND_US 60000000u /* and so long in any case */
#define COPY_MAX 65536u   /* larger texts are handed over, not copied */

static const char json_type_text[] = "application/json";
/* With the one outside host that the operator may have named for map tiles. */
#define CSP_OURS(tiles)                                                                \
	"default-src 'self'; img-src 'self' data: blob:" tiles "; worker-src 'self'; " \
	"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
static const char csp_ours[] = CSP_OURS("");
/* What CoreScope's pages need: inline handlers and styles, two libraries from a CDN, map tiles. */
static const char csp_compat[] =
    "default-src 'self'; script-src 'self' 'unsafe-inline' https://unpkg.com; "
    "style-src 'self' 'unsafe-inline' https://unpkg.com; img-src 'self' data: blob: https:; "
    "connect-src 'self' ws: wss: https:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'self'";

const char *
answer_header(const struct request *rq, const char *name)
{
	return MHD_lookup_connection_value(rq->conn->mhd, MHD_HEADER_KIND, name);
}

/* ------------------------------------------------------------- requests -- */

/* Is `encoding` among those of Accept-Encoding, and not with q=0? */
bool
answer_takes(const struct request *rq, const char *encoding)
{
	const char *s = answer_header(rq, "Accept-Encoding");
	size_t len = strlen(encoding);

	while (s != NULL && *s != '\0') {
		size_t part, name;

		s += strspn(s, " \t,");
		part = strcspn(s, ",");
		name = strcspn(s, " \t;,");
		if ((name == len && strncasecmp(s, encoding, len) == 0) ||
		    (name == 1 && s[0] == '*')) {
			const char *q = memchr(s, '=', part);

			return q == NULL || strtod(q + 1, NULL) > 0;
		}
		s += part;
	}
	return false;
}

bool
answer_tag_matches(const struct request *rq, const char *tag)
{
	const char *s = answer_header(rq, "If-None-Match");
	size_t len;

	tag += strncmp(tag, "W/", 2) == 0 ? 2 : 0;
	len = strlen(tag);

	if (s == NULL || len == 0)
		return false;
	if (strcmp(s, "*") == 0)
		return true;
	while (*s != '\0') {
		s += strspn(s, " \t,");
		if (strncmp(s, "W/", 2) == 0)
			s += 2;
		if (strncmp(s, tag, len) == 0)
			return true;
		s += strcspn(s, ",");
	}
	return false;
}

/* -------------------------------------------------------------- headers -- */

static void
answer_add(struct MHD_Response *response, const char *name, const char *value)
{
	(void)MHD_add_response_header(response, name, value);
}

static void
answer_cors(const struct request *rq, struct MHD_Response *response)
{
	const struct settings *set = rq->settings;
	const char *origin;
	bool listed = set->any_origin;

	if (rq->route != NULL && (rq->route->flags & ROUTE_OPEN) != 0) {
		answer_add(response, "Access-Control-Allow-Origin", "*");
		return;
	}
	if (set->origins[0] == NULL || (origin = answer_header(rq, "Origin")) == NULL)
		return;
	for (const char *const *o = set->origins; !listed && *o != NULL; o++)
		listed = strcmp(*o, origin) == 0;
	if (!set->any_origin)
		answer_add(response, "Vary", "Origin");
	if (!listed)
		return;
	answer_add(response, "Access-Control-Allow-Origin", set->any_origin ? "*" : origin);
	answer_add(response, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
	answer_add(response, "Access-Control-Allow-Headers", "Content-Type, X-API-Key");
}

static void
answer_security(const struct request *rq, struct MHD_Response *response)
{
	const char *tiles = rq->settings == NULL ? NULL : rq->settings->tiles.origin;
	const char *policy = rq->conn->listener->compat ? csp_compat : csp_ours;
	char with_tiles[1024];

	if (tiles != NULL && !rq->conn->listener->compat) {
		(void)snprintf(with_tiles, sizeof(with_tiles), CSP_OURS(" %s"), tiles);
		policy = with_tiles;
	}
	answer_add(response, "X-Content-Type-Options", "nosniff");
	/* Owners of tiles want to know which site shows them; the host is all that they are told. */
	answer_add(response, "Referrer-Policy",
		   tiles == NULL ? "same-origin" : "strict-origin-when-cross-origin");
	answer_add(response, "Content-Security-Policy", policy);
}

enum MHD_Result
answer_queue(struct request *rq, unsigned status, struct MHD_Response *response, uint64_t bytes)
{
	struct httpd *s = rq->conn->worker->server;
	const mk_host *host = s->config.host;
	enum MHD_Result r;

	if (response == NULL)
		return MHD_NO;
	perf_note(s->perf, rq->route == NULL ? UINT32_MAX : rq->match.index,
		  host->now_us(host) - rq->began_us, status, host->wall_us(host));
	answer_security(rq, response);
	answer_cors(rq, response);
	answer_add(response, "X-CoreScope-Load-Status",
		   atomic_load(&s->ready) ? "ready" : "loading; progress=0");
	for (uint32_t i = 0; i < rq->header_count; i++)
		answer_add(response, rq->headers[i].name, rq->headers[i].value);
	if (status >= 400)
		httpd_count(&s->errors);
	if (!rq->head)
		atomic_fetch_add_explicit(&s->sent_bytes, bytes, memory_order_relaxed);
	conn_phase(rq->conn, CONN_ANSWER, SEND_US + bytes / SLOWEST * 1000000);
	r = MHD_queue_response(rq->conn->mhd, status, response);
	MHD_destroy_response(response);
	return r;
}

/* ------------------------------------------------------------- contents -- */

/* Not what was made with options that have been replaced meanwhile. */
static bool
answer_is_current(const struct request *rq)
{
	const struct worker *w = rq->conn->worker;

	return rq->settings == w->settings &&
	       w->settings_version == atomic_load(&w->server->settings_version);
}

static bool
answer_is_kept(const struct request *rq)
{
	return rq->route != NULL && (rq->route->reads != 0 || rq->route->max_age_s != 0) &&
	       strcmp(rq->route->method, "GET") == 0;
}

static bool
answer_lasts(const struct request *rq)
{
	return rq->route != NULL && (rq->route->flags & ROUTE_LASTING) != 0;
}

static enum MHD_Result
answer_not_modified(struct request *rq, const char *tag)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);

	if (response == NULL)
		return MHD_NO;
	httpd_count(&rq->conn->worker->server->not_modified);
	answer_add(response, "ETag", tag);
	answer_add(response, "Vary", "Accept-Encoding");
	answer_add(response, "Cache-Control", "no-cache");
	return answer_queue(rq, 304, response, 0);
}

/* Takes the reference. */
static enum MHD_Result
answer_deliver(struct request *rq, unsigned status, struct answer *a)
{
	struct MHD_Response *response;
	size_t len = a->len;

	if (status == 200 && answer_tag_matches(rq, a->tag)) {
		enum MHD_Result r = answer_not_modified(rq, a->tag);

		answer_unref(a);
		return r;
	}
	response = MHD_create_response_from_buffer_with_free_callback_cls(a->len, a->data,
									  answer_unref, a);
	if (response == NULL) {
		answer_unref(a);
		return MHD_NO;
	}
	answer_add(response, "Content-Type", a->type);
	if (a->tag[0] != '\0')
		answer_add(response, "ETag", a->tag);
	if (a->gzip)
		answer_add(response, "Content-Encoding", "gzip");
	if (rq->settings->gzip)
		answer_add(response, "Vary", "Accept-Encoding");
	/* With an ETag one may keep it, but has to ask every time. */
	answer_add(response, "Cache-Control",
		   answer_lasts(rq)    ? "max-age=86400"
		   : a->tag[0] != '\0' ? "no-cache"
				       : "no-store");
	return answer_queue(rq, status, response, len);
}

/* The compressed form if the client takes one and it is smaller. Takes the reference. */
static struct answer *
answer_squeeze(struct request *rq, struct answer *a, bool keep)
{
	struct worker *w = rq->conn->worker;
	struct answer *small;

	if (!rq->settings->gzip || answer_lasts(rq) || !answer_takes(rq, "gzip"))
		return a;
	small = gzip_answer(w->gzip, a);
	if (small == NULL)
		return a;
	if (keep)
		cache_put(w->server->cache, rq->target.raw, small);
	answer_unref(a);
	return small;
}

enum MHD_Result
answer_cached(struct request *rq, bool *sent)
{
	struct worker *w = rq->conn->worker;
	struct httpd *s = w->server;
	bool gzip = rq->settings->gzip && answer_takes(rq, "gzip");
	uint64_t version;
	struct answer *a;

	if (!answer_is_kept(rq))
		return MHD_YES;
	version = model_version(s->config.model, rq->route->reads);
	a = gzip ? cache_get(s->cache, rq->target.raw, true, version, w->now_us) : NULL;
	if (a == NULL) {
		a = cache_get(s->cache, rq->target.raw, false, version, w->now_us);
		if (a != NULL)
			a = answer_squeeze(rq, a, true);
	}
	if (a == NULL) {
		httpd_count(&s->cache_misses);
		return MHD_YES;
	}
	httpd_count(&s->cache_hits);
	*sent = true;
	return answer_deliver(rq, 200, a);
}

static struct answer *
answer_of(struct json *out)
{
	struct answer *a;

	if (out->len > COPY_MAX) {
		a = answer_take(out->data, out->len);
		out->data = NULL;
		out->cap = out->len = 0;
		return a;
	}
	a = answer_new(out->len);
	if (a != NULL)
		memcpy(a->data, out->data, out->len);
	return a;
}

enum MHD_Result
answer_send(struct request *rq, struct json *out)
{
	struct worker *w = rq->conn->worker;
	unsigned status = rq->status == 0 ? 200 : rq->status;
	bool keep = answer_is_kept(rq) && status == 200 && answer_is_current(rq);
	const char *type = rq->route == NULL ? "text/html; charset=utf-8" : rq->route->type;
	struct answer *a;

	if (type == NULL)
		js_text(out, "\n", 1);
	a = out->failed ? NULL : answer_of(out);
	if (a == NULL) {
		request_fail(rq, 500, "the answer is too large");
		return answer_error(rq);
	}
	a->type = rq->type != NULL ? rq->type : type == NULL ? json_type_text : type;
	if (keep || rq->route == NULL)
		answer_tag(a, a->data, a->len);
	if (keep) {
		a->version = rq->version;
		a->until_us = w->now_us + (uint64_t)rq->route->max_age_s * 1000000;
		a->expires_us = rq->route->reads == 0 ? a->until_us : UINT64_MAX;
		if (rq->route->stale_s != 0)
			a->expires_us = w->now_us + (uint64_t)rq->route->stale_s * 1000000;
		cache_put(w->server->cache, rq->target.raw, a);
	}
	return answer_deliver(rq, status, answer_squeeze(rq, a, keep));
}

/* --------------------------------------------------------------- errors -- */

enum MHD_Result
answer_error(struct request *rq)
{
	bool plain = rq->route != NULL && (rq->route->flags & ROUTE_PLAIN_ERRORS) != 0;
	struct json *out = &rq->conn->worker->out;
	struct MHD_Response *response;

	js_reset(out);
	if (plain) {
		js_text(out, rq->error, strlen(rq->error));
	} else {
		js_object(out);
		js_kstr(out, "error", rq->error);
		js_object_end(out);
	}
	js_text(out, "\n", 1);
	response = out->failed ? NULL
			       : MHD_create_response_from_buffer(out->len, out->data,
								 MHD_RESPMEM_MUST_COPY);
	if (response == NULL)
		return MHD_NO;
	answer_add(response, "Content-Type", plain ? "text/plain; charset=utf-8" : json_type_text);
	answer_add(response, "Cache-Control", "no-store");
	if (rq->status == 503)
		request_set_header(rq, "Retry-After", "5");
	return answer_queue(rq, rq->status, response, out->len);
}

enum MHD_Result
answer_redirect(struct request *rq, const char *where)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);

	if (response != NULL)
		answer_add(response, "Location", where);
	return answer_queue(rq, 301, response, 0);
}

enum MHD_Result
answer_empty(struct request *rq, unsigned status)
{
	return answer_queue(rq, status,
			    MHD_create_response_from_buffer(0, (void *)(uintptr_t) "",
							    MHD_RESPMEM_PERSISTENT),
			    0);
}
