/* SPDX-License-Identifier: MIT
 *
 * Filters as SQL, for packets that are not in memory.
 */
#include "db.h"

#include <string.h>
#include <strings.h>

#define FIND_US 3000000u     /* a search that takes longer is given up */
#define FIND_COLD_US 300000u /* one with conditions, while the model is filled: that soon knows */
#define TYPE_ADVERT "4"
#define TYPE_TEXT "5"
#define DB_KEY 64u /* digits of a key */

struct wanted { /* what the functions of a statement look at */
	const struct read *r;
	const struct read_filter *f;
};

/* Its originator is in the area. */
static void
db_member(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct wanted *w = sqlite3_user_data(context);
	const char *key = (const char *)sqlite3_value_text(values[0]);
	uint32_t node = key == NULL ? READ_NONE : read_node_find(w->r, key, strlen(key));

	(void)count;
	sqlite3_result_int(context,
			   node != READ_NONE && (w->f->members[node / 8] >> node % 8 & 1) != 0);
}

static bool
db_is_wanted(const struct wanted *w, const char *key, size_t len)
{
	const struct read_filter *f = w->f;

	for (uint32_t i = 0; i < f->node_count && len <= DB_KEY; i++) {
		const char *node = w->r->nodes[f->nodes[i]].key;

		if (strncasecmp(node, key, len) == 0 && node[len] == '\0')
			return true;
	}
	for (uint32_t i = 0; i < f->stranger_count && len == DB_KEY; i++)
		if (strncasecmp(f->strangers[i], key, len) == 0)
			return true;
	return false;
}

/* Its originator is one of the nodes. */
static void
db_sent(sqlite3_context *context, int count, sqlite3_value **values)
{
	const char *key = (const char *)sqlite3_value_text(values[0]);

	(void)count;
	sqlite3_result_int(context, key != NULL &&
					db_is_wanted(sqlite3_user_data(context), key, strlen(key)));
}

/* Its key begins like a hop. What is no key in hex is never named by one. */
static bool
db_fits(uint64_t head, const struct read_obs *o)
{
	for (uint32_t i = 0; i < o->count && head != 0; i++) {
		uint64_t hop = 0;

		for (uint32_t k = 0; k < o->hop_size; k++)
			hop = hop << 8 | o->path[i * o->hop_size + k];
		if (head >> (64 - 8 * o->hop_size) == hop)
			return true;
	}
	return false;
}

/* Of digits in any case. */
static uint64_t
db_head(const char *key)
{
	char lower[DB_KEY + 1] = "";

	for (size_t i = 0; i < DB_KEY && key[i] != '\0'; i++)
		lower[i] = (char)(key[i] >= 'A' && key[i] <= 'F' ? key[i] + 32 : key[i]);
	return nodes_head(lower);
}

/* One of the nodes may be a hop of path_json. */
static void
db_passes(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct wanted *w = sqlite3_user_data(context);
	const char *path = (const char *)sqlite3_value_text(values[0]);
	struct db_obs d;
	bool fits = false;

	(void)count;
	d.o.path = d.hops;
	if (path == NULL || !db_read_path(&d, path, (size_t)sqlite3_value_bytes(values[0])))
		return;
	for (uint32_t i = 0; i < w->f->node_count && !fits; i++)
		fits = db_fits(w->r->heads[w->f->nodes[i]], &d.o);
	for (uint32_t i = 0; i < w->f->stranger_count && !fits; i++)
		fits = db_fits(db_head(w->f->strangers[i]), &d.o);
	sqlite3_result_int(context, fits);
}

/* And by resolved_path it is: where that does not agree with path_json, nothing is known of the hops,
 * in memory as here. */
static void
db_relayed(sqlite3_context *context, int count, sqlite3_value **values)
{
	const char *path = (const char *)sqlite3_value_text(values[0]);
	const char *text = (const char *)sqlite3_value_text(values[1]), *p = text, *end, *key;
	struct db_obs d;
	uint32_t hops = 0;
	bool found = false;
	size_t len;

	(void)count;
	if (path == NULL || text == NULL)
		return;
	end = text + sqlite3_value_bytes(values[1]);
	for (; (key = db_item(&p, end, &len)) != NULL; hops++)
		found |= key > text && key[-1] == '"' &&
			 db_is_wanted(sqlite3_user_data(context), key, len);
	sqlite3_result_int(context,
			   found &&
			       db_read_path(&d, path, (size_t)sqlite3_value_bytes(values[0])) &&
			       hops == d.o.count);
}

/* ---------------------------------------------------------------- the text -- */

static void
db_add_times(sqlite3_str *sql, const struct read_filter *f)
{
	int64_t since = f->since == READ_NULL ? INT64_MIN + 1 : f->since;
	int64_t until = f->until == READ_NULL ? INT64_MAX : f->until;
	char from[WHEN_TEXT] = "", to[WHEN_TEXT] = "";

	if (f->since == READ_NULL && f->until == READ_NULL)
		return;
	if (f->since != READ_NULL) {
		when_text(since, "", from);
		/* 0 is what old databases have until it is filled in. */
		sqlite3_str_appendf(sql, " AND (t.last_seen >= %lld OR t.last_seen = 0)",
				    (long long)since);
	}
	if (f->until != READ_NULL)
		when_text(until, "Z", to);
	sqlite3_str_appendf(
	    sql,
	    " AND (EXISTS (SELECT 1 FROM observations o WHERE o.transmission_id = t.id"
	    " AND o.timestamp BETWEEN %lld AND %lld) OR (t.first_seen >= %Q AND t.first_seen <= %Q"
	    " AND NOT EXISTS (SELECT 1 FROM observations o WHERE o.transmission_id = t.id)))",
	    (long long)since, (long long)until, from, to[0] == '\0' ? "~" : to);
}

static void
db_add_observers(sqlite3_str *sql, const struct read *r, const struct read_filter *f, bool region)
{
	const char *comma = "";

	sqlite3_str_appendall(sql, " AND EXISTS (SELECT 1 FROM observations o WHERE"
				   " o.transmission_id = t.id AND o.observer_idx IN (");
	for (uint32_t i = 0; i < r->observer_count; i++) {
		bool in = region ? find_in_region(r, f, i) : find_is_observer(f, i);

		if (!in)
			continue;
		sqlite3_str_appendf(sql, "%s%lld", comma, (long long)r->observers[i].idx);
		comma = ",";
	}
	sqlite3_str_appendall(sql, "))");
}

/* Who sent it is found by index. Hops have none: the paths of all packets that the other conditions
 * leave are looked at, but in the index that makes observations unique, which is a tenth of the table,
 * and where it is read in order; the rows of the table only if the path has such a hop. */
static void
db_add_nodes(sqlite3_str *sql, const struct read *r, const struct read_filter *f, bool by_index)
{
	const char *comma = "";

	if (!f->sent) {
		sqlite3_str_appendf(sql,
				    " AND (mk_sent(" DB_TX_FROM ") OR EXISTS (SELECT 1 FROM"
				    " observations o %s WHERE o.transmission_id = t.id AND"
				    " mk_passes(COALESCE(o.path_json, '')) AND"
				    " mk_relayed(o.path_json, o.resolved_path)))",
				    by_index ? "INDEXED BY idx_observations_dedup" : "");
		return;
	}
	sqlite3_str_appendall(sql, " AND t.from_pubkey IN (");
	for (uint32_t i = 0; i < f->node_count; i++) {
		sqlite3_str_appendf(sql, "%s%Q", comma, r->nodes[f->nodes[i]].key);
		comma = ",";
	}
	sqlite3_str_appendall(sql, ")");
}

static void
db_add_where(sqlite3_str *sql, const struct read *r, const struct db_search *q, bool by_index)
{
	const struct read_filter *f = q->f;

	sqlite3_str_appendall(sql,
			      " FROM transmissions t WHERE t.hash <> '' AND t.first_seen <> ''");
	if (q->below != READ_NULL)
		sqlite3_str_appendf(sql, " AND t.id < %lld", (long long)q->below);
	if (f->after_id != READ_NULL)
		sqlite3_str_appendf(sql, " AND t.id > %lld", (long long)f->after_id);
	if (f->before_id != READ_NULL)
		sqlite3_str_appendf(sql, " AND t.id < %lld", (long long)f->before_id);
	if (f->type >= 0)
		sqlite3_str_appendf(sql, " AND t.payload_type = %d", f->type);
	if (f->route >= 0)
		sqlite3_str_appendf(sql, " AND t.route_type = %d", f->route);
	if (f->hash != NULL)
		sqlite3_str_appendf(sql, " AND t.hash = %Q", f->hash);
	if (f->channel != NULL)
		sqlite3_str_appendf(sql,
				    " AND t.payload_type = " TYPE_TEXT " AND t.channel_hash = %Q",
				    f->channel);
	if (f->members != NULL)
		sqlite3_str_appendall(sql, " AND t.payload_type = " TYPE_ADVERT
					   " AND mk_member(t.from_pubkey)");
	if (f->observer_count > 0)
		db_add_observers(sql, r, f, false);
	if (f->region != NULL)
		db_add_observers(sql, r, f, true);
	db_add_times(sql, f);
	if (f->node_count + f->stranger_count > 0) /* the dearest is the last */
		db_add_nodes(sql, r, f, by_index);
}

static sqlite3_stmt *
db_prepare_by(struct dbc *c, const struct read *r, const struct db_search *q, const char *head,
	      const char *tail, bool by_index)
{
	sqlite3_str *text = sqlite3_str_new(c->db);
	sqlite3_stmt *s = NULL;
	char *sql;

	sqlite3_str_appendall(text, head);
	db_add_where(text, r, q, by_index);
	sqlite3_str_appendall(text, tail);
	sql = sqlite3_str_finish(text);
	if (sql != NULL)
		(void)sqlite3_prepare_v2(c->db, sql, -1, &s, NULL);
	sqlite3_free(sql);
	return s;
}

sqlite3_stmt *
db_prepare(struct dbc *c, const struct read *r, const struct db_search *q, const char *head,
	   const char *tail)
{
	sqlite3_stmt *s = db_prepare_by(c, r, q, head, tail, true);

	/* Storage makes the index, but an answer does not depend on it. */
	return s != NULL ? s : db_prepare_by(c, r, q, head, tail, false);
}

/* ---------------------------------------------------------------- the search -- */

static bool
db_is_everything(const struct read_filter *f)
{
	return f->since == READ_NULL && f->until == READ_NULL && f->after_id == READ_NULL &&
	       f->before_id == READ_NULL && f->type < 0 && f->route < 0 && f->hash == NULL &&
	       f->observer_count == 0 && f->region == NULL && f->members == NULL &&
	       f->node_count + f->stranger_count == 0 && f->channel == NULL;
}

static mk_result
db_count(struct dbc *c, const struct read *r, struct db_search *q, mk_err *err)
{
	sqlite3_stmt *s;
	int rc;

	if (db_is_everything(q->f) && r->tx_total >= r->store.count && r->tx_total > 0) {
		*q->total = r->tx_total - r->store.count;
		return MK_OK;
	}
	s = db_prepare(c, r, q, "SELECT count(*)", "");
	rc = s == NULL ? SQLITE_ERROR : sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*q->total = (uint64_t)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? MK_OK : db_fail(c, err);
}

static mk_result
db_list(struct read_scratch *scratch, struct db_search *q, mk_err *err)
{
	struct read *r = scratch->r;
	struct db_names names = db_names_of(r);
	struct dbc *c = scratch->db;
	sqlite3_stmt *s = db_prepare(c, r, q, "SELECT " DB_TX_COLUMNS,
				     q->oldest ? " ORDER BY t.id LIMIT ?1 OFFSET ?2"
					       : " ORDER BY t.id DESC LIMIT ?1 OFFSET ?2");
	int rc = s == NULL ? SQLITE_ERROR : SQLITE_OK;
	mk_result result = MK_OK;

	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(s, 1, q->limit > INT64_MAX ? -1 : (int64_t)q->limit);
		(void)sqlite3_bind_int64(s, 2, (int64_t)q->offset);
	}
	while (rc == SQLITE_OK && !q->ended && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		rc = SQLITE_OK;
		if (!db_read_tx(scratch->tx, s, 0, &names))
			continue;
		result = db_fill_obs(scratch, &scratch->tx->p, err);
		if (result != MK_OK)
			break;
		q->given++;
		q->ended = !q->fn(q->arg, &scratch->tx->p);
	}
	if (result == MK_OK && rc != SQLITE_DONE && rc != SQLITE_OK)
		result = db_fail(c, err);
	sqlite3_finalize(s);
	return result;
}

/* False: SQLite refuses. `wanted` NULL: without them. */
static bool
db_functions(struct dbc *c, struct wanted *wanted)
{
	static const struct {
		const char *name;
		int values;
		void (*call)(sqlite3_context *context, int count, sqlite3_value **values);
	} list[] = {
		{ "mk_member", 1, db_member },
		{ "mk_sent", 1, db_sent },
		{ "mk_passes", 1, db_passes },
		{ "mk_relayed", 2, db_relayed },
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (sqlite3_create_function(c->db, list[i].name, list[i].values, SQLITE_UTF8,
					    wanted, wanted == NULL ? NULL : list[i].call, NULL,
					    NULL) != SQLITE_OK)
			return false;
	return true;
}

static bool
db_needs_functions(const struct read_filter *f)
{
	return f->members != NULL || (f->node_count + f->stranger_count > 0 && !f->sent);
}

static mk_result
db_begin(struct read_scratch *scratch, struct wanted *wanted, mk_err *err)
{
	mk_result rc = db_ready(scratch, err);

	if (rc != MK_OK)
		return rc;
	db_reset(scratch->db); /* functions do not change while a statement is under way */
	db_limit(scratch->db,
		 scratch->r->warm || db_is_everything(wanted->f) ? FIND_US : FIND_COLD_US);
	if (db_needs_functions(wanted->f) && !db_functions(scratch->db, wanted))
		return db_fail(scratch->db, err);
	return MK_OK;
}

static void
db_end(struct read_scratch *scratch, const struct wanted *wanted)
{
	if (scratch->db == NULL)
		return;
	if (db_needs_functions(wanted->f))
		(void)db_functions(scratch->db, NULL);
	scratch->db->until_us = 0;
}

mk_result
db_find(struct read *r, struct read_scratch *scratch, struct db_search *q, mk_err *err)
{
	struct wanted wanted = { r, q->f };
	mk_result rc = db_begin(scratch, &wanted, err);

	if (rc == MK_OK && q->total != NULL)
		rc = db_count(scratch->db, r, q, err);
	if (rc == MK_OK && q->total != NULL) {
		uint64_t left = *q->total > q->offset ? *q->total - q->offset : 0;

		q->limit = q->limit < left ? q->limit : left; /* it need not look behind the last */
	}
	if (rc == MK_OK && q->limit > 0)
		rc = db_list(scratch, q, err);
	db_end(scratch, &wanted);
	return rc;
}

mk_result
db_latest(struct read *r, struct read_scratch *scratch, const struct db_search *q,
	  struct latest *out, uint32_t cap, uint32_t *count, mk_err *err)
{
	struct wanted wanted = { r, q->f };
	mk_result rc = db_begin(scratch, &wanted, err);
	sqlite3_stmt *s = NULL;
	int step = SQLITE_ERROR;

	*count = 0;
	if (rc == MK_OK)
		s = db_prepare(scratch->db, r, q,
			       "SELECT t.id, max(COALESCE(unixepoch(t.first_seen), 0), CASE WHEN"
			       " t.last_seen <> 0 THEN t.last_seen ELSE COALESCE((SELECT"
			       " max(o.timestamp) FROM observations o WHERE o.transmission_id ="
			       " t.id), 0) END) AS latest",
			       " ORDER BY latest DESC, t.id DESC LIMIT ?1");
	if (s != NULL)
		step = sqlite3_bind_int64(s, 1, cap);
	while (step == SQLITE_OK && (step = sqlite3_step(s)) == SQLITE_ROW && *count < cap) {
		out[*count].id = sqlite3_column_int64(s, 0);
		out[(*count)++].at = sqlite3_column_int64(s, 1);
		step = SQLITE_OK;
	}
	if (rc == MK_OK && step != SQLITE_DONE && step != SQLITE_OK && step != SQLITE_ROW)
		rc = db_fail(scratch->db, err);
	sqlite3_finalize(s);
	db_end(scratch, &wanted);
	return rc;
}

mk_result
db_recent(struct read *r, struct recent *t, mk_err *err)
{
	struct dbc *c = db_take(r, err);
	sqlite3_stmt *s = NULL;
	int rc;

	if (c == NULL)
		return MK_EUNAVAIL;
	db_limit(c, FIND_US);
	rc = sqlite3_prepare_v2(c->db,
				"SELECT observer_idx, count(*) FROM observations"
				" WHERE timestamp > ?1 AND timestamp <= ?2 GROUP BY 1",
				-1, &s, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(s, 1, t->now_s - t->seconds);
		(void)sqlite3_bind_int64(s, 2, t->now_s);
	}
	while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		uint32_t i = sqlite3_column_type(s, 0) == SQLITE_NULL
				 ? READ_NONE
				 : people_observer(r, sqlite3_column_int64(s, 0));

		t->all += (uint64_t)sqlite3_column_int64(s, 1);
		if (i < t->cap)
			t->counts[i] += (uint32_t)sqlite3_column_int64(s, 1);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(s);
	if (rc != SQLITE_DONE) {
		(void)db_fail(c, err);
		db_close(c);
		return MK_EUNAVAIL;
	}
	db_give(r, c);
	return MK_OK;
}
