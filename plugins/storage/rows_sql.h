/* SPDX-License-Identifier: MIT
 *
 * The statements of the ingest: name and text.
 *
 * A last_seen is max(min(old, now), new): it never goes back, and values from the future, which
 * earlier programs stored, are healed. No "" replaces anything.
 */
#ifndef STORAGE_ROWS_SQL_H
#define STORAGE_ROWS_SQL_H

/* clang-format off */
#define ROWS_STATEMENTS(X) \
	X(TX_FIND, "SELECT id, first_seen, last_seen, (SELECT count(*) FROM observations" \
	  " WHERE transmission_id = transmissions.id) FROM transmissions WHERE hash = ?1") \
	X(TX_INSERT, \
	  "INSERT INTO transmissions (raw_hex, hash, first_seen, route_type," \
	  " payload_type, payload_version, decoded_json, from_pubkey, last_seen," \
	  " channel_hash, scope_name) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10," \
	  " ?11)") \
	X(TX_EARLIER, "UPDATE transmissions SET first_seen = ?2 WHERE id = ?1") \
	X(TX_SEEN, \
	  "UPDATE transmissions SET last_seen = max(last_seen, ?2) WHERE id = ?1") \
	X(OBS_INSERT, \
	  "INSERT INTO observations (transmission_id, observer_idx, direction, snr," \
	  " rssi, score, path_json, timestamp, resolved_path, raw_hex)" \
	  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)" \
	  " ON CONFLICT (transmission_id, observer_idx, COALESCE(path_json, ''))" \
	  " DO NOTHING") \
	/* IS: without an observer, too, there is only one. */ \
	X(OBS_FIND, "SELECT id FROM observations WHERE transmission_id = ?1 AND" \
	  " observer_idx IS ?2 AND COALESCE(path_json, '') = ?7") \
	/* Only what was not known: who has heard of a row must find it as it was told. */ \
	X(OBS_FILL, \
	  "UPDATE observations SET snr = coalesce(snr, ?4), rssi = coalesce(rssi, ?5)," \
	  " score = coalesce(score, ?6), raw_hex = coalesce(raw_hex, ?10)," \
	  " resolved_path = coalesce(resolved_path, ?9) WHERE id = ?1") \
	X(OBSERVER_FIND, "SELECT rowid, name, iata FROM observers WHERE id = ?1") \
	X(OBSERVER_INSERT, \
	  "INSERT INTO observers (id, name, iata, first_seen, packet_count)" \
	  " VALUES (?1, ?2, ?3, ?4, 0)") \
	X(OBSERVER_NAME, \
	  "UPDATE observers SET name = coalesce(?2, name), iata = coalesce(?3, iata)" \
	  " WHERE rowid = ?1") \
	X(OBSERVER_STATUS, \
	  "UPDATE observers SET model = coalesce(?2, model)," \
	  " firmware = coalesce(?3, firmware)," \
	  " client_version = coalesce(?4, client_version), radio = coalesce(?5, radio)," \
	  " battery_mv = coalesce(?6, battery_mv)," \
	  " uptime_secs = coalesce(?7, uptime_secs)," \
	  " noise_floor = coalesce(?8, noise_floor)," \
	  " can_relay = coalesce(?9, can_relay)," \
	  " can_relay_seen = CASE WHEN ?9 IS NULL THEN can_relay_seen ELSE 1 END" \
	  " WHERE rowid = ?1") \
	X(OBSERVER_SEEN, \
	  "UPDATE observers SET packet_count = coalesce(packet_count, 0) + ?2," \
	  " last_seen = CASE WHEN ?3 IS NULL THEN last_seen" \
	  "  ELSE max(min(coalesce(last_seen, ''), ?5), ?3) END," \
	  " last_packet_at = CASE WHEN ?4 IS NULL THEN last_packet_at" \
	  "  ELSE max(min(coalesce(last_packet_at, ''), ?5), ?4) END," \
	  " inactive = CASE WHEN ?3 IS NULL THEN inactive ELSE 0 END" \
	  " WHERE rowid = ?1 RETURNING rowid AS idx, *") \
	X(OBSERVER_SKEW, \
	  "UPDATE observers SET clock_skew_seconds = ?2," \
	  " clock_skew_count_24h = ?5 + CASE WHEN clock_last_naive_at >= ?4" \
	  "  THEN coalesce(clock_skew_count_24h, 0) ELSE 0 END," \
	  " clock_last_naive_at = ?3 WHERE rowid = ?1") \
	X(OBSERVER_ROW, "SELECT rowid AS idx, * FROM observers WHERE id = ?1") \
	X(NODE_INACTIVE, "SELECT 1 FROM inactive_nodes WHERE public_key = ?1") \
	/* In both tables it is after CoreScope had made it anew: then both have counted. */ \
	X( \
	  NODE_RETURN, "INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen," \
	  " advert_count, battery_mv, temperature_c, foreign_advert, default_scope," \
	  " multibyte_sup, multibyte_evidence)" \
	  " SELECT public_key, name, role, lat, lon, last_seen, first_seen, advert_count," \
	  " battery_mv, temperature_c, foreign_advert, default_scope, multibyte_sup," \
	  " multibyte_evidence FROM inactive_nodes WHERE public_key = ?1" \
	  " ON CONFLICT (public_key) DO UPDATE SET" \
	  " first_seen = min(coalesce(first_seen, excluded.first_seen)," \
	  "  coalesce(excluded.first_seen, first_seen))," \
	  " advert_count = coalesce(advert_count, 0) + coalesce(excluded.advert_count, 0)," \
	  " lat = coalesce(lat, excluded.lat), lon = coalesce(lon, excluded.lon)," \
	  " battery_mv = coalesce(battery_mv, excluded.battery_mv)," \
	  " temperature_c = coalesce(temperature_c, excluded.temperature_c)," \
	  " default_scope = coalesce(default_scope, excluded.default_scope)," \
	  " multibyte_evidence = CASE WHEN excluded.multibyte_sup > multibyte_sup" \
	  "  THEN excluded.multibyte_evidence ELSE multibyte_evidence END," \
	  " multibyte_sup = max(multibyte_sup, excluded.multibyte_sup)") \
	X(NODE_LEAVE, "DELETE FROM inactive_nodes WHERE public_key = ?1") \
	X(NODE_SEEN, \
	  "INSERT INTO nodes (public_key, name, role, lat, lon, last_seen, first_seen," \
	  " advert_count, battery_mv, temperature_c, foreign_advert, default_scope)" \
	  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, coalesce(?11, 0), ?12)" \
	  " ON CONFLICT (public_key) DO UPDATE SET" \
	  " name = coalesce(excluded.name, name), role = coalesce(excluded.role, role)," \
	  " lat = coalesce(excluded.lat, lat), lon = coalesce(excluded.lon, lon)," \
	  " last_seen = max(min(coalesce(last_seen, ''), ?13), excluded.last_seen)," \
	  " advert_count = coalesce(advert_count, 0) + excluded.advert_count," \
	  " battery_mv = coalesce(excluded.battery_mv, battery_mv)," \
	  " temperature_c = coalesce(excluded.temperature_c, temperature_c)," \
	  " foreign_advert = coalesce(?11, foreign_advert)," \
	  " default_scope = coalesce(excluded.default_scope, default_scope)" \
	  " RETURNING *") \
	X(NODE_ROW, "SELECT * FROM nodes WHERE public_key = ?1") \
	X(NODE_INACTIVE_ROW, "SELECT * FROM inactive_nodes WHERE public_key = ?1") \
	/* A later sample of the same bucket adds what it has. */ \
	X(METRICS_SAMPLE, \
	  "INSERT INTO observer_metrics (observer_id, timestamp, noise_floor," \
	  " tx_air_secs, rx_air_secs, recv_errors, battery_mv, packets_sent," \
	  " packets_recv) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)" \
	  " ON CONFLICT (observer_id, timestamp) DO UPDATE SET" \
	  " noise_floor = coalesce(excluded.noise_floor, noise_floor)," \
	  " tx_air_secs = coalesce(excluded.tx_air_secs, tx_air_secs)," \
	  " rx_air_secs = coalesce(excluded.rx_air_secs, rx_air_secs)," \
	  " recv_errors = coalesce(excluded.recv_errors, recv_errors)," \
	  " battery_mv = coalesce(excluded.battery_mv, battery_mv)," \
	  " packets_sent = coalesce(excluded.packets_sent, packets_sent)," \
	  " packets_recv = coalesce(excluded.packets_recv, packets_recv)") \
	X(DROPPED_INSERT, \
	  "INSERT INTO dropped_packets (hash, raw_hex, reason, observer_id," \
	  " observer_name, node_pubkey, node_name, dropped_at)" \
	  " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS" \
	  " (SELECT 1 FROM dropped_packets WHERE hash = ?1 AND observer_id IS ?4)") \
	X(CLIENT_INSERT, \
	  "INSERT INTO client_receptions (rx_pubkey, heard_key, heard_keylen, rssi, snr," \
	  " lat, lon, pos_acc_m, rx_at, ingested_at, src)" \
	  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)" \
	  " ON CONFLICT (rx_pubkey, heard_key, rx_at) DO NOTHING") \
	X(CLIENT_NAME, \
	  "INSERT INTO client_observers (pubkey, name, last_seen) VALUES (?1, ?2, ?3)" \
	  " ON CONFLICT (pubkey) DO UPDATE SET name = excluded.name," \
	  " last_seen = max(min(coalesce(last_seen, ''), ?4), excluded.last_seen)")
/* clang-format on */

#endif
