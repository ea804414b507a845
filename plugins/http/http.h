/* SPDX-License-Identifier: MIT
 *
 * The plugin's instance, and what its routes look at. What is not atomic or immutable is changed by
 * the plugin's thread under the model's lock.
 */
#ifndef MK_HTTP_HTTP_H
#define MK_HTTP_HTTP_H

#include <meshcore/geo.h>

#include "server/request.h"
#include "server/server.h"
#include "routes/flow.h"

#define HTTP_GAPS 32u
#define HTTP_LAGS 100u

#define HTTP_PRUNES 16u

struct bus_past;
struct read;

struct http_prune { /* nodes that were to be deleted */
	uint64_t id, requested_us, completed_us;
	int64_t deleted;
	char *nodes; /* owned: {"count", "nodes"} as JSON */
	size_t nodes_len;
	char error[128];
};

struct http {
	const mk_host *host;
	struct httpd *server;
	struct model model;
	struct ring *ring;
	struct read *read;         /* read/read.h */
	struct settings *settings; /* of the start, which `read` refers to */
	struct retained retained;
	struct tap *tap;               /* server/tap.h */
	struct event *gaps[HTTP_GAPS]; /* the last messages core/gap, a ring */
	uint32_t gap_count;
	uint64_t started_us;
	_Atomic uint64_t rss_bytes; /* of this process */
	struct {                    /* what /proc/self/io said last */
		pthread_mutex_t lock;
		uint64_t at_us, values[5];
	} io;
	struct {
		pthread_mutex_t lock;
		struct http_prune at[HTTP_PRUNES]; /* a ring */
		uint32_t count;
	} prunes;
	struct { /* how late the plugin's thread is, by its timer */
		_Atomic uint64_t count, max_us;
		_Atomic uint32_t last_us, samples[HTTP_LAGS];
		uint64_t due_us;
	} lag;
	struct flow flow;
	struct bus_past *past;
	struct mc_area area; /* decode/area; nodes outside of it are not listed */
	bool has_model;
};

extern const struct route bus_routes[];    /* routes_bus.c */
extern const struct route health_routes[]; /* routes_health.c */
extern const struct route web_plugin_routes[], web_compare_routes[], web_map_routes[],
    web_link_routes[], web_evidence_routes[], web_tiles_routes[];
extern const struct route act_routes[];     /* routes_act.c */
extern const struct route metrics_routes[]; /* metrics.c */
extern const struct route page_routes[];    /* page.c */
extern const struct route config_routes[], stats_routes[], perf_routes[], misc_routes[],
    spec_routes[], overview_routes[], admin_routes[];
extern const struct route packet_routes[], set_routes[];
extern const struct route node_routes[], node_one_routes[], node_health_routes[], observer_routes[],
    observer_metrics_routes[], channel_routes[], hop_routes[], inspect_routes[], graph_routes[],
    affinity_routes[], analytics_routes[];
extern const char page_text[];

mk_result http_new(const mk_host *host, struct http **out);
mk_result http_start(struct http *h);
void http_on_msg(struct http *h, const mk_msg *msg);
void http_on_fd(struct http *h);
void http_on_timer(struct http *h); /* every second: the numbers */
mk_result http_reconfigure(struct http *h);
void http_stop(struct http *h);
void http_free(struct http *h);

/* Every second, [plugin]. */
void health_tick(struct http *h);
void perf_put_slow(const struct http *h, struct json *out, const char *key, uint32_t max);
void perf_put_cache(const struct http *h, struct json *out);
/* decode/area has come; under the model's lock. */
void config_note_area(struct http *h, const struct event *e);

/* Everything that is subscribed to; what the plugin's table and /api/events have in common. */
extern const char *const http_topics[];

/* The root of the last message of a topic in `doc`, which is to be closed; NULL: there is none. For
 * handlers that read the model. */
const mk_val *http_last(const struct http *h, const char *topic, mk_doc *doc);

#endif
