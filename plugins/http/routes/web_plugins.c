/* SPDX-License-Identifier: MIT
 *
 * What the page System asks for: the plugins as they are now, and jobs that are to pause or go on.
 * What the bus carries about plugins is told when a state changes, and as old as that.
 */
#include <string.h>

#include "../http.h"
#include "../read/admin.h"

#define ASK_US 5000000u
#define JOB_NAME_MAX 63u

static void
live_reply(struct request *rq, mk_result result, const char *error, const mk_val *body,
	   struct json *out)
{
	if (result != MK_OK)
		request_fail_call(rq, result, error);
	else
		js_val(out, body);
}

static void
live_ask(struct request *rq, struct json *out)
{
	mk_writer w;

	(void)out;
	mk_writer_init(&w, 64);
	mk_put_map(&w, 0);
	request_call(rq, "core/plugins", &w, ASK_US, live_reply);
	mk_writer_fini(&w);
}

static void
details_ask(struct request *rq, struct json *out)
{
	mk_writer w;

	(void)out;
	mk_writer_init(&w, 64);
	mk_put_map(&w, 0);
	request_call(rq, "core/details", &w, ASK_US, live_reply);
	mk_writer_fini(&w);
}

static void
jobs_list(struct request *rq, struct json *out)
{
	const struct http *h = request_context(rq);
	mk_err err = { 0 };

	if (read_jobs(h->read, out, &err) == MK_OK)
		return;
	h->host->log(h->host, MK_LOG_WARN, err.text);
	request_fail(rq, 503, "database unavailable");
}

static void
job_post(struct request *rq, struct json *out)
{
	static const char *const actions[] = { "pause", "resume", "retry" };
	const char *name = request_arg(rq, 0), *action = request_arg(rq, 1);
	mk_writer w;
	size_t i = 0;

	(void)out;
	while (i < 3 && strcmp(actions[i], action) != 0)
		i++;
	if (i == 3 || strlen(name) > JOB_NAME_MAX) {
		request_fail(rq, 404, "not found");
		return;
	}
	mk_writer_init(&w, 128);
	mk_put_map(&w, 2);
	mk_kv_str(&w, "name", name);
	mk_kv_str(&w, "do", action);
	request_call(rq, "backfill/control", &w, ASK_US, live_reply);
	mk_writer_fini(&w);
}

/* clang-format off */
const struct route web_plugin_routes[] = {
	{ .method = "GET", .pattern = "/api/live/plugins", .handle = live_ask,
	  .cost = 1, .summary = "all plugins with their numbers as they are now",
	  .answer = "as /api/plugins" },
	{ .method = "GET", .pattern = "/api/live/details", .handle = details_ask, .flags = ROUTE_KEY, .cost = 10,
	  .summary = "options in force, secrets hidden, and the last lines of the log",
	  .answer = "{options: {plugin: [{name, value, line, live}]}, log: [{time_us, level, area, text}]}" },
	{ .method = "GET", .pattern = "/api/jobs", .handle = jobs_list, .max_age_s = 5, .cost = 4,
	  .summary = "what was brought up to date in the database, and how long that took",
	  .answer = "{items: [{name, status, started, ended, error, rows}]}: times in Unix seconds, 0 unknown" },
	{ .method = "POST", .pattern = "/api/jobs/{name}/{action}", .handle = job_post,
	  .flags = ROUTE_KEY, .summary = "pause, resume or retry a job of the database",
	  .answer = "what the plugin backfill says" },
	{ .method = NULL },
};
/* clang-format on */
