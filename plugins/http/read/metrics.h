/* SPDX-License-Identifier: MIT
 *
 * What observers said of themselves, out of the table observer_metrics; nothing of it is in memory.
 */
#ifndef HTTP_READ_METRICS_H
#define HTTP_READ_METRICS_H

#include "read.h"

struct read_metric {
	const char *at; /* as stored */
	double noise_floor;
	bool has_noise_floor;
	int64_t tx_air_secs, rx_air_secs, recv_errors, battery_mv, packets_recv; /* READ_NULL */
};

struct read_metrics_query {
	const char *observer;      /* exact */
	char since[40], until[40]; /* texts, compared as such; "": open */
	uint32_t max;              /* the newest so many */
};

/* The samples, oldest first. `fn` may end it by returning false. */
mk_result read_metrics(struct read *r, const struct read_metrics_query *q,
		       bool (*fn)(void *arg, const struct read_metric *m), void *arg, mk_err *err);

#endif
