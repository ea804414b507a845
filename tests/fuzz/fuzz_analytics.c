/* SPDX-License-Identifier: MIT
 *
 * What analytics reads from outside: packets as they are on the air, with what was decoded of them,
 * and questions. The counts must survive any of it: packets that leave the counts take out of them
 * what they brought, so that without packets every answer is that of an empty mesh.
 *
 *   The input is records of a kind (low bits of a byte), a length (two bytes) and so many bytes:
 *   0 a packet: copies, type and route, observer, who from, seconds later, hops, 4 bytes of path each,
 *     then the packet, and behind the first 0xff the decoded object
 *   1 a question: its number, then a map of arguments
 *   2 a question in an order: kinds of filters as bits
 *   3 time passes
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <analytics/frame.h>
#include <analytics/modules.h>
#include <analytics/near.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BEGAN 1779041700
#define KEPT 7200
#define ANSWER_MAX (1u << 22)

static int64_t now;

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static uint64_t
host_now(const mk_host *host)
{
	(void)host;
	return (uint64_t)now * 1000000;
}

static mk_result
host_number(const mk_host *host, const char *name, int64_t v)
{
	(void)host;
	(void)name;
	(void)v;
	return MK_OK;
}

static mk_result
host_publish(const mk_host *host, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	(void)host;
	(void)topic;
	(void)flags;
	require(mk_validate(body, len, NULL, NULL, 0) == MK_OK);
	return MK_OK;
}

static struct {
	void (*fn)(void *);
	void *arg;
} posts[16];
static uint32_t post_count;

static mk_result
host_post(const mk_host *host, void (*fn)(void *), void *arg)
{
	(void)host;
	if (post_count == sizeof(posts) / sizeof(posts[0]))
		return MK_EAGAIN;
	posts[post_count].fn = fn;
	posts[post_count++].arg = arg;
	return MK_OK;
}

static void
run_posts(void)
{
	while (post_count > 0) {
		post_count--;
		posts[post_count].fn(posts[post_count].arg);
	}
}

static void
host_log(const mk_host *host, int32_t level, const char *line)
{
	(void)host;
	(void)level;
	(void)line;
}

static const char *const keys[] = {
	"aa11000000000000000000000000000000000000000000000000000000000001",
	"aa12000000000000000000000000000000000000000000000000000000000002",
	"bb22000000000000000000000000000000000000000000000000000000000003",
	"cc33000000000000000000000000000000000000000000000000000000000004",
};

static void
world_begin(struct frame *f, const mk_host *host)
{
	now = BEGAN;
	require(frame_init(f, host, analytics_modules) == MK_OK);
	f->keep = KEPT;
	f->max_packets = 500;
	f->view_bytes = 1 << 16;
	for (uint32_t i = 0; i < 4; i++) {
		struct history_person p = { .key = keys[i], .name = "node", .role = "repeater" };

		p.node = (struct hops_node){ .there = true,
					     .relays = i != 3,
					     .has_gps = i != 2,
					     .lat = 50 + i * 0.1,
					     .lon = 4 };
		require(hops_nodes_set(&f->nodes, keys[i], 64, &p.node) == MK_OK);
		frame_on_person(f, &p);
		p = (struct history_person){ .key = i < 2    ? keys[i]
						    : i == 2 ? "O2"
							     : "O3",
					     .name = "observer",
					     .observer = true,
					     .region = i % 2 ? "SJC" : "OAK" };
		frame_on_person(f, &p);
	}
	frame_on_live(f);
}

/* ---------------------------------------------------------------- packets -- */

static void
take_packet(struct frame *f, const uint8_t *data, size_t size)
{
	static uint64_t tx;
	static const char *const observers[] = { "O2", "O3", "O4", NULL };
	struct hops_packet packet = { .hash = "00112233445566ff", .hash_len = 16, .fresh = true };
	struct hops_obs o = { 0 };
	const uint8_t *end = data + size, *split;
	struct near_packet near;
	uint32_t copies;

	if (size < 6)
		return;
	copies = data[0] & 7;
	o.type = data[1] & 15;
	o.route = data[1] >> 4 & 3;
	o.size = data[1] >> 6 & 3;
	o.observer = observers[data[2] & 3];
	o.observer_len = o.observer != NULL ? 2 : 0;
	if (data[3] & 1) {
		o.from = keys[data[3] >> 1 & 3];
		o.from_len = 64;
	}
	o.has_snr = data[3] & 16;
	o.has_rssi = data[3] & 32;
	packet.scoped = data[3] & 64;
	packet.scope = "#x";
	packet.scope_len = data[3] & 128 ? 2 : 0;
	now += data[4] % 8;
	o.count = data[5] % (HOPS_PATH_MAX + 1);
	data += 6;
	for (uint32_t i = 0; i < o.count; i++) {
		uint32_t bytes = data + 4 <= end ? 1 + data[0] % 3u : 1, value = 0xaa;

		if (data + 4 <= end) {
			value = (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
			data += 4;
		}
		o.hops[i] = HOPS_TOKEN(bytes, value >> 8 * (3 - bytes));
	}
	split = memchr(data, 0xff, (size_t)(end - data));
	packet.raw = data;
	packet.raw_len = (uint32_t)((split != NULL ? split : end) - data);
	if (split != NULL) {
		packet.json = (const char *)split + 1;
		packet.json_len = (uint32_t)(end - split) - 1;
	}
	(void)near_read(&near, packet.raw, packet.raw_len);
	memcpy(&o.snr, "\x00\x00\x20\x41", 4);
	o.snr -= (float)(packet.raw_len % 77);
	o.rssi = -(float)(packet.raw_len % 300);
	tx++;
	for (uint32_t i = 0; i <= copies; i++) {
		o.id++;
		o.tx = tx;
		o.at = now + i;
		packet.first = o.at;
		packet.fresh = i == 0;
		o.packet = &packet;
		frame_on_obs(f, &o);
		o.count -= o.count > 0 && i % 2 == 1;
		o.observer = observers[i & 3];
		o.observer_len = o.observer != NULL ? 2 : 0;
	}
}

/* -------------------------------------------------------------- questions -- */

static const char *
method(uint32_t number)
{
	uint32_t count = 0;

	for (int again = 0; again < 2; again++) {
		uint32_t at = 0;

		for (const struct an_module *const *m = analytics_modules; *m != NULL; m++) {
			for (const struct an_method *x = (*m)->methods;
			     x != NULL && x->name != NULL; x++) {
				if (again == 1 && at++ == number % count)
					return x->name;
				count += again == 0;
			}
		}
	}
	return "";
}

static void
ask(struct frame *f, uint32_t number, const void *body, size_t len, struct json *out)
{
	uint32_t status = FRAME_LATER;
	mk_doc doc;

	if (mk_validate(body, len, NULL, NULL, 0) != MK_OK || !mk_begins_map(body, len))
		return; /* does not pass the bus */
	mk_doc_init(&doc);
	js_reset(out);
	require(mk_doc_open(&doc, body, (uint32_t)len, NULL, NULL, 0) == MK_OK);
	while (status == FRAME_LATER) {
		frame_step(f);
		status = frame_answer(f, method(number), mk_doc_root(&doc), out);
	}
	require(status >= 200 && status < 600 && !out->failed);
	mk_doc_fini(&doc);
}

static void
ask_filtered(struct frame *f, uint32_t number, uint8_t kinds, struct json *out)
{
	static const char *const windows[] = { "1h", "24h", "7d", "30d" };
	mk_writer w;

	mk_writer_init(&w, 0);
	mk_put_map(&w, 4 + (kinds & 1) + (kinds >> 1 & 1) + (kinds >> 2 & 1));
	mk_kv_str(&w, "key", keys[kinds >> 6]);
	mk_kv_str(&w, "hops", "aa,bb22");
	mk_kv_str(&w, "groups", "2-2:50,3-8:30");
	mk_kv_array(&w, "hidden", kinds >> 3 & 1);
	if (kinds & 8)
		mk_put_str(&w, keys[1]);
	if (kinds & 1)
		mk_kv_str(&w, "region", "SJC");
	if (kinds & 2)
		mk_kv_str(&w, "window", windows[kinds >> 4 & 3]);
	if (kinds & 4) {
		mk_kv_map(&w, "area", 4);
		mk_kv_f64(&w, "latMin", 50.05);
		mk_kv_f64(&w, "latMax", 50.25);
		mk_kv_f64(&w, "lonMin", 3);
		mk_kv_f64(&w, "lonMax", 5);
	}
	ask(f, number, w.data, w.len, out);
	mk_writer_fini(&w);
}

/* All that was heard goes; then nothing is left in any of the counts. */
static void
expect_empty(struct frame *f, struct json *out)
{
	static const char *const expected[][2] = {
		{ "rf", "\"totalAllPackets\":0,\"totalTransmissions\":0," },
		{ "topology", "\"hopDistribution\":[]" },
		{ "subpaths", "\"subpaths\":[],\"totalPaths\":0" },
		{ "distance", "\"totalHops\":0,\"totalPaths\":0" },
		{ "channels", "\"activeChannels\":0" },
	};
	mk_writer w;
	mk_doc doc;

	frame_flush(f);
	now += 3 * KEPT;
	f->newest = now;
	frame_on_tick(f, now);
	require(f->packet_count == 0);
	mk_writer_init(&w, 0);
	mk_put_map(&w, 0);
	mk_doc_init(&doc);
	require(mk_doc_open(&doc, w.data, w.len, NULL, NULL, 0) == MK_OK);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		js_reset(out);
		require(frame_answer(f, expected[i][0], mk_doc_root(&doc), out) == 200);
		require(memmem(out->data, out->len, expected[i][1], strlen(expected[i][1])) !=
			NULL);
	}
	mk_doc_fini(&doc);
	mk_writer_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame f;
	mk_host host = { .struct_size = sizeof(host),
			 .now_us = host_now,
			 .wall_us = host_now,
			 .gauge = host_number,
			 .count = host_number,
			 .publish = host_publish,
			 .post = host_post,
			 .log = host_log };
	struct json out;

	world_begin(&f, &host);
	js_init(&out, ANSWER_MAX);
	while (size >= 3) {
		size_t len = (size_t)data[1] << 8 | data[2];
		uint8_t kind = data[0];

		data += 3;
		size -= 3;
		len = len < size ? len : size;
		if ((kind & 3) == 0)
			take_packet(&f, data, len);
		else if ((kind & 3) == 1 && len > 0)
			ask(&f, data[0], data + 1, len - 1, &out);
		else if ((kind & 3) == 2 && len > 1)
			ask_filtered(&f, data[0], data[1], &out);
		else if ((kind & 3) == 3) {
			now += kind >> 2;
			frame_on_tick(&f, now);
		}
		run_posts();
		data += len;
		size -= len;
	}
	expect_empty(&f, &out);
	js_fini(&out);
	frame_fini(&f);
	run_posts(); /* what was begun still ends */
	return 0;
}
