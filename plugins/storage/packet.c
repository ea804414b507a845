/* SPDX-License-Identifier: MIT
 *
 * Packets: a transmission for each content, an observation for each observer and path.
 *
 * A packet is heard by many observers within seconds, so transmissions heard lately are found in a
 * table in memory, and when they were heard last is written once a transaction.
 */
#include "rows.h"

#include <stdlib.h>
#include <string.h>

#define TX_SLOTS 65536u /* a power of two */
#define TX_WAYS 4u
#define HASH_BYTES 8u

struct packet { /* what the fields of an item come to */
	uint64_t hash;
	bool has_from;
	uint8_t from[ITEM_KEY];
	struct hop hops[ITEM_HOPS];
	uint32_t hop_count;
	bool resolved;
	const char *keys[ITEM_HOPS];
	char raw[2 * ROWS_RAW_MAX + 1];
	char path[ITEM_HOPS * 19 + 3];
	char resolved_json[RESOLVE_TEXT];

	struct tx tx;
	bool tx_new, obs_new;
	int64_t obs;
};

/* ----------------------------------------------------------- recent ones -- */

void
rows_forget_txs(struct rows *r)
{
	if (r->txs != NULL)
		memset(r->txs, 0, TX_SLOTS * sizeof(*r->txs));
	r->tx_dirty_count = 0;
}

static mk_result
tx_alloc(struct rows *r, mk_err *err)
{
	if (r->txs == NULL)
		r->txs = calloc(TX_SLOTS, sizeof(*r->txs));
	if (r->tx_dirty == NULL)
		r->tx_dirty = calloc(TX_SLOTS, sizeof(*r->tx_dirty));
	return r->txs == NULL || r->tx_dirty == NULL ? mk_err_set(err, MK_ENOMEM, "out of memory")
						     : MK_OK;
}

static struct tx *
tx_recent(const struct rows *r, uint64_t hash)
{
	struct tx *set = &r->txs[hash & (TX_SLOTS - TX_WAYS)];

	for (size_t i = 0; i < TX_WAYS; i++)
		if (set[i].hash == hash && set[i].id != 0)
			return &set[i];
	return NULL;
}

static mk_result
tx_write_seen(struct rows *r, struct tx *tx, mk_err *err)
{
	sqlite3_stmt *s;

	if (!tx->dirty)
		return MK_OK;
	s = rows_statement(r, SQL_TX_SEEN);
	(void)sqlite3_bind_int64(s, 1, tx->id);
	(void)sqlite3_bind_int64(s, 2, tx->last_s);
	tx->dirty = false;
	return rows_run(r, s, err);
}

/* Remember it in place of the one of its set that was heard the longest ago. A slot may stand in
 * the list of dirty ones twice; the second time it is clean. */
static mk_result
tx_put(struct rows *r, const struct tx *tx, mk_err *err)
{
	struct tx *slot = tx_recent(r, tx->hash), *set = &r->txs[tx->hash & (TX_SLOTS - TX_WAYS)];
	mk_result rc = MK_OK;
	bool listed;

	for (size_t i = 0; slot == NULL && i < TX_WAYS; i++)
		if (set[i].id == 0)
			slot = &set[i];
	if (slot == NULL) {
		slot = set;
		for (size_t i = 1; i < TX_WAYS; i++)
			if (set[i].last_s < slot->last_s)
				slot = &set[i];
		rc = tx_write_seen(r, slot, err);
	}
	listed = slot->dirty;
	*slot = *tx;
	if (!tx->dirty || listed)
		return rc;
	if (r->tx_dirty_count == TX_SLOTS) {
		slot->dirty = true;
		return rc == MK_OK ? tx_write_seen(r, slot, err) : rc;
	}
	r->tx_dirty[r->tx_dirty_count++] = (uint32_t)(slot - r->txs);
	return rc;
}

mk_result
txs_flush(struct rows *r, mk_err *err)
{
	for (uint32_t i = 0; i < r->tx_dirty_count; i++) {
		mk_result rc = tx_write_seen(r, &r->txs[r->tx_dirty[i]], err);

		if (rc != MK_OK)
			return rc;
	}
	r->tx_dirty_count = 0;
	return MK_OK;
}

/* ------------------------------------------------------------- the fields -- */

static bool
packet_add_hop(struct packet *p, const char *s, size_t len, char **json)
{
	uint8_t bytes[8];

	if (len < 2 || len > 2 * sizeof(bytes) ||
	    !item_unhex((struct text){ s, len }, bytes, len / 2))
		return false;
	memcpy(p->hops[p->hop_count].bytes, bytes, len / 2);
	p->hops[p->hop_count].len = (uint8_t)(len / 2);
	if (p->hop_count++ > 0)
		*(*json)++ = ',';
	*(*json)++ = '"';
	memcpy(*json, s, len);
	*json += len;
	*(*json)++ = '"';
	return true;
}

static bool
packet_read_path(struct packet *p, const mk_val *path)
{
	uint32_t n = mk_count(path);
	char *json = p->path;

	p->hop_count = 0;
	*json++ = '[';
	if (n > ITEM_HOPS)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const char *s;
		size_t len;

		if (!mk_get_str(mk_at(path, i), &s, &len) || !packet_add_hop(p, s, len, &json))
			return false;
	}
	memcpy(json, "]", 2);
	return true;
}

static mk_result
packet_read(const struct item *it, struct packet *p, mk_err *err)
{
	uint8_t hash[HASH_BYTES];

	if (!item_unhex(it->hash, hash, sizeof(hash)))
		return mk_err_set(err, ROWS_NONSENSE, "a packet without a hash");
	memcpy(&p->hash, hash, sizeof(hash));
	p->has_from = it->from.s != NULL;
	if (p->has_from && !item_unhex(it->from, p->from, ITEM_KEY))
		return mk_err_set(err, ROWS_NONSENSE, "a sender that is no key");
	if (!packet_read_path(p, it->path))
		return mk_err_set(err, ROWS_NONSENSE, "a path that is none");
	if (it->raw.s == NULL && it->bridge == NULL)
		return mk_err_set(err, ROWS_NONSENSE, "a packet without its bytes");
	item_hex(it->raw.s, it->raw.s == NULL ? 0 : it->raw.len, true, p->raw);
	return MK_OK;
}

static void
packet_resolve(const struct rows *r, struct packet *p)
{
	p->resolved =
	    resolve_path(r->resolve, p->has_from ? p->from : NULL, p->hops, p->hop_count, p->keys);
	if (p->resolved)
		resolve_text(p->keys, p->hop_count, p->resolved_json);
}

/* --------------------------------------------------------------- the rows -- */

static mk_result
packet_find_tx(struct rows *r, const struct item *it, struct packet *p, mk_err *err)
{
	const struct tx *known = tx_recent(r, p->hash);
	sqlite3_stmt *s;
	mk_result rc;

	p->tx = (struct tx){ .hash = p->hash };
	if (known != NULL) {
		p->tx = *known;
		return MK_OK;
	}
	s = rows_statement(r, SQL_TX_FIND);
	rows_bind_text(s, 1, it->hash);
	rc = db_step(r->db, s, err);
	if (rc != MK_OK)
		return rc == MK_ENOENT ? MK_OK : rc;
	p->tx.id = sqlite3_column_int64(s, 0);
	p->tx.last_s = sqlite3_column_int64(s, 2);
	p->tx.observations = (uint32_t)sqlite3_column_int64(s, 3);
	if (!stamp_parse((const char *)sqlite3_column_text(s, 1), &p->tx.first_s))
		p->tx.first_s = 0;
	(void)sqlite3_reset(s);
	return MK_OK;
}

static mk_result
packet_insert_tx(struct rows *r, const struct item *it, struct packet *p, mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_TX_INSERT);
	mk_result rc;

	rows_bind_chars(s, 1, p->raw);
	rows_bind_text(s, 2, it->hash);
	rows_bind_chars(s, 3, stamp_text(&r->stamp, item_seconds(it)));
	rows_bind_integer(s, 4, it->route);
	rows_bind_integer(s, 5, it->type);
	rows_bind_integer(s, 6, it->version);
	rows_bind_text(s, 7, it->json);
	rows_bind_text(s, 8, it->from);
	(void)sqlite3_bind_int64(s, 9, item_seconds(it));
	rows_bind_text(s, 10, it->channel);
	rows_bind_text(s, 11, it->scope);
	if (it->scope.s != NULL && it->scope.len == 0)
		rows_bind_chars(s, 11, ""); /* scoped, by a region that we do not know */
	rc = rows_run(r, s, err);
	if (rc != MK_OK)
		return rc;
	p->tx = (struct tx){ .hash = p->hash,
			     .id = sqlite3_last_insert_rowid(db_handle(r->db)),
			     .first_s = item_seconds(it),
			     .last_s = item_seconds(it) };
	p->tx_new = true;
	return MK_OK;
}

static mk_result
packet_write_tx(struct rows *r, const struct item *it, struct packet *p, mk_err *err)
{
	mk_result rc = packet_find_tx(r, it, p, err);
	int64_t at = item_seconds(it);
	sqlite3_stmt *s;

	p->tx_new = false;
	if (rc != MK_OK)
		return rc;
	if (p->tx.id == 0)
		return packet_insert_tx(r, it, p, err);
	if (at > p->tx.last_s) {
		p->tx.last_s = at;
		p->tx.dirty = true;
	}
	if (at >= p->tx.first_s)
		return MK_OK;
	p->tx.first_s = at;
	s = rows_statement(r, SQL_TX_EARLIER);
	(void)sqlite3_bind_int64(s, 1, p->tx.id);
	rows_bind_chars(s, 2, stamp_text(&r->stamp, at));
	return rows_run(r, s, err);
}

static void
packet_bind_obs(sqlite3_stmt *s, const struct item *it, const struct packet *p,
		const struct observer *o)
{
	rows_bind_integer(s, 2, (struct integer){ o != NULL, o != NULL ? o->idx : 0 });
	rows_bind_text(s, 3, it->direction);
	rows_bind_real(s, 4, it->snr);
	rows_bind_real(s, 5, it->rssi);
	rows_bind_real(s, 6, it->score);
	rows_bind_text(s, 7, (struct text){ p->path, strlen(p->path) });
	(void)sqlite3_bind_int64(s, 8, item_seconds(it));
	rows_bind_text(s, 9,
		       (struct text){ p->resolved_json,
				      p->resolved ? strlen(p->resolved_json) : 0 });
	rows_bind_text(s, 10, (struct text){ p->raw, strlen(p->raw) });
}

static mk_result
packet_find_obs(struct rows *r, const struct packet *p, const struct observer *o, int64_t *id,
		mk_err *err)
{
	sqlite3_stmt *s = rows_statement(r, SQL_OBS_FIND);
	mk_result rc;

	(void)sqlite3_bind_int64(s, 1, p->tx.id);
	rows_bind_integer(s, 2, (struct integer){ o != NULL, o != NULL ? o->idx : 0 });
	rows_bind_chars(s, 7, p->path);
	rc = db_step(r->db, s, err);
	if (rc == MK_OK)
		*id = sqlite3_column_int64(s, 0);
	(void)sqlite3_reset(s);
	return rc;
}

/* The unique index tells most of the time. It takes no two NULLs for the same, so without an
 * observer one has to look first. */
static mk_result
packet_write_obs(struct rows *r, const struct item *it, struct packet *p, const struct observer *o,
		 mk_err *err)
{
	mk_result rc = o == NULL ? packet_find_obs(r, p, o, &p->obs, err) : MK_ENOENT;
	sqlite3_stmt *s;

	p->obs_new = false;
	if (rc == MK_ENOENT) {
		s = rows_statement(r, SQL_OBS_INSERT);
		packet_bind_obs(s, it, p, o);
		(void)sqlite3_bind_int64(s, 1, p->tx.id);
		rc = rows_run(r, s, err);
		p->obs_new = rc == MK_OK && db_changes(r->db) > 0;
		p->obs = sqlite3_last_insert_rowid(db_handle(r->db));
		p->tx.observations += p->obs_new;
		if (rc != MK_OK || p->obs_new)
			return rc;
		rc = packet_find_obs(r, p, o, &p->obs, err);
	}
	if (rc != MK_OK)
		return rc;
	s = rows_statement(r, SQL_OBS_FILL);
	packet_bind_obs(s, it, p, o);
	(void)sqlite3_bind_int64(s, 1, p->obs);
	return rows_run(r, s, err);
}

/* --------------------------------------------------------------- telling -- */

static bool
packet_is_ours(const char *key, size_t len)
{
	static const char *const ours[] = {
		"tx",         "obs",          "new",          "first",
		"first_seen", "observations", "observer_idx", "resolved"
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strlen(ours[i]) == len && memcmp(ours[i], key, len) == 0)
			return true;
	return false;
}

static void
packet_put_resolved(mk_writer *w, const struct packet *p)
{
	mk_kv_array(w, "resolved", p->hop_count);
	for (uint32_t i = 0; i < p->hop_count; i++) {
		if (p->keys[i] == NULL) {
			mk_put_nil(w);
			continue;
		}
		mk_put_strn(w, p->keys[i], KEY_CHARS);
	}
}

/* The item as it came, and what has become of it. */
static mk_result
packet_tell(struct rows *r, const struct item *it, const struct packet *p, const struct observer *o,
	    mk_err *err)
{
	mk_writer *w = events_item(r->events);
	uint32_t n = mk_count(it->map), pairs = 6u + (o != NULL) + (p->hop_count > 0);
	const char *key;
	size_t len;
	mk_result rc;

	for (uint32_t i = 0; i < n; i++)
		pairs += mk_get_str(mk_key_at(it->map, i), &key, &len) && !packet_is_ours(key, len);
	mk_put_map(w, pairs);
	for (uint32_t i = 0; i < n; i++) {
		if (!mk_get_str(mk_key_at(it->map, i), &key, &len) || packet_is_ours(key, len))
			continue;
		mk_put_strn(w, key, len);
		events_put(w, mk_val_at(it->map, i));
	}
	mk_kv_i64(w, "tx", p->tx.id);
	mk_kv_i64(w, "obs", p->obs);
	mk_kv_bool(w, "new", p->tx_new);
	mk_kv_bool(w, "first", p->obs_new);
	mk_kv_str(w, "first_seen", stamp_text(&r->stamp, p->tx.first_s));
	mk_kv_u64(w, "observations", p->tx.observations);
	if (o != NULL)
		mk_kv_i64(w, "observer_idx", o->idx);
	if (p->hop_count > 0)
		packet_put_resolved(w, p);
	rc = events_add(r->events, EVENT_STORED);
	return rc == MK_OK ? MK_OK : mk_err_set(err, rc, "telling it: %s", mk_result_text(rc));
}

/* Everything that can fail for this packet alone came before. */
static mk_result
packet_remember(struct rows *r, const struct item *it, const struct packet *p, struct observer *o,
		mk_err *err)
{
	mk_result rc = tx_put(r, &p->tx, err);

	if (rc == MK_OK && p->has_from && it->advert != NULL)
		rc = node_heard(r, it, p->from, p->tx_new, err);
	if (rc != MK_OK)
		return rc;
	if (o != NULL)
		observer_heard(r, o, it, p->obs_new);
	r->stats->tx_inserted += p->tx_new;
	r->stats->tx_dupes += !p->tx_new;
	r->stats->obs_inserted += p->obs_new;
	r->stats->obs_dupes += !p->obs_new;
	return MK_OK;
}

mk_result
rows_packet(struct rows *r, const struct item *it, mk_err *err)
{
	struct packet p;
	struct observer *o;
	mk_result rc = tx_alloc(r, err);

	if (it->rejected.s != NULL) {
		r->stats->rejected++;
		return MK_OK;
	}
	if (it->raw.s != NULL && it->raw.len > ROWS_RAW_MAX)
		return mk_err_set(err, ROWS_NONSENSE, "a packet of %zu bytes", it->raw.len);
	if (rc == MK_OK && it->refused.s == NULL)
		rc = packet_read(it, &p, err);
	/* What a bridge passes on was heard by no observer, unless there is one of that name. */
	if (rc == MK_OK)
		rc = observer_get(r, it, it->bridge == NULL, &o, err);
	if (rc != MK_OK)
		return rc;
	if (it->refused.s != NULL) {
		rc = dropped_packet(r, it, err);
		if (rc == MK_OK && o != NULL)
			observer_heard(r, o, it, false);
		return rc;
	}
	packet_resolve(r, &p);
	rc = packet_write_tx(r, it, &p, err);
	if (rc == MK_OK)
		rc = packet_write_obs(r, it, &p, o, err);
	if (rc == MK_OK)
		rc = packet_tell(r, it, &p, o, err);
	return rc == MK_OK ? packet_remember(r, it, &p, o, err) : rc;
}
