/* SPDX-License-Identifier: MIT
 *
 * A database in a temporary folder, a bus that remembers, and messages written as JSON with single
 * quotes; a string that begins with "hex:" is binary. Rows are compared as text: columns joined by
 * '|', rows by a line break.
 */
#ifndef TEST_STORAGE_INGEST_FIXTURE_H
#define TEST_STORAGE_INGEST_FIXTURE_H

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <storage/batch.h>
#include <storage/open.h>

#define KEY_A "a1000000000000000000000000000000000000000000000000000000000000aa"
#define KEY_B "b2000000000000000000000000000000000000000000000000000000000000bb"
#define KEY_C "a3000000000000000000000000000000000000000000000000000000000000cc"
#define SECOND UINT64_C(1795244400) /* 2026-11-21T07:00:00Z */

struct world {
	char dir[64], path[96];
	struct opened opened;
	struct stats stats;
	struct batch batch;
	mk_host host;
	uint64_t now_us, wall_us, seq[BATCH_TOPICS], acked[BATCH_TOPICS];
	uint32_t refuse;     /* so many publications */
	char said[64][4000]; /* topic and body as JSON */
	uint32_t said_count;
	char log[2048];
	char text[4096];
};

static const char *const world_topics[] = { "packet/decoded", "rx/status", "client/heard" };

/* More text at the end. */
static inline void __attribute__((format(printf, 3, 4)))
text_add(char *text, size_t size, const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text + len, size - len, format, ap);
	va_end(ap);
	cr_assert(n >= 0 && (size_t)n < size - len, "the text is too long");
}

/* -------------------------------------------------------- JSON to msgpack -- */

struct json {
	const char *p;
	mk_writer *w;
};

static inline void json_value(struct json *j);

static inline uint32_t
json_count(const char *p)
{
	uint32_t depth = 0, commas = 0, any = 0;
	char end = *p == '{' ? '}' : ']';

	for (; *p != '\0'; p++) {
		if (*p == '\'') {
			any = 1;
			for (p++; *p != '\''; p++)
				;
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']') {
			if (--depth == 0)
				break;
		} else if (*p == ',' && depth == 1)
			commas++;
		else if (!isspace((unsigned char)*p))
			any = 1;
		if (depth > 1)
			any = 1;
	}
	cr_assert_eq(*p, end);
	return any ? commas + 1 : 0;
}

static inline void
json_string(struct json *j)
{
	const char *s = ++j->p;
	uint8_t bytes[2048];
	size_t len;

	while (*j->p != '\'')
		j->p++;
	len = (size_t)(j->p++ - s);
	if (len < 4 || memcmp(s, "hex:", 4) != 0) {
		mk_put_strn(j->w, s, len);
		return;
	}
	cr_assert(item_unhex((struct text){ s + 4, len - 4 }, bytes, (len - 4) / 2));
	mk_put_bin(j->w, bytes, (len - 4) / 2);
}

static inline void
json_skip(struct json *j)
{
	while (isspace((unsigned char)*j->p) || *j->p == ',' || *j->p == ':')
		j->p++;
}

static inline void
json_number(struct json *j)
{
	char *end;
	const char *p = j->p + (*j->p == '-');
	bool real = strcspn(p, ".e") < strspn(p, "0123456789.e-");

	if (real)
		mk_put_f64(j->w, strtod(j->p, &end));
	else
		mk_put_i64(j->w, strtoll(j->p, &end, 10));
	cr_assert_neq(end, j->p, "not a value: %s", j->p);
	j->p = end;
}

static inline void
json_value(struct json *j)
{
	json_skip(j);
	if (*j->p == '{' || *j->p == '[') {
		uint32_t n = json_count(j->p);

		if (*j->p++ == '{')
			mk_put_map(j->w, n);
		else
			mk_put_array(j->w, n);
		for (json_skip(j); *j->p != '}' && *j->p != ']'; json_skip(j))
			json_value(j);
		j->p++;
	} else if (*j->p == '\'') {
		json_string(j);
	} else if (strncmp(j->p, "true", 4) == 0 || strncmp(j->p, "false", 5) == 0) {
		mk_put_bool(j->w, *j->p == 't');
		j->p += *j->p == 't' ? 4 : 5;
	} else {
		json_number(j);
	}
}

static inline void
json_write(mk_writer *w, const char *json)
{
	struct json j = { json, w };

	mk_writer_init(w, 0);
	json_value(&j);
	cr_assert_eq(mk_writer_end(w), MK_OK, "%s: %s", mk_result_text(mk_writer_end(w)), json);
}

/* ------------------------------------------------------------------ bus -- */

static inline struct world *
world_of(const mk_host *h)
{
	return h->impl;
}

static inline mk_result
world_publish(const mk_host *h, const char *topic, const void *body, uint32_t len, uint32_t flags)
{
	struct world *w = world_of(h);
	size_t n;

	(void)flags;
	cr_assert_eq(mk_validate(body, len, NULL, NULL, 0), MK_OK);
	if (w->refuse > 0) {
		w->refuse--;
		return MK_EAGAIN;
	}
	cr_assert_lt(w->said_count, 64u);
	n = (size_t)snprintf(w->said[w->said_count], sizeof(w->said[0]), "%s ", topic);
	mk_to_json(body, len, w->said[w->said_count] + n, sizeof(w->said[0]) - n);
	w->said_count++;
	return MK_OK;
}

static inline mk_result
world_ack(const mk_host *h, const char *topic, uint64_t epoch, uint64_t seq)
{
	struct world *w = world_of(h);

	(void)epoch;
	for (size_t i = 0; i < BATCH_TOPICS; i++)
		if (strcmp(topic, world_topics[i]) == 0)
			w->acked[i] = seq;
	return MK_OK;
}

static inline const char *
world_name(const mk_host *h)
{
	(void)h;
	return "storage";
}

static inline void
world_log(const mk_host *h, int32_t level, const char *line)
{
	(void)level;
	snprintf(world_of(h)->log, sizeof(world_of(h)->log), "%s", line);
}

static inline uint64_t
world_now_us(const mk_host *h)
{
	return world_of(h)->now_us;
}

static inline uint64_t
world_wall_us(const mk_host *h)
{
	return world_of(h)->wall_us;
}

/* ---------------------------------------------------------------- world -- */

static inline void
world_attach(struct world *w)
{
	mk_err err = { 0 };

	cr_assert_eq(open_database(&w->opened,
				   &(struct db_options){ .path = w->path, .busy_ms = 20 }, &err),
		     MK_OK, "%s", err.text);
	cr_assert_eq(batch_attach(&w->batch, w->opened.db, 300, &err), MK_OK, "%s", err.text);
}

static inline struct world *
world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/mk-ingest-XXXXXX");
	cr_assert_not_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/test.db", w->dir);
	w->now_us = 1000000;
	w->wall_us = SECOND * 1000000;
	w->opened.lock_fd = -1;
	w->host = (mk_host){ .struct_size = sizeof(mk_host),
			     .impl = w,
			     .publish = world_publish,
			     .ack = world_ack,
			     .log = world_log,
			     .name = world_name,
			     .now_us = world_now_us,
			     .wall_us = world_wall_us };
	batch_init(&w->batch, &w->host, &w->stats);
	world_attach(w);
	return w;
}

static inline void
world_free(struct world *w)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", ".lock" };
	char path[128];

	batch_fini(&w->batch);
	open_close(&w->opened);
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", w->path, suffixes[i]);
		unlink(path);
	}
	rmdir(w->dir);
	free(w);
}

/* Everything in memory goes, as in a crash of the plugin. */
static inline void
world_crash(struct world *w)
{
	batch_fini(&w->batch);
	open_close(&w->opened);
	w->opened = (struct opened){ .lock_fd = -1 };
	batch_init(&w->batch, &w->host, &w->stats);
	world_attach(w);
}

__attribute__((format(printf, 4, 5))) static inline mk_result
world_take(struct world *w, enum batch_topic topic, uint64_t number, const char *format, ...)
{
	static char json[20000];
	size_t len;
	mk_msg msg = { .struct_size = sizeof(msg),
		       .topic = world_topics[topic],
		       .origin = topic == BATCH_STATUS ? "mqtt" : "decode",
		       .epoch = 7,
		       .seq = ++w->seq[topic],
		       .time_us = w->wall_us };
	mk_err err = { 0 };
	mk_writer body;
	mk_result rc;
	bool full;
	va_list ap;

	(void)snprintf(json, sizeof(json), "{'items':[");
	len = strlen(json);
	va_start(ap, format);
	(void)vsnprintf(json + len, sizeof(json) - len, format, ap);
	va_end(ap);
	text_add(json, sizeof(json), "]");
	if (topic == BATCH_STATUS && number > 0) {
		msg.flags = MK_MSG_DURABLE;
		msg.origin_seq = number;
		msg.origin_first = 1;
	} else if (number > 0) {
		text_add(json, sizeof(json), ",'source':'mqtt','seq':%llu,'first':1",
			 (unsigned long long)number);
	}
	text_add(json, sizeof(json), "}");
	json_write(&body, json);
	msg.body = body.data;
	msg.body_len = (uint32_t)body.len;
	rc = batch_take(&w->batch, &msg, &full, &err);
	memset(body.data, 0x5a, body.len); /* it is borrowed only until here */
	mk_writer_fini(&body);
	return rc;
}

static inline void
world_commit(struct world *w)
{
	mk_err err = { 0 };

	w->said_count = 0;
	cr_assert_eq(batch_commit(&w->batch, false, &err), MK_OK, "%s", err.text);
	batch_settle(&w->batch);
}

/* One message, and the end of the transaction. */
#define SEND(w, topic, ...)                                                \
	do {                                                               \
		cr_assert_eq(world_take(w, topic, 0, __VA_ARGS__), MK_OK); \
		world_commit(w);                                           \
	} while (0)

/* A packet with what most of them have; more fields follow. */
#define PACKET(observer, hash, more)                                                \
	"{'at':1795244400000000,'feed':'test','region':'bru','observer':'" observer \
	"','name':'Observer " observer "','raw':'hex:15010af00d','hash':'" hash     \
	"','route':1,'type':5,'version':0,'path':['0A'],'json':'{}'" more "}"
#define ADVERT(observer, hash, key, says)                                                         \
	"{'at':1795244400000000,'observer':'" observer "','raw':'hex:1100','hash':'" hash         \
	"','route':1,'type':4,'version':0,'path':[],'json':'{}','from':'" key "','advert':{" says \
	"}}"

static inline void
world_exec(struct world *w, const char *sql)
{
	mk_err err = { 0 };

	cr_assert_eq(db_exec(w->opened.db, sql, &err), MK_OK, "%s", err.text);
}

static inline const char *
world_rows(struct world *w, const char *sql)
{
	sqlite3_stmt *s;

	cr_assert_eq(sqlite3_prepare_v2(db_handle(w->opened.db), sql, -1, &s, NULL), SQLITE_OK,
		     "%s", sqlite3_errmsg(db_handle(w->opened.db)));
	w->text[0] = '\0';
	for (int row = 0; sqlite3_step(s) == SQLITE_ROW; row++) {
		for (int i = 0; i < sqlite3_column_count(s); i++) {
			const char *v = (const char *)sqlite3_column_text(s, i);

			text_add(w->text, sizeof(w->text), "%s%s",
				 i > 0     ? "|"
				 : row > 0 ? "\n"
					   : "",
				 v == NULL ? "NULL" : v);
		}
	}
	sqlite3_finalize(s);
	return w->text;
}

#define EXPECT_ROWS(w, sql, expected) cr_expect_str_eq(world_rows(w, sql), expected)

/* The last of that topic since the last commit; "" if there is none. */
static inline const char *
world_said(const struct world *w, const char *topic)
{
	for (uint32_t i = w->said_count; i > 0; i--)
		if (strncmp(w->said[i - 1], topic, strlen(topic)) == 0)
			return w->said[i - 1];
	return "";
}

#endif
