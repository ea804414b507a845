/* SPDX-License-Identifier: MIT
 *
 * The daemon as a whole, with the two example plugins: how long it takes to start and to restart a
 * plugin, and what it costs while nothing happens.
 *
 *   spawn_to_running   from STARTING to RUNNING of one plugin, as core/plugins dates them
 *   restart            from DRAINING to RUNNING, the same
 *   exec_to_running    from the start of the daemon until its last plugin runs
 *   cpu, rss, pss      idle, with the listener of the shipped configuration; 5 s are one run. pss
 *                      is what remains when shared pages are divided among who shares them.
 *
 * Needs MK_BINARY_DIR, as scripts/bench sets it. usage: daemon [start|idle]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <meshkern/codec.h>

#include "clock.h"
#include "figures.h"
#include "frame.h"

#define STARTS 5
#define RESTARTS 10
#define IDLE_RUNS 4
#define IDLE_US 5000000u   /* one run; core/stats come as often */
#define SETTLE_US 2000000u /* after the start, before the first run */
#define LIMIT_MS 30000     /* for whatever is waited for */
#define ANSWER_MAX (16u << 20)

#define HEAD \
	"meshkern: 1\nbus: { listen: [ \"ipc://./data/run/bus.ipc\" ] }\nlog: { level: error }\n"
#define BOTH                                                               \
	HEAD "plugins:\n"                                                  \
	     "  pulse: { isolation: process, config: { interval: 1d } }\n" \
	     "  tally: { isolation: inproc }\n"

struct daemon {
	pid_t pid;
	char dir[32];
	uint64_t spawned_us, ready_us; /* Unix time */
	uint8_t *answer;
	mk_doc doc; /* the last answer */
};

extern char **environ;
static pid_t running; /* to be stopped whatever happens */

static void
daemon_kill(void)
{
	if (running != 0)
		(void)kill(running, SIGKILL);
}

static void
must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "daemon: %s failed\n", what);
	exit(1);
}

/* ----------------------------------------------------------------- control -- */

static int
control_open(const struct daemon *d)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/data/run/control.sock", d->dir);
	must(fd != -1 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0,
	     "connecting to the control socket");
	return fd;
}

/* {"id": 1, "do": what, key: value}; a list of that one value if `list`. */
static void
control_ask(int fd, const char *what, const char *key, const char *value, bool list)
{
	uint32_t len;
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, key == NULL ? 2 : 3);
	mk_kv_u64(&w, "id", 1);
	mk_kv_str(&w, "do", what);
	if (key != NULL && list) {
		mk_kv_array(&w, key, 1);
		mk_put_str(&w, value);
	} else if (key != NULL) {
		mk_kv_str(&w, key, value);
	}
	len = (uint32_t)w.len;
	must(mk_writer_end(&w) == MK_OK && write(fd, &len, 4) == 4 &&
		 write(fd, w.data, len) == (ssize_t)len,
	     what);
	mk_writer_fini(&w);
}

static void
control_read(int fd, uint8_t *data, size_t len)
{
	while (len > 0) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n = poll(&p, 1, LIMIT_MS) == 1 ? read(fd, data, len) : -1;

		must(n > 0, "reading from the control socket");
		data += n;
		len -= (size_t)n;
	}
}

/* The next answer's "data". */
static const mk_val *
control_answer(struct daemon *d, int fd)
{
	int64_t result = -1;
	uint32_t len;

	control_read(fd, (uint8_t *)&len, 4);
	must(len <= ANSWER_MAX, "an answer of sensible length");
	mk_doc_close(&d->doc);
	free(d->answer);
	d->answer = malloc(len);
	must(d->answer != NULL, "malloc");
	control_read(fd, d->answer, len);
	must(mk_doc_open(&d->doc, d->answer, len, NULL, NULL, 0) == MK_OK &&
		 mk_get_i64(mk_find(mk_doc_root(&d->doc), "result"), &result) && result == MK_OK,
	     "a request");
	return mk_find(mk_doc_root(&d->doc), "data");
}

/* ------------------------------------------------------------------ daemon -- */

static void
daemon_await_ready(struct daemon *d, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[256];

	do {
		ssize_t n = poll(&p, 1, LIMIT_MS) == 1 ? read(fd, text, sizeof(text) - 1) : -1;

		must(n > 0, "waiting for READY=1");
		text[n] = '\0';
	} while (strstr(text, "READY=1") == NULL);
	d->ready_us = clock_wall_us();
}

static void
daemon_start(struct daemon *d, const char *config)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char program[1024], option[] = "-c", file[64];
	char *argv[] = { program, option, file, NULL };
	int fd, ready = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*d = (struct daemon){ .dir = "/tmp/mk-bench-XXXXXX" };
	mk_doc_init(&d->doc);
	must(mkdtemp(d->dir) != NULL, "mkdtemp");
	snprintf(program, sizeof(program), "%s/bin/meshkernd", getenv("MK_BINARY_DIR"));
	snprintf(file, sizeof(file), "%s/meshkern.yaml", d->dir);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	must(fd != -1 && write(fd, config, strlen(config)) == (ssize_t)strlen(config), file);
	close(fd);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/ready", d->dir);
	must(bind(ready, (const struct sockaddr *)&addr, sizeof(addr)) == 0, "bind");
	must(setenv("NOTIFY_SOCKET", addr.sun_path, 1) == 0, "setenv");
	d->spawned_us = clock_wall_us();
	must(posix_spawn(&d->pid, program, NULL, NULL, argv, environ) == 0, program);
	running = d->pid;
	daemon_await_ready(d, ready);
	close(ready);
}

static int
daemon_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void
daemon_stop(struct daemon *d)
{
	int status = -1;

	must(kill(d->pid, SIGTERM) == 0 && waitpid(d->pid, &status, 0) == d->pid && status == 0,
	     "stopping the daemon");
	running = 0;
	(void)nftw(d->dir, daemon_remove, 16, FTW_DEPTH | FTW_PHYS);
	mk_doc_fini(&d->doc);
	free(d->answer);
}

/* ------------------------------------------------------------------- start -- */

/* The latest moment at which one of the plugins began to run. */
static uint64_t
last_running_us(struct daemon *d)
{
	int fd = control_open(d);
	const mk_val *items;
	uint64_t last = 0;

	control_ask(fd, "plugins", NULL, NULL, false);
	items = mk_find(control_answer(d, fd), "items");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		uint64_t since = 0;
		char state[16];

		must(mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state)) &&
			 strcmp(state, "running") == 0 &&
			 mk_get_u64(mk_find(mk_at(items, i), "since_us"), &since),
		     "starting all plugins");
		last = since > last ? since : last;
	}
	close(fd);
	return last;
}

/* When a plugin was in which state, while it restarts. */
struct times {
	uint64_t draining, starting, running;
};

static void
times_take(struct times *t, const mk_val *items, const char *name)
{
	for (uint32_t i = 0; i < mk_count(items); i++) {
		char of[MK_ID_MAX + 1], state[16];
		uint64_t since;

		if (!mk_copy_str(mk_find(mk_at(items, i), "name"), of, sizeof(of)) ||
		    !mk_copy_str(mk_find(mk_at(items, i), "state"), state, sizeof(state)) ||
		    !mk_get_u64(mk_find(mk_at(items, i), "since_us"), &since) ||
		    strcmp(of, name) != 0)
			continue;
		if (strcmp(state, "draining") == 0)
			t->draining = since;
		else if (strcmp(state, "starting") == 0)
			t->starting = since;
		else if (strcmp(state, "running") == 0 && t->starting != 0)
			t->running = since;
	}
}

static void
measure_restart(struct daemon *d, const char *name, struct figure figures[2])
{
	int tail = control_open(d), fd = control_open(d);
	struct times t = { 0 };
	mk_doc head, body;

	mk_doc_init(&head);
	mk_doc_init(&body);
	control_ask(tail, "tail", "topics", "core/plugins", true);
	/* Requests are answered in their order of arrival: now the tail listens. */
	control_ask(fd, "status", NULL, NULL, false);
	(void)control_answer(d, fd);
	control_ask(fd, "restart", "name", name, false);
	while (t.running == 0) {
		const mk_val *frames = mk_find(control_answer(d, tail), "frames");

		for (uint32_t i = 0; i < mk_count(frames); i++) {
			const uint8_t *data;
			struct frame f;
			size_t len;

			must(mk_get_bin(mk_at(frames, i), &data, &len) &&
				 frame_parse(&f, &head, data, len, NULL) == MK_OK &&
				 mk_doc_open(&body, f.msg.body, f.msg.body_len, NULL, NULL, 0) ==
				     MK_OK,
			     "reading core/plugins");
			times_take(&t, mk_find(mk_doc_root(&body), "items"), name);
		}
	}
	(void)control_answer(d, fd);
	figure_add(&figures[0], "spawn_to_running", "ms", (double)(t.running - t.starting) / 1e3);
	figure_add(&figures[1], "restart", "ms", (double)(t.running - t.draining) / 1e3);
	mk_doc_fini(&head);
	mk_doc_fini(&body);
	close(tail);
	close(fd);
}

static void
bench_start(void)
{
	struct figure start[2] = { 0 }, process[2] = { 0 }, inproc[2] = { 0 };
	struct daemon d;

	for (int i = 0; i < STARTS; i++) {
		daemon_start(&d, BOTH);
		figure_add(&start[0], "exec_to_running", "ms",
			   (double)(last_running_us(&d) - d.spawned_us) / 1e3);
		figure_add(&start[1], "exec_to_ready", "ms",
			   (double)(d.ready_us - d.spawned_us) / 1e3);
		for (int j = 0; i == 0 && j < RESTARTS; j++) {
			measure_restart(&d, "pulse", process);
			measure_restart(&d, "tally", inproc);
		}
		daemon_stop(&d);
	}
	for (int i = 0; i < 2; i++) {
		figure_print(&start[i], "daemon", "start-2-plugins");
		figure_print(&process[i], "daemon", "plugin-process");
		figure_print(&inproc[i], "daemon", "plugin-inproc");
	}
}

/* -------------------------------------------------------------------- idle -- */

struct idle {
	const char *name, *config;
	struct daemon d;
	pid_t child; /* 0: there is none */
	struct figure figures[5];
};

static double
cpu_s(pid_t pid)
{
	struct timespec ts = { 0 };
	clockid_t clock;

	must(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0, "CPU clock");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* One figure of /proc/PID/smaps_rollup in MiB. */
static double
memory(pid_t pid, const char *key)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	must(f != NULL, path);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtoul(line + strlen(key), NULL, 10);
	fclose(f);
	return (double)kib / 1024;
}

static void
idle_begin(struct idle *c)
{
	const mk_val *items;
	int fd;

	daemon_start(&c->d, c->config);
	fd = control_open(&c->d);
	control_ask(fd, "plugins", NULL, NULL, false);
	items = mk_find(control_answer(&c->d, fd), "items");
	for (uint32_t i = 0; i < mk_count(items); i++) {
		uint64_t pid = 0;

		if (mk_get_u64(mk_find(mk_at(items, i), "pid"), &pid) && pid != 0)
			c->child = (pid_t)pid;
	}
	close(fd);
}

static void
idle_for(uint64_t us)
{
	struct timespec ts = { .tv_sec = (time_t)(us / 1000000) };

	must(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == 0, "waiting");
}

static void
idle_measure(struct idle *c)
{
	double seconds = (double)clock_now_us(), used = cpu_s(c->d.pid);
	double child_used = c->child != 0 ? cpu_s(c->child) : 0;

	idle_for(IDLE_US);
	seconds = ((double)clock_now_us() - seconds) / 1e6;
	used = cpu_s(c->d.pid) - used;
	figure_add(&c->figures[0], "cpu", "%", used / seconds * 100);
	figure_add(&c->figures[1], "rss", "MiB", memory(c->d.pid, "Rss:"));
	figure_add(&c->figures[2], "pss", "MiB", memory(c->d.pid, "Pss:"));
	if (c->child == 0)
		return;
	child_used = cpu_s(c->child) - child_used;
	figure_add(&c->figures[3], "child_cpu", "%", child_used / seconds * 100);
	figure_add(&c->figures[4], "child_pss", "MiB", memory(c->child, "Pss:"));
}

static void
bench_idle(void)
{
	static struct idle cases[] = {
		{ .name = "idle-no-plugin", .config = HEAD },
		{ .name = "idle-tally",
		  .config = HEAD "plugins:\n  pulse: { enabled: false }\n  tally: {}\n" },
		{ .name = "idle-process",
		  .config = HEAD "plugins:\n"
				 "  pulse: { isolation: process, config: { interval: 1d } }\n" },
	};

	/* One after the other: what two daemons share would make the pss too small. */
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct idle *c = &cases[i];

		idle_begin(c);
		idle_for(SETTLE_US);
		for (int run = 0; run < IDLE_RUNS; run++)
			idle_measure(c);
		daemon_stop(&c->d);
		for (int j = 0; j < 5; j++)
			figure_print(&c->figures[j], "daemon", c->name);
	}
}

int
main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : NULL;

	must(getenv("MK_BINARY_DIR") != NULL, "finding MK_BINARY_DIR");
	must(atexit(daemon_kill) == 0, "atexit");
	if (only == NULL || strcmp(only, "start") == 0)
		bench_start();
	if (only == NULL || strcmp(only, "idle") == 0)
		bench_idle();
	return 0;
}
