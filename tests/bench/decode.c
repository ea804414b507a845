/* SPDX-License-Identifier: MIT
 *
 * What decoding costs: each stage by itself over the packets of the test vectors, and the plugin as a
 * whole, from the body of rx/raw to that of packet/decoded, in messages of BATCH items.
 *
 *   copies-20   each packet is heard by twenty observers, as in a real mesh, so that nineteen of
 *               twenty are in the cache; each round has packets that were never there before
 *   first       every packet is new
 *
 * usage: decode FILE     the vectors; tests/data/vectors.jsonl of the source by default
 */
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <meshkern/codec.h>

#include <meshcore/bytes.h>
#include <meshcore/compose.h>
#include <meshcore/hash.h>
#include <meshcore/hex.h>
#include <meshcore/object.h>

#include <decode/cache.h>
#include <decode/items.h>

#include "figures.h"

#define PACKETS_MAX 256u
#define RUNS 5u
#define ROUNDS 400u /* over all vectors, in a run of a stage */
#define BATCH 100u
#define COPIES 20u
#define FRESH 2000u /* packets of a run of the plugin */

struct packet {
	uint8_t raw[MC_FRAME_MAX];
	size_t len;
	struct mc_frame frame;
};

static struct packet packets[PACKETS_MAX];
static uint32_t packet_count;
static volatile uint64_t sink; /* what is computed is used */

/* Of this thread, so that other work on the machine does not count. */
static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "decode: %s\n", what);
	exit(1);
}

/* The packets among the vectors. Their lines are JSON, but their hex digits have no escapes. */
static void
load(const char *path)
{
	static const char mark[] = "\"raw_hex\":\"";
	static char line[65536];
	FILE *in = fopen(path, "r");

	if (in == NULL)
		fail("cannot open the vectors");
	while (fgets(line, sizeof(line), in) != NULL && packet_count < PACKETS_MAX) {
		struct packet *p = &packets[packet_count];
		const char *hex = strstr(line, mark);

		if (hex == NULL)
			continue;
		hex += sizeof(mark) - 1;
		if (mc_hex_decode(hex, strcspn(hex, "\""), p->raw, sizeof(p->raw), &p->len) &&
		    mc_frame_parse(&p->frame, p->raw, p->len) == MC_GOOD)
			packet_count++;
	}
	fclose(in);
	if (packet_count == 0)
		fail("no packets among the vectors");
}

/* ----------------------------------------------------------------- stages -- */

static struct mc_keys keys;

static void
stage_parse(const struct packet *p)
{
	struct mc_frame f;

	sink += mc_frame_parse(&f, p->raw, p->len) == MC_GOOD ? f.payload_len : 0;
}

static void
stage_hash(const struct packet *p)
{
	uint8_t hash[MC_HASH_SIZE];

	mc_hash(&p->frame, hash);
	sink += hash[0];
}

static void
decode(const struct packet *p, const struct mc_decoder *how)
{
	static struct mc_object o;

	sink += mc_object_decode(&o, &p->frame, how) ? o.json_len : 0;
}

static void
stage_object(const struct packet *p)
{
	decode(p, &(struct mc_decoder){ NULL, false });
}

static void
stage_keys(const struct packet *p)
{
	if (p->frame.type == MC_GRP_TXT)
		decode(p, &(struct mc_decoder){ &keys, false });
}

static void
stage_verify(const struct packet *p)
{
	struct mc_advert a;

	if (p->frame.type == MC_ADVERT &&
	    mc_advert_parse(&a, p->frame.payload, p->frame.payload_len))
		sink += mc_advert_verify(&a) == MC_RIGHT;
}

static uint32_t
count_of(int type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < packet_count; i++)
		n += type < 0 || packets[i].frame.type == type;
	return n;
}

static void
measure_stage(const char *name, void (*stage)(const struct packet *p), int type, uint32_t rounds)
{
	struct figure f = { 0 };

	for (uint32_t run = 0; run < RUNS; run++) {
		double start = now_s();

		for (uint32_t r = 0; r < rounds; r++)
			for (uint32_t i = 0; i < packet_count; i++)
				stage(&packets[i]);
		figure_add(&f, "cost", "ns", (now_s() - start) * 1e9 / rounds / count_of(type));
	}
	figure_print(&f, "decode", name);
}

/* ----------------------------------------------------------------- plugin -- */

struct plugin { /* what an instance has, without a host */
	struct config config;
	struct cache cache;
	struct items items;
	mk_writer in, out;
	mk_doc doc;
};

/* A packet that no cache has seen: a real one with another number in it. A changed advert has a wrong
 * signature, which costs more than a right one, so every fourth is signed anew. */
static void
make_fresh(struct packet *p, uint32_t number)
{
	static const uint8_t seed[MC_KEY_SIZE] = "a seed";
	static struct mc_identity id;
	uint8_t payload[MC_PAYLOAD_MAX];
	struct mc_parts parts = {
		.route = MC_FLOOD, .type = MC_ADVERT, .hash_size = 1, .payload = payload
	};
	struct mc_advert a = { .flags = MC_NODE_REPEATER,
			       .has_location = true,
			       .lat_e6 = 50000000,
			       .lon_e6 = 4000000,
			       .name = "a node of the benchmark" };

	*p = packets[number % packet_count];
	mc_frame_parse(&p->frame, p->raw, p->len);
	if (p->frame.type != MC_ADVERT) {
		if (p->frame.payload_len >= 8)
			mc_put_u32(p->raw + p->len - 4, number);
		return;
	}
	a.time = number;
	if (id.seed[0] == 0 && !mc_identity_init(&id, seed))
		fail("no key");
	parts.payload_len = mc_compose_advert(&id, &a, payload);
	p->len = mc_compose_frame(&parts, p->raw);
}

static void
put_item(mk_writer *w, const struct packet *p, uint32_t observer)
{
	char name[32];

	snprintf(name, sizeof(name), "observer-%u", observer);
	mk_put_map(w, 9);
	mk_kv_u64(w, "at", 1774805580000000u + observer);
	mk_kv_str(w, "feed", "bench");
	mk_kv_str(w, "region", "BRU");
	mk_kv_str(w, "observer", name);
	mk_kv_str(w, "name", name);
	mk_kv_bin(w, "raw", p->raw, p->len);
	mk_kv_f64(w, "snr", 7.25);
	mk_kv_f64(w, "rssi", -92);
	mk_kv_str(w, "direction", "rx");
}

/* What the plugin does with a message, but for the bus. Returns the seconds that it took. */
static double
plugin_message(struct plugin *p)
{
	double start = now_s();
	const mk_val *items;

	if (mk_doc_open(&p->doc, p->in.data, p->in.len, NULL, NULL, 0) != MK_OK)
		fail("malformed");
	items = mk_find(mk_doc_root(&p->doc), "items");
	mk_writer_reset(&p->out);
	mk_put_map(&p->out, 1);
	mk_kv_array(&p->out, "items", mk_count(items));
	for (uint32_t i = 0; i < mk_count(items); i++)
		if (items_raw(&p->items, mk_at(items, i), 0, &p->out) != MK_OK)
			fail("out of memory");
	if (mk_writer_end(&p->out) != MK_OK)
		fail("the result is malformed");
	mk_doc_close(&p->doc);
	return now_s() - start;
}

static void
measure_plugin(struct plugin *p, const char *name, uint32_t copies)
{
	static struct packet fresh[FRESH];
	static uint32_t number;
	struct figure f = { 0 };

	for (uint32_t run = 0; run < RUNS; run++) {
		uint32_t receptions = FRESH * copies, sent = 0;
		double spent = 0;

		for (uint32_t i = 0; i < FRESH; i++)
			make_fresh(&fresh[i], number++);
		while (sent < receptions) {
			mk_writer_reset(&p->in);
			mk_put_map(&p->in, 1);
			mk_kv_array(&p->in, "items", BATCH);
			/* Copies come one after the other, mixed with those of other packets. */
			for (uint32_t i = 0; i < BATCH; i++, sent++)
				put_item(&p->in, &fresh[sent / (50 * copies) * 50 + sent % 50],
					 sent % 100);
			spent += plugin_message(p);
		}
		figure_add(&f, "packets_per_s", "1/s", receptions / spent);
	}
	figure_print(&f, "decode", name);
}

int
main(int argc, char **argv)
{
	const char *source = getenv("MK_SOURCE_DIR");
	static struct plugin p;
	char path[4096];

	snprintf(path, sizeof(path), "%s/tests/data/vectors.jsonl", source != NULL ? source : ".");
	load(argc > 1 ? argv[1] : path);
	mc_keys_init(&keys);
	for (uint32_t i = 0; i < 300; i++) {
		char name[16];

		snprintf(name, sizeof(name), "#%u", i);
		if (mc_keys_add_hashtag(&keys, name) != MC_KEY_SET ||
		    (i < 5 && mc_keys_add_hashtag(&p.config.keys, name) != MC_KEY_SET))
			fail("out of memory");
	}
	measure_stage("parse", stage_parse, -1, ROUNDS);
	measure_stage("hash", stage_hash, -1, ROUNDS);
	measure_stage("json", stage_object, -1, ROUNDS);
	measure_stage("verify", stage_verify, MC_ADVERT, 2);
	measure_stage("keys-300", stage_keys, MC_GRP_TXT, 4);
	p.config.verify = true;
	if (cache_init(&p.cache, &p.config) != MK_OK)
		fail("out of memory");
	p.items.cache = &p.cache;
	mk_writer_init(&p.in, 0);
	mk_writer_init(&p.out, 0);
	mk_doc_init(&p.doc);
	measure_plugin(&p, "plugin-copies-20", COPIES);
	measure_plugin(&p, "plugin-first", 1);
	cache_fini(&p.cache);
	config_fini(&p.config);
	mk_writer_fini(&p.in);
	mk_writer_fini(&p.out);
	mk_doc_fini(&p.doc);
	mc_keys_fini(&keys);
	return 0;
}
