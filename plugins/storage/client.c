/* SPDX-License-Identifier: MIT
 *
 * What phones with a radio heard, and where they were. Nothing of it counts as an observation.
 */
#include "rows.h"

#include <math.h>

static bool
client_is_sound(const struct item *it)
{
	return it->companion.len > 0 && it->heard.len > 0 && it->bytes.is && it->src.len > 0 &&
	       it->rx_at.is && it->rx_at.v > 0 && it->rx_at.v <= INT64_C(253402300799) &&
	       it->lat.is && it->lon.is && fabs(it->lat.v) <= 90 && fabs(it->lon.v) <= 180;
}

mk_result
rows_client(struct rows *r, const struct item *it, mk_err *err)
{
	struct integer rssi = { it->rssi.is && fabs(it->rssi.v) < 1e6, 0 };
	sqlite3_stmt *s;
	mk_result rc;

	if (it->rejected.s != NULL) {
		r->stats->rejected++;
		return MK_OK;
	}
	if (!client_is_sound(it))
		return mk_err_set(err, ROWS_NONSENSE, "a phone's reception with parts missing");
	if (rssi.is)
		rssi.v = (int64_t)it->rssi.v;
	s = rows_statement(r, SQL_CLIENT_INSERT);
	rows_bind_text(s, 1, it->companion);
	rows_bind_text(s, 2, it->heard);
	rows_bind_integer(s, 3, it->bytes);
	rows_bind_integer(s, 4, rssi);
	rows_bind_real(s, 5, it->snr);
	rows_bind_real(s, 6, it->lat);
	rows_bind_real(s, 7, it->lon);
	rows_bind_real(s, 8, it->acc_m);
	rows_bind_chars(s, 9, stamp_text(&r->stamp, it->rx_at.v));
	rows_bind_chars(s, 10, stamp_text(&r->stamp_other, item_seconds(it)));
	rows_bind_text(s, 11, it->src);
	rc = rows_run(r, s, err);
	if (rc != MK_OK)
		return rc;
	if (db_changes(r->db) > 0)
		r->stats->client_inserted++;
	else
		r->stats->client_dupes++;
	if (it->name.len == 0)
		return MK_OK;
	s = rows_statement(r, SQL_CLIENT_NAME);
	rows_bind_text(s, 1, it->companion);
	rows_bind_text(s, 2, it->name);
	rows_bind_chars(s, 3, stamp_text(&r->stamp_other, item_seconds(it)));
	rows_bind_chars(s, 4, stamp_text(&r->stamp_now, r->now_s));
	return rows_run(r, s, err);
}
