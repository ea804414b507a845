/* SPDX-License-Identifier: MIT
 *
 * What an upgraded database still needs: rows that were written before a column existed, or by a
 * program that did it differently. Nothing here is needed for writing new rows.
 *
 * Totals are counted up to a limit, because counting is a scan, too; beyond it the distance between
 * ids serves.
 */
#include "job_impl.h"

#include <ctype.h>
#include <string.h>

#include <meshcore/frame.h>
#include <meshcore/hex.h>

#define TOTAL_OF_IDS(table) "SELECT COALESCE(?1 - min(id) + 1, 0) FROM " table

#define TOTAL_COUNTED(table, condition)                                                    \
	"WITH few AS (SELECT count(*) AS n FROM (SELECT 1 FROM " table " WHERE " condition \
	" AND id <= ?1 LIMIT 10000)) "                                                     \
	"SELECT CASE WHEN n < 10000 THEN n ELSE (SELECT ?1 - min(id) + 1 FROM " table      \
	") END FROM few"

static bool
flag(sqlite3_stmt *row, int column)
{
	return sqlite3_column_int(row, column) != 0;
}

/* ----------------------------------------------------------------- transmissions -- */

/* Hundreds of observations at a time: one transmission may have any number of them. */
#define OBSERVATIONS_AT_ONCE 200

static mk_result
cleanup_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	int64_t id = sqlite3_column_int64(row, 0);
	mk_result rc;

	if (!flag(row, 1))
		return MK_OK;
	rc = db_run(c->db, err,
		    "DELETE FROM observations WHERE id IN "
		    "(SELECT id FROM observations WHERE transmission_id = ? LIMIT 200)",
		    "i", id);
	if (rc == MK_OK && db_changes(c->db) == OBSERVATIONS_AT_ONCE)
		c->stay = true;
	else if (rc == MK_OK)
		rc = job_update(c, "DELETE FROM transmissions WHERE id = ?", id, err);
	return rc;
}

/* Without observations, the first time it was seen is the last one, too; a 0 that stayed would be
 * looked at for ever. */
static mk_result
last_seen_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	return job_update(
	    c,
	    "UPDATE transmissions SET last_seen = COALESCE("
	    "(SELECT max(timestamp) FROM observations INDEXED BY idx_observations_tx_ts "
	    "WHERE transmission_id = ?1), "
	    "CAST(strftime('%s', first_seen) AS INTEGER), 0) WHERE id = ?1",
	    sqlite3_column_int64(row, 0), err);
}

/* '' stands for "looked at, and there is none". */
static mk_result
from_pubkey_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	if (!flag(row, 1))
		return MK_OK;
	return job_update(
	    c,
	    "UPDATE transmissions SET from_pubkey = COALESCE("
	    "CASE WHEN json_valid(decoded_json) "
	    "THEN lower(json_extract(decoded_json, '$.pubKey')) END, '') WHERE id = ?1",
	    sqlite3_column_int64(row, 0), err);
}

static mk_result
channel_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	int64_t id = sqlite3_column_int64(row, 0);
	mk_result rc = MK_OK;

	if (flag(row, 1))
		rc = job_update(c,
				"UPDATE transmissions SET channel_hash = CASE "
				"WHEN NOT json_valid(decoded_json) THEN NULL "
				"WHEN json_extract(decoded_json, '$.type') = 'CHAN' "
				"THEN json_extract(decoded_json, '$.channel') "
				"WHEN json_extract(decoded_json, '$.type') = 'GRP_TXT' "
				"THEN 'enc_' || json_extract(decoded_json, '$.channelHashHex') END "
				"WHERE id = ?1",
				id, err);
	if (rc == MK_OK && (flag(row, 1) || flag(row, 2)))
		rc = job_update(c,
				"UPDATE transmissions SET channel_hash = 'Public' "
				"WHERE id = ?1 AND lower(channel_hash) = 'public'",
				id, err);
	return rc;
}

/* ------------------------------------------------------------------ observations -- */

/* ["A1","B2"] of the hops; "[]" if there are none or the packet cannot be read. */
static void
path_text(const char *raw_hex, char *out, size_t size)
{
	uint8_t raw[MC_FRAME_MAX + 1];
	struct mc_frame frame;
	struct mc_hops hops = { .count = 0 };
	size_t len = 0, at = 1;

	if (raw_hex != NULL && mc_hex_decode(raw_hex, strlen(raw_hex), raw, sizeof(raw), &len) &&
	    mc_frame_parse(&frame, raw, len) == MC_GOOD)
		hops = mc_frame_hops(&frame);
	out[0] = '[';
	for (uint32_t i = 0; i < hops.count && at + 2u * hops.size + 5 < size; i++) {
		if (i > 0)
			out[at++] = ',';
		out[at++] = '"';
		(void)mc_hex_upper(hops.at + (size_t)i * hops.size, hops.size, out + at);
		at += 2u * hops.size;
		out[at++] = '"';
	}
	out[at++] = ']';
	out[at] = '\0';
}

/* A copy that turns out to be one already stored is left as it is. */
static mk_result
path_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	char path[512];

	if (!flag(row, 1))
		return MK_OK;
	path_text((const char *)sqlite3_column_text(row, 2), path, sizeof(path));
	return job_spare(c, db_run(c->db, err, "UPDATE observations SET path_json = ? WHERE id = ?",
				   "si", path, sqlite3_column_int64(row, 0)));
}

/* ------------------------------------------------------------------------- nodes -- */

static bool
has_upper(const char *text)
{
	for (; text != NULL && *text != '\0'; text++) {
		if (isupper((unsigned char)*text))
			return true;
	}
	return false;
}

/* Under its old name it is gone, under the new one it is there. */
static void
key_changed(struct chunk *c, const char *table, const char *key)
{
	char lower[65];
	size_t len = strlen(key);

	job_changed(c, table, key);
	if (len >= sizeof(lower))
		return;
	for (size_t i = 0; i <= len; i++)
		lower[i] = (char)tolower((unsigned char)key[i]);
	job_changed(c, table, lower);
}

static mk_result
node_key_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	const char *key = (const char *)sqlite3_column_text(row, 1);
	int64_t id = sqlite3_column_int64(row, 0);
	mk_result rc;

	if (!has_upper(key))
		return MK_OK;
	rc = job_update(c, NODE_MERGE("nodes", "lower(public_key)", "nodes WHERE rowid = ?1"), id,
			err);
	if (rc == MK_OK)
		rc = job_update(c, "DELETE FROM nodes WHERE rowid = ?", id, err);
	if (rc == MK_OK)
		key_changed(c, "nodes", key);
	return rc;
}

static mk_result
inactive_key_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	const char *key = (const char *)sqlite3_column_text(row, 1);
	int64_t id = sqlite3_column_int64(row, 0);
	mk_result rc;

	if (!has_upper(key))
		return MK_OK;
	rc = job_update(c,
			NODE_MERGE("inactive_nodes", "lower(public_key)",
				   "inactive_nodes WHERE rowid = ?1"),
			id, err);
	if (rc == MK_OK)
		rc = job_update(c, "DELETE FROM inactive_nodes WHERE rowid = ?", id, err);
	if (rc == MK_OK)
		key_changed(c, "inactive_nodes", key);
	return rc;
}

/* Never downwards: the adverts that were counted may have been deleted since. */
static mk_result
advert_count_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	mk_result rc =
	    job_update(c,
		       "UPDATE nodes SET advert_count = n FROM (SELECT count(*) AS n "
		       "FROM transmissions INDEXED BY idx_transmissions_from_pubkey "
		       "WHERE from_pubkey = (SELECT public_key FROM nodes WHERE rowid = ?1)) "
		       "WHERE nodes.rowid = ?1 AND n > COALESCE(advert_count, 0)",
		       sqlite3_column_int64(row, 0), err);

	if (rc == MK_OK && db_changes(c->db) > 0)
		job_changed(c, "nodes", (const char *)sqlite3_column_text(row, 1));
	return rc;
}

/* The newest advert with a scope decides: the walk goes down, and whoever has one keeps it, also one
 * that was heard since. */
static mk_result
scope_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	int64_t id = -sqlite3_column_int64(row, 0);
	mk_result rc;

	if (!flag(row, 1))
		return MK_OK;
	rc = job_update(c,
			"UPDATE nodes SET default_scope = t.scope_name FROM transmissions t "
			"WHERE t.id = ?1 AND nodes.public_key = t.from_pubkey "
			"AND nodes.default_scope IS NULL",
			id, err);
	if (rc == MK_OK && db_changes(c->db) > 0)
		job_changed(c, "nodes", (const char *)sqlite3_column_text(row, 2));
	if (rc == MK_OK)
		rc = job_update(c,
				"UPDATE inactive_nodes SET default_scope = t.scope_name "
				"FROM transmissions t WHERE t.id = ?1 "
				"AND inactive_nodes.public_key = t.from_pubkey "
				"AND inactive_nodes.default_scope IS NULL",
				id, err);
	return rc;
}

/* -------------------------------------------------------------------------- list -- */

#define MAX_ID(table) "SELECT COALESCE(max(id), 0) FROM " table
#define BETWEEN " id > ?1 AND id <= ?2 ORDER BY id"
#define NODES(name) NODES_OF(name), .table = name
#define NODES_OF(table)                                                  \
	.until_sql = "SELECT COALESCE(max(rowid), 0) FROM " table,       \
	.total_sql = "SELECT count(*) FROM " table " WHERE rowid <= ?1", \
	.select_sql = "SELECT rowid, public_key FROM " table             \
		      " WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid"

#define INDEX_JOB(job, its)                                                       \
	.name = job, .table = "observations", .index = its, .run = job_index_run, \
	.until_sql = MAX_ID("observations"), .total_sql = "SELECT ?1"

const struct job_def backfill_jobs[] = {
	{ INDEX_JOB("mk_obs_tx_ts_idx_v1", "idx_observations_tx_ts") },
	{
	    INDEX_JOB("mk_obs_timestamp_idx_v1", "idx_observations_timestamp"),
	    .markers = { "obs_timestamp_index_v1" },
	},
	{ INDEX_JOB("mk_obs_observer_idx_v1", "idx_observations_observer_idx") },
	{
	    INDEX_JOB("obs_observer_ts_idx_v1", "idx_observations_observer_idx_timestamp"),
	    .markers = { "obs_observer_ts_idx_v1" },
	},
	{
	    .name = "cleanup_legacy_null_hash_ts",
	    .table = "transmissions",
	    .markers = { "cleanup_legacy_null_hash_ts" },
	    .trusted = true,
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_OF_IDS("transmissions"),
	    .select_sql = "SELECT id, COALESCE(hash, '') = '' OR COALESCE(first_seen, '') = '' "
			  "FROM transmissions WHERE" BETWEEN,
	    .row = cleanup_row,
	},
	{
	    .name = "tx_last_seen_backfill_v1",
	    .table = "transmissions",
	    .after = { "mk_obs_tx_ts_idx_v1" },
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_COUNTED("transmissions", "last_seen = 0"),
	    .select_sql = "SELECT id FROM transmissions INDEXED BY idx_tx_last_seen_zero "
			  "WHERE last_seen = 0 AND" BETWEEN,
	    .verify_sql = "SELECT count(*) FROM transmissions INDEXED BY idx_tx_last_seen_zero "
			  "WHERE last_seen = 0 AND id > ?1 AND id <= ?2 AND EXISTS (SELECT 1 "
			  "FROM observations INDEXED BY idx_observations_tx_ts "
			  "WHERE transmission_id = transmissions.id AND timestamp > 0)",
	    .row = last_seen_row,
	},
	{
	    .name = "mk_from_pubkey_v1",
	    .table = "transmissions",
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_COUNTED("transmissions", "payload_type = 4"),
	    .select_sql = "SELECT id, from_pubkey IS NULL FROM transmissions "
			  "INDEXED BY idx_transmissions_payload_type "
			  "WHERE payload_type = 4 AND" BETWEEN,
	    .verify_sql = "SELECT count(*) FROM transmissions "
			  "INDEXED BY idx_transmissions_payload_type WHERE payload_type = 4 "
			  "AND id > ?1 AND id <= ?2 AND from_pubkey IS NULL",
	    .row = from_pubkey_row,
	},
	{
	    .name = "mk_channel_hash_v1",
	    .table = "transmissions",
	    .markers = { "channel_hash_v1", "channel_hash_casing_v1" },
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_COUNTED("transmissions", "payload_type = 5"),
	    .select_sql = "SELECT id, channel_hash IS NULL, "
			  "lower(channel_hash) = 'public' AND channel_hash <> 'Public' "
			  "FROM transmissions INDEXED BY idx_transmissions_payload_type "
			  "WHERE payload_type = 5 AND" BETWEEN,
	    .row = channel_row,
	},
	{
	    .name = "mk_rehash_v1",
	    .table = "transmissions",
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_OF_IDS("transmissions"),
	    .select_sql = "SELECT id, raw_hex, hash FROM transmissions WHERE" BETWEEN,
	    .row = rehash_row,
	},
	{ .name = "mk_node_keys_v1", .born = 1, NODES("nodes"), .row = node_key_row },
	{
	    .name = "mk_inactive_node_keys_v1",
	    .born = 1,
	    NODES("inactive_nodes"),
	    .row = inactive_key_row,
	},
	{
	    .name = "mk_advert_count_v1",
	    .markers = { "advert_count_unique_v1" },
	    .after = { "mk_from_pubkey_v1", "mk_rehash_v1", "mk_node_keys_v1" },
	    .born = 1,
	    NODES("nodes"),
	    .row = advert_count_row,
	},
	{
	    .name = "backfill_default_scope_v1",
	    .table = "nodes",
	    .markers = { "backfill_default_scope_v1" },
	    .trusted = true,
	    .newest_first = true,
	    .after = { "mk_from_pubkey_v1", "mk_node_keys_v1" },
	    .born = 1,
	    .until_sql = MAX_ID("transmissions"),
	    .total_sql = TOTAL_COUNTED("transmissions", "payload_type = 4"),
	    .select_sql = "SELECT -id, COALESCE(scope_name, '') <> '', from_pubkey "
			  "FROM transmissions INDEXED BY idx_transmissions_payload_type "
			  "WHERE payload_type = 4 AND id < -?1 AND id <= ?2 ORDER BY id DESC",
	    .row = scope_row,
	},
	{
	    .name = "backfill_path_json_from_raw_hex_v1",
	    .table = "observations",
	    .markers = { "backfill_path_json_from_raw_hex_v1" },
	    .trusted = true,
	    .born = 1,
	    .until_sql = MAX_ID("observations"),
	    .total_sql = TOTAL_OF_IDS("observations"),
	    .select_sql = "SELECT id, COALESCE(path_json, '') = '' AND raw_hex <> '', raw_hex "
			  "FROM observations WHERE" BETWEEN,
	    .verify_sql = "SELECT count(*) FROM observations WHERE id > ?1 AND id <= ?2 "
			  "AND COALESCE(path_json, '') = '' AND raw_hex <> ''",
	    .row = path_row,
	},
	{
	    .name = "mk_resolved_path_v1",
	    .table = "observations",
	    .resolves = true,
	    .after = { "backfill_path_json_from_raw_hex_v1", "mk_node_keys_v1" },
	    .born = 1,
	    .until_sql = MAX_ID("observations"),
	    .total_sql = TOTAL_OF_IDS("observations"),
	    .select_sql =
		"SELECT o.id, o.resolved_path IS NULL AND o.path_json <> '[]', "
		"o.path_json, t.from_pubkey FROM observations o CROSS JOIN transmissions t "
		"ON t.id = o.transmission_id WHERE o.id > ?1 AND o.id <= ?2 "
		"ORDER BY o.id",
	    .row = resolved_row,
	},
	{ .name = NULL },
};
