/* SPDX-License-Identifier: MIT
 *
 * Rows of transmissions and observations as struct read_packet.
 */
#include "db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hops/time.h>
#include <meshcore/hex.h>

static const char *
db_text(sqlite3_stmt *s, int column)
{
	return (const char *)sqlite3_column_text(s, column);
}

static int16_t
db_small(sqlite3_stmt *s, int column)
{
	int v = sqlite3_column_int(s, column);

	return sqlite3_column_type(s, column) == SQLITE_NULL || v < 0 || v > 127 ? -1 : (int16_t)v;
}

bool
db_read_tx(struct db_tx *t, sqlite3_stmt *s, int column, const struct db_names *names)
{
	struct read_packet *p = &t->p;
	const char *hash = db_text(s, column + 1), *hex = db_text(s, column + 5), *from;
	size_t len = 0;

	*p = (struct read_packet){ .id = sqlite3_column_int64(s, column),
				   .first_seen = db_text(s, column + 2),
				   .route = db_small(s, column + 3),
				   .type = db_small(s, column + 4),
				   .raw = t->raw,
				   .scope = db_text(s, column + 6),
				   .channel = db_text(s, column + 7),
				   .from = READ_NONE,
				   .shown = READ_NONE,
				   .latest = READ_NULL };
	if (hash == NULL || hash[0] == '\0' || p->first_seen == NULL || p->first_seen[0] == '\0')
		return false;
	(void)snprintf(p->hash, sizeof(p->hash), "%s", hash);
	if (!when_parse(p->first_seen, &p->first_s, NULL))
		p->first_s = 0;
	if (hex != NULL && mc_hex_decode(hex, strlen(hex), t->raw, sizeof(t->raw), &len)) {
		p->raw_len = (uint32_t)len;
		p->raw_lower = strpbrk(hex, "abcdef") != NULL;
	}
	from = db_text(s, column + 8);
	if (from != NULL)
		p->from = names->node(names->arg, from, strlen(from));
	p->json = db_text(s, column + 9);
	p->json_len = p->json == NULL ? 0 : strlen(p->json);
	return true;
}

/* -------------------------------------------------------------------- hops --
 */

static int
db_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

const char *
db_item(const char **p, const char *end, size_t *len)
{
	const char *at = *p, *close;

	while (at < end && (*at == '[' || *at == ',' || *at == ' '))
		at++;
	if (at >= end || *at == ']')
		return NULL;
	if (*at != '"') {
		for (close = at; close < end && *close != ',' && *close != ']';)
			close++;
		*len = (size_t)(close - at);
		*p = close;
		return at;
	}
	at++;
	close = memchr(at, '"', (size_t)(end - at));
	if (close == NULL)
		return NULL;
	*len = (size_t)(close - at);
	*p = close + 1;
	return at;
}

bool
db_read_path(struct db_obs *o, const char *json, size_t len)
{
	const char *p = json, *end = json + len, *hop;
	uint8_t *out = o->hops;
	uint32_t count = 0;
	size_t digits, size = 0;

	while ((hop = db_item(&p, end, &digits)) != NULL) {
		if (size == 0)
			size = digits / 2;
		if (size == 0 || size > DB_HOP_MAX || digits != 2 * size || count == DB_HOPS_MAX)
			return false;
		for (size_t i = 0; i < size; i++) {
			int high = db_digit(hop[2 * i]), low = db_digit(hop[2 * i + 1]);

			if (high < 0 || low < 0)
				return false;
			*out++ = (uint8_t)(high << 4 | low);
		}
		count++;
	}
	o->o.count = (uint8_t)count;
	o->o.hop_size = (uint8_t)size;
	return true;
}

static void
db_read_resolved(struct db_obs *o, const char *json, size_t len, const struct db_names *names)
{
	const char *p = json, *end = json + len, *key;
	uint32_t count = 0;
	size_t n;

	while ((key = db_item(&p, end, &n)) != NULL && count < o->o.count) {
		bool is_key = key > json && key[-1] == '"';

		o->nodes[count++] = is_key ? names->node(names->arg, key, n) : READ_NONE;
	}
	if (count == o->o.count)
		o->o.resolved = o->nodes;
}

uint8_t
db_direction(const char *text)
{
	if (strcasecmp(text, "rx") == 0)
		return 1;
	return strcasecmp(text, "tx") == 0 ? 2 : text[0] == '\0' ? 0 : 3;
}

void
db_read_obs(struct db_obs *d, sqlite3_stmt *s, int column, const struct db_names *names)
{
	struct read_obs *o = &d->o;
	const char *text;

	*o = (struct read_obs){ .id = sqlite3_column_int64(s, column),
				.at = hops_time_within(sqlite3_column_int64(s, column + 6)),
				.observer = READ_NONE,
				.snr = sqlite3_column_double(s, column + 3),
				.rssi = sqlite3_column_double(s, column + 4),
				.has_snr = sqlite3_column_type(s, column + 3) != SQLITE_NULL,
				.has_rssi = sqlite3_column_type(s, column + 4) != SQLITE_NULL,
				.path = d->hops };
	if (sqlite3_column_type(s, column + 1) != SQLITE_NULL)
		o->observer = names->observer(names->arg, sqlite3_column_int64(s, column + 1));
	text = db_text(s, column + 2);
	if (text != NULL)
		o->direction = db_direction(text);
	text = db_text(s, column + 5);
	o->has_path = text != NULL;
	/* What is no list of hops is shown as no hops. */
	if (text != NULL && !db_read_path(d, text, (size_t)sqlite3_column_bytes(s, column + 5)))
		o->count = o->hop_size = 0;
	text = o->count == 0 ? NULL : db_text(s, column + 7);
	if (text != NULL)
		db_read_resolved(d, text, (size_t)sqlite3_column_bytes(s, column + 7), names);
}

/* ----------------------------------------------------------------- packets --
 */

static sqlite3_stmt *
db_kept(struct dbc *c, enum db_statement which)
{
	static const char *const sql[DB_STATEMENTS] = {
		[DB_TX_ID] = "SELECT " DB_TX_COLUMNS " FROM transmissions t WHERE t.id = ?1",
		[DB_TX_HASH] = "SELECT " DB_TX_COLUMNS " FROM transmissions t WHERE t.hash = ?1",
		[DB_TX_OBS] = "SELECT " DB_TX_COLUMNS " FROM transmissions t WHERE t.id ="
			      " (SELECT transmission_id FROM observations WHERE id = ?1)",
		[DB_OBS_OF] = "SELECT " DB_OBS_COLUMNS
			      " FROM observations o WHERE o.transmission_id = ?1 ORDER BY o.id",
		[DB_ALIAS] = "SELECT transmission_id FROM mk_hash_aliases WHERE hash = ?1",
	};

	if (c->kept[which] == NULL)
		(void)sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					 &c->kept[which], NULL);
	else
		(void)sqlite3_reset(c->kept[which]);
	return c->kept[which];
}

static uint32_t
db_name_node(void *arg, const char *key, size_t len)
{
	return read_node_find(arg, key, len);
}

static uint32_t
db_name_observer(void *arg, int64_t row)
{
	return people_observer(arg, row);
}

struct db_names
db_names_of(struct read *r)
{
	return (struct db_names){ db_name_node, db_name_observer, r };
}

/* One more observation into the scratch; pointers into its memory are set when
 * all are there. */
static bool
db_keep_obs(struct unpacked *u, const struct db_obs *d, uint32_t n, uint32_t *hops, uint32_t *nodes)
{
	uint32_t bytes = (uint32_t)d->o.count * d->o.hop_size;

	if (!unpacked_room((void **)&u->obs, &u->obs_cap, n + 1, sizeof(*u->obs)) ||
	    !unpacked_room((void **)&u->hops, &u->hops_cap, *hops + bytes, 1) ||
	    !unpacked_room((void **)&u->nodes, &u->nodes_cap, *nodes + d->o.count,
			   sizeof(*u->nodes)))
		return false;
	u->obs[n] = d->o;
	if (bytes > 0) {
		memcpy(u->hops + *hops, d->hops, bytes);
		memcpy(u->nodes + *nodes, d->nodes, d->o.count * sizeof(*u->nodes));
	}
	*hops += bytes;
	*nodes += d->o.count;
	return true;
}

mk_result
db_fill_obs(struct read_scratch *s, struct read_packet *p, mk_err *err)
{
	struct db_names names = db_names_of(s->r);
	sqlite3_stmt *q = db_kept(s->db, DB_OBS_OF);
	uint32_t n = 0, hops = 0, nodes = 0, most = 0;
	struct unpacked *u = &s->u;
	struct db_obs d;
	int rc = q == NULL ? SQLITE_ERROR : sqlite3_bind_int64(q, 1, p->id);

	while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
		db_read_obs(&d, q, 0, &names);
		if (!db_keep_obs(u, &d, n, &hops, &nodes))
			return mk_err_set(err, MK_ENOMEM, "out of memory");
		if (n == 0 || d.o.count > most) {
			p->shown = n;
			most = d.o.count;
		}
		if (p->latest == READ_NULL || d.o.at > p->latest)
			p->latest = d.o.at;
		n++;
		rc = SQLITE_OK;
	}
	if (rc != SQLITE_DONE)
		return db_fail(s->db, err);
	unpacked_point(u, n);
	p->obs_count = n;
	p->obs = (s->skip & READ_SKIP_OBS) != 0 ? NULL : u->obs;
	return MK_OK;
}

mk_result
db_ready(struct read_scratch *s, mk_err *err)
{
	if (s->tx == NULL)
		s->tx = malloc(sizeof(*s->tx));
	if (s->tx == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	if (s->db == NULL)
		s->db = db_take(s->r, err);
	return s->db == NULL ? MK_EUNAVAIL : MK_OK;
}

const struct read_packet *
db_packet(struct read *r, struct read_scratch *s, enum db_key by, int64_t id, const char *hash)
{
	static const enum db_statement which[] = { DB_TX_ID, DB_TX_HASH, DB_TX_OBS };
	struct db_names names = db_names_of(r);
	sqlite3_stmt *q;
	mk_err err;
	int rc;

	if (db_ready(s, &err) != MK_OK || (q = db_kept(s->db, which[by])) == NULL)
		return NULL;
	rc = by == DB_HASH ? sqlite3_bind_text(q, 1, hash, -1, SQLITE_TRANSIENT)
			   : sqlite3_bind_int64(q, 1, id);
	if (rc != SQLITE_OK || sqlite3_step(q) != SQLITE_ROW || !db_read_tx(s->tx, q, 0, &names) ||
	    db_fill_obs(s, &s->tx->p, &err) != MK_OK)
		return NULL;
	return &s->tx->p;
}

bool
db_alias(struct read_scratch *s, const char *hash, int64_t *id)
{
	sqlite3_stmt *q = NULL;
	bool found;
	mk_err err;

	/* Databases in which no hash was ever corrected have no such table. */
	if (db_ready(s, &err) == MK_OK)
		q = db_kept(s->db, DB_ALIAS);
	if (q == NULL || sqlite3_bind_text(q, 1, hash, -1, SQLITE_TRANSIENT) != SQLITE_OK)
		return false;
	found = sqlite3_step(q) == SQLITE_ROW;
	if (found)
		*id = sqlite3_column_int64(q, 0);
	(void)sqlite3_reset(q);
	return found;
}
