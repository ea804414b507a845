/* SPDX-License-Identifier: MIT
 *
 * Shared by the files of the server only. A worker, its connections and their requests belong to the
 * worker's thread; what others touch is atomic or under the lock that is named.
 */
#ifndef MK_HTTP_SERVER_IMPL_H
#define MK_HTTP_SERVER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include <microhttpd.h>

#include "cache.h"
#include "request.h"
#include "server.h"

#define WORKERS_MAX 8u
#define HEAD_MAX 16384u   /* bytes of all headers; above: 431 */
#define POOL_BYTES 32768u /* of MHD for a connection: what is larger than that, it refuses itself */
#define TICK_MS 250
#define CALLS_MAX 128u /* requests that wait for the bus */
#define HEADERS_MAX 4u
#define ANSWER_MAX ((size_t)256 << 20)

struct watch { /* what an event of epoll is about */
	enum { WATCH_MHD, WATCH_LISTEN, WATCH_WAKE, WATCH_CLIENT } kind;
};

struct listener {
	struct watch watch;
	int fd;
	bool tls, compat;
};

enum conn_phase { CONN_HEAD, CONN_BODY, CONN_WORK, CONN_ANSWER, CONN_SOCKET };

struct conn {
	struct conn *next, *prev;
	struct worker *worker;
	const struct listener *listener;
	struct MHD_Connection *mhd;
	struct request *rq; /* owned: the one that is under way, or NULL */
	struct peer_key peer;
	int fd;
	enum conn_phase phase;
	uint64_t deadline_us; /* of the phase; 0: none */
};

struct request {
	struct request *next; /* free ones */
	struct conn *conn;
	struct settings *settings; /* a reference */
	const struct route *route;
	struct peer_key client; /* who asks, behind proxies */
	char method[16];
	unsigned status;  /* of the answer; 0: none yet */
	const char *type; /* of the answer; NULL: that of the route */
	bool begun, head, keep, failed, over, suspended, replied;
	char error[256];
	char allow[64];
	struct {
		const char *name;
		char value[128];
	} headers[HEADERS_MAX];
	uint32_t header_count;
	struct route_match match;
	uint8_t *body;
	size_t body_len, body_cap, discarded;
	uint64_t version; /* of the model, before it was read */
	uint64_t began_us, note;
	const char *file_type; /* the answer is the reply's file */
	/* a call under way */
	uint64_t ticket;
	uint64_t again_us; /* request_again(): not later than that; 0: not asked for */
	request_reply *on_reply;
	struct reply *reply;
	char *kept; /* request_keep() */
	struct target target;
};

struct reply { /* what came from the bus for a request */
	struct reply *next;
	struct request *rq;
	uint64_t ticket;
	mk_result result;
	char error[200];
	int fd; /* owned: the file that was made; -1: none */
	uint32_t len;
	uint8_t body[];
};

struct arrival { /* a connection that another worker accepted */
	struct arrival *next;
	int fd;
	const struct listener *listener;
	struct peer_key peer;
	struct sockaddr_storage address;
	socklen_t len;
};

struct sockets; /* WebSocket clients of a worker */

struct worker {
	struct httpd *server;
	int epoll, wake, reserve; /* reserve: a descriptor for when there are no more */
	struct watch wake_watch, mhd_watch;
	struct MHD_Daemon *mhd[2]; /* plain, TLS (or NULL) */
	bool run;                  /* MHD has something to do although its epoll does not say so */
	struct conn *conns;
	struct conn *adding; /* what MHD_add_connection is about */
	struct request *spare;
	struct json out;
	mk_doc doc;
	struct gzip *gzip;
	struct sockets *sockets;
	uint64_t now_us, tick_us;
	struct settings *settings;
	uint64_t settings_version;
	_Atomic uint32_t load; /* connections */
	pthread_mutex_t lock;  /* of what follows */
	struct arrival *arrivals;
	struct reply *replies;
	bool closed; /* nobody looks any more */
};

struct httpd {
	struct httpd_config config;
	struct router *router;
	struct peers *peers, *socket_peers;
	struct cache *cache;
	struct listener listeners[SETTINGS_LISTENERS];
	uint32_t listener_count, worker_count;
	struct worker workers[WORKERS_MAX];
	struct folder *web, *compat;
	struct perf *perf;
	_Atomic bool stopping, ready, job; /* job: a file is being made */
	_Atomic uint32_t connections, clients, calls;
	pthread_mutex_t settings_lock;
	struct settings *settings;
	_Atomic uint64_t settings_version;
	struct pending *pending; /* calls, on the plugin's thread */
	_Atomic uint64_t accepted, refused, requests, errors, limited, timeouts, not_modified;
	_Atomic uint64_t cache_hits, cache_misses, sent_bytes, events_sent, events_lost,
	    clients_refused, clients_dropped, ticket;
};

/* --- server.c --- */
void httpd_log(const struct httpd *s, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void httpd_count(_Atomic uint64_t *counter);

/* --- worker.c --- */
mk_result worker_init(struct worker *w, struct httpd *s, const char *cert, const char *key);
void worker_fini(struct worker *w);
void worker_run(void *worker); /* a thread */
void worker_poke(struct worker *w);
uint64_t worker_idle_us(const struct worker *w); /* for the head of the next request */
/* The phase begins now and may take so long; 0: as long as it likes. */
void conn_phase(struct conn *c, enum conn_phase phase, uint64_t us);

/* --- handle.c: what MHD calls --- */
void *handle_uri(void *worker, const char *uri, struct MHD_Connection *mhd);
enum MHD_Result handle_access(void *worker, struct MHD_Connection *mhd, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state);
void handle_completed(void *worker, struct MHD_Connection *mhd, void **state,
		      enum MHD_RequestTerminationCode why);
void handle_reply(struct worker *w, struct reply *reply); /* takes it */
/* The handler of the route, from the beginning. */
void handle_again(struct request *rq, struct json *out);
/* 0: it is the operator's key; else the status that says why it is not. */
unsigned handle_key(const struct settings *s, const char *given);
void handle_give_up(struct request *rq); /* a suspended one gets no reply any more */

/* --- request.c --- */
struct request *request_new(struct worker *w, struct conn *c); /* NULL: out of memory */
void request_free(struct worker *w, struct request *rq);       /* takes NULL */

/* --- answer.c --- */
/* The answer that `out` and the request's status make. */
enum MHD_Result answer_send(struct request *rq, struct json *out);
enum MHD_Result answer_cached(struct request *rq, bool *sent);
enum MHD_Result answer_error(struct request *rq);
enum MHD_Result answer_redirect(struct request *rq, const char *where);
enum MHD_Result answer_empty(struct request *rq, unsigned status);
/* Headers that all answers have, then queue it and let go of it. */
enum MHD_Result answer_queue(struct request *rq, unsigned status, struct MHD_Response *response,
			     uint64_t bytes);
bool answer_takes(const struct request *rq, const char *encoding);
const char *answer_header(const struct request *rq, const char *name);
bool answer_tag_matches(const struct request *rq, const char *tag);

/* --- jobs.c --- */
enum MHD_Result answer_file(struct request *rq);

/* --- calls.c --- */
struct reply *reply_new(uint32_t len); /* zeroed; NULL: out of memory */
void reply_free(struct reply *r);      /* takes NULL */
/* To the worker's inbox, or nowhere if it is closed. Takes it. [any] */
void reply_deliver(struct worker *w, struct reply *r);
void calls_forget(struct httpd *s); /* when the threads have ended */

/* --- files.c --- */
/* What is in a folder. */
mk_result folder_new(const char *path, bool compat, uint64_t now_us, struct folder **out,
		     mk_err *err);
void folder_free(struct folder *f); /* takes NULL */
enum MHD_Result folder_answer(struct folder *f, struct request *rq);

/* --- socket.c --- */
struct sockets *sockets_new(struct worker *w);
void sockets_free(struct sockets *s); /* takes NULL */
bool sockets_wanted(const struct request *rq);
enum MHD_Result sockets_upgrade(struct request *rq);
void sockets_event(struct worker *w, struct watch *watch, uint32_t events);
/* What is new in the ring; and once in a tick pings and deadlines. */
void sockets_pump(struct worker *w, bool tick);
void sockets_close(struct worker *w); /* all of them, politely */

#endif
