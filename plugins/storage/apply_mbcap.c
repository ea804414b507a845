/* SPDX-License-Identifier: MIT
 *
 * snapshot/mbcap becomes multibyte_sup and multibyte_evidence of nodes, or of inactive_nodes where a
 * key is only there, and mk_capability, which has the rest and outlives both rows. Unknown never
 * overwrites anything, and less never overwrites more, unless newer evidence says explicitly that
 * it is less now.
 */
#include <string.h>

#include "apply.h"

#define VERSION 1

static const char sql_row[] =
    "SELECT 0, multibyte_sup, multibyte_evidence FROM nodes WHERE public_key = ?1"
    " UNION ALL SELECT 1, multibyte_sup, multibyte_evidence FROM inactive_nodes"
    " WHERE public_key = ?1 ORDER BY 1 LIMIT 1";
static const char sql_known[] =
    "SELECT sup, evidence_at, max_size FROM mk_capability WHERE public_key = ?1";
static const char sql_keep[] =
    "INSERT INTO mk_capability (public_key, sup, evidence, max_size, evidence_at, candidates)"
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (public_key) DO UPDATE SET sup = excluded.sup,"
    " evidence = excluded.evidence, max_size = excluded.max_size,"
    " evidence_at = excluded.evidence_at, candidates = excluded.candidates"
    " WHERE sup IS NOT excluded.sup OR evidence IS NOT excluded.evidence"
    " OR max_size IS NOT excluded.max_size OR evidence_at IS NOT excluded.evidence_at"
    " OR candidates IS NOT excluded.candidates";
static const char *const sql_set[] = {
	"UPDATE nodes SET multibyte_sup = ?2, multibyte_evidence = ?3 WHERE public_key = ?1",
	"UPDATE inactive_nodes SET multibyte_sup = ?2, multibyte_evidence = ?3"
	" WHERE public_key = ?1",
};
static const char sql_revive[] =
    "UPDATE nodes SET (multibyte_sup, multibyte_evidence) = (SELECT sup, evidence FROM"
    " mk_capability WHERE public_key = ?1) WHERE public_key = ?1 AND multibyte_sup < (SELECT sup"
    " FROM mk_capability WHERE public_key = ?1)";

/* CoreScope does not store the size; two bytes is what multi-byte means at least. */
static const char sql_seed[] =
    "SELECT n.public_key, min(n.multibyte_sup, 2), coalesce(c.max_size, 2),"
    " coalesce(c.evidence_at, 0), coalesce(c.candidates, 0) FROM nodes n"
    " LEFT JOIN mk_capability c USING (public_key) WHERE n.multibyte_sup > 0"
    " AND length(n.public_key) BETWEEN 1 AND 128 ORDER BY 1";

struct cap_entry {
	char key[129];
	char evidence[16];
	int64_t sup, size, at, candidates;
	bool downgrade;
};

static bool
cap_read(const mk_val *v, struct cap_entry *e)
{
	const char *evidence;

	if (!mk_copy_str(mk_at(v, 0), e->key, sizeof(e->key)) || e->key[0] == '\0' ||
	    !mk_get_i64(mk_at(v, 1), &e->sup) || e->sup < 0 || e->sup > 2 ||
	    !mk_copy_str(mk_at(v, 2), e->evidence, sizeof(e->evidence)) ||
	    !mk_get_i64(mk_at(v, 3), &e->size) || e->size < 1 || e->size > 3 ||
	    !mk_get_i64(mk_at(v, 4), &e->at) || e->at < 0 ||
	    !mk_get_i64(mk_at(v, 5), &e->candidates) || e->candidates < 0 ||
	    !mk_get_bool(mk_at(v, 6), &e->downgrade))
		return false;
	evidence = e->sup == 2 ? "advert" : e->sup == 1 ? "path" : "";
	return strcmp(e->evidence, evidence) == 0 && (e->sup == 0) == (e->size == 1);
}

static bool
cap_check(const struct apply_input *in, const mk_val *body)
{
	const mk_val *list = mk_find(body, "nodes");
	struct cap_entry e;
	uint64_t version;

	(void)in;
	if (!mk_get_u64(mk_find(body, "v"), &version) || version != VERSION || !mk_is_array(list))
		return false;
	for (uint32_t i = 0; i < mk_count(list); i++) {
		if (!cap_read(mk_at(list, i), &e))
			return false;
	}
	return true;
}

struct cap_row { /* what is stored */
	bool inactive, known;
	int64_t sup; /* of the row in nodes or inactive_nodes */
	char evidence[16];
	int64_t known_sup, known_at, known_size; /* of mk_capability */
};

static mk_result
cap_stored(struct db *db, const char *key, struct cap_row *row, mk_err *err)
{
	const char *text;
	sqlite3_stmt *s;
	mk_result rc;

	*row = (struct cap_row){ 0 };
	rc = db_row(db, err, &s, sql_known, "s", key);
	if (rc == MK_OK) {
		row->known = true;
		row->known_sup = sqlite3_column_int64(s, 0);
		row->known_at = sqlite3_column_int64(s, 1);
		row->known_size = sqlite3_column_int64(s, 2);
		sqlite3_reset(s);
	} else if (rc != MK_ENOENT) {
		return rc;
	}
	rc = db_row(db, err, &s, sql_row, "s", key);
	if (rc != MK_OK)
		return rc;
	row->inactive = sqlite3_column_int(s, 0) != 0;
	row->sup = sqlite3_column_int64(s, 1);
	text = (const char *)sqlite3_column_text(s, 2);
	if (text != NULL && strlen(text) < sizeof(row->evidence))
		memcpy(row->evidence, text, strlen(text) + 1);
	sqlite3_reset(s);
	return MK_OK;
}

/* May this entry take the place of what is stored? */
static bool
cap_may(const struct cap_entry *e, const struct cap_row *row)
{
	int64_t most = row->known && row->known_sup > row->sup ? row->known_sup : row->sup;

	if (e->sup < most)
		return e->downgrade && e->at > row->known_at;
	return e->sup > most || e->at >= row->known_at;
}

static mk_result
cap_put(struct db *db, const struct apply_input *in, const struct cap_entry *e,
	struct apply_report *report, mk_err *err)
{
	struct cap_row row;
	mk_result rc = cap_stored(db, e->key, &row, err);
	bool differs;

	if (rc == MK_ENOENT || (rc == MK_OK && !cap_may(e, &row))) {
		report->skipped++;
		return MK_OK;
	}
	if (rc == MK_OK)
		rc = db_run(db, err, sql_keep, "sisiii", e->key, e->sup, e->evidence, e->size,
			    e->at, e->candidates);
	if (rc != MK_OK)
		return rc;
	differs = row.sup != e->sup || strcmp(row.evidence, e->evidence) != 0;
	report->written += differs || db_changes(db) > 0;
	if (!differs)
		return MK_OK;
	rc = db_run(db, err, sql_set[row.inactive], "sis", e->key, e->sup, e->evidence);
	if (rc == MK_OK && in->on_node != NULL)
		in->on_node(in->arg, row.inactive ? "inactive_nodes" : "nodes", e->key);
	return rc;
}

mk_result
apply_mbcap(struct db *db, const struct apply_input *in, const mk_val *body,
	    struct apply_report *report, mk_err *err)
{
	const mk_val *list = mk_find(body, "nodes");
	mk_result rc = MK_OK;

	if (!cap_check(in, body))
		return mk_err_set(err, MK_EFORMAT, "no capabilities that make sense");
	for (uint32_t i = 0; rc == MK_OK && i < mk_count(list); i++) {
		struct cap_entry e;

		cap_read(mk_at(list, i), &e);
		report->read++;
		if (e.sup == 0)
			report->skipped++;
		else
			rc = cap_put(db, in, &e, report, err);
	}
	return rc;
}

mk_result
apply_mbcap_revive(struct db *db, const char *key, mk_err *err)
{
	return db_run(db, err, sql_revive, "s", key);
}

mk_result
apply_seed_mbcap(struct db *db, mk_writer *w, mk_err *err)
{
	uint32_t count = 0;
	sqlite3_stmt *s;
	mk_result rc = db_stmt(db, sql_seed, &s, err);

	if (rc != MK_OK)
		return rc;
	while ((rc = apply_next(db, s, 1, err)) == MK_OK)
		count++;
	if (rc != MK_ENOENT || count == 0)
		return rc;
	mk_kv_i64(w, "window", 0);
	mk_kv_array(w, "nodes", count);
	while ((rc = apply_next(db, s, 1, err)) == MK_OK) {
		int64_t sup = sqlite3_column_int64(s, 1);

		mk_put_array(w, 10);
		mk_put_str(w, (const char *)sqlite3_column_text(s, 0));
		mk_put_i64(w, sup);
		mk_put_str(w, sup == 2 ? "advert" : "path");
		for (int i = 2; i <= 4; i++)
			mk_put_i64(w, sqlite3_column_int64(s, i));
		mk_put_bool(w, false);
		mk_put_u64(w, 0);
		mk_put_bool(w, false);
		mk_put_array(w, 0);
	}
	return rc == MK_ENOENT ? MK_OK : rc;
}
