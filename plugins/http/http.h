/* SPDX-License-Identifier: MIT
 *
 * The plugin's instance, and what its routes look at. What is not atomic or immutable is changed by
 * the plugin's thread under the model's lock.
 */
#ifndef MK_HTTP_HTTP_H
#define MK_HTTP_HTTP_H

#include "server/request.h"
#include "server/server.h"

#define HTTP_GAPS 32u

struct http {
	const mk_host *host;
	struct httpd *server;
	struct model model;
	struct ring *ring;
	struct retained retained;
	struct event *gaps[HTTP_GAPS]; /* the last messages core/gap, a ring */
	uint32_t gap_count;
	uint64_t started_us;
	_Atomic uint64_t rss_bytes; /* of this process */
	bool has_model;
};

extern const struct route bus_routes[];     /* routes_bus.c */
extern const struct route health_routes[];  /* routes_health.c */
extern const struct route act_routes[];     /* routes_act.c */
extern const struct route metrics_routes[]; /* metrics.c */
extern const struct route page_routes[];    /* page.c */
extern const char page_text[];

mk_result http_new(const mk_host *host, struct http **out);
mk_result http_start(struct http *h);
void http_on_msg(struct http *h, const mk_msg *msg);
void http_on_timer(struct http *h); /* every second: the numbers */
mk_result http_reconfigure(struct http *h);
void http_free(struct http *h);

/* Everything that is subscribed to; what the plugin's table and /api/events have in common. */
extern const char *const http_topics[];

/* The root of the last message of a topic in `doc`, which is to be closed; NULL: there is none. For
 * handlers that read the model. */
const mk_val *http_last(const struct http *h, const char *topic, mk_doc *doc);

#endif
