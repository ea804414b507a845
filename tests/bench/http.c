/* SPDX-License-Identifier: MIT
 *
 * What the http plugin answers in a second: the real daemon as a child with storage, neighbors, mbcap,
 * analytics and a database of a busy week (big_database.c), 16 keep-alive connections, the client on
 * a thread of this process, so both share the machine.
 *
 *   start     time from exec to the first list of packets, and until everything is in memory
 *   cached    /api/plugins, an answer of a few kB that is kept until it changes
 *   fresh     /api/perf, which is made anew each time
 *   gzip      /api/plugins compressed
 *   /api/...  lists and details, with the size of the answer; `again` is how long one
 *             takes that was not kept; `peer` what CoreScope answers in a second, `target` what
 *             shall be answered
 *   live/...  the same while the sim plugin brings in 5000 packets a second
 *
 * On a machine with other work only the daemon's CPU time per request says something.
 *
 * usage: http [CASE...]      beginnings of names. MK_BINARY_DIR is the build folder, MK_BIG_DATABASE
 *                            a database made earlier
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
#define RUNS 2
#define SAMPLES (1u << 20)
#define HEAD_MAX 4096u

struct line { /* one connection */
	int fd;
	uint64_t sent_us;
	size_t got, need; /* of the answer; need 0: its head is not complete */
	char head[HEAD_MAX + 1];
};

struct figures {
	struct figure rate, p50, p99, cpu, bytes;
};

struct client {
	pthread_t thread;
	const char *request;
	uint64_t from_us, until_us, done, bytes;
	uint32_t *samples;
	uint32_t sample_count;
	int connections;
	bool failed;
};

static in_port_t port; /* of the daemon, in the order of the net */

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
				  .sin_port = port,
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

/* The head is kept, what follows it only counted. */
static void
line_read(struct client *c, struct line *l)
{
	static char rest[1 << 18];
	bool head = l->need == 0;
	ssize_t n = head ? recv(l->fd, l->head + l->got, HEAD_MAX - l->got, 0)
			 : recv(l->fd, rest, sizeof(rest), 0);
	const char *end, *length;
	uint64_t now;

	if (n <= 0) {
		c->failed = true;
		return;
	}
	l->got += (size_t)n;
	if (head) {
		l->head[l->got] = '\0';
		end = strstr(l->head, "\r\n\r\n");
		length = strcasestr(l->head, "content-length: ");
		if (end == NULL && l->got < HEAD_MAX)
			return;
		c->failed |= strncmp(l->head, "HTTP/1.1 200", 12) != 0 || length == NULL;
		if (c->failed)
			return;
		c->bytes = strtoul(length + 16, NULL, 10);
		l->need = (size_t)(end + 4 - l->head) + c->bytes;
	}
	if (l->got < l->need)
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
	char request[1024];
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
	figure_add(&f->bytes, "answer", "bytes", (double)clients[0].bytes);
	free(samples);
	return good && count > 0;
}

/* ------------------------------------------------------------------ daemon -- */

/* One that nobody has. */
static bool
bench_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);
	bool good = fd != -1 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 &&
		    getsockname(fd, (struct sockaddr *)&at, &len) == 0;

	port = at.sin_port;
	close(fd);
	return good;
}

struct daemon {
	char dir[32];
	pid_t pid;
	uint64_t first_us, warm_us;
};

/* One request on a connection of its own; the length of the body, cut to `cap`; -1: not a 200. */
static long
bench_get(const char *path, char *body, size_t cap)
{
	int fd = bench_connect();
	size_t got = 0;
	ssize_t n = 1;
	char *start;

	if (fd == -1)
		return -1;
	dprintf(fd, "GET %s HTTP/1.0\r\nHost: a\r\n\r\n", path);
	while (n > 0) {
		char rest[65536];

		n = got < cap - 1 ? recv(fd, body + got, cap - 1 - got, 0)
				  : recv(fd, rest, sizeof(rest), 0);
		got += n > 0 && got < cap - 1 ? (size_t)n : 0;
	}
	close(fd);
	body[got] = '\0';
	start = strstr(body, "\r\n\r\n");
	if (start == NULL || strncmp(body + 9, "200", 3) != 0)
		return -1;
	got -= (size_t)(start + 4 - body);
	memmove(body, start + 4, got + 1);
	return (long)got;
}

static bool
bench_run_program(const char *program, const char *argument)
{
	char *argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)argument, NULL };
	int status;
	pid_t pid;

	return posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

/* A database of its own for the daemon, which may write it. */
static bool
bench_database(const char *dir, const char *build)
{
	const char *made = getenv("MK_BIG_DATABASE");
	char program[512], file[128];
	char *copy[] = { (char[]){ "cp" }, (char[]){ "--reflink=auto" }, (char *)(uintptr_t)made,
			 file, NULL };
	int status;
	pid_t pid;

	(void)snprintf(file, sizeof(file), "%s/meshkern.db", dir);
	(void)snprintf(program, sizeof(program), "%s/bench/big_database", build);
	if (made == NULL)
		return bench_run_program(program, file);
	return posix_spawnp(&pid, "cp", NULL, NULL, copy, environ) == 0 &&
	       waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
bench_config(const char *file, const char *dir, bool live)
{
	FILE *f = fopen(file, "we");

	if (f == NULL)
		return false;
	(void)
	    fprintf(f,
		    "meshkern: 1\ndata_dir: %s\nlog: { level: warn }\nplugins:\n"
		    "  storage: { config: { database: %s/meshkern.db } }\n"
		    "  decode: {}\n  neighbors: {}\n  mbcap: {}\n  analytics: {}\n%s"
		    "  http: { config: { listen: \"127.0.0.1:%d\", budget: { per_second: 1000000, "
		    "burst: 1000000 } } }\n",
		    dir, dir,
		    live ? "  sim: { config: { nodes: 2000, observers: 150, rate: 5000 } }\n" : "",
		    ntohs(port));
	return fclose(f) == 0;
}

static bool
bench_start(struct daemon *d, bool live)
{
	const char *build = getenv("MK_BINARY_DIR");
	char program[512], file[128], body[8192];
	char *argv[] = { program, (char[]){ "-c" }, file, NULL };
	uint64_t began_us;

	build = build == NULL ? "build" : build;
	(void)snprintf(program, sizeof(program), "%s/bin/meshkernd", build);
	(void)snprintf(file, sizeof(file), "%s/meshkern.yaml", d->dir);
	if (!bench_port() || !bench_database(d->dir, build) || !bench_config(file, d->dir, live))
		return false;
	began_us = bench_now_us();
	if (posix_spawn(&d->pid, program, NULL, NULL, argv, environ) != 0)
		return false;
	while (bench_now_us() < began_us + 60000000 && waitpid(d->pid, NULL, WNOHANG) == 0) {
		if (d->first_us == 0 &&
		    bench_get("/api/packets?limit=50", body, sizeof(body)) > 100)
			d->first_us = bench_now_us() - began_us;
		/* This one has no answer as long as not everything is in memory. */
		if (d->first_us != 0 &&
		    bench_get("/api/sets/packets?limit=1", body, sizeof(body)) > 0) {
			d->warm_us = bench_now_us() - began_us;
			return true;
		}
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
	}
	return false;
}

static void
bench_stop(const struct daemon *d)
{
	char *argv[] = { (char[]){ "rm" }, (char[]){ "-rf" }, (char *)(uintptr_t)d->dir, NULL };
	pid_t pid;

	if (d->pid > 0) {
		kill(d->pid, SIGTERM);
		waitpid(d->pid, NULL, 0);
	}
	if (posix_spawnp(&pid, "rm", NULL, NULL, argv, environ) == 0)
		waitpid(pid, NULL, 0);
}

static double
bench_memory(pid_t pid)
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

/* ------------------------------------------------------------------- cases -- */

struct names { /* what stands in the place of {node} and so on */
	char node[65], hash[17], observer[129], since[32];
};

static void
bench_field(const char *path, const char *field, char *out, size_t cap)
{
	static char body[1 << 16];
	const char *at = bench_get(path, body, sizeof(body)) > 0 ? strstr(body, field) : NULL;
	size_t n = 0;

	for (at = at == NULL ? "" : at + strlen(field);
	     at[n] != '\0' && at[n] != '"' && n + 1 < cap;)
		n++;
	memcpy(out, at, n);
	out[n] = '\0';
}

static void
bench_names(struct names *n)
{
	time_t day = time(NULL) - 86400;
	struct tm tm;

	bench_field("/api/nodes?limit=1", "\"public_key\":\"", n->node, sizeof(n->node));
	bench_field("/api/packets?limit=1&offset=500&type=5", "\"hash\":\"", n->hash,
		    sizeof(n->hash));
	bench_field("/api/packets?limit=1", "\"observer_id\":\"", n->observer, sizeof(n->observer));
	gmtime_r(&day, &tm);
	(void)strftime(n->since, sizeof(n->since), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void
bench_fill(const char *pattern, const struct names *n, char *out, size_t cap)
{
	const char *const fields[][2] = { { "{node}", n->node },
					  { "{hash}", n->hash },
					  { "{observer}", n->observer },
					  { "{since}", n->since } };
	size_t len = 0;

	while (*pattern != '\0' && len + 1 < cap) {
		size_t i = 0;

		while (i < 4 && strncmp(pattern, fields[i][0], strlen(fields[i][0])) != 0)
			i++;
		if (i == 4) {
			out[len++] = *pattern++;
			continue;
		}
		len += (size_t)snprintf(out + len, cap - len, "%s", fields[i][1]);
		len = len < cap ? len : cap - 1;
		pattern += strlen(fields[i][0]);
	}
	out[len] = '\0';
}

/* An answer that is not kept: another parameter makes it another one. */
static double
bench_again(const char *path)
{
	static char body[4096];
	static unsigned times;
	char other[600];
	uint64_t began_us;

	(void)snprintf(other, sizeof(other), "%s%cunused=%u", path, strchr(path, '?') ? '&' : '?',
		       times++);
	began_us = bench_now_us();
	(void)bench_get(other, body, sizeof(body));
	return (double)(bench_now_us() - began_us);
}

static const struct {
	const char *name, *path, *more;
	uint32_t
	    peer; /* requests/s of CoreScope on a database of this shape; 0: it has no such route */
} cases[] = {
	{ "cached", "/api/plugins", "", 0 },
	{ "fresh", "/api/perf", "", 0 },
	{ "gzip", "/api/plugins", "Accept-Encoding: gzip\r\n", 0 },
#define ROUTE(path, peer)            \
	{                            \
		path, path, "", peer \
	}
	ROUTE("/api/stats", 27725),
	ROUTE("/api/healthz", 3378),
	ROUTE("/api/health", 10504),
	ROUTE("/api/nodes?limit=50", 413),
	ROUTE("/api/nodes?limit=2000", 4),
	ROUTE("/api/nodes/{node}", 843),
	ROUTE("/api/nodes/{node}/health", 375),
	ROUTE("/api/nodes/{node}/neighbors", 852),
	ROUTE("/api/nodes/{node}/paths", 7),
	ROUTE("/api/nodes/{node}/analytics?days=7", 13),
	ROUTE("/api/nodes/{node}/reach?days=7", 35057),
	ROUTE("/api/nodes/search?q=Hill", 4123),
	ROUTE("/api/nodes/bulk-health?limit=50", 31),
	ROUTE("/api/packets?limit=50", 191),
	ROUTE("/api/packets?limit=50&groupByHash=true", 1865),
	ROUTE("/api/packets?limit=50&expand=observations", 94),
	ROUTE("/api/packets?limit=50&type=4", 190),
	ROUTE("/api/packets?limit=50&since={since}", 362),
	ROUTE("/api/packets?limit=50&region=SJC", 32),
	ROUTE("/api/packets?limit=50&node={node}", 163),
	ROUTE("/api/packets/{hash}", 14766),
	ROUTE("/api/packets/timestamps?since={since}", 18183),
	ROUTE("/api/sets/packets", 0),
	ROUTE("/api/sets/nodes", 0),
	ROUTE("/api/observers", 3843),
	ROUTE("/api/observers/{observer}", 561),
	ROUTE("/api/observers/{observer}/analytics?days=7", 3),
	ROUTE("/api/observers/clock-skew", 20376),
	ROUTE("/api/channels", 28186),
	ROUTE("/api/channels/%23test/messages?limit=50", 50),
	ROUTE("/api/analytics/rf", 4455),
	ROUTE("/api/analytics/rf?window=24h", 3582),
	ROUTE("/api/analytics/rf?region=SJC", 1931),
	ROUTE("/api/analytics/topology", 5),
	ROUTE("/api/analytics/topology?region=SJC", 7),
	ROUTE("/api/analytics/channels", 228),
	ROUTE("/api/analytics/distance", 1233),
	ROUTE("/api/analytics/hash-sizes", 694),
	ROUTE("/api/analytics/hash-collisions", 523),
	ROUTE("/api/analytics/subpaths", 3441),
	ROUTE("/api/analytics/neighbor-graph", 2554),
	ROUTE("/api/analytics/roles", 44881),
	ROUTE("/api/nodes/clock-skew", 691),
	ROUTE("/api/resolve-hops?hops=a8,a8f3", 31428),
	ROUTE("/api/config/client", 28769),
	ROUTE("/", 30882),
#undef ROUTE
};

static bool
bench_is_wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], name, strlen(argv[i])) == 0)
			return true;
	return argc < 2;
}

/* Ten times the other's, where that is slow; else 30,000/s for small answers. */
static void
bench_say_target(uint32_t theirs, double bytes, const char *label)
{
	struct figure peer = { 0 }, target = { 0 };

	if (theirs > 0)
		figure_add(&peer, "peer", "1/s", theirs);
	if (theirs > 0 && theirs < 3000)
		figure_add(&target, "target", "1/s", 10.0 * theirs);
	else if (bytes > 0 && bytes < 10000)
		figure_add(&target, "target", "1/s", 30000);
	figure_print(&peer, "http", label);
	figure_print(&target, "http", label);
}

static void
bench_case(size_t i, const struct names *names, const char *prefix, pid_t pid)
{
	struct figures f = { 0 };
	struct figure again = { 0 };
	char path[512], label[256];
	bool good = true;

	bench_fill(cases[i].path, names, path, sizeof(path));
	(void)snprintf(label, sizeof(label), "%s%s", prefix, cases[i].name);
	for (int k = 0; good && k < RUNS; k++) {
		figure_add(&again, "again", "us", bench_again(path));
		good = bench_run(path, cases[i].more, &f, pid);
	}
	if (!good) {
		fprintf(stderr, "http: %s has no answer\n", label);
		return;
	}
	figure_print(&f.rate, "http", label);
	figure_print(&f.p50, "http", label);
	figure_print(&f.p99, "http", label);
	figure_print(&f.cpu, "http", label);
	figure_print(&f.bytes, "http", label);
	figure_print(&again, "http", label);
	bench_say_target(cases[i].peer, f.bytes.count > 0 ? f.bytes.runs[0] : 0, label);
}

static bool
bench_all(int argc, char **argv, bool live)
{
	const char *prefix = live ? "live" : "";
	struct daemon d = { .dir = "/tmp/mk-bench-XXXXXX" };
	struct figure first = { 0 }, warm = { 0 }, memory = { 0 };
	struct names names;
	bool good = mkdtemp(d.dir) != NULL && bench_start(&d, live);

	if (!good)
		fprintf(stderr, "http: the daemon does not start\n");
	else
		bench_names(&names);
	for (size_t i = 0; good && i < sizeof(cases) / sizeof(cases[0]); i++) {
		char label[256];

		(void)snprintf(label, sizeof(label), "%s%s", prefix, cases[i].name);
		if (bench_is_wanted(argc, argv, label))
			bench_case(i, &names, prefix, d.pid);
	}
	if (good) {
		figure_add(&first, "first_answer", "ms", (double)d.first_us / 1000);
		figure_add(&warm, "warm", "ms", (double)d.warm_us / 1000);
		figure_add(&memory, "memory", "MiB", bench_memory(d.pid));
		figure_print(&first, "http", live ? "live-start" : "start");
		figure_print(&warm, "http", live ? "live-start" : "start");
		figure_print(&memory, "http", live ? "live-end" : "end");
	}
	bench_stop(&d);
	return good;
}

int
main(int argc, char **argv)
{
	bool live = argc < 2, idle = argc < 2;

	for (int i = 1; i < argc; i++) {
		live |= strncmp(argv[i], "live", 4) == 0;
		idle |= strncmp(argv[i], "live", 4) != 0;
	}
	return (!idle || bench_all(argc, argv, false)) && (!live || bench_all(argc, argv, true))
		   ? 0
		   : 1;
}
