/* SPDX-License-Identifier: MIT
 *
 * The lists of schema_list.h. To add a column, append it to its table: new databases get it at the
 * end, old ones at the next start.
 */
#include "schema_list.h"

static const struct column nodes[] = {
	{ "public_key", "TEXT PRIMARY KEY" },
	{ "name", "TEXT" },
	{ "role", "TEXT" },
	{ "lat", "REAL" },
	{ "lon", "REAL" },
	{ "last_seen", "TEXT" },
	{ "first_seen", "TEXT" },
	{ "advert_count", "INTEGER DEFAULT 0" },
	{ "battery_mv", "INTEGER" },
	{ "temperature_c", "REAL" },
	{ "foreign_advert", "INTEGER DEFAULT 0" },
	{ "default_scope", "TEXT DEFAULT NULL" },
	{ "multibyte_sup", "INTEGER NOT NULL DEFAULT 0" },
	{ "multibyte_evidence", "TEXT" },
	{ NULL, NULL },
};

static const struct column observers[] = {
	{ "id", "TEXT PRIMARY KEY" },
	{ "name", "TEXT" },
	{ "iata", "TEXT" },
	{ "last_seen", "TEXT" },
	{ "first_seen", "TEXT" },
	{ "packet_count", "INTEGER DEFAULT 0" },
	{ "model", "TEXT" },
	{ "firmware", "TEXT" },
	{ "client_version", "TEXT" },
	{ "radio", "TEXT" },
	{ "battery_mv", "INTEGER" },
	{ "uptime_secs", "INTEGER" },
	{ "noise_floor", "REAL" },
	{ "inactive", "INTEGER DEFAULT 0" },
	{ "last_packet_at", "TEXT DEFAULT NULL" },
	{ "clock_skew_seconds", "INTEGER DEFAULT NULL" },
	{ "clock_skew_count_24h", "INTEGER DEFAULT 0" },
	{ "clock_last_naive_at", "TEXT DEFAULT NULL" },
	{ "can_relay", "INTEGER DEFAULT 1" },
	{ "can_relay_seen", "INTEGER DEFAULT 0" },
	{ NULL, NULL },
};

static const struct column transmissions[] = {
	{ "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
	{ "raw_hex", "TEXT NOT NULL" },
	{ "hash", "TEXT NOT NULL UNIQUE" },
	{ "first_seen", "TEXT NOT NULL" },
	{ "route_type", "INTEGER" },
	{ "payload_type", "INTEGER" },
	{ "payload_version", "INTEGER" },
	{ "decoded_json", "TEXT" },
	{ "from_pubkey", "TEXT" },
	{ "last_seen", "INTEGER NOT NULL DEFAULT 0" },
	{ "created_at", "TEXT DEFAULT (datetime('now'))" },
	{ "channel_hash", "TEXT DEFAULT NULL" },
	{ "scope_name", "TEXT DEFAULT NULL" },
	{ NULL, NULL },
};

static const struct column observations[] = {
	{ "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
	{ "transmission_id", "INTEGER NOT NULL REFERENCES transmissions(id)" },
	{ "observer_idx", "INTEGER" },
	{ "direction", "TEXT" },
	{ "snr", "REAL" },
	{ "rssi", "REAL" },
	{ "score", "INTEGER" },
	{ "path_json", "TEXT" },
	{ "timestamp", "INTEGER NOT NULL" },
	{ "resolved_path", "TEXT" },
	{ "raw_hex", "TEXT" },
	{ NULL, NULL },
};

static const struct column neighbor_edges[] = {
	{ "node_a", "TEXT NOT NULL" },
	{ "node_b", "TEXT NOT NULL" },
	{ "count", "INTEGER DEFAULT 1" },
	{ "last_seen", "TEXT" },
	{ NULL, NULL },
};

static const struct column observer_metrics[] = {
	{ "observer_id", "TEXT NOT NULL" }, { "timestamp", "TEXT NOT NULL" },
	{ "noise_floor", "REAL" },          { "tx_air_secs", "INTEGER" },
	{ "rx_air_secs", "INTEGER" },       { "recv_errors", "INTEGER" },
	{ "battery_mv", "INTEGER" },        { "packets_sent", "INTEGER" },
	{ "packets_recv", "INTEGER" },      { NULL, NULL },
};

static const struct column dropped_packets[] = {
	{ "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
	{ "hash", "TEXT" },
	{ "raw_hex", "TEXT" },
	{ "reason", "TEXT NOT NULL" },
	{ "observer_id", "TEXT" },
	{ "observer_name", "TEXT" },
	{ "node_pubkey", "TEXT" },
	{ "node_name", "TEXT" },
	{ "dropped_at", "DATETIME DEFAULT CURRENT_TIMESTAMP" },
	{ NULL, NULL },
};

static const struct column client_receptions[] = {
	{ "id", "INTEGER PRIMARY KEY AUTOINCREMENT" },
	{ "rx_pubkey", "TEXT NOT NULL" },
	{ "heard_key", "TEXT NOT NULL" },
	{ "heard_keylen", "INTEGER NOT NULL" },
	{ "rssi", "INTEGER" },
	{ "snr", "REAL" },
	{ "lat", "REAL NOT NULL" },
	{ "lon", "REAL NOT NULL" },
	{ "pos_acc_m", "REAL" },
	{ "rx_at", "TEXT NOT NULL" },
	{ "ingested_at", "TEXT NOT NULL" },
	{ "src", "TEXT NOT NULL" },
	{ NULL, NULL },
};

static const struct column client_observers[] = {
	{ "pubkey", "TEXT PRIMARY KEY" },
	{ "name", "TEXT" },
	{ "last_seen", "TEXT" },
	{ NULL, NULL },
};

static const struct column migrations[] = { { "name", "TEXT PRIMARY KEY" }, { NULL, NULL } };

static const struct column async_migrations[] = {
	{ "name", "TEXT PRIMARY KEY" },
	{ "status", "TEXT NOT NULL" },
	{ "started_at", "TEXT NOT NULL DEFAULT (datetime('now'))" },
	{ "ended_at", "TEXT" },
	{ "error", "TEXT" },
	{ "rows_processed", "INTEGER NOT NULL DEFAULT 0" },
	{ "rows_total", "INTEGER NOT NULL DEFAULT 0" },
	{ "last_update_at", "TEXT" },
	{ NULL, NULL },
};

static const struct column mk_state[] = {
	{ "name", "TEXT PRIMARY KEY" },
	{ "value", "" },
	{ NULL, NULL },
};

/* Where a job goes on: the last id that is done, and the highest one it will look at. */
static const struct column mk_jobs[] = {
	{ "name", "TEXT PRIMARY KEY" },
	{ "cursor", "INTEGER NOT NULL DEFAULT 0" },
	{ "until", "INTEGER NOT NULL DEFAULT 0" },
	{ "skipped", "INTEGER NOT NULL DEFAULT 0" },
	{ "attempts", "INTEGER NOT NULL DEFAULT 0" },
	{ "paused", "INTEGER NOT NULL DEFAULT 0" },
	{ "begun", "INTEGER NOT NULL DEFAULT 1" }, /* the position counts */
	{ NULL, NULL },
};

/* Per origin on the bus, up to which number everything is in committed transactions. */
static const struct column mk_sources[] = {
	{ "source", "TEXT PRIMARY KEY" },
	{ "epoch", "INTEGER NOT NULL" },
	{ "mark", "INTEGER NOT NULL" },
	{ NULL, NULL },
};

/* The last value of each topic snapshot/NAME: part 0 is the base, the others are deltas to it. */
static const struct column mk_snapshots[] = {
	{ "name", "TEXT NOT NULL" },
	{ "part", "INTEGER NOT NULL" },
	{ "schema", "INTEGER NOT NULL" },
	{ "origin", "TEXT NOT NULL" },
	{ "saved_at", "INTEGER NOT NULL" },
	{ "body", "BLOB NOT NULL" },
	{ NULL, NULL },
};

/* What CoreScope's neighbor_edges lacks: times are Unix seconds, modes and observers JSON. */
static const struct column mk_neighbor_edges[] = {
	{ "node_a", "TEXT NOT NULL" },        { "node_b", "TEXT NOT NULL" },
	{ "first_seen", "INTEGER NOT NULL" }, { "count_ab", "INTEGER NOT NULL" },
	{ "modes", "TEXT NOT NULL" },         { "snr", "REAL" },
	{ "snr_n", "INTEGER NOT NULL" },      { "observers", "TEXT NOT NULL" },
	{ "resolved", "INTEGER NOT NULL" },   { NULL, NULL },
};

/* Multi-byte capability by key, also while a node is in neither table. */
static const struct column mk_capability[] = {
	{ "public_key", "TEXT PRIMARY KEY" },
	{ "sup", "INTEGER NOT NULL" },
	{ "evidence", "TEXT NOT NULL" },
	{ "max_size", "INTEGER NOT NULL" },
	{ "evidence_at", "INTEGER NOT NULL" },
	{ "candidates", "INTEGER NOT NULL" },
	{ NULL, NULL },
};

/* Referenced tables come first. */
const struct table schema_tables[] = {
	{ "nodes", nodes, "", "public_key" },
	{ "inactive_nodes", nodes, "", "public_key" },
	{ "observers", observers, "", "id" },
	{ "transmissions", transmissions, "", "hash" },
	{ "observations", observations, "", "id" },
	{ "neighbor_edges", neighbor_edges, ", PRIMARY KEY (node_a, node_b)", "node_a, node_b" },
	{ "observer_metrics", observer_metrics, ", PRIMARY KEY (observer_id, timestamp)",
	  "observer_id, timestamp" },
	{ "dropped_packets", dropped_packets, "", "id" },
	{ "client_receptions", client_receptions, ", UNIQUE (rx_pubkey, heard_key, rx_at)",
	  "rx_pubkey, heard_key, rx_at" },
	{ "client_observers", client_observers, "", "pubkey" },
	{ "_migrations", migrations, "", "name" },
	{ "_async_migrations", async_migrations, "", "name" },
	{ "mk_state", mk_state, "", "name" },
	{ "mk_jobs", mk_jobs, "", "name" },
	{ "mk_sources", mk_sources, "", "source" },
	{ "mk_snapshots", mk_snapshots, ", PRIMARY KEY (name, part)", "name, part" },
	{ "mk_neighbor_edges", mk_neighbor_edges, ", PRIMARY KEY (node_a, node_b)",
	  "node_a, node_b" },
	{ "mk_capability", mk_capability, "", "public_key" },
	{ NULL, NULL, NULL, NULL },
};

const char schema_dedup_index[] = "idx_observations_dedup";

#define INDEX(name, table, rest)                                          \
	{                                                                 \
		name, table, "CREATE INDEX " name " ON " table rest, NULL \
	}
#define UNIQUE_INDEX(name, table, rest)                                          \
	{                                                                        \
		name, table, "CREATE UNIQUE INDEX " name " ON " table rest, NULL \
	}
#define LATER_INDEX(name, table, columns)                                                \
	{                                                                                \
		name, table, "CREATE INDEX " name " ON " table " (" columns ")", columns \
	}

/* The unique one as soon as possible; merging what it forbids needs the first one. */
const struct schema_index schema_indexes[] = {
	INDEX("idx_observations_transmission_id", "observations", "(transmission_id)"),
	UNIQUE_INDEX("idx_observations_dedup", "observations",
		     "(transmission_id, observer_idx, COALESCE(path_json, ''))"),
	INDEX("idx_nodes_last_seen", "nodes", "(last_seen)"),
	INDEX("idx_nodes_foreign_advert", "nodes", "(foreign_advert) WHERE foreign_advert = 1"),
	INDEX("idx_inactive_nodes_last_seen", "inactive_nodes", "(last_seen)"),
	INDEX("idx_observers_last_seen", "observers", "(last_seen)"),
	INDEX("idx_transmissions_hash", "transmissions", "(hash)"),
	INDEX("idx_transmissions_first_seen", "transmissions", "(first_seen)"),
	INDEX("idx_transmissions_payload_type", "transmissions", "(payload_type)"),
	INDEX("idx_transmissions_from_pubkey", "transmissions", "(from_pubkey)"),
	INDEX("idx_tx_channel_hash", "transmissions", "(channel_hash) WHERE payload_type = 5"),
	INDEX("idx_tx_scope_name", "transmissions", "(scope_name) WHERE scope_name IS NOT NULL"),
	INDEX("idx_tx_last_seen_zero", "transmissions", "(id) WHERE last_seen = 0"),
	LATER_INDEX("idx_observations_observer_idx", "observations", "observer_idx"),
	LATER_INDEX("idx_observations_timestamp", "observations", "timestamp"),
	LATER_INDEX("idx_observations_tx_ts", "observations", "transmission_id, timestamp"),
	LATER_INDEX("idx_observations_observer_idx_timestamp", "observations",
		    "observer_idx, timestamp"),
	INDEX("idx_observer_metrics_timestamp", "observer_metrics", "(timestamp)"),
	INDEX("idx_dropped_observer", "dropped_packets", "(observer_id)"),
	INDEX("idx_dropped_node", "dropped_packets", "(node_pubkey)"),
	INDEX("mk_dropped_hash", "dropped_packets", "(hash, observer_id)"),
	INDEX("idx_client_recept_heard_geo", "client_receptions",
	      "(heard_key, heard_keylen, lat, lon)"),
	INDEX("idx_client_recept_latlon", "client_receptions", "(lat, lon)"),
	INDEX("idx_client_recept_rxat", "client_receptions", "(rx_at)"),
	{ NULL, NULL, NULL, NULL },
};

const char schema_view[] =
    "CREATE VIEW packets_v AS\n"
    "  SELECT o.id AS id, COALESCE(o.raw_hex, t.raw_hex) AS raw_hex,\n"
    "         datetime(o.timestamp, 'unixepoch') AS timestamp,\n"
    "         obs.id AS observer_id, obs.name AS observer_name,\n"
    "         o.direction, o.snr, o.rssi, o.score,\n"
    "         t.hash, t.route_type, t.payload_type, t.payload_version,\n"
    "         o.path_json, t.decoded_json, t.created_at\n"
    "    FROM observations o\n"
    "    JOIN transmissions t ON t.id = o.transmission_id\n"
    "    LEFT JOIN observers obs ON obs.rowid = o.observer_idx\n"
    "                           AND (obs.inactive IS NULL OR obs.inactive = 0)";

const char *const schema_dropped[] = { "idx_tx_last_seen", "idx_client_recept_rxpk", NULL };

const char *const schema_markers[] = {
	"noise_floor_real_v1",
	"node_telemetry_v1",
	"observer_metrics_v1",
	"observer_metrics_ts_idx",
	"observers_inactive_v1",
	"observer_metrics_packets_v1",
	"dropped_packets_v1",
	"observers_last_packet_at_v1",
	"observers_clock_naive_v1",
	"foreign_advert_v1",
	"from_pubkey_v1",
	"scope_name_v1",
	"nodes_default_scope_v1",
	"observations_raw_hex_v1",
	NULL,
};

const char *const schema_job_markers[] = {
	"advert_count_unique_v1",
	"channel_hash_v1",
	"channel_hash_casing_v1",
	"cleanup_legacy_null_hash_ts",
	"backfill_path_json_from_raw_hex_v1",
	"obs_timestamp_index_v1",
	"obs_observer_ts_idx_v1",
	NULL,
};
