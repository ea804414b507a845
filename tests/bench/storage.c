/* SPDX-License-Identifier: MIT
 *
 * From packet/decoded to committed rows, without the bus: how many observations a second one core
 * takes, and where the time goes. The database is a file in the folder for temporary files.
 *
 *   new    every packet is a new transmission
 *   mix    one of 20 is; the others are copies by other observers, over other paths
 *   again  all of them are there already, as after a crash
 *
 * usage: storage [PACKETS]      of each case, 200000 by default
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <storage/batch.h>
#include <storage/open.h>

#include "figures.h"

#define ITEMS 200u /* of a message */
#define OBSERVERS 100u
#define NODES 2000u
#define START_S UINT64_C(1795244400)

static uint64_t
clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t
clock_us(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

/* The bus of the benchmark: it takes everything and keeps nothing. */
static struct {
	uint64_t published, bytes, acked;
} bus;

static mk_result
bus_publish(const mk_host *h, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	(void)h, (void)topic, (void)body, (void)flags;
	bus.published++;
	bus.bytes += len;
	return MK_OK;
}

static mk_result
bus_ack(const mk_host *h, const char *topic, uint64_t epoch, uint64_t seq)
{
	(void)h, (void)topic, (void)epoch;
	bus.acked = seq;
	return MK_OK;
}

static void
bus_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h, (void)level;
	fprintf(stderr, "%s\n", line);
}

static uint64_t
bus_now_us(const mk_host *h)
{
	(void)h;
	return clock_us();
}

static uint64_t
bus_wall_us(const mk_host *h)
{
	(void)h;
	return START_S * 1000000;
}

static const mk_host host = {
	.struct_size = sizeof(host),
	.publish = bus_publish,
	.ack = bus_ack,
	.log = bus_log,
	.now_us = bus_now_us,
	.wall_us = bus_wall_us,
};

static uint64_t
dice(uint64_t n)
{
	n += UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

static void
put_key(mk_writer *w, const char *field, uint64_t node)
{
	char key[65];

	snprintf(key, sizeof(key), "%016" PRIx64 "%016" PRIx64 "%016" PRIx64 "%016" PRIx64,
		 dice(node), dice(node + 1), dice(node + 2), dice(node + 3));
	mk_kv_str(w, field, key);
}

/* One packet of a transmission; every eighth transmission is an advert. */
static void
put_item(mk_writer *w, uint64_t tx, uint64_t copy, uint64_t at_us)
{
	uint64_t observer = dice(tx * 31 + copy) % OBSERVERS;
	uint32_t hops = (uint32_t)(dice(tx + copy) % 6);
	bool advert = tx % 8 == 0;
	uint8_t raw[90];
	char text[400];

	memset(raw, (int)(tx & 0xff), sizeof(raw));
	mk_put_map(w, advert ? 18 : 16);
	mk_kv_u64(w, "at", at_us);
	mk_kv_str(w, "feed", "bench");
	mk_kv_str(w, "region", "BRU");
	snprintf(text, sizeof(text), "%064" PRIX64, observer);
	mk_kv_str(w, "observer", text);
	mk_kv_str(w, "name", "a typical observer");
	mk_kv_bin(w, "raw", raw, sizeof(raw));
	mk_kv_f64(w, "snr", (double)(tx % 50) / 4);
	mk_kv_f64(w, "rssi", -90);
	snprintf(text, sizeof(text), "%016" PRIx64, dice(tx));
	mk_kv_str(w, "hash", text);
	mk_kv_u64(w, "route", 1);
	mk_kv_u64(w, "type", advert ? 4 : 5);
	mk_kv_u64(w, "version", 0);
	mk_kv_u64(w, "hash_size", 1);
	mk_kv_array(w, "path", hops);
	for (uint32_t i = 0; i < hops; i++) {
		snprintf(text, sizeof(text), "%02X",
			 (unsigned)(dice((dice(tx + i) % NODES) * 8) >> 56));
		mk_put_str(w, text);
	}
	snprintf(
	    text, sizeof(text),
	    "{\"type\":\"GRP_TXT\",\"channelHash\":17,\"channelHashHex\":\"11\",\"mac\":\"%04x\","
	    "\"encryptedData\":\"%0160d\",\"decryptionStatus\":\"no_key\"}",
	    (unsigned)(tx & 0xffff), 7);
	mk_kv_str(w, "json", text);
	mk_kv_str(w, "channel", "enc_11");
	if (!advert)
		return;
	put_key(w, "from", dice(tx) % NODES * 8);
	mk_kv_map(w, "advert", 4);
	mk_kv_str(w, "name", "some repeater");
	mk_kv_str(w, "role", "repeater");
	mk_kv_f64(w, "lat", 50.8);
	mk_kv_f64(w, "lon", 4.3);
}

struct load {
	mk_writer *bodies;
	uint32_t count;
};

static void
load_make(struct load *l, uint64_t packets, uint64_t copies)
{
	uint64_t n = 0;

	l->count = (uint32_t)(packets / ITEMS);
	l->bodies = calloc(l->count, sizeof(*l->bodies));
	for (uint32_t m = 0; m < l->count; m++) {
		mk_writer *w = &l->bodies[m];

		mk_writer_init(w, 0);
		mk_put_map(w, 4);
		mk_kv_str(w, "source", "bench");
		mk_kv_u64(w, "seq", m + 1);
		mk_kv_u64(w, "first", 1);
		mk_kv_array(w, "items", ITEMS);
		for (uint32_t i = 0; i < ITEMS; i++, n++)
			put_item(w, n / copies, n % copies, START_S * 1000000 + n * 50);
		if (mk_writer_end(w) != MK_OK)
			abort();
	}
}

static void
load_free(struct load *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		mk_writer_fini(&l->bodies[i]);
	free(l->bodies);
}

static void
fail(const char *what, const mk_err *err)
{
	fprintf(stderr, "%s: %s\n", what, err->text);
	exit(1);
}

struct figures {
	struct figure rate, cpu, apply, flush_commit, read;
};

/* What reading the messages costs by itself. */
static double
read_only(const struct load *l)
{
	uint64_t began = clock_us(), n = 0;
	mk_doc doc;

	mk_doc_init(&doc);
	for (uint32_t m = 0; m < l->count; m++) {
		const mk_val *items;
		struct item it;

		if (mk_doc_open(&doc, l->bodies[m].data, l->bodies[m].len, NULL, NULL, 0) != MK_OK)
			abort();
		items = mk_find(mk_doc_root(&doc), "items");
		for (uint32_t i = 0; i < mk_count(items); i++)
			n += item_read(mk_at(items, i), &it);
		mk_doc_close(&doc);
	}
	mk_doc_fini(&doc);
	return (double)(clock_us() - began) / (double)n;
}

static void
run(struct batch *b, const struct load *l, uint64_t *seq, struct figures *f)
{
	uint64_t began = clock_us(), committing = 0, packets = (uint64_t)l->count * ITEMS;
	uint64_t cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	mk_err err = { 0 };

	for (uint32_t m = 0; m < l->count; m++) {
		mk_msg msg = { .struct_size = sizeof(msg),
			       .topic = "packet/decoded",
			       .origin = "decode",
			       .epoch = 1,
			       .seq = ++*seq,
			       .time_us = START_S * 1000000,
			       .body = l->bodies[m].data,
			       .body_len = (uint32_t)l->bodies[m].len };
		uint64_t before;
		bool full;

		if (batch_take(b, &msg, &full, &err) != MK_OK)
			fail("take", &err);
		if (!full && m + 1 < l->count)
			continue;
		before = clock_us();
		if (batch_commit(b, false, &err) != MK_OK)
			fail("commit", &err);
		committing += clock_us() - before;
		batch_settle(b);
	}
	began = clock_us() - began;
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	figure_add(&f->rate, "rate", "packets/s", (double)packets * 1e6 / (double)began);
	/* On a machine that has other work this is the one to compare. */
	figure_add(&f->cpu, "cpu", "us/packet", (double)cpu / (double)packets);
	figure_add(&f->flush_commit, "commit", "us/packet", (double)committing / (double)packets);
	figure_add(&f->apply, "apply", "us/packet", (double)(began - committing) / (double)packets);
	figure_add(&f->read, "read", "us/packet", read_only(l));
}

static void
print(struct figures *f, const char *name)
{
	figure_print(&f->rate, "storage", name);
	figure_print(&f->cpu, "storage", name);
	figure_print(&f->read, "storage", name);
	figure_print(&f->apply, "storage", name);
	figure_print(&f->flush_commit, "storage", name);
}

static void
bench(const char *name, const char *dir, uint64_t packets, uint64_t copies, bool again)
{
	struct stats *stats = calloc(1, sizeof(*stats));
	struct figures f = { 0 };
	struct opened opened = { .lock_fd = -1 };
	struct batch b;
	struct load load;
	char path[300];
	uint64_t seq = 0;
	mk_err err = { 0 };

	snprintf(path, sizeof(path), "%s/%s.db", dir, name);
	if (open_database(&opened, &(struct db_options){ .path = path, .cache_kib = 32768 },
			  &err) != MK_OK)
		fail("open", &err);
	batch_init(&b, &host, stats);
	if (batch_attach(&b, opened.db, 300, &err) != MK_OK)
		fail("attach", &err);
	load_make(&load, packets, copies);
	run(&b, &load, &seq, &f);
	print(&f, name);
	if (again) {
		memset(&f, 0, sizeof(f));
		run(&b, &load, &seq, &f);
		print(&f, "again");
	}
	if (stats->obs_inserted != (uint64_t)load.count * ITEMS && copies == 1)
		fail("observations are missing", &err);
	load_free(&load);
	batch_fini(&b);
	open_close(&opened);
	free(stats);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

int
main(int argc, char **argv)
{
	uint64_t packets = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
	const char *tmp = getenv("TMPDIR");
	char dir[200];

	snprintf(dir, sizeof(dir), "%s/mk-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
	if (packets < ITEMS || mkdtemp(dir) == NULL)
		return 1;
	bench("new", dir, packets, 1, true);
	bench("mix", dir, packets, 20, false);
	return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : 1;
}
