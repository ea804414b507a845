/* SPDX-License-Identifier: MIT */
#include "apply.h"

#include <stdio.h>
#include <string.h>

#include "schema.h"

static const struct {
	const char *name;
	mk_result (*apply)(struct db *db, const struct apply_input *in, const mk_val *body,
			   struct apply_report *report, mk_err *err);
	mk_result (*seed)(struct db *db, mk_writer *w, mk_err *err);
	uint32_t pairs; /* that seed() writes */
} apply_list[] = {
	{ "neighbors", apply_neighbors, apply_seed_neighbors, 4 },
	{ "mbcap", apply_mbcap, apply_seed_mbcap, 2 },
};

struct apply_order {
	int64_t serial, n, cursor;
};

static const char *const apply_parts[] = { "serial", "n", "cursor" };

/* The entries of mk_state that belong to a name; the statement keeps no pointer to it. */
static void
apply_key(const struct apply_input *in, size_t part, char key[96])
{
	snprintf(key, 96, "snapshot.%s.%s", in->name, apply_parts[part]);
}

static bool
apply_read_order(const mk_val *body, struct apply_order *o)
{
	return mk_get_i64(mk_find(body, "serial"), &o->serial) && o->serial > 0 &&
	       mk_get_i64(mk_find(body, "n"), &o->n) && o->n >= 0 &&
	       mk_get_i64(mk_find(body, "cursor"), &o->cursor) && o->cursor >= 0;
}

mk_result
apply_check_order(struct db *db, const struct apply_input *in, const mk_val *body, mk_err *err)
{
	struct apply_order now, old = { 0 };
	int64_t *parts[] = { &old.serial, &old.n, &old.cursor };

	if (!apply_read_order(body, &now) || (now.n == 0) == in->delta)
		return mk_err_set(err, MK_EFORMAT, "no serial, n and cursor that make sense");
	for (size_t i = 0; i < 3; i++) {
		char key[96];
		mk_result rc;

		apply_key(in, i, key);
		rc = schema_get(db, key, parts[i], err);
		if (rc != MK_OK && rc != MK_ENOENT)
			return rc;
	}
	if (now.serial < old.serial || (now.serial == old.serial && now.n <= old.n) ||
	    (!in->delta && now.serial == old.serial) || now.cursor < old.cursor)
		return mk_err_set(err, MK_EEXIST, "older than what is stored");
	if (in->delta && (now.serial != old.serial || now.n != old.n + 1))
		return mk_err_set(err, MK_ESTATE, "does not follow what is stored");
	return MK_OK;
}

mk_result
apply_store_order(struct db *db, const struct apply_input *in, const mk_val *body, mk_err *err)
{
	struct apply_order now;
	const int64_t *parts[] = { &now.serial, &now.n, &now.cursor };
	mk_result rc = apply_read_order(body, &now) ? MK_OK : MK_EFORMAT;

	for (size_t i = 0; rc == MK_OK && i < 3; i++) {
		char key[96];

		apply_key(in, i, key);
		rc = schema_set(db, key, *parts[i], err);
	}
	return rc;
}

const char **
apply_names(const mk_val *list, mk_arena *arena)
{
	uint32_t n = mk_count(list);
	const char **names = mk_arena_array(arena, n + 1, sizeof(*names));

	for (uint32_t i = 0; names != NULL && i < n; i++) {
		const char *text;
		size_t len;

		if (!mk_get_str(mk_at(list, i), &text, &len) || len == 0 || len > 128 ||
		    memchr(text, '\0', len) != NULL)
			return NULL;
		names[i] = mk_arena_dup(arena, text, len);
		if (names[i] == NULL)
			return NULL;
	}
	return mk_is_array(list) ? names : NULL;
}

mk_result
apply_snapshot(struct db *db, const struct apply_input *in, struct apply_report *report,
	       mk_err *err)
{
	struct apply_report made = { 0 };
	mk_result rc = MK_ENOENT;
	char why[128] = "";
	mk_doc doc;

	for (size_t i = 0; i < sizeof(apply_list) / sizeof(apply_list[0]); i++) {
		if (strcmp(apply_list[i].name, in->name) != 0)
			continue;
		/* Rows of this product come from the plugin of that name, and nobody else: the
		 * configuration lets an instance publish only what it was granted. */
		if (strcmp(in->origin, in->name) != 0)
			return mk_err_set(err, MK_EDENIED, "snapshot/%s from %s", in->name,
					  in->origin);
		mk_doc_init(&doc);
		rc = mk_doc_open(&doc, in->body, in->len, NULL, why, sizeof(why));
		if (rc == MK_EFORMAT)
			mk_err_set(err, rc, "%s", why);
		if (rc == MK_OK)
			rc = apply_check_order(db, in, mk_doc_root(&doc), err);
		if (rc == MK_OK)
			rc = apply_list[i].apply(db, in, mk_doc_root(&doc), &made, err);
		if (rc == MK_OK)
			rc = apply_store_order(db, in, mk_doc_root(&doc), err);
		mk_doc_fini(&doc);
	}
	if (rc == MK_OK && report != NULL)
		*report = made;
	return rc;
}

mk_result
apply_next(struct db *db, sqlite3_stmt *s, int keys, mk_err *err)
{
	mk_result rc;

	while ((rc = db_step(db, s, err)) == MK_OK) {
		int i = 0;

		while (i < keys && sqlite3_column_text(s, i) != NULL &&
		       mk_utf8_valid(sqlite3_column_text(s, i), (size_t)sqlite3_column_bytes(s, i)))
			i++;
		if (i == keys)
			return MK_OK;
	}
	return rc;
}

mk_result
apply_seed(struct db *db, const char *name, int64_t now, mk_writer *w, mk_err *err)
{
	for (size_t i = 0; i < sizeof(apply_list) / sizeof(apply_list[0]); i++) {
		mk_result rc;

		if (strcmp(apply_list[i].name, name) != 0)
			continue;
		mk_writer_reset(w);
		mk_put_map(w, 5 + apply_list[i].pairs);
		mk_kv_u64(w, "v", 1);
		mk_kv_u64(w, "serial", 1);
		mk_kv_u64(w, "n", 0);
		mk_kv_u64(w, "cursor", 0);
		mk_kv_i64(w, "at", now);
		rc = apply_list[i].seed(db, w, err);
		return rc == MK_OK ? mk_writer_end(w) : rc;
	}
	return MK_ENOENT;
}
