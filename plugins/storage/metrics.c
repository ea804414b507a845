/* SPDX-License-Identifier: MIT
 *
 * Samples of what observers say about themselves, one a bucket of time and observer.
 */
#include "rows.h"

mk_result
metrics_sample(struct rows *r, const struct item *it, mk_err *err)
{
	int64_t bucket;
	sqlite3_stmt *s;
	mk_result rc;

	if (!it->noise_floor.is && !it->tx_air_secs.is && !it->rx_air_secs.is &&
	    !it->recv_errors.is && !it->battery_mv.is && !it->packets_sent.is &&
	    !it->packets_recv.is)
		return MK_OK;
	/* The nearest one, as CoreScope has it: it may lie ahead. */
	bucket = (item_seconds(it) + r->bucket_s / 2) / r->bucket_s * r->bucket_s;
	s = rows_statement(r, SQL_METRICS_SAMPLE);
	rows_bind_text(s, 1, it->observer);
	rows_bind_chars(s, 2, stamp_text(&r->stamp_other, bucket));
	rows_bind_real(s, 3, it->noise_floor);
	rows_bind_integer(s, 4, it->tx_air_secs);
	rows_bind_integer(s, 5, it->rx_air_secs);
	rows_bind_integer(s, 6, it->recv_errors);
	rows_bind_integer(s, 7, it->battery_mv);
	rows_bind_integer(s, 8, it->packets_sent);
	rows_bind_integer(s, 9, it->packets_recv);
	rc = rows_run(r, s, err);
	r->stats->metrics_samples += rc == MK_OK;
	return rc;
}
