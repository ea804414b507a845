/* SPDX-License-Identifier: MIT
 *
 * The inside of a connection, for db.c and checkpoint.c.
 */
#ifndef STORAGE_DB_IMPL_H
#define STORAGE_DB_IMPL_H

#include "db.h"

#define STMT_SLOTS 512u /* a power of two; the product has about a hundred statements */

struct kept {
	const char *sql;
	sqlite3_stmt *stmt;
};

struct db {
	sqlite3 *handle;
	char *path;
	struct kept kept[STMT_SLOTS];
	uint32_t kept_count;
	uint32_t busy_ms;
	int log_limit; /* pages */
	/* Of the log, as the last commit or checkpoint left it. */
	int log_pages, log_done, log_tried;
	bool elsewhere; /* another thread checkpoints */
	bool log_fresh; /* it has done so since the last look */
	uint64_t passive_us, truncated_us, truncate_tried_us, behind_since_us;
};

/* SQLite's hook after a commit, with the pages in the log. */
int db_on_commit(void *db, sqlite3 *handle, const char *schema, int pages);

#endif
