/* SPDX-License-Identifier: MIT
 *
 * The backfill of resolved_path: which nodes the hops of an old observation are, as far as the nodes
 * and neighbours of today tell. Only where there is nothing: what was resolved when it was heard is
 * worth more.
 */
#include "job_impl.h"

#include <string.h>

#include "item.h"

/* The hops of ["A1","B2"]. False if it is anything else, or empty. */
static bool
path_read(const char *s, struct hop hops[ITEM_HOPS], size_t *count)
{
	size_t n = 0;

	if (s == NULL || *s++ != '[')
		return false;
	for (; n < ITEM_HOPS && *s == '"'; n++) {
		size_t len = strcspn(++s, "\"");

		if (len < 2 || len % 2 != 0 || len > 2 * sizeof(hops[n].bytes) || s[len] != '"' ||
		    !item_unhex((struct text){ s, len }, hops[n].bytes, len / 2))
			return false;
		hops[n].len = (uint8_t)(len / 2);
		s += len + 1;
		s += *s == ',';
	}
	*count = n;
	return n > 0 && strcmp(s, "]") == 0;
}

mk_result
resolved_row(struct chunk *c, sqlite3_stmt *row, mk_err *err)
{
	const char *from = (const char *)sqlite3_column_text(row, 3);
	char json[RESOLVE_TEXT];
	struct hop hops[ITEM_HOPS];
	const char *keys[ITEM_HOPS];
	uint8_t key[ITEM_KEY];
	bool has_from;
	size_t count;

	if (sqlite3_column_int(row, 1) == 0 ||
	    !path_read((const char *)sqlite3_column_text(row, 2), hops, &count))
		return MK_OK;
	has_from = from != NULL && strlen(from) == 2 * sizeof(key) &&
		   item_unhex((struct text){ from, 2 * sizeof(key) }, key, sizeof(key));
	if (!resolve_path(c->resolve, has_from ? key : NULL, hops, count, keys))
		return MK_OK;
	resolve_text(keys, count, json);
	return job_spare(c, db_run(c->db, err,
				   "UPDATE observations SET resolved_path = ?1 WHERE id = ?2", "si",
				   json, sqlite3_column_int64(row, 0)));
}
