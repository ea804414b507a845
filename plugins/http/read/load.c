/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "load.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FRESH 16384 /* rows in one read transaction */
#define CHUNK_LOCKED 256  /* the same while readers wait */
#define CHUNK_TXS 1024    /* packets that are read before their observations are there */
#define LOAD_CACHE_KIB 4096u
/* An observation seldom takes less: what certainly does not fit is not read. */
#define LEAST_BYTES 20u

static const char sql_txs[] =
    "SELECT " DB_TX_COLUMNS " FROM transmissions t WHERE t.id > ?1 ORDER BY t.id LIMIT ?2";
static const char sql_rows[] = "SELECT " DB_OBS_COLUMNS ", o.transmission_id FROM observations o"
			       " WHERE o.id > ?1 ORDER BY o.id LIMIT ?2";

/* Under the lock: is what it reads still the database? */
static bool
load_is_current(const struct load *l)
{
	return l->storage_epoch == l->r->storage_epoch;
}

static mk_result
load_exec(struct load *l, const char *sql, mk_err *err)
{
	return sqlite3_exec(l->c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? MK_OK
									  : db_fail(l->c, err);
}

/* ------------------------------------------------------------------- names --
 */

/* Keys that the model got meanwhile; under its lock. */
static bool
load_copy_ids(struct load *l)
{
	const struct read *r = l->r;

	if (l->head_cap < r->node_count) {
		uint64_t *heads = realloc(l->heads, r->node_cap * sizeof(*heads));

		if (heads == NULL)
			return false;
		l->heads = heads;
		l->head_cap = r->node_cap;
	}
	for (uint32_t i = l->ids.count; i < r->node_count; i++) {
		const char *key = r->hops.ids.text[i];

		if (hops_ids_put(&l->ids, key, strlen(key)) != i)
			return false;
		l->heads[i] = r->heads[i];
	}
	return true;
}

/* Keys come again and again, and most as they are kept: the last that began
 * alike. */
static uint32_t *
load_recent(struct load *l, const char *key, size_t len)
{
	uint32_t head = 0;

	memcpy(&head, key + len / 2, len - len / 2 < sizeof(head) ? 0 : sizeof(head));
	return &l->recent[hops_mix(head) % LOAD_RECENT];
}

static bool
load_is(const struct load *l, uint32_t node, const char *key, size_t len)
{
	const char *text = l->ids.text[node];

	return strncmp(text, key, len) == 0 && text[len] == '\0';
}

static uint32_t
load_node(void *arg, const char *key, size_t len)
{
	struct load *l = arg;
	uint32_t node;

	uint32_t *recent;

	if (!l->fresh)
		return nodes_put(l->r, key, len);
	recent = load_recent(l, key, len);
	if (*recent != 0 && load_is(l, *recent - 1, key, len))
		return *recent - 1;
	node = hops_ids_find(&l->ids, key, len);
	if (node != HOPS_NONE) {
		*recent = node + 1;
		return node;
	}
	model_write(l->r->config.model);
	node = nodes_put(l->r, key, len);
	if (!load_copy_ids(l))
		node = READ_NONE;
	model_write_end(l->r->config.model, 0);
	return node;
}

static uint32_t
load_observer(void *arg, int64_t row)
{
	const struct load *l = arg;
	uint32_t observer;

	if (!l->fresh)
		return people_put_observer(l->r, row);
	if (row >= 0 && row < l->observer_cap && l->observers[row] != 0)
		return l->observers[row] - 1;
	model_write(l->r->config.model);
	observer = people_put_observer(l->r, row);
	model_write_end(l->r->config.model, 0);
	return observer;
}

/* ------------------------------------------------------------------- rows --
 */

static struct store *
load_store(struct load *l)
{
	return l->fresh ? &l->store : &l->r->store;
}

/* Transmissions behind those that are there, at most `max`. */
static mk_result
load_txs(struct load *l, int64_t max, mk_err *err)
{
	struct db_names names = { load_node, load_observer, l };
	mk_result rc = MK_OK;
	int step = SQLITE_ROW;

	(void)sqlite3_bind_int64(l->txs, 1, l->reached_tx);
	(void)sqlite3_bind_int64(l->txs, 2, max);
	while (rc == MK_OK && !atomic_load(&l->r->stopping) &&
	       (step = sqlite3_step(l->txs)) == SQLITE_ROW) {
		l->reached_tx = sqlite3_column_int64(l->txs, 0);
		l->new_txs += l->reached_tx > l->end_tx;
		if (db_read_tx(&l->tx, l->txs, 0, &names) &&
		    store_add(load_store(l), &l->tx.p) == NULL)
			rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	}
	if (rc == MK_OK && step != SQLITE_DONE && step != SQLITE_ROW)
		rc = db_fail(l->c, err);
	(void)sqlite3_reset(l->txs);
	return rc;
}

static mk_result
load_row(struct load *l, mk_err *err)
{
	struct db_names names = { load_node, load_observer, l };
	int64_t tx = sqlite3_column_int64(l->rows, 8), before = INT64_MAX;
	struct store *s = load_store(l);
	struct tx *t = store_find_id(s, tx);
	mk_result rc = MK_OK;
	struct heads heads;

	while (rc == MK_OK && t == NULL && tx > l->reached_tx && l->reached_tx != before) {
		before = l->reached_tx;
		/* Readers must not see many of which no observation is there yet. */
		rc = load_txs(l, l->fresh ? CHUNK_TXS : 1, err);
		t = store_find_id(s, tx);
	}
	if (rc != MK_OK || t == NULL)
		return rc;
	db_read_obs(&l->obs, l->rows, 0, &names);
	heads = l->fresh ? (struct heads){ l->heads, l->ids.count } : nodes_heads(l->r);
	return store_add_obs(s, t, &l->obs.o, &heads) ? MK_OK
						      : mk_err_set(err, MK_ENOMEM, "out of memory");
}

/* *count: rows that there were, at most `max`. */
static mk_result
load_chunk(struct load *l, int max, int *count, mk_err *err)
{
	int step = SQLITE_DONE, n = 0;
	mk_result rc = MK_OK;

	(void)sqlite3_bind_int64(l->rows, 1, l->reached_obs);
	(void)sqlite3_bind_int(l->rows, 2, max);
	while (rc == MK_OK && (step = sqlite3_step(l->rows)) == SQLITE_ROW) {
		rc = load_row(l, err);
		l->reached_obs = sqlite3_column_int64(l->rows, 0);
		l->new_obs += l->reached_obs > l->end_obs;
		n++;
	}
	if (rc == MK_OK && step != SQLITE_DONE)
		rc = db_fail(l->c, err);
	(void)sqlite3_reset(l->rows);
	store_evict(load_store(l), l->max_bytes);
	*count = n;
	return rc;
}

/* ------------------------------------------------------------------ begin --
 */

static mk_result
load_number(struct load *l, const char *sql, int64_t arg, int64_t otherwise, int64_t *out,
	    mk_err *err)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(l->c->db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK && sqlite3_bind_parameter_count(s) > 0)
		(void)sqlite3_bind_int64(s, 1, arg);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_type(s, 0) == SQLITE_NULL ? otherwise
								: sqlite3_column_int64(s, 0);
	else if (rc == SQLITE_DONE)
		*out = otherwise;
	sqlite3_finalize(s);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? MK_OK : db_fail(l->c, err);
}

static mk_result
load_totals(struct load *l, mk_err *err)
{
	int64_t txs = 0, obs = 0;
	mk_result rc = load_exec(l, "BEGIN", err); /* all of one moment */

	if (rc == MK_OK)
		rc = load_number(l, "SELECT count(*) FROM transmissions", 0, 0, &txs, err);
	if (rc == MK_OK)
		rc = load_number(l, "SELECT count(*) FROM observations", 0, 0, &obs, err);
	if (rc == MK_OK)
		rc = load_number(l, "SELECT max(id) FROM transmissions", 0, INT64_MIN, &l->end_tx,
				 err);
	if (rc == MK_OK)
		rc = load_number(l, "SELECT max(id) FROM observations", 0, INT64_MIN, &l->end_obs,
				 err);
	if (rc == MK_OK)
		rc = load_exec(l, "COMMIT", err);
	if (rc != MK_OK)
		return rc;
	l->total_obs = (uint64_t)obs;
	model_write(l->r->config.model);
	if (load_is_current(l)) {
		l->r->tx_total = (uint64_t)txs;
		l->r->obs_total = (uint64_t)obs;
	}
	model_write_end(l->r->config.model, MODEL_PACKETS);
	return MK_OK;
}

/* Which packets fit: those from begin_tx on. Ids need not be positive. */
static mk_result
load_find_begin(struct load *l, mk_err *err)
{
	uint64_t most = l->max_bytes / LEAST_BYTES;
	mk_result rc = MK_OK;

	l->begin_tx = INT64_MIN;
	l->begin_obs = INT64_MIN;
	if (l->total_obs > most) {
		rc = load_number(l,
				 "SELECT transmission_id FROM observations WHERE id >= ?1"
				 " ORDER BY id LIMIT 1",
				 l->end_obs - (int64_t)most, INT64_MIN, &l->begin_tx, err);
		if (rc == MK_OK)
			rc = load_number(
			    l, "SELECT min(id) FROM observations WHERE transmission_id >= ?1",
			    l->begin_tx, INT64_MIN, &l->begin_obs, err);
	} else {
		rc = load_number(l, "SELECT min(id) FROM observations", 0, 0, &l->begin_obs, err);
	}
	l->reached_tx = l->begin_tx == INT64_MIN ? INT64_MIN : l->begin_tx - 1;
	l->reached_obs = l->begin_obs == INT64_MIN ? INT64_MIN : l->begin_obs - 1;
	return rc;
}

static mk_result
load_begin(struct load *l, mk_err *err)
{
	struct read *r = l->r;
	mk_result rc = db_open(&l->c, r, l->path, LOAD_CACHE_KIB, err);

	if (rc == MK_OK)
		l->c->storage_epoch = l->storage_epoch; /* another one may have come meanwhile */
	if (rc == MK_OK && l->fresh)
		rc = load_totals(l, err);
	if (rc == MK_OK) /* after that there are answers */
		rc = db_load_people(r, l->c, err);
	if (rc == MK_OK && l->fresh)
		rc = load_find_begin(l, err);
	if (rc != MK_OK)
		return rc;
	if (sqlite3_prepare_v2(l->c->db, sql_txs, -1, &l->txs, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(l->c->db, sql_rows, -1, &l->rows, NULL) != SQLITE_OK)
		return db_fail(l->c, err);
	model_read(r->config.model);
	l->observers = calloc(r->observer_row_cap + 1, sizeof(*l->observers));
	if (!load_copy_ids(l) || l->observers == NULL)
		rc = mk_err_set(err, MK_ENOMEM, "out of memory");
	if (rc == MK_OK && r->observer_row_cap > 0) {
		memcpy(l->observers, r->observer_rows, r->observer_row_cap * sizeof(*l->observers));
		l->observer_cap = r->observer_row_cap;
	}
	model_read_end(r->config.model);
	return rc;
}

/* -------------------------------------------------------------------- run --
 */

/* Under the lock: what is in the model already, if this ends early. */
static void
load_note(struct load *l)
{
	struct read *r = l->r;

	r->tx_total += l->new_txs;
	r->obs_total += l->new_obs;
	l->new_txs = l->new_obs = 0;
	if (l->fresh)
		return;
	r->newest_tx = l->reached_tx;
	r->newest_obs = l->reached_obs;
}

/* Under the lock: everything that was told of has been read. */
static void
load_finish(struct load *l)
{
	struct read *r = l->r;

	load_note(l);
	if (l->fresh) {
		store_clear(&r->store);
		r->complete = l->begin_tx == INT64_MIN && l->store.evicted == 0;
		l->store.evicted += r->store.evicted;
		r->store = l->store;
		l->store = (struct store){ 0 };
		if (r->complete) {
			r->tx_total = r->store.count;
			r->obs_total = r->store.obs_count;
		}
	}
	l->finished = true;
	r->newest_tx = l->reached_tx;
	r->newest_obs = l->reached_obs;
	r->warm = true;
}

/* The next rows. *end: there are no more. */
static mk_result
load_part(struct load *l, bool *end, mk_err *err)
{
	struct read *r = l->r;
	int max = l->fresh ? CHUNK_FRESH : CHUNK_LOCKED, count = 0;
	mk_result rc = MK_OK;

	if (l->fresh) {
		/* No packet must be newer than the observations: it would be shown without. */
		rc = load_exec(l, "BEGIN", err);
		if (rc == MK_OK)
			rc = load_chunk(l, max, &count, err);
		if (rc == MK_OK && count < max)
			rc = load_txs(l, INT64_MAX, err); /* that nobody observed */
		if (rc == MK_OK)
			rc = load_exec(l, "COMMIT", err);
	} else {
		model_write(r->config.model);
		if (load_is_current(l)) {
			rc = load_chunk(l, max, &count, err);
			load_note(l);
		}
		model_write_end(r->config.model, count > 0 ? MODEL_PACKETS : 0);
	}
	if (l->end_obs > l->begin_obs)
		atomic_store(&r->progress,
			     (uint32_t)(1000 * ((double)l->reached_obs - (double)l->begin_obs) /
					((double)l->end_obs - (double)l->begin_obs)));
	*end = count < max;
	return rc;
}

static mk_result
load_read(struct load *l, mk_err *err)
{
	struct read *r = l->r;
	mk_result rc = MK_OK;
	bool done = false;

	while (rc == MK_OK && !done && !atomic_load(&r->stopping) && load_is_current(l)) {
		int64_t told = atomic_load(&r->told);
		bool end = false;

		rc = load_part(l, &end, err);
		if (rc != MK_OK || !end)
			continue;
		model_write(r->config.model);
		/* What was told before rows were looked for is read, or deleted. */
		l->reached_obs = told > l->reached_obs ? told : l->reached_obs;
		done = load_is_current(l) && l->reached_obs >= atomic_load(&r->told);
		if (done) {
			load_finish(l);
			atomic_store(&r->load, NULL);
		}
		nodes_settle(r);
		model_write_end(r->config.model, done ? MODEL_PACKETS | MODEL_WARM : 0);
	}
	return rc;
}

static void
load_log(const struct load *l, mk_result rc, const mk_err *err, uint64_t began_us)
{
	const mk_host *host = l->r->config.host;
	char line[512];

	if (rc != MK_OK)
		(void)snprintf(line, sizeof(line),
			       "cannot fill the read model, trying again reason=\"%s\"", err->text);
	else
		(void)snprintf(line, sizeof(line),
			       "the read model is filled packets=%u observations=%llu bytes=%llu"
			       " ms=%llu",
			       l->r->store.count, (unsigned long long)l->r->store.obs_count,
			       (unsigned long long)l->r->store.bytes,
			       (unsigned long long)(host->now_us(host) - began_us) / 1000);
	host->log(host, rc == MK_OK ? MK_LOG_INFO : MK_LOG_WARN, line);
}

static void
load_free(struct load *l)
{
	sqlite3_finalize(l->txs);
	sqlite3_finalize(l->rows);
	if (l->c != NULL)
		db_close(l->c);
	store_clear(&l->store);
	hops_ids_fini(&l->ids);
	free(l->heads);
	free(l->observers);
	free(l);
}

static void
load_run(void *arg)
{
	struct load *l = arg;
	struct read *r = l->r;
	uint64_t began_us = r->config.host->now_us(r->config.host);
	mk_err err = { 0 };
	mk_result rc = load_begin(l, &err);

	if (rc == MK_OK)
		rc = load_read(l, &err);
	model_write(r->config.model);
	r->failures += rc != MK_OK;
	if (rc != MK_OK || l->finished)
		load_log(l, rc, &err, began_us);
	if (!l->finished) {
		atomic_store(&r->failed, true);
		atomic_store(&r->load, NULL);
	}
	model_write_end(r->config.model, 0);
	load_free(l);
	(void)malloc_trim(0); /* a gigabyte of rows went through this heap */
}

void
load_start(struct read *r)
{
	struct load *l;

	if (atomic_load(&r->load) != NULL) {
		r->again = true;
		return;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return;
	l->r = r;
	l->fresh = !r->warm;
	l->store.begin = r->store.begin + r->store.count; /* numbers are never given again */
	l->storage_epoch = r->storage_epoch;
	l->max_bytes = r->config.max_bytes;
	l->end_tx = l->end_obs = l->begin_obs = INT64_MIN;
	l->reached_tx = r->newest_tx;
	l->reached_obs = r->newest_obs;
	memcpy(l->path, r->database, sizeof(l->path));
	r->again = false;
	atomic_store(&r->failed, false);
	atomic_store(&r->told, INT64_MIN);
	atomic_store(&r->load, l);
	if (r->config.host->spawn(r->config.host, "read", load_run, l) == MK_OK)
		return;
	atomic_store(&r->failed, true);
	atomic_store(&r->load, NULL);
	model_write(r->config.model);
	r->failures++;
	model_write_end(r->config.model, 0);
	load_free(l);
}
