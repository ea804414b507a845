/* SPDX-License-Identifier: MIT
 *
 * A flood through the real hub, the real instance loop and the real sockets:
 *
 *   one publisher, as fast as it may -> four reliable subscribers: two quick ones, one that
 *   stalls for 0.8 s at a time, one that leaves and comes back every 5,000 messages
 *                                    -> one latest subscriber that is far too slow
 *
 * Every reliable subscriber gets every message once and in order; for the latest one, received +
 * reported as lost = published.
 *
 * usage: flood [messages [inproc|ipc]]     both kinds of socket, one after the other, by default
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "hub.h"
#include "inst.h"

extern char **environ;

#define STALL_EVERY 100000u
#define REJOIN_EVERY 5000u
#define RING 65536u
#define LIMIT_US 300000000u
#define LATEST_EVERY 4u /* one message in so many goes to the latest topic, too */

#if defined(MK_ASAN) || defined(MK_TSAN)
static uint64_t total = 200000;
#else
static uint64_t total = 1000000;
#endif

struct role { /* one instance; its plugin's state is here, the test looks at it */
	const char *name;
	const mk_plugin_desc *desc;
	_Atomic uint64_t received, lost, wrong, last, twice;
	_Atomic bool finished;
	/* the harness's */
	struct seat *seat;
	mk_manifest *manifest;
	struct vitals vitals;
	pthread_t thread;
	_Atomic bool ended;
	bool live, running, leaving, stopped;
	uint32_t generation;
	uint64_t rejoined_at, rejoins;
	char url_out[128], url_in[128];
};

static struct role roles[] = {
	{ .name = "source" },
	{ .name = "quick" },
	{ .name = "other" },
	{ .name = "staller" },
	{ .name = "rejoiner" },
	{ .name = "late" },
	{ 0 },
};
enum { SOURCE, QUICK, OTHER, STALLER, REJOINER, LATE, ROLES };
static struct role *role_of(const mk_host *h);

/* ---------------------------------------------------------------- plugins -- */

struct state {
	const mk_host *host;
	struct role *role;
	uint64_t published, latest;
};

static mk_result
on_create(const mk_host *h, void **self)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return MK_ENOMEM;
	s->host = h;
	s->role = role_of(h);
	*self = s;
	return MK_OK;
}

static void
on_destroy(void *self)
{
	free(self);
}

static mk_result
source_start(void *self)
{
	struct state *s = self;

	return s->host->timer(s->host, 1, 1000, 1000);
}

static bool
source_publish(struct state *s, const char *topic, uint64_t n)
{
	mk_writer w;
	mk_result rc;

	mk_writer_init(&w, 256);
	mk_put_map(&w, 2);
	mk_kv_u64(&w, "n", n);
	mk_kv_bin(&w, "fill", "0123456789012345678901234567890123456789", 40);
	rc = s->host->publish(s->host, topic, w.data, (uint32_t)w.len, 0);
	mk_writer_fini(&w);
	return rc == MK_OK;
}

static void
source_on_timer(void *self, uint32_t id)
{
	struct state *s = self;

	(void)id;
	for (int i = 0; i < 4096 && s->published < total; i++) {
		if (!source_publish(s, "flood/item", s->published + 1))
			return;
		s->published++;
		if (s->published % LATEST_EVERY == 0 &&
		    source_publish(s, "flood/latest", s->published))
			s->latest++;
	}
	s->role->received = s->published;
	s->role->last = s->latest;
	if (s->published == total)
		s->role->finished = true;
}

static void
sink_on_msg(void *self, const mk_msg *m)
{
	struct role *r = ((struct state *)self)->role;

	if ((m->flags & MK_MSG_GAP) != 0) {
		r->lost += m->lost;
		r->last = m->seq + m->lost - 1;
		return;
	}
	if (m->seq <= r->last)
		r->twice++;
	else if (m->seq != r->last + 1)
		r->wrong++;
	r->last = m->seq;
	r->received++;
}

static void
staller_on_msg(void *self, const mk_msg *m)
{
	sink_on_msg(self, m);
	if (m->seq % STALL_EVERY == 0)
		nanosleep(&(struct timespec){ .tv_nsec = 800000000 }, NULL);
}

static void
slow_on_msg(void *self, const mk_msg *m)
{
	sink_on_msg(self, m);
	nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}

static const mk_topic items[] = { { .name = "flood/item", .flags = MK_TOPIC_RELIABLE },
				  { .name = "flood/latest" },
				  { 0 } };
static const mk_topic reliable[] = { { .name = "flood/item" }, { 0 } };
static const mk_topic latest[] = { { .name = "flood/latest" }, { 0 } };

#define PLUGIN                                                                                     \
	MK_PLUGIN_HEAD, .version = "1.0.0", .summary = "test", .license = "MIT", .author = "test", \
			.url = "", .create = on_create, .destroy = on_destroy

static const mk_plugin_desc source = { PLUGIN, .id = "source", .publishes = items,
				       .start = source_start, .on_timer = source_on_timer };
static const mk_plugin_desc sink = { PLUGIN, .id = "sink", .subscribes = reliable,
				     .on_msg = sink_on_msg };
static const mk_plugin_desc staller = { PLUGIN, .id = "staller", .subscribes = reliable,
					.on_msg = staller_on_msg };
static const mk_plugin_desc slow = { PLUGIN, .id = "slow", .subscribes = latest,
				     .on_msg = slow_on_msg };

/* ---------------------------------------------------------------- harness -- */

static char folder[] = "/tmp/mk-flood-XXXXXX";
static bool use_ipc;

static struct role *
role_of(const mk_host *h)
{
	for (struct role *r = roles; r->name != NULL; r++)
		if (strcmp(r->name, h->name(h)) == 0)
			return r;
	abort();
}

static void
must(mk_result rc, const mk_err *err)
{
	if (rc == MK_OK)
		return;
	fprintf(stderr, "flood: %s\n", err->text);
	exit(1);
}

static void *
role_thread(void *arg)
{
	struct role *r = arg;
	struct inst_config c = { .name = r->name,
				 .desc = r->desc,
				 .url_out = r->url_out,
				 .url_in = r->url_in,
				 .state_dir = folder,
				 .data_dir = folder,
				 .run_dir = folder,
				 .outbox_dir = folder,
				 .vitals = &r->vitals,
				 .local_log = true };
	mk_err err = { 0 };

	must(inst_run(&c, &err), &err);
	r->ended = true;
	return NULL;
}

static void
role_join(struct role *r)
{
	struct link *out = NULL, *in = NULL;
	mk_err err = { 0 };
	const char *base = use_ipc ? "ipc://" : "inproc://";

	r->generation++;
	snprintf(r->url_out, sizeof(r->url_out), "%s%s/%s.%u.o", base, folder, r->name,
		 r->generation);
	snprintf(r->url_in, sizeof(r->url_in), "%s%s/%s.%u.i", base, folder, r->name,
		 r->generation);
	must(link_open(&out, LINK_PUB, 64, HUB_FRAME_MAX, &err), &err);
	must(link_open(&in, LINK_PULL, 64, HUB_FRAME_MAX, &err), &err);
	must(link_listen(out, &(struct link_address){ .url = r->url_out, .mode = 0600 }, &err),
	     &err);
	must(link_listen(in, &(struct link_address){ .url = r->url_in, .mode = 0600 }, &err), &err);
	must(seat_attach(r->seat, out, in, &err), &err);
	r->ended = false;
	r->running = false;
	r->leaving = false;
	r->live = pthread_create(&r->thread, NULL, role_thread, r) == 0;
}

static void
role_ask_to_leave(struct role *r)
{
	r->leaving = true;
	seat_drain(r->seat, false);
}

static void
role_leave(struct role *r)
{
	pthread_join(r->thread, NULL);
	seat_done(r->seat, r->vitals.done);
	seat_detach(r->seat);
	r->live = false;
}

static void
on_state(void *owner, uint8_t state, mk_result result, const char *text)
{
	struct role *r = owner;

	(void)text;
	if (state == WIRE_STATE_FAILED)
		fprintf(stderr, "flood: %s failed: %d\n", r->name, (int)result);
	r->running = r->running || state == WIRE_STATE_RUNNING;
	r->stopped = r->stopped || state == WIRE_STATE_STOPPED;
}

static void
on_misbehaved(void *owner, const char *text)
{
	fprintf(stderr, "flood: %s: %s\n", ((struct role *)owner)->name, text);
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

static void
on_wake(void *arg)
{
	(void)arg;
}

static bool
all_done(void)
{
	bool done = roles[SOURCE].finished;

	for (int i = QUICK; i < LATE; i++)
		done = done && roles[i].received >= total;
	return done && roles[LATE].received + roles[LATE].lost >= roles[SOURCE].last;
}

static int
report(double seconds)
{
	const struct role *late = &roles[LATE];
	bool good = late->received + late->lost == roles[SOURCE].last &&
		    (late->lost > 0 || roles[SOURCE].last < 2 * RING);
	int bad = !good;

	for (struct role *r = roles + QUICK; r < late; r++) {
		bool right = r->received == total && r->lost == 0 && r->wrong == 0 && r->twice == 0;

		printf(
		    "%-8s received %llu lost %llu out of order %llu twice %llu rejoined %llu%s\n",
		    r->name, (unsigned long long)r->received, (unsigned long long)r->lost,
		    (unsigned long long)r->wrong, (unsigned long long)r->twice,
		    (unsigned long long)r->rejoins, right ? "" : "  WRONG");
		bad += !right;
	}
	printf("%-8s received %llu + lost %llu = %llu, published %llu%s\n", late->name,
	       (unsigned long long)late->received, (unsigned long long)late->lost,
	       (unsigned long long)(late->received + late->lost),
	       (unsigned long long)roles[SOURCE].last, good ? "" : "  WRONG");
	printf("%s: %llu messages in %.1f s, %.0f a second\n", use_ipc ? "ipc" : "inproc",
	       (unsigned long long)total, seconds, (double)total / seconds);
	return bad;
}

/* One round of the harness: the rejoiner comes and goes, and at the end all leave. */
static void
round_of_life(struct hub *hub, bool leave)
{
	struct role *r = &roles[REJOINER];

	if (r->live && r->running && !r->leaving && r->received < total &&
	    r->received - r->rejoined_at >= REJOIN_EVERY)
		role_ask_to_leave(r);
	for (int i = 0; i < ROLES; i++) {
		r = &roles[i];
		if (leave && r->live && !r->leaving)
			role_ask_to_leave(r);
		if (r->stopped) {
			r->stopped = false;
			seat_bye(r->seat);
		}
		if (!r->live || !r->ended)
			continue;
		role_leave(r);
		if (leave)
			continue;
		r->rejoined_at = r->received;
		r->rejoins++;
		role_join(r);
	}
	hub->dirty = true;
}

static void
seat_at(struct hub *hub, struct role *r, const mk_plugin_desc *desc)
{
	mk_err err = { 0 };
	mk_writer w;

	r->desc = desc;
	mk_writer_init(&w, 0);
	must(mk_desc_check(desc, &err), &err);
	must(mk_manifest_write(desc, &w), &err);
	must(mk_manifest_read(&r->manifest, w.data, w.len, &err), &err);
	mk_writer_fini(&w);
	r->seat = seat_new(hub, r->name, r, true);
	seat_park(r->seat, false);
	seat_declare(r->seat, r->manifest, 0, true);
	role_join(r);
}

static bool
anyone(void)
{
	bool any = false;

	for (int i = 0; i < ROLES; i++)
		any = any || roles[i].live;
	return any;
}

/* Each in a process of its own: nng does not survive a fork. */
static int
run_both(char *program)
{
	static const char *const kinds[] = { "inproc", "ipc" };
	int bad = 0;

	for (int i = 0; i < 2; i++) {
		char count[32];
		char *argv[] = { program, count, (char *)(uintptr_t)kinds[i], NULL };
		int status = 1;
		pid_t pid;

		snprintf(count, sizeof(count), "%llu", (unsigned long long)total);
		if (posix_spawn(&pid, program, NULL, NULL, argv, environ) != 0 ||
		    waitpid(pid, &status, 0) != pid || status != 0)
			bad++;
	}
	return bad == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static const struct hub_events events = { .state = on_state,
						  .number = on_number,
						  .outbox = on_outbox,
						  .misbehaved = on_misbehaved,
						  .lost_link = on_lost_link };
	static const struct hub_config config = { .ring_messages = RING,
						  .ring_bytes = 64u << 20,
						  .push_back_us = 60000000 };
	static const mk_plugin_desc *const cast[] = {
		&source, &sink, &sink, &staller, &sink, &slow
	};
	struct loop_timer *wake;
	struct loop *loop;
	struct hub *hub;
	uint64_t began = clock_now_us();
	mk_err err = { 0 };
	double seconds;
	int bad;

	if (argc > 1)
		total = strtoull(argv[1], NULL, 10);
	if (argc <= 2)
		return run_both(argv[0]);
	use_ipc = strcmp(argv[2], "ipc") == 0;
	log_init(STDERR_FILENO, MK_LOG_WARN, LOG_TEXT);
	if (mkdtemp(folder) == NULL)
		return 1;
	must(loop_new(&loop, &err), &err);
	must(hub_new(&hub, loop, &config, &events, &err), &err);
	wake = loop_timer_new(loop, on_wake, NULL);
	for (int i = 0; i < ROLES; i++)
		seat_at(hub, &roles[i], cast[i]);
	for (bool leave = false; !leave || anyone();) {
		loop_timer_set(wake, clock_now_us() + 2000);
		loop_round(loop);
		leave = leave || all_done() || clock_now_us() - began > LIMIT_US;
		round_of_life(hub, leave);
		hub_pump(hub);
	}
	seconds = (double)(clock_now_us() - began) / 1e6;
	bad = report(seconds);
	for (int i = 0; i < ROLES; i++) {
		struct seat *s = roles[i].seat;

		seat_declare(s, NULL, 0, false);
		mk_manifest_free(roles[i].manifest);
	}
	loop_timer_free(wake);
	hub_free(hub);
	loop_free(loop);
	(void)rmdir(folder);
	return bad == 0 ? 0 : 1;
}
