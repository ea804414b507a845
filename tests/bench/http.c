/* SPDX-License-Identifier: MIT
 *
 * What the http plugin answers in a second: the real daemon as a child, 16 keep-alive connections,
 * the client on threads of this process, so both share the machine.
 *
 *   cached   /api/plugins, an answer of a few kB that is kept until it changes
 *   fresh    /api/health, which is made anew each time
 *   gzip     /api/plugins compressed
 *
 * On a machine with other work only the daemon's CPU time per request says something.
 *
 * usage: http [CASE]      MK_BINARY_DIR is the build folder
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "figures.h"

extern char **environ;

#define CONNECTIONS 16
#define CLIENTS 1 /* threads */
#define RUN_US 1500000u
#define WARM_US 200000u
#define RUNS 3
#define SAMPLES (1u << 20)
#define PORT 18474

struct line { /* one connection */
	int fd;
	uint64_t sent_us;
	size_t got, need; /* of the answer; need 0: its head is not complete */
	char buf[65536];
};

struct figures {
	struct figure rate, p50, p99, cpu;
};

struct client {
	pthread_t thread;
	const char *request;
	uint64_t from_us, until_us, done;
	uint32_t *samples;
	uint32_t sample_count;
	int connections;
	bool failed;
};

static uint64_t
bench_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int
bench_connect(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	if (fd != -1 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1) {
		close(fd);
		return -1;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	return fd;
}

static void
line_send(struct client *c, struct line *l)
{
	size_t len = strlen(c->request);

	l->got = l->need = 0;
	l->sent_us = bench_now_us();
	c->failed |= send(l->fd, c->request, len, MSG_NOSIGNAL) != (ssize_t)len;
}

static void
line_read(struct client *c, struct line *l)
{
	ssize_t n = recv(l->fd, l->buf + l->got, sizeof(l->buf) - 1 - l->got, 0);
	const char *end, *length;
	uint64_t now;

	if (n <= 0) {
		c->failed = true;
		return;
	}
	l->got += (size_t)n;
	l->buf[l->got] = '\0';
	end = l->need == 0 ? strstr(l->buf, "\r\n\r\n") : NULL;
	if (end != NULL) {
		length = strstr(l->buf, "Content-Length: ");
		c->failed |= strncmp(l->buf, "HTTP/1.1 200", 12) != 0 || length == NULL;
		if (c->failed)
			return;
		l->need = (size_t)(end + 4 - l->buf) + strtoul(length + 16, NULL, 10);
	}
	if (l->need == 0 || l->got < l->need)
		return;
	now = bench_now_us();
	if (now >= c->from_us) {
		c->done++;
		if (c->sample_count < SAMPLES)
			c->samples[c->sample_count++] = (uint32_t)(now - l->sent_us);
	}
	line_send(c, l);
}

static void *
client_run(void *arg)
{
	struct line *lines = calloc(CONNECTIONS, sizeof(*lines));
	struct epoll_event events[CONNECTIONS];
	struct client *c = arg;
	int epoll = epoll_create1(0);

	for (int i = 0; i < c->connections; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data = { .ptr = &lines[i] } };

		lines[i].fd = bench_connect();
		c->failed |=
		    lines[i].fd == -1 || epoll_ctl(epoll, EPOLL_CTL_ADD, lines[i].fd, &e) == -1;
		if (!c->failed)
			line_send(c, &lines[i]);
	}
	while (!c->failed && bench_now_us() < c->until_us) {
		int n = epoll_wait(epoll, events, CONNECTIONS, 100);

		for (int i = 0; i < n; i++)
			line_read(c, events[i].data.ptr);
	}
	for (int i = 0; i < c->connections; i++)
		close(lines[i].fd);
	close(epoll);
	free(lines);
	return NULL;
}

static int
bench_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
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

static bool
bench_run(const char *path, const char *more, struct figures *f, pid_t pid)
{
	struct client clients[CLIENTS] = { 0 };
	uint32_t *samples = calloc((size_t)CLIENTS * SAMPLES, sizeof(*samples)), count = 0;
	uint64_t done = 0;
	double before = bench_cpu_us(pid);
	char request[256];
	bool good = true;

	(void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", path,
		       more);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		c->request = request;
		c->connections = CONNECTIONS / CLIENTS;
		c->samples = samples + (size_t)i * SAMPLES;
		c->from_us = bench_now_us() + WARM_US;
		c->until_us = c->from_us + RUN_US;
		pthread_create(&c->thread, NULL, client_run, c);
	}
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];

		pthread_join(c->thread, NULL);
		good = good && !c->failed;
		done += c->done;
		memmove(samples + count, c->samples, c->sample_count * sizeof(*samples));
		count += c->sample_count;
	}
	qsort(samples, count, sizeof(*samples), bench_compare);
	if (good && count > 0) {
		figure_add(&f->rate, "requests_per_s", "1/s", (double)done * 1e6 / RUN_US);
		figure_add(&f->p50, "p50", "us", samples[count / 2]);
		figure_add(&f->p99, "p99", "us", samples[count / 100 * 99]);
		/* Those of the time before the measurement are not counted, their time is. */
		figure_add(&f->cpu, "daemon_cpu_per_request", "us",
			   (bench_cpu_us(pid) - before) /
			       ((double)done * (RUN_US + WARM_US) / RUN_US));
	}
	free(samples);
	return good && count > 0;
}

static bool
bench_start(const char *dir, pid_t *pid)
{
	const char *build = getenv("MK_BINARY_DIR");
	char program[512], file[128];
	char *argv[] = { program, (char[]){ "-c" }, file, NULL };
	FILE *f;

	(void)snprintf(program, sizeof(program), "%s/bin/meshkernd",
		       build == NULL ? "build" : build);
	(void)snprintf(file, sizeof(file), "%s/meshkern.yaml", dir);
	f = fopen(file, "we");
	if (f == NULL)
		return false;
	(void)
	    fprintf(f,
		    "meshkern: 1\ndata_dir: %s/data\nlog: { level: warn }\nplugins:\n"
		    "  http: { config: { listen: \"127.0.0.1:%d\", budget: { per_second: 1000000, "
		    "burst: 1000000 } } }\n",
		    dir, PORT);
	fclose(f);
	if (posix_spawn(pid, program, NULL, NULL, argv, environ) != 0)
		return false;
	for (uint64_t end = bench_now_us() + 10000000; bench_now_us() < end;) {
		int fd = bench_connect();

		if (fd != -1) {
			close(fd);
			return waitpid(*pid, NULL, WNOHANG) == 0;
		}
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
	}
	return false;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name, *path, *more;
	} cases[] = {
		{ "cached", "/api/plugins", "" },
		{ "fresh", "/api/health", "" },
		{ "gzip", "/api/plugins", "Accept-Encoding: gzip\r\n" },
	};
	char dir[] = "/tmp/mk-bench-XXXXXX";
	bool good = mkdtemp(dir) != NULL;
	pid_t pid = -1;

	good = good && bench_start(dir, &pid);
	if (!good)
		fprintf(stderr, "http: the daemon does not start\n");
	for (size_t i = 0; good && i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct figures f = { 0 };

		if (argc > 1 && strcmp(argv[1], cases[i].name) != 0)
			continue;
		for (int k = 0; good && k < RUNS; k++)
			good = bench_run(cases[i].path, cases[i].more, &f, pid);
		figure_print(&f.rate, "http", cases[i].name);
		figure_print(&f.p50, "http", cases[i].name);
		figure_print(&f.p99, "http", cases[i].name);
		figure_print(&f.cpu, "http", cases[i].name);
	}
	if (pid != -1) {
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
	}
	return good ? 0 : 1;
}
