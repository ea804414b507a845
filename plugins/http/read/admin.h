/* SPDX-License-Identifier: MIT
 *
 * What only operators ask of the database. Neither may be called under the model's lock.
 */
#ifndef HTTP_READ_ADMIN_H
#define HTTP_READ_ADMIN_H

#include <stdatomic.h>

#include "read.h"

/* Rows of dropped_packets as a list, the newest first. `observer` and `key` may be NULL. */
mk_result read_dropped(struct read *r, const char *observer, const char *key, int64_t limit,
		       struct json *out, mk_err *err);
/* What was brought up to date in the database, and when, as a list, the newest first. */
mk_result read_jobs(struct read *r, struct json *out, mk_err *err);
/* A consistent copy of the database as a new file; ends soon after `stop` has become true. */
mk_result read_backup(struct read *r, const char *file, const _Atomic bool *stop, mk_err *err);

/* Observations of each of `n` minutes, beginning with a minute of Unix time; and the newest of all,
 * in seconds. Takes a while, for a thread of its own. */
mk_result read_minutes(struct read *r, int64_t first, uint32_t *counts, uint32_t n,
		       const _Atomic bool *stop, int64_t *newest, mk_err *err);

#endif
