/* SPDX-License-Identifier: MIT
 *
 * Adverts that did not become nodes, and why: once for each observer that heard one.
 */
#include "rows.h"

#include <string.h>

static bool
dropped_is(const struct item *it, const char *reason)
{
	return it->refused.len == strlen(reason) &&
	       memcmp(it->refused.s, reason, it->refused.len) == 0;
}

mk_result
dropped_packet(struct rows *r, const struct item *it, mk_err *err)
{
	sqlite3_stmt *s;
	char hex[2 * ROWS_RAW_MAX + 1], at[24];
	struct advert a;
	mk_result rc;

	r->stats->sig_drops += dropped_is(it, "invalid signature");
	r->stats->refused++;
	/* An operator who drops adverts from elsewhere does not want a row for each. */
	if (dropped_is(it, "foreign"))
		return MK_OK;
	item_hex(it->raw.s, it->raw.len, true, hex);
	item_read_advert(it->advert, &a);
	memcpy(at, stamp_text(&r->stamp, item_seconds(it)), sizeof(at));
	at[10] = ' '; /* as SQLite's default of that column has it */
	at[19] = '\0';
	s = rows_statement(r, SQL_DROPPED_INSERT);
	rows_bind_text(s, 1, it->hash);
	rows_bind_chars(s, 2, hex);
	rows_bind_text(s, 3, it->refused);
	rows_bind_text(s, 4, it->observer);
	rows_bind_text(s, 5, it->name);
	rows_bind_text(s, 6, it->from);
	rows_bind_text(s, 7, a.name);
	rows_bind_chars(s, 8, at);
	rc = rows_run(r, s, err);
	return rc;
}
