/* SPDX-License-Identifier: MIT
 *
 * The backfill that gives transmissions the hash that the formula of today makes of them. Where
 * another one has that hash already, one packet was stored twice: the older of both keeps its id and
 * gets the observations of the other. Otherwise the next copy of such a packet from the air would
 * be stored as one more transmission.
 *
 * Links have the hash of before: mk_hash_aliases leads from it to the packet. It is made when it is
 * needed for the first time, so that other databases need no upgrade, and loses what packets lose.
 */
#include "job_impl.h"

#include <string.h>

#include <meshcore/hash.h>

#define MOVED_AT_ONCE 100

#define FILLED(column) column " = COALESCE(observations." column ", o." column ")"

/* clang-format off */
static const char fill_sql[] =
    "UPDATE observations SET " FILLED("snr") ", " FILLED("rssi") ", " FILLED("score") ", "
    FILLED("direction") ", " FILLED("raw_hex") ", " FILLED("resolved_path")
    " FROM observations AS o WHERE o.id = ?1 AND observations.transmission_id = ?2 "
    "AND observations.observer_idx = o.observer_idx "
    "AND COALESCE(observations.path_json, '') = COALESCE(o.path_json, '')";
/* clang-format on */

/* One observation to another transmission. If the same one is there, that one takes what it does
 * not know. */
static mk_result
observation_move(struct db *db, int64_t id, int64_t to, mk_err *err)
{
	mk_result rc = db_run(db, err, "UPDATE observations SET transmission_id = ? WHERE id = ?",
			      "ii", to, id);

	if (rc != MK_EEXIST)
		return rc;
	rc = db_run(db, err, fill_sql, "ii", id, to);
	return rc == MK_OK ? db_run(db, err, "DELETE FROM observations WHERE id = ?", "i", id) : rc;
}

/* *all: none is left. */
static mk_result
observations_move(struct db *db, int64_t from, int64_t to, bool *all, mk_err *err)
{
	int64_t ids[MOVED_AT_ONCE];
	uint32_t count = 0;
	sqlite3_stmt *row;
	mk_result rc =
	    db_stmt(db,
		    "SELECT id FROM observations WHERE transmission_id = ? ORDER BY id LIMIT 100",
		    &row, err);

	if (rc == MK_OK)
		rc = db_bind(db, err, row, "i", from);
	while (rc == MK_OK && count < MOVED_AT_ONCE) {
		rc = db_step(db, row, err);
		if (rc == MK_OK)
			ids[count++] = sqlite3_column_int64(row, 0);
	}
	if (rc == MK_ENOENT)
		rc = MK_OK;
	if (rc == MK_OK)
		sqlite3_reset(row);
	for (uint32_t i = 0; i < count && rc == MK_OK; i++)
		rc = observation_move(db, ids[i], to, err);
	*all = count < MOVED_AT_ONCE;
	return rc;
}

/* ----------------------------------------------------------------- aliases -- */

static mk_result
aliases_make(struct db *db, mk_err *err)
{
	int64_t there = 0;
	mk_result rc =
	    db_int(db, err, &there,
		   "SELECT count(*) FROM sqlite_master WHERE name = 'mk_hash_aliases'", "");

	if (rc != MK_OK || there > 0)
		return rc;
	return db_exec(db,
		       "CREATE TABLE mk_hash_aliases (hash TEXT PRIMARY KEY, "
		       "transmission_id INTEGER NOT NULL) WITHOUT ROWID;"
		       "CREATE INDEX mk_hash_aliases_tx ON mk_hash_aliases (transmission_id);"
		       "CREATE TRIGGER mk_hash_aliases_gone AFTER DELETE ON transmissions BEGIN "
		       "DELETE FROM mk_hash_aliases WHERE transmission_id = old.id; END",
		       err);
}

/* The packet that had `hash` is `id` now; what led to `before`, leads there. */
static mk_result
aliases_add(struct db *db, const char *hash, int64_t id, int64_t before, mk_err *err)
{
	mk_result rc = aliases_make(db, err);

	if (rc == MK_OK && before != id)
		rc = db_run(db, err,
			    "UPDATE mk_hash_aliases SET transmission_id = ?1 "
			    "WHERE transmission_id = ?2",
			    "ii", id, before);
	if (rc == MK_OK && hash != NULL && hash[0] != '\0')
		rc = db_run(db, err,
			    "INSERT INTO mk_hash_aliases (hash, transmission_id) VALUES (?, ?) "
			    "ON CONFLICT (hash) DO UPDATE SET "
			    "transmission_id = excluded.transmission_id",
			    "si", hash, id);
	return rc;
}

/* -------------------------------------------------------------------- rows -- */

/* `stored`: the hash that one of them has and neither is to have. */
static mk_result
transmissions_merge(struct chunk *c, int64_t keep, int64_t lose, const char *stored,
		    const char *hash, mk_err *err)
{
	bool all = false;
	mk_result rc = observations_move(c->db, lose, keep, &all, err);

	if (rc != MK_OK)
		return rc;
	if (!all) {
		c->stay = true;
		return MK_OK;
	}
	rc = db_run(
	    c->db, err,
	    "UPDATE transmissions SET first_seen = min(first_seen, o.first), "
	    "last_seen = max(last_seen, o.last), from_pubkey = COALESCE(from_pubkey, o.key), "
	    "channel_hash = COALESCE(channel_hash, o.channel), "
	    "scope_name = COALESCE(scope_name, o.scope) FROM "
	    "(SELECT first_seen AS first, last_seen AS last, from_pubkey AS key, "
	    "channel_hash AS channel, scope_name AS scope FROM transmissions WHERE id = ?2) "
	    "AS o WHERE id = ?1",
	    "ii", keep, lose);
	if (rc == MK_OK)
		rc = aliases_add(c->db, stored, keep, lose, err);
	if (rc == MK_OK)
		rc = db_run(c->db, err, "DELETE FROM transmissions WHERE id = ?", "i", lose);
	if (rc == MK_OK)
		rc = db_run(c->db, err,
			    "UPDATE transmissions SET hash = ?2 WHERE id = ?1 AND hash <> ?2", "is",
			    keep, hash);
	return rc;
}

mk_result
rehash_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	const char *raw = (const char *)sqlite3_column_text(row, 1);
	const char *stored = (const char *)sqlite3_column_text(row, 2);
	int64_t id = sqlite3_column_int64(row, 0), other = 0;
	char hash[MC_HASH_TEXT];
	mk_result rc;

	/* Messages from a bridge have no bytes; their hash is of the text. */
	if (raw == NULL || raw[0] == '\0')
		return MK_OK;
	mc_hash_stored(raw, hash);
	if (stored != NULL && strcmp(hash, stored) == 0)
		return MK_OK;
	rc = db_int(c->db, err, &other, "SELECT id FROM transmissions WHERE hash = ?", "s", hash);
	if (rc == MK_ENOENT) {
		rc = aliases_add(c->db, stored, id, id, err);
		if (rc == MK_OK)
			rc = db_run(c->db, err, "UPDATE transmissions SET hash = ?2 WHERE id = ?1",
				    "is", id, hash);
		return rc;
	}
	if (rc != MK_OK)
		return rc;
	return transmissions_merge(c, id < other ? id : other, id < other ? other : id, stored,
				   hash, err);
}
