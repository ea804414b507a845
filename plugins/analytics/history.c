/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <hops/time.h>

#include "grow.h"

#define BUSY_MS 2000

/* Two hold it: the thread until it is done, and whoever has asked until he drops it. */
struct receptions {
	const mk_host *host;
	char *path;
	int64_t after;
	uint32_t most;
	void (*on_chunk)(void *arg, const struct receptions_chunk *chunk);
	void *arg;
	_Atomic bool dropped;
	_Atomic uint32_t holders; /* and each chunk that is on its way */
};

struct delivery {
	struct receptions *to;
	struct receptions_chunk chunk;
};

static void
receptions_release(struct receptions *r)
{
	if (atomic_fetch_sub(&r->holders, 1) > 1)
		return;
	free(r->path);
	free(r);
}

static void
delivery_free(struct delivery *d)
{
	receptions_release(d->to);
	mk_arena_fini(&d->chunk.arena);
	free(d->chunk.rows);
	free(d->chunk.clients);
	free(d);
}

static struct delivery *
delivery_new(struct receptions *r)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->chunk.rows = calloc(RECEPTIONS_CHUNK, sizeof(*d->chunk.rows));
	if (d->chunk.rows == NULL) {
		free(d);
		return NULL;
	}
	d->to = r;
	atomic_fetch_add(&r->holders, 1);
	return d;
}

static void
delivery_arrives(void *arg)
{
	struct delivery *d = arg;

	if (!atomic_load(&d->to->dropped))
		d->to->on_chunk(d->to->arg, &d->chunk);
	delivery_free(d);
}

/* True: go on. */
static bool
delivery_send(struct delivery *d)
{
	struct receptions *r = d->to;

	if (atomic_load(&r->dropped) || r->host->post(r->host, delivery_arrives, d) != MK_OK) {
		delivery_free(d);
		return false;
	}
	return true;
}

static const char *
receptions_text(struct delivery *d, sqlite3_stmt *s, int column)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	int len = sqlite3_column_bytes(s, column);

	return text == NULL || len <= 0 ? NULL : mk_arena_dup(&d->chunk.arena, text, (size_t)len);
}

static void
receptions_take(struct delivery *d, sqlite3_stmt *s)
{
	struct reception_row row = { .id = sqlite3_column_int64(s, 0),
				     .lat = sqlite3_column_double(s, 3),
				     .lon = sqlite3_column_double(s, 4),
				     .has_snr = sqlite3_column_type(s, 5) != SQLITE_NULL,
				     .snr = sqlite3_column_double(s, 5) };
	const char *at = (const char *)sqlite3_column_text(s, 6);

	row.client = receptions_text(d, s, 1);
	row.heard = receptions_text(d, s, 2);
	if (row.client == NULL || row.heard == NULL || at == NULL ||
	    !hops_time_read(at, (size_t)sqlite3_column_bytes(s, 6), &row.at))
		row.client = NULL; /* its id counts still */
	d->chunk.rows[d->chunk.count++] = row;
}

static struct delivery *
receptions_rows(struct receptions *r, sqlite3 *db)
{
	static const char sql[] =
	    "SELECT id, rx_pubkey, heard_key, lat, lon, snr, rx_at FROM client_receptions "
	    "WHERE id > max(?1, (SELECT ifnull(max(id), 0) FROM client_receptions) - ?2) "
	    "ORDER BY id";
	struct delivery *d = delivery_new(r);
	sqlite3_stmt *s = NULL;

	if (d == NULL || sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		return d;
	sqlite3_bind_int64(s, 1, r->after);
	sqlite3_bind_int64(s, 2, r->most);
	while (d != NULL && sqlite3_step(s) == SQLITE_ROW) {
		receptions_take(d, s);
		if (d->chunk.count == RECEPTIONS_CHUNK)
			d = delivery_send(d) ? delivery_new(r) : NULL;
	}
	sqlite3_finalize(s);
	return d;
}

static void
receptions_clients(struct delivery *d, sqlite3 *db)
{
	sqlite3_stmt *s = NULL;

	if (db == NULL || sqlite3_prepare_v2(db, "SELECT pubkey, name FROM client_observers", -1,
					     &s, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(s) == SQLITE_ROW) {
		struct client_row row = { receptions_text(d, s, 0), receptions_text(d, s, 1) };

		if (row.key == NULL || row.name == NULL ||
		    !grow_to(&d->chunk.clients, &d->chunk.client_cap, d->chunk.client_count + 1,
			     sizeof(row)))
			continue;
		d->chunk.clients[d->chunk.client_count++] = row;
	}
	sqlite3_finalize(s);
}

static void
receptions_run(void *arg)
{
	struct receptions *r = arg;
	struct delivery *d = NULL;
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(r->path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
		SQLITE_OK &&
	    sqlite3_busy_timeout(db, BUSY_MS) == SQLITE_OK)
		d = receptions_rows(r, db);
	else
		d = delivery_new(r);
	if (d != NULL) {
		receptions_clients(d, db);
		d->chunk.end = true;
		delivery_send(d);
	}
	sqlite3_close(db);
	receptions_release(r);
}

mk_result
receptions_read(struct receptions **out, const mk_host *host, const char *path, int64_t after,
		uint32_t most, void (*on_chunk)(void *arg, const struct receptions_chunk *chunk),
		void *arg)
{
	struct receptions *r = calloc(1, sizeof(*r));
	size_t len = strlen(path) + 1;
	mk_result rc;

	if (r == NULL || (r->path = malloc(len)) == NULL) {
		free(r);
		return MK_ENOMEM;
	}
	memcpy(r->path, path, len);
	r->host = host;
	r->after = after;
	r->most = most;
	r->on_chunk = on_chunk;
	r->arg = arg;
	atomic_init(&r->dropped, false);
	atomic_init(&r->holders, 2);
	rc = host->spawn(host, "receptions", receptions_run, r);
	if (rc != MK_OK) {
		free(r->path);
		free(r);
		return rc;
	}
	*out = r;
	return MK_OK;
}

void
receptions_drop(struct receptions *r)
{
	atomic_store(&r->dropped, true);
	receptions_release(r);
}
