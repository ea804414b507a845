/* SPDX-License-Identifier: MIT
 *
 * Keeping the write-ahead log short although there are readers: see db.h.
 */
#include "db_impl.h"

#include <stdio.h>

#define TRUNCATE_BUSY_MS 50 /* readers of a web page are done by then */
#define TRUNCATE_EVERY_US UINT64_C(3600000000)
#define TRUNCATE_AGAIN_US UINT64_C(30000000)
#define PASSIVE_EVERY_US UINT64_C(1000000)
#define PASSIVE_PAGES 256
#define BLOCKED_US UINT64_C(60000000)
#define LATE 4   /* times the limit */
#define PASSES 4 /* of another thread at a time: each meets less than the one before */

/* Instead of SQLite's own automatic checkpoint, which would try at every commit while a reader
 * keeps it from getting anywhere. */
int
db_on_commit(void *arg, sqlite3 *handle, const char *schema, int pages)
{
	struct db *db = arg;
	int limit = db->elsewhere ? LATE * db->log_limit : db->log_limit;

	(void)schema;
	db->log_pages = pages;
	if (pages < db->log_tried) /* the log began anew */
		db->log_tried = db->log_done = 0;
	if (pages < db->log_tried + limit && !(db->log_fresh && pages > LATE * db->log_limit))
		return SQLITE_OK;
	db->log_fresh = false;
	db->log_tried = pages;
	/* What fails here is tried again; a commit that succeeded is not to fail because of it. */
	(void)sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &db->log_pages,
					&db->log_done);
	return SQLITE_OK;
}

static void
wal_judge(const struct db *db, bool busy, struct db_wal *wal)
{
	char who[64] = "";

	*wal = (struct db_wal){ .pages = db->log_pages, .checkpointed = db->log_done };
	wal->blocked = busy || db->log_done < db->log_tried;
	if (!wal->blocked)
		return;
	db_holder(db->path, true, who, sizeof(who));
	(void)snprintf(wal->reason, sizeof(wal->reason), "a long read in %s",
		       who[0] == '\0' ? "a plugin of this daemon" : who);
}

mk_result
db_checkpoint(struct db *db, bool truncate, struct db_wal *wal, mk_err *err)
{
	int mode = truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int pages = -1, done = -1, rc;

	rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &pages, &done);
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return db_fail(db, rc, err);
	db->log_pages = db->log_tried = pages < 0 ? 0 : pages;
	db->log_done = done < 0 ? 0 : done;
	if (wal == NULL)
		return MK_OK;
	wal_judge(db, rc != SQLITE_OK, wal);
	return MK_OK;
}

/* ---------------------------------------------------------- on another thread -- */

void
db_checkpoints_elsewhere(struct db *db)
{
	db->elsewhere = true;
}

bool
db_wants_checkpoint(const struct db *db, bool idle)
{
	int limit = idle ? PASSIVE_PAGES : db->log_limit;

	return db->log_pages - db->log_done >= limit && db->log_pages - db->log_tried >= limit;
}

bool
db_wants_restart(const struct db *db)
{
	return db->log_pages > 2 * db->log_limit;
}

/* While it copies, the log grows: only what is complete lets it begin anew. */
mk_result
db_checkpoint_apart(const char *path, bool all, struct db_wal *wal, mk_err *err)
{
	struct db_options options = { .path = path, .cache_kib = 1024 };
	struct db_wal seen = { .pages = 0 }, before;
	struct db *db = NULL;
	mk_result rc = db_open(&db, &options, err);

	/* The database is the other connection's to tidy up. */
	if (rc == MK_OK)
		sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (int i = 0; i < (all ? PASSES : 1) && rc == MK_OK; i++) {
		before = seen;
		rc = db_checkpoint(db, false, &seen, err);
		if (seen.blocked || seen.pages == before.checkpointed)
			break;
	}
	db_close(db);
	if (rc == MK_OK)
		*wal = seen;
	return rc;
}

void
db_checkpointed(struct db *db, const struct db_wal *wal)
{
	if (wal->pages > db->log_pages)
		return; /* of a log that has begun anew since */
	db->log_tried = (int)wal->pages;
	db->log_done = (int)wal->checkpointed;
	db->log_fresh = true;
}

/* -------------------------------------------------------------- housekeeping -- */

/* Whether it is time to empty the log's file, for which readers are waited for. */
static bool
wants_truncate(const struct db *db, uint64_t now_us, bool idle)
{
	if (now_us - db->truncate_tried_us < TRUNCATE_AGAIN_US)
		return false;
	if (db->log_pages > 4 * db->log_limit)
		return true; /* readers overlap so that it never begins anew by itself */
	if (db->log_pages == 0 || (db->elsewhere && db->log_done < db->log_pages))
		return false;
	return now_us - db->truncated_us >= TRUNCATE_EVERY_US ||
	       (idle && db->log_pages >= db->log_limit / 4);
}

mk_result
db_housekeep(struct db *db, uint64_t now_us, bool idle, bool *did, struct db_wal *wal, mk_err *err)
{
	struct db_wal seen = { .pages = db->log_pages, .checkpointed = db->log_done };
	bool truncate, passive, apart = false;
	mk_result rc = MK_OK;

	if (db->truncated_us == 0)
		db->truncated_us = db->truncate_tried_us = now_us;
	truncate = wants_truncate(db, now_us, idle);
	passive = !db->elsewhere && db->log_pages - db->log_done >= PASSIVE_PAGES &&
		  now_us - db->passive_us >= PASSIVE_EVERY_US;
	if (truncate) {
		sqlite3_busy_timeout(db->handle, TRUNCATE_BUSY_MS);
		rc = db_checkpoint(db, true, &seen, err);
		sqlite3_busy_timeout(db->handle, (int)db->busy_ms);
		db->truncate_tried_us = now_us;
		if (rc == MK_OK && !seen.blocked)
			db->truncated_us = now_us;
	} else if (passive) {
		db->passive_us = now_us;
		rc = db_checkpoint(db, false, &seen, err);
	} else if (db->elsewhere && db->log_tried > 0) {
		wal_judge(db, false, &seen);
		apart = true;
	}
	if (rc != MK_OK)
		return rc;
	/* A reader that is behind for a moment is nothing to speak of. */
	if (!seen.blocked && (truncate || passive || apart))
		db->behind_since_us = 0;
	else if (seen.blocked && db->behind_since_us == 0)
		db->behind_since_us = now_us;
	seen.blocked = seen.blocked && now_us - db->behind_since_us >= BLOCKED_US;
	*did = truncate || passive || apart;
	if (wal != NULL)
		*wal = seen;
	return MK_OK;
}
