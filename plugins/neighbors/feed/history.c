/* SPDX-License-Identifier: MIT */
#include "history.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <hops/time.h>

#define BUSY_MS 5000
#define TX_SLOTS 65536u /* transmissions kept at hand; copies of a packet lie close together */
#define PEOPLE_MAX (1u << 19)

/* The second one of each pair is for those who want the whole of it. */
static const char *const sql_nodes[] = {
	"SELECT public_key, role, lat, lon, advert_count FROM nodes",
	"SELECT public_key, role, lat, lon, advert_count, name, first_seen, last_seen FROM nodes",
};
static const char *const sql_observers[] = {
	"SELECT id, rowid, COALESCE(can_relay, 1) = 0 AND COALESCE(inactive, 0) = 0 FROM observers",
	"SELECT id, rowid, COALESCE(can_relay, 1) = 0 AND COALESCE(inactive, 0) = 0,"
	" COALESCE(inactive, 0), iata, name, first_seen, last_seen FROM observers",
};
static const char sql_newest[] = "SELECT seq FROM sqlite_sequence WHERE name = 'observations'";
static const char *const sql_observations[] = {
	"SELECT id, transmission_id, observer_idx, direction, snr, path_json, timestamp, raw_hex"
	" FROM observations WHERE id > ?1 ORDER BY id LIMIT ?2",
	"SELECT id, transmission_id, observer_idx, direction, snr, path_json, timestamp, raw_hex, "
	"rssi"
	" FROM observations WHERE id > ?1 ORDER BY id LIMIT ?2",
};
#define SQL_TX                                                                                     \
	"SELECT route_type, payload_type, substr(raw_hex, 1, 12), CASE WHEN payload_type = 4 THEN" \
	" COALESCE(NULLIF(from_pubkey, ''), CASE WHEN json_valid(decoded_json) THEN"               \
	" json_extract(decoded_json, '$.pubKey') END) END"
static const char *const sql_tx[] = {
	SQL_TX " FROM transmissions WHERE id = ?1",
	SQL_TX ", hash, first_seen, raw_hex, decoded_json, channel_hash, scope_name"
	       " FROM transmissions WHERE id = ?1",
};
static const char sql_observer[] = "SELECT id FROM observers WHERE rowid = ?1";

struct history_tx {
	uint64_t id;
	bool used;
	uint8_t route, type;
	char head[13];
	char from[HOPS_ID_MAX + 1];
};

struct history {
	const mk_host *host;
	char *path;
	bool whole;
	uint64_t after;
	void (*on_chunk)(void *arg, struct history_chunk *chunk);
	void *arg;
	pthread_mutex_t lock; /* of the following */
	pthread_cond_t moved;
	uint32_t ahead; /* chunks posted and not handled */
	bool dropped, ended, nodes_done;
	struct history_chunk *end; /* the last one, made first, so that it always comes */
	/* the thread's own */
	sqlite3 *db;
	sqlite3_stmt *rows, *tx, *observer;
	struct history_tx *txs;
	char **observers; /* by rowid; in the arena */
	uint32_t observer_cap;
	mk_arena arena;
};

/* ---------------------------------------------------------------- chunks -- */

static void
history_chunk_free(struct history_chunk *c)
{
	mk_arena_fini(&c->arena);
	free(c->people);
	free(c->obs);
	free(c);
}

static struct history_chunk *
history_chunk_new(struct history *h, enum history_kind kind)
{
	struct history_chunk *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->kind = kind;
	c->history = h;
	if (kind != HISTORY_OBSERVATIONS)
		return c;
	c->obs = malloc(HISTORY_CHUNK * sizeof(*c->obs));
	if (c->obs == NULL) {
		history_chunk_free(c);
		return NULL;
	}
	return c;
}

static void
history_free(struct history *h)
{
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->moved);
	mk_arena_fini(&h->arena); /* chunks on their way referred to it */
	if (h->end != NULL)
		history_chunk_free(h->end);
	free(h->path);
	free(h);
}

/* On the plugin's thread. */
static void
history_deliver(void *arg)
{
	struct history_chunk *c = arg;
	struct history *h = c->history;
	bool dropped, gone;

	pthread_mutex_lock(&h->lock);
	dropped = h->dropped;
	pthread_mutex_unlock(&h->lock);
	if (!dropped)
		h->on_chunk(h->arg, c);
	pthread_mutex_lock(&h->lock);
	h->ahead--;
	h->nodes_done |= c->kind == HISTORY_NODES;
	gone = h->dropped && h->ended && h->ahead == 0;
	pthread_cond_signal(&h->moved);
	pthread_mutex_unlock(&h->lock);
	history_chunk_free(c);
	if (gone)
		history_free(h);
}

/* Hand a chunk over. False: nobody wants more. */
static bool
history_send(struct history *h, struct history_chunk *c)
{
	bool dropped;

	pthread_mutex_lock(&h->lock);
	while (h->ahead >= HISTORY_AHEAD && !h->dropped)
		pthread_cond_wait(&h->moved, &h->lock);
	dropped = h->dropped;
	h->ahead++;
	pthread_mutex_unlock(&h->lock);
	if (!dropped && h->host->post(h->host, history_deliver, c) == MK_OK)
		return true;
	pthread_mutex_lock(&h->lock);
	h->ahead--;
	pthread_mutex_unlock(&h->lock);
	history_chunk_free(c);
	return false;
}

/* ---------------------------------------------------------------- people -- */

static struct history_person *
history_add(struct history_chunk *c)
{
	if (c->person_count == c->person_cap) {
		uint32_t cap = c->person_cap == 0 ? 1024 : c->person_cap * 2;
		struct history_person *people;

		if (cap > PEOPLE_MAX)
			return NULL;
		people = realloc(c->people, cap * sizeof(*people));
		if (people == NULL)
			return NULL;
		c->people = people;
		c->person_cap = cap;
	}
	memset(&c->people[c->person_count], 0, sizeof(*c->people));
	return &c->people[c->person_count++];
}

static const char *
history_text(sqlite3_stmt *s, int column, mk_arena *arena)
{
	const void *text = sqlite3_column_blob(s, column);
	int len = sqlite3_column_bytes(s, column);

	/* Snapshots name it, and one name that is no text would make the whole of one invalid. */
	if (text == NULL || len < 1 || len > (int)HOPS_ID_MAX ||
	    memchr(text, 0, (size_t)len) != NULL || !mk_utf8_valid(text, (size_t)len))
		return NULL;
	return mk_arena_dup(arena, text, (size_t)len);
}

static const char *
history_copy(sqlite3_stmt *s, int column, mk_arena *arena, uint32_t *len)
{
	const void *text = sqlite3_column_blob(s, column);

	*len = (uint32_t)sqlite3_column_bytes(s, column);
	return sqlite3_column_type(s, column) == SQLITE_NULL
		   ? NULL
		   : mk_arena_dup(arena, text == NULL ? "" : text, *len);
}

static void
history_time(sqlite3_stmt *s, int column, int64_t *out)
{
	const char *text = sqlite3_column_blob(s, column);

	if (text != NULL)
		hops_time_read(text, (size_t)sqlite3_column_bytes(s, column), out);
}

/* What only those want who want the whole of it. */
static void
history_person_rest(struct history_chunk *c, struct history_person *p, sqlite3_stmt *s, int column)
{
	uint32_t len;

	if (!p->observer)
		p->role = history_copy(s, 1, &c->arena, &len);
	else
		p->region = history_copy(s, column++, &c->arena, &len);
	p->name = history_copy(s, column, &c->arena, &len);
	history_time(s, column + 1, &p->first_seen);
	history_time(s, column + 2, &p->last_seen);
}

static void
history_node(struct history *h, struct history_chunk *c, sqlite3_stmt *s)
{
	const char *key = history_text(s, 0, &c->arena);
	const char *role = (const char *)sqlite3_column_text(s, 1);
	struct history_person *p = key == NULL ? NULL : history_add(c);

	if (p == NULL)
		return;
	p->key = key;
	p->node.there = true;
	p->node.relays = role != NULL && hops_role_relays(role, strlen(role));
	p->node.lat = sqlite3_column_double(s, 2);
	p->node.lon = sqlite3_column_double(s, 3);
	p->node.has_gps = sqlite3_column_type(s, 2) != SQLITE_NULL &&
			  sqlite3_column_type(s, 3) != SQLITE_NULL &&
			  hops_has_gps(p->node.lat, p->node.lon);
	p->node.adverts = (uint32_t)sqlite3_column_int64(s, 4);
	if (h->whole)
		history_person_rest(c, p, s, 5);
}

static bool
history_observer_row(struct history *h, int64_t row, sqlite3_stmt *s)
{
	if (row < 1 || row > (int64_t)PEOPLE_MAX)
		return false;
	if (row >= h->observer_cap) {
		uint32_t cap = h->observer_cap == 0 ? 1024 : h->observer_cap;
		char **observers;

		while (cap <= row)
			cap *= 2;
		observers = realloc(h->observers, cap * sizeof(*observers));
		if (observers == NULL)
			return false;
		memset(observers + h->observer_cap, 0,
		       (cap - h->observer_cap) * sizeof(*observers));
		h->observers = observers;
		h->observer_cap = cap;
	}
	h->observers[row] = (char *)(uintptr_t)history_text(s, 0, &h->arena);
	return h->observers[row] != NULL;
}

static int
history_read_people(struct history *h, struct history_chunk *c)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(h->db, sql_nodes[h->whole], -1, &s, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		history_node(h, c, s);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(s);
	s = NULL;
	if (rc == SQLITE_DONE)
		rc = sqlite3_prepare_v2(h->db, sql_observers[h->whole], -1, &s, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct history_person *p = history_add(c);

		history_observer_row(h, sqlite3_column_int64(s, 1), s);
		if (p != NULL) {
			p->key = history_text(s, 0, &c->arena);
			p->observer = true;
			p->listener = sqlite3_column_int(s, 2) != 0;
			p->inactive = h->whole && sqlite3_column_int(s, 3) != 0;
			if (h->whole)
				history_person_rest(c, p, s, 4);
		}
		rc = SQLITE_OK;
	}
	sqlite3_finalize(s);
	s = NULL;
	/* Without AUTOINCREMENT's table nothing is known about ids that were given. */
	if (rc == SQLITE_DONE && sqlite3_prepare_v2(h->db, sql_newest, -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW)
		c->newest = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc;
}

/* ---------------------------------------------------------- observations -- */

/* What the packet of the row in h->tx is, for as long as the chunk lives. */
static const struct hops_packet *
history_packet(struct history *h, struct history_chunk *c)
{
	struct hops_packet *p = mk_arena_alloc(&c->arena, sizeof(*p));
	sqlite3_stmt *s = h->tx;

	if (p == NULL)
		return NULL;
	p->hash = history_copy(s, 4, &c->arena, &p->hash_len);
	history_time(s, 5, &p->first);
	p->hex = history_copy(s, 6, &c->arena, &p->hex_len);
	p->json = history_copy(s, 7, &c->arena, &p->json_len);
	p->channel = history_copy(s, 8, &c->arena, &p->channel_len);
	p->scope = history_copy(s, 9, &c->arena, &p->scope_len);
	p->scoped = p->scope != NULL;
	return p;
}

static const struct history_tx *
history_tx(struct history *h, uint64_t id, struct history_chunk *c, struct hops_obs *o)
{
	struct history_tx *t = &h->txs[id % TX_SLOTS];
	const char *text;

	if (t->used && t->id == id)
		return t;
	sqlite3_reset(h->tx);
	sqlite3_bind_int64(h->tx, 1, (sqlite3_int64)id);
	if (sqlite3_step(h->tx) != SQLITE_ROW)
		return NULL;
	*t = (struct history_tx){ .id = id, .used = true };
	if (h->whole)
		o->packet = history_packet(h, c);
	t->route = (uint8_t)(sqlite3_column_int(h->tx, 0) & 3);
	t->type = (uint8_t)(sqlite3_column_int(h->tx, 1) & 15);
	text = (const char *)sqlite3_column_text(h->tx, 2);
	if (text != NULL)
		snprintf(t->head, sizeof(t->head), "%s", text);
	text = (const char *)sqlite3_column_text(h->tx, 3);
	if (text != NULL && strlen(text) <= HOPS_ID_MAX)
		snprintf(t->from, sizeof(t->from), "%s", text);
	return t;
}

static const char *
history_observer(struct history *h, int64_t row)
{
	const char *id = NULL;

	if (row > 0 && row < h->observer_cap && h->observers[row] != NULL)
		return h->observers[row];
	sqlite3_reset(h->observer);
	sqlite3_bind_int64(h->observer, 1, row);
	if (sqlite3_step(h->observer) == SQLITE_ROW && history_observer_row(h, row, h->observer))
		id = h->observers[row];
	return id;
}

/* False: a row that nothing can be learned from. */
static bool
history_row(struct history *h, struct history_chunk *c, struct hops_obs *o)
{
	sqlite3_stmt *s = h->rows;
	const struct history_tx *t;
	const char *text;

	o->id = (uint64_t)sqlite3_column_int64(s, 0);
	o->tx = (uint64_t)sqlite3_column_int64(s, 1);
	o->at = hops_time_within(sqlite3_column_int64(s, 6));
	o->observer = history_observer(h, sqlite3_column_int64(s, 2));
	o->observer_len = o->observer == NULL ? 0 : (uint32_t)strlen(o->observer);
	o->from = NULL;
	o->from_len = 0;
	o->sent = o->shared = false;
	o->count = o->size = 0;
	o->has_snr = sqlite3_column_type(s, 4) != SQLITE_NULL;
	o->snr = o->has_snr ? (float)sqlite3_column_double(s, 4) : 0;
	o->has_rssi = h->whole && sqlite3_column_type(s, 8) != SQLITE_NULL;
	o->rssi = o->has_rssi ? (float)sqlite3_column_double(s, 8) : 0;
	o->packet = NULL;
	t = history_tx(h, o->tx, c, o);
	if (t == NULL)
		return false;
	o->route = t->route;
	o->type = t->type;
	text = sqlite3_column_blob(s, 3);
	if (text != NULL)
		hops_obs_direction(o, text, (size_t)sqlite3_column_bytes(s, 3));
	text = sqlite3_column_blob(s, 5);
	if (text != NULL && !hops_obs_path(o, text, (size_t)sqlite3_column_bytes(s, 5)) &&
	    o->type != HOPS_TYPE_TRACE) {
		/* What the packet is goes with the first observation that is handed over. */
		if (o->packet != NULL)
			h->txs[o->tx % TX_SLOTS].used = false;
		return false;
	}
	/* Copies of one packet may have different routes: what was heard counts, as far as it was
	 * kept. */
	text = sqlite3_column_blob(s, 7);
	if (text == NULL || !hops_obs_head(o, text, (size_t)sqlite3_column_bytes(s, 7)))
		hops_obs_head(o, t->head, strlen(t->head));
	if (t->from[0] == '\0')
		return true;
	o->from = mk_arena_dup(&c->arena, t->from, strlen(t->from));
	o->from_len = o->from == NULL ? 0 : (uint32_t)strlen(o->from);
	return true;
}

/* SQLITE_DONE when there are no more rows. */
static int
history_read_chunk(struct history *h, struct history_chunk *c)
{
	uint32_t rows = 0;
	int rc;

	sqlite3_reset(h->rows);
	sqlite3_bind_int64(h->rows, 1, (sqlite3_int64)h->after);
	sqlite3_bind_int64(h->rows, 2, HISTORY_CHUNK);
	while ((rc = sqlite3_step(h->rows)) == SQLITE_ROW) {
		rows++;
		c->count += history_row(h, c, &c->obs[c->count]);
		h->after = (uint64_t)sqlite3_column_int64(h->rows, 0);
	}
	sqlite3_reset(h->rows);
	sqlite3_reset(h->tx);
	sqlite3_reset(h->observer);
	c->last = h->after;
	return rc == SQLITE_DONE && rows == HISTORY_CHUNK ? SQLITE_OK : rc;
}

/* ---------------------------------------------------------------- thread -- */

static int
history_open(struct history *h)
{
	int rc = sqlite3_open_v2(h->path, &h->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	h->txs = calloc(TX_SLOTS, sizeof(*h->txs));
	if (h->txs == NULL)
		return SQLITE_NOMEM;
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(h->db, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(h->db, sql_observations[h->whole], -1, &h->rows, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(h->db, sql_tx[h->whole], -1, &h->tx, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(h->db, sql_observer, -1, &h->observer, NULL);
	return rc;
}

static void
history_close(struct history *h)
{
	sqlite3_finalize(h->rows);
	sqlite3_finalize(h->tx);
	sqlite3_finalize(h->observer);
	sqlite3_close(h->db);
	free(h->txs);
	free(h->observers);
}

/* Until the plugin has seen who there is, and perhaps rewound. */
static void
history_await_nodes(struct history *h)
{
	pthread_mutex_lock(&h->lock);
	while (!h->nodes_done && !h->dropped)
		pthread_cond_wait(&h->moved, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

static int
history_read(struct history *h)
{
	struct history_chunk *c = history_chunk_new(h, HISTORY_NODES);
	int rc = c == NULL ? SQLITE_NOMEM : history_read_people(h, c);

	if (rc == SQLITE_DONE) {
		if (!history_send(h, c))
			return SQLITE_DONE;
		history_await_nodes(h);
		rc = SQLITE_OK;
	} else if (c != NULL) {
		history_chunk_free(c);
	}
	while (rc == SQLITE_OK) {
		c = history_chunk_new(h, HISTORY_OBSERVATIONS);
		if (c == NULL)
			return SQLITE_NOMEM;
		rc = history_read_chunk(h, c);
		if (!history_send(h, c))
			return SQLITE_DONE;
	}
	return rc;
}

static void
history_run(void *arg)
{
	struct history *h = arg;
	struct history_chunk *end = h->end;
	int rc = history_open(h);
	bool gone;

	if (rc == SQLITE_OK)
		rc = history_read(h);
	if (rc != SQLITE_DONE) {
		end->rc = rc == SQLITE_NOMEM ? MK_ENOMEM : MK_EIO;
		snprintf(end->error, sizeof(end->error), "%s",
			 h->db == NULL ? "out of memory" : sqlite3_errmsg(h->db));
	}
	history_close(h);
	h->end = NULL;
	history_send(h, end);
	pthread_mutex_lock(&h->lock);
	h->ended = true;
	gone = h->dropped && h->ahead == 0;
	pthread_mutex_unlock(&h->lock);
	if (gone)
		history_free(h);
}

mk_result
history_start(struct history **out, const mk_host *host, const char *path, uint64_t after,
	      bool whole, void (*on_chunk)(void *arg, struct history_chunk *chunk), void *arg)
{
	struct history *h = calloc(1, sizeof(*h));
	mk_result rc;

	if (h == NULL)
		return MK_ENOMEM;
	h->host = host;
	h->after = after;
	h->whole = whole;
	h->on_chunk = on_chunk;
	h->arg = arg;
	h->path = malloc(strlen(path) + 1);
	h->end = history_chunk_new(h, HISTORY_END);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->moved, NULL);
	if (h->path == NULL || h->end == NULL) {
		history_free(h);
		return MK_ENOMEM;
	}
	memcpy(h->path, path, strlen(path) + 1);
	rc = host->spawn(host, "history", history_run, h);
	if (rc != MK_OK)
		history_free(h);
	else
		*out = h;
	return rc;
}

void
history_rewind(struct history *h, uint64_t after)
{
	pthread_mutex_lock(&h->lock);
	h->after = after;
	pthread_mutex_unlock(&h->lock);
}

void
history_drop(struct history *h)
{
	bool gone;

	pthread_mutex_lock(&h->lock);
	h->dropped = true;
	gone = h->ended && h->ahead == 0;
	pthread_cond_signal(&h->moved);
	pthread_mutex_unlock(&h->lock);
	if (gone)
		history_free(h);
}
