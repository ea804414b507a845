/* SPDX-License-Identifier: MIT
 *
 * What the bus does in a second and how long a message takes: one publisher, 1, 4 or 8 subscribers,
 * the real hub, the real instance loops on threads of their own, inproc or over unix sockets.
 *
 *   flood   publish as fast as the bus takes it for RUN_US; the clock stops when every subscriber
 *           has everything. Every message must arrive once, in order and unchanged, else the
 *           benchmark fails.
 *   paced   one message a millisecond; from publish() to the entry of on_msg, all subscribers.
 *
 * The publisher sends one body that was made beforehand: this is about the bus, not the codec. A
 * batch is a message with many items. The figures of CPU time are of all threads together; they are
 * the ones to compare on a machine that has other work, too.
 *
 * usage: hub [PATTERN]      cases that match the shell pattern; all by default
 */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "figures.h"
#include "hub.h"
#include "inst.h"

#define SUBSCRIBERS_MAX 8
#define RUNS 5u
#define RUN_US 300000u
#define PACE_US 1000u
#define PACED_US 400000u
#define WAKE_US 5000u /* the harness looks at least this often, and after every event of the hub */
#define STAMPS 4096u  /* messages between publisher and subscriber while paced; a power of 2 */
#define SAMPLES 4096u /* of one subscriber in one run */
#define LIMIT_US 20000000 /* for whatever is waited for */
#define TOPIC "bench/item"

struct shape { /* one case */
	bool ipc;
	uint32_t subscribers, bytes, items;
};

enum mode { REST, FLOOD, PACED };

struct role { /* one instance, and what its plugin knows */
	struct seat *seat;
	mk_manifest *manifest;
	const mk_plugin_desc *desc;
	const mk_host *host;
	struct vitals vitals;
	pthread_t thread;
	_Atomic bool ended;
	bool live, running, leaving, stopped;
	char name[16], url_out[128], url_in[128];
	/* the subscriber's */
	_Atomic uint64_t received, wrong;
	uint32_t sample_count;
	uint32_t samples[SAMPLES];
};

/* What harness and instances share. A run begins and ends with `mode`. */
static struct {
	struct loop *loop;
	struct hub *hub;
	struct shape shape;
	uint8_t *body;
	uint32_t body_len;
	struct role roles[1 + SUBSCRIBERS_MAX]; /* the first one publishes */
	_Atomic int mode;
	_Atomic uint64_t until_us, published;
	_Atomic uint64_t stamps[STAMPS];
	uint32_t rigs;
	char folder[32];
} rig = { .folder = "/tmp/mk-bench-XXXXXX" };

/* ---------------------------------------------------------------- plugins -- */

static mk_result
on_create(const mk_host *h, void **self)
{
	struct role *r = rig.roles;

	while (strcmp(r->name, h->name(h)) != 0)
		r++;
	r->host = h;
	*self = r;
	return MK_OK;
}

static void
on_destroy(void *self)
{
	(void)self;
}

static mk_result
source_start(void *self)
{
	const mk_host *h = ((struct role *)self)->host;

	return h->timer(h, 1, PACE_US, PACE_US);
}

static bool
source_publish(const mk_host *h)
{
	uint64_t number = rig.published + 1;

	if (rig.mode == PACED)
		rig.stamps[number % STAMPS] = clock_now_us();
	if (h->publish(h, TOPIC, rig.body, rig.body_len, 0) != MK_OK)
		return false;
	rig.published = number;
	return true;
}

static void
source_on_timer(void *self, uint32_t id)
{
	const mk_host *h = ((struct role *)self)->host;
	int mode = rig.mode;

	(void)id;
	if (mode == REST)
		return;
	if (clock_now_us() >= rig.until_us)
		rig.mode = REST;
	else if (mode == PACED)
		source_publish(h);
	else
		while (source_publish(h)) /* until the queue is full */
			;
}

static void
sink_on_msg(void *self, const mk_msg *m)
{
	struct role *r = self;
	uint64_t received = r->received + 1;

	if ((m->flags & MK_MSG_GAP) != 0 || m->seq != received || m->body_len != rig.body_len ||
	    memcmp(m->body, rig.body, rig.body_len) != 0) {
		r->wrong++;
		return;
	}
	if (rig.mode == PACED && r->sample_count < SAMPLES)
		r->samples[r->sample_count++] =
		    (uint32_t)(clock_now_us() - rig.stamps[m->seq % STAMPS]);
	r->received = received;
}

static const mk_topic publishes[] = {
	{ .name = TOPIC, .flags = MK_TOPIC_RELIABLE, .max_body = 1u << 20 }, { 0 }
};
static const mk_topic subscribes[] = { { .name = TOPIC }, { 0 } };

#define PLUGIN                                                                    \
	MK_PLUGIN_HEAD, .version = "1.0.0", .summary = "bench", .license = "MIT", \
			.author = "bench", .url = "", .create = on_create, .destroy = on_destroy

static const mk_plugin_desc source = { PLUGIN, .id = "source", .publishes = publishes,
				       .start = source_start, .on_timer = source_on_timer };
static const mk_plugin_desc sink = { PLUGIN, .id = "sink", .subscribes = subscribes,
				     .on_msg = sink_on_msg };

/* ---------------------------------------------------------------- harness -- */

static void
fail(const char *what)
{
	fprintf(stderr, "hub: %s\n", what);
	for (uint32_t i = 0; i <= rig.shape.subscribers; i++)
		fprintf(stderr, "%s: received %llu of %llu, wrong %llu\n", rig.roles[i].name,
			(unsigned long long)rig.roles[i].received,
			(unsigned long long)rig.published, (unsigned long long)rig.roles[i].wrong);
	exit(1);
}

static void
must(mk_result rc, const mk_err *err)
{
	if (rc != MK_OK)
		fail(err->text);
}

static void
on_state(void *owner, uint8_t state, mk_result result, const char *text)
{
	struct role *r = owner;

	(void)result;
	if (state == WIRE_STATE_FAILED)
		fail(text);
	r->running = r->running || state == WIRE_STATE_RUNNING;
	r->stopped = r->stopped || state == WIRE_STATE_STOPPED;
}

static void
on_misbehaved(void *owner, const char *text)
{
	(void)owner;
	fail(text);
}

static void
on_number(void *owner, const char *name, int64_t value)
{
	(void)owner, (void)name, (void)value;
}

static void
on_outbox(void *owner, const uint64_t stats[6])
{
	(void)owner, (void)stats;
}

static void
on_lost_link(void *owner)
{
	(void)owner;
}

static void *
role_thread(void *arg)
{
	struct role *r = arg;
	struct inst_config c = { .name = r->name,
				 .desc = r->desc,
				 .url_out = r->url_out,
				 .url_in = r->url_in,
				 .state_dir = rig.folder,
				 .data_dir = rig.folder,
				 .run_dir = rig.folder,
				 .outbox_dir = rig.folder,
				 .vitals = &r->vitals,
				 .local_log = true };
	mk_err err = { 0 };

	must(inst_run(&c, &err), &err);
	r->ended = true;
	return NULL;
}

static void
role_declare(struct role *r)
{
	mk_err err = { 0 };
	mk_writer w;

	mk_writer_init(&w, 0);
	must(mk_manifest_write(r->desc, &w), &err);
	must(mk_manifest_read(&r->manifest, w.data, w.len, &err), &err);
	mk_writer_fini(&w);
	/* As in the daemon: what comes from another process is validated again. */
	seat_declare(r->seat, r->manifest, 0, !rig.shape.ipc);
}

static void
role_join(struct role *r, const mk_plugin_desc *desc, uint32_t number)
{
	const char *base = rig.shape.ipc ? "ipc://" : "inproc://";
	struct link *out = NULL, *in = NULL;
	mk_err err = { 0 };

	memset(r, 0, sizeof(*r));
	r->desc = desc;
	snprintf(r->name, sizeof(r->name), "%s%u", desc->id, number);
	snprintf(r->url_out, sizeof(r->url_out), "%s%s/%s.%u.o", base, rig.folder, r->name,
		 rig.rigs);
	snprintf(r->url_in, sizeof(r->url_in), "%s%s/%s.%u.i", base, rig.folder, r->name, rig.rigs);
	r->seat = seat_new(rig.hub, r->name, r, true);
	seat_park(r->seat, false);
	role_declare(r);
	must(link_open(&out, LINK_PUB, 64, HUB_FRAME_MAX, &err), &err);
	must(link_open(&in, LINK_PULL, 64, HUB_FRAME_MAX, &err), &err);
	must(link_listen(out, &(struct link_address){ .url = r->url_out, .mode = 0600 }, &err),
	     &err);
	must(link_listen(in, &(struct link_address){ .url = r->url_in, .mode = 0600 }, &err), &err);
	must(seat_attach(r->seat, out, in, &err), &err);
	r->live = pthread_create(&r->thread, NULL, role_thread, r) == 0;
}

static void
role_leave(struct role *r)
{
	pthread_join(r->thread, NULL);
	seat_detach(r->seat);
	seat_declare(r->seat, NULL, 0, false);
	mk_manifest_free(r->manifest);
	r->live = false;
}

static bool
all_run(void)
{
	bool all = true;

	for (uint32_t i = 0; i <= rig.shape.subscribers; i++)
		all = all && rig.roles[i].running;
	return all;
}

static bool
all_arrived(void)
{
	bool all = rig.mode == REST;

	for (uint32_t i = 1; all && i <= rig.shape.subscribers; i++)
		all = rig.roles[i].received == rig.published;
	return all;
}

/* A socket may only be closed when nothing is on the way to it: link.h. */
static bool
all_left(void)
{
	bool all = true;

	for (uint32_t i = 0; i <= rig.shape.subscribers; i++) {
		struct role *r = &rig.roles[i];

		if (!r->leaving)
			seat_drain(r->seat, false);
		r->leaving = true;
		if (r->stopped)
			seat_bye(r->seat);
		r->stopped = false;
		if (r->live && r->ended)
			role_leave(r);
		all = all && !r->live;
	}
	return all;
}

static void
on_wake(void *arg)
{
	(void)arg;
}

static void
run_until(bool (*done)(void), const char *what)
{
	struct loop_timer *wake = loop_timer_new(rig.loop, on_wake, NULL);
	uint64_t limit = clock_now_us() + LIMIT_US;

	while (!done()) {
		loop_timer_set(wake, clock_now_us() + WAKE_US);
		loop_round(rig.loop);
		hub_pump(rig.hub);
		if (clock_now_us() > limit)
			fail(what);
	}
	loop_timer_free(wake);
}

static void
rig_open(void)
{
	static const struct hub_events events = { .state = on_state,
						  .number = on_number,
						  .outbox = on_outbox,
						  .misbehaved = on_misbehaved,
						  .lost_link = on_lost_link };
	static const struct hub_config config = { .ring_messages = 65536,
						  .ring_bytes = 64u << 20,
						  .push_back_us = 5000000 };
	mk_err err = { 0 };

	rig.rigs++;
	rig.published = 0;
	must(loop_new(&rig.loop, &err), &err);
	must(hub_new(&rig.hub, rig.loop, &config, &events, &err), &err);
	for (uint32_t i = 0; i <= rig.shape.subscribers; i++)
		role_join(&rig.roles[i], i == 0 ? &source : &sink, i);
	run_until(all_run, "not everybody runs");
}

static void
rig_close(void)
{
	run_until(all_left, "not everybody has stopped");
	hub_free(rig.hub);
	loop_free(rig.loop);
}

/* ---------------------------------------------------------------- measuring -- */

static uint64_t
cpu_us(void)
{
	struct timespec ts = { 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
run(enum mode mode, uint64_t length_us)
{
	rig.until_us = clock_now_us() + length_us;
	rig.mode = (int)mode;
	run_until(all_arrived, "messages are lost, out of order or damaged");
}

static void
measure_flood(struct figure figures[3])
{
	uint64_t published = rig.published, began = clock_now_us(), cpu = cpu_us();
	double messages, seconds;

	run(FLOOD, RUN_US);
	seconds = (double)(clock_now_us() - began) / 1e6;
	messages = (double)(rig.published - published);
	figure_add(&figures[0], "messages_per_s", "1/s", messages / seconds);
	if (rig.shape.items > 1)
		figure_add(&figures[1], "items_per_s", "1/s", messages * rig.shape.items / seconds);
	figure_add(&figures[2], "cpu_per_message", "us", (double)(cpu_us() - cpu) / messages);
}

static int
sample_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
measure_paced(struct figure figures[4])
{
	static uint32_t all[SUBSCRIBERS_MAX * SAMPLES];
	uint64_t published = rig.published, cpu = cpu_us();
	uint32_t n = 0;

	for (uint32_t i = 1; i <= rig.shape.subscribers; i++)
		rig.roles[i].sample_count = 0;
	run(PACED, PACED_US);
	cpu = cpu_us() - cpu;
	for (uint32_t i = 1; i <= rig.shape.subscribers; i++) {
		const struct role *r = &rig.roles[i];

		memcpy(all + n, r->samples, r->sample_count * sizeof(all[0]));
		n += r->sample_count;
	}
	if (n == 0)
		fail("no message while paced");
	qsort(all, n, sizeof(all[0]), sample_compare);
	figure_add(&figures[0], "latency_p50", "us", all[n / 2]);
	figure_add(&figures[1], "latency_p99", "us", all[n - 1 - n / 100]);
	figure_add(&figures[2], "latency_max", "us", all[n - 1]);
	figure_add(&figures[3], "paced_cpu_per_message", "us",
		   (double)cpu / (double)(rig.published - published));
}

static void
make_body(void)
{
	static const uint8_t fill[16384];
	mk_writer w;

	mk_writer_init(&w, 0);
	if (rig.shape.items > 1) {
		mk_put_map(&w, 1);
		mk_kv_array(&w, "items", rig.shape.items);
	}
	for (uint32_t i = 0; i < rig.shape.items; i++) {
		mk_put_map(&w, 2);
		mk_kv_u64(&w, "number", i);
		mk_kv_bin(&w, "fill", fill, rig.shape.bytes);
	}
	must(mk_writer_end(&w), &(mk_err){ .text = "body" });
	rig.body = w.data; /* [owned] from now on */
	rig.body_len = (uint32_t)w.len;
}

static void
bench(const struct shape *shape, const char *pattern)
{
	struct figure figures[7] = { 0 };
	char name[64];

	snprintf(name, sizeof(name), "%s-%usub-%s%s", shape->ipc ? "ipc" : "inproc",
		 shape->subscribers, shape->bytes < 1024 ? "small" : "16k",
		 shape->items > 1 ? "-batch" : "");
	if (fnmatch(pattern, name, 0) != 0)
		return;
	rig.shape = *shape;
	make_body();
	rig_open();
	for (uint32_t i = 0; i < RUNS; i++)
		measure_paced(figures + 3);
	for (uint32_t i = 0; i < RUNS; i++)
		measure_flood(figures);
	rig_close();
	free(rig.body);
	for (uint32_t i = 0; i < 7; i++)
		figure_print(&figures[i], "hub", name);
}

int
main(int argc, char **argv)
{
	static const uint32_t subscribers[] = { 1, 4, 8 };
	/* bytes of an item, items of a message */
	static const uint32_t bodies[][2] = { { 40, 1 }, { 40, 32 }, { 16384, 1 }, { 16384, 4 } };

	log_init(STDERR_FILENO, MK_LOG_WARN, LOG_TEXT);
	if (mkdtemp(rig.folder) == NULL)
		return 1;
	for (uint32_t ipc = 0; ipc < 2; ipc++)
		for (uint32_t s = 0; s < 3; s++)
			for (uint32_t b = 0; b < 4; b++)
				bench(&(struct shape){ .ipc = ipc == 1,
						       .subscribers = subscribers[s],
						       .bytes = bodies[b][0],
						       .items = bodies[b][1] },
				      argc > 1 ? argv[1] : "*");
	(void)rmdir(rig.folder);
	return 0;
}
