/* SPDX-License-Identifier: MIT
 *
 * The server of the http plugin with everything at once, for ThreadSanitizer: the plugin's thread
 * changes the model, answers calls and takes new settings, clients ask and read events, and all of it
 * stops in the middle.
 *
 * usage: http [seconds]      at least; a round lasts until it has seen enough
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <http/http.h>

#include "../threads.h"

#define THREADS_MAX 8
#define ROUNDS 3
#define ANSWERS 40 /* of each round, and so many events */
#define EVENTS 5
#define POSTS_MAX 4096u
#define CALLS 256u

static const struct {
	const char *path;
	int64_t value;
} numbers[] = {
	{ "threads", 2 },
	{ "gzip", 1 },
	{ "cache", 1 << 20 },
	{ "event_ring", 1 << 18 },
	{ "limits.connections", 64 },
	{ "limits.per_address", 64 },
	{ "limits.idle", 5000000 },
	{ "limits.request", 5000000 },
	{ "budget.per_second", 1000000 },
	{ "budget.burst", 1000000 },
	{ "events.clients", 16 },
	{ "events.per_address", 16 },
	{ "events.ping", 1000000 },
};

/* The host of one instance; its thread is main(). */
static struct {
	pthread_t threads[THREADS_MAX];
	uint32_t thread_count;
	pthread_mutex_t lock; /* of the posts */
	struct {
		void (*fn)(void *);
		void *arg;
	} posts[POSTS_MAX];
	uint32_t post_count;
	uint64_t calls[CALLS]; /* open ones */
	uint32_t call_count;
	uint64_t next_call;
} host_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static uint16_t port;
static _Atomic bool stopping;
static _Atomic uint64_t answers, events, failures;

/* ------------------------------------------------------------------ host -- */

static uint64_t
host_now(const mk_host *h)
{
	struct timespec t;

	(void)h;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
host_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h;
	if (level <= MK_LOG_WARN)
		fprintf(stderr, "%s\n", line);
}

static mk_result
host_publish(const mk_host *h, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	(void)h;
	(void)topic;
	(void)body;
	(void)len;
	(void)flags;
	return MK_OK;
}

static mk_result
host_call(const mk_host *h, const char *method, const void *body, uint32_t len, uint64_t timeout_us,
	  uint64_t *id)
{
	(void)h;
	(void)method;
	(void)body;
	(void)len;
	(void)timeout_us;
	if (host_state.call_count == CALLS)
		return MK_EAGAIN;
	*id = ++host_state.next_call;
	host_state.calls[host_state.call_count++] = *id;
	return MK_OK;
}

static mk_result
host_post(const mk_host *h, void (*fn)(void *), void *arg)
{
	mk_result rc = MK_EFULL;

	(void)h;
	pthread_mutex_lock(&host_state.lock);
	if (host_state.post_count < POSTS_MAX) {
		host_state.posts[host_state.post_count].fn = fn;
		host_state.posts[host_state.post_count++].arg = arg;
		rc = MK_OK;
	}
	pthread_mutex_unlock(&host_state.lock);
	return rc;
}

static mk_result
host_spawn(const mk_host *h, const char *name, void (*fn)(void *), void *arg)
{
	(void)h;
	(void)name;
	return test_thread_start(&host_state.threads[host_state.thread_count++], fn, arg)
		   ? MK_OK
		   : MK_ENOMEM;
}

static mk_result
host_timer(const mk_host *h, uint32_t id, uint64_t after_us, uint64_t every_us)
{
	(void)h;
	(void)id;
	(void)after_us;
	(void)every_us;
	return MK_OK;
}

static mk_result
host_number(const mk_host *h, const char *name, int64_t value)
{
	(void)h;
	(void)name;
	(void)value;
	return MK_OK;
}

static const char *
host_str(const mk_host *h, const char *path)
{
	static const char *const texts[][2] = {
		{ "listen[0]", "127.0.0.1:0" }, { "api_key", "0123456789abcdef" },
		{ "map.center", "50.85,4.35" }, { "web", "none" },
		{ "pages.times.mode", "ago" },  { "pages.times.timezone", "utc" },
		{ "pages.times.format", "iso" }
	};

	(void)h;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i][0], path) == 0)
			return texts[i][1];
	return NULL;
}

static int64_t
host_int(const mk_host *h, const char *path)
{
	(void)h;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(numbers[i].path, path) == 0)
			return numbers[i].value;
	return 0;
}

static uint32_t
host_count(const mk_host *h, const char *path)
{
	(void)h;
	return strcmp(path, "listen") == 0;
}

static const mk_host host = {
	.struct_size = sizeof(mk_host),
	.log = host_log,
	.publish = host_publish,
	.call = host_call,
	.post = host_post,
	.spawn = host_spawn,
	.timer = host_timer,
	.gauge = host_number,
	.count = host_number,
	.opt_str = host_str,
	.opt_int = host_int,
	.opt_count = host_count,
	.now_us = host_now,
	.wall_us = host_now,
};

/* --------------------------------------------------------------- clients -- */

static int
client_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct timeval limit = { 100, 0 }; /* it hangs */
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One answer with its Content-Length; false: the connection is no good any more. */
static bool
client_ask(int fd, const char *request)
{
	char buf[65536];
	size_t got = 0, need = 0;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return false;
	while (need == 0 || got < need) {
		ssize_t n = recv(fd, buf + got, sizeof(buf) - 1 - got, 0);
		const char *end, *length;

		if (n <= 0)
			return false;
		got += (size_t)n;
		buf[got] = '\0';
		end = need == 0 ? strstr(buf, "\r\n\r\n") : NULL;
		length = end == NULL ? NULL : strstr(buf, "Content-Length: ");
		if (end != NULL)
			need = (size_t)(end + 4 - buf) +
			       (length == NULL ? 0 : strtoul(length + 16, NULL, 10));
	}
	atomic_fetch_add(&answers, 1);
	return true;
}

static void
client_failed(const char *request)
{
	int why = errno; /* of an end of the stream it says nothing */

	if (atomic_load(&stopping))
		return;
	atomic_fetch_add(&failures, 1);
	fprintf(stderr, "no answer: %s: %.*s\n", strerror(why), (int)strcspn(request, "\r"),
		request);
}

static void *
client_asks(void *arg)
{
	static const char decode[] = "POST /api/decode HTTP/1.1\r\nHost: a\r\n"
				     "Content-Length: 14\r\n\r\n{\"hex\":\"1500\"}";
	static const char *const requests[] = {
		"GET /api/plugins HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
		"GET /api/bus HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /api/snapshots/a HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
		"GET /api/healthz HTTP/1.1\r\nHost: a\r\n\r\n",
		decode,
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	};
	int fd = -1;

	for (size_t i = (size_t)(uintptr_t)arg; !atomic_load(&stopping); i++) {
		if (fd == -1 || i % 50 == 0) {
			if (fd != -1)
				close(fd);
			fd = client_connect();
		}
		if (fd != -1 && !client_ask(fd, requests[i % 7])) {
			client_failed(requests[i % 7]);
			close(fd);
			fd = -1;
		}
	}
	if (fd != -1)
		close(fd);
	return NULL;
}

static void
client_text(int fd, const char *text)
{
	uint8_t frame[256] = { 0x81, (uint8_t)(0x80 | strlen(text)) };

	memcpy(frame + 6, text, strlen(text)); /* the mask is 0 */
	(void)!send(fd, frame, 6 + strlen(text), MSG_NOSIGNAL);
}

static void *
client_listens(void *arg)
{
	const char *path = arg;
	char buf[65536];

	while (!atomic_load(&stopping)) {
		int fd = client_connect();
		int reads = 0;

		if (fd == -1)
			continue;
		(void)snprintf(buf, sizeof(buf),
			       "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
			       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
			       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
			       path);
		(void)!send(fd, buf, strlen(buf), MSG_NOSIGNAL);
		client_text(fd, "{\"do\":\"subscribe\",\"topic\":\"snapshot/\"}");
		client_text(fd, "{\"do\":\"subscribe\",\"topic\":\"packet/stored\"}");
		client_text(fd, "{\"do\":\"replay\",\"topic\":\"packet/stored\",\"from\":1}");
		while (!atomic_load(&stopping) && reads++ < 200 &&
		       recv(fd, buf, sizeof(buf), 0) > 0)
			atomic_fetch_add(&events, 1);
		close(fd);
	}
	return NULL;
}

/* ---------------------------------------------------------- plugin's thread -- */

static void
plugin_message(struct http *h, mk_writer *w, const char *topic, uint64_t seq, uint32_t flags)
{
	mk_msg msg = { .struct_size = sizeof(msg), .topic = topic, .origin = "x", .epoch = 1 };

	mk_writer_reset(w);
	mk_put_map(w, 3);
	mk_kv_str(w, "state", seq % 2 == 0 ? "ready" : "waiting");
	mk_kv_array(w, "items", 20);
	for (uint64_t i = 0; i < 20; i++) {
		mk_put_map(w, 3);
		mk_kv_u64(w, "tx", seq + i);
		mk_kv_str(w, "name", "a name that is long enough to be compressed");
		mk_kv_str(w, "json", "{\"type\":\"ADVERT\"}");
	}
	mk_kv_array(w, "topics", 0);
	msg.seq = seq;
	msg.time_us = host_now(&host);
	msg.flags = flags;
	msg.body = w->data;
	msg.body_len = (uint32_t)w->len;
	http_on_msg(h, &msg);
}

static void
plugin_posts(void)
{
	for (;;) {
		void (*fn)(void *) = NULL;
		void *arg = NULL;

		pthread_mutex_lock(&host_state.lock);
		if (host_state.post_count > 0) {
			fn = host_state.posts[--host_state.post_count].fn;
			arg = host_state.posts[host_state.post_count].arg;
		}
		pthread_mutex_unlock(&host_state.lock);
		if (fn == NULL)
			return;
		fn(arg);
	}
}

static void
plugin_replies(struct http *h)
{
	static const uint8_t body[] = { 0x80 };

	while (host_state.call_count > 0) {
		mk_reply reply = { .struct_size = sizeof(reply),
				   .id = host_state.calls[--host_state.call_count],
				   .name = "decode/packet",
				   .error = "",
				   .body = body,
				   .body_len = 1 };

		httpd_on_reply(h->server, &reply);
	}
}

static void
plugin_work(struct http *h, uint64_t until_us)
{
	uint64_t asked = atomic_load(&answers) + ANSWERS, told = atomic_load(&events) + EVENTS;
	mk_writer w;

	mk_writer_init(&w, 0);
	for (uint64_t i = 1; atomic_load(&failures) == 0 &&
			     (host_now(&host) < until_us || atomic_load(&answers) < asked ||
			      atomic_load(&events) < told);
	     i++) {
		plugin_message(h, &w, "packet/stored", i, 0);
		plugin_message(h, &w, "snapshot/a", i, i % 8 == 0 ? 0 : MK_MSG_DELTA);
		plugin_message(h, &w, i % 2 == 0 ? "core/plugins" : "core/stats", i, 0);
		if (i % 16 == 0)
			plugin_message(h, &w, "storage/state", i, 0);
		if (i % 64 == 0)
			http_reconfigure(h);
		plugin_posts();
		plugin_replies(h);
		http_on_timer(h);
		nanosleep(&(struct timespec){ 0, 500000 }, NULL);
	}
	mk_writer_fini(&w);
}

static bool
round_run(uint64_t us)
{
	static char events_path[] = "/api/events", feed_path[] = "/ws";
	pthread_t clients[6];
	struct http *h;

	atomic_store(&stopping, false);
	host_state.thread_count = host_state.post_count = host_state.call_count = 0;
	if (http_new(&host, &h) != MK_OK || http_start(h) != MK_OK)
		return false;
	port = httpd_port(h->server, 0);
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&clients[i], NULL, client_asks, (void *)i);
	pthread_create(&clients[4], NULL, client_listens, events_path);
	pthread_create(&clients[5], NULL, client_listens, feed_path);
	plugin_work(h, host_now(&host) + us);
	atomic_store(&stopping, true);
	httpd_stop(h->server);
	for (uint32_t i = 0; i < host_state.thread_count; i++)
		pthread_join(host_state.threads[i], NULL);
	for (int i = 0; i < 6; i++)
		pthread_join(clients[i], NULL);
	plugin_posts();
	http_free(h);
	return true;
}

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 6;
	bool good = true;

	for (int i = 0; good && i < ROUNDS; i++)
		good = round_run(seconds * 1000000 / ROUNDS);
	printf("answers=%llu events=%llu failures=%llu\n",
	       (unsigned long long)atomic_load(&answers), (unsigned long long)atomic_load(&events),
	       (unsigned long long)atomic_load(&failures));
	return good && atomic_load(&failures) == 0 ? 0 : 1;
}
