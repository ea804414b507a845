/* SPDX-License-Identifier: MIT
 *
 * The database as a whole: locked, made if there is none, opened, and judged.
 */
#ifndef STORAGE_OPEN_H
#define STORAGE_OPEN_H

#include "db.h"
#include "schema.h"

struct opened {
	struct db *db;
	int lock_fd;
	enum schema_state state; /* SCHEMA_READY, or SCHEMA_UPGRADE: run upgrade_run first */
	bool created;
};

/* What is at the path: MK_OK for a file that may be a database, MK_ENOENT without a text for
 * nothing, else why it cannot be one. */
mk_result open_judge(const char *path, mk_err *err);
/* Takes no longer than a few busy_ms. A new database appears under its name complete, or not at
 * all. What cannot be used is left exactly as it was. */
mk_result open_database(struct opened *out, const struct db_options *options, mk_err *err);
/* Truncates the log, closes, unlocks; what is zeroed is fine if lock_fd is -1. */
void open_close(struct opened *o);

#endif
