/* SPDX-License-Identifier: MIT
 *
 * The steps of an upgrade. Each looks for what it has to do, and does it in one transaction, so
 * that a run after a crash finds out by itself where it is. Nothing is changed before the backup
 * is complete and on disk.
 *
 * Indexes that writing needs are built here. SQLite builds one in a single statement, so nothing can
 * be written meanwhile; those of large tables that only reading and backfills need are left to jobs,
 * one at a time with everything that waits in between.
 */
#include "upgrade.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backup.h"
#include "jobs.h"
#include "schema.h"

#define BACKUPS_A_DAY 100
#define CANCEL_STEPS 100000 /* of SQLite's machine, some milliseconds */

struct upgrade {
	struct db *db;
	const struct upgrade_options *options;
	struct upgrade_report *report;
};

static void
upgrade_tell(const struct upgrade *u, const char *what, int64_t done, int64_t total)
{
	if (u->options->on_progress != NULL)
		u->options->on_progress(u->options->arg, what, done, total);
}

/* --------------------------------------------------------------------- backup -- */

static void
on_backup(void *arg, int64_t done, int64_t total)
{
	upgrade_tell(arg, "backup", done, total);
}

/* `<db>.pre-meshkern-20260131`, or with a number behind it: an earlier one is never replaced. */
static mk_result
backup_name(const struct upgrade *u, char *name, size_t size, mk_err *err)
{
	time_t now = (time_t)(u->options->wall_us / 1000000);
	char date[16] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(date, sizeof(date), "%Y%m%d", &tm);
	for (int i = 1; i <= BACKUPS_A_DAY; i++) {
		int n =
		    snprintf(name, size, i == 1 ? "%s.pre-meshkern-%s" : "%s.pre-meshkern-%s-%d",
			     db_path(u->db), date, i);

		if (n < 0 || n >= (int)size)
			return mk_err_set(err, MK_EINVAL, "the path of the database is too long");
		if (access(name, F_OK) != 0)
			return MK_OK;
	}
	return mk_err_set(err, MK_EEXIST, "%s and many more backups of today exist: delete some",
			  name);
}

static mk_result
backup_make(struct upgrade *u, mk_err *err)
{
	struct backup_options o = { on_backup, u, u->options->cancel };
	char name[sizeof(u->report->backup)], part[PATH_MAX + 16];
	mk_result rc = backup_name(u, name, sizeof(name), err);

	if (rc != MK_OK)
		return rc;
	upgrade_tell(u, "backup", 0, 0);
	(void)snprintf(part, sizeof(part), "%s.backup-part", db_path(u->db));
	rc = backup_copy(u->db, part, &o, err);
	if (rc == MK_OK)
		rc = backup_publish(part, name, err);
	if (rc != MK_OK) {
		backup_remove(part);
		return mk_err_wrap(err, "backup before the upgrade");
	}
	memcpy(u->report->backup, name, sizeof(name));
	return MK_OK;
}

/* The first change of the upgrade notes that there is a backup. */
static mk_result
step_backup(struct upgrade *u, mk_err *err)
{
	int64_t has_state = 0, noted = 0;
	mk_result rc = db_int(u->db, err, &has_state,
			      "SELECT count(*) FROM sqlite_master WHERE name = 'mk_state'", "");

	if (rc == MK_OK && has_state != 0)
		rc = db_int(u->db, err, &noted,
			    "SELECT count(*) FROM mk_state WHERE name IN ('backup', 'schema')", "");
	if (rc != MK_OK || noted != 0 || u->options->no_backup)
		return rc;
	return backup_make(u, err);
}

/* --------------------------------------------------------------------- tables -- */

static mk_result
step_tables(struct upgrade *u, mk_err *err)
{
	mk_result rc = schema_add_tables(u->db, err);

	return rc == MK_OK ? schema_set(u->db, "backup", 1, err) : rc;
}

/* -------------------------------------------------------------------- indexes -- */

/* Copies of one observation are merged: the lowest id stays, and what it does not know is taken from
 * the others. NULL observers are different ones for SQLite, and stay. */
static const char merge_find[] =
    "CREATE TEMP TABLE twice AS SELECT min(id) AS keep, transmission_id AS tx, "
    "observer_idx AS observer, COALESCE(path_json, '') AS path FROM observations "
    "WHERE observer_idx IS NOT NULL GROUP BY 2, 3, 4 HAVING count(*) > 1";

/* The first value of a copy, in the order of ids, where the one that stays has none. */
#define MERGED(column)                                                       \
	column " = COALESCE(" column ", (SELECT c." column " FROM copies c " \
	       "WHERE c.keep = observations.id AND c." column                \
	       " IS NOT NULL ORDER BY c.id LIMIT 1))"

static const char merge_copies[] =
    /* Without a declared type, comparing with an id would not use the key. */
    "CREATE TEMP TABLE copies (keep INTEGER, id INTEGER, direction, snr, rssi, score, raw_hex, "
    "resolved_path, PRIMARY KEY (keep, id)) WITHOUT ROWID;"
    "INSERT INTO copies SELECT t.keep, o.id, o.direction, o.snr, o.rssi, o.score, o.raw_hex, "
    "o.resolved_path FROM twice t JOIN observations o "
    "ON o.transmission_id = t.tx AND o.observer_idx = t.observer "
    "AND COALESCE(o.path_json, '') = t.path AND o.id <> t.keep;"
    /* clang-format off */
    "UPDATE observations SET "
    MERGED("direction") ", " MERGED("snr") ", " MERGED("rssi") ", " MERGED("score") ", "
    MERGED("raw_hex") ", " MERGED("resolved_path")
    /* clang-format on */
    " WHERE id IN (SELECT keep FROM twice);"
    "DELETE FROM observations WHERE id IN (SELECT id FROM copies);";

static mk_result
merge_observations(struct upgrade *u, mk_err *err)
{
	int64_t copies = 0;
	mk_result rc = db_exec(u->db,
			       "DROP TABLE IF EXISTS temp.twice; "
			       "DROP TABLE IF EXISTS temp.copies",
			       err);

	if (rc == MK_OK)
		rc = db_exec(u->db, merge_find, err);
	if (rc == MK_OK)
		rc = db_exec(u->db, merge_copies, err);
	if (rc == MK_OK)
		rc = db_int(u->db, err, &copies, "SELECT count(*) FROM temp.copies", "");
	if (rc == MK_OK)
		u->report->merged += copies;
	return rc;
}

static mk_result
index_build(struct upgrade *u, const struct schema_index *index, mk_err *err)
{
	bool unique = strcmp(index->name, schema_dedup_index) == 0;
	mk_result rc = db_begin(u->db, err);

	if (rc != MK_OK)
		return rc;
	if (unique)
		rc = merge_observations(u, err);
	if (rc == MK_OK)
		rc = schema_add_index(u->db, index, err);
	if (rc == MK_OK)
		rc = db_commit(u->db, err);
	if (rc != MK_OK)
		db_rollback(u->db);
	if (unique && rc == MK_OK)
		rc = db_exec(u->db, "DROP TABLE temp.twice; DROP TABLE temp.copies", err);
	return rc == MK_OK ? MK_OK : mk_err_wrap(err, "index %s", index->name);
}

static mk_result
step_indexes(struct upgrade *u, mk_err *err)
{
	const struct schema_index *index;
	mk_result rc;

	for (;;) {
		rc = schema_next_needed(u->db, &index, err);
		if (rc != MK_OK || index == NULL)
			return rc;
		upgrade_tell(u, index->name, 0, 0);
		rc = index_build(u, index, err);
		if (rc != MK_OK)
			return rc;
		u->report->indexes++;
		/* Each may be a tenth of the database: the log is not to hold all of them. */
		rc = db_checkpoint(u->db, false, NULL, err);
		if (rc != MK_OK)
			return rc;
	}
}

/* ------------------------------------------------------------------------ all -- */

/* Repairs of columns in a table that is small for certain. */
static mk_result
repair_observers(struct db *db, mk_err *err)
{
	bool done = false;
	mk_result rc = schema_marked(db, "observers_last_packet_at_v1", &done, err);

	if (rc == MK_OK && !done)
		rc = db_exec(db,
			     "UPDATE observers SET last_packet_at = last_seen "
			     "WHERE last_packet_at IS NULL AND EXISTS "
			     "(SELECT 1 FROM observations WHERE observer_idx = observers.rowid)",
			     err);
	/* Whole numbers were stored as INTEGER once; readers expect one type. */
	if (rc == MK_OK)
		rc = db_exec(db,
			     "UPDATE observers SET noise_floor = CAST(noise_floor AS REAL) "
			     "WHERE typeof(noise_floor) = 'integer'",
			     err);
	return rc;
}

static mk_result
step_end(struct upgrade *u, mk_err *err)
{
	mk_result rc = repair_observers(u->db, err);

	if (rc == MK_OK)
		rc = schema_add_view(u->db, err);
	if (rc == MK_OK)
		rc = jobs_plan(u->db, err);
	return rc == MK_OK ? schema_finish(u->db, err) : rc;
}

static mk_result
in_transaction(struct upgrade *u, const char *what, mk_result (*step)(struct upgrade *, mk_err *),
	       mk_err *err)
{
	mk_result rc;

	upgrade_tell(u, what, 0, 0);
	rc = db_begin(u->db, err);
	if (rc == MK_OK)
		rc = step(u, err);
	if (rc == MK_OK)
		rc = db_commit(u->db, err);
	if (rc != MK_OK) {
		db_rollback(u->db);
		return mk_err_wrap(err, "%s", what);
	}
	return MK_OK;
}

static int
on_steps(void *arg)
{
	return atomic_load((atomic_bool *)arg) ? 1 : 0;
}

/* What there is to repair in it was not known when some of it was made: look once more. */
static mk_result
step_check(struct upgrade *u, mk_err *err)
{
	char missing[200];
	mk_result rc = schema_missing(u->db, missing, sizeof(missing), err);

	if (rc == MK_OK && missing[0] != '\0')
		rc = mk_err_set(err, MK_EABI, "%s: the upgrade could not add %s", db_path(u->db),
				missing);
	return rc;
}

mk_result
upgrade_run(struct db *db, const struct upgrade_options *options, struct upgrade_report *report,
	    mk_err *err)
{
	struct upgrade_report scratch;
	struct upgrade u = { db, options, report == NULL ? &scratch : report };
	mk_result rc;

	memset(u.report, 0, sizeof(*u.report));
	if (options->cancel != NULL)
		sqlite3_progress_handler(db_handle(db), CANCEL_STEPS, on_steps, options->cancel);
	rc = step_backup(&u, err);
	if (rc == MK_OK) {
		upgrade_tell(&u, "write-ahead log", 0, 0);
		rc = db_use_wal(db, err);
	}
	if (rc == MK_OK)
		rc = in_transaction(&u, "tables and columns", step_tables, err);
	if (rc == MK_OK)
		rc = step_indexes(&u, err);
	if (rc == MK_OK)
		rc = in_transaction(&u, "view and markers", step_end, err);
	if (rc == MK_OK)
		rc = step_check(&u, err);
	if (rc == MK_OK)
		rc = db_checkpoint(db, true, NULL, err);
	if (rc == MK_OK)
		rc = db_keep_temporary(db, true, err);
	sqlite3_progress_handler(db_handle(db), 0, NULL, NULL);
	upgrade_tell(&u, "end", 0, 0);
	return rc;
}
