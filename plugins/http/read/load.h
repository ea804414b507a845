/* SPDX-License-Identifier: MIT
 *
 * The thread that fills the model: see impl.h. One run of it: nodes and
 * observers, totals, and then observations in the order of their ids, until
 * there are no more.
 */
#ifndef HTTP_READ_LOAD_H
#define HTTP_READ_LOAD_H

#include "db.h"

#define LOAD_RECENT 4096u

struct load {
	struct read *r;
	struct dbc *c;
	char path[4096];
	uint64_t storage_epoch;
	bool fresh; /* into `store`, without the lock; else into the model's, with it
               */
	struct store store;
	struct hops_ids ids;          /* a copy, so that keys are found without the lock */
	uint32_t recent[LOAD_RECENT]; /* number of a key + 1 */
	uint64_t *heads;
	uint32_t head_cap;
	uint32_t *observers; /* by row: number + 1, as it was at the beginning */
	uint32_t observer_cap;
	bool finished;
	int64_t begin_tx; /* what is older stays in the database */
	int64_t begin_obs;
	int64_t end_tx, end_obs;   /* the highest ids when everything was counted */
	uint64_t new_txs, new_obs; /* rows behind those, which nobody has counted */
	uint64_t total_obs, max_bytes;
	int64_t reached_tx, reached_obs;
	sqlite3_stmt *txs, *rows;
	struct db_tx tx;
	struct db_obs obs;
};

#endif
