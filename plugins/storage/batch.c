/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPLAIN_US 1000000u
#define NO_ORIGIN UINT32_MAX

struct batch_kept {
	struct batch_kept *next;
	enum batch_topic topic;
	uint64_t epoch, seq;
	uint64_t number, first; /* of the origin; 0: it has none */
	uint32_t origin;        /* in marks */
	char source[MK_ID_MAX + 1];
	size_t len;
	uint8_t body[];
};

struct batch_ack {
	uint64_t seq, number;
	uint32_t origin;
};

static const char *const topics[BATCH_TOPICS] = { BATCH_TOPIC_NAMES };

void
batch_init(struct batch *b, const mk_host *host, struct stats *stats)
{
	*b = (struct batch){ .host = host, .stats = stats, .max_rows = 2000 };
	b->last = &b->first;
	mk_doc_init(&b->doc);
	snapshots_init(&b->snapshots, stats);
	events_init(&b->events);
}

static void
batch_forget_kept(struct batch *b)
{
	while (b->first != NULL) {
		struct batch_kept *k = b->first;

		b->first = k->next;
		free(k);
	}
	b->last = &b->first;
	b->kept_bytes = 0;
}

void
batch_detach(struct batch *b)
{
	if (b->db == NULL)
		return;
	if (b->open)
		db_rollback(b->db);
	b->failed = b->failed || b->open;
	b->open = false;
	rows_close(&b->rows);
	b->marks.db = NULL;
	b->db = NULL;
}

void
batch_fini(struct batch *b)
{
	batch_detach(b);
	batch_forget_kept(b);
	marks_fini(&b->marks);
	snapshots_fini(&b->snapshots);
	events_fini(&b->events);
	mk_doc_fini(&b->doc);
	for (size_t i = 0; i < BATCH_TOPICS; i++)
		free(b->acks[i].list);
}

mk_result
batch_attach(struct batch *b, struct db *db, int64_t bucket_s, mk_err *err)
{
	mk_result rc = rows_open(&b->rows, db, b->stats, &b->events, err);

	if (rc == MK_OK) {
		b->rows.bucket_s = bucket_s;
		rc = snapshots_open(&b->snapshots, db, err);
	}
	if (rc != MK_OK) {
		rows_close(&b->rows);
		return rc;
	}
	/* Marks of a connection before this one hold: whatever they cover was committed there. */
	b->marks.db = db;
	b->db = db;
	return MK_OK;
}

/* Something is wrong with what came; how much of it can be wrong is up to others. */
void
batch_complain(struct batch *b, const char *format, ...)
{
	uint64_t now = b->host->now_us(b->host);
	char line[512];
	va_list ap;
	int n;

	if (b->complained_us != 0 && now - b->complained_us < COMPLAIN_US) {
		b->unsaid++;
		return;
	}
	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (b->unsaid > 0 && n > 0 && (size_t)n < sizeof(line))
		(void)snprintf(line + n, sizeof(line) - (size_t)n, "  more=%u", b->unsaid);
	b->host->log(b->host, MK_LOG_WARN, line);
	b->unsaid = 0;
	b->complained_us = now;
}

/* --------------------------------------------------------------- applying -- */

static mk_result
batch_begin(struct batch *b, mk_err *err)
{
	mk_result rc = db_begin(b->db, err);

	if (rc != MK_OK)
		return rc;
	b->open = true;
	b->row_count = 0;
	b->rows.now_s = (int64_t)(b->host->wall_us(b->host) / 1000000);
	return MK_OK;
}

static mk_result
batch_rows(struct batch *b, enum batch_topic topic, const struct item *it, mk_err *err)
{
	if (topic == BATCH_PACKETS)
		return rows_packet(&b->rows, it, err);
	return topic == BATCH_STATUS ? rows_status(&b->rows, it, err)
				     : rows_client(&b->rows, it, err);
}

/* MK_EEXIST, MK_ETOOBIG: the statements before the one that was refused are still there. */
static mk_result
batch_item(struct batch *b, enum batch_topic topic, const mk_val *map, mk_err *err)
{
	struct item it;
	mk_result rc = item_read(map, &it)
			   ? batch_rows(b, topic, &it, err)
			   : mk_err_set(err, ROWS_NONSENSE, "an item without a time");

	if (rc != ROWS_NONSENSE)
		return rc;
	b->stats->bad_items++;
	batch_complain(b, "an item was left out: %s  topic=%s", err->text, topics[topic]);
	return MK_OK;
}

static mk_result
batch_item_carefully(struct batch *b, enum batch_topic topic, const mk_val *map, mk_err *err)
{
	mk_result rc = db_run(b->db, err, "SAVEPOINT item", "");

	if (rc == MK_OK)
		rc = batch_item(b, topic, map, err);
	if (db_class(rc) == DB_ROW) {
		b->stats->write_errors++;
		batch_complain(b, "the database refused an item: %s  topic=%s", err->text,
			       topics[topic]);
		rows_undo(&b->rows);
		rc = db_run(b->db, err, "ROLLBACK TO item", "");
	}
	return rc == MK_OK ? db_run(b->db, err, "RELEASE item", "") : rc;
}

/* Whose message it is: of statuses the bus knows it, of the others their body. */
static mk_result
batch_find_origin(struct batch *b, struct batch_kept *k, mk_err *err)
{
	const mk_val *root = mk_doc_root(&b->doc);
	mk_result rc;

	k->origin = NO_ORIGIN;
	if (k->topic != BATCH_STATUS) {
		k->number = k->first = 0;
		mk_get_u64(mk_find(root, "seq"), &k->number);
		mk_get_u64(mk_find(root, "first"), &k->first);
		if (!mk_copy_str(mk_find(root, "source"), k->source, sizeof(k->source)))
			k->number = 0;
	}
	if (k->number == 0)
		return MK_OK;
	rc =
	    marks_get(&b->marks, k->epoch, k->source, strlen(k->source), k->first, &k->origin, err);
	if (rc != MK_EFORMAT && rc != MK_EFULL)
		return rc;
	b->stats->bad_items++;
	batch_complain(b, "a message without a usable origin: %s  topic=%s", err->text,
		       topics[k->topic]);
	return MK_OK;
}

static mk_result
batch_apply(struct batch *b, struct batch_kept *k, mk_err *err)
{
	char why[128];
	const mk_val *items;
	mk_result rc = mk_doc_open(&b->doc, k->body, k->len, NULL, why, sizeof(why));

	if (rc == MK_ENOMEM)
		return mk_err_set(err, rc, "out of memory");
	k->origin = NO_ORIGIN;
	if (rc != MK_OK) {
		b->stats->bad_items++;
		batch_complain(b, "a message was left out: %s  topic=%s", why, topics[k->topic]);
		return MK_OK;
	}
	rc = batch_find_origin(b, k, err);
	items = mk_find(mk_doc_root(&b->doc), "items");
	for (uint32_t i = 0; i < mk_count(items) && rc == MK_OK; i++, b->row_count++)
		rc = b->careful ? batch_item_carefully(b, k->topic, mk_at(items, i), err)
				: batch_item(b, k->topic, mk_at(items, i), err);
	mk_doc_close(&b->doc);
	/* It stays remembered over a rollback, since the message is kept and comes again here. */
	if (rc == MK_OK && k->origin != NO_ORIGIN &&
	    !marks_take(&b->marks, k->origin, k->number, k->topic != BATCH_STATUS))
		batch_complain(b, "%s is too far ahead of a hole  mark=%llu number=%llu", k->source,
			       (unsigned long long)b->marks.list[k->origin].mark,
			       (unsigned long long)k->number);
	return rc;
}

static mk_result
batch_fail(struct batch *b, mk_result rc)
{
	db_rollback(b->db);
	b->open = false;
	b->failed = true;
	b->stats->rollbacks++;
	return rc;
}

static mk_result
batch_apply_all(struct batch *b, mk_err *err)
{
	mk_result rc = rows_load(&b->rows, err);

	if (rc == MK_OK)
		rc = batch_begin(b, err);
	for (struct batch_kept *k = b->first; k != NULL && rc == MK_OK; k = k->next)
		rc = batch_apply(b, k, err);
	return rc == MK_OK ? rc : batch_fail(b, rc);
}

/* Once more, and what the database refuses costs only itself. */
static mk_result
batch_start_over(struct batch *b, mk_err *err)
{
	mk_result rc;

	(void)batch_fail(b, MK_OK);
	b->careful = true;
	rc = batch_apply_all(b, err);
	b->careful = false;
	b->failed = rc != MK_OK;
	return rc;
}

static struct batch_kept *
batch_keep(struct batch *b, const mk_msg *msg)
{
	struct batch_kept *k = malloc(sizeof(*k) + msg->body_len);

	if (k == NULL)
		return NULL;
	*k = (struct batch_kept){ .epoch = msg->epoch,
				  .seq = msg->seq,
				  .number = msg->origin_seq,
				  .first = msg->origin_first,
				  .len = msg->body_len };
	if ((msg->flags & MK_MSG_DURABLE) == 0)
		k->number = 0;
	while (k->topic < BATCH_CLIENT && strcmp(topics[k->topic], msg->topic) != 0)
		k->topic++;
	memcpy(k->source, msg->origin, strnlen(msg->origin, MK_ID_MAX));
	memcpy(b->decoder[k->topic], k->source, sizeof(k->source));
	memcpy(k->body, msg->body, msg->body_len);
	*b->last = k;
	b->last = &k->next;
	b->kept_bytes += k->len;
	return k;
}

mk_result
batch_take(struct batch *b, const mk_msg *msg, bool *full, mk_err *err)
{
	uint64_t began = b->host->now_us(b->host);
	struct batch_kept *k = batch_keep(b, msg);
	mk_result rc = MK_OK;

	*full = false;
	b->epoch = msg->epoch;
	if (k == NULL) /* never acknowledged, it is asked for again */
		return batch_fail(b, mk_err_set(err, MK_ENOMEM, "out of memory"));
	if (!b->open) {
		b->came_us = msg->time_us;
		b->work_us = 0;
		rc = batch_begin(b, err);
		if (rc != MK_OK)
			return batch_fail(b, rc);
	}
	rc = batch_apply(b, k, err);
	if (db_class(rc) == DB_ROW)
		rc = batch_start_over(b, err);
	else if (rc != MK_OK)
		(void)batch_fail(b, rc);
	b->work_us += b->host->now_us(b->host) - began;
	*full = b->row_count >= b->max_rows || b->kept_bytes >= BATCH_BYTES_MAX;
	return rc;
}

/* ------------------------------------------------------------- committing -- */

static mk_result
batch_push_ack(struct batch *b, const struct batch_kept *k)
{
	struct batch_acks *a = &b->acks[k->topic];

	if (a->count == a->cap) {
		uint32_t cap = a->cap == 0 ? 256 : 2 * a->cap;
		struct batch_ack *list = malloc(cap * sizeof(*list));

		if (list == NULL)
			return MK_ENOMEM;
		for (uint32_t i = 0; i < a->count; i++)
			list[i] = a->list[(a->first + i) % a->cap];
		free(a->list);
		*a = (struct batch_acks){ .list = list, .count = a->count, .cap = cap };
	}
	a->list[(a->first + a->count++) % a->cap] =
	    (struct batch_ack){ .seq = k->seq, .number = k->number, .origin = k->origin };
	return MK_OK;
}

static mk_result
batch_write_end(struct batch *b, bool snapshots, mk_err *err)
{
	uint64_t began = b->host->now_us(b->host), flushed, stored, done;
	bool saves = snapshots && b->snapshots.dirty;
	mk_result rc = rows_flush(&b->rows, err);

	flushed = b->host->now_us(b->host);
	if (rc == MK_OK)
		rc = marks_store(&b->marks, err);
	if (rc == MK_OK && saves)
		rc = batch_consume(b, err);
	if (rc == MK_OK && saves)
		rc = snapshots_store(&b->snapshots, err);
	stored = b->host->now_us(b->host);
	if (rc == MK_OK)
		rc = db_commit(b->db, err);
	done = b->host->now_us(b->host);
	if (rc != MK_OK)
		return rc;
	stats_time(b->stats, STATS_commit, 0, done - stored);
	if (saves) {
		stats_time(b->stats, STATS_snapshots, 0, stored - flushed);
		snapshots_stored(&b->snapshots);
		/* Megabytes of rows went through the cache; what is in use comes back at once. */
		(void)sqlite3_db_release_memory(db_handle(b->db));
	}
	if (b->row_count > 0) {
		uint64_t wall = b->host->wall_us(b->host), took = b->work_us + done - began;

		stats_time(b->stats, STATS_ingest,
			   wall > b->came_us + took ? wall - b->came_us - took : 0, took);
	}
	return MK_OK;
}

mk_result
batch_commit(struct batch *b, bool snapshots, mk_err *err)
{
	mk_result rc = MK_OK;

	/* After a failure marks are ahead of the rows, which batch_retry brings back. */
	if (b->failed || (!b->open && !b->marks.dirty && !(snapshots && b->snapshots.dirty)))
		return MK_OK;
	if (!b->open)
		rc = batch_begin(b, err);
	if (rc == MK_OK)
		rc = batch_write_end(b, snapshots, err);
	if (rc != MK_OK)
		return batch_fail(b, rc);
	b->open = false;
	b->stats->wal_commits++;
	b->stats->rows += b->row_count;
	/* Without memory for it nothing is told now, and the messages stay unacknowledged: they
	 * come again at the next start, and change nothing then. */
	for (const struct batch_kept *k = b->first; k != NULL; k = k->next)
		(void)batch_push_ack(b, k);
	batch_forget_kept(b);
	marks_stored(&b->marks);
	events_keep(&b->events);
	if (!b->lazy && marks_sync_begins(&b->marks))
		batch_synced(b);
	return MK_OK;
}

bool
batch_sync_begins(struct batch *b)
{
	return b->lazy && marks_sync_begins(&b->marks);
}

void
batch_synced(struct batch *b)
{
	(void)marks_sync_ended(&b->marks, &b->events); /* without memory: the next time */
	events_keep_committed(&b->events);
}

mk_result
batch_retry(struct batch *b, mk_err *err)
{
	mk_result rc;

	b->failed = false;
	b->came_us = b->host->wall_us(b->host);
	b->work_us = 0;
	rc = batch_apply_all(b, err);
	if (db_class(rc) == DB_ROW)
		rc = batch_start_over(b, err);
	return rc == MK_OK ? batch_commit(b, false, err) : rc;
}

/* ----------------------------------------------------------------- telling -- */

void
batch_gap(struct batch *b)
{
	b->stats->gaps++;
	b->ask_all = true;
}

void
batch_ask(struct batch *b)
{
	uint32_t asked = marks_ask(&b->marks, &b->events, b->host->now_us(b->host), b->ask_all);

	b->ask_all = false;
	b->stats->asked_again += asked;
	events_keep_committed(&b->events);
}

mk_result
batch_changed(struct batch *b, const char *table, const char *key, mk_err *err)
{
	mk_result rc = rows_changed(&b->rows, table, key, err);

	if (rc == MK_OK)
		events_keep(&b->events);
	else
		events_drop(&b->events);
	return rc;
}

static void
batch_acknowledge(struct batch *b, enum batch_topic topic)
{
	struct batch_acks *a = &b->acks[topic];
	uint64_t seq = 0;

	while (a->count > 0) {
		const struct batch_ack *k = &a->list[a->first];

		if (k->origin != NO_ORIGIN && !marks_covers(&b->marks, k->origin, k->number))
			break;
		seq = k->seq;
		a->first = (a->first + 1) % a->cap;
		a->count--;
	}
	if (seq != 0)
		(void)b->host->ack(b->host, topics[topic], b->epoch, seq);
}

bool
batch_settle(struct batch *b)
{
	if (!events_send(&b->events, b->host))
		return false;
	for (enum batch_topic t = 0; t < BATCH_TOPICS; t++)
		batch_acknowledge(b, t);
	return true;
}
