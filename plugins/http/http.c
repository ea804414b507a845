/* SPDX-License-Identifier: MIT
 *
 * The http plugin: REST, WebSocket and pages. See server.h for how it works, route.h and request.h
 * for how to add a route, events.h for what WebSocket clients may say.
 */
#include "http.h"

#include <stdio.h>

static mk_result
plugin_create(const mk_host *host, void **self)
{
	struct http *h;
	mk_result rc = http_new(host, &h);

	if (rc == MK_OK)
		*self = h;
	return rc;
}

static mk_result
plugin_start(void *self)
{
	return http_start(self);
}

static void
plugin_on_msg(void *self, const mk_msg *msg)
{
	http_on_msg(self, msg);
}

static void
plugin_on_reply(void *self, const mk_reply *reply)
{
	httpd_on_reply(((struct http *)self)->server, reply);
}

static void
plugin_on_fd(void *self, int32_t fd, uint32_t events)
{
	(void)fd;
	(void)events;
	http_on_fd(self);
}

static void
plugin_on_timer(void *self, uint32_t id)
{
	(void)id;
	http_on_timer(self);
}

static mk_result
plugin_reconfigure(void *self)
{
	return http_reconfigure(self);
}

static void
plugin_stop(void *self)
{
	http_stop(self);
}

static void
plugin_destroy(void *self)
{
	http_free(self);
}

static mk_result
plugin_check(const mk_host *config, char *why, uint32_t why_len)
{
	mk_err err = { 0 };
	mk_result rc = http_settings_check(config, &err);

	if (rc != MK_OK)
		(void)snprintf(why, why_len, "%s", err.text);
	return rc;
}

/* clang-format off */
static const mk_topic subscribes[] = {
	{ .name = "core/", .help = "plugins, statistics, heads, gaps" },
	{ .name = "packet/stored", .help = "for live clients" },
	{ .name = "node/changed", .help = "for live clients" },
	{ .name = "observer/changed", .help = "for live clients" },
	{ .name = "snapshot/", .help = "states of analytics plugins" },
	{ .name = "backfill/progress", .help = "jobs under way" },
	{ .name = "storage/", .help = "whether the database is ready, and counters" },
	{ .name = "mqtt/sources", .help = "brokers" },
	{ .name = "decode/area", .help = "nodes outside of it are hidden" },
	{ .name = NULL },
};

static const mk_topic publishes[] = {
	{ .name = "rx/raw", .help = "packets that were sent to POST /api/packets",
	  .flags = MK_TOPIC_RELIABLE | MK_TOPIC_DURABLE },
	{ .name = NULL },
};

static const char *const capabilities[] = { "net", "core.control", "storage.read", NULL };
/* clang-format on */

MK_EXPORT const mk_plugin_desc mk_plugin_v1 = {
	MK_PLUGIN_HEAD,
	.flags = MK_PLUGIN_SINGLE,
	.id = "http",
	.version = "1.0.0",
	.summary = "REST, WebSocket and web pages",
	.license = "MIT",
	.author = "The meshkern authors",
	.subscribes = subscribes,
	.publishes = publishes,
	.options = http_settings_options,
	.capabilities = capabilities,
	.check = plugin_check,
	.create = plugin_create,
	.start = plugin_start,
	.on_msg = plugin_on_msg,
	.on_reply = plugin_on_reply,
	.on_timer = plugin_on_timer,
	.on_fd = plugin_on_fd,
	.reconfigure = plugin_reconfigure,
	.stop = plugin_stop,
	.destroy = plugin_destroy,
};
