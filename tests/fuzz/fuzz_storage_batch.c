/* SPDX-License-Identifier: MIT
 *
 * What storage is told, as any msgpack: the first byte says on which topic (packet/decoded,
 * rx/status, client/heard, core/poison), whether it is durable, and whether the rest is the body or
 * a script that makes one, with fields that storage knows and values of any kind: msgpack by chance
 * has few of them. Whatever is in it, the transaction commits, and what is told of it is valid.
 */
#include <stdlib.h>
#include <string.h>

#include <meshkern/codec.h>

#include <storage/batch.h>
#include <storage/schema.h>

#define INPUTS_MAX 2000u /* then the database begins anew: rows make it slow */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const topics[] = { BATCH_TOPIC_NAMES };

static struct {
	struct stats stats;
	struct batch batch;
	struct db *db;
	mk_host host;
	uint64_t now_us, seq[BATCH_TOPICS];
	uint32_t inputs;
} world;

static void
require(bool holds)
{
	if (!holds)
		abort();
}

static mk_result
world_publish(const mk_host *h, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	(void)h, (void)topic, (void)flags;
	require(len <= EVENTS_MAX_BODY);
	require(mk_validate(body, len, NULL, NULL, 0) == MK_OK && mk_begins_map(body, len));
	return MK_OK;
}

static mk_result
world_ack(const mk_host *h, const char *topic, uint64_t epoch, uint64_t seq)
{
	(void)h, (void)topic, (void)epoch, (void)seq;
	return MK_OK;
}

static void
world_log(const mk_host *h, int32_t level, const char *line)
{
	(void)h, (void)level, (void)line;
}

static uint64_t
world_now_us(const mk_host *h)
{
	(void)h;
	return world.now_us;
}

static uint64_t
world_wall_us(const mk_host *h)
{
	(void)h;
	return UINT64_C(1795244400000000) + world.now_us;
}

static const char *
world_name(const mk_host *h)
{
	(void)h;
	return "storage";
}

static void
world_begin(void)
{
	mk_err err;

	world.host = (mk_host){ .struct_size = sizeof(mk_host),
				.publish = world_publish,
				.ack = world_ack,
				.log = world_log,
				.now_us = world_now_us,
				.wall_us = world_wall_us,
				.name = world_name };
	batch_init(&world.batch, &world.host, &world.stats);
	require(db_open(&world.db, &(struct db_options){ .path = ":memory:", .create = true },
			&err) == MK_OK);
	require(db_begin(world.db, &err) == MK_OK);
	require(schema_create(world.db, &err) == MK_OK);
	require(db_commit(world.db, &err) == MK_OK);
	require(batch_attach(&world.batch, world.db, 300, &err) == MK_OK);
	world.inputs = 0;
}

static void
world_end(void)
{
	batch_fini(&world.batch);
	db_close(world.db);
	world.db = NULL;
}

/* A second for each, so that all that is due to be asked for or given up is. */
static void
world_tick(void)
{
	mk_err err;

	world.now_us += 1000000;
	batch_ask(&world.batch);
	if (batch_close_holes(&world.batch))
		require(batch_commit(&world.batch, false, &err) == MK_OK);
	require(batch_settle(&world.batch));
}

/* ----------------------------------------------------------------- script -- */

struct script {
	const uint8_t *p;
	size_t left;
	mk_writer *w;
};

static uint8_t
script_byte(struct script *s)
{
	if (s->left == 0)
		return 0;
	s->left--;
	return *s->p++;
}

static uint64_t
script_number(struct script *s)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | script_byte(s);
	return n;
}

static void
script_text(struct script *s)
{
	size_t len = script_byte(s) % 80;
	char text[80];

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(script_byte(s) & 0x7f);
	mk_put_strn(s->w, text, len);
}

static void
script_hex(struct script *s)
{
	static const char *const keys[] = { "a1", "b2", "c3", "D4" };
	uint8_t kind = script_byte(s);
	char text[65] = "";

	for (size_t i = 0; i < (kind & 4 ? 16u : 64u); i += 2)
		memcpy(text + i, keys[kind & 3], 3);
	mk_put_str(s->w, text);
}

static void script_map(struct script *s, uint32_t depth);

static void
script_value(struct script *s, uint32_t depth)
{
	uint64_t n;
	double d;

	switch (script_byte(s) % 11) {
	case 0:
		script_text(s);
		break;
	case 1:
		script_hex(s);
		break;
	case 2:
		mk_put_u64(s->w, script_number(s));
		break;
	case 3:
		mk_put_i64(s->w, (int64_t)script_byte(s) - 128);
		break;
	case 4:
		n = script_number(s);
		memcpy(&d, &n, sizeof(d));
		mk_put_f64(s->w, d);
		break;
	case 5:
		mk_put_bool(s->w, script_byte(s) & 1);
		break;
	case 6:
		n = script_number(s);
		mk_put_bin(s->w, &n, sizeof(n));
		break;
	case 7:
		n = script_byte(s) % 8;
		mk_put_array(s->w, (uint32_t)n);
		for (; n > 0; n--)
			script_text(s);
		break;
	case 8:
		if (depth < 4)
			script_map(s, depth + 1);
		else
			mk_put_nil(s->w);
		break;
	case 9:
		mk_put_u64(s->w, UINT64_C(1795244400000000) + script_number(s) % 10000000000);
		break;
	default:
		mk_put_i64(s->w, (int64_t)script_number(s));
	}
}

static void
script_map(struct script *s, uint32_t depth)
{
	static const char *const keys[] = {
		"observer",       "name",         "raw",          "hash",        "path",
		"json",           "from",         "advert",       "route",       "type",
		"version",        "role",         "lat",          "lon",         "temperature_c",
		"battery_mv",     "foreign",      "region",       "direction",   "snr",
		"rssi",           "score",        "skew",         "bridge",      "rejected",
		"refused",        "channel",      "scope",        "model",       "firmware",
		"client_version", "radio",        "uptime_secs",  "tx_air_secs", "rx_air_secs",
		"recv_errors",    "packets_sent", "packets_recv", "noise_floor", "repeat",
		"retained",       "companion",    "heard",        "src",         "acc_m",
		"rx_at",          "bytes",        "at",           "plugin",      "topic",
		"epoch",          "origin",       "origin_seq",   "body"
	};
	uint32_t n = script_byte(s) % 16;

	mk_put_map(s->w, n + (depth == 1));
	if (depth == 1)
		mk_kv_u64(s->w, "at", UINT64_C(1795244400000000));
	for (; n > 0; n--) {
		mk_put_str(s->w, keys[script_byte(s) % (sizeof(keys) / sizeof(keys[0]))]);
		script_value(s, depth);
	}
}

static void
script_run(struct script *s)
{
	uint32_t items = script_byte(s) % 4;

	mk_put_map(s->w, 4);
	mk_kv_str(s->w, "source", script_byte(s) & 1 ? "mqtt" : "sim");
	mk_kv_u64(s->w, "seq", script_byte(s));
	mk_kv_u64(s->w, "first", 1);
	mk_kv_array(s->w, "items", items);
	for (; items > 0; items--)
		script_map(s, 1);
}

/* ------------------------------------------------------------------- run -- */

static void
run(const uint8_t *body, size_t len, uint8_t kind)
{
	enum batch_topic topic = (enum batch_topic)(kind & 3);
	mk_msg msg = { .struct_size = sizeof(msg), .epoch = 7, .origin = "mqtt" };
	mk_err err = { 0 };
	bool full;

	if (world.db == NULL)
		world_begin();
	msg.body = body;
	msg.body_len = (uint32_t)len;
	if (topic == BATCH_TOPICS) {
		msg.topic = "core/poison";
		batch_poison(&world.batch, &msg);
	} else {
		msg.topic = topics[topic];
		msg.seq = ++world.seq[topic];
		msg.flags = (kind & 4) != 0 ? MK_MSG_DURABLE : 0;
		msg.origin_first = 1;
		msg.origin_seq = kind >> 3 & 15;
		require(batch_take(&world.batch, &msg, &full, &err) == MK_OK);
		require(batch_commit(&world.batch, false, &err) == MK_OK);
	}
	world_tick();
	require(sqlite3_get_autocommit(db_handle(world.db)) != 0);
	if (++world.inputs >= INPUTS_MAX)
		world_end();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = { .p = data + 1, .left = size - 1 };
	mk_writer w;

	if (size < 2)
		return -1;
	mk_writer_init(&w, 0);
	script.w = &w;
	if ((data[0] & 0x80) != 0)
		script_run(&script);
	else
		mk_put_raw(&w, data + 1, size - 1);
	/* Nothing else passes the bus. */
	if (mk_writer_end(&w) == MK_OK && mk_validate(w.data, w.len, NULL, NULL, 0) == MK_OK &&
	    mk_begins_map(w.data, w.len))
		run(w.data, w.len, data[0]);
	mk_writer_fini(&w);
	return 0;
}
