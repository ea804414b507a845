/* SPDX-License-Identifier: MIT
 *
 * For operators, with the API key: what was refused, a copy of the database, and nodes outside of the
 * area, which are deleted by storage.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <jansson.h>

#include "../http.h"
#include "../read/admin.h"

#define FORGET_US 30000000u
#define FORGET_MAX 4096u

static void
dropped_packets(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	mk_err err = { 0 };

	if (read_dropped(h->read, request_text(rq, "observer"), request_text(rq, "pubkey"),
			 request_int(rq, "limit"), out, &err) == MK_OK)
		return;
	h->host->log(h->host, MK_LOG_WARN, err.text);
	request_fail(rq, 503, "database unavailable");
}

/* ---------------------------------------------------------------- backup -- */

/* The copy has no name any more when it is sent, so that nothing of it can stay behind. */
static mk_result
backup_make(void *arg, const _Atomic bool *stop, int *fd, mk_err *err)
{
	struct http *h = arg;
	char dir[4096], file[4100];
	mk_result rc;

	if (snprintf(dir, sizeof(dir), "%s/backup-XXXXXX", h->host->dir(h->host, MK_DIR_RUN)) >=
		(int)sizeof(dir) ||
	    mkdtemp(dir) == NULL)
		return mk_err_errno(err, "a folder for the copy");
	(void)snprintf(file, sizeof(file), "%s/db", dir);
	rc = read_backup(h->read, file, stop, err);
	if (rc == MK_OK) {
		*fd = open(file, O_RDONLY | O_CLOEXEC);
		if (*fd == -1)
			rc = mk_err_errno(err, "the copy");
	}
	(void)unlink(file);
	(void)rmdir(dir);
	return rc;
}

static void
backup_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	     struct json *out)
{
	const mk_host *host = request_host(rq);
	char value[96];

	(void)body;
	(void)out;
	if (result == MK_EUNAVAIL) {
		request_fail(rq, 503, "database unavailable");
	} else if (result != MK_OK) {
		host->log(host, MK_LOG_ERROR, error);
		request_fail(rq, 500, "snapshot failed: see the log");
	} else {
		(void)snprintf(value, sizeof(value),
			       "attachment; filename=\"corescope-backup-%" PRIu64 ".db\"",
			       host->wall_us(host) / 1000000);
		request_set_header(rq, "Content-Disposition", value);
		request_send_file(rq, "application/octet-stream");
	}
}

static void
backup(struct request *rq, struct json *out)
{
	(void)out;
	request_run(rq, backup_make, request_context(rq), backup_reply);
}

/* ----------------------------------------------------------------- prune -- */

struct prune {
	uint32_t *nodes; /* owned; numbers, by name */
	uint32_t count;
};

static int
prune_compare(const void *a, const void *b, void *arg)
{
	const struct read *r = arg;
	const struct read_node *x = read_node(r, *(const uint32_t *)a);
	const struct read_node *y = read_node(r, *(const uint32_t *)b);
	int c = strcmp(x->name == NULL ? "" : x->name, y->name == NULL ? "" : y->name);

	return c != 0 ? c : strcmp(x->key, y->key);
}

/* Those outside of the area, of `among` if that is no NULL. Under the model's lock. */
static bool
prune_find(const struct http *h, const json_t *among, struct prune *p)
{
	uint32_t n = read_node_count(h->read);

	p->count = 0;
	p->nodes = calloc(n + 1, sizeof(p->nodes[0]));
	for (uint32_t i = 0; i < n && p->nodes != NULL; i++) {
		const struct read_node *node = read_node(h->read, i);

		if (node->known && node->active && node->has_lat && node->has_lon &&
		    !mc_area_contains(&h->area, node->lat, node->lon) &&
		    (among == NULL || json_object_get(among, node->key) != NULL) &&
		    p->count < FORGET_MAX)
			p->nodes[p->count++] = i;
	}
	if (p->nodes != NULL)
		qsort_r(p->nodes, p->count, sizeof(p->nodes[0]), prune_compare,
			(void *)(uintptr_t)h->read);
	return p->nodes != NULL;
}

static void
prune_put(const struct http *h, const struct prune *p, struct json *out)
{
	js_kuint(out, "count", p->count);
	js_karray(out, "nodes");
	for (uint32_t i = 0; i < p->count; i++) {
		const struct read_node *node = read_node(h->read, p->nodes[i]);

		js_object(out);
		js_kstr(out, "pubkey", node->key);
		js_kstr(out, "name", node->name);
		js_knum(out, "lat", node->lat);
		js_knum(out, "lon", node->lon);
		js_object_end(out);
	}
	js_array_end(out);
}

/* The keys that were confirmed, as a set; the caller's. NULL: the request has failed. */
static json_t *
prune_confirmed(struct request *rq)
{
	size_t len;
	const char *text = request_body(rq, &len);
	json_t *body = json_loadb(text, len, 0, NULL), *keys = json_object(), *key;
	size_t i;

	json_array_foreach(json_object_get(body, "pubkeys"), i, key)
	{
		if (json_is_string(key))
			(void)json_object_set_new(keys, json_string_value(key), json_true());
	}
	json_decref(body);
	if (json_object_size(keys) > 0)
		return keys;
	json_decref(keys);
	request_fail(rq, 400, "confirm requires pubkeys from preview in request body");
	return NULL;
}

/* A place to remember what becomes of it; the oldest one is forgotten. */
static uint64_t
prune_begin(struct http *h, const struct prune *p)
{
	struct http_prune *at;
	struct json text;
	uint64_t id = 0;

	js_init(&text, FORGET_MAX * 1024);
	js_object(&text);
	prune_put(h, p, &text);
	js_object_end(&text);
	while (id == 0)
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			id = h->host->now_us(h->host);
	pthread_mutex_lock(&h->prunes.lock);
	at = &h->prunes.at[h->prunes.count++ % HTTP_PRUNES];
	free(at->nodes);
	*at = (struct http_prune){ .id = id, .requested_us = h->host->wall_us(h->host) };
	at->nodes = text.failed ? NULL : text.data;
	at->nodes_len = text.len;
	if (!text.failed)
		text.data = NULL;
	pthread_mutex_unlock(&h->prunes.lock);
	js_fini(&text);
	return id;
}

/* Under the lock of the prunes. */
static struct http_prune *
prune_get(struct http *h, uint64_t id)
{
	for (uint32_t i = 0; i < HTTP_PRUNES; i++)
		if (h->prunes.at[i].id == id)
			return &h->prunes.at[i];
	return NULL;
}

static void
prune_say(struct http *h, uint64_t id, struct json *out)
{
	const struct http_prune *at;
	char text[17], url[96];

	(void)snprintf(text, sizeof(text), "%016" PRIx64, id);
	(void)snprintf(url, sizeof(url), "/api/admin/prune-geo-filter/status?id=%s", text);
	js_object(out);
	js_kbool(out, "dryRun", false);
	js_kbool(out, "accepted", true);
	js_kstr(out, "requestId", text);
	js_kstr(out, "statusUrl", url);
	pthread_mutex_lock(&h->prunes.lock);
	at = prune_get(h, id);
	js_kint(out, "deleted", at == NULL ? 0 : at->deleted);
	if (at != NULL && at->nodes_len > 2) {
		/* {"count":N,"nodes":[...]} without its braces. */
		js_text(out, ",", 1);
		js_text(out, at->nodes + 1, at->nodes_len - 2);
	}
	pthread_mutex_unlock(&h->prunes.lock);
	js_object_end(out);
}

static void
prune_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	    struct json *out)
{
	struct http *h = request_context(rq);
	uint64_t id = request_note(rq);
	struct http_prune *at;

	pthread_mutex_lock(&h->prunes.lock);
	at = prune_get(h, id);
	if (at != NULL) {
		at->completed_us = h->host->wall_us(h->host);
		mk_get_i64(mk_find(body, "deleted"), &at->deleted);
		if (result != MK_OK)
			(void)snprintf(at->error, sizeof(at->error), "%s",
				       result == MK_ENOENT ? "storage is not running"
				       : error[0] != '\0'  ? error
							   : mk_result_text(result));
	}
	pthread_mutex_unlock(&h->prunes.lock);
	if (result == MK_ENOENT || result == MK_EUNAVAIL) {
		request_fail(rq, 503, "storage is not running");
		return;
	}
	if (result != MK_OK) {
		h->host->log(h->host, MK_LOG_ERROR, error);
		request_fail(rq, 500, "failed to enqueue prune request");
		return;
	}
	request_set_status(rq, 202);
	prune_say(h, id, out);
}

static void
prune_delete(struct request *rq, const struct prune *p)
{
	const struct http *h = request_context(rq);
	mk_writer w;

	mk_writer_init(&w, FORGET_MAX * 80);
	mk_put_map(&w, 1);
	mk_kv_array(&w, "keys", p->count);
	for (uint32_t i = 0; i < p->count; i++)
		mk_put_str(&w, read_node(h->read, p->nodes[i])->key);
	request_call(rq, "storage/forget", &w, FORGET_US, prune_reply);
	mk_writer_fini(&w);
}

static void
prune(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	bool confirm = request_bool(rq, "confirm");
	json_t *keys = confirm ? prune_confirmed(rq) : NULL;
	struct prune p = { 0 };

	if (confirm && keys == NULL)
		return;
	model_read(&h->model);
	if (h->area.count < 3) {
		request_fail(rq, 400, "no geo_filter configured");
	} else if (!prune_find(h, keys, &p)) {
		request_fail(rq, 500, "out of memory");
	} else if (confirm) {
		request_set_note(rq, prune_begin(h, &p));
		prune_delete(rq, &p);
	} else {
		js_object(out);
		js_kbool(out, "dryRun", true);
		prune_put(h, &p, out);
		js_object_end(out);
	}
	model_read_end(&h->model);
	free(p.nodes);
	json_decref(keys);
}

static void
prune_status(struct request *rq, struct json *out)
{
	struct http *h = request_context(rq);
	const char *text = request_text(rq, "id");
	const struct http_prune *at;
	struct http_prune copy = { 0 };
	uint64_t id;

	if (text == NULL || text[0] == '\0') {
		request_fail(rq, 400, "missing id");
		return;
	}
	if (strlen(text) > 64 || text[strspn(text, "0123456789abcdefABCDEF")] != '\0') {
		request_fail(rq, 400, "invalid id");
		return;
	}
	id = strtoull(text, NULL, 16);
	pthread_mutex_lock(&h->prunes.lock);
	at = id == 0 ? NULL : prune_get(h, id);
	if (at != NULL)
		copy = *at;
	pthread_mutex_unlock(&h->prunes.lock);
	if (at == NULL) {
		request_fail(rq, 404, "unknown request id");
		return;
	}
	js_object(out);
	js_kstr(out, "requestId", text);
	js_kstr(out, "status",
		copy.completed_us == 0  ? "pending"
		: copy.error[0] != '\0' ? "error"
					: "done");
	if (copy.completed_us != 0) {
		js_kint(out, "deleted", copy.deleted);
		js_key(out, "requestedAt");
		js_time_ms(out, copy.requested_us);
		js_key(out, "completedAt");
		js_time_ms(out, copy.completed_us);
		js_kstr(out, "error", copy.error);
	}
	js_object_end(out);
}

/* clang-format off */
static const struct route_param dropped_params[] = {
	{ .name = "limit", .type = PARAM_LIMIT, .dflt = 100, .max = 500, .help = "at most so many" },
	{ .name = "observer", .type = PARAM_TEXT, .max = 256, .help = "only from this observer" },
	{ .name = "pubkey", .type = PARAM_TEXT, .max = 128, .help = "only of this node" },
	{ .name = NULL },
};

static const struct route_param prune_params[] = {
	{ .name = "confirm", .type = PARAM_BOOL,
	  .help = "delete those of {pubkeys: []} in the body, instead of telling which there are" },
	{ .name = NULL },
};

static const struct route_param status_params[] = {
	{ .name = "id", .type = PARAM_TEXT, .max = 128, .help = "requestId of the answer" },
	{ .name = NULL },
};

const struct route admin_routes[] = {
	{ .method = "GET", .pattern = "/api/dropped-packets", .handle = dropped_packets,
	  .params = dropped_params, .flags = ROUTE_KEY, .cost = 2,
	  .summary = "packets that were refused, and why" },
	{ .method = "GET", .pattern = "/api/backup", .handle = backup, .flags = ROUTE_KEY, .cost = 50,
	  .type = "application/octet-stream", .summary = "a copy of the database" },
	{ .method = "POST", .pattern = "/api/admin/prune-geo-filter", .handle = prune,
	  .params = prune_params, .flags = ROUTE_KEY, .body_max = 1 << 20,
	  .summary = "nodes outside of the area: which, or delete them",
	  .answer = "{dryRun, count, nodes: [{pubkey, name, lat, lon}]}; 202 {requestId, deleted, statusUrl}" },
	{ .method = "GET", .pattern = "/api/admin/prune-geo-filter/status", .handle = prune_status,
	  .params = status_params, .flags = ROUTE_KEY, .summary = "what became of that",
	  .answer = "{requestId, status: pending | done | error, deleted}" },
	{ .method = NULL },
};
/* clang-format on */
