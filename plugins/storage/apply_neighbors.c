/* SPDX-License-Identifier: MIT
 *
 * snapshot/neighbors becomes neighbor_edges, as CoreScope knows it, and mk_neighbor_edges, which has
 * the rest. Values are absolute, so applying them twice changes nothing, and rows that are as they
 * should be are not written.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hops/body.h>

#include "apply.h"

static const char sql_edge[] =
    "INSERT INTO neighbor_edges (node_a, node_b, count, last_seen) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (node_a, node_b) DO UPDATE SET count = excluded.count,"
    " last_seen = excluded.last_seen"
    " WHERE count IS NOT excluded.count OR last_seen IS NOT excluded.last_seen";
static const char sql_more[] =
    "INSERT INTO mk_neighbor_edges (node_a, node_b, first_seen, count_ab, modes, snr, snr_n,"
    " observers, resolved) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    " ON CONFLICT (node_a, node_b) DO UPDATE SET first_seen = excluded.first_seen,"
    " count_ab = excluded.count_ab, modes = excluded.modes, snr = excluded.snr,"
    " snr_n = excluded.snr_n, observers = excluded.observers, resolved = excluded.resolved"
    " WHERE first_seen IS NOT excluded.first_seen OR count_ab IS NOT excluded.count_ab"
    " OR modes IS NOT excluded.modes OR snr_n IS NOT excluded.snr_n OR snr IS NOT excluded.snr"
    " OR observers IS NOT excluded.observers OR resolved IS NOT excluded.resolved";
static const char sql_drop[] = "DELETE FROM neighbor_edges WHERE node_a = ?1 AND node_b = ?2";
static const char sql_drop_more[] =
    "DELETE FROM mk_neighbor_edges WHERE node_a = ?1 AND node_b = ?2";
static const char sql_all[] =
    "SELECT node_a, node_b FROM neighbor_edges UNION SELECT node_a, node_b FROM mk_neighbor_edges"
    " ORDER BY 1, 2";

static const char sql_seed[] =
    "SELECT e.node_a, e.node_b, max(coalesce(e.count, 1), 1),"
    " coalesce(strftime('%s', e.last_seen), 0), min(m.first_seen, strftime('%s', e.last_seen)),"
    " min(m.count_ab, e.count), m.snr, m.snr_n, m.resolved FROM neighbor_edges e"
    " LEFT JOIN mk_neighbor_edges m USING (node_a, node_b) WHERE e.node_a < e.node_b"
    " AND length(e.node_a) BETWEEN 1 AND 128 AND length(e.node_b) BETWEEN 1 AND 128 ORDER BY 1, 2";

struct edges_pair {
	const char *a, *b;
};

struct edges {
	struct db *db;
	const struct apply_input *in;
	const mk_val *body;
	struct apply_report *report;
	const char **names;
	uint32_t name_count;
	mk_arena arena;
};

static bool
edges_read(const struct edges *e, uint32_t i, struct hops_row *row, struct edges_pair *pair)
{
	if (!hops_row_read(row, mk_at(mk_find(e->body, "edges"), i), e->name_count) ||
	    row->b == HOPS_NONE)
		return false;
	pair->a = e->names[row->a];
	pair->b = e->names[row->b];
	return strcmp(pair->a, pair->b) < 0;
}

static bool
edges_check(const struct edges *e)
{
	const mk_val *list = mk_find(e->body, "edges"), *gone = mk_find(e->body, "gone");
	const mk_val *open = mk_find(e->body, "open");
	struct edges_pair pair;
	struct hops_row row;

	for (uint32_t i = 0; i < mk_count(list); i++) {
		if (!edges_read(e, i, &row, &pair))
			return false;
	}
	for (uint32_t i = 0; i < mk_count(open); i++) {
		if (!hops_row_read(&row, mk_at(open, i), e->name_count) || row.b != HOPS_NONE)
			return false;
	}
	for (uint32_t i = 0; i < mk_count(gone); i++) {
		if (!hops_row_read_gone(&row, mk_at(gone, i), e->name_count))
			return false;
	}
	return mk_is_array(list) && mk_is_array(open) && mk_is_array(gone) == e->in->delta;
}

/* ["id", ...] in the order of the message, which is that of names. */
static const char *
edges_observers(struct edges *e, const struct hops_row *row)
{
	uint32_t n = mk_count(row->observers), place = 0;
	char *text = NULL;
	mk_writer w;
	int64_t len;

	mk_writer_init(&w, 0);
	mk_put_array(&w, n);
	for (uint32_t i = 0; i < n; i++) {
		mk_get_u32(mk_at(row->observers, i), &place);
		mk_put_str(&w, e->names[place]);
	}
	len = mk_writer_end(&w) == MK_OK ? mk_to_json(w.data, w.len, NULL, 0) : -1;
	if (len >= 0)
		text = mk_arena_alloc(&e->arena, (size_t)len + 1);
	if (text != NULL)
		mk_to_json(w.data, w.len, text, (size_t)len + 1);
	mk_writer_fini(&w);
	return text;
}

static mk_result
edges_put(struct edges *e, const struct hops_row *row, const struct edges_pair *pair, mk_err *err)
{
	char seen[32], modes[96], snr[32];
	time_t last = (time_t)row->last;
	int64_t changed;
	const char *observers = edges_observers(e, row);
	struct tm tm;
	mk_result rc;

	if (observers == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	if (gmtime_r(&last, &tm) == NULL ||
	    strftime(seen, sizeof(seen), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return mk_err_set(err, MK_EFORMAT, "a time that is none");
	snprintf(modes, sizeof(modes), "[%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]",
		 row->modes[0], row->modes[1], row->modes[2], row->modes[3]);
	snprintf(snr, sizeof(snr), "%.2f", row->snr);
	rc = db_run(e->db, err, sql_edge, "ssis", pair->a, pair->b, (int64_t)row->count, seen);
	if (rc != MK_OK)
		return rc;
	changed = db_changes(e->db);
	rc = db_run(e->db, err, sql_more, "ssiissisi", pair->a, pair->b, row->first,
		    (int64_t)row->ab, modes, row->snr_n > 0 ? snr : NULL, (int64_t)row->snr_n,
		    observers, (int64_t)row->resolved);
	changed += rc == MK_OK ? db_changes(e->db) : 0;
	e->report->written += changed > 0;
	if (rc == MK_OK && e->in->on_edge != NULL)
		e->in->on_edge(e->in->arg, pair->a, pair->b, false);
	return rc;
}

static mk_result
edges_drop(struct edges *e, const struct edges_pair *pair, mk_err *err)
{
	mk_result rc = db_run(e->db, err, sql_drop, "ss", pair->a, pair->b);

	e->report->written += rc == MK_OK && db_changes(e->db) > 0;
	if (rc == MK_OK)
		rc = db_run(e->db, err, sql_drop_more, "ss", pair->a, pair->b);
	if (rc == MK_OK && e->in->on_edge != NULL)
		e->in->on_edge(e->in->arg, pair->a, pair->b, true);
	return rc;
}

static int
edges_compare(const void *a, const void *b)
{
	const struct edges_pair *x = a, *y = b;
	int first = strcmp(x->a, y->a);

	return first != 0 ? first : strcmp(x->b, y->b);
}

/* A base has all edges: what else is stored goes. */
static mk_result
edges_drop_others(struct edges *e, mk_err *err)
{
	uint32_t n = mk_count(mk_find(e->body, "edges")), stale = 0, cap = 0;
	struct edges_pair *told = mk_arena_array(&e->arena, n + 1, sizeof(*told)), *old = NULL;
	struct hops_row row;
	sqlite3_stmt *s;
	mk_result rc;

	if (told == NULL)
		return mk_err_set(err, MK_ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++)
		edges_read(e, i, &row, &told[i]);
	qsort(told, n, sizeof(*told), edges_compare);
	rc = db_stmt(e->db, sql_all, &s, err);
	while (rc == MK_OK && (rc = db_step(e->db, s, err)) == MK_OK) {
		struct edges_pair pair = { (const char *)sqlite3_column_text(s, 0),
					   (const char *)sqlite3_column_text(s, 1) };

		if (pair.a == NULL || pair.b == NULL ||
		    bsearch(&pair, told, n, sizeof(*told), edges_compare) != NULL)
			continue;
		if (stale == cap) {
			struct edges_pair *more;

			cap = cap == 0 ? 256 : cap * 2;
			more = realloc(old, cap * sizeof(*old));
			if (more == NULL) {
				rc = mk_err_set(err, MK_ENOMEM, "out of memory");
				break;
			}
			old = more;
		}
		old[stale].a = mk_arena_dup(&e->arena, pair.a, strlen(pair.a));
		old[stale].b = mk_arena_dup(&e->arena, pair.b, strlen(pair.b));
		if (old[stale].a != NULL && old[stale].b != NULL)
			stale++;
	}
	sqlite3_reset(s);
	rc = rc == MK_ENOENT ? MK_OK : rc;
	for (uint32_t i = 0; rc == MK_OK && i < stale; i++)
		rc = edges_drop(e, &old[i], err);
	free(old);
	return rc;
}

static mk_result
edges_write(struct edges *e, mk_err *err)
{
	uint32_t n = mk_count(mk_find(e->body, "edges"));
	const mk_val *gone = mk_find(e->body, "gone");
	struct edges_pair pair;
	struct hops_row row;
	mk_result rc = e->in->delta ? MK_OK : edges_drop_others(e, err);

	for (uint32_t i = 0; rc == MK_OK && i < mk_count(gone); i++) {
		hops_row_read_gone(&row, mk_at(gone, i), e->name_count);
		if (row.b == HOPS_NONE)
			continue; /* open ends become no rows */
		pair = (struct edges_pair){ e->names[row.a], e->names[row.b] };
		rc = edges_drop(e, &pair, err);
	}
	for (uint32_t i = 0; rc == MK_OK && i < n; i++) {
		edges_read(e, i, &row, &pair);
		rc = edges_put(e, &row, &pair, err);
	}
	e->report->read = n;
	return rc;
}

mk_result
apply_neighbors(struct db *db, const struct apply_input *in, const mk_val *body,
		struct apply_report *report, mk_err *err)
{
	struct edges e = { .db = db, .in = in, .body = body, .report = report };
	uint64_t version;
	mk_result rc;

	e.names = apply_names(mk_find(body, "ids"), &e.arena);
	e.name_count = mk_count(mk_find(body, "ids"));
	if (!mk_get_u64(mk_find(body, "v"), &version) || version != HOPS_BODY_VERSION ||
	    e.names == NULL || !edges_check(&e))
		rc = mk_err_set(err, MK_EFORMAT, "no edges that make sense");
	else
		rc = edges_write(&e, err);
	mk_arena_fini(&e.arena);
	return rc;
}

/* By hash size and by observer nothing is known of such rows: all of them count as without a hop. */
static void
edges_seed_row(sqlite3_stmt *s, uint32_t at, mk_writer *w)
{
	int64_t count = sqlite3_column_int64(s, 2), last = sqlite3_column_int64(s, 3);
	bool more = sqlite3_column_type(s, 4) != SQLITE_NULL;

	mk_put_array(w, 11);
	mk_put_u64(w, 2 * (uint64_t)at);
	mk_put_u64(w, 2 * (uint64_t)at + 1);
	mk_put_i64(w, count);
	mk_put_i64(w, more ? sqlite3_column_int64(s, 5) : count);
	mk_put_i64(w, more ? sqlite3_column_int64(s, 4) : last);
	mk_put_i64(w, last);
	mk_put_array(w, 4);
	for (int i = 0; i < 4; i++)
		mk_put_i64(w, i == 0 ? count : 0);
	if (sqlite3_column_type(s, 6) != SQLITE_NULL)
		mk_put_f64(w, sqlite3_column_double(s, 6));
	else
		mk_put_nil(w);
	mk_put_i64(w, sqlite3_column_int64(s, 7));
	mk_put_array(w, 0);
	mk_put_bool(w, sqlite3_column_int(s, 8) != 0);
}

mk_result
apply_seed_neighbors(struct db *db, mk_writer *w, mk_err *err)
{
	uint32_t count = 0, at = 0;
	sqlite3_stmt *s;
	mk_result rc = db_stmt(db, sql_seed, &s, err);

	if (rc != MK_OK)
		return rc;
	while ((rc = apply_next(db, s, 2, err)) == MK_OK)
		count++;
	if (rc != MK_ENOENT || count == 0)
		return rc;
	mk_kv_array(w, "ids", 2 * count);
	while ((rc = apply_next(db, s, 2, err)) == MK_OK) {
		mk_put_str(w, (const char *)sqlite3_column_text(s, 0));
		mk_put_str(w, (const char *)sqlite3_column_text(s, 1));
	}
	mk_kv_array(w, "edges", count);
	while (rc == MK_ENOENT && at < count && apply_next(db, s, 2, err) == MK_OK)
		edges_seed_row(s, at++, w);
	(void)sqlite3_reset(s);
	mk_kv_u64(w, "far", 0);
	mk_kv_array(w, "open", 0);
	return rc == MK_ENOENT ? MK_OK : rc;
}
