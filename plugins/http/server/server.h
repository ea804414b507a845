/* SPDX-License-Identifier: MIT
 *
 * The HTTP server: libmicrohttpd without threads of its own, driven by a few threads of ours.
 *
 *   every thread    epoll: listening sockets (whoever wakes up first accepts)
 *                          its own MHD daemons, plain and TLS
 *                          its WebSocket clients
 *                          its inbox: connections that another one accepted, replies of the bus
 *   accepting       goes by the number of connections, so that all threads have as many
 *   plugin's thread changes the model, puts messages into the ring, makes calls for requests
 *
 * Deadlines are ours: MHD's time-out begins anew with each byte, which is what a slow attacker sends.
 */
#ifndef MK_HTTP_SERVER_H
#define MK_HTTP_SERVER_H

#include <meshkern/err.h>

#include "model.h"
#include "perf.h"
#include "retained.h"
#include "route.h"
#include "settings.h"

struct httpd;

struct httpd_config {
	const mk_host *host;
	struct settings *settings; /* counted by the server */
	const struct route *const *tables;
	struct model *model;
	struct ring *ring;         /* for WebSocket clients */
	struct retained *retained; /* what they are sent first; under the model's lock */
	void *context;
	/* For "/" while there is no folder of pages. */
	const char *page;
	const char *const *topics; /* what /api/events offers; ends with NULL */
	struct tap *tap;           /* what it offers to who has the key; NULL: nothing */
};

/* Numbers for /metrics and the tests. */
struct httpd_stats {
	uint64_t accepted, refused, requests, errors, limited, timeouts, not_modified;
	uint64_t cache_hits, cache_misses, cache_bytes, sent_bytes;
	uint32_t connections, clients, cache_entries;
	uint64_t events_sent, events_lost, clients_refused, clients_dropped;
};

/* Binds everything; [plugin] like all of the following. */
mk_result httpd_new(struct httpd **out, const struct httpd_config *config, mk_err *err);
/* Starts the threads with host->spawn. */
mk_result httpd_start(struct httpd *s, mk_err *err);
void httpd_stop(struct httpd *s); /* they end soon */
void httpd_free(struct httpd *s); /* after they have ended; takes NULL */
/* Port of the i-th listener; 0: there is none. */
uint16_t httpd_port(const struct httpd *s, uint32_t i);

void httpd_set_settings(struct httpd *s, struct settings *settings);
/* There is something new in the ring. [any] */
void httpd_wake(struct httpd *s);
/* Text of X-CoreScope-Load-Status: ready or not. [any] */
void httpd_set_ready(struct httpd *s, bool ready);
bool httpd_is_ready(const struct httpd *s);
void httpd_on_reply(struct httpd *s, const mk_reply *reply);
/* What requests that wait for `key` are answered with; and: is there any that waits? */
void httpd_tell(struct httpd *s, const char *key, const void *body, uint32_t len);
bool httpd_is_waited(const struct httpd *s);
void httpd_on_timer(struct httpd *s); /* who has waited long enough */
void httpd_get_stats(const struct httpd *s, struct httpd_stats *out); /* [any] */
const struct router *httpd_router(const struct httpd *s);
struct perf *httpd_perf(const struct httpd *s);

#endif
