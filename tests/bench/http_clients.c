/* SPDX-License-Identifier: MIT
 *
 * A thousand WebSocket clients while 500 packets a second come in: the real daemon with a synthetic
 * mesh as a child, the clients in this process, so both share the machine. The bench fails if one of
 * them misses a message without having been told.
 *
 *   events   /api/events, subscribed to packet/stored
 *   feed     /ws, one text for each observation, as CoreScope's pages read it
 *
 * usage: http_clients [CASE [CLIENTS [RATE]]]      MK_BINARY_DIR is the build folder
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "figures.h"

extern char **environ;

#define CLIENTS 1000
#define RATE 500
#define RUN_US 10000000u
#define START_US 30000000u
#define PORT 18475
#define HEAD 256 /* bytes of a text that are looked at */
#define SAMPLES (1u << 20)

struct client {
	int fd;
	bool open; /* the handshake is over */
	uint8_t head[14];
	uint32_t head_len, text_len;
	uint64_t left;       /* of the frame's payload */
	char text[HEAD + 1]; /* its beginning */
	uint64_t expected;   /* sequence; 0: any */
	uint64_t messages;
};

struct bench {
	struct client *clients;
	uint32_t count, rate, open;
	bool feed, measuring, failed;
	int epoll;
	uint64_t messages, bytes, told, untold;
	uint32_t *late_us, late_count;
	char dir[32];
	pid_t pid;
};

static uint64_t
bench_clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t
bench_now_us(void)
{
	return bench_clock_us(CLOCK_MONOTONIC);
}

/* ---------------------------------------------------------------- clients -- */

static bool
client_number(const char *text, const char *key, uint64_t *out)
{
	const char *at = strstr(text, key);

	if (at != NULL)
		*out = strtoull(at + strlen(key), NULL, 10);
	return at != NULL;
}

static void
client_message(struct bench *b, struct client *c)
{
	uint64_t seq, at, lost, now;

	c->text[c->text_len] = '\0';
	if (strstr(c->text, "\"type\":\"lost\"") != NULL) {
		if (client_number(c->text, "\"from\":", &seq) &&
		    client_number(c->text, "\"lost\":", &lost)) {
			b->untold += c->expected != 0 && seq != c->expected;
			c->expected = seq + lost;
			b->told += lost;
		}
		return;
	}
	if (strstr(c->text, b->feed ? "\"type\":\"packet\"" : "\"type\":\"message\"") == NULL)
		return;
	c->messages++;
	b->messages += b->measuring;
	if (b->feed || !client_number(c->text, "\"seq\":", &seq))
		return;
	b->untold += c->expected != 0 && seq != c->expected;
	c->expected = seq + 1;
	now = bench_clock_us(CLOCK_REALTIME);
	if (b->measuring && b->late_count < SAMPLES && client_number(c->text, "\"time_us\":", &at))
		b->late_us[b->late_count++] = now > at ? (uint32_t)(now - at) : 0;
}

/* The length in the head of a frame; false: it is not complete yet. */
static bool
client_head(struct client *c)
{
	uint32_t need = 2, size = c->head_len < 2 ? 0 : c->head[1] & 127u;

	need += size == 126 ? 2 : size == 127 ? 8 : 0;
	if (c->head_len < need)
		return false;
	c->left = size < 126 ? size : 0;
	for (uint32_t i = 2; i < need; i++)
		c->left = c->left << 8 | c->head[i];
	c->head_len = 0;
	c->text_len = 0;
	return true;
}

static void
client_frames(struct bench *b, struct client *c, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t n, room;

		if (c->left == 0) {
			c->head[c->head_len++] = *data++;
			len--;
			if (!client_head(c) || c->left > 0)
				continue;
			client_message(b, c);
			continue;
		}
		n = len < c->left ? len : (size_t)c->left;
		room = HEAD - c->text_len;
		memcpy(c->text + c->text_len, data, n < room ? n : room);
		c->text_len += (uint32_t)(n < room ? n : room);
		data += n;
		len -= n;
		c->left -= n;
		if (c->left == 0)
			client_message(b, c);
	}
}

static void
client_subscribe(struct bench *b, struct client *c)
{
	static const char text[] =
	    "{\"do\":\"subscribe\",\"topic\":\"packet/stored\",\"retained\":false}";
	uint8_t frame[6 + sizeof(text) - 1] = { 0x81, 0x80 | (sizeof(text) - 1) }; /* mask 0 */

	memcpy(frame + 6, text, sizeof(text) - 1);
	b->failed |= send(c->fd, frame, sizeof(frame), MSG_NOSIGNAL) != (ssize_t)sizeof(frame);
}

static void
client_read(struct bench *b, struct client *c)
{
	static uint8_t buf[1 << 18];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
	const uint8_t *end;

	if (n <= 0) {
		b->failed |= n == 0 || (errno != EAGAIN && errno != EINTR);
		return;
	}
	if (b->measuring)
		b->bytes += (uint64_t)n;
	if (c->open) {
		client_frames(b, c, buf, (size_t)n);
		return;
	}
	/* The head of the answer comes in one piece over loopback. */
	end = memmem(buf, (size_t)n, "\r\n\r\n", 4);
	if (end == NULL || memmem(buf, (size_t)n, " 101 ", 5) == NULL) {
		b->failed = true;
		return;
	}
	c->open = true;
	b->open++;
	if (!b->feed)
		client_subscribe(b, c);
	client_frames(b, c, end + 4, (size_t)n - (size_t)(end + 4 - buf));
}

static bool
client_connect(struct bench *b, struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = c } };
	char request[256];
	int len;

	len = snprintf(request, sizeof(request),
		       "GET %s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		       "Sec-WebSocket-Version: 13\r\n"
		       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
		       b->feed ? "/ws" : "/api/events");
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return c->fd != -1 && connect(c->fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
	       send(c->fd, request, (size_t)len, MSG_NOSIGNAL) == len &&
	       epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
}

static void
bench_pump(struct bench *b, uint64_t until_us, uint32_t until_open)
{
	struct epoll_event events[256];

	while (!b->failed && bench_now_us() < until_us && b->open < until_open) {
		int n = epoll_wait(b->epoll, events, 256, 50);

		for (int i = 0; i < n; i++)
			client_read(b, events[i].data.ptr);
	}
}

/* ----------------------------------------------------------------- daemon -- */

static bool
bench_start(struct bench *b)
{
	const char *build = getenv("MK_BINARY_DIR");
	char program[512], file[128];
	char *argv[] = { program, (char[]){ "-c" }, file, NULL };
	struct client probe = { 0 };
	FILE *f;

	(void)snprintf(program, sizeof(program), "%s/bin/meshkernd",
		       build == NULL ? "build" : build);
	(void)snprintf(file, sizeof(file), "%s/meshkern.yaml", b->dir);
	f = fopen(file, "we");
	if (f == NULL)
		return false;
	(void)fprintf(f,
		      "meshkern: 1\ndata_dir: %s/data\nlog: { level: warn }\nplugins:\n"
		      "  decode: {}\n  storage: {}\n"
		      "  sim: { config: { nodes: 60, observers: 20, rate: %u, phones: 0 } }\n"
		      "  http: { config: { listen: \"127.0.0.1:%d\", web: none,\n"
		      "    limits: { connections: %u, per_address: %u },\n"
		      "    events: { clients: %u, per_address: %u } } }\n",
		      b->dir, b->rate, PORT, b->count + 64, b->count + 64, b->count + 8,
		      b->count + 8);
	fclose(f);
	if (posix_spawn(&b->pid, program, NULL, NULL, argv, environ) != 0)
		return false;
	for (uint64_t end = bench_now_us() + START_US; bench_now_us() < end;) {
		if (client_connect(b, &probe)) {
			close(probe.fd);
			return true;
		}
		if (probe.fd != -1)
			close(probe.fd);
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	}
	return false;
}

static double
bench_cpu_us(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char name[64];
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	f = fopen(name, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		   &system) != 2)
		user = system = 0;
	fclose(f);
	return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double
bench_rss_mib(pid_t pid)
{
	unsigned long size, resident = 0;
	char name[64];
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%d/statm", (int)pid);
	f = fopen(name, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static int
bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
bench_say(const char *name, const char *metric, const char *unit, double value)
{
	struct figure f = { 0 };

	figure_add(&f, metric, unit, value);
	figure_print(&f, "http_clients", name);
}

static void
bench_measure(struct bench *b, const char *name)
{
	double idle = bench_rss_mib(b->pid), cpu;
	uint64_t fewest = UINT64_MAX, most = 0, from;

	for (uint32_t i = 0; i < b->count && !b->failed; i++) {
		b->failed = !client_connect(b, &b->clients[i]);
		bench_pump(b, bench_now_us() + START_US, i + 1);
	}
	for (uint32_t i = 0; i < b->count; i++)
		b->clients[i].messages = 0;
	cpu = bench_cpu_us(b->pid);
	b->measuring = true;
	from = bench_now_us();
	bench_pump(b, from + RUN_US, UINT32_MAX);
	cpu = (bench_cpu_us(b->pid) - cpu) / (double)(bench_now_us() - from);
	for (uint32_t i = 0; i < b->count; i++) {
		fewest = b->clients[i].messages < fewest ? b->clients[i].messages : fewest;
		most = b->clients[i].messages > most ? b->clients[i].messages : most;
	}
	qsort(b->late_us, b->late_count, sizeof(b->late_us[0]), bench_compare);
	bench_say(name, "clients", "1", b->open);
	bench_say(name, "texts", "1/s", (double)b->messages * 1e6 / RUN_US);
	bench_say(name, "sent", "MiB/s", (double)b->bytes / 1048576 * 1e6 / RUN_US);
	bench_say(name, "fewest_of_a_client", "1", (double)fewest);
	bench_say(name, "most_of_a_client", "1", (double)most);
	if (b->late_count > 0) {
		bench_say(name, "delay_p50", "us", b->late_us[b->late_count / 2]);
		bench_say(name, "delay_p99", "us", b->late_us[b->late_count / 100 * 99]);
	}
	bench_say(name, "lost_and_told", "1", (double)b->told);
	bench_say(name, "lost_untold", "1", (double)b->untold);
	bench_say(name, "daemon_cpu", "processors", cpu);
	bench_say(name, "daemon_before", "MiB", idle);
	bench_say(name, "daemon_with_clients", "MiB", bench_rss_mib(b->pid));
	b->failed = b->failed || b->untold > 0 || b->messages == 0;
}

static bool
bench_case(const char *name, uint32_t clients, uint32_t rate)
{
	struct bench b = { .count = clients,
			   .rate = rate,
			   .feed = strcmp(name, "feed") == 0,
			   .dir = "/tmp/mk-bench-XXXXXX",
			   .pid = -1 };

	b.clients = calloc(clients, sizeof(*b.clients));
	b.late_us = calloc(SAMPLES, sizeof(*b.late_us));
	b.epoll = epoll_create1(EPOLL_CLOEXEC);
	b.failed =
	    b.clients == NULL || b.late_us == NULL || mkdtemp(b.dir) == NULL || !bench_start(&b);
	if (b.failed)
		fprintf(stderr, "http_clients: the daemon does not start\n");
	else
		bench_measure(&b, name);
	for (uint32_t i = 0; i < b.open; i++)
		close(b.clients[i].fd);
	if (b.pid != -1) {
		kill(b.pid, SIGTERM);
		waitpid(b.pid, NULL, 0);
	}
	close(b.epoll);
	free(b.clients);
	free(b.late_us);
	return !b.failed;
}

int
main(int argc, char **argv)
{
	static const char *const cases[] = { "events", "feed" };
	uint32_t clients = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : CLIENTS;
	uint32_t rate = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : RATE;
	struct rlimit files;
	bool good = true;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max; /* the daemon inherits it */
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (argc < 2 || strcmp(argv[1], cases[i]) == 0)
			good = bench_case(cases[i], clients, rate) && good;
	return good ? 0 : 1;
}
